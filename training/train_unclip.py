"""Trains a small unCLIP, prior, decoder and super-resolution: ``accelerate launch training/train_unclip.py --clip DIR --help``."""

from pathlib import Path

from sprite_diffusers.scripts import run_training_script
from sprite_diffusers.trainers.config import TrainerConfig, parse_config
from sprite_diffusers.trainers.stages import StagesConfig
from sprite_diffusers.trainers.unclip.run import UnclipSettings, fit_unclip
from sprite_diffusers.trainers.unclip.settings import (
    DecoderStageConfig,
    PriorStageConfig,
    SuperResStageConfig,
    UnclipDataConfig,
)


def main() -> None:
    parts = [TrainerConfig, UnclipDataConfig, PriorStageConfig, DecoderStageConfig, SuperResStageConfig, StagesConfig]
    settings = parse_config(
        parts, config_dir=Path(__file__).parent / "configs", default_config="unclip.yaml", description=__doc__
    )
    fit_unclip(UnclipSettings(*settings))


if __name__ == "__main__":
    run_training_script(main)
