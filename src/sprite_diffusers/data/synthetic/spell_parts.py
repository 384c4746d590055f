"""What do spells share? Points on circles, star shapes, sparkles, and the colours that glow."""

import math

from .canvas import Point
from .sketch import Material, Sketch

GLOW = ("red", "orange", "yellow", "green", "teal", "blue", "purple", "pink", "white")


def around(n: float, count: int, radius: float, turn: float = 0.0, cx: float = 8, cy: float = 8) -> Point:
    """Point n of `count` on a circle; 0 is straight up. Rounded, so that every platform gets the same polygon."""
    angle = 2 * math.pi * (n / count + turn)
    return round(cx + radius * math.sin(angle), 2), round(cy - radius * math.cos(angle), 2)


def star_shape(s: Sketch, points: int, outer: float, inner: float, turn: float = 0.0) -> int:
    return s.poly(*(around(n, 2 * points, inner if n % 2 else outer, turn) for n in range(2 * points)))


def sparkles(s: Sketch, spots: tuple[Point, ...], color: Material, count: int) -> None:
    """Small separate glints, each with its own outline once the drawing is outlined."""
    for x, y in spots[:count]:
        s.paint(s.box(x, y, x + 1, y + 1), color.base)
        if s.fine:
            s.paint(s.box(x - 0.5, y + 0.5, x + 1.5, y + 1) | s.box(x + 0.5, y - 0.5, x + 1, y + 1.5), color.light)
