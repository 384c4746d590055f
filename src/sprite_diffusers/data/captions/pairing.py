"""Which row of a table describes which image, and which row of the attribute table belongs to which caption."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from ...errors import SpriteError
from .tables import CaptionRow, CaptionTable, name_key

_NUMBERED = re.compile(r"(\D*)(\d+)")


def natural_key(path: Path) -> list[tuple[int, int, str]]:
    """Sorts 2.png before 10.png."""
    parts = re.split(r"(\d+)", path.as_posix().lower())
    return [(1, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts]


def match_images(table: CaptionTable, images: Sequence[Path]) -> list[int | None]:
    """The row of each image, by the first of these that applies.

    1. File names, if the table has them.
    2. Names, if at least half of the image files are called like a row.
    3. Numbers, if the files are numbered (001.png, sprite_001.png): the number column, else the place in the table,
       counted from 0 if there is an image 0 and from 1 otherwise.
    4. Order: the natural order of the file names, if there are as many rows as images.

    Args:
        table: its rows are used once each.
        images: in natural order.

    Raises:
        SpriteError: if none applies.
    """
    rows = table.rows
    if any(row.file_name for row in rows):
        return _by_file_name(table, images)
    by_name = _first_of(name_key(row.name) for row in rows)
    named = [by_name.get(name_key(image.stem)) for image in images]
    if sum(row is not None for row in named) >= len(images) / 2:
        return named
    numbered = _by_number(rows, images)
    if numbered is not None:
        return numbered
    if len(rows) == len(images):
        return list(range(len(rows)))
    raise SpriteError(
        f"{str(table.path)!r} has {len(rows)} rows for {len(images)} images, whose names ({images[0].name!r} …) are "
        "neither those of the rows nor their numbers; rename the images, or give a metadata.csv with file_name and text"
    )


def match_attributes(rows: Sequence[CaptionRow], attributes: Sequence[CaptionRow]) -> list[int | None]:
    """The row of the attribute table that belongs to each row of captions.

    Names decide. Where tables of one length are side by side, a name cut short ("Mr" beside "Mr. Mime") goes with its
    neighbour.
    """
    keys = [name_key(row.name) for row in rows]
    others = [name_key(row.name) for row in attributes]
    by_name = _first_of(others)
    parallel = len(keys) == len(others)
    found: list[int | None] = []
    for index, key in enumerate(keys):
        beside = parallel and others[index].startswith(key)
        found.append(index if beside else by_name.get(key))
    return found


def _by_file_name(table: CaptionTable, images: Sequence[Path]) -> list[int | None]:
    root = table.path.parent
    by_file: dict[Path, int] = {}
    for index, row in enumerate(table.rows):
        if row.file_name is None:
            continue
        path = (root / row.file_name).resolve()
        if by_file.setdefault(path, index) != index:
            raise SpriteError(
                f"{str(table.path)!r} has the file name {row.file_name!r} twice; allowed is one row per image: remove "
                "the other"
            )
    return [by_file.get(image.resolve()) for image in images]


def _by_number(rows: Sequence[CaptionRow], images: Sequence[Path]) -> list[int | None] | None:
    """None if the files are not numbered, or their numbers are no places in the table."""
    matches = [_NUMBERED.fullmatch(image.stem) for image in images]
    if not all(matches) or len({match[1] for match in matches if match}) > 1:
        return None
    numbers = [int(match[2]) for match in matches if match]
    if len(set(numbers)) < len(numbers):
        return None
    own = {row.number: index for index, row in enumerate(rows) if row.number is not None}
    if len(own) == len(rows):
        return [own.get(number) for number in numbers]
    base = 0 if 0 in numbers else 1
    inside = all(number - base < len(rows) for number in numbers)
    if not inside and min(numbers) > base:
        return None
    return [number - base if number - base < len(rows) else None for number in numbers]


def _first_of(keys: Iterable[str]) -> dict[str, int]:
    first: dict[str, int] = {}
    for index, key in enumerate(keys):
        first.setdefault(key, index)
    return first
