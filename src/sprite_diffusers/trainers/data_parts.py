"""What every trainer does with `DataConfig`: loading the sprites, and augmenting them."""

from __future__ import annotations

import numpy as np

from ..data import Augmentation, SpriteDataset, load_sprites
from ..data.pixels import parse_color
from .config import DataConfig


def load_data(config: DataConfig) -> SpriteDataset:
    """`load_sprites` with the settings of `config`."""
    return load_sprites(
        config.dataset,
        image_size=config.image_size,
        mode=config.image_mode,
        background=config.background,
        labels=config.labels,
        class_names=config.class_names,
        validation_split=config.validation_split,
        num_samples=config.num_samples,
        skip_bad_images=config.skip_bad_images,
    )


def build_augmentation(config: DataConfig, class_names: list[str]) -> Augmentation | None:
    """The augmentation that `config` asks for, or none."""
    if not (config.random_flip or config.random_shift or config.palette_swap):
        return None
    return Augmentation(
        horizontal_flip=config.random_flip,
        max_shift=config.random_shift,
        palette_swap=config.palette_swap,
        skip_classes=tuple(i for i, name in enumerate(class_names) if name in config.no_flip_classes),
        fill=parse_color(config.background),
    )


def pad_sprites(pixels: np.ndarray, size: int) -> np.ndarray:
    """uint8 ``(N, H, W, C)`` with the edge pixels repeated around them, up to squares of `size`; cropped from the centre again."""
    margin = size - pixels.shape[1]
    if not margin:
        return pixels
    around = (margin // 2, margin - margin // 2)
    return np.pad(pixels, ((0, 0), around, around, (0, 0)), mode="edge")
