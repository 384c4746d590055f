"""TexturePacker's "JSON (Array)", which Unity's ``JsonUtility`` can read, as can Phaser, PixiJS and most other engines.

Unity itself imports no sheet JSON: editor scripts and importers do, and the array form is the one they can deserialise
(``JsonUtility`` knows no dictionaries). Pivots are fractions of the frame from its top left corner; Unity counts y from
below. ``animations`` is the list of names that TexturePacker writes for PixiJS, ``duration`` is Aseprite's.
Fields: https://www.codeandweb.com/texturepacker/documentation
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import SpriteError
from .atlas_json import frame_entries, meta, named, to_json
from .layout import Layout
from .sheet import Pivot, SpriteSheet


def texture_packer_json(sheet: SpriteSheet, layout: Layout, image: str) -> bytes:
    """The JSON of a sheet whose file is named `image`; the pivot is the centre where the sheet has none."""
    width, height = layout.frame_size
    x, y = sheet.pivot or (width / 2, height / 2)
    pivot = {"pivot": {"x": x / width, "y": y / height}}
    content: dict[str, Any] = {
        "frames": [entry | pivot for entry in named(sheet, frame_entries(sheet, layout))],
        "animations": {tag.name: [sheet.names[index] for index in tag.order()] for tag in sheet.tags},
        "meta": meta(layout, image),
    }
    return to_json(content)


def texture_packer_animations(content: dict[str, Any], names: list[str], path: Path) -> dict[str, list[int]]:
    """Indices of frames by the name of the animation.

    Raises:
        SpriteError: an animation of frames that are not there, or fields of other types.
    """
    animations = content.get("animations") or {}
    if not isinstance(animations, dict) or not all(isinstance(played, list) for played in animations.values()):
        raise SpriteError(f"{str(path)!r}: 'animations' is malformed; allowed are lists of frames by name")
    index_of = {name: index for index, name in enumerate(names)}
    for animation, played in animations.items():
        unknown = [name for name in played if not isinstance(name, str) or name not in index_of]
        if unknown:
            raise SpriteError(
                f"the animation {animation!r} of {str(path)!r} plays {unknown[0]!r}, which is not among its frames: "
                "export it again"
            )
    return {animation: [index_of[name] for name in played] for animation, played in animations.items()}


def texture_packer_pivot(content: dict[str, Any], frame_size: tuple[int, int]) -> Pivot | None:
    """The pivot of the first frame in pixels, if all frames have that one."""
    frames = content["frames"]
    entries = list(frames.values()) if isinstance(frames, dict) else frames
    pivots = [entry.get("pivot") for entry in entries]
    first = pivots[0]
    if not isinstance(first, dict) or any(pivot != first for pivot in pivots):
        return None
    x, y = first.get("x"), first.get("y")
    if not isinstance(x, int | float) or not isinstance(y, int | float) or not (0 <= x <= 1 and 0 <= y <= 1):
        return None
    return round(x * frame_size[0]), round(y * frame_size[1])
