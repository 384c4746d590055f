"""Augmentations that keep pixel art pixel art: no interpolation, no new colours inside a palette, no soft edges."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..errors import SpriteError

# Every order of the channels but the given one. As a map of colours each is one-to-one and leaves greys alone,
# so the number of colours, the outline and a white or black background survive it.
_CHANNEL_ORDERS = torch.tensor([[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]])


@dataclass
class Augmentation:
    """Random changes to a batch of sprites; everything is off by default.

    A flip or a palette swap can contradict a caption ("facing left", "a red sword"): leave them off for text models.

    Args:
        horizontal_flip: mirrors half of the images.
        max_shift: moves each image by up to this many whole pixels along each axis; what leaves is lost.
        palette_swap: the probability that an image has its colour channels put in another order.
        skip_classes: labels that are never flipped, because their direction is their meaning (side-facing sprites).
        fill: what a shift uncovers in an RGB image, 0..255 per channel; the background of the data. RGBA is uncovered
            as transparent. A palette swap leaves RGB pixels of this colour alone, so the background keeps its colour.
    """

    horizontal_flip: bool = False
    max_shift: int = 0
    palette_swap: float = 0.0
    skip_classes: tuple[int, ...] = ()
    fill: tuple[int, int, int] = (255, 255, 255)

    def __post_init__(self) -> None:
        if self.max_shift < 0:
            raise SpriteError(f"max_shift {self.max_shift} is negative; allowed is 0 (off) or more pixels")
        if not 0.0 <= self.palette_swap <= 1.0:
            raise SpriteError(f"palette_swap {self.palette_swap} is not a probability; allowed is 0 (off) to 1")

    def __call__(self, batch: torch.Tensor, labels: torch.Tensor | None, generator: torch.Generator) -> torch.Tensor:
        """Changes a batch; the same generator state gives the same result.

        Args:
            batch: uint8 (B, H, W, 3) RGB or (B, H, W, 4) straight-alpha RGBA; not modified.
            labels: (B,) class ids, needed if `skip_classes` is not empty.
            generator: a CPU generator.

        Returns:
            uint8, the shape of `batch`.

        Raises:
            SpriteError: if `skip_classes` is set and there are no labels, or a shift is as large as the image.
        """
        if self.horizontal_flip:
            batch = self._flip(batch, labels, generator)
        if self.max_shift:
            batch = self._shift(batch, generator)
        if self.palette_swap:
            batch = self._swap_palette(batch, generator)
        return batch

    def _flip(self, batch: torch.Tensor, labels: torch.Tensor | None, generator: torch.Generator) -> torch.Tensor:
        flip = torch.rand(len(batch), generator=generator) < 0.5
        if self.skip_classes:
            if labels is None:
                raise SpriteError(
                    f"skip_classes={self.skip_classes} needs labels, and this data has none; leave it out"
                )
            flip &= ~torch.isin(labels.cpu(), torch.tensor(self.skip_classes))
        return torch.where(flip[:, None, None, None], batch.flip(2), batch)

    def _shift(self, batch: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        count, height, width, channels = batch.shape
        reach = self.max_shift
        if reach >= min(height, width):
            raise SpriteError(
                f"max_shift {reach} empties an image of {width}x{height}; allowed is up to {min(height, width) - 1}"
            )
        fill = self.fill if channels == 3 else (0, 0, 0, 0)
        padded = torch.tensor(fill, dtype=torch.uint8).repeat(count, height + 2 * reach, width + 2 * reach, 1)
        padded[:, reach : reach + height, reach : reach + width] = batch
        down, right = torch.randint(0, 2 * reach + 1, (2, count, 1), generator=generator)
        rows = (torch.arange(height) + down)[:, :, None]
        columns = (torch.arange(width) + right)[:, None, :]
        return padded[torch.arange(count)[:, None, None], rows, columns]

    def _swap_palette(self, batch: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        count = len(batch)
        chosen = torch.rand(count, generator=generator) < self.palette_swap
        orders = _CHANNEL_ORDERS[torch.randint(0, len(_CHANNEL_ORDERS), (count,), generator=generator)]
        color = batch[..., :3]
        swapped = color.gather(3, orders[:, None, None, :].expand_as(color))
        change = chosen[:, None, None, None].expand(*batch.shape[:3], 1)
        if batch.shape[-1] == 3:
            background = (color == torch.tensor(self.fill, dtype=torch.uint8)).all(dim=-1, keepdim=True)
            change = change & ~background
        return torch.cat([torch.where(change, swapped, color), batch[..., 3:]], dim=-1)
