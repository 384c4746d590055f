"""Trains an autoencoder of sprites: ``accelerate launch training/train_autoencoder.py --help``."""

from pathlib import Path

from sprite_diffusers.scripts import run_training_script
from sprite_diffusers.trainers.autoencoder import AutoencoderSettings, fit_autoencoder
from sprite_diffusers.trainers.config import AutoencoderConfig, DataConfig, TrainerConfig, parse_config


def main() -> None:
    trainer, data, autoencoder = parse_config(
        [TrainerConfig, DataConfig, AutoencoderConfig],
        config_dir=Path(__file__).parent / "configs",
        default_config="vae.yaml",
        description=__doc__,
    )
    fit_autoencoder(AutoencoderSettings(trainer, data, autoencoder))


if __name__ == "__main__":
    run_training_script(main)
