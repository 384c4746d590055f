"""What an audit looks at: every image that a source holds, before anything is removed, resized or split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ...errors import SpriteError
from ..duplicates import digests, first_of_each
from ..load import unify_classes
from ..pixels import resize
from ..raw import RawSplit
from ..sources import BUILT_IN, IMAGE_SUFFIXES, read_source

CHUNK_BYTES = 1 << 25  # checks look at this many bytes of pixels at a time, to bound their temporaries


@dataclass
class Collection:
    """The images of all splits in one list.

    Attributes:
        source: as given.
        pixels: N uint8 straight-alpha images (H, W, 4), possibly of several sizes.
        names: where each image came from, relative to the source.
        splits: int64 (N,), positions in `split_names`.
        split_names: train first.
        labels: int64 (N,), or None without classes.
        class_names: in the order of the labels; None without classes.
        num_bad: files or rows that could not be decoded.
        bad_names: their names, as far as they can be told.
        num_found: images that could be decoded, more than N where `max_images` chose some of them.
    """

    source: str
    pixels: Sequence[np.ndarray]
    names: list[str]
    splits: np.ndarray
    split_names: tuple[str, ...]
    labels: np.ndarray | None
    class_names: tuple[str, ...] | None
    num_bad: int
    bad_names: list[str]
    num_found: int

    def __len__(self) -> int:
        return len(self.pixels)

    @cached_property
    def sizes(self) -> list[tuple[int, int]]:
        """(height, width) of each image."""
        return [image.shape[:2] for image in self.pixels]

    @cached_property
    def main_size(self) -> tuple[int, int]:
        """The size that most images have."""
        return Counter(self.sizes).most_common(1)[0][0]

    @cached_property
    def first(self) -> np.ndarray:
        """(N,) the index of the first image, of any split, that looks the same as image i (see `duplicates.digests`)."""
        return first_of_each(digests(RawSplit(list(self.pixels), self.names)))

    @cached_property
    def distinct(self) -> np.ndarray:
        """(D,) the indices of the images that no earlier one equals."""
        return np.flatnonzero(self.first == np.arange(len(self)))

    @property
    def groups(self) -> list[tuple[str, np.ndarray]]:
        """The name of each class that has images and the mask (N,) of its images; one group without classes."""
        if self.labels is None or self.class_names is None:
            return [("all images", np.ones(len(self), bool))]
        masks = [(name, self.labels == label) for label, name in enumerate(self.class_names)]
        return [(name, mask) for name, mask in masks if mask.any()]

    def batches(self, indices: np.ndarray | None = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Stacks of images of one size, as (their indices (B,), pixels (B, H, W, 4)), with colour under alpha 0 zeroed."""
        by_size: dict[tuple[int, int], list[int]] = {}
        for index in range(len(self)) if indices is None else indices.tolist():
            by_size.setdefault(self.sizes[index], []).append(index)
        for (height, width), members in by_size.items():
            step = max(1, CHUNK_BYTES // (height * width * 4))
            for start in range(0, len(members), step):
                part = np.array(members[start : start + step])
                stack = np.stack([self.pixels[i] for i in part])
                yield part, np.where(stack[..., 3:] > 0, stack, np.uint8(0))

    def thumbnails(self, indices: np.ndarray, side: int) -> np.ndarray:
        """uint8 (M, side, side, 4): the images at `indices`, brought to one size without blurring (`pixels.resize`)."""
        result = np.empty((len(indices), side, side, 4), np.uint8)
        place = np.full(len(self), -1)
        place[indices] = np.arange(len(indices))
        for part, pixels in self.batches(indices):
            result[place[part]] = resize(pixels, side)
        return result


def read_collection(
    source: str | Path,
    *,
    labels: str | Path | None = None,
    class_names: Sequence[str] | None = None,
    skip_bad_images: bool = True,
    max_images: int | None = None,
    seed: int = 0,
) -> Collection:
    """Reads a source as `load_sprites` does, and removes nothing.

    Raises:
        SpriteError: for anything wrong in the arguments or the data, in one line.
    """
    if max_images is not None and max_images < 2:
        raise SpriteError(f"max_images {max_images} is too few to compare; allowed is 2 or more: change --max_images")
    drawn = max_images if str(source) in BUILT_IN else None
    splits = read_source(source, labels=labels, seed=seed, num_samples=drawn, skip_bad_images=skip_bad_images)
    splits, names = unify_classes(splits, class_names, str(source))
    parts = list(splits.values())
    collection = Collection(
        source=str(source),
        pixels=[image for part in parts for image in part.pixels],
        names=[_short(name, source) for part in parts for name in part.names],
        splits=np.repeat(np.arange(len(parts)), [len(part) for part in parts]),
        split_names=tuple(splits),
        labels=np.concatenate([part.labels for part in parts if part.labels is not None]) if names else None,
        class_names=names,
        num_bad=sum(part.num_bad for part in parts),
        bad_names=[_short(name, source) for part in parts for name in _bad_names(source, part)],
        num_found=sum(len(part) for part in parts),
    )
    if len(collection) < 2:
        raise SpriteError(
            f"{str(source)!r} has a single image ({collection.names[0]!r}); allowed are 2 or more, as there is nothing "
            "to compare it with: add images"
        )
    return _subset(collection, max_images, seed)


def _subset(collection: Collection, max_images: int | None, seed: int) -> Collection:
    if max_images is None or len(collection) <= max_images:
        return collection
    chosen = np.sort(np.random.default_rng(seed).permutation(len(collection))[:max_images])
    collection.pixels = [collection.pixels[i] for i in chosen]
    collection.names = [collection.names[i] for i in chosen]
    collection.splits = collection.splits[chosen]
    collection.labels = None if collection.labels is None else collection.labels[chosen]
    return collection


def _bad_names(source: str | Path, split: RawSplit) -> list[str]:
    """What is missing among the names of a split: files of the folder, or rows of the table, that were not decoded."""
    if not split.num_bad:
        return []
    stem, separator, row = split.names[0].rpartition(" row ")
    if separator and row.split(" ")[0].isdigit():
        kept = {int(name.rpartition(" row ")[2].split(" ")[0]) for name in split.names}
        return [f"{stem} row {row}" for row in range(len(split) + split.num_bad) if row not in kept]
    known = set(split.names)
    folder = Path(source).expanduser()
    root = folder / Path(split.names[0]).relative_to(folder).parts[0] if (folder / "train").is_dir() else folder
    return [
        str(path)
        for path in sorted(root.glob("**/*"))
        if path.suffix.lower() in IMAGE_SUFFIXES
        and path.is_file()
        and str(path) not in known
        and not path.name.startswith((".", "__"))
    ]


def _short(name: str, source: str | Path) -> str:
    """The name of an image without the path of the source."""
    root = Path(source).expanduser()
    return name.removeprefix(f"{root if root.is_dir() else root.parent}/")
