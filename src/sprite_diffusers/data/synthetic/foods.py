"""What does food look like? One function a dish or drink, each with its own varying shape, parts and colours."""

from .canvas import INK, WHITE
from .sketch import Sketch, a, with_parts


def _stalk(s: Sketch, x: float, y: float, top: float) -> None:
    brown = s.ramp("brown", "orange")
    s.paint(s.line(1, (x, y), (x + s.dice.pick((-0.5, 0.5, 1)), top)), brown.dark)


def _leaf(s: Sketch, x: float, y: float, length: float) -> str:
    green = s.ramp("green")
    s.shade(s.poly((x, y), (x + length / 2, y - 1.5), (x + length, y - 1), (x + length / 2, y + 1)), green.dark)
    return "a leaf"


def apple(s: Sketch) -> None:
    """Two overlapping discs with a dent, a stalk, and sometimes a leaf or a bite."""
    d = s.dice
    skin = s.ramp("red", "green", "yellow")
    wide, high, apart = d.step(3, 4), d.step(4, 5), d.step(1.5, 2)
    parts = []
    _stalk(s, 8, 6, 9 - high - d.step(1, 2))
    if d.chance(0.6):
        parts.append(_leaf(s, 8.5, 8 - high, d.step(3, 4, 1)))
    body = s.disc(8 - apart, 9, wide, high) | s.disc(8 + apart, 9, wide, high)
    body &= ~s.disc(8, 9 - high, 1, 1)
    s.ball(body, skin.dark)
    if d.chance(0.25):
        bite = s.disc(13, 8, 3, 2.5) & body
        s.paint(s.grow(bite), WHITE)
        s.paint(bite, 0)
        parts.append("a bite")
    s.outline()
    s.tell("apple", with_parts(a(f"{skin.word} apple"), parts), [skin], [p.split()[-1] for p in parts])


def pear(s: Sketch) -> None:
    """A large disc below a small one."""
    d = s.dice
    skin = s.ramp("green", "yellow", "orange")
    wide, neck, lean = d.step(4, 5), d.step(2, 3), d.step(-0.5, 0.5)
    parts = []
    _stalk(s, 8 + lean, 4, 1.5)
    if d.chance(0.5):
        parts.append(_leaf(s, 8.5 + lean, 3, d.step(3, 4, 1)))
    body = s.disc(8, 10.5, wide, d.step(3.5, 4)) | s.disc(8 + lean, 6.5, neck, 3.5)
    body |= s.poly((8 + lean - neck, 6.5), (8 + lean + neck, 6.5), (8 + wide, 10.5), (8 - wide, 10.5))
    s.ball(body, skin.dark)
    if d.chance(0.3):
        for x, y in ((7, 8), (9, 9), (7, 11), (10, 11)):
            s.dot(x, y, skin.dark)
        parts.append("spots")
    s.outline()
    s.tell("pear", with_parts(a(f"{skin.word} pear"), parts), [skin], [p.split()[-1] for p in parts])


def cherries(s: Sketch) -> None:
    """Two balls on stalks that meet at the top."""
    d = s.dice
    skin, stem = s.ramp("red", "purple", "pink"), s.ramp("green", "brown")
    size, low, high = d.step(2.5, 3), d.step(10.5, 11.5), d.step(10, 11.5)
    left, right, top = d.step(4.5, 5), d.step(11, 11.5), (d.step(8, 10), d.step(2, 3))
    parts = []
    s.paint(s.line(1, (left, low - 2), (left + 1, 6), top), stem.base)
    s.paint(s.line(1, (right, high - 2), (right - 0.5, 6), top), stem.dark)
    if d.chance(0.6):
        parts.append(_leaf(s, top[0], top[1] + 0.5, d.step(4, 5, 1)))
    s.ball(s.disc(left, low, size), skin.dark)
    s.ball(s.disc(right, high, size), skin.dark)
    s.outline()
    s.tell("cherries", with_parts(f"two {skin.word} cherries", parts), [skin], ["leaf"] * len(parts))


def carrot(s: Sketch) -> None:
    """A long cone with leaves at the thick end."""
    d = s.dice
    root, top = s.ramp("orange", "red", "yellow"), s.ramp("green")
    s.flipped = d.chance(0.5)
    fat, tip = d.step(2, 3), d.step(2, 3)
    for dx, dy in ((0, -3.5), (2.5, -2.5), (3.5, 0)):
        s.shade(s.line(1.5, (10, 6), (10.5 + dx, 5.5 + dy)), top.dark)
    body = s.poly((10 - fat, 5.5), (10.5, 5), (11, 5.5), (11, 6 + fat), (tip + 1, 14), (tip, 13)) | s.disc(9.5, 6.5, fat)
    s.solid(body, root)
    for t in range(int(d.step(1, 3, 1))):
        s.paint(s.line(0.8, (7 - t * 1.5, 8 + t * 1.5), (8 - t * 1.5, 9 + t * 1.5)) & body, root.dark)
    s.outline()
    s.tell("carrot", a(f"{root.word} carrot") + f" with {top.word} leaves", [root, top], ["leaves"])


def bread(s: Sketch) -> None:
    """A loaf: long with slashes, or a slice of toast with a crust."""
    d = s.dice
    crust = s.ramp("brown", "orange", "tan")
    if d.chance(0.5):
        tall, wide = d.step(4, 5.5), d.step(5.5, 6.5)
        body = s.disc(8, 9, wide, tall) & s.box(1, 2, 15, 11.5) | s.box(9 - wide, 9, 7 + wide, 12)
        s.ball(body, crust.dark)
        for x in (4.5, 7.5, 10.5)[: 3 if wide > 5.5 else 2]:
            s.paint(s.line(1, (x, 9), (x + 1.5, 6)) & body, crust.light)
            s.paint(s.line(1, (x + 1, 9), (x + 2.5, 6)) & body, crust.dark)
        s.outline()
        s.tell("bread", f"a loaf of {crust.word} bread", [crust], ["loaf"])
        return
    crumb = s.load(d.pick(s.palette.ramps.get("tan") or s.palette.ramps["yellow"]))
    wide, low = d.step(4.5, 5.5), d.step(12, 13.5)
    body = s.box(8 - wide + 1, 5, 8 + wide - 1, low) | s.disc(6, 5, wide - 2, 2.5) | s.disc(10, 5, wide - 2, 2.5)
    s.shade(body, crust.dark, glow=0)
    inner = s.shrink(body)
    s.paint(s.shrink(inner) if s.fine else inner, crumb.base)
    parts = []
    if d.chance(0.6):
        spread = s.ramp("yellow", "red", "purple", avoid=(crumb.word,))
        s.shade(s.disc(8, 8.5, d.step(2, 3), d.step(2, 2.5)), spread.dark)
        parts.append("butter" if spread.word == "yellow" else "jam")
        s.outline()
        s.tell("toast", f"a slice of {crust.word} toast with {spread.word} {parts[0]}", [crust, spread], parts)
        return
    s.outline()
    s.tell("toast", f"a slice of {crust.word} toast", [crust], ["crust"])


def cheese(s: Sketch) -> None:
    """A wedge with holes."""
    d = s.dice
    body = s.ramp("yellow", "orange")
    s.flipped = d.chance(0.5)
    tip, back, low = d.step(4, 6), d.step(3, 5, 1), d.step(12, 13)
    top = s.poly((2, 8), (2, 7.5), (14, tip), (14, 8))
    front = s.box(2, 8, 14, low)
    s.paint(top, body.light)
    s.shade(front, body.dark, glow=0)
    for x, y, r in ((5, 10, 1), (9, 11, 1.5), (12, 9.5, 1), (7.5, 9.5, 0.6))[: int(back)]:
        hole = s.disc(x, y, r) & s.box(2, 8, 14, low)
        s.paint(hole, body.dark)
    s.outline()
    s.tell("cheese", f"a wedge of {body.word} cheese", [body], ["holes"])


def drumstick(s: Sketch) -> None:
    """A fat piece of meat on a bone."""
    d = s.dice
    meat, bone = s.ramp("brown", "orange", "red"), s.ramp("white")
    s.flipped = d.chance(0.5)
    size, reach = d.step(3.5, 4.5), d.step(12, 13)
    shaft = s.line(1.5, (8, 8), (reach, reach))
    knob = s.disc(reach + 0.5, reach - 0.8, 1.2) | s.disc(reach - 0.8, reach + 0.5, 1.2)
    s.shade(shaft | knob, bone.dark)
    body = s.disc(6.5, 6.5, size) | s.disc(8.5, 8.5, size - 1.5)
    s.paint(s.grow(body) & s.drawn, INK)
    s.ball(body, meat.dark)
    s.outline()
    s.tell("drumstick", a(f"{meat.word} drumstick"), [meat], ["bone"])


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


def pie(s: Sketch) -> None:
    """A dish of pie with a domed crust."""
    d = s.dice
    crust, dish = s.ramp("orange", "tan", "yellow"), s.ramp("grey", "brown", "red", "blue")
    filling = s.ramp("red", "purple", "pink", "blue", avoid=(dish.word,))
    high = d.step(3, 5)
    tin = s.poly((2.5, 9), (13.5, 9), (d.step(11, 12), 13), (16 - 11.5, 13))
    s.shade(tin, dish.dark)
    dome = s.disc(8, 9, 6, high) & s.box(1, 2, 15, 9)
    s.ball(dome, crust.dark)
    for x in (5, 7, 9, 11)[:: d.pick((1, 2))]:
        s.paint(s.line(1.2, (x - 0.5, 8), (x + 0.5, 8.5 - high * 0.6)) & s.shrink(dome), filling.base)
    rim = s.box(2, 8.5, 14, 10)
    s.shade(rim, crust.dark)
    for x in range(3, 14, 2):
        s.dot(x, 9, crust.dark)
    s.outline()
    text = a(f"{crust.word} pie") + f" with {filling.word} filling in {a(dish.word)} dish"
    s.tell("pie", text, [crust, filling, dish], ["filling", "dish"])


def cake(s: Sketch) -> None:
    """A layered cake: icing that drips, and a cherry or candles on top."""
    d = s.dice
    icing = s.ramp("pink", "white", "red", "brown", "blue", "green", "purple")
    dough = s.ramp("yellow", "tan", "orange", "brown", avoid=(icing.word,))
    left, top, low = d.step(2, 3.5), d.step(6, 8, 1), d.step(12.5, 13.5, 1)
    right = 16 - left
    parts = [f"{icing.word} icing"]
    colors = [dough, icing]
    if d.chance(0.5):
        ball = s.ramp("red", "purple", "pink", avoid=(icing.word,))
        s.ball(s.disc(8, top - 1.5, 1.6), ball.dark)
        s.dot(7, top - 3, ball.light)
        parts.append("a cherry")
    else:
        wax, flame = s.ramp("white", "blue", "red", "green", avoid=(icing.word,)), s.ramp("orange", "yellow")
        count = d.pick((1, 2, 3))
        for n in range(count):
            x = 8 + (n - (count - 1) / 2) * 3 - 0.5
            s.dot(x, top - 2.5, wax.base, 1, 3)
            s.dot(x, top - 4, flame.base, 1, 1.5)
        parts.append("a candle" if count == 1 else f"{('two', 'three')[count - 2]} candles")
    side = s.box(left, top, right, low)
    s.shade(side, dough.dark, glow=0)
    s.paint(s.box(left, (top + low) / 2 + 0.5, right, (top + low) / 2 + 1.5), icing.light)
    cover = s.box(left, top, right, top + 2) | s.disc(8, top + 0.5, 8 - left, 1)
    for x in range(int(left), int(right) - 1, 2):
        cover |= s.box(x, top, x + 1.5, top + 2 + d.pick((0, 1, 1)))
    s.shade(cover, icing.dark)
    s.outline()
    s.tell("cake", with_parts(a(f"{dough.word} cake"), parts), colors, [p.split()[-1] for p in parts])


def mushroom(s: Sketch) -> None:
    """A cap with spots on a stem."""
    d = s.dice
    cap, stem = s.ramp("red", "brown", "purple", "blue", "orange", "green"), s.ramp("white", "tan")
    wide, tall, low = d.step(5, 6.5), d.step(4.5, 6), d.step(8, 9)
    stalk = d.step(1.5, 2.5)
    s.shade(s.box(8 - stalk, low - 1, 8 + stalk, 14) | s.disc(8, 13, stalk + 1, 1.5), stem.dark)
    top = s.disc(8, low, wide, tall) & s.box(0, 1, 16, low + 1)
    s.solid(top, cap)
    parts = []
    if d.chance(0.75):
        for x, y, r in d.pick((((8, 5, 1.2), (4.5, 7.5, 1), (11.5, 7.5, 1)), ((6, 5, 1), (10.5, 6, 1.5), (4, 8, 0.9)))):
            s.paint(s.disc(x, y, r) & s.shrink(top), WHITE)
        parts.append("white spots")
    s.outline()
    s.tell("mushroom", with_parts(a(f"{cap.word} mushroom"), parts), [cap, stem], ["spots"] * len(parts))
    if parts and "white" not in s.colors:
        s.colors = (*s.colors, "white")


def potion(s: Sketch) -> None:
    """A glass bottle, its drink, and a cork."""
    d = s.dice
    drink, glass = s.ramp("red", "blue", "green", "purple", "yellow", "pink", "orange", "teal"), s.ramp("white", "grey")
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
    s.ball(s.box(3, top, right, top + 1) | s.disc(4, top, 1.5) | s.disc(7, top - 0.5, 1.8) | s.disc(right - 1, top, 1.5), drink.dark)
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
    for x, y in d.pick((((5.5, 7), (10, 7.5), (8, 11)), ((6, 8), (10.5, 7), (8.5, 11)), ((5, 6.5), (8.5, 9), (11, 6.5)))):
        s.ball(s.disc(x, y, d.step(1, 1.5)) & s.shrink(slice_), topping.dark)
    s.solid(s.box(left - 0.5, 2.5, 16.5 - left, 5) | s.disc(8, 3.5, 7 - left / 2, 2), crust)
    s.outline()
    s.tell("pizza", f"a slice of {cheese_.word} pizza with {topping.word} topping", [cheese_, topping], ["topping"])


def ice_cream(s: Sketch) -> None:
    """A cone with one to three scoops."""
    d = s.dice
    cone = s.ramp("orange", "tan", "brown")
    count = d.pick((1, 2, 3))
    scoops = [s.ramp("pink", "white", "brown", "green", "blue", "yellow", "red", "purple", avoid=(cone.word,)) for _ in range(min(count, 2))]
    wide = d.step(3, 4)
    wafer = s.poly((8 - wide, 8.5), (8 + wide, 8.5), (8.5, 14.5), (7.5, 14.5))
    s.shade(wafer, cone.dark)
    for x in (6, 8, 10):
        s.paint(s.line(0.7, (x, 9), (x - 2, 12)) & wafer, cone.dark)
    r = (d.step(4, 4.5), 3, 2.5)[count - 1]
    spots = {1: ((8, 6),), 2: ((8, 4), (8, 7)), 3: ((8, 4), (5.5, 7), (10.5, 7))}[count]
    for n, (x, y) in enumerate(spots):
        ball = s.disc(x, y, r)
        s.paint(s.grow(ball) & s.drawn, INK)
        s.ball(ball, scoops[n % len(scoops)].dark)
    if d.chance(0.4):
        red = s.ramp("red")
        s.ball(s.disc(8, spots[0][1] - r, 1.2), red.dark)
        top = " and a cherry"
    else:
        top = ""
    s.outline()
    words = list(dict.fromkeys(m.word for m in scoops))
    text = f"{a(' and '.join(words))} ice cream with {('one scoop', 'two scoops', 'three scoops')[count - 1]}{top}"
    s.tell("ice cream", text, [*scoops, cone], ["cone", *(["cherry"] if top else [])])


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
    s.tell("burger", f"a burger with {a(bun.word)} bun, {leaf.word} lettuce and {slice_.word} {layers[2]}", [bun, leaf, slice_], layers)


def candy(s: Sketch) -> None:
    """A wrapped sweet or a lollipop."""
    d = s.dice
    main = s.ramp("red", "pink", "blue", "green", "yellow", "purple", "orange", "teal")
    second = s.ramp("white", "yellow", "pink", "red", avoid=(main.word,))
    if d.chance(0.5):
        size = d.step(3.5, 4.5)
        s.flipped = d.chance(0.5)
        tilt = d.pick((0, 2, 3))
        for sx in (-1, 1):
            ex, ey = 8 + sx * 6, 8 - sx * tilt
            s.shade(s.poly((8 + sx * 2, 8 - sx * tilt / 2), (ex, ey - 2.5), (ex + sx * 0.5, ey), (ex, ey + 2.5)), main.dark)
        body = s.disc(8, 8, size, size - 0.5)
        s.paint(s.grow(body) & s.drawn, INK)
        s.ball(body, main.dark)
        for x in (6, 9):
            s.paint(s.line(1.2, (x + 1, 4), (x - 1, 12)) & body, second.base)
        s.outline()
        s.tell("candy", f"a wrapped {main.word} candy with {second.word} stripes", [main, second], ["wrapper", "stripes"])
        return
    size, y = d.step(4, 5), 6
    stick = s.ramp("white", "tan", "grey")
    s.shade(s.box(7.5, 9, 8.5, 15), stick.dark, glow=0)
    ball = s.disc(8, y, size)
    s.ball(ball, main.dark)
    swirl = s.line(1, (8, y), (9.5, y - 0.5), (9, y - 2), (7, y - 2), (5.5, y), (6.5, y + 2.5), (9.5, y + 2.5), (11.5, y))
    s.paint(swirl & ball, second.base)
    s.outline()
    s.tell("lollipop", a(f"{main.word} lollipop") + f" with {a(second.word)} swirl", [main, second], ["stick", "swirl"])


def donut(s: Sketch) -> None:
    """A ring with icing and sprinkles."""
    d = s.dice
    dough, icing = s.ramp("orange", "tan", "brown"), s.ramp("pink", "brown", "white", "blue", "purple", "green", "red")
    if icing.word == dough.word:
        icing = s.ramp("pink", "white", "red")
    wide, tall, gap = d.step(5.5, 6.5), d.step(5, 6), d.step(1.5, 2)
    ring = s.disc(8, 8, wide, tall) & ~s.disc(8, 8, gap, gap - 0.5)
    s.shade(ring, dough.dark, glow=0)
    glaze = s.disc(8, 7.5, wide - 0.5, tall - 1) & ~s.disc(8, 8, gap + 0.5, gap)
    for x in (4, 7, 10):
        glaze |= s.disc(x + d.step(0, 1), 8 + tall * 0.5, 1.2)
    s.ball(glaze & ring, icing.dark)
    parts = [f"{icing.word} icing"]
    if d.chance(0.6):
        for x, y in ((5, 5), (8, 4), (11, 6), (4, 8), (6, 11), (10, 10), (12, 8)):
            s.dot(x, y, WHITE if d.chance(0.5) else INK, 1, 1 if not s.fine else 0.5)
        parts.append("sprinkles")
    s.outline()
    s.tell("donut", with_parts(a(f"{dough.word} donut"), parts), [dough, icing], [p.split()[-1] for p in parts])


def grapes(s: Sketch) -> None:
    """A bunch of small balls with a leaf."""
    d = s.dice
    skin, leaf = s.ramp("purple", "green", "red", "blue"), s.ramp("green", "brown")
    s.paint(s.line(1, (8, 5), (8.5, 2)), leaf.dark)
    s.shade(s.poly((8, 4.5), (5, 2.5), (3, 4), (5.5, 5.5)), leaf.dark)
    r = d.pick((1.6, 2.0))
    rows = d.pick(((4, 3, 2, 1), (3, 4, 3, 1), (3, 3, 2, 1)))
    for n, count in enumerate(rows):
        for k in range(count):
            grape = s.disc(8 + (k - (count - 1) / 2) * 3, 6 + n * 2.4, r)
            s.paint(s.grow(grape) & s.drawn & ~grape, INK if s.fine else skin.dark)
            s.paint(grape, skin.base)
            s.dot(7.5 + (k - (count - 1) / 2) * 3 - 0.5, 5 + n * 2.4, skin.light)
    s.outline()
    s.tell("grapes", f"a bunch of {skin.word} grapes", [skin], ["leaf"])


def banana(s: Sketch) -> None:
    """A crescent with dark ends."""
    d = s.dice
    skin = s.ramp("yellow", "green")
    s.flipped = d.chance(0.5)
    cut = d.step(4.5, 6)
    body = s.disc(7, 7, d.step(6.5, 7), 7) & ~s.disc(5 + d.step(-0.5, 0.5), 5 - d.step(0, 1), cut + 1, cut) & s.box(2.5, 1, 16, 15)
    body &= ~s.box(0, 0, 16, 2.5)
    s.shade(body, skin.dark)
    s.dot(11, 2, INK, 2, 1.5)
    s.paint(s.box(0, 0, 4, 16) & body, INK)
    s.outline()
    s.tell("banana", a(f"{skin.word} banana"), [skin])


def watermelon(s: Sketch) -> None:
    """A half slice with a rind and seeds."""
    d = s.dice
    flesh, rind = s.ramp("red", "pink", "orange", "yellow"), s.ramp("green")
    half, deep, top = d.step(5.5, 6.5), d.step(6, 7.5), d.step(4, 5)
    lower = s.box(0, top, 16, 16)
    s.shade(s.disc(8, top, half, deep) & lower, rind.dark, glow=0)
    s.paint(s.disc(8, top, half - 1, deep - 1.2) & lower, WHITE)
    inner = s.disc(8, top, half - 1.5, deep - 2) & lower
    s.paint(inner, flesh.base)
    s.paint(inner & s.box(0, top, 16, top + 1), flesh.light)
    for x, y in ((5, 6), (8, 7), (11, 6), (7, 9), (9, 5), (9, 9)):
        if d.chance(0.7):
            s.dot(x, y, INK, 1, 1)
    s.dot(7, 6, INK)
    s.outline()
    s.tell("watermelon", a(f"{flesh.word} watermelon slice") + f" with {a(rind.word)} rind", [flesh, rind], ["rind", "seeds"])


def strawberry(s: Sketch) -> None:
    """A heart-shaped berry with seeds and a green crown."""
    d = s.dice
    skin, crown = s.ramp("red", "pink"), s.ramp("green")
    wide = d.step(4.5, 5.5)
    body = s.disc(8 - wide / 2, 7, wide / 2 + 0.5, 2.5) | s.disc(8 + wide / 2, 7, wide / 2 + 0.5, 2.5)
    body |= s.poly((8 - wide, 7.5), (8 + wide, 7.5), (9.5, d.step(13, 14)), (6.5, 14))
    s.ball(body, skin.dark)
    for x, y in ((5, 8), (8, 8), (11, 8), (6.5, 10), (9.5, 10), (8, 12)):
        s.dot(x - 0.5, y, skin.light if d.chance(0.8) else skin.dark, 1, 1 if not s.fine else 0.5)
    leaf = s.poly((3.5, 5), (6, 4.5), (7.5, 2.5), (8.5, 2.5), (10, 4.5), (12.5, 5), (11, 6.5), (9.5, 6), (8, 8), (6.5, 6), (5, 6.5))
    s.solid(leaf, crown)
    s.outline()
    s.tell("strawberry", a(f"{skin.word} strawberry") + f" with {crown.word} leaves", [skin, crown], ["leaves", "seeds"])


FOODS = (apple, pear, cherries, carrot, bread, cheese, drumstick, fish, pie, cake, mushroom, potion, potion, mug, egg,
         pizza, ice_cream, burger, candy, donut, grapes, banana, watermelon, strawberry)
