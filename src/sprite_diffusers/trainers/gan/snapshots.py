"""Generators kept during a training, with what they drew from the same noise: as folders, pictures and an animation."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

FOLDER = "snapshots"
_INDEX = "snapshots.json"
_FRAME_MS, _LAST_FRAME_MS = 700, 2500
_HEADER = 16  # pixels above a frame, for its caption


@dataclass(frozen=True)
class Snapshot:
    """A generator of the past.

    Attributes:
        name: of its folder and of its picture, e.g. ``"epoch-011"``.
        step: optimizer steps before it.
        epoch: passes over the training set before it.
        images: training images seen before it.
    """

    name: str
    step: int
    epoch: float
    images: int

    @property
    def title(self) -> str:
        """For people."""
        kind, _, number = self.name.partition("-")
        return f"{kind} {int(number):,}"


def add_snapshot(output_dir: Path, snapshot: Snapshot) -> Path:
    """Puts `snapshot` on the list of a run, in the place of one of the same name; gives the folder for it."""
    others = [known for known in list_snapshots(output_dir) if known.name != snapshot.name]
    folder = output_dir / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    entries = sorted([*others, snapshot], key=lambda entry: entry.step)
    (folder / _INDEX).write_text(json.dumps([asdict(entry) for entry in entries], indent=2) + "\n", encoding="utf-8")
    return folder / snapshot.name


def list_snapshots(output_dir: Path) -> list[Snapshot]:
    """Snapshots of a run, oldest first."""
    index = output_dir / FOLDER / _INDEX
    return [Snapshot(**entry) for entry in json.loads(index.read_text(encoding="utf-8"))] if index.is_file() else []


def snapshot_picture(output_dir: Path, snapshot: Snapshot) -> Path:
    """Where what `snapshot` drew is."""
    return output_dir / FOLDER / f"{snapshot.name}.png"


def save_animation(output_dir: Path) -> Path | None:
    """All pictures in one ``snapshots.gif``, each under its title; `None` if there are none."""
    frames = [
        _under_title(Image.open(snapshot_picture(output_dir, snapshot)), snapshot.title)
        for snapshot in list_snapshots(output_dir)
    ]
    if not frames:
        return None
    path = output_dir / "snapshots.gif"
    durations = [_FRAME_MS] * (len(frames) - 1) + [_LAST_FRAME_MS]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=durations, loop=0)
    return path


def _under_title(picture: Image.Image, title: str) -> Image.Image:
    frame = Image.new("RGB", (picture.width, picture.height + _HEADER), "white")
    frame.paste(picture, (0, _HEADER))
    ImageDraw.Draw(frame).text((4, 2), title, fill="black", font=ImageFont.load_default())
    return frame
