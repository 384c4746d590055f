"""What do front-facing monsters look like? One function a creature, symmetric, with varying horns, eyes and colours."""

from .canvas import INK, WHITE
from .sketch import Material, Sketch, a, with_parts


def _eyes(s: Sketch, y: float, gap: float, size: float = 2, glow: Material | None = None) -> None:
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


def _horns(s: Sketch, x: float, y: float, shape: str) -> Material:
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


def _mouth(s: Sketch, y: float, wide: float, skin: Material) -> str:
    """A mouth around the middle; returns its name for `parts`."""
    kind = s.dice.pick(("smile", "fangs", "open", "flat"))
    if kind == "open":
        s.paint(s.disc(8, y + 0.5, wide * 0.5, 1), INK)
    elif kind == "smile":
        s.dot(8 - wide / 2, y, INK, wide, 1)
        s.dot(8 - wide / 2 - 1, y - 1, INK)
        s.dot(7 + wide / 2 + 1, y - 1, INK)
    else:
        s.dot(8 - wide / 2, y, INK, wide, 1)
        if kind == "fangs":
            s.dot(8 - wide / 2, y + (0.5 if s.fine else 0), WHITE)
            s.dot(8 + wide / 2 - 1, y + (0.5 if s.fine else 0), WHITE)
    return {"fangs": "fangs"}.get(kind, "mouth")


def _name(s: Sketch, kind: str, skin: Material, features: list[str], extra: list[Material]) -> None:
    s.outline()
    text = with_parts(a(f"{skin.word} {kind}"), features)
    s.tell(kind, text, [skin, *extra], [feature.split()[-1] for feature in features])


def slime(s: Sketch) -> None:
    """A wobbling dome."""
    d = s.dice
    skin = s.ramp("green", "blue", "red", "purple", "pink", "yellow", "teal", "orange")
    wide, tall = d.step(5, 6.5), d.step(6, 9)
    floor = 14
    features, extra = [], []
    crown = d.pick(("", "horns", "antenna", "leaf", "drip"))
    top = floor - tall
    if crown == "horns":
        horn = _horns(s, wide - 3, top + 2, d.pick(("short", "straight")))
        features.append(f"{horn.word} horns")
        extra.append(horn)
    elif crown == "antenna":
        s.shade(s.line(1, (8, top + 1), (8, top - 2)), skin.dark, glow=0)
        s.ball(s.disc(8, top - 2, 1.2), skin.dark)
        features.append("an antenna")
    elif crown == "leaf":
        leaf = s.ramp("green", "orange", avoid=(skin.word,))
        s.shade(s.poly((8, top), (4.5, top - 2), (8, top - 1)) | s.poly((8, top), (11.5, top - 2), (8, top - 1)) | s.box(7.5, top - 1, 8.5, top + 1), leaf.dark)
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
        _eyes(s, eye, d.step(1, 3, 1), d.pick((1, 2, 2)))
    _mouth(s, eye + 3, d.pick((2, 4)), skin)
    _name(s, "slime", skin, features, extra)


def ghost(s: Sketch) -> None:
    """A dome with a wavy hem."""
    d = s.dice
    skin = s.ramp("white", "blue", "purple", "green", "pink", "teal", "grey")
    wide, top = d.step(4, 5.5), d.step(2, 4)
    hem = 13
    body = s.disc(8, top + wide, wide, wide) | s.box(8 - wide, top + wide, 8 + wide, hem)
    count = d.pick((3, 4))
    for n in range(count):
        x = 8 - wide + (n + 0.5) * 2 * wide / count
        body |= s.disc(x, hem, wide / count - (0.2 if s.fine else 0), 1.6)
    features, extra = [], []
    arms = d.pick(("none", "up", "out"))
    if arms != "none":
        body |= s.both(s.line(1.8, (8 + wide - 1, 9), (8 + wide + 1, 7.5 if arms == "up" else 9.5)))
        features.append("arms")
    s.shade(body, skin.dark)
    inner = s.shrink(body)
    s.paint(inner & ~(inner >> s.row * s.scale * 2) & s.box(0, 12, 16, 16), skin.dark)
    y = top + wide - d.step(0.5, 1.5)
    style = d.pick(("dots", "tall", "glow"))
    if style == "glow":
        glow = s.ramp("red", "yellow", "blue", "purple", avoid=(skin.word,))
        _eyes(s, y, 2, 2, glow)
        features.append(f"{glow.word} eyes")
        extra.append(glow)
    else:
        s.paint(s.both(s.box(5.5 if s.fine else 5, y, 7, y + (2 if style == "dots" else 3))), INK)
    if d.chance(0.7):
        s.paint(s.disc(8, y + 4.5, d.pick((1, 1.5)), d.pick((1, 1.5))), INK)
    if d.chance(0.25):
        gold = s.ramp("yellow", "orange")
        s.solid(s.stamp(("#.##.#", "######"), 5, int(top) - 1), gold)
        features.append(f"{a(gold.word)} crown")
        extra.append(gold)
    _name(s, "ghost", skin, features, extra)


def skull(s: Sketch) -> None:
    """A cranium with dark sockets and teeth."""
    d = s.dice
    bone = s.ramp("white", "tan", "grey", "yellow")
    wide, jaw = d.step(5, 6), d.step(2.5, 3.5)
    features, extra = [], []
    if d.chance(0.4):
        horn = _horns(s, wide - 1.5, 5, d.pick(("short", "curved", "straight")))
        features.append("horns" if horn.word == bone.word else f"{horn.word} horns")
        extra.append(horn)
    s.shade(s.box(8 - jaw, 10, 8 + jaw, 14), bone.dark, glow=0)
    s.ball(s.disc(8, 7, wide, d.step(4.5, 5)), bone.dark)
    for x in range(int(8 - jaw), int(8 + jaw) + 1, 2):
        s.dot(x, 12, INK, 1 if not s.fine else 0.5, 2)
    socket = d.step(1.5, 2)
    holes = s.both(s.disc(8 - wide / 2, 7.5, socket)) if d.chance(0.6) else s.both(s.box(8 - wide / 2 - 1, 6, 8 - wide / 2 + 1, 9))
    s.paint(holes, INK)
    s.paint(s.poly((8, 9), (9.2, 11), (6.8, 11)), INK)
    if d.chance(0.5):
        glow = s.ramp("red", "yellow", "green", "blue", "purple")
        s.paint(s.both(s.box(8 - wide / 2 - 0.5, 7, 8 - wide / 2 + 0.5, 8)), glow.base)
        features.append(f"glowing {glow.word} eyes")
        extra.append(glow)
    if d.chance(0.3):
        s.paint(s.line(0.7, (9, 2), (10, 4), (9.5, 5)) & s.drawn, INK)
        features.append("a crack")
    _name(s, "skull", bone, features, extra)


def bat(s: Sketch) -> None:
    """A small furry body between two spread wings."""
    d = s.dice
    fur = s.ramp("purple", "grey", "brown", "blue", "red", "green")
    skin = s.ramp("purple", "red", "brown", "grey", "pink", avoid=(fur.word,))
    lift, droop, body_r = d.step(3, 6), d.step(10, 12), d.step(2.5, 3.5)
    wing = s.poly((8, 7), (11, 6), (14.5, lift), (15, 9), (13.5, droop - 1), (12.5, 9.5), (11, droop), (10, 9.5), (8, 11))
    s.shade(s.both(wing), skin.dark)
    for x in (11, 13):
        s.paint(s.both(s.line(0.6, (9, 7), (x, 9))) & s.drawn, skin.dark)
    ears = s.both(s.poly((8.5, 6.5), (8.5 + body_r - 0.5, 7), (8 + body_r, 3)))
    s.solid(ears, fur)
    body = s.disc(8, 8.5, body_r, body_r + d.step(0, 1))
    s.paint(s.grow(body) & s.drawn & ~ears, INK)
    s.ball(body, fur.dark)
    glow = s.ramp("yellow", "red", "white", "green", avoid=(fur.word,))
    s.paint(s.both(s.box(9, 7, 10, 8)), glow.base)
    if d.chance(0.6):
        s.paint(s.both(s.box(8.5 if s.fine else 9, 10, 9.5 if s.fine else 10, 11)), WHITE)
    _name(s, "bat", fur, [f"{skin.word} wings", f"{glow.word} eyes"], [skin, glow])


def spider(s: Sketch) -> None:
    """Eight legs around a round body."""
    d = s.dice
    skin = s.ramp("brown", "purple", "red", "grey", "green", "blue")
    glow = s.ramp("red", "yellow", "white", "green", avoid=(skin.word,))
    size, spread = d.step(3, 4), d.step(5.5, 6.5)
    legs = 0
    for y0, knee, foot in ((7, 3, 6), (8, 6.5, 9), (9, 9.5, 12.5), (10, 12, 14.5)):
        bend = d.step(-0.5, 0.5)
        legs |= s.line(1, (8, y0), (8 + spread - 1.5, knee + bend), (8 + spread, foot))
    s.paint(s.both(legs), skin.dark)
    body = s.disc(8, 7, size, size - 0.5)
    s.paint(s.grow(body) & s.drawn, INK)
    s.ball(body, skin.dark)
    features, extra = [f"{glow.word} eyes"], [glow]
    mark = d.pick(("", "cross", "stripe", "dots"))
    if mark:
        paint = s.ramp("red", "yellow", "orange", "white", "green", avoid=(skin.word, glow.word))
        shape = {"cross": s.box(7, 4.5, 9, 8) | s.box(6, 5.5, 10, 6.5), "stripe": s.box(4, 6, 12, 7),
                 "dots": s.both(s.box(5.5, 5, 6.5, 6)) | s.box(7.5, 6, 8.5, 7)}[mark]
        s.paint(shape & s.shrink(body), paint.base)
        features.append(f"{a(paint.word)} {mark}" if mark != "dots" else f"{paint.word} dots")
        extra.append(paint)
    head = s.disc(8, 11, d.step(2, 2.5), 2)
    s.solid(head, skin)
    s.paint(s.both(s.box(6.5, 10.5, 7.5, 11.5)) if s.fine else s.both(s.box(6, 10, 7, 11)), glow.base)
    s.paint(s.both(s.box(7, 13, 8 - 0.5 * s.fine, 14)), WHITE)
    _name(s, "spider", skin, features, extra)


def eyeball(s: Sketch) -> None:
    """One large floating eye."""
    d = s.dice
    white, iris = s.ramp("white", "yellow", "pink"), s.ramp("blue", "green", "red", "purple", "brown", "orange")
    size, look_x, look_y = d.step(4.5, 5.5), d.step(-1.5, 1.5), d.step(-1, 1)
    features, extra = [f"{a(iris.word)} iris"], [iris]
    around = d.pick(("wings", "tentacles", "lid", "stalks"))
    skin = s.ramp("red", "purple", "green", "pink", "blue", "brown", avoid=(iris.word, white.word))
    cy = {"tentacles": 6.5, "stalks": 9}.get(around, 8)
    if around == "wings":
        s.shade(s.both(s.poly((11, 7), (15, 3), (15.5, 8), (14, 10), (11, 10))), skin.dark)
        features.append(f"{skin.word} wings")
    elif around == "tentacles":
        arms = s.line(1.5, (8, 10), (8.5, 13), (8, 14.5)) | s.both(s.line(1.5, (11, 9.5), (12, 12), (11 + d.step(0, 2), 14)))
        s.shade(arms, skin.dark)
        features.append(f"{skin.word} tentacles")
    elif around == "stalks":
        s.shade(s.both(s.line(1, (9.5, 6), (11, 2.5))) | s.line(1, (8, 6), (8, 2)), skin.dark, glow=0)
        s.ball(s.both(s.disc(11.2, 2.5, 1.2)) | s.disc(8, 2, 1.1), skin.dark)
        features.append(f"{skin.word} stalks")
    ball = s.disc(8, cy, size)
    s.paint(s.grow(ball) & s.drawn, INK)
    s.shade(ball, white.dark, glow=0)
    s.ball(s.disc(8 + look_x, cy + look_y, d.step(2.5, 3)), iris.dark)
    s.paint(s.disc(8 + look_x, cy + look_y, 1.3), INK)
    s.dot(7 + look_x, cy - 1.5 + look_y, WHITE)
    if around == "lid":
        s.shade(ball & s.box(0, 0, 16, cy - d.step(1.5, 2.5)), skin.dark)
        s.paint(ball & s.box(0, cy + size - 1.5, 16, 16), skin.dark)
        features.append(f"{a(skin.word)} eyelid")
    extra.append(skin)
    _name(s, "eyeball", white, features, extra)


def robot(s: Sketch) -> None:
    """A boxy head with an antenna on a boxy body."""
    d = s.dice
    metal, lamp = s.ramp("grey", "blue", "red", "yellow", "green", "orange", "white"), s.ramp("red", "yellow", "green", "teal", "blue")
    if lamp.word == metal.word:
        lamp = s.ramp("red", "yellow", "green", avoid=(metal.word,))
    head, chest = d.step(3, 4.5), d.step(3, 4)
    s.paint(s.line(1, (8, 4), (8, 2)), metal.dark)
    aerial = d.pick(("ball", "two"))
    if aerial == "ball":
        s.ball(s.disc(8, 2, 1.1), lamp.dark)
        s.dot(7.5, 1.5, lamp.base)
    else:
        s.paint(s.both(s.line(1, (10, 4), (11, 1.5))), metal.dark)
    legs = d.pick(("legs", "treads", "wheel"))
    if legs == "legs":
        s.shade(s.both(s.box(9, 12, 11, 15)), metal.dark)
    elif legs == "treads":
        s.shade(s.box(4, 13, 12, 15), metal.dark, glow=0)
        for x in (5, 7, 9, 11):
            s.dot(x - 0.5, 13.5, INK, 1, 1)
    else:
        s.ball(s.disc(8, 13.5, 1.8), metal.dark)
    arm = d.step(12, 13.5)
    s.shade(s.both(s.line(1.4, (8 + chest, 10), (8 + chest + 1.5, 10.5), (8 + chest + 1.5, arm))), metal.dark)
    s.solid(s.box(8 - chest, 9, 8 + chest, 13), metal)
    s.dot(8 - d.pick((1, 2)), 10, lamp.base, d.pick((1, 2)), 1)
    s.dot(8, 11 if d.chance(0.5) else 10.5, metal.dark, 2, 1)
    s.solid(s.box(8 - head, 3.5, 8 + head, 8.5), metal)
    eye = d.pick(("two", "visor", "one"))
    if eye == "two":
        s.paint(s.both(s.box(9, 5, 9 + min(2, head - 2), 7)), INK)
        s.paint(s.both(s.box(9, 5, 10, 6)), lamp.base)
    elif eye == "visor":
        s.dot(9 - head, 5, INK, 2 * head - 2, 2)
        s.dot(d.step(9 - head, 6 + head, 1), 5, lamp.base, 1, 1)
        s.dot(7.5, 5.5, lamp.base)
    else:
        s.paint(s.disc(8, 6, 1.6), INK)
        s.dot(7.5, 5.5, lamp.base)
    _name(s, "robot", metal, [f"{lamp.word} lights", legs if legs != "wheel" else "a wheel"], [lamp])


def golem(s: Sketch) -> None:
    """A heap of stone blocks with heavy arms."""
    d = s.dice
    rock = s.ramp("grey", "brown", "blue", "tan", "green", "red")
    glow = s.ramp("yellow", "red", "green", "teal", "orange", "purple", avoid=(rock.word,))
    wide, fist = d.step(3.5, 4.5), d.step(1.5, 2)
    s.shade(s.both(s.box(8.5, 11, 11, 15)), rock.dark)
    s.solid(s.box(8 - wide, 5, 8 + wide, 12) | s.box(7 - wide, 5, 9 + wide, 8.5), rock)
    arms = s.both(s.poly((8 + wide, 5), (14, 5.5), (14.5, 9), (14, 10), (12, 10), (8 + wide + 0.5, 8)))
    s.solid(arms, rock)
    s.solid(s.both(s.disc(13, 11.5, fist, fist + 0.5)), rock)
    s.solid(s.box(8 - d.step(2, 2.5), 2, 8 + d.step(2, 2.5), 6), rock)
    s.paint(s.both(s.box(6, 4, 7, 5)), glow.base)
    features = [f"{glow.word} eyes"]
    if d.chance(0.5):
        s.paint(s.line(0.8, (7, 7), (9, 9), (8, 11)), glow.base)
        features.append(f"{a(glow.word)} crack")
    elif d.chance(0.5):
        moss = s.ramp("green", "teal", avoid=(rock.word, glow.word))
        s.shade(s.both(s.disc(12, 5, 2, 1)) | s.disc(8, 2, 2, 1), moss.dark)
        features.append(f"{moss.word} moss")
        _name(s, "golem", rock, features, [glow, moss])
        return
    _name(s, "golem", rock, features, [glow])


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
    for x, y, r in d.pick((((8, 4.5, 1.2), (4.5, 6.5, 1), (11.5, 6.5, 1)), ((6, 4.5, 1.2), (10.5, 6, 1.2), (4, 7.5, 0.8)))):
        s.paint(s.disc(x, y, r) & s.shrink(top), WHITE)
    eye = d.pick((1, 2))
    s.paint(s.both(s.box(9, 9.5, 10, 9.5 + eye)), INK)
    if d.chance(0.6):
        s.dot(7, 12, INK, 2, 1)
    _name(s, "mushroom creature", cap, [f"a {stem.word} body", "white spots"], [stem])
    s.colors = tuple(dict.fromkeys((*s.colors, "white")))


def demon(s: Sketch) -> None:
    """Horns, glowing eyes, wings, claws."""
    d = s.dice
    skin = s.ramp("red", "purple", "blue", "green", "grey", "orange", "brown")
    glow = s.ramp("yellow", "white", "green", "orange", avoid=(skin.word,))
    features, extra = [], [glow]
    if d.chance(0.6):
        wing = s.ramp("purple", "red", "brown", "grey", avoid=(skin.word,))
        s.shade(s.both(s.poly((9, 9), (13, 4), (15, 5), (15, 12), (13.5, 10.5), (12, 13), (10, 12))), wing.dark)
        features.append(f"{wing.word} wings")
        extra.append(wing)
    s.shade(s.both(s.box(9, 12, 11, 15)), skin.dark)
    half = d.step(2.5, 3.5)
    s.solid(s.both(s.line(1.5, (8 + half, 9.5), (8 + half + 1, 12))) | s.box(8 - half, 8, 8 + half, 13), skin)
    if d.chance(0.5):
        s.paint(s.disc(8, 11.5, half - 1, 1.5), skin.light)
    horn = _horns(s, d.step(2.5, 3), 4.5, d.pick(("short", "curved", "straight")))
    features.insert(0, f"{horn.word} horns")
    extra.append(horn)
    head = s.disc(8, 6, d.step(3.5, 4), 3.5)
    s.paint(s.grow(head) & s.drawn, INK)
    s.ball(head, skin.dark)
    s.paint(s.both(s.poly((8.5, 6.5), (8.5, 5.5), (11, 4.5), (10.5, 6.5)) if s.fine else s.box(9, 5, 10, 6)), glow.base)
    s.dot(6.5 if s.fine else 6, 8, INK, 3 if s.fine else 4, 1 if not s.fine else 0.5)
    if d.chance(0.6):
        s.paint(s.both(s.box(9, 8, 10, 9)), WHITE)
    _name(s, "demon", skin, features, extra)


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
    _eyes(s, 6.5, d.step(1, 3, 1), 2)
    features = []
    if d.chance(0.5):
        s.paint(s.disc(8, 10.3, 1, 0.8), INK)
        features.append("a round mouth")
    if d.chance(0.5):
        s.dot(9, top + 1, skin.light)
        s.dot(10, top + 3, skin.dark)
        s.dot(6, top + 1, skin.dark)
        features.append("spots")
    _name(s, "octopus", skin, features, [])


def pumpkin(s: Sketch) -> None:
    """A carved pumpkin face."""
    d = s.dice
    skin, stem, glow = s.ramp("orange", "yellow", "green", "white", "purple"), s.ramp("green", "brown"), s.ramp("yellow", "red", "orange")
    if glow.word == skin.word:
        glow = s.ramp("red", "yellow", "green", avoid=(skin.word,))
    wide, tall = d.step(5.5, 6.5), d.step(4.5, 5)
    s.shade(s.line(1.6, (8, 4.5), (8 + d.step(-1, 1), 2)), stem.dark)
    body = s.disc(8, 9, wide - 2, tall) | s.both(s.disc(8 + wide - 3, 9, 3, tall - 0.2))
    s.shade(body, skin.dark)
    s.paint(s.both(s.line(0.7, (9.5, 4.5), (11, 9), (9.5, 13.5))) & s.shrink(body), skin.dark)
    lit = d.chance(0.6)
    face = glow.base if lit else INK
    eye = d.pick(("triangle", "square", "slant"))
    shapes = {"triangle": s.poly((9, 9), (12, 9), (10.5, 6)), "square": s.box(9, 7, 11, 9), "slant": s.poly((9, 9), (12, 8.5), (12, 6))}
    s.paint(s.both(shapes[eye]), face)
    s.paint(s.both(s.poly((8, 12.5), (8, 11), (9, 11.5), (10, 10.5), (11, 11.5), (12.5, 10), (11, 12.5))), face)
    s.paint(s.box(7, 10.5, 9, 11.5) if d.chance(0.5) else 0, WHITE if not lit else skin.base)
    _name(s, "pumpkin", skin, [f"glowing {glow.word} eyes" if lit else "a carved face"], [glow] if lit else [])


def cyclops(s: Sketch) -> None:
    """A hulk with a single eye."""
    d = s.dice
    skin, cloth = s.ramp("green", "blue", "purple", "orange", "pink", "teal", "tan"), s.ramp("brown", "red", "grey")
    iris = s.ramp("red", "green", "blue", "yellow", avoid=(skin.word,))
    half = d.step(3.5, 4.5)
    features, extra = [f"one {iris.word} eye"], [iris]
    top = d.pick(("horn", "ears", "bald"))
    if top == "horn":
        horn = s.ramp("white", "yellow")
        s.shade(s.poly((7, 4), (9, 4), (8, 1)), horn.dark)
        features.append("a horn")
    elif top == "ears":
        s.shade(s.both(s.poly((8 + half - 1, 5), (8 + half + 2.5, 3.5), (8 + half, 7))), skin.dark)
        features.append("ears")
    s.shade(s.both(s.box(8.5, 12, 11, 15)), skin.dark)
    s.shade(s.both(s.line(1.8, (8 + half, 8.5), (8 + half + 1, d.step(11, 13)))), skin.dark)
    body = s.disc(8, 7, half, 4) | s.box(8 - half, 7, 8 + half, 13)
    s.paint(s.grow(body) & s.drawn & ~s.box(0, 0, 16, 4), INK)
    s.ball(body, skin.dark)
    s.paint(s.box(8 - half, 11.5, 8 + half, 13.5) & s.drawn, cloth.base)
    s.paint(s.box(8 - half, 12.5, 8 + half, 13.5) & s.drawn, cloth.dark)
    s.paint(s.disc(8, 6.5, 2.2), WHITE)
    s.paint(s.disc(8, 6.5, 1.2), iris.base)
    s.paint(s.box(7.5, 6, 8.5, 7), INK)
    s.paint(s.box(7, 6, 8, 7) if not s.fine else 0, iris.base)
    mouth = s.box(6.5, 10, 9.5, 10.5) if s.fine else s.box(6, 10, 10, 11)
    s.paint(mouth, INK)
    s.paint(s.both(s.box(9, 10, 9.5 + 0.5 * (not s.fine), 11)), WHITE)
    _name(s, "cyclops", skin, features, extra)


def plant(s: Sketch) -> None:
    """A flower with a toothed mouth."""
    d = s.dice
    petal, stem = s.ramp("red", "purple", "pink", "orange", "yellow", "blue"), s.ramp("green", "teal")
    inside = s.ramp("yellow", "red", "purple", "orange", avoid=(petal.word,))
    s.shade(s.line(1.4, (8, 9), (8 + d.step(-1, 1), 12), (8, 15)), stem.dark, glow=0)
    s.shade(s.both(s.poly((8, 15), (10.5, 11), (13.5, 12 - d.step(0, 1)), (12, 14.5))), stem.dark)
    count, reach = d.pick((5, 6, 8)), d.step(3, 4)
    import math
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
    _name(s, "flower monster", petal, [f"{a(inside.word)} face", "teeth"], [inside])


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
    s.paint(s.both(s.box(9, 4.5, 10, 8)), shell.dark)
    s.paint(s.both(s.box(8.5, 4, 10.5, 6)), WHITE)
    s.paint(s.both(s.box(9, 4.5, 10, 6)), INK)
    body = s.disc(8, 10, wide, d.step(3, 3.5))
    s.paint(s.grow(body) & s.drawn & s.box(0, 8, 16, 16), INK)
    s.ball(body, shell.dark)
    features = []
    if d.chance(0.5):
        s.paint(s.both(s.box(9, 9, 10, 10)) | s.box(7, 8, 8, 9), shell.dark)
        features.append("a spotted shell")
    s.dot(7, 11, INK, 2, 1)
    _name(s, "crab", shell, features, [])


def alien(s: Sketch) -> None:
    """A large head with black almond eyes on a thin body."""
    d = s.dice
    skin = s.ramp("green", "grey", "purple", "blue", "teal", "pink")
    suit = s.ramp("grey", "blue", "red", "purple", "yellow", "white", avoid=(skin.word,))
    wide, chin = d.step(4, 5.5), d.step(9, 10)
    half = d.step(2, 2.5)
    s.shade(s.both(s.box(8.5, 12, 10, 15)), suit.dark)
    s.shade(s.both(s.line(1.2, (8 + half, 10.5), (8 + half + 1.5, 13))), skin.dark, glow=0)
    s.shade(s.box(8 - half, 9.5, 8 + half, 13), suit.dark)
    features = [f"{a(suit.word)} suit"]
    if d.chance(0.5):
        s.shade(s.both(s.line(0.9, (10, 4), (11.5, 1.5))), skin.dark, glow=0)
        s.ball(s.both(s.disc(11.5, 1.5, 1)), skin.dark)
        features.append("antennae")
    head = s.disc(8, 5.5, wide, 3.5) | s.poly((8 - wide, 6), (8 + wide, 6), (9.5, chin), (6.5, chin))
    s.paint(s.grow(head) & s.drawn & s.box(0, 6, 16, 16), INK)
    s.ball(head, skin.dark)
    eye = s.disc(10.3, 6.3, d.step(1.2, 1.7), d.step(1.4, 2))
    s.paint(s.both(eye), INK)
    s.dot(5, 5, WHITE)
    s.dot(10, 5, WHITE)
    _name(s, "alien", skin, features, [suit])


def goblin(s: Sketch) -> None:
    """Wide pointed ears and a nose, in rags."""
    d = s.dice
    skin, cloth = s.ramp("green", "teal", "grey", "orange", "blue"), s.ramp("brown", "red", "purple", "grey", "yellow")
    if skin.word == cloth.word:
        cloth = s.ramp("brown", "red", avoid=(skin.word,))
    ear, half = d.step(6, 7), d.step(2.5, 3.5)
    s.shade(s.both(s.box(8.5, 12, 10.5, 15)), skin.dark)
    s.shade(s.both(s.line(1.5, (8 + half, 10.5), (8 + half + 1.5, 13))), skin.dark)
    s.solid(s.box(8 - half, 9.5, 8 + half, 13.5), cloth)
    s.dot(8 - half, 12, cloth.dark, 2 * half, 1)
    s.shade(s.both(s.poly((10, 5), (8 + ear, d.step(2.5, 5)), (11, 8))), skin.dark)
    head = s.disc(8, 6.5, 3.7, d.step(3, 3.5))
    s.paint(s.grow(head) & s.drawn & s.box(0, 8, 16, 16), INK)
    s.ball(head, skin.dark)
    glow = s.ramp("yellow", "red", "white", avoid=(skin.word,))
    s.paint(s.both(s.box(9, 5, 11 if d.chance(0.5) else 10, 6)), glow.base)
    s.paint(s.box(7.5, 6, 8.5, 8) if s.fine else s.box(7, 6, 9, 7), skin.light)
    s.dot(6, 8, INK, 4, 1 if not s.fine else 0.5)
    if d.chance(0.6):
        s.paint(s.both(s.box(9, 8, 10, 9)), WHITE)
    features = [f"{glow.word} eyes", f"{cloth.word} rags"]
    if d.chance(0.3):
        cap = s.ramp("red", "blue", "grey", "brown", avoid=(skin.word, cloth.word))
        s.solid(s.disc(8, 4, 3.5, 2.2) & s.box(0, 0, 16, 4.5), cap)
        features[1] = f"{a(cap.word)} cap"
        _name(s, "goblin", skin, features, [glow, cap])
        return
    _name(s, "goblin", skin, features, [glow, cloth])


def owl(s: Sketch) -> None:
    """Round eyes, a beak, folded wings."""
    d = s.dice
    coat, belly, beak = s.ramp("brown", "grey", "white", "purple", "blue"), s.ramp("tan", "white", "yellow"), s.ramp("orange", "yellow")
    wide, top = d.step(4, 5), d.step(2.5, 3.5)
    s.shade(s.both(s.box(8.5, 13, 10.5, 15)), beak.dark, glow=0)
    s.shade(s.both(s.poly((8 + wide - 2.5, top + 2), (8 + wide, top + 3), (8 + wide, top - d.step(0, 1.5)))), coat.dark)
    body = s.disc(8, 9, wide, 5) | s.disc(8, top + 3, wide, 3)
    s.ball(body, coat.dark)
    s.paint(s.disc(8, 11.5, wide - 1.5, 2.5), belly.base)
    for x, y in ((6.5, 11), (9.5, 11), (8, 12.5), (8, 10)):
        s.dot(x - 0.5, y, belly.dark, 1, 1 if not s.fine else 0.5)
    s.solid(s.both(s.disc(8 + wide - 0.3, 10.5, 1.2, 3)), coat, glow=0)
    s.paint(s.both(s.disc(10, top + 3.5, 1.9)), WHITE)
    s.paint(s.both(s.box(9, top + 3, 10, top + 4) if not s.fine else s.disc(9.8, top + 3.5, 1)), INK)
    s.paint(s.poly((7, top + 4.5), (9, top + 4.5), (8, top + 7)), beak.base)
    _name(s, "owl", coat, [f"{a(belly.word)} belly", f"{a(beak.word)} beak"], [belly, beak])


def frog(s: Sketch) -> None:
    """Bulging eyes above a wide mouth."""
    d = s.dice
    skin, belly = s.ramp("green", "blue", "red", "orange", "purple", "teal", "yellow"), s.ramp("white", "yellow", "tan")
    if belly.word == skin.word:
        belly = s.ramp("white")
    wide = d.step(5, 6)
    s.shade(s.both(s.disc(8 + wide - 1, 12.5, 2, 1.8)), skin.dark)
    body = s.disc(8, 9.5, wide, d.step(4, 4.5))
    s.paint(s.grow(body) & s.drawn, INK)
    s.ball(body, skin.dark)
    bulge = s.both(s.disc(8 + wide - 2.2, 5, 2))
    s.paint(s.grow(bulge) & s.drawn & s.box(0, 6, 16, 7), skin.dark)
    s.ball(bulge, skin.dark)
    s.paint(s.both(s.box(8 + wide - 3, 4, 8 + wide - 1, 6)), WHITE)
    s.paint(s.both(s.box(8 + wide - (3 if d.chance(0.5) else 2.5), 4.5, 8 + wide - 1.5, 6)), INK)
    s.paint(s.disc(8, 12, wide - 2, 1.8), belly.base)
    s.paint(s.box(9 - wide + 1, 9, 7 + wide - 1, 10 - 0.5 * s.fine) | s.both(s.box(7 + wide - 1.5, 8, 8 + wide - 1.5, 9)), INK)
    features = [f"{a(belly.word)} belly"]
    if d.chance(0.4):
        s.dot(7, 7, skin.dark, 2, 1)
        s.dot(4, 8, skin.dark)
        s.dot(11, 8, skin.dark)
        features.append("spots")
    _name(s, "frog", skin, features, [belly])


MONSTERS = (slime, slime, ghost, skull, bat, spider, eyeball, robot, golem, mushroom_creature, demon, octopus, pumpkin,
            cyclops, plant, crab, alien, goblin, owl, frog)
