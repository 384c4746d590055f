"""Trains small scorers of sprites in the published formats: ``accelerate launch training/train_rewards.py --help``."""

from pathlib import Path

from sprite_diffusers.scripts import run_training_script
from sprite_diffusers.trainers.clip_data import ClipDataConfig
from sprite_diffusers.trainers.config import TrainerConfig, parse_config
from sprite_diffusers.trainers.reward_models.run import fit_rewards
from sprite_diffusers.trainers.reward_models.settings import RewardModelConfig, RewardModelSettings


def main() -> None:
    trainer, data, reward = parse_config(
        [TrainerConfig, ClipDataConfig, RewardModelConfig],
        config_dir=Path(__file__).parent / "configs",
        default_config="rewards.yaml",
        description=__doc__,
    )
    fit_rewards(RewardModelSettings(trainer, data, reward))


if __name__ == "__main__":
    run_training_script(main)
