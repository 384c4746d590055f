"""MLflow runs."""

from __future__ import annotations

import mlflow
import pytest

from sprite_diffusers.errors import SpriteError
from sprite_diffusers.tracking import TrackedRun, git_commit


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
