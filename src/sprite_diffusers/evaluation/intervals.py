"""95 % bootstrap intervals: how far a figure could move if the model drew other samples.

The reference is kept: it is the same for all models that are compared.
"""

from __future__ import annotations

import numpy as np

from .distances import fit_gaussian, gaussian_distance

REPLICATES = 100
MAX_SAMPLES = 10_000
"""Distances of more samples get no interval: it would be slow, and narrower than the differences that matter."""


def share_interval(hits: np.ndarray, seed: int) -> list[float]:
    """Percentile bootstrap of the share of true values in bool (N,).

    Drawing N of N values with replacement and counting hits is a binomial draw.
    """
    count = len(hits)
    shares = np.random.default_rng(seed).binomial(count, hits.mean(), 10_000) / count
    return [float(bound) for bound in np.quantile(shares, (0.025, 0.975))]


def frechet_interval(samples: np.ndarray, reference: np.ndarray, estimate: float, seed: int) -> list[float]:
    """The estimate and 1.96 standard deviations of its bootstrap replicates to either side, from 0.

    Replicates hold fewer distinct samples, which biases every one of them upward: their percentiles can lie above
    the estimate itself. Their spread is sound.
    """
    rng = np.random.default_rng(seed)
    fitted = fit_gaussian(reference)
    replicates = [
        gaussian_distance(fit_gaussian(samples[rng.integers(0, len(samples), len(samples))]), fitted)
        for _ in range(REPLICATES)
    ]
    margin = 1.96 * float(np.std(replicates, ddof=1))
    return [max(estimate - margin, 0.0), estimate + margin]
