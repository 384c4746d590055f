"""What a table says about each sprite: name, description, types, family. Columns are found by their names."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import SpriteError
from .text_files import read_json_lines, read_text_table

FILE_COLUMNS = ("file_name", "filename", "file", "image")
TEXT_COLUMNS = ("text", "caption", "description", "prompt")
NAME_COLUMNS = ("name", "english_name", "species", "pokemon")
NUMBER_COLUMNS = ("national_number", "pokedex_number", "number", "id", "index")
TYPE_COLUMNS = ("types", "type", "primary_type", "secondary_type", "type_1", "type_2", "type1", "type2")
CLASSIFICATION_COLUMNS = ("classification", "category")
FAMILY_COLUMNS = ("family", "evolution_family")
_RELATIVE = re.compile(r"evochain_\d+")
_ABILITY = re.compile(r"abilities_\d+")
_ATTRIBUTE = re.compile(r"abilities_\d+|evochain_\d+|primary_type|classification")
_KNOWN = {*FILE_COLUMNS, *TEXT_COLUMNS, *NAME_COLUMNS, *NUMBER_COLUMNS, *TYPE_COLUMNS, *FAMILY_COLUMNS}


@dataclass
class CaptionRow:
    """One sprite of a table.

    Attributes:
        name: as written; the file name without its ending where the table has no names.
        text: the description, "" if there is none. Of an attribute table: a sentence made of the attributes.
        file_name: of the image, relative to the table, with forward slashes; None if the table names no files.
        number: by which the image file may be named, or None.
        types: such as ("grass", "poison").
        family: of which no two members may be in different splits, or None.
        relatives: what the columns of the evolution line hold; conditions of evolving ("Level 16") are among them.
    """

    name: str
    text: str
    file_name: str | None = None
    number: int | None = None
    types: tuple[str, ...] = ()
    family: str | None = None
    relatives: tuple[str, ...] = ()


@dataclass(frozen=True)
class CaptionTable:
    """A table as read; `has_attributes` tells an attribute table from one of captions."""

    path: Path
    rows: list[CaptionRow]
    has_attributes: bool
    notes: tuple[str, ...]


def read_table(path: Path) -> CaptionTable:
    """Reads `name; description` lines, an attribute table, or Hugging Face metadata (.csv or .jsonl).

    Raises:
        SpriteError: if the file is no such table; the message names what was found.
    """
    notes: tuple[str, ...] = ()
    if path.suffix.lower() == ".jsonl":
        records = read_json_lines(path)
    else:
        table = read_text_table(path, _KNOWN)
        notes = table.notes
        header = table.header or ("name", "description")
        wide = next((row for row in table.rows if len(row) > len(header)), None)
        if wide is not None:
            raise SpriteError(
                f"{str(path)!r} has {len(header)} columns and {len(wide)} cells in the row of {wide[0]!r}; allowed is "
                "a cell per column: put texts that hold the separator in double quotes"
            )
        records = [dict(zip(header, row, strict=False)) for row in table.rows]
    columns = set().union(*records) if records else set()
    has_attributes = any(_ATTRIBUTE.fullmatch(column) for column in columns) and columns.isdisjoint(
        ("text", "caption")
    )
    _check_columns(path, columns, len(records), has_attributes)
    rows = [_row(record, has_attributes, f"row {index + 1} of {str(path)!r}") for index, record in enumerate(records)]
    return CaptionTable(path, rows, has_attributes, notes)


def name_key(name: str) -> str:
    """What is left of a name when accents, case, spaces and punctuation are not to matter ("Mr. Mime": mrmime)."""
    plain = unicodedata.normalize("NFKD", name).casefold().replace("♀", "f").replace("♂", "m")
    return "".join(char for char in plain if char.isalnum()) or name


def _check_columns(path: Path, columns: set[str], num_rows: int, has_attributes: bool) -> None:
    if not num_rows:
        raise SpriteError(f"{str(path)!r} has no rows; allowed is one per image: add them or give another table")
    if columns.isdisjoint((*FILE_COLUMNS, *NAME_COLUMNS)):
        raise SpriteError(
            f"{str(path)!r} has the columns {_listed(columns)}; needed is one of {', '.join(FILE_COLUMNS)}, "
            f"{', '.join(NAME_COLUMNS)}: rename a column"
        )
    if columns.isdisjoint(TEXT_COLUMNS) and not has_attributes:
        raise SpriteError(
            f"{str(path)!r} has the columns {_listed(columns)}; needed is one of {', '.join(TEXT_COLUMNS)}: rename the "
            "column of the descriptions"
        )


def _listed(columns: set[str]) -> str:
    first = sorted(columns)[:6]
    return ", ".join(column[:30] for column in first) + (" …" if len(columns) > len(first) else "")


def _row(record: dict[str, Any], has_attributes: bool, where: str) -> CaptionRow:
    def cell(columns: tuple[str, ...]) -> str:
        return next((str(record[column]).strip() for column in columns if record.get(column)), "")

    file_name = cell(FILE_COLUMNS).replace("\\", "/")
    name = cell(NAME_COLUMNS) or file_name.rpartition(".")[0] or file_name
    if not name:
        raise SpriteError(f"{where} has neither a name nor a file name; give it one or remove the row")
    number = cell(NUMBER_COLUMNS)
    types = _types(record)
    text = " ".join(cell(TEXT_COLUMNS).split())
    return CaptionRow(
        name=name,
        text=_describe(name, text, types, record) if has_attributes else text,
        file_name=file_name or None,
        number=int(number) if number.isdecimal() else None,
        types=types,
        family=cell(FAMILY_COLUMNS) or None,
        relatives=tuple(
            str(value).strip() for column, value in record.items() if _RELATIVE.fullmatch(column) and value
        ),
    )


def _types(record: dict[str, Any]) -> tuple[str, ...]:
    """Types of the first columns that have any, each once: a list, or names separated by , / ; | in one cell."""
    found: list[str] = []
    for column in TYPE_COLUMNS:
        value = record.get(column) or []
        parts = value if isinstance(value, list) else re.split(r"[,/;|]", str(value))
        found += [str(part).strip(" []'\"").lower() for part in parts]
    return tuple(dict.fromkeys(type_ for type_ in found if type_))


def _describe(name: str, text: str, types: tuple[str, ...], record: dict[str, Any]) -> str:
    """Attributes as a sentence, followed by the text that the table has; "" if nothing but the name is known."""
    classification = next((str(record[column]) for column in CLASSIFICATION_COLUMNS if record.get(column)), "")
    abilities = [str(value) for column, value in record.items() if _ABILITY.fullmatch(column) and value]
    facts = [
        classification,
        f"{' and '.join(types)} type" if types else "",
        f"abilities {' and '.join(abilities)}" if abilities else "",
    ]
    known = [fact for fact in facts if fact]
    sentence = f"{', '.join([name, *known])}." if known else ""
    return " ".join(part for part in (sentence, text) if part)
