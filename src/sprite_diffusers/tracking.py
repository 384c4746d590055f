"""MLflow: one run per training, with its settings, curves, pictures and how it ended."""

from __future__ import annotations

import json
import logging
import os
import subprocess
from pathlib import Path
from typing import Any

from .errors import SpriteError

DEFAULT_TRACKING_URI = "sqlite:///mlflow.db"
RUN_FILE = "mlflow_run.json"


class TrackedRun:
    """An MLflow run in ``sqlite:///mlflow.db`` of the working directory, unless ``MLFLOW_TRACKING_URI`` says otherwise.

    Args:
        experiment_name: created if it does not exist.
        run_name: shown in MLflow.
        params: the settings, flat.
        tags: e.g. the data fingerprint; the git commit is added.
        run_id: goes on with that run (after a resume), if it still exists.

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
    ):
        import mlflow  # here, because it takes seconds and sampling does not need it
        from mlflow.exceptions import MlflowException

        for chatty in ("alembic", "mlflow.store.db.utils"):  # they tell of each table of a new mlflow.db
            logging.getLogger(chatty).setLevel(logging.WARNING)
        uri = os.environ.get("MLFLOW_TRACKING_URI", DEFAULT_TRACKING_URI)
        self._error_type = MlflowException
        try:
            mlflow.set_tracking_uri(uri)
            self.client = mlflow.MlflowClient()
            self.run_id = self._existing(run_id) or self._create(experiment_name, run_name, params, tags)
        except Exception as error:
            # MLflow lets errors of SQLAlchemy, of drivers and of requests through: whichever it was, the store is unusable
            raise SpriteError(
                f"The MLflow store {uri} cannot be used: {_first_line(error)}. Move it away, or set MLFLOW_TRACKING_URI."
            ) from error
        self.uri = uri
        self.experiment_name = experiment_name

    def _existing(self, run_id: str | None) -> str | None:
        if run_id is None:
            return None
        try:
            self.client.get_run(run_id)
        except self._error_type:
            return None
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
        note = {"run_id": self.run_id, "experiment_name": self.experiment_name, "tracking_uri": self.uri}
        (directory / RUN_FILE).write_text(json.dumps(note, indent=2) + "\n", encoding="utf-8")

    def describe(self) -> str:
        """Where to look, for a person."""
        return f"experiment {self.experiment_name!r}, run {self.run_id} in {self.uri} (mlflow ui --backend-store-uri {self.uri})"


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
