"""Small pictures whose every pixel is known."""

from __future__ import annotations

import numpy as np

PICTURE = {
    ".": (0, 0, 0, 0),
    "k": (0, 0, 0, 255),
    "r": (200, 30, 30, 255),
    "d": (120, 10, 20, 255),
    "l": (250, 120, 110, 255),
    "g": (30, 160, 60, 255),
}


def drawn(*rows: str) -> np.ndarray:
    """uint8 ``(H, W, 4)`` of rows of letters."""
    return np.array([[PICTURE[letter] for letter in row] for row in rows], np.uint8)


def noise(*shape: int, seed: int = 0, alpha: bool = True) -> np.ndarray:
    """uint8 ``(*shape, 4)`` of random colours, half of them transparent, or ``(*shape, 3)``."""
    pixels = np.random.default_rng(seed).integers(0, 256, (*shape, 4 if alpha else 3), np.uint8)
    if alpha:
        pixels[..., 3] = np.where(pixels[..., 3] > 127, 255, 0)
    return pixels


def visible_colors(pixels: np.ndarray) -> set[tuple[int, ...]]:
    flat = pixels.reshape(-1, pixels.shape[-1])
    return {tuple(color[:3].tolist()) for color in flat if len(color) == 3 or color[3] > 0}
