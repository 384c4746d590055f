"""Exact duplicates: how many images are really there, how often each occurs, and in which splits and classes."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from .collection import Collection


@dataclass(frozen=True)
class Repeats:
    """Images that look the same (size and pixels equal; colour under alpha 0 ignored).

    Attributes:
        num_distinct: different images, over all splits.
        num_duplicates: images that an earlier one of the same split equals; `load_sprites` removes them.
        share: num_duplicates over the number of images.
        num_groups: different images that occur more than once within a split.
        largest: [index of the first, how often it occurs], of the 16 images that occur most, over all splits.
        num_conflicts: different images that occur with more than one label.
        conflicts: up to 8 of them: [index, index of a copy with another label].
        leaks: "train/validation" and so on to how many different images both splits hold; only those that share any.
        leaked: indices of the first copy of up to 8 leaked images.
    """

    num_distinct: int
    num_duplicates: int
    share: float
    num_groups: int
    largest: list[list[int]]
    num_conflicts: int
    conflicts: list[list[int]]
    leaks: dict[str, int]
    leaked: list[int]


def find_repeats(collection: Collection) -> Repeats:
    """Counts copies within splits, between splits, and between classes."""
    first, distinct = collection.first, collection.distinct
    keys, per_split = np.unique(np.stack([collection.splits, first]), axis=1, return_counts=True)
    copies = np.bincount(first, minlength=len(first))
    most = [index for index in np.argsort(-copies, kind="stable")[:16] if copies[index] > 1]
    conflicts = _conflicts(collection)
    leaks, leaked = _leaks(collection)
    duplicates = len(collection) - keys.shape[1]
    return Repeats(
        num_distinct=len(distinct),
        num_duplicates=duplicates,
        share=duplicates / len(collection),
        num_groups=len(np.unique(keys[1, per_split > 1])),
        largest=[[int(index), int(copies[index])] for index in most],
        num_conflicts=len(conflicts),
        conflicts=conflicts[:8],
        leaks=leaks,
        leaked=leaked[:8],
    )


def _conflicts(collection: Collection) -> list[list[int]]:
    """[first image, its first copy with another label] of each image that occurs with several labels."""
    if collection.labels is None:
        return []
    other: dict[int, int] = {}
    for index in np.flatnonzero(collection.labels != collection.labels[collection.first]).tolist():
        other.setdefault(int(collection.first[index]), index)
    return [[image, copy] for image, copy in other.items()]


def _leaks(collection: Collection) -> tuple[dict[str, int], list[int]]:
    holds = [
        set(collection.first[collection.splits == split].tolist()) for split in range(len(collection.split_names))
    ]
    shared = {
        f"{collection.split_names[a]}/{collection.split_names[b]}": holds[a] & holds[b]
        for a, b in combinations(range(len(holds)), 2)
    }
    leaked = sorted(set().union(*shared.values()))
    return {pair: len(images) for pair, images in shared.items() if images}, leaked
