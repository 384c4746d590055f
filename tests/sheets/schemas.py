"""The published formats, written down a second time: checks that share no code with what writes the files."""

from __future__ import annotations

import re

RECT = {"x": int, "y": int, "w": int, "h": int}
SIZE = {"w": int, "h": int}
FRAME = {
    "frame": RECT,
    "rotated": bool,
    "trimmed": bool,
    "spriteSourceSize": RECT,
    "sourceSize": SIZE,
    "duration": int,
}
META = {"app": str, "version": str, "image": str, "format": str, "size": SIZE, "scale": str}
TAG = {"name": str, "from": int, "to": int, "direction": str, "color": str}
KEY = {"frame": int, "bounds": RECT, "pivot": {"x": int, "y": int}}
SLICE = {"name": str, "color": str, "keys": [KEY]}

ASEPRITE_META = META | {"frameTags": [TAG], "layers": list, "slices": [SLICE]}
TEXTURE_PACKER_FRAME = {"filename": str} | FRAME | {"pivot": {"x": float, "y": float}}
TEXTURE_PACKER = {"frames": [TEXTURE_PACKER_FRAME], "animations": dict, "meta": META}


def fits(value: object, schema: object) -> bool:
    """Whether JSON has the fields of a schema, all of them and no others, of the types that it names."""
    if isinstance(schema, dict):
        return isinstance(value, dict) and set(value) == set(schema) and all(fits(value[k], schema[k]) for k in schema)
    if isinstance(schema, list):
        return isinstance(value, list) and all(fits(entry, schema[0]) for entry in value)
    return type(value) is schema


VALUE = r'(?:-?\d+(?:\.\d+)?|&?"(?:[^"\\]|\\.)*"|true|false|\w+\([^()]*\)|\[.*\]|\{.*\})'
HEADING = re.compile(r"\[(gd_resource|ext_resource|sub_resource|resource)((?: \w+=(?:\"[^\"]*\"|\d+))*)\]")


def godot_sections(text: str) -> list[tuple[str, dict[str, str], dict[str, str]]]:
    """Sections of a Godot text resource as (kind, attributes, properties), by the documented grammar line by line.

    A property's value ends where its brackets are closed.
    """
    sections: list[tuple[str, dict[str, str], dict[str, str]]] = []
    lines = iter(text.splitlines())
    for line in lines:
        if not line:
            continue
        heading = HEADING.fullmatch(line)
        if heading:
            attributes = dict(part.split("=", 1) for part in re.findall(r'\w+=(?:"[^"]*"|\d+)', heading[2]))
            sections.append((heading[1], {name: value.strip('"') for name, value in attributes.items()}, {}))
            continue
        name, value = re.fullmatch(r"([\w/]+) = (.*)", line, re.DOTALL).groups()
        while not balanced(value):
            value += "\n" + next(lines)
        assert re.fullmatch(VALUE, value, re.DOTALL), value
        sections[-1][2][name] = value
    return sections


def balanced(text: str) -> bool:
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', "", text)
    return all(bare.count(a) == bare.count(b) for a, b in ("[]", "{}", "()"))
