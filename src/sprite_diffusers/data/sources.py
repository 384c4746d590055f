"""Where sprites come from: one reader per kind of source, all of which give decoded RGBA pixels and integer labels.

`read_source` chooses the reader. Nothing here resizes, splits, or removes anything but unreadable files (`load.py`
does), and nothing here unpickles.
"""

from __future__ import annotations

import difflib
import io
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from datasets import ClassLabel, DatasetDict, Features, load_dataset
from PIL import Image

from ..errors import SpriteError

BUILT_IN = ("synthetic",)
IMAGE_SUFFIXES = (".png", ".gif", ".webp", ".bmp", ".jpg", ".jpeg")
IMAGE_COLUMNS = ("image", "img", "pixels")
LABEL_COLUMNS = ("label", "labels", "class")
TEXT_COLUMNS = ("text", "caption", "prompt")

_SPLITS = {name: "validation" for name in ("validation", "valid", "val", "dev")} | {"train": "train", "test": "test"}
_SPLIT_FILE = re.compile(r"(train|validation|valid|val|dev|test)(?:[-._].*)?$")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*$")


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


def read_source(
    source: str | Path,
    *,
    image_size: int | None = None,
    labels: str | Path | None = None,
    seed: int = 0,
    num_samples: int | None = None,
    skip_bad_images: bool = False,
) -> dict[str, RawSplit]:
    """Reads everything a source holds; see `load_sprites` for the kinds of source.

    Returns:
        One RawSplit per split. A source without splits gives the single key "train".
    """
    path = Path(source).expanduser()
    if labels is not None and path.suffix not in (".npy", ".npz"):
        raise SpriteError(
            f"labels={str(labels)!r} belongs to an .npy or .npz source, not to {str(source)!r}; leave --labels out"
        )
    if str(source) in BUILT_IN:
        return {"train": _read_synthetic(image_size, seed, num_samples)}
    if path.is_dir():
        return _read_folder(path, skip_bad_images)
    if path.is_file():
        if path.suffix == ".npy":
            return {"train": _read_npy(path, labels)}
        if path.suffix == ".npz":
            return {"train": _read_npz(path, labels)}
        if path.suffix == ".parquet":
            return {"train": _read_parquet([path], skip_bad_images)}
        raise SpriteError(
            f"{str(source)!r} is a {path.suffix or 'bare'} file; allowed are .parquet, .npz, .npy, or a folder of "
            "images"
        )
    if isinstance(source, str) and _HUB_ID.match(source) and not Path(source.split("/")[0]).exists():
        return _read_hub(source, skip_bad_images)
    raise SpriteError(_missing(str(source), path))


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


def _missing(source: str, path: Path) -> str:
    here = {name: name for name in BUILT_IN}
    if path.parent.is_dir():
        here |= {other.name: str(path.parent / other.name) for other in path.parent.iterdir()}
    near = [here[name] for name in difflib.get_close_matches(path.name, here, n=3, cutoff=0.6)]
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else "check the path"
    return (
        f"no data at {source!r}; {hint} (allowed: 'synthetic', a folder of images or .parquet files, a .parquet, "
        ".npz or .npy file, or a Hub id 'user/name')"
    )


def _read_synthetic(image_size: int | None, seed: int, num_samples: int | None) -> RawSplit:
    from .synthetic import CLASS_NAMES, SIZES, generate

    wanted = image_size or min(SIZES)
    fitting = [size for size in SIZES if wanted % size == 0] or [size for size in SIZES[::-1] if size % wanted == 0]
    if not fitting:
        raise SpriteError(
            f"'synthetic' sprites are drawn at {' or '.join(map(str, SIZES))} pixels and cannot be brought to "
            f"{wanted} without blurring; allowed is a multiple or a divisor of these: change --image_size"
        )
    drawn = generate(num_samples or 20_000, size=fitting[-1], seed=seed)
    extra = pa.table({name: drawn[name] for name in ("colors", "parts", "palette", "kind")})
    return RawSplit(
        pixels=drawn["pixels"],
        names=[f"synthetic sprite {index}" for index in range(len(drawn["pixels"]))],
        labels=np.asarray(drawn["label"], np.int64),
        class_names=tuple(CLASS_NAMES),
        texts=list(drawn["text"]),
        extra=extra,
        extra_features=dict(Features.from_arrow_schema(extra.schema)),
    )


def _read_folder(folder: Path, skip_bad_images: bool) -> dict[str, RawSplit]:
    """A folder of parquet files, of splits, of classes, or of images; looked for in this order."""
    parquet = sorted(path for path in [*folder.glob("*.parquet"), *folder.glob("data/*.parquet")] if _visible(path))
    if parquet:
        return {
            split: _read_parquet(paths, skip_bad_images) for split, paths in _group_by_split(folder, parquet).items()
        }
    folders = sorted(path for path in folder.iterdir() if path.is_dir() and _visible(path))
    if any(path.name == "train" for path in folders):
        unknown = [path.name for path in folders if path.name not in _SPLITS]
        if unknown:
            raise SpriteError(
                f"{str(folder)!r} has the folder {unknown[0]!r} beside 'train'; allowed are train, validation and "
                "test: "
                "move it elsewhere"
            )
        return {_SPLITS[path.name]: _read_images(path, skip_bad_images) for path in folders}
    return {"train": _read_images(folder, skip_bad_images)}


def _group_by_split(folder: Path, paths: list[Path]) -> dict[str, list[Path]]:
    """Parquet files by the split their names begin with (train-00000-of-00002.parquet); all are "train" if none do."""
    named = [(path, _SPLIT_FILE.match(path.stem)) for path in paths]
    if not any(match for _, match in named):
        return {"train": paths}
    splits: dict[str, list[Path]] = {}
    for path, match in named:
        if match is None:
            raise SpriteError(
                f"{str(folder)!r} has {path.name!r} beside files named by split; allowed names begin with train, "
                "validation or test: rename it or move it elsewhere"
            )
        splits.setdefault(_SPLITS[match[1]], []).append(path)
    return splits


def _visible(path: Path) -> bool:
    return not path.name.startswith((".", "__"))


def _image_paths(folder: Path, pattern: str) -> list[Path]:
    return sorted(
        path
        for path in folder.glob(pattern)
        if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file() and _visible(path)
    )


def _read_images(folder: Path, skip_bad_images: bool) -> RawSplit:
    """`folder/class name/**/*.png`, or `folder/*.png` without classes."""
    classes = [path.name for path in sorted(folder.iterdir()) if path.is_dir() and _visible(path)]
    flat = _image_paths(folder, "*")
    by_class = {name: _image_paths(folder / name, "**/*") for name in classes}
    if not flat and not any(by_class.values()):
        arrays = sorted(path.name for path in folder.glob("*.np[yz]"))
        advice = f"it has {arrays[0]!r}: give that file instead" if arrays else "add images or change the path"
        raise SpriteError(f"no images in {str(folder)!r}; allowed are {' '.join(IMAGE_SUFFIXES)}; {advice}")
    empty = [name for name, paths in by_class.items() if not paths]
    if empty:
        raise SpriteError(f"the class folder {str(folder / empty[0])!r} has no images; add some or remove the folder")
    if flat and classes:
        raise SpriteError(
            f"{str(folder)!r} has {len(flat)} images ({flat[0].name!r} …) beside its class folders ({classes[0]!r} "
            "…); "
            "move them into a class folder or elsewhere"
        )
    paths = flat or [path for name in classes for path in by_class[name]]
    names = [str(path) for path in paths]
    pixels, kept = _decode_all(paths, names, skip_bad_images)
    labels = np.repeat(np.arange(len(classes)), [len(by_class[name]) for name in classes]) if classes else None
    return RawSplit(
        pixels=pixels,
        names=[names[index] for index in kept],
        labels=None if labels is None else labels[kept].astype(np.int64),
        class_names=tuple(classes) or None,
        num_bad=len(paths) - len(kept),
    )


def _decode_all(
    images: Iterable[bytes | Path | None], names: Sequence[str], skip_bad_images: bool
) -> tuple[np.ndarray | list[np.ndarray], list[int]]:
    """Decodes images, one array if all have one size, and the positions of those that could be decoded."""
    pixels: list[np.ndarray] = []
    kept: list[int] = []
    for index, data in enumerate(images):
        try:
            if data is None:
                raise ValueError("neither bytes nor a path")
            pixels.append(decode_image(data))
            kept.append(index)
        except Exception as error:  # Pillow raises a dozen kinds for damaged files, SyntaxError among them
            if not skip_bad_images:
                reason = str(error).splitlines()[0].split(" <_io")[0] if str(error) else type(error).__name__
                raise SpriteError(
                    f"cannot decode the image {names[index]!r} ({reason}); repair or remove it, or pass "
                    "--skip_bad_images"
                ) from error
    if not pixels:
        raise SpriteError(f"none of {len(names)} images could be decoded ({names[0]!r} …); check the files")
    return (np.stack(pixels) if len({image.shape for image in pixels}) == 1 else pixels), kept


def _read_parquet(paths: list[Path], skip_bad_images: bool) -> RawSplit:
    try:
        tables = [pq.read_table(path) for path in paths]
        table = pa.concat_tables(tables)
    except (pa.ArrowException, OSError) as error:
        raise SpriteError(
            f"cannot read {', '.join(str(path) for path in paths)} as parquet ({str(error).splitlines()[0]}); check "
            "the files"
        ) from error
    where = str(paths[0]) if len(paths) == 1 else str(paths[0].parent)
    return _from_table(table, Features.from_arrow_schema(table.schema), where, skip_bad_images)


def _read_hub(name: str, skip_bad_images: bool) -> dict[str, RawSplit]:
    try:
        loaded = load_dataset(name)
    except Exception as error:  # the Hub client, the cache and every file format raise kinds of their own
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SpriteError(
            f"{name!r} is no file or folder here, and the Hub data set of that name cannot be loaded ({reason}); "
            "check the name, the connection and HF_HUB_OFFLINE"
        ) from error
    if not isinstance(loaded, DatasetDict) or not ("train" in loaded or len(loaded) == 1):
        raise SpriteError(f"the Hub data set {name!r} has no split named train (it has {', '.join(map(str, loaded))})")
    splits = {
        _SPLITS.get(str(split), str(split)) if len(loaded) > 1 else "train": part for split, part in loaded.items()
    }
    return {
        split: _from_table(part.with_format("arrow")[:], part.features, f"{name} {split}", skip_bad_images)
        for split, part in splits.items()
        if split in _SPLITS
    }


def _from_table(table: pa.Table, features: Features, where: str, skip_bad_images: bool) -> RawSplit:
    """Images, labels, captions and other columns of an Arrow table whose columns have the given `datasets` types."""

    def find(candidates: tuple[str, ...]) -> str | None:
        return next((name for name in candidates if name in table.column_names), None)

    image, label, text = find(IMAGE_COLUMNS), find(LABEL_COLUMNS), find(TEXT_COLUMNS)
    if image is None:
        raise SpriteError(
            f"{where!r} has no image column (it has {', '.join(table.column_names)}); allowed names are "
            f"{', '.join(IMAGE_COLUMNS)}: rename the column"
        )
    if not len(table):
        raise SpriteError(f"{where!r} has no rows; add images or change the path")
    cells = table.column(image).to_pylist()
    names = [
        f"{where} row {row}" + (f" ({cell['path']})" if isinstance(cell, dict) and cell.get("path") else "")
        for row, cell in enumerate(cells)
    ]
    pixels, kept = _decode_all([_cell_data(cell) for cell in cells], names, skip_bad_images)
    table = table.take(pa.array(kept)) if len(kept) < len(cells) else table
    labels, class_names = None, None
    if label is not None:
        type_ = features[label]
        labels, class_names = _encode_labels(table.column(label).to_pylist(), f"column {label!r} of {where}")
        class_names = tuple(type_.names) if isinstance(type_, ClassLabel) else class_names
    others = [name for name in table.column_names if name not in (image, label, text)]
    return RawSplit(
        pixels=pixels,
        names=[names[index] for index in kept],
        labels=labels,
        class_names=class_names,
        texts=None if text is None else [None if t is None else str(t) for t in table.column(text).to_pylist()],
        extra=table.select(others) if others else None,
        extra_features={name: features[name] for name in others},
        num_bad=len(cells) - len(kept),
    )


def _cell_data(cell: Any) -> bytes | Path | None:
    """What to decode of an image cell: bytes, or the `datasets` form {"bytes", "path"}."""
    if isinstance(cell, dict):
        return cell.get("bytes") or (Path(cell["path"]) if cell.get("path") else None)
    return cell if isinstance(cell, bytes) else None


def _read_npy(path: Path, labels: str | Path | None) -> RawSplit:
    pixels = _to_rgba(_load_numpy(path), str(path))
    beside = [path.with_name(f"{path.stem}_labels.npy"), path.with_name("labels.npy")]
    label_path = Path(labels).expanduser() if labels else next((p for p in beside if p.is_file() and p != path), None)
    return _from_arrays(str(path), pixels, None if label_path is None else _load_numpy(label_path), label_path)


def _read_npz(path: Path, labels: str | Path | None) -> RawSplit:
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
    labels, class_names = _encode_labels(values, str(label_path))
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


def _encode_labels(values: Any, where: str) -> tuple[np.ndarray, tuple[str, ...] | None]:
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
