"""Reward against the number of reward queries, for every estimator of the policy gradient on one base model.

    python benchmarks/rl_estimators.py --pipeline outputs/ad6 --classifier outputs/classifier

The line to beat is DDPO with the hyper-parameters of its authors' ddpo-pytorch (256 images and 2 updates per epoch, learning
rate 3e-4, clip range 1e-4, advantages within 5, all timesteps, running statistics per prompt over 16 images). All estimators
share the base, the LoRA (rank 4 on all layers), the sampler and the evaluation: 16 images of each class from the same noise,
drawn with the weights as they are. Rewards are nearness to the sixteen colours of PICO-8, and the probability of the class asked
for, both in standard deviations of the base.
"""

from __future__ import annotations

import itertools
import json
import statistics
from argparse import ArgumentDefaultsHelpFormatter, Namespace
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from sprite_diffusers import hub
from sprite_diffusers.rewards import ClassProbabilityReward, HardEdgesReward, PaletteFitReward
from sprite_diffusers.scripts import ArgumentParser, run_script
from sprite_diffusers.trainers.config import TrainerConfig
from sprite_diffusers.trainers.rl.settings import RLConfig
from sprite_diffusers.trainers.rl.trainer import RLTask, RLTrainer

PICO_8 = [
    "#000000", "#1d2b53", "#7e2553", "#008751", "#ab5236", "#5f574f", "#c2c3c7", "#fff1e8",
    "#ff004d", "#ffa300", "#ffec27", "#00e436", "#29adff", "#83769c", "#ff77a8", "#ffccaa",
]  # fmt: skip
PUBLISHED = "ddpo"  # as ddpo-pytorch has it; the others are ours
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
        "grpo": {"learning_rate": 2e-3},
        "rloo": {"learning_rate": 2e-3},
        "nft": {"learning_rate": 2e-3},
        "draft": {"learning_rate": 2e-3},
    }[estimator]
    return rl, trainer


def run(args: Namespace, estimator: str, seed: int) -> list[dict[str, float]]:
    """The evaluations of one run."""
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
    return [{"step": 0, "queries": 0, "gain": 0.0, "diversity": 1.0}, *tuner.history]


def queries_to(curve: list[dict[str, float]], gain: float) -> float | None:
    """Reward queries at which a curve first reaches a gain, between evaluations in proportion; `None` if it does not."""
    for before, after in itertools.pairwise(curve):
        if after["gain"] >= gain:
            share = (gain - before["gain"]) / (after["gain"] - before["gain"])
            return before["queries"] + share * (after["queries"] - before["queries"])
    return None


def table(curves: dict[str, dict[int, list[dict[str, float]]]]) -> str:
    """Queries to the best that DDPO reaches with the same seed, and how many times fewer than it needs itself."""
    lines = [
        "| estimator | best gain (sd) | diversity there | queries to DDPO's best | times fewer |",
        "|---|---|---|---|---|",
    ]
    best = {seed: max(row["gain"] for row in curve) for seed, curve in curves[PUBLISHED].items()}
    for name, by_seed in curves.items():
        gains = [max(curve, key=lambda row: row["gain"]) for curve in by_seed.values()]
        reached = {seed: queries_to(curve, best[seed]) for seed, curve in by_seed.items() if seed in best}
        own = {seed: queries_to(curves[PUBLISHED][seed], best[seed]) for seed in reached}
        ratios = [own[seed] / value for seed, value in reached.items() if value]
        found = [value for value in reached.values() if value is not None]
        lines.append(
            f"| {name} | {_spread([row['gain'] for row in gains])} | {_spread([row['diversity'] for row in gains])} | "
            f"{_spread(found, 0) if found else 'not reached'}{'' if len(found) == len(reached) else f' ({len(found)} of {len(reached)})'} | "
            f"{_spread(ratios, 1) if ratios else '—'} |"
        )
    return "\n".join(lines)


def _spread(values: list[float], digits: int = 2) -> str:
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):,.{digits}f} ± {spread:,.{digits}f}"


def plot(curves: dict[str, dict[int, list[dict[str, float]]]], path: Path) -> None:
    """Gain and diversity against queries: a thin line per seed."""
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for number, (name, by_seed) in enumerate(curves.items()):
        for seed, curve in by_seed.items():
            label = name if seed == min(by_seed) else None
            queries = [row["queries"] for row in curve]
            left.plot(queries, [row["gain"] for row in curve], color=f"C{number}", label=label, alpha=0.8)
            right.plot(queries, [row["diversity"] for row in curve], color=f"C{number}", alpha=0.8)
    for axes, title in (
        (left, "gain of the composite reward, sd of the base"),
        (right, "diversity, share of the base's"),
    ):
        axes.set(xlabel="reward queries", title=title)
        axes.grid(alpha=0.3)
    left.legend()
    figure.savefig(path, dpi=110)


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
    curves: dict[str, dict[int, list[dict[str, float]]]] = {}
    for estimator in args.estimators:
        files = {seed: args.out / f"{estimator}-{seed}.json" for seed in args.seeds}
        curves[estimator] = {seed: json.loads(file.read_text()) for seed, file in files.items()}
    plot(curves, args.out / "curves.png")
    (args.out / "table.md").write_text(table(curves) + "\n", encoding="utf-8")
    print(table(curves))


if __name__ == "__main__":
    run_script(main)
