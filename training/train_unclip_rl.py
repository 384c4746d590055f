"""Tunes the decoder of an unCLIP by rewards: search, cross-validation over prompts, and one test.

    accelerate launch training/train_unclip_rl.py --config unclip_rl_cpu --pipeline outputs/unclip ...

On Karlo with the published scorers (aesthetic, CLIP, PickScore, HPSv2.1), on one GPU of 40 GB or more:

    accelerate launch --mixed_precision bf16 training/train_unclip_rl.py --config unclip_rl_karlo

What that needs, and what every file that it leaves means, is in docs/rl.md.
"""

from pathlib import Path

from sprite_diffusers.scripts import run_training_script
from sprite_diffusers.trainers.config import TrainerConfig, parse_config
from sprite_diffusers.trainers.rl.run import PromptConfig
from sprite_diffusers.trainers.rl.settings import RewardConfig, RLConfig
from sprite_diffusers.trainers.rl.study.run import Study, StudyConfig, StudySettings


def main() -> None:
    settings = parse_config(
        [TrainerConfig, RLConfig, RewardConfig, PromptConfig, StudyConfig],
        config_dir=Path(__file__).parent / "configs",
        default_config="unclip_rl_cpu.yaml",
        description=__doc__,
    )
    Study(StudySettings(*settings)).run()


if __name__ == "__main__":
    run_training_script(main)
