"""How is a sprite drawn quickly? Every shape is one Python integer, a bit for each pixel, and painting is bit logic.

Drawing code measures in units: a sprite is 16 units wide and high at every size, y points down, and a unit is one
pixel at size 16 and two at size 32. Shapes are rasterised at the real resolution, so 32 shows rounder forms, and code
adds details there under `canvas.fine`. Around the sprite lies a border of `PAD` units, so that a shape may stick out
before the finished drawing is centred.
"""

import itertools
from functools import lru_cache

import numpy as np

PAD = 4
SPAN = 16 + 2 * PAD  # width and height of the work area, in units

EMPTY, INK, WHITE = 0, 1, 2  # colour slots every sprite has; materials take three slots each after them
PLANES = 6  # bits of a slot number, enough for 20 materials

Point = tuple[float, float]

_BITS = np.arange(PLANES, dtype=np.uint8)[:, None, None]


def _pack(mask: np.ndarray) -> int:
    return int.from_bytes(np.packbits(mask, bitorder="little").tobytes(), "little")


@lru_cache(maxsize=4)
def _centers(scale: int) -> np.ndarray:
    """The pixel centres of one axis, in units."""
    return (np.arange(SPAN * scale) + 0.5) / scale - PAD


@lru_cache(maxsize=4)
def _nudged(scale: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixel centres as x (row) and y (column), a hair towards the middle: a centre exactly on the edge of a shape is
    then decided the same way everywhere, and the same way left and right of the middle."""
    at = _centers(scale)
    return at + np.where(at < 8, 1e-6, -1e-6), (at + 1e-6)[:, None]


@lru_cache(maxsize=20_000)
def _ellipse(scale: int, cx: float, cy: float, rx: float, ry: float) -> int:
    if rx <= 0 or ry <= 0:
        return 0
    at = _centers(scale)
    return _pack(((at - cx) / rx) ** 2 + (((at - cy) / ry) ** 2)[:, None] <= 0.97)


@lru_cache(maxsize=20_000)
def _box(scale: int, x0: float, y0: float, x1: float, y1: float) -> int:
    at = _centers(scale)
    return _pack(((at >= x0) & (at < x1)) & ((at >= y0) & (at < y1))[:, None])


@lru_cache(maxsize=40_000)
def _polygon(scale: int, points: tuple[Point, ...]) -> int:
    x, y = _nudged(scale)
    inside = np.zeros((len(y), len(y)), dtype=bool)
    for (x0, y0), (x1, y1) in zip(points, points[1:] + points[:1], strict=True):
        if y0 != y1:
            inside ^= ((y0 <= y) != (y1 <= y)) & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
    return _pack(inside)


@lru_cache(maxsize=40_000)
def _stroke(scale: int, points: tuple[Point, ...], width: float) -> int:
    x, y = _nudged(scale)
    near = np.zeros((len(y), len(y)), dtype=bool)
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        dx, dy = x1 - x0, y1 - y0
        t = np.clip(((x - x0) * dx + (y - y0) * dy) / max(dx * dx + dy * dy, 1e-9), 0.0, 1.0)
        near |= (x - x0 - t * dx) ** 2 + (y - y0 - t * dy) ** 2 <= width * width / 4
    return _pack(near)


@lru_cache(maxsize=4_000)
def _stamp(scale: int, rows: tuple[str, ...], x: int, y: int, flipped: bool, mark: str) -> int:
    cells = np.array([[cell == mark for cell in row] for row in rows])
    if flipped:
        cells = cells[:, ::-1]
        x = 16 - x - cells.shape[1]
    if scale == 2:
        cells = _smooth_double(cells)
    area = np.zeros((SPAN * scale,) * 2, dtype=bool)
    top, left = (y + PAD) * scale, (x + PAD) * scale
    area[top : top + cells.shape[0], left : left + cells.shape[1]] = cells
    return _pack(area)


def _smooth_double(cells: np.ndarray) -> np.ndarray:
    """A stamp at twice the resolution with its stair corners cut and filled (the Scale2x rule)."""
    wide = np.pad(cells, 1)
    up, down, left, right = wide[:-2, 1:-1], wide[2:, 1:-1], wide[1:-1, :-2], wide[1:-1, 2:]
    out = np.repeat(np.repeat(cells, 2, 0), 2, 1)
    for row, col, a, b, c, d in (
        (0, 0, left, up, right, down),
        (0, 1, up, right, down, left),
        (1, 0, down, left, up, right),
        (1, 1, right, down, left, up),
    ):
        out[row::2, col::2] = np.where((a == b) & (a != d) & (b != c), a, cells)
    return out


@lru_cache(maxsize=20_000)
def _mirrored(scale: int, mask: int) -> int:
    side = SPAN * scale
    flat = np.frombuffer(mask.to_bytes(side * side // 8, "little"), dtype=np.uint8)
    return _pack(np.unpackbits(flat, bitorder="little").reshape(side, side)[:, ::-1])


class Canvas:
    """Shapes in, colour slots out. `flipped` mirrors every shape left to right, while the light stays at the left."""

    def __init__(self, size: int, flipped: bool = False) -> None:
        self.size = size
        self.scale = size // 16
        self.fine = self.scale > 1
        self.flipped = flipped
        self.row = SPAN * self.scale
        self.planes = [0] * PLANES
        self.drawn = 0

    # Shapes: each returns a mask.

    def disc(self, cx: float, cy: float, rx: float, ry: float | None = None) -> int:
        """Ellipse around (cx, cy)."""
        return _ellipse(self.scale, 16 - cx if self.flipped else cx, cy, rx, rx if ry is None else ry)

    def box(self, x0: float, y0: float, x1: float, y1: float) -> int:
        """Rectangle from corner to corner."""
        if self.flipped:
            x0, x1 = 16 - x1, 16 - x0
        return _box(self.scale, x0, y0, x1, y1)

    def poly(self, *points: Point) -> int:
        """Filled polygon."""
        return _polygon(self.scale, tuple((16 - x, y) for x, y in points) if self.flipped else points)

    def line(self, width: float, *points: Point) -> int:
        """Round stroke of `width` along the points."""
        return _stroke(self.scale, tuple((16 - x, y) for x, y in points) if self.flipped else points, width)

    def stamp(self, rows: tuple[str, ...], x: int, y: int, mark: str = "#") -> int:
        """The cells of `rows` that hold `mark`, with the top left cell at unit (x, y)."""
        return _stamp(self.scale, rows, x, y, self.flipped, mark)

    def mirrored(self, mask: int) -> int:
        """The mask reflected at the vertical middle."""
        return _mirrored(self.scale, mask)

    def both(self, mask: int) -> int:
        """The mask and its reflection."""
        return mask | _mirrored(self.scale, mask)

    def grow(self, mask: int) -> int:
        """The mask and its four neighbours, one real pixel out."""
        return mask | mask << 1 | mask >> 1 | mask << self.row | mask >> self.row

    def shrink(self, mask: int) -> int:
        """The mask without its outermost real pixels."""
        return mask & mask << 1 & mask >> 1 & mask << self.row & mask >> self.row

    def shifted(self, mask: int, dx: int, dy: int) -> int:
        """The mask moved by real pixels, to the right and down."""
        by = dy * self.row + dx
        return mask << by if by >= 0 else mask >> -by

    # Painting: each changes the picture.

    def paint(self, mask: int, slot: int) -> None:
        """Give all pixels of the mask the colour slot; EMPTY erases."""
        keep = ~mask
        planes = self.planes
        for bit in range(PLANES):
            planes[bit] = planes[bit] | mask if slot >> bit & 1 else planes[bit] & keep
        self.drawn = self.drawn | mask if slot else self.drawn & keep

    def shade(self, mask: int, tones: int, depth: int = 1, glow: int = 1) -> None:
        """Paint the mask in the three slots from `tones` on: shadow at the lower right, highlight at the upper left.

        depth is the width of the shadow in units, glow that of the highlight in pixels; 0 leaves one out.
        """
        step = self.row + 1
        lit = mask & ~(mask << step * glow)
        dim = mask & ~(mask >> step * depth * self.scale)
        self.paint(mask, tones + 1)
        if mask & ~lit & ~dim:  # a part too thin for shading keeps its base tone, the one a caption names
            self.paint(lit, tones + 2)
            self.paint(dim, tones)

    def ball(self, mask: int, tones: int, depth: int = 1) -> None:
        """Paint the mask as a round body: shadow at the lower right, a small highlight inside the upper left."""
        self.paint(mask, tones + 1)
        self.paint(mask & ~(mask >> (self.row + 1) * depth * self.scale), tones)
        inner = self.shrink(mask)
        corner = inner & ~(inner << 1) & ~(inner << self.row)
        if self.fine:
            corner |= (corner << 1 | corner << self.row) & inner
        self.paint(corner, tones + 2)

    def outline(self, slot: int = INK) -> None:
        """Draw the hard line around everything painted so far."""
        self.paint(self.grow(self.drawn) & ~self.drawn, slot)

    # The result.

    def slots(self) -> np.ndarray | None:
        """The picture as uint8 (size, size) slot numbers, centred; None when it does not fit."""
        side = self.row
        count = side * side // 8
        raw = b"".join(plane.to_bytes(count, "little") for plane in self.planes)
        bits = np.unpackbits(np.frombuffer(raw, dtype=np.uint8), bitorder="little").reshape(PLANES, side, side)
        drawn = np.bitwise_or.reduce(bits)
        rows, cols = (np.flatnonzero(np.bitwise_or.reduce(drawn, axis=axis)) for axis in (1, 0))
        if not len(rows):
            return None
        top, bottom, left, right = int(rows[0]), int(rows[-1]), int(cols[0]), int(cols[-1])
        if bottom - top >= self.size or right - left >= self.size:
            return None
        y = min(max((top + bottom + 1 - self.size) // 2, 0), side - self.size)
        x = min(max((left + right + 1 - self.size) // 2, 0), side - self.size)
        crop = bits[:, y : y + self.size, x : x + self.size]
        return np.bitwise_or.reduce(crop << _BITS)
