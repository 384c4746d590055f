"""What can be said of each image alone: its colours, its alpha, its empty border, and whether it shows anything."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from .collection import Collection

FEW_COLORS = 32  # hand-drawn sprites rarely need more; anti-aliasing and JPEG artefacts do
MANY_COLORS = 256  # no palette image has more


@dataclass
class PixelFacts:
    """One value per image.

    Attributes:
        colors: int64 (N,), how many different RGB colours are visible (alpha above 0).
        alpha: int64 (N,): 0 opaque, 1 binary (transparent and opaque pixels), 2 soft (some pixel is partly transparent).
        soft_share: float64 (N,), the share of the visible pixels that are partly transparent.
        constant: bool (N,), a single colour in all pixels, or nothing visible.
        blank: bool (N,), nothing visible: every pixel has alpha 0.
        margins: int64 (N, 4), rows and columns of background at the top, right, bottom and left, in pixels; the size of
            the image where there is nothing but background.
        occupancy: float64 (N,), the share of the canvas that shows something.
        color_sums: float64 (N, 2, 3), sum and sum of squares of red, green and blue (0..255) over the visible pixels.
        visible: int64 (N,), how many pixels are visible.
        patterns: N digests of the drawing without its colours (see `color_pattern`), or None where it has none.
    """

    colors: np.ndarray
    alpha: np.ndarray
    soft_share: np.ndarray
    constant: np.ndarray
    blank: np.ndarray
    margins: np.ndarray
    occupancy: np.ndarray
    color_sums: np.ndarray
    visible: np.ndarray
    patterns: list[bytes | None]


def measure_pixels(collection: Collection) -> PixelFacts:
    """Measures each image at its own size; equal images are measured once."""
    count = len(collection)
    facts = PixelFacts(
        colors=np.zeros(count, np.int64),
        alpha=np.zeros(count, np.int64),
        soft_share=np.zeros(count),
        constant=np.zeros(count, bool),
        blank=np.zeros(count, bool),
        margins=np.zeros((count, 4), np.int64),
        occupancy=np.zeros(count),
        color_sums=np.zeros((count, 2, 3)),
        visible=np.zeros(count, np.int64),
        patterns=[None] * count,
    )
    for part, pixels in collection.batches(collection.distinct):
        alpha = pixels[..., 3]
        visible = (alpha > 0).sum(axis=(1, 2))
        partly = ((alpha > 0) & (alpha < 255)).sum(axis=(1, 2))
        facts.visible[part] = visible
        facts.alpha[part] = np.where(partly > 0, 2, (alpha < 255).any(axis=(1, 2)))
        facts.soft_share[part] = partly / np.maximum(visible, 1)
        facts.blank[part] = visible == 0
        shown = content(pixels)
        facts.margins[part] = empty_margins(shown)
        facts.occupancy[part] = shown.mean(axis=(1, 2))
        for index, image in zip(part, pixels, strict=True):
            seen = image[..., :3][image[..., 3] > 0].astype(np.float64)
            facts.color_sums[index] = seen.sum(axis=0), (seen**2).sum(axis=0)
            codes = np.unique(image.view("<u4"))
            facts.colors[index] = len(np.unique(codes[codes >> 24 > 0] & 0xFFFFFF))
            facts.constant[index] = len(codes) == 1
            facts.patterns[index] = color_pattern(image, len(codes))
    for name, values in vars(facts).items():
        if isinstance(values, np.ndarray):
            setattr(facts, name, values[collection.first])
    return facts


def content(pixels: np.ndarray) -> np.ndarray:
    """bool (N, H, W): where RGBA images (N, H, W, 4) show something.

    That is where alpha is above 0, if any pixel of the image is transparent; else where the colour differs from that of
    the four corners, if they are of one colour; else everywhere.
    """
    corners = pixels[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    flat = (corners == corners[:, :1]).all(axis=(1, 2))
    differs = (pixels != corners[:, :1, None]).any(axis=-1)
    shown: np.ndarray = pixels[..., 3] > 0
    has_alpha = ~shown.all(axis=(1, 2), keepdims=True)
    return np.where(has_alpha, shown, differs | ~flat[:, None, None])


def empty_margins(shown: np.ndarray) -> np.ndarray:
    """int64 (N, 4): the empty rows and columns at the top, right, bottom and left of masks (N, H, W)."""
    rows, columns = np.any(shown, axis=2), np.any(shown, axis=1)

    def leading(used: np.ndarray) -> np.ndarray:
        return np.where(used.any(axis=1), used.argmax(axis=1), used.shape[1])

    sides = [leading(rows), leading(columns[:, ::-1]), leading(rows[:, ::-1]), leading(columns)]
    return np.stack(sides, axis=1).astype(np.int64)


def color_pattern(image: np.ndarray, num_colors: int) -> bytes | None:
    """The drawing with its colours numbered in order of appearance: equal for an image and its recolouring.

    Args:
        image: uint8 (H, W, 4), with colour under alpha 0 zeroed; transparent stands for no colour.
        num_colors: how many RGBA colours it has.

    Returns:
        A digest of size and pattern. None for images without a drawing in the sense of a palette: a single colour, or
        more colours than `MANY_COLORS` or than a quarter of the pixels (though 2 are always fine).
    """
    height, width = image.shape[:2]
    if not 2 <= num_colors <= min(MANY_COLORS, max(2, height * width // 4)):
        return None
    codes, first, inverse = np.unique(image.view("<u4"), return_index=True, return_inverse=True)
    number = np.empty(len(codes), np.uint16)
    number[np.argsort(np.where(codes == 0, -1, first))] = np.arange(len(codes)) + (codes[0] > 0)
    return digest(number[inverse.ravel()].tobytes(), (height, width))


def digest(data: bytes, size: tuple[int, int]) -> bytes:
    """16 bytes that stand for the data and the image size that goes with it."""
    return hashlib.blake2b(data, digest_size=16, salt=b"%dx%d" % tuple(size)).digest()
