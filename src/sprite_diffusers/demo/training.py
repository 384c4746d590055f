"""Training in the background while the page is open: the default recipe, in a process of its own that can be stopped."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from ..errors import SpriteError
from ..trainers.checkpoints import list_checkpoints

SCRIPT = Path(__file__).resolve().parents[3] / "training" / "train_cond.py"
MOST_MINUTES = 240.0
PREVIEW_STEPS = 50
PATIENCE = 60.0  # seconds that a training has to write its checkpoint when the demo ends

_PROGRESS = re.compile(r"step \d+, loss [\d.naif]+, \d+ images/s")


@dataclass(frozen=True)
class Status:
    """How a training is doing.

    Attributes:
        state: ``"none"``, ``"running"``, ``"stopping"``, ``"finished"``, ``"stopped"`` or ``"failed"``.
        text: a line for people.
        share: of its minutes that have passed, 0 to 1.
        previews: grids of samples so far, oldest first.
        model: folder of the pipeline, once there is one.
    """

    state: str
    text: str
    share: float = 0.0
    previews: tuple[Path, ...] = ()
    model: Path | None = None

    @property
    def is_running(self) -> bool:
        """Whether there is something to wait for."""
        return self.state in ("running", "stopping")


class Training:
    """One background training at a time of ``training/train_cond.py`` with its default recipe.

    Args:
        dataset: what to train on: a built-in name, a folder, or a Hub id.
        outputs: folder for what is trained.
    """

    def __init__(self, dataset: str = "synthetic", outputs: Path = Path("outputs")):
        self.dataset = dataset
        self._outputs = outputs
        self._process: subprocess.Popen | None = None
        self._folder = outputs
        self._began = 0.0
        self._minutes = 0.0
        self._is_stopping = False

    def start(self, minutes: float) -> None:
        """Starts a training of so many minutes.

        Raises:
            SpriteError: one is running, other minutes than 0.1 to 240, or the scripts are not there.
        """
        if self._process is not None and self._process.poll() is None:
            raise SpriteError("a training is running: stop it first.")
        if not isinstance(minutes, (int, float)) or not 0.1 <= minutes <= MOST_MINUTES:
            raise SpriteError(f"{minutes} minutes are not possible; allowed is 0.1 to {MOST_MINUTES:g}.")
        if not SCRIPT.is_file():
            raise SpriteError(
                f"training needs the launch scripts ({SCRIPT} is missing): install from a clone (pip install -e .)."
            )
        self._began, self._minutes, self._is_stopping = time.time(), float(minutes), False
        self._folder = self._outputs / f"demo-{time.strftime('%Y%m%d-%H%M%S')}"
        self._folder.mkdir(parents=True)
        command = [
            sys.executable, str(SCRIPT), "--dataset", self.dataset, "--max_train_minutes", str(minutes),
            "--output_dir", str(self._folder), "--preview_steps", str(PREVIEW_STEPS),
        ]  # fmt: skip
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )

    def stop(self) -> None:
        """Asks the running training to write what it has and end; nothing if there is none."""
        if self._process is not None and self._process.poll() is None and not self._is_stopping:
            self._is_stopping = True
            self._process.terminate()

    def close(self) -> None:
        """Ends a running training; what it had learned is in its folder."""
        self.stop()
        if self._process is not None:
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()

    def status(self) -> Status:
        """How it is doing now."""
        if self._process is None:
            return Status("none", "")
        previews = tuple(sorted(self._folder.glob("previews/*.png")))
        share = min((time.time() - self._began) / (60 * self._minutes), 1.0)
        code = self._process.poll()
        if code is None:
            return Status("stopping" if self._is_stopping else "running", self._progress(), share, previews)
        model = self._trained()
        if model is None and self._is_stopping:
            return Status("stopped", "Stopped before there was a model.", share, previews)
        if model is None:
            return Status("failed", self._complaint(code), share, previews)
        state, text = ("stopped", "Stopped") if self._is_stopping else ("finished", "Finished")
        return Status(state, f"{text}: the model is in {self._folder}.", 1.0, previews, model)

    @property
    def title(self) -> str:
        """What the trained model is called."""
        return self._folder.name

    @property
    def _log(self) -> Path:
        return self._folder / ".train.log"  # a file with a dot is not published with the model

    def _trained(self) -> Path | None:
        """The pipeline that a training left: its own, or the last checkpoint's if it was stopped."""
        checkpoints = [path / "pipeline" for path in list_checkpoints(self._folder)]
        found = [path for path in (*checkpoints, self._folder) if (path / "model_index.json").is_file()]
        return found[-1] if found else None

    def _progress(self) -> str:
        if self._is_stopping:
            return "Stopping: the model so far is being written."
        found = _PROGRESS.findall(self._read_log())
        return f"Training on {self.dataset}: {found[-1] if found else 'starting'}"

    def _complaint(self, code: int) -> str:
        """The last line that a failed training printed."""
        lines = [line.strip() for line in self._read_log().splitlines() if line.strip()]
        line = next((line for line in reversed(lines) if line.startswith("error:")), lines[-1] if lines else "")
        return f"Training failed (exit code {code}): {line.removeprefix('error:').strip()}"

    def _read_log(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace") if self._log.is_file() else ""
