"""The analysis of an autoencoder as files: its figures, and pictures of reconstructions, latents, paths and codes."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ..data import make_grid
from .latents import STRIP_LENGTH, LatentAnalysis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SCREEN_SIDE = 64  # of a sprite, in screen pixels
_PERPLEXITY = 30.0


def save_analysis(analysis: LatentAnalysis, directory: str | Path) -> list[Path]:
    """Writes latents.json, reconstructions.png, latents.png, interpolation.png and, with a codebook, codebook.png.

    All are made beside their place before any is moved there, so that a failure leaves what was there.

    Args:
        analysis: from `analyse`.
        directory: created if missing.
    """
    directory = Path(directory)
    partial = directory / ".latents"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        facts = {"metrics": analysis.metrics, "facts": analysis.facts}
        (partial / "latents.json").write_text(json.dumps(facts, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        _reconstruction_grid(analysis).save(partial / "reconstructions.png")
        _interpolation_grid(analysis).save(partial / "interpolation.png")
        _save_scatter(analysis, partial / "latents.png")
        if analysis.code_counts is not None:
            _save_codebook(analysis.code_counts, partial / "codebook.png")
        (directory / "codebook.png").unlink(missing_ok=True)  # of another autoencoder, perhaps with a codebook
        names = sorted(path.name for path in partial.iterdir())
        for name in names:
            os.replace(partial / name, directory / name)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return [directory / name for name in names]


def _reconstruction_grid(analysis: LatentAnalysis) -> Image.Image:
    rows = {
        "held-out": analysis.originals,
        "reconstructed": analysis.reconstructions,
        "noisy": analysis.noisy,
        "denoised": analysis.denoised,
    }
    return _grid([image for images in rows.values() for image in images], len(analysis.originals), list(rows))


def _interpolation_grid(analysis: LatentAnalysis) -> Image.Image:
    names = analysis.strip_names if any(analysis.strip_names) else None
    return _grid([image for strip in analysis.strips for image in strip], STRIP_LENGTH, names)


def _grid(images: list[np.ndarray], columns: int, row_labels: list[str] | None) -> Image.Image:
    background = "checker" if images[0].shape[-1] == 4 else "white"
    scale = max(1, _SCREEN_SIDE // images[0].shape[0])
    return make_grid(images, columns, scale, background=background, row_labels=row_labels)


def _save_scatter(analysis: LatentAnalysis, path: Path) -> None:
    from matplotlib.figure import Figure

    spaces = {"latents": analysis.latents, "pixels": analysis.pixels}
    figure = Figure(figsize=(10, 10), layout="constrained")
    axes = figure.subplots(2, 2)
    for column, (space, rows) in enumerate(spaces.items()):
        silhouette = analysis.metrics.get(f"silhouette_{space}")
        note = "" if silhouette is None else f" (silhouette {silhouette:.3f})"
        for axis, method in zip(axes[:, column], ("PCA", "t-SNE"), strict=True):
            points = _pca(rows) if method == "PCA" else _tsne(rows, analysis.facts["seed"])
            _scatter(axis, points, analysis)
            axis.set_title(f"{method} of the {space}{note}", fontsize=11)
    if analysis.labels is not None:
        handles, names = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=5, frameon=False, markerscale=2)
    figure.savefig(path, dpi=110)


def _scatter(axis: Axes, points: np.ndarray, analysis: LatentAnalysis) -> None:
    """`points` (M, 2), coloured by class; in one random order, so that no class hides another by being drawn last."""
    from matplotlib import colormaps

    names = analysis.facts["class_names"]
    axis.set(xticks=[], yticks=[])
    if analysis.labels is None:
        axis.scatter(points[:, 0], points[:, 1], s=9, alpha=0.7, linewidths=0)
        return
    palette = colormaps["tab10" if len(names) <= 10 else "tab20"]
    colors = np.array([palette(label % palette.N) for label in range(len(names))])
    order = np.random.default_rng(0).permutation(len(points))
    axis.scatter(points[order, 0], points[order, 1], s=9, alpha=0.7, linewidths=0, c=colors[analysis.labels[order]])
    for name, color in zip(names, colors, strict=True):
        axis.scatter([], [], s=18, color=color, label=name)


def _pca(rows: np.ndarray) -> np.ndarray:
    """float (M, 2): the first two principal components, 0 where there are fewer."""
    from sklearn.decomposition import PCA

    if not rows.any():  # standardised, so all are equal
        return np.zeros((len(rows), 2))
    points = PCA(min(2, rows.shape[1]), random_state=0).fit_transform(rows)
    return np.pad(points, ((0, 0), (0, 2 - points.shape[1])))


def _tsne(rows: np.ndarray, seed: int) -> np.ndarray:
    """float (M, 2), van der Maaten & Hinton 2008."""
    from sklearn.manifold import TSNE

    perplexity = min(_PERPLEXITY, (len(rows) - 1) / 3)
    # random: the start from principal components fails on one dimension, and divides by 0 on collapsed latents
    return TSNE(2, perplexity=perplexity, init="random", random_state=seed).fit_transform(rows)


def _save_codebook(counts: np.ndarray, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.2), layout="constrained")
    axis = figure.subplots()
    axis.stairs(np.sort(counts)[::-1] / counts.sum(), fill=True, baseline=0, color="#3b6fb6")
    axis.axhline(1 / len(counts), color="#8b93a5", linestyle="--", linewidth=1.2, label="all codes alike")
    axis.set(
        title=f"{(counts > 0).sum():,} of {len(counts):,} codes used by the held-out images",
        xlabel="codes, the most used first",
        ylabel="share of the positions",
        xlim=(0, len(counts)),
        yscale="log",
    )
    axis.set_ylim(bottom=0.5 / counts.sum())  # below a code that occurs once
    axis.legend(frameon=False)
    figure.savefig(path, dpi=110)
