"""Distances by epoch and losses of all trainings of a comparison."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from ..generator_trainer import HISTORY_FILE

if TYPE_CHECKING:
    from .comparison import Comparison

COLORS = {"vae": "#2456c8", "gan": "#c8102e"}
LOSS_TITLES = {
    "negative_log_likelihood": "VAE: reconstruction",
    "kl": "VAE: KL divergence",
    "discriminator_loss": "GAN: discriminator",
    "generator_loss": "GAN: generator",
}


def save_distance_plot(comparison: Comparison, path: Path, title: str) -> bool:
    """Distance by epoch, a line per training; False if there are no snapshots."""
    from matplotlib.figure import Figure

    runs = [run for run in comparison.trained if run.snapshots]
    if not runs:
        return False
    figure = Figure(figsize=(6.5, 3.6), layout="constrained")
    axis = figure.subplots()
    named: set[str] = set()
    for run in runs:
        label = None if run.kind in named else run.kind.upper()
        named.add(run.kind)
        epochs = [snapshot.epoch for snapshot in run.snapshots]
        axis.plot(epochs, run.distances, color=COLORS[run.kind], marker="o", ms=3, lw=1.2, label=label)
    axis.axhline(comparison.floor[comparison.distance], color="#777777", ls="--", lw=1, label="real images")
    axis.set(title=title, xlabel="epoch", yscale="log")
    axis.grid(alpha=0.25)
    axis.legend(fontsize=8, frameon=False)
    figure.savefig(path, dpi=110)
    return True


def save_loss_plot(comparison: Comparison, path: Path) -> bool:
    """A picture per loss, a line per training; False without figures."""
    from matplotlib.figure import Figure

    histories = {
        run.folder.name: (run.kind, json.loads((run.folder / HISTORY_FILE).read_text(encoding="utf-8"))["history"])
        for run in comparison.trained
    }
    if not any(history for _, history in histories.values()):
        return False
    figure = Figure(figsize=(13, 3), layout="constrained")
    for axis, (name, title) in zip(figure.subplots(1, len(LOSS_TITLES)), LOSS_TITLES.items(), strict=True):
        for run, (kind, history) in histories.items():
            rows = [row for row in history if name in row]
            if rows:
                axis.plot([row["step"] for row in rows], [row[name] for row in rows], color=COLORS[kind], lw=0.9,
                          alpha=0.8, label=run)  # fmt: skip
        axis.set(title=title, xlabel="step")
        axis.grid(alpha=0.25)
    figure.savefig(path, dpi=110)
    return True
