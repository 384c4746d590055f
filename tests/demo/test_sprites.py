"""What the page draws."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sprite_diffusers.demo.models import Model
from sprite_diffusers.demo.sprites import EVERY_CLASS, Request, animate, draw
from sprite_diffusers.errors import SpriteError
from sprite_diffusers.pixels import load_palette

FOOD = Request("food", count=3, seed=5)


def test_a_seed_gives_the_same_sprite_whatever_is_drawn_beside_it(model):
    three = draw(model, FOOD)
    assert three.seeds == (5, 6, 7)
    assert three.titles == ("food",) * 3
    assert {image.shape for image in three.images} == {(8, 8, 4)}
    many = draw(model, replace(FOOD, seed=3, count=20))  # more than are drawn at a time
    np.testing.assert_array_equal(np.stack(many.images[2:5]), np.stack(three.images))
    alone = draw(model, replace(FOOD, seed=7, count=1))
    np.testing.assert_array_equal(alone.images[0], three.images[2])
    assert (three.images[0] != three.images[1]).any()


def test_classes_by_turns_belong_to_the_seeds(model):
    by_turns = draw(model, Request(EVERY_CLASS, count=4, seed=1))
    assert by_turns.titles == ("food", "spell", "human", "food")
    np.testing.assert_array_equal(by_turns.images[0], draw(model, Request("food", count=1, seed=1)).images[0])


def test_models_without_classes_are_told_a_number(unconditional):
    sprites = draw(Model("plain", unconditional), Request(None, count=2))
    assert sprites.titles == ("sprite", "sprite")
    assert sprites.images[0].shape == (8, 8, 3)


@pytest.mark.parametrize("guidance", [0.0, 1.0])
def test_only_colours_of_the_palette(model, guidance):
    palette = load_palette("gameboy")
    drawn = draw(model, replace(FOOD, palette=tuple(palette.hex), palette_guidance=guidance))
    for image in drawn.images:
        assert {tuple(color) for color in image[image[..., 3] > 0][:, :3].tolist()} <= set(palette.colors)


def test_variations_stay_near_the_picture_the_less_changes(model):
    source = draw(model, Request("spell", count=1, seed=1)).images[0]
    request = replace(FOOD, image=source)
    little, much = (
        np.stack(draw(model, replace(request, strength=strength)).images).astype(int) for strength in (0.25, 1.0)
    )
    assert np.abs(little - source).mean() < np.abs(much - source).mean()
    np.testing.assert_array_equal(much, np.stack(draw(model, FOOD).images))


def test_only_what_is_painted_is_drawn_anew(model):
    source = draw(model, Request("spell", count=1, seed=1)).images[0]
    mask = np.zeros((8, 8), bool)
    mask[2:5, 1:4] = True
    for image in draw(model, replace(FOOD, image=source, mask=mask, strength=1.0)).images:
        np.testing.assert_array_equal(image[~mask], source[~mask])
        assert (image[mask] != source[mask]).any()


def test_animations_end_with_the_sprites(model):
    animations = animate(model, FOOD, 3)
    assert [len(animation) for animation in animations] == [3, 3, 3]
    last = np.stack([animation[-1] for animation in animations])
    np.testing.assert_array_equal(last, np.stack(draw(model, FOOD).images))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"count": 0}, "sprites: 0 is not possible; allowed is a whole number of 1 to 64"),
        ({"count": 65}, "allowed is a whole number of 1 to 64"),
        ({"count": None}, "sprites: None"),
        ({"count": 2.5}, "sprites: 2.5"),
        ({"seed": -1}, "the seed: -1"),
        ({"seed": 2**31}, "the seed"),
        ({"seed": None}, "the seed: None"),
        ({"steps": 0}, "steps: 0"),
        ({"steps": 10**6}, "steps: 1000000"),
        ({"guidance": float("nan")}, "guidance: nan"),
        ({"palette_guidance": 2}, "palette guidance: 2"),
        ({"num_colors": 1}, "1"),
        ({"what": "sword"}, "'sword' is no class of tiny; allowed are human, food, spell"),
        ({"what": None}, "'' is no class"),
        ({"image": np.zeros((8, 8, 4), np.uint8), "mask": np.zeros((8, 8), bool)}, "nothing is painted"),
        ({"image": np.zeros((8, 8, 4), np.uint8), "strength": 0}, "nothing changes at 0"),
        ({"image": np.zeros((8, 8, 4), np.uint8), "strength": 1.5}, "how much changes: 1.5"),
        ({"image": np.zeros((4, 4, 4), np.uint8)}, "4x4"),
    ],
)
def test_what_cannot_be_drawn_is_said_in_one_line(model, change, said):
    with pytest.raises(SpriteError) as error:
        draw(model, replace(FOOD, **change))
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_what_a_model_lacks(class_cond, model, monkeypatch):
    monkeypatch.setattr(Model, "takes", lambda self, argument: argument in ("class_labels", "guidance_scale"))
    picture = np.zeros((8, 8, 4), np.uint8)
    with pytest.raises(SpriteError, match="tiny cannot draw variations"):
        draw(model, replace(FOOD, image=picture))
    with pytest.raises(SpriteError, match="tiny cannot redraw a part"):
        draw(model, replace(FOOD, image=picture, mask=np.ones((8, 8), bool)))
    monkeypatch.setattr(Model, "steps", None)
    with pytest.raises(SpriteError, match="tiny draws in one pass"):
        animate(model, FOOD, 3)
