"""Stray pixels out, an outline round."""

from __future__ import annotations

import numpy as np

from ..errors import SpriteError
from ..pipelines.sprite_palette import Color, parse_color
from .batches import as_batch, code_colors, color_codes, oklab
from .neighbours import AROUND, BESIDE, neighbours


def remove_orphans(pixels: np.ndarray, max_difference: float | None = 0.25) -> np.ndarray:
    """Gives pixels without a neighbour of their colour (of eight) the commonest colour round them, or none.

    An orphan far from that colour is often meant (an eye, a spark, a rivet), so it stays; one in empty surroundings goes.

    Args:
        pixels: uint8 ``(H, W, 3 | 4)`` or ``(N, H, W, 3 | 4)``; alpha 0 and 255 are expected, others count as opaque.
        max_difference: the largest distance in Oklab (black to white is 1) that is changed; `None` changes all.

    Returns:
        uint8 of the same shape, without new colours.
    """
    batch = as_batch(pixels)
    codes = color_codes(batch)
    around = neighbours(codes, outside=-2)
    votes = (around[:, None] == around[None]).sum(axis=0)
    votes = np.where(around == -2, 0, votes)  # beyond the border is no colour
    common = np.take_along_axis(around, votes.argmax(axis=0)[None], axis=0)[0]
    orphan = (codes >= 0) & (around != codes).all(axis=0) & (common != -2)
    if max_difference is not None:
        orphan &= (common < 0) | (_difference(codes, common) <= max_difference)
    replacement = code_colors(common)
    if batch.shape[-1] == 4:
        replacement = np.where(common[..., None] >= 0, np.insert(replacement, 3, 255, axis=-1), 0)
    return np.where(orphan[..., None], replacement, batch).astype(np.uint8).reshape(pixels.shape)


def _difference(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Distances in Oklab of the colours of two arrays of codes."""
    return np.linalg.norm(oklab(code_colors(first)) - oklab(code_colors(second)), axis=-1)


def outline(pixels: np.ndarray, color: Color, diagonal: bool = False) -> np.ndarray:
    """Draws a line of one pixel round what is visible, on transparent pixels.

    The picture does not grow: where a sprite touches its border there is no room for a line.

    Args:
        pixels: uint8 ``(H, W, 4)`` or ``(N, H, W, 4)``.
        color: of the line, ``"#rrggbb"`` or ``(red, green, blue)``.
        diagonal: whether pixels that touch the sprite by a corner belong to it, which makes corners square.

    Raises:
        SpriteError: pixels without alpha, or something that is no colour.
    """
    batch = as_batch(pixels, alpha=True)
    try:
        line = (*parse_color(color, "outline"), 255)
    except ValueError as error:
        raise SpriteError(str(error)) from None
    visible = batch[..., 3] > 0
    touched = neighbours(visible, outside=False, steps=AROUND if diagonal else BESIDE).any(axis=0) & ~visible
    return np.where(touched[..., None], np.array(line, np.uint8), batch).reshape(pixels.shape)
