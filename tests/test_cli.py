"""The ``sprite-diffusers`` command."""

from __future__ import annotations

import json

import mlflow
import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard
from PIL import Image

from sprite_diffusers import hub
from sprite_diffusers.models import SpriteClassifier
from sprite_diffusers.models.clip import build_clip, save_clip

from .captioned import SIZE, save_squares
from .pipelines import pokemon


def test_sample_a_class(run, class_cond, tmp_path):
    hub.export(class_cond, tmp_path / "model")
    sheet = tmp_path / "new" / "grid.png"
    arguments = ["sample", tmp_path / "model", "--class", "food", "--num", 6, "--scale", 3, "--out", sheet]
    code, out, _ = run(*arguments, "--separate", tmp_path / "each", "--batch_size", 4)
    assert code == 0
    assert "6 sprites" in out
    first = np.asarray(Image.open(sheet))
    files = sorted((tmp_path / "each").iterdir())
    assert len(files) == 6
    assert Image.open(files[0]).size == (24, 24)
    run(*arguments, "--batch_size", 6)
    np.testing.assert_array_equal(np.asarray(Image.open(sheet)), first)  # whatever the batch size


def test_all_classes_and_unconditional(run, class_cond, unconditional, tmp_path):
    hub.export(class_cond, tmp_path / "a")
    hub.export(unconditional, tmp_path / "b")
    assert "6 sprites" in run("sample", tmp_path / "a", "--num", 2, "--out", tmp_path / "a.png")[1]
    assert "2 sprites" in run("sample", tmp_path / "b", "--num", 2, "--out", tmp_path / "b.png")[1]


def test_prompts(run, tmp_path):
    hub.export(pokemon.pipeline(), tmp_path / "text")
    arguments = ["sample", tmp_path / "text", "--prompt", "a red lizard", "a blue/green turtle", "--num", 2]
    code, out, err = run(*arguments, "--out", tmp_path / "grid.png", "--separate", tmp_path / "each", "--transparent")
    assert code == 0, err
    assert "4 sprites" in out
    files = sorted((tmp_path / "each").iterdir())
    assert [file.name for file in files] == [
        "a blue_green turtle-0002.png",
        "a blue_green turtle-0003.png",
        "a red lizard-0000.png",
        "a red lizard-0001.png",
    ]
    assert Image.open(files[0]).mode == "RGBA"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["conditional", "--class", "fod"], "Unknown class 'fod'. Did you mean 'food'?"),
        (["conditional", "--class", "9"], "Class id 9 is out of range"),
        (["unconditional", "--guidance_scale", "2"], "--guidance_scale 2.0: "),
        (["unconditional", "--class", "food"], "is an unconditional model"),
        (["conditional", "--num", "0"], "0 is not 1 or more"),
        (["conditional", "--out", "grid.jpg"], "lossless"),
        (["nowhere"], "holds no pipeline"),
        (["text"], "say by --prompt what to draw"),
        (["text", "--prompt", "a fox", "--class", "food"], "is a text-to-sprite model"),
        (["conditional", "--prompt", "a fox"], "is a class-conditional model"),
        (["unconditional", "--transparent"], "is an unconditional model"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(
    run, class_cond, unconditional, tmp_path, monkeypatch, arguments, message
):
    hub.export(class_cond, tmp_path / "conditional")
    hub.export(unconditional, tmp_path / "unconditional")
    if arguments[0] == "text":
        hub.export(pokemon.pipeline(), tmp_path / "text")
    monkeypatch.chdir(tmp_path)
    code, _out, err = run("sample", *arguments)
    assert code == 2
    assert message in err
    errors = [line for line in err.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert not list(tmp_path.glob("grid*"))


@pytest.fixture
def measurable(class_cond, in_tmp_path):
    """A model in ``model/``, 8x8 sprites of its classes in ``sprites.npz``, and a classifier of them in ``classifier/``."""
    card = hub.model_card(
        "class_cond", "m", "sprites", {}, [], repo_id="m", image_size=8, image_mode="RGBA", classes="food",
        example_class="'food'", parameters="1", training_facts="",
    )  # fmt: skip
    hub.export(class_cond, "model", card)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (600, 8, 8, 4), dtype=np.uint8)
    images[..., 3] = 255 * (images[..., 3] > 100)
    np.savez("sprites.npz", images=images, labels=np.array(["food", "human", "spell"])[np.arange(600) % 3])
    np.savez("others.npz", images=images, labels=np.array(["a", "b", "c"])[np.arange(600) % 3])
    torch.manual_seed(0)
    names = {"0": "food", "1": "human", "2": "spell"}
    SpriteClassifier(4, 8, names, (8, 16), feature_dim=16, norm_num_groups=4).save_pretrained("classifier")
    return in_tmp_path


def test_evaluate_prints_writes_and_logs(run, measurable):
    code, out, err = run("evaluate", "model", "--dataset", "sprites.npz", "--classifier", "classifier")
    assert code == 0, err
    assert "| fd_pca20 " in out
    scores = json.loads((measurable / "model" / "evaluation" / "scores.json").read_text())
    assert scores["facts"]["num_samples"] == 60
    figures = {entry.metric_type: entry.metric_value for entry in ModelCard.load("model/README.md").data.eval_results}
    assert figures["fd_feature"] == pytest.approx(scores["metrics"]["fd_feature"])
    experiment = mlflow.MlflowClient().get_experiment_by_name("Evaluation")
    (stored,) = mlflow.MlflowClient().search_runs([experiment.experiment_id])
    assert stored.data.metrics["eval/accuracy"] == pytest.approx(scores["metrics"]["accuracy"])


def test_evaluate_a_model_of_prompts(run, in_tmp_path):
    save_squares(in_tmp_path / "captioned", 240)
    tokenizer, _ = pokemon.text_encoder()
    save_clip(build_clip(tokenizer, image_size=16, block_out_channels=(8,), text_hidden_size=32, max_length=16,
                         projection_dim=6), in_tmp_path / "clip")  # fmt: skip
    card = hub.model_card(
        "pokemon_ldm", "m", "captioned", {}, [], repo_id="m", image_size=SIZE, num_train=192, num_held_out=48,
        text_encoder="train", max_length=16, stage=2,
    )  # fmt: skip
    hub.export(pokemon.pipeline(image_size=SIZE), in_tmp_path / "model", card)
    arguments = ["evaluate", "model", "--dataset", "captioned"]
    assert "train one with training/train_clip.py" in run(*arguments)[2]
    code, out, err = run(*arguments, "--clip", "clip")
    assert code == 0, err
    assert "| retrieval_r1 " in out
    assert (in_tmp_path / "model" / "evaluation" / "captions.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--num_samples", "3"], "has 3 images, but the features have 16 dimensions"),
        (["--classifier", "nowhere"], "nowhere holds no classifier"),
        (["--classifier", "model"], "holds"),
        (["--dataset", "others.npz"], "knows the classes food, human, spell, but others.npz has a, b, c"),
        (["--dataset", "nothing.npz"], "nothing.npz"),
    ],
)
def test_evaluate_refuses_in_one_line(run, measurable, arguments, message):
    before = sorted(measurable.rglob("*"))
    defaults = ["--dataset", "sprites.npz", "--classifier", "classifier"]
    code, _out, err = run("evaluate", "model", *defaults, *arguments)
    assert code == 2
    (line,) = [line for line in err.splitlines() if line.startswith("error:")]
    assert message in line
    assert sorted(measurable.rglob("*")) == before


def test_audit_writes_a_page(run, measurable):
    code, out, err = run("audit", "sprites.npz")
    assert code == 0, err
    assert "audit.html" in out
    assert (measurable / "outputs" / "audit-sprites" / "audit.html").is_file()


def test_report_of_a_store_that_is_not_there(run, in_tmp_path):
    (in_tmp_path / "mlflow.db").unlink()
    code, _out, err = run("report")
    assert code == 2
    assert "mlflow.db" in err
    assert not (in_tmp_path / "mlflow.db").exists()
    assert not (in_tmp_path / "docs").exists()


@pytest.mark.parametrize("command", ["sample", "evaluate", "audit", "report"])
def test_help_explains(run, command):
    assert command in run("--help")[1]
    code, out, _ = run(command, "--help")
    assert code == 0
    assert "examples:" in out
