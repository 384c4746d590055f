"""Palettes, pictures and paint from the page."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from sprite_diffusers.demo.editing import (
    ANY_COLORS,
    OWN_COLORS,
    OWN_FILE,
    choose_palette,
    on_canvas,
    painted_mask,
    read_picture,
)
from sprite_diffusers.errors import SpriteError


def test_palettes(tmp_path):
    assert choose_palette(ANY_COLORS) is None
    assert choose_palette(None) is None
    assert len(choose_palette("pico-8")) == 16
    assert choose_palette(OWN_COLORS, "#ff0000, 00ff00;\n #0000FF").hex == ["#ff0000", "#00ff00", "#0000ff"]
    file = tmp_path / "mine.hex"
    file.write_text("ff0000\n00ff00\n")
    assert choose_palette(OWN_FILE, None, str(file)).hex == ["#ff0000", "#00ff00"]


@pytest.mark.parametrize(
    ("name", "typed", "content", "said"),
    [
        (OWN_COLORS, "", None, "0 different colours"),
        (OWN_COLORS, "#ff0000 #ff0000", None, "1 colour"),
        (OWN_COLORS, "#ff0000 blue", None, "blue"),
        (OWN_COLORS, " ".join(f"#{i:06x}" for i in range(300)), None, "300 different colours"),
        (OWN_FILE, None, None, "no palette file is uploaded"),
        (OWN_FILE, None, "ff0000\nnonsense\n", "line 2"),
        (OWN_FILE, None, "", "no colours"),
    ],
)
def test_palettes_that_are_none(tmp_path, name, typed, content, said):
    upload = None
    if content is not None:
        upload = tmp_path / "mine.hex"
        upload.write_text(content)
    with pytest.raises(SpriteError) as error:
        choose_palette(name, typed, upload and str(upload))
    assert said in str(error.value)
    assert "\n" not in str(error.value)
    assert str(tmp_path) not in str(error.value)


@pytest.mark.parametrize("field", ["name", "typed"])
def test_a_path_in_place_of_a_palette_is_not_read(tmp_path, field):
    secret = tmp_path / "secret.hex"
    secret.write_text("c0ffee\n00ff00\n")
    arguments = (str(secret),) if field == "name" else (OWN_COLORS, str(secret))
    with pytest.raises(SpriteError) as error:
        choose_palette(*arguments)
    assert "c0ffee" not in str(error.value)


def test_pictures_become_sprites_of_the_models_size(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 4), np.uint8)
    pixels[..., 3] = np.where(pixels[..., 3] > 100, 255, 0)
    pixels[pixels[..., 3] == 0] = 0
    Image.fromarray(pixels).save(tmp_path / "own.png")
    np.testing.assert_array_equal(read_picture(str(tmp_path / "own.png"), 8), pixels)
    Image.fromarray(pixels.repeat(6, axis=0).repeat(6, axis=1)).save(tmp_path / "enlarged.png")
    np.testing.assert_array_equal(read_picture(str(tmp_path / "enlarged.png"), 8), pixels)
    Image.fromarray(pixels[..., :3]).save(tmp_path / "opaque.png")
    np.testing.assert_array_equal(read_picture(str(tmp_path / "opaque.png"), 8), pixels[..., :3])
    assert read_picture(str(tmp_path / "own.png"), 16).shape == (16, 16, 4)


def test_pictures_that_are_none(tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(SpriteError, match=r"^text\.png cannot be read as a picture"):
        read_picture(str(tmp_path / "text.png"), 8)
    Image.new("1", (5000, 2)).save(tmp_path / "wide.png")
    with pytest.raises(SpriteError, match=r"^wide\.png is 5000x2; allowed is 4096"):
        read_picture(str(tmp_path / "wide.png"), 8)


def test_paint_over_the_canvas_is_a_mask_of_pixels():
    sprite = np.zeros((16, 16, 4), np.uint8)
    canvas = on_canvas(sprite)
    assert canvas.size == (512, 512)
    layer = Image.new("RGBA", canvas.size)
    drawing = ImageDraw.Draw(layer)
    drawing.rectangle((64, 32, 127, 63), fill=(255, 0, 200, 255))  # two pixels from left to right
    drawing.rectangle((320, 320, 322, 322), fill=(255, 0, 200, 255))  # a speck
    mask = painted_mask([layer, Image.new("RGBA", (40, 40))], (16, 16))
    assert np.argwhere(mask).tolist() == [[1, 2], [1, 3]]
    assert not painted_mask([], (16, 16)).any()
