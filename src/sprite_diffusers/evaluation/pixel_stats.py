"""What pixels say without a network: palettes, orphan pixels, soft alpha, marginal colours, principal components."""

from __future__ import annotations

import numpy as np

HISTOGRAM_BINS = 32
_OVERLAP_CELLS = 8
_CHUNK = 2048
_NEIGHBORS = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0)]


def palette_metrics(pixels: np.ndarray) -> dict[str, float]:
    """``unique_colors``, ``partial_alpha`` and ``orphan_pixels`` of uint8 (N, H, W, 3 | 4).

    unique_colors: distinct colours of a sprite's visible pixels, mean over sprites. partial_alpha: share of all pixels
    that are neither opaque nor transparent. orphan_pixels: share of the opaque pixels of which none of the eight
    neighbours has the same colour (0 if no pixel is opaque).
    """
    colors, partial, opaque_count, orphans = 0, 0, 0, 0
    for start in range(0, len(pixels), _CHUNK):
        part = pixels[start : start + _CHUNK]
        codes, alpha = _color_codes(part)
        colors += int(_count_colors(np.where(alpha > 0, codes, -1)).sum())
        partial += int(((alpha > 0) & (alpha < 255)).sum())
        opaque = np.where(alpha == 255, codes, -1)
        opaque_count += int((alpha == 255).sum())
        orphans += int(_orphans(opaque).sum())
    return {
        "unique_colors": colors / len(pixels),
        "partial_alpha": partial / pixels[..., 0].size,
        "orphan_pixels": orphans / max(opaque_count, 1),
    }


def _color_codes(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """int32 (N, H, W) RGB in one number, and uint8 (N, H, W) alpha."""
    codes = pixels[..., :3].astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)
    return codes, pixels[..., 3] if pixels.shape[-1] == 4 else np.full(codes.shape, 255, np.uint8)


def _count_colors(codes: np.ndarray) -> np.ndarray:
    """(N,) number of distinct codes of each image, -1 left out."""
    ordered = np.sort(codes.reshape(len(codes), -1), axis=1)
    changes = (ordered[:, 1:] != ordered[:, :-1]) & (ordered[:, 1:] >= 0)
    return changes.sum(axis=1) + (ordered[:, 0] >= 0)


def _orphans(codes: np.ndarray) -> np.ndarray:
    """bool (N, H, W): coded pixels without a neighbour of the same code."""
    height, width = codes.shape[1:]
    padded = np.pad(codes, ((0, 0), (1, 1), (1, 1)), constant_values=-1)
    orphan = codes >= 0
    for dy, dx in _NEIGHBORS:
        orphan &= padded[:, 1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width] != codes
    return orphan


def rgb_histograms(pixels: np.ndarray) -> np.ndarray:
    """float64 (3, 32): the share of visible pixels in each of 32 equal bins of each channel; zeros if none is visible."""
    counts = np.zeros((3, HISTOGRAM_BINS))
    for start in range(0, len(pixels), _CHUNK):
        part = pixels[start : start + _CHUNK]
        visible = part[part[..., 3] > 0] if part.shape[-1] == 4 else part.reshape(-1, 3)
        for channel in range(3):
            counts[channel] += np.bincount(visible[:, channel] // (256 // HISTOGRAM_BINS), minlength=HISTOGRAM_BINS)
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def histogram_distance(samples: np.ndarray, reference: np.ndarray) -> float:
    """Total variation of two (3, 32) histograms, mean over the channels: 0 if equal, 1 without a common bin.

    It is the share of pixels that would have to change their bin.
    """
    if not samples.any() or not reference.any():
        return float(samples.any() != reference.any())
    return float(np.abs(samples - reference).sum(axis=1).mean() / 2)


def component_overlap(samples: np.ndarray, reference: np.ndarray, train: np.ndarray) -> float:
    """Overlap of two sets in the plane of the first two principal components: 1 if equally spread, 0 if apart.

    The plane is cut into 8 x 8 cells, at the quantiles of the training images in each direction.

    Args:
        samples, reference, train: (N, 2 or more) principal components.
    """
    edges = [np.quantile(train[:, axis], np.linspace(0, 1, _OVERLAP_CELLS + 1)[1:-1]) for axis in (0, 1)]

    def shares(points: np.ndarray) -> np.ndarray:
        row, column = (np.searchsorted(edges[axis], points[:, axis]) for axis in (0, 1))
        return np.bincount(row * _OVERLAP_CELLS + column, minlength=_OVERLAP_CELLS**2) / len(points)

    return float(np.minimum(shares(samples), shares(reference)).sum())
