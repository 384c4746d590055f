"""The launch scripts as a user runs them: killed and resumed, on two processes, and with bad input."""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from sprite_diffusers import cli

TRAINING = Path(__file__).parents[2] / "training"
LOOP = ["--num_samples", "60", "--block_out_channels", "8", "16", "--norm_num_groups", "4", "--train_batch_size", "4",
        "--preview_steps", "1000", "--validation_steps", "1000", "--logging_steps", "1", "--num_cpu_threads", "1"]  # fmt: skip
TINY = [*LOOP, "--num_inference_steps", "2"]


def launch(cwd: Path, *args: str, processes: int = 1) -> subprocess.Popen:
    command = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", str(processes),
               str(TRAINING / "train_cond.py"), *TINY, *args]  # fmt: skip
    environment = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{cwd}/mlflow.db"}
    return subprocess.Popen(
        command,
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen) -> str:
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    return output


def losses(run_name: str) -> list[float]:
    """The last logged loss of each step of a run."""
    run = mlflow.search_runs(experiment_names=["class-cond"], filter_string=f"run_name = '{run_name}'").iloc[0]
    history = mlflow.MlflowClient().get_metric_history(run["run_id"], "train/loss")
    by_step = {metric.step: metric.value for metric in history}
    return [by_step[step] for step in sorted(by_step)]


def test_killed_and_resumed_is_the_uninterrupted_run(in_tmp_path):
    mlflow.set_tracking_uri(f"sqlite:///{in_tmp_path}/mlflow.db")
    steps = ["--max_train_steps", "40", "--checkpointing_steps", "10"]
    finish(launch(in_tmp_path, "--output_dir", "whole", "--run_name", "whole", *steps))

    killed = launch(in_tmp_path, "--output_dir", "killed", "--run_name", "killed", *steps)
    while not (in_tmp_path / "killed" / "checkpoint-10" / "manifest.json").exists():
        assert killed.poll() is None, killed.communicate()[0]
        time.sleep(0.02)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert not (in_tmp_path / "killed" / "model_index.json").exists()

    arguments = ["--output_dir", "killed", "--run_name", "killed", "--resume_from_checkpoint", "latest"]
    output = finish(launch(in_tmp_path, *arguments, *steps))
    assert "Resumed from" in output
    assert losses("killed") == losses("whole")
    assert len(losses("whole")) == 40
    whole, resumed = (
        load_file(in_tmp_path / name / "unet" / "diffusion_pytorch_model.safetensors") for name in ("whole", "killed")
    )
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_two_processes_take_the_steps_they_claim(in_tmp_path):
    output = finish(launch(in_tmp_path, "--output_dir", "out", "--max_train_steps", "5", processes=2))
    assert "after 5 steps, 40 images" in output  # 5 steps x 4 images x 2 processes
    mlflow.set_tracking_uri(f"sqlite:///{in_tmp_path}/mlflow.db")
    runs = mlflow.search_runs(experiment_names=["class-cond"])
    assert len(runs) == 1
    assert (runs.iloc[0]["metrics.run/steps"], runs.iloc[0]["metrics.run/images"]) == (5, 40)
    assert (in_tmp_path / "out" / "model_index.json").exists()


# ---- in this process ------------------------------------------------------------------------------------------------


@pytest.fixture
def script(in_tmp_path, monkeypatch, capsys):
    """Runs a launch script; returns exit code and error lines."""

    def run(name: str, *args: str) -> tuple[int, list[str]]:
        tiny = (LOOP if name == "train_autoencoder.py" else TINY)[2:]
        monkeypatch.setattr(sys, "argv", [name, *tiny, "--output_dir", "out", "--max_train_steps", "1", *args])
        try:
            runpy.run_path(str(TRAINING / name), run_name="__main__")
            code = 0
        except SystemExit as stop:
            code = stop.code
        return code, [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]

    return run


def test_an_autoencoder_then_diffusion_of_its_latents_then_sprites(script, in_tmp_path, monkeypatch, capsys):
    data = ["--num_samples", "120", "--max_train_steps", "3", "--max_train_minutes", "1"]
    assert script("train_autoencoder.py", "--latent_channels", "2", "--output_dir", "vae", *data) == (0, [])
    assert script("train_ldm.py", "--pretrained_autoencoder", "vae", "--output_dir", "ldm", *data) == (0, [])
    command = [
        "sprite-diffusers",
        "sample",
        "ldm",
        "--class",
        "food",
        "--num",
        "3",
        "--separate",
        "each",
        "--scale",
        "2",
    ]
    monkeypatch.setattr(sys, "argv", command)
    cli.main()
    assert "3 sprites" in capsys.readouterr().out
    assert [Image.open(file).size for file in (in_tmp_path / "each").iterdir()] == [(32, 32)] * 3


# bad input: one line, exit code 2, nothing written


def save_image(path: Path, seed: int, size: int = 8) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size, size, 3), np.uint8)
    Image.fromarray(pixels).save(path)


def make_classes(root: Path, counts: dict[str, int]) -> None:
    for offset, (name, count) in enumerate(counts.items()):
        for number in range(count):
            save_image(root / name / f"{number}.png", 1000 * offset + number)


def empty_folder(root: Path) -> list[str]:
    (root / "data").mkdir()
    return ["--dataset", "data"]


def single_image_class(root: Path) -> list[str]:
    make_classes(root / "data", {"food": 6, "boss": 1})
    return ["--dataset", "data"]


def corrupt_image(root: Path) -> list[str]:
    make_classes(root / "data", {"food": 6, "spell": 6})
    (root / "data" / "food" / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    return ["--dataset", "data"]


def different_sizes(root: Path) -> list[str]:
    make_classes(root / "data", {"food": 6})
    save_image(root / "data" / "food" / "big.png", 99, size=12)
    return ["--dataset", "data"]


def labels_out_of_range(root: Path) -> list[str]:
    np.save(root / "x.npy", np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), np.uint8))
    np.save(root / "y.npy", np.array([0, 1, 5, 0, 1, 0]))
    return ["--dataset", "x.npy", "--labels", "y.npy", "--class_names", "food", "spell"]


def labels_of_another_length(root: Path) -> list[str]:
    np.save(root / "x.npy", np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), np.uint8))
    np.save(root / "y.npy", np.array([0, 1]))
    return ["--dataset", "x.npy", "--labels", "y.npy"]


def pickled_array(root: Path) -> list[str]:
    np.save(root / "x.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    return ["--dataset", "x.npy"]


def unknown_yaml_key(root: Path) -> list[str]:
    (root / "c.yaml").write_text("learning_rte: 1\n")
    return ["--config", "c.yaml"]


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (empty_folder, "no images in 'data'"),
        (single_image_class, "the class 'boss' of 'data' has a single distinct image"),
        (corrupt_image, "bad.png"),
        (different_sizes, "big.png' is 12x12"),
        (labels_out_of_range, "outside the 2 classes"),
        (labels_of_another_length, "2 labels for the 6 images"),
        (pickled_array, "never loaded"),
        (unknown_yaml_key, "unknown key 'learning_rte'. Did you mean 'learning_rate'?"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(script, in_tmp_path, prepare, message):
    code, errors = script("train_cond.py", *prepare(in_tmp_path))
    assert code == 2
    assert len(errors) == 1
    assert message in errors[0]
    assert not (in_tmp_path / "out").exists()


def test_corrupt_images_can_be_left_out(script, in_tmp_path):
    code, errors = script("train_cond.py", *corrupt_image(in_tmp_path), "--skip_bad_images")
    assert (code, errors) == (0, [])
    assert (in_tmp_path / "out" / "model_index.json").exists()


def test_another_model_in_the_output_folder_stays(script, in_tmp_path):
    make_classes(in_tmp_path / "data", {"food": 6, "spell": 6})
    assert script("train_cond.py", "--dataset", "data")[0] == 0
    before = {path: path.read_bytes() for path in (in_tmp_path / "out").rglob("*") if path.is_file()}
    code, errors = script("train_ddpm.py", "--dataset", "data")
    assert code == 2
    assert "already holds a model" in errors[0]
    assert {path: path.read_bytes() for path in (in_tmp_path / "out").rglob("*") if path.is_file()} == before


def test_guidance_is_no_setting_of_an_unconditional_model(script):
    code, errors = script("train_ddpm.py", "--guidance_scale", "2")
    assert code == 2
    assert "Unknown flag --guidance_scale" in errors[0]


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("train_ldm.py", [], "--pretrained_autoencoder is missing"),
        ("train_ldm.py", ["--pretrained_autoencoder", "nowhere"], "nowhere holds no autoencoder"),
        ("train_autoencoder.py", ["--latent_dims", "64"], "Unknown flag --latent_dims. Did you mean 'latent_dim'?"),
        ("train_autoencoder.py", ["--perceptual", "classifier"], "needs --perceptual_model"),
        ("train_autoencoder.py", ["--perceptual", "vgg16", "--perceptual_model", "no.pth"], "(no.pth) cannot be read"),
    ],
)
def test_latent_settings_that_cannot_be(script, in_tmp_path, name, arguments, message):
    if "vgg16" in arguments:
        pytest.importorskip("torchvision", reason="torchvision is an optional extra")
    code, errors = script(name, "--num_samples", "60", *arguments)
    assert code == 2
    assert len(errors) == 1
    assert message in errors[0]
    assert not (in_tmp_path / "out").exists()
