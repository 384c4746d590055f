import numpy as np
import pytest

from sprite_diffusers.evaluation.pixel_stats import (
    component_overlap,
    histogram_distance,
    palette_metrics,
    rgb_histograms,
)


def test_palette_metrics_of_a_drawn_sprite():
    sprite = np.zeros((1, 6, 6, 4), np.uint8)
    sprite[0, 0:2, 0:2] = (255, 0, 0, 255)  # a block
    sprite[0, 3, 3] = sprite[0, 4, 4] = (0, 255, 0, 255)  # touch at a corner: no orphans
    sprite[0, 0, 5] = (0, 0, 255, 255)  # alone
    sprite[0, 5, 0] = (9, 9, 9, 128)  # soft, and of a fourth colour
    sprite[0, 2, 5] = (77, 0, 0, 0)  # invisible
    metrics = palette_metrics(sprite)
    assert metrics == {"unique_colors": 4, "partial_alpha": 1 / 36, "orphan_pixels": 1 / 7}


def test_palette_metrics_are_means_over_all_images_in_any_chunk(monkeypatch):
    from sprite_diffusers.evaluation import pixel_stats

    flat = np.full((3, 4, 4, 3), 7, np.uint8)
    noisy = np.random.default_rng(0).permutation(256 * 3).reshape(1, 16, 16, 3).astype(np.uint8)[:, :4, :4]
    noisy[..., 0] = np.arange(16).reshape(4, 4)
    pixels = np.concatenate([flat, noisy])
    expected = {"unique_colors": (3 + 16) / 4, "partial_alpha": 0, "orphan_pixels": 16 / 64}
    assert palette_metrics(pixels) == expected
    monkeypatch.setattr(pixel_stats, "_CHUNK", 1)
    assert palette_metrics(pixels) == expected


def test_empty_sprites_have_no_colours():
    metrics = palette_metrics(np.zeros((2, 4, 4, 4), np.uint8))
    assert metrics == {"unique_colors": 0, "partial_alpha": 0, "orphan_pixels": 0}


def test_histograms_count_visible_pixels_only():
    pixels = np.zeros((1, 2, 2, 4), np.uint8)
    pixels[0, 0, 0] = (255, 0, 16, 255)
    pixels[0, 0, 1] = (248, 8, 16, 40)
    pixels[0, 1, 1] = (100, 100, 100, 0)
    histograms = rgb_histograms(pixels)
    assert histograms[0, 31] == 1
    assert histograms[1, 0] == histograms[1, 1] == 0.5
    assert histograms[2, 2] == 1
    assert histograms.sum() == 3


def test_histogram_distance_is_the_share_that_moved():
    a, b = np.zeros((2, 3, 32))
    a[:, 0] = 1
    b[:, 0], b[:, 9] = 0.75, 0.25
    assert histogram_distance(a, a) == 0
    assert histogram_distance(a, b) == pytest.approx(0.25)
    assert histogram_distance(a, np.roll(a, 1, axis=1)) == 1
    assert histogram_distance(np.zeros((3, 32)), a) == 1


def test_component_overlap_is_one_for_equal_and_zero_for_apart():
    train = np.random.default_rng(0).normal(size=(4000, 2))
    assert component_overlap(train[:500], train[:500], train) == pytest.approx(1)
    assert component_overlap(train[:500] + 50, train[:500] - 50, train) == 0
    near, far = (component_overlap(train[:2000] + shift, train[2000:], train) for shift in (0.2, 1.0))
    assert 0.9 > near > far > 0.2
