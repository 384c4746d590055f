"""The answer of `recognition.py` as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .recognition import RunStudy


def save_recognition_plot(studies: Sequence[RunStudy], path: Path) -> Path:
    """Share recognised, and share of the rarest class, by step; a line per run."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    for study in studies:
        left.plot(study.steps, [found.confident for found in study.recognitions], marker="o", ms=3, label=study.name)
        right.plot(study.steps, [found.rarest for found in study.recognitions], marker="o", ms=3, label=study.name)
    for level in (0.5, 0.9):
        left.axhline(level, color="#999999", lw=0.8, ls="--")
    left.set(title="images recognised", xlabel="step", ylabel="share of the images", ylim=(0, 1.02))
    right.set(title="rarest class", xlabel="step", ylabel="share of the images")
    right.set_ylim(bottom=0)
    for axis in (left, right):
        axis.grid(alpha=0.25)
    left.legend(fontsize=8, frameon=False)
    figure.savefig(path, dpi=110)
    return path
