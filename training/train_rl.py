"""Tunes a pipeline by rewards (a LoRA): ``accelerate launch training/train_rl.py --pipeline DIR --rewards palette_fit``."""

from pathlib import Path

from sprite_diffusers.scripts import run_training_script
from sprite_diffusers.trainers.config import TrainerConfig, parse_config
from sprite_diffusers.trainers.rl.run import PromptConfig, RLSettings, fit_rl
from sprite_diffusers.trainers.rl.settings import RewardConfig, RLConfig


def main() -> None:
    trainer, rl, rewards, source = parse_config(
        [TrainerConfig, RLConfig, RewardConfig, PromptConfig],
        config_dir=Path(__file__).parent / "configs",
        default_config="rl_palette.yaml",
        description=__doc__,
    )
    fit_rl(RLSettings(trainer, rl, rewards, source))


if __name__ == "__main__":
    run_training_script(main)
