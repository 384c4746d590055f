"""The protocol for models that draw by prompts."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from sprite_diffusers.data.captions import load_captioned
from sprite_diffusers.errors import SpriteError
from sprite_diffusers.evaluation import TextReference, evaluate_text, save_text_evaluation, type_colors
from sprite_diffusers.evaluation.text_to_sprite import draw_prompts
from sprite_diffusers.evaluation.type_colors import PROMPTS, TYPE_CHANNELS, foreground_color
from sprite_diffusers.models.clip import LoadedClip, build_clip
from sprite_diffusers.models.text_training import train_wordpiece

from ..captioned import COLORS, SIZE, save_squares

CHANNELS = {"fire": COLORS["red"], "grass": COLORS["green"], "water": COLORS["blue"]}


class Drawer:
    """A pipeline that draws a square of the colour, or the type, that its prompt names."""

    sprite_size = SIZE
    scheduler = SimpleNamespace()

    def __init__(self, known: dict[str, tuple[int, int, int]]):
        self.known, self.prompts, self.config = known, [], {}

    def set_progress_bar_config(self, **_options) -> None:
        pass

    def __call__(self, prompt: list[str], generator: list[torch.Generator], **_options) -> SimpleNamespace:
        self.prompts += prompt
        images = []
        for text, source in zip(prompt, generator, strict=True):
            pixels = np.full((SIZE, SIZE, 3), 255, np.uint8)
            name = next((name for name in self.known if name in text), None)
            place = int(torch.randint(0, 6, (), generator=source))
            pixels[place : place + 8, 3:11] = self.known.get(name, (128, 128, 128))
            images.append(Image.fromarray(pixels))
        return SimpleNamespace(images=images)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_squares(tmp_path_factory.mktemp("captioned"), 240)


@pytest.fixture(scope="module")
def dataset(folder):
    return load_captioned(folder)


class ColorClip(LoadedClip):
    """Features of an image are its mean colour, those of a text the colour that it names."""

    def image_features(self, pixels: torch.Tensor) -> torch.Tensor:
        dark = 1 - pixels.mean(dim=(2, 3))
        return torch.nn.functional.normalize(torch.cat([dark, dark.square()], dim=1), dim=1)

    def text_features(self, texts: list[str]) -> torch.Tensor:
        names = [next(name for name in COLORS if name in text) for text in texts]
        images = torch.ones(len(texts), 3, SIZE, SIZE)
        for image, name in zip(images, names, strict=True):
            image[:, 3:11, 3:11] = torch.tensor(COLORS[name])[:, None, None] / 255
        return self.image_features(images)


@pytest.fixture(scope="module")
def clip(dataset) -> LoadedClip:
    tokenizer = train_wordpiece(list(dataset["train"]["text"][:]), 100, 16)
    small = build_clip(tokenizer, image_size=16, block_out_channels=(8,), text_hidden_size=32, projection_dim=6)
    return ColorClip(small.model.eval(), small.tokenizer, small.preprocessing)


@pytest.fixture(scope="module")
def reference(dataset, clip) -> TextReference:
    return TextReference.from_dataset(dataset, clip)


def test_a_model_that_obeys_scores_better_than_one_that_does_not(reference, tmp_path):
    obeys = evaluate_text(Drawer(COLORS), reference, batch_size=7)
    ignores = evaluate_text(Drawer({}), reference)
    held_out = len(reference.validation_captions)
    assert obeys.facts["num_samples"] == held_out == 48
    # a caption that is as near as the right one counts as nearer, and a quarter of them name its colour
    assert obeys.metrics["retrieval_r5"] > ignores.metrics["retrieval_r5"] + 0.2
    assert obeys.floors["retrieval_r5"] == pytest.approx(obeys.metrics["retrieval_r5"], abs=0.05)
    assert obeys.metrics["fd_feature"] < ignores.metrics["fd_feature"]
    files = save_text_evaluation(obeys, reference, tmp_path)
    assert {"captions.png", "closest.png", "scores.json"} <= {file.name for file in files}
    assert json.loads((tmp_path / "scores.json").read_text())["facts"]["retrieval"]["chance_r1"] == 1 / 16


def test_a_model_that_returns_training_sprites_copies(reference):
    train = iter(np.resize(np.arange(len(reference.train_pixels)), 1000))
    copier = Drawer({})
    copier.__class__ = type("Copier", (Drawer,), {"__call__": lambda self, prompt, **_: SimpleNamespace(
        images=[Image.fromarray(reference.train_pixels[next(train)]) for _ in prompt])})  # fmt: skip
    assert evaluate_text(copier, reference).metrics["near_copies"] == 1.0


def test_the_batch_size_does_not_matter():
    prompts = ["a red square", "a blue square", "a green square"] * 3
    one, many = (draw_prompts(Drawer(COLORS), prompts, seed=3, batch_size=size, options={})[0] for size in (1, 4))
    assert np.array_equal(one, many)


@pytest.mark.parametrize(("samples", "message"), [(1000, "asks for more than the 48"), (10, "raise --num_samples")])
def test_counts_that_cannot_be_are_refused(reference, samples, message):
    with pytest.raises(SpriteError, match=message):
        evaluate_text(Drawer({}), reference, num_samples=samples)


def test_sprites_of_another_size_are_refused(reference):
    other = Drawer({})
    other.sprite_size = 32
    with pytest.raises(SpriteError, match="draws 32x32 sprites, but the reference has 15x15"):
        evaluate_text(other, reference)


def test_a_judge_that_saw_what_is_held_out_is_refused(folder, clip):
    clip = ColorClip(clip.model, clip.tokenizer, clip.preprocessing, {"data_fingerprint": "another"})
    with pytest.raises(SpriteError, match="may have seen what is held out"):
        TextReference.from_dataset(load_captioned(folder), clip)


def test_without_a_judge_it_is_said_how_to_get_one(folder, tmp_path):
    pipeline = SimpleNamespace(config=SimpleNamespace(_name_or_path=str(tmp_path)), sprite_size=SIZE)
    with pytest.raises(SpriteError, match=r"train one with training/train_clip\.py"):
        TextReference.for_pipeline(pipeline, str(folder))


def test_types_that_are_obeyed_have_their_colours():
    drawer = Drawer(CHANNELS)
    found = type_colors(drawer)
    assert found.images.shape == (50, 3, SIZE, SIZE, 3)
    assert found.shares == {"fire": 1.0, "grass": 1.0, "water": 1.0, "mean": 1.0}
    assert min(found.shifts.values()) > 0.3
    assert len(set(drawer.prompts)) == 150


def test_types_that_are_ignored_change_nothing():
    found = type_colors(Drawer({}))
    assert found.shares["mean"] == 0.0
    assert found.shifts == {name: 0.0 for name in TYPE_CHANNELS}


def test_prompts_name_no_colour():
    words = {word.strip(".,").lower() for prompt in PROMPTS for word in prompt.split()}
    assert not words & {"red", "green", "blue", "orange", "fiery", "leafy", "flame", "leaf", "sea", "water", "grass"}
    assert len(set(PROMPTS)) == 50


def test_background_is_no_foreground():
    image = np.full((4, 4, 3), 255, np.uint8)
    np.testing.assert_array_equal(foreground_color(image, (255, 255, 255)), [0.5, 0.5, 0.5])
    image[1, 1] = (255, 0, 0)
    np.testing.assert_array_equal(foreground_color(image, (255, 255, 255)), [1, 0, 0])
