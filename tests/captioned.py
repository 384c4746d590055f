"""Sprites with captions that little networks learn in seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

COLORS = {"red": (220, 40, 40), "green": (40, 200, 60), "blue": (40, 60, 220), "grey": (120, 120, 120)}
PLACES = {"left": 0, "right": 6}
SIZE = 15  # padded to 16


def save_squares(folder: Path, count: int) -> Path:
    """Squares of four colours on the left or the right, at random heights, with ``metadata.csv``; returns `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    rng, lines = np.random.default_rng(0), ["file_name,text"]
    for index in range(count):
        color, place = list(COLORS)[index % 4], list(PLACES)[index // 4 % 2]
        pixels = np.full((SIZE, SIZE, 3), 255, np.uint8)
        top = rng.integers(1, 6)
        pixels[top : top + 8, PLACES[place] : PLACES[place] + 8] = COLORS[color]
        Image.fromarray(pixels).save(folder / f"{index:03d}.png")
        lines.append(f"{index:03d}.png,{color} square on the {place} number {index}")
    (folder / "metadata.csv").write_text("\n".join(lines), encoding="utf-8")
    return folder
