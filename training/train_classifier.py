"""Trains the auxiliary classifier that evaluations need: ``accelerate launch training/train_classifier.py --help``."""

from pathlib import Path

from sprite_diffusers.scripts import run_training_script
from sprite_diffusers.trainers.classifier import ClassifierSettings, fit_classifier
from sprite_diffusers.trainers.config import ClassifierConfig, DataConfig, TrainerConfig, parse_config


def main() -> None:
    trainer, data, classifier = parse_config(
        [TrainerConfig, DataConfig, ClassifierConfig],
        config_dir=Path(__file__).parent / "configs",
        default_config="classifier.yaml",
        description=__doc__,
    )
    fit_classifier(ClassifierSettings(trainer, data, classifier))


if __name__ == "__main__":
    run_training_script(main)
