"""A GAN that trains in a second."""

from __future__ import annotations

from pathlib import Path

from sprite_diffusers.trainers.config import DataConfig
from sprite_diffusers.trainers.data_parts import load_data
from sprite_diffusers.trainers.gan.gan_trainer import GANTrainer
from sprite_diffusers.trainers.gan.settings import GANConfig, GANSettings, GeneratorConfig

from ..tiny import CLASSES, loop, save_sprites


def settings(
    root: Path,
    output_dir: str = "out",
    data: dict | None = None,
    network: dict | None = None,
    gan: dict | None = None,
    **options,
) -> GANSettings:
    """Six steps on 300 sprites of 8 pixels."""
    file = root / "sprites.npz"
    dataset = str(file) if file.exists() else save_sprites(file, count=300)
    return GANSettings(
        loop(root / output_dir, **{"use_ema": True, "adam_beta1": 0.5, **options}),
        DataConfig(**{"dataset": dataset, "class_names": list(CLASSES), **(data or {})}),
        GeneratorConfig(**{"latent_dim": 6, "generator_channels": [8], **(network or {})}),
        GANConfig(**(gan or {})),
    )


def trainer_for(config: GANSettings) -> GANTrainer:
    return GANTrainer(config, load_data(config.data))
