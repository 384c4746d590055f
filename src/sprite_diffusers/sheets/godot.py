"""Godot 4 resources of a sheet: `SpriteFrames` (all animations), or an `AtlasTexture` per frame.

The sheet is named without folder, which Godot looks up beside the resource, so that both can be moved together.
A frame is shown for ``duration / speed`` seconds
(https://docs.godotengine.org/en/stable/classes/class_spriteframes.html).
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from ..errors import SpriteError
from .layout import Layout
from .pictures import Region, cut_regions, file_beside, frames_to_sheet, open_picture
from .sheet import DEFAULT_DURATION, LONGEST_DURATION, MOST_PIXELS, Pivot, SpriteSheet, runs, unique_names
from .tres import Call, Section, parse_tres, quoted

WHOLE = "default"  # the animation that Godot's nodes play unless told otherwise


def sprite_frames_tres(sheet: SpriteSheet, layout: Layout, image: str) -> bytes:
    """A `SpriteFrames` resource: each animation in the order it is played, and "default", all frames, if none has the name.

    The pivot is kept as metadata: ``AnimatedSprite2D.offset = -frames.get_meta("pivot")``, not centred.
    """
    sections = [
        f'[gd_resource type="SpriteFrames" load_steps={len(sheet) + 2} format=3]',
        f'[ext_resource type="Texture2D" path={quoted(image)} id="1_sheet"]',
    ]
    for index, name in enumerate(sheet.names):
        properties = _region(layout, index)
        heading = f'[sub_resource type="AtlasTexture" id="AtlasTexture_{index}"]'
        sections.append(f"{heading}\nresource_name = {quoted(name)}\n{properties}")
    animations = {tag.name: tag.order() for tag in sheet.tags}
    if WHOLE not in animations:
        animations[WHOLE] = list(range(len(sheet)))
    played = ", ".join(_animation(sheet, name, order) for name, order in sorted(animations.items()))
    metadata = "" if sheet.pivot is None else f"\nmetadata/pivot = Vector2({sheet.pivot[0]}, {sheet.pivot[1]})"
    sections.append(f"[resource]\nanimations = [{played}]{metadata}")
    return ("\n\n".join(sections) + "\n").encode()


def _animation(sheet: SpriteSheet, name: str, order: list[int]) -> str:
    """An animation whose speed is that of most frames, so that their duration is 1."""
    usual = Counter(sheet.durations[index] for index in order).most_common(1)[0][0]
    frames = ", ".join(
        f'{{\n"duration": {sheet.durations[index] / usual!r},\n"texture": SubResource("AtlasTexture_{index}")\n}}'
        for index in order
    )
    return f'{{\n"frames": [{frames}],\n"loop": true,\n"name": &{quoted(name)},\n"speed": {1000 / usual!r}\n}}'


def atlas_texture_tres(layout: Layout, index: int, image: str) -> bytes:
    """An `AtlasTexture` resource of one frame."""
    sections = [
        '[gd_resource type="AtlasTexture" load_steps=2 format=3]',
        f'[ext_resource type="Texture2D" path={quoted(image)} id="1_sheet"]',
        f"[resource]\n{_region(layout, index)}",
    ]
    return ("\n\n".join(sections) + "\n").encode()


def _region(layout: Layout, index: int) -> str:
    x, y = layout.corners[index]
    return f'atlas = ExtResource("1_sheet")\nregion = Rect2({x}, {y}, {layout.frame_size[0]}, {layout.frame_size[1]})'


def read_tres(path: Path) -> SpriteSheet:
    """The frames of a `SpriteFrames` or `AtlasTexture` resource, whose textures are looked for beside it.

    Raises:
        SpriteError: another resource, what does not follow the format, textures that are not there or not beside it.
    """
    try:
        sections = parse_tres(path.read_text(encoding="utf-8"), str(path))
    except UnicodeDecodeError:
        raise SpriteError(f"{str(path)!r} is no text; allowed is a Godot text resource (.tres)") from None
    kind = sections[0].attributes.get("type") if sections else None
    if kind not in ("SpriteFrames", "AtlasTexture") or sections[0].kind != "gd_resource":
        raise SpriteError(f"{str(path)!r} is a resource of type {kind!r}; allowed are SpriteFrames and AtlasTexture")
    main = next((section for section in sections if section.kind == "resource"), Section("resource"))
    textures = _Textures(path, sections)
    if kind == "AtlasTexture":
        return frames_to_sheet([textures.atlas(main)], None, names=[path.stem])
    return _read_animations(path, main, textures)


def _read_animations(path: Path, main: Section, textures: _Textures) -> SpriteSheet:
    sequences: dict[str, list[int]] = {}
    durations: dict[int, int] = {}
    order: dict[str, int] = {identity: index for index, identity in enumerate(textures.atlases)}
    for animation in _dictionaries(main.properties.get("animations"), path):
        speed, name = animation.get("speed", 5.0), animation.get("name")
        if not isinstance(name, str) or name in sequences:
            raise SpriteError(f"{str(path)!r} has an animation named {name!r} twice or without a name: rename it")
        sequences[name] = []
        for frame in _dictionaries(animation.get("frames"), path):
            identity = _identity(frame.get("texture"), path)
            index = order.setdefault(identity, len(order))
            sequences[name].append(index)
            milliseconds = _milliseconds(frame.get("duration", 1.0), speed)
            durations.setdefault(index, milliseconds)
    if not order:
        raise SpriteError(f"{str(path)!r} has no frames; allowed is 1 or more: add some in Godot")
    frames = [textures.frame(identity) for identity in order]
    names = [textures.name(identity, index) for index, identity in enumerate(order)]
    copies, tags = runs(sequences, len(frames))
    return frames_to_sheet(
        [frames[index] for index in copies],
        _pivot(main),
        names=unique_names([names[index] for index in copies]),
        durations=[durations.get(index, DEFAULT_DURATION) for index in copies],
        tags=tags,
    )


class _Textures:
    """The textures that a resource refers to; each picture is opened once."""

    def __init__(self, path: Path, sections: list[Section]):
        self.path = path
        self.external = {str(s.attributes.get("id")): s for s in sections if s.kind == "ext_resource"}
        self.inner = {
            str(section.attributes.get("id")): section
            for section in sections
            if section.kind == "sub_resource" and section.attributes.get("type") == "AtlasTexture"
        }
        self.atlases = [f"SubResource {identity}" for identity in self.inner]
        self.pictures: dict[str, Any] = {}
        self.num_pixels = 0

    def frame(self, identity: str) -> Any:
        kind, _, number = identity.partition(" ")
        if kind == "ExtResource":
            return self._picture(number)
        if number not in self.inner:
            raise SpriteError(f"{str(self.path)!r} refers to the texture {number!r}, which it does not have")
        return self.atlas(self.inner[number])

    def atlas(self, section: Section) -> Any:
        """The pixels of an `AtlasTexture`, with the empty border that its margin adds."""
        reference = _identity(section.properties.get("atlas"), self.path)
        picture = self._picture(reference.partition(" ")[2])
        x, y, width, height = _rectangle(section.properties.get("region"), self.path)
        left, top, more_width, more_height = 0, 0, 0, 0
        if "margin" in section.properties:
            left, top, more_width, more_height = _rectangle(section.properties["margin"], self.path)
        canvas = (width + more_width, height + more_height)
        name = section.properties.get("resource_name", section.attributes.get("id", self.path.stem))
        region = Region(str(name), (x, y, width, height), canvas, (left, top))
        self.num_pixels += max(canvas[0] * canvas[1], 0)
        if self.num_pixels > MOST_PIXELS:
            raise SpriteError(
                f"the frames of {str(self.path)!r} have more than {MOST_PIXELS:,} pixels in all; make several resources"
            )
        return cut_regions(picture, [region], str(self.path))[0]

    def name(self, identity: str, index: int) -> str:
        kind, _, number = identity.partition(" ")
        if kind == "ExtResource":
            return str(self.external[number].attributes["path"]).rpartition("/")[2]
        return str(self.inner[number].properties.get("resource_name", f"frame {index}"))

    def _picture(self, number: str) -> Any:
        if number not in self.external:
            raise SpriteError(f"{str(self.path)!r} refers to the texture {number!r}, which it does not have")
        if number not in self.pictures:
            name = str(self.external[number].attributes.get("path"))
            if name.startswith("res://") and ".." not in name.split("/"):
                name = name.rpartition("/")[2]  # the project's folder is not known here
            self.pictures[number] = open_picture(file_beside(self.path, name, "texture"))
        return self.pictures[number]


def _identity(value: Any, path: Path) -> str:
    if not isinstance(value, Call) or value.name not in ("SubResource", "ExtResource") or len(value.arguments) != 1:
        raise SpriteError(f"{str(path)!r} has a frame without a texture in it; give each one")
    return f"{value.name} {value.arguments[0]}"


def _rectangle(value: Any, path: Path) -> tuple[int, int, int, int]:
    numbers = value.arguments if isinstance(value, Call) and value.name in ("Rect2", "Rect2i") else ()
    if len(numbers) != 4 or not all(isinstance(n, int | float) and n == n // 1 for n in numbers):
        raise SpriteError(f"{str(path)!r} has a region or margin that is no Rect2 of four whole numbers; change it")
    x, y, width, height = (int(number) for number in numbers)
    return x, y, width, height


def _dictionaries(value: Any, path: Path) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise SpriteError(f"{str(path)!r} has no list of animations and frames; save it again from Godot 4")
    return value


def _milliseconds(duration: Any, speed: Any) -> int:
    if not isinstance(duration, int | float) or not isinstance(speed, int | float) or speed <= 0:
        return DEFAULT_DURATION
    return int(min(max(round(1000 * duration / speed), 1), LONGEST_DURATION))


def _pivot(main: Section) -> Pivot | None:
    value = main.properties.get("metadata/pivot")
    if not isinstance(value, Call) or not value.name.startswith("Vector2") or len(value.arguments) != 2:
        return None
    x, y = value.arguments
    return (round(x), round(y)) if isinstance(x, int | float) and isinstance(y, int | float) else None
