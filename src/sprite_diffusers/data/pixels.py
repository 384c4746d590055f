"""Pure pixel functions: straight-alpha uint8 pixels to tensors and back, resizing, compositing and contact sheets.

Nothing in this file blurs. A picture grows by whole factors (nearest neighbour) and shrinks by whole factors (the
exact mean of a block, in premultiplied alpha, so that the invisible colour of a transparent pixel never bleeds in).
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageColor, ImageDraw, ImageFont

from ..errors import SpriteError

Size = tuple[int, int]

_CHECKER = ((255, 255, 255), (226, 226, 226))
_CHUNK_BYTES = 1 << 25  # block means are taken this many source bytes at a time, to bound the temporaries


def parse_color(background: str) -> tuple[int, int, int]:
    """An opaque colour as three values 0..255, from any form that `PIL.ImageColor` knows.

    Raises:
        SpriteError: if the name is unknown or the colour is not opaque.
    """
    color: tuple[int, ...] = ()
    with contextlib.suppress(ValueError, AttributeError, TypeError):
        color = ImageColor.getrgb(background)
    if len(color) < 3 or (len(color) == 4 and color[3] != 255):
        raise SpriteError(
            f"background {background!r} is not an opaque colour; allowed are names ('white', 'black', 'magenta'), "
            "'#rgb', '#rrggbb' and 'rgb(r,g,b)'; change --background"
        )
    return color[0], color[1], color[2]


def premultiply(pixels: np.ndarray) -> np.ndarray:
    """Straight-alpha uint8 (..., 4) to premultiplied float32 (..., 4) in [0, 1]."""
    _check_pixels(pixels, channels=(4,))
    unit = pixels.astype(np.float32) / 255.0
    unit[..., :3] *= unit[..., 3:]
    return unit


def unpremultiply(premultiplied: np.ndarray) -> np.ndarray:
    """Premultiplied float (..., 4) in [0, 1] to straight-alpha uint8 (..., 4).

    A pixel whose alpha rounds to 0 becomes (0, 0, 0, 0).
    Colours brighter than their alpha allows (a network can produce them) are clipped to 255.
    """
    unit = np.clip(premultiplied.astype(np.float32), 0.0, 1.0)
    alpha = np.floor(unit[..., 3:] * 255.0 + 0.5)
    color = np.floor(unit[..., :3] / np.maximum(unit[..., 3:], 1e-6) * 255.0 + 0.5)
    straight = np.concatenate([np.minimum(color, 255.0), alpha], axis=-1)
    return np.where(alpha > 0, straight, 0.0).astype(np.uint8)


def to_tensor(pixels: np.ndarray, background: str | None = None) -> torch.Tensor:
    """Pixels as a network sees them.

    Args:
        pixels: uint8 (N, H, W, 1) grey, (N, H, W, 3) RGB or (N, H, W, 4) straight-alpha RGBA.
        background: composites RGBA on this colour, so that three channels come out; others are not changed by it.

    Returns:
        float32 (N, C, H, W) in [-1, 1]. RGBA is premultiplied: a transparent pixel is -1 in all four channels.
    """
    _check_pixels(pixels, channels=(1, 3, 4))
    if background is not None and pixels.shape[-1] == 4:
        pixels = composite(pixels, background)
    return uint8_to_tensor(torch.from_numpy(np.ascontiguousarray(pixels)))


def uint8_to_tensor(pixels: torch.Tensor) -> torch.Tensor:
    """As `to_tensor`, for a uint8 tensor (N, H, W, C) that is known to be right: the hot path of a training step."""
    x = pixels.permute(0, 3, 1, 2).contiguous().to(torch.float32)
    if x.shape[1] == 4:
        x[:, :3] *= x[:, 3:] * (1.0 / 255.0)
    return x.mul_(1.0 / 127.5).sub_(1.0).clamp_(-1.0, 1.0)


def from_tensor(x: torch.Tensor, binary_alpha: bool = True) -> np.ndarray:
    """The inverse of `to_tensor`.

    Args:
        x: (N, 1 | 3, H, W), or (N, 4, H, W), premultiplied; values outside [-1, 1] are clipped.
        binary_alpha: makes every pixel opaque (alpha of at least 0.5) or fully transparent. Exact for data that was
            binary; pass False to keep soft edges.

    Returns:
        uint8 (N, H, W, C), straight alpha, (0, 0, 0, 0) where transparent.
    """
    if x.ndim != 4 or x.shape[1] not in (1, 3, 4):
        raise SpriteError(
            f"a tensor of shape {tuple(x.shape)} is not a batch of images; allowed is (N, 1, 3 or 4, H, W)"
        )
    unit = ((x.detach().to("cpu", torch.float32).permute(0, 2, 3, 1) + 1.0) / 2.0).clamp(0.0, 1.0).numpy()
    if unit.shape[-1] != 4:
        return np.floor(unit * 255.0 + 0.5).astype(np.uint8)
    pixels = unpremultiply(unit)
    if binary_alpha:
        opaque = unit[..., 3:] >= 0.5
        pixels[..., 3] = 255
        pixels = np.where(opaque, pixels, 0).astype(np.uint8)
    return pixels


def composite(pixels: np.ndarray, background: str) -> np.ndarray:
    """Straight-alpha uint8 (N, H, W, 4) over a colour: uint8 (N, H, W, 3), rounded once, halves away from zero."""
    _check_pixels(pixels, channels=(4,))
    return _box(pixels, 1, parse_color(background))


def resize(pixels: np.ndarray, size: int, background: str | None = None) -> np.ndarray:
    """Brings images to `size` x `size` without blurring.

    An image that is a whole multiple of `size` is averaged over exact blocks; one that divides `size` is repeated.
    Any other is first padded in the centre to the next such size, or cropped to the one before if that is closer
    and nothing but empty border is lost in any image of the batch (so that all of them keep one scale).

    Args:
        pixels: uint8 (N, H, W, 3) or straight-alpha (N, H, W, 4).
        size: the side of the result, in pixels.
        background: for RGBA, None keeps alpha (the mean of a block: soft edges stay soft), a colour gives RGB
            composited on it, computed from the premultiplied mean and rounded once. For RGB, the colour of the
            padding (None: white).

    Returns:
        uint8 (N, size, size, C), (0, 0, 0, 0) where transparent.
    """
    _check_pixels(pixels, channels=(3, 4))
    if size < 1:
        raise SpriteError(f"image size {size} is not positive; change --image_size")
    color = None if background is None else parse_color(background)
    if pixels.shape[-1] == 3 and color is None:
        color = (255, 255, 255)
    pixels = _fit_canvas(pixels, size, color)
    side = pixels.shape[1]
    if side > size:
        return _box(pixels, side // size, color)
    if pixels.shape[-1] == 4:
        pixels = _box(pixels, 1, color)
    return pixels.repeat(size // side, axis=1).repeat(size // side, axis=2)


def make_grid(
    images: Sequence[Image.Image | np.ndarray],
    columns: int | None = None,
    scale: int = 1,
    padding: int = 1,
    background: str = "checker",
    row_labels: Sequence[str] | None = None,
) -> Image.Image:
    """A contact sheet, scaled by whole pixels.

    Args:
        images: PIL images or uint8 arrays (H, W) or (H, W, 1 | 3 | 4); the largest sets the cell size.
        columns: images per row; by default as square as possible.
        scale: screen pixels per sprite pixel.
        padding: the gap round each image, in sprite pixels.
        background: "checker" shows transparency on a light checkerboard; a colour fills it instead.
        row_labels: one text per row, written at its left.

    Returns:
        An RGB image.
    """
    pictures = [_as_rgba_image(image) for image in images]
    if not pictures or scale < 1 or padding < 0 or (columns is not None and columns < 1):
        raise SpriteError(
            f"a grid of {len(pictures)} images with columns={columns}, scale={scale}, padding={padding} cannot be "
            "drawn; allowed are 1 or more images, columns and scale, and padding of 0 or more"
        )
    columns = columns or math.ceil(math.sqrt(len(pictures)))
    rows = math.ceil(len(pictures) / columns)
    if row_labels is not None and len(row_labels) != rows:
        raise SpriteError(f"{len(row_labels)} row_labels for a grid of {rows} rows; give one label per row")
    width = max(picture.width for picture in pictures)
    height = max(picture.height for picture in pictures)
    ground = (255, 255, 255) if background == "checker" else parse_color(background)
    sheet = Image.new("RGB", (columns * (width + padding) + padding, rows * (height + padding) + padding), ground)
    for index, picture in enumerate(pictures):
        row, column = divmod(index, columns)
        corner = (padding + column * (width + padding), padding + row * (height + padding))
        cell = _checkerboard(picture.size) if background == "checker" else Image.new("RGB", picture.size, ground)
        cell.paste(picture, mask=picture)
        sheet.paste(cell, corner)
    sheet = sheet.resize((sheet.width * scale, sheet.height * scale), Image.Resampling.NEAREST)
    if row_labels is None:
        return sheet
    return _label_rows(sheet, row_labels, (height + padding) * scale, padding * scale, ground)


def _check_pixels(pixels: np.ndarray, channels: tuple[int, ...]) -> None:
    """Raises SpriteError unless `pixels` is uint8 with the given number of channels last."""
    if pixels.dtype != np.uint8 or pixels.ndim < 2 or pixels.shape[-1] not in channels:
        allowed = " or ".join(str(channel) for channel in channels)
        raise SpriteError(f"pixels are {pixels.dtype} of shape {pixels.shape}; allowed is uint8 (N, H, W, {allowed})")


def _fit_canvas(pixels: np.ndarray, size: int, color: tuple[int, int, int] | None) -> np.ndarray:
    """Pads or crops (N, H, W, C), in the centre, to a square whose side is a multiple or a divisor of `size`."""
    height, width = pixels.shape[1:3]
    longest = max(height, width)
    if longest >= size:
        below, above = longest // size * size, -(-longest // size) * size
    else:
        divisors = [side for side in range(1, size + 1) if size % side == 0]
        below = max(side for side in divisors if side <= longest)
        above = min(side for side in divisors if side >= longest)
    if height == width == below:
        return pixels
    if longest - below < above - longest:
        cropped, border_is_empty = _crop(pixels, below, color)
        if border_is_empty:
            return _pad(cropped, below, color)
    return _pad(pixels, above, color)


def _crop(pixels: np.ndarray, side: int, color: tuple[int, int, int] | None) -> tuple[np.ndarray, bool]:
    """The centre of at most `side` x `side`, and whether all that was cut off is transparent or the background."""
    height, width = pixels.shape[1:3]
    top, left = max(height - side, 0) // 2, max(width - side, 0) // 2
    filled = np.zeros(pixels.shape[:3], dtype=bool)
    if color is not None:
        filled |= (pixels[..., :3] != np.array(color, np.uint8)).any(axis=-1)
    else:
        filled |= True
    if pixels.shape[-1] == 4:
        filled &= pixels[..., 3] > 0
    filled[:, top : top + side, left : left + side] = False
    return pixels[:, top : top + side, left : left + side], not filled.any()


def _pad(pixels: np.ndarray, side: int, color: tuple[int, int, int] | None) -> np.ndarray:
    """`pixels` in the centre of a `side` x `side` canvas that is transparent (RGBA) or `color` (RGB)."""
    count, height, width, channels = pixels.shape
    if height == width == side:
        return pixels
    canvas = np.zeros((count, side, side, channels), np.uint8)
    if channels == 3 and color is not None:
        canvas[:] = color
    top, left = (side - height) // 2, (side - width) // 2
    canvas[:, top : top + height, left : left + width] = pixels
    return canvas


def _box(pixels: np.ndarray, factor: int, color: tuple[int, int, int] | None) -> np.ndarray:
    """Exact means of `factor` x `factor` blocks; RGBA comes out straight, or as RGB over `color` if one is given."""
    count, height, width, channels = pixels.shape
    if factor == 1 and color is None:
        return np.where(pixels[..., 3:] > 0, pixels, np.uint8(0)) if channels == 4 else pixels
    out_channels = 3 if color is not None else channels
    result = np.empty((count, height // factor, width // factor, out_channels), np.uint8)
    step = max(1, _CHUNK_BYTES // (height * width * channels))
    for start in range(0, count, step):
        result[start : start + step] = _box_chunk(pixels[start : start + step], factor, color)
    return result


def _box_chunk(pixels: np.ndarray, factor: int, color: tuple[int, int, int] | None) -> np.ndarray:
    """The arithmetic of `_box`, in integers: exact sums, one rounding."""
    area = factor * factor
    if pixels.shape[-1] == 3:
        return _round_divide(_block_sum(pixels, factor), area)
    alpha = pixels[..., 3:]
    # 255 * 255 just fits uint16, so the premultiplied colours need no wider copy; only the sums do.
    weighted = _block_sum(pixels[..., :3].astype(np.uint16) * alpha, factor)
    total = _block_sum(alpha, factor)
    if color is not None:
        weighted += np.array(color, weighted.dtype) * (255 * area - total)
        return _round_divide(weighted, 255 * area)
    mean_alpha = _round_divide(total, area)
    straight = np.concatenate([_round_divide(weighted, np.maximum(total, 1)), mean_alpha], axis=-1)
    return np.where(mean_alpha > 0, straight, 0).astype(np.uint8)


def _block_sum(values: np.ndarray, factor: int) -> np.ndarray:
    """Sums of blocks; of a type that also holds twice the sum of 255 * 255, which rounding needs."""
    wide = np.int32 if factor <= 64 else np.int64
    if factor == 1:
        return values.astype(wide)
    count, height, width, channels = values.shape
    blocks = values.reshape(count, height // factor, factor, width // factor, factor, channels)
    return blocks.sum(axis=(2, 4), dtype=wide)


def _round_divide(numerator: np.ndarray, denominator: np.ndarray | int) -> np.ndarray:
    """Integer division of non-negative numbers, rounded, halves up (which is away from zero)."""
    return ((2 * numerator + denominator) // (2 * denominator)).astype(np.uint8)


def _as_rgba_image(image: Image.Image | np.ndarray) -> Image.Image:
    if isinstance(image, np.ndarray):
        image = image.squeeze(-1) if image.ndim == 3 and image.shape[2] == 1 else image
        is_image = image.dtype == np.uint8 and (image.ndim == 2 or (image.ndim == 3 and image.shape[2] in (3, 4)))
        if not is_image:
            raise SpriteError(
                f"an array of {image.dtype} {image.shape} is not an image; "
                "allowed is uint8 (H, W), (H, W, 3) or (H, W, 4)"
            )
        image = Image.fromarray(image)
    return image.convert("RGBA")


def _checkerboard(size: Size, square: int = 4) -> Image.Image:
    rows, columns = np.indices((size[1], size[0])) // square
    return Image.fromarray(np.array(_CHECKER, np.uint8)[(rows + columns) % 2])


def _label_rows(
    sheet: Image.Image, labels: Sequence[str], row_height: int, offset: int, ground: tuple[int, int, int]
) -> Image.Image:
    """`sheet` with a margin at its left that holds one line of text per row, black or white against `ground`."""
    font = ImageFont.load_default()
    boxes = [font.getbbox(label) for label in labels]
    margin = math.ceil(max(box[2] for box in boxes)) + 8
    labelled = Image.new("RGB", (sheet.width + margin, sheet.height), ground)
    labelled.paste(sheet, (margin, 0))
    draw = ImageDraw.Draw(labelled)
    ink = "black" if sum(ground) > 3 * 127 else "white"
    for row, (label, box) in enumerate(zip(labels, boxes, strict=True)):
        middle = offset + row * row_height + (row_height - offset) // 2
        draw.text((4, middle - (box[1] + box[3]) // 2), label, fill=ink, font=font)
    return labelled
