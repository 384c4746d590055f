"""What every reader gives, whatever the source: pixels, labels and captions of a split, not yet cleaned."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from ..errors import SpriteError


@dataclass
class RawSplit:
    """What a reader gives for one split.

    `pixels` holds uint8 straight-alpha RGBA: one array (N, H, W, 4), or a list of (H, W, 4) where sizes differ.
    `names` say where each image came from, for messages. `extra` holds the columns that are none of ours, with
    their `datasets` types in `extra_features`.
    """

    pixels: np.ndarray | list[np.ndarray]
    names: Sequence[str]
    labels: np.ndarray | None = None
    class_names: tuple[str, ...] | None = None
    texts: list[str | None] | None = None
    extra: pa.Table | None = None
    extra_features: dict[str, Any] = field(default_factory=dict)
    num_bad: int = 0

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def array(self) -> np.ndarray:
        """`pixels`, known to be one array."""
        assert isinstance(self.pixels, np.ndarray)
        return self.pixels

    def take(self, indices: np.ndarray) -> RawSplit:
        """The images at `indices` (M,), in that order."""
        pick = indices.tolist()
        return replace(
            self,
            pixels=self.pixels[indices] if isinstance(self.pixels, np.ndarray) else [self.pixels[i] for i in pick],
            names=[self.names[i] for i in pick],
            labels=None if self.labels is None else self.labels[indices],
            texts=None if self.texts is None else [self.texts[i] for i in pick],
            extra=None if self.extra is None else self.extra.take(pa.array(indices)),
        )


def decode_image(data: bytes | Path) -> np.ndarray:
    """The first frame of an image file (its bytes, or its path) as uint8 (H, W, 4), straight alpha."""
    with Image.open(io.BytesIO(data) if isinstance(data, bytes) else data) as file:
        image: Image.Image = file
        if image.mode.startswith("I;16"):  # Pillow would clip 16-bit grey to white instead of scaling it
            image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        if image.mode in ("I", "F"):
            raise ValueError(f"{image.mode!r} (32-bit) pixels")
        if image.mode in ("CMYK", "YCbCr", "LAB", "HSV"):
            image = image.convert("RGB")
        return np.asarray(image.convert("RGBA"))


def encode_labels(values: Any, where: str) -> tuple[np.ndarray, tuple[str, ...] | None]:
    """Integers, one-hot rows or class names to int64 (N,), and the sorted names if names were given."""
    if isinstance(values, list) and any(value is None for value in values):
        raise SpriteError(f"{where} has no label in row {values.index(None)}; allowed is one per image")
    try:
        array = np.asarray(values)
    except ValueError:
        array = np.empty(0, object)
    if array.dtype.kind in "US" and array.ndim == 1:
        names, labels = np.unique(array.astype(str), return_inverse=True)
        return labels.astype(np.int64), tuple(names.tolist())
    if array.dtype.kind not in "biuf" or array.ndim not in (1, 2):
        raise SpriteError(
            f"{where} holds labels of type {array.dtype} and shape {array.shape}; allowed are integers, one-hot rows "
            "and class names"
        )
    if array.ndim == 2 and array.shape[1] > 1:
        wrong = np.flatnonzero(((array != 0) & (array != 1)).any(axis=1) | (array.sum(axis=1) != 1))
        if len(wrong):
            raise SpriteError(
                f"{where} is not one-hot: row {wrong[0]} is {array[wrong[0]].tolist()}; allowed is a single 1 and "
                "zeros in each row: change the labels"
            )
        return array.argmax(axis=1).astype(np.int64), None
    flat = array.reshape(len(array))
    wrong = np.flatnonzero(~((flat >= 0) & (flat == np.floor(flat))))
    if len(wrong):
        raise SpriteError(
            f"{where} has the label {flat[wrong[0]]} in row {wrong[0]}; allowed are whole numbers from 0: change it"
        )
    return flat.astype(np.int64), None
