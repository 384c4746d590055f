"""Which images are small drawings enlarged ("this 64x64 image is a 16x16 one")?

If an image was enlarged by k without blurring, its colours change only at rows and columns that lie k apart. So the
largest k for which all k x k blocks are constant is the greatest common divisor of the distances between the places
where neighbouring rows, or neighbouring columns, differ. With distances, the blocks may start anywhere (a drawing that
was enlarged and then padded or cropped); with positions, counted from the edge, only at the corner.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .collection import Collection

MIN_CHANGES = 8  # fewer changes may lie on a grid by chance (for k = 2 the odds are 1 in 2^8)
NEAR_TOLERANCE = 12  # of 0..255; what JPEG compression at usual qualities does to a flat block
MOST = 0.95  # share of the images that a verdict for the whole set needs
SOME = 0.02  # share from which it is worth saying


@dataclass
class GridFacts:
    """One value per image.

    Attributes:
        factor: int64 (N,), the largest k of which all k x k blocks are constant, wherever the grid starts; 0 where
            fewer than `MIN_CHANGES` rows and columns differ from the one before, so that nothing can be said.
        aligned: int64 (N,), the same for a grid that starts at the corner of the image and fills it.
        near_factor: int64 (N,), as `factor`, with differences of up to `NEAR_TOLERANCE` counted as none.
    """

    factor: np.ndarray
    aligned: np.ndarray
    near_factor: np.ndarray


@dataclass(frozen=True)
class Enlargement:
    """The verdict for the whole set.

    Attributes:
        factor: the largest k of 2 or more by which at least 95 % of the decidable distinct images are enlarged; 1 if
            there is none.
        aligned: whether the blocks of those images start at the corner, so that box averages of k x k restore them.
        num_decidable: distinct images that have enough detail to tell.
        num_enlarged: images (copies included) that are enlarged by `factor`; by any k of 2 or more if that is 1.
        num_nearly: images that are not exactly enlarged but are within a tolerance of 12 of 255 per channel.
        near_factor: the k that 95 % have with that tolerance; 1 if there is none.
        factors: images (copies included) per largest k.
        examples: indices of up to 8 distinct enlarged images.
    """

    factor: int
    aligned: bool
    num_decidable: int
    num_enlarged: int
    num_nearly: int
    near_factor: int
    factors: dict[int, int]
    examples: list[int] = field(default_factory=list)


def measure_grid(collection: Collection) -> GridFacts:
    """Looks at each image at its own size; equal images are looked at once."""
    shape = (3, len(collection))
    found = np.zeros(shape, np.int64)
    for part, pixels in collection.batches(collection.distinct):
        found[0, part], found[1, part] = block_factors(pixels)
        found[2, part] = block_factors(pixels, NEAR_TOLERANCE)[0]
    return GridFacts(*found[:, collection.first])


def block_factors(pixels: np.ndarray, tolerance: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The largest k of which all k x k blocks are constant.

    Args:
        pixels: uint8 (N, H, W, C).
        tolerance: differences between neighbours, of 0..255 per channel, that count as none. 0 is exact.

    Returns:
        int64 (N,) for blocks that start anywhere (those at the edges may be cut), and int64 (N,) for blocks that start
        at the corner and fill the image. Both are 0 where fewer than `MIN_CHANGES` rows and columns change.
    """
    vertical, rows = _spacings(_changes(pixels, 1, tolerance))
    horizontal, columns = _spacings(_changes(pixels, 2, tolerance))
    size = np.gcd(*pixels.shape[1:3])
    anywhere = np.gcd(vertical, horizontal)
    at_corner = np.gcd(np.gcd(np.gcd(vertical, horizontal), np.gcd(rows[:, 0], columns[:, 0])), size)
    decidable = rows[:, 1] + columns[:, 1] >= MIN_CHANGES
    return np.where(decidable, anywhere, 0), np.where(decidable, at_corner, 0)


def _changes(pixels: np.ndarray, axis: int, tolerance: int) -> np.ndarray:
    """bool (N, L - 1): whether line i + 1 differs from line i, for rows (axis 1) or columns (axis 2)."""
    lines = np.moveaxis(pixels, axis, 1)
    after, before = lines[:, 1:], lines[:, :-1]
    if tolerance == 0:
        return (after != before).any(axis=(2, 3))
    return (np.maximum(after, before) - np.minimum(after, before) > tolerance).any(axis=(2, 3))


def _spacings(changes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The greatest common divisor (N,) of the distances between changes, and (N, 2) the first change and their number."""
    if not changes.shape[1]:  # a single line has no neighbours
        return np.zeros(len(changes), np.int64), np.zeros((len(changes), 2), np.int64)
    positions = np.arange(1, changes.shape[1] + 1)
    first = np.where(changes.any(axis=1), changes.argmax(axis=1) + 1, 0)
    distances = np.where(changes, positions - first[:, None], 0)
    return np.gcd.reduce(distances, axis=1), np.stack([first, changes.sum(axis=1)], axis=1)


def judge_enlargement(collection: Collection, facts: GridFacts) -> Enlargement:
    """The verdict for the whole set, counted over distinct images so that copies cannot decide it."""
    distinct = collection.distinct
    decidable = distinct[facts.factor[distinct] > 0]
    factor = _common_factor(facts.factor[decidable])
    near = _common_factor(facts.near_factor[decidable])
    enlarged = (facts.factor > 0) & (facts.factor % factor == 0) if factor > 1 else facts.factor > 1
    nearly = (facts.factor == 1) & (facts.near_factor > 1)
    which = distinct[enlarged[distinct]]
    values, counts = np.unique(facts.factor[facts.factor > 0], return_counts=True)
    return Enlargement(
        factor=factor,
        aligned=bool(factor > 1 and np.mean(facts.aligned[which] % factor == 0) >= MOST),
        num_decidable=len(decidable),
        num_enlarged=int(enlarged.sum()),
        num_nearly=int(nearly.sum()),
        near_factor=near,
        factors=dict(zip(values.tolist(), counts.tolist(), strict=True)),
        examples=which[:8].tolist(),
    )


def _common_factor(factors: np.ndarray) -> int:
    """The largest k that divides at least 95 % of `factors`."""
    candidates = {
        divisor for value in set(factors.tolist()) for divisor in range(2, value + 1) if value % divisor == 0
    }
    common = [k for k in candidates if np.mean((factors > 0) & (factors % k == 0)) >= MOST]
    return max(common, default=1)
