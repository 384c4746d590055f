"""A text table of unknown encoding, separator and quoting to rows of cells."""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import SpriteError

SEPARATORS = {";": "';'", "\t": "tab", ",": "','"}
_ALLOWED = (
    "allowed is UTF-8 or UTF-16 text with a byte order mark, and two or more columns separated by ';', tab or ','"
)
_BYTE_ORDER_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_CONTROL = bytes([*range(0x09), *range(0x0E, 0x20), 0x7F])
_COLUMN = re.compile(r"[\w /()-]{0,40}")  # what a column can be called: no sentence
_LONGEST_NAME = 60  # characters: a longer line without a separator is no name whose description is missing


@dataclass(frozen=True)
class TextTable:
    """Cells as strings, stripped.

    Attributes:
        header: the names of the columns in lower case, or None if the first line is data.
        rows: of any length, none of them empty.
        notes: what had to be assumed, for people.
    """

    header: tuple[str, ...] | None
    rows: list[list[str]]
    notes: tuple[str, ...] = ()


def read_text_table(path: Path, known_columns: Set[str]) -> TextTable:
    """Reads a file of separated values, with or without a header.

    Args:
        path: the file.
        known_columns: names in lower case; a first line that holds one of them, alone in its cell, is a header.

    Returns:
        Without a header, rows of two cells: all that follows the first separator is one text.

    Raises:
        SpriteError: if the file is no text, is empty, or has no separator that makes two columns of it.
    """
    text, notes = _decode(path)
    candidates = {separator: _split(text, separator) for separator in SEPARATORS}
    for rows in candidates.values():
        header = tuple(cell.lower() for cell in rows[0]) if rows else ()
        if len(header) > 1 and all(map(_COLUMN.fullmatch, header)) and not known_columns.isdisjoint(header):
            return TextTable(header, rows[1:], notes)
    for separator, rows in candidates.items():
        if _looks_like_pairs(rows, separator):
            return TextTable(None, _pairs(path, rows, separator), notes)
    raise _refuse(path, "no separator makes two columns of it" if text.strip() else "it is empty", text)


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a .jsonl file, one a line, with their keys in lower case."""
    text, _ = _decode(path)
    records = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            record = None
        if not isinstance(record, dict):
            raise SpriteError(
                f"line {number} of {str(path)!r} is {_short(line)!r}; allowed is one JSON object a line, such as "
                '{"file_name": "001.png", "text": "a red dragon"}: repair the line'
            )
        records.append({str(key).strip().lower(): value for key, value in record.items()})
    return records


def _decode(path: Path) -> tuple[str, tuple[str, ...]]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SpriteError(f"cannot read {str(path)!r} ({error.strerror}); give the path of a text table") from error
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if data.startswith(mark):
            try:
                return data.decode(encoding), ()
            except UnicodeDecodeError as error:
                raise _refuse(path, f"it begins as {encoding} and is not", "") from error
    if data.translate(None, _CONTROL) != data:
        found = "zero bytes (UTF-16 without a byte order mark?)" if b"\0" in data else "control characters"
        raise _refuse(path, f"it has {found}", data[:200].decode("latin-1"))
    try:
        return data.decode("utf-8"), ()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return data.decode("latin-1"), (
            f"{path.name} is not UTF-8 (line {line}) and was read as latin-1: save it as UTF-8 if accents look wrong",
        )


def _split(text: str, separator: str) -> list[list[str]]:
    """Rows of cells. Quotes that do not enclose whole cells are taken for characters of the text."""
    options: dict[str, Any] = {"delimiter": separator, "skipinitialspace": True}
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True, **options))
    except csv.Error:
        lines = text.splitlines()
        rows = list(csv.reader(lines, quoting=csv.QUOTE_NONE, **options))
    stripped = [[cell.strip() for cell in row] for row in rows]
    return [row for row in stripped if any(row)]


def _looks_like_pairs(rows: list[list[str]], separator: str) -> bool:
    """Whether lines without a header read as `name; description`.

    A comma is no sign of that in prose, so that with commas every line must have two cells exactly (quoted texts),
    the first without a "|", which was meant to separate.
    """
    if separator == ",":
        return bool(rows) and all(len(row) == 2 and len(row[0]) <= _LONGEST_NAME and "|" not in row[0] for row in rows)
    return sum(len(row) > 1 and len(row[0]) <= _LONGEST_NAME for row in rows) > len(rows) / 2


def _pairs(path: Path, rows: list[list[str]], separator: str) -> list[list[str]]:
    pairs = []
    for row in rows:
        name, text = row[0], f"{separator} ".join(row[1:]).strip()
        if len(name) > _LONGEST_NAME or not name:
            raise SpriteError(
                f"{str(path)!r} has the line {_short(separator.join(row))!r} among lines of 'name"
                f"{separator.strip() or ' <tab>'} description'; allowed is a name of 1 to {_LONGEST_NAME} characters "
                "in each: repair the line"
            )
        pairs.append([name, text])
    words = sorted(len(text.split()) for _, text in pairs)
    if len(pairs[0][1].split()) == 1 and words[len(words) // 2] > 4:
        raise SpriteError(
            f"the first line of {str(path)!r} is {_short(separator.join(rows[0]))!r}, which looks like a header with "
            "unknown names; allowed are name and description: rename the columns or remove the line"
        )
    return pairs


def _refuse(path: Path, reason: str, text: str) -> SpriteError:
    begins = f" (begins {_short(text)!r})" if text.strip() else ""
    return SpriteError(f"{str(path)!r} is no table of captions: {reason}{begins}; {_ALLOWED}")


def _short(text: str) -> str:
    line = "".join(char if char.isprintable() else "?" for char in (text.strip().splitlines() or [""])[0])
    return line if len(line) <= 50 else line[:49] + "…"
