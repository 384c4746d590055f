"""Which guidance a model is published with."""

from __future__ import annotations

import numpy as np
import pytest

from sprite_diffusers.trainers import guidance
from sprite_diffusers.trainers.guidance import GUIDANCE_SCALES, guidance_distances


@pytest.fixture
def train() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 100, (64, 8, 8, 1), dtype=np.uint8)


def test_distances_are_those_of_what_each_scale_draws(train, monkeypatch):
    """Brighter with more guidance: the least is the nearest."""
    calls = []

    def draw(pipeline, count, labels, shape, *, seed, batch_size, options):
        calls.append((count, tuple(labels), shape, seed))
        rng = np.random.default_rng(1)
        bright = int(100 * options["guidance_scale"]) - 125
        return (rng.integers(0, 100, (count, *shape)) + bright).astype(np.uint8), 0.0

    monkeypatch.setattr(guidance, "draw", draw)
    labels = np.repeat([0, 1, 1, 1], 16)
    distances = guidance_distances(None, train, labels, ["rare", "common"], seed=3)
    assert tuple(distances) == GUIDANCE_SCALES
    assert distances[1.25] < distances[1.5] < distances[2.0]
    count, names, shape, seed = calls[0]
    assert calls == [calls[0]] * 3  # the same noise and classes
    assert (count, shape, seed) == (192, (8, 8, 3), 3)
    assert names.count("common") / count == pytest.approx(0.75, abs=0.1)


def test_large_sprites_are_drawn_less_often(monkeypatch):
    train = np.random.default_rng(0).integers(0, 255, (64, 32, 32, 3), dtype=np.uint8)
    counts = []
    monkeypatch.setattr(guidance, "draw", lambda pipeline, count, *_, **__: (counts.append(count), (train, 0.0))[1])
    guidance_distances(None, train, np.zeros(64, int), ["one"], seed=0)
    assert counts == [96] * 3


def test_too_few_sprites_to_measure(train):
    assert guidance_distances(None, train[:21], np.zeros(21, int), ["one"], seed=0) == {}
