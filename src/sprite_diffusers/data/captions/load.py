"""`load_captioned`: a folder of images and a table of descriptions to splits that are safe to train on."""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import numpy as np
from PIL import Image

from ...errors import SpriteError
from ..duplicates import digests, first_of_each
from ..pixels import parse_color, resize
from ..raw import RawSplit, decode_image
from .families import SPLITS, find_families, split_families
from .report import CaptionReport, CaptionStatistics, count_types, first_names
from .sources import CaptionSource, Item, find_source

MODES = ("RGB", "RGBA")


class CaptionedDataset(datasets.DatasetDict):
    """A DatasetDict with the splits "train", "validation" and "test", less those whose share is 0.

    Columns: `image` (PNG, mode RGB or RGBA, all of one size), `text` (the description), `name`, `types` (a list of
    strings, empty if unknown), `family` (the id of a group of which all members are in one split).
    """

    report: CaptionReport


@dataclass
class _Decoded:
    """Images of one size with what belongs to each: pixels uint8 (N, S, S, 3 or 4)."""

    items: list[Item]
    pixels: np.ndarray
    bad: list[str]
    resized: list[str]
    num_transparent: int
    num_soft: int


def load_captioned(
    source: str | Path,
    *,
    captions: str | Path | None = None,
    attributes: str | Path | None = None,
    image_size: int | None = None,
    mode: str = "RGB",
    background: str = "white",
    splits: tuple[float, float, float] = (0.8, 0.15, 0.05),
    seed: int = 0,
    skip_bad_images: bool = False,
) -> CaptionedDataset:
    """Reads images with descriptions, leaves out what is not a pair, splits by family, and says what it did.

    The decoded source is held in memory while it is read (4 bytes per pixel).

    Args:
        source: a folder of images, or with them in `images/`, and one of: `metadata.csv` or `metadata.jsonl` with
            `file_name` and `text` (optional `name`, `types`, `family`); a table of `name; description` lines; an
            attribute table (`name` or `english_name`, `primary_type`, `evochain_0`, ...). Tables are UTF-8 or UTF-16,
            separated by ; tab or comma. See `pairing.match_images` for which row describes which image.
        captions: the table of descriptions, if it is not in the folder or there are several.
        attributes: likewise the attribute table, which gives types and evolution lines, and a text where a description
            is missing.
        image_size: the side of the images in pixels. An image of another size is scaled by nearest neighbour, its
            aspect kept, and centred. None: the most common size.
        mode: "RGB" composites on `background`; "RGBA" keeps straight alpha, (0, 0, 0, 0) where transparent.
        background: an opaque colour name or #rrggbb; also pads RGB images.
        splits: the shares of train, validation and test, which add up to 1. A split of share 0 is left out.
        seed: of the splits, which depend on nothing else but the images' families and their order.
        skip_bad_images: leaves out files that cannot be decoded, and counts them, instead of raising.

    Returns:
        A CaptionedDataset; `.report` says what was read and left out.

    Raises:
        SpriteError: for anything wrong in the arguments or the data, in one line.
    """
    _check_arguments(image_size, mode, background, splits)
    found = find_source(source, captions, attributes)
    decoded = _decode(found, image_size, background if mode == "RGB" else None, skip_bad_images)
    looks = digests(RawSplit(pixels=decoded.pixels, names=[item.row.name for item in decoded.items]))
    families = find_families([item.row for item in decoded.items], found.species, looks)
    parts = split_families(families, splits, seed, str(source))
    dataset = CaptionedDataset({split: _to_dataset(decoded, families, rows, mode) for split, rows in parts.items()})
    dataset.report = CaptionReport(
        source=str(source),
        **_counts(found, decoded),
        num_duplicates=int((first_of_each(looks) != np.arange(len(looks))).sum()),
        num_families=len(set(families)),
        splits=(splits[0], splits[1], splits[2]),
        seed=seed,
        split_sizes={split: len(rows) for split, rows in parts.items()},
        image_size=decoded.pixels.shape[1],
        mode=mode,
        background=background,
        captions=CaptionStatistics.of(
            [item.row.text for item in decoded.items], [item.row.name for item in decoded.items]
        ),
        type_counts={
            split: count_types([decoded.items[index].row.types for index in rows]) for split, rows in parts.items()
        },
        fingerprint=_fingerprint(decoded, looks, parts["train"]),
    )
    return dataset


def _check_arguments(image_size: int | None, mode: str, background: str, splits: tuple[float, float, float]) -> None:
    parse_color(background)
    if image_size is not None and image_size < 1:
        raise SpriteError(f"image_size {image_size} is not positive; change --image_size")
    if mode not in MODES:
        raise SpriteError(f"mode {mode!r} is unknown; allowed are {' and '.join(MODES)}: change --mode")
    if len(splits) != len(SPLITS) or min(splits) < 0 or not splits[0] > 0 or abs(sum(splits) - 1) > 1e-6:
        raise SpriteError(
            f"splits {tuple(splits)} are not shares; allowed are three numbers of 0 or more (train, validation, test) "
            "that add up to 1, the first more than 0"
        )


def _decode(found: CaptionSource, image_size: int | None, background: str | None, skip_bad_images: bool) -> _Decoded:
    """Decodes the images, and brings them to one size and mode (RGB if `background` is given)."""
    items: list[Item] = []
    images: list[np.ndarray] = []
    bad: list[str] = []
    for item in found.items:
        try:
            images.append(decode_image(item.path))
            items.append(item)
        except Exception as error:  # Pillow raises a dozen kinds for damaged files, SyntaxError among them
            if not skip_bad_images:
                reason = str(error).splitlines()[0] if str(error) else type(error).__name__
                raise SpriteError(
                    f"cannot decode the image {str(item.path)!r} ({reason}); repair or remove it, or pass "
                    "--skip_bad_images"
                ) from error
            bad.append(item.path.name)
    if not images:
        raise SpriteError(f"none of the {len(bad)} images could be decoded ({bad[0]!r} …); check the files")
    size = image_size or _most_common_side(images)
    resized = [
        f"{item.row.name} {image.shape[1]}x{image.shape[0]}"
        for item, image in zip(items, images, strict=True)
        if image.shape[:2] != (size, size)
    ]
    soft = [bool(((image[..., 3] > 0) & (image[..., 3] < 255)).any()) for image in images]
    transparent = [bool((image[..., 3] < 255).any()) for image in images]
    # one by one, because the integer arithmetic of an image stays in the processor's cache
    pixels = np.concatenate([resize(fit_square(image, size)[None], size, background) for image in images])
    return _Decoded(items, pixels, bad, resized, sum(transparent), sum(soft))


def _most_common_side(images: Sequence[np.ndarray]) -> int:
    """The longest side that most images have; the larger of two that are as common."""
    sides = Counter(max(image.shape[:2]) for image in images)
    return max(sides, key=lambda side: (sides[side], side))


def fit_square(image: np.ndarray, size: int) -> np.ndarray:
    """uint8 (H, W, 4) scaled so that its longest side is `size`, centred on transparency: (size, size, 4)."""
    height, width = image.shape[:2]
    if height != width or height != size:
        longest = max(height, width)
        rows, columns = (max(1, round(side * size / longest)) for side in (height, width))
        picked = [
            ((np.arange(new) + 0.5) * old / new).astype(np.int64) for new, old in ((rows, height), (columns, width))
        ]
        canvas = np.zeros((size, size, 4), np.uint8)
        top, left = (size - rows) // 2, (size - columns) // 2
        canvas[top : top + rows, left : left + columns] = image[np.ix_(*picked)]
        return canvas
    return image


def _to_dataset(decoded: _Decoded, families: list[str], rows: np.ndarray, mode: str) -> datasets.Dataset:
    items = [decoded.items[index] for index in rows]
    columns: dict[str, list[Any]] = {
        "image": [{"bytes": _png(decoded.pixels[index]), "path": None} for index in rows],
        "text": [item.row.text for item in items],
        "name": [item.row.name for item in items],
        "types": [list(item.row.types) for item in items],
        "family": [families[index] for index in rows],
    }
    string = datasets.Value("string")
    features = datasets.Features(
        image=datasets.Image(mode=mode), text=string, name=string, types=datasets.List(string), family=string
    )
    return datasets.Dataset.from_dict(columns, features)


def _png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def _counts(found: CaptionSource, decoded: _Decoded) -> dict[str, Any]:
    """What was read and left out, as `CaptionReport` has it."""
    return {
        "tables": found.tables,
        "num_images": len(decoded.items),
        "num_missing_images": len(found.missing_images),
        "missing_images": first_names(found.missing_images),
        "num_missing_descriptions": len(found.missing_descriptions),
        "missing_descriptions": first_names(found.missing_descriptions),
        "num_bad_images": len(decoded.bad),
        "bad_images": first_names(decoded.bad),
        "num_attribute_texts": sum(item.made_of_attributes for item in decoded.items),
        "num_resized": len(decoded.resized),
        "resized": first_names(decoded.resized),
        "num_transparent": decoded.num_transparent,
        "num_soft": decoded.num_soft,
        "notes": found.notes,
    }


def _fingerprint(decoded: _Decoded, looks: list[bytes], rows: np.ndarray) -> str:
    """sha256 over pixels and texts, in hex; independent of the order of the images."""
    entries = sorted(looks[index] + hashlib.sha256(decoded.items[index].row.text.encode()).digest() for index in rows)
    return hashlib.sha256(b"%d" % decoded.pixels.shape[-1] + b"".join(entries)).hexdigest()
