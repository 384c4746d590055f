"""Sweeps: one point per setting from the same noise, the model's own scheduler back in place, and pictures."""

from __future__ import annotations

import json
import math
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler
from PIL import Image

from sprite_diffusers.data import load_sprites
from sprite_diffusers.errors import SpriteError
from sprite_diffusers.evaluation import Reference, evaluate
from sprite_diffusers.evaluation.sweeps import Sweep, build_scheduler, guidance_sweep, scheduler_sweep
from sprite_diffusers.models import SpriteClassifier
from sprite_diffusers.pipelines import ClassCondPipeline

from ..conftest import CLASS_NAMES, tiny_unet

NUM_SAMPLES = 24
SCRIPT = Path(__file__).parents[2] / "training" / "sweep.py"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """RGB sprites of 8 pixels in three classes."""
    path = tmp_path_factory.mktemp("data") / "x.npy"
    rng = np.random.default_rng(0)
    labels = np.arange(300) % 3
    pixels = rng.integers(0, 80, (300, 8, 8, 3)) + 60 * labels[:, None, None, None]
    np.save(path, pixels.astype(np.uint8))
    np.save(path.with_name("x_labels.npy"), labels)
    return path


@pytest.fixture(scope="module")
def classifier():
    torch.manual_seed(0)
    names = {str(index): name for index, name in enumerate(CLASS_NAMES)}
    return SpriteClassifier(
        image_size=8, id2label=names, block_out_channels=[8, 16], feature_dim=8, data_fingerprint="f"
    ).eval()


@pytest.fixture(scope="module")
def reference(data, classifier):
    return Reference.from_dataset(load_sprites(data, class_names=CLASS_NAMES), classifier)


@pytest.fixture
def noise_model() -> ClassCondPipeline:
    """RGB noise-prediction model of three classes and the null class."""
    names = {str(index): name for index, name in enumerate(CLASS_NAMES)}
    scheduler = DDIMScheduler(num_train_timesteps=20, beta_schedule="squaredcos_cap_v2", timestep_spacing="trailing")
    return ClassCondPipeline(
        tiny_unet(3, 4), scheduler, names, default_num_inference_steps=2, default_guidance_scale=2.0
    )


def test_guidance_sweep_is_an_evaluation_per_scale(noise_model, reference):
    sweep = guidance_sweep(noise_model, reference, [1, 3, 3], num_samples=NUM_SAMPLES, seed=4)
    assert [row["guidance_scale"] for row in sweep.rows] == [1, 3]
    assert {(row["num_inference_steps"], row["scheduler"]) for row in sweep.rows} == {(2, "DDIMScheduler")}
    alone = evaluate(noise_model, reference, num_samples=NUM_SAMPLES, seed=4, guidance_scale=3)
    swept = {name: value for name, value in sweep.rows[1]["metrics"].items() if name != "seconds_per_image"}
    assert swept == pytest.approx({name: alone.metrics[name] for name in swept}, rel=1e-9, nan_ok=True)
    assert sweep.facts["floors"]["fd_pca20"] == pytest.approx(alone.floors["fd_pca20"], rel=1e-9)
    assert (sweep.facts["num_samples"], sweep.facts["seed"], sweep.facts["kind"]) == (NUM_SAMPLES, 4, "guidance")
    assert sweep.rows[0]["metrics"]["fd_pca20"] != sweep.rows[1]["metrics"]["fd_pca20"]


def test_scheduler_sweep_starts_from_the_same_noise_and_leaves_the_scheduler(noise_model, reference, monkeypatch):
    own, first = noise_model.scheduler, {}

    def note(sample, timestep, labels, guided):
        scheduler = noise_model.scheduler
        key = (type(scheduler).__name__, len(scheduler.timesteps))
        if len(sample) == NUM_SAMPLES and key not in first:  # the first step of a point's only batch
            scale = (scheduler.init_noise_sigma**2 + 1) ** 0.5 / scheduler.init_noise_sigma
            first[key] = sample * scale if key[0].startswith("Euler") else sample
        return torch.zeros_like(sample)

    monkeypatch.setattr(noise_model, "predict", note)
    names = ["ddpm", "ddim", "dpmsolver++", "unipc", "euler"]
    sweep = scheduler_sweep(noise_model, reference, names, [2, 4], num_samples=NUM_SAMPLES, guidance_scale=1)
    assert noise_model.scheduler is own
    assert len(sweep.rows) == len(first) == 10
    assert {row["guidance_scale"] for row in sweep.rows} == {1}
    assert [row["num_inference_steps"] for row in sweep.rows] == [2, 4] * 5
    reference_noise = first["DDIMScheduler", 2]
    for noise in first.values():
        torch.testing.assert_close(noise, reference_noise, rtol=1e-4, atol=1e-4)


def test_a_failure_leaves_the_scheduler_too(noise_model, reference, monkeypatch):
    own = noise_model.scheduler
    monkeypatch.setattr(noise_model, "predict", lambda *args: torch.full((1, 3, 8, 8), math.nan))
    with pytest.raises(SpriteError, match="NaN"):
        scheduler_sweep(noise_model, reference, ["unipc"], [2], num_samples=NUM_SAMPLES)
    assert noise_model.scheduler is own


def test_schedulers_keep_the_noise_schedule(noise_model, class_cond):
    for name in ("ddpm", "ddim", "dpmsolver++", "unipc", "euler"):
        config = build_scheduler(noise_model, name).config
        assert (config.num_train_timesteps, config.beta_schedule) == (20, "squaredcos_cap_v2")
        assert (config.prediction_type, config.timestep_spacing) == ("epsilon", "trailing")
    for name in ("dpmsolver++", "unipc", "flow-euler", "flow-heun"):
        class_cond.scheduler = build_scheduler(class_cond, name)
        images = class_cond(["food"], num_inference_steps=2, guidance_scale=1, output_type="np").images
        assert np.isfinite(images).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"schedulers": ["ddmi"]}, "'ddmi', which is unknown: choose from ddpm, ddim, dpmsolver"),
        (
            {"schedulers": ["flow-heun"]},
            "'flow-heun', but the model predicts 'epsilon', for which there are: ddpm, ddim",
        ),
        ({"steps": [2, 0]}, "--num_inference_steps has 0"),
        ({"steps": [2, 21]}, "has 21, but the model was trained with 20 timesteps"),
    ],
)
def test_scheduler_errors_are_one_line(noise_model, reference, arguments, message):
    with pytest.raises(SpriteError, match=r"\A[^\n]*\Z") as error:
        scheduler_sweep(noise_model, reference, **({"schedulers": ["ddim"], "steps": [2]} | arguments))
    assert message in str(error.value)


def test_a_flow_model_has_its_own_schedulers(class_cond):
    with pytest.raises(SpriteError, match="predicts a flow, for which there are: dpmsolver\\+\\+, unipc, flow-euler"):
        build_scheduler(class_cond, "ddim")


def test_guidance_errors_are_one_line(noise_model, unconditional, reference):
    with pytest.raises(SpriteError, match="needs a class-conditional model, and this is a SpriteDDPMPipeline"):
        guidance_sweep(unconditional, reference, [1, 2])
    with pytest.raises(SpriteError, match=r"--guidance_scale has 0\.5"):
        guidance_sweep(noise_model, reference, [0.5, 2])
    unguided = ClassCondPipeline(tiny_unet(3, 3), noise_model.scheduler)
    with pytest.raises(SpriteError, match="has 2, but the model was trained without a null class"):
        guidance_sweep(unguided, reference, [1, 2])


def made_up(kind: str) -> Sweep:
    points = [("DDIMScheduler", 5, 9.0), ("DDIMScheduler", 50, 3.0), ("UniPCMultistepScheduler", 5, 4.0)]
    rows = [
        {"guidance_scale": 1.0 + number, "num_inference_steps": steps, "scheduler": scheduler,
         "metrics": {"fd_pca20": distance, "accuracy": 0.5 + 0.1 * number, "kid": math.nan}}
        for number, (scheduler, steps, distance) in enumerate(points)
    ]  # fmt: skip
    return Sweep(rows, {"kind": kind, "floors": {"fd_pca20": 1.0, "accuracy": 0.9}})


@pytest.mark.parametrize("kind", ["guidance", "schedulers"])
def test_files(tmp_path, kind):
    figures, picture = made_up(kind).save(tmp_path / "sweeps", kind)
    assert sorted(path.name for path in picture.parent.iterdir()) == [f"{kind}.json", f"{kind}.png"]
    content = json.loads(figures.read_text())
    assert content["rows"][2] == {
        "guidance_scale": 3.0, "num_inference_steps": 5, "scheduler": "UniPCMultistepScheduler",
        "metrics": {"fd_pca20": 4.0, "accuracy": 0.7, "kid": None},
    }  # fmt: skip
    assert Sweep.from_json(figures.read_text()).rows == content["rows"]
    assert Image.open(picture).width > 1000  # two panels
    with pytest.raises(SpriteError, match="not the figures of a sweep"):
        Sweep.from_json("{}")


# ---- the script ------------------------------------------------------------------------------------------------------


@pytest.fixture
def script(in_tmp_path, monkeypatch, capsys):
    def run(*args: object) -> tuple[int, list[str]]:
        monkeypatch.setattr(sys, "argv", ["sweep.py", *map(str, args)])
        try:
            runpy.run_path(str(SCRIPT), run_name="__main__")
            code = 0
        except SystemExit as stop:
            code = stop.code
        return code, [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]

    return run


def test_script(script, in_tmp_path, noise_model, classifier, data):
    import mlflow

    noise_model.save_pretrained(in_tmp_path / "model")
    classifier.save_pretrained(in_tmp_path / "classifier")
    arguments = ["model", "--dataset", data, "--class_names", *CLASS_NAMES, "--classifier", "classifier"]
    code, errors = script(*arguments)
    assert (code, errors[0][:23]) == (2, "error: nothing to sweep")
    code, errors = script(*arguments, "--guidance_scale", 1, 2, "--schedulers", "ddim", "flow-euler")
    assert (code, len(errors)) == (2, 1)
    assert "'flow-euler', but the model predicts" in errors[0]
    assert not (in_tmp_path / "model" / "sweeps").exists()
    code, errors = script("nowhere", *arguments[1:], "--guidance_scale", 2)
    assert (code, errors) == (2, ["error: nowhere: no such folder; give the one of a trained model."])

    code, _ = script(*arguments, "--guidance_scale", 1, 2, "--schedulers", "ddim", "unipc",
                     "--num_inference_steps", 2, 3, "--num_samples", NUM_SAMPLES)  # fmt: skip
    assert code == 0
    made = {path.name: path for path in (in_tmp_path / "model" / "sweeps").iterdir()}
    assert sorted(made) == ["guidance.json", "guidance.png", "schedulers.json", "schedulers.png"]
    assert len(json.loads(made["schedulers.json"].read_text())["rows"]) == 4
    client = mlflow.MlflowClient()
    runs = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
    assert len(runs) == 1
    kept = [file.path for file in client.list_artifacts(runs[0].info.run_id, "sweeps")]
    assert kept == [f"sweeps/{name}" for name in sorted(made)]
