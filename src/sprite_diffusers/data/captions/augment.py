"""Augmentation of large, smooth sprites: flips, small rotations and a little colour; for pixel art see `..augment`."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from ...errors import SpriteError

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_LARGEST_PIXEL_ART = 64  # pixels: images up to this side are rotated without making new colours


@dataclass
class ImageAugmentation:
    """Random changes to a batch of training images, called as `data.Augmentation` is.

    A flip contradicts a caption that says left or right: turn it off if many do.

    Args:
        horizontal_flip: mirrors half of the images.
        max_rotation: turns each image about its centre by up to this many degrees either way; bilinear, or nearest
            neighbour for images of at most 64 pixels.
        color_jitter: changes brightness, contrast (about the mean of what is not background) and saturation by factors
            of 1 - color_jitter to 1 + color_jitter. Pixels that are exactly background stay.
        fill: the background of RGB data, 0..255 per channel; a rotation uncovers it. RGBA is uncovered as transparent.
    """

    horizontal_flip: bool = True
    max_rotation: float = 10.0
    color_jitter: float = 0.1
    fill: tuple[int, int, int] = (255, 255, 255)

    def __post_init__(self) -> None:
        if not 0.0 <= self.max_rotation <= 180.0:
            raise SpriteError(f"max_rotation {self.max_rotation} is not an angle; allowed is 0 (off) to 180 degrees")
        if not 0.0 <= self.color_jitter < 1.0:
            raise SpriteError(f"color_jitter {self.color_jitter} is out of range; allowed is 0 (off) to less than 1")

    def __call__(self, batch: torch.Tensor, labels: torch.Tensor | None, generator: torch.Generator) -> torch.Tensor:
        """Changes a batch; the same generator state gives the same result.

        Args:
            batch: uint8 (B, H, W, 3) RGB or (B, H, W, 4) straight-alpha RGBA; not modified.
            labels: not used.
            generator: a CPU generator.

        Returns:
            uint8, the shape of `batch`.
        """
        if self.horizontal_flip:
            flip = torch.rand(len(batch), generator=generator) < 0.5
            batch = torch.where(flip[:, None, None, None], batch.flip(2), batch)
        if self.color_jitter:  # before the rotation, which blends background into the edges
            batch = self._jitter(batch, generator)
        if self.max_rotation:
            batch = self._rotate(batch, generator)
        return batch

    def _jitter(self, batch: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        factors = 1.0 + self.color_jitter * (2.0 * torch.rand(3, len(batch), 1, 1, 1, generator=generator) - 1.0)
        brightness, contrast, saturation = factors
        color = batch[..., :3]
        if batch.shape[-1] == 4:
            background = batch[..., 3:] == 0
        else:
            background = (color == torch.tensor(self.fill, dtype=torch.uint8)).all(dim=-1, keepdim=True)
        changed = color.float() * brightness
        gray = self._gray(changed)
        drawn = (~background).float()
        mean = (gray * drawn).sum(dim=(1, 2), keepdim=True) / drawn.sum(dim=(1, 2), keepdim=True).clamp(min=1.0)
        changed = mean + (changed - mean) * contrast
        gray = self._gray(changed)
        changed = (gray + (changed - gray) * saturation).round().clamp(0.0, 255.0).to(torch.uint8)
        return torch.cat([torch.where(background, color, changed), batch[..., 3:]], dim=-1)

    @staticmethod
    def _gray(color: torch.Tensor) -> torch.Tensor:
        return (color * torch.tensor(_LUMA)).sum(dim=-1, keepdim=True)

    def _rotate(self, batch: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        count, height, width, channels = batch.shape
        angle = math.radians(self.max_rotation) * (2.0 * torch.rand(count, generator=generator) - 1.0)
        cos, sin, zero = angle.cos(), angle.sin(), torch.zeros(count)
        # affine_grid measures both sides as [-1, 1]; the ratios keep a rotation a rotation on oblong images
        rows = [cos, -sin * height / width, zero, sin * width / height, cos, zero]
        grid = functional.affine_grid(
            torch.stack(rows, dim=1).view(count, 2, 3), [count, channels, height, width], align_corners=False
        )
        nearest = max(height, width) <= _LARGEST_PIXEL_ART
        # outside the image, grid_sample sees 0: measured from the fill, and premultiplied, that is the background
        images = batch.permute(0, 3, 1, 2).float()
        fill = torch.tensor(self.fill if channels == 3 else (0, 0, 0, 0)).float()[:, None, None]
        if channels == 4:
            images = torch.cat([images[:, :3] * images[:, 3:] / 255.0, images[:, 3:]], dim=1)
        turned = functional.grid_sample(
            images - fill, grid, mode="nearest" if nearest else "bilinear", padding_mode="zeros", align_corners=False
        )
        turned = turned + fill
        if channels == 4:
            alpha = turned[:, 3:].round()
            color = torch.where(alpha > 0, turned[:, :3] / turned[:, 3:].clamp(min=1e-6) * 255.0, 0.0)
            turned = torch.cat([color, alpha], dim=1)
        return turned.round().clamp(0.0, 255.0).to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def some_sentences(text: str, most: int, rng: np.random.Generator) -> str:
    """1 to `most` sentences of a text, drawn at random, in their order."""
    sentences = _SENTENCE_END.split(text)
    count = int(rng.integers(1, min(most, len(sentences)) + 1))
    return " ".join(sentences[index] for index in sorted(rng.choice(len(sentences), count, replace=False)))
