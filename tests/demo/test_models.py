"""The models of a demo."""

from __future__ import annotations

import shutil

import pytest
import torch
from PIL import Image

from sprite_diffusers.demo import models
from sprite_diffusers.demo.models import Model, Shelf
from sprite_diffusers.demo.sprites import Request, draw
from sprite_diffusers.errors import SpriteError
from sprite_diffusers.trainers.rl.lora import add_lora, lora_weights, save_lora

from ..pipelines import pokemon


@pytest.fixture
def lora(class_cond, folder, tmp_path):
    """A LoRA of `folder` that changes what is drawn."""
    config = add_lora(class_cond, 2, 2, 0.0, None, seed=0)
    for parameter in class_cond.unet.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.5)
    assert lora_weights(class_cond.unet)
    (tmp_path / "tuned").mkdir()
    save_lora(class_cond, config, tmp_path / "tuned")
    return tmp_path / "tuned"


def test_what_models_say_of_themselves(model, unconditional):
    assert (model.draws, model.classes, model.size, model.steps) == ("class", ["human", "food", "spell"], 8, 4)
    assert model.guidance == 1.0
    assert model.guides_to_palettes
    assert model.summary.startswith("8x8 RGBA, by class, in 4 steps")
    plain = Model("plain", unconditional)
    assert (plain.draws, plain.classes, plain.guidance) == ("number", [], None)
    text = Model("text", pokemon.pipeline())
    assert text.draws == "prompt"
    assert text.takes("transparent")
    assert not text.guides_to_palettes


def test_several_folders_of_one_name(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "other" / "tiny")
    shelf = Shelf([folder, tmp_path / "other" / "tiny"])
    assert shelf.names == ["tiny", "tiny (2)"]
    assert shelf.open("tiny (2)").name == "tiny (2)"
    assert shelf.open("tiny") is shelf.open("tiny")
    assert shelf.pair() == ("tiny", "tiny (2)")


def test_a_lora_stands_after_its_base(folder, lora):
    shelf = Shelf([folder, lora], "cpu")
    assert shelf.names == ["tiny", "tuned (LoRA on tiny)"]
    assert shelf.pair() == ("tiny", "tuned (LoRA on tiny)")
    before, after = (draw(shelf.open(name), Request("food", count=2)) for name in shelf.names)
    assert before.seeds == after.seeds
    assert (before.images[0] != after.images[0]).any()
    with pytest.raises(SpriteError, match="name that one before it"):
        Shelf([lora, folder])


def test_what_is_no_model(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(SpriteError, match="empty holds neither a pipeline"):
        Shelf([tmp_path / "empty"])
    with pytest.raises(SpriteError, match="no/such-model is no model"):
        Shelf(["no/such-model"])
    shelf = Shelf([folder])
    with pytest.raises(SpriteError, match=r"there is no model '/etc': choose one of tiny"):
        shelf.open("/etc")
    with pytest.raises(SpriteError, match="no model is chosen: train one first"):
        Shelf().open(None)
    assert Shelf().pair() == (None, None)


def test_few_models_stay_in_memory(folder, monkeypatch):
    monkeypatch.setattr(models, "LOADED_AT_ONCE", 1)
    shelf = Shelf([folder])
    first = shelf.open("tiny")
    assert shelf.add(folder, "trained") == "trained"
    shelf.open("trained")
    assert shelf.open("tiny") is not first


def test_previews_of_a_training(folder):
    shelf = Shelf([folder])
    assert shelf.previews("tiny") == []
    (folder / "previews").mkdir()
    for name in ("previews/step-000200.png", "previews/step-000100.png", "samples.png"):
        Image.new("RGB", (4, 4), "red").save(folder / name)
    (folder / "previews" / "step-000300.png").write_bytes(b"half written")
    assert [caption for _, caption in shelf.previews("tiny")] == ["step 000100", "step 000200", "samples"]
