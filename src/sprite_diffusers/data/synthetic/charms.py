"""What do resting spells look like? One function an effect: crystals, stars, orbs, circles, shields and hearts."""

from .canvas import INK, WHITE
from .sketch import Sketch, a, with_parts
from .spell_parts import GLOW, around, sparkles, star_shape


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
    color = s.ramp(*GLOW)
    core = s.ramp("white", "yellow", "orange", avoid=(color.word,))
    points = d.pick((4, 4, 5, 5, 6, 8))
    outer, inner = d.step(6, 7), d.step(2, 3.5)
    turn = d.pick((0, 0, 1 / (4 * points)))
    body = star_shape(s, points, outer, inner, turn)
    s.shade(body, color.dark)
    shape = d.pick(("disc", "star"))
    s.paint(
        s.disc(8, 8, d.step(1.5, 2.5))
        if shape == "disc"
        else star_shape(s, points, outer - 2.5, max(inner - 1, 1), turn),
        core.base,
    )
    s.paint(s.box(7, 7, 8, 8), core.light)
    parts = [f"{a(core.word)} core"]
    if points == 4 and d.chance(0.6):
        sparkles(s, ((3, 3), (12, 12), (12, 3), (3, 12)), core, d.pick((1, 2, 4)))
    s.outline()
    s.tell("star", with_parts(a(f"{color.word} star"), parts), [color, core], [f"{points} points", "core"])


def orb(s: Sketch) -> None:
    """A glowing ball, with a ring, inner swirl or sparkles."""
    d = s.dice
    ball = s.ramp("blue", "purple", "green", "red", "teal", "pink", "orange", "yellow", "grey")
    extra = s.ramp("white", "yellow", "pink", "teal", "blue", "orange", avoid=(ball.word,))
    size = d.pick((4, 5, 5.5))
    style = d.pick(("ring", "swirl", "sparks", "core"))
    if style == "ring":
        size = min(size, 4.5 if s.fine else 4)
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
        s.paint(
            s.line(1.1, (8, 8), (9.5, 7.5), (9, 9.5), (6.5, 9.5), (5.5, 7.5), (7, 5.5), (10, 5.5))
            & s.disc(8, 8, size),
            extra.base,
        )
        text = f"{a(extra.word)} swirl"
    elif style == "sparks":
        size = min(size, 5)
        sparkles(s, ((2, 3), (13, 12), (13, 3), (2, 12)), extra, d.pick((2, 3, 4)))
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
    color = s.ramp(*GLOW)
    s.flipped = d.chance(0.5)
    turns, start, width = d.step(1.5, 2), d.step(0, 0.75, 0.25), d.step(1.5, 2)
    points = []
    for n in range(25):
        share = n / 24
        points.append(around(start + turns * share, 1, 0.5 + share * 5.6))
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


def rune_circle(s: Sketch) -> None:
    """A ring on the ground with a sign inside."""
    d = s.dice
    ring, sign = s.ramp(*GLOW), s.ramp(*GLOW)
    if sign.word == ring.word:
        sign = s.ramp("white", "yellow", "red", avoid=(ring.word,))
    size = d.step(6, 7)
    band = s.disc(8, 8, size) & ~s.disc(8, 8, size - 1.4)
    s.paint(s.disc(8, 8, size), ring.dark)
    s.paint(band, ring.base)
    s.paint(band & ~(s.disc(8, 8, size) << s.row + 1), ring.light)
    if d.chance(0.5):
        for n in range(4):
            x, y = around(n, 4, size - 0.5)
            s.paint(s.box(x - 1, y - 1, x + 1, y + 1), ring.light)
    kind = d.pick(("star", "triangle", "cross", "square", "eye"))
    if kind == "star":
        mask = (
            s.line(0.9, *(around(n * 2, 5, size - 2) for n in range(6)))
            if s.fine
            else star_shape(s, 5, size - 1.5, 1.8)
        )
    elif kind == "triangle":
        mask = s.line(1, *(around(n, 3, size - 2, d.pick((0, 0.5))) for n in (0, 1, 2, 0)))
    elif kind == "square":
        mask = s.line(1, (8, 11), (5, 8), (8, 5), (11, 8), (8, 11))
    elif kind == "cross":
        mask = s.box(7, 4, 9, 12) | s.box(4, 7, 12, 9)
    else:
        mask = s.disc(8, 8, 4, 2.5) & ~s.disc(8, 8, 1.2)
    mask &= s.disc(8, 8, size - 1.4)
    s.paint(mask, sign.base)
    s.paint(mask & ~(mask << s.row + 1) & s.box(0, 0, 8, 8), sign.light)
    s.outline()
    text = f"{a(ring.word)} magic circle with {a(sign.word)} {kind}"
    s.tell("magic circle", text, [ring, sign], ["ring", kind])


def shield(s: Sketch) -> None:
    """A glowing shield of magic."""
    d = s.dice
    main, rim = (
        s.ramp("blue", "purple", "yellow", "green", "red", "teal", "pink"),
        s.ramp("yellow", "white", "grey", "orange", "blue"),
    )
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
        mask = star_shape(s, d.pick((4, 5)), 3.5, 1.4)
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


def snowflake(s: Sketch) -> None:
    """Crossed arms with side branches."""
    d = s.dice
    ice = s.ramp("blue", "white", "teal", "purple", "grey", "pink")
    size, arm, branch = d.step(5.5, 6.5), d.pick((4, 6, 8)), d.step(2.5, 4)
    # Arms one pixel wide need a pixel, not a corner, in their middle.
    middle = 8 if s.fine else 8.5
    mask, tips = 0, 0
    for n in range(arm):
        mask |= s.line(1, (middle, middle), around(n, arm, size, 0, middle, middle))
        if (arm < 8 or n % 2 == 0) and (s.fine or arm == 4):
            for side in (-1, 1):
                root = around(n, arm, branch, 0, middle, middle)
                spread, out = (0.32, 2) if arm > 4 else (0.25, 1.8)
                tips |= s.line(0.9, root, around(n + side * spread, arm, branch + out, 0, middle, middle))
    s.paint(mask | tips, ice.base)
    s.paint(tips & ~mask, ice.dark)
    s.paint(mask & s.box(0, 0, 8, 8), ice.light)
    center = d.pick(("gem", "disc", "none"))
    parts = []
    colors = [ice]
    if center != "none":
        gem = s.ramp("blue", "teal", "purple", "yellow", "white", avoid=(ice.word,))
        low, high = middle - 2.5, middle + 2.5
        diamond = s.poly((middle, low), (high, middle), (middle, high), (low, middle))
        s.paint(s.disc(middle, middle, 1.6) if center == "disc" else diamond, gem.base)
        parts.append(f"{a(gem.word)} middle")
        colors.append(gem)
    s.outline()
    s.tell("snowflake", with_parts(a(f"{ice.word} snowflake"), parts), colors, [f"{arm} arms"])


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
    body = s.both(s.disc(8 + bump, top, bump + 0.3, bump + 0.3)) | s.poly(
        (8 - half - 0.2, top + 0.5), (8 + half + 0.2, top + 0.5), (8, top + half * 1.45 + 0.5)
    )
    s.paint(s.grow(body) & s.drawn, INK)
    s.ball(body, skin.dark)
    if style == "cross":
        s.paint(s.box(7, top - 1.5, 9, top + 4.5) | s.box(5, top + 0.5, 11, top + 2.5), extra.base)
        parts.append(f"{a(extra.word)} cross")
    elif style == "sparks":
        sparkles(s, ((2, 13), (13, 13), (13, 2), (2, 2)), extra, d.pick((2, 4)))
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
    arm, half = (d.step(5, 6.5), d.step(1.5, 2.5)) if s.fine else (d.pick((5, 6)), d.pick((1, 2)))
    body = s.box(8 - half, 8 - arm, 8 + half, 8 + arm) | s.box(8 - arm, 8 - half, 8 + arm, 8 + half)
    ends = d.pick(("square", "flared", "notched", "round"))
    if ends == "flared":
        wide = half + 1
        body |= s.box(8 - wide, 8 - arm, 8 + wide, 9 - arm) | s.box(8 - wide, 7 + arm, 8 + wide, 8 + arm)
        body |= s.box(8 - arm, 8 - wide, 9 - arm, 8 + wide) | s.box(7 + arm, 8 - wide, 8 + arm, 8 + wide)
    elif ends == "round":
        body |= s.disc(8, 8, half + 1.5)
    elif ends == "notched":
        body |= s.box(8 - half - 1, 8 - half - 1, 8 + half + 1, 8 + half + 1)
    parts, colors = [], [color]
    if d.chance(0.6):
        extra = s.ramp("yellow", "white", "green", "blue", "purple", "red", avoid=(color.word,))
        style = d.pick(("disc", "sparks", "core"))
        if style == "disc":
            s.shade(s.disc(8, 8, 6.8), extra.dark)
            body &= s.disc(8, 8, 5.2)
        elif style == "sparks":
            sparkles(s, ((2, 2), (13, 13), (13, 2), (2, 13)), extra, d.pick((2, 3, 4)))
        parts.append(
            {"disc": f"{a(extra.word)} disc", "sparks": f"{extra.word} sparks", "core": f"{a(extra.word)} core"}[style]
        )
        colors.append(extra)
        s.solid(body, color)
        if style == "core":
            s.shade(s.box(8 - half + 0.5, 8 - half + 0.5, 8 + half - 0.5, 8 + half - 0.5), extra.dark, glow=0, depth=0)
    else:
        s.solid(body, color)
    s.outline()
    s.tell(
        "healing cross", with_parts(f"{a(color.word)} healing cross", parts), colors, [p.split()[-1] for p in parts]
    )


def moon_or_sun(s: Sketch) -> None:
    """A crescent moon with stars, or a sun with rays."""
    d = s.dice
    color = s.ramp("yellow", "orange", "white", "blue", "purple", "red", "pink")
    if d.chance(0.5):
        s.flipped = d.chance(0.5)
        body = s.disc(8, 8, d.step(5.5, 6.5)) & ~s.disc(d.step(10, 11.5), d.step(5.5, 8), d.step(4.5, 5.5))
        s.shade(body, color.dark)
        extra = s.ramp("white", "yellow", "blue", avoid=(color.word,))
        sparkles(s, ((11, 6), (13, 9), (10, 9)), extra, d.pick((1, 2, 3)))
        s.outline()
        s.tell("moon", f"{a(color.word)} crescent moon with {extra.word} sparks", [color, extra], ["sparks"])
        return
    core = s.ramp("yellow", "white", "orange", "red", avoid=(color.word,))
    count, size, turn = d.pick((6, 8, 8, 10)), d.step(3, 4), d.pick((0, 1 / 32))
    rays, short = 0, d.step(6, 7)
    for n in range(count):
        rays |= s.poly(
            around(n - 0.28, count, size + 0.3, turn),
            around(n, count, 7 if n % 2 == 0 else short, turn),
            around(n + 0.28, count, size + 0.3, turn),
        )
    s.paint(rays, color.base)
    s.paint(rays & s.box(8, 8, 16, 16), color.dark)
    s.ball(s.disc(8, 8, size), core.dark)
    s.outline()
    s.tell("sun", f"{a(core.word)} sun with {color.word} rays", [core, color], [f"{count} rays"])


CHARMS = (crystal, star, orb, swirl, rune_circle, shield, snowflake, heart, heal_cross, moon_or_sun)
