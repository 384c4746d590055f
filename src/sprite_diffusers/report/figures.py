"""The plots of the results page, as PNG files. They look the same whenever they are drawn from the same numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .reward_curves import ESTIMATORS, Curve, by_estimator, lines_to_beat
from .selection import EXP3, Group
from .store import Run
from .tables import number
from .texts import Texts

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, DPI = 9.6, 110  # inches and dots per inch: 1056 pixels, the width of a page
INK = ("#3b6fb6", "#d1662b", "#2f8f57", "#8a5bb5", "#b8385a", "#7a6a4f", "#4f9aa8", "#666666")
FLOOR_LINE = {"color": "#8b93a5", "linestyle": "--", "linewidth": 1.2, "zorder": 1}
CHANNELS = (("plot_red", "#c23b3b"), ("plot_green", "#2f8f4e"), ("plot_blue", "#3b62c2"))
ESTIMATOR_LABELS = {"ddpo": "DDPO", "grpo": "GRPO", "rloo": "RLOO", "nft": "DiffusionNFT", "draft": "DRaFT"}
HIGH_IS_BETTER = ("accuracy", "coverage")


def short(experiment: str) -> str:
    """An experiment in a legend."""
    return "Exp3 (AD3)" if experiment == EXP3 else experiment


def estimator_label(name: str) -> str:
    """An estimator of the policy gradient by the name of its paper."""
    return ESTIMATOR_LABELS.get(name, name)


def loss_curves(curves: dict[str, dict[str, list[tuple[float, float]]]], path: Path, t: Texts) -> None:
    """Training and validation loss over images.

    Args:
        curves: label of a run to ``{"train": [(images, loss), …], "validation": […]}``.
        path: the PNG.
        t: the language.
    """
    figure = _figure(3.9)
    axis = figure.subplots()
    lowest, highest = np.inf, 0.0
    for color, (label, both) in zip(_colors(len(curves)), curves.items(), strict=True):
        images, loss = _smoothed(both["train"])
        axis.plot(images / 1000, loss, color=color, linewidth=1.6, label=_safe(label))
        lowest, highest = min(lowest, loss.min(initial=lowest)), max(highest, _settled(loss))
        if both["validation"]:
            images, loss = np.array(both["validation"]).T
            axis.plot(images / 1000, loss, color=color, linewidth=1.2, linestyle="--", marker="o", markersize=2.5)
            lowest, highest = min(lowest, loss.min()), max(highest, _settled(loss))
    if any(both["validation"] for both in curves.values()):
        axis.plot([], [], color="#555555", linestyle="--", marker="o", markersize=2.5, label=t("plot_validation"))
    if np.isfinite(lowest):
        margin = 0.08 * max(highest - lowest, 1e-6)
        axis.set_ylim(lowest - margin, highest + margin)  # the first steps would squeeze all that follows
    axis.set_xlabel(t("plot_images"))
    axis.set_ylabel(t("plot_loss"))
    _tidy(axis)
    axis.legend(fontsize=8.5, frameon=False)
    _save(figure, path)


def _smoothed(points: list[tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
    """A running mean over a fiftieth of the curve."""
    images, loss = np.array(points, float).reshape(-1, 2).T
    window = max(1, len(loss) // 50)
    kernel = np.ones(window)
    return images, np.convolve(loss, kernel, "same") / np.convolve(np.ones(len(loss)), kernel, "same")


def _settled(loss: np.ndarray) -> float:
    """The highest loss after the first tenth of the curve."""
    return float(loss[len(loss) // 10 :].max(initial=0.0))


def ablation_heat_map(
    group: Group, metric: str, cells: dict[tuple[int, int], Run], missing: set[tuple[int, int]], path: Path, t: Texts
) -> None:
    """Distance and, for class-conditional models, accuracy over T and base channels; cells without a result hatched."""
    names = [metric, "accuracy"] if any(run.score("accuracy") is not None for run in cells.values()) else [metric]
    timesteps = sorted({cell[0] for cell in [*cells, *missing]})
    channels = sorted({cell[1] for cell in [*cells, *missing]})
    figure = _figure(1.5 + 0.62 * len(timesteps))
    for axis, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        grid = np.full((len(timesteps), len(channels)), np.nan)
        for (steps, width), run in cells.items():
            value = run.score(name)
            grid[timesteps.index(steps), channels.index(width)] = np.nan if value is None else value
        floor = group.floor(name)
        _heat(axis, grid, reverse=name == metric)
        key = "plot_heat_accuracy" if name == "accuracy" else "plot_heat"
        axis.set_title(t(key, metric=t(f"metric_{name}"), floor="—" if floor is None else number(floor)), fontsize=10)
        axis.set_xticks(range(len(channels)), [str(width) for width in channels])
        axis.set_yticks(range(len(timesteps)), [str(steps) for steps in timesteps])
        axis.set_xlabel(t("plot_channels"))
        axis.set_ylabel(t("plot_timesteps"))
    _save(figure, path)


def _heat(axis: Axes, grid: np.ndarray, reverse: bool) -> None:
    from matplotlib.patches import Rectangle

    finite = grid[np.isfinite(grid)]
    low, high = float(finite.min(initial=np.inf)), float(finite.max(initial=-np.inf))
    axis.imshow(
        grid,
        cmap="YlGnBu_r" if reverse else "YlGnBu",
        vmin=low,
        vmax=high if high > low else low + 1e-9,
        aspect="auto",
    )
    for (row, column), value in np.ndenumerate(grid):
        if np.isfinite(value):
            shade = (value - low) / (high - low) if high > low else 0.0
            dark = (1 - shade if reverse else shade) > 0.5
            axis.text(
                column, row, number(value), ha="center", va="center", color="white" if dark else "#1f2430", fontsize=10
            )
        else:
            axis.add_patch(
                Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, hatch="///", edgecolor="#b5bac6", linewidth=0)
            )


def guidance_plot(rows: list[dict[str, Any]], floors: dict[str, float], path: Path, t: Texts) -> None:
    """Distance, accuracy and coverage over the guidance scale; a line per scheduler and number of steps."""
    lines: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        label = t("plot_steps_n", scheduler=row.get("scheduler", "?"), steps=row.get("num_inference_steps", "?"))
        lines.setdefault(label, []).append(row)
    _panels(lines, "guidance_scale", t("plot_guidance"), ("accuracy", "coverage"), floors, path, t)


def schedulers_plot(rows: list[dict[str, Any]], floors: dict[str, float], path: Path, t: Texts) -> None:
    """Distance, accuracy and time over the number of steps (log₂); a line per scheduler."""
    lines: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        lines.setdefault(str(row.get("scheduler", "?")), []).append(row)
    _panels(lines, "num_inference_steps", t("plot_steps"), ("accuracy", "seconds_per_image"), floors, path, t)


def _panels(
    lines: dict[str, list[dict[str, Any]]],
    x: str,
    x_label: str,
    extra: tuple[str, ...],
    floors: dict[str, float],
    path: Path,
    t: Texts,
) -> None:
    every = [row for rows in lines.values() for row in rows]
    distance = next(
        (name for name in ("fd_pca20_class_mean", "fd_pca20") if any(name in row["metrics"] for row in every)), None
    )
    names = [name for name in (distance, *extra) if name and any(name in row["metrics"] for row in every)]
    figure = _figure(3.3)
    axes = figure.subplots(1, max(len(names), 1), squeeze=False)[0]
    ticks = sorted({row[x] for row in every})
    for axis, name in zip(axes, names, strict=False):
        for color, (label, rows) in zip(_colors(len(lines)), lines.items(), strict=True):
            points = sorted((row[x], row["metrics"][name]) for row in rows if name in row["metrics"])
            if points:
                axis.plot(
                    *zip(*points, strict=True),
                    color=color,
                    marker="o",
                    markersize=4,
                    linewidth=1.5,
                    label=_safe(label),
                )
        if name in floors:
            axis.axhline(floors[name], label=t("plot_floor"), **FLOOR_LINE)
        if x == "num_inference_steps":
            axis.set_xscale("log", base=2)
        axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks], fontsize=8)
        axis.minorticks_off()
        axis.set_xlabel(x_label)
        axis.set_title(t(f"metric_{name}"), fontsize=10)
        if name not in HIGH_IS_BETTER:
            axis.set_ylim(bottom=0)
        _tidy(axis)
    if names:
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(
            handles, labels, loc="outside lower center", ncols=min(len(labels), 5), fontsize=8.5, frameon=False
        )
    _save(figure, path)


def histograms_plot(histograms: dict[str, dict[str, list[list[float]]]], path: Path, t: Texts) -> None:
    """Marginal RGB histograms, a row per run.

    Args:
        histograms: label of a run to ``{"real": 3 x bins, "samples": 3 x bins}``, shares of pixels.
        path: the PNG.
        t: the language.
    """
    figure = _figure(0.95 + 1.55 * len(histograms))
    rows = figure.subplots(len(histograms), 3, squeeze=False, sharex=True, sharey="row")
    for row, (label, both) in zip(rows, histograms.items(), strict=True):
        for axis, (name, color), real, drawn in zip(row, CHANNELS, both["real"], both["samples"], strict=True):
            edges = np.linspace(0, 256, len(real) + 1)
            axis.stairs(real, edges, fill=True, color="#d3d6de", label=t("plot_real"))
            axis.stairs(drawn, edges, color=color, linewidth=1.5, label=f"{t('plot_samples')}, {t(name)}")
            axis.set_yscale("log")
            axis.set(xlim=(0, 256), xticks=(0, 64, 128, 192, 256))
            axis.tick_params(labelsize=8)
            _tidy(axis)
        row[0].set_title(_safe(label), fontsize=9.5, loc="left")
        row[0].set_ylabel(t("plot_share"), fontsize=8)
    for axis in rows[-1]:
        axis.set_xlabel(t("plot_value"), fontsize=8)
    legends = [axis.get_legend_handles_labels() for axis in rows[0]]
    handles = [legends[0][0][0], *(handles[1] for handles, _ in legends)]
    labels = [legends[0][1][0], *(labels[1] for _, labels in legends)]
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=8.5, frameon=False)
    _save(figure, path)


def confusions_plot(matrices: dict[str, tuple[list[str], np.ndarray]], path: Path, t: Texts) -> None:
    """Confusion matrices side by side.

    Args:
        matrices: label of a run to (class names, counts: row asked for, column recognised).
        path: the PNG.
        t: the language.
    """
    columns = min(len(matrices), 3)
    lines = -(-len(matrices) // columns)
    largest = max(len(names) for names, _ in matrices.values())
    figure = _figure(lines * min(4.6, 1.6 + 0.42 * largest))
    axes = figure.subplots(lines, columns, squeeze=False).ravel()
    for axis in axes[len(matrices) :]:
        axis.set_axis_off()
    for axis, (label, (names, counts)) in zip(axes, matrices.items(), strict=False):
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        axis.imshow(shares, vmin=0, vmax=1, cmap="YlGnBu", aspect="auto")
        for row, column in np.ndindex(*shares.shape) if largest <= 12 else []:
            ink = "white" if shares[row, column] > 0.55 else "#1f2430"
            axis.text(column, row, f"{shares[row, column]:.2f}", ha="center", va="center", color=ink, fontsize=7.5)
        axis.set_xticks(range(len(names)), [_safe(name) for name in names], rotation=35, ha="right", fontsize=7.5)
        axis.set_yticks(range(len(names)), [_safe(name) for name in names], fontsize=7.5)
        axis.set_xlabel(t("plot_recognised"), fontsize=8)
        axis.set_ylabel(t("plot_asked"), fontsize=8)
        axis.set_title(_safe(label), fontsize=9.5)
    _save(figure, path)


def tuning_plot(curves: Sequence[Curve], path: Path, t: Texts) -> None:
    """Gain and diversity over reward queries: a line per run, a colour per estimator, a dot at the best gain."""
    results, lines = by_estimator(curves), lines_to_beat(curves)
    others = [result.estimator for result in results if result.estimator not in ESTIMATORS]
    inks = dict(zip([*ESTIMATORS, *others], _colors(len(ESTIMATORS) + len(others)), strict=True))
    names = ["gain", "diversity"] if any("diversity" in curve.best for curve in curves) else ["gain"]
    figure = _figure(3.6)
    for axis, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        for result in results:
            style = {"color": inks[result.estimator], "linewidth": 1.1, "alpha": 0.85}
            label = _safe(estimator_label(result.estimator))
            for curve in result.curves:
                rows = [row for row in curve.evaluations if name in row]
                axis.plot([row["queries"] for row in rows], [row[name] for row in rows], label=label, **style)
                label = "_nolegend_"
                if name in curve.best:
                    axis.plot(curve.best["queries"], curve.best[name], marker="o", markersize=4, **style)
        if name == "gain" and lines:
            height = float(np.mean([row["gain"] for row in lines.values()]))
            axis.axhline(height, label=t("plot_line_to_beat"), **FLOOR_LINE)
        axis.set_xlabel(t("plot_queries"))
        axis.set_title(t(f"plot_{name}"), fontsize=10)
        _tidy(axis)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=8.5, frameon=False)
    _save(figure, path)


def _figure(height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(WIDTH, height), dpi=DPI, layout="constrained")


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, format="png", metadata={"Software": None})


def _tidy(axis: Axes) -> None:
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(axis="y", color="#e6e9f0", linewidth=0.8)
    axis.set_axisbelow(True)


def _colors(count: int) -> list[str]:
    return [INK[index % len(INK)] for index in range(count)]


def _safe(text: str) -> str:
    """A name as a label: a dollar sign would start mathematics, a leading underscore would hide it from the legend."""
    text = text.replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text
