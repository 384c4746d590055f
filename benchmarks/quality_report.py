"""What `time_to_quality` measured, as a table and as a plot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from recipes import IMPROVED_PEERS, PEERS

from sprite_diffusers.report.figures import FLOOR_LINE, INK
from sprite_diffusers.report.page import MISSING, Table

THEIRS = [*PEERS, *IMPROVED_PEERS]


@dataclass(frozen=True)
class Row:
    """One model: a recipe, a seed and a budget.

    Attributes:
        recipe: one of `PEERS` or `IMPROVED_PEERS`, or ours.
        budget: core-minutes asked for; core_seconds are those that were used.
        images: seen in training, repeats included.
        images_per_second: of processor time.
        sampling_steps: in which its sprites were drawn.
        metrics, floors: of `Scores`, None for NaN.
    """

    recipe: str
    seed: int
    budget: float
    parameters: int
    steps: int
    images: int
    core_seconds: float
    wall_seconds: float
    images_per_second: float
    sampling_steps: int
    metrics: dict[str, Any]
    floors: dict[str, Any]


def quality_table(rows: Sequence[Row]) -> Table:
    """A line per recipe and budget, means over seeds with the lowest and the highest; the first is of real sprites."""
    last = max((row.budget for row in rows if row.recipe in PEERS), default=rows[0].budget)
    header = [
        "recipe", "core-minutes", "seeds", "feature FD", "/ better peer", f"/ better peer at {last:g}",
        "FD-PCA20", "accuracy", "/ real", "images seen", "images/s", "near-copies", "steps",
    ]  # fmt: skip
    floors = rows[0].floors
    real = max((row.floors.get("accuracy") or 0.0 for row in rows), default=0.0)  # measured where labels are asked for
    lines = [
        ["real sprites", "", "", f"{floors['fd_feature']:.2f}", "", "", f"{floors['fd_pca20']:.1f}",
         f"{real:.3f}" if real else MISSING, "", "", "", f"{floors['near_copies']:.1%}", ""],
    ]  # fmt: skip
    best_at_last = _better_peer(rows, last)
    for name in _names(rows):
        for budget in _budgets(rows, name):
            group = _group(rows, name, budget)
            distance = _mean(group, "fd_feature")
            ratios = [
                MISSING if name in PEERS or peer is None else f"{distance / peer:.3f}"
                for peer in (_better_peer(rows, budget), best_at_last)
            ]
            asked = "accuracy" in group[0].metrics
            lines.append([
                name, f"{budget:g}", str(len(group)), _spread(group, "fd_feature", ".3g"), *ratios,
                _spread(group, "fd_pca20", ".3g"), _spread(group, "accuracy", ".3f") if asked else MISSING,
                f"{_mean(group, 'accuracy') / real:.1%}" if asked else MISSING,
                f"{np.mean([row.images for row in group]):,.0f}",
                f"{np.mean([row.images_per_second for row in group]):.0f}", _spread(group, "near_copies", ".1%"),
                str(group[0].sampling_steps),
            ])  # fmt: skip
    notes = [
        f"/ better peer: mean feature FD divided by that of the better peer at the same budget, and at {last:g} core-minutes.",
        "/ real: share of the classifier's accuracy on real sprites. images/s: per second of processor time.",
        "steps: of sampling. In brackets: the lowest and the highest of the seeds.",
    ]
    return Table(header, lines, reference_rows=1, notes=notes)


def quality_plot(rows: Sequence[Row], path: Path) -> None:
    """Feature FD, on a logarithmic axis, over core-minutes: means, dots for seeds, a band from the lowest to the highest."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

    figure = Figure(figsize=(8, 4.6), dpi=110, layout="constrained")
    axis = figure.subplots()
    for color, name in zip(INK * len(rows), _names(rows), strict=False):
        minutes = _budgets(rows, name)
        values = [[row.metrics["fd_feature"] for row in _group(rows, name, budget)] for budget in minutes]
        style = {"color": color, "linestyle": "--" if name in THEIRS else "-"}
        axis.plot(minutes, [np.mean(each) for each in values], label=name, linewidth=1.8, **style)
        axis.fill_between(
            minutes,
            [min(each) for each in values],
            [max(each) for each in values],
            color=color,
            alpha=0.15,
            linewidth=0,
        )
        for x, each in zip(minutes, values, strict=True):
            axis.plot([x] * len(each), each, color=color, marker="o", markersize=4, linestyle="")
    axis.axhline(rows[0].floors["fd_feature"], label="real sprites", **FLOOR_LINE)
    axis.set(xscale="log", yscale="log", xlabel="core-minutes of training", ylabel="feature FD (lower is better)")
    axis.set_xticks(sorted({row.budget for row in rows}))
    axis.minorticks_off()
    for ticks in (axis.xaxis, axis.yaxis):
        ticks.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(axis="y", color="#e6e9f0", linewidth=0.8)
    figure.legend(loc="outside lower center", ncols=3, fontsize=9, frameon=False)
    figure.savefig(path, format="png", metadata={"Software": None})


def _names(rows: Sequence[Row]) -> list[str]:
    """Recipes, peers first."""
    return [*(name for name in THEIRS if any(row.recipe == name for row in rows)),
            *dict.fromkeys(row.recipe for row in rows if row.recipe not in THEIRS)]  # fmt: skip


def _budgets(rows: Sequence[Row], name: str) -> list[float]:
    return sorted({row.budget for row in rows if row.recipe == name})


def _group(rows: Sequence[Row], name: str, budget: float) -> list[Row]:
    """All seeds."""
    return [row for row in rows if (row.recipe, row.budget) == (name, budget)]


def _better_peer(rows: Sequence[Row], budget: float) -> float | None:
    """The lower mean feature FD of the peers at this budget."""
    groups = [_group(rows, name, budget) for name in PEERS]
    return min((_mean(group, "fd_feature") for group in groups if group), default=None)


def _mean(rows: Sequence[Row], metric: str) -> float:
    return float(np.mean([row.metrics[metric] for row in rows]))


def _spread(rows: Sequence[Row], metric: str, form: str) -> str:
    """The mean over seeds and, if there are several, the lowest and the highest."""
    values = [row.metrics[metric] or 0.0 for row in rows]
    mean = format(float(np.mean(values)), form)
    return mean if len(values) == 1 else f"{mean} ({min(values):{form}} to {max(values):{form}})"
