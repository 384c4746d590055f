"""Where sprites come from: one reader per kind of source, all of which give decoded RGBA pixels and integer labels.

`read_source` chooses the reader. Nothing here resizes, splits, or removes anything but unreadable files (`load.py`
does), and nothing here unpickles.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from datasets import ClassLabel, DatasetDict, Features, load_dataset

from ..errors import SpriteError
from ..sheets import SHEET_SUFFIXES, read_sheet
from .array_files import read_npy, read_npz
from .lsun import is_lsun, read_lsun
from .raw import RawSplit, decode_image, encode_labels

BUILT_IN = ("synthetic",)
IMAGE_SUFFIXES = (".png", ".gif", ".webp", ".bmp", ".jpg", ".jpeg")
IMAGE_COLUMNS = ("image", "img", "pixels")
LABEL_COLUMNS = ("label", "labels", "class")
TEXT_COLUMNS = ("text", "caption", "prompt")

_SPLITS = {name: "validation" for name in ("validation", "valid", "val", "dev")} | {"train": "train", "test": "test"}
_SPLIT_FILE = re.compile(r"(train|validation|valid|val|dev|test)(?:[-._].*)?$")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*$")


def read_source(
    source: str | Path,
    *,
    image_size: int | None = None,
    labels: str | Path | None = None,
    seed: int = 0,
    num_samples: int | None = None,
    skip_bad_images: bool = False,
    sheet_json: str | Path | None = None,
    frame_size: int | tuple[int, int] | None = None,
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
    if path.suffix.lower() in SHEET_SUFFIXES and not path.is_dir():
        return {"train": _read_sheet(path, sheet_json, frame_size)}
    for flag, value in (("sheet_json", sheet_json), ("frame_size", frame_size)):
        if value is not None:
            raise SpriteError(
                f"{flag}={str(value)!r} belongs to the image of a sheet, not to {str(source)!r}; leave --{flag} out"
            )
    if str(source) in BUILT_IN:
        return {"train": _read_synthetic(image_size, seed, num_samples)}
    if path.is_dir() and is_lsun(path):
        return {"train": read_lsun(path, image_size, num_samples)}
    if path.is_dir():
        return _read_folder(path, skip_bad_images)
    if path.is_file():
        if path.suffix == ".npy":
            return {"train": read_npy(path, labels)}
        if path.suffix == ".npz":
            return {"train": read_npz(path, labels)}
        if path.suffix == ".parquet":
            return {"train": _read_parquet([path], skip_bad_images)}
        raise SpriteError(
            f"{str(source)!r} is a {path.suffix or 'bare'} file; allowed are .parquet, .npz, .npy, a sheet "
            f"({' '.join(SHEET_SUFFIXES)}), or a folder of images"
        )
    if isinstance(source, str) and _HUB_ID.match(source) and not Path(source.split("/")[0]).exists():
        return _read_hub(source, skip_bad_images)
    raise SpriteError(_missing(str(source), path))


def _missing(source: str, path: Path) -> str:
    here = {name: name for name in BUILT_IN}
    if path.parent.is_dir():
        here |= {other.name: str(path.parent / other.name) for other in path.parent.iterdir()}
    near = [here[name] for name in difflib.get_close_matches(path.name, here, n=3, cutoff=0.6)]
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else "check the path"
    return (
        f"no data at {source!r}; {hint} (allowed: 'synthetic', a folder of images or .parquet files, a .parquet, "
        ".npz or .npy file, a sheet or animation, or a Hub id 'user/name')"
    )


def _read_sheet(path: Path, sheet_json: str | Path | None, frame_size: int | tuple[int, int] | None) -> RawSplit:
    """A sheet or animation: animations are classes, names are captions; order, names and durations are kept as columns."""
    if not path.is_file():
        raise SpriteError(_missing(str(path), path))
    sheet = read_sheet(path, sheet_json=sheet_json, frame_size=frame_size)
    labels = sheet.labels()
    extra = pa.table({"frame": range(len(sheet)), "name": list(sheet.names), "duration": list(sheet.durations)})
    return RawSplit(
        pixels=sheet.frames,
        names=[f"{path} frame {index} ({name})" for index, name in enumerate(sheet.names)],
        labels=None if labels is None else labels[0],
        class_names=None if labels is None else labels[1],
        texts=list(sheet.texts()),
        extra=extra,
        extra_features=dict(Features.from_arrow_schema(extra.schema)),
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
        labels, class_names = encode_labels(table.column(label).to_pylist(), f"column {label!r} of {where}")
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
