"""Godot's text resources, format 3: sections of properties.

The grammar is that of https://docs.godotengine.org/en/stable/engine_details/file_formats/tscn.html: headings
``[type key=value ...]``, properties ``key = value``, comments from ``;``; values are numbers, strings, StringNames
(``&"..."``), true, false, null, arrays, dictionaries and constructors such as ``Rect2(0, 0, 8, 8)``.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from ..errors import SpriteError

DEEPEST = 32  # arrays within arrays

_TOKEN = re.compile(
    r"""(?P<space>(?:\s+|;[^\n]*)+)
    | &?(?P<string>"(?:[^"\\]|\\.)*")
    | (?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))
    | (?P<word>[A-Za-z_][\w/.:]*)
    | (?P<mark>[\[\](){},:=])""",
    re.VERBOSE | re.DOTALL,
)
_WORDS = {"true": True, "false": False, "null": None, "nil": None}


@dataclass(frozen=True)
class Call:
    """A constructor, such as ``ExtResource("1")``."""

    name: str
    arguments: tuple[Any, ...]


@dataclass
class Section:
    """A heading and the properties below it."""

    kind: str
    attributes: dict[str, Any] = field(default_factory=dict)
    properties: dict[str, Any] = field(default_factory=dict)


def quoted(text: str) -> str:
    """A string as Godot reads it: JSON's escapes are among its own."""
    return json.dumps(text, ensure_ascii=False)


def parse_tres(text: str, where: str) -> list[Section]:
    """The sections of a text resource, in their order.

    Raises:
        SpriteError: what does not follow the grammar, with the line it is in.
    """
    return _Parser(text, where).sections()


class _Parser:
    def __init__(self, text: str, where: str):
        self.text, self.where, self.depth = text, where, 0
        self.tokens: list[tuple[str, str, int]] = []
        position = 0
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise self._error(position, repr(text[position]))
            if match.lastgroup not in (None, "space"):
                self.tokens.append((str(match.lastgroup), match[match.lastgroup or 0], position))
            position = match.end()
        self.tokens.append(("end", "the end of the file", len(text)))
        self.next = 0

    def sections(self) -> list[Section]:
        found: list[Section] = []
        while self.tokens[self.next][0] != "end":
            if self._take_mark("["):
                section = Section(self._take("word"))
                while not self._take_mark("]"):
                    name = self._take("word")
                    self._expect("=")
                    section.attributes[name] = self.value()
                found.append(section)
                continue
            if not found:
                raise self._unexpected()
            name = self._take("word")
            self._expect("=")
            found[-1].properties[name] = self.value()
        return found

    def value(self) -> Any:
        kind, text, _ = self.tokens[self.next]
        if kind in ("end", "mark") and text not in ("[", "{"):
            raise self._unexpected()
        self.next += 1
        if kind == "number":
            return int(text) if re.fullmatch(r"[+-]?\d+", text) else float(text)
        if kind == "string":
            return self._string(text)
        if kind == "word":
            if self._take_mark("("):
                return Call(text, tuple(self._list(")")))
            if text in _WORDS:
                return _WORDS[text]
            self.next -= 1
            raise self._unexpected()
        return self._list("]") if text == "[" else self._dictionary()

    def _list(self, closing: str) -> list[Any]:
        self.depth += 1
        if self.depth > DEEPEST:
            raise self._unexpected()
        values = []
        while not self._take_mark(closing):
            values.append(self.value())
            if not self._take_mark(","):
                self._expect(closing)
                break
        self.depth -= 1
        return values

    def _dictionary(self) -> dict[Any, Any]:
        self.depth += 1
        if self.depth > DEEPEST:
            raise self._unexpected()
        values = {}
        while not self._take_mark("}"):
            key = self._string(self._take("string"))
            self._expect(":")
            values[key] = self.value()
            if not self._take_mark(","):
                self._expect("}")
                break
        self.depth -= 1
        return values

    def _string(self, text: str) -> str:
        try:
            return json.loads(text, strict=False)
        except json.JSONDecodeError:  # an escape that JSON does not have, such as \'
            return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)

    def _take(self, kind: str) -> str:
        if self.tokens[self.next][0] != kind:
            raise self._unexpected()
        self.next += 1
        return self.tokens[self.next - 1][1]

    def _take_mark(self, mark: str) -> bool:
        found = self.tokens[self.next][:2] == ("mark", mark)
        self.next += found
        return found

    def _expect(self, mark: str) -> None:
        if not self._take_mark(mark):
            raise self._unexpected()

    def _unexpected(self) -> SpriteError:
        _, text, position = self.tokens[self.next]
        return self._error(position, text)

    def _error(self, position: int, found: str) -> SpriteError:
        line = self.text.count("\n", 0, position) + 1
        return SpriteError(
            f"line {line} of {self.where!r} is no Godot text resource (at {found[:40]!r}); save it again from Godot 4"
        )
