"""What is on a front-facing person's head? Faces, hair, beards, hats and helmets; each names itself for the caption."""

from typing import NamedTuple

from .canvas import INK, WHITE
from .sketch import Material, Sketch, a


class Worn(NamedTuple):
    """A part as the caption says it, its materials, and its one-word name."""

    phrase: str
    materials: tuple[Material, ...]
    part: str


HAIR = ("brown", "yellow", "orange", "red", "grey", "white", "blue", "green", "pink", "purple")


def face(s: Sketch, skin: Material, half: float) -> None:
    """Head with eyes and, where there is room, a mouth; `half` is half its width."""
    head = s.box(8 - half, 4, 8 + half, 8) | s.disc(8, 6.5, half, 3)
    s.paint(s.grow(head) & s.drawn, INK)
    s.shade(head, skin.dark, glow=0)
    s.paint(s.both(s.box(9, 6, 10, 7 if not s.fine else 7.5)), INK)
    if s.fine:
        s.paint(s.both(s.box(9.5, 6, 10, 6.5)), WHITE)
        s.paint(s.box(7, 8.5, 9, 9) if s.dice.chance(0.6) else s.box(7.5, 8.5, 8.5, 9), skin.dark)
        s.paint(s.box(7.5, 7, 8, 8), skin.light)


def beard(s: Sketch, hair: Material, long: bool) -> Worn:
    """Hair below the mouth, short or down to the chest."""
    low = 11.5 if long else 9
    shape = s.box(5, 7, 11, 9) | (
        s.poly((5, 8), (11, 8), (9, low), (8, low + 0.6), (7, low)) if long else s.disc(8, 8.5, 3, 1)
    )
    shape &= ~s.box(7, 7, 9, 7.5)
    s.shade(shape, hair.dark)
    if s.fine:
        s.paint(s.box(7, 7.5, 9, 8), INK)
    return Worn(f"{a(hair.word)} {'long ' if long else ''}beard", (hair,), "beard")


def hair_behind(s: Sketch, style: str, hair: Material, half: float) -> None:
    """What must be painted before the body and face: long hair and buns."""
    if style == "long":
        low = s.dice.step(10, 12.5)
        s.shade(s.box(7 - half, 4, 9 + half, low) | s.disc(8, 5, half + 1, 3), hair.dark)
    elif style == "pigtails":
        drop = s.dice.step(8, 11)
        s.shade(s.both(s.line(2, (8 + half + 0.5, 6), (8 + half + 1.5, drop))), hair.dark)
    elif style == "bun":
        s.shade(s.disc(8, 2, 2), hair.dark)
    elif style == "afro":
        s.shade(s.disc(8, 5, half + 2, 4), hair.dark)


def hair_front(s: Sketch, style: str, hair: Material, half: float) -> Worn:
    """The hair over the forehead."""
    d = s.dice
    cap = s.disc(8, 5, half + 0.7, 3.2) & s.box(0, 0, 16, 5)
    if style in ("short", "long", "pigtails", "bun", "bob", "afro"):
        fringe = d.pick(("straight", "left", "right", "middle"))
        if fringe == "left":
            cap |= s.box(8 - half, 4, 8, 6)
        elif fringe == "right":
            cap |= s.box(8, 4, 8 + half, 6)
        elif fringe == "middle":
            cap |= s.box(7, 4, 9, 5.5) | s.both(s.box(7 + half, 4, 8 + half, 6))
        low = {"bob": 9, "long": 9, "pigtails": 6.5}.get(style, 6)
        cap |= s.both(s.box(7.5 + half, 4, 8.7 + half, low)) if style != "afro" else 0
    elif style == "spiky":
        high = d.step(1, 2)
        cap |= s.poly(
            (7 - half, 5.5),
            (7 - half, 2.5),
            (6, 3),
            (6.5, high),
            (8.5, 3),
            (10, high),
            (10.5, 3),
            (9.5 + half, 2),
            (9 + half, 5.5),
            (10, 5),
            (8, 6),
            (6, 5),
        )
    elif style == "mohawk":
        cap = s.box(7, d.step(0.5, 1.5), 9, 5)
    s.shade(cap, hair.dark)
    if s.fine and style != "mohawk":
        s.paint(s.box(6.5, 3.5, 7, 4.5) | s.box(8.5, 3.5, 9, 5), hair.dark)
    name = {"short": "hair", "bob": "hair", "afro": "curly hair", "spiky": "spiky hair", "long": "long hair"}
    if style in ("bun", "mohawk"):
        return Worn(f"{a(hair.word)} {style}", (hair,), style)
    if style == "pigtails":
        return Worn(f"{hair.word} pigtails", (hair,), "pigtails")
    words = name[style].split()
    return Worn(" ".join((*words[:-1], hair.word, "hair")), (hair,), "hair")


def helmet(s: Sketch, half: float, style: str) -> Worn:
    """Metal on the head: open, with a nose guard, closed with a slit, horned or plumed."""
    d = s.dice
    metal = s.ramp("grey", "yellow", "blue", "white", "brown", "red")
    phrase = f"{a(metal.word)} helmet"
    low = 9 if style == "closed" else 5
    shape = s.disc(8, 5.5, half + 1, 3.8) & s.box(0, 0, 16, low) | s.box(7 - half, 5, 9 + half, min(low, 8))
    if style != "closed":
        shape = shape & ~s.box(8 - half, 5, 8 + half, 9) | s.both(s.box(7.5 + half, 5, 8.7 + half, d.step(6, 8)))
        if style == "nose":
            shape |= s.box(7.5, 4, 8.5, 7.5) if s.fine else s.box(7, 4, 9, 6)
    top = d.pick(("plain", "plume", "crest", "horns")) if style != "horned" else "horns"
    if top == "horns":
        horn = s.ramp("white", "tan", "yellow", avoid=(metal.word,))
        s.shade(
            s.both(
                s.poly(
                    (8 + half - 0.5, 5), (9 + half, 4), (9.5 + half, d.step(1, 2)), (11 + half, 2.5), (10.5 + half, 5)
                )
            ),
            horn.dark,
        )
        phrase = f"{a(metal.word)} horned helmet"
    elif top in ("plume", "crest"):
        feather = s.ramp("red", "blue", "green", "purple", "yellow", "orange", avoid=(metal.word,))
        s.shade(
            s.line(2, (8, 3), (8, 1.5)) if top == "crest" else s.line(1.8, (8, 2.5), (10, 1), (12.5, 2.5)),
            feather.dark,
        )
        phrase = f"{a(metal.word)} plumed helmet"
    s.shade(shape, metal.dark)
    if style == "closed":
        slit = d.pick(("line", "cross", "bars"))
        s.paint(
            s.box(5.5, 6, 10.5, 7 if not s.fine else 6.8)
            if slit != "cross"
            else s.box(5, 6, 11, 7) | s.box(7.5, 5, 8.5, 9),
            INK,
        )
        if slit == "bars":
            s.paint(s.both(s.box(9, 8, 9.5 + 0.5 * (not s.fine), 9)), metal.dark)
    else:
        s.paint(s.box(8 - half, 4, 8 + half, 5 if not s.fine else 4.5) & shape, metal.dark)
    return Worn(phrase, (metal,), "helmet")


def hat(s: Sketch, half: float, style: str, avoid: tuple[str, ...] = ()) -> Worn:
    """Cloth, straw or gold on the head."""
    d = s.dice
    if style == "crown" or style == "tiara":
        gold, gem = s.ramp("yellow", "orange", avoid=avoid), s.ramp("red", "blue", "green", "purple")
        high = d.step(1, 2) if style == "crown" else 2.5 if s.fine else 3
        wide = half if style == "crown" else half - 1
        if s.fine:
            points = s.poly(
                (8 - wide, 4.5),
                (8 - wide, high),
                (8 - wide / 2, 3),
                (8, high),
                (8 + wide / 2, 3),
                (8 + wide, high),
                (8 + wide, 4.5),
            )
        else:
            points = (
                s.box(8 - wide, 3, 8 + wide, 5) | s.both(s.box(7 + wide, high, 8 + wide, 5)) | s.box(7, high, 9, 5)
            )
        s.shade(points, gold.dark)
        s.paint(s.box(7.5, 3, 8.5, 4) if s.fine else s.box(7, 3, 9, 4), gem.base)
        return Worn(f"{a(gold.word)} {style}", (gold,), style)
    cloth = s.ramp("red", "blue", "green", "purple", "brown", "orange", "grey", "yellow", "pink", "teal", avoid=avoid)
    band = s.ramp("yellow", "red", "white", "blue", "brown", avoid=(cloth.word,))
    if style == "wizard":
        tip = d.step(6, 10)
        s.shade(s.poly((8 - half + 0.5, 5), (tip - 0.5, 1), (tip + 0.5, 1), (8 + half - 0.5, 5)), cloth.dark)
        s.paint(s.box(8 - half + 0.5, 3.5, 8 + half - 0.5, 4.5) & s.drawn, band.base)
        s.shade(s.disc(8, 5, half + d.step(2, 2.5), 1), cloth.dark)
        return Worn(f"{a(cloth.word)} pointed hat", (cloth,), "pointed hat")
    if style == "straw":
        straw = s.ramp("yellow", "orange", "tan", "brown", avoid=avoid)
        s.shade(s.disc(8, 4, half - 0.2, 2.4), straw.dark)
        s.paint(s.box(8 - half + 0.5, 3.5, 8 + half - 0.5, 4.5), band.base)
        s.shade(s.disc(8, 5, half + d.step(1.5, 2.5), 0.9), straw.dark)
        return Worn(f"{a(straw.word)} straw hat", (straw,), "straw hat")
    if style == "chef":
        white = s.ramp("white")
        s.shade(
            s.disc(6, 2.5, 2, 1.6)
            | s.disc(10, 2.5, 2, 1.6)
            | s.disc(8, 2.4, 2.2, 1.5)
            | s.box(8 - half + 0.5, 3, 8 + half - 0.5, 5),
            white.dark,
        )
        s.paint(s.box(8 - half + 0.5, 4, 8 + half - 0.5, 4.5 if s.fine else 5) & s.drawn, white.dark)
        return Worn("a white chef's hat", (white,), "chef's hat")
    if style == "hood":
        hood = (s.disc(8, 5.5, half + 1, 4) | s.box(7 - half, 5, 9 + half, 9)) & ~s.box(
            8 - half + 0.5, 5, 8 + half - 0.5, 9
        )
        if d.chance(0.4):
            hood |= s.poly((6, 3), (10, 3), (8 + d.step(-1, 1), 0.5))
        s.shade(hood, cloth.dark)
        return Worn(f"{a(cloth.word)} hood", (cloth,), "hood")
    if style == "cap":
        s.shade(s.disc(8, 5, half + 0.5, 3) & s.box(0, 0, 16, 5), cloth.dark)
        s.paint(s.box(8 - half, 4, 8 + half + d.pick((0, 2)), 5), band.base if d.chance(0.5) else cloth.dark)
        if d.chance(0.4):
            s.paint(s.box(7, 2, 9, 3), band.base)
        return Worn(f"{a(cloth.word)} cap", (cloth,), "cap")
    if style == "feather":
        s.shade(s.poly((8 + half, 4.5), (10 + half, 0.5), (11 + half, 2)), band.dark)
        s.shade(s.poly((7 - half, 5), (8 - half, 3), (8, 1.5), (8 + half, 2.5), (9.5 + half, 5)), cloth.dark)
        return Worn(f"{a(cloth.word)} feathered hat", (cloth,), "feathered hat")
    if style == "tricorn":
        s.shade(
            s.poly(
                (5 - half, 4),
                (8 - half, 2.5),
                (8, 1.5),
                (8 + half, 2.5),
                (11 + half, 4),
                (8 + half, 5.5),
                (8 - half, 5.5),
            ),
            cloth.dark,
        )
        s.paint(s.box(7, 3, 9, 4.5), WHITE)
        return Worn(f"{a(cloth.word)} pirate hat", (cloth,), "pirate hat")
    if style == "bandana":
        s.shade(
            s.disc(8, 5, half + 0.5, 3) & s.box(0, 0, 16, 5)
            | s.poly((8 + half, 4), (10 + half, 4.5), (9.5 + half, 7), (8 + half, 5.5)),
            cloth.dark,
        )
        if d.chance(0.5):
            for x in (6, 8, 10):
                s.dot(x - 0.5, 3 + (x % 4 == 0) * 0.5, band.light, 1, 1 if not s.fine else 0.5)
        return Worn(f"{a(cloth.word)} bandana", (cloth,), "bandana")
    if style == "turban":
        s.shade(s.disc(8, 3.5, half + 1, 2.6), cloth.dark)
        s.paint(s.line(0.8, (8 - half, 4.5), (8, 2.5), (8 + half, 4.5)), cloth.dark)
        s.dot(7.5, 2.5 if s.fine else 3, band.light)
        return Worn(f"{a(cloth.word)} turban", (cloth,), "turban")
    # A ninja's cloth: all but the eyes.
    s.shade(
        (s.disc(8, 6, half + 0.7, 3.8) | s.box(8 - half, 4, 8 + half, 9))
        & ~s.box(8 - half + 0.5, 6, 8 + half - 0.5, 7.5 if s.fine else 7),
        cloth.dark,
    )
    s.paint(s.box(8 - half, 4, 8 + half, 5), band.base)
    s.paint(s.line(1, (8 + half, 4.5), (10 + half, d.step(3.5, 6))), band.base)
    return Worn(f"{a(cloth.word)} mask and {a(band.word)} headband", (cloth, band), "mask")
