"""Trains a class-conditional sprite model: ``accelerate launch training/train_cond.py --help``."""

from pathlib import Path

from sprite_diffusers.scripts import run_training_script
from sprite_diffusers.trainers.config import (
    ClassCondConfig,
    DataConfig,
    ObjectiveConfig,
    PaletteConfig,
    TrainerConfig,
    UNetConfig,
    parse_config,
)
from sprite_diffusers.trainers.diffusion import DiffusionConfig, fit_diffusion


def main() -> None:
    trainer, data, unet, objective, condition, palette = parse_config(
        [TrainerConfig, DataConfig, UNetConfig, ObjectiveConfig, ClassCondConfig, PaletteConfig],
        config_dir=Path(__file__).parent / "configs",
        default_config="default.yaml",
        description=__doc__,
    )
    fit_diffusion(DiffusionConfig(trainer, data, unet, objective, condition, palette=palette))


if __name__ == "__main__":
    run_training_script(main)
