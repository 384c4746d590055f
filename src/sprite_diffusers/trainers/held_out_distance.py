"""How far drawn sprites are from held-out ones: the validation loss of trainers whose own losses say little of quality."""

from __future__ import annotations

import numpy as np

from ..evaluation.distances import fit_gaussian, gaussian_distance
from ..evaluation.reference import fit_pca, project


class HeldOutDistance:
    """The Fréchet distance in the principal components of the training sprites (20 of them, as in the protocol).

    Args:
        train, held_out: uint8 ``(count, H, W, channels)``, of at least `NUM_COMPONENTS` + 2 sprites each.
    """

    def __init__(self, train: np.ndarray, held_out: np.ndarray):
        self._pca = fit_pca(train)
        self._held_out = fit_gaussian(project(self._pca, held_out))

    def __call__(self, drawn: np.ndarray) -> float:
        """Of uint8 ``(count, H, W, channels)``."""
        return gaussian_distance(fit_gaussian(project(self._pca, drawn)), self._held_out)
