"""MLflow: one run per training, with its settings, curves, pictures and how it ended."""

from __future__ import annotations

import json
import logging
import math
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import SpriteError

if TYPE_CHECKING:
    from .evaluation import Scores

DEFAULT_TRACKING_URI = "sqlite:///mlflow.db"
RUN_FILE = "mlflow_run.json"


class TrackedRun:
    """An MLflow run in ``sqlite:///mlflow.db`` of the working directory, unless ``MLFLOW_TRACKING_URI`` says otherwise.

    Args:
        experiment_name: created if it does not exist.
        run_name: shown in MLflow.
        params: the settings, flat.
        tags: e.g. the data fingerprint; the git commit is added.
        run_id: goes on with that run, if it still exists.
        reopen: whether that run counts as running again (after a resume); its status stays otherwise.
        tracking_uri: another store, if ``MLFLOW_TRACKING_URI`` is not set.

    Attributes:
        run_id: of the run.
        is_new: whether it was created.

    Raises:
        SpriteError: the tracking store cannot be opened (locked, corrupt, unreachable).
    """

    def __init__(
        self,
        experiment_name: str,
        run_name: str,
        params: dict[str, Any],
        tags: dict[str, str],
        run_id: str | None = None,
        reopen: bool = True,
        tracking_uri: str = DEFAULT_TRACKING_URI,
    ):
        import mlflow  # here, because it takes seconds and sampling does not need it
        from mlflow.exceptions import MlflowException

        for chatty in ("alembic", "mlflow.store.db.utils"):  # they tell of each table of a new mlflow.db
            logging.getLogger(chatty).setLevel(logging.WARNING)
        uri = os.environ.get("MLFLOW_TRACKING_URI", tracking_uri)
        self._error_type = MlflowException
        try:
            mlflow.set_tracking_uri(uri)
            self.client = mlflow.MlflowClient()
            existing = self._existing(run_id, reopen)
            self.is_new = existing is None
            self.run_id = existing or self._create(experiment_name, run_name, params, tags)
        except Exception as error:
            # MLflow lets errors of SQLAlchemy, of drivers and of requests through: whichever it was, the store is unusable
            raise SpriteError(
                f"The MLflow store {uri} cannot be used: {_first_line(error)}. Move it away, or set MLFLOW_TRACKING_URI."
            ) from error
        self.uri = uri
        self.experiment_name = experiment_name

    def _existing(self, run_id: str | None, reopen: bool) -> str | None:
        if run_id is None:
            return None
        try:
            self.client.get_run(run_id)
        except self._error_type:
            return None
        if reopen:
            self.client.update_run(run_id, status="RUNNING")
        return run_id

    def _create(self, experiment_name: str, run_name: str, params: dict[str, Any], tags: dict[str, str]) -> str:
        from mlflow.entities import Param, RunTag

        experiment = self.client.get_experiment_by_name(experiment_name)
        experiment_id = experiment.experiment_id if experiment else self.client.create_experiment(experiment_name)
        run = self.client.create_run(experiment_id, run_name=run_name)
        tags = {**tags, "git_commit": git_commit()}
        self.client.log_batch(
            run.info.run_id,
            params=[Param(key, str(value)) for key, value in params.items()],
            tags=[RunTag(key, value) for key, value in tags.items()],
        )
        return run.info.run_id

    def log(self, metrics: dict[str, float], step: int) -> None:
        """Logs metrics of one step."""
        import time

        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self.client.log_batch(self.run_id, metrics=[Metric(key, value, now, step) for key, value in metrics.items()])

    def log_file(self, path: Path, folder: str | None = None) -> None:
        """Keeps a file with the run."""
        self.client.log_artifact(self.run_id, str(path), artifact_path=folder)

    def finish(self, status: str) -> None:
        """Ends the run as ``"FINISHED"``, ``"FAILED"`` or ``"KILLED"``."""
        self.client.set_terminated(self.run_id, status=status)

    def remember_in(self, directory: Path) -> None:
        """Notes in `directory` which run made what is there, so that a later evaluation is logged to it."""
        directory.mkdir(parents=True, exist_ok=True)
        store = re.sub(r"^sqlite:///(?!/)", f"sqlite:///{Path.cwd()}/", self.uri)  # wherever it is read from
        note = {"run_id": self.run_id, "experiment_name": self.experiment_name, "tracking_uri": store}
        (directory / RUN_FILE).write_text(json.dumps(note, indent=2) + "\n", encoding="utf-8")

    def describe(self) -> str:
        """Where to look, for a person."""
        return f"experiment {self.experiment_name!r}, run {self.run_id} in {self.uri} (mlflow ui --backend-store-uri {self.uri})"


def log_evaluation(folder: Path, scores: Scores, files: list[Path]) -> str:
    """Adds an evaluation to the run that made the pipeline in `folder`; to a new one if that is unknown or gone.

    Args:
        scores: become the metrics ``eval/…``, ``eval_floor/…`` and ``eval_class/<class>/…``, and the tags ``eval.…`` that
            say what they may be compared with.
        files: kept with the run under ``evaluation/``.

    Returns:
        Where to look, for a person.

    Raises:
        SpriteError: the tracking store cannot be used.
    """
    metrics = {f"eval/{name}": value for name, value in scores.metrics.items()}
    metrics |= {f"eval_floor/{name}": value for name, value in scores.floors.items()}
    for class_name, figures in scores.per_class.items():
        key = re.sub(r"[^\w\-. ]", "_", class_name)  # what MLflow allows in a name
        metrics |= {f"eval_class/{key}/{name}": value for name, value in figures.items()}
    facts = scores.facts
    tags = {f"eval.{name}": facts[name] for name in ("protocol", "num_samples", "seed", "image_size", "mode")}
    tags |= {"eval.extractor": facts["extractor"]["identity"], "eval.data_fingerprint": facts["data_fingerprint"]}

    return log_files(folder, files, "evaluation", metrics, {name: str(value) for name, value in tags.items()})


def log_files(
    folder: Path,
    files: list[Path],
    artifact_folder: str,
    metrics: dict[str, float] | None = None,
    tags: dict[str, str] | None = None,
) -> str:
    """Keeps files, figures and tags with the run that made what is in `folder`, as `log_evaluation` does."""

    def add(run: TrackedRun) -> None:
        run.log({name: value for name, value in (metrics or {}).items() if math.isfinite(value)}, step=0)
        for name, value in (tags or {}).items():
            run.client.set_tag(run.run_id, name, value)
        for file in files:
            run.log_file(file, artifact_folder)

    return _add_to_run_of(folder, add)


def _add_to_run_of(folder: Path, add: Callable[[TrackedRun], None]) -> str:
    """Calls `add` with the run that made `folder`, or with a new one, and says where that is."""
    note = folder / RUN_FILE
    known = json.loads(note.read_text(encoding="utf-8")) if note.is_file() else {}
    name = folder.resolve().name
    run = TrackedRun(
        known.get("experiment_name", "Evaluation"),
        name,
        params={"model": name},
        tags={},
        run_id=known.get("run_id"),
        reopen=False,
        tracking_uri=known.get("tracking_uri", DEFAULT_TRACKING_URI),
    )
    try:
        add(run)
        if run.is_new:
            run.finish("FINISHED")
    except Exception as error:  # of the store, of a driver or of the network: MLflow lets each kind through
        raise SpriteError(f"The MLflow store {run.uri} did not take the figures: {_first_line(error)}.") from error
    return run.describe()


def git_commit() -> str:
    """Commit of the working directory, with ``+changes`` if files differ from it; ``"none"`` outside a checkout."""
    try:
        commit = _git("rev-parse", "HEAD")
        return f"{commit}+changes" if _git("status", "--porcelain", "--untracked-files=no") else commit
    except (OSError, subprocess.SubprocessError):
        return "none"


def _git(*args: str) -> str:
    return subprocess.run(["git", *args], capture_output=True, text=True, check=True, timeout=10).stdout.strip()


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
