"""Sprites in .npy and .npz files, which are never unpickled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import SpriteError
from .raw import RawSplit, encode_labels


def read_npy(path: Path, labels: str | Path | None) -> RawSplit:
    """Images of an .npy file, with the labels of another: `labels`, or one beside it."""
    pixels = _to_rgba(_load_numpy(path), str(path))
    beside = [path.with_name(f"{path.stem}_labels.npy"), path.with_name("labels.npy")]
    label_path = Path(labels).expanduser() if labels else next((p for p in beside if p.is_file() and p != path), None)
    return _from_arrays(str(path), pixels, None if label_path is None else _load_numpy(label_path), label_path)


def read_npz(path: Path, labels: str | Path | None) -> RawSplit:
    """Images, labels and captions of an .npz archive; the labels of another file if `labels` names one."""
    with _load_numpy(path) as archive:

        def find(*candidates: str) -> np.ndarray | None:
            name = next((candidate for candidate in candidates if candidate in archive), None)
            return None if name is None else _unpickled(lambda: archive[name], f"{path} ({name})")

        images = find("images", "image", "x", "arr_0")
        if images is None:
            raise SpriteError(
                f"{str(path)!r} has no images (it has {', '.join(archive)}); allowed names are images, image, x, "
                "arr_0: rename the array"
            )
        values = _load_numpy(Path(labels).expanduser()) if labels else find("labels", "label", "y", "arr_1")
        captions = find("captions", "caption", "texts", "text")
    split = _from_arrays(str(path), _to_rgba(images, str(path)), values, Path(labels) if labels else path)
    if captions is not None:
        if len(captions) != len(split):
            raise SpriteError(
                f"{str(path)!r} has {len(captions)} captions for {len(split)} images; allowed is one per image"
            )
        split.texts = [str(caption) for caption in captions.tolist()]
    return split


def _from_arrays(where: str, pixels: np.ndarray, values: np.ndarray | None, label_path: Path | None) -> RawSplit:
    names = [f"{where}[{index}]" for index in range(len(pixels))]
    if values is None:
        return RawSplit(pixels, names)
    if values.ndim == 0 or len(values) != len(pixels):
        count = len(values) if values.ndim else 0
        raise SpriteError(
            f"{str(label_path)!r} has {count} labels for the {len(pixels)} images of {where!r}; allowed is one per "
            "image: change --labels"
        )
    labels, class_names = encode_labels(values, str(label_path))
    return RawSplit(pixels, names, labels, class_names)


def _load_numpy(path: Path) -> Any:
    if path.suffix not in (".npy", ".npz") or not path.is_file():
        raise SpriteError(f"{str(path)!r} is not an .npy or .npz file that exists; change --labels or the path")
    return _unpickled(lambda: np.load(path, allow_pickle=False), str(path))


def _unpickled(load: Callable[[], Any], where: str) -> Any:
    try:
        return load()
    except (ValueError, EOFError, OSError) as error:
        if "pickle" in str(error):
            raise SpriteError(
                f"{where!r} is no plain array: it is damaged, or it holds pickled objects, which are never loaded because "
                "they can run code; save it again with np.save(path, np.stack(images))"
            ) from error
        raise SpriteError(
            f"cannot read {where!r} as a numpy file ({str(error).splitlines()[0]}); save it again with np.save"
        ) from error


def _to_rgba(array: np.ndarray, where: str) -> np.ndarray:
    """Grey, RGB or RGBA arrays of several types to uint8 (N, H, W, 4)."""
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or array.shape[-1] not in (1, 3, 4):
        raise SpriteError(
            f"{where!r} has the shape {array.shape}; allowed are (N, H, W), (N, H, W, 3) and (N, H, W, 4): transpose "
            "or reshape it"
        )
    if 0 in array.shape:
        raise SpriteError(
            f"{where!r} has the shape {array.shape}, which holds no pixels; allowed are 1 or more images of 1 or "
            "more pixels"
        )
    array = _to_uint8(array, where)
    if array.shape[-1] == 1:
        array = np.repeat(array, 3, axis=-1)
    if array.shape[-1] == 4:
        return array
    return np.concatenate([array, np.full_like(array[..., :1], 255)], axis=-1)


def _to_uint8(array: np.ndarray, where: str) -> np.ndarray:
    if array.dtype == np.uint8:
        return array
    if array.dtype == bool:
        return array.astype(np.uint8) * 255
    if array.dtype.kind not in "iuf":
        raise SpriteError(
            f"{where!r} is of type {array.dtype}; allowed are uint8, bool, other integers from 0 to 255, and floats"
        )
    low, high = array.min(), array.max()
    if array.dtype.kind in "iu" and low >= 0 and high <= 255:
        return array.astype(np.uint8)
    if array.dtype.kind == "f" and low >= -1 and high <= 1:  # NaN fails both
        unit = array if low >= 0 else (array + 1) / 2
        return np.floor(unit * 255 + 0.5).astype(np.uint8)
    allowed = "0 to 1 or -1 to 1" if array.dtype.kind == "f" else "0 to 255"
    raise SpriteError(
        f"{where!r} has {array.dtype} values from {low} to {high}; allowed are {allowed}: rescale it, or save uint8"
    )
