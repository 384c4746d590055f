"""Paired gains against textbook formulas and simulated data."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from sprite_diffusers.errors import SpriteError
from sprite_diffusers.trainers.rl.study.statistics import fold_summary, paired_gain


def test_interval_is_that_of_the_t_test_over_prompt_means():
    rng = np.random.default_rng(0)
    base, gains = rng.normal(5, 1, (12, 4)), rng.normal(0.3, 0.2, (12, 4))
    prompts = np.repeat(np.arange(12), 4)
    gain = paired_gain(base.ravel(), (base + gains).ravel(), prompts)
    expected = stats.ttest_1samp(gains.mean(axis=1), 0).confidence_interval(0.95)
    assert (gain.low, gain.high) == pytest.approx(tuple(expected))
    assert gain.mean == pytest.approx(gains.mean())
    assert gain.sd == pytest.approx(gains.mean(axis=1).std(ddof=1))
    assert (gain.num_prompts, gain.num_images, gain.over) == (12, 48, "prompts")
    half = gain.scaled(0.5)
    assert (half.low, half.sd, half.num_images) == pytest.approx((gain.low / 2, gain.sd / 2, 48))


def test_not_applicable_is_left_out_with_its_partner():
    base = [1.0, None, 2.0, 3.0, 1.0]
    tuned = [2.0, 9.0, None, 5.0, 2.0]
    gain = paired_gain(base, tuned, ["a", "a", "a", "b", "b"])
    assert gain.mean == pytest.approx((1 + 1.5) / 2)
    assert (gain.num_prompts, gain.num_images) == (2, 3)


def test_prompts_count_alike_whatever_their_number_of_images():
    gain = paired_gain([0.0] * 10, [1.0] * 9 + [3.0], ["a"] * 9 + ["b"])
    assert gain.mean == 2


def test_one_prompt_has_an_interval_over_images():
    gain = paired_gain([0.0, 0.0, 0.0], [1.0, 2.0, 3.0], ["a"] * 3)
    assert (gain.mean, gain.sd, gain.over, gain.num_prompts) == (2, 1, "images", 1)
    assert gain.high == pytest.approx(2 + stats.t.ppf(0.975, 2) / math.sqrt(3))


def test_a_single_difference_is_without_bounds():
    gain = paired_gain([0.0], [1.0], ["a"])
    assert (gain.mean, gain.low, gain.high) == (1, -math.inf, math.inf)
    assert math.isnan(gain.sd)


def test_intervals_cover_the_truth_although_images_of_a_prompt_go_together():
    rng = np.random.default_rng(0)
    prompts = np.repeat(np.arange(10), 8)
    covered = 0
    for _ in range(400):
        difference = 1 + rng.normal(size=10)[prompts] + 0.3 * rng.normal(size=80)
        gain = paired_gain(np.zeros(80), difference, prompts)
        covered += gain.low <= 1 <= gain.high
    assert 0.92 <= covered / 400 <= 0.98


@pytest.mark.parametrize(
    ("base", "tuned", "prompts", "message"),
    [
        ([1.0], [1.0, 2.0], ["a", "a"], "1 values of the base model, 2 of the tuned one and 2 prompts"),
        ([None, 1.0], [1.0, None], ["a", "b"], "0 of 2 pairs of images have two values: a gain takes"),
        ([1.0, 1.0], [math.nan, 1.0], ["a", "b"], "2 of 2 pairs .*, some not finite"),
        ([], [], [], "0 of 0 pairs"),
    ],
)
def test_what_does_not_pair(base, tuned, prompts, message):
    with pytest.raises(SpriteError, match=message):
        paired_gain(base, tuned, prompts)


def test_folds():
    gains = [paired_gain([0.0, 0.0], [mean - 0.01, mean + 0.01], ["a", "b"]) for mean in (0.0, 1.0, 2.0)]
    summary = fold_summary(gains)
    assert (summary.mean, summary.sd, summary.num_folds, summary.num_above_zero) == pytest.approx((1, 1, 3, 2))
    assert math.isnan(fold_summary(gains[:1]).sd)
    with pytest.raises(SpriteError, match="no folds"):
        fold_summary([])
