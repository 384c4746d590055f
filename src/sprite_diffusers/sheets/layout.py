"""Where the frames of a sheet stand, and the picture that they make."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..errors import SpriteError
from .sheet import SpriteSheet

LARGEST_SIDE = 16384  # what engines and graphics cards take as a texture
MOST_COLUMNS = 32


@dataclass(frozen=True)
class Layout:
    """Rows and columns of equal frames.

    Attributes:
        count: frames.
        frame_size: their width and height, in pixels.
        columns: frames per row.
        padding: empty pixels on each side of every frame, at the sheet's edge as between two frames.
        power_of_two: makes both sides of the sheet a power of two, empty at the right and below.

    Raises:
        SpriteError: fewer than 1 column, a negative padding, or a sheet above 16384 pixels.
    """

    count: int
    frame_size: tuple[int, int]
    columns: int
    padding: int = 0
    power_of_two: bool = False

    def __post_init__(self) -> None:
        if self.columns < 1 or self.padding < 0:
            raise SpriteError(
                f"a sheet of {self.columns} columns with a padding of {self.padding} cannot be drawn; allowed are 1 or "
                "more columns and a padding of 0 or more"
            )
        width, height = self.size
        if max(width, height) > LARGEST_SIDE:
            raise SpriteError(
                f"the sheet would be {width}x{height} pixels; allowed is {LARGEST_SIDE} a side, which engines can load: "
                "change --columns, or make several sheets"
            )

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the sheet, in pixels."""
        counts = min(self.columns, self.count), math.ceil(self.count / self.columns)
        sides = [n * (side + self.padding) + self.padding for n, side in zip(counts, self.frame_size, strict=True)]
        if self.power_of_two:
            sides = [1 << (side - 1).bit_length() for side in sides]
        return sides[0], sides[1]

    @property
    def corners(self) -> list[tuple[int, int]]:
        """(x, y) of the top left corner of each frame."""
        width, height = (side + self.padding for side in self.frame_size)
        rows = (divmod(index, self.columns) for index in range(self.count))
        return [(self.padding + column * width, self.padding + row * height) for row, column in rows]


def layout_of(sheet: SpriteSheet, columns: int | None = None, padding: int = 0, power_of_two: bool = False) -> Layout:
    """A layout for `sheet`; by default a row per animation where all are of one length, else as square as possible."""
    if columns is None:
        lengths = {tag.stop - tag.start + 1 for tag in sheet.tags}
        in_rows = len(lengths) == 1 and [tag.start for tag in sheet.tags] == list(range(0, len(sheet), min(lengths)))
        columns = min(lengths) if in_rows and min(lengths) <= MOST_COLUMNS else math.ceil(math.sqrt(len(sheet)))
    return Layout(len(sheet), sheet.frame_size, columns, padding, power_of_two)


def compose(sheet: SpriteSheet, layout: Layout) -> np.ndarray:
    """The picture of a sheet, uint8 (H, W, 4), transparent where there is no frame."""
    width, height = layout.size
    canvas = np.zeros((height, width, 4), np.uint8)
    for frame, (x, y) in zip(sheet.frames, layout.corners, strict=True):
        canvas[y : y + frame.shape[0], x : x + frame.shape[1]] = frame
    return canvas


def cut_grid(picture: np.ndarray, frame_size: tuple[int, int], where: str) -> np.ndarray:
    """The frames of a plain sheet, row by row; empty cells at the end are no frames.

    Args:
        picture: uint8 (H, W, 4).
        frame_size: width and height of a frame, in pixels.
        where: the name of the sheet, for messages.

    Returns:
        uint8 (N, h, w, 4).

    Raises:
        SpriteError: a size that does not divide the sheet's, or a sheet with nothing in it.
    """
    (width, height), (sheet_height, sheet_width) = frame_size, picture.shape[:2]
    if width < 1 or height < 1 or sheet_width % width or sheet_height % height:
        raise SpriteError(
            f"{where!r} is {sheet_width}x{sheet_height} pixels, which frames of {width}x{height} do not divide; allowed "
            "are divisors of both sides: change --frame_size"
        )
    cells = picture.reshape(sheet_height // height, height, sheet_width // width, width, 4).swapaxes(1, 2)
    frames = cells.reshape(-1, height, width, 4)
    filled = np.flatnonzero(frames[..., 3].any(axis=(1, 2)))
    if not len(filled):
        raise SpriteError(f"{where!r} is empty: every pixel is transparent; give another sheet")
    return frames[: filled[-1] + 1]
