"""What the numbers say, in words."""

from __future__ import annotations

import math
from typing import Any

from .selection import AD6, EXP3, Group
from .store import Run
from .tables import ablation_cells, count, experiment_label, number
from .texts import Texts

RANKED = ("fd_pca20", "fd_pca20_class_mean", "fd_feature")
EQUAL_BUDGETS = 0.01  # relative difference of images below which two trainings count as equally long


def verdict(group: Group, scores: dict[str, dict[str, Any]], t: Texts) -> list[str]:
    """One sentence per finding.

    Args:
        group: comparable runs.
        scores: run id to its ``scores.json``, where it has one (for the intervals).
        t: the language.
    """
    runs = group.best()
    return [
        *_best_by_metric(group, runs, scores, t),
        *_ad6_over_ad3(group, runs, t),
        *_accuracy(group, runs, t),
        *_ablation(group, t),
        *_copies(group, runs, scores, t),
    ]


def _best_by_metric(group: Group, runs: list[Run], scores: dict[str, dict[str, Any]], t: Texts) -> list[str]:
    said: list[str] = []
    for metric in RANKED:
        ranked = sorted(
            (run for run in runs if run.score(metric) is not None), key=lambda run: run.metrics[f"eval/{metric}"]
        )
        floor = group.floor(metric)
        if not ranked or floor is None:
            continue
        first, value = ranked[0], ranked[0].metrics[f"eval/{metric}"]
        if len(ranked) == 1:
            if len(runs) == 1 and not said:
                said.append(t("verdict_only", experiment=experiment_label(first.experiment), metric=t(f"metric_{metric}"),
                              value=number(value), floor=number(floor)))  # fmt: skip
            continue
        second = ranked[1]
        said.append(
            t(
                "verdict_best", metric=t(f"metric_{metric}"), experiment=experiment_label(first.experiment), value=number(value),
                times=f"{value / floor:.1f}" if floor else "∞", floor=number(floor),
                second=experiment_label(second.experiment), second_value=number(second.metrics[f"eval/{metric}"]),
            )
            + (t("verdict_overlap") if _overlap(first, second, metric, scores) else "")
        )  # fmt: skip
    return said


def _overlap(one: Run, other: Run, metric: str, scores: dict[str, dict[str, Any]]) -> bool:
    better, worse = (scores.get(run.run_id, {}).get("intervals", {}).get(metric) for run in (one, other))
    if not (isinstance(better, list) and isinstance(worse, list) and len(better) == len(worse) == 2):
        return False
    return bool(better[1] >= worse[0])


def _ad6_over_ad3(group: Group, runs: list[Run], t: Texts) -> list[str]:
    best = {run.experiment: run for run in runs}
    if EXP3 not in best or AD6 not in best:
        return []
    metric = "fd_pca20_class_mean"
    ad3, ad6, floor = best[EXP3].score(metric), best[AD6].score(metric), group.floor(metric)
    if not ad3 or ad6 is None or floor is None:
        return []
    sentence = t(
        "verdict_ad6" if ad6 < ad3 else "verdict_ad6_worse",
        ad3=number(ad3), ad6=number(ad6), ratio=f"{ad6 / ad3:.2f}", floor=number(floor),
    )  # fmt: skip
    images = [best[name].metrics.get("run/images") for name in (EXP3, AD6)]
    if images[0] and images[1]:
        if abs(images[1] / images[0] - 1) <= EQUAL_BUDGETS:
            sentence += t("verdict_budget_equal", images=count(images[0]))
        else:
            sentence += t("verdict_budget_unequal", ad3_images=count(images[0]), ad6_images=count(images[1]))
    return [sentence]


def _accuracy(group: Group, runs: list[Run], t: Texts) -> list[str]:
    floor = group.floor("accuracy")
    if not floor:
        return []
    return [
        t(
            "verdict_accuracy", experiment=experiment_label(run.experiment), accuracy=number(accuracy),
            share=f"{100 * accuracy / floor:.0f}", floor=number(floor),
        )
        for run in runs
        if (accuracy := run.score("accuracy")) is not None
    ]  # fmt: skip


def _ablation(group: Group, t: Texts) -> list[str]:
    cells = ablation_cells(group)
    if cells is None or len(cells[1]) < 2:
        return []
    metric, runs = cells
    ranked = sorted(runs, key=lambda cell: runs[cell].metrics[f"eval/{metric}"])
    best, worst = ranked[0], ranked[-1]
    return [
        t(
            "verdict_ablation", timesteps=best[0], channels=best[1], metric=t(f"metric_{metric}"),
            value=number(runs[best].metrics[f"eval/{metric}"]), worst_timesteps=worst[0], worst_channels=worst[1],
            worst_value=number(runs[worst].metrics[f"eval/{metric}"]), cells=len(runs),
        )
    ]  # fmt: skip


def _copies(group: Group, runs: list[Run], scores: dict[str, dict[str, Any]], t: Texts) -> list[str]:
    floors = {metric: group.floor(metric) for metric in ("memorised", "near_copies")}
    known = {metric: floor for metric, floor in floors.items() if floor is not None}
    if len(known) < 2 or not any(run.score(metric) is not None for run in runs for metric in known):
        return []
    said = []
    for run in runs:
        held_out = _held_out(scores.get(run.run_id, {})) or group.num_samples
        details = [
            t(f"verdict_copies_{metric}", value=number(value), floor=number(floor))
            for metric, floor in known.items()
            if (value := run.score(metric)) is not None
            and value - floor > 2 * _error(value, group.num_samples, floor, held_out)
        ]
        if details:
            said.append(t("verdict_copies", experiment=experiment_label(run.experiment), details=t.listed(details)))
    return said or [t("verdict_no_copies", **{metric: number(floor) for metric, floor in known.items()})]


def _held_out(scores: dict[str, Any]) -> int | None:
    count = scores.get("facts", {}).get("num_reference")
    return count if isinstance(count, int) and count > 0 else None


def _error(share: float, samples: int, floor: float, held_out: int) -> float:
    """Standard error of the difference of a share of the samples and a share of the held-out images."""
    return math.sqrt(share * (1 - share) / samples + floor * (1 - floor) / held_out)
