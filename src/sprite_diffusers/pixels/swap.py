"""Palette swaps: other colours, the same shading."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..pipelines.sprite_palette import Color
from .batches import as_batch, code_colors, color_codes, oklab
from .palettes import Palette, load_palette

_GREY = 0.04  # chroma in Oklab below which a colour counts as a grey
_HUE_SPAN = 60.0  # degrees of hue in one ramp: shades lean to blue, lights to yellow

PaletteSource = Palette | str | Path | Sequence[Color]


def find_ramps(colors: np.ndarray) -> list[np.ndarray]:
    """The shading ramps of a palette: colours of about one hue, and the greys, each from dark to light.

    The circle of Oklab's hues is cut at the widest gap between two of them, and every arc again at its widest gap, until
    none spans more than 60 degrees.

    Args:
        colors: uint8 ``(n, 3)``.

    Returns:
        Indices of each ramp; together they are all colours.
    """
    lab = oklab(colors)
    grey = np.hypot(lab[:, 1], lab[:, 2]) < _GREY
    hues = np.degrees(np.arctan2(lab[:, 2], lab[:, 1])) % 360
    vivid = np.flatnonzero(~grey)
    ramps = [np.flatnonzero(grey)]
    if len(vivid):
        order = vivid[np.argsort(hues[vivid], kind="stable")]
        gaps = np.diff(hues[order], append=hues[order[0]] + 360)
        start = (int(gaps.argmax()) + 1) % len(order)
        ramps += _arcs(np.roll(order, -start), np.roll(gaps, -start)[:-1])
    return [ramp[np.argsort(lab[ramp, 0], kind="stable")] for ramp in ramps if len(ramp)]


def _arcs(order: np.ndarray, gaps: np.ndarray) -> list[np.ndarray]:
    """Colours in the order of their hues, cut into arcs of at most `_HUE_SPAN`; `gaps` are the degrees between them."""
    if gaps.sum() <= _HUE_SPAN:
        return [order]
    cut = int(gaps.argmax())
    return _arcs(order[: cut + 1], gaps[:cut]) + _arcs(order[cut + 1 :], gaps[cut + 1 :])


def swap_palette(pixels: np.ndarray, target: PaletteSource, source: PaletteSource | None = None) -> np.ndarray:
    """Pictures in other colours, with lights still lighter than shades.

    With a `source`, that and the target are a ramp each, in any order: the darkest colour takes the darkest, the lightest
    the lightest, those between by their rank, and other colours stay. That recolours a shirt. Without, all colours change:
    each ramp of the pictures (see `find_ramps`) takes by rank the ramp of the target whose mean hue and colourfulness is
    nearest. A ramp of one colour takes that of the nearest lightness.

    Args:
        pixels: uint8 ``(H, W, 3 | 4)`` or ``(N, H, W, 3 | 4)``; a batch is swapped alike.
        target: the new colours, in any form that `load_palette` takes.
        source: the colours that are swapped, likewise.

    Returns:
        uint8 of the same shape; alpha stays.
    """
    codes = color_codes(as_batch(pixels))
    new = load_palette(target).array
    if source is None:
        old = code_colors(np.unique(codes[codes >= 0]))
        new_ramps = [new[ramp] for ramp in find_ramps(new)]
        means = np.array([oklab(ramp)[:, 1:].mean(axis=0) for ramp in new_ramps])
        pairs = []
        for ramp in find_ramps(old):
            distance = np.linalg.norm(means - oklab(old[ramp])[:, 1:].mean(axis=0), axis=1)
            pairs.append((old[ramp], new_ramps[int(distance.argmin())]))
    else:
        pairs = [(_from_dark_to_light(load_palette(source).array), _from_dark_to_light(new))]
    result = as_batch(pixels).copy()
    for old_ramp, new_ramp in pairs:
        for color, other in zip(old_ramp, _ranked(old_ramp, new_ramp), strict=True):
            result[..., :3][codes == color_codes(color)] = other
    return result.reshape(pixels.shape)


def _from_dark_to_light(colors: np.ndarray) -> np.ndarray:
    return colors[np.argsort(oklab(colors)[:, 0], kind="stable")]


def _ranked(ramp: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The colours of `other` that those of `ramp` take, both from dark to light."""
    if len(ramp) == 1:
        ranks = np.abs(oklab(other)[:, 0] - oklab(ramp)[0, 0]).argmin(keepdims=True)
    else:
        ranks = np.round(np.arange(len(ramp)) * (len(other) - 1) / (len(ramp) - 1)).astype(int)
    return other[ranks]
