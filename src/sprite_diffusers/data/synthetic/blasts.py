"""What do spells in motion look like? One function an effect: fire, bolts, beams, bursts and storms."""

from .canvas import INK, WHITE, Point
from .sketch import Sketch, a, with_parts
from .spell_parts import GLOW, around, sparkles


def fireball(s: Sketch) -> None:
    """A burning ball with a tail."""
    d = s.dice
    outer = s.ramp("red", "orange", "blue", "green", "purple", "teal", "pink")
    core = s.ramp("yellow", "orange", "white", avoid=(outer.word,))
    s.flipped = d.chance(0.5)
    size, reach, spread = d.step(3.5, 4.5), d.step(12, 13.5), d.step(1.5, 3)
    bx, by = 6, 10
    way = d.pick(("up", "diagonal", "level"))
    if way == "diagonal":
        tail = s.poly(
            (bx - size + 1, by - size + 1),
            (reach - 3, 2.5),
            (9, 6),
            (reach + 1, 2),
            (11, 6.5),
            (14, 5.5),
            (bx + size, by + 1),
        )
    elif way == "up":
        bx = 8
        tail = s.poly(
            (8 - size, by),
            (8 - spread - 1, 4.5),
            (6.5, 6),
            (8 + d.step(-1, 1), 1.5),
            (9.5, 6),
            (8 + spread + 1, d.step(3.5, 5)),
            (8 + size, by),
        )
    else:
        by = 8
        tail = s.poly(
            (bx, by - size),
            (11, 8 - spread - 0.5),
            (10.5, 7),
            (reach + 1, 7.5),
            (11, 9),
            (12, 8 + spread + 0.5),
            (bx, by + size),
        )
    body = tail | s.disc(bx, by, size)
    s.shade(body, outer.dark)
    s.paint(s.disc(bx, by, size - 1.2) | (s.shrink(s.shrink(tail)) if s.fine else 0), core.base)
    s.paint(s.disc(bx - 0.5, by + 0.5, size - 2.3), core.light)
    if d.chance(0.5):
        sparkles(s, ((14, 9), (12, 13), (3, 3)), core, d.pick((1, 2)))
    s.outline()
    text = a(f"{outer.word} fireball") + f" with {a(core.word)} core"
    s.tell("fireball", text, [outer, core], ["tail", "core"])


def lightning(s: Sketch) -> None:
    """A jagged bolt."""
    d = s.dice
    bolt = s.ramp("yellow", "blue", "purple", "white", "teal", "orange", "pink", "green")
    s.flipped = d.chance(0.5)
    top, lean, fat = d.step(7, 10), d.step(-1, 1), d.step(2.5, 4.5)
    y1, y2 = d.step(6.5, 8), d.step(8, 9.5)
    shape = s.poly(
        (top, 1.5),
        (top + fat, 1.5),
        (9 + lean, y1),
        (12.5 + lean, y1),
        (5, 14.8),
        (7.5 + lean, y2 + 0.5),
        (3.5 + lean, y2 + 0.5),
    )
    s.shade(shape, bolt.dark)
    parts = []
    if d.chance(0.4):
        spark = s.ramp("white", "yellow", "blue", avoid=(bolt.word,))
        sparkles(s, ((3, 4), (12.5, 11), (2.5, 12), (13.5, 4)), spark, d.pick((2, 3, 4)))
        parts.append(f"{spark.word} sparks")
        s.outline()
        s.tell("lightning bolt", with_parts(a(f"{bolt.word} lightning bolt"), parts), [bolt, spark], ["sparks"])
        return
    s.outline()
    s.tell("lightning bolt", a(f"{bolt.word} lightning bolt"), [bolt], parts)


def missile(s: Sketch) -> None:
    """A magic bolt with a fading trail."""
    d = s.dice
    head = s.ramp("purple", "blue", "pink", "green", "yellow", "teal", "red", "white")
    trail = s.ramp("blue", "purple", "orange", "yellow", "white", "pink", "red", avoid=(head.word,))
    s.flipped = d.chance(0.5)
    size, way = d.step(2.5, 3.5), d.pick(("diagonal", "level"))
    shape = d.pick(("arrow", "ball", "diamond"))

    def at(along: float, side: float) -> Point:
        """Position in units along the flight from the tail, and to its side."""
        if way == "level":
            return 15 - along, 8 + side
        return 13.5 - along * 0.75 + side * 0.7, 2.5 + along * 0.75 + side * 0.7

    wobble = d.pick((-0.5, 0, 0.5))
    for along, radius in ((7, d.step(1.5, 2.5)), (4, d.step(1, 2)), (1.5, d.step(0.7, 1, 0.3)))[: d.pick((2, 3, 3))]:
        x, y = at(along, wobble)
        wobble = -wobble
        s.shade(s.disc(x, y, radius), trail.dark)
    if shape == "arrow":
        tip = s.poly(at(15, 0), at(9, -size - 1), at(10, 0), at(9, size + 1))
    elif shape == "diamond":
        tip = s.poly(at(15, 0), at(11.5, -size), at(7.5, 0), at(11.5, size))
    else:
        x, y = at(11.5, 0)
        tip = s.disc(x, y, size)
    s.paint(s.grow(tip) & s.drawn, INK)
    s.ball(tip, head.dark)
    s.outline()
    text = a(f"{head.word} magic {'arrow' if shape == 'arrow' else 'missile'}") + f" with {a(trail.word)} trail"
    s.tell("magic arrow" if shape == "arrow" else "magic missile", text, [head, trail], [shape, "trail"])


def explosion(s: Sketch) -> None:
    """Jagged layers around a bright middle."""
    d = s.dice
    outer = s.ramp("red", "orange", "purple", "blue", "green", "brown", "grey")
    middle = s.ramp("orange", "yellow", "pink", "teal", avoid=(outer.word,))
    core = s.ramp("white", "yellow", avoid=(middle.word, outer.word))
    points = d.pick((7, 8, 9, 10))
    turn = d.step(0, 0.1, 0.02)
    reach = [d.step(5.5, 7) for _ in range(points)]
    dip = d.step(3.8, 4.5)

    def layer(scale: float) -> int:
        corners: list[Point] = []
        for n in range(points):
            corners += (
                around(2 * n, 2 * points, reach[n] * scale, turn),
                around(2 * n + 1, 2 * points, dip * scale, turn),
            )
        return s.poly(*corners)

    s.shade(layer(1), outer.dark)
    s.paint(layer(0.68), middle.base)
    s.paint(layer(0.4) | s.disc(8, 8, 1), core.base)
    s.outline()
    s.tell("explosion", a(f"{outer.word} and {middle.word} explosion"), [outer, middle, core], ["rays", "core"])


def beam(s: Sketch) -> None:
    """A ray with a burst at its end."""
    d = s.dice
    ray = s.ramp("red", "blue", "green", "yellow", "purple", "teal", "pink", "orange")
    s.flipped = d.chance(0.5)
    width, burst = d.step(2, 3), d.step(3.5, 5)
    way = d.pick(("level", "diagonal", "down"))
    start, end = {"level": ((1.5, 8), (11, 8)), "diagonal": ((2.5, 2.5), (10.5, 10.5)), "down": ((8, 1), (8, 10.5))}[
        way
    ]
    s.shade(s.line(width, start, end), ray.dark, glow=0)
    cx, cy = end
    points = d.pick((4, 6, 8))
    star_ = s.poly(
        *(around(n, 2 * points, (burst if n % 2 == 0 else burst * 0.55), 0, cx, cy) for n in range(2 * points))
    )
    s.shade(star_ | s.disc(cx, cy, burst * 0.6), ray.dark)
    s.paint(s.line(max(1, width - 1.6), start, end), ray.light)
    s.paint(s.line(0.8, start, end) | s.disc(cx, cy, burst * 0.4), WHITE)
    s.outline()
    s.tell("beam", f"{a(ray.word)} magic beam", [ray], [way, "burst"])


def flame(s: Sketch) -> None:
    """A standing flame with inner layers."""
    d = s.dice
    outer = s.ramp("red", "orange", "blue", "green", "purple", "teal", "pink")
    inner = s.ramp("yellow", "orange", "white", avoid=(outer.word,))
    s.flipped = d.chance(0.5)
    wide, tip, side = d.step(4, 5.5), d.step(7, 10), d.step(4, 7)

    def tongue(k: float) -> int:
        def p(x: float, y: float) -> Point:
            return round(8 + (x - 8) * k, 2), round(14 + (y - 14) * k, 2)

        return s.poly(
            p(8 - wide, 10),
            p(8 - wide + 0.5, 6.5),
            p(6, 8),
            p(tip - 1, 4),
            p(tip, 1.5),
            p(tip + 2, 6),
            p(11, 8),
            p(12.5, side),
            p(8 + wide, 10),
        ) | s.disc(8, 14 - 4 * k, wide * k, 4 * k)

    s.shade(tongue(1), outer.dark)
    s.paint(tongue(0.62), inner.base)
    s.paint(tongue(0.33), WHITE if d.chance(0.5) else inner.light)
    s.outline()
    s.tell("flame", a(f"{outer.word} flame") + f" with {a(inner.word)} core", [outer, inner], ["core"])


def tornado(s: Sketch) -> None:
    """Stacked rings that narrow to the ground."""
    d = s.dice
    wind = s.ramp("grey", "white", "blue", "green", "teal", "purple", "brown", "orange")
    s.flipped = d.chance(0.5)
    rows, wide = d.pick((4, 5) if s.fine else (4, 4)), d.step(5.5, 6.5)
    for n in range(rows - 1, -1, -1):
        share = n / (rows - 1)
        half = 1.2 + (wide - 1.2) * (1 - share)
        y, x = 3 + n * 11 / rows, 8 + d.step(-1, 1)
        ring = s.disc(x, y + 0.5, half, 1.7)
        s.paint(s.grow(ring) & s.drawn, INK)
        s.paint(ring, wind.base)
        s.paint(ring & ~(ring << s.row), wind.light)
        s.paint(ring & ~(ring >> s.row * s.scale), wind.dark)
        if n == 0 or s.fine:
            s.paint(s.disc(x, y, half - 1.2, 0.6), wind.dark)
    s.outline()
    s.tell("tornado", a(f"{wind.word} tornado"), [wind], [f"{rows} rings"])


def slash(s: Sketch) -> None:
    """A crescent-shaped cut of wind."""
    d = s.dice
    color = s.ramp(*GLOW)
    s.flipped = d.chance(0.5)
    shift_x, shift_y, count = d.step(2.5, 4), d.step(-2.5, 2.5), d.pick((1, 1, 2))
    outer = s.disc(8, 8, 6.5)
    cut = s.disc(8 - shift_x, 8 + shift_y, d.step(5.5, 6.5))
    body = outer & ~cut
    s.shade(body, color.dark)
    if count == 2:
        second = s.disc(8 - shift_x - 0.5, 8 + shift_y, 4.5) & ~s.disc(8 - shift_x * 2, 8 + shift_y * 1.6, 4.8)
        s.solid(second, color)
    s.outline()
    s.tell(
        "slash",
        f"{a(color.word)} magic slash" if count == 1 else f"two {color.word} magic slashes",
        [color],
        ["crescent"],
    )


def drop(s: Sketch) -> None:
    """A drop of water, poison or blood with splashes."""
    d = s.dice
    water = s.ramp("blue", "teal", "green", "red", "purple", "pink", "orange")
    wide, low, tip = d.step(3.5, 5), d.step(9.5, 10), d.step(-1, 1)
    body = s.disc(8, low, wide, 4.2) | s.poly(
        (8 - wide, low), (8 + tip - 0.5, 1.5), (8 + tip + 0.5, 1.5), (8 + wide, low)
    )
    s.ball(body, water.dark)
    s.dot(6, low, WHITE, 1, d.pick((1, 2)))
    if d.chance(0.6):
        for x, y in ((2, 4), (13, 3), (12, 6), (4, 1))[: d.pick((1, 2, 3, 4))]:
            s.dot(x, y, water.base, 1, d.pick((1, 2)))
            s.dot(x, y, water.light, 1, 0.5 if s.fine else 1)
    s.outline()
    s.tell("drop", f"{a(water.word)} magic drop", [water], ["drop"])


BLASTS = (fireball, lightning, missile, explosion, beam, flame, tornado, slash, drop)
