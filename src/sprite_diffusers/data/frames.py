"""`load_frames`: anything that `load_sprites` reads, as the frames of a sheet, with nothing removed, split or resized."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..sheets import SHEET_SUFFIXES, SpriteSheet, Tag, read_sheet
from ..sheets.sheet import DEFAULT_DURATION, Pivot, anchor, unique_names
from .raw import RawSplit
from .sources import BUILT_IN, IMAGE_SUFFIXES, read_source

SYNTHETIC_FRAMES = 25


def load_frames(
    source: str | Path,
    *,
    sheet_json: str | Path | None = None,
    frame_size: tuple[int, int] | None = None,
    pivot: str | Pivot | None = None,
    num: int | None = None,
    seed: int = 0,
) -> SpriteSheet:
    """Frames of a sheet, an animation, a folder of images or a data set.

    The images of a data set come class by class, each class an animation; files in the order of the numbers in their
    names. A data set that was read from a sheet has its order, names and durations again.

    Args:
        source: as for `load_sprites`.
        sheet_json: where the frames of a sheet's image are.
        frame_size: width and height of the frames: how a plain sheet is cut, and the canvas that smaller images are
            put on.
        pivot: the point that images of different sizes share, see `SpriteSheet.from_images`; that of the sheet, or the
            centre, if not given.
        num: at most so many frames, the first ones.
        seed: of "synthetic".

    Raises:
        SpriteError: anything wrong in the arguments or the data, in one line.
    """
    path = Path(source).expanduser()
    if path.suffix.lower() in SHEET_SUFFIXES and not path.is_dir():
        return _load_sheet(path, sheet_json, frame_size, pivot, num)
    drawn = (num or SYNTHETIC_FRAMES) if str(source) in BUILT_IN else None
    splits = read_source(source, seed=seed, num_samples=drawn, sheet_json=sheet_json)
    images = sorted(itertools.chain(*map(_images, splits.values())), key=lambda image: image.order)[:num]
    names = [image.name or f"{image.animation or 'frame'} {index}" for index, image in enumerate(images)]
    return SpriteSheet.from_images(
        [image.pixels for image in images],
        pivot or "center",
        frame_size,
        names=unique_names(names),
        durations=[image.duration for image in images],
        tags=_tags([image.animation for image in images]),
    )


def _load_sheet(
    path: Path,
    sheet_json: str | Path | None,
    frame_size: tuple[int, int] | None,
    pivot: str | Pivot | None,
    num: int | None,
) -> SpriteSheet:
    is_plain = sheet_json is None and path.suffix.lower() in (".png", ".bmp")
    sheet = read_sheet(path, sheet_json=sheet_json, frame_size=frame_size if is_plain else None)
    if num is not None and num < len(sheet):
        tags = [replace(tag, stop=min(tag.stop, num - 1)) for tag in sheet.tags if tag.start < num]
        sheet = replace(
            sheet,
            frames=sheet.frames[:num],
            names=sheet.names[:num],
            durations=sheet.durations[:num],
            tags=tuple(tags),
        )
    if frame_size in (None, sheet.frame_size):
        return sheet if pivot is None else replace(sheet, pivot=anchor(pivot, sheet.frame_size))
    return SpriteSheet.from_images(
        list(sheet.frames),
        pivot or sheet.pivot or "center",
        frame_size,
        names=sheet.names,
        durations=sheet.durations,
        tags=sheet.tags,
    )


@dataclass(frozen=True)
class _Image:
    """An image of a data set, what it is called (nothing in particular if empty), and what it is sorted by."""

    pixels: np.ndarray
    name: str
    duration: int
    animation: str | None
    order: tuple


def _images(split: RawSplit) -> Iterator[_Image]:
    columns = {} if split.extra is None else split.extra.to_pydict()
    for index, where in enumerate(split.names):
        animation, label = None, -1
        if split.labels is not None:
            label = int(split.labels[index])
            animation = split.class_names[label] if split.class_names else str(label)
        row = {name: column[index] for name, column in columns.items()}
        is_file = Path(where).suffix.lower() in IMAGE_SUFFIXES
        text = split.texts[index] if split.texts is not None else None
        name = row.get("name") or (Path(where).stem if is_file else f"{text} {index}" if text else "")
        duration, position = row.get("duration"), row.get("frame")
        if isinstance(position, int):
            order: tuple = (0, position)
        else:
            order = (1, label, _natural(where) if is_file else [(index, "")])
        yield _Image(
            split.pixels[index],
            str(name),
            duration if isinstance(duration, int) else DEFAULT_DURATION,
            animation,
            order,
        )


def _natural(name: str) -> list[tuple[int, str]]:
    """Sorts "walk 2" before "walk 10"."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def _tags(animations: Sequence[str | None]) -> list[Tag]:
    """A tag for each class that stands together; none for those that do not."""
    tags, start = [], 0
    for name, members in itertools.groupby(animations):
        length = len(list(members))
        if name is not None:
            tags.append(Tag(name, start, start + length - 1))
        start += length
    scattered = {tag.name for tag in tags if sum(other.name == tag.name for other in tags) > 1}
    return [tag for tag in tags if tag.name not in scattered]
