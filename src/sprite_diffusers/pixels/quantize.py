"""Fewer colours: the palette of pictures, and pictures of a palette."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import SpriteError
from ..pipelines import sprite_palette
from ..pipelines.sprite_palette import Color
from .batches import as_batch, to_levels, to_unit
from .palettes import Palette, load_palette


def extract_palette(pixels: np.ndarray, num_colors: int, name: str = "extracted") -> Palette:
    """The palette of an image or of all images of a batch, from dark to light.

    Its own colours if they are at most `num_colors`; otherwise that many that are near to all of them, by k-means in Oklab,
    always the same for the same pixels (see `sprite_palette.extract_palette`).

    Args:
        pixels: uint8 ``(H, W, 3 | 4)`` or ``(N, H, W, 3 | 4)``; those of alpha below 128 do not count.
        num_colors: 2 to 256.

    Raises:
        SpriteError: other pixels or numbers, or pictures of fewer than two visible colours.
    """
    batch = as_batch(pixels)
    try:
        colors = sprite_palette.extract_palette(to_unit(batch), num_colors)
    except ValueError as error:
        raise SpriteError(str(error)) from None
    return Palette(name, tuple(tuple(color) for color in (colors * 255).round().int().tolist()))


def quantize(
    pixels: np.ndarray,
    palette: Palette | str | Path | Sequence[Color] | None = None,
    num_colors: int | None = None,
    dither: bool = False,
) -> np.ndarray:
    """Pictures in the colours of a palette, each pixel in the one that looks nearest; alpha becomes 0 or 255.

    Args:
        pixels: uint8 ``(H, W, 3 | 4)`` or ``(N, H, W, 3 | 4)``.
        palette: in any form that `load_palette` takes.
        num_colors: at most so many colours in each picture: of `palette`, or else of its own.
        dither: an ordered pattern (Bayer, 4 by 4) of two colours where none is near; not together with `num_colors`.

    Returns:
        uint8 of the same shape; transparent pixels are (0, 0, 0, 0).

    Raises:
        SpriteError: neither palette nor number, or one that cannot be used.
    """
    batch = as_batch(pixels)
    if palette is None and num_colors is None:
        raise SpriteError("quantize needs a palette or num_colors: give at least one.")
    if dither and (palette is None or num_colors is not None):
        raise SpriteError(
            "dithering needs a palette and takes any number of its colours: give palette, not num_colors."
        )
    colors = None if palette is None else load_palette(palette).tensor
    try:
        if dither:
            result = sprite_palette.snap_to_palette(to_unit(batch), colors, dither=True)
        else:
            result = sprite_palette.limit_colors(to_unit(batch), colors, num_colors)
    except ValueError as error:
        raise SpriteError(str(error)) from None
    return to_levels(result).reshape(pixels.shape)
