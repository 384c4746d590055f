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
from sprite_diffusers.models.gan import DCGANGenerator
from sprite_diffusers.pipelines import SpriteGANPipeline

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


def test_each_sprite_is_drawn_again_by_its_seed(run, class_cond, tmp_path):
    hub.export(class_cond, tmp_path / "model")
    arguments = ["sample", tmp_path / "model", "--scale", 1, "--out"]
    _, out, _ = run(*arguments, tmp_path / "all.png", "--num", 2, "--seed", 40, "--separate", tmp_path / "each")
    assert "seeds 40 to 45" in out
    assert "--class spell --num 1 --seed 45" in out
    with Image.open(tmp_path / "all.png") as sheet:
        sprites = json.loads(sheet.text["sprites"])
    assert [sprite["seed"] for sprite in sprites] == list(range(40, 46))
    assert [sprite["class"] for sprite in sprites] == ["human", "human", "food", "food", "spell", "spell"]
    for sprite in sprites:
        again = [*arguments, tmp_path / "one.png", "--class", sprite["class"], "--num", 1, "--seed", sprite["seed"]]
        run(*again, "--separate", tmp_path / "again")
        name = f"{sprite['class']}-{sprite['seed']:04d}.png"
        with Image.open(tmp_path / "each" / name) as first, Image.open(tmp_path / "again" / name) as second:
            np.testing.assert_array_equal(np.asarray(first), np.asarray(second))
            assert json.loads(first.text["sprites"]) == [sprite]


def test_variations_and_inpainting(run, class_cond, tmp_path):
    hub.export(class_cond, tmp_path / "model")
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 4), np.uint8)
    pixels[..., 3] = 255
    Image.fromarray(pixels).save(tmp_path / "sprite.png")
    mask = np.zeros((8, 8), np.uint8)
    mask[4:] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    arguments = [
        "sample",
        tmp_path / "model",
        "--class",
        "food",
        "--num",
        3,
        "--scale",
        1,
        "--out",
        tmp_path / "a.png",
    ]
    each = tmp_path / "each"
    code, _, err = run(
        *arguments, "--image", tmp_path / "sprite.png", "--mask", tmp_path / "mask.png", "--separate", each
    )
    assert code == 0, err
    drawn = np.stack([np.asarray(Image.open(file)) for file in sorted(each.iterdir())])
    np.testing.assert_array_equal(drawn[:, :4], pixels[None, :4].repeat(3, 0))
    assert (drawn[0, 4:] != drawn[1, 4:]).any()
    code, _, err = run(*arguments, "--image", tmp_path / "sprite.png", "--strength", 0.3, "--separate", each)
    assert code == 0, err
    variations = np.stack([np.asarray(Image.open(file)) for file in sorted(each.iterdir())])
    assert (variations != drawn).any()
    code, out, _ = run(*arguments, "--palette", "gameboy", "--palette_guidance", 1, "--separate", each)
    assert code == 0, out
    colors = {tuple(color) for file in each.iterdir() for color in np.asarray(Image.open(file)).reshape(-1, 4)}
    assert len({color[:3] for color in colors if color[3]}) <= 4


def test_interpolation_between_sprites(run, class_cond, unconditional, tmp_path):
    hub.export(class_cond, tmp_path / "a")
    hub.export(unconditional, tmp_path / "b")
    options = ["--interpolate", 4, "--scale", 1, "--out", tmp_path / "grid.png"]
    code, out, err = run("sample", tmp_path / "a", "--class", "food", "spell", "human", "--num", 1, *options)
    assert code == 0, err
    assert "9 sprites" in out
    with Image.open(tmp_path / "grid.png") as sheet:
        assert sheet.size == (5 * 9 + 1, 2 * 9 + 1)  # two pairs, both ends in each row
        grid = np.asarray(sheet)
    cells = [[grid[9 * y + 1 : 9 * y + 9, 9 * x + 1 : 9 * x + 9] for x in range(5)] for y in range(2)]
    np.testing.assert_array_equal(cells[0][-1], cells[1][0])
    code, out, err = run("sample", tmp_path / "b", "--num", 2, *options, "--separate", tmp_path / "steps")
    assert code == 0, err
    assert [file.name for file in sorted((tmp_path / "steps").iterdir())] == [f"{step:04d}.png" for step in range(5)]
    code, _, err = run("sample", tmp_path / "a", "--class", "food", "--num", 1, *options)
    assert code == 2
    assert "2 or more sprites" in err


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
        (["conditional", "--mask", "mask.png"], "--mask mask.png: belongs to --image"),
        (["conditional", "--strength", "0.5"], "--strength 0.5: belongs to --image"),
        (["conditional", "--palette_guidance", "1"], "--palette_guidance 1.0: belongs to --palette"),
        (["conditional", "--image", "nothing.png"], "--image nothing.png: cannot be read as a picture"),
        (["conditional", "--image", "large.png"], "`image` is 32x16 pixels, but this model draws 8x8"),
        (
            ["conditional", "--image", "small.png", "--mask", "large.png"],
            "`mask_image` is 32x16 pixels, but must be 8x8",
        ),
        (["conditional", "--image", "small.png", "--strength", "2"], "`strength` is 2.0"),
        (["gan", "--image", "small.png"], "--image small.png: a SpriteGANPipeline cannot do that"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(
    run, class_cond, unconditional, tmp_path, monkeypatch, arguments, message
):
    hub.export(class_cond, tmp_path / "conditional")
    hub.export(unconditional, tmp_path / "unconditional")
    if arguments[0] == "text":
        hub.export(pokemon.pipeline(), tmp_path / "text")
    if arguments[0] == "gan":
        hub.export(SpriteGANPipeline(DCGANGenerator(4, 3, 8, (8, 8))), tmp_path / "gan")
    Image.new("RGB", (8, 8)).save(tmp_path / "small.png")
    Image.new("RGB", (32, 16)).save(tmp_path / "large.png")
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
