"""Pictures of a study: curves over reward queries, trials of the search, images before and after from the same noise."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from ....data import make_grid
from ....errors import SpriteError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Images = torch.Tensor | Sequence[Image.Image | np.ndarray]

MAX_FALL = 0.1  # standard deviations of the base that one reward may fall
MIN_DIVERSITY = 0.8  # of the base's
_PREFIX = "rewards/"
_COLORS = (
    "#2456c8",
    "#c8102e",
    "#2a8c3a",
    "#d98200",
    "#7b3fa0",
    "#0f8b8d",
    "#8a5a44",
    "#d6569b",
    "#5c6b00",
    "#444444",
)
_COLUMNS = 3
_CELL = 64  # screen pixels that a small image is enlarged to, or nearly
_FONT_SIZE, _LINE, _GAP = 13, 18, 12
_MIN_WIDTH = 360  # of a sheet, for its captions


def plot_curves(histories: Mapping[str, Sequence[Mapping[str, float]]], path: str | Path) -> None:
    """Writes a picture of what evaluations found over the reward queries: a panel per figure, a line per fold.

    Panels are the composite's gain (a dot at the best), each reward, the untrained reward and diversity. All but diversity
    are drawn less their value at step 0, the base's, where there is such a row.

    Args:
        histories: by the name of a fold, its evaluations in order, each with ``step``, ``queries`` (rewarded images so far),
            ``gain`` (composite less the base's), ``rewards/<name>`` (calibrated), and maybe ``diversity`` (share of the
            base's) and ``untrained`` (raw).
        path: of a PNG.

    Raises:
        SpriteError: no fold, or one without evaluations.
    """
    from matplotlib.figure import Figure

    empty = [name for name, rows in histories.items() if not rows]
    if empty or not histories:
        raise SpriteError(
            f"there are no evaluations of {', '.join(empty) or 'any fold'} to draw: train with --eval_steps."
        )
    keys = list(dict.fromkeys(key for rows in histories.values() for row in rows for key in row))
    panels = [
        key
        for key in ("gain", *(key for key in keys if key.startswith(_PREFIX)), "untrained", "diversity")
        if key in keys
    ]
    rows = -(-len(panels) // _COLUMNS)
    figure = Figure(figsize=(4.2 * min(_COLUMNS, len(panels)), 2.9 * rows + 0.5), layout="constrained")
    axes = figure.subplots(rows, min(_COLUMNS, len(panels)), squeeze=False).ravel()
    for axis, key in zip(axes, panels, strict=False):
        for (name, history), color in zip(histories.items(), _cycle(len(histories)), strict=True):
            queries, values = _curve(history, key)
            axis.plot(queries, values, color=color, linewidth=1.6, marker=".", markersize=4, label=name)
            if key == "gain" and len(values):
                best = int(np.nanargmax(values))
                axis.plot(queries[best], values[best], "o", color=color, markersize=7, markeredgecolor="white")
        _describe(axis, key, from_base=all(history[0]["step"] == 0 for history in histories.values()))
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=min(len(labels), 6), frameon=False, fontsize=9)
    _save(figure, path)


def plot_pareto(gains: Sequence[Mapping[str, float]], front: Sequence[int], path: str | Path) -> None:
    """Writes a picture of the trials of a search: an axis per reward, a line per trial, those of the front in colour.

    Args:
        gains: of each trial, by reward, in standard deviations of the base; the same rewards in each.
        front: positions of trials that none beats, of `pareto_front`.
        path: of a PNG.

    Raises:
        SpriteError: no trials.
    """
    from matplotlib.figure import Figure

    if not gains:
        raise SpriteError("there are no trials to draw: give --num_trials of 1 or more.")
    names = list(gains[0])
    places = np.arange(len(names))
    figure = Figure(figsize=(2.2 + 1.5 * max(len(names), 2), 3.8), layout="constrained")
    axis = figure.subplots()
    axis.axhline(0, color="#999999", linewidth=0.8, zorder=1)
    colors = dict(zip(front, _cycle(len(front)), strict=True))
    for number in sorted(range(len(gains)), key=lambda number: number in colors):
        style: dict[str, Any] = (
            {"color": colors[number], "linewidth": 1.8, "label": f"trial {number}", "zorder": 3}
            if number in colors
            else {"color": "#c4c4c4", "linewidth": 1.0, "zorder": 2}
        )
        axis.plot(places, [gains[number][name] for name in names], marker="o", markersize=4, **style)
    if len(front) < len(gains):
        axis.plot([], [], color="#c4c4c4", label=f"beaten ({len(gains) - len(front)})")
    axis.set_xticks(places, names)
    axis.set(
        ylabel="gain, sd of the base",
        xlim=(-0.3, len(names) - 0.7),
        title=f"Pareto front: {len(front)} of {len(gains)} trials",
    )
    axis.grid(axis="x", color="#e4e4e4")
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    _save(figure, path)


def before_after_sheet(
    prompts: Sequence[str],
    base_images: Images,
    tuned_images: Images,
    path: str | Path | None = None,
    scale: int | None = None,
    max_prompts: int = 8,
    max_images: int = 6,
) -> Image.Image:
    """A sheet of the base model's and the tuned model's images from the same noise, pair by pair below their prompt.

    Args:
        prompts: one per image; images of a prompt follow each other. The first `max_prompts` are shown.
        base_images, tuned_images: equally many, of one size: float ``(N, 3 | 4, H, W)`` in ``[0, 1]``, or N PIL images or uint8
            arrays.
        path: of a PNG to write, if any.
        scale: screen pixels per pixel; by default as many as make about 64 of a small image.
        max_prompts, max_images: shown at most, the first ones: no choice by how they look.

    Raises:
        SpriteError: numbers that differ, or no images.
    """
    base, tuned = _pictures(base_images), _pictures(tuned_images)
    if not len(prompts) == len(base) == len(tuned) or not base:
        raise SpriteError(
            f"{len(prompts)} prompts, {len(base)} images of the base and {len(tuned)} of the tuned model make no pairs: give as "
            "many of each, one or more."
        )
    numbered = [list(rows) for _, rows in groupby(range(len(prompts)), key=lambda index: prompts[index])][:max_prompts]
    scale = scale or max(1, _CELL // max(np.asarray(base[0]).shape[:2]))
    font = ImageFont.load_default(_FONT_SIZE)
    blocks = []
    for rows in numbered:
        pairs = [make_grid([base[row], tuned[row]], 2, scale) for row in rows[:max_images]]
        blocks.append((prompts[rows[0]], pairs))
    pair = max((block[0] for _, block in blocks), key=lambda picture: picture.width)
    columns = max(len(block) for _, block in blocks)
    width = max(columns * (pair.width + _GAP) + _GAP, _MIN_WIDTH)
    captions = [_wrap(prompt, font, width - 2 * _GAP) for prompt, _ in blocks]
    height = _GAP + _LINE + sum(len(lines) * _LINE + pair.height + _GAP for lines in captions)
    sheet = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(sheet)
    for column in range(columns):
        for half, word in enumerate(("base", "tuned")):
            middle = _GAP + column * (pair.width + _GAP) + (2 * half + 1) * pair.width // 4
            draw.text((middle, _GAP // 2), word, fill="#777777", font=font, anchor="ma")
    top = _GAP + _LINE
    for lines, (_, pairs) in zip(captions, blocks, strict=True):
        draw.multiline_text((_GAP, top), "\n".join(lines), fill="black", font=font, spacing=_LINE - _FONT_SIZE - 2)
        top += len(lines) * _LINE
        for column, picture in enumerate(pairs):
            sheet.paste(picture, (_GAP + column * (pair.width + _GAP), top))
        top += pair.height + _GAP
    if path is not None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        sheet.save(path)
    return sheet


def _curve(history: Sequence[Mapping[str, float]], key: str) -> tuple[np.ndarray, np.ndarray]:
    """Queries and values of a panel, from the base on where it is known what its value is."""
    queries = np.array([row["queries"] for row in history], np.float64)
    values = np.array([row.get(key, np.nan) for row in history], np.float64)
    start = {"gain": 0.0, "diversity": 1.0}.get(key)
    if history[0]["step"] == 0:
        return queries, values if start is not None else values - values[0]
    if start is None:
        return queries, values
    return np.insert(queries, 0, 0.0), np.insert(values, 0, start)


def _describe(axis: Axes, key: str, from_base: bool) -> None:
    """Title, the line where nothing has changed, and the dotted limit of what may get worse."""
    titles = {
        "gain": "composite",
        "untrained": f"untrained reward{', raw gain' * from_base}",
        "diversity": "diversity, share of the base's",
    }
    unchanged, limit = {"gain": (0.0, None), "untrained": (0.0, None), "diversity": (1.0, MIN_DIVERSITY)}.get(
        key, (0.0, -MAX_FALL)
    )
    if key != "untrained" or from_base:
        axis.axhline(unchanged, color="#999999", linewidth=0.8, zorder=1)
    if limit is not None:
        axis.axhline(limit, color="#999999", linewidth=0.9, linestyle=":", zorder=1)
    axis.set_title(titles.get(key, key.removeprefix(_PREFIX)), fontsize=10)
    axis.set_xlabel("reward queries", fontsize=8)
    if key == "gain" or key.startswith(_PREFIX):
        axis.set_ylabel("gain, sd of the base", fontsize=8)
    axis.tick_params(labelsize=8)
    axis.xaxis.set_major_formatter(lambda value, _: f"{value / 1000:g}k" if value >= 1000 else f"{value:g}")
    axis.spines[["top", "right"]].set_visible(False)
    axis.margins(x=0.02)
    axis.set_xlim(left=0)


def _cycle(count: int) -> list[str]:
    return [_COLORS[index % len(_COLORS)] for index in range(count)]


def _save(figure: Figure, path: str | Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}")
    FigureCanvasAgg(figure)
    figure.savefig(partial, dpi=120, format="png")
    os.replace(partial, path)


def _pictures(images: Images) -> list[Any]:
    """PIL images or uint8 arrays of images in any form."""
    if not isinstance(images, torch.Tensor):
        return list(images)
    return list((images.detach().cpu().float().clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy())


def _wrap(text: str, font: Any, width: int, most: int = 3) -> list[str]:
    """`text` in lines of at most `width` screen pixels, the rest of a long one cut."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    lines = [_cut(line, font, width) for line in lines]
    return lines if len(lines) <= most else [*lines[: most - 1], _cut(f"{lines[most - 1]} …", font, width)]


def _cut(line: str, font: Any, width: int) -> str:
    if font.getlength(line) <= width:
        return line
    while line and font.getlength(f"{line}…") > width:
        line = line[:-1]
    return f"{line}…"
