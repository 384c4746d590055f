"""Small things that many tests need: pipelines that draw noise in milliseconds, and settings of a training of seconds."""

from __future__ import annotations

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import shutil
import sys
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, UNet2DModel

from sprite_diffusers import cli
from sprite_diffusers.pipelines import ClassCondPipeline, SpriteDDPMPipeline

torch.set_num_threads(1)  # on networks this small, threads cost more than they save

CLASS_NAMES = ("human", "food", "spell")


def tiny_unet(channels: int = 4, num_class_embeds: int | None = None, size: int = 8) -> UNet2DModel:
    torch.manual_seed(0)
    return UNet2DModel(
        sample_size=size,
        in_channels=channels,
        out_channels=channels,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D"),
        norm_num_groups=4,
        num_class_embeds=num_class_embeds,
    )


def flow_scheduler() -> DPMSolverMultistepScheduler:
    return DPMSolverMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True)


@pytest.fixture(autouse=True)
def fresh_accelerator():
    """No test inherits the precision or the processes of the one before it."""
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture
def class_cond() -> ClassCondPipeline:
    """RGBA flow model of three classes and the null class."""
    id2label = {str(index): name for index, name in enumerate(CLASS_NAMES)}
    pipeline = ClassCondPipeline(tiny_unet(4, 4), flow_scheduler(), id2label, default_num_inference_steps=4)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture
def unconditional() -> SpriteDDPMPipeline:
    """RGB noise-prediction model."""
    pipeline = SpriteDDPMPipeline(
        tiny_unet(3), DDIMScheduler(prediction_type="epsilon"), default_num_inference_steps=4
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow store without runs, made once: its migrations take seconds."""
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def in_tmp_path(tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Works in a folder with nothing in it but an MLflow store of its own."""
    shutil.copyfile(empty_store, tmp_path / "mlflow.db")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    return tmp_path


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs ``sprite-diffusers``; returns its exit code, output and error output."""

    def run(*args):
        monkeypatch.setattr(sys, "argv", ["sprite-diffusers", *map(str, args)])
        try:
            cli.main()
            code = 0
        except SystemExit as stop:
            code = stop.code
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run
