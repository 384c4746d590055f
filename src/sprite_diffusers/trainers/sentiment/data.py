"""Texts with classes: read, cleaned of what would flatter or break a classifier, and split."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from datasets import ClassLabel, Dataset, DatasetDict, load_dataset

from ...data.raw import encode_labels
from ...errors import SpriteError
from .settings import TextDataConfig

TEXT_COLUMNS = ("text", "review", "sentence", "content")
LABEL_COLUMNS = ("label", "labels", "sentiment", "class")
FILE_TYPES = {".parquet": "parquet", ".csv": "csv", ".tsv": "csv", ".json": "json", ".jsonl": "json"}
SPLIT_NAMES = {"train": ("train",), "validation": ("validation", "valid", "val", "dev"), "test": ("test",)}


@dataclass(frozen=True)
class TextSplit:
    """Texts ``(N,)``, their whitespace evened out, and the numbers of their classes, int64 ``(N,)``."""

    texts: list[str]
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, rows: np.ndarray) -> TextSplit:
        """Those of the given rows."""
        return TextSplit([self.texts[row] for row in rows], self.labels[rows])


@dataclass
class TextReport:
    """What was read, and what was left out.

    Attributes:
        class_names: by number.
        split_sizes: texts of each split, as used.
        class_counts: the same of each class.
        empty: texts of each split that have no character; those of the test stay, and are scored.
        duplicates: training texts that repeat an earlier one, left out.
        conflicts: those of them that carry another label.
        validation_leaks: training texts that are also in a validation split of the data, left out.
        test_leaks: training and validation texts that are also in the test, left out.
        test_duplicates: test texts that repeat an earlier one; they stay.
        fingerprint: sha256 of texts, labels and split, in hex.
    """

    class_names: list[str]
    split_sizes: dict[str, int] = field(default_factory=dict)
    class_counts: dict[str, list[int]] = field(default_factory=dict)
    empty: dict[str, int] = field(default_factory=dict)
    duplicates: int = 0
    conflicts: int = 0
    validation_leaks: int = 0
    test_leaks: int = 0
    test_duplicates: int = 0
    fingerprint: str = ""

    def summary(self) -> str:
        """For people."""
        sizes = ", ".join(f"{count:,} {name}" for name, count in self.split_sizes.items())
        left_out = {
            "empty": sum(count for name, count in self.empty.items() if name != "test"),
            f"repeated ({self.conflicts} with another label)": self.duplicates,
            "also in validation": self.validation_leaks,
            "also in the test": self.test_leaks,
        }
        notes = ", ".join(f"{count:,} {why}" for why, count in left_out.items() if count)
        kept = {"repeats": self.test_duplicates, "empty": self.empty.get("test", 0)}
        in_test = ", ".join(f"{count:,} {what}" for what, count in kept.items() if count)
        return (
            f"texts: {sizes}; classes {', '.join(self.class_names)}"
            + (f"; left out: {notes}" if notes else "")
            + (f"; in the test, and scored: {in_test}" if in_test else "")
        )

    def facts(self) -> dict[str, Any]:
        """JSON-safe."""
        return asdict(self)


@dataclass(frozen=True)
class TextSplits:
    """Texts to train on, to choose by, and, where the data has a test, to be judged by once."""

    train: TextSplit
    validation: TextSplit
    test: TextSplit | None
    report: TextReport


def load_texts(config: TextDataConfig, seed: int) -> TextSplits:
    """Reads the texts of `config` and splits them.

    No text is in two splits: of equal training texts the first stays, and those of the validation or the test are not
    trained on. Empty texts are neither trained on nor validated on. Without a validation split, a share of each class is
    drawn by `seed`, in runs of neighbours.

    Raises:
        SpriteError: no such data or columns, missing labels, fewer than two classes, a split without texts.
    """
    tables = _read(config.dataset)
    columns = {name: _columns(table, name, config) for name, table in tables.items()}
    class_names, splits = _classes(columns, config)
    report = TextReport(class_names)
    report.empty = {name: sum(not text for text in split.texts) for name, split in splits.items()}
    test = splits.get("test")
    kept = {
        name: split.take(np.flatnonzero([bool(text) for text in split.texts]))
        for name, split in splits.items()
        if name != "test"
    }
    kept["train"] = _without_duplicates(kept["train"], report)
    if test is not None:
        report.test_duplicates = len(test) - len(set(test.texts))
        for name, split in kept.items():
            kept[name] = _without(split, test)
            report.test_leaks += len(split) - len(kept[name])
    if "validation" in kept:
        train = _without(kept["train"], kept["validation"])
        report.validation_leaks = len(kept["train"]) - len(train)
        kept["train"] = train
    if config.num_samples is not None:
        kept["train"] = _some(kept["train"], config.num_samples, seed)
    if "validation" not in kept:
        kept["train"], kept["validation"] = _divide(
            kept["train"], config.validation_split, config.validation_block, seed
        )
    used = {"train": kept["train"], "validation": kept["validation"]} | ({"test": test} if test is not None else {})
    _describe(report, used)
    _check_classes(report, config)
    return TextSplits(used["train"], used["validation"], test, report)


def _read(source: str) -> dict[str, Dataset]:
    """Tables by split; one of a single table is ``"train"``."""
    path = Path(source).expanduser()
    try:
        if path.is_dir():
            loaded = _read_folder(path)
        elif path.is_file():
            loaded = _read_files({"train": [path]})
        elif path.is_absolute() or source.count("/") > 1 or source.startswith("."):
            raise SpriteError(f"--dataset {source}: no such file or folder.")
        else:
            loaded = load_dataset(source)
    except SpriteError:
        raise
    except Exception as error:  # the Hub client, the cache and every file format raise kinds of their own
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise SpriteError(
            f"--dataset {source} cannot be read ({reason}): give a folder, a file or a Hub id of texts with classes."
        ) from error
    tables = {name: loaded[split] for name, known in SPLIT_NAMES.items() for split in loaded if str(split) in known}
    if "train" not in tables:
        raise SpriteError(f"--dataset {source} has no split named train (it has {', '.join(map(str, loaded))}).")
    return tables


def _read_folder(folder: Path) -> DatasetDict:
    """Files whose names begin with a split's name, here or in ``data/``; all are "train" if none do."""
    paths = sorted(path for pattern in ("*", "data/*") for path in folder.glob(pattern) if path.suffix in FILE_TYPES)
    if not paths:
        raise SpriteError(f"--dataset {folder} has no files of texts; allowed are {', '.join(FILE_TYPES)}.")
    splits: dict[str, list[Path]] = {}
    for path in paths:
        stem = path.stem.replace("_", "-").replace(".", "-").split("-")[0].lower()
        name = next((name for name, known in SPLIT_NAMES.items() if stem in known), None)
        if name is not None:
            splits.setdefault(name, []).append(path)
    return _read_files(splits or {"train": paths})


def _read_files(splits: dict[str, list[Path]]) -> DatasetDict:
    suffix = next(iter(splits.values()))[0].suffix
    others = [path for paths in splits.values() for path in paths if path.suffix != suffix]
    if others or suffix not in FILE_TYPES:
        wrong = others[0] if others else next(iter(splits.values()))[0]
        raise SpriteError(
            f"--dataset: {wrong} is of another kind than can be read; allowed are {', '.join(FILE_TYPES)}, all of one kind."
        )
    options = {"sep": "\t"} if suffix == ".tsv" else {}
    files = {name: [str(path) for path in paths] for name, paths in splits.items()}
    return load_dataset(FILE_TYPES[suffix], data_files=files, **options)


def _columns(table: Dataset, split: str, config: TextDataConfig) -> tuple[list[str], Any, Any]:
    """Texts, labels as they are, and the type of the label column."""
    text = _column(table, split, config.text_column, TEXT_COLUMNS, "text_column")
    label = _column(table, split, config.label_column, LABEL_COLUMNS, "label_column")
    texts = [" ".join(str(value).split()) if value is not None else "" for value in table[text][:]]
    labels = table[label][:]
    missing = [row for row, value in enumerate(labels) if value is None or value == -1]
    if missing:
        raise SpriteError(
            f"row {missing[0]} of the {split} texts has no class, and {len(missing) - 1} others: remove them, or name another "
            "--label_column."
        )
    return texts, labels, table.features[label]


def _column(table: Dataset, split: str, given: str | None, known: Sequence[str], flag: str) -> str:
    names = table.column_names
    if given is not None and given in names:
        return given
    found = None if given else next((name for name in known if name in names), None)
    if found is None:
        looked_for = given or ", ".join(known)
        raise SpriteError(
            f"the {split} texts have the columns {', '.join(names)}, not {looked_for}: name one by --{flag}."
        )
    return found


def _classes(
    columns: dict[str, tuple[list[str], Any, Any]], config: TextDataConfig
) -> tuple[list[str], dict[str, TextSplit]]:
    """Names of the classes, and the splits with labels as numbers of them, the same ones in each."""
    type_ = columns["train"][2]
    together = [value for _, labels, _ in columns.values() for value in labels]
    numbers, names = encode_labels(together, "the label column")
    if isinstance(type_, ClassLabel):
        names = tuple(type_.names)
    count = len(names) if names else int(numbers.max()) + 1
    if config.class_names and len(config.class_names) != count:
        raise SpriteError(
            f"--class_names has {len(config.class_names)} names ({', '.join(config.class_names)}), but there are {count} "
            f"classes: name each."
        )
    names = tuple(config.class_names or names or map(str, range(count)))
    splits, start = {}, 0
    for name, (texts, labels, _) in columns.items():
        splits[name] = TextSplit(texts, numbers[start : start + len(labels)])
        start += len(labels)
    return list(names), splits


def _without_duplicates(split: TextSplit, report: TextReport) -> TextSplit:
    first: dict[str, int] = {}
    for row, text in enumerate(split.texts):
        first.setdefault(text, row)
    originals = np.array([first[text] for text in split.texts], np.int64)
    report.duplicates = len(split) - len(first)
    report.conflicts = int((split.labels != split.labels[originals]).sum()) if len(split) else 0
    return split.take(np.array(sorted(first.values()), np.int64))


def _without(split: TextSplit, other: TextSplit) -> TextSplit:
    texts = set(other.texts)
    return split.take(np.array([row for row, text in enumerate(split.texts) if text not in texts], np.int64))


def _some(split: TextSplit, count: int, seed: int) -> TextSplit:
    return split.take(np.sort(np.random.default_rng(seed).permutation(len(split))[:count]))


def _divide(split: TextSplit, share: float, block: int, seed: int) -> tuple[TextSplit, TextSplit]:
    """A share of each class goes to the second, in runs of `block` of its texts."""
    rng = np.random.default_rng(seed)
    held_out = np.zeros(len(split), bool)
    for label in np.unique(split.labels):
        rows = np.flatnonzero(split.labels == label)
        places = np.argsort(rng.permutation(math.ceil(len(rows) / block)))
        shuffled = rows[np.argsort(places[np.arange(len(rows)) // block], kind="stable")]
        held_out[shuffled[: max(1, round(share * len(rows)))]] = True
    return split.take(np.flatnonzero(~held_out)), split.take(np.flatnonzero(held_out))


def _describe(report: TextReport, splits: dict[str, TextSplit]) -> None:
    digest = hashlib.sha256()
    for name, split in splits.items():
        report.split_sizes[name] = len(split)
        report.class_counts[name] = np.bincount(split.labels, minlength=len(report.class_names)).tolist()
        digest.update(name.encode())
        for text, label in zip(split.texts, split.labels, strict=True):
            digest.update(hashlib.sha256(text.encode()).digest() + b"%d" % label)
    report.fingerprint = digest.hexdigest()


def _check_classes(report: TextReport, config: TextDataConfig) -> None:
    for name, counts in report.class_counts.items():
        present = [class_name for class_name, count in zip(report.class_names, counts, strict=True) if count]
        if len(present) < 2 or (name == "train" and len(present) < len(report.class_names)):
            raise SpriteError(
                f"the {name} texts of --dataset {config.dataset} are of "
                f"{f'one class ({present[0]})' if len(present) == 1 else f'{len(present)} classes'} out of "
                f"{len(report.class_names)} ({sum(report.empty.values())} empty texts were found): give texts of each."
            )
