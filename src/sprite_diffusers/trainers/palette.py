"""The palette that a pixel model is to know, chosen by ``--palette``."""

from __future__ import annotations

import numpy as np

from ..errors import SpriteError
from ..pipelines.sprite_palette import MAX_COLORS, MIN_COLORS
from ..pixels import Palette, extract_palette, load_palette, order_for_bits

AUTO = "auto"
MAX_LOOKED_AT = 1 << 22  # pixels, of images at equal distances: more do not change a palette


def choose_palette(option: str | None, pixels: np.ndarray) -> Palette | None:
    """Colours in an order in which indices that differ in one bit look alike; `None` if no palette is asked for.

    Args:
        option: ``"auto:N"``, N colours that fit `pixels`, or what `load_palette` takes: a built-in name or a file.
        pixels: uint8 ``(N, H, W, C)``, the training images.

    Raises:
        SpriteError: no such palette, other than 2 to 256 colours, or grey images.
    """
    if option is None:
        return None
    if pixels.shape[-1] == 1:
        raise SpriteError(f"--palette {option}: grey images have no colours; leave it out, or pass --image_mode RGB.")
    step = max(1, pixels[..., 0].size // MAX_LOOKED_AT)
    seen = np.asarray(pixels[::step])
    name, colon, number = option.partition(":")
    if name != AUTO:
        return order_for_bits(load_palette(option), seen)
    if not (colon and number.isascii() and number.isdigit() and MIN_COLORS <= int(number) <= MAX_COLORS):
        raise SpriteError(
            f"--palette {option}: {AUTO} needs a number of colours from {MIN_COLORS} to {MAX_COLORS}, as in {AUTO}:32."
        )
    return order_for_bits(extract_palette(seen, int(number), "of the training images"), seen)
