"""The eight neighbours of every pixel."""

from __future__ import annotations

import numpy as np

BESIDE = ((-1, 0), (0, -1), (0, 1), (1, 0))
AROUND = (*BESIDE, (-1, -1), (-1, 1), (1, -1), (1, 1))


def neighbours(values: np.ndarray, outside: int, steps: tuple[tuple[int, int], ...] = AROUND) -> np.ndarray:
    """``(steps, N, H, W)``: what lies one step from each of `values` ``(N, H, W)``; `outside` beyond the border."""
    height, width = values.shape[1:]
    padded = np.pad(values, ((0, 0), (1, 1), (1, 1)), constant_values=outside)
    return np.stack([padded[:, 1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width] for dy, dx in steps])
