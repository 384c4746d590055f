"""What do fruit and vegetables look like? One function a kind, each with its own varying shape, parts and colours."""

from .canvas import INK, WHITE
from .sketch import Sketch, a, with_parts


def _stalk(s: Sketch, x: float, y: float, top: float) -> None:
    brown = s.ramp("brown", "orange")
    s.paint(s.line(1, (x, y), (x + s.dice.pick((-0.5, 0.5, 1)), top)), brown.dark)


def _leaf(s: Sketch, x: float, y: float, length: float) -> str:
    green = s.ramp("green")
    s.shade(s.poly((x, y), (x + length / 2, y - 1.5), (x + length, y - 1), (x + length / 2, y + 1)), green.dark)
    return "a leaf"


def apple(s: Sketch) -> None:
    """Two overlapping discs with a dent, a stalk, and sometimes a leaf or a bite."""
    d = s.dice
    skin = s.ramp("red", "green", "yellow")
    wide, high, apart = d.pick((3, 3.5, 4)), d.step(4, 5), d.pick((2, 2, 1.5))
    parts = []
    _stalk(s, 8, 6, 9 - high - d.step(1, 2))
    if d.chance(0.6):
        parts.append(_leaf(s, 8.5, 8 - high, d.step(3, 4, 1)))
    body = s.both(s.disc(8 + apart, 8.5, wide, high - 0.5)) | s.both(s.disc(9, 10, wide, high - 0.8))
    body &= ~s.disc(8, 9 - high, 1.2, 1)
    s.ball(body, skin.dark)
    if d.chance(0.25):
        bite = s.disc(13, 8, 3, 2.5) & body
        s.paint(s.grow(bite) & body, WHITE)
        s.paint(bite, 0)
        parts.append("a bite")
    s.outline()
    s.tell("apple", with_parts(a(f"{skin.word} apple"), parts), [skin], [p.split()[-1] for p in parts])


def pear(s: Sketch) -> None:
    """A large disc below a small one."""
    d = s.dice
    skin = s.ramp("green", "yellow", "orange")
    wide, neck, lean = d.step(4, 5), d.step(2, 3), d.step(-0.5, 0.5)
    parts = []
    _stalk(s, 8 + lean, 4, 1.5)
    if d.chance(0.5):
        parts.append(_leaf(s, 8.5 + lean, 3, d.step(3, 4, 1)))
    body = s.disc(8, 10.5, wide, d.step(3.5, 4)) | s.disc(8 + lean, 6.5, neck, 3.5)
    body |= s.poly((8 + lean - neck, 6.5), (8 + lean + neck, 6.5), (8 + wide, 10.5), (8 - wide, 10.5))
    s.ball(body, skin.dark)
    if d.chance(0.3):
        for x, y in ((7, 8), (9, 9), (7, 11), (10, 11)):
            s.dot(x, y, skin.dark)
        parts.append("spots")
    s.outline()
    s.tell("pear", with_parts(a(f"{skin.word} pear"), parts), [skin], [p.split()[-1] for p in parts])


def cherries(s: Sketch) -> None:
    """Two balls on stalks that meet at the top."""
    d = s.dice
    skin, stem = s.ramp("red", "purple", "pink"), s.ramp("green", "brown")
    size, low, high = d.step(2.5, 3), d.step(10.5, 11.5), d.step(10, 11.5)
    left, right, top = d.step(4.5, 5), d.step(11, 11.5), (d.step(8, 10), d.step(2, 3))
    parts = []
    s.paint(s.line(1, (left, low - 2), (left + 1, 6), top), stem.base)
    s.paint(s.line(1, (right, high - 2), (right - 0.5, 6), top), stem.dark)
    if d.chance(0.6):
        parts.append(_leaf(s, top[0], top[1] + 0.5, d.step(4, 5, 1)))
    s.ball(s.disc(left, low, size), skin.dark)
    s.ball(s.disc(right, high, size), skin.dark)
    s.outline()
    s.tell("cherries", with_parts(f"two {skin.word} cherries", parts), [skin], ["leaf"] * len(parts))


def carrot(s: Sketch) -> None:
    """A long cone with leaves at the thick end."""
    d = s.dice
    root, top = s.ramp("orange", "red", "yellow"), s.ramp("green")
    s.flipped = d.chance(0.5)
    fat, tip, low = d.step(2, 3), d.step(2, 3.5), d.step(13, 14)
    for dx, dy in ((0, -3.5), (2.5, -2.5), (3.5, 0)):
        s.shade(s.line(1.5, (10, 6), (10.5 + dx, 5.5 + dy)), top.dark)
    body = s.poly((10 - fat, 5.5), (10.5, 5), (11, 5.5), (11, 6 + fat), (tip + 1, low), (tip, low - 1)) | s.disc(
        9.5, 6.5, fat
    )
    s.solid(body, root)
    for t in range(3):
        if d.chance(0.7):
            s.paint(s.line(0.8, (7 - t * 1.5, 8 + t * 1.5), (8 - t * 1.5, 9 + t * 1.5)) & body, root.dark)
    s.outline()
    s.tell("carrot", a(f"{root.word} carrot") + f" with {top.word} leaves", [root, top], ["leaves"])


def mushroom(s: Sketch) -> None:
    """A cap with spots on a stem."""
    d = s.dice
    cap, stem = s.ramp("red", "brown", "purple", "blue", "orange", "green"), s.ramp("white", "tan")
    wide, tall, low = d.step(5, 6.5), d.step(4.5, 6), d.step(8, 9)
    stalk = d.step(1.5, 2.5)
    s.shade(s.box(8 - stalk, low - 1, 8 + stalk, 14) | s.disc(8, 13, stalk + 1, 1.5), stem.dark)
    top = s.disc(8, low, wide, tall) & s.box(0, 1, 16, low + 1)
    s.solid(top, cap)
    parts = []
    if d.chance(0.75):
        for x, y, r in d.pick(
            (((8, 5, 1.2), (4.5, 7.5, 1), (11.5, 7.5, 1)), ((6, 5, 1), (10.5, 6, 1.5), (4, 8, 0.9)))
        ):
            s.paint(s.disc(x, y, r) & s.shrink(top), WHITE)
        parts.append("white spots")
    s.outline()
    s.tell("mushroom", with_parts(a(f"{cap.word} mushroom"), parts), [cap, stem], ["spots"] * len(parts))
    if parts and "white" not in s.colors:
        s.colors = (*s.colors, "white")


def grapes(s: Sketch) -> None:
    """A bunch of small balls with a leaf."""
    d = s.dice
    skin, leaf = s.ramp("purple", "green", "red", "blue"), s.ramp("green", "brown")
    s.paint(s.line(1, (8, 5), (8.5, 2)), leaf.dark)
    s.shade(s.poly((8, 4.5), (5, 2.5), (d.step(2, 4), d.step(3, 5)), (5.5, 5.5)), leaf.dark)
    r = d.pick((1.6, 2.0))
    rows = d.pick(((4, 3, 2, 1), (3, 4, 3, 1), (3, 3, 2, 1), (2, 4, 3, 2), (4, 4, 2, 1), (3, 2, 2, 1)))
    lean, fat = d.step(-0.5, 0.5), d.step(1.5, 2)
    for n, count in enumerate(rows):
        for k in range(count):
            grape = s.disc(8 + lean * n + (k - (count - 1) / 2) * 3, 6 + n * 2.4, fat, r)
            s.paint(s.grow(grape) & s.drawn & ~grape, INK if s.fine else skin.dark)
            s.paint(grape, skin.base)
            s.dot(7 + lean * n + (k - (count - 1) / 2) * 3, 5 + n * 2.4, skin.light)
    s.outline()
    s.tell("grapes", f"a bunch of {skin.word} grapes", [skin], ["leaf"])


def banana(s: Sketch) -> None:
    """A crescent with dark ends."""
    d = s.dice
    skin = s.ramp("yellow", "green")
    s.flipped = d.chance(0.5)
    cut = d.step(4.5, 6)
    body = (
        s.disc(7, 7, d.step(6.5, 7), 7)
        & ~s.disc(5 + d.step(-0.5, 0.5), 5 - d.step(0, 1), cut + 1, cut)
        & s.box(2.5, 1, 16, 15)
    )
    body &= ~s.box(0, 0, 16, 2.5)
    s.shade(body, skin.dark)
    s.dot(11, 2, INK, 2, 1.5)
    s.paint(s.box(0, 0, 4, 16) & body, INK)
    s.outline()
    s.tell("banana", a(f"{skin.word} banana"), [skin])


def watermelon(s: Sketch) -> None:
    """A half slice with a rind and seeds."""
    d = s.dice
    flesh, rind = s.ramp("red", "pink", "red", "orange", "yellow"), s.ramp("green")
    half, deep, top = d.step(5.5, 6.5), d.step(7, 9), 4
    lower = s.box(0, top, 16, 16)
    s.shade(s.disc(8, top, half, deep) & lower, rind.dark, glow=0)
    s.paint(s.disc(8, top, half - 1, deep - 1.2) & lower, WHITE)
    inner = s.disc(8, top, half - 1.5, deep - 2) & lower
    s.paint(inner, flesh.base)
    s.paint(inner & s.box(0, top, 16, top + 1), flesh.light)
    for x, y in ((4, 6), (8, 7), (11, 6), (6, 8), (9, 5), (9, 9), (7, 10)):
        if d.chance(0.7):
            s.dot(x, y, INK, 1, 1)
    s.dot(7, 6, INK)
    s.outline()
    s.tell(
        "watermelon",
        a(f"{flesh.word} watermelon slice") + f" with {a(rind.word)} rind",
        [flesh, rind],
        ["rind", "seeds"],
    )


def strawberry(s: Sketch) -> None:
    """A heart-shaped berry with seeds and a green crown."""
    d = s.dice
    skin, crown = s.ramp("red", "pink"), s.ramp("green")
    wide = d.step(4.5, 5.5)
    body = s.disc(8 - wide / 2, 7, wide / 2 + 0.5, 2.5) | s.disc(8 + wide / 2, 7, wide / 2 + 0.5, 2.5)
    body |= s.poly((8 - wide, 7.5), (8 + wide, 7.5), (9.5, d.step(13, 14)), (6.5, 14))
    s.ball(body, skin.dark)
    for x, y in ((5, 8), (8, 8), (11, 8), (6.5, 10), (9.5, 10), (8, 12)):
        s.dot(x - 0.5, y, skin.light if d.chance(0.8) else skin.dark, 1, 1 if not s.fine else 0.5)
    leaf = s.poly(
        (3.5, 5),
        (6, 4.5),
        (7.5, 2.5),
        (8.5, 2.5),
        (10, 4.5),
        (12.5, 5),
        (11, 6.5),
        (9.5, 6),
        (8, 8),
        (6.5, 6),
        (5, 6.5),
    )
    s.solid(leaf, crown)
    s.outline()
    s.tell(
        "strawberry", a(f"{skin.word} strawberry") + f" with {crown.word} leaves", [skin, crown], ["leaves", "seeds"]
    )


FRUITS = (apple, pear, cherries, carrot, mushroom, grapes, banana, watermelon, strawberry)
