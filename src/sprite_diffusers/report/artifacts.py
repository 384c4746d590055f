"""What the page takes from the files of a run: its scores, its sweeps, and its pictures made small."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from .store import Run, Store

MAX_BYTES = 200_000
MIN_WIDTH = 320  # of a picture of sprites: smaller ones are enlarged by whole pixels


def sweep(store: Store, run: Run, name: str) -> tuple[list[dict[str, Any]], dict[str, Any]] | None:
    """The usable rows of a sweep, metrics finite, and its facts; None if the run has none."""
    content = store.json(run, f"sweeps/{name}.json")
    if content is None or not isinstance(content.get("rows"), list):
        return None
    varies = "guidance_scale" if name == "guidance" else "num_inference_steps"
    rows = []
    for row in content["rows"]:
        if isinstance(row, dict) and isinstance(row.get("metrics"), dict) and _finite(row.get(varies)):
            rows.append({**row, "metrics": {key: value for key, value in row["metrics"].items() if _finite(value)}})
    facts = content.get("facts")
    return (rows, facts if isinstance(facts, dict) else {}) if rows else None


def rgb_histograms(scores: dict[str, Any]) -> dict[str, list[list[float]]] | None:
    """``{"real": 3 x bins, "samples": 3 x bins}`` of a ``scores.json``, None if it has none."""
    try:
        both = scores["facts"]["rgb_histograms"]
        arrays = {key: np.asarray(both[key], float) for key in ("real", "samples")}
    except (KeyError, TypeError, ValueError):
        return None
    usable = all(array.ndim == 2 and len(array) == 3 and np.isfinite(array).all() for array in arrays.values())
    return {key: array.tolist() for key, array in arrays.items()} if usable else None


def confusion(scores: dict[str, Any]) -> tuple[list[str], np.ndarray] | None:
    """(class names, counts) of a ``scores.json``; None if it has none, e.g. of an unconditional model."""
    try:
        counts = np.asarray(scores["confusion"], float)
        names = [str(name) for name in scores["facts"]["class_names"]]
    except (KeyError, TypeError, ValueError):
        return None
    return (names, counts) if counts.shape == (len(names), len(names)) and len(names) else None


def untrained_reward_of_base(store: Store, run: Run) -> float | None:
    """What the reward that only watched said of the base, raw; None if the run's ``evaluations.csv`` does not tell."""
    file = store.file(run, "pipeline/evaluations.csv")
    try:
        rows = list(csv.DictReader(file.read_text(encoding="utf-8").splitlines())) if file else []
        value = next(float(row["untrained"]) for row in rows if row["step"] == "0")
    except (StopIteration, KeyError, TypeError, ValueError, csv.Error):
        return None
    return value if math.isfinite(value) else None


def small_picture(source: Path, target: Path) -> bool:
    """Writes a picture of sprites as a PNG of at most `MAX_BYTES`; False if `source` is no picture.

    Pixels are kept as they are where possible: first fewer colours, then fewer rows. Nothing is ever smoothed.
    """
    try:
        with Image.open(source) as opened:
            image = opened.convert("RGBA" if opened.has_transparency_data else "RGB")
    except (OSError, ValueError, Image.DecompressionBombError):
        return False
    scale = math.ceil(MIN_WIDTH / image.width)
    image = image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)
    data = _png(image)
    if len(data) > MAX_BYTES:
        image = image.quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
        data = _png(image)
    while len(data) > MAX_BYTES and image.height > 1:
        image = image.crop((0, 0, image.width, image.height * 3 // 4))
        data = _png(image)
    target.write_bytes(data)
    return True


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
