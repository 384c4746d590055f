"""Scores as files: the figures, and pictures of the samples, their colours, confusions and nearest training images."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from ..data import make_grid
from ..errors import SpriteError
from .reference import Reference
from .scores import Scores
from .text_reference import TextReference

COLUMNS = 10
_UNLABELLED_ROWS = 6
_PAIR_COLUMNS = 6
_PICTURES = ("grid.png", "histograms.png", "confusion.png", "closest.png")
_CHANNELS = (("red", "#c8102e"), ("green", "#2a8c3a"), ("blue", "#2456c8"))


def save_evaluation(scores: Scores, reference: Reference | TextReference, directory: str | Path) -> list[Path]:
    """Writes scores.json, metrics.md, grid.png, histograms.png, closest.png and, with labels, confusion.png.

    All are drawn beside their place before any is moved there, so that a failure leaves what was there.

    Args:
        scores: from `evaluate`, with the samples.
        reference: that of the evaluation.
        directory: created if missing.

    Raises:
        SpriteError: scores read from JSON, which holds no images.
    """
    if scores.samples is None:
        raise SpriteError("these scores were read from a file, which holds no samples to draw: evaluate again.")
    directory = Path(directory)
    partial = directory / ".evaluation"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        (partial / "scores.json").write_text(scores.to_json(), encoding="utf-8")
        (partial / "metrics.md").write_text(scores.table(), encoding="utf-8")
        sample_grid(scores, reference).save(partial / "grid.png")
        _save_histograms(scores, partial / "histograms.png")
        _save_closest(scores, reference, partial / "closest.png")
        if scores.confusion is not None:
            _save_confusion(scores, partial / "confusion.png")
        for name in _PICTURES:  # of an earlier evaluation, perhaps with labels
            (directory / name).unlink(missing_ok=True)
        names = sorted(path.name for path in partial.iterdir())
        for name in names:
            os.replace(partial / name, directory / name)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return [directory / name for name in names]


def sample_grid(scores: Scores, reference: Reference | TextReference) -> Image.Image:
    """The first ten samples of each class, a row per class; or the first sixty without labels.

    They are the first, not the best: for equal seeds and data they grew from the same noise in every evaluation.
    """
    samples = scores.samples
    assert samples is not None
    background = "checker" if reference.mode == "RGBA" else reference.background
    scale = max(1, 64 // reference.image_size)
    if scores.sample_labels is None:
        return make_grid(list(samples[: _UNLABELLED_ROWS * COLUMNS]), COLUMNS, scale, background=background)
    blank = Image.new("RGBA", (reference.image_size, reference.image_size))
    cells: list[Image.Image | np.ndarray] = []
    for label in range(len(reference.class_names or [])):
        row = list(samples[np.flatnonzero(scores.sample_labels == label)[:COLUMNS]])
        cells += [*row, *[blank] * (COLUMNS - len(row))]
    return make_grid(cells, COLUMNS, scale, background=background, row_labels=reference.class_names)


def _save_histograms(scores: Scores, path: Path) -> None:
    from matplotlib.figure import Figure

    histograms = scores.facts["rgb_histograms"]
    bins = len(histograms["real"][0])
    edges = np.arange(bins + 1) * (256 // bins)
    figure = Figure(figsize=(10, 2.8), layout="constrained")
    axes = figure.subplots(1, 3, sharey=True)
    for axis, (name, color), real, drawn in zip(
        axes, _CHANNELS, histograms["real"], histograms["samples"], strict=True
    ):
        axis.stairs(real, edges, fill=True, color="#c9c9c9", label="held-out")
        axis.stairs(drawn, edges, color=color, linewidth=1.6, label="samples")
        axis.set(title=name, xlim=(0, 256), xticks=(0, 64, 128, 192, 255), yscale="log")
        axis.legend(fontsize=8, frameon=False, loc="upper center")
    axes[0].set_ylabel("share of visible pixels")
    figure.savefig(path, dpi=120)


def _save_confusion(scores: Scores, path: Path) -> None:
    from matplotlib.figure import Figure

    counts = np.array(scores.confusion)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = scores.facts["class_names"]
    side = 2.2 + 0.75 * len(names)
    figure = Figure(figsize=(side + 0.8, side), layout="constrained")
    axis = figure.subplots()
    image = axis.imshow(shares, vmin=0, vmax=1, cmap="Blues")
    for row, column in np.ndindex(*counts.shape):
        ink = "white" if shares[row, column] > 0.5 else "black"
        axis.text(column, row, f"{counts[row, column]:,}", ha="center", va="center", color=ink, fontsize=9)
    axis.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
    axis.set_yticks(range(len(names)), names)
    axis.set(xlabel="recognised", ylabel="asked for")
    figure.colorbar(image, label="share of the row", shrink=0.8)
    figure.savefig(path, dpi=120)


def _save_closest(scores: Scores, reference: Reference | TextReference, path: Path) -> None:
    from matplotlib.figure import Figure

    assert scores.samples is not None
    background = "checker" if reference.mode == "RGBA" else reference.background
    rows = -(-len(scores.closest) // _PAIR_COLUMNS)
    figure = Figure(figsize=(_PAIR_COLUMNS * 1.9, rows * 1.35), layout="constrained")
    axes = figure.subplots(rows, _PAIR_COLUMNS, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
    for axis, (sample, train, ratio, distance) in zip(axes, scores.closest, strict=False):
        pair = [scores.samples[sample], reference.train_pixels[train]]
        axis.imshow(np.asarray(make_grid(pair, 2, max(1, 64 // reference.image_size), background=background)))
        axis.set_title(f"{ratio:.2f}   {distance:.3f}", fontsize=9)
    figure.savefig(path, dpi=110)
