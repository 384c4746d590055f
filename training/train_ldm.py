"""Trains latent diffusion of sprites: ``accelerate launch training/train_ldm.py --pretrained_autoencoder DIR --help``."""

from pathlib import Path

from sprite_diffusers.scripts import run_training_script
from sprite_diffusers.trainers.config import (
    ClassCondConfig,
    DataConfig,
    LatentConfig,
    ObjectiveConfig,
    TrainerConfig,
    UNetConfig,
    parse_config,
)
from sprite_diffusers.trainers.latent import LatentDiffusionConfig, fit_latent_diffusion


def main() -> None:
    trainer, data, latent, unet, objective, condition = parse_config(
        [TrainerConfig, DataConfig, LatentConfig, UNetConfig, ObjectiveConfig, ClassCondConfig],
        config_dir=Path(__file__).parent / "configs",
        default_config="ldm.yaml",
        description=__doc__,
    )
    fit_latent_diffusion(
        LatentDiffusionConfig(trainer, data, unet, objective, condition if latent.conditional else None, latent)
    )


if __name__ == "__main__":
    run_training_script(main)
