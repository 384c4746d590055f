"""Which tables and images a folder holds, brought together: one item per image that has a description."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ...errors import SpriteError
from ..sources import IMAGE_SUFFIXES
from .pairing import match_attributes, match_images, natural_key
from .tables import CaptionRow, CaptionTable, read_table

METADATA = ("metadata.jsonl", "metadata.csv")
TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl")


@dataclass(frozen=True)
class Item:
    """An image file, what is said about it, and whether the text is made of attributes."""

    path: Path
    row: CaptionRow
    made_of_attributes: bool


@dataclass(frozen=True)
class CaptionSource:
    """All that a folder holds.

    Attributes:
        items: pairs, in the natural order of the image files.
        species: the rows of the attribute table, or none.
        missing_images: names of rows without an image.
        missing_descriptions: names (or file names) of images without a description.
        tables: file names.
        notes: what had to be assumed in reading the tables.
    """

    items: list[Item]
    species: list[CaptionRow]
    missing_images: list[str]
    missing_descriptions: list[str]
    tables: tuple[str, ...]
    notes: tuple[str, ...]


def find_source(source: str | Path, captions: str | Path | None, attributes: str | Path | None) -> CaptionSource:
    """Finds tables and images and pairs them; see `load_captioned` for the layouts.

    Raises:
        SpriteError: if there is no folder, no image, no table or more than one that could be meant, or no pair.
    """
    folder = Path(source).expanduser()
    if not folder.is_dir():
        raise SpriteError(f"no folder {str(source)!r}; allowed is a folder of images with a table of captions")
    images = _find_images(folder)
    table, attribute_table = _find_tables(folder, captions, attributes)
    found = _pair(table, attribute_table, images)
    if not found.items:
        raise SpriteError(
            f"none of the {len(images)} images of {str(source)!r} ({images[0].name!r} …) has a description in "
            f"{str(table.path)!r} ({len(table.rows)} rows, the first {table.rows[0].file_name or table.rows[0].name!r})"
            "; check that they belong together"
        )
    return found


def _find_images(folder: Path) -> list[Path]:
    inner = folder / "images"
    root = inner if inner.is_dir() else folder
    images = [
        path
        for path in root.rglob("*")
        if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file() and not path.name.startswith(".")
    ]
    if not images:
        raise SpriteError(f"no images in {str(root)!r}; allowed are {' '.join(IMAGE_SUFFIXES)}: add some")
    return sorted(images, key=lambda path: natural_key(path.relative_to(root)))


def _find_tables(
    folder: Path, captions: str | Path | None, attributes: str | Path | None
) -> tuple[CaptionTable, CaptionTable | None]:
    """The table of captions and the attribute table, which may be one and the same."""
    given = read_table(Path(captions).expanduser()) if captions is not None else None
    given_attributes = read_table(Path(attributes).expanduser()) if attributes is not None else None
    if given_attributes is not None and not given_attributes.has_attributes:
        raise SpriteError(
            f"{str(attributes)!r} has no column of attributes; needed is one of primary_type, classification, "
            "abilities_0, evochain_0: give another --attributes or none"
        )
    texts, attribute_tables = _tables_in(folder, required=given is None and given_attributes is None)
    if given is None and len(texts) > 1:
        raise SpriteError(
            f"{str(folder)!r} has {len(texts)} tables of captions ({', '.join(table.path.name for table in texts)}); "
            "choose one with --captions"
        )
    table = given or (texts[0] if texts else None)
    attribute_table = given_attributes or (table if table is not None and table.has_attributes else None)
    if attribute_table is None and len(attribute_tables) > 1:
        names = ", ".join(table.path.name for table in attribute_tables)
        raise SpriteError(
            f"{str(folder)!r} has {len(attribute_tables)} attribute tables ({names}); choose one with --attributes"
        )
    attribute_table = attribute_table or (attribute_tables[0] if attribute_tables else None)
    chosen = table or attribute_table
    assert chosen is not None  # _tables_in has looked
    return chosen, attribute_table


def _tables_in(folder: Path, required: bool) -> tuple[list[CaptionTable], list[CaptionTable]]:
    """Tables of captions (metadata alone, if there is any) and attribute tables; other files are passed over."""
    places = [folder, folder / "images"]
    paths = [path for place in places if place.is_dir() for path in sorted(place.iterdir()) if path.is_file()]
    candidates = [path for path in paths if path.suffix.lower() in TABLE_SUFFIXES and not path.name.startswith(".")]
    metadata = [path for path in candidates if path.name in METADATA]
    texts, attributes, refused = [read_table(path) for path in metadata], [], []
    for path in candidates:
        if path in metadata:
            continue
        try:
            table = read_table(path)
        except SpriteError as error:
            refused.append(error)
            continue
        if table.has_attributes:
            attributes.append(table)
        elif not metadata:
            texts.append(table)
    if required and not texts and refused:
        raise refused[0]
    if required and not texts and not attributes:
        raise SpriteError(
            f"no table of captions in {str(folder)!r}; allowed are metadata.csv or metadata.jsonl with file_name and "
            "text, or a .csv of 'name; description' lines: add one, or give --captions"
        )
    return texts, attributes


def _pair(table: CaptionTable, attribute_table: CaptionTable | None, images: list[Path]) -> CaptionSource:
    matched = match_images(table, images)
    notes = list(table.notes)
    rows: list[CaptionRow | None] = [None if index is None else table.rows[index] for index in matched]
    attributes: list[CaptionRow | None] = [None] * len(images)
    if attribute_table is table:
        rows, attributes = attributes, rows
    elif attribute_table is not None:
        attributes = _attributes_of(images, matched, table, attribute_table)
        notes += [*attribute_table.notes, *_note_names(rows, attributes, attribute_table.path.name)]
    items, undescribed = [], []
    for image, row, attribute in zip(images, rows, attributes, strict=True):
        item = _item(image, row, attribute)
        if item is not None:
            items.append(item)
        else:
            known = row or attribute
            undescribed.append(known.name if known is not None else image.name)
    return CaptionSource(
        items=items,
        species=attribute_table.rows if attribute_table is not None else [],
        missing_images=[row.name for index, row in enumerate(table.rows) if index not in matched],
        missing_descriptions=undescribed,
        tables=tuple(dict.fromkeys(part.path.name for part in (table, attribute_table) if part is not None)),
        notes=tuple(notes),
    )


def _attributes_of(
    images: list[Path], matched: list[int | None], table: CaptionTable, attribute_table: CaptionTable
) -> list[CaptionRow | None]:
    """The attributes of each image: those of its row of captions, or of the image itself if it has no such row."""
    of_row = match_attributes(table.rows, attribute_table.rows)
    of_image: list[int | None] = [None] * len(images)
    if None in matched:
        with contextlib.suppress(SpriteError):  # files that are called by no name or number of the attribute table
            of_image = match_images(attribute_table, images)
    indices = [own if row is None else of_row[row] for row, own in zip(matched, of_image, strict=True)]
    return [None if index is None else attribute_table.rows[index] for index in indices]


def _item(image: Path, row: CaptionRow | None, attribute: CaptionRow | None) -> Item | None:
    """An image with its text, or None if there is no text. The attribute table has the names in full."""
    if row is not None and row.text:
        if attribute is None:
            return Item(image, row, made_of_attributes=False)
        merged = replace(
            row,
            name=attribute.name,
            types=row.types or attribute.types,
            family=row.family or attribute.family,
            relatives=attribute.relatives,
        )
        return Item(image, merged, made_of_attributes=False)
    if attribute is not None and attribute.text:
        return Item(image, attribute, made_of_attributes=True)
    return None


def _note_names(rows: Sequence[CaptionRow | None], attributes: Sequence[CaptionRow | None], file: str) -> list[str]:
    pairs = [(row.name, other.name) for row, other in zip(rows, attributes, strict=True) if row and other]
    changed = [(before, after) for before, after in pairs if before != after]
    if not changed:
        return []
    return [f"{len(changed)} names are those of {file} (such as {changed[0][1]!r} for {changed[0][0]!r})"]
