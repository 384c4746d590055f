"""Which images look the same: duplicates within a split, leaks between splits, and the fingerprint of a split."""

from __future__ import annotations

import hashlib

import numpy as np

from ..errors import SpriteError
from .raw import RawSplit


def digests(split: RawSplit) -> list[bytes]:
    """A digest per image of what it looks like: its size, and its pixels with the colour under alpha 0 zeroed."""
    digests = []
    for start in range(0, len(split), 4096):
        part = split.pixels[start : start + 4096]
        if isinstance(part, np.ndarray) and part.shape[-1] == 4:
            part = np.where(part[..., 3:] > 0, part, 0).astype(np.uint8)
        elif isinstance(part, list):
            part = [np.where(image[..., 3:] > 0, image, 0).astype(np.uint8) for image in part]
        for image in part:
            digests.append(hashlib.blake2b(image.tobytes(), digest_size=16, salt=b"%dx%d" % image.shape[:2]).digest())
    return digests


def first_of_each(digests: list[bytes]) -> np.ndarray:
    """(N,) the index of the first image that equals image i."""
    first: dict[bytes, int] = {}
    return np.array([first.setdefault(digest, index) for index, digest in enumerate(digests)], np.int64)


def remove_duplicates(splits: dict[str, RawSplit]) -> tuple[dict[str, RawSplit], int, int]:
    """Keeps the first of equal images within each split; also counts the removed, and those of another label."""
    kept, removed, conflicts = {}, 0, 0
    for name, split in splits.items():
        first = first_of_each(digests(split))
        keep = np.flatnonzero(first == np.arange(len(first)))
        removed += len(split) - len(keep)
        if split.labels is not None:
            conflicts += int((split.labels != split.labels[first]).sum())
        kept[name] = split if len(keep) == len(split) else split.take(keep)
    return kept, removed, conflicts


def remove_leaks(splits: dict[str, RawSplit]) -> tuple[dict[str, RawSplit], int]:
    """Removes from train what is in validation or test, and from validation what is in test."""
    if len(splits) == 1:
        return splits, 0
    kept: dict[str, RawSplit] = {}
    seen: set[bytes] = set()
    leaks = 0
    for name in ("test", "validation", "train"):
        if name in splits:
            looks = digests(splits[name])
            keep = np.array([index for index, digest in enumerate(looks) if digest not in seen], np.int64)
            seen.update(looks)
            leaks += len(looks) - len(keep)
            if not len(keep):
                raise SpriteError(
                    f"every image of the split {name!r} is also in another split; give splits that differ"
                )
            kept[name] = splits[name].take(keep)
    return kept, leaks


def fingerprint(split: RawSplit) -> str:
    """sha256 over pixels and labels, in hex; independent of the order of the images."""
    labels = np.full(len(split), -1) if split.labels is None else split.labels
    entries = sorted(digest + b"%d" % label for digest, label in zip(digests(split), labels, strict=True))
    return hashlib.sha256(b"%d" % split.array.shape[-1] + b"".join(entries)).hexdigest()
