"""Is the tuned model better? Differences on the same noise, over prompts, with a 95 % interval; and over folds."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ....errors import SpriteError

LEVEL = 0.95


@dataclass(frozen=True)
class Gain:
    """How much the tuned model's images score above the base model's, from the same noise and prompt.

    Attributes:
        mean: over what `over` says; in the values' unit.
        low, high: of the 95 % t interval of the mean; infinite where there is a single difference.
        sd: of the differences, Bessel's correction; NaN for a single one.
        num_prompts: with an image that counts.
        num_images: pairs that count.
        over: ``"prompts"``, whose differences are first averaged over their images; ``"images"`` if there is one prompt: then
            the interval says nothing of other prompts.
    """

    mean: float
    low: float
    high: float
    sd: float
    num_prompts: int
    num_images: int
    over: str = "prompts"

    def scaled(self, factor: float) -> Gain:
        """In another unit, e.g. by 1 / sd of the base model's values; `factor` is above 0."""
        return replace(
            self, mean=factor * self.mean, low=factor * self.low, high=factor * self.high, sd=factor * self.sd
        )


@dataclass(frozen=True)
class FoldSummary:
    """Mean and standard deviation of the folds' mean gains (NaN for one fold), and how many intervals are above 0."""

    mean: float
    sd: float
    num_folds: int
    num_above_zero: int


def paired_gain(base: Sequence[float | None], tuned: Sequence[float | None], prompts: Sequence[Hashable]) -> Gain:
    """Mean difference of paired images, with Student's t interval over prompts.

    Images of one prompt are not independent of each other, so that each prompt counts as one observation, whatever its
    number of images (cluster means).

    Args:
        base, tuned: values of N images, from the same noise at the same position. `None`, where a reward does not apply, is
            left out with its partner.
        prompts: of each image.

    Raises:
        SpriteError: lengths that differ, values that are not finite, or no pair.
    """
    if not len(base) == len(tuned) == len(prompts):
        raise SpriteError(
            f"{len(base)} values of the base model, {len(tuned)} of the tuned one and {len(prompts)} prompts do not pair: "
            "score both on the same prompts and noise."
        )
    by_prompt: dict[Hashable, list[float]] = {}
    for before, after, prompt in zip(base, tuned, prompts, strict=True):
        if before is not None and after is not None:
            by_prompt.setdefault(prompt, []).append(after - before)
    images = [difference for differences in by_prompt.values() for difference in differences]
    if not images or not np.isfinite(images).all():
        raise SpriteError(
            f"{len(images)} of {len(base)} pairs of images have two values"
            + (", some not finite" if images else "")
            + ": a gain takes one pair or more, of finite values."
        )
    over_prompts = len(by_prompt) > 1
    observed = [float(np.mean(differences)) for differences in by_prompt.values()] if over_prompts else images
    mean, sd, margin = _t_interval(np.array(observed))
    return Gain(
        mean, mean - margin, mean + margin, sd, len(by_prompt), len(images), "prompts" if over_prompts else "images"
    )


def fold_summary(gains: Sequence[Gain]) -> FoldSummary:
    """Mean ± sd over folds.

    Raises:
        SpriteError: no folds.
    """
    if not gains:
        raise SpriteError("there are no folds to summarise: give the gain of one or more.")
    means = np.array([gain.mean for gain in gains])
    sd = float(means.std(ddof=1)) if len(means) > 1 else math.nan
    return FoldSummary(float(means.mean()), sd, len(gains), sum(gain.low > 0 for gain in gains))


def _t_interval(values: np.ndarray) -> tuple[float, float, float]:
    """Mean, standard deviation, and half the width of the mean's interval."""
    from scipy.stats import t  # which scikit-learn needs, too

    mean, count = float(values.mean()), len(values)
    if count < 2:
        return mean, math.nan, math.inf
    sd = float(values.std(ddof=1))
    return mean, sd, float(t.ppf((1 + LEVEL) / 2, count - 1)) * sd / math.sqrt(count)
