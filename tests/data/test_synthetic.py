"""Is the embedded data set what it says: seeded, palette-true, varied, and captioned with what is really drawn?"""

import re
from collections import Counter

import numpy as np
import pytest

from sprite_diffusers.data.synthetic import CLASS_NAMES, PALETTES, SIZES, draw_sprite, generate
from sprite_diffusers.data.synthetic.palettes import color_word, palette_info, parse_hex
from sprite_diffusers.errors import SpriteError

COLOR_WORDS = {"red", "orange", "yellow", "green", "teal", "blue", "purple", "pink", "brown", "grey", "white", "tan"}


@pytest.fixture(scope="module", params=SIZES)
def batch(request):
    """300 sprites of every class at one size."""
    return generate(1500, size=request.param, seed=7)


@pytest.fixture(scope="module")
def many():
    """5,000 sprites at 16 x 16."""
    return generate(5000, seed=1)


def _colors(pixels):
    return {tuple(color) for color in pixels[pixels[..., 3] > 0][:, :3].tolist()}


def test_classes_and_shapes(batch):
    size = batch["pixels"].shape[1]
    assert CLASS_NAMES == ("human", "non-human", "food", "spell", "side-facing")
    assert batch["pixels"].shape == (1500, size, size, 4)
    assert batch["pixels"].dtype == np.uint8
    assert batch["label"].dtype == np.int64
    assert batch["label"].tolist() == [index % 5 for index in range(1500)]
    assert {len(column) for column in batch.values()} == {1500}


@pytest.mark.parametrize("size", SIZES)
def test_a_sprite_does_not_depend_on_its_batch(size):
    whole = generate(40, size=size, seed=3, start=10)
    part = generate(10, size=size, seed=3, start=25)
    np.testing.assert_array_equal(whole["pixels"][15:25], part["pixels"])
    for index in (10, 31, 49):
        alone = draw_sprite(index, size=size, seed=3)
        np.testing.assert_array_equal(alone.pixels, whole["pixels"][index - 10])
        assert (alone.text, alone.palette, alone.label) == (
            whole["text"][index - 10],
            whole["palette"][index - 10],
            whole["label"][index - 10],
        )


def test_other_seeds_give_other_sprites():
    first, second = generate(50, seed=0)["pixels"], generate(50, seed=1)["pixels"]
    assert (first != second).any(axis=(1, 2, 3)).all()


def test_asked_classes_come_in_turn():
    assert generate(5, labels=[3, 1])["label"].tolist() == [3, 1, 3, 1, 3]
    assert generate(2, labels=[3, 1], start=1)["label"].tolist() == [1, 3]
    sprite = draw_sprite(0, label=4)
    assert sprite.label == 4
    assert "facing" in sprite.text
    np.testing.assert_array_equal(draw_sprite(4).pixels, draw_sprite(4, label=4).pixels)


def test_alpha_is_binary_and_transparent_pixels_are_zero(batch):
    alpha = batch["pixels"][..., 3]
    assert set(np.unique(alpha).tolist()) == {0, 255}
    assert not batch["pixels"][alpha == 0].any()


def test_colours_are_few_and_from_the_palette(batch):
    for pixels, name in zip(batch["pixels"], batch["palette"], strict=True):
        used = _colors(pixels)
        assert 4 <= len(used) <= 16
        assert used <= {parse_hex(code) for code in PALETTES[name]}
    assert set(batch["palette"]) == set(PALETTES)


def test_ramps_and_outlines_are_palette_colours():
    for name, codes in PALETTES.items():
        known, info = {parse_hex(code) for code in codes}, palette_info(name)
        ramps = [ramp for group in (*info.ramps.values(), info.skins) for ramp in group]
        assert known >= {tone for ramp in ramps for tone in (ramp.dark, ramp.base, ramp.light)}
        assert known >= {info.white, *info.outlines}
        assert {"red", "orange", "yellow", "green", "blue", "grey", "white"} <= set(info.ramps)


def test_captions_say_what_the_pixels_show(batch):
    for row, text in enumerate(batch["text"]):
        colors = set(batch["colors"][row])
        assert text == text.lower()
        assert batch["kind"][row].rstrip("s") in text
        assert batch["parts"][row][0] == batch["kind"][row]
        assert set(re.findall(r"[a-z]+", text)) & COLOR_WORDS <= colors, text
        assert colors <= {color_word(color) for color in _colors(batch["pixels"][row])}, text
        assert len(text.split()) <= 20


def test_side_views_name_their_facing_and_nobody_else_does(batch):
    for text, parts, label in zip(batch["text"], batch["parts"], batch["label"], strict=True):
        facings = [part for part in parts if part.startswith("facing ")]
        assert len(facings) == (1 if CLASS_NAMES[label] == "side-facing" else 0)
        assert all(text.endswith(facing) for facing in facings)


def test_sprites_are_centred_and_fill_the_canvas(batch):
    size = batch["pixels"].shape[1]
    solid = batch["pixels"][..., 3] > 0
    for mask in solid:
        for axis in (0, 1):
            inked = mask.any(axis=axis).nonzero()[0]
            assert abs((size - 1 - inked[-1]) - inked[0]) <= 1
    assert 0.3 < solid.mean() < 0.7


def test_hardly_a_sprite_comes_twice(many):
    seen = {pixels.tobytes() for pixels in many["pixels"]}
    assert len(seen) > 0.98 * len(many["pixels"])


def test_classes_vary_in_shape_and_kind(many):
    for label in range(len(CLASS_NAMES)):
        rows = np.flatnonzero(many["label"] == label)
        shapes = {(many["pixels"][row][..., 3] > 0).tobytes() for row in rows}
        kinds = Counter(many["kind"][row] for row in rows)
        assert len(shapes) > 300
        assert len(kinds) >= 15
        assert max(kinds.values()) < 0.25 * len(rows)


def test_32_is_drawn_and_not_enlarged():
    large = generate(100, size=32)["pixels"]
    blocks = large.reshape(100, 16, 2, 16, 2, 4)
    enlarged = (blocks == blocks[:, :, :1, :, :1]).all(axis=(1, 2, 3, 4, 5))
    assert not enlarged.any()


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: generate(1, size=24), "size=24"),
        (lambda: draw_sprite(0, size=8), "size=8"),
        (lambda: generate(-1), "num=-1"),
        (lambda: generate(1, start=-2), "start=-2"),
        (lambda: draw_sprite(-3), "index=-3"),
        (lambda: draw_sprite(0, label=5), "label=5"),
        (lambda: generate(1, labels=[0, 9]), "label=9"),
        (lambda: generate(1, labels=[]), r"labels=\[\]"),
    ],
)
def test_bad_input_is_named(call, named):
    with pytest.raises(SpriteError, match=named) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_nothing_asked_gives_empty_columns():
    empty = generate(0)
    assert empty["pixels"].shape == (0, 16, 16, 4)
    assert empty["text"] == []
