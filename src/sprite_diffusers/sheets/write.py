"""`write_sheet`: the sheet and what engines need beside it, all of it or nothing."""

from __future__ import annotations

import io
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from ..errors import SpriteError
from .animated import gif, webp
from .aseprite import aseprite_json
from .godot import atlas_texture_tres, sprite_frames_tres
from .layout import compose, layout_of
from .sheet import SpriteSheet, unique_names
from .unity import texture_packer_json

FORMATS = ("aseprite-hash", "aseprite-array", "godot-frames", "godot-atlas", "unity", "gif", "webp")


@dataclass(frozen=True)
class Written:
    """What `write_sheet` wrote.

    Attributes:
        files: the sheet first.
        size: of the sheet, in pixels.
        notes: what a format could not keep.
    """

    files: list[Path]
    size: tuple[int, int]
    notes: list[str]


def write_sheet(
    sheet: SpriteSheet,
    out: str | Path,
    formats: Sequence[str] = ("aseprite-hash",),
    *,
    columns: int | None = None,
    padding: int = 0,
    power_of_two: bool = False,
) -> Written:
    """Writes a sheet as PNG, and beside it a file of the same name for each format.

    Files of these names are replaced, all at once: if anything fails, those of before are there as they were.

    Args:
        sheet: the frames.
        out: the sheet, a .png file; folders that are missing are made.
        formats: "aseprite-hash" (NAME.json), "aseprite-array" (NAME.array.json), "godot-frames" (NAME.tres),
            "godot-atlas" (NAME.FRAME.tres for each frame), "unity" (NAME.unity.json), "gif" and "webp".
        columns, padding, power_of_two: see `layout_of`.

    Raises:
        SpriteError: an unknown format, a file that is no .png, a sheet that is too large, or a place that cannot be
            written to.
    """
    out = Path(out)
    unknown = [name for name in formats if name not in FORMATS]
    if unknown:
        raise SpriteError(f"format {unknown[0]!r} is unknown; allowed are {', '.join(FORMATS)}: change --formats")
    if out.suffix.lower() != ".png" or out.stem.startswith("."):
        raise SpriteError(f"--out {out}: a sheet is a .png file, which every engine loads; change the name")
    layout = layout_of(sheet, columns, padding, power_of_two)
    files = {out.name: _png(compose(sheet, layout))}
    notes = []
    for name in dict.fromkeys(formats):
        if name == "godot-atlas":
            frames = zip(_file_names(sheet.names), range(len(sheet)), strict=True)
            files |= {f"{out.stem}.{frame}.tres": atlas_texture_tres(layout, i, out.name) for frame, i in frames}
        elif name == "godot-frames":
            files[f"{out.stem}.tres"] = sprite_frames_tres(sheet, layout, out.name)
        elif name == "unity":
            files[f"{out.stem}.unity.json"] = texture_packer_json(sheet, layout, out.name)
        elif name == "gif":
            files[f"{out.stem}.gif"], lost = gif(sheet)
            notes += [f"{out.stem}.gif: {lost}"] if lost else []
        elif name == "webp":
            files[f"{out.stem}.webp"] = webp(sheet)
        else:
            array = name == "aseprite-array"
            ending = ".array.json" if array else ".json"
            files[out.stem + ending] = aseprite_json(sheet, layout, out.name, array=array)
    try:
        _write_together(out.parent, files)
    except OSError as error:
        raise SpriteError(
            f"cannot write {str(error.filename or out)!r} ({error.strerror}); nothing was changed: change --out"
        ) from None
    return Written([out.parent / name for name in files], layout.size, notes)


def _png(pixels: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", optimize=True)  # type: ignore[arg-type]
    return buffer.getvalue()


def _file_names(names: Sequence[str]) -> list[str]:
    """Names of characters that every file system takes, distinct also where upper and lower case are the same."""
    safe = [re.sub(r"[^\w\- ]", "_", name)[:60].strip() or "frame" for name in names]
    lower = unique_names([name.lower() for name in safe])
    return [name + unique[len(name) :] for name, unique in zip(safe, lower, strict=True)]


def _write_together(folder: Path, files: dict[str, bytes]) -> None:
    """Replaces the files of a folder: complete in a folder beside them first, then moved; undone if that fails."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in files:
        if (folder / name).is_dir():
            raise IsADirectoryError(None, "a folder of this name is there", str(folder / name))
    staging = Path(tempfile.mkdtemp(prefix=".sheet-", dir=folder))
    new, old = staging / "new", staging / "old"
    moved: list[str] = []
    try:
        new.mkdir()
        old.mkdir()
        for name, content in files.items():
            (new / name).write_bytes(content)
        try:
            for name in files:
                if (folder / name).exists():
                    shutil.copy2(folder / name, old / name)
                os.replace(new / name, folder / name)
                moved.append(name)
        except BaseException:
            for name in moved:
                if (old / name).exists():
                    os.replace(old / name, folder / name)
                else:
                    (folder / name).unlink()
            raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)
