"""The right caption among others."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sprite_diffusers.errors import SpriteError
from sprite_diffusers.evaluation.retrieval import retrieval


def features(count: int = 60, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 32))


def test_equal_features_are_found_and_unrelated_ones_by_chance():
    own = features()
    assert retrieval(own, own)["r@1"] == 1.0
    assert retrieval(own, 3 * own)["r@1"] == 1.0  # only directions count
    unrelated = retrieval(own, features(seed=1))
    assert unrelated["r@1"] == pytest.approx(1 / 16, abs=3 * unrelated["r@1_se"])
    assert unrelated["r@5"] == pytest.approx(5 / 16, abs=3 * unrelated["r@5_se"])
    assert (unrelated["r@1_chance"], unrelated["r@5_chance"]) == (1 / 16, 5 / 16)


def test_it_falls_with_noise_and_depends_on_nothing_but_the_seed():
    own, noise = features(200), features(200, seed=1)
    found = [retrieval(own, own + strength * noise)["r@1"] for strength in (0, 2, 4, 100)]
    assert found == sorted(found, reverse=True)
    assert found[0] - found[-1] > 0.8
    assert retrieval(own, noise, seed=3) == retrieval(torch.from_numpy(own), torch.from_numpy(noise), seed=3)
    assert retrieval(own, noise, seed=3) != retrieval(own, noise, seed=4)


def test_the_rank_of_every_image_by_hand():
    # with all other captions in the group there is nothing to draw: image 0 is nearest to its caption, image 1 to that of 0
    images, captions = np.array([[1.0, 0], [1, 0.1], [-1, 0]]), np.array([[1.0, 0], [0, 1], [-1, 0]])
    figures = retrieval(images, captions, group=3, k=(1, 2, 5))
    assert figures["r@1"] == pytest.approx(2 / 3)
    assert figures["r@2"] == figures["r@5"] == figures["r@5_chance"] == 1
    assert figures["r@1_se"] == pytest.approx(np.std([1, 0, 1], ddof=1) / np.sqrt(3))


def test_collapsed_features_find_nothing():
    assert retrieval(np.ones((20, 4)), np.ones((20, 4)))["r@1"] == 0


def test_equal_captions_are_not_confused():
    texts = ["a red sword", "a blue sword", "a green sword"] * 10
    own = features(3)[np.arange(30) % 3]
    assert retrieval(own, own, group=3, texts=texts)["r@1"] == 1.0
    assert retrieval(own, own, group=3)["r@1"] < 0.9  # as if the second red sword were wrong


def test_what_cannot_be():
    with pytest.raises(SpriteError, match="needs 15 captions other than an image's own, but there are 9"):
        retrieval(features(10), features(10))
    with pytest.raises(SpriteError, match=r"as many images as captions, not \(20, 32\) and \(30, 32\)"):
        retrieval(features(20), features(30))
    with pytest.raises(SpriteError, match="ranks from 1"):
        retrieval(features(20), features(20), k=(0,))
    with pytest.raises(SpriteError, match="finite"):
        retrieval(np.full((20, 4), np.nan), np.ones((20, 4)))
