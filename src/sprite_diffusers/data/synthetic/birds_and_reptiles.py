"""What do birds, snakes, dragons and other crawlers look like from the side? One function an animal."""

from .canvas import INK, WHITE, Point
from .side_parts import eye, face_somewhere, tell_facing
from .sketch import Sketch, a


def bird(s: Sketch) -> None:
    """A small bird: pointed beak, tail feathers, a wing, thin legs."""
    d = s.dice
    coat = s.ramp("blue", "red", "yellow", "green", "purple", "orange", "brown", "white", "teal", "pink")
    belly, beak = (
        s.ramp("white", "yellow", "orange", "tan", avoid=(coat.word,)),
        s.ramp("orange", "yellow", avoid=(coat.word,)),
    )
    way = face_somewhere(s)
    lift, size = d.step(7, 11), d.step(2.5, 3)
    s.shade(s.poly((5, 8), (5, 11), (1.2, lift + 1.5), (1.5, lift - 1)), coat.dark, glow=0)
    s.paint(s.box(7, 12, 8, 15) | s.box(9, 12, 10, 15) | s.box(9, 14, 11, 15), beak.dark)
    body = s.disc(7.5, 9.5, 3.8, d.step(3, 3.5)) | s.disc(10.3, 6, size)
    s.paint(s.poly((12, 5), (15, 6.5), (12, 7.5)), beak.base)
    s.paint(s.poly((12, 6.5), (14.5, 6.7), (12, 7.7)), beak.dark)
    s.ball(body, coat.dark)
    s.paint(body & s.disc(9.5, 11, 3, 2.2), belly.base)
    if d.chance(0.3):
        s.shade(s.poly((9, 4), (7.5, 1.5), (10.5, 3.2)), coat.dark, glow=0)
    wing = s.poly((9, 8), (8, 11), (3.5, d.step(8.5, 10.5)), (5, 7.5))
    s.paint(s.grow(wing) & s.drawn, coat.dark)
    s.shade(wing, coat.dark, glow=0)
    s.paint(s.line(0.8, (5, 8.3), (8.5, 8.3)), coat.light)
    eye(s, 11, 5)
    tell_facing(s, "bird", coat, way, [f"{a(belly.word)} belly", f"{a(beak.word)} beak"], [belly, beak])


def duck(s: Sketch) -> None:
    """A duck: flat bill, low boat-shaped body."""
    d = s.dice
    coat, bill = s.ramp("yellow", "white", "brown", "green", "grey", "blue"), s.ramp("orange", "red", "yellow")
    if bill.word == coat.word:
        bill = s.ramp("orange", "red", avoid=(coat.word,))
    way = face_somewhere(s)
    neck, tail = d.step(4.5, 6), d.step(5.5, 7.5)
    s.paint(
        s.box(6, 12.5, 7, 14.5) | s.box(6, 14, 8.5, 14.8) | s.box(9, 12.5, 10, 14.5) | s.box(9, 14, 11.5, 14.8),
        bill.dark,
    )
    s.paint(s.box(12, neck + 0.5, 15.2, neck + 1.8) | s.box(12, neck - 0.2, 13.5, neck + 1), bill.base)
    s.paint(s.box(13, neck + 1.3, 15.2, neck + 2), bill.dark)
    body = s.disc(7, 10, 4.8, 3) | s.poly((3, 11), (1.2, tail), (5, 8.5)) | s.box(9, neck, 12, 10)
    body |= s.disc(10.8, neck, 2.4, 2.3)
    s.ball(body, coat.dark)
    wing = s.disc(6.5, 9.8, d.step(2.5, 3), 1.7)
    s.paint(s.grow(wing) & body, coat.dark)
    s.shade(wing, coat.dark, glow=1, depth=0)
    eye(s, 11, neck - 1)
    tell_facing(s, "duck", coat, way, [f"{a(bill.word)} bill"], [bill])


def chicken(s: Sketch) -> None:
    """A hen or rooster: comb, wattle, raised tail."""
    d = s.dice
    coat, comb = s.ramp("white", "brown", "orange", "yellow", "tan", "grey", "blue"), s.ramp("red", "pink")
    beak = s.ramp("yellow", "orange", avoid=(coat.word,))
    way = face_somewhere(s)
    tail = s.ramp("green", "blue", "brown", "white", "red", "purple", avoid=(coat.word, comb.word))
    plume = d.step(2.5, 5)
    s.shade(s.poly((5.5, 11), (2, 10), (1, plume + 1), (3, plume), (6.5, 8)), tail.dark)
    s.paint(s.box(6, 12, 7, 15) | s.box(9, 12, 10, 15) | s.box(6, 14.3, 8, 15) | s.box(9, 14.3, 11, 15), beak.dark)
    s.paint(s.disc(10, 2.5, 1.1) | s.disc(11.8, 2.6, 1.1) | s.box(9.5, 2.5, 12.5, 3.5), comb.base)
    s.paint(s.poly((12, 4.5), (15, 5.8), (12, 6.5)), beak.base)
    s.paint(s.disc(12.5, 7.5, 0.9, 1.3), comb.dark)
    body = s.disc(7.5, 10, 4.2, d.step(3, 3.5)) | s.poly((6, 9), (9.2, 4), (12.5, 5), (11.5, 10)) | s.disc(10.8, 5, 2)
    s.ball(body, coat.dark)
    wing = s.disc(6.8, 9.8, d.step(2, 2.5), 1.6)
    s.paint(s.grow(wing) & body, coat.dark)
    s.shade(wing, coat.dark, depth=0)
    eye(s, 11, 4)
    tell_facing(s, "chicken", coat, way, [f"{a(comb.word)} comb", f"{a(tail.word)} tail"], [comb, tail])


def snake(s: Sketch) -> None:
    """A snake: waves or coils on the ground, head up, forked tongue."""
    d = s.dice
    skin = s.ramp("green", "brown", "red", "yellow", "purple", "blue", "orange", "teal")
    mark = s.ramp("yellow", "red", "white", "orange", "green", "brown", avoid=(skin.word,))
    way = face_somewhere(s)
    width, head = d.step(2, 2.6, 0.3), d.step(3.5, 6)
    style = d.pick(("wave", "coil", "rise") if s.fine else ("wave", "rise"))
    path: tuple[Point, ...]
    if style == "coil":
        path = (
            (4, 12.5),
            (8, 13.2),
            (12, 12),
            (11, 10.5),
            (7, 10.5),
            (5.5, 9),
            (8.5, 8),
            (9.5, 6.5),
            (10, head + 0.5),
        )
    elif style == "wave":
        path = ((1.8, 9.5), (3.5, 12.5), (5.5, 12.5), (7, 9), (8.5, 9), (9.5, 12), (11, 11.5), (11.5, head + 1))
    else:
        path = ((1.8, 13), (5, 13), (8, 13), (10.5, 12), (10.5, 10), (8, 9), (8.5, 6.5), (10.5, head + 0.5))
    s.paint(s.line(0.8, (13, head), (15, head + 0.7)), s.ramp("red", "pink").base)
    body = s.line(width, *path)
    s.shade(body, skin.dark)
    pattern = d.pick(("bands", "belly", "spots"))
    if pattern == "bands":
        for x, y in path[1:-1]:
            s.paint(s.box(x - 0.5, y - 1.5, x + 0.5, y + 1.5) & body, mark.base)
    elif pattern == "belly":
        s.paint(s.line(0.9, *((x + 0.5, y + 0.6) for x, y in path)) & body, mark.base)
    else:
        for x, y in path[1:-1]:
            s.paint(s.box(x - 0.5, y - 0.5, x + 0.5, y + 0.5) & body, mark.base)
    cx = path[-1][0] + 0.8
    skull = s.disc(cx, head, 2.2, 1.7)
    s.paint(s.grow(skull) & body, skin.dark)
    s.shade(skull, skin.dark, depth=0)
    eye(s, round(cx), head - 1)
    word = {"bands": f"{mark.word} bands", "belly": f"{a(mark.word)} belly", "spots": f"{mark.word} spots"}[pattern]
    tell_facing(s, "snake", skin, way, [word], [mark])


def dinosaur(s: Sketch) -> None:
    """A two-legged lizard: heavy head with teeth, tiny arm, thick tail, back plates."""
    d = s.dice
    skin = s.ramp("green", "red", "purple", "orange", "blue", "teal", "brown", "yellow")
    belly = s.ramp("yellow", "white", "tan", "orange", avoid=(skin.word,))
    plate = s.ramp("red", "orange", "yellow", "purple", "blue", "green", avoid=(skin.word, belly.word))
    way = face_somewhere(s)
    tail, jaw = d.step(8.5, 12), d.step(14, 15)
    spikes = d.chance(0.7)
    if spikes:
        for x, y in ((8.5, 2.7), (6.5, 5), (5, 7.5), (3, 9.2)):
            s.paint(s.poly((x - 1.2, y + 2), (x - 1, y - 0.7), (x + 1.5, y + 1)), plate.base)
    s.shade(s.poly((6, 8.5), (7, 12.5), (4, 13), (1, tail), (1, tail - 0.8), (4, 10)), skin.dark)
    s.paint(s.poly((8.5, 11), (10.5, 11), (10.5, 14), (11.5, 15), (8.5, 15)), skin.dark)
    body = s.disc(7.5, 9.5, 3, 3.7) | s.poly((6, 8), (8, 3.5), (11, 4), (10.5, 9.5))
    s.shade(body, skin.dark, depth=0)
    s.paint(body & s.disc(10, 10, 1.8, 3.4), belly.base)
    s.shade(s.poly((5, 11), (8, 11), (7.5, 13.5), (8.5, 15), (5.5, 15), (5.5, 13.5)), skin.dark, glow=0)
    s.shade(s.box(8, 2, 12, 6) | s.box(10, 2.7, jaw, 5.5) | s.disc(9.3, 4, 2, 2.1), skin.dark, depth=0)
    s.paint(s.box(10.5, 6, jaw - 0.5, 7), skin.dark)
    for x in (11, 13):
        s.dot(x, 5 if not s.fine else 5.3, WHITE, 1 if not s.fine else 0.6, 1)
    s.paint(s.line(1, (10, 8.5), (12, 8.8), (12, 9.8)), skin.dark)
    eye(s, 10, 3)
    features, colors = [f"{a(belly.word)} belly"], [belly]
    if spikes:
        features.append(f"{plate.word} spikes")
        colors.append(plate)
    tell_facing(s, "dinosaur", skin, way, features, colors)


def dragon(s: Sketch) -> None:
    """A dragon: wing up, horned head on a neck, spiked tail, perhaps breathing fire."""
    d = s.dice
    skin = s.ramp("red", "green", "blue", "purple", "orange", "grey", "teal", "yellow")
    wing, belly = (
        s.ramp("orange", "yellow", "purple", "red", "blue", "brown", avoid=(skin.word,)),
        s.ramp("yellow", "tan", "white", avoid=(skin.word,)),
    )
    way = face_somewhere(s)
    tip, tail = d.step(1.5, 3.5), d.step(6, 9)
    s.shade(s.line(1.7, (5, 11), (2.5, 11.5), (1.8, tail + 1)), skin.dark, glow=0)
    s.shade(s.poly((0.8, tail + 1), (1.8, tail - 1.5), (3, tail + 1)), wing.dark, glow=0)
    s.paint(s.box(5, 12, 6.5, 15) | s.box(9, 12, 10.5, 15), skin.dark)
    body = s.disc(7, 10.5, 3.5, 2.8) | s.poly((7, 9), (10.5, 4), (12.5, 5), (10, 11.5))
    s.shade(body, skin.dark)
    s.paint(body & s.disc(9, 11.5, 2.4, 2), belly.base)
    s.shade(s.box(4, 12, 6, 14.8) | s.box(8, 12, 10, 14.8), skin.dark, glow=0)
    membrane = s.poly((8, 9.5), (4.5, tip), (3, tip + 1.5), (2.2, 8), (4, 7.2), (5, 9), (6, 8))
    s.paint(s.grow(membrane) & s.drawn, INK)
    s.shade(membrane, wing.dark)
    s.paint(s.poly((9.5, 4.5), (8, 1.5), (11.5, 3.5)), belly.light)
    s.shade(s.disc(11, 4.8, 2, 1.9) | s.box(11, 4, d.step(14, 14.5), 6.5), skin.dark, depth=0)
    s.dot(13, 5 if s.fine else 6, INK, 1.5 if s.fine else 1, 0.5 if s.fine else 1)
    eye(s, 11, 4)
    tell_facing(s, "dragon", skin, way, [f"{wing.word} wings", f"{a(belly.word)} belly"], [wing, belly])


def turtle(s: Sketch) -> None:
    """A turtle: domed shell with plates, head out in front."""
    d = s.dice
    shell, skin = (
        s.ramp("green", "brown", "red", "blue", "purple", "orange"),
        s.ramp("green", "yellow", "tan", "teal", "brown"),
    )
    if shell.word == skin.word:
        skin = s.ramp("yellow", "tan", "green", avoid=(shell.word,))
    way = face_somewhere(s)
    high, head = d.step(5, 6.5), d.step(7, 9)
    s.paint(s.poly((3, 11), (1, 12.5), (3.5, 12.5)), skin.dark)
    s.shade(s.box(3.5, 11, 6, 14) | s.box(8.5, 11, 11, 14), skin.dark, glow=0)
    s.shade(s.line(1.8, (10, 11), (12, 10.5), (12.8, head)) | s.disc(13, head, 1.9, 1.7), skin.dark)
    dome = s.disc(7, 11, 5.3, high) & s.box(0, 0, 16, 11)
    s.solid(dome, shell)
    for x in (5, 8) if not d.chance(0.4) else (4, 6.5, 9):
        s.paint(s.line(0.8, (x, 10.5), (x + (7 - x) * 0.4 + 0.3, 11 - high)) & s.shrink(dome), shell.dark)
    s.paint(s.line(0.8, (2.5, 11 - high * 0.45), (11.5, 11 - high * 0.45)) & s.shrink(dome), shell.dark)
    s.paint(s.box(1.8, 10.5, 12.2, 11.6) & ~s.box(0, 0, 1.8, 16), skin.light)
    eye(s, 13, head - 1)
    tell_facing(s, "turtle", shell, way, [f"{a(skin.word)} head"], [skin])


def snail(s: Sketch) -> None:
    """A snail: spiral shell on a long foot, eyes on stalks."""
    d = s.dice
    shell, skin = (
        s.ramp("orange", "red", "brown", "purple", "blue", "pink", "yellow", "green"),
        s.ramp("tan", "yellow", "green", "grey", "white", "brown"),
    )
    if shell.word == skin.word:
        skin = s.ramp("yellow", "white", "grey", avoid=(shell.word,))
    way = face_somewhere(s)
    size, stalk = d.step(4, 4.8, 0.4), d.step(4, 6)
    s.shade(
        s.poly((1.3, 14), (3, 12.3), (11, 12), (11.5, 8.5), (13.8, 8.5), (13.8, 12.5), (12.5, 14))
        | s.disc(12.6, 9.3, 1.5),
        skin.dark,
    )
    s.paint(s.line(0.8, (12, 8.5), (11.5, stalk)) | s.line(0.8, (13.3, 8.5), (14, stalk + 0.5)), skin.base)
    s.paint(s.box(11, stalk - 0.5, 12, stalk + 0.5) | s.box(13.5, stalk, 14.5, stalk + 1), INK)
    ball = s.disc(6.3, 12.6 - size, size)
    s.paint(s.grow(ball) & s.drawn, INK)
    s.ball(ball, shell.dark)
    cy = 12.6 - size
    s.paint(
        s.line(
            0.9,
            (6.3, cy),
            (7.5, cy - 0.4),
            (7.3, cy - 1.8),
            (5.5, cy - 1.8),
            (4.5, cy),
            (5.3, cy + 2),
            (8.5, cy + 2),
            (9.3, cy),
        )
        & ball,
        shell.dark,
    )
    tell_facing(s, "snail", shell, way, [f"{a(skin.word)} body"], [skin])


def shark(s: Sketch) -> None:
    """A shark or dolphin: back fin, crescent tail."""
    d = s.dice
    skin, belly = s.ramp("grey", "blue", "teal", "purple"), s.ramp("white")
    way = face_somewhere(s)
    toothy = d.chance(0.6)
    fin, tail, fat = d.step(1.5, 3.5), d.step(3, 4), d.step(2.5, 3.2, 0.35)
    s.shade(s.poly((4, 8.5), (0.8, 8.5 - tail), (2.3, 8.5), (1, 8.5 + tail - 1)), skin.dark, glow=0)
    s.shade(s.poly((6, 7), (6, fin + 1), (7, fin), (10, 7)), skin.dark)
    s.shade(s.poly((7.5, 10), (6, 13.5), (10, 10.5)), skin.dark, glow=0)
    body = s.disc(8, 8.5, 5.5, fat) | s.poly(
        (11, 6.5), (15, 8 if toothy else 8.8), (15, 8.7 if toothy else 9.6), (11, 11)
    )
    s.shade(body, skin.dark, depth=0)
    s.paint(body & s.disc(9, 11.3, 5.5, 2.2), belly.base)
    if toothy:
        s.dot(12, 9 if not s.fine else 9.3, INK, 2, 1 if not s.fine else 0.6)
        s.dot(12.5 if s.fine else 13, 9 if not s.fine else 9.3, WHITE, 0.5 if s.fine else 1, 0.6 if s.fine else 1)
        s.paint(s.line(0.5, (9, 7.5), (8.7, 9.5)) & body, skin.dark)
    eye(s, 11, 7)
    tell_facing(s, "shark" if toothy else "dolphin", skin, way, ["a white belly"], [belly])


def crocodile(s: Sketch) -> None:
    """A crocodile: open jaws full of teeth, low body, ridged back, raised tail."""
    d = s.dice
    skin, belly = s.ramp("green", "teal", "brown"), s.ramp("yellow", "tan", "white")
    if skin.word == belly.word:
        belly = s.ramp("white", "yellow", avoid=(skin.word,))
    way = face_somewhere(s)
    tail, gape, back = d.step(3.5, 8), d.step(0, 2), d.step(7, 8)
    for x in (3, 5, 7):
        s.paint(s.poly((x - 1, back + 1), (x, back - 1.5), (x + 1, back + 1)), skin.dark)
    s.shade(s.line(1.9, (4, 10), (2.5, 9.5), (1.8, tail)), skin.dark, glow=0)
    s.shade(s.box(3, 11, 5, 14) | s.box(7, 11, 9, 14), skin.dark, glow=0)
    body = s.box(2, back, 9, 12) & ~s.box(2, back, 3, back + 1) | s.disc(8.5, 9.5, 2, 2.5)
    s.shade(body, skin.dark, depth=0)
    s.paint(body & s.box(0, 11, 16, 13), belly.base)
    red = s.ramp("red", "pink")
    s.paint(s.poly((8.5, 10), (14, 7.5 - gape), (14, 11.5)), red.dark)
    s.shade(s.poly((8, 10), (8, 12.5), (14.2, 12.5), (14.2, 11)), skin.dark, glow=0)
    s.shade(
        s.poly((7.5, 10), (8, 6.5), (9.5, 5.5), (11, 6.5 - gape / 2), (14.2, 6 - gape), (14.2, 8 - gape), (10, 9.5)),
        skin.dark,
        depth=0,
    )
    for x in (11, 13):
        s.dot(x, 10, WHITE, 1, 1)
    s.dot(13, 8 - gape if s.fine else round(8 - gape), WHITE, 1, 1)
    eye(s, 9, 6)
    tell_facing(s, "crocodile", skin, way, [f"{a(belly.word)} belly", "teeth"], [belly])


BIRDS_AND_REPTILES = (bird, duck, chicken, snake, dinosaur, dragon, turtle, snail, shark, crocodile)
