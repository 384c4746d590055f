"""What spoils pixel art, by name and strength: to learn scorers from, and to test them with."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from ..errors import SpriteError

Degradation = Callable[[torch.Tensor, torch.Tensor, torch.Generator], torch.Tensor]
"""Of float premultiplied ``(N, 3 | 4, H, W)`` from 0 to 255 and strengths ``(N,)`` above 0; may leave that range."""

_FIELD = 4  # a tint changes over so many points along each side


def degrade(
    pixels: torch.Tensor, name: str, strength: float | torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    """Spoils sprites in one way.

    Args:
        pixels: uint8 ``(N, H, W, 3)`` RGB or ``(N, H, W, 4)`` straight-alpha RGBA, on the CPU; not modified.
        name: of `DEGRADATIONS`.
        strength: 0 (gives `pixels` back) to 1, for all or ``(N,)`` for each.
        generator: a CPU generator, the only source of randomness.

    Returns:
        uint8, the shape of `pixels`.

    Raises:
        SpriteError: an unknown name, a strength out of range, or pixels in another form.
    """
    if name not in DEGRADATIONS:
        raise SpriteError(f"the degradation {name!r} is unknown: give one of {', '.join(DEGRADATIONS)}.")
    if pixels.dtype != torch.uint8 or pixels.ndim != 4 or pixels.shape[-1] not in (3, 4):
        raise SpriteError(
            f"pixels are {pixels.dtype} of shape {tuple(pixels.shape)}: give uint8 (N, H, W, 3) or (N, H, W, 4)."
        )
    strengths = torch.as_tensor(strength, dtype=torch.float32).expand(len(pixels))
    if not len(pixels):
        return pixels
    low, high = (float(value) for value in strengths.aminmax())
    if not (low >= 0 and high <= 1):  # so put, NaN fails as well
        raise SpriteError(f"the strength of {name!r} is from {low:.4g} to {high:.4g}, but must be from 0 to 1.")
    damaged = _straight(DEGRADATIONS[name](_premultiplied(pixels), strengths, generator))
    return torch.where(strengths[:, None, None, None] > 0, damaged, pixels)


def degrade_at_random(
    pixels: torch.Tensor, names: Sequence[str], strengths: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    """Spoils each sprite in one of some ways, drawn evenly.

    Args:
        pixels, generator: see `degrade`.
        names: of `DEGRADATIONS`, one or more.
        strengths: ``(N,)`` from 0 to 1.
    """
    chosen = torch.randint(len(names), (len(pixels),), generator=generator)
    damaged = pixels.clone()
    for number, name in enumerate(names):
        rows = (chosen == number).nonzero()[:, 0]
        damaged[rows] = degrade(pixels[rows], name, strengths[rows], generator)
    return damaged


def check_names(names: Sequence[str], flag: str) -> None:
    """Raises SpriteError, which names `flag`, unless `names` are one or more of `DEGRADATIONS`."""
    unknown = [name for name in names if name not in DEGRADATIONS]
    if unknown or not names:
        raise SpriteError(f"{flag} is {list(names)}, but must be one or more of {', '.join(DEGRADATIONS)}.")


def _blur(values: torch.Tensor, strengths: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Gaussian, of 0.3 to 1.2 pixels: soft edges."""
    reach = 3
    offsets = torch.arange(-reach, reach + 1)
    kernels = torch.exp(-(offsets**2) / (2 * (0.3 + 0.9 * strengths[:, None]) ** 2))
    kernels = (kernels / kernels.sum(dim=1, keepdim=True)).repeat_interleave(values.shape[1], dim=0)
    flat = values.reshape(1, -1, *values.shape[2:])
    padded = F.pad(flat, (reach,) * 4, mode="replicate")
    across = F.conv2d(padded, kernels[:, None, None, :], groups=len(kernels))
    return F.conv2d(across, kernels[:, None, :, None], groups=len(kernels)).view_as(values)


def _resize(values: torch.Tensor, strengths: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Bilinear, down to 40 % of the side at most, and up again: what a sprite loses on a website."""
    height, width = values.shape[2:]
    sides = (max(height, width) * (1 - 0.6 * strengths)).round().clamp(max=max(height, width) - 1, min=1)
    result = values.clone()
    for side in sides.unique().tolist():
        factor = side / max(height, width)
        size = (max(round(height * factor), 1), max(round(width * factor), 1))
        small = F.interpolate(values[sides == side], size, mode="bilinear", antialias=True)
        result[sides == side] = F.interpolate(small, (height, width), mode="bilinear")
    return result


def _jpeg(values: torch.Tensor, strengths: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """JPEG of quality 90 to 15; alpha stays."""
    colors = values[:, :3].round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    decoded = []
    for color, strength in zip(colors, strengths.tolist(), strict=True):
        file = io.BytesIO()
        Image.fromarray(color).save(file, "jpeg", quality=round(90 - 75 * strength))
        decoded.append(np.asarray(Image.open(file)))
    return torch.cat([torch.from_numpy(np.stack(decoded)).permute(0, 3, 1, 2).float(), values[:, 3:]], dim=1)


def _noise(values: torch.Tensor, strengths: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Gaussian noise of up to 40 levels on every colour."""
    color = values[:, :3]
    noise = torch.randn(color.shape, generator=generator) * 40 * _each(strengths)
    return torch.cat([color + noise * _opacity(values), values[:, 3:]], dim=1)


def _orphans(values: torch.Tensor, strengths: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Single pixels of any colour, on up to 12 % of the sprite; one or more."""
    count, height, width = len(values), *values.shape[2:]
    rank = torch.rand(count, height * width, generator=generator).argsort(dim=1).argsort(dim=1)
    hit = rank < (0.12 * strengths[:, None] * height * width).round().clamp(min=1)
    colors = torch.full(values.shape, 255.0)
    colors[:, :3] = torch.randint(256, (count, 3, height, width), generator=generator).float()
    return torch.where(hit.view(count, 1, height, width), colors, values)


def _off_palette(values: torch.Tensor, strengths: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """A tint of up to 70 levels that changes over the sprite, so that one colour becomes many."""
    color = values[:, :3]
    points = 2 * torch.rand(len(values), 3, _FIELD, _FIELD, generator=generator) - 1
    tint = F.interpolate(points, color.shape[2:], mode="bilinear", align_corners=True) * 70 * _each(strengths)
    return torch.cat([color + tint * _opacity(values), values[:, 3:]], dim=1)


def _shift(values: torch.Tensor, strengths: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Off the grid along both axes, by up to half a pixel."""
    share = _each(0.5 * strengths)
    for axis in (2, 3):
        forward = _each(torch.rand(len(values), generator=generator) < 0.5)
        padding = (0, 0, 1, 1) if axis == 2 else (1, 1, 0, 0)
        padded, side = F.pad(values, padding, mode="replicate"), values.shape[axis]
        neighbour = torch.where(forward, padded.narrow(axis, 2, side), padded.narrow(axis, 0, side))
        values = (1 - share) * values + share * neighbour
    return values


def _smear(values: torch.Tensor, strengths: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Some rows of the drawing, up to 40 % of them, dragged sideways by up to half the width."""
    height, width = values.shape[2:]
    top, left = _points_of_the_drawing(values, generator)
    half_band = (0.05 + 0.15 * strengths) * height
    length = (0.1 + 0.4 * strengths) * width
    rows, columns = torch.arange(height)[None, :, None], torch.arange(width)[None, None, :]
    sign = torch.where(torch.rand(len(values), generator=generator) < 0.5, -1, 1)[:, None, None]
    beyond = (columns - left[:, None, None]) * sign
    dragged = ((rows - top[:, None, None]).abs() <= half_band[:, None, None]) & (beyond >= 0)
    dragged = dragged & (beyond <= length[:, None, None])
    source = torch.where(dragged, left[:, None, None], columns.expand_as(dragged))
    return values.gather(3, source[:, None].expand_as(values))


def _dropout(values: torch.Tensor, strengths: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """A part of the drawing, of up to 60 % of each side, is background."""
    height, width = values.shape[2:]
    top, left = _points_of_the_drawing(values, generator)
    half = (0.15 + 0.45 * strengths)[:, None, None] / 2
    rows, columns = torch.arange(height)[None, :, None], torch.arange(width)[None, None, :]
    inside = ((rows - top[:, None, None]).abs() <= half * height) & (
        (columns - left[:, None, None]).abs() <= half * width
    )
    return torch.where(inside[:, None], _background(values), values)


DEGRADATIONS: dict[str, Degradation] = {
    "blur": _blur,
    "resize": _resize,
    "jpeg": _jpeg,
    "noise": _noise,
    "orphans": _orphans,
    "off_palette": _off_palette,
    "shift": _shift,
    "smear": _smear,
    "dropout": _dropout,
}


def _background(values: torch.Tensor) -> torch.Tensor:
    """``(N, C, 1, 1)``: the median of the border, channel by channel."""
    border = torch.cat([values[:, :, 0], values[:, :, -1], values[:, :, :, 0], values[:, :, :, -1]], dim=2)
    return border.median(dim=2).values[:, :, None, None]


def _points_of_the_drawing(values: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Row and column ``(N,)`` of a pixel that is not background, drawn at random; of any pixel where all is background."""
    drawn = (values != _background(values)).any(dim=1).flatten(1)
    place = (torch.rand(drawn.shape, generator=generator) + drawn).argmax(dim=1)
    return place // values.shape[3], place % values.shape[3]


def _each(values: torch.Tensor) -> torch.Tensor:
    return values[:, None, None, None]


def _opacity(values: torch.Tensor) -> torch.Tensor | float:
    return values[:, 3:] / 255 if values.shape[1] == 4 else 1.0


def _premultiplied(pixels: torch.Tensor) -> torch.Tensor:
    values = pixels.permute(0, 3, 1, 2).float()
    return values if values.shape[1] == 3 else torch.cat([values[:, :3] * (values[:, 3:] / 255), values[:, 3:]], dim=1)


def _straight(values: torch.Tensor) -> torch.Tensor:
    """uint8 ``(N, H, W, C)``; a pixel whose alpha rounds to 0 becomes 0 in all channels."""
    if values.shape[1] == 4:
        alpha = values[:, 3:].round().clamp(0, 255)
        color = torch.where(alpha > 0, values[:, :3] * (255 / values[:, 3:].clamp(min=0.5)), 0.0)
        values = torch.cat([color, alpha], dim=1)
    return values.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()
