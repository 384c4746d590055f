"""The tables of the results page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .page import MISSING, Footnotes, Table, escape
from .selection import (
    AD6,
    EXP3,
    EXP5,
    Group,
    ablation_cell,
    best_of_each_cell,
    experiment_order,
    primary_metric,
    why_incomplete,
)
from .store import Run
from .texts import Texts

CONDITIONAL_ONLY = ("accuracy", "fd_pca20_class_mean")


@dataclass(frozen=True)
class Column:
    """A metric. `better` is ``"low"``, ``"high"`` or ``"floor"`` (closest to it)."""

    metric: str
    better: str


COLUMNS = (
    Column("fd_pca20", "low"),
    Column("fd_feature", "low"),
    Column("fd_pca20_class_mean", "low"),
    Column("kid", "low"),
    Column("precision", "high"),
    Column("recall", "high"),
    Column("density", "high"),
    Column("coverage", "high"),
    Column("accuracy", "high"),
    Column("memorised", "low"),
    Column("near_copies", "low"),
    Column("unique_colors", "floor"),
    Column("seconds_per_image", "low"),
)
SWEEP_METRICS = ("fd_pca20", "fd_pca20_class_mean", "fd_feature", "precision", "recall", "coverage", "accuracy")
ABLATION_METRICS = ("fd_pca20", "fd_pca20_class_mean", "fd_feature", "coverage", "accuracy", "memorised")


def number(value: float) -> str:
    """About four significant digits, never an exponent."""
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    digits = 1 if abs(value) >= 100 else 2 if abs(value) >= 10 else 3 if abs(value) >= 0.1 else 4
    return f"{value:.{digits}f}" if abs(value) >= 0.00005 else "0.0000"


def count(value: float | None) -> str:
    return MISSING if value is None else f"{value:,.0f}"


def minutes(seconds: float | None) -> str:
    return MISSING if seconds is None else f"{seconds / 60:,.1f}"


def best_index(values: Iterable[float | None], better: str, floor: float | None = None) -> set[int]:
    """Where the best value stands; more than once if equal, nowhere if there is nothing to choose between."""
    known = {index: value for index, value in enumerate(values) if value is not None}
    if better == "floor":
        known = {index: abs(value - floor) for index, value in known.items()} if floor is not None else {}
    if len(set(known.values())) < 2:
        return set()
    best = max(known.values()) if better == "high" else min(known.values())
    return {index for index, value in known.items() if value == best}


def experiment_label(name: str) -> str:
    """The experiment as a cell or word; Exp3 is also known as AD3."""
    return escape(f"{name} (AD3)" if name == EXP3 else name)


def code(name: str) -> str:
    return f"<code>{escape(name)}</code>"


def comparison_table(group: Group, t: Texts) -> Table:
    """The best run of each experiment, all metrics, the floor first."""
    runs, notes = group.best(), Footnotes()
    header = [t(f"col_{name}") for name in ("experiment", "run", "images", "minutes", "parameters")]
    header += [t(f"col_{column.metric}") for column in COLUMNS]
    nothing = notes.missing(t("note_floor"))
    floor_row = [t("floor_row"), *[nothing] * 4]
    rows = [
        [
            experiment_label(run.experiment), code(run.name), count(run.metrics.get("run/images")),
            _train_minutes(run, notes, t), count(run.metrics.get("run/parameters")),
        ]
        for run in runs
    ]  # fmt: skip
    for column in COLUMNS:
        floor = group.floor(column.metric)
        if floor is not None:
            floor_row.append(with_error(floor, group.floor("kid_se") if column.metric == "kid" else None))
        else:
            why = "note_floor" if column.metric == "seconds_per_image" else "note_unmeasured"
            floor_row.append(notes.missing(t(why)))
        best = best_index([run.score(column.metric) for run in runs], column.better, floor)
        for index, run in enumerate(runs):
            rows[index].append(score_cell(run, column.metric, index in best, notes, t))
    return Table(header, [floor_row, *rows], left=2, reference_rows=1, notes=notes.lines())


def _train_minutes(run: Run, notes: Footnotes, t: Texts) -> str:
    """Of a latent diffusion, those of its autoencoder beside its own."""
    own = minutes(run.metrics.get("run/train_seconds"))
    if run.autoencoder_seconds is None:
        return own
    return notes.mark(f"{own} + {minutes(run.autoencoder_seconds)}", t("note_autoencoder_minutes"))


def score_cell(run: Run, metric: str, best: bool, notes: Footnotes, t: Texts) -> str:
    value = run.score(metric)
    if value is None:
        does_not_apply = metric in CONDITIONAL_ONLY and not run.is_conditional
        return notes.missing(t("note_unconditional" if does_not_apply else "note_unmeasured"))
    text = with_error(value, run.score("kid_se") if metric == "kid" else None)
    return f"<b>{text}</b>" if best else text


def with_error(value: float, error: float | None) -> str:
    return number(value) if error is None else f"{value:.4f} ±&nbsp;{error:.4f}"


def per_class_table(group: Group, t: Texts) -> Table | list[str]:
    """AD3 against AD6 by class; the experiments that are missing if it cannot be made."""
    best = {run.experiment: run for run in group.best()}
    missing = [name for name in (EXP3, AD6) if name not in best or not best[name].classes]
    if missing:
        return missing
    ad3, ad6, notes = best[EXP3], best[AD6], Footnotes()
    header = [
        t("col_class"), t("floor"), t("col_fd_of", experiment="AD3"), t("col_fd_of", experiment="AD6"),
        t("col_ratio"), t("col_accuracy_real"), t("col_accuracy_of", experiment="AD3"), t("col_accuracy_of", experiment="AD6"),
    ]  # fmt: skip
    rows = []
    for name in [*ad3.classes, *(name for name in ad6.classes if name not in ad3.classes)]:
        one, other = ad3.classes.get(name, {}), ad6.classes.get(name, {})
        rows.append([escape(name), *_versus(one, other, {**one, **other}, ("_floor", "_floor"), notes, t)])
    means = [{"fd_pca20": run.score("fd_pca20_class_mean"), "accuracy": run.score("accuracy")} for run in (ad3, ad6)]
    floors = {"fd_pca20_floor": group.floor("fd_pca20_class_mean"), "accuracy_floor": group.floor("accuracy")}
    rows.append([f"<i>{t('mean')}</i>", *_versus(means[0], means[1], floors, ("_floor", "_floor"), notes, t)])
    return Table(header, rows, left=1, notes=notes.lines())


def _versus(
    one: dict[str, Any],
    other: dict[str, Any],
    floors: dict[str, Any],
    ends: tuple[str, str],
    notes: Footnotes,
    t: Texts,
) -> list[str]:
    def cells(metric: str, end: str, better: str) -> list[str]:
        values = [one.get(metric), other.get(metric)]
        best = best_index(values, better)
        return [plain_cell(floors.get(metric + end), False, notes, t)] + [
            plain_cell(value, index in best, notes, t) for index, value in enumerate(values)
        ]

    first, second = one.get("fd_pca20"), other.get("fd_pca20")
    ratio = second / first if first and second is not None else None
    return [
        *cells("fd_pca20", ends[0], "low"),
        plain_cell(ratio, False, notes, t),
        *cells("accuracy", ends[1], "high"),
    ]


def plain_cell(value: float | None, best: bool, notes: Footnotes, t: Texts) -> str:
    if value is None:
        return notes.missing(t("note_unmeasured"))
    return f"<b>{number(value)}</b>" if best else number(value)


def ablation_matrix(group: Group, all_runs: list[Run], t: Texts) -> Table | None:
    """T by base channels, the primary metric and the accuracy in each cell; None if there is no ablation here."""
    cells = ablation_cells(group)
    if not cells:
        return None
    metric, best = cells
    failed = {
        cell: run
        for run in all_runs
        if run.experiment == EXP5
        and run.dataset == group.dataset
        and why_incomplete(run)
        and (cell := ablation_cell(run))
    }
    timesteps = sorted({cell[0] for cell in [*best, *failed]})
    channels = sorted({cell[1] for cell in [*best, *failed]})
    lowest = min(run.metrics[f"eval/{metric}"] for run in best.values())
    notes, rows = Footnotes(), []
    for steps in timesteps:
        row = [f"T = {steps}"]
        for width in channels:
            run = best.get((steps, width))
            if run is not None:
                value, accuracy = run.metrics[f"eval/{metric}"], run.score("accuracy")
                text = f"<b>{number(value)}</b>" if value == lowest and len(best) > 1 else number(value)
                row.append(text if accuracy is None else f"{text} ({number(accuracy)})")
            elif (steps, width) in failed:
                bad = failed[steps, width]
                row.append(notes.missing(t("note_cell_run", run=escape(bad.name), why=t(why_incomplete(bad) or ""))))
            else:
                row.append(notes.missing(t("note_cell_absent")))
        rows.append(row)
    header = [t("ablation_corner"), *(t("ablation_column", channels=width) for width in channels)]
    return Table(header, rows, left=1, notes=notes.lines())


def ablation_cells(group: Group) -> tuple[str, dict[tuple[int, int], Run]] | None:
    """The metric that ranks the ablation of this group, and the best run of each cell; None if there is none."""
    runs = group.of(EXP5)
    metric = primary_metric(EXP5, runs)
    best = best_of_each_cell(runs, metric) if metric else {}
    return (metric, best) if metric and best else None


def ablation_list(group: Group, t: Texts) -> Table:
    """One row per cell of the ablation, with what it cost."""
    cells = ablation_cells(group)
    assert cells is not None
    runs, notes = [run for _, run in sorted(cells[1].items())], Footnotes()
    metrics = [metric for metric in ABLATION_METRICS if any(run.score(metric) is not None for run in runs)]
    header = [
        t(f"col_{name}") for name in ("run", "timesteps", "channels", "parameters", "images", "minutes", *metrics)
    ]
    rows = [
        [
            code(run.name), *(str(part) for part in ablation_cell(run) or ()), count(run.metrics.get("run/parameters")),
            count(run.metrics.get("run/images")), minutes(run.metrics.get("run/train_seconds")),
        ]
        for run in runs
    ]  # fmt: skip
    better = {column.metric: column.better for column in COLUMNS}
    for metric in metrics:
        best = best_index([run.score(metric) for run in runs], better[metric])
        for index, run in enumerate(runs):
            rows[index].append(score_cell(run, metric, index in best, notes, t))
    return Table(header, rows, left=1, notes=notes.lines())


def sweep_table(rows: list[dict[str, Any]], floors: dict[str, float], first: tuple[str, ...], t: Texts) -> Table:
    """Rows of a sweep; `first` are the settings that vary (keys of a row), shown before the metrics."""
    metrics = [name for name in (*SWEEP_METRICS, "seconds_per_image") if any(name in row["metrics"] for row in rows)]
    titles = {"guidance_scale": "col_guidance_scale", "num_inference_steps": "col_steps", "scheduler": "col_scheduler"}
    better = {column.metric: column.better for column in COLUMNS}
    notes = Footnotes()
    cells = [[escape(str(row.get(key, MISSING))) for key in first] for row in rows]
    for metric in metrics:
        best = best_index([row["metrics"].get(metric) for row in rows], better[metric])
        for index, row in enumerate(rows):
            cells[index].append(plain_cell(row["metrics"].get(metric), index in best, notes, t))
    if floors:
        blank = [MISSING] * (len(first) - 1)
        floor_cells = [number(floors[metric]) if metric in floors else MISSING for metric in metrics]
        cells.insert(0, [t("floor_row"), *blank, *floor_cells])
    header = [*(t(titles[key]) for key in first), *(t(f"col_{metric}") for metric in metrics)]
    return Table(header, cells, left=1, reference_rows=1 if floors else 0, notes=notes.lines())


def cost_table(runs: list[Run], t: Texts) -> Table:
    """What all runs of each experiment cost; the last row is their sum."""
    names = ("experiment", "finished", "images_all", "minutes_all", "other_runs", "other_minutes")
    totals, rows = [0.0] * 5, []
    for experiment in sorted({run.experiment for run in runs}, key=experiment_order):
        mine = [run for run in runs if run.experiment == experiment]
        done = [run for run in mine if run.status == "FINISHED"]
        other = [run for run in mine if run.status != "FINISHED"]
        figures = [
            float(len(done)), sum(run.metrics.get("run/images", 0.0) for run in done),
            sum(run.metrics.get("run/train_seconds", 0.0) for run in done),
            float(len(other)), sum(run.seconds or 0.0 for run in other),
        ]  # fmt: skip
        totals = [total + figure for total, figure in zip(totals, figures, strict=True)]
        rows.append([experiment_label(experiment), *_cost_cells(figures)])
    rows.append([f"<b>{t('total')}</b>", *_cost_cells(totals)])
    return Table([t(f"col_{name}") for name in names], rows, left=1)


def _cost_cells(figures: list[float]) -> list[str]:
    done, images, seconds, other, other_seconds = figures
    return [count(done), count(images), minutes(seconds), count(other), minutes(other_seconds)]
