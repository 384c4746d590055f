"""What do spells look like? One function an effect: bright cores, trails, rays, crystals and magic signs."""

import math

from .canvas import INK, WHITE, Point
from .sketch import Material, Sketch, a, with_parts

_GLOW = ("red", "orange", "yellow", "green", "teal", "blue", "purple", "pink", "white")


def _around(n: float, count: int, radius: float, turn: float = 0.0, cx: float = 8, cy: float = 8) -> Point:
    """Point n of `count` on a circle; 0 is straight up. Rounded, so that every platform gets the same polygon."""
    angle = 2 * math.pi * (n / count + turn)
    return round(cx + radius * math.sin(angle), 2), round(cy - radius * math.cos(angle), 2)


def _star(s: Sketch, points: int, outer: float, inner: float, turn: float = 0.0) -> int:
    return s.poly(*(_around(n, 2 * points, inner if n % 2 else outer, turn) for n in range(2 * points)))


def _sparkles(s: Sketch, spots: tuple[Point, ...], color: Material, count: int) -> None:
    """Small separate glints, each with its own outline once the drawing is outlined."""
    for x, y in spots[:count]:
        s.paint(s.box(x, y, x + 1, y + 1), color.base)
        if s.fine:
            s.paint(s.box(x - 0.5, y + 0.5, x + 1.5, y + 1) | s.box(x + 0.5, y - 0.5, x + 1, y + 1.5), color.light)


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
        tail = s.poly((bx - size + 1, by - size + 1), (reach - 3, 2.5), (9, 6), (reach + 1, 2), (11, 6.5), (14, 5.5), (bx + size, by + 1))
        by -= 0
    elif way == "up":
        bx = 8
        tail = s.poly((8 - size, by), (8 - spread - 1, 4.5), (6.5, 6), (8 + d.step(-1, 1), 1.5), (9.5, 6), (8 + spread + 1, d.step(3.5, 5)), (8 + size, by))
    else:
        by = 8
        tail = s.poly((bx, by - size), (11, 8 - spread - 0.5), (10.5, 7), (reach + 1, 7.5), (11, 9), (12, 8 + spread + 0.5), (bx, by + size))
    body = tail | s.disc(bx, by, size)
    s.shade(body, outer.dark)
    s.paint(s.disc(bx, by, size - 1.2) | (s.shrink(s.shrink(tail)) if s.fine else 0), core.base)
    s.paint(s.disc(bx - 0.5, by + 0.5, size - 2.3), core.light)
    if d.chance(0.5):
        _sparkles(s, ((14, 9), (12, 13), (3, 3)), core, d.pick((1, 2)))
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
    shape = s.poly((top, 1.5), (top + fat, 1.5), (9 + lean, y1), (12.5 + lean, y1), (5, 14.8), (7.5 + lean, y2 + 0.5), (3.5 + lean, y2 + 0.5))
    s.shade(shape, bolt.dark)
    parts = []
    if d.chance(0.4):
        spark = s.ramp("white", "yellow", "blue", avoid=(bolt.word,))
        _sparkles(s, ((3, 4), (12.5, 11), (2.5, 12), (13.5, 4)), spark, d.pick((2, 3, 4)))
        parts.append(f"{spark.word} sparks")
        s.outline()
        s.tell("lightning bolt", with_parts(a(f"{bolt.word} lightning bolt"), parts), [bolt, spark], ["sparks"])
        return
    s.outline()
    s.tell("lightning bolt", a(f"{bolt.word} lightning bolt"), [bolt], parts)


def crystal(s: Sketch) -> None:
    """One or several pointed shards."""
    d = s.dice
    ice = s.ramp("blue", "teal", "white", "purple", "pink", "green", "red", "yellow")
    count = d.pick((1, 2, 3))
    s.flipped = d.chance(0.5)

    def shard(x: float, half: float, top: float, low: float, lean: float) -> None:
        tip, foot = (x + lean, top), (x, low)
        left, right = (x - half + lean * 0.6, top + half + 1), (x + half + lean * 0.6, top + half + 1)
        low_left, low_right = (x - half * 0.8, low - 1.5), (x + half * 0.8, low - 1.5)
        body = s.poly(tip, right, low_right, foot, low_left, left)
        s.solid(body, ice, depth=0, glow=0)
        s.paint(s.poly(tip, right, low_right, foot, (x + lean * 0.5, top + half + 2)) & body, ice.dark)
        s.paint(s.poly(tip, left, (x + lean * 0.5, top + half + 2)) & body, ice.light)

    if count == 3:
        shard(4.5, d.step(1.5, 2), d.step(6, 8), 14, -1)
        shard(11.5, d.step(1.5, 2), d.step(6, 8), 14, 1)
    elif count == 2:
        shard(11, d.step(2, 2.5), d.step(5, 8), 14, 1)
    shard(8 if count != 2 else 6, d.step(2.5, 3.5), d.step(1.5, 3), 14.5, d.step(-0.5, 0.5) if count < 3 else 0)
    s.outline()
    kind = "ice shard" if ice.word in ("blue", "teal", "white") else "crystal"
    text = a(f"{ice.word} {kind}") if count == 1 else f"{('two', 'three')[count - 2]} {ice.word} {kind}s"
    s.tell(kind, text, [ice], [("one", "two", "three")[count - 1]])


def star(s: Sketch) -> None:
    """A star burst with four to eight points."""
    d = s.dice
    color = s.ramp(*_GLOW)
    core = s.ramp("white", "yellow", "orange", avoid=(color.word,))
    points = d.pick((4, 4, 5, 5, 6, 8))
    outer, inner = d.step(6, 7), d.step(2, 3.5)
    turn = d.pick((0, 0, 1 / (4 * points)))
    body = _star(s, points, outer, inner, turn)
    s.shade(body, color.dark)
    shape = d.pick(("disc", "star"))
    s.paint(s.disc(8, 8, d.step(1.5, 2.5)) if shape == "disc" else _star(s, points, outer - 2.5, max(inner - 1, 1), turn), core.base)
    s.paint(s.disc(8, 8, 1), core.light)
    parts = [f"{a(core.word)} core"]
    if points == 4 and d.chance(0.6):
        _sparkles(s, ((3, 3), (12, 12), (12, 3), (3, 12)), core, d.pick((1, 2, 4)))
    s.outline()
    s.tell("star", with_parts(a(f"{color.word} star"), parts), [color, core], [f"{points} points", "core"])


def orb(s: Sketch) -> None:
    """A glowing ball, with a ring, inner swirl or sparkles."""
    d = s.dice
    ball = s.ramp("blue", "purple", "green", "red", "teal", "pink", "orange", "yellow", "grey")
    extra = s.ramp("white", "yellow", "pink", "teal", "blue", "orange", avoid=(ball.word,))
    size = d.step(4, 5.5)
    style = d.pick(("ring", "swirl", "sparks", "core"))
    if style == "ring":
        size = min(size, 4.5)
        tilt = d.pick((-1, 0, 1))
        ring = s.line(1.3, (2, 9 + tilt), (5, 10.5 + tilt / 2), (11, 10.5 - tilt / 2), (14, 9 - tilt))
        back = s.line(1.3, (2, 9 + tilt), (4, 7 + tilt), (12, 7 - tilt), (14, 9 - tilt))
        s.paint(back, extra.dark)
    s.ball(s.disc(8, 8, size), ball.dark)
    s.dot(6, 5, WHITE, 1 if size < 5 else 2, 1)
    if style == "ring":
        s.paint(s.grow(ring) & s.disc(8, 8, size), INK)
        s.paint(ring, extra.base)
        text = f"{a(extra.word)} ring"
    elif style == "swirl":
        s.paint(s.line(1.1, (8, 8), (9.5, 7.5), (9, 9.5), (6.5, 9.5), (5.5, 7.5), (7, 5.5), (10, 5.5)) & s.disc(8, 8, size), extra.base)
        text = f"{a(extra.word)} swirl"
    elif style == "sparks":
        size = min(size, 5)
        _sparkles(s, ((2, 3), (13, 12), (13, 3), (2, 12)), extra, d.pick((2, 3, 4)))
        text = f"{extra.word} sparks"
    else:
        s.paint(s.disc(8, 8.5, size - 2.2), extra.dark)
        s.paint(s.disc(8, 8.5, size - 2.8), extra.base)
        text = f"{a(extra.word)} core"
    s.outline()
    s.tell("orb", a(f"{ball.word} orb") + f" with {text}", [ball, extra], [style])


def swirl(s: Sketch) -> None:
    """A spiral."""
    d = s.dice
    color = s.ramp(*_GLOW)
    s.flipped = d.chance(0.5)
    turns, start, width = d.step(1.5, 2), d.step(0, 0.75, 0.25), d.step(1.5, 2)
    points = []
    for n in range(25):
        share = n / 24
        points.append(_around(start + turns * share, 1, 0.5 + share * 5.6))
    shape = s.line(width, *points)
    s.shade(shape, color.dark, depth=1 if s.fine else 0)
    s.paint(s.line(width, *points[15:]) & ~s.line(width, *points[:15]) & ~(shape << s.row + 1), color.light)
    s.paint(s.line(width * 0.8, *points[:8]), color.dark)
    parts = []
    colors = [color]
    if d.chance(0.5):
        core = s.ramp("white", "yellow", "pink", "blue", avoid=(color.word,))
        s.paint(s.disc(8, 8, 1.2), core.base)
        parts.append(f"{a(core.word)} core")
        colors.append(core)
    s.outline()
    s.tell("swirl", with_parts(f"{a(color.word)} magic swirl", parts), colors, ["core"] * len(parts))


def missile(s: Sketch) -> None:
    """A magic bolt with a fading trail."""
    d = s.dice
    head = s.ramp("purple", "blue", "pink", "green", "yellow", "teal", "red", "white")
    trail = s.ramp("blue", "purple", "orange", "yellow", "white", "pink", "red", avoid=(head.word,))
    s.flipped = d.chance(0.5)
    size, way = d.step(2, 3), d.pick(("diagonal", "level"))
    shape = d.pick(("arrow", "ball", "diamond"))

    def at(along: float, side: float) -> Point:
        """Position in units along the flight from the tail, and to its side."""
        if way == "level":
            return 15 - along, 8 + side
        return 13.5 - along * 0.75 + side * 0.7, 2.5 + along * 0.75 + side * 0.7

    for n, side in enumerate((-1.5, 0, 1.5)):
        long = d.step(1, 5)
        s.paint(s.line(1 if n != 1 else 1.6, at(long, side), at(11, side * 0.7)), (trail.base, trail.light, trail.dark)[n])
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


def rune_circle(s: Sketch) -> None:
    """A ring on the ground with a sign inside."""
    d = s.dice
    ring, sign = s.ramp(*_GLOW), s.ramp(*_GLOW)
    if sign.word == ring.word:
        sign = s.ramp("white", "yellow", "red", avoid=(ring.word,))
    size = d.step(6, 7)
    band = s.disc(8, 8, size) & ~s.disc(8, 8, size - 1.4)
    s.shade(band, ring.dark)
    if d.chance(0.5):
        for n in range(4):
            x, y = _around(n + 0.5 * d.pick((0, 0)), 4, size)
            s.paint(s.box(x - 1, y - 1, x + 1, y + 1), ring.light)
    kind = d.pick(("star", "triangle", "cross", "square", "eye"))
    if kind == "star":
        mask = s.line(0.9, *(_around(n * 2, 5, size - 2) for n in range(6)))
    elif kind == "triangle":
        mask = s.line(1, *(_around(n, 3, size - 2, d.pick((0, 0.5))) for n in (0, 1, 2, 0)))
    elif kind == "square":
        mask = s.line(1, (8, 11), (5, 8), (8, 5), (11, 8), (8, 11))
    elif kind == "cross":
        mask = s.box(7, 4, 9, 12) | s.box(4, 7, 12, 9)
    else:
        mask = s.disc(8, 8, 3.2, 2) & ~s.disc(8, 8, 1)
    mask &= s.disc(8, 8, size - 1.4)
    s.paint(mask, sign.base)
    s.paint(mask & ~(mask << s.row + 1) & s.box(0, 0, 8, 8), sign.light)
    s.outline()
    text = f"{a(ring.word)} magic circle with {a(sign.word)} {kind}"
    s.tell("magic circle", text, [ring, sign], ["ring", kind])


def shield(s: Sketch) -> None:
    """A glowing shield of magic."""
    d = s.dice
    main, rim = s.ramp("blue", "purple", "yellow", "green", "red", "teal", "pink"), s.ramp("yellow", "white", "grey", "orange", "blue")
    if rim.word == main.word:
        rim = s.ramp("white", "grey", avoid=(main.word,))
    half, top = d.step(5, 6), d.step(2, 3)
    shape = d.pick(("heater", "round", "kite"))
    if shape == "heater":
        body = s.poly((8 - half, top), (8 + half, top), (8 + half, 8), (8, 14.5), (8 - half, 8))
    elif shape == "round":
        body = s.disc(8, 8, half + 0.5)
    else:
        body = s.poly((8, 1.5), (8 + half, top + 2), (8 + half - 1, 9), (8, 15), (9 - half, 9), (8 - half, top + 2))
    s.shade(body, rim.dark)
    inner = s.shrink(s.shrink(body) if s.fine else body)
    s.shade(inner, main.dark)
    sign = d.pick(("cross", "star", "stripe", "gem", "half"))
    if sign == "cross":
        mask = s.box(7, 4, 9, 12) | s.box(4, 6, 12, 8)
    elif sign == "star":
        mask = _star(s, d.pick((4, 5)), 3.5, 1.4)
    elif sign == "stripe":
        mask = s.poly((3, 10), (10, 2), (13, 3), (6, 12))
    elif sign == "gem":
        mask = s.poly((8, 5), (10.5, 8), (8, 11), (5.5, 8))
    else:
        mask = s.box(8, 0, 16, 16)
    s.paint(mask & s.shrink(inner) if sign != "half" else mask & inner, rim.base)
    s.outline()
    word = {"stripe": "stripe", "gem": "diamond", "half": "half"}.get(sign, sign)
    s.tell("magic shield", f"{a(main.word)} magic shield with {a(rim.word)} {word}", [main, rim], [shape, word])


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
        corners = []
        for n in range(points):
            corners += (_around(2 * n, 2 * points, reach[n] * scale, turn), _around(2 * n + 1, 2 * points, dip * scale, turn))
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
    width, burst = d.step(2, 3.5), d.step(2.5, 4)
    way = d.pick(("level", "diagonal", "down"))
    start, end = {"level": ((2, 8), (12, 8)), "diagonal": ((2.5, 2.5), (11, 11)), "down": ((8, 1.5), (8, 11))}[way]
    s.shade(s.line(width, start, end), ray.dark, glow=0)
    cx, cy = end
    points = d.pick((4, 6, 8))
    star_ = s.poly(*(_around(n, 2 * points, (burst if n % 2 == 0 else burst * 0.55), 0, cx, cy) for n in range(2 * points)))
    s.shade(star_ | s.disc(cx, cy, burst * 0.7), ray.dark)
    s.paint(s.line(max(1, width - 1.6), start, end), ray.light)
    s.paint(s.line(0.8, start, end) | s.disc(cx, cy, burst * 0.4), WHITE)
    s.outline()
    s.tell("beam", f"{a(ray.word)} magic beam", [ray], [way, "burst"])


def snowflake(s: Sketch) -> None:
    """Crossed arms with side branches."""
    d = s.dice
    ice = s.ramp("blue", "white", "teal", "purple", "grey", "pink")
    size, arm, branch = d.step(5.5, 6.5), d.pick((4, 6, 8)), d.step(2.5, 4)
    mask, tips = 0, 0
    for n in range(arm):
        end = _around(n, arm, size)
        mask |= s.line(1, (8, 8), end)
        if arm < 8 or n % 2 == 0:
            for side in (-1, 1):
                root = _around(n, arm, branch)
                out = _around(n + side * 0.32, arm, branch + 2) if arm > 4 else _around(n + side * 0.25, arm, branch + 1.8)
                tips |= s.line(0.9, root, out)
    s.paint(mask | tips, ice.base)
    s.paint(tips & ~mask, ice.dark)
    s.paint(mask & s.box(0, 0, 8, 8), ice.light)
    center = d.pick(("gem", "disc", "none"))
    parts = []
    colors = [ice]
    if center != "none":
        gem = s.ramp("blue", "teal", "purple", "yellow", "white", avoid=(ice.word,))
        s.paint(s.disc(8, 8, 1.6) if center == "disc" else s.poly((8, 5.5), (10.5, 8), (8, 10.5), (5.5, 8)), gem.base)
        parts.append(f"{a(gem.word)} middle")
        colors.append(gem)
    s.outline()
    s.tell("snowflake", with_parts(a(f"{ice.word} snowflake"), parts), colors, [f"{arm} arms"])


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

        return s.poly(p(8 - wide, 10), p(8 - wide + 0.5, 6.5), p(6, 8), p(tip - 1, 4), p(tip, 1.5), p(tip + 2, 6),
                      p(11, 8), p(12.5, side), p(8 + wide, 10)) | s.disc(8, 14 - 4 * k, wide * k, 4 * k)

    s.shade(tongue(1), outer.dark)
    s.paint(tongue(0.62), inner.base)
    s.paint(tongue(0.33), WHITE if d.chance(0.5) else inner.light)
    s.outline()
    s.tell("flame", a(f"{outer.word} flame") + f" with {a(inner.word)} core", [outer, inner], ["core"])


def heart(s: Sketch) -> None:
    """A heart, plain, winged or with a cross."""
    d = s.dice
    skin = s.ramp("red", "pink", "purple", "blue", "green", "yellow", "orange")
    style = d.pick(("plain", "wings", "cross", "sparks", "bolt"))
    half = d.step(3.5, 4) if style == "wings" else d.step(5, 6)
    top = d.step(5, 6.5)
    parts, colors = [], [skin]
    extra = s.ramp("white", "yellow", avoid=(skin.word,))
    if style == "wings":
        s.shade(s.both(s.poly((10, 7), (15, 3.5), (15.5, 6), (14.5, 8), (13.5, 10), (11, 10))), extra.dark)
        parts.append(f"{extra.word} wings")
    bump = half / 2
    body = s.both(s.disc(8 + bump, top, bump + 0.3, bump + 0.3)) | s.poly((8 - half - 0.2, top + 0.5), (8 + half + 0.2, top + 0.5), (8, top + half * 1.45 + 0.5))
    s.paint(s.grow(body) & s.drawn, INK)
    s.ball(body, skin.dark)
    if style == "cross":
        s.paint(s.box(7, top - 1.5, 9, top + 4.5) | s.box(5, top + 0.5, 11, top + 2.5), extra.base)
        parts.append(f"{a(extra.word)} cross")
    elif style == "sparks":
        _sparkles(s, ((2, 13), (13, 13), (13, 2), (2, 2)), extra, d.pick((2, 4)))
        parts.append(f"{extra.word} sparks")
    elif style == "bolt":
        s.paint(s.line(1.2, (9, top - 1), (7, top + 1.5), (9, top + 2), (7.5, top + 5)) & body, extra.base)
        parts.append(f"{a(extra.word)} bolt")
    if parts:
        colors.append(extra)
    s.outline()
    s.tell("heart", with_parts(f"{a(skin.word)} heart", parts), colors, [p.split()[-1] for p in parts])


def heal_cross(s: Sketch) -> None:
    """A fat plus sign."""
    d = s.dice
    color = s.ramp("green", "red", "white", "yellow", "blue", "pink", "teal")
    arm, half = d.step(5, 6.5), d.step(1.5, 2.5)
    body = s.box(8 - half, 8 - arm, 8 + half, 8 + arm) | s.box(8 - arm, 8 - half, 8 + arm, 8 + half)
    parts, colors = [], [color]
    if d.chance(0.6):
        extra = s.ramp("yellow", "white", "green", "blue", "purple", "red", avoid=(color.word,))
        style = d.pick(("ring", "sparks", "core"))
        if style == "ring":
            s.shade(s.disc(8, 8, 6.5) & ~s.disc(8, 8, 5), extra.dark)
        elif style == "sparks":
            _sparkles(s, ((2, 2), (13, 13), (13, 2), (2, 13)), extra, d.pick((2, 3, 4)))
        parts.append({"ring": f"{a(extra.word)} ring", "sparks": f"{extra.word} sparks", "core": f"{a(extra.word)} core"}[style])
        colors.append(extra)
        s.solid(body, color)
        if style == "core":
            s.shade(s.box(8 - half + 0.5, 8 - half + 0.5, 8 + half - 0.5, 8 + half - 0.5), extra.dark, glow=0, depth=0)
    else:
        s.solid(body, color)
    s.outline()
    s.tell("healing cross", with_parts(f"{a(color.word)} healing cross", parts), colors, [p.split()[-1] for p in parts])


def tornado(s: Sketch) -> None:
    """Stacked rings that narrow to the ground."""
    d = s.dice
    wind = s.ramp("grey", "white", "blue", "green", "teal", "purple", "brown", "orange")
    s.flipped = d.chance(0.5)
    rows, wide = d.pick((4, 5)), d.step(5.5, 6.5)
    for n in range(rows - 1, -1, -1):
        share = n / (rows - 1)
        half = 1.2 + (wide - 1.2) * (1 - share)
        y, x = 3 + n * 11 / rows, 8 + d.step(-1, 1)
        ring = s.disc(x, y + 0.5, half, 1.7)
        s.paint(s.grow(ring) & s.drawn, INK if s.fine else wind.dark)
        s.shade(ring, wind.dark)
        if n == 0 or s.fine:
            s.paint(s.disc(x, y, half - 1.2, 0.6), wind.dark)
    s.outline()
    s.tell("tornado", a(f"{wind.word} tornado"), [wind], [f"{rows} rings"])


def slash(s: Sketch) -> None:
    """A crescent-shaped cut of wind."""
    d = s.dice
    color = s.ramp(*_GLOW)
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
    s.tell("slash", f"{a(color.word)} magic slash" if count == 1 else f"two {color.word} magic slashes", [color], ["crescent"])


def drop(s: Sketch) -> None:
    """A drop of water, poison or blood with splashes."""
    d = s.dice
    water = s.ramp("blue", "teal", "green", "red", "purple", "pink", "orange")
    wide, low, tip = d.step(3.5, 5), d.step(9.5, 10), d.step(-1, 1)
    body = s.disc(8, low, wide, 4.2) | s.poly((8 - wide, low), (8 + tip - 0.5, 1.5), (8 + tip + 0.5, 1.5), (8 + wide, low))
    s.ball(body, water.dark)
    s.dot(6, low, WHITE, 1, d.pick((1, 2)))
    if d.chance(0.6):
        for x, y in ((2.5, 5), (12.5, 4), (13, 12), (2, 12))[: d.pick((2, 3, 4))]:
            s.paint(s.disc(x + 0.5, y + 0.5, 0.9, 1.2), water.base)
    s.outline()
    s.tell("drop", f"{a(water.word)} magic drop", [water], ["drop"])


def moon_or_sun(s: Sketch) -> None:
    """A crescent moon with stars, or a sun with rays."""
    d = s.dice
    color = s.ramp("yellow", "orange", "white", "blue", "purple", "red", "pink")
    if d.chance(0.5):
        s.flipped = d.chance(0.5)
        body = s.disc(8, 8, d.step(5.5, 6.5)) & ~s.disc(d.step(10, 11.5), d.step(5.5, 8), d.step(4.5, 5.5))
        s.shade(body, color.dark)
        extra = s.ramp("white", "yellow", "blue", avoid=(color.word,))
        _sparkles(s, ((11, 6), (13, 9), (10, 9)), extra, d.pick((1, 2, 3)))
        s.outline()
        s.tell("moon", f"{a(color.word)} crescent moon with {extra.word} sparks", [color, extra], ["sparks"])
        return
    core = s.ramp("yellow", "white", "orange", "red", avoid=(color.word,))
    count, size, turn = d.pick((6, 8, 10)), d.step(3, 4), d.pick((0, 0.05))
    rays = 0
    for n in range(count):
        rays |= s.poly(_around(n - 0.28, count, size + 0.3, turn), _around(n, count, 7 if n % 2 == 0 else d.step(5.5, 7), turn), _around(n + 0.28, count, size + 0.3, turn))
    s.paint(rays, color.base)
    s.paint(rays & s.box(8, 8, 16, 16), color.dark)
    s.ball(s.disc(8, 8, size), core.dark)
    s.outline()
    s.tell("sun", f"{a(core.word)} sun with {color.word} rays", [core, color], [f"{count} rays"])


SPELLS = (fireball, lightning, crystal, star, orb, swirl, missile, rune_circle, shield, explosion, beam, snowflake,
          flame, heart, heal_cross, tornado, slash, drop, moon_or_sun)
