"""The guidance that a trained model is published with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from diffusers import DiffusionPipeline

from ..evaluation.reference import NUM_COMPONENTS
from ..evaluation.sampling import draw
from .principal_distance import PrincipalDistance

GUIDANCE_SCALES = (1.25, 1.5, 2.0)
"""From which one is chosen; none at all is worse for every short training."""
MAX_SAMPLES, MIN_SAMPLES = 192, 3 * NUM_COMPONENTS
BATCH_SIZE = 64


def guidance_distances(
    pipeline: DiffusionPipeline, pixels: np.ndarray, labels: np.ndarray, class_names: Sequence[str], seed: int
) -> dict[float, float]:
    """How far the sprites that each of `GUIDANCE_SCALES` draws are from the training sprites.

    192 sprites are drawn for each, fewer of those above 16x16, from the same noise, and with classes as frequent as in the data. No
    held-out sprite is looked at, so that what is measured on those stays honest.

    Args:
        pipeline: draws by class.
        pixels: the training sprites, uint8 ``(count, H, W, channels)``, as the pipeline draws them at best.
        labels: ``(count,)``, of `class_names`.

    Returns:
        A `PrincipalDistance` per scale; empty if there are too few sprites to measure it.
    """
    if len(pixels) < NUM_COMPONENTS + 2:
        return {}
    height, width, channels = pixels.shape[1:]
    count = max(MIN_SAMPLES, MAX_SAMPLES * 16 // max(height, width, 16))
    names = [class_names[label] for label in np.random.default_rng(seed).choice(labels, count)]
    distance = PrincipalDistance(pixels, pixels)
    distances = {}
    for scale in GUIDANCE_SCALES:
        drawn, _ = draw(
            pipeline,
            count,
            names,
            (height, width, max(3, channels)),
            seed=seed,
            batch_size=BATCH_SIZE,
            options={"guidance_scale": scale},
        )
        distances[scale] = distance(drawn[..., :channels])
    return distances
