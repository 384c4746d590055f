"""Files that the page offers for download, in a temporary folder of the demo's own."""

from __future__ import annotations

import itertools
import re
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from ..errors import SpriteError
from ..sheets import SpriteSheet, Tag, write_sheet
from ..sheets.animated import gif, webp
from ..sheets.sheet import unique_names
from .sprites import Sprites

ANIMATIONS: dict[str, Callable[[SpriteSheet], bytes]] = {"GIF": lambda sheet: gif(sheet)[0], "WebP": webp}
LARGEST_SCALE = 32
KEPT_FOLDERS = 64  # older downloads are deleted; what the page shows was copied by then
FRAME_MS = 120
LAST_FRAME_MS = 1200


class Workspace:
    """A temporary folder, deleted by `close`; every method writes to a new folder in it and returns what it wrote."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="sprite-diffusers-demo-"))
        self._numbers = itertools.count()

    def save_sprites(self, sprites: Sprites, scale: int) -> list[Path]:
        """A PNG for each sprite, enlarged by whole pixels, with its class and seed in its name."""
        folder = self._new_folder()
        files = []
        for image, seed, title in zip(sprites.images, sprites.seeds, sprites.titles, strict=True):
            files.append(folder / f"{_file_name(title)}-seed-{seed}.png")
            _enlarged(image, scale).save(files[-1])
        return files

    def save_animation(self, frames: Sequence[np.ndarray], name: str, kind: str, scale: int) -> Path:
        """An animation that stays a while on its last frame.

        Args:
            frames: uint8 (H, W, 3 or 4).
            name: the file's, of any characters.
            kind: one of `ANIMATIONS`.
            scale: enlargement by whole pixels.
        """
        if kind not in ANIMATIONS:
            raise SpriteError(f"there is no animation {kind!r}; allowed are {', '.join(ANIMATIONS)}.")
        durations = (*[FRAME_MS] * (len(frames) - 1), LAST_FRAME_MS)
        sheet = SpriteSheet(np.stack(frames), durations=durations).enlarged(_checked(scale))
        path = self._new_folder() / f"{_file_name(name)}.{kind.lower()}"
        path.write_bytes(ANIMATIONS[kind](sheet))
        return path

    def save_sheet(
        self, sprites: Sprites, formats: Sequence[str], *, columns: int | None, padding: int, scale: int
    ) -> tuple[Path, Path, str]:
        """A sheet of sprites with an animation (tag) for each class, and the engines' files beside it.

        Args:
            formats: those of `write_sheet`.
            columns: sprites per row; laid out by itself if not given.
            padding: empty pixels round each.
            scale: enlargement by whole pixels.

        Returns:
            A ZIP of all files, the sheet alone, and a line about it.

        Raises:
            SpriteError: no sprites, or what `write_sheet` refuses.
        """
        if not len(sprites):
            raise SpriteError("there are no sprites yet: draw some first.")
        order = sorted(range(len(sprites)), key=lambda index: sprites.titles[index])  # an animation is a run of frames
        titles = [sprites.titles[index] for index in order]
        tags = []
        for title, group in itertools.groupby(range(len(order)), key=titles.__getitem__):
            members = list(group)
            tags.append(Tag(title, members[0], members[-1]))
        sheet = SpriteSheet.from_images(
            [sprites.images[index] for index in order],
            names=unique_names([f"{sprites.titles[index]} seed {sprites.seeds[index]}" for index in order]),
            tags=tags,
        ).enlarged(_checked(scale))
        folder = self._new_folder()
        written = write_sheet(sheet, folder / "files" / "sheet.png", formats, columns=columns, padding=padding)
        archive = folder / "sheet.zip"
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as bundle:
            for file in written.files:
                bundle.write(file, file.name)
        width, height = sheet.frame_size
        facts = [
            f"{len(sheet)} frames of {width}x{height} in a sheet of {written.size[0]}x{written.size[1]}",
            f"{len(written.files)} files",
            *written.notes,
        ]
        return archive, written.files[0], "; ".join(facts)

    def close(self) -> None:
        """Deletes everything."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _new_folder(self) -> Path:
        number = next(self._numbers)
        shutil.rmtree(self.folder / f"{number - KEPT_FOLDERS}", ignore_errors=True)
        folder = self.folder / f"{number}"
        folder.mkdir()
        return folder


def _checked(scale: int) -> int:
    if not isinstance(scale, int) or not 1 <= scale <= LARGEST_SCALE:
        raise SpriteError(f"the scale {scale} is not possible; allowed is 1 to {LARGEST_SCALE}.")
    return scale


def _enlarged(image: np.ndarray, scale: int) -> Image.Image:
    scale = _checked(scale)
    return Image.fromarray(image.repeat(scale, axis=0).repeat(scale, axis=1))


def _file_name(title: str) -> str:
    return re.sub(r"[^\w\- ]", "_", title)[:40].strip() or "sprite"
