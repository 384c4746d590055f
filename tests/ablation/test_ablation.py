"""The ablation's driver, with a trainer that takes milliseconds; and a real cell, through the script."""

from __future__ import annotations

import json
import os
import runpy
import signal
import sys
import threading
import time
from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch
import yaml

import sprite_diffusers.ablation.grid as planning
import sprite_diffusers.ablation.training as training
from sprite_diffusers.ablation import ablate, plan, train
from sprite_diffusers.ablation.existing import CELL_FILE
from sprite_diffusers.ablation.grid import Ablation, Cell, cell_flags
from sprite_diffusers.errors import SpriteError
from sprite_diffusers.models import SpriteClassifier

TRAINING = Path(__file__).parents[2] / "training"
CONFIGS = TRAINING / "configs"
FLAGS = ["--num_samples", "60"]

# Does what a training does to the folder of a cell. Files in the working directory say how it shall go:
# "fail-<cell>" has it fail, "wait-<cell>" has it work until it is stopped, "meet" has it wait for another cell.
FAKE_TRAINER = """
import json, pathlib, signal, sys, time
args = sys.argv[1:]
value = lambda name: args[args.index(name) + 1]
folder, name = pathlib.Path(value("--output_dir")), value("--run_name")
def note(event):
    with open("events", "a") as file:
        file.write(f"{event} {name}\\n")
def end(status, code):
    (folder / "status").write_text(status)
    note(status)
    sys.exit(code)
def stop(*_):
    (folder / "checkpoint-3").mkdir()
    (folder / "checkpoint-3" / "manifest.json").write_text('{"facts": {}, "files": {}}')
    print("Stopped by SIGTERM")
    end("KILLED", 0)
signal.signal(signal.SIGTERM, stop)
(folder / "status").write_text("RUNNING")
note("resume" if "--resume_from_checkpoint" in args else "start")
print("10%\\r100%")
deadline = time.time() + 20
if pathlib.Path("fail-" + name).exists():
    print("error: no luck", file=sys.stderr)
    end("FAILED", 2)
while pathlib.Path("wait-" + name).exists():
    time.sleep(0.01)
while pathlib.Path("meet").exists() and pathlib.Path("events").read_text().count("start") < 2:
    if time.time() > deadline:
        end("FAILED", 1)
    time.sleep(0.01)
(folder / "args.json").write_text(json.dumps(args))
(folder / "model_index.json").write_text("{}")
end("FINISHED", 0)
"""


class FakeStore:
    """Runs by what the fake trainer left: a store in sqlite would take each of its processes seconds."""

    def __init__(self, experiment_name: str):
        assert experiment_name == "Exp5-Ablation"

    def run(self, folder: Path):
        status = folder / "status"
        return SimpleNamespace(info=SimpleNamespace(status=status.read_text())) if status.exists() else None

    def tag(self, folder: Path, tags: dict[str, int]) -> None:
        (folder / "tags.json").write_text(json.dumps(tags))

    def end(self, run) -> None:
        with open("events", "a") as file:
            file.write(f"end of {run.info.status}\n")


@pytest.fixture
def fake(in_tmp_path, monkeypatch):
    monkeypatch.setattr(training, "Store", FakeStore)
    monkeypatch.setattr(training, "POLL_SECONDS", 0.01)
    (in_tmp_path / "fake.py").write_text(FAKE_TRAINER)
    return in_tmp_path


def options(**changes: object) -> Namespace:
    values = {"timesteps": [20, 100], "base_channels": [8], "output_dir": Path("out"), "num_workers": 1,
              "config": "exp5.yaml", "dataset": None, "max_train_steps": "4", "seed": None, "num_inference_steps": "50",
              "classifier": None, "eval_samples": None}  # fmt: skip
    return Namespace(**(values | changes))


def planned(*flags: str, **changes: object) -> Ablation:
    return plan(options(**changes), [*FLAGS, *flags], [sys.executable, "fake.py"], CONFIGS)


def events() -> list[str]:
    return Path("events").read_text().splitlines()


def test_every_cell_is_trained_tagged_and_then_left_alone(fake):
    lines: list[str] = []
    assert train(planned(timesteps=[100, 20, 20], base_channels=[8, 16]), lines.append) == ({}, None)
    # the widest first
    assert events() == [f"{event} {name}" for name in ("T20-C16", "T100-C16", "T20-C8", "T100-C8")
                        for event in ("start", "FINISHED")]  # fmt: skip
    settings = yaml.safe_load(Path("out/logs/T20-C16.yaml").read_text())
    assert (settings["num_train_timesteps"], settings["num_inference_steps"]) == (20, 20)
    assert (settings["block_out_channels"], settings["max_train_steps"]) == ([16, 32, 64], 4)
    assert (settings["num_samples"], settings["experiment_name"]) == (60, "Exp5-Ablation")
    args = json.loads(Path("out/T20-C16/args.json").read_text())
    assert args[:4] == ["--config", "out/logs/T20-C16.yaml", "--run_name", "T20-C16"]
    assert json.loads(Path("out/T100-C8/tags.json").read_text()) == {
        "ablation.timesteps": 100, "ablation.base_channels": 8
    }  # fmt: skip
    assert Path("out/logs/T20-C8.log").read_text().startswith("10%")
    assert lines[1].startswith("T20-C16: finished in ")
    assert "1 of 4 done, about" in lines[1]
    assert lines[-1].endswith("4 of 4 done")

    (fake / "out" / "T100-C8" / "tags.json").unlink()  # as of a driver that was killed in between
    lines.clear()
    larger = planned(timesteps=[20, 50, 100], base_channels=[8, 16])
    assert train(larger, lines.append) == ({}, None)
    assert lines[0] == "4 of 6 cells are finished: T20-C16, T100-C16, T20-C8, T100-C8"
    assert events()[8:] == ["start T50-C16", "FINISHED T50-C16", "start T50-C8", "FINISHED T50-C8"]
    assert Path("out/T100-C8/tags.json").exists()


def test_equal_sampling_cost_but_never_more_steps_than_the_chain_has():
    assert cell_flags(Cell(400, 16), 50)[-1] == cell_flags(Cell(50, 64), 50)[-1] == "50"
    assert cell_flags(Cell(20, 16), 50)[-1] == "20"


def test_workers_work_at_the_same_time(fake, monkeypatch):
    monkeypatch.setattr(planning, "_num_cores", lambda: 4)
    (fake / "meet").touch()  # with one worker at a time no cell would finish
    two = planned(num_workers=8)
    assert (two.num_workers, two.num_cpu_threads) == (2, 2)
    assert train(two, lambda line: None) == ({}, None)
    assert [line.split()[0] for line in events()] == ["start", "start", "FINISHED", "FINISHED"]
    assert planned("--num_cpu_threads", "3").num_cpu_threads == 3


def test_a_failed_cell_is_named_and_the_others_go_on(fake, capsys):
    (fake / "fail-T20-C8").touch()
    assert not ablate(options(), FLAGS, [sys.executable, "fake.py"], CONFIGS)
    printed = capsys.readouterr()
    assert printed.err == "error: 1 of 2 cells failed: T20-C8.\n"
    assert "T20-C8: failed, error: no luck (exit code 2, log in out/logs/T20-C8.log)" in printed.out
    assert events()[-1] == "FINISHED T100-C8"
    assert not Path("out/T20-C8/tags.json").exists()

    (fake / "fail-T20-C8").unlink()
    assert ablate(options(), FLAGS, [sys.executable, "fake.py"], CONFIGS)
    assert events()[-2:] == ["start T20-C8", "FINISHED T20-C8"]


def when(condition, action) -> None:
    def wait() -> None:
        while not condition():
            time.sleep(0.01)
        action()

    threading.Thread(target=wait, daemon=True).start()


def test_stopping_waits_for_checkpoints_and_the_next_time_goes_on_from_them(fake, capsys):
    (fake / "wait-T20-C8").touch()
    when(lambda: Path("events").exists() and events(), lambda: os.kill(os.getpid(), signal.SIGTERM))
    assert not ablate(options(), FLAGS, [sys.executable, "fake.py"], CONFIGS)
    printed = capsys.readouterr()
    assert printed.err == "error: stopped by SIGTERM; the same command goes on from here.\n"
    assert "T20-C8: stopped, Stopped by SIGTERM" in printed.out
    assert events() == ["start T20-C8", "KILLED T20-C8"]

    (fake / "wait-T20-C8").unlink()
    assert ablate(options(), FLAGS, [sys.executable, "fake.py"], CONFIGS)
    assert "T20-C8: resumed from checkpoint-3" in capsys.readouterr().out
    assert events()[2:] == ["resume T20-C8", "FINISHED T20-C8", "start T100-C8", "FINISHED T100-C8"]


def test_a_cell_killed_before_its_first_checkpoint_is_started_anew_and_its_run_ended(fake):
    assert train(planned(timesteps=[20]), lambda line: None) == ({}, None)
    (fake / "out" / "T20-C8" / "model_index.json").unlink()
    (fake / "out" / "T20-C8" / "status").write_text("RUNNING")
    assert train(planned(timesteps=[20]), lambda line: None) == ({}, None)
    assert events()[2:] == ["end of RUNNING", "start T20-C8", "FINISHED T20-C8"]


def test_other_settings_are_refused_by_name(fake):
    train(planned(timesteps=[20]), lambda line: None)
    with pytest.raises(SpriteError) as error:
        train(planned("--seed", "7", "--max_train_steps", "9", timesteps=[20, 50], max_train_steps=None), print)
    assert str(error.value) == (
        "out/T20-C8 has other settings: --max_train_steps (then 4, now 9), --seed (then 0, now 7). Pass the same, or "
        "choose another --output_dir."
    )
    with pytest.raises(SpriteError, match=r"--data_fingerprint .*, --num_samples \(then 60, now 62\)"):
        train(plan(options(timesteps=[20]), ["--num_samples", "62"], ["none"], CONFIGS), print)
    train(planned("--logging_steps", "7", timesteps=[20]), lambda line: None)
    assert events() == ["start T20-C8", "FINISHED T20-C8"]


def test_folders_in_use_are_refused(fake):
    grid = planned(timesteps=[20])
    folder = grid.folder(grid.cells[0])
    folder.mkdir(parents=True)
    me = psutil.Process()
    note = {"identity": grid.identity(grid.cells[0]), "process": {"pid": me.pid, "started": me.create_time()}}
    (folder / CELL_FILE).write_text(json.dumps(note))
    with pytest.raises(SpriteError, match=rf"T20-C8 is being trained by process {me.pid}"):
        train(grid, print)
    note["process"]["started"] -= 1  # an earlier process of that number
    (folder / CELL_FILE).write_text(json.dumps(note))
    assert train(grid, lambda line: None) == ({}, None)
    (folder / CELL_FILE).unlink()
    with pytest.raises(SpriteError, match="T20-C8 holds a model that is no cell"):
        train(grid, print)
    (folder / CELL_FILE).write_text("{")
    with pytest.raises(SpriteError, match=r"\.ablation\.json is damaged .* remove out/T20-C8"):
        train(grid, print)


@pytest.mark.parametrize(
    ("changes", "flags", "message"),
    [
        ({"timesteps": [50, 0]}, [], "--timesteps has 0"),
        ({"base_channels": [-8]}, [], "--base_channels has -8"),
        ({"base_channels": [16, 12]}, [], "--base_channels has 12, which --norm_num_groups 8 does not divide"),
        ({"num_workers": 0}, [], "--num_workers is 0"),
        ({"num_inference_steps": "0"}, [], "--num_inference_steps is 0"),
        ({"seed": "-1"}, [], "--seed is -1"),
        ({"dataset": "nowhere"}, [], "nowhere"),
        ({"config": "exp9"}, [], "--config exp9: no such file"),
        ({}, ["--block_out_channels", "8", "16"], "--block_out_channels is set for each cell: use --base_channels"),
        ({}, ["--no_overwrite_output_dir"], "--overwrite_output_dir is set for each cell"),
        ({}, ["--learning_rte", "1"], "Unknown flag --learning_rte. Did you mean 'learning_rate'?"),
        ({}, ["--max_train_minutes", "3"], "--max_train_minutes 3.0: cells are compared after equally many images"),
        ({}, ["--early_stopping_patience", "3"], "--early_stopping_patience 3: cells are compared"),
        ({}, ["--push_to_hub", "--hub_model_id", "a/b"], "--push_to_hub would upload every cell"),
    ],
)
def test_bad_input_is_one_line(in_tmp_path, changes, flags, message):
    with pytest.raises(SpriteError, match=r"\A[^\n]*\Z") as error:
        planned(*flags, **changes)
    assert message in str(error.value)
    assert not Path("out").exists()


def test_a_real_cell_trained_and_evaluated(in_tmp_path, monkeypatch, capsys):
    import mlflow

    torch.manual_seed(0)
    names = ["human", "non-human", "food", "spell", "side-facing"]
    classifier = SpriteClassifier(
        id2label={str(index): name for index, name in enumerate(names)}, block_out_channels=[8], feature_dim=8
    )
    classifier.save_pretrained(in_tmp_path / "classifier")
    arguments = ["--timesteps", "4", "--base_channels", "4", "--norm_num_groups", "2", "--num_samples", "300",
                 "--max_train_steps", "2", "--train_batch_size", "4", "--num_inference_steps", "2",
                 "--classifier", "classifier", "--eval_samples", "21"]  # fmt: skip
    monkeypatch.setattr(sys, "argv", ["ablate.py", *arguments])
    for _ in range(2):
        runpy.run_path(str(TRAINING / "ablate.py"), run_name="__main__")
    first, *middle, last = capsys.readouterr().out.splitlines()
    assert first == "T4-C4: started, log in outputs/exp5/logs/T4-C4.log"
    assert [line.split(" in ")[0] for line in middle] == ["T4-C4: finished", "T4-C4: evaluated"]
    assert last == "1 of 1 cells are finished: T4-C4"

    client = mlflow.MlflowClient()
    (run,) = client.search_runs([client.get_experiment_by_name("Exp5-Ablation").experiment_id])
    assert (run.info.status, run.info.run_name, run.data.metrics["run/images"]) == ("FINISHED", "T4-C4", 8)
    assert (run.data.params["num_train_timesteps"], run.data.params["block_out_channels"]) == ("4", "[4, 8, 16]")
    assert (run.data.tags["ablation.timesteps"], run.data.tags["ablation.base_channels"]) == ("4", "4")
    assert run.data.tags["eval.num_samples"] == "21"
    assert run.data.metrics["eval/fd_pca20"] > 0
    assert "## Evaluation" in Path("outputs/exp5/T4-C4/README.md").read_text()
