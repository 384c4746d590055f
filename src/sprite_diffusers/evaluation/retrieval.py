"""Whether sprites and captions belong together: the right caption found among others by a CLIP's features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import SpriteError

DRAWS = 20  # sets of other captions per image


def retrieval(
    image_features: Any,
    text_features: Any,
    group: int = 16,
    seed: int = 0,
    k: Sequence[int] = (1, 5),
    texts: Sequence[str] | None = None,
) -> dict[str, float]:
    """How often the caption of an image is among the `k` nearest of `group`: itself and others drawn at random.

    A caption that is as near as the right one counts as nearer, so that equal features find nothing.

    Args:
        image_features: ``(N, D)``, of the images; torch or numpy.
        text_features: ``(N, D)``, of their captions, in the same order.
        group: captions to choose from, with the right one.
        seed: of the draws of the others, `DRAWS` per image.
        k: ranks.
        texts: the captions; those equal to an image's own are then not among its others.

    Returns:
        For each ``k``: ``r@k``, the share from 0 to 1, ``r@k_se``, its standard error over images (an image's draws
        are averaged first), and ``r@k_chance``, which is ``k / group``; a rank beyond the group is always reached.

    Raises:
        SpriteError: features that do not fit together, or fewer than `group` different captions.
    """
    images, captions = (_unit(features) for features in (image_features, text_features))
    if images.shape != captions.shape:
        raise SpriteError(
            f"retrieval needs features of as many images as captions, not {images.shape} and {captions.shape}."
        )
    if group < 2 or min(k, default=0) < 1:
        raise SpriteError(f"retrieval among {group} at ranks {tuple(k)}: give a group of 2 or more and ranks from 1.")
    names = np.arange(len(images)) if texts is None else np.unique(np.asarray(texts), return_inverse=True)[1]
    similarity = images @ captions.T
    rng = np.random.default_rng(seed)
    nearer = np.empty((len(images), DRAWS), np.int64)
    for row in range(len(images)):
        others = np.flatnonzero(names != names[row])
        if len(others) < group - 1:
            raise SpriteError(
                f"retrieval among {group} needs {group - 1} captions other than an image's own, but there are {len(others)}: "
                "give more captioned images, or a smaller group."
            )
        for draw in range(DRAWS):
            drawn = rng.choice(others, group - 1, replace=False)
            nearer[row, draw] = (similarity[row, drawn] >= similarity[row, row]).sum()
    figures: dict[str, float] = {}
    for rank in k:
        found = (nearer < rank).mean(axis=1)
        figures |= {
            f"r@{rank}": float(found.mean()),
            f"r@{rank}_se": float(found.std(ddof=1) / np.sqrt(len(found))) if len(found) > 1 else 0.0,
            f"r@{rank}_chance": min(rank / group, 1.0),
        }
    return figures


def _unit(features: Any) -> np.ndarray:
    """float64 rows of length 1."""
    if hasattr(features, "detach"):
        features = features.detach().float().cpu().numpy()
    array = np.asarray(features, np.float64)
    if array.ndim != 2 or not len(array) or not np.isfinite(array).all():
        raise SpriteError(f"retrieval needs finite features (N, D) with N of 1 or more, not {array.shape}.")
    return array / np.maximum(np.linalg.norm(array, axis=1, keepdims=True), 1e-12)
