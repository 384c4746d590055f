"""Trains a GAN: ``accelerate launch training/train_gan.py --config gan_mnist --help``."""

from pathlib import Path

from sprite_diffusers.scripts import run_training_script
from sprite_diffusers.trainers.config import DataConfig, TrainerConfig, parse_config
from sprite_diffusers.trainers.gan.gan_trainer import fit_gan
from sprite_diffusers.trainers.gan.settings import GANConfig, GANSettings, GeneratorConfig


def main() -> None:
    trainer, data, generator, gan = parse_config(
        [TrainerConfig, DataConfig, GeneratorConfig, GANConfig],
        config_dir=Path(__file__).parent / "configs",
        default_config="gan_sprites.yaml",
        description=__doc__,
    )
    fit_gan(GANSettings(trainer, data, generator, gan))


if __name__ == "__main__":
    run_training_script(main)
