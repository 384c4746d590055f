"""Nearest colours, palettes of pictures, dithering."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sprite_diffusers.errors import SpriteError
from sprite_diffusers.pipelines import sprite_palette
from sprite_diffusers.pixels import extract_palette, load_palette, quantize

from .sprites import noise, visible_colors


def test_oklab_has_the_published_values():
    """Ottosson's table of sRGB corners and its inverse."""
    corners = torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    expected = torch.tensor(
        [[1.0, 0.0, 0.0], [0.62796, 0.22486, 0.12585], [0.86644, -0.23389, 0.17950], [0.45201, -0.03246, -0.31153]]
    )
    torch.testing.assert_close(sprite_palette.srgb_to_oklab(corners), expected, atol=1e-4, rtol=0)
    colors = torch.rand(100, 3, generator=torch.Generator().manual_seed(0))
    again = sprite_palette.oklab_to_srgb(sprite_palette.srgb_to_oklab(colors))
    torch.testing.assert_close(again, colors, atol=1e-5, rtol=0)


def test_nearest_is_what_looks_nearest_and_not_what_counts_nearest():
    """In RGB the dark blue is nearer to black (100 levels) than to the blue (155); to the eye it is a blue."""
    pixels = np.array([[[0, 0, 100]]], np.uint8)
    assert quantize(pixels, ["#000000", "#0000ff"])[0, 0].tolist() == [0, 0, 255]


@pytest.mark.parametrize("name", ["gameboy", "pico-8", "nes"])
def test_only_palette_colours_and_binary_alpha(name):
    pixels = noise(6, 9, 7)
    pixels[..., 3] = np.random.default_rng(1).integers(0, 256, pixels.shape[:-1])
    result = quantize(pixels, name)
    assert result.shape == pixels.shape
    assert visible_colors(result) <= set(load_palette(name).colors)
    np.testing.assert_array_equal(result[..., 3], np.where(pixels[..., 3] >= 128, 255, 0))
    assert not result[result[..., 3] == 0].any()


def test_palette_colours_stay_themselves_also_dithered():
    palette = load_palette("db32")
    pixels = palette.array[np.random.default_rng(0).integers(0, 32, (8, 8))]
    np.testing.assert_array_equal(quantize(pixels, palette), pixels)
    np.testing.assert_array_equal(quantize(pixels, palette, dither=True), pixels)


def test_dithering_mixes_two_colours_in_their_shares():
    """A grey half way (in Oklab) from black to white is a checkerboard of them."""
    lab = sprite_palette.srgb_to_oklab(torch.tensor([[0.0] * 3, [1.0] * 3])).mean(dim=0)
    grey = (sprite_palette.oklab_to_srgb(lab) * 255).round().byte().numpy()
    result = quantize(np.tile(grey, (8, 8, 1)), "black-and-white", dither=True)
    assert result.mean() == 127.5
    assert (result[0, ::2] == result[0, 0]).all()
    assert not quantize(np.tile(grey // 2, (8, 8, 1)), "black-and-white").any()


class TestExtraction:
    def test_few_colours_are_kept_exactly_from_dark_to_light(self):
        palette = load_palette("sweetie-16")
        pixels = np.concatenate([palette.array, palette.array])[None]
        found = extract_palette(pixels, 16)
        assert set(found.colors) == set(palette.colors)
        lightness = sprite_palette.srgb_to_oklab(found.tensor)[:, 0]
        assert (lightness.diff() >= 0).all()

    def test_clusters_are_found(self):
        centres = np.array([[40, 40, 40], [200, 60, 60], [60, 180, 90], [230, 230, 120]])
        spread = np.random.default_rng(0).integers(-6, 7, (4, 400, 3))
        found = extract_palette((centres[:, None] + spread).astype(np.uint8), 4)
        distances = np.abs(found.array[:, None].astype(int) - centres[None]).max(axis=-1)
        assert (distances.min(axis=0) <= 2).all()

    def test_the_same_picture_has_the_same_palette(self):
        pixels = noise(3, 16, 16, seed=3)
        assert extract_palette(pixels, 7) == extract_palette(pixels[::-1].copy(), 7)

    def test_many_colours_are_gathered_first(self):
        pixels = noise(200, 200, seed=4, alpha=False)
        assert len(extract_palette(pixels, 12)) == 12

    def test_transparent_pixels_do_not_count(self):
        pixels = noise(4, 4)
        pixels[..., 3] = 0
        pixels[0, :2] = [(1, 2, 3, 255), (4, 5, 6, 255)]
        assert extract_palette(pixels, 8).colors == ((1, 2, 3), (4, 5, 6))

    def test_a_picture_has_no_more_colours_than_asked_for_whatever_is_beside_it(self):
        pixels = noise(4, 12, 12, seed=5)
        result = quantize(pixels, num_colors=5)
        assert [len(visible_colors(image)) for image in result] == [5] * 4
        np.testing.assert_array_equal(quantize(pixels[2], num_colors=5), result[2])
        of_palette = quantize(pixels, "db32", num_colors=5)
        assert all(len(visible_colors(image)) <= 5 for image in of_palette)
        assert visible_colors(of_palette) <= set(load_palette("db32").colors)

    def test_an_empty_picture_stays_empty(self):
        assert not quantize(np.zeros((2, 4, 4, 4), np.uint8), num_colors=4).any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "needs a palette or num_colors"),
        ({"num_colors": 1}, "`num_colors` is 1, but must be 2 to 256"),
        ({"num_colors": 257}, "257"),
        ({"palette": ["#000000"]}, "1 colour"),
        ({"num_colors": 4, "dither": True}, "give palette"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(SpriteError, match=message):
        quantize(noise(4, 4), **arguments)


@pytest.mark.parametrize("pixels", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), [[1]]])
def test_other_pixels(pixels):
    with pytest.raises(SpriteError, match="must be a uint8 array"):
        quantize(pixels, "pico-8")
