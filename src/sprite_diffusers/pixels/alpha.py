"""Alpha of 0 and 255 only, without the fringe that soft edges leave."""

from __future__ import annotations

import numpy as np

from ..errors import SpriteError
from ..pipelines.sprite_palette import Color, parse_color
from .batches import as_batch, code_colors, color_codes, oklab
from .neighbours import neighbours


def binary_alpha(pixels: np.ndarray, threshold: int = 128, matte: Color | None = None) -> np.ndarray:
    """Makes every pixel opaque or empty, and gives those at soft edges the colour of the sprite beside them.

    Half transparent pixels often carry the colour of what they once were drawn on, or a mixture: made opaque, they would be
    a fringe. Each that stays takes, among the opaque pixels round it, the colour that looks nearest to its own; it keeps its
    own where there is none.

    Args:
        pixels: straight-alpha uint8 ``(H, W, 4)`` or ``(N, H, W, 4)``.
        threshold: the least alpha, of 1 to 255, that becomes opaque.
        matte: colour of the background that the edges were mixed with, if it is known; it is taken out of them first.

    Returns:
        uint8 of the same shape; empty pixels are (0, 0, 0, 0).

    Raises:
        SpriteError: other pixels, or a threshold or colour outside the above.
    """
    batch = as_batch(pixels, alpha=True)
    if not 1 <= threshold <= 255:
        raise SpriteError(f"the threshold of alpha is {threshold}, but must be 1 to 255.")
    colors, alpha = batch[..., :3], batch[..., 3]
    soft = (alpha >= threshold) & (alpha < 255)
    if matte is not None:
        colors = np.where(soft[..., None], _without_matte(colors, alpha, matte), colors)
    colors = np.where(soft[..., None], _of_the_sprite(colors, alpha), colors)
    opaque = np.full_like(alpha, 255)[..., None]
    result = np.where((alpha >= threshold)[..., None], np.concatenate([colors, opaque], axis=-1), 0)
    return result.astype(np.uint8).reshape(pixels.shape)


def _without_matte(colors: np.ndarray, alpha: np.ndarray, matte: Color) -> np.ndarray:
    """``(c - (1 - a) m) / a``: what was mixed with the colour m to c."""
    try:
        background = np.array(parse_color(matte, "matte"))
    except ValueError as error:
        raise SpriteError(str(error)) from None
    share = np.maximum(alpha, 1)[..., None] / 255
    return np.clip(np.round((colors - (1 - share) * background) / share), 0, 255).astype(np.uint8)


def _of_the_sprite(colors: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """uint8 ``(N, H, W, 3)``: of the opaque neighbours of a pixel, the colour that is nearest to its own."""
    around = neighbours(np.where(alpha == 255, color_codes(colors), -1), outside=-1)
    candidates = code_colors(around)
    distance = np.linalg.norm(oklab(candidates) - oklab(colors), axis=-1)
    distance = np.where(around >= 0, distance, np.inf)
    best = np.take_along_axis(candidates, distance.argmin(axis=0)[None, ..., None], axis=0)[0]
    return np.where(np.max(around, axis=0)[..., None] >= 0, best, colors)
