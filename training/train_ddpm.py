"""Trains an unconditional sprite model: ``accelerate launch training/train_ddpm.py --help``."""

from pathlib import Path

from sprite_diffusers.scripts import run_training_script
from sprite_diffusers.trainers.config import (
    DataConfig,
    ObjectiveConfig,
    PaletteConfig,
    TrainerConfig,
    UNetConfig,
    parse_config,
)
from sprite_diffusers.trainers.diffusion import DiffusionConfig, fit_diffusion


def main() -> None:
    trainer, data, unet, objective, palette = parse_config(
        [TrainerConfig, DataConfig, UNetConfig, ObjectiveConfig, PaletteConfig],
        config_dir=Path(__file__).parent / "configs",
        default_config="default.yaml",
        description=__doc__,
    )
    fit_diffusion(DiffusionConfig(trainer, data, unet, objective, palette=palette))


if __name__ == "__main__":
    run_training_script(main)
