"""What do ghosts, machines and brutes look like? One function a creature, symmetric and front-facing."""

from .canvas import INK, WHITE
from .monster_parts import eyes, horns, tell_monster
from .sketch import Sketch, a


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
        eyes(s, y, 2, 2, glow)
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
    tell_monster(s, "ghost", skin, features, extra)


def skull(s: Sketch) -> None:
    """A cranium with dark sockets and teeth."""
    d = s.dice
    bone = s.ramp("white", "tan", "grey", "yellow")
    wide, jaw = d.step(5, 6), d.step(2.5, 3.5)
    features, extra = [], []
    if d.chance(0.4):
        horn = horns(s, wide - 1.5, 5, d.pick(("short", "curved", "straight")))
        features.append("horns" if horn.word == bone.word else f"{horn.word} horns")
        extra.append(horn)
    s.shade(s.box(8 - jaw, 10, 8 + jaw, 14), bone.dark, glow=0)
    s.ball(s.disc(8, 7, wide, d.step(4.5, 5)), bone.dark)
    for x in range(int(8 - jaw), int(8 + jaw) + 1, 2):
        s.dot(x, 12, INK, 1 if not s.fine else 0.5, 2)
    socket = d.step(1.5, 2)
    holes = (
        s.both(s.disc(8 - wide / 2, 7.5, socket))
        if d.chance(0.6)
        else s.both(s.box(8 - wide / 2 - 1, 6, 8 - wide / 2 + 1, 9))
    )
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
    tell_monster(s, "skull", bone, features, extra)


def eyeball(s: Sketch) -> None:
    """One large floating eye."""
    d = s.dice
    white, iris = s.ramp("white", "yellow", "pink"), s.ramp("blue", "green", "red", "purple", "brown", "orange")
    size, look_x, look_y = d.pick((4, 5, 5.5)), d.step(-1.5, 1.5), d.step(-1, 1)
    features, extra = [f"{a(iris.word)} iris"], [iris]
    around = d.pick(("wings", "tentacles", "lid", "stalks"))
    skin = s.ramp("red", "purple", "green", "pink", "blue", "brown", avoid=(iris.word, white.word))
    cy = {"tentacles": 6.5, "stalks": 9}.get(around, 8)
    if around == "wings":
        s.shade(s.both(s.poly((11, 7), (15, 3), (15.5, 8), (14, 10), (11, 10))), skin.dark)
        features.append(f"{skin.word} wings")
    elif around == "tentacles":
        arms = s.line(1.5, (8, 10), (8.5, 13), (8, 14.5)) | s.both(
            s.line(1.5, (11, 9.5), (12, 12), (11 + d.step(0, 2), 14))
        )
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
    tell_monster(s, "eyeball", white, features, extra)


def robot(s: Sketch) -> None:
    """A boxy head with an antenna on a boxy body."""
    d = s.dice
    metal, lamp = (
        s.ramp("grey", "blue", "red", "yellow", "green", "orange", "white"),
        s.ramp("red", "yellow", "green", "teal", "blue"),
    )
    if lamp.word == metal.word:
        lamp = s.ramp("red", "yellow", "green", avoid=(metal.word,))
    head, chest = d.step(3.5 if s.fine else 4, 5, 0.5 if s.fine else 1), d.step(3, 4, 1)
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
        s.paint(s.both(s.box(9, 5, 11, 7)), INK)
        s.paint(s.both(s.box(9, 5, 10, 6 + d.pick((0, 1)))), lamp.base)
    elif eye == "visor":
        s.dot(9 - head, 5, INK, 2 * head - 2, 2)
        look = d.pick((-1, 0, 1))
        s.dot(6 + look, 5, lamp.base, 1, 2 if not s.fine else 1.5)
        s.dot(9 + look, 5, lamp.base, 1, 2 if not s.fine else 1.5)
    else:
        s.paint(s.disc(8, 6, 2.3), INK)
        s.paint(s.disc(8, 6, 1.2), lamp.base)
    tell_monster(s, "robot", metal, [f"{lamp.word} lights", legs if legs != "wheel" else "a wheel"], [lamp])


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
    s.paint(s.both(s.box(8, 3.5 if s.fine else 4, 10, 5)), INK)
    s.paint(s.both(s.box(9, 4, 10, 5)), glow.base)
    features = [f"{glow.word} eyes"]
    if d.chance(0.5):
        s.paint(s.line(0.8, (7, 7), (9, 9), (8, 11)), glow.base)
        features.append(f"{a(glow.word)} crack")
    elif d.chance(0.5):
        moss = s.ramp("green", "teal", avoid=(rock.word, glow.word))
        s.shade(s.both(s.disc(12, 5, 2, 1)) | s.disc(8, 2, 2, 1), moss.dark)
        features.append(f"{moss.word} moss")
        tell_monster(s, "golem", rock, features, [glow, moss])
        return
    tell_monster(s, "golem", rock, features, [glow])


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
    horn = horns(s, d.step(2.5, 3), 4.5, d.pick(("short", "curved", "straight")))
    features.insert(0, f"{horn.word} horns")
    extra.append(horn)
    head = s.disc(8, 6, d.step(3.5, 4), 3.5)
    s.paint(s.grow(head) & s.drawn, INK)
    s.ball(head, skin.dark)
    s.paint(
        s.both(s.poly((8.5, 6.5), (8.5, 5.5), (11, 4.5), (10.5, 6.5)) if s.fine else s.box(9, 5, 10, 6)), glow.base
    )
    s.dot(6.5 if s.fine else 6, 8, INK, 3 if s.fine else 4, 1 if not s.fine else 0.5)
    if d.chance(0.6):
        s.paint(s.both(s.box(9, 8, 10, 9)), WHITE)
    tell_monster(s, "demon", skin, features, extra)


def pumpkin(s: Sketch) -> None:
    """A carved pumpkin face."""
    d = s.dice
    skin, stem, glow = (
        s.ramp("orange", "yellow", "green", "white", "purple"),
        s.ramp("green", "brown"),
        s.ramp("yellow", "red", "orange"),
    )
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
    shapes = {
        "triangle": s.poly((9, 9), (12, 9), (10.5, 6)),
        "square": s.box(9, 7, 11, 9),
        "slant": s.poly((9, 9), (12, 8.5), (12, 6)),
    }
    s.paint(s.both(shapes[eye]), face)
    s.paint(s.both(s.poly((8, 12.5), (8, 11), (9, 11.5), (10, 10.5), (11, 11.5), (12.5, 10), (11, 12.5))), face)
    s.paint(s.box(7, 10.5, 9, 11.5) if d.chance(0.5) else 0, WHITE if not lit else skin.base)
    tell_monster(s, "pumpkin", skin, [f"glowing {glow.word} eyes" if lit else "a carved face"], [glow] if lit else [])


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
    tell_monster(s, "cyclops", skin, features, extra)


def alien(s: Sketch) -> None:
    """A large head with black almond eyes on a thin body."""
    d = s.dice
    skin = s.ramp("green", "grey", "purple", "blue", "teal", "pink")
    suit = s.ramp("grey", "blue", "red", "purple", "yellow", "white", avoid=(skin.word,))
    wide, chin = d.step(4.5, 5.5), d.step(9, 10)
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
    if s.fine:
        s.paint(s.both(s.disc(10.3, 6.3, d.step(1.2, 1.7), d.step(1.4, 2))), INK)
        s.dot(5, 5.5, WHITE, 0.5, 0.5)
        s.dot(10, 5.5, WHITE, 0.5, 0.5)
    else:
        s.paint(s.both(s.box(9, 5, 11, 7) | s.box(9, 6, 10, d.pick((7, 8))) | s.box(10, d.pick((4, 5)), 11, 6)), INK)
        s.paint(s.both(s.box(10, 5, 11, 6)), WHITE)
    tell_monster(s, "alien", skin, features, [suit])


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
    wide_eyes = d.chance(0.5)
    s.paint(s.both(s.box(9, 5, 11 if wide_eyes or not s.fine else 10, 6 if s.fine or wide_eyes else 7)), glow.base)
    s.paint(s.both(s.box(9, 5, 9.5, 6) if s.fine else s.box(9, 5, 10, 6)), INK)
    s.paint(s.box(7.5, 6, 8.5, 8) if s.fine else s.box(7, 6, 9, 7), skin.light)
    s.dot(6, 8, INK, 4, 1 if not s.fine else 0.5)
    if d.chance(0.6):
        s.paint(s.both(s.box(9, 8, 10, 9)), WHITE)
    features = [f"{glow.word} eyes", f"{cloth.word} rags"]
    if d.chance(0.3):
        cap = s.ramp("red", "blue", "grey", "brown", avoid=(skin.word, cloth.word))
        s.solid(s.disc(8, 4, 3.5, 2.2) & s.box(0, 0, 16, 4.5), cap)
        features[1] = f"{a(cap.word)} cap"
        tell_monster(s, "goblin", skin, features, [glow, cap])
        return
    tell_monster(s, "goblin", skin, features, [glow, cloth])


FIENDS = (ghost, skull, eyeball, robot, golem, demon, pumpkin, cyclops, alien, goblin)
