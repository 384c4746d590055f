"""What an earlier run of an ablation has left: models in folders, and runs in MLflow."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from ..errors import SpriteError
from ..tracking import DEFAULT_TRACKING_URI, RUN_FILE
from .grid import Ablation

CELL_FILE = ".ablation.json"  # hidden: it is no part of the pipeline that the cell's folder holds


class Store:
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
        then, process = read_note(folder / CELL_FILE)
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


def read_note(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
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
