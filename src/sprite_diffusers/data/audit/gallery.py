"""Pictures made of the data's own images: enlarged by whole factors, on a checkerboard, with a line below each."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..pixels import make_grid, resize

_CELL = 96  # screen pixels that an image may fill
_GAP = 10
_FONT_SIZE = 12


def gallery(images: Sequence[np.ndarray], captions: Sequence[str], columns: int = 8) -> bytes:
    """A PNG of images with captions, row by row.

    Args:
        images: uint8 (H, W, 3 or 4), of any sizes; those larger than a cell are reduced by box averages.
        captions: one short line per image; longer ones are cut to the width of the cell.
        columns: images per row.
    """
    font = ImageFont.load_default(_FONT_SIZE)
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    line = _FONT_SIZE + 6
    width, height = _CELL + _GAP, _CELL + line + _GAP
    sheet = Image.new("RGB", (columns * width + _GAP, rows * height + _GAP), "white")
    draw = ImageDraw.Draw(sheet)
    for place, (image, caption) in enumerate(zip(images, captions, strict=True)):
        left, top = _GAP + place % columns * width, _GAP + place // columns * height
        picture = _picture(image)
        sheet.paste(picture, (left + (_CELL - picture.width) // 2, top + (_CELL - picture.height) // 2))
        draw.text((left, top + _CELL + 2), _fit(caption, font), fill="#333333", font=font)
    return to_png(sheet)


def to_png(image: Image.Image) -> bytes:
    """The bytes of a PNG file."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


def _picture(image: np.ndarray) -> Image.Image:
    longest = max(image.shape[:2])
    if longest > _CELL:
        image = resize(image[None], _CELL)[0]
    return make_grid([image], scale=max(1, _CELL // longest), padding=0)


def _fit(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """`text` in one line, cut at its end until it is as wide as a cell."""
    text = " ".join(text.split())
    if font.getlength(text) <= _CELL:
        return text
    while text and font.getlength(text + "…") > _CELL:
        text = text[:-1]
    return text + "…"
