"""The trainings of an ablation: some at a time, each a process of its own; they go on where they were stopped."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
import yaml

from ..errors import SpriteError
from ..trainers.checkpoints import find_checkpoint
from ..trainers.machine import StopSignals
from .existing import CELL_FILE, Store, check_existing, is_finished
from .grid import Ablation, Cell

POLL_SECONDS = 0.2


@dataclass(frozen=True)
class _Worker:
    cell: Cell
    process: subprocess.Popen
    started: float


def train(ablation: Ablation, say: Callable[[str], None]) -> tuple[dict[str, str], str | None]:
    """Trains the cells that are not finished, `num_workers` at a time.

    The first SIGTERM or Ctrl-C is handed on to the trainings, which write a checkpoint; a second one ends them at once.

    Args:
        say: gets a line on each cell that starts or ends.

    Returns:
        Why cells failed, by name; and the signal that stopped it all, if one did.

    Raises:
        SpriteError: see `check_existing`; the MLflow store cannot be used.
    """
    check_existing(ablation)
    # the second signal must come as an exception, whichever it is, lest trainings live on without their driver
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    training = _Training(ablation, say)
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
        self.store = Store(ablation.experiment_name)
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
            self.say(f"{cell.name}: finished in {duration(seconds)}; {self._outlook()}")
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
        return f"{text}, about {duration(left / self.ablation.num_workers)} left" if left else text


def _last_line(log: Path) -> str:
    """Of what a person sees: a progress bar writes over its line."""
    lines = [
        line.strip() for line in log.read_text(encoding="utf-8", errors="replace").replace("\r", "\n").split("\n")
    ]
    return next((line for line in reversed(lines) if line), "no output")


def duration(seconds: float) -> str:
    """For a person, in the unit that fits."""
    return (
        f"{seconds:.0f} s"
        if seconds < 100
        else f"{seconds / 60:.0f} min"
        if seconds < 6000
        else f"{seconds / 3600:.1f} h"
    )
