"""Where prompts come from: text files, tables, captions of sprites, the Hub."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ....errors import SpriteError

COLUMNS = ("prompt", "text", "caption")  # the first that a table has, unless one is named
DIFFUSIONDB = "poloclub/diffusiondb"
DIFFUSIONDB_TABLE = (
    "metadata.parquet"  # prompts of 2 million images without the images; its loading script runs no more
)
_SYNTHETIC = 20_000  # built-in sprites whose captions are read: some 7,600 different ones
_ANY_SIZE = 64  # that sprites are brought to: their own may differ, and none of it matters to their captions
_ALLOWED = (
    "allowed is a text file (.txt, one prompt a line), a table (.parquet, .csv, .tsv, .jsonl), 'synthetic', a folder of "
    "sprites with captions, or a Hub id (owner/name, or owner/name/file)"
)


@dataclass(frozen=True)
class PromptReport:
    """What was read.

    Attributes:
        source: as given.
        num_read: lines, rows or captions, those left out included.
        num_empty: left out for holding nothing but white space.
        num_duplicates: left out for equalling an earlier one but for white space.
    """

    source: str
    num_read: int
    num_empty: int
    num_duplicates: int

    def summary(self) -> str:
        """One line for people."""
        return (
            f"{self.source}: read {self.num_read:,} prompts, left out {self.num_empty:,} empty and "
            f"{self.num_duplicates:,} repeated"
        )


class Prompts(list[str]):
    """Distinct prompts, with a `report` of what was read."""

    report: PromptReport


def load_prompts(
    source: str | Path, column: str | None = None, max_prompts: int | None = None, seed: int = 0
) -> Prompts:
    """Reads prompts, each once, white space normalised.

    Args:
        source: a ``.txt`` file with a prompt a line; a ``.parquet``, ``.csv``, ``.tsv`` or ``.jsonl`` file; ``"synthetic"``,
            the captions of the built-in sprites; a folder of sprites with captions, as for ``train_clip.py``; or a data set
            of the Hub: ``owner/name`` (its split ``train``, or its first), ``owner/name/file``, and ``poloclub/diffusiondb``,
            of which only the table of prompts is downloaded (about 200 MB).
        column: of a table, without regard to case; by default ``prompt``, ``text`` or ``caption``.
        max_prompts: chooses so many at random, in random order; all of them, in the order of the source, if there are fewer.
        seed: of that choice.

    Raises:
        SpriteError: nothing there, not readable, no such column, no prompts.
    """
    if max_prompts is not None and max_prompts < 1:
        raise SpriteError(f"--max_prompts {max_prompts} must be 1 or more: leave it out for all prompts.")
    texts = list(_read(str(source), column))
    normal = [" ".join(text.split()) for text in texts]
    filled = [text for text in normal if text]
    prompts = Prompts(dict.fromkeys(filled))
    report = PromptReport(str(source), len(texts), len(texts) - len(filled), len(filled) - len(prompts))
    if not prompts:
        raise SpriteError(
            f"--prompts {str(source)!r} holds no prompts ({len(texts)} are empty): give a source with text."
        )
    if max_prompts is not None and len(prompts) > max_prompts:
        order = np.random.default_rng(seed).permutation(len(prompts))
        prompts = Prompts(prompts[index] for index in order[:max_prompts])
    prompts.report = report
    return prompts


def _read(source: str, column: str | None) -> Iterable[str]:
    path = Path(source).expanduser()
    if source == "synthetic" or path.is_dir():
        return _captions(source)
    if path.is_file():
        return _read_file(path, column)
    owner, _, name = source.partition("/")
    parts = name.split("/")
    if not owner or not all(parts) or owner.startswith((".", "~")) or Path(owner).exists():
        raise SpriteError(f"no prompts at {source!r}; {_ALLOWED}: check --prompts.")
    repo_id = f"{owner}/{parts[0]}"
    file = "/".join(parts[1:]) or (DIFFUSIONDB_TABLE if repo_id == DIFFUSIONDB else "")
    return _read_file(_download(repo_id, file), column) if file else _hub_split(repo_id, column)


def _read_file(path: Path, column: str | None) -> Iterable[str]:
    readers: dict[str, Callable[[Path, str | None], Iterable[str]]] = {
        ".txt": lambda path, column: _lines(path),
        ".parquet": _read_parquet,
        ".csv": _read_csv,
        ".tsv": _read_csv,
        ".jsonl": _read_jsonl,
    }
    if path.suffix.lower() not in readers:
        raise SpriteError(f"{str(path)!r} is a {path.suffix or 'bare'} file; {_ALLOWED}: check --prompts.")
    return readers[path.suffix.lower()](path, column)


def _captions(source: str) -> list[str]:
    """Captions of all splits of sprites: the prompts are split anew."""
    from ...clip_data import ClipDataConfig, load_clip_data

    config = ClipDataConfig(source, image_size=_ANY_SIZE)
    if source == "synthetic":
        config = ClipDataConfig(source, num_samples=_SYNTHETIC)
    dataset = load_clip_data(config, seed=0)
    return [text for split in dataset.values() for text in split["text"]]


def _read_parquet(path: Path, column: str | None) -> list[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        names = pq.read_schema(path).names
        name = _column(names, column, str(path))
        values = pq.read_table(path, columns=[name])[name].to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise SpriteError(f"{str(path)!r} cannot be read as parquet: {_first_line(error)}") from None
    return _strings(values, name, str(path))


def _read_csv(path: Path, column: str | None) -> list[str]:
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))  # some prompts are longer than the 128 KiB it starts with
    table = io.StringIO(_text(path), newline="")
    try:
        reader = csv.DictReader(table, delimiter="\t" if path.suffix.lower() == ".tsv" else ",", strict=True)
        name = _column(list(reader.fieldnames or []), column, str(path))
        return _strings([row[name] for row in reader], name, str(path))
    except csv.Error as error:
        raise SpriteError(f"{str(path)!r} cannot be read as a table of separated values: {error}.") from None


def _read_jsonl(path: Path, column: str | None) -> list[str]:
    records: list[dict] = []
    names: dict[str, None] = {}
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            record = None
        if not isinstance(record, dict):
            raise SpriteError(
                f'line {number} of {str(path)!r} is no JSON object such as {{"prompt": "a cat"}}: repair it.'
            )
        records.append(record)
        names |= dict.fromkeys(record)
    name = _column(list(names), column, str(path))
    return _strings([record.get(name) for record in records], name, str(path))


def _hub_split(repo_id: str, column: str | None) -> list[str]:
    from datasets import load_dataset

    try:
        splits = load_dataset(repo_id)
    except Exception as error:  # the Hub, the network, the builder and the files all raise errors of their own
        raise SpriteError(
            f"the data set {repo_id!r} cannot be loaded ({type(error).__name__}: {_first_line(error)}): check --prompts, or "
            "name one of its files (owner/name/file)."
        ) from error
    split = splits["train"] if "train" in splits else next(iter(splits.values()))
    name = _column(split.column_names, column, repo_id)
    return _strings(list(split[name]), name, repo_id)


def _download(repo_id: str, file: str) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HFValidationError

    try:
        return Path(hf_hub_download(repo_id, file, repo_type="dataset"))
    except (OSError, HFValidationError) as error:
        raise SpriteError(
            f"{file} cannot be had from the data set {repo_id!r} ({type(error).__name__}: {_first_line(error)}): check "
            "--prompts, or give a file."
        ) from error


def _column(names: list[str], wanted: str | None, source: str) -> str:
    """The column of prompts among `names`."""
    known = {name.strip().lower(): name for name in reversed(names)}
    for name in (wanted,) if wanted else COLUMNS:
        if name.strip().lower() in known:
            return known[name.strip().lower()]
    listed = ", ".join(names[:12]) + (" ..." if len(names) > 12 else "") or "none"
    asked = f"no column {wanted!r}" if wanted else f"no column {', '.join(COLUMNS[:-1])} or {COLUMNS[-1]}"
    raise SpriteError(f"{source!r} has {asked}; it has {listed}: name one with --prompt_column.")


def _strings(values: list, name: str, source: str) -> list[str]:
    """Texts of a column, "" for what is missing."""
    strange = next((value for value in values if value is not None and not isinstance(value, str)), None)
    if strange is not None:
        raise SpriteError(
            f"the column {name!r} of {source!r} holds {str(strange)[:40]!r}, which is no text: name another with "
            "--prompt_column."
        )
    return [value or "" for value in values]


def _lines(path: Path) -> list[str]:
    """By line feeds alone: ``str.splitlines`` would also cut at separators that occur within prompts."""
    return _text(path).removesuffix("\n").split("\n")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SpriteError(f"{str(path)!r} is not UTF-8 (byte {error.start}): save it as UTF-8.") from None
    except OSError as error:
        raise SpriteError(f"{str(path)!r} cannot be read ({error.strerror}).") from None


def _first_line(error: Exception) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:160]
