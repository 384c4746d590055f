"""The charts of an audit, as PNG bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from .overview import ClassFacts, ClassPictures
from .pixel_facts import FEW_COLORS, MANY_COLORS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BLUE, _PALE, _RED = "#3465a4", "#bccbe2", "#c0393b"
MAX_CLASSES = 40  # more are neither drawn nor told apart


def class_chart(classes: Sequence[ClassFacts]) -> bytes:
    """A bar per class: all images pale, distinct images dark."""
    classes = sorted(classes, key=lambda entry: -entry.num_images)[:MAX_CLASSES]
    figure, axes = _chart(9, 1.2 + 0.32 * len(classes))
    places = range(len(classes))
    axes.barh(places, [entry.num_images for entry in classes], color=_PALE, label="with copies")
    axes.barh(places, [entry.num_distinct for entry in classes], color=_BLUE, height=0.5, label="distinct")
    axes.set_yticks(places, [_plain(entry.name) for entry in classes])
    axes.invert_yaxis()
    axes.set_xlabel("images")
    axes.legend(loc="lower right")
    return _png(figure)


def color_chart(colors: np.ndarray) -> bytes:
    """A histogram of palette sizes (N,), with the limits of few and many colours; images without any do not show."""
    figure, axes = _chart(9, 3)
    top = max(int(colors.max()), 2)
    edges = np.arange(-0.5, top + 1) if top <= 64 else np.unique(np.geomspace(1, top + 1, 60).astype(int)) - 0.5
    axes.hist(colors, bins=edges.tolist(), color=_BLUE)
    if top > 64:
        axes.set_xscale("log")
        axes.set_xticks([n for n in (1, 2, 4, 8, 16, 32, 64, 256, 1024, 4096, 16384) if n <= top])
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.minorticks_off()
    for limit in (FEW_COLORS, MANY_COLORS):
        if limit < top:
            axes.axvline(limit, color=_RED, linestyle="--", linewidth=1)
    axes.set_xlabel("visible colours per image")
    axes.set_ylabel("distinct images")
    return _png(figure)


def class_pictures(pictures: Sequence[ClassPictures]) -> bytes:
    """Mean image and heat map of each class, side by side."""
    shown = pictures[:MAX_CLASSES]
    columns = min(len(shown), 6)
    rows = -(-len(shown) // columns)
    figure = _figure(1.7 * columns + 0.6, 3.7 * rows)
    grid = figure.subplots(2 * rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    for place, picture in enumerate(shown):
        mean, heat = grid[2 * (place // columns), place % columns], grid[2 * (place // columns) + 1, place % columns]
        mean.imshow(picture.mean, interpolation="nearest")
        mean.set_title(_plain(picture.name), fontsize=9)
        image = heat.imshow(picture.heat, cmap="magma", vmin=0, vmax=1, interpolation="nearest")
    figure.colorbar(image, ax=grid, fraction=0.1 / columns, aspect=40, label="share of images that show something")
    return _png(figure)


def variance_chart(explained: Sequence[float]) -> bytes:
    """Cumulative share of the variance along the principal components."""
    figure, axes = _chart(9, 3)
    axes.plot(range(1, len(explained) + 1), explained, color=_BLUE)
    for share in (0.90, 0.95):
        axes.axhline(share, color=_RED, linestyle="--", linewidth=1)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("principal components")
    axes.set_ylabel("variance explained")
    return _png(figure)


def map_chart(positions: np.ndarray, labels: np.ndarray, names: Sequence[str]) -> bytes:
    """A t-SNE map.

    Args:
        positions: (M, 2).
        labels: int64 (M,), the class of each.
        names: of the classes; no legend for one or too many.
    """
    figure, axes = _chart(9, 6)
    colors = _class_colors(len(names))
    for label, name in enumerate(names):
        of_class = positions[labels == label]
        axes.scatter(of_class[:, 0], of_class[:, 1], s=9, color=colors[label], alpha=0.75, label=_plain(name))
    if 1 < len(names) <= MAX_CLASSES:
        axes.legend(markerscale=2, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    axes.set_axis_off()
    return _png(figure)


def _class_colors(count: int) -> np.ndarray:
    from matplotlib import colormaps

    if count <= 20:
        return colormaps["tab10" if count <= 10 else "tab20"](np.arange(count))
    return colormaps["hsv"](np.linspace(0, 1, count, endpoint=False))


def _chart(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure with one pair of axes."""
    figure = _figure(width, height)
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _figure(width: float, height: float) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _plain(name: str) -> str:
    """A name from the data, short, and with nothing that matplotlib would read as mathematics or hide (a leading _)."""
    name = " ".join(name.split()).replace("$", r"\$")
    name = name if len(name) <= 24 else name[:23] + "…"
    return f" {name}" if name.startswith("_") else name


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
