"""A sheet with everything that formats can hold."""

from __future__ import annotations

import numpy as np
import pytest

from sprite_diffusers.sheets import SpriteSheet, Tag


def sprites(count: int, width: int = 8, height: int = 6, seed: int = 0) -> np.ndarray:
    """Distinct RGBA sprites of few colours with binary alpha, uint8 (count, height, width, 4)."""
    rng = np.random.default_rng(seed)
    palette = rng.integers(0, 256, (20, 4), np.uint8)
    palette[:, 3] = 255
    palette[0] = 0
    return palette[rng.integers(0, len(palette), (count, height, width))]


@pytest.fixture
def hero() -> SpriteSheet:
    """Seven frames of 8x6, two animations, other durations, a pivot at the feet."""
    return SpriteSheet(
        sprites(7),
        names=tuple(f"hero {index}" for index in range(7)),
        durations=(100, 120, 100, 30, 50, 50, 50),
        tags=(Tag("walk", 0, 3, "pingpong"), Tag('a "jump"', 4, 6, "reverse")),
        pivot=(4, 6),
    )
