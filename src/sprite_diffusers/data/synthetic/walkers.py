"""What do people and upright creatures look like in profile? Walkers with one arm in front, and a rider's tools."""

from .canvas import INK
from .side_parts import eye, face_somewhere, tell_facing
from .sketch import Material, Sketch, a, with_parts

_CLOTH = ("red", "blue", "green", "purple", "orange", "brown", "grey", "yellow", "pink", "teal")


def _stride(s: Sketch, cloth: Material, shoe: Material) -> None:
    """Legs in one of three steps of a walk."""
    spread = s.dice.pick((0, 1.5, 2.5))
    far = s.line(1.9, (8, 11.5), (8 - spread, 14))
    near = s.line(1.9, (8.3, 11.5), (8.3 + spread, 14))
    s.paint(far, cloth.dark)
    s.paint(s.box(7 - spread, 13.5, 9.5 - spread, 14.8), shoe.dark)
    s.paint(near, cloth.base)
    s.paint(s.box(7.3 + spread, 13.5, 10.3 + spread, 14.8), shoe.base)


def _profile_head(s: Sketch, skin: Material) -> None:
    """A head that looks to the side: nose in front, one eye."""
    head = s.disc(8, 5.5, 3, 2.9)
    s.shade(head | s.box(6, 5, 11, 8), skin.dark, glow=0, depth=0)
    s.paint(s.box(11, 5.8, 12, 7 if not s.fine else 6.8), skin.base)
    s.paint(s.box(6, 7.3, 9.5, 8.4), skin.dark)
    eye(s, 9, 5)


def person(s: Sketch) -> None:
    """A man or woman who walks, with hair, a cap or a helmet."""
    d = s.dice
    skin = s.skin()
    way = face_somewhere(s)
    shirt, trousers, shoe = s.ramp(*_CLOTH), s.ramp("blue", "brown", "grey", "green"), s.ramp("brown", "red", "grey")
    role = d.pick(("man", "woman", "knight", "wizard", "man", "woman"))
    hues = {"knight": ("grey", "yellow", "blue"), "wizard": ("blue", "purple", "red", "green")}
    top = s.ramp(*hues.get(role, ("brown", "yellow", "orange", "red", "grey")))
    features, colors = [], [top]
    swing = d.pick((-1.5, 0, 1.5))
    long = role == "woman" and d.chance(0.6)
    if role == "wizard" or (role == "woman" and d.chance(0.6)):
        foot = d.step(3, 4)
        s.paint(s.box(7, 13.5, 10.5, 14.8), shoe.base)
        s.shade(s.poly((6.3, 8), (9.7, 8), (8.3 + foot, 14), (8 - foot, 14)), shirt.dark)
        features.append(a(f"{shirt.word} {'dress' if role == 'woman' else 'robe'}"))
    else:
        _stride(s, trousers, shoe)
        s.shade(s.box(6, 8, 10, 12.3), shirt.dark)
        features.append(a(f"{shirt.word} shirt") if role != "knight" else f"{shirt.word} armour")
    colors.append(shirt)
    if long:
        s.shade(s.line(2.2, (5.5, 4.5), (5, d.step(8, 10))), top.dark, glow=0)
    _profile_head(s, skin)
    if role == "knight":
        style = d.pick(("open", "closed"))
        shape = s.disc(8, 5, 3.7, 3.5) & s.box(0, 0, 16, 5) | s.box(4.5, 4.5, 8, 8)
        if style == "closed":
            shape |= s.box(8, 6 if not s.fine else 5.8, 12, 8.3)
        s.shade(shape, top.dark)
        plume = s.ramp("red", "blue", "green", "purple", avoid=(top.word,))
        s.shade(s.line(1.6, (8, 2), (5, 1.8), (3.5, 4)), plume.dark, glow=0)
        features.insert(0, a(f"{top.word} helmet"))
    elif role == "wizard":
        s.shade(s.poly((4.5, 4.5), (d.step(5, 7), 0.7), (11.5, 4.5)), top.dark)
        s.paint(s.box(3.5, 4, 12.5, 5), top.dark)
        white = s.ramp("white", "grey", "brown")
        s.shade(s.poly((8.5, 7), (11.3, 7), (10.8, d.step(10, 11.5)), (9.5, 10)), white.dark, glow=0)
        features.insert(0, a(f"{top.word} hat"))
        features.append(f"{a(white.word)} beard")
        colors.append(white)
    else:
        hat = d.chance(0.3)
        shape = s.disc(7.7, 5, 3.7, 3.4) & s.box(0, 0, 16, 4.3) | s.box(4.2, 4, 7, 7 if role == "man" else 8.5)
        s.shade(shape, top.dark)
        if hat:
            cap = s.ramp("red", "blue", "green", "yellow", "purple", avoid=(top.word, shirt.word))
            s.shade(s.disc(7.7, 4.2, 3.7, 2.8) & s.box(0, 0, 16, 4.2) | s.box(8, 3.2, 13, 4.2), cap.dark)
            features.insert(0, a(f"{cap.word} cap"))
            colors.append(cap)
            colors.remove(top)
        else:
            features.insert(0, f"{'long ' if long else ''}{top.word} hair")
    arm = s.line(1.6, (8, 9.2), (8 + swing, 11.5))
    s.paint(s.grow(arm) & s.drawn if s.fine else arm << 1 & s.drawn, shirt.dark)
    s.paint(arm, shirt.light)
    s.paint(s.disc(8 + swing, 12, 0.9), skin.base)
    item = d.pick(("", "", "sword", "staff")) if role != "wizard" else "staff"
    if role == "knight":
        item = d.pick(("sword", "sword", "spear"))
    if item == "sword":
        metal = s.ramp("grey", "white")
        s.solid(s.line(1, (9.5 + swing, 11.7), (14, 7.5)), metal, glow=0, depth=0)
        features.append("a sword")
    elif item:
        wood = s.ramp("brown", "orange")
        s.solid(s.box(12.5, 4, 13.5, 14.8), wood, glow=0, depth=0)
        s.paint(s.line(1.2, (8 + swing, 10.5), (12.5, 10.5)), shirt.light)
        tip = s.ramp("red", "blue", "green", "yellow") if item == "staff" else s.ramp("grey", "white")
        s.paint(s.disc(13, 3.5, 1.3) if item == "staff" else s.poly((11.8, 4.5), (13, 1), (14.2, 4.5)), tip.base)
        features.append(a(item))
    s.outline()
    s.tell(
        role,
        with_parts(a(role), features) + f" facing {way}",
        colors,
        [*(f.split()[-1] for f in features), f"facing {way}"],
    )


def skeleton(s: Sketch) -> None:
    """A walking skeleton."""
    d = s.dice
    bone, cloth = s.ramp("white", "tan", "grey"), s.ramp("red", "brown", "blue", "purple", "green")
    way = face_somewhere(s)
    spread, swing = d.pick((0.5, 1.5, 2.5)), d.pick((-1.5, 0, 1.5))
    s.paint(s.line(1, (8, 11), (8 - spread, 14.5), (9 - spread, 14.5)), bone.dark)
    s.paint(s.line(1, (8, 11), (8 + spread, 14.5), (9.5 + spread, 14.5)), bone.base)
    s.paint(s.box(7.5, 8, 8.5, 12), bone.base)
    s.paint(
        s.box(6.5, 9, 10, 9.7 if s.fine else 10) | s.box(6.5, 10.3 if s.fine else 11, 9.5, 11 if s.fine else 12),
        bone.light,
    )
    head = s.disc(8, 5, 3.3, 3) | s.box(8, 5, 11.3, 8.3)
    s.ball(head, bone.dark)
    if s.fine:
        s.paint(
            s.box(8.5, 4.5, 10, 6) | s.box(11, 5.5, 11.5, 6.5) | s.box(9, 7, 9.5, 8.5) | s.box(10.5, 7, 11, 8.5), INK
        )
    else:
        s.paint(s.box(8, 4, 10, 6) | s.box(9, 7, 10, 8), INK)
    s.paint(s.line(1, (8, 9), (9.5 + swing, 10.5), (11, 10)), bone.base)
    features, colors = [], []
    item = d.pick(("sword", "none", "bow"))
    if item == "sword":
        s.solid(s.line(1, (11.5, 11.5), (11.5, 10.5), (14.3, 6)), s.ramp("grey", "blue", "orange"), glow=0, depth=0)
        features.append("a sword")
    elif item == "bow":
        s.paint(s.line(0.9, (11.5, 5.5), (13.5, 8), (13.5, 11), (11.5, 13.5)), s.ramp("brown", "orange").base)
        features.append("a bow")
    if d.chance(0.4):
        s.shade(s.disc(7.8, 4.5, 3.7, 3) & s.box(0, 0, 16, 3.8) | s.poly((5, 3), (2, 4), (4.5, 5)), cloth.dark)
        features.append(f"{a(cloth.word)} bandana")
        colors.append(cloth)
    tell_facing(s, "skeleton", bone, way, features, colors)


WALKERS = (person, person, person, skeleton)
