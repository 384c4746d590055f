"""Trains text-to-sprite in three stages: ``accelerate launch training/train_pokemon.py --dataset DIR --help``."""

from pathlib import Path

from sprite_diffusers.scripts import run_training_script
from sprite_diffusers.trainers.config import ObjectiveConfig, TrainerConfig, parse_config
from sprite_diffusers.trainers.stages import StagesConfig
from sprite_diffusers.trainers.text_to_sprite.run import PokemonSettings, fit_pokemon
from sprite_diffusers.trainers.text_to_sprite.settings import (
    AlignmentStageConfig,
    CaptionDataConfig,
    DiffusionStageConfig,
    TextConfig,
    VAEStageConfig,
)


def main() -> None:
    parts = [TrainerConfig, CaptionDataConfig, TextConfig, VAEStageConfig, DiffusionStageConfig, ObjectiveConfig,
             AlignmentStageConfig, StagesConfig]  # fmt: skip
    settings = parse_config(
        parts, config_dir=Path(__file__).parent / "configs", default_config="pokemon_cpu.yaml", description=__doc__
    )
    fit_pokemon(PokemonSettings(*settings))


if __name__ == "__main__":
    run_training_script(main)
