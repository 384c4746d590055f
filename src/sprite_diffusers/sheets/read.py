"""`read_sheet`: any sheet or animation, by what kind of file it is."""

from __future__ import annotations

from pathlib import Path

from ..errors import SpriteError
from .animated import read_animation
from .aseprite import aseprite_pivot, aseprite_tags, check_size
from .atlas_json import load_json, regions, text
from .godot import read_tres
from .layout import cut_grid
from .pictures import cut_regions, file_beside, frames_to_sheet, open_picture
from .sheet import SpriteSheet, first_repeated, runs, unique_names
from .unity import texture_packer_animations, texture_packer_pivot

ANIMATED = (".gif", ".webp")
PICTURES = (".png", ".bmp", *ANIMATED)
SHEET_SUFFIXES = (*PICTURES, ".json", ".tres")
_JSON_BESIDE = (".json", ".array.json", ".unity.json")


def read_sheet(
    source: str | Path, *, sheet_json: str | Path | None = None, frame_size: int | tuple[int, int] | None = None
) -> SpriteSheet:
    """Reads the frames of a sheet or an animation.

    Args:
        source: a .png, .bmp, .webp or .gif sheet with `sheet_json` or `frame_size` (or with the JSON of its name beside
            it); the .json of Aseprite or TexturePacker, whose image must be in the same folder; a Godot .tres
            (SpriteFrames or AtlasTexture), likewise; or an animated .gif or .webp.
        sheet_json: the JSON that says where the frames of the image `source` are.
        frame_size: the side, or width and height, of the frames of an image that is a plain grid without gaps.

    Raises:
        SpriteError: anything wrong in the arguments or the files, in one line.
    """
    path = Path(source).expanduser()
    suffix = path.suffix.lower()
    if suffix not in SHEET_SUFFIXES:
        raise SpriteError(f"{str(source)!r} is no sheet; allowed are {' '.join(SHEET_SUFFIXES)}")
    if not path.is_file():
        raise SpriteError(f"there is no sheet {str(source)!r}; check the path")
    if sheet_json is not None and frame_size is not None:
        raise SpriteError(
            "sheet_json and frame_size both say where the frames are; leave --sheet_json or --frame_size out"
        )
    if (sheet_json is not None or frame_size is not None) and suffix not in PICTURES:
        flag = "sheet_json" if sheet_json is not None else "frame_size"
        raise SpriteError(
            f"{flag} belongs to a sheet that is an image, not to {str(source)!r}; leave --{flag} out, as the file says "
            "where its frames are"
        )
    if suffix == ".tres":
        return read_tres(path)
    if suffix == ".json":
        return _read_json(path, None)
    if sheet_json is not None:
        return _read_json(Path(sheet_json).expanduser(), path)
    if frame_size is not None:
        size = (frame_size, frame_size) if isinstance(frame_size, int) else frame_size
        frames = cut_grid(open_picture(path), size, str(path))
        return SpriteSheet(frames, tuple(f"{path.stem} {index}" for index in range(len(frames))))
    if suffix in ANIMATED:
        return read_animation(path)
    beside = next((file for ending in _JSON_BESIDE if (file := path.with_name(path.stem + ending)).is_file()), None)
    if beside is None:
        raise SpriteError(
            f"{str(source)!r} does not say where its frames are; give --frame_size, or --sheet_json, or put its JSON "
            f"beside it as {path.stem}.json"
        )
    return _read_json(beside, path)


def _read_json(path: Path, image: Path | None) -> SpriteSheet:
    """The sheet that a JSON file describes; its own image, if none is given."""
    content = load_json(path)
    if image is None:
        name = text(content["meta"].get("image"), f"{str(path)!r}: the 'image' of 'meta'")
        image = file_beside(path, name, "image")
    picture = open_picture(image)
    check_size(content, (picture.shape[1], picture.shape[0]), path)
    found, durations = regions(content, str(path))
    names = [region.name for region in found]
    if repeated := first_repeated(names):
        raise SpriteError(f"{str(path)!r} has two frames named {repeated!r}; allowed are distinct names: rename one")
    frames = cut_regions(picture, found, str(path))
    pivot = aseprite_pivot(content, path) or texture_packer_pivot(content, found[0].canvas)
    tags = aseprite_tags(content, path)
    order = list(range(len(frames)))
    if not tags:
        order, tags = runs(texture_packer_animations(content, names, path), len(frames))
    return frames_to_sheet(
        [frames[index] for index in order],
        pivot,
        names=unique_names([names[index] for index in order]),
        durations=[durations[index] for index in order],
        tags=tags,
    )
