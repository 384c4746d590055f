"""Families of images that may not be in different splits, and splits that keep them whole."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Sequence

import numpy as np

from ...errors import SpriteError
from .tables import CaptionRow, name_key

SPLITS = ("train", "validation", "test")


def find_families(rows: Sequence[CaptionRow], species: Sequence[CaptionRow], looks: Sequence[bytes]) -> list[str]:
    """The family of each image.

    Images are of one family if they look the same, have the same name or the same `family`, or are of one evolution
    line. A form ("Deoxys Attack Forme", "Mega Charizard X") goes with the species that its name contains.

    Args:
        rows: one per image.
        species: the rows of the attribute table, which may have more species than there are images; empty without one.
        looks: a digest of the pixels of each image.

    Returns:
        One id per image: the `family` of the first member, else its name.
    """
    groups = _Groups()
    names = {name_key(row.name) for row in species}
    for row in [*species, *rows]:
        for relative in row.relatives:
            if name_key(relative) in names:  # leaves out conditions, such as "Level 16"
                groups.join(name_key(row.name), name_key(relative))
    for index, (row, look) in enumerate(zip(rows, looks, strict=True)):
        key = name_key(row.name)
        groups.join(index, key)
        groups.join(index, look)
        if row.family is not None:
            groups.join(index, name_key(row.family))
        contained = None if key in names else _species_in(row.name, names)
        if contained is not None:
            groups.join(index, contained)
    ids: dict[Hashable, str] = {}
    return [ids.setdefault(groups.root(index), row.family or row.name) for index, row in enumerate(rows)]


def split_families(
    families: Sequence[str], shares: tuple[float, float, float], seed: int, source: str
) -> dict[str, np.ndarray]:
    """Images per split, with each family in one split and sizes as close to the shares as that allows.

    Families are put in random order; then the test and validation splits each take the first families that add up to
    the reachable number of images nearest to their share.

    Args:
        families: the family of each image.
        shares: of train, validation and test; a split whose share is 0 is left out.
        seed: of the order.
        source: named in errors.

    Returns:
        Ascending positions of the images of each split, in the order train, validation, test.
    """
    counts = Counter(families)
    wanted = [name for name, share in zip(SPLITS, shares, strict=True) if share > 0]
    if len(counts) < len(wanted):
        raise SpriteError(
            f"the {len(families)} images of {source!r} are of {len(counts)} {'families' if len(counts) > 1 else 'family'} "
            f"({families[0]!r} …), too few to fill {' and '.join(wanted)}; add images, give a family column, or set "
            "shares of 0"
        )
    names = list(counts)
    left = [names[i] for i in np.random.default_rng(seed).permutation(len(names))]
    taken: dict[str, set[str]] = {}
    for position in range(len(wanted) - 1, 0, -1):
        split = wanted[position]
        target = shares[SPLITS.index(split)] * len(families)
        chosen = _nearest_sum([counts[name] for name in left], target, keep=position)
        taken[split] = {left[i] for i in chosen}
        left = [name for name in left if name not in taken[split]]
    taken["train"] = set(left)
    return {split: np.flatnonzero([family in taken[split] for family in families]) for split in wanted}


def _nearest_sum(sizes: list[int], target: float, keep: int) -> list[int]:
    """Positions of 1 or more sizes whose sum is nearest to `target`, early ones first, leaving `keep` or more over."""
    reachable = [1] * (len(sizes) + 1)  # bit s of reachable[i]: some of sizes[i:] add up to s
    for i in reversed(range(len(sizes))):
        reachable[i] = reachable[i + 1] | reachable[i + 1] << sizes[i]
    sums = [total for total in range(1, sum(sizes)) if reachable[0] >> total & 1]
    for total in sorted(sums, key=lambda total: (abs(total - target), total)):
        chosen, rest = [], total
        for i, size in enumerate(sizes):
            if size <= rest and reachable[i + 1] >> (rest - size) & 1:
                chosen.append(i)
                rest -= size
        if len(chosen) <= len(sizes) - keep:
            return chosen
    raise AssertionError("the smallest family alone is always a choice")


def _species_in(name: str, species: set[str]) -> str | None:
    """The key of the longest run of whole words of `name` that is a species."""
    words = re.findall(r"[\w♀♂]+", name)
    runs = [words[i:j] for i in range(len(words)) for j in range(i + 1, len(words) + 1)]
    for run in sorted(runs, key=len, reverse=True):
        if name_key(" ".join(run)) in species:
            return name_key(" ".join(run))
    return None


class _Groups:
    """Disjoint sets of anything hashable."""

    def __init__(self) -> None:
        self._parent: dict[Hashable, Hashable] = {}

    def root(self, item: Hashable) -> Hashable:
        path = [item]
        while (parent := self._parent.setdefault(path[-1], path[-1])) != path[-1]:
            path.append(parent)
        self._parent.update(dict.fromkeys(path, path[-1]))
        return path[-1]

    def join(self, one: Hashable, other: Hashable) -> None:
        self._parent[self.root(one)] = self.root(other)
