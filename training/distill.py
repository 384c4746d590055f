"""Turns a trained flow into a model of one or two steps: ``accelerate launch training/distill.py --teacher outputs/my-model``."""

from pathlib import Path

from sprite_diffusers.scripts import run_training_script
from sprite_diffusers.trainers.config import DataConfig, TrainerConfig, parse_config
from sprite_diffusers.trainers.distillation.settings import DistillationSettings, DistillConfig
from sprite_diffusers.trainers.distillation.trainer import fit_distillation


def main() -> None:
    trainer, data, distill = parse_config(
        [TrainerConfig, DataConfig, DistillConfig],
        config_dir=Path(__file__).parent / "configs",
        default_config="distill.yaml",
        description=__doc__,
    )
    fit_distillation(DistillationSettings(trainer, data, distill))


if __name__ == "__main__":
    run_training_script(main)
