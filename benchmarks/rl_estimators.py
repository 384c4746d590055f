"""Reward against the number of reward queries, for every estimator of the policy gradient on one base model.

    python benchmarks/rl_estimators.py --pipeline outputs/ad6 --classifier outputs/classifier

The line to beat is DDPO with the hyper-parameters of its authors' ddpo-pytorch (256 images and 2 updates per epoch, learning
rate 3e-4, clip range 1e-4, advantages within 5, all timesteps, running statistics per prompt over 16 images). All estimators
share the base, the LoRA (rank 4 on all layers), the sampler and the evaluation: 16 images of each class from the same noise,
drawn with the weights as they are. Rewards are nearness to the sixteen colours of PICO-8, and the probability of the class asked
for, both in standard deviations of the base.
"""

from __future__ import annotations

import json
from argparse import ArgumentDefaultsHelpFormatter, Namespace
from pathlib import Path
from typing import Any

from sprite_diffusers import hub
from sprite_diffusers.pixels import load_palette
from sprite_diffusers.report.figures import tuning_plot
from sprite_diffusers.report.page import Paragraph, to_markdown
from sprite_diffusers.report.reward_curves import PUBLISHED, Curve
from sprite_diffusers.report.texts import Texts
from sprite_diffusers.report.tuning import tuning_table, tuning_verdict
from sprite_diffusers.rewards import ClassProbabilityReward, HardEdgesReward, PaletteFitReward
from sprite_diffusers.scripts import ArgumentParser, run_script
from sprite_diffusers.trainers.config import TrainerConfig
from sprite_diffusers.trainers.rl.settings import RLConfig
from sprite_diffusers.trainers.rl.trainer import RLTask, RLTrainer

PICO_8 = load_palette("pico-8").hex
LOOP = {"use_ema": False, "checkpointing_steps": 10**6, "preview_steps": 10**6, "logging_steps": 10}
COMMON = {
    "lora_rank": 4,
    "lora_alpha": 4,
    "eval_images_per_prompt": 16,
    "sampling_guidance": 1.0,
    "min_diversity": 0.01,
}


def settings(estimator: str, images: int, num_prompts: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Of `RLConfig` and of `TrainerConfig`; rollouts are of about `images` images."""
    group = images // num_prompts
    ours = {"prompts_per_rollout": num_prompts, "num_images_per_prompt": group, "updates_per_rollout": 1}
    rl = {
        "ddpo": {"timestep_fraction": 1.0, "timestep_weighting": "none", "prompts_per_rollout": 256,
                 "num_images_per_prompt": 1, "updates_per_rollout": 2},
        "grpo": {**ours, "kl_weight": 0.01, "timestep_fraction": 0.5, "clip_range": 1e-3},
        "rloo": {**ours, "timestep_fraction": 0.5},
        "nft": {**ours, "timestep_fraction": 0.5, "nft_beta": 0.5, "updates_per_rollout": 2},
        "draft": {**ours, "draft_k": 1},
    }[estimator]  # fmt: skip
    trainer = {
        "ddpo": {"learning_rate": 3e-4, "adam_weight_decay": 1e-4},
        "grpo": {"learning_rate": 4e-3},
        "rloo": {"learning_rate": 4e-3},
        "nft": {"learning_rate": 4e-3},
        "draft": {"learning_rate": 2e-3},
    }[estimator]
    return rl, trainer


def run(args: Namespace, estimator: str, seed: int) -> list[dict[str, float]]:
    """The evaluations of one run, the base's first."""
    pipeline = hub.load_pipeline(args.pipeline)
    classes = list(pipeline.labels)
    rl, trainer = settings(estimator, args.images, len(classes))
    config = RLConfig(estimator=estimator, sampling_steps=args.sampling_steps, **COMMON, **rl)
    images = config.prompts_per_rollout * config.num_images_per_prompt
    budget = args.queries if estimator == PUBLISHED else args.queries // 3
    steps = budget // images * config.updates_per_rollout
    every = max(config.updates_per_rollout, round(args.evaluate_every / images * config.updates_per_rollout))
    loop = TrainerConfig(
        output_dir=str(args.out / f"{estimator}-{seed}"), overwrite_output_dir=True, run_name=f"{estimator}-{seed}",
        experiment_name="RL-Estimators", seed=seed, max_train_steps=steps, validation_steps=every,
        train_batch_size=args.batch_size, num_cpu_threads=args.threads, **LOOP, **trainer,
    )  # fmt: skip
    rewards = [PaletteFitReward(PICO_8), ClassProbabilityReward(args.classifier)]
    task = RLTask(pipeline, rewards, [0.5, 0.5], HardEdgesReward(), classes, classes, base=str(args.pipeline))
    tuner = RLTrainer(loop, config, task)
    tuner.fit()
    return tuner.history


def main() -> None:
    parser = ArgumentParser(description=__doc__.splitlines()[0], formatter_class=ArgumentDefaultsHelpFormatter)
    parser.add_argument("--pipeline", required=True, help="folder of a class-conditional pipeline")
    parser.add_argument("--classifier", required=True, help="folder of training/train_classifier.py")
    parser.add_argument(
        "--estimators", nargs="+", default=["ddpo", "grpo", "rloo", "nft", "draft"], help="which to run"
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], help="of noise and LoRA")
    parser.add_argument("--queries", type=int, default=7680, help="reward queries of DDPO; the others get a third")
    parser.add_argument("--images", type=int, default=80, help="images of a rollout of ours")
    parser.add_argument("--evaluate_every", type=int, default=256, help="queries between evaluations")
    parser.add_argument("--sampling_steps", type=int, default=20, help="denoising steps")
    parser.add_argument("--batch_size", type=int, default=200, help="steps of images in a micro-batch")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU")
    parser.add_argument(
        "--out", type=Path, default=Path("outputs/rl_estimators"), help="for curves; existing ones are kept"
    )
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for seed in args.seeds:  # seeds outside, so that noise of the machine hits all estimators alike
        for estimator in args.estimators:
            file = args.out / f"{estimator}-{seed}.json"
            if not file.exists():
                file.write_text(json.dumps(run(args, estimator, seed)), encoding="utf-8")
    curves = [
        Curve(estimator, str(seed), json.loads((args.out / f"{estimator}-{seed}.json").read_text(encoding="utf-8")))
        for estimator in args.estimators
        for seed in args.seeds
    ]
    t = Texts("en")
    tuning_plot(curves, args.out / "curves.png", t)
    table = to_markdown([tuning_table(curves, t), *map(Paragraph, tuning_verdict(curves, t))])
    (args.out / "table.md").write_text(table, encoding="utf-8")
    print(table, end="")


if __name__ == "__main__":
    run_script(main)
