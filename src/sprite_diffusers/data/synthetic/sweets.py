"""What do sweet things look like? One function a kind: pies, cakes, ice cream, candy and donuts."""

from .canvas import INK, WHITE
from .sketch import Sketch, a, with_parts


def pie(s: Sketch) -> None:
    """A dish of pie with a domed crust."""
    d = s.dice
    crust, dish = s.ramp("orange", "tan", "yellow"), s.ramp("grey", "brown", "red", "blue")
    filling = s.ramp("red", "purple", "pink", "blue", avoid=(dish.word,))
    high, low = d.step(4, 6), d.step(13, 14)
    tin = s.poly((2.5, 9), (13.5, 9), (d.step(11, 12), low), (16 - 11.5, low))
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
    left, top, low = d.step(2, 4), d.step(5, 7, 1), d.step(13, 14, 1)
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


def ice_cream(s: Sketch) -> None:
    """A cone with one to three scoops."""
    d = s.dice
    cone = s.ramp("orange", "tan", "brown")
    count = d.pick((1, 2, 3))
    scoops = [
        s.ramp("pink", "white", "brown", "green", "blue", "yellow", "red", "purple", avoid=(cone.word,))
        for _ in range(min(count, 2))
    ]
    wide = d.step(3, 4)
    wafer = s.poly((8 - wide, 8.5), (8 + wide, 8.5), (8.5, 14.5), (7.5, 14.5))
    s.shade(wafer, cone.dark)
    for groove in (6, 8, 10):
        s.paint(s.line(0.7, (groove, 9), (groove - 2, 12)) & wafer, cone.dark)
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
            s.shade(
                s.poly((8 + sx * 2, 8 - sx * tilt / 2), (ex, ey - 2.5), (ex + sx * 0.5, ey), (ex, ey + 2.5)), main.dark
            )
        body = s.disc(8, 8, size, size - 0.5)
        s.paint(s.grow(body) & s.drawn, INK)
        s.ball(body, main.dark)
        for x in (6, 9):
            s.paint(s.line(1.2, (x + 1, 4), (x - 1, 12)) & body, second.base)
        s.outline()
        s.tell(
            "candy", f"a wrapped {main.word} candy with {second.word} stripes", [main, second], ["wrapper", "stripes"]
        )
        return
    size, y = d.step(4, 5), 6
    stick = s.ramp("white", "tan", "grey")
    s.shade(s.box(7.5, 9, 8.5, 15), stick.dark, glow=0)
    ball = s.disc(8, y, size)
    s.ball(ball, main.dark)
    swirl = s.line(
        1, (8, y), (9.5, y - 0.5), (9, y - 2), (7, y - 2), (5.5, y), (6.5, y + 2.5), (9.5, y + 2.5), (11.5, y)
    )
    s.paint(swirl & ball, second.base)
    s.outline()
    s.tell(
        "lollipop", a(f"{main.word} lollipop") + f" with {a(second.word)} swirl", [main, second], ["stick", "swirl"]
    )


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


SWEETS = (pie, cake, ice_cream, candy, donut)
