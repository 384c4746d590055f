"""GANs as a user launches them: on two processes, and with data that does not fit."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from sprite_diffusers.hub import load_pipeline
from tests.trainers.tiny import save_sprites

TRAINING = Path(__file__).parents[2] / "training"


def test_two_processes_train_one_gan(in_tmp_path):
    save_sprites(in_tmp_path / "sprites.npz", count=300)
    arguments = {"dataset": "sprites.npz", "output_dir": "out", "image_mode": "RGB", "train_batch_size": 8,
                 "max_train_steps": 4, "generator_channels": 8, "snapshot_steps": 2, "validation_steps": 2,
                 "gradient_accumulation_steps": 2, "num_cpu_threads": 1, "logging_steps": 1}  # fmt: skip
    flags = [part for name, value in arguments.items() for part in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2",
               str(TRAINING / "train_gan.py"), *flags]  # fmt: skip
    environment = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{in_tmp_path}/mlflow.db"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "after 4 steps, 128 images" in done.stdout + done.stderr  # 4 x 8 images x 2 micro-batches x 2 processes
    assert load_pipeline(in_tmp_path / "out").is_conditional
    assert load_pipeline(in_tmp_path / "out" / "best").sprite_size == 8


@pytest.mark.parametrize(
    ("script", "args", "message"),
    [
        ("train_gan.py", ["--dataset", "photos"], "'photos/data0' has no folder 'lsun' (it has bedroom)"),
        ("train_gan.py", ["--diff_augment", "blur"], "--diff_augment has 'blur', but allowed are color"),
        ("train_gan.py", ["--config", "gan_mnist", "--dataset", "sprites.npz"], "are not grey"),
        ("compare_vae_gan.py", ["--dataset", "sprites.npz", "--max_train_minutes", "1"], "equally many images"),
        (
            "recognition_study.py",
            ["out", "--classifier", "none", "--dataset", "sprites.npz"],
            "none holds no classifier",
        ),
    ],
)
def test_mistakes_are_one_line(in_tmp_path, monkeypatch, capsys, script, args, message):
    save_sprites(in_tmp_path / "sprites.npz")
    (in_tmp_path / "photos" / "data0" / "bedroom").mkdir(parents=True)
    monkeypatch.setattr(sys, "argv", [str(TRAINING / script), *args])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(TRAINING / script), run_name="__main__")
    assert stop.value.code == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1
    assert message in error[0]
