"""What the page hands over besides numbers: palettes, pictures, and what was painted over a sprite."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from ..data.pixels import resize
from ..errors import SpriteError
from ..pixels import BUILTIN_PALETTES, Palette, detect_scale, load_palette, reduce_to_grid

ANY_COLORS = "any colours"
OWN_COLORS = "colours typed below"
OWN_FILE = "the uploaded file"
PALETTES = (ANY_COLORS, *BUILTIN_PALETTES, OWN_COLORS, OWN_FILE)
CANVAS = 512  # screen pixels of the side of the editor, about
LARGEST_PICTURE = 4096
PAINTED = 0.3  # share of a sprite's pixel that must be covered


def choose_palette(name: str | None, typed: str | None = None, upload: str | None = None) -> Palette | None:
    """The palette that the page's three fields mean; `None` for any colours.

    Args:
        name: one of `PALETTES`.
        typed: for `OWN_COLORS`: colours as ``#rrggbb``, divided by anything.
        upload: for `OWN_FILE`: the temporary copy of a file that `load_palette` reads.

    Raises:
        SpriteError: what is no palette.
    """
    if name in (None, ANY_COLORS):
        return None
    if name not in PALETTES:  # a name that is no entry of the list could be a path
        raise SpriteError(f"there is no palette {name!r}; choose one of the list.")
    if name == OWN_FILE:
        if upload is None:
            raise SpriteError("no palette file is uploaded: give a .gpl, .hex, .pal, .json or a picture.")
        try:
            return load_palette(Path(upload))
        except SpriteError as error:  # it names the temporary copy, which means nothing to who uploaded it
            raise SpriteError(str(error).replace(str(upload), Path(upload).name)) from None
    if name == OWN_COLORS:
        words = [word for word in re.split(r"[\s,;]+", typed or "") if word]
        colors: list[Any] = [word if word.startswith("#") else f"#{word}" for word in words]
        return Palette("own", tuple(colors))
    return load_palette(name)


def read_picture(upload: str, size: int) -> np.ndarray:
    """An uploaded picture as a sprite: brought back to its own pixels if it is enlarged, then to the model's size.

    Args:
        upload: its temporary copy.
        size: side in pixels.

    Returns:
        uint8 (size, size, 3 or 4), with alpha only if something is transparent.

    Raises:
        SpriteError: no picture, or one of more than 4096 pixels a side.
    """
    name = Path(upload).name
    try:
        with Image.open(upload) as image:
            if max(image.size) > LARGEST_PICTURE:
                raise SpriteError(f"{name} is {image.width}x{image.height}; allowed is {LARGEST_PICTURE} a side.")
            pixels = np.asarray(image.convert("RGBA"))
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError):
        raise SpriteError(f"{name} cannot be read as a picture: give a PNG, GIF, WebP, BMP or JPEG.") from None
    if pixels[..., 3].min() == 255:
        pixels = pixels[..., :3]
    if pixels.shape[:2] != (size, size):
        pixels = resize(reduce_to_grid(pixels, detect_scale(pixels))[None], size)[0]
    return pixels


def on_canvas(sprite: np.ndarray) -> Image.Image:
    """A sprite as large as the editor shows it, by whole pixels.

    Args:
        sprite: uint8 (H, W, 3 or 4).
    """
    image = Image.fromarray(sprite).convert("RGBA")
    scale = max(1, CANVAS // max(image.size))
    return image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)


def painted_mask(layers: list[Any], size: tuple[int, int]) -> np.ndarray:
    """The pixels of a sprite that were painted over.

    Args:
        layers: RGBA pictures of what was painted, of any one size.
        size: height and width of the sprite.

    Returns:
        bool (H, W), True where paint covers at least three tenths of a pixel.
    """
    covered = np.zeros(size, bool)
    for layer in layers:
        alpha = layer.convert("RGBA").getchannel("A").point(lambda value: 255 if value else 0)
        share = np.asarray(alpha.resize(size[::-1], Image.Resampling.BOX)) / 255
        covered |= share >= PAINTED
    return covered
