"""How far drawn sprites are from real ones, by a measure that needs no classifier: what trainers validate and choose by."""

from __future__ import annotations

import numpy as np

from ..evaluation.distances import fit_gaussian, gaussian_distance
from ..evaluation.reference import fit_pca, project


class PrincipalDistance:
    """The Fréchet distance in the principal components of the training sprites (20 of them, as in the protocol).

    Args:
        train: uint8 ``(count, H, W, channels)``, whose components are taken.
        wanted: what is measured against, of the same form: held-out sprites, or the training ones themselves. Both need
            `NUM_COMPONENTS` + 2 sprites.
    """

    def __init__(self, train: np.ndarray, wanted: np.ndarray):
        self._pca = fit_pca(train)
        self._wanted = fit_gaussian(project(self._pca, wanted))

    def __call__(self, drawn: np.ndarray) -> float:
        """Of uint8 ``(count, H, W, channels)``."""
        return gaussian_distance(fit_gaussian(project(self._pca, drawn)), self._wanted)
