"""What do dishes and drinks look like? One function a kind, each with its own varying shape, parts and colours."""

from .canvas import INK, WHITE
from .sketch import Sketch, a, with_parts


def bread(s: Sketch) -> None:
    """A loaf with slashes."""
    d = s.dice
    crust = s.ramp("brown", "orange", "tan")
    tall, wide, slant = d.step(4, 6), d.step(5, 6.5), d.step(-1.5, 2)
    body = s.disc(8, 9, wide, tall) & s.box(1, 2, 15, 11.5) | s.box(9 - wide, 9, 7 + wide, 12)
    s.ball(body, crust.dark)
    for x in d.pick(((4.5, 7.5, 10.5), (5, 9), (3.5, 6, 8.5, 11))):
        s.paint(s.line(1, (x, 9), (x + slant, 6)) & s.shrink(body), crust.light)
        s.paint(s.line(1, (x + 1, 9), (x + 1 + slant, 6)) & s.shrink(body), crust.dark)
    s.outline()
    s.tell("bread", f"a loaf of {crust.word} bread", [crust], ["loaf"])


def toast(s: Sketch) -> None:
    """A slice of bread with a crust and something on it."""
    d = s.dice
    crust, crumb = s.ramp("brown", "orange"), s.ramp("tan", "yellow")
    wide, low = d.step(4, 5.5), d.step(12, 14)
    body = s.box(9 - wide, 5, 7 + wide, low) | s.both(s.disc(7 + wide / 2, 5, wide / 2 + 0.8, 2.3))
    s.shade(body, crust.dark, glow=0)
    inner = s.shrink(body)
    s.paint(s.shrink(inner) if s.fine else inner, crumb.base)
    spread = s.ramp("yellow", "red", "purple", avoid=(crumb.word, crust.word))
    s.shade(s.disc(d.step(7.5, 8.5), d.step(8, 9), d.step(2, 3), d.step(1.5, 2.5)) & s.shrink(body), spread.dark)
    s.outline()
    topping = "butter" if spread.word == "yellow" else "jam"
    text = f"a slice of {crust.word} toast with {spread.word} {topping}"
    s.tell("toast", text, [crust, spread], ["crust", topping])


def cheese(s: Sketch) -> None:
    """A wedge with holes."""
    d = s.dice
    body = s.ramp("yellow", "orange")
    s.flipped = d.chance(0.5)
    tip, low, tilt = d.step(3, 5.5), d.step(12, 13.5), d.step(-1, 1)
    top = s.poly((2, 8.1), (2, 7.5), (d.step(9, 12), tip), (14, tip + 1.5), (14, 8.1))
    front = s.poly((2, 8), (14, 8), (14, low - max(tilt, 0)), (2, low + min(tilt, 0)))
    s.paint(top, body.light)
    s.shade(front, body.dark, glow=0)
    for x, y in ((5, 10), (9, 11), (12, 9.5), (7.5, 9)):
        if d.chance(0.75):
            s.paint(s.disc(x, y, d.step(0.9, 1.5, 0.3)) & front, body.dark)
    if d.chance(0.5):
        s.paint(s.disc(10, 6.5, 1.3, 0.8) & top, body.base)
    if d.chance(0.3):
        s.paint(s.disc(2, 10, d.step(1.5, 2)), 0)
    s.paint(s.disc(d.pick((6, 8, 10)), 10, 1) & front, body.dark)
    s.outline()
    s.tell("cheese", f"a wedge of {body.word} cheese with holes", [body], ["holes"])


def drumstick(s: Sketch) -> None:
    """A fat piece of meat on a bone."""
    d = s.dice
    meat, bone = s.ramp("brown", "orange", "red"), s.ramp("white")
    s.flipped = d.chance(0.5)
    size, reach, taper = d.step(3, 4), d.step(12, 13.5), d.step(1.5, 2.5)
    shaft = s.line(1.5, (8, 8), (reach, reach))
    knob = s.disc(reach + 0.5, reach - 0.8, 1.2) | s.disc(reach - 0.8, reach + 0.5, 1.2)
    s.shade(shaft | knob, bone.dark)
    fat, slim = d.step(5.5, 6.5), d.step(8, 9.5)
    body = (
        s.disc(fat, fat, size)
        | s.disc(slim, slim, size - taper)
        | s.disc((fat + slim) / 2, (fat + slim) / 2, size - taper / 2)
    )
    s.paint(s.grow(body) & s.drawn, INK)
    s.ball(body, meat.dark)
    marks = d.pick(("", "grill lines", "a bite"))
    if marks == "grill lines":
        for n in (4.5, 6.5):
            s.paint(s.line(0.8, (n, n + 3), (n + 3, n)) & s.shrink(body), meat.dark)
    elif marks == "a bite":
        bite = s.disc(8, 3, d.step(1.5, 2)) | s.disc(9.5, 4.5, 1.5)
        s.paint(bite & body, 0)
    s.outline()
    parts = [marks] if marks else []
    s.tell("drumstick", with_parts(a(f"{meat.word} drumstick"), parts), [meat], ["bone", *parts])


def fish(s: Sketch) -> None:
    """A whole fish on its side."""
    d = s.dice
    skin = s.ramp("blue", "grey", "orange", "red", "green", "teal", "pink")
    s.flipped = d.chance(0.5)
    tall, long = d.step(2.5, 4), d.step(4.5, 5.5)
    tail = s.poly((11, 8), (14.5, 8 - d.step(2, 4, 1)), (13.5, 8), (14.5, 8 + d.step(2, 4, 1)))
    s.shade(tail, skin.dark, glow=0)
    s.paint(s.poly((6, 8 - tall), (8, 6.5 - tall), (10, 8), (8, 9.5)), skin.dark)
    body = s.disc(7, 8, long, tall)
    s.ball(body, skin.dark)
    s.paint(body & s.disc(6.5, 9.5 + tall / 2, long, 1.8), skin.light)
    s.dot(4, 7, WHITE)
    s.dot(3 if d.chance(0.5) else 4, 7, INK)
    parts = []
    if d.chance(0.5):
        for x in (7, 9):
            s.paint(s.line(1, (x, 8 - tall), (x, 8 + tall / 2)) & body, skin.dark)
        parts.append("stripes")
    s.outline()
    s.tell("fish", with_parts(a(f"{skin.word} fish"), parts), [skin], parts)


def potion(s: Sketch) -> None:
    """A glass bottle, its drink, and a cork."""
    d = s.dice
    drink, glass = (
        s.ramp("red", "blue", "green", "purple", "yellow", "pink", "orange", "teal"),
        s.ramp("white", "grey"),
    )
    cork = s.ramp("brown", "orange", avoid=(drink.word,))
    shape = d.pick(("round", "tall", "flask", "square"))
    neck, top = d.step(1, 2), d.step(3.5, 5)
    if shape == "round":
        body = s.disc(8, 10, d.step(4, 5), d.step(4, 4.5))
    elif shape == "tall":
        half = d.step(2.5, 3)
        body = s.box(8 - half, 6.5, 8 + half, 14) | s.disc(8, 7, half, 1.5)
    elif shape == "flask":
        foot = d.step(4.5, 5.5)
        body = s.poly((8 - neck, 5.5), (8 + neck, 5.5), (8 + foot, 13), (7 + foot, 14), (9 - foot, 14), (8 - foot, 13))
    else:
        half = d.step(4, 5)
        body = s.box(8 - half, 7.5, 8 + half, 13.5) | s.box(9 - half, 6.5, 7 + half, 14)
    body |= s.box(8 - neck, top, 8 + neck, 8)
    level = d.step(7, 9.5)
    s.shade(body, glass.dark, glow=0)
    liquid = body & s.box(0, level, 16, 16)
    s.paint(liquid, drink.base)
    s.paint(liquid & ~(body >> (s.row + 1) * s.scale), drink.dark)
    s.paint(liquid & s.box(0, level, 16, level + 1), drink.light)
    s.dot(6, level + 2, WHITE, 1, d.pick((1, 2)))
    if d.chance(0.5):
        s.dot(9, level + 2.5, drink.light)
        s.dot(8, level + 3.5, drink.light, 0.5, 0.5)
    s.shade(s.box(8 - neck - 1, top - 0.5, 8 + neck + 1, top + 0.5), glass.dark, glow=0)
    s.solid(s.box(8 - neck, top - 2.5, 8 + neck, top - 0.5), cork)
    s.outline()
    s.tell("potion", a(f"{drink.word} potion"), [drink], ["bottle", shape])


def mug(s: Sketch) -> None:
    """A mug with a handle and a drink with foam."""
    d = s.dice
    cup, drink = s.ramp("brown", "grey", "blue", "red", "green", "white"), s.ramp("yellow", "white", "brown")
    s.flipped = d.chance(0.5)
    right, top, low = d.step(9.5, 11), d.step(4, 5.5), d.step(13, 14)
    ring = s.disc(right, (top + low) / 2 + 0.5, d.step(3, 3.5), 3.5)
    hole = s.disc(right, (top + low) / 2 + 0.5, 1.7, 2)
    s.shade(ring & ~hole, cup.dark)
    body = s.box(3, top, right, low)
    s.shade(body, cup.dark)
    if d.chance(0.4):
        s.paint(s.box(3, top + 3, right, top + 4) | s.box(3, low - 2, right, low - 1), cup.dark)
    s.ball(
        s.box(3, top, right, top + 1) | s.disc(4, top, 1.5) | s.disc(7, top - 0.5, 1.8) | s.disc(right - 1, top, 1.5),
        drink.dark,
    )
    s.outline()
    s.paint(hole & ~body, 0)
    s.paint(s.grow(s.drawn) & hole & ~s.drawn, INK)
    text = a(f"{cup.word} mug") + f" with {drink.word} foam"
    s.tell("mug", text, [cup, drink], ["handle", "foam"])


def egg(s: Sketch) -> None:
    """An egg, plain, spotted or striped, or fried."""
    d = s.dice
    if d.chance(0.35):
        white, yolk = s.ramp("white"), s.ramp("yellow", "orange")
        blob = s.disc(8, 8.5, d.step(4.5, 6), d.step(4, 5))
        for x, y in ((4, 6), (12, 6.5), (5, 12), (11, 12)):
            blob |= s.disc(x, y, d.step(1, 2.5), d.step(1, 2.5))
        s.shade(blob, white.dark, glow=0)
        s.ball(s.disc(d.step(7, 9), d.step(8, 9), d.step(2, 3)), yolk.dark)
        s.outline()
        s.tell("fried egg", f"a fried egg with {a(yolk.word)} yolk", [yolk, white], ["yolk"])
        return
    shell = s.ramp("white", "tan", "blue", "green", "pink", "yellow", "purple")
    mark = s.ramp(avoid=(shell.word, "white"))
    wide = d.step(4, 5)
    body = s.disc(8, 9, wide, 5) | s.disc(8, 8, wide - 1, 6)
    s.ball(body, shell.dark)
    style = d.pick(("plain", "spots", "stripes", "zigzag"))
    inner = s.shrink(body) if s.fine else body
    if style == "spots":
        for x, y in ((6, 6), (9, 4), (10, 8), (6, 10), (9, 12), (4, 8), (11, 11)):
            if d.chance(0.75):
                s.dot(x, y, mark.base, d.pick((1, 2)), 1)
        s.dot(8, 8, mark.base, 1, 2)
    elif style == "stripes":
        for y in (5, 8, 11):
            s.paint(s.box(0, y, 16, y + d.pick((1, 1.5))) & inner, mark.base)
    elif style == "zigzag":
        y = d.step(6, 9, 1)
        points = [(float(x), y + (x // 2) % 2 * 2) for x in range(2, 15, 2)]
        s.paint(s.line(1.2, *points) & inner, mark.base)
    s.outline()
    if style == "plain":
        s.tell("egg", a(f"{shell.word} egg"), [shell])
    else:
        stripe = "a zigzag stripe" if style == "zigzag" else style
        stripe = f"{a(mark.word)} zigzag" if style == "zigzag" else f"{mark.word} {stripe}"
        s.tell("egg", a(f"{shell.word} egg") + f" with {stripe}", [shell, mark], [style])


def pizza(s: Sketch) -> None:
    """A slice with crust and topping."""
    d = s.dice
    cheese_, crust, topping = s.ramp("yellow", "orange"), s.ramp("brown", "tan"), s.ramp("red", "green", "purple")
    left, tip = d.step(2, 3), d.step(6, 10)
    slice_ = s.poly((left, 5), (16 - left, 5), (tip + 0.5, 14.5), (tip - 0.5, 14.5))
    s.shade(slice_, cheese_.dark)
    for x, y in d.pick(
        (((5.5, 7), (10, 7.5), (8, 11)), ((6, 8), (10.5, 7), (8.5, 11)), ((5, 6.5), (8.5, 9), (11, 6.5)))
    ):
        piece = s.disc(x, y, d.step(1, 1.5)) & s.shrink(slice_)
        s.paint(piece, topping.base)
        s.paint(piece & ~(piece >> s.row * s.scale) if s.fine else 0, topping.dark)
    s.solid(s.box(left - 0.5, 2.5, 16.5 - left, 5) | s.disc(8, 3.5, 7 - left / 2, 2), crust)
    s.outline()
    s.tell("pizza", f"a slice of {cheese_.word} pizza with {topping.word} topping", [cheese_, topping], ["topping"])


def burger(s: Sketch) -> None:
    """Buns with layers between."""
    d = s.dice
    bun, meat, leaf = s.ramp("orange", "tan", "yellow"), s.ramp("brown", "red"), s.ramp("green")
    half, high = d.step(5, 6), d.step(3.5, 5)
    top, low = s.disc(8, 7, half, high) & s.box(0, 1, 16, 7), s.box(8.5 - half, 11, 7.5 + half, 13.5)
    s.shade(low, bun.dark)
    s.paint(s.box(8 - half, 9, 8 + half, 11), meat.base)
    s.paint(s.box(8 - half, 10, 8 + half, 11), meat.dark)
    s.paint(s.box(7.5 - half, 7, 8.5 + half, 8), leaf.base)
    layers = ["meat", "lettuce"]
    slice_ = s.ramp("yellow", "red", avoid=(meat.word,))
    s.paint(s.box(8 - half, 8, 8 + half, 9), slice_.base)
    for x in range(3, 14, d.pick((2, 3))):
        s.dot(x, 8, leaf.dark)
    layers.append("cheese" if slice_.word == "yellow" else "tomato")
    s.ball(top, bun.dark)
    if d.chance(0.6):
        for x, y in ((6, 4), (9, 3.5), (8, 5.5), (11, 5)):
            s.dot(x, y, bun.light, 1, 1 if not s.fine else 0.5)
    s.outline()
    s.tell(
        "burger",
        f"a burger with {a(bun.word)} bun, {leaf.word} lettuce and {slice_.word} {layers[2]}",
        [bun, leaf, slice_],
        layers,
    )


# Potions come in the most shapes and colours, so they are drawn twice as often.
MEALS = (bread, toast, cheese, drumstick, fish, potion, mug, egg, pizza, burger, potion)
