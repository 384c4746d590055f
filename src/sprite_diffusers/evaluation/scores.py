"""The result of an evaluation: figures, their floors and intervals, and the facts without which they do not compare."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import SpriteError
from .reference import MIN_CLASS_IMAGES

_SAVED = ("metrics", "floors", "intervals", "per_class", "confusion", "facts")


@dataclass(frozen=True)
class Scores:
    """What `evaluate` measured.

    Attributes:
        metrics: fd_pca20, fd_feature, kid, kid_se, precision, recall, density, coverage, memorised, near_copies,
            unique_colors, partial_alpha, orphan_pixels, rgb_histogram_distance, pca_overlap; seconds_per_image where
            a pipeline drew the samples; accuracy and fd_pca20_class_mean where they have labels. NaN where a class
            has too few images.
        floors: the same names for real images. Distances: as many training images in place of the samples.
            memorised, near_copies, accuracy and the palette metrics: the held-out images themselves.
        intervals: 95 % bootstrap [low, high] of the cheap ones.
        per_class: class name to fd_pca20, fd_pca20_floor, accuracy, accuracy_floor, num_samples, num_reference.
        confusion: row: class asked for, column: class recognised; None without labels.
        facts: JSON-safe. Figures compare only where protocol, extractor, data_fingerprint and num_samples agree.
        samples: uint8 (N, H, W, C), not in the JSON.
        sample_labels: int64 (N,) or None, not in the JSON.
        closest: (sample, training image, ratio, distance) of the most suspicious samples, not in the JSON.
    """

    metrics: dict[str, float]
    floors: dict[str, float]
    intervals: dict[str, list[float]]
    per_class: dict[str, dict[str, float]]
    confusion: list[list[int]] | None
    facts: dict[str, Any]
    samples: np.ndarray | None = field(default=None, repr=False, compare=False)
    sample_labels: np.ndarray | None = field(default=None, repr=False, compare=False)
    closest: list[tuple[int, int, float, float]] = field(default_factory=list, repr=False, compare=False)

    def to_json(self) -> str:
        """Everything but the images; NaN is written as null."""
        content = {name: getattr(self, name) for name in _SAVED}
        return json.dumps(_without_nan(content), indent=2, allow_nan=False, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Scores:
        """The inverse of `to_json`; null becomes NaN again among the figures.

        Raises:
            SpriteError: not JSON, or not of an evaluation.
        """
        try:
            content = json.loads(text)
            fields = {name: content[name] for name in _SAVED}
        except (ValueError, KeyError, TypeError) as error:
            raise SpriteError(f"these are not the scores of an evaluation ({error!r}): evaluate again.") from error
        for figures in (fields["metrics"], fields["floors"], *fields["per_class"].values()):
            figures.update({name: math.nan for name, value in figures.items() if value is None})
        return cls(**fields)

    def table(self) -> str:
        """Markdown: every metric with its interval and floor, then every class, then what was compared with what."""
        rows = [
            [name, _number(value), _interval(self.intervals.get(name)), _number(self.floors.get(name))]
            for name, value in self.metrics.items()
            if name != "kid_se"
        ]
        parts = [_markdown(["metric", "value", "95 %", "floor"], rows)]
        if self.per_class:
            columns = ["fd_pca20", "fd_pca20_floor", "accuracy", "accuracy_floor", "num_samples", "num_reference"]
            classes = [[name, *(_number(row.get(key)) for key in columns)] for name, row in self.per_class.items()]
            parts.append(_markdown(["class", *columns], classes))
        return "\n\n".join([*parts, "\n".join(self._notes())]) + "\n"

    def _notes(self) -> list[str]:
        facts, extractor = self.facts, self.facts["extractor"]
        notes = [
            f"protocol {facts['protocol']}: {facts['num_samples']:,} samples, {facts['num_reference']:,} held-out and "
            f"{facts['num_train']:,} training images, {facts['image_size']}x{facts['image_size']} {facts['mode']}, "
            f"seed {facts['seed']}, data {facts['data_fingerprint'][:12]}, extractor {extractor['identity'][:12]}",
            "floor: real images scored the same way ("
            f"{facts['num_floor']:,} training images for distances, the held-out ones for the rest)",
        ]
        if "kid_se" in self.metrics:
            notes.append(f"kid: standard error {_number(self.metrics['kid_se'])}")
        missing = [name for name, row in self.per_class.items() if math.isnan(row["fd_pca20"] + row["fd_pca20_floor"])]
        if missing:
            names = ", ".join(missing)
            notes.append(f"no class FD (-) where fewer than {MIN_CLASS_IMAGES} images of a class are there: {names}")
        return notes


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _number(value: float | None) -> str:
    if value is None or math.isnan(value):
        return "-"
    if float(value).is_integer() and abs(value) < 1e6:
        return f"{int(value)}"
    return f"{value:.4g}"


def _interval(bounds: list[float] | None) -> str:
    return "" if bounds is None else f"{_number(bounds[0])} to {_number(bounds[1])}"


def _markdown(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table whose columns also line up in a terminal."""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]

    def line(cells: list[str]) -> str:
        first, *rest = (cells[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(cells[1:], widths[1:], strict=True)))
        return "| " + " | ".join([first, *rest]) + " |"

    rule = "|" + "|".join(["-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:])]) + "|"
    return "\n".join([line(header), rule, *(line(row) for row in rows)])
