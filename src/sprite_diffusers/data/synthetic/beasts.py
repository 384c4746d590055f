"""What do four-legged animals look like from the side? One body plan, and the head and tail of each animal."""

from .canvas import INK, WHITE
from .side_parts import eye, face_somewhere, tell_facing
from .sketch import Material, Sketch, a


def _legs(s: Sketch, coat: Material, back: float, front: float, top: float, width: float, foot: float = 14.5) -> None:
    """Two near legs and, darker and a step away, two far ones."""
    if not s.fine:
        # A pixel between a near and a far leg becomes outline and keeps them apart.
        wide, stride = (1, 2) if width < 1.7 else (2, 2)
        back, front = int(back), int(front)
        lift = s.dice.pick((0, 0, 1))
        s.paint(
            s.box(back + stride, top, back + stride + 1, foot - lift)
            | s.box(front + wide - stride - 1, top, front + wide - stride, foot),
            coat.dark,
        )
        s.paint(s.box(back, top, back + wide, foot) | s.box(front, top, front + wide, foot - lift), coat.base)
        return
    step = s.dice.pick((0, 0.5, 1))
    for x, lean in ((back + width + 0.5, step), (front - width - 0.5, -step)):
        s.paint(s.poly((x, top), (x + width, top), (x + width + lean, foot), (x + lean, foot)), coat.dark)
    for x, lean in ((back, -step), (front, step)):
        s.paint(s.poly((x, top), (x + width, top), (x + width + lean, foot), (x + lean, foot)), coat.base)


def _hide(s: Sketch, body: int, coat: Material, words: tuple[str, ...] = ("red",)) -> tuple[str, Material] | None:
    """Sometimes a pattern on the body; returns its phrase and material."""
    d = s.dice
    style = d.pick(("", "", "spots", "stripes", "patch"))
    if not style:
        return None
    mark = s.ramp("white", "brown", "tan", "grey", "orange", avoid=(coat.word,))
    inner = body if not s.fine else s.shrink(body)
    if style == "spots":
        shape = s.disc(5, 9, 1) | s.disc(8, 8.5, 1.1) | s.disc(6.5, 10.5, 0.9)
    elif style == "stripes":
        shape = s.box(4, 7, 5, 10.5) | s.box(6, 7, 7, 11) | s.box(8, 7, 9, 10.5)
    else:
        shape = s.disc(d.step(5, 7.5), 8, d.step(1.5, 2), 1.5)
    s.paint(shape & inner, mark.base)
    return (f"{mark.word} {style}" if style != "patch" else f"{a(mark.word)} patch"), mark


def dog(s: Sketch) -> None:
    """A dog or wolf: snout, raised tail, ears up or hanging."""
    d = s.dice
    coat = s.ramp("brown", "tan", "grey", "white", "orange", "yellow")
    way = face_somewhere(s)
    wolf = coat.word in ("grey", "white") and d.chance(0.6)
    leg, back, nose = d.step(11, 12), d.step(6.5, 7.5), d.step(14, 15)
    tail = d.step(4, 7)
    s.shade(
        s.line(1.6, (3.5, back + 1.5), (2, back - 0.5), (1.5 + d.step(0, 1), tail))
        if not wolf
        else s.line(2, (3.5, back + 1), (1.8, back + 2), (1.2, back + 4)),
        coat.dark,
        glow=0,
    )
    _legs(s, coat, 3, 9, leg - 2, 1.5)
    body = s.disc(5, back + 2, 2.3, 2.4) | s.disc(9, back + 1.8, 2.6, 2.6) | s.box(5, back, 9, back + 4)
    s.shade(body, coat.dark)
    mark = _hide(s, body, coat)
    ears = "up" if wolf else d.pick(("up", "down", "down"))
    if ears == "up":
        s.shade(s.poly((9.5, 4.5), (9.8, 1.5), (12, 4)), coat.dark)
    head = s.disc(11, 5.8, 2.4, 2.3) | s.poly((9, 5), (12, 5), (11, 10), (8, 9))
    s.shade(head, coat.dark)
    s.shade(s.box(12, 5.5, nose, 7.8), coat.dark, glow=0)
    s.dot(nose - 1, 5.5, INK, 1, 1)
    eye(s, 11, 5)
    if ears == "down":
        s.paint(s.disc(9.3, 6.5, 1.1, 2), coat.dark)
    features, colors = [], []
    if mark:
        features.append(mark[0])
        colors.append(mark[1])
    elif d.chance(0.6) and not wolf:
        collar = s.ramp("red", "blue", "green", "yellow", "purple", avoid=(coat.word,))
        s.paint(s.line(1, (8.6, 7.2), (11, 8.5)) & s.drawn, collar.base)
        features.append(f"a {collar.word} collar")
        colors.append(collar)
    tell_facing(s, "wolf" if wolf else "dog", coat, way, features, colors)


def cat(s: Sketch) -> None:
    """A cat: round head, pointed ears, long curled tail."""
    d = s.dice
    coat = s.ramp("orange", "grey", "brown", "white", "tan", "yellow")
    way = face_somewhere(s)
    leg, top = d.step(11, 12), d.step(2, 5)
    curl = d.pick((-1, 1))
    s.shade(s.line(1.3, (4, 9.5), (2.2, 8), (2.2, top + 1.5), (2.2 + curl, top)), coat.dark, glow=0)
    _legs(s, coat, 4, 9.5, leg - 2, 1.3)
    body = s.disc(5.5, 9.5, 2.2, 2.2) | s.disc(9, 9.3, 2.5, 2.2) | s.box(5, 7.5, 9, 11)
    s.shade(body, coat.dark)
    mark = _hide(s, body, coat)
    s.shade(s.poly((9.2, 5), (9.2, 2), (11, 4)) | s.poly((12, 4), (13.6, 2), (13.6, 5)), coat.dark, glow=0)
    head = s.disc(11.5, 6.3, 2.8, 2.5)
    s.paint(s.grow(head) & body, coat.dark)
    s.ball(head, coat.dark)
    eye(s, 12, 5.5)
    s.dot(13.5, 6.5, s.ramp("pink", "red", "orange").base, 1, 1 if not s.fine else 0.5)
    if s.fine:
        s.paint(s.line(0.4, (12.5, 8), (14.5, 8)), INK)
    features, colors = ([mark[0]], [mark[1]]) if mark else ([], [])
    tell_facing(s, "cat", coat, way, features, colors)


def horse(s: Sketch) -> None:
    """A horse: long neck, mane, long legs, hanging tail; sometimes a saddle or a horn."""
    d = s.dice
    coat, mane = (
        s.ramp("brown", "white", "grey", "tan", "orange"),
        s.ramp("brown", "yellow", "white", "grey", "red", "purple", "pink"),
    )
    if mane.word == coat.word:
        mane = s.ramp("yellow", "white", "red", avoid=(coat.word,))
    way = face_somewhere(s)
    unicorn = coat.word == "white" and d.chance(0.5)
    back, low = d.step(7, 8), d.step(9.5, 12)
    s.shade(s.line(1.5, (3, back + 1), (1.7, back + 2), (1.5, low + 1)), mane.dark, glow=0)
    _legs(s, coat, 3, 9, 10, 1.3, 15)
    body = s.disc(4.8, back + 2, 2.4, 2.3) | s.disc(9, back + 2, 2.4, 2.3) | s.box(5, back, 9, back + 4)
    s.shade(body, coat.dark)
    neck = s.poly((7.5, back + 1.5), (10, 3), (12.5, 4), (11.2, back + 3))
    s.shade(neck, coat.dark, glow=0)
    s.paint(s.poly((10, 4), (10.5, 1.5), (11.8, 3.5)), coat.base)
    snout = d.step(14, 14.5)
    s.shade(s.poly((10, 3), (12, 2.8), (snout, 5), (snout, 7), (12.8, 7), (10.5, 6)), coat.dark, depth=0)
    s.paint(s.box(snout - 1, 5, snout, 7) & s.drawn, coat.dark)
    eye(s, 11, 4)
    s.paint(s.line(1.5, (10, 2.5), (8.7, 5), (7.5, back)), mane.base)
    s.paint(s.line(0.6, (9.2, 4.5), (8, back)), mane.dark)
    features, colors = [f"{a(mane.word)} mane"], [mane]
    if unicorn:
        horn = s.ramp("yellow", "orange")
        s.paint(s.line(0.9, (11.5, 3), (13.8, 1.5)), horn.base)
        features.append("a horn")
    elif d.chance(0.4):
        saddle = s.ramp("red", "blue", "green", "purple", avoid=(coat.word, mane.word))
        s.solid(s.box(5, back - 0.5, 8, back + 2), saddle)
        features.append(f"a {saddle.word} saddle")
        colors.append(saddle)
    tell_facing(s, "unicorn" if unicorn else "horse", coat, way, features, colors)


def pig(s: Sketch) -> None:
    """A pig: barrel body, flat snout, curly tail."""
    d = s.dice
    coat = s.ramp("pink", "tan", "orange", "brown", "grey")
    way = face_somewhere(s)
    long, tall = d.step(4.5, 5.5), d.step(3.5, 4.2, 0.35)
    s.paint(s.line(0.9, (2.5, 8), (1, 7), (1.5, 6), (2.2, 6.7)), coat.dark)
    _legs(s, coat, 3.5, 9, 11, 1.8, 14)
    body = s.disc(7, 9, long, tall)
    s.ball(body, coat.dark)
    mark = _hide(s, body, coat)
    head = s.disc(11.2, 8, 2.8, 2.8)
    s.paint(s.grow(head) & body, coat.dark)
    s.shade(head, coat.dark, depth=0)
    s.shade(s.poly((9, 6.5), (10, 3.8), (12, 5.5)), coat.dark, glow=0)
    s.paint(s.box(13, 7, 15, 10), coat.light)
    s.paint(s.box(13, 9, 15, 10), coat.dark)
    s.dot(14, 8, INK, 0.5 if s.fine else 1, 1)
    eye(s, 11, 6)
    features, colors = ([mark[0]], [mark[1]]) if mark else ([], [])
    tell_facing(s, "pig", coat, way, features, colors)


def cow(s: Sketch) -> None:
    """A cow or bull: horns, patches, udder."""
    d = s.dice
    coat = s.ramp("white", "brown", "tan", "grey")
    way = face_somewhere(s)
    mark = s.ramp("brown", "grey", "red", "orange", avoid=(coat.word,))
    s.paint(s.line(0.9, (2.8, 6), (1.7, 8), (1.8, 10)), coat.dark)
    s.dot(1.2, 10, mark.base, 1, 1.5)
    _legs(s, coat, 3, 8.8, 10.5, 1.6, 14.5)
    body = s.box(2.8, 6, 10.5, 11.5) & ~s.box(2.8, 6, 3.3, 6.5) | s.disc(9.5, 8.5, 2.4, 3)
    s.shade(body, coat.dark)
    spots = d.pick(((4, 7, 1.5, 9, 9, 1.3), (5, 9, 1.7, 8, 7, 1.3), (6.5, 7.5, 2, 4, 10, 1)))
    s.paint((s.disc(spots[0], spots[1], spots[2]) | s.disc(spots[3], spots[4], spots[5])) & s.shrink(body), mark.base)
    if d.chance(0.5):
        s.paint(s.box(6, 11, 8, 12.3), s.ramp("pink", "red", "orange").base)
    horn = s.ramp("white", "yellow", "tan", avoid=(coat.word,))
    s.paint(s.line(1, (11.3, 4.5), (12.2, 3.2), (11.8, 2 - d.step(0, 0.5))), horn.base)
    head = s.poly((10, 4.5), (12.8, 4.5), (14.6, 7), (14.6, 9), (12, 9), (10, 7.5))
    s.paint(s.grow(head) & s.drawn & body, coat.dark)
    s.shade(head, coat.dark, depth=0)
    s.paint(s.box(13, 7.5, 15, 9) & head, mark.light)
    s.paint(s.disc(9.8, 5.3, 1.3, 0.8), coat.dark)
    eye(s, 12, 5.5)
    tell_facing(s, "cow", coat, way, [f"{mark.word} patches", "horns"], [mark])


def rat(s: Sketch) -> None:
    """A rat: humped back, round ear, pointed nose, long thin tail."""
    d = s.dice
    coat, tail = s.ramp("grey", "brown", "white", "tan", "purple"), s.ramp("pink", "orange", "red")
    if tail.word == coat.word:
        tail = s.ramp("red", "orange", avoid=(coat.word,))
    way = face_somewhere(s)
    tall, rise, hump = d.step(2.5, 3.5), d.step(3.5, 8.5), d.step(6, 7)
    s.paint(s.line(0.9, (4, 11.5), (2, 10.5), (1.5, (rise + 10) / 2), (2 + d.step(-0.5, 1.5), rise)), tail.base)
    s.paint(s.box(4, 12, 6, 14) | s.box(9, 12, 10, 14), tail.dark)
    body = s.disc(hump, 12.5 - tall, 3.8, tall) | s.box(4, 10.5, 10, 12.5)
    s.shade(body, coat.dark)
    ear = s.disc(9.5, 6.5, d.step(1.5, 2))
    s.paint(s.grow(ear) & body, coat.dark)
    s.shade(ear, coat.dark, depth=0)
    s.paint(s.disc(9.5, 6.7, 0.9), tail.base)
    head = s.disc(10.3, 9.3, 2.4, 2.3) | s.poly((10, 7), (12, 7.5), (15, 10), (15, 11), (10, 11.7))
    s.shade(head, coat.dark)
    s.dot(14, 10 if not s.fine else 9.7, tail.base, 1, 1)
    eye(s, 11, 8)
    if s.fine:
        s.paint(s.line(0.4, (12.5, 11), (14, 12.5)), INK)
    tell_facing(s, "rat", coat, way, [f"{a(tail.word)} tail"], [tail])


def rabbit(s: Sketch) -> None:
    """A rabbit: tall ears, crouched body, round tail."""
    d = s.dice
    coat = s.ramp("white", "brown", "grey", "tan", "orange")
    way = face_somewhere(s)
    ear, lean = d.step(1.5, 3), d.step(-1.5, 0)
    inner = s.ramp("pink", "red", "orange", avoid=(coat.word,))
    s.shade(s.disc(3, 11, 1.6), coat.dark)
    s.shade(s.line(1.7, (9, 6), (8.3 + lean, ear)), coat.dark, glow=0)
    front = s.line(1.9, (11, 6), (10.8 + lean, ear))
    s.paint(s.grow(front) & s.drawn, INK)
    s.shade(front, coat.dark, glow=0)
    s.paint(s.line(0.8, (11, 5), (10.8 + lean, ear + 0.7)), inner.base)
    s.shade(s.box(9.5, 11, 11.5, 14), coat.dark)
    body = s.disc(6.5, 10.8, d.step(3.5, 4), 3.4)
    s.ball(body, coat.dark)
    s.solid(s.disc(5.8, 13, 2.6, 1.2), coat, depth=0)
    head = s.disc(10.8, 7.8, 2.8, 2.5)
    s.paint(s.grow(head) & body, coat.dark)
    s.shade(head, coat.dark, depth=0)
    eye(s, 11.5, 7)
    s.dot(13, 8, inner.base, 1, 1 if not s.fine else 0.5)
    tell_facing(s, "rabbit", coat, way, [f"{inner.word} ears"], [inner])


def elephant(s: Sketch) -> None:
    """An elephant: trunk, big ear, thick legs, tusk."""
    d = s.dice
    coat = s.ramp("grey", "blue", "purple", "brown", "pink")
    way = face_somewhere(s)
    s.paint(s.line(0.9, (2.5, 6), (1.3, 8.5)), coat.dark)
    _legs(s, coat, 2.7, 7.5, 9.5, 2.3, 14.5)
    body = s.disc(6, 7.5, 4.2, d.step(3.8, 4.2, 0.4)) | s.box(3, 8, 9, 11)
    s.ball(body, coat.dark)
    trunk = s.line(1.9, (12.5, 7), (14, 9), d.pick(((14, 12.5), (13.5, 11.5), (14.2, 11))))
    s.shade(trunk, coat.dark, glow=0)
    head = s.disc(11, 6, 2.9, 3)
    s.paint(s.grow(head) & s.drawn & body, coat.dark)
    s.shade(head, coat.dark, depth=0)
    ear = s.disc(8.8, 6.2, d.step(1.8, 2.3), 2.8)
    s.paint(s.grow(ear) & s.drawn, INK)
    s.shade(ear, coat.dark, glow=0)
    eye(s, 12, 5)
    s.paint(s.line(0.9, (12, 8.7), (13, 10)), WHITE)
    features, colors = ["a trunk"], []
    if d.chance(0.5):
        rug = s.ramp("red", "yellow", "green", "blue", "orange", avoid=(coat.word,))
        s.shade(s.box(4, 3, 7, 8) & s.drawn, rug.dark)
        features.append(f"{a(rug.word)} rug")
        colors.append(rug)
    tell_facing(s, "elephant", coat, way, features, colors)


def sheep(s: Sketch) -> None:
    """A sheep: a cloud of wool on thin legs, dark face."""
    d = s.dice
    wool, skin = s.ramp("white", "grey", "tan", "yellow", "pink"), s.ramp("brown", "grey", "tan")
    if wool.word == skin.word:
        skin = s.ramp("brown", "orange", avoid=(wool.word,))
    way = face_somewhere(s)
    _legs(s, skin, 4, 8.8, 11, 1.2, 14.5)
    body = s.disc(7, 8, 3.5, 2.5)
    for x, y in ((3.5, 7.5), (4.5, 5.5), (7, 5), (9.5, 5.5), (10, 8.5), (8, 10), (5, 10), (3.3, 9.5)):
        body |= s.disc(x, y, d.step(1.5, 2))
    s.shade(body, wool.dark)
    for x, y in ((5, 7), (8, 8), (6, 10), (9, 6)):
        s.dot(x, y, wool.dark, 1, 1 if not s.fine else 0.5)
    head = s.disc(12, 7, 1.6, d.step(1.5, 2))
    s.paint(s.grow(head) & s.drawn, INK)
    s.shade(head | s.box(12, 7, 14.3, 9), skin.dark)
    s.paint(s.disc(11.5, 5.3, 1.8, 1.1), wool.light)
    eye(s, 12, 7)
    tell_facing(s, "sheep", wool, way, [f"{a(skin.word)} face"], [skin])


BEASTS = (dog, dog, cat, horse, pig, cow, rat, rabbit, elephant, sheep)
