"""Figures of a study as files and tables."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ....errors import SpriteError
from ....rewards import Calibration, composite
from ....rewards.base import Values
from ....rewards.combine import Weights
from .statistics import Gain, fold_summary, paired_gain


def write_fold_csv(path: str | Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes one row per evaluated image: its prompt, number, rewards of base and tuned model, and their composites.

    `None` (the reward does not apply) is an empty cell. Numbers are written in full.

    Args:
        path: of the file.
        rows: with the same keys, which become the header in the order of the first row.

    Raises:
        SpriteError: no rows, or keys that differ.
    """
    path = Path(path)
    if not rows or any(set(row) != set(rows[0]) for row in rows):
        raise SpriteError(
            f"{path} would have {len(rows)} rows, not all of the same columns: give one or more that agree."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}")
    with partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    os.replace(partial, path)


def read_history(path: str | Path) -> list[dict[str, float]]:
    """The evaluations in a CSV of numbers, in order; empty cells are left out.

    Raises:
        SpriteError: there is no such file, or it holds something else.
    """
    try:
        with Path(path).open(newline="", encoding="utf-8") as file:
            return [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(file)]
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise SpriteError(f"{path} is no table of evaluations ({type(error).__name__}: {error}).") from None


def results_table(
    base: Mapping[str, Values],
    tuned: Mapping[str, Values],
    prompts: Sequence[str],
    calibration: Calibration,
    weights: Weights = None,
    untrained: tuple[str, Values, Values] | None = None,
    diversity: float | None = None,
) -> str:
    """Markdown: each reward before and after tuning with its paired gain, the composite, the untrained reward, diversity.

    Args:
        base, tuned: raw values of N images by reward, from the same noise.
        prompts: of the N images.
        calibration: of the rewards, for gains in standard deviations of the base and for the composite.
        weights: of the composite, see `rewards.composite`.
        untrained: name, and values of base and tuned model, of a reward that was not trained on; its unit is the standard
            deviation of the base's values here, if it has any.
        diversity: of the tuned model, as a share of the base's.

    Raises:
        SpriteError: values that do not pair, or a reward that is not calibrated.
    """
    rows = [
        _row(name, base[name], tuned[name], prompts, calibration.scale(name).sd, raw=True)
        for name in calibration.scales
        if name in base
    ]
    before, after = (composite(calibration.normalize(values), weights) for values in (base, tuned))
    rows.append(_row("**composite**", before, after, prompts, 1.0, raw=False))
    if untrained is not None:
        name, watched, after_tuning = untrained
        rows.append(_row(f"{name} (untrained)", watched, after_tuning, prompts, _spread(watched)[1], raw=True))
    header = ["reward", "base, mean ± sd", "tuned, mean ± sd", "gain (95 %)", "gain in sd of the base (95 %)"]
    gain = paired_gain(before, after, prompts)
    unit = "prompts, each the mean of its images" if gain.over == "prompts" else "images of the only prompt"
    count = gain.num_prompts if gain.over == "prompts" else gain.num_images
    notes = [f"{gain.num_images:,} pairs of images from the same noise; Student's t intervals over {count:,} {unit}."]
    if diversity is not None:
        notes.append(f"Diversity among images of a prompt: {diversity:.2f} of the base's.")
    return "\n".join([_markdown(header, rows), "", *notes]) + "\n"


def folds_table(folds: Mapping[str, Mapping[str, Gain]]) -> str:
    """Markdown: gains of each fold with their 95 % intervals, then their mean ± sd over folds.

    Args:
        folds: by the name of the fold, gains by name, the same names in each; in standard deviations of the base.

    Raises:
        SpriteError: no folds, or folds of other names.
    """
    names = list(next(iter(folds.values()), {}))
    if not names or any(set(gains) != set(names) for gains in folds.values()):
        raise SpriteError(
            f"{len(folds)} folds with different gains or none make no table: give the same of each fold."
        )
    rows = [[fold, *(_gain(gains[name]) for name in names)] for fold, gains in folds.items()]
    summaries = [fold_summary([gains[name] for gains in folds.values()]) for name in names]
    rows.append(["**mean ± sd**", *(f"{_signed(one.mean)} ± {_number(one.sd)}" for one in summaries)])
    rows.append(["above zero", *(f"{one.num_above_zero} of {one.num_folds}" for one in summaries)])
    return _markdown(["fold", *names], rows) + "\n"


def _row(name: str, base: Values, tuned: Values, prompts: Sequence[str], sd: float, raw: bool) -> list[str]:
    gain = paired_gain(base, tuned, prompts)
    before, after = ("{} ± {}".format(*map(_number, _spread(values))) for values in (base, tuned))
    return [name, before, after, _gain(gain) if raw else "", _gain(gain.scaled(1 / sd)) if sd > 0 else ""]


def _spread(values: Values) -> tuple[float, float]:
    """Mean and standard deviation of what there is."""
    found = [value for value in values if value is not None]
    return float(np.mean(found)), float(np.std(found, ddof=1)) if len(found) > 1 else math.nan


def _gain(gain: Gain) -> str:
    return f"{_signed(gain.mean)} ({_signed(gain.low)} to {_signed(gain.high)})"


def _number(value: float) -> str:
    if math.isnan(value):
        return "-"
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:.3f}" if abs(value) < 10 else f"{value:.2f}"


def _signed(value: float) -> str:
    return f"{'+' if value >= 0 else '-'}{_number(abs(value))}".replace("inf", "∞")


def _markdown(header: list[str], rows: list[list[str]]) -> str:
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join("| " + " | ".join(row) + " |" for row in [header, rule, *rows])
