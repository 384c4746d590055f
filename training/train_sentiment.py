"""Trains an LSTM that classifies texts: ``python training/train_sentiment.py --help``."""

from pathlib import Path

from sprite_diffusers.scripts import run_script
from sprite_diffusers.trainers.config import parse_config
from sprite_diffusers.trainers.sentiment.run import fit_sentiment
from sprite_diffusers.trainers.sentiment.settings import (
    LSTMSettings,
    SentimentSettings,
    TextDataConfig,
    TextTrainerConfig,
)


def main() -> None:
    trainer, data, lstm = parse_config(
        [TextTrainerConfig, TextDataConfig, LSTMSettings],
        config_dir=Path(__file__).parent / "configs",
        default_config="sentiment.yaml",
        description=__doc__,
    )
    fit_sentiment(SentimentSettings(trainer, data, lstm))


if __name__ == "__main__":
    run_script(main)
