"""An order of the colours of a palette in which indices that differ in one bit look alike."""

from __future__ import annotations

import numpy as np
import torch

from ..pipelines.sprite_palette import nearest_colors, palette_codes
from .batches import as_batch, code_colors, color_codes, oklab
from .palettes import Palette

_LEAST_SHARE = 1e-4  # of pixels: a colour that pictures hardly have gets a place among its like, too


def order_for_bits(palette: Palette, pixels: np.ndarray) -> Palette:
    """The same colours, in an order in which a wrong bit costs little.

    A network that sees the bits of indices (`sprite_palette.palette_codes`) mistakes one of them more often than two. A mistake
    costs the squared distance in Oklab of the two colours, times the geometric mean of their shares of the pixels. That is
    summed over all pairs of indices that differ in one bit, and lowered by the best exchange of two colours until none
    lowers it, from the order of lightness in Gray's code. The same palette and pixels give the same order.

    Args:
        pixels: uint8 ``(N, H, W, 3 | 4)``, what the network is to draw; those that are not visible do not count.

    Raises:
        SpriteError: something else than such pixels.
    """
    lab, count = oklab(palette.array).astype(np.float64), len(palette)
    shares = np.maximum(_shares(palette, pixels), _LEAST_SHARE)
    costs = np.sqrt(np.outer(shares, shares)) * ((lab[:, None] - lab[None]) ** 2).sum(-1)
    codes = palette_codes(count).numpy()
    is_neighbour = (codes[:, None] != codes[None]).sum(-1) == 1
    order = np.empty(count, np.int64)  # the colour of each index
    gray = np.arange(2 ** codes.shape[1])
    gray ^= gray >> 1
    order[gray[gray < count]] = lab[:, 0].argsort(kind="stable")
    while True:
        gain, first, second = _best_exchange(is_neighbour.astype(np.float64), costs[np.ix_(order, order)])
        if gain <= 1e-12:
            return Palette(palette.name, tuple(palette.colors[index] for index in order))
        order[[first, second]] = order[[second, first]]


def _shares(palette: Palette, pixels: np.ndarray) -> np.ndarray:
    """float64 ``(n,)``: of all visible pixels, those to which a colour is nearest."""
    codes, counts = np.unique(color_codes(as_batch(pixels)), return_counts=True)
    codes, counts = codes[codes >= 0], counts[codes >= 0]
    colors = torch.from_numpy(code_colors(codes).astype(np.float32) / 255)
    totals = np.bincount(nearest_colors(colors, palette.tensor).numpy(), counts, minlength=len(palette))
    return totals / max(1, counts.sum())


def _best_exchange(weights: np.ndarray, costs: np.ndarray) -> tuple[float, int, int]:
    """By how much ``(weights * costs).sum() / 2`` falls if two rows and columns of `costs` change places, and which.

    Both are symmetric, with zeros on the diagonal.
    """
    products = weights @ costs
    own = np.diag(products)
    gains = own[:, None] + own[None] - products - products.T - 2 * weights * costs
    first, second = np.unravel_index(gains.argmax(), gains.shape)
    return float(gains[first, second]), int(first), int(second)
