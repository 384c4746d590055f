"""What does a front-facing person wear and hold? Clothes from neck to feet, and things for the two hands."""

from .canvas import INK, WHITE
from .heads import Worn
from .sketch import Material, Sketch, a

CLOTH = ("red", "blue", "green", "purple", "orange", "yellow", "brown", "grey", "pink", "teal", "white")


def cape(s: Sketch, half: float, avoid: tuple[str, ...]) -> Worn:
    """A cloak behind everything else."""
    cloth = s.ramp("red", "blue", "purple", "green", "orange", avoid=avoid)
    low = s.dice.step(12.5, 14)
    s.shade(s.poly((8 - half, 9), (8 + half, 9), (11 + half, low), (5 - half, low)), cloth.dark, glow=0)
    return Worn(f"{a(cloth.word)} cape", (cloth,), "cape")


def _arms(s: Sketch, half: float, sleeve: Material, skin: Material, raised: bool) -> None:
    low = 11.5 if raised else 12.5
    right = s.line(1.6, (8 + half, 10), (8 + half + 1.2, low - 1))
    s.shade(s.both(right), sleeve.dark, glow=0)
    s.paint(s.both(s.box(8 + half + 0.5, low - 1, 8 + half + 2, low)), skin.base)


def _legs(s: Sketch, half: float, cloth: Material, shoe: Material) -> None:
    out = min(half, 3)
    s.shade(s.both(s.box(8.5 if s.fine else 9, 12, 8 + out, 15)), cloth.dark, glow=0)
    s.paint(s.both(s.box(8.5 if s.fine else 9, 14, 8 + out + (0.5 if s.fine else 0), 15)), shoe.base)


def clothes(s: Sketch, style: str, half: float, skin: Material, avoid: tuple[str, ...]) -> Worn:
    """The body from the neck down; `half` is half the shoulder width."""
    d = s.dice
    if style in ("robe", "dress"):
        cloth = s.ramp(*CLOTH, avoid=avoid)
        trim = s.ramp("yellow", "white", "blue", "red", avoid=(cloth.word,))
        foot, waist = half + d.step(1, 2), half - (1 if style == "dress" else 0)
        s.shade(
            s.poly((8 - half, 9), (8 + half, 9), (8 + waist, 11), (8 + foot, 15), (8 - foot, 15), (8 - waist, 11)),
            cloth.dark,
        )
        if d.chance(0.5):
            s.paint(s.box(8 - foot, 14, 8 + foot, 15 if not s.fine else 14.5) & s.drawn, trim.base)
        if style == "robe" and d.chance(0.5):
            s.paint(s.box(7.5, 9, 8.5, 15) if s.fine else s.box(7, 9, 9, 15), trim.base)
        elif d.chance(0.6):
            s.paint(s.box(8 - waist, 11, 8 + waist, 12), trim.base)
        _arms(s, half, cloth, skin, d.chance(0.3))
        return Worn(f"{a(cloth.word)} {style}", (cloth,), style)
    shoe = s.ramp("brown", "grey", "orange", "red")
    if style == "armour":
        metal = s.ramp("grey", "blue", "yellow", "white", "brown", avoid=avoid)
        _legs(s, half, metal, shoe)
        _arms(s, half, metal, skin, d.chance(0.3))
        body = s.box(8 - half, 9, 8 + half, 13)
        s.shade(body, metal.dark)
        sign = d.pick(("cross", "belt", "plate", "tabard"))
        mark = s.ramp("red", "yellow", "blue", "green", "white", avoid=(metal.word,))
        if sign == "cross":
            s.paint(
                s.box(7.5, 9, 8.5, 13) | s.box(6, 10, 10, 11) if s.fine else s.box(7, 9, 9, 12) | s.box(6, 10, 10, 11),
                mark.base,
            )
        elif sign == "tabard":
            s.paint(s.box(6, 9, 10, 13.5), mark.base)
            s.paint(s.box(9, 9, 10, 13.5), mark.dark)
        else:
            s.paint(s.box(8 - half, 12, 8 + half, 13), shoe.dark)
        s.shade(s.both(s.disc(8 + half + 0.5, 9.8, d.step(1, 1.5), 1)), metal.dark)
        return Worn(f"{metal.word} armour", (metal,), "armour")
    shirt, trousers = s.ramp(*CLOTH, avoid=avoid), s.ramp("blue", "brown", "grey", "green", "purple", "red")
    _legs(s, half, trousers, shoe)
    _arms(s, half, shirt, skin, d.chance(0.3))
    body = s.box(8 - half, 9, 8 + half, 13)
    s.shade(body, shirt.dark)
    if style == "overalls":
        s.paint(s.box(7 - half + 2, 11, 9 + half - 2, 13) | s.both(s.box(9, 9, 10, 11)), trousers.base)
        return Worn(f"{trousers.word} overalls", (trousers,), "overalls")
    if style == "apron":
        s.paint(s.box(6, 10, 10, 14), WHITE)
        return Worn(f"{a(shirt.word)} shirt", (shirt,), "shirt")
    if style == "stripes":
        mark = s.ramp("white", "red", "yellow", avoid=(shirt.word,))
        for y in (10, 12):
            s.paint(s.box(8 - half, y, 8 + half, y + (0.7 if s.fine else 1)), mark.base)
        return Worn(f"{a(shirt.word)} striped shirt", (shirt,), "striped shirt")
    detail = d.pick(("belt", "buttons", "collar", "plain"))
    if detail == "belt":
        s.paint(s.box(8 - half, 12, 8 + half, 13), shoe.dark)
        s.paint(s.box(7.5, 12, 8.5, 13), shoe.light)
    elif detail == "buttons":
        s.paint(s.box(7.5, 10, 8.5, 10.5 if s.fine else 11) | s.box(7.5, 11.5, 8.5, 12), shirt.light)
    elif detail == "collar":
        s.paint(s.poly((6.5, 9), (9.5, 9), (8, 11)), skin.base)
    word = "tunic" if style == "tunic" else "shirt"
    if style == "tunic":
        s.shade(s.box(8 - half, 12, 8 + half, 13.5), shirt.dark, glow=0)
    return Worn(f"{a(shirt.word)} {word}", (shirt,), word)


def held(s: Sketch, item: str, half: float, right: bool, avoid: tuple[str, ...]) -> Worn:
    """A thing in one hand, upright beside the body."""
    d = s.dice
    was, s.flipped = s.flipped, not right
    x = 8 + half + 2
    metal, wood = s.ramp("grey", "white", "blue", "yellow"), s.ramp("brown", "orange")
    worn = Worn(a(item), (), item)
    if item == "sword":
        top = d.step(2, 5)
        blade = (
            s.box(x - 0.5, top, x + 0.5, 11)
            if not s.fine
            else s.poly((x - 0.7, 11), (x - 0.7, top + 1), (x, top), (x + 0.7, top + 1), (x + 0.7, 11))
        )
        s.solid(blade, metal, glow=0, depth=0)
        s.paint(blade & s.box(x, 0, 16, 16) if s.fine else 0, metal.dark)
        s.paint(s.box(x - 1.5, 10.5, x + 1.5, 11.5), wood.base)
        s.paint(s.box(x - 0.5, 11.5, x + 0.5, 13), wood.dark)
    elif item in ("staff", "sceptre", "wand"):
        top = {"staff": d.step(2, 4), "sceptre": 7, "wand": 8}[item]
        orb = s.ramp("red", "blue", "green", "purple", "yellow", "teal", avoid=(wood.word,))
        shaft = s.box(x - 0.5, top, x + 0.5, 15 if item == "staff" else 13)
        s.solid(shaft, wood, glow=0, depth=0)
        s.ball(s.disc(x, top, d.step(1, 1.5)), orb.dark)
        worn = Worn(f"{a(item)} with {a(orb.word)} orb", (orb,), item)
    elif item == "spear":
        s.solid(s.box(x - 0.5, 4, x + 0.5, 15), wood, glow=0, depth=0)
        s.paint(s.poly((x, 1.5), (x + 1.3, 4.5), (x, 5.5), (x - 1.3, 4.5)), metal.base)
    elif item == "axe":
        s.solid(s.box(x - 0.5, 5, x + 0.5, 14), wood, glow=0, depth=0)
        s.solid(s.poly((x - 0.5, 5), (x + 2, 4), (x + 2, 8.5), (x - 0.5, 7.5)) | s.box(x - 1.5, 5.5, x, 7), metal)
    elif item == "pitchfork":
        s.solid(s.box(x - 0.5, 6, x + 0.5, 15), wood, glow=0, depth=0)
        s.paint(
            s.box(x - 1.5, 3, x - 0.5, 6) | s.box(x + 0.5, 3, x + 1.5, 6) | s.box(x - 1.5, 5, x + 1.5, 6), metal.base
        )
    elif item == "pickaxe":
        s.solid(s.box(x - 0.5, 6, x + 0.5, 14), wood, glow=0, depth=0)
        s.solid(s.line(1.2, (x - 2, 7.5), (x, 5.5), (x + 1.5, 7.5)), metal, glow=0)
    elif item == "shield":
        face, rim = s.ramp("red", "blue", "green", "brown", "purple", "yellow", avoid=avoid), metal
        shape = d.pick(("round", "heater"))
        body = (
            s.disc(x - 0.5, 11, 2, 2.5)
            if shape == "round"
            else s.poly((x - 2.5, 8.5), (x + 1.5, 8.5), (x + 1.5, 11.5), (x - 0.5, 14), (x - 2.5, 11.5))
        )
        s.solid(body, face, glow=0)
        s.paint(s.box(x - 1, 10, x, 11), rim.light)
        worn = Worn(f"{a(face.word)} shield", (face,), "shield")
    elif item == "bow":
        s.paint(s.line(1, (x - 0.5, 5), (x + 1, 7), (x + 1.5, 9.5), (x + 1, 12), (x - 0.5, 14)), wood.base)
        s.paint(s.line(0.6, (x - 0.5, 5), (x - 0.5, 14)), WHITE)
    elif item == "book":
        cover = s.ramp("red", "blue", "green", "brown", "purple", avoid=avoid)
        s.solid(s.box(x - 2.5, 10, x + 0.5, 13.5), cover, glow=0, depth=0)
        s.paint(s.box(x - 0.5, 10.5, x + 0.5, 13), WHITE)
        worn = Worn(f"{a(cover.word)} book", (cover,), "book")
    elif item == "flower":
        petal = s.ramp("red", "pink", "yellow", "blue", "purple")
        stem = s.ramp("green")
        s.paint(s.box(x - 0.5, 8, x + 0.5, 13), stem.base)
        s.paint(s.disc(x, 7.5, 1.6), petal.base)
        s.dot(x - 0.5, 7, petal.light)
        worn = Worn(f"{a(petal.word)} flower", (petal,), "flower")
    elif item == "lantern":
        light = s.ramp("yellow", "orange")
        s.solid(s.box(x - 1.5, 9.5, x + 1.5, 13), light)
        s.paint(s.box(x - 1.5, 9, x + 1.5, 10), wood.dark)
        worn = Worn("a lantern", (), "lantern")
    elif item == "pan":
        s.solid(s.box(x - 0.5, 8, x + 0.5, 13), wood, glow=0, depth=0)
        s.solid(s.disc(x, 6.5, 2), metal)
        s.paint(s.disc(x, 6.5, 1), metal.dark)
    else:
        s.solid(s.box(x - 0.5, 4, x + 0.5, 14), wood, glow=0, depth=0)
        s.solid(s.poly((x - 2, 15), (x - 1, 11), (x + 1, 11), (x + 2, 15)), s.ramp("yellow", "orange"))
    s.flipped = was
    return worn


def eyepatch(s: Sketch) -> Worn:
    """A black patch with a strap."""
    s.paint(s.box(9, 5.5, 11, 7.5) | s.box(5, 5, 11, 5.5 if s.fine else 5), INK)
    return Worn("an eyepatch", (), "eyepatch")
