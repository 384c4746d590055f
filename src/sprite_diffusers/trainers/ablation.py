"""Exp5: how good a model is by length of the noise schedule and width; a training per cell of that grid, resumable."""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import yaml

from ..data import SpriteDataset
from ..errors import SpriteError
from ..tracking import DEFAULT_TRACKING_URI, RUN_FILE
from .checkpoints import find_checkpoint
from .config import ClassCondConfig, DataConfig, ObjectiveConfig, TrainerConfig, UNetConfig, parse_config
from .data_parts import load_data
from .machine import StopSignals

if TYPE_CHECKING:
    from ..evaluation import Reference

EXPERIMENT = "Exp5-Ablation"
CELL_FILE = ".ablation.json"  # hidden: it is no part of the pipeline that the cell's folder holds
POLL_SECONDS = 0.2
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


def ablate(options: argparse.Namespace, flags: Sequence[str], command: Sequence[str], config_dir: Path) -> bool:
    """Trains the cells that are not finished, and evaluates those that are, if there is a classifier.

    Args:
        options: see `plan`; also classifier (a folder or `None`) and eval_samples.
        flags: see `plan`.
        command: see `plan`.
        config_dir: see `plan`.

    Returns:
        Whether all went well; else a line on stderr names the cells that failed.

    Raises:
        SpriteError: see `plan` and `train`; a classifier that does not fit the data. Nothing is trained then.
    """
    ablation = plan(options, flags, command, config_dir)
    reference = None
    if options.classifier is not None:
        from ..evaluation import Reference
        from ..models import load_classifier

        reference = Reference.from_dataset(ablation.dataset, load_classifier(options.classifier))
    failures, stopped = train(ablation)
    if reference is not None and not stopped:
        failures |= evaluate_cells(ablation, reference, options.eval_samples)
    if failures:
        print(f"error: {len(failures)} of {len(ablation.cells)} cells failed: {', '.join(failures)}.", file=sys.stderr)
    if stopped:
        print(f"error: stopped by {stopped}; the same command goes on from here.", file=sys.stderr)
    return not failures and not stopped


# ---- what to train ---------------------------------------------------------------------------------------------------


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


# ---- what is there already -------------------------------------------------------------------------------------------


class _Store:
    """The MLflow store, with the experiment in it: two trainings that both created them would be in each other's way."""

    def __init__(self, experiment_name: str):
        self.uri = os.environ.get("MLFLOW_TRACKING_URI", DEFAULT_TRACKING_URI)
        for chatty in ("alembic", "mlflow.store.db.utils"):  # they tell of each table of a new mlflow.db
            logging.getLogger(chatty).setLevel(logging.WARNING)
        with self._one_line():
            from mlflow import MlflowClient

            self.client = MlflowClient(tracking_uri=self.uri)
            if self.client.get_experiment_by_name(experiment_name) is None:
                self.client.create_experiment(experiment_name)

    def run(self, folder: Path) -> Any:
        """The run that made what is in `folder`; `None` if nothing was made there.

        Raises:
            SpriteError: it is not in this store.
        """
        try:
            note = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        with self._one_line():
            from mlflow.exceptions import MlflowException

            try:
                run = self.client.get_run(note["run_id"])
            except MlflowException:
                run = None
        if run is None or run.info.lifecycle_stage != "active":
            raise SpriteError(
                f"{folder} was made by run {note['run_id']} of {note['tracking_uri']}, which is not in {self.uri}: set "
                "MLFLOW_TRACKING_URI to the former, or remove the folder to train it again."
            )
        return run

    def tag(self, folder: Path, tags: dict[str, int]) -> None:
        run = self.run(folder)
        with self._one_line():
            for name, value in tags.items():
                self.client.set_tag(run.info.run_id, name, value)

    def end(self, run: Any) -> None:
        with self._one_line():
            self.client.set_terminated(run.info.run_id, status="KILLED")

    @contextmanager
    def _one_line(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # of MLflow, SQLAlchemy, a driver or requests: the store is unusable
            text = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise SpriteError(f"The MLflow store {self.uri} cannot be used: {text}.") from error


def is_finished(folder: Path, run: Any) -> bool:
    """Whether a cell's pipeline is there, and its run ended well."""
    return (folder / "model_index.json").is_file() and run is not None and run.info.status == "FINISHED"


def check_existing(ablation: Ablation) -> None:
    """Compares the cells that are there with what is to be trained.

    Raises:
        SpriteError: a cell of other settings, one that is being trained, a folder with another model.
    """
    for cell in ablation.cells:
        folder = ablation.folder(cell)
        if not (folder / CELL_FILE).is_file():
            if (folder / "model_index.json").exists():
                raise SpriteError(
                    f"{folder} holds a model that is no cell of an ablation: choose another --output_dir."
                )
            continue
        then, process = _read_note(folder / CELL_FILE)
        if _is_alive(process):
            raise SpriteError(f"{folder} is being trained by process {process['pid']}: wait for it, or stop it.")
        now = ablation.identity(cell)
        different = [name for name in sorted(now) if then.get(name) != now[name]]
        if different == ["dataset"]:
            continue  # the same images under another path
        if different and _holds_training(folder):
            changes = ", ".join(f"--{name} (then {then.get(name)}, now {now[name]})" for name in different)
            raise SpriteError(
                f"{folder} has other settings: {changes}. Pass the same, or choose another --output_dir."
            )


def _read_note(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What makes the model of a cell its own, and the process that trains it or did."""
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
        return note["identity"], note["process"]
    except (ValueError, KeyError) as error:
        raise SpriteError(f"{path} is damaged ({error!r}): remove {path.parent} to train that cell again.") from None


def _holds_training(folder: Path) -> bool:
    return (folder / "model_index.json").exists() or any(folder.glob("checkpoint-*"))


def _is_alive(process: dict[str, Any]) -> bool:
    """Whether it still runs; the time of its start tells it from a later process of that number."""
    try:
        found = psutil.Process(process["pid"])
        return found.create_time() == process["started"] and found.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


# ---- training --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Worker:
    cell: Cell
    process: subprocess.Popen
    started: float


def train(ablation: Ablation, say: Callable[[str], None] | None = None) -> tuple[dict[str, str], str | None]:
    """Trains the cells that are not finished, `num_workers` at a time.

    The first SIGTERM or Ctrl-C is handed on to the trainings, which write a checkpoint; a second one ends them at once.

    Args:
        say: gets a line on each cell that starts or ends; prints it if not given.

    Returns:
        Why cells failed, by name; and the signal that stopped it all, if one did.

    Raises:
        SpriteError: see `check_existing`; the MLflow store cannot be used.
    """
    check_existing(ablation)
    # the second signal must come as an exception, whichever it is, lest trainings live on without their driver
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    training = _Training(ablation, say or _say)
    try:
        with StopSignals() as signals:
            while training.go_on(signals.received):
                time.sleep(POLL_SECONDS)
    finally:
        training.terminate()
        signal.signal(signal.SIGTERM, previous)
    return training.failures, signals.received


class _Training:
    """The trainings of an ablation: those that wait, those that run, and how the others ended."""

    def __init__(self, ablation: Ablation, say: Callable[[str], None]):
        self.ablation, self.say = ablation, say
        self.store = _Store(ablation.experiment_name)
        self.running: list[_Worker] = []
        self.failures: dict[str, str] = {}
        self.seconds: dict[Cell, float] = {}
        self.stopping = False
        done = [cell for cell in ablation.cells if self._is_finished(cell)]
        for cell in done:
            self._tag(cell)  # a driver that was killed may not have come to it
        self.num_done = len(done)
        self.waiting = deque(cell for cell in ablation.cells if cell not in done)
        if done:
            say(f"{len(done)} of {len(ablation.cells)} cells are finished: {', '.join(cell.name for cell in done)}")

    def go_on(self, stop_signal: str | None) -> bool:
        """Starts and collects what there is to; false once nothing runs any more."""
        for worker in [worker for worker in self.running if worker.process.poll() is not None]:
            self.running.remove(worker)
            self._end(worker)
        if stop_signal and not self.stopping:
            self.stopping = True
            self.waiting.clear()
            self.terminate()
            self.say(f"{stop_signal}: waiting for the checkpoints of {len(self.running)} cells")
        while self.waiting and len(self.running) < self.ablation.num_workers:
            self._start(self.waiting.popleft())
        return bool(self.running)

    def terminate(self) -> None:
        """Asks what still runs to write a checkpoint and end; asked again, it ends at once."""
        for worker in self.running:
            worker.process.terminate()

    def _start(self, cell: Cell) -> None:
        ablation, folder, log = self.ablation, self.ablation.folder(cell), self.ablation.log(cell)
        resumed = self._where_it_was(cell)
        how = ["--resume_from_checkpoint", "latest"] if resumed else ["--overwrite_output_dir"]
        config = log.with_suffix(".yaml")
        command = [*ablation.command, "--config", str(config), "--run_name", cell.name, "--output_dir", str(folder),
                   "--num_cpu_threads", str(ablation.num_cpu_threads), *how]  # fmt: skip
        for path in (folder, log.parent):
            path.mkdir(parents=True, exist_ok=True)
        given = {name: value for name, value in ablation.settings[cell.name].items() if value is not None}
        config.write_text(yaml.safe_dump(given, sort_keys=False), encoding="utf-8")
        with log.open("a" if resumed else "w", encoding="utf-8") as file:
            # in a session of its own, or Ctrl-C would reach it twice: from the terminal, and from here
            process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, start_new_session=True)
        self.running.append(_Worker(cell, process, time.monotonic()))
        birth = {"pid": process.pid, "started": psutil.Process(process.pid).create_time()}
        note = {"identity": ablation.identity(cell), "process": birth}
        (folder / CELL_FILE).write_text(json.dumps(note, indent=2) + "\n", encoding="utf-8")
        self.say(f"{cell.name}: {f'resumed from {resumed}' if resumed else 'started'}, log in {log}")

    def _where_it_was(self, cell: Cell) -> str | None:
        """Name of the checkpoint to go on from; `None` to start anew."""
        folder = self.ablation.folder(cell)
        run = self.store.run(folder)
        if run is None:
            return None
        try:
            return find_checkpoint(folder, "latest").name
        except SpriteError:
            if run.info.status == "RUNNING":
                self.store.end(run)  # it was killed before its first checkpoint, and another run takes its place
            return None

    def _end(self, worker: _Worker) -> None:
        cell, seconds = worker.cell, time.monotonic() - worker.started
        if self._is_finished(cell):
            self._tag(cell)
            self.num_done += 1
            self.seconds[cell] = seconds
            self.say(f"{cell.name}: finished in {_duration(seconds)}; {self._outlook()}")
        elif self.stopping:
            self.say(f"{cell.name}: stopped, {_last_line(self.ablation.log(cell))}")
        else:
            code = worker.process.returncode
            how = f"exit code {code}" if code >= 0 else signal.Signals(-code).name
            self.failures[cell.name] = (
                f"{_last_line(self.ablation.log(cell))} ({how}, log in {self.ablation.log(cell)})"
            )
            self.say(f"{cell.name}: failed, {self.failures[cell.name]}")

    def _is_finished(self, cell: Cell) -> bool:
        folder = self.ablation.folder(cell)
        return is_finished(folder, self.store.run(folder))

    def _tag(self, cell: Cell) -> None:
        tags = {"ablation.timesteps": cell.timesteps, "ablation.base_channels": cell.base_channels}
        self.store.tag(self.ablation.folder(cell), tags)

    def _outlook(self) -> str:
        """How many are done, and how long the others take at the speed of those that ended here."""
        rate = sum(self.seconds.values()) / sum(cell.cost for cell in self.seconds)
        now = time.monotonic()
        left = sum(cell.cost * rate for cell in self.waiting)
        left += sum(max(0.0, worker.cell.cost * rate - (now - worker.started)) for worker in self.running)
        text = f"{self.num_done} of {len(self.ablation.cells)} done"
        return f"{text}, about {_duration(left / self.ablation.num_workers)} left" if left else text


def _say(text: str) -> None:
    print(text, flush=True)


def _duration(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 100
        else f"{seconds / 60:.0f} min"
        if seconds < 6000
        else f"{seconds / 3600:.1f} h"
    )


def _last_line(log: Path) -> str:
    """Of what a person sees: a progress bar writes over its line."""
    lines = [
        line.strip() for line in log.read_text(encoding="utf-8", errors="replace").replace("\r", "\n").split("\n")
    ]
    return next((line for line in reversed(lines) if line), "no output")


# ---- evaluation ------------------------------------------------------------------------------------------------------


def evaluate_cells(
    ablation: Ablation, reference: Reference, num_samples: int | None, say: Callable[[str], None] | None = None
) -> dict[str, str]:
    """Scores the finished cells that have no such evaluation yet: to the cell's folder, model card and run.

    Args:
        num_samples: sprites drawn from each; the protocol's number if `None`.

    Returns:
        Why it failed for some, by the cell's name.
    """
    from ..evaluation import PROTOCOL_VERSION
    from ..evaluation.protocol import DEFAULT_MAX_SAMPLES

    say, store, failures = say or _say, _Store(ablation.experiment_name), {}
    num_samples = num_samples or min(len(reference.validation_pixels), DEFAULT_MAX_SAMPLES)
    wanted = {
        "eval.protocol": PROTOCOL_VERSION,
        "eval.extractor": reference.classifier.identity(),
        "eval.data_fingerprint": reference.fingerprint,
        "eval.num_samples": str(num_samples),
    }
    for cell in ablation.cells:
        run = store.run(ablation.folder(cell))
        if not is_finished(ablation.folder(cell), run) or wanted.items() <= run.data.tags.items():
            continue
        started = time.monotonic()
        try:
            distance = _evaluate(ablation, cell, reference, num_samples)
        except SpriteError as error:
            failures[cell.name] = str(error)
            say(f"{cell.name}: not evaluated: {error}")
        else:
            say(f"{cell.name}: evaluated in {_duration(time.monotonic() - started)}, FD-PCA20 {distance:.3g}")
    return failures


def _evaluate(ablation: Ablation, cell: Cell, reference: Reference, num_samples: int) -> float:
    import torch

    from .. import hub
    from ..evaluation import evaluate, save_evaluation
    from ..tracking import log_evaluation

    folder = ablation.folder(cell)
    pipeline = hub.load_pipeline(folder)
    pipeline.to("cuda" if torch.cuda.is_available() else "cpu")
    scores = evaluate(pipeline, reference, num_samples=num_samples)
    hub.add_results(folder, Path(ablation.settings[cell.name]["dataset"]).name, scores.metrics, scores.table())
    log_evaluation(folder, scores, save_evaluation(scores, reference, folder / "evaluation"))
    return scores.metrics["fd_pca20"]
