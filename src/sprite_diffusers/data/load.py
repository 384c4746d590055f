"""`load_sprites`: any source to a `datasets.DatasetDict` that is safe to train and evaluate on.

Safe means: one size and mode, no image twice, no image in two splits, every class in training and validation, and a
report of all that was done to get there.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
from PIL import Image

from ..errors import SpriteError
from .duplicates import digests, fingerprint, first_of_each, remove_duplicates, remove_leaks
from .pixels import parse_color, resize
from .raw import RawSplit
from .sources import read_source

MODES = ("RGB", "RGBA", "L")


@dataclass(frozen=True)
class LoadReport:
    """What `load_sprites` read, removed and made.

    Attributes:
        source: as given.
        num_read: images that could be decoded, in all splits.
        num_bad: files that could not, and were left out on request.
        num_duplicates: images removed because the same pixels came before them in their split. Pixels count as the
            same when they look the same: the colour under alpha 0 is ignored.
        num_merged: further images removed because they became equal to another at the final size and mode.
        num_leaks: images removed from one split because they also occur in another (train gives way to validation,
            both give way to test).
        num_label_conflicts: how many of the removed duplicates had another label than the image that was kept.
        split_sizes: images per split.
        image_size: the side of every image, in pixels.
        mode: "RGB", "RGBA" or "L" (grey).
        background: the colour under images without alpha, and of their padding.
        binary_alpha: whether no pixel is partly transparent (always true without alpha).
        class_names: in the order of the labels, or None without classes.
        class_counts: train images per class, or None without classes.
        fingerprint: sha256 over the pixels and labels of the train split, independent of their order.
    """

    source: str
    num_read: int
    num_bad: int
    num_duplicates: int
    num_merged: int
    num_leaks: int
    num_label_conflicts: int
    split_sizes: dict[str, int]
    image_size: int
    mode: str
    background: str
    binary_alpha: bool
    class_names: tuple[str, ...] | None
    class_counts: dict[str, int] | None
    fingerprint: str

    def summary(self) -> str:
        """The report in a few lines for people."""
        notes = [
            (self.num_bad, "unreadable file", ""),
            (self.num_duplicates, "exact duplicate", ""),
            (self.num_merged, "image", f" that became equal at {self.image_size}x{self.image_size} {self.mode}"),
            (self.num_leaks, "leak", " between splits"),
        ]
        removed = ", ".join(f"{count:,} {noun}{'s' * (count > 1)}{rest}" for count, noun, rest in notes if count)
        lines = [
            f"{self.source}: read {self.num_read:,} images, removed {removed or 'none'}",
            f"splits: {', '.join(f'{size:,} {split}' for split, size in self.split_sizes.items())}",
            f"pixels: {self.image_size}x{self.image_size} {self.mode}, "
            + (
                f"on {self.background}"
                if self.mode != "RGBA"
                else f"{'binary' if self.binary_alpha else 'soft'} alpha"
            ),
        ]
        if self.num_label_conflicts:
            lines.append(f"labels: {self.num_label_conflicts:,} duplicates had another label than the image kept")
        if self.class_counts is not None:
            lines.append(f"classes: {', '.join(f'{name} {count:,}' for name, count in self.class_counts.items())}")
        lines.append(f"fingerprint: {self.fingerprint[:16]}")
        return "\n".join(lines)


class SpriteDataset(datasets.DatasetDict):
    """A DatasetDict with the splits "train", "validation" and, if the source has one, "test".

    Columns: `image` (PNG, mode RGB, RGBA or L, all of one size), `label` (ClassLabel; absent without classes), `text`
    (a caption, possibly empty), then whatever else the source has.
    """

    report: LoadReport


def load_sprites(
    source: str | Path,
    *,
    image_size: int | None = None,
    mode: str | None = None,
    background: str = "white",
    labels: str | Path | None = None,
    class_names: Sequence[str] | None = None,
    validation_split: float = 0.1,
    seed: int = 0,
    num_samples: int | None = None,
    skip_bad_images: bool = False,
    deduplicate: bool = True,
    sheet_json: str | Path | None = None,
    frame_size: int | tuple[int, int] | None = None,
) -> SpriteDataset:
    """Reads sprites from anywhere, removes what would spoil training or evaluation, and says what it did.

    The decoded source is held in memory while it is read (4 bytes per pixel).

    Args:
        source: "synthetic"; a folder `class/*.png` or `*.png` (also .gif, .webp, .bmp, .jpg), or one with `train/`
            and `validation/` folders of those; a .parquet file or a folder of them; an .npz or .npy file; a folder
            of LSUN (see `lsun`); a sheet or animation (see `sheets.read_sheet`), whose animations are the classes; or a
            Hub id "user/name". A split that is given is kept.
        image_size: the side of the images in pixels, reached without blurring (see `pixels.resize`). None keeps the
            size of the source, which must then be one square size. "synthetic" is drawn at 16 unless asked, and
            LSUN is scaled and cropped to 64.
        mode: "RGB" composites on `background`, "RGBA" keeps alpha, "L" is "RGB" in one channel, of images that are grey.
            None: RGBA if any pixel is not opaque, else RGB.
        background: an opaque colour name or #rrggbb. Also pads images that never had alpha, so that data on black
            (such as MNIST) wants "black" here.
        labels: an .npy file of integers or one-hot rows, for an .npy or .npz source. Without it, `<name>_labels.npy`
            or `labels.npy` beside an .npy file is used.
        class_names: names for integer labels, or the wanted order of the names that the source has.
        validation_split: the fraction of the training images (of each class) to set aside if none are given.
        seed: of the split, of `num_samples` and of "synthetic".
        num_samples: sprites to draw for "synthetic" (default 20,000); else the most training and validation images
            to keep, chosen at random before they are split (of given splits, only train is cut).
        skip_bad_images: leaves out files that cannot be decoded, and counts them, instead of raising.
        deduplicate: removes repeated images within each split, keeping the first. Images shared between splits are
            removed, or kept on one side of a new split, in any case.
        sheet_json: the JSON of Aseprite or TexturePacker for a source that is the image of a sheet. Without it, and
            without `frame_size`, the JSON of its name beside the image is used.
        frame_size: the side, or (width, height), of the frames of a source that is a plain grid, in pixels.

    Returns:
        A SpriteDataset; `.report` says what was read and removed.

    Raises:
        SpriteError: for anything wrong in the arguments or the data, in one line.
    """
    _check_arguments(image_size, mode, background, class_names, validation_split, num_samples)
    splits = read_source(
        source,
        image_size=image_size,
        labels=labels,
        seed=seed,
        num_samples=num_samples,
        skip_bad_images=skip_bad_images,
        sheet_json=sheet_json,
        frame_size=frame_size,
    )
    splits, names = unify_classes(splits, class_names, str(source))
    if num_samples is not None and "validation" not in splits and num_samples < 2 * len(names or ()):
        raise SpriteError(
            f"num_samples {num_samples} is too few to train and validate {len(names or ())} classes; allowed is "
            f"{2 * len(names or ())} or more: change --num_samples"
        )
    mode = mode or ("RGBA" if any(_has_alpha(split.pixels) for split in splits.values()) else "RGB")
    splits, counts = _clean(splits, image_size, None if mode == "RGBA" else background, deduplicate, str(source))
    if mode == "L":
        splits = {name: _to_grey(split) for name, split in splits.items()}
    if num_samples is not None and len(splits["train"]) > num_samples:
        splits["train"] = _subset(splits["train"], num_samples, seed)
    if "validation" not in splits:
        splits = _split(splits, names, validation_split, seed, str(source))
    splits = {name: splits[name] for name in ("train", "validation", "test") if name in splits}

    train = splits["train"]
    dataset = SpriteDataset({name: _to_dataset(split, names, mode) for name, split in splits.items()})
    dataset.report = LoadReport(
        source=str(source),
        **counts,
        split_sizes={name: len(split) for name, split in splits.items()},
        image_size=train.array.shape[1],
        mode=mode,
        background=background,
        binary_alpha=mode != "RGBA" or all(np.isin(split.array[..., 3], (0, 255)).all() for split in splits.values()),
        class_names=names,
        class_counts=_class_counts(train, names),
        fingerprint=fingerprint(train),
    )
    return dataset


def _clean(
    splits: dict[str, RawSplit], image_size: int | None, background: str | None, deduplicate: bool, source: str
) -> tuple[dict[str, RawSplit], dict[str, int]]:
    """Splits of one size without repeats or leaks, and the counts of `LoadReport`.

    Repeats are looked for twice: before resizing, which is what the user has, and after it, which is what a model
    will see.
    """
    counts = {
        "num_read": sum(len(split) for split in splits.values()),
        "num_bad": sum(split.num_bad for split in splits.values()),
        "num_duplicates": 0,
        "num_merged": 0,
        "num_label_conflicts": 0,
    }
    if deduplicate:
        splits, counts["num_duplicates"], counts["num_label_conflicts"] = remove_duplicates(splits)
    splits = _to_one_size(splits, image_size, background, source)
    if deduplicate:
        splits, counts["num_merged"], conflicts = remove_duplicates(splits)
        counts["num_label_conflicts"] += conflicts
    splits, counts["num_leaks"] = remove_leaks(splits)
    return splits, counts


def _check_arguments(
    image_size: int | None,
    mode: str | None,
    background: str,
    class_names: Sequence[str] | None,
    validation_split: float,
    num_samples: int | None,
) -> None:
    parse_color(background)
    if image_size is not None and image_size < 1:
        raise SpriteError(f"image_size {image_size} is not positive; change --image_size")
    if mode is not None and mode not in MODES:
        raise SpriteError(f"mode {mode!r} is unknown; allowed are {', '.join(MODES)}: change --image_mode")
    if not 0.0 < validation_split < 1.0:
        raise SpriteError(
            f"validation_split {validation_split} leaves a split empty; allowed is more than 0 and less than 1"
        )
    if num_samples is not None and num_samples < 2:
        raise SpriteError(f"num_samples {num_samples} is too few to train and validate; allowed is 2 or more")
    if class_names is not None and len(set(class_names)) != len(class_names):
        raise SpriteError(f"class_names {list(class_names)} has a name twice; allowed are distinct names")


def unify_classes(
    splits: dict[str, RawSplit], wanted: Sequence[str] | None, source: str
) -> tuple[dict[str, RawSplit], tuple[str, ...] | None]:
    """One list of class names for all splits, with the labels renumbered to match it."""
    if "train" not in splits:
        raise SpriteError(f"{source!r} has the splits {', '.join(splits)}; allowed is any set with train: rename one")
    splits = {"train": splits["train"]} | splits  # train first: its classes come first
    unlabelled = [name for name, split in splits.items() if split.labels is None]
    if unlabelled and len(unlabelled) < len(splits):
        raise SpriteError(
            f"the split {unlabelled[0]!r} of {source!r} has no labels and another has; label all splits or none"
        )
    if unlabelled:
        if wanted is not None:
            raise SpriteError(
                f"class_names {list(wanted)} given, but {source!r} has no labels; leave --class_names out or give "
                "--labels"
            )
        return splits, None
    labels = [split.labels for split in splits.values() if split.labels is not None]
    own = [split.class_names for split in splits.values() if split.class_names is not None]
    if not own:
        count = max(int(part.max()) for part in labels) + 1
        names = tuple(wanted) if wanted is not None else tuple(str(index) for index in range(count))
    else:
        found = list(dict.fromkeys(name for names in own for name in names))
        names = tuple(wanted) if wanted is not None else tuple(found)
        unknown = [name for name in found if name not in names]
        if unknown:
            raise SpriteError(
                f"class_names {list(names)} lacks {unknown[0]!r}; {source!r} has {', '.join(found)}: change "
                "--class_names"
            )
    return {name: _renumber(split, names, source) for name, split in splits.items()}, names


def _renumber(split: RawSplit, names: tuple[str, ...], source: str) -> RawSplit:
    own, labels = split.class_names or names, split.labels
    assert labels is not None  # unify_classes has looked
    outside = np.flatnonzero(labels >= len(own))
    if len(outside):
        raise SpriteError(
            f"the label {labels[outside[0]]} of {split.names[outside[0]]!r} is outside the {len(own)} classes of "
            f"{source!r} ({', '.join(own)}); allowed is 0 to {len(own) - 1}: change the label column or --class_names"
        )
    return replace(split, labels=np.array([names.index(name) for name in own], np.int64)[labels])


def _has_alpha(pixels: np.ndarray | list[np.ndarray]) -> bool:
    return any(bool((part[..., 3] < 255).any()) for part in ([pixels] if isinstance(pixels, np.ndarray) else pixels))


def _to_one_size(
    splits: dict[str, RawSplit], image_size: int | None, background: str | None, source: str
) -> dict[str, RawSplit]:
    """All splits as arrays (N, S, S, 3) composited on `background`, or (N, S, S, 4) if that is None."""
    if image_size is None:
        image_size = _common_size(splits, source)
    for split in splits.values():
        if isinstance(split.pixels, np.ndarray):
            split.pixels = resize(split.pixels, image_size, background)
            continue
        resized = np.empty((len(split), image_size, image_size, 4 if background is None else 3), np.uint8)
        by_shape: dict[tuple[int, ...], list[int]] = {}
        for index, image in enumerate(split.pixels):
            by_shape.setdefault(image.shape, []).append(index)
        for indices in by_shape.values():
            resized[indices] = resize(np.stack([split.pixels[i] for i in indices]), image_size, background)
        split.pixels = resized
    return splits


def _to_grey(split: RawSplit) -> RawSplit:
    """RGB images (N, S, S, 3) whose channels are equal, as (N, S, S, 1)."""
    colored = np.flatnonzero((split.array != split.array[..., :1]).any(axis=(1, 2, 3)))
    if len(colored):
        raise SpriteError(
            f"{len(colored):,} of {len(split):,} images are not grey ({split.names[colored[0]]!r} …), which --image_mode L "
            "needs: pass --image_mode RGB, or grey images on a grey --background"
        )
    return replace(split, pixels=split.array[..., :1])


def _common_size(splits: dict[str, RawSplit], source: str) -> int:
    """The side that all images share; raises if there is no such side."""
    reference = next(iter(splits.values()))
    height, width = reference.pixels[0].shape[:2]
    longest = max(height, width)
    for split in splits.values():
        for name, image in zip(split.names, split.pixels, strict=True):
            if image.shape[:2] != (height, width):
                raise SpriteError(
                    f"images of {source!r} differ in size: {reference.names[0]!r} is {width}x{height} and {name!r} is "
                    f"{image.shape[1]}x{image.shape[0]}; pass --image_size {longest} (or another) to bring all to "
                    "one size"
                )
    if height != width:
        raise SpriteError(
            f"images of {source!r} are {width}x{height}, not square; pass --image_size {longest} to pad them"
        )
    return height


def _subset(split: RawSplit, count: int, seed: int) -> RawSplit:
    """`count` images at random, two of every class among them if there is room, so that they can still be split."""
    order = np.random.default_rng(seed).permutation(len(split))
    if split.labels is not None:
        pairs = [order[split.labels[order] == label][:2] for label in np.unique(split.labels)]
        order = np.array(list(dict.fromkeys(np.concatenate([*pairs, order]).tolist())))
    return split.take(np.sort(order[:count]))


def _split(
    splits: dict[str, RawSplit], names: tuple[str, ...] | None, fraction: float, seed: int, source: str
) -> dict[str, RawSplit]:
    """Sets a stratified validation split aside from train, with all copies of an image on the same side."""
    train = splits["train"]
    first = first_of_each(digests(train))
    distinct = np.unique(first)
    rng = np.random.default_rng(seed)
    chosen = []
    labels = np.zeros(len(train), np.int64) if train.labels is None else train.labels
    for label in range(len(names or [source])):
        members = distinct[labels[distinct] == label]
        if len(members) == 1:
            what = repr(source) if names is None else f"the class {names[label]!r} of {source!r}"
            raise SpriteError(
                f"{what} has a single distinct image ({train.names[members[0]]!r}), which cannot be both trained on "
                "and "
                "validated; add images, remove the class, or give a validation split"
            )
        if len(members):
            count = min(max(1, round(fraction * len(members))), len(members) - 1)
            chosen.append(rng.permutation(members)[:count])
    in_validation = np.isin(first, np.concatenate(chosen))
    parts = {
        "train": train.take(np.flatnonzero(~in_validation)),
        "validation": train.take(np.flatnonzero(in_validation)),
    }
    return parts | {name: split for name, split in splits.items() if name != "train"}


def _class_counts(split: RawSplit, names: tuple[str, ...] | None) -> dict[str, int] | None:
    if names is None or split.labels is None:
        return None
    return dict(zip(names, np.bincount(split.labels, minlength=len(names)).tolist(), strict=True))


def _to_dataset(split: RawSplit, names: tuple[str, ...] | None, mode: str) -> datasets.Dataset:
    columns = {
        "image": pa.array([{"bytes": _png(image), "path": None} for image in split.pixels], datasets.Image().pa_type)
    }
    types: dict[str, Any] = {"image": datasets.Image(mode=mode)}
    default = [""] * len(split)
    if names is not None and split.labels is not None:
        columns["label"] = pa.array(split.labels)
        types["label"] = datasets.ClassLabel(names=list(names))
        default = [f"a {names[label]}" for label in split.labels]
    given = split.texts or default
    columns["text"] = pa.array([text or fallback for text, fallback in zip(given, default, strict=True)], pa.string())
    types["text"] = datasets.Value("string")
    if split.extra is not None:
        columns |= {name: split.extra.column(name) for name in split.extra.column_names}
        types |= split.extra_features
    features = datasets.Features(types)
    table = pa.table(columns).cast(features.arrow_schema)
    return datasets.Dataset(datasets.table.InMemoryTable(table))


def _png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels).save(
        buffer, format="PNG", compress_level=1
    )
    return buffer.getvalue()
