"""Reading tables of any encoding, separator and quoting, and refusing what is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from sprite_diffusers.data.captions.tables import CaptionRow, name_key, read_table
from sprite_diffusers.errors import SpriteError

PAIRS = (
    'Flabébé; A tiny, pale fairy; it sits on a flower.\nRock; A round "central" rock, grey.\nPlain; Nothing else.\n'
)
ATTRIBUTES = (
    "national_number\tenglish_name\tprimary_type\tsecondary_type\tclassification\tabilities_0\tabilities_1\t"
    "evochain_0\tevochain_1\tevochain_2\tdescription\n"
    '1\tSeedling\tGrass\tpoison\tSeed Sprite\tOvergrow\t\tSeedling\tLevel 16\tBloom\t"A seed, on its back."\n'
    "2\tBloom\tgrass\t\tFlower Sprite\tOvergrow\tSun\tSeedling\tLevel 16\tBloom\t\n"
)


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def pairs(rows: list[CaptionRow]) -> list[tuple[str, str]]:
    return [(row.name, row.text) for row in rows]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_pairs_without_a_header(tmp_path: Path, encoding: str, newline: str) -> None:
    table = read_table(write(tmp_path / "a.csv", PAIRS.replace("\n", newline), encoding))
    assert pairs(table.rows) == [
        ("Flabébé", "A tiny, pale fairy; it sits on a flower."),
        ("Rock", 'A round "central" rock, grey.'),
        ("Plain", "Nothing else."),
    ]
    assert not table.has_attributes
    assert table.notes == ()


@pytest.mark.parametrize(
    "text",
    [
        "name;description\nImp;Red, with horns.\nOwl;Brown.\n",
        "Name\tDescription\nImp\tRed, with horns.\nOwl\tBrown.\n",
        'description,name\n"Red, with horns.",Imp\nBrown.,Owl\n',
        'Imp,"Red, with horns."\nOwl,Brown.\n',
        'Imp; "Red, with horns."\n\nOwl; Brown.\n',
    ],
)
def test_separators_headers_and_quotes(tmp_path: Path, text: str) -> None:
    assert pairs(read_table(write(tmp_path / "a.csv", text)).rows) == [("Imp", "Red, with horns."), ("Owl", "Brown.")]


def test_a_quote_that_never_ends_is_a_character(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "a.csv", 'Imp; "Red" with horns\nOwl; "Brown\nCat; Black\n'))
    assert pairs(table.rows) == [("Imp", '"Red" with horns'), ("Owl", '"Brown'), ("Cat", "Black")]


def test_a_name_alone_has_an_empty_description(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "a.csv", "Imp; Red.\nOwl\nCat;\n"))
    assert pairs(table.rows) == [("Imp", "Red."), ("Owl", ""), ("Cat", "")]


def test_a_sentence_that_names_a_column_is_no_header(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "a.csv", "Imp; It has a name, text, and horns\nOwl; Brown, old\n"))
    assert pairs(table.rows) == [("Imp", "It has a name, text, and horns"), ("Owl", "Brown, old")]


def test_latin_1_is_read_with_a_note(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "old.csv", "Imp; Red.\nFlabébé; Pale.\n", "latin-1"))
    assert pairs(table.rows)[1] == ("Flabébé", "Pale.")
    assert len(table.notes) == 1
    assert "old.csv is not UTF-8 (line 2) and was read as latin-1" in table.notes[0]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_attributes_become_types_relatives_and_a_text(tmp_path: Path, encoding: str) -> None:
    table = read_table(write(tmp_path / "a.csv", ATTRIBUTES, encoding))
    assert table.has_attributes
    assert table.rows == [
        CaptionRow(
            name="Seedling",
            text="Seedling, Seed Sprite, grass and poison type, abilities Overgrow. A seed, on its back.",
            number=1,
            types=("grass", "poison"),
            relatives=("Seedling", "Level 16", "Bloom"),
        ),
        CaptionRow(
            name="Bloom",
            text="Bloom, Flower Sprite, grass type, abilities Overgrow and Sun.",
            number=2,
            types=("grass",),
            relatives=("Seedling", "Level 16", "Bloom"),
        ),
    ]


def test_metadata_as_csv_and_as_json_lines(tmp_path: Path) -> None:
    csv = write(tmp_path / "metadata.csv", "file_name,text,types,family\na/1.png,Red.,fire/dragon,x\n2.png,Blue.,,\n")
    lines = (
        '{"file_name": "a/1.png", "text": "Red.", "types": ["fire", "dragon"], "family": "x"}\n\n'
        '{"file_name": "2.png", "caption": "Blue."}\n'
    )
    expected = [
        CaptionRow(name="a/1", text="Red.", file_name="a/1.png", types=("fire", "dragon"), family="x"),
        CaptionRow(name="2", text="Blue.", file_name="2.png"),
    ]
    assert read_table(csv).rows == expected
    assert read_table(write(tmp_path / "metadata.jsonl", lines)).rows == expected


REFUSED = {
    "binary": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "zero bytes"),
    "utf-16 without a mark": ("Imp; Red.\n".encode("utf-16-le"), r"zero bytes \(UTF-16 without a byte order mark\?\)"),
    "half a utf-16 character": (b"\xff\xfeI\0m", "begins as utf-16 and is not"),
    "empty": (b"\n \n", "it is empty"),
    "one column": (b"Red with horns\nBrown and round\n", "no separator makes two columns of it"),
    "another separator": (b"Imp | Red, with horns, small\nOwl | Brown\n", r"begins 'Imp \| Red, with horns, small'"),
    "another separator, one comma a line": (b"Imp | Red, small\nOwl | Brown, old\n", r"begins 'Imp \| Red, small'"),
    "prose with commas": (b"A red, small, horned imp.\nAn owl, brown.\n", "no separator makes two columns of it"),
    "a broken line": (b"Imp; Red.\nOwl; Brown\n" + b"and this goes on " * 5 + b"\n", "'and this goes on"),
    "a header of unknown names": (b"Wesen;Aussehen\nImp; Red with two small horns.\n" * 2, "looks like a header"),
    "no name": (b"text,types\nRed.,fire\n", "has the columns text, types; needed is one of file_name"),
    "no text": (b"file_name,family\n1.png,a\n", "has the columns family, file_name; needed is one of text, caption"),
    "header alone": (b"name;description\n", "has no rows"),
    "too many cells": (b"name,text\nImp,Red, with horns\n", "has 2 columns and 3 cells in the row of 'Imp'"),
    "a row without a name": (b"name,text\n,Red\n", "row 1 of .* has neither a name nor a file name"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_table_is_refused_in_one_line_that_names_it(tmp_path: Path, case: str) -> None:
    data, message = REFUSED[case]
    path = tmp_path / "table.csv"
    path.write_bytes(data)
    with pytest.raises(SpriteError, match=message) as error:
        read_table(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_broken_json_line_and_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SpriteError, match=r"line 2 of .*metadata.jsonl' is '\[1\]'"):
        read_table(write(tmp_path / "metadata.jsonl", '{"file_name": "1.png", "text": "Red."}\n[1]\n'))
    with pytest.raises(SpriteError, match=r"cannot read .*none.csv' \(No such file"):
        read_table(tmp_path / "none.csv")


def test_names_are_compared_without_accents_case_and_punctuation() -> None:
    assert name_key("Mr. Mime") == name_key("mr_mime") == name_key("Mr.mime") == "mrmime"
    assert name_key("Flabébé") == "flabebe"
    assert name_key("Nidoran♀") != name_key("Nidoran♂")
    assert name_key("?!") == "?!"
