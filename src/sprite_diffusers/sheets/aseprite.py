"""Aseprite's sheet JSON, as ``aseprite --data --format json-hash|json-array --list-tags --list-slices`` exports it.

Fields: https://www.aseprite.org/docs/cli (and the files that it writes). The pivot is that of a slice named "pivot".
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import SpriteError
from .atlas_json import frame_entries, meta, named, numbers, objects, text, to_json
from .layout import Layout
from .sheet import Pivot, SpriteSheet, Tag


def aseprite_json(sheet: SpriteSheet, layout: Layout, image: str, *, array: bool) -> bytes:
    """The JSON of a sheet.

    Args:
        sheet: the frames.
        layout: where they are.
        image: name of the sheet's file.
        array: "frames" is a list (json-array) instead of an object by names (json-hash).
    """
    entries = frame_entries(sheet, layout)
    width, height = layout.frame_size
    slices = []
    if sheet.pivot is not None:
        key = {
            "frame": 0,
            "bounds": {"x": 0, "y": 0, "w": width, "h": height},
            "pivot": {"x": sheet.pivot[0], "y": sheet.pivot[1]},
        }
        slices = [{"name": "pivot", "color": "#0000ffff", "keys": [key]}]
    tags = [
        {"name": tag.name, "from": tag.start, "to": tag.stop, "direction": tag.direction, "color": "#000000ff"}
        for tag in sheet.tags
    ]
    return to_json(
        {
            "frames": named(sheet, entries) if array else dict(zip(sheet.names, entries, strict=True)),
            "meta": meta(layout, image) | {"frameTags": tags, "layers": [], "slices": slices},
        }
    )


def aseprite_tags(content: dict[str, Any], path: Path) -> list[Tag]:
    """The animations of a sheet's JSON; none if it was exported without.

    Raises:
        SpriteError: fields of other types.
    """
    tags = []
    for entry in objects(content["meta"].get("frameTags"), f"{str(path)!r}: 'frameTags'"):
        name = text(entry.get("name"), f"{str(path)!r}: the name of a tag")
        start, stop = numbers(entry, ("from", "to"), f"the tag {name!r} of {str(path)!r}")
        tags.append(Tag(name, start, stop, text(entry.get("direction", "forward"), f"the direction of {name!r}")))
    return tags


def aseprite_pivot(content: dict[str, Any], path: Path) -> Pivot | None:
    """The pivot of the first slice that has one, in pixels of the frame.

    Raises:
        SpriteError: fields of other types.
    """
    where = f"{str(path)!r}: 'slices'"
    for entry in objects(content["meta"].get("slices"), where):
        for key in objects(entry.get("keys"), where):
            if key.get("pivot") is not None:
                (left, top), (x, y) = numbers(key.get("bounds"), "xy", where), numbers(key["pivot"], "xy", where)
                return left + x, top + y
    return None


def check_size(content: dict[str, Any], size: tuple[int, int], path: Path) -> None:
    """Refuses a picture of another size than the JSON says it has.

    Raises:
        SpriteError: it differs, or is 0.
    """
    if content["meta"].get("size") is None:
        return
    wanted = numbers(content["meta"]["size"], "wh", f"{str(path)!r}: 'size'")
    if wanted != size:
        raise SpriteError(
            f"{str(path)!r} is of a sheet of {wanted[0]}x{wanted[1]} pixels, but the image has {size[0]}x{size[1]}; give "
            "the image that was exported with it"
        )
