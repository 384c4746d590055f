"""MLflow runs."""

from __future__ import annotations

import json
from types import SimpleNamespace

import mlflow
import pytest

from sprite_diffusers.errors import SpriteError
from sprite_diffusers.tracking import RUN_FILE, TrackedRun, git_commit, log_evaluation, log_files


def test_a_run_keeps_settings_figures_and_files(in_tmp_path):
    run = TrackedRun("experiment", "first", {"learning_rate": 0.1}, {"data_fingerprint": "abc"})
    run.log({"loss": 2.0}, step=1)
    run.log({"loss": 1.0}, step=2)
    (in_tmp_path / "grid.png").write_bytes(b"png")
    run.log_file(in_tmp_path / "grid.png", "previews")
    run.finish("FINISHED")
    stored = mlflow.MlflowClient().get_run(run.run_id)
    assert stored.info.status == "FINISHED"
    assert stored.data.params == {"learning_rate": "0.1"}
    assert stored.data.tags["data_fingerprint"] == "abc"
    assert stored.data.tags["git_commit"] == git_commit()
    assert [metric.value for metric in mlflow.MlflowClient().get_metric_history(run.run_id, "loss")] == [2.0, 1.0]
    assert [file.path for file in mlflow.MlflowClient().list_artifacts(run.run_id, "previews")] == [
        "previews/grid.png"
    ]


def test_a_run_goes_on_if_it_is_still_there(in_tmp_path):
    first = TrackedRun("experiment", "first", {}, {})
    first.finish("KILLED")
    assert TrackedRun("experiment", "first", {}, {}, first.run_id).run_id == first.run_id
    assert mlflow.MlflowClient().get_run(first.run_id).info.status == "RUNNING"
    assert TrackedRun("experiment", "other", {}, {}, "0" * 32).run_id != first.run_id


def test_a_broken_store_is_one_clear_line(in_tmp_path):
    (in_tmp_path / "mlflow.db").write_text("this is no database")
    with pytest.raises(SpriteError, match=r"The MLflow store sqlite:.*mlflow.db cannot be used: ") as error:
        TrackedRun("experiment", "first", {}, {})
    assert "\n" not in str(error.value)
    assert (in_tmp_path / "mlflow.db").read_text() == "this is no database"


@pytest.fixture
def scores():
    facts = {
        "protocol": "1",
        "num_samples": 300,
        "seed": 0,
        "image_size": 16,
        "mode": "RGB",
        "data_fingerprint": "abc",
    }
    return SimpleNamespace(
        metrics={"fd_pca20": 12.5, "accuracy": float("nan")},
        floors={"fd_pca20": 2.5},
        per_class={"side: facing?": {"fd_pca20": 3.0}},
        facts={**facts, "extractor": {"identity": "f00"}},
    )


def test_an_evaluation_joins_the_run_of_its_model(in_tmp_path, scores):
    run = TrackedRun("AD6", "first", {}, {})
    run.remember_in(in_tmp_path / "model")
    run.finish("FINISHED")
    (in_tmp_path / "scores.json").write_text("{}")
    where = log_evaluation(in_tmp_path / "model", scores, [in_tmp_path / "scores.json"])
    assert run.run_id in where
    stored = mlflow.MlflowClient().get_run(run.run_id)
    assert stored.info.status == "FINISHED"
    assert stored.data.metrics == {
        "eval/fd_pca20": 12.5, "eval_floor/fd_pca20": 2.5, "eval_class/side_ facing_/fd_pca20": 3.0
    }  # fmt: skip
    assert stored.data.tags["eval.extractor"] == "f00"
    assert stored.data.tags["eval.num_samples"] == "300"
    assert [file.path for file in mlflow.MlflowClient().list_artifacts(run.run_id, "evaluation")] == [
        "evaluation/scores.json"
    ]
    log_files(in_tmp_path / "model", [in_tmp_path / "scores.json"], "sweeps")
    assert len(mlflow.MlflowClient().list_artifacts(run.run_id, "sweeps")) == 1


def test_an_evaluation_of_a_model_without_a_run_gets_one(in_tmp_path, scores):
    (in_tmp_path / "model").mkdir()
    log_evaluation(in_tmp_path / "model", scores, [])
    experiment = mlflow.MlflowClient().get_experiment_by_name("Evaluation")
    (stored,) = mlflow.MlflowClient().search_runs([experiment.experiment_id])
    assert stored.info.status == "FINISHED"
    assert stored.info.run_name == "model"


def test_the_store_is_remembered_wherever_it_is_read_from(in_tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    run = TrackedRun("AD6", "first", {}, {})
    run.remember_in(in_tmp_path / "model")
    note = json.loads((in_tmp_path / "model" / RUN_FILE).read_text())
    assert note["tracking_uri"] == f"sqlite:///{in_tmp_path}/mlflow.db"
