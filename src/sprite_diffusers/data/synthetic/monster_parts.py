"""What do front-facing monsters share? Eyes, horns, mouths, and how the caption names them."""

from .canvas import INK, WHITE
from .sketch import Material, Sketch, a, with_parts


def eyes(s: Sketch, y: float, gap: float, size: float = 2, glow: Material | None = None) -> None:
    """Two eyes, `gap` units between them: white with a pupil, or all in one glowing colour."""
    left, right = 8 - gap / 2 - size, 8 + gap / 2
    for x in (left, right):
        if glow:
            s.dot(x, y, glow.base, size, size)
            s.dot(x, y, glow.light, size / 2, size / 2)
        else:
            s.dot(x, y, WHITE, size, size)
    if not glow:
        look = s.dice.pick((0, 0.5, 1)) if size > 1 else 0.5
        look = int(look * 2) / 2 if s.fine else round(look)
        for x in (left, right):
            s.dot(x + look * (size - 1), y + size - max(1, size / 2), INK, 1, max(1, size / 2))


def horns(s: Sketch, x: float, y: float, shape: str) -> Material:
    """A pair of horns that stands at x units from the middle."""
    horn = s.ramp("white", "tan", "grey", "yellow")
    if shape == "short":
        mask = s.poly((8 + x - 1, y), (8 + x + 1.5, y), (8 + x + 1.5, y - 3))
    elif shape == "curved":
        mask = s.line(1.6, (8 + x, y), (8 + x + 1.5, y - 1), (8 + x + 1.5, y - 2.5))
    else:
        mask = s.poly((8 + x - 1, y), (8 + x + 1, y), (8 + x, y - 3.5))
    s.shade(s.both(mask), horn.dark)
    return horn


def mouth(s: Sketch, y: float, wide: float) -> None:
    """A smile, an open mouth, a line, or fangs, around the middle."""
    shape = s.dice.pick(("smile", "fangs", "open", "flat"))
    if shape == "open":
        s.paint(s.disc(8, y + 0.5, wide * 0.5, 1), INK)
        return
    s.dot(8 - wide / 2, y, INK, wide, 1)
    if shape == "smile":
        s.paint(s.both(s.box(8 + wide / 2, y - 1, 9 + wide / 2, y)), INK)
    elif shape == "fangs":
        low = y + (0.5 if s.fine else 0)
        s.paint(s.both(s.box(7 + wide / 2, low, 8 + wide / 2, low + 1)), WHITE)


def tell_monster(s: Sketch, kind: str, skin: Material, features: list[str], extra: list[Material]) -> None:
    s.outline()
    text = with_parts(a(f"{skin.word} {kind}"), features)
    s.tell(kind, text, [skin, *extra], [feature.split()[-1] for feature in features])
