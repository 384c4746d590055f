"""Random search over settings of the tuning, with a generator of its own, and how its trials are judged.

Random rather than a grid: few of these settings matter, and a grid tries few values of each (Bergstra & Bengio 2012,
https://jmlr.org/papers/v13/bergstra12a.html).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from ....errors import SpriteError

FALL_PENALTY = 1.0
T = TypeVar("T")
_MISSES = 1000  # draws in a row without a new configuration after which there are taken to be none


@dataclass(frozen=True)
class SearchSpace:
    """What trials draw from; one choice leaves a setting as it is.

    Attributes:
        lora_rank: choices.
        lora_alpha: choices; a number, or a multiple of the rank: ``"2x"``.
        lora_dropout: choices, 0 to below 1.
        learning_rate: lowest and highest of a log-uniform draw, rounded to two digits.
        reward_weights: choices, each a weight per reward; empty to draw them by `weights_concentration`.
        weights_concentration: above 0, weights are drawn from a Dirichlet distribution whose mean are the default's and
            whose spread falls with this number (a weight of 0.4 has sd 0.15 at 10); 0 keeps the default's.

    Raises:
        SpriteError: no choice, or one out of its range.
    """

    lora_rank: Sequence[int] = (4, 8, 16)
    lora_alpha: Sequence[float | str] = ("1x", "2x")
    lora_dropout: Sequence[float] = (0.0, 0.1)
    learning_rate: Sequence[float] = (1e-5, 1e-3)
    reward_weights: Sequence[Mapping[str, float]] = ()
    weights_concentration: float = 10.0

    def __post_init__(self) -> None:
        for name in ("lora_rank", "lora_alpha", "lora_dropout"):
            if not len(getattr(self, name)):
                raise SpriteError(f"the search has no {name} to choose from: give one or more.")
        for rank in self.lora_rank:
            _check(isinstance(rank, int) and rank >= 1, "lora_rank", rank, "whole numbers of 1 or more")
            for alpha in self.lora_alpha:
                _check(_absolute_alpha(alpha, rank) > 0, "lora_alpha", alpha, "numbers above 0, or multiples ('2x')")
        for dropout in self.lora_dropout:
            _check(0 <= dropout < 1, "lora_dropout", dropout, "numbers from 0 to below 1")
        rates = list(self.learning_rate)
        _check(len(rates) == 2 and 0 < rates[0] <= rates[-1] < math.inf, "learning_rate", rates, "[lowest, highest]")
        spread = self.weights_concentration
        _check(0 <= spread < math.inf, "weights_concentration", spread, "0 or more")


@dataclass(frozen=True)
class Trial:
    """One configuration.

    Attributes:
        number: from 0, which is the default.
        settings: ``lora_rank``, ``lora_alpha`` (absolute), ``lora_dropout``, ``learning_rate``, ``reward_weights``; JSON-safe.
    """

    number: int
    settings: dict[str, Any]

    @property
    def folder(self) -> str:
        """Name of the trial's folder."""
        return f"trial_{self.number:03d}"


def draw_trials(space: SearchSpace, num_trials: int, seed: int, default: Mapping[str, Any]) -> list[Trial]:
    """The default, then configurations drawn from the space, all of them different.

    The first trials are the same for any `num_trials`, and whatever else draws random numbers.

    Args:
        space: to draw from.
        num_trials: how many, the default included.
        seed: of the search's own generator.
        default: trial 0: the settings of `Trial`; need not be in the space.

    Raises:
        SpriteError: fewer configurations than trials, settings missing, or weights that cannot be drawn around.
    """
    if num_trials < 1:
        raise SpriteError(f"--num_trials {num_trials} must be 1 or more; 1 tries the given settings alone.")
    missing = [
        name
        for name in ("lora_rank", "lora_alpha", "lora_dropout", "learning_rate", "reward_weights")
        if name not in default
    ]
    if missing:
        raise SpriteError(f"the default of the search lacks {', '.join(missing)}.")
    rng = np.random.default_rng(seed)
    settings = [{**default, "reward_weights": dict(default["reward_weights"])}]
    known, misses = {_key(settings[0])}, 0
    while len(settings) < num_trials:
        drawn = _draw(space, settings[0], rng)
        misses = misses + 1 if _key(drawn) in known else 0
        if misses >= _MISSES:
            raise SpriteError(
                f"--num_trials {num_trials} is more than the {len(known)} configurations that the search can draw: lower "
                "it, or give more choices."
            )
        if not misses:
            known.add(_key(drawn))
            settings.append(drawn)
    return [Trial(number, chosen) for number, chosen in enumerate(settings)]


def trial_objective(gains: Mapping[str, float]) -> float:
    """What the best trial has most of; the weights it was trained with do not enter.

    ``mean_i(g_i) - FALL_PENALTY * sum_i max(0, -g_i)`` over the rewards' calibrated gains ``g_i``: their mean counts all
    rewards alike, and one that falls costs its whole fall, so that nothing is bought with it. A weighted sum would favour
    trials for weights that are easy to earn.

    Args:
        gains: of each reward that is trained, in standard deviations of the base model.

    Raises:
        SpriteError: no gains, or one that is not finite.
    """
    values = list(gains.values())
    if not values or not all(map(math.isfinite, values)):
        raise SpriteError(f"the gains of a trial are {dict(gains)}: it takes one or more, all finite.")
    return sum(values) / len(values) - FALL_PENALTY * sum(max(0.0, -value) for value in values)


def pareto_front(gains: Sequence[Mapping[str, float]]) -> list[int]:
    """Positions of trials that no other beats: at least as good in every reward and better in one. Equals all stay.

    Args:
        gains: by reward, more is better; the same rewards in each.

    Raises:
        SpriteError: trials with other rewards.
    """
    if any(set(trial) != set(gains[0]) for trial in gains):
        raise SpriteError("the trials have gains of different rewards: compare those of one search.")
    table = np.array([[trial[name] for name in gains[0]] for trial in gains], np.float64)
    return [
        index for index, row in enumerate(table) if not ((table >= row).all(axis=1) & (table > row).any(axis=1)).any()
    ]


def _draw(space: SearchSpace, default: Mapping[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    rank = int(_choose(space.lora_rank, rng))
    alpha = _absolute_alpha(_choose(space.lora_alpha, rng), rank)
    dropout = float(_choose(space.lora_dropout, rng))
    low, high = map(math.log, space.learning_rate)
    rate = float(f"{math.exp(rng.uniform(low, high)):.1e}")
    return {
        **default,
        "lora_rank": rank,
        "lora_alpha": alpha,
        "lora_dropout": dropout,
        "learning_rate": min(max(rate, float(space.learning_rate[0])), float(space.learning_rate[1])),
        "reward_weights": _draw_weights(space, default["reward_weights"], rng),
    }


def _draw_weights(space: SearchSpace, default: Mapping[str, float], rng: np.random.Generator) -> dict[str, float]:
    """A choice, or weights around the default's with the same sum; those that are 0 stay 0."""
    if space.reward_weights:
        return dict(_choose(space.reward_weights, rng))
    positive = {name: weight for name, weight in default.items() if weight}
    if not space.weights_concentration or len(positive) < 2:
        return dict(default)
    if min(positive.values()) < 0:
        raise SpriteError(
            f"reward weights {dict(default)} cannot be drawn around, one being negative: set weights_concentration 0, or give "
            "choices of reward_weights."
        )
    total = sum(positive.values())
    shares = rng.dirichlet([space.weights_concentration * weight / total for weight in positive.values()])
    drawn = {name: round(float(share) * total, 4) for name, share in zip(positive, shares, strict=True)}
    return {name: drawn.get(name, 0.0) for name in default}


def _choose(choices: Sequence[T], rng: np.random.Generator) -> T:
    return choices[int(rng.integers(len(choices)))]


def _absolute_alpha(alpha: float | str, rank: int) -> float:
    """An alpha, or a multiple of the rank such as ``"2x"``; NaN for anything else."""
    try:
        value = float(alpha[:-1]) * rank if isinstance(alpha, str) and alpha.endswith("x") else float(alpha)
    except ValueError:
        return math.nan
    return int(value) if value.is_integer() else value


def _check(allowed: bool, name: str, value: Any, wanted: str) -> None:
    if not allowed:
        raise SpriteError(f"the search's {name} has {value!r}: give {wanted}.")


def _key(settings: Mapping[str, Any]) -> str:
    return json.dumps(settings, sort_keys=True)
