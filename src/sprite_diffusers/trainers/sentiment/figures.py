"""What a training came to: confusions, curves, the gap between training and validation."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np


def confusion_matrix(truth: np.ndarray, found: np.ndarray, classes: int) -> np.ndarray:
    """Counts ``(classes, classes)`` of true classes (rows) and found ones (columns), int64."""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (truth, found), 1)
    return counts


def scores_of(counts: np.ndarray) -> dict[str, float]:
    """Accuracy, and the means over the classes of precision, recall and F1, from a confusion matrix."""
    right = np.diag(counts).astype(float)
    precision = right / np.maximum(counts.sum(0), 1)
    recall = right / np.maximum(counts.sum(1), 1)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return {
        "accuracy": float(right.sum() / max(counts.sum(), 1)),
        "precision": float(precision.mean()),
        "recall": float(recall.mean()),
        "f1": float(f1.mean()),
    }


def loss_rises(history: list[dict[str, float]]) -> int:
    """How often the validation loss was above that of the evaluation before."""
    losses = [row["validation/loss"] for row in history]
    return sum(after > before for before, after in pairwise(losses))


def save_confusion(counts: np.ndarray, names: list[str], title: str, path: Path) -> None:
    """Draws a confusion matrix: counts, and their share of the true class."""
    from matplotlib.figure import Figure

    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = Figure(figsize=(2.2 + 0.9 * len(names), 1.8 + 0.8 * len(names)), layout="constrained")
    axis = figure.add_subplot()
    axis.imshow(shares, vmin=0, vmax=1, cmap="Blues")
    for row, column in np.ndindex(*counts.shape):
        ink = "white" if shares[row, column] > 0.5 else "black"
        label = f"{counts[row, column]:,}\n{100 * shares[row, column]:.1f} %"
        axis.text(column, row, label, ha="center", va="center", color=ink, fontsize=9)
    axis.set_xticks(range(len(names)), names)
    axis.set_yticks(range(len(names)), names)
    axis.set(xlabel="found", ylabel="true")
    axis.set_title(title, fontsize=10)
    figure.savefig(path, dpi=120)


def save_curves(history: list[dict[str, float]], best_step: int, path: Path) -> None:
    """Draws loss and accuracy of training and validation over the epochs, and where the weights that were kept are."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.4), layout="constrained")
    epochs = [row["train/epoch"] for row in history]
    best = next((row["train/epoch"] for row in history if row["step"] == best_step), None)
    for axis, name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        for split, colour, label in (
            ("train", "#8a8a8a", "training, with dropout"),
            ("validation", "#2456c8", "validation"),
        ):
            axis.plot(
                epochs, [row[f"{split}/{name}"] for row in history], "o-", color=colour, label=label, markersize=4
            )
        if best is not None:
            axis.axvline(best, color="#2a8c3a", linestyle=":", label="kept")
        axis.set(xlabel="epoch", ylabel=name if name == "accuracy" else "cross-entropy (nats)")
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8, frameon=False)
    figure.savefig(path, dpi=120)


def results_table(figures: dict[str, Any]) -> str:
    """The figures of a run as a table of Markdown."""
    rows = [("validation accuracy, best", "validation_accuracy"), ("validation loss, best", "validation_loss"),
            ("training accuracy of the same weights", "train_accuracy"), ("gap between training and validation", "train_validation_gap"),
            ("rises of the validation loss", "validation_loss_rises"), ("test accuracy", "test_accuracy"),
            ("test F1", "test_f1"), ("minutes of training", "train_minutes")]  # fmt: skip
    lines = ["| | |", "|---|---|"]
    for title, name in rows:
        if name in figures:
            value = figures[name]
            lines.append(f"| {title} | {value if isinstance(value, int) else f'{value:.4f}'} |")
    return "\n".join(lines)
