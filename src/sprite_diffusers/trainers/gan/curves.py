"""Curves of a training of a generator."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

LOSSES = {
    "discriminator_loss": ("discriminator", "#2456c8"),
    "generator_loss": ("generator", "#c8102e"),
    "negative_log_likelihood": ("reconstruction", "#2456c8"),
    "kl": ("KL divergence", "#c8102e"),
}
ACCURACIES = {"accuracy_real": ("real images", "#2456c8"), "accuracy_fake": ("drawn images", "#c8102e")}


def save_curves(history: Sequence[dict[str, float]], path: Path) -> Path | None:
    """Losses by step and, of a GAN, the discriminator's accuracy and the spread of what is drawn; `None` without figures.

    Args:
        history: rows with ``"step"`` and the figures recorded by a `GeneratorTrainer`.
    """
    if not history:
        return None
    from matplotlib.figure import Figure

    adversarial = "accuracy_real" in history[0]
    figure = Figure(figsize=(13 if adversarial else 6, 3.4), layout="constrained")
    axes = figure.subplots(1, 3 if adversarial else 1, squeeze=False)[0]
    _draw(axes[0], history, LOSSES, "loss")
    if adversarial:
        _draw(axes[1], history, ACCURACIES, "accuracy of the discriminator")
        axes[1].set_ylim(-0.02, 1.02)
        _draw(axes[2], history, {"sample_spread": ("drawn images", "#c8102e")}, "spread, relative to real images")
        axes[2].set_ylim(bottom=0)
    figure.savefig(path, dpi=110)
    return path


def _draw(axis, history: Sequence[dict[str, float]], curves: dict[str, tuple[str, str]], title: str) -> None:
    for name, (label, color) in curves.items():
        if name in history[0]:
            axis.plot(
                [row["step"] for row in history], [row[name] for row in history], color=color, label=label, lw=1.2
            )
    axis.set(title=title, xlabel="step")
    axis.grid(alpha=0.25)
    axis.legend(fontsize=8, frameon=False)
