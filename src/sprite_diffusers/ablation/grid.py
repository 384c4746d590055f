"""What an ablation trains: the cells of its grid and the settings of each, checked before anything starts."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from ..data import SpriteDataset
from ..errors import SpriteError
from ..trainers.config import (
    ClassCondConfig,
    DataConfig,
    ObjectiveConfig,
    TrainerConfig,
    UNetConfig,
    parse_config,
)
from ..trainers.data_parts import load_data

EXPERIMENT = "Exp5-Ablation"
NAMED_FLAGS = (
    "dataset",
    "max_train_steps",
    "seed",
    "num_inference_steps",
)  # of the trainer, in the driver's own --help
CONFIGS = (TrainerConfig, DataConfig, UNetConfig, ObjectiveConfig, ClassCondConfig)

# Flags of the trainer that belong to this driver, and what to do instead.
OWN_FLAGS = {
    "num_train_timesteps": "use --timesteps",
    "block_out_channels": "use --base_channels",
    "run_name": "leave it out",
    "resume_from_checkpoint": "leave it out, unfinished cells go on by themselves",
    "overwrite_output_dir": "choose another --output_dir",
}
# Settings with another value of which a cell is still the same cell.
IRRELEVANT = {
    "output_dir", "overwrite_output_dir", "run_name", "resume_from_checkpoint", "checkpointing_steps",
    "checkpoints_total_limit", "logging_steps", "validation_steps", "preview_steps", "num_cpu_threads",
    "push_to_hub", "hub_model_id", "hub_private",
}  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """One model of the grid: `timesteps` of noise, and `base_channels` at full resolution, doubled at each of two more."""

    timesteps: int
    base_channels: int

    @property
    def name(self) -> str:
        """Of its run, its folder and its log."""
        return f"T{self.timesteps}-C{self.base_channels}"

    @property
    def cost(self) -> int:
        """Seconds of training, up to a factor: a convolution's grow with the square of its width."""
        return self.base_channels**2


@dataclass(frozen=True)
class Ablation:
    """A grid of trainings.

    Args:
        cells: what to train, each as ``command --config output_dir/logs/<name>.yaml``.
        output_dir: a folder per cell, and ``logs/``.
        command: a trainer that takes the flags of ``training/train_cond.py``.
        settings: all settings of each cell, by its name; they are fixed here, whatever becomes of the config file.
        num_workers: cells trained at a time.
        num_cpu_threads: for each of them.
        dataset: what they are trained on.
    """

    cells: list[Cell]
    output_dir: Path
    command: list[str]
    settings: dict[str, dict[str, Any]]
    num_workers: int
    num_cpu_threads: int
    dataset: SpriteDataset = field(repr=False)

    @property
    def experiment_name(self) -> str:
        """The MLflow experiment that all are logged to."""
        return self.settings[self.cells[0].name]["experiment_name"]

    def folder(self, cell: Cell) -> Path:
        return self.output_dir / cell.name

    def identity(self, cell: Cell) -> dict[str, Any]:
        """What makes a model this cell's (JSON-safe): the data, and the settings that decide what is learned."""
        settings = {name: value for name, value in self.settings[cell.name].items() if name not in IRRELEVANT}
        return {"data_fingerprint": self.dataset.report.fingerprint, **settings}

    def log(self, cell: Cell) -> Path:
        return self.output_dir / "logs" / f"{cell.name}.log"


def plan(options: argparse.Namespace, flags: Sequence[str], command: Sequence[str], config_dir: Path) -> Ablation:
    """Checks everything that can be checked before training, and loads the data.

    Args:
        options: the flags of ``training/ablate.py`` that it knows: timesteps, base_channels, output_dir, num_workers,
            config, and those of the trainer that it names.
        flags: all others, for the trainer.
        command: the trainer, e.g. ``[python, training/train_cond.py]``.
        config_dir: where bare names after ``--config`` are looked for.

    Raises:
        SpriteError: what the trainer would refuse, cells without an equal budget, no classes.
    """
    for flag in flags:
        name = flag.removeprefix("--").split("=")[0].removeprefix("no_").replace("-", "_")
        if flag.startswith("--") and name in OWN_FLAGS:
            raise SpriteError(f"--{name} is set for each cell: {OWN_FLAGS[name]}.")
    shared = ["--config", options.config, *flags]
    for name in NAMED_FLAGS:
        value = getattr(options, name)
        shared += [] if value is None else [f"--{name}", value]
    trainer, data, unet, objective, _ = parse_config(CONFIGS, config_dir, args=shared)
    _check_shared(trainer, objective)
    if options.num_workers < 1:
        raise SpriteError(f"--num_workers is {options.num_workers}, but must be 1 or more.")
    cells = _cells(options.timesteps, options.base_channels, unet.norm_num_groups)
    dataset = load_data(data)
    if not dataset.report.class_names:
        raise SpriteError(
            f"--dataset {data.dataset} has no classes, but every cell is class-conditional: give --labels."
        )
    settings = {}
    for cell in cells:
        groups = parse_config(CONFIGS, config_dir, args=[*shared, *cell_flags(cell, objective.num_inference_steps)])
        settings[cell.name] = {key: value for group in groups for key, value in asdict(group).items()}
        settings[cell.name]["experiment_name"] = trainer.experiment_name or EXPERIMENT
    workers = min(options.num_workers, len(cells))
    return Ablation(
        cells=cells,
        output_dir=options.output_dir,
        command=list(command),
        settings=settings,
        num_workers=workers,
        num_cpu_threads=trainer.num_cpu_threads or max(1, _num_cores() // workers),
        dataset=dataset,
    )


def cell_flags(cell: Cell, num_inference_steps: int) -> list[str]:
    """What a cell's training is told beside the shared flags; equal denoising steps make sampling cost the same."""
    channels = [str(cell.base_channels * factor) for factor in (1, 2, 4)]
    steps = str(min(num_inference_steps, cell.timesteps))
    return ["--num_train_timesteps", str(cell.timesteps), "--block_out_channels", *channels,
            "--num_inference_steps", steps]  # fmt: skip


def _check_shared(trainer: TrainerConfig, objective: ObjectiveConfig) -> None:
    for name in ("max_train_minutes", "early_stopping_patience"):
        if getattr(trainer, name) is not None:
            raise SpriteError(
                f"--{name} {getattr(trainer, name)}: cells are compared after equally many images; limit them by "
                "--max_train_steps or --num_train_epochs alone."
            )
    if trainer.push_to_hub:
        raise SpriteError("--push_to_hub would upload every cell to one repository: leave it out.")
    if objective.num_inference_steps < 1:
        raise SpriteError(f"--num_inference_steps is {objective.num_inference_steps}, but must be 1 or more.")


def _cells(timesteps: Sequence[int], base_channels: Sequence[int], norm_num_groups: int) -> list[Cell]:
    """The widest first: with several workers the long trainings must not be the last to start."""
    for name, values in (("timesteps", timesteps), ("base_channels", base_channels)):
        if min(values) < 1:
            raise SpriteError(f"--{name} has {min(values)}, but all must be 1 or more.")
    for width in base_channels:
        if width % norm_num_groups:
            raise SpriteError(
                f"--base_channels has {width}, which --norm_num_groups {norm_num_groups} does not divide: change one."
            )
    return [Cell(t, c) for c in sorted(set(base_channels), reverse=True) for t in sorted(set(timesteps))]


def _num_cores() -> int:
    cores = psutil.cpu_count(logical=False) or os.cpu_count() or 1
    return min(cores, len(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else cores
