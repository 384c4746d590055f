"""Animated pictures: GIF with its exact palette, and lossless WebP; both loop for ever."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from ..errors import SpriteError
from .pictures import reason
from .sheet import DEFAULT_DURATION, LONGEST_DURATION, SpriteSheet

MOST_COLORS = 255  # of a GIF's 256, one is "transparent"
LARGEST_WEBP = 16383
SHORTEST_GIF_FRAME = 20  # ms; viewers slow down what is shorter


def gif(sheet: SpriteSheet) -> tuple[bytes, str | None]:
    """A GIF of all frames; a frame that repeats the one before it becomes a longer one.

    Up to 255 colours are kept as they are. GIF knows neither partly transparent pixels (from half on they are opaque) nor
    times that are no multiples of 10 ms.

    Returns:
        The file, and what was lost in one line, or None.
    """
    opaque = sheet.frames[..., 3] >= 128
    colors, indices = np.unique(sheet.frames[opaque][:, :3], axis=0, return_inverse=True)
    lost = []
    if np.any((sheet.frames[..., 3] > 0) & (sheet.frames[..., 3] < 255)):
        lost.append("soft alpha became binary")
    if len(colors) > MOST_COLORS:
        lost.append(f"{len(colors)} colours became {MOST_COLORS}")
        colors, indices = _reduce(sheet.frames[opaque][:, :3])
    transparent = len(colors)
    pixels = np.full(opaque.shape, transparent, np.uint8)
    pixels[opaque] = indices.reshape(-1)
    palette = np.concatenate([colors.astype(np.uint8), np.zeros((1, 3), np.uint8)]).tobytes()
    images = []
    for frame in pixels:
        image = Image.fromarray(frame, mode="P")
        image.putpalette(palette)
        images.append(image)
    durations = [max(SHORTEST_GIF_FRAME, round(duration / 10) * 10) for duration in sheet.durations]
    buffer = io.BytesIO()
    images[0].save(
        buffer, "GIF", save_all=True, append_images=images[1:], duration=durations, loop=0, disposal=2,
        transparency=transparent, background=transparent, optimize=False,
    )  # fmt: skip
    return buffer.getvalue(), ", ".join(lost) or None


def _reduce(colors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Median cut to 255 colours without dithering: the palette (255, 3), and an index per pixel."""
    picture = Image.fromarray(colors[None]).quantize(MOST_COLORS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    palette = np.asarray(picture.getpalette(), np.uint8).reshape(-1, 3)[:MOST_COLORS]
    return palette, np.asarray(picture)


def webp(sheet: SpriteSheet) -> bytes:
    """A lossless WebP of all frames; a frame that repeats the one before it becomes a longer one.

    Raises:
        SpriteError: frames above 16383 pixels.
    """
    if max(sheet.frame_size) > LARGEST_WEBP:
        raise SpriteError(
            f"frames of {sheet.frame_size[0]}x{sheet.frame_size[1]} are too large for WebP; allowed is {LARGEST_WEBP}: "
            "leave webp out of --formats"
        )
    images = [Image.fromarray(frame) for frame in sheet.frames]
    buffer = io.BytesIO()
    images[0].save(
        buffer, "WEBP", save_all=True, append_images=images[1:], duration=list(sheet.durations), loop=0,
        lossless=True, exact=True, quality=100,
    )  # fmt: skip
    return buffer.getvalue()


def read_animation(path: Path) -> SpriteSheet:
    """The frames of a GIF or WebP, named after the file.

    Raises:
        SpriteError: a file that cannot be decoded.
    """
    frames, durations = [], []
    try:
        with Image.open(path) as file:
            for index in range(getattr(file, "n_frames", 1)):
                file.seek(index)
                frames.append(np.asarray(file.convert("RGBA")))
                duration = int(file.info.get("duration") or DEFAULT_DURATION)
                durations.append(min(max(duration, 1), LONGEST_DURATION))
    except Exception as error:  # Pillow raises a dozen kinds for damaged files
        raise SpriteError(f"cannot decode the animation {str(path)!r} ({reason(error)}); repair it") from None
    names = [f"{path.stem} {index}" for index in range(len(frames))]
    return SpriteSheet(np.stack(frames), tuple(names), tuple(durations))
