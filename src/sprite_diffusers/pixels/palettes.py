"""Palettes: built in, read from files and pictures, written for other programs."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError

from ..errors import SpriteError
from ..pipelines.sprite_palette import MAX_COLORS, MIN_COLORS, Color, parse_color
from .builtin_palettes import BUILTIN_PALETTES, builtin_name

_JSON_LISTS = ("colors", "palette", "entries")  # where exporters put their list
_JSON_HEX = ("hex", "color", "value")
_IMAGE_SUFFIXES = (".png", ".gif", ".webp", ".bmp")


@dataclass(frozen=True)
class Palette:
    """2 to 256 different colours in an order.

    Attributes:
        name: for people.
        colors: red, green and blue of 0 to 255; a colour that comes again is left out.

    Raises:
        SpriteError: another number of different colours, or something that is no colour.
    """

    name: str
    colors: tuple[tuple[int, int, int], ...]

    def __post_init__(self) -> None:
        try:
            different = tuple(dict.fromkeys(parse_color(color, "palette") for color in self.colors))
        except ValueError as error:
            raise SpriteError(f"palette {self.name!r}: {error}") from None
        if not MIN_COLORS <= len(different) <= MAX_COLORS:
            number = "1 colour" if len(different) == 1 else f"{len(different)} different colours"
            raise SpriteError(
                f"palette {self.name!r} has {number}, but a palette has {MIN_COLORS} to {MAX_COLORS}: "
                + ("add colours to it." if len(different) < MIN_COLORS else "take fewer, as by extract_palette.")
            )
        object.__setattr__(self, "colors", different)

    def __len__(self) -> int:
        return len(self.colors)

    @property
    def hex(self) -> list[str]:
        """The colours as ``"#rrggbb"``."""
        return ["#" + bytes(color).hex() for color in self.colors]

    @property
    def array(self) -> np.ndarray:
        """uint8 ``(n, 3)``."""
        return np.array(self.colors, np.uint8)

    @property
    def tensor(self) -> torch.Tensor:
        """float32 ``(n, 3)`` in ``[0, 1]``."""
        return torch.tensor(self.colors, dtype=torch.float32) / 255

    def save(self, path: str | Path) -> Path:
        """Writes ``.gpl`` (GIMP, Aseprite, Inkscape) or ``.hex`` (a colour a line).

        Raises:
            SpriteError: another suffix.
        """
        path = Path(path)
        if path.suffix.lower() == ".hex":
            text = "".join(f"{color[1:]}\n" for color in self.hex)
        elif path.suffix.lower() == ".gpl":
            rows = (f"{r:3d} {g:3d} {b:3d}\t{bytes((r, g, b)).hex()}\n" for r, g, b in self.colors)
            text = f"GIMP Palette\nName: {' '.join(self.name.split())}\n#\n" + "".join(rows)
        else:
            raise SpriteError(f"{path}: palettes are written as .gpl or .hex; change the suffix.")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path


def load_palette(source: str | Path | Sequence[Color] | Palette) -> Palette:
    """A palette from what people have.

    Args:
        source: the name of a built-in one (``"pico-8"``, see `BUILTIN_PALETTES`); a file: ``.gpl``, ``.hex``, ``.pal``
            (JASC), ``.json`` (a list of colours, or an object with one under "colors", "palette" or "entries"), or a
            picture, whose colours are taken in reading order; or a sequence of ``"#rrggbb"`` or three numbers.

    Raises:
        SpriteError: an unknown name, a file that is missing or malformed (named with its line), or other than 2 to 256
            different colours.
    """
    if isinstance(source, Palette):
        return source
    if not isinstance(source, (str, Path)):
        return Palette("colours", tuple(source))  # type: ignore[arg-type]
    path = Path(source)
    builtin = builtin_name(str(source))
    if builtin is not None and not path.is_file():
        return Palette(builtin, BUILTIN_PALETTES[builtin])  # type: ignore[arg-type]
    if not path.is_file():
        raise SpriteError(_not_found(str(source)))
    if path.suffix.lower() in _IMAGE_SUFFIXES:
        return _read_image(path)
    if path.suffix.lower() not in _READERS:
        allowed = ", ".join((*_READERS, *_IMAGE_SUFFIXES))
        raise SpriteError(
            f"palette {path}: files are read as {allowed}, and not as {path.suffix or 'without suffix'}."
        )
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise SpriteError(f"palette {path} is not text: save it as .gpl, .hex or JASC .pal.") from None
    return _READERS[path.suffix.lower()](path, text)


def _not_found(source: str) -> str:
    names = ", ".join(BUILTIN_PALETTES)
    if source.startswith("#"):
        return f"palette {source!r} is one colour, but a palette has {MIN_COLORS} to {MAX_COLORS}: give more."
    if Path(source).suffix:
        return f"palette file {source!r} does not exist; give a file, colours as '#rrggbb', or one of {names}."
    close = difflib.get_close_matches(source.lower(), BUILTIN_PALETTES, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"unknown palette {source!r}: {hint}Give a file, colours as '#rrggbb', or one of {names}."


def _malformed(path: Path, number: int, line: str, wanted: str) -> SpriteError:
    return SpriteError(f"palette {path}, line {number}: {line.strip()[:40]!r} is not {wanted}.")


def _rows(text: str, skip: int = 0) -> Iterator[tuple[int, str]]:
    """Numbers and texts of the lines after the first `skip` that are neither empty nor comments."""
    for number, line in enumerate(text.splitlines(), start=1):
        if number > skip and line.strip() and not line.lstrip().startswith(("#", ";")):
            yield number, line


def _levels(path: Path, number: int, line: str) -> tuple[int, int, int]:
    """The first three words of a line, as 0 to 255."""
    words = line.split()[:3]
    if len(words) < 3 or not all(word.isascii() and word.isdigit() and int(word) <= 255 for word in words):
        raise _malformed(path, number, line, "three numbers from 0 to 255")
    return int(words[0]), int(words[1]), int(words[2])


def _read_gpl(path: Path, text: str) -> Palette:
    """GIMP's format: a header, ``Key: value`` lines, then ``red green blue name``; Aseprite's alpha column is a name."""
    lines = text.splitlines()
    if not lines or lines[0].strip() != "GIMP Palette":
        raise _malformed(path, 1, lines[0] if lines else "", "'GIMP Palette', with which a .gpl file begins")
    name = path.stem
    colors: list[tuple[int, int, int]] = []
    for number, line in _rows(text, skip=1):
        key, colon, value = line.partition(":")
        if colon and not colors and key.strip().isalpha():
            name = value.strip() or name if key.strip() == "Name" else name
        else:
            colors.append(_levels(path, number, line))
    return _palette(path, name, colors)


def _read_hex(path: Path, text: str) -> Palette:
    """A colour a line, ``rrggbb``, with or without ``#``; what begins with ``;`` is a comment."""
    colors = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.strip().startswith(";"):
            try:
                colors.append(parse_color(line.strip()))
            except ValueError:
                raise _malformed(path, number, line, "a colour as rrggbb") from None
    return _palette(path, path.stem, colors)


def _read_jasc(path: Path, text: str) -> Palette:
    """Paint Shop Pro's text format: ``JASC-PAL``, ``0100``, the number of colours, then ``red green blue``."""
    lines = text.splitlines()
    for number, wanted in enumerate(("JASC-PAL", "0100")):
        found = lines[number] if number < len(lines) else ""
        if found.strip() != wanted:
            raise _malformed(path, number + 1, found, f"{wanted!r}, as JASC .pal files have there")
    count = lines[2].strip() if len(lines) > 2 else ""
    if not (count.isascii() and count.isdigit()):
        raise _malformed(path, 3, count, "the number of colours")
    colors = [_levels(path, number, line) for number, line in _rows(text, skip=3)]
    if len(colors) != int(count):
        raise _malformed(path, 3, count, f"the number of colours that follow, {len(colors)}")
    return _palette(path, path.stem, colors)


def _read_json(path: Path, text: str) -> Palette:
    """A list of colours, or an object that has one."""
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise SpriteError(f"palette {path}, line {error.lineno}: not JSON ({error.msg}).") from None
    name = path.stem
    if isinstance(content, dict):
        name = content["name"] if isinstance(content.get("name"), str) else name
        content = next((content[key] for key in _JSON_LISTS if key in content), None)
        if isinstance(content, dict):  # a palette object inside of a larger one
            content = content.get("colors")
    if not isinstance(content, list):
        raise SpriteError(f"palette {path}: no list of colours, and none under {', '.join(map(repr, _JSON_LISTS))}.")
    return _palette(path, name, [_json_color(path, index, entry) for index, entry in enumerate(content)])


def _json_color(path: Path, index: int, entry: Any) -> tuple[int, int, int]:
    """``"#rrggbb"`` (an alpha after it is left out), a list of three or four, or an object with r, g, b or a hex text."""
    found = entry
    if isinstance(entry, dict):
        lower = {str(key).lower(): value for key, value in entry.items()}
        triples = [[lower.get(key) for key in keys] for keys in (("r", "g", "b"), ("red", "green", "blue"))]
        hexes = [lower[key] for key in _JSON_HEX if key in lower]
        found = next((triple for triple in triples if None not in triple), hexes[0] if hexes else entry)
    try:
        if isinstance(found, str):
            return parse_color("#" + found.removeprefix("#")[:6] if len(found.removeprefix("#")) == 8 else found)
        return parse_color(found[:3] if isinstance(found, list) else found)
    except ValueError:
        raise SpriteError(
            f"palette {path}, colour {index + 1}: {str(entry)[:60]} is not '#rrggbb', [r, g, b] or an object of them."
        ) from None


def _read_image(path: Path) -> Palette:
    """The colours of the visible pixels of a picture, from left to right and top to bottom."""
    try:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGBA")).reshape(-1, 4)
    except (UnidentifiedImageError, OSError) as error:
        raise SpriteError(f"palette {path} cannot be read as a picture ({type(error).__name__}).") from None
    colors, first = np.unique(pixels[pixels[:, 3] >= 128, :3], axis=0, return_index=True)
    if len(colors) > MAX_COLORS:
        raise SpriteError(
            f"palette {path} has {len(colors)} different colours, but a palette has at most {MAX_COLORS}: "
            "reduce them first, as by sprite-diffusers pixelate --num_colors 32."
        )
    return _palette(path, path.stem, colors[np.argsort(first)].tolist())


def _palette(path: Path, name: str, colors: Sequence[Any]) -> Palette:
    if len(set(map(tuple, colors))) < MIN_COLORS:
        raise SpriteError(
            f"palette {path} has {len(colors) or 'no'} colour{'s' * (len(colors) != 1)}, but a palette has {MIN_COLORS} to "
            f"{MAX_COLORS} different ones: add colours to it."
        )
    return Palette(name, tuple(map(tuple, colors)))


_READERS: dict[str, Callable[[Path, str], Palette]] = {
    ".gpl": _read_gpl,
    ".hex": _read_hex,
    ".pal": _read_jasc,
    ".json": _read_json,
}
