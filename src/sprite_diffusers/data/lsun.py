"""Photographs in the folder layout of LSUN: ``data0/lsun/<category>/a/b/c/<hash>.jpg``."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from ..errors import SpriteError
from .raw import RawSplit

DEFAULT_SIZE = 64
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
LAYOUT = "data0/lsun/<category>/a/b/c/<hash>.jpg"

logger = logging.getLogger(__name__)


def is_lsun(folder: Path) -> bool:
    """Whether `folder` is the one that holds ``data0``, which is read by `read_lsun`."""
    return (folder / "data0").is_dir()


def read_lsun(folder: Path, image_size: int | None, num_samples: int | None) -> RawSplit:
    """Photographs, scaled to `image_size` on their shorter side and cropped to its square in the centre.

    Folders are walked as images are needed, in the order of their names, which are hashes: the first images are a
    random part, and no more are looked for once there are `num_samples`. Files that cannot be decoded are left out and
    counted. One category has no labels; several are classes.

    Args:
        folder: holds ``data0``.
        image_size: the side in pixels; 64 if not given.
        num_samples: the most images to read of each category; all if not given (4 bytes per pixel are held in memory).

    Raises:
        SpriteError: another layout, no images, or none that can be decoded.
    """
    categories = _categories(folder)
    size = image_size or DEFAULT_SIZE
    pixels: list[np.ndarray] = []
    names: list[str] = []
    labels: list[int] = []
    num_bad = 0
    for label, category in enumerate(categories):
        before = len(pixels)
        for path in walk_lsun(category):
            if num_samples is not None and len(pixels) - before >= num_samples:
                break
            try:
                pixels.append(_square(path, size))
            except Exception as error:  # Pillow raises a dozen kinds for damaged files
                num_bad += 1
                logger.debug("%s is left out: %s", path, error)
                continue
            names.append(str(path))
            labels.append(label)
        if len(pixels) == before:
            raise SpriteError(_no_images(category, num_bad))
    if num_bad:
        logger.warning("%d files of %s could not be decoded and are left out.", num_bad, folder)
    return RawSplit(
        pixels=np.stack(pixels),
        names=names,
        labels=np.array(labels, np.int64) if len(categories) > 1 else None,
        class_names=tuple(path.name for path in categories) if len(categories) > 1 else None,
        num_bad=num_bad,
    )


def walk_lsun(category: Path) -> Iterator[Path]:
    """The images of a category, three folders down, in the order of their names; one folder is open at a time."""
    return _walk(category, depth=3)


def _walk(folder: Path, depth: int) -> Iterator[Path]:
    with os.scandir(folder) as listing:
        entries = sorted(listing, key=lambda entry: entry.name)
    for entry in entries:
        if depth and entry.is_dir():
            yield from _walk(Path(entry.path), depth - 1)
        elif not depth and Path(entry.name).suffix.lower() in SUFFIXES and not entry.name.startswith("."):
            yield Path(entry.path)


def _categories(folder: Path) -> list[Path]:
    lsun = folder / "data0" / "lsun"
    if not lsun.is_dir():
        found = sorted(path.name for path in (folder / "data0").iterdir())
        raise SpriteError(
            f"{str(folder / 'data0')!r} has no folder 'lsun' (it has {', '.join(found[:3]) or 'nothing'}); the layout of "
            f"LSUN is {LAYOUT}: unpack it again, or rename 'data0' if these are other images"
        )
    categories = sorted(path for path in lsun.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not categories:
        raise SpriteError(f"{str(lsun)!r} has no category, such as 'bedroom'; the layout of LSUN is {LAYOUT}")
    return categories


def _no_images(category: Path, num_bad: int) -> str:
    if num_bad:
        return f"none of the {num_bad} images in {str(category)!r} can be decoded; download them again"
    misplaced = next((path for path in category.rglob("*") if path.suffix.lower() in SUFFIXES), None)
    if misplaced is not None:
        return (
            f"{str(misplaced)!r} is not three folders below {category.name!r}; the layout of LSUN is {LAYOUT}: move the "
            f"images there, or give {str(category)!r} itself, as a folder of images"
        )
    return f"no images in {str(category)!r}; the layout of LSUN is {LAYOUT}: change the path"


def _square(path: Path, size: int) -> np.ndarray:
    """uint8 (size, size, 4), opaque."""
    with Image.open(path) as image:
        image.draft("RGB", (size, size))  # a JPEG is decoded at the smallest size that is large enough
        fitted = ImageOps.fit(image.convert("RGB"), (size, size), Image.Resampling.LANCZOS)
    return np.asarray(fitted.convert("RGBA"))
