"""Quality against training time: our recipes beside those of diffusers and denoising-diffusion-pytorch, on the same sprites.

    python benchmarks/time_to_quality.py --dataset path/to/rltiles --image_size 16 --classifier outputs/classifier

The clock is the processor time of the training steps, so that other work on the machine takes nothing from a budget: core-minutes,
which equal minutes on an idle machine with one thread. The recipes advance in turns of a few seconds in one process, so that what
slows the machine down hits all alike. A recipe whose learning rate is planned over the budget is trained anew for each budget;
the others once, and saved as each budget is reached. Afterwards everything is sampled as the recipe documents, though in no more than
``--most_steps``, and scored by the one protocol; neither saving, sampling nor scoring counts. Peers are unconditional. All
see RGB sprites, and compute in bf16 where the processor has instructions for it; but training in float32 is part of the documented
recipe of diffusers, so there is ``diffusers-bf16`` beside it.

Writes models (``snapshots/``), grids, results.json, table.md and time_to_quality.png to ``--out``. What is there is not done
again, so that a benchmark that was cut off goes on. What the peers need: see `recipes`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import time
from argparse import ArgumentDefaultsHelpFormatter, Namespace
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from diffusers.utils.logging import disable_progress_bar
from quality_report import Row, quality_plot, quality_table
from recipes import (
    CONFIGS,
    IMPROVED_PEERS,
    PEERS,
    DenoisingDiffusionPytorch,
    Ours,
    Recipe,
    TrainUnconditional,
    our_config,
)

from sprite_diffusers.data import SpriteDataset
from sprite_diffusers.errors import SpriteError
from sprite_diffusers.evaluation import PROTOCOL_VERSION, Reference, evaluate, sample_grid
from sprite_diffusers.models import default_classifier_folder, load_classifier
from sprite_diffusers.report.page import to_markdown
from sprite_diffusers.scripts import ArgumentParser, run_script
from sprite_diffusers.trainers.config import DataConfig, UNetConfig
from sprite_diffusers.trainers.data_parts import load_data
from sprite_diffusers.trainers.diffusion import build_unet
from sprite_diffusers.trainers.machine import fast_precision

THEIRS = PEERS | IMPROVED_PEERS


@dataclass
class Training:
    """One run of a recipe with its clock.

    Attributes:
        recipe: advanced by `advance`.
        budgets: core-minutes at which it is to be saved, ascending; those that are reached are taken off.
        seconds: processor time of its steps.
        wall_seconds: the same by the clock on the wall.
        steps: optimizer steps.
    """

    name: str
    seed: int
    recipe: Recipe
    budgets: list[float]
    seconds: float = 0.0
    wall_seconds: float = 0.0
    steps: int = 0

    def advance(self, seconds: float) -> None:
        """Trains for so long, or to the next budget."""
        limit, end = min(self.seconds + seconds, 60 * self.budgets[0]), 60 * self.budgets[-1]
        began, wall_began, before = time.process_time(), time.perf_counter(), self.seconds
        while self.seconds < limit:
            self.recipe.step(self.seconds / end)
            self.steps += 1
            self.seconds = before + time.process_time() - began
        self.wall_seconds += time.perf_counter() - wall_began

    def facts(self) -> dict[str, Any]:
        images = self.steps * self.recipe.batch_size
        return {
            "recipe": self.name,
            "seed": self.seed,
            "parameters": self.recipe.parameters,
            "steps": self.steps,
            "images": images,
            "core_seconds": self.seconds,
            "wall_seconds": self.wall_seconds,
            "images_per_second": images / self.seconds,
        }


class Results:
    """What is in the folder of the benchmark.

    Args:
        folder: created if missing.
        settings: under which figures compare: of the data and the protocol, and of each recipe.

    Raises:
        SpriteError: the folder holds results of other settings.
    """

    def __init__(self, folder: Path, settings: dict[str, Any]):
        self.folder, self.file = folder, folder / "results.json"
        content = json.loads(self.file.read_text(encoding="utf-8")) if self.file.exists() else {}
        self.settings, self.rows = content.get("settings", {}), [Row(**row) for row in content.get("rows", [])]
        for key, now in settings.items():
            before = self.settings.setdefault(key, now)
            if before != now:
                raise SpriteError(
                    f"--out {folder} holds results with another {key} ({before}) than this call's ({now}): choose "
                    "another folder, or the same settings."
                )
        (folder / "grids").mkdir(parents=True, exist_ok=True)
        self._write()

    def snapshot(self, name: str, seed: int, budget: float) -> Path:
        """The folder of a trained model; it is there whole or not at all."""
        words = re.sub(r"[^\w.]+", "-", name)
        return self.folder / "snapshots" / f"{words}-{seed}-{budget:g}"

    def is_scored(self, name: str, seed: int, budget: float) -> bool:
        return any((row.recipe, row.seed, row.budget) == (name, seed, budget) for row in self.rows)

    def save(self, training: Training, budget: float) -> None:
        """Keeps the model of a training as it is now, unless there is one of that budget."""
        target = self.snapshot(training.name, training.seed, budget)
        if target.exists():
            return
        partial = target.with_name(f".{target.name}")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        training.recipe.save(partial)
        (partial / "training.json").write_text(json.dumps(training.facts()), encoding="utf-8")
        partial.rename(target)

    def add(self, row: Row) -> None:
        self.rows.append(row)
        self._write()

    def _write(self) -> None:
        content = {"settings": self.settings, "rows": [asdict(row) for row in self.rows]}
        partial = self.file.with_suffix(".partial")
        partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        os.replace(partial, self.file)


def config_file(name: str) -> Path:
    """The settings of a recipe of ours, whatever flags follow its name."""
    config = name.split()[0]
    return CONFIGS / f"{'default' if config == 'ours' else config}.yaml"


def build(args: Namespace, name: str, seed: int, minutes: float, data: SpriteDataset, folder: Path) -> Recipe:
    """A recipe before its first step; `minutes` is the budget that it plans for."""
    precision = fast_precision()
    torch.manual_seed(seed)
    if name == "denoising-diffusion-pytorch":
        return DenoisingDiffusionPytorch(data, precision)
    if name.startswith("diffusers"):
        unet = build_unet(UNetConfig(), 3, data.report.image_size, None)
        return TrainUnconditional(unet, data, "no" if name == "diffusers" else precision)
    flags = {
        "config": config_file(name), "dataset": args.dataset, "image_size": args.image_size, "image_mode": "RGB",
        "seed": seed, "max_train_minutes": minutes, "num_cpu_threads": args.num_cpu_threads,
        "mixed_precision": precision, "output_dir": tempfile.mkdtemp(dir=folder),
    }  # fmt: skip
    words = [str(word) for key, value in flags.items() for word in (f"--{key}", value)] + name.split()[1:]
    return Ours(our_config(words), data)


def trainings(args: Namespace, seed: int, data: SpriteDataset, results: Results, folder: Path) -> list[Training]:
    """Those that lack a model: one per recipe, or one per budget where the recipe plans for it."""
    found = []
    for name in args.recipes:
        missing = [budget for budget in args.budgets if not results.snapshot(name, seed, budget).exists()]
        if not missing:
            continue
        recipe = build(args, name, seed, missing[-1], data, folder)
        if recipe.planned:
            found += [
                Training(name, seed, build(args, name, seed, each, data, folder), [each]) for each in missing[:-1]
            ]
            missing = missing[-1:]
        found.append(Training(name, seed, recipe, missing))
    return found


def train(running: list[Training], results: Results, turn: float) -> None:
    """Advances all in turns of so many seconds, and saves each where it reaches a budget."""
    while running:
        for training in list(running):
            training.advance(turn)
            if training.seconds >= 60 * training.budgets[0]:
                budget = training.budgets.pop(0)
                results.save(training, budget)
                facts = training.facts()
                print(
                    f"{training.name}, seed {training.seed}, {budget:g} core-minutes: {facts['steps']:,} steps, "
                    f"{facts['images']:,} images, {facts['images_per_second']:.0f} images/s",
                    flush=True,
                )
        running = [training for training in running if training.budgets]


def score(args: Namespace, name: str, seed: int, budget: float, reference: Reference, results: Results) -> None:
    """Samples a model as its recipe documents, and measures it."""
    folder = results.snapshot(name, seed, budget)
    began = time.process_time()
    with torch.autocast("cpu", torch.bfloat16, enabled=fast_precision() == "bf16"):
        samples, steps = THEIRS.get(name, Ours).samples(folder, args.num_samples, args.most_steps)
        options = {} if isinstance(samples, np.ndarray) else {"num_inference_steps": steps}
        scores = evaluate(samples, reference, num_samples=args.num_samples, **options)
    figures = json.loads(scores.to_json())
    sample_grid(scores, reference).save(results.folder / "grids" / f"{folder.name}.png")
    facts = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    row = Row(budget=budget, metrics=figures["metrics"], floors=figures["floors"], sampling_steps=steps, **facts)
    results.add(row)
    print(
        f"{name}, seed {seed}, {budget:g} core-minutes: feature FD {row.metrics['fd_feature']:.2f} "
        f"(scored in {(time.process_time() - began) / 60:.1f} core-minutes)",
        flush=True,
    )


def settings(args: Namespace, data: SpriteDataset, reference: Reference) -> dict[str, Any]:
    """Of the data and the protocol, and of each recipe of ours: what figures in one folder must share."""
    ours = {name: config_file(name) for name in args.recipes if name not in THEIRS}
    unknown = [name for name, file in ours.items() if not file.exists()]
    if unknown:
        raise SpriteError(
            f"--recipes has {unknown[0]!r}; allowed are {', '.join(THEIRS)}, ours and the names in training/configs, which flags "
            "may follow."
        )
    return {
        "data_fingerprint": data.report.fingerprint,
        "image_size": data.report.image_size,
        "classifier": reference.classifier.identity(),
        "protocol": PROTOCOL_VERSION,
        "num_samples": args.num_samples,
        "most_steps": args.most_steps,
        "num_cpu_threads": args.num_cpu_threads,
        "fast_precision": fast_precision(),
        **{f"recipe {name}": yaml.safe_load(file.read_text(encoding="utf-8")) for name, file in ours.items()},
    }


def main() -> None:
    parser = ArgumentParser(description=__doc__.splitlines()[0], formatter_class=ArgumentDefaultsHelpFormatter)
    parser.add_argument("--dataset", required=True, help="as of the training scripts")
    parser.add_argument("--image_size", type=int, default=16, help="side in pixels")
    parser.add_argument("--classifier", help="folder of training/train_classifier.py; where it leaves it if not given")
    parser.add_argument(
        "--recipes",
        nargs="+",
        default=[*THEIRS, "ours", "ad3", "ad6"],
        help="peers, ours, or names in training/configs; the latter also with flags: 'ours --learning_rate 1e-3'",
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], help="of weights and training")
    parser.add_argument("--budgets", nargs="+", type=float, default=[2.0, 5.0, 15.0], help="core-minutes of training")
    parser.add_argument("--num_samples", type=int, default=700, help="sprites drawn from each model")
    parser.add_argument(
        "--most_steps",
        type=int,
        default=1000,
        help="of sampling, for recipes that document more; the two peers' are 1000, 250",
    )
    parser.add_argument("--turn", type=float, default=20.0, help="seconds until the next recipe's turn")
    parser.add_argument("--num_cpu_threads", type=int, default=1, help="of training, sampling and scoring")
    parser.add_argument("--out", type=Path, default=Path("outputs/time_to_quality"), help="what is there is kept")
    args = parser.parse_args()
    args.budgets = sorted(set(args.budgets))
    if args.budgets[0] <= 0 or args.turn <= 0:
        raise SpriteError(f"--budgets {args.budgets} and --turn {args.turn} were given: all must be above 0.")
    os.environ["ACCELERATE_USE_CPU"] = "true"  # the clock counts the time of processors
    torch.set_num_threads(args.num_cpu_threads)
    disable_progress_bar()

    data = load_data(DataConfig(dataset=args.dataset, image_size=args.image_size, image_mode="RGB"))
    classifier = load_classifier(args.classifier or default_classifier_folder(data.report.fingerprint))
    reference = Reference.from_dataset(data, classifier)
    results = Results(args.out, settings(args, data, reference))
    for seed in args.seeds:
        with tempfile.TemporaryDirectory() as folder:
            train(trainings(args, seed, data, results, Path(folder)), results, args.turn)
        for budget in reversed(args.budgets):  # the longest says most
            for name in args.recipes:
                if not results.is_scored(name, seed, budget):
                    score(args, name, seed, budget, reference, results)
                    (args.out / "table.md").write_text(to_markdown([quality_table(results.rows)]), encoding="utf-8")
                    quality_plot(results.rows, args.out / "time_to_quality.png")
    print((args.out / "table.md").read_text(encoding="utf-8"), end="")


if __name__ == "__main__":
    run_script(main)
