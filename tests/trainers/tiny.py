"""Sprites that little networks learn in a few steps, and a training loop of seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sprite_diffusers.trainers.config import TrainerConfig

CLASSES = ("food", "side-facing")


def save_sprites(path: Path, size: int = 8, channels: int = 3, count: int = 200) -> str:
    """A ``.npz`` of two classes: a bright bar, left or right of a colour that falls off to the right; returns its path."""
    rng = np.random.default_rng(0)
    labels = np.arange(count) % 2
    slope = np.linspace(1.0, 0.3, size)[None, None, :, None]
    images = (rng.integers(60, 180, (count, 1, 1, channels)) * slope).repeat(size, axis=1)
    images[labels == 0, :, 1:3] = 240
    images[labels == 1, :, -3:-1] = 20
    if channels == 4:
        images[..., 3] = np.where(np.arange(size) < size - 1, 255, 0)
    np.savez(path, images=images.astype(np.uint8), labels=labels)
    return str(path)


def loop(output_dir: Path, **options) -> TrainerConfig:
    """Six steps of 16 sprites."""
    defaults = {"max_train_steps": 6, "train_batch_size": 16, "logging_steps": 1, "checkpointing_steps": 100,
                "validation_steps": 100, "preview_steps": 100, "learning_rate": 3e-3, "num_cpu_threads": 1,
                "use_ema": False}  # fmt: skip
    return TrainerConfig(output_dir=str(output_dir), **{**defaults, **options})
