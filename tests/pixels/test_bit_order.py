"""The order of colours in which indices that differ in one bit look alike."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from sprite_diffusers.errors import SpriteError
from sprite_diffusers.pipelines.sprite_palette import palette_codes
from sprite_diffusers.pixels import Palette, load_palette, order_for_bits
from sprite_diffusers.pixels.batches import oklab
from sprite_diffusers.pixels.bit_order import _best_exchange


def cost_of_wrong_bits(palette: Palette) -> float:
    """Summed squared distances of the colours whose indices differ in one bit."""
    lab, codes = oklab(palette.array), palette_codes(len(palette)).numpy()
    pairs = [(a, b) for a, b in combinations(range(len(palette)), 2) if (codes[a] != codes[b]).sum() == 1]
    return float(sum(((lab[a] - lab[b]) ** 2).sum() for a, b in pairs))


def pixels_of(palette: Palette, channels: int = 3) -> np.ndarray:
    """Each colour as often as the others, and as many transparent pixels, if there is alpha."""
    visible = np.insert(palette.array, 3, 255, axis=1)[:, :channels]
    empty = np.zeros((len(palette), channels), np.uint8)
    return np.stack([visible, empty if channels == 4 else visible])[None]


@pytest.mark.parametrize("name", ["pico-8", "db32", "sweetie-16"])
@pytest.mark.parametrize("channels", [3, 4])
def test_a_wrong_bit_costs_less_than_in_the_order_of_lightness(name, channels):
    palette = load_palette(name)
    ordered = order_for_bits(palette, pixels_of(palette, channels))
    assert sorted(ordered.colors) == sorted(palette.colors)
    assert ordered.name == palette.name
    light = Palette("light", tuple(palette.colors[i] for i in oklab(palette.array)[:, 0].argsort()))
    assert cost_of_wrong_bits(ordered) < 0.9 * min(cost_of_wrong_bits(palette), cost_of_wrong_bits(light))
    assert order_for_bits(palette, pixels_of(palette, channels)) == ordered


def test_any_number_of_colours_has_an_order():
    for number in (2, 3, 5, 17, 33):
        palette = Palette("some", load_palette("aap-64").colors[:number])
        assert sorted(order_for_bits(palette, pixels_of(palette)).colors) == sorted(palette.colors)


def test_colours_that_sprites_have_often_count_more():
    palette = load_palette(["#000000", "#ffffff", "#00ff00", "#0000ff", "#101010"])
    often = np.tile(np.array([[0, 0, 0], [255, 255, 255]], np.uint8), (500, 1))
    ordered = order_for_bits(palette, np.concatenate([palette.array, often])[None])
    codes = dict(zip(ordered.colors, palette_codes(5).numpy(), strict=True))
    assert (codes[0, 0, 0] != codes[255, 255, 255]).sum() > 1


def test_the_best_exchange_is_found():
    rng = np.random.default_rng(0)
    weights, costs = (np.triu(rng.random((9, 9)), 1) for _ in range(2))
    weights, costs = weights + weights.T, costs + costs.T
    gains = {}
    for pair in combinations(range(9), 2):
        order = np.arange(9)
        order[list(pair)] = order[list(pair[::-1])]
        gains[pair] = (weights * (costs - costs[np.ix_(order, order)])).sum() / 2
    gain, *found = _best_exchange(weights, costs)
    assert gain == pytest.approx(max(gains.values()))
    assert gains[tuple(sorted(found))] == pytest.approx(gain)


def test_what_are_no_pixels_is_refused():
    with pytest.raises(SpriteError, match="must be a uint8 array"):
        order_for_bits(load_palette("pico-8"), np.zeros((4, 4, 3)))
