"""What the JSON of Aseprite and of TexturePacker have in common: entries of frames, read from both and written for both.

Aseprite took TexturePacker's schema over and added durations, tags and slices, so that one reader serves both.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from ..errors import SpriteError
from .layout import Layout
from .pictures import Region
from .sheet import DEFAULT_DURATION, SpriteSheet

APP = "sprite-diffusers"


def frame_entries(sheet: SpriteSheet, layout: Layout) -> list[dict[str, Any]]:
    """An entry per frame, as both schemas have it; all frames are whole and upright."""
    width, height = layout.frame_size
    return [
        {
            "frame": {"x": x, "y": y, "w": width, "h": height},
            "rotated": False,
            "trimmed": False,
            "spriteSourceSize": {"x": 0, "y": 0, "w": width, "h": height},
            "sourceSize": {"w": width, "h": height},
            "duration": duration,
        }
        for (x, y), duration in zip(layout.corners, sheet.durations, strict=True)
    ]


def named(sheet: SpriteSheet, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The entries of an array, which have their names in themselves."""
    return [{"filename": name} | entry for name, entry in zip(sheet.names, entries, strict=True)]


def meta(layout: Layout, image: str) -> dict[str, Any]:
    """What both schemas say of the sheet as a whole; `image` is the name of its file."""
    width, height = layout.size
    return {
        "app": APP,
        "version": "1.0",
        "image": image,
        "format": "RGBA8888",
        "size": {"w": width, "h": height},
        "scale": "1",
    }


def to_json(content: dict[str, Any]) -> bytes:
    """Readable, with a line for each small object."""
    text = json.dumps(content, indent=1, ensure_ascii=False)
    # only line breaks go, and JSON has none within strings, so that braces in a name do no harm
    return (re.sub(r"\{[^{}\[\]]*\}", lambda match: re.sub(r"\n\s*", " ", match[0]), text) + "\n").encode()


def load_json(path: Path) -> dict[str, Any]:
    """The content of a sheet's JSON file.

    Raises:
        SpriteError: no JSON, a name twice in one object (of which JSON readers keep the last without a word), or no
            "frames" and "meta" in it.
    """

    def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        content: dict[str, Any] = {}
        for name, value in pairs:
            if name in content:
                raise SpriteError(
                    f"{str(path)!r} has the name {name!r} twice; allowed are distinct names: rename one frame, or "
                    "export it as an array"
                )
            content[name] = value
        return content

    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=distinct)
    except OSError as error:
        raise SpriteError(f"cannot read {str(path)!r} ({error.strerror}); check the path") from None
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SpriteError(f"{str(path)!r} is not valid JSON ({error}); export it again") from None
    frames = content.get("frames") if isinstance(content, dict) else None
    if not isinstance(frames, dict | list) or not isinstance(content.get("meta"), dict):
        raise SpriteError(
            f"{str(path)!r} is not the JSON of a sheet; allowed is an object with 'frames' (an object or an array) and "
            "'meta', as Aseprite and TexturePacker export it"
        )
    if not frames:
        raise SpriteError(f"{str(path)!r} has no frames; allowed is 1 or more: export it again")
    return content


def regions(content: dict[str, Any], where: str) -> tuple[list[Region], list[int]]:
    """The frames that the JSON of a sheet describes, and how long each is shown (ms).

    Raises:
        SpriteError: a field that is missing or of another type.
    """
    frames = content["frames"]
    entries = list(frames.items()) if isinstance(frames, dict) else [(None, entry) for entry in frames]
    found, durations = [], []
    for index, (name, entry) in enumerate(entries):
        if name is None:
            name = entry.get("filename") if isinstance(entry, dict) else None
        if not isinstance(name, str) or not isinstance(entry, dict):
            raise SpriteError(
                f"frame {index} of {where!r} is malformed; allowed is an object, with a 'filename' in an array"
            )
        label = f"the frame {name!r} of {where!r}"
        x, y, width, height = numbers(entry.get("frame"), "xywh", f"{label}: 'frame'")
        canvas = width, height
        if entry.get("sourceSize") is not None:
            full_width, full_height = numbers(entry["sourceSize"], "wh", f"{label}: 'sourceSize'")
            canvas = full_width, full_height
        left, top = 0, 0
        if entry.get("trimmed") and entry.get("spriteSourceSize") is not None:
            left, top = numbers(entry["spriteSourceSize"], "xy", f"{label}: 'spriteSourceSize'")
        (duration,) = numbers({"ms": entry.get("duration", DEFAULT_DURATION)}, ["ms"], f"{label}: 'duration'")
        found.append(Region(name, (x, y, width, height), canvas, (left, top), entry.get("rotated") is True))
        durations.append(duration)
    return found, durations


def numbers(value: Any, keys: Any, what: str) -> tuple[int, ...]:
    """The whole numbers under `keys` of an object.

    Raises:
        SpriteError: no object, a key that is missing, or no whole number.
    """
    found = [value.get(key) for key in keys] if isinstance(value, dict) else []
    whole = [n for n in found if isinstance(n, int | float) and not isinstance(n, bool) and n == n // 1]
    if not found or len(whole) != len(found):
        raise SpriteError(f"{what} is {json.dumps(value)[:80]}; allowed are whole numbers {', '.join(keys)}")
    return tuple(int(number) for number in whole)


def text(value: Any, what: str) -> str:
    """A string.

    Raises:
        SpriteError: anything else.
    """
    if not isinstance(value, str):
        raise SpriteError(f"{what} is {json.dumps(value)[:80]}; allowed is a text")
    return value


def objects(value: Any, what: str) -> list[dict[str, Any]]:
    """A list of objects; None is an empty one.

    Raises:
        SpriteError: anything else.
    """
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise SpriteError(f"{what} is {json.dumps(value)[:80]}; allowed is a list of objects")
    return value
