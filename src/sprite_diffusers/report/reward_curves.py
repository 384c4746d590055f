"""What tuning by rewards gains for how many rewarded images: the curves, and estimators against DDPO. Numbers only."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

PUBLISHED = "ddpo"  # the line to beat
ESTIMATORS = (PUBLISHED, "grpo", "rloo", "nft", "draft")  # in the order of rows and colours; others follow by name
BASE = {"step": 0, "queries": 0, "gain": 0.0, "diversity": 1.0}

Evaluation = dict[str, float]


@dataclass(frozen=True)
class Curve:
    """The evaluations of one run.

    Attributes:
        estimator: of the policy gradient, as in its settings.
        seed: of noise and LoRA.
        evaluations: in order, the base's (`BASE`) first; each with ``queries`` (images rewarded so far), ``gain`` (composite
            reward less the base's, in the base's standard deviations) and maybe ``diversity`` (share of the base's) and
            ``untrained`` (raw value of a reward that is not trained on).
        seconds: of training, None if unknown.
        terms: what has to be equal, beside the seed, for two gains to be comparable.
    """

    estimator: str
    seed: str
    evaluations: list[Evaluation]
    seconds: float | None = None
    terms: tuple[str, ...] = ()

    @cached_property
    def best(self) -> Evaluation:
        """The evaluation of the highest gain, the first of equals; the base's if nothing is better."""
        return max(self.evaluations, key=lambda row: row["gain"])

    @property
    def queries(self) -> float:
        """Images rewarded up to the last evaluation."""
        return self.evaluations[-1]["queries"]

    @property
    def untrained_change(self) -> float | None:
        """How far the untrained reward has moved at the best gain, None if either value is missing."""
        before, after = self.evaluations[0].get("untrained"), self.best.get("untrained")
        return None if before is None or after is None else after - before


@dataclass(frozen=True)
class EstimatorResult:
    """The runs of one estimator.

    Attributes:
        estimator: its name.
        curves: its runs, by seed.
        reached: reward queries to the best gain of DDPO with the same seed, None where that is not reached; of those runs
            that have such a DDPO run beside them.
        times_fewer: queries that DDPO needs for that gain over those of this estimator, of those runs that reach it.
    """

    estimator: str
    curves: list[Curve]
    reached: list[float | None]
    times_fewer: list[float]

    @property
    def always_reaches(self) -> bool:
        """Whether every run that can be compared gets to DDPO's best."""
        return bool(self.reached) and None not in self.reached


def queries_to(evaluations: Sequence[Evaluation], gain: float) -> float | None:
    """Reward queries at which a curve first reaches a gain, between evaluations in proportion; None if it does not."""
    if evaluations[0]["gain"] >= gain:
        return evaluations[0]["queries"]
    for before, after in itertools.pairwise(evaluations):
        if after["gain"] >= gain:
            share = (gain - before["gain"]) / (after["gain"] - before["gain"])
            return before["queries"] + share * (after["queries"] - before["queries"])
    return None


def lines_to_beat(curves: Iterable[Curve]) -> dict[tuple[str, tuple[str, ...]], Evaluation]:
    """(Seed, terms) to the best evaluation of DDPO, of its best run if there are several; only what beats the base."""
    lines: dict[tuple[str, tuple[str, ...]], Evaluation] = {}
    for curve in curves:
        key = (curve.seed, curve.terms)
        highest = lines[key]["gain"] if key in lines else 0.0
        if curve.estimator == PUBLISHED and curve.best["gain"] > highest:
            lines[key] = curve.best
    return lines


def by_estimator(curves: Sequence[Curve]) -> list[EstimatorResult]:
    """The runs of each estimator against DDPO, which comes first."""
    lines, results = lines_to_beat(curves), []
    for name in sorted({curve.estimator for curve in curves}, key=_order):
        mine = sorted((curve for curve in curves if curve.estimator == name), key=lambda c: (len(c.seed), c.seed))
        reached: list[float | None] = []
        times: list[float] = []
        for curve in mine:
            line = lines.get((curve.seed, curve.terms))
            if line is not None:
                found = queries_to(curve.evaluations, line["gain"])
                reached.append(found)
                times += [] if found is None else [line["queries"] / found]
        results.append(EstimatorResult(name, mine, reached, times))
    return results


def _order(estimator: str) -> tuple[int, str]:
    return (ESTIMATORS.index(estimator) if estimator in ESTIMATORS else len(ESTIMATORS), estimator)
