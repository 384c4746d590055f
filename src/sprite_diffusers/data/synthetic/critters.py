"""What do soft and crawling monsters look like? One function a creature, symmetric and front-facing."""

import math

from .canvas import INK, WHITE
from .monster_parts import eyes, horns, mouth, tell_monster
from .sketch import Sketch, a

_WINGS = (
    (".....#.", "....##.", "..#####", "#######", "#######", "#######", "##.##.#", "#..#..#"),
    ("......#", ".....##", "...####", ".######", "#######", "#######", "##.##.#", "#..#..."),
    ("..###..", ".#####.", "#######", "#######", "#######", "##.##.#", "#..#..#", "......#"),
    ("....#..", "...###.", ".######", "#######", "#######", "##.####", "#..##.#", "....#.."),
)


def slime(s: Sketch) -> None:
    """A wobbling dome."""
    d = s.dice
    skin = s.ramp("green", "blue", "red", "purple", "pink", "yellow", "teal", "orange")
    wide, tall = d.step(5, 6.5), d.step(7, 9.5)
    floor = 14
    features, extra = [], []
    crown = d.pick(("", "horns", "antenna", "leaf", "drip"))
    top = floor - tall
    if crown == "horns":
        horn = horns(s, wide - 3, top + 2, d.pick(("short", "straight")))
        features.append(f"{horn.word} horns")
        extra.append(horn)
    elif crown == "antenna":
        s.shade(s.line(1, (8, top + 1), (8, top - 2)), skin.dark, glow=0)
        s.ball(s.disc(8, top - 2, 1.2), skin.dark)
        features.append("an antenna")
    elif crown == "leaf":
        leaf = s.ramp("green", "orange", avoid=(skin.word,))
        s.shade(
            s.poly((8, top), (4.5, top - 2), (8, top - 1))
            | s.poly((8, top), (11.5, top - 2), (8, top - 1))
            | s.box(7.5, top - 1, 8.5, top + 1),
            leaf.dark,
        )
        features.append(f"{a(leaf.word)} leaf")
        extra.append(leaf)
    body = s.disc(8, floor - tall / 2, wide - 0.5, tall / 2) | s.disc(8, floor - 1.5, wide, 3)
    if crown == "drip":
        body |= s.poly((6, top + 1.5), (10, top + 1.5), (8 + d.step(-1, 1), top - 2))
    body &= s.box(0, 0, 16, floor)
    s.ball(body, skin.dark)
    if d.chance(0.4):
        s.dot(10.5, floor - 3, skin.light)
        s.dot(4.5, floor - 2, skin.light)
        features.append("bubbles")
    eye = floor - tall * 0.6
    if d.chance(0.2):
        s.paint(s.disc(8, eye + 1, 2), WHITE)
        s.dot(7.5, eye + 0.5, INK, 1.5, 1.5)
        features.append("one eye")
    else:
        eyes(s, eye, d.step(1, 3, 1), d.pick((1, 2, 2)))
    mouth(s, eye + 3, d.pick((2, 4)))
    tell_monster(s, "slime", skin, features, extra)


def bat(s: Sketch) -> None:
    """A small furry body between two spread wings."""
    d = s.dice
    fur = s.ramp("purple", "grey", "brown", "blue", "red", "green")
    skin = s.ramp("purple", "red", "brown", "grey", "pink", avoid=(fur.word,))
    glow = s.ramp("yellow", "red", "white", "green", avoid=(fur.word,))
    wing = s.both(s.stamp(d.pick(_WINGS), 8, d.pick((3, 4, 5))))
    s.paint(wing, skin.base)
    s.paint(wing & ~(wing << s.row), skin.light)
    s.paint(wing & ~(wing >> s.row * s.scale), skin.dark)
    if s.fine:
        s.paint(s.both(s.line(0.5, (9.5, 7), (11, 10)) | s.line(0.5, (12, 6), (13, 10))) & wing, skin.dark)
    half, low, ear = d.step(2, 3), d.step(2.5, 3.5), d.step(3.5, 5)
    body = s.disc(8, 8.5, half, low) | s.both(s.poly((8 + half, ear), (8 + half, 7), (8.3, 7)))
    s.paint(s.grow(body) & s.drawn, INK)
    s.ball(body, fur.dark)
    s.paint(s.both(s.box(9, 7, 10, 8)) if half > 2 or s.fine else s.both(s.box(8, 7, 9, 8)), glow.base)
    if d.chance(0.6):
        s.paint(s.both(s.box(8.5, 9.5, 9, 10.5)) if s.fine else s.both(s.box(8, 10, 9, 11)), WHITE)
    tell_monster(s, "bat", fur, [f"{skin.word} wings", f"{glow.word} eyes"], [skin, glow])


def spider(s: Sketch) -> None:
    """Eight legs around a round body."""
    d = s.dice
    skin = s.ramp("brown", "purple", "red", "grey", "green", "blue")
    glow = s.ramp("red", "yellow", "white", "green", avoid=(skin.word,))
    size, spread = d.step(3, 3.5), d.step(6, 7)
    legs = 0
    for y0, knee, foot in ((6, 3, 5.5), (8, 5.5, 8.5), (9, 9.5, 12), (10, 12, 15)):
        bend = d.step(-0.5, 0.5)
        legs |= s.line(1, (8, y0), (8 + spread - 1.5, knee + bend), (8 + spread, foot))
    if s.fine:
        s.paint(s.both(legs), skin.dark)
    body = s.disc(8, 6.5, size, size - 0.5)
    s.paint(s.grow(body) & s.drawn, INK)
    s.ball(body, skin.dark)
    features, extra = [f"{glow.word} eyes"], [glow]
    mark = d.pick(("", "cross", "stripe", "dots"))
    if mark:
        paint = s.ramp("red", "yellow", "orange", "white", "green", avoid=(skin.word, glow.word))
        shapes = {
            "cross": s.box(7, 4, 9, 8) | s.box(6, 5, 10, 6.5),
            "stripe": s.box(4, 6, 12, 7),
            "dots": s.both(s.box(5.5, 5, 6.5, 6)) | s.box(7.5, 6, 8.5, 7),
        }
        s.paint(shapes[mark] & s.shrink(body), paint.base)
        features.append(f"{a(paint.word)} {mark}" if mark != "dots" else f"{paint.word} dots")
        extra.append(paint)
    head = s.disc(8, 11, d.step(2, 2.5), 2)
    s.solid(head, skin)
    s.paint(s.both(s.box(6.5, 10.5, 7.5, 11.5)) if s.fine else s.both(s.box(6, 10, 7, 11)), glow.base)
    s.paint(s.both(s.box(7, 13, 8 - 0.5 * s.fine, 14)), WHITE)
    if not s.fine:
        # An outlined leg is three pixels wide: at this size eight of them would run together.
        s.outline()
        s.paint(s.both(legs) & ~s.drawn, INK)
        s.drawn = 0
    tell_monster(s, "spider", skin, features, extra)


def mushroom_creature(s: Sketch) -> None:
    """A mushroom with a face and feet."""
    d = s.dice
    cap, stem = s.ramp("red", "purple", "blue", "green", "orange", "brown", "pink"), s.ramp("white", "tan", "yellow")
    wide, tall, half = d.step(5.5, 6.5), d.step(5, 6), d.step(2.5, 3.5)
    s.shade(s.both(s.disc(8 + half - 0.5, 14, 1.5, 1)), stem.dark, glow=0)
    if d.chance(0.5):
        s.shade(s.both(s.line(1.4, (8 + half, 10.5), (8 + half + 2, d.step(10, 12)))), stem.dark)
    body = s.box(8 - half, 7, 8 + half, 13) | s.disc(8, 12, half + 0.5, 2)
    s.shade(body, stem.dark, glow=0)
    top = s.disc(8, 8, wide, tall) & s.box(0, 0, 16, 8.5)
    s.solid(top, cap)
    for x, y, r in d.pick(
        (((8, 4.5, 1.2), (4.5, 6.5, 1), (11.5, 6.5, 1)), ((6, 4.5, 1.2), (10.5, 6, 1.2), (4, 7.5, 0.8)))
    ):
        s.paint(s.disc(x, y, r) & s.shrink(top), WHITE)
    eye = d.pick((1, 2))
    s.paint(s.both(s.box(9, 9.5, 10, 9.5 + eye)), INK)
    if d.chance(0.6):
        s.dot(7, 12, INK, 2, 1)
    tell_monster(s, "mushroom creature", cap, [f"a {stem.word} body", "white spots"], [stem])
    s.colors = tuple(dict.fromkeys((*s.colors, "white")))


def octopus(s: Sketch) -> None:
    """A round head above curling arms."""
    d = s.dice
    skin = s.ramp("purple", "red", "pink", "orange", "blue", "green", "teal")
    wide, top = d.step(4, 5), d.step(2, 3.5)
    arms = 0
    for x, foot in ((1, d.step(1, 2)), (3, d.step(3.5, 4.5)), (4.5, 6.2)):
        arms |= s.line(1.5, (8 + x * 0.7, 9), (8 + x, 12), (8 + foot, d.step(12.5, 14)))
    s.shade(s.both(arms), skin.dark)
    head = s.disc(8, top + 4, wide, 4.2) | s.disc(8, 9, wide - 1, 2.5)
    s.ball(head, skin.dark)
    eyes(s, 6.5, d.step(1, 3, 1), 2)
    features = []
    if d.chance(0.5):
        s.paint(s.disc(8, 10.3, 1, 0.8), INK)
        features.append("a round mouth")
    if d.chance(0.5):
        s.dot(9, top + 1, skin.light)
        s.dot(10, top + 3, skin.dark)
        s.dot(6, top + 1, skin.dark)
        features.append("spots")
    tell_monster(s, "octopus", skin, features, [])


def plant(s: Sketch) -> None:
    """A flower with a toothed mouth."""
    d = s.dice
    petal, stem = s.ramp("red", "purple", "pink", "orange", "yellow", "blue"), s.ramp("green", "teal")
    inside = s.ramp("yellow", "red", "purple", "orange", avoid=(petal.word,))
    s.shade(s.line(1.4, (8, 9), (8 + d.step(-1, 1), 12), (8, 15)), stem.dark, glow=0)
    s.shade(s.both(s.poly((8, 15), (10.5, 11), (13.5, 12 - d.step(0, 1)), (12, 14.5))), stem.dark)
    count, reach = d.pick((5, 6, 8)), d.step(3, 4)

    ring = 0
    for n in range(count):
        angle = 2 * math.pi * (n + 0.25) / count
        ring |= s.disc(round(8 + reach * math.cos(angle), 1), round(6.5 + reach * math.sin(angle), 1), 2)
    s.shade(ring, petal.dark)
    face = s.disc(8, 6.5, 3.2)
    s.paint(s.grow(face), petal.dark)
    s.ball(face, inside.dark)
    s.paint(s.both(s.box(9, 5, 10, 6)), INK)
    s.paint(s.box(6, 7, 10, 9), INK)
    s.paint(s.both(s.box(9, 7, 10, 8)) | s.box(7, 8, 8, 9), WHITE)
    tell_monster(s, "flower monster", petal, [f"{a(inside.word)} face", "teeth"], [inside])


def crab(s: Sketch) -> None:
    """A wide shell, claws up, eyes on stalks."""
    d = s.dice
    shell = s.ramp("red", "orange", "blue", "purple", "green", "pink")
    wide, claw = d.step(4, 5), d.step(3.5, 5.5)
    legs = 0
    for y in (11, 12, 13):
        legs |= s.line(1, (10, y - 1), (12.5 + (13 - y) / 2, y - 0.5), (12.5 + (13 - y) / 2, y + 1.5))
    s.paint(s.both(legs), shell.dark)
    arm = s.line(1.4, (11, 9), (13, 8), (13, claw + 1))
    hand = s.disc(13, claw, 2, 2) & ~s.poly((13, claw), (11.5, claw - 3), (14, claw - 3))
    s.shade(s.both(arm | hand), shell.dark)
    stalk = d.step(3, 5, 1)
    s.paint(s.both(s.box(9, stalk, 10, 8)), shell.dark)
    s.paint(s.both(s.box(9, stalk, 11, stalk + 2) if s.fine else s.box(9, stalk, 10, stalk + 2)), WHITE)
    s.paint(s.both(s.box(9, stalk + 0.5, 10, stalk + 1.5) if s.fine else s.box(9, stalk + 1, 10, stalk + 2)), INK)
    body = s.disc(8, 10, wide, d.step(3, 3.5))
    s.paint(s.grow(body) & s.drawn & s.box(0, 8, 16, 16), INK)
    s.ball(body, shell.dark)
    features = []
    if d.chance(0.5):
        s.paint(s.both(s.box(9, 9, 10, 10)) | s.box(7, 8, 8, 9), shell.dark)
        features.append("a spotted shell")
    s.dot(7, 11, INK, 2, 1)
    tell_monster(s, "crab", shell, features, [])


def owl(s: Sketch) -> None:
    """Round eyes, a beak, folded wings."""
    d = s.dice
    coat, belly, beak = (
        s.ramp("brown", "grey", "white", "purple", "blue"),
        s.ramp("tan", "white", "yellow"),
        s.ramp("orange", "yellow"),
    )
    wide, top = d.step(4, 5), d.step(2.5, 3.5)
    s.shade(s.both(s.box(8.5, 13, 10.5, 15)), beak.dark, glow=0)
    s.shade(
        s.both(s.poly((8 + wide - 2.5, top + 2), (8 + wide, top + 3), (8 + wide, top - d.step(0, 1.5)))), coat.dark
    )
    body = s.disc(8, 9, wide, 5) | s.disc(8, top + 3, wide, 3)
    s.ball(body, coat.dark)
    s.paint(s.disc(8, 11.5, wide - 1.5, 2.5), belly.base)
    for x, y in ((6.5, 11), (9.5, 11), (8, 12.5), (8, 10)):
        s.dot(x - 0.5, y, belly.dark, 1, 1 if not s.fine else 0.5)
    s.solid(s.both(s.disc(8 + wide - 0.3, 10.5, 1.2, 3)), coat, glow=0)
    s.paint(s.both(s.disc(10, top + 3.5, 1.9)), WHITE)
    s.paint(s.both(s.box(9, top + 3, 10, top + 4) if not s.fine else s.disc(9.8, top + 3.5, 1)), INK)
    s.paint(s.poly((7, top + 4.5), (9, top + 4.5), (8, top + 7)), beak.base)
    tell_monster(s, "owl", coat, [f"{a(belly.word)} belly", f"{a(beak.word)} beak"], [belly, beak])


def frog(s: Sketch) -> None:
    """Bulging eyes above a wide mouth."""
    d = s.dice
    skin, belly = (
        s.ramp("green", "blue", "red", "orange", "purple", "teal", "yellow"),
        s.ramp("white", "yellow", "tan"),
    )
    if belly.word == skin.word:
        belly = s.ramp("white")
    wide = d.step(5, 6)
    s.shade(s.both(s.disc(8 + wide - 1, 12.5, 2, 1.8)), skin.dark)
    body = s.disc(8, 9.5, wide, d.step(3.5, 4.5))
    s.paint(s.grow(body) & s.drawn, INK)
    s.ball(body, skin.dark)
    top = d.step(3, 4, 1)
    bulge = s.both(s.disc(8 + wide - 2.2, top + 1, 2))
    s.paint(s.grow(bulge) & s.drawn & s.box(0, 6, 16, 7), skin.dark)
    s.ball(bulge, skin.dark)
    s.paint(s.both(s.box(8 + wide - 3, top, 8 + wide - 1, top + 2)), WHITE)
    s.paint(s.both(s.box(8 + wide - d.pick((3, 2)), top + d.pick((0.5, 1)), 8 + wide - 1.5, top + 2)), INK)
    s.paint(s.disc(8, 12, wide - d.pick((1.5, 2, 3)), d.pick((1.5, 2))), belly.base)
    s.paint(
        s.box(9 - wide + 1, 9, 7 + wide - 1, 10 - 0.5 * s.fine) | s.both(s.box(7 + wide - 1.5, 8, 8 + wide - 1.5, 9)),
        INK,
    )
    features = [f"{a(belly.word)} belly"]
    if d.chance(0.4):
        s.dot(7, 7, skin.dark, 2, 1)
        s.dot(4, 8, skin.dark)
        s.dot(11, 8, skin.dark)
        features.append("spots")
    tell_monster(s, "frog", skin, features, [belly])


# Slimes come in the most shapes, so they are drawn twice as often.
CRITTERS = (slime, slime, bat, spider, mushroom_creature, octopus, plant, crab, owl, frog)
