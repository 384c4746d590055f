"""Reads an MLflow store into plain dataclasses, and never changes it."""

from __future__ import annotations

import json
import logging
import math
import os
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from ..errors import SpriteError

LOCK_SECONDS = 5.0  # a training holds its lock for milliseconds; longer than this is a process that hangs
SQLITE_HEADER = b"SQLite format 3\x00"
AUTOENCODERS = ("ae", "vae", "vq")  # values of the setting `autoencoder` of a training of one
CHATTY = ("alembic", "mlflow.store.db.utils")
# seconds, not minutes, until a server that is not there is reported; no progress bar for each small file
ENVIRONMENT = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false"}


@dataclass(frozen=True)
class Run:
    """One MLflow run. `metrics` holds the last finite value of each; `seconds` is clock time, None before its end."""

    run_id: str
    name: str
    experiment: str
    status: str
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    started: int = 0
    seconds: float | None = None

    def score(self, name: str) -> float | None:
        """The evaluation's value of a metric, None if it has none."""
        return self.metrics.get(f"eval/{name}")

    def floor(self, name: str) -> float | None:
        """The value of a metric for real images in place of samples, None if it has none."""
        return self.metrics.get(f"eval_floor/{name}")

    @property
    def dataset(self) -> str:
        """Name of the data set: the last component of the path or id it was loaded by."""
        return _last_component(self.params.get("dataset", ""))

    @property
    def base(self) -> str:
        """Name of the pipeline that was tuned: the last component of the path or id it was loaded by."""
        return _last_component(self.params.get("base", ""))

    @property
    def classes(self) -> dict[str, dict[str, float]]:
        """Scores per class: ``{class name: {"fd_pca20": …, "accuracy": …}}``; empty for an unconditional model."""
        found: dict[str, dict[str, float]] = {}
        for key, value in self.metrics.items():
            if key.startswith("eval_class/"):
                name, _, metric = key.removeprefix("eval_class/").rpartition("/")
                found.setdefault(name, {})[metric] = value
        return found

    @property
    def is_conditional(self) -> bool:
        """Whether its samples were asked for by class."""
        return self.score("accuracy") is not None or self.score("fd_pca20_class_mean") is not None

    @property
    def is_autoencoder(self) -> bool:
        """Whether it trained an autoencoder, which is analysed and never evaluated as a generator."""
        return (
            self.params.get("autoencoder") in AUTOENCODERS
            and self.autoencoder_seconds is None
            and not any(key.startswith("eval/") for key in self.metrics)
        )

    @property
    def is_tuning(self) -> bool:
        """Whether it tuned a pipeline by rewards, which is judged by those and never evaluated as a generator."""
        return "estimator" in self.params and not any(key.startswith("eval/") for key in self.metrics)

    @property
    def reward_weights(self) -> dict[str, str]:
        """Reward to its weight, in the order of the names, of a pipeline that was tuned by rewards."""
        found = [
            (key.removeprefix("weight_"), value) for key, value in self.params.items() if key.startswith("weight_")
        ]
        return dict(sorted(found))

    def latent(self, name: str) -> float | None:
        """A value of the analysis of an autoencoder, None if it has none."""
        return self.metrics.get(f"latents/{name}")

    @property
    def autoencoder_seconds(self) -> float | None:
        """How long the autoencoder of a latent diffusion was trained, None if it has none or does not say."""
        return self.metrics.get("run/autoencoder_seconds")

    @property
    def is_classifier(self) -> bool:
        """Whether it trained the auxiliary classifier, which is no generator and is never evaluated as one."""
        return "feature_dim" in self.params


class Store:
    """An open MLflow store: its runs, their curves and their files. Made by `open_store`."""

    def __init__(self, client: Any, label: str, folder: Path):
        self.client = client
        self.label = label
        self._folder = folder
        self._files: dict[tuple[str, str], Path | None] = {}

    def runs(self, experiments: list[str] | None = None) -> list[Run]:
        """All runs that are not deleted, of all experiments or of those named, oldest first.

        Raises:
            SpriteError: an experiment that is not in the store.
        """
        names = {
            experiment.name: experiment.experiment_id for experiment in _all_pages(self.client.search_experiments)
        }
        unknown = [name for name in experiments or [] if name not in names]
        if unknown:
            raise SpriteError(
                f"{self.label} has no experiment {unknown[0]!r}; it has {', '.join(sorted(names)) or 'none'}. "
                "Change --experiments, or leave it out to report on all of them."
            )
        found = []
        for name in experiments or names:
            runs = _all_pages(lambda **page: self.client.search_runs([names[name]], **page))  # noqa: B023 (used at once)
            found += [_plain(run, name) for run in runs]
        return sorted(found, key=lambda run: (run.started, run.run_id))

    def history(self, run: Run, key: str) -> list[tuple[int, float]]:
        """A curve as (step, value), finite values only, by step."""
        points = self.client.get_metric_history(run.run_id, key)
        return sorted((point.step, point.value) for point in points if math.isfinite(point.value))

    def file(self, run: Run, path: str) -> Path | None:
        """A copy of an artifact, None if the run has none there or it cannot be had."""
        if (run.run_id, path) not in self._files:
            folder = self._folder / run.run_id
            folder.mkdir(exist_ok=True)
            try:
                local = Path(self.client.download_artifacts(run.run_id, path, str(folder)))
                self._files[run.run_id, path] = local if local.is_file() else None
            except Exception:
                # each kind of artifact store has errors of its own; a file that cannot be had is a missing one
                self._files[run.run_id, path] = None
        return self._files[run.run_id, path]

    def json(self, run: Run, path: str) -> dict[str, Any] | None:
        """A JSON artifact, None if it is missing or broken."""
        file = self.file(run, path)
        try:
            content = json.loads(file.read_text(encoding="utf-8")) if file else None
        except ValueError:
            return None
        return content if isinstance(content, dict) else None


@contextmanager
def open_store(uri: str) -> Iterator[Store]:
    """Opens an MLflow store for reading.

    A SQLite store is read from a snapshot, so that nothing MLflow does on opening (creating tables, upgrading them)
    can reach the original, and a training that writes meanwhile is neither waited for nor disturbed.

    Args:
        uri: as for ``MLFLOW_TRACKING_URI``.

    Raises:
        SpriteError: a store that is missing, empty, locked, corrupt, of another schema, or out of reach.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, _quiet():
        address = uri
        if uri.startswith("sqlite:"):
            snapshot = Path(folder, "store.db")
            _snapshot(_sqlite_path(uri), snapshot)
            address = f"sqlite:///{snapshot.as_posix()}"
        elif urlsplit(uri).scheme in ("", "file") and not Path(urlsplit(uri).path).is_dir():
            raise SpriteError(f"There is no MLflow store {uri}. Set MLFLOW_TRACKING_URI to the one of the trainings.")
        yield Store(_client(uri, address), _label(uri), Path(folder))


@contextmanager
def _quiet() -> Iterator[None]:
    """MLflow without progress bars and without the tracebacks that it logs before it raises."""
    levels = {name: logging.getLogger(name).level for name in CHATTY}
    added = {key: value for key, value in ENVIRONMENT.items() if key not in os.environ}
    os.environ.update(added)
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        for key in added:
            del os.environ[key]


def _client(uri: str, address: str) -> Any:
    import mlflow  # here, because it takes seconds

    try:
        client = mlflow.MlflowClient(address)
        client.search_experiments(max_results=1)
    except Exception as error:
        # MLflow lets errors of SQLAlchemy, of drivers and of requests through: whichever it was, the store is unusable
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        if "out-of-date database schema" in reason:
            raise SpriteError(
                f"The MLflow store {uri} was written by another version of MLflow than {mlflow.__version__}: back it up, "
                f"then run mlflow db upgrade {uri}, or install the version that wrote it."
            ) from error
        raise SpriteError(f"The MLflow store {uri} cannot be read: {reason}. Check MLFLOW_TRACKING_URI.") from error
    return client


def _snapshot(source: Path, target: Path) -> None:
    if not source.exists():
        raise SpriteError(
            f"There is no MLflow store {source}: run it where mlflow.db is, or set MLFLOW_TRACKING_URI, "
            "e.g. to sqlite:///mlflow.db."
        )
    if not source.is_file() or not os.access(source, os.R_OK):
        raise SpriteError(f"The MLflow store {source} is not a file that can be read. Set MLFLOW_TRACKING_URI.")
    with source.open("rb") as file:
        if file.read(len(SQLITE_HEADER)) != SQLITE_HEADER:
            raise SpriteError(
                f"The MLflow store {source} is not an SQLite database. Set MLFLOW_TRACKING_URI to another."
            )
    try:
        deadline = time.monotonic() + LOCK_SECONDS

        def give_up(*_: int) -> None:
            if time.monotonic() > deadline:
                raise sqlite3.OperationalError("database is locked")

        address = f"file:{quote(str(source.resolve()))}?mode=ro"
        with (
            closing(sqlite3.connect(address, uri=True, timeout=LOCK_SECONDS)) as original,
            closing(sqlite3.connect(target)) as copy,
        ):
            original.execute("SELECT count(*) FROM sqlite_master").fetchone()  # waits for a lock, at most so long
            original.backup(copy, progress=give_up)
            problems = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
            tables = {name for (name,) in copy.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.Error as error:
        if "locked" in str(error):
            raise SpriteError(
                f"The MLflow store {source} is locked by another process (waited {LOCK_SECONDS:.0f} s): "
                "stop that process, or try again when it has ended."
            ) from error
        raise SpriteError(
            f"The MLflow store {source} cannot be read ({error}): restore a backup, or set MLFLOW_TRACKING_URI to another."
        ) from error
    if problems != "ok":
        raise SpriteError(
            f"The MLflow store {source} is corrupt: restore a backup, or set MLFLOW_TRACKING_URI to another."
        )
    if not {"experiments", "runs"} <= tables:
        raise SpriteError(f"{source} is an SQLite database, but not of MLflow. Set MLFLOW_TRACKING_URI to another.")


def _sqlite_path(uri: str) -> Path:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        database = make_url(uri).database
    except ArgumentError:
        database = None
    if not database or database == ":memory:":
        raise SpriteError(f"MLFLOW_TRACKING_URI is {uri}, but must name a file: sqlite:///mlflow.db.")
    return Path(database)


def _label(uri: str) -> str:
    """What the page may say of where the store is: a file's name or a host, no path and no password."""
    parts = urlsplit(uri)
    return (parts.hostname or Path(parts.path).name or "MLflow") if parts.scheme else Path(uri).name


def _last_component(place: str) -> str:
    return place.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1] or "?"


def _all_pages(search: Any) -> list[Any]:
    found, token = [], None
    while True:
        page = search(max_results=1000, page_token=token)
        found += page
        token = page.token
        if not token:
            return found


def _plain(run: Any, experiment: str) -> Run:
    info, data = run.info, run.data
    return Run(
        run_id=info.run_id,
        name=info.run_name or info.run_id[:8],
        experiment=experiment,
        status=info.status,
        params=dict(data.params),
        tags=dict(data.tags),
        metrics={key: value for key, value in data.metrics.items() if math.isfinite(value)},
        started=info.start_time or 0,
        seconds=(info.end_time - info.start_time) / 1000 if info.end_time else None,
    )
