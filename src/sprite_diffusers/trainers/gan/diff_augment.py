"""Augmentation that gradients pass through, for real and drawn images alike (https://arxiv.org/abs/2006.10738)."""

from __future__ import annotations

from collections.abc import Sequence

import torch

SHIFT = 0.125  # of the side
CUTOUT = 0.5  # of the side


def diff_augment(images: torch.Tensor, kinds: Sequence[str], generator: torch.Generator) -> torch.Tensor:
    """Images as the discriminator sees them; a draw of each kind per image.

    Args:
        images: ``(batch, channels, H, W)`` in ``[-1, 1]``; a fourth channel is alpha, and has no colour to change.
        kinds: of ``"color"`` (brightness, saturation, contrast), ``"translation"`` (by up to an eighth of the side; -1,
            which is black or transparent, comes in) and ``"cutout"`` (a square of half the side becomes 0), in that order.
        generator: a CPU generator, the only source of randomness.
    """
    if "color" in kinds:
        images = _color(images, generator)
    if "translation" in kinds:
        images = _translation(images, generator)
    if "cutout" in kinds:
        images = _cutout(images, generator)
    return images


def _color(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Brightness by up to 0.5, saturation by a factor of 0 to 2, contrast by a factor of 0.5 to 1.5."""
    draws = torch.rand(3, len(images), 1, 1, 1, generator=generator).to(images)
    color, alpha = images[:, :3], images[:, 3:]
    color = color + draws[0] - 0.5
    grey = color.mean(dim=1, keepdim=True)
    color = grey + (color - grey) * (2 * draws[1])
    level = color.mean(dim=(1, 2, 3), keepdim=True)
    color = level + (color - level) * (draws[2] + 0.5)
    return torch.cat([color, alpha], dim=1)


def _translation(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """By whole pixels, each image its own way."""
    count, _, height, width = images.shape
    reach = max(1, int(min(height, width) * SHIFT + 0.5))
    shifts = torch.randint(-reach, reach + 1, (2, count), generator=generator)
    padded = torch.nn.functional.pad(images, (reach,) * 4, value=-1.0).permute(0, 2, 3, 1)
    rows = (torch.arange(height) + reach + shifts[0][:, None])[:, :, None]
    columns = (torch.arange(width) + reach + shifts[1][:, None])[:, None, :]
    return padded[torch.arange(count)[:, None, None], rows, columns].permute(0, 3, 1, 2)


def _cutout(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """A square at a random place, cut by the border where it reaches over it."""
    count, _, height, width = images.shape
    half = torch.tensor([height, width]) * CUTOUT / 2
    center = torch.rand(2, count, generator=generator) * torch.tensor([[height], [width]])
    rows = (torch.arange(height)[None] + 0.5 - center[0][:, None]).abs() < half[0]
    columns = (torch.arange(width)[None] + 0.5 - center[1][:, None]).abs() < half[1]
    hole = (rows[:, None, :, None] & columns[:, None, None, :]).to(images.device)
    return images.masked_fill(hole, 0.0)
