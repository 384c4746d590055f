"""The files that sheets refer to: found beside them and nowhere else, decoded, and cut into frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
from PIL import Image

from ..errors import SpriteError
from .sheet import MOST_PIXELS, SpriteSheet


@dataclass(frozen=True)
class Region:
    """Where a frame is in a sheet, and where its pixels go.

    Attributes:
        name: of the frame.
        box: x, y, width and height of the frame's pixels as they are shown, in pixels of the sheet.
        canvas: width and height of the whole frame, of which transparent borders may have been cut off.
        offset: where in the frame the pixels begin.
        rotated: whether the sheet has them turned clockwise by 90 degrees, its box being `height` wide.
    """

    name: str
    box: tuple[int, int, int, int]
    canvas: tuple[int, int]
    offset: tuple[int, int] = (0, 0)
    rotated: bool = False


def file_beside(file: Path, name: str, what: str) -> Path:
    """The file `name` in the folder of `file`.

    A sheet may come from anyone, so that it may not point elsewhere.

    Raises:
        SpriteError: a name with a folder, a drive or `..` in it, or no such file.
    """
    if name in ("", ".", "..") or PurePosixPath(name).name != name or PureWindowsPath(name).name != name:
        raise SpriteError(
            f"{str(file)!r} refers to {name!r} as its {what}; allowed is the name of a file in the same folder, without "
            "path: change it, or give the image itself"
        )
    path = file.parent / name
    if not path.is_file():
        raise SpriteError(f"{str(file)!r} refers to {name!r} as its {what}, which is not beside it; put it there")
    return path


def open_picture(path: Path) -> np.ndarray:
    """uint8 (H, W, 4), straight alpha.

    Raises:
        SpriteError: no image, or one that is damaged.
    """
    try:
        with Image.open(path) as file:
            return np.asarray(file.convert("RGBA"))
    except Exception as error:  # Pillow raises a dozen kinds for damaged files
        raise SpriteError(f"cannot decode the image {str(path)!r} ({reason(error)}); repair or replace it") from None


def cut_regions(picture: np.ndarray, regions: Sequence[Region], where: str) -> list[np.ndarray]:
    """The frames of a sheet, uint8 (h, w, 4) each.

    Args:
        picture: uint8 (H, W, 4).
        regions: the frames.
        where: the name of the file that describes them, for messages.

    Raises:
        SpriteError: a frame without size, or one that is not inside the sheet, or whose pixels are not inside it.
    """
    if sum(region.canvas[0] * region.canvas[1] for region in regions) > MOST_PIXELS:
        raise SpriteError(f"the frames of {where!r} have more than {MOST_PIXELS:,} pixels in all; make several sheets")
    frames = []
    for region in regions:
        x, y, width, height = region.box
        across, down = (height, width) if region.rotated else (width, height)
        if min(width, height, *region.canvas) < 1:
            raise SpriteError(
                f"the frame {region.name!r} of {where!r} is {width}x{height} pixels; allowed is 1 or more: change it"
            )
        if x < 0 or y < 0 or x + across > picture.shape[1] or y + down > picture.shape[0]:
            raise SpriteError(
                f"the frame {region.name!r} of {where!r} is at {x},{y} with {across}x{down} pixels, outside the sheet of "
                f"{picture.shape[1]}x{picture.shape[0]}: change it, or give the sheet that belongs to it"
            )
        (left, top), (full_width, full_height) = region.offset, region.canvas
        if left < 0 or top < 0 or left + width > full_width or top + height > full_height:
            raise SpriteError(
                f"the frame {region.name!r} of {where!r} puts {width}x{height} pixels at {left},{top} of a sprite of "
                f"{full_width}x{full_height}; allowed is inside it: change it"
            )
        part = picture[y : y + down, x : x + across]
        frame = np.zeros((full_height, full_width, 4), np.uint8)
        frame[top : top + height, left : left + width] = np.rot90(part) if region.rotated else part
        frames.append(frame)
    return frames


def frames_to_sheet(frames: Sequence[np.ndarray], pivot: tuple[int, int] | None, **fields: Any) -> SpriteSheet:
    """A sheet of what was cut: smaller frames are centred, and the pivot is kept where all have one size."""
    if len({frame.shape for frame in frames}) == 1:
        return SpriteSheet(np.stack(frames), pivot=pivot, **fields)
    return SpriteSheet.from_images(frames, **fields)


def reason(error: Exception) -> str:
    """The first line of what an error says, without the addresses of objects."""
    return str(error).splitlines()[0].split(" <_io")[0] if str(error) else type(error).__name__
