"""Palette swaps, alpha without fringe, stray pixels, outlines."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sprite_diffusers.errors import SpriteError
from sprite_diffusers.pipelines.sprite_palette import srgb_to_oklab
from sprite_diffusers.pixels import (
    binary_alpha,
    find_ramps,
    load_palette,
    outline,
    remove_orphans,
    swap_palette,
)

from .sprites import PICTURE, drawn, noise, visible_colors

REDS = [PICTURE[letter][:3] for letter in "drl"]
BLUES = [(20, 30, 90), (50, 80, 180), (140, 180, 250)]


def lightness(colors) -> np.ndarray:
    return srgb_to_oklab(torch.tensor(np.array(colors, np.float32)) / 255)[..., 0].numpy()


class TestSwap:
    def test_a_ramp_takes_another_from_dark_to_light(self):
        sprite = drawn(".kk.", "kdrk", "krlk", ".gg.")
        swapped = swap_palette(sprite, BLUES[::-1], source=REDS)
        expected = sprite.copy()
        for old, new in zip(REDS, BLUES, strict=True):
            expected[(sprite[..., :3] == old).all(-1) & (sprite[..., 3] > 0), :3] = new
        np.testing.assert_array_equal(swapped, expected)

    @pytest.mark.parametrize("target", ["gameboy", "pico-8", "c64"])
    def test_within_a_ramp_what_was_lighter_is_no_darker(self, target):
        source = load_palette("endesga-32").array
        mapped = swap_palette(source[None], target)[0]
        assert visible_colors(mapped) <= set(load_palette(target).colors)
        for ramp in find_ramps(source):
            assert (np.diff(lightness(source[ramp])) >= 0).all()
            assert (np.diff(lightness(mapped[ramp])) >= -1e-6).all()

    def test_ramps_are_hues_and_greys(self):
        greens = [(10, 60, 20), (80, 190, 100)]
        greys = [(0, 0, 0), (128, 128, 128), (255, 255, 255)]
        colors = np.array([*greens, *REDS, *greys], np.uint8)
        ramps = {tuple(ramp.tolist()) for ramp in find_ramps(colors)}
        assert ramps == {(0, 1), (2, 3, 4), (5, 6, 7)}

    def test_nothing_to_swap(self):
        empty = np.zeros((3, 3, 4), np.uint8)
        np.testing.assert_array_equal(swap_palette(empty, "pico-8"), empty)
        sprite = drawn("rg")
        np.testing.assert_array_equal(swap_palette(sprite, "pico-8", source=BLUES), sprite)


class TestAlpha:
    def test_soft_edges_take_the_colour_of_the_sprite(self):
        """A white fringe round a red square with a dark corner: none of the pixels that stay is pale."""
        sprite = drawn("......", ".drrr.", ".rrrr.", ".rrrr.", "......")
        sprite[0, :] = sprite[:, 0] = (240, 200, 200, 150)
        sprite[0, 5] = (240, 200, 200, 100)
        result = binary_alpha(sprite)
        assert set(np.unique(result[..., 3])) == {0, 255}
        assert visible_colors(result) <= {PICTURE["r"][:3], PICTURE["d"][:3]}
        assert result[0, 5].tolist() == [0, 0, 0, 0]
        assert result[2, 0].tolist() == list(PICTURE["r"])
        np.testing.assert_array_equal(result[1:4, 1:5], sprite[1:4, 1:5])

    def test_a_known_matte_is_taken_out(self):
        color, matte, alpha = np.array([200, 40, 60]), np.array([255, 255, 255]), 200
        mixed = np.round(color * alpha / 255 + matte * (1 - alpha / 255))
        pixel = np.array([[[*mixed, alpha]]]).astype(np.uint8)  # by itself: no neighbour to take a colour of
        assert np.abs(binary_alpha(pixel, matte="#ffffff")[0, 0, :3].astype(int) - color).max() <= 1
        assert binary_alpha(pixel)[0, 0].tolist() == [*mixed, 255]

    def test_binary_pixels_stay(self):
        sprites = noise(3, 8, 8)
        sprites[sprites[..., 3] == 0] = 0
        np.testing.assert_array_equal(binary_alpha(sprites), sprites)

    def test_bad_arguments(self):
        with pytest.raises(SpriteError, match="threshold of alpha is 0"):
            binary_alpha(noise(2, 2), threshold=0)
        with pytest.raises(SpriteError, match="`matte` has the colour 'white'"):
            binary_alpha(noise(2, 2), matte="white")
        with pytest.raises(SpriteError, match="RGBA"):
            binary_alpha(noise(2, 2, alpha=False))


class TestCleanup:
    def test_orphans_take_the_commonest_colour_round_them(self):
        sprite = drawn("rrrr", "rdrr", "rrrr", "rrrr")
        assert visible_colors(remove_orphans(sprite)) == {PICTURE["r"][:3]}

    def test_stray_pixels_in_the_air_go_and_lines_stay(self):
        sprite = drawn("r....", "....k", "...k.", "..k..", ".....")
        result = remove_orphans(sprite)
        np.testing.assert_array_equal(result, drawn(".....", "....k", "...k.", "..k..", "....."))

    def test_eyes_stay_unless_all_are_asked_for(self):
        sprite = drawn("llll", "lkll", "llll")
        np.testing.assert_array_equal(remove_orphans(sprite), sprite)
        assert visible_colors(remove_orphans(sprite, max_difference=None)) == {PICTURE["l"][:3]}

    def test_no_new_colours_in_a_batch(self):
        sprites = noise(4, 8, 8)
        sprites[sprites[..., 3] == 0] = 0
        result = remove_orphans(sprites, max_difference=None)
        assert visible_colors(result) <= visible_colors(sprites)
        rgb = noise(4, 8, 8, alpha=False)
        assert visible_colors(remove_orphans(rgb, None)) <= visible_colors(rgb)

    def test_outline(self):
        sprite = drawn("....", ".rr.", "....", "....")
        np.testing.assert_array_equal(outline(sprite, "#000000"), drawn(".kk.", "krrk", ".kk.", "...."))
        np.testing.assert_array_equal(outline(sprite, (0, 0, 0), diagonal=True), drawn("kkkk", "krrk", "kkkk", "...."))
        with pytest.raises(SpriteError, match="`outline` has the colour 'nocolor'"):
            outline(sprite, "nocolor")
        with pytest.raises(SpriteError, match="RGBA"):
            outline(sprite[..., :3], "#000000")
