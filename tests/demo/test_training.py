"""The background training, with a script that only pretends (`tests/e2e` has the real one)."""

from __future__ import annotations

import time

import pytest

from sprite_diffusers.demo import training as module
from sprite_diffusers.demo.training import Training
from sprite_diffusers.errors import SpriteError

PRETENDED = """
import pathlib, signal, sys, time
flags = dict(zip(sys.argv[1::2], sys.argv[2::2]))
out = pathlib.Path(flags["--output_dir"])
def save(folder):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model_index.json").write_text("{}")
def stop(*_):
    save(out / "checkpoint-20" / "pipeline")
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
(out / "previews").mkdir()
for step in (50, 100):
    (out / "previews" / f"step-{step:06d}.png").write_bytes(b"")
print("10%| step 100, loss 0.4321, 99 images/s", flush=True)
if flags["--dataset"] == "bad":
    print("error: bad holds no images.", flush=True)
    sys.exit(2)
if flags["--dataset"] == "long":
    time.sleep(60)
save(out)
"""


@pytest.fixture
def begin(monkeypatch, tmp_path):
    """Starts a pretended training on a data set; it is over at the end."""
    (tmp_path / "script.py").write_text(PRETENDED)
    monkeypatch.setattr(module, "SCRIPT", tmp_path / "script.py")
    begun = []

    def begin(dataset: str) -> Training:
        begun.append(Training(dataset, tmp_path / "outputs"))
        begun[-1].start(5)
        return begun[-1]

    yield begin
    for training in begun:
        training.close()


def until(training: Training, reached) -> module.Status:
    for _ in range(200):
        if reached(status := training.status()):
            return status
        time.sleep(0.05)
    raise AssertionError(status)


def test_a_training_that_ends(begin, tmp_path):
    assert Training().status().state == "none"
    training = begin("synthetic")
    status = until(training, lambda status: not status.is_running)
    assert status.state == "finished"
    assert status.model == tmp_path / "outputs" / training.title
    assert [path.name for path in status.previews] == ["step-000050.png", "step-000100.png"]


def test_a_training_that_is_stopped(begin):
    training = begin("long")
    status = until(training, lambda status: "99 images/s" in status.text)
    assert (status.state, status.text) == ("running", "Training on long: step 100, loss 0.4321, 99 images/s")
    assert 0 <= status.share < 0.1
    with pytest.raises(SpriteError, match="a training is running"):
        training.start(5)
    training.stop()
    status = until(training, lambda status: not status.is_running)
    assert status.state == "stopped"
    assert status.model.parts[-2:] == ("checkpoint-20", "pipeline")


def test_a_training_that_fails_says_why(begin):
    status = until(begin("bad"), lambda status: not status.is_running)
    assert status.state == "failed"
    assert status.text == "Training failed (exit code 2): bad holds no images."


@pytest.mark.parametrize("minutes", [0, -1, 1e9, None, float("nan")])
def test_minutes(minutes, tmp_path):
    with pytest.raises(SpriteError, match=r"minutes are not possible; allowed is 0\.1 to 240"):
        Training("synthetic", tmp_path).start(minutes)


def test_without_a_clone(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "SCRIPT", tmp_path / "missing.py")
    with pytest.raises(SpriteError, match="install from a clone"):
        Training("synthetic", tmp_path).start(5)
