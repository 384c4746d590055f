"""Trains a small CLIP on sprites and their captions: ``accelerate launch training/train_clip.py --help``."""

from pathlib import Path

from sprite_diffusers.scripts import run_training_script
from sprite_diffusers.trainers.clip import ClipConfig, ClipSettings, fit_clip
from sprite_diffusers.trainers.clip_data import ClipDataConfig
from sprite_diffusers.trainers.config import TrainerConfig, parse_config


def main() -> None:
    trainer, data, clip = parse_config(
        [TrainerConfig, ClipDataConfig, ClipConfig],
        config_dir=Path(__file__).parent / "configs",
        default_config="clip.yaml",
        description=__doc__,
    )
    fit_clip(ClipSettings(trainer, data, clip))


if __name__ == "__main__":
    run_training_script(main)
