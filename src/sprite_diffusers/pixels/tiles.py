"""Tiles that repeat without a visible seam: a check, and a repair."""

from __future__ import annotations

import numpy as np

from ..errors import SpriteError
from .batches import as_batch, oklab

_UNUSUAL = 0.9  # quantile of the steps inside a tile that a step across its edge may have without being seen
_UNSEEN = 0.02  # Oklab: a mean step between lines that nobody sees


def seam_score(pixels: np.ndarray) -> float:
    """How well a picture repeats side by side and one above the other: 1 without a visible seam, towards 0 with one.

    The mean step (Oklab) across each of the two edges is held against the nine tenths largest step between neighbouring
    lines inside; the score is their ratio, at most 1, of the worse edge.

    Args:
        pixels: uint8 ``(H, W, 3 | 4)`` of at least 4 by 4.

    Raises:
        SpriteError: other pixels.
    """
    lab = _check(pixels)
    scores = []
    for axis in (0, 1):
        steps = np.linalg.norm(np.diff(lab, axis=axis, append=lab.take([0], axis)), axis=-1).mean(axis=1 - axis)
        usual = max(float(np.quantile(steps[:-1], _UNUSUAL)), _UNSEEN)
        scores.append(min(1.0, usual / max(float(steps[-1]), 1e-9)))
    return min(scores)


def repair_seams(pixels: np.ndarray) -> np.ndarray:
    """The same picture with edges that fit: pixels near them are taken from its middle.

    The picture shifted by half its width has edges that fit, and its seam in the middle. The two are joined along the paths,
    left and right of the middle, where they differ least (Efros and Freeman, "Image quilting", 2001, section 2.1); then the
    same from top to bottom. Every pixel is one of the picture, so no colour is new.

    Args:
        pixels: uint8 ``(H, W, 3 | 4)`` of at least 4 by 4.

    Raises:
        SpriteError: other pixels.
    """
    _check(pixels)
    for axis in (1, 0):
        turned = np.swapaxes(pixels, 0, axis)  # the seam to mend is now between the last row and the first
        pixels = np.swapaxes(_repair_rows(turned), 0, axis)
    return np.ascontiguousarray(pixels)


def _check(pixels: np.ndarray) -> np.ndarray:
    """`_looks` of pixels that can be a tile."""
    as_batch(pixels)
    if pixels.ndim != 3 or min(pixels.shape[:2]) < 4:
        raise SpriteError(f"a tile of shape {pixels.shape} is no single picture of at least 4 by 4 pixels.")
    return _looks(pixels)


def _looks(pixels: np.ndarray) -> np.ndarray:
    """Oklab ``(H, W, 3)``, or ``(H, W, 4)``: times alpha, and alpha beside it."""
    lab = oklab(pixels[..., :3])
    if pixels.shape[-1] == 3:
        return lab
    alpha = pixels[..., 3:] / 255
    return np.concatenate([lab * alpha, alpha], axis=-1)


def _repair_rows(pixels: np.ndarray) -> np.ndarray:
    """Mends the seam between the last row and the first: the middle of `pixels`, and above and below it the shifted."""
    height = len(pixels)
    shifted = np.roll(pixels, height // 2, axis=0)
    cost = np.square(_looks(pixels) - _looks(shifted)).sum(axis=-1)
    upper = _cheapest_path(cost[1 : height // 2])[None] + 1
    lower = _cheapest_path(cost[height // 2 : -1])[None] + height // 2
    row = np.arange(height)[:, None]
    keep = (row >= upper) & (row <= lower)
    return np.where(keep[..., None], pixels, shifted)


def _cheapest_path(cost: np.ndarray) -> np.ndarray:
    """Row ``(W,)`` of the path from left to right, and round to its beginning, over the least of `cost` ``(H, W)``.

    One column after another, from each row to the same or the next above or below. The path begins and ends beside the
    row where the first and last column are cheapest, so that the repaired edges on its left and right still fit.
    """
    height, width = cost.shape
    start = int((cost[:, 0] + cost[:, -1]).argmin())
    total = np.full(height, np.inf)
    total[start] = cost[start, 0]
    came_from = np.zeros((width, height), int)
    for column in range(1, width):
        padded = np.pad(total, 1, constant_values=np.inf)
        options = np.stack([padded[1:-1], padded[:-2], padded[2:]])  # the same row first: straight where it is equal
        choice = options.argmin(axis=0)
        came_from[column] = np.arange(height) + np.array([0, -1, 1])[choice]
        total = options.min(axis=0) + cost[:, column]
    near = slice(max(start - 1, 0), start + 2)
    path = [near.start + int(total[near].argmin())]
    for column in range(width - 1, 0, -1):
        path.append(int(came_from[column, path[-1]]))
    return np.array(path[::-1])
