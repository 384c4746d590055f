"""One number from several rewards: TRL's `sum_then_normalize` and `normalize_then_sum`, with weights.

Rewards of several sizes must not be added as they are (an aesthetic score near 5 drowns a cosine near 0.3): bring them to
the base model's scale first, with `Calibration.normalize`, or use `normalize_then_sum`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence

import torch

from ..errors import SpriteError
from .base import Values

DEFAULT_WEIGHTS = {"aesthetic": 0.4, "clip": 0.4, "pickscore": 0.15, "hps": 0.05}
SCALES = ("group", "batch", "none")
EPSILON = 1e-4  # added to deviations, as in TRL

Weights = Sequence[float] | Mapping[str, float] | None


def reward_weights(names: Sequence[str], weights: Weights = None) -> list[float]:
    """The weight of each reward.

    Args:
        names: of the rewards.
        weights: in the order of `names`, or by name; by default `DEFAULT_WEIGHTS` if all are among these, else 1 each.

    Raises:
        SpriteError: another number of weights than of rewards, other names, or a weight that is no finite number.
    """
    if weights is None:
        return [DEFAULT_WEIGHTS.get(name, 1.0) if set(names) <= set(DEFAULT_WEIGHTS) else 1.0 for name in names]
    if len(weights) != len(names) or (isinstance(weights, Mapping) and set(weights) != set(names)):
        given = ", ".join(map(str, weights)) or "none"
        raise SpriteError(
            f"{len(weights)} reward weights ({given}) for {len(names)} rewards ({', '.join(names)}): give one weight for each."
        )
    values = [float(weights[name]) for name in names] if isinstance(weights, Mapping) else list(map(float, weights))
    if not all(torch.tensor(values, dtype=torch.float64).isfinite()) or not any(values):
        raise SpriteError(f"reward weights are {values}: give finite numbers, not all of them 0.")
    return values


def balanced_weights(weights: Sequence[float], gains: Sequence[float], sharpness: float) -> list[float]:
    """The gradient of the soft minimum of gains: weights that ask most for the reward that has gained least.

    With weights w, of sum 1, and gains g, ``-log(sum(w exp(-sharpness g))) / sharpness`` lies between their mean and their
    minimum; its derivatives are ``w exp(-sharpness g)`` over their sum.

    Args:
        weights: one per reward; that of a reward to be avoided is negative, and its gain counts the other way.
        gains: in standard deviations of the base; NaN where a reward applied to no image, which counts as no gain.
        sharpness: 0 returns the weights; the larger, the nearer to the minimum.

    Returns:
        Weights whose absolute values have the same sum.
    """
    if not sharpness:
        return list(weights)
    signed = [math.copysign(1, weight) * gain for weight, gain in zip(weights, gains, strict=True)]
    known = [0.0 if math.isnan(gain) else gain for gain in signed]
    least = min(gain for weight, gain in zip(weights, known, strict=True) if weight)
    powers = [
        weight * math.exp(sharpness * (least - gain)) if weight else 0.0
        for weight, gain in zip(weights, known, strict=True)
    ]
    total = sum(map(abs, weights)) / sum(map(abs, powers))
    return [total * power for power in powers]


def reward_table(values: Mapping[str, Values]) -> torch.Tensor:
    """float64 ``(N, rewards)`` of what `gather_rewards` returned, NaN for `None`.

    Raises:
        SpriteError: columns of several lengths.
    """
    lengths = {name: len(column) for name, column in values.items()}
    if len(set(lengths.values())) > 1:
        raise SpriteError(f"the rewards are of several numbers of images: {lengths}.")
    columns = [[float("nan") if value is None else value for value in column] for column in values.values()]
    return torch.tensor(columns, dtype=torch.float64).reshape(len(columns), -1).T


def composite(values: Mapping[str, Values], weights: Weights = None) -> Values:
    """The weighted mean of an image's rewards; `None` if none of them applies to it.

    The weights of those that do not apply are left out. Give calibrated values (`Calibration.normalize`): then it is in
    standard deviations over the base model, the same for every batch, and fit for evaluation.
    """
    table = reward_table(values)
    weight = _column_weights(values, weights).expand_as(table)
    present = ~table.isnan()
    total = (weight * table.nan_to_num()).sum(dim=1)
    mass = (weight.abs() * present).sum(dim=1)
    return [float(value / size) if size > 0 else None for value, size in zip(total, mass, strict=True)]


def sum_then_normalize(
    values: Mapping[str, Values],
    weights: Weights = None,
    groups: Sequence[Hashable] | None = None,
    scale: str = "group",
) -> torch.Tensor:
    """Advantages of images: the weighted sum of their rewards, less their group's mean, over a standard deviation.

    A reward that does not apply to an image counts as its mean over the group, and so neither for nor against it (TRL
    counts it as 0, the same where it applies to all of a group or to none).

    Args:
        values: by name, best calibrated.
        weights: see `reward_weights`.
        groups: what the images of one group share, e.g. their prompt; by default all are one group.
        scale: deviation of the ``"group"``, of the ``"batch"``, or ``"none"``.

    Returns:
        float64 ``(N,)``; 0 for an image that no reward applies to, and in a group without spread.

    Raises:
        SpriteError: mismatched weights or groups, or an unknown scale.
    """
    if scale not in SCALES:
        raise SpriteError(f"scale {scale!r} of rewards is unknown: give {', '.join(SCALES)}.")
    table = reward_table(values)
    weight = _column_weights(values, weights)
    index = _group_index(groups, len(table))
    none = table.isnan().all(dim=1)
    filled = torch.where(table.isnan(), _group_mean(table, index)[index], table).nan_to_num()
    total = torch.where(none, torch.nan, (weight * filled).sum(dim=1))[:, None]
    centred = total - _group_mean(total, index)[index]
    if scale == "group":
        centred = centred / (_group_sd(total, index)[index] + EPSILON)
    elif scale == "batch":
        centred = centred / (_group_sd(total, torch.zeros_like(index)) + EPSILON)
    return centred[:, 0].nan_to_num()


def normalize_then_sum(
    values: Mapping[str, Values], weights: Weights = None, groups: Sequence[Hashable] | None = None
) -> torch.Tensor:
    """Advantages of images: each reward in deviations from its group's mean, their weighted sum, normalised over the batch.

    So no reward drowns another, whatever its size (GDPO, https://arxiv.org/abs/2601.05242). One that does not apply counts
    as its mean.

    Args:
        values, weights, groups: as of `sum_then_normalize`; calibration changes nothing.

    Returns:
        float64 ``(N,)``; 0 for an image that no reward applies to.

    Raises:
        SpriteError: mismatched weights or groups.
    """
    table = reward_table(values)
    weight = _column_weights(values, weights)
    index = _group_index(groups, len(table))
    none = table.isnan().all(dim=1)
    scaled = (table - _group_mean(table, index)[index]) / (_group_sd(table, index)[index] + EPSILON)
    total = torch.where(none, torch.nan, (weight * scaled.nan_to_num()).sum(dim=1))[:, None]
    everything = torch.zeros_like(index)
    normal = (total - _group_mean(total, everything)) / (_group_sd(total, everything) + EPSILON)
    return normal[:, 0].nan_to_num()


COMBINATIONS: dict[str, Callable[..., torch.Tensor]] = {
    "sum_then_normalize": sum_then_normalize,
    "normalize_then_sum": normalize_then_sum,
}


def _column_weights(values: Mapping[str, Values], weights: Weights) -> torch.Tensor:
    return torch.tensor([reward_weights(list(values), weights)], dtype=torch.float64)


def _group_index(groups: Sequence[Hashable] | None, count: int) -> torch.Tensor:
    """int64 ``(N,)``: the number of each image's group, from 0 in the order of appearance."""
    if groups is None:
        return torch.zeros(count, dtype=torch.int64)
    if len(groups) != count:
        raise SpriteError(f"{len(groups)} groups for {count} images: name the group of each image.")
    keys = groups.tolist() if isinstance(groups, torch.Tensor) else groups
    numbers: dict[Hashable, int] = {}
    return torch.tensor([numbers.setdefault(key, len(numbers)) for key in keys], dtype=torch.int64)


def _group_sums(table: torch.Tensor, index: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """``(groups, columns)`` sums and counts of what is not NaN."""
    empty = torch.zeros(int(index.max()) + 1 if len(index) else 0, table.shape[1], dtype=table.dtype)
    return empty.index_add(0, index, table.nan_to_num()), empty.index_add(0, index, (~table.isnan()).to(table.dtype))


def _group_mean(table: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """``(groups, columns)``, NaN where a group has no value."""
    total, count = _group_sums(table, index)
    return torch.where(count > 0, total / count.clamp_min(1), torch.nan)


def _group_sd(table: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """``(groups, columns)`` with Bessel's correction, 0 for fewer than two values."""
    square, count = _group_sums((table - _group_mean(table, index)[index]) ** 2, index)
    return (square / (count - 1).clamp_min(1)).sqrt()
