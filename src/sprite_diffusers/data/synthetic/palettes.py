"""Which colours may a sprite use? Palettes made for pixel art, the plain word for a colour, and tone ramps.

A ramp is three colours of one palette (shadow, base, highlight), chosen by hand because the small palettes have no
evenly spaced neighbours to derive one from. The word in a caption is never written here: it is computed from the
ramp's base colour by `color_word`.
"""

import math
from dataclasses import dataclass
from functools import cache

RGB = tuple[int, int, int]

_HEX = {
    "pico-8": "000000 1d2b53 7e2553 008751 ab5236 5f574f c2c3c7 fff1e8 ff004d ffa300 ffec27 00e436 29adff 83769c"
    " ff77a8 ffccaa",
    "sweetie-16": "1a1c2c 5d275d b13e53 ef7d57 ffcd75 a7f070 38b764 257179 29366f 3b5dc9 41a6f6 73eff7 f4f4f4 94b0c2"
    " 566c86 333c57",
    "db16": "140c1c 442434 30346d 4e4a4e 854c30 346524 d04648 757161 597dce d27d2c 8595a1 6daa2c d2aa99 6dc2ca dad45e"
    " deeed6",
    "arne-16": "000000 9d9d9d ffffff be2633 e06f8b 493c2b a46422 eb8931 f7e26b 2f484e 44891a a3ce27 1b2632 005784"
    " 31a2f2 b2dcef",
    "db32": "000000 222034 45283c 663931 8f563b df7126 d9a066 eec39a fbf236 99e550 6abe30 37946e 4b692f 524b24 323c39"
    " 3f3f74 306082 5b6ee1 639bff 5fcde4 cbdbfc ffffff 9badb7 847e87 696a6a 595652 76428a ac3232 d95763 d77bba 8f974a"
    " 8a6f30",
    "endesga-32": "be4a2f d77643 ead4aa e4a672 b86f50 733e39 3e2731 a22633 e43b44 f77622 feae34 fee761 63c74d 3e8948"
    " 265c42 193c3e 124e89 0099db 2ce8f5 ffffff c0cbdc 8b9bb4 5a6988 3a4466 262b44 181425 ff0044 68386c b55088 f6757a"
    " e8b796 c28569",
    "aap-64": "060608 141013 3b1725 73172d b4202a df3e23 fa6a0a f9a31b ffd541 fffc40 d6f264 9cdb43 59c135 14a02e 1a7a3e"
    " 24523b 122020 143464 285cc4 249fde 20d6c7 a6fcdb ffffff fef3c0 fad6b8 f5a097 e86a73 bc4a9b 793a80 403353 242234"
    " 221c1a 322b28 71413b bb7547 dba463 f4d29c dae0ea b3b9d1 8b93af 6d758d 4a5462 333941 422433 5b3138 8e5252 ba756a"
    " e9b5a3 e3e6ff b9bffb 849be4 588dbe 477d85 23674e 328464 5daf8d 92dcba cdf7e2 e4d2aa c7b08b a08662 796755 5a4e44"
    " 423934",
}

# One ramp a group, shadow-base-highlight; the ramps after "skin:" are for faces and hands only.
_RAMPS = {
    "pico-8": "7e2553-ff004d-ff77a8 ab5236-ffa300-ffec27 ffa300-ffec27-fff1e8 008751-00e436-ffec27 1d2b53-008751-00e436"
    " 1d2b53-29adff-fff1e8 7e2553-83769c-c2c3c7 7e2553-ff77a8-ffccaa 5f574f-ab5236-ffccaa ab5236-ffccaa-fff1e8"
    " 5f574f-c2c3c7-fff1e8 c2c3c7-fff1e8-fff1e8 skin: ab5236-ffccaa-fff1e8 5f574f-ab5236-ffccaa",
    "sweetie-16": "5d275d-b13e53-ef7d57 b13e53-ef7d57-ffcd75 ef7d57-ffcd75-f4f4f4 257179-38b764-a7f070"
    " 38b764-a7f070-f4f4f4 29366f-257179-38b764 41a6f6-73eff7-f4f4f4 29366f-3b5dc9-41a6f6 3b5dc9-41a6f6-73eff7"
    " 333c57-5d275d-b13e53 566c86-94b0c2-f4f4f4 333c57-566c86-94b0c2 94b0c2-f4f4f4-f4f4f4"
    " skin: ef7d57-ffcd75-f4f4f4 b13e53-ef7d57-ffcd75",
    "db16": "442434-d04648-d2aa99 854c30-d27d2c-dad45e d27d2c-dad45e-deeed6 346524-6daa2c-dad45e 30346d-346524-6daa2c"
    " 30346d-597dce-6dc2ca 597dce-6dc2ca-deeed6 442434-854c30-d27d2c 4e4a4e-757161-8595a1 757161-8595a1-deeed6"
    " 854c30-d2aa99-deeed6 8595a1-deeed6-deeed6 skin: 854c30-d2aa99-deeed6 442434-854c30-d27d2c",
    "arne-16": "493c2b-be2633-e06f8b be2633-e06f8b-ffffff a46422-eb8931-f7e26b eb8931-f7e26b-ffffff"
    " 2f484e-44891a-a3ce27 44891a-a3ce27-f7e26b 1b2632-005784-31a2f2 005784-31a2f2-b2dcef 493c2b-a46422-eb8931"
    " 2f484e-9d9d9d-ffffff 9d9d9d-ffffff-ffffff skin: eb8931-f7e26b-ffffff 493c2b-a46422-eb8931",
    "db32": "663931-ac3232-d95763 ac3232-d95763-eec39a ac3232-df7126-fbf236 df7126-fbf236-ffffff 4b692f-6abe30-99e550"
    " 37946e-6abe30-fbf236 6abe30-99e550-ffffff 306082-37946e-6abe30 639bff-5fcde4-cbdbfc 3f3f74-5b6ee1-639bff"
    " 306082-639bff-cbdbfc 45283c-76428a-d77bba 76428a-d77bba-ffffff 45283c-663931-8f563b 663931-8f563b-d9a066"
    " 524b24-8a6f30-d9a066 8f563b-d9a066-eec39a d9a066-eec39a-ffffff 595652-847e87-9badb7 696a6a-9badb7-cbdbfc"
    " 9badb7-ffffff-ffffff skin: d9a066-eec39a-ffffff 8f563b-d9a066-eec39a 663931-8f563b-d9a066",
    "endesga-32": "a22633-e43b44-f6757a 3e2731-a22633-e43b44 be4a2f-f77622-feae34 be4a2f-d77643-e4a672"
    " f77622-feae34-fee761 feae34-fee761-ffffff 265c42-3e8948-63c74d 3e8948-63c74d-fee761 124e89-0099db-2ce8f5"
    " 262b44-124e89-0099db 0099db-2ce8f5-ffffff 3a4466-68386c-b55088 68386c-b55088-f6757a b55088-f6757a-e8b796"
    " 3e2731-733e39-b86f50 733e39-b86f50-e4a672 b86f50-e8b796-ead4aa c28569-e4a672-ead4aa 3a4466-5a6988-8b9bb4"
    " 5a6988-8b9bb4-c0cbdc 8b9bb4-ffffff-ffffff skin: c28569-e8b796-ead4aa b86f50-e4a672-ead4aa 733e39-b86f50-e4a672",
    "aap-64": "73172d-b4202a-df3e23 73172d-df3e23-f5a097 b4202a-e86a73-f5a097 b4202a-fa6a0a-f9a31b"
    " fa6a0a-f9a31b-ffd541 f9a31b-ffd541-fffc40 1a7a3e-59c135-d6f264 24523b-1a7a3e-59c135 24523b-14a02e-9cdb43"
    " 23674e-328464-5daf8d 328464-5daf8d-92dcba 143464-285cc4-249fde 285cc4-249fde-a6fcdb 477d85-588dbe-b9bffb"
    " 249fde-20d6c7-a6fcdb 403353-793a80-bc4a9b 793a80-bc4a9b-f5a097 849be4-b9bffb-ffffff 322b28-71413b-bb7547"
    " 71413b-bb7547-f4d29c 5b3138-8e5252-e9b5a3 bb7547-dba463-f4d29c a08662-c7b08b-fef3c0"
    " ba756a-e9b5a3-fad6b8 dba463-f4d29c-fef3c0 4a5462-6d758d-b3b9d1 6d758d-8b93af-dae0ea 8b93af-dae0ea-ffffff"
    " b3b9d1-ffffff-ffffff skin: bb7547-f4d29c-fef3c0 ba756a-fad6b8-fef3c0 71413b-bb7547-dba463",
}

_OUTLINES = {
    "pico-8": "000000",
    "sweetie-16": "1a1c2c",
    "db16": "140c1c",
    "arne-16": "000000 1b2632",
    "db32": "000000 222034",
    "endesga-32": "181425",
    "aap-64": "060608 141013 242234 221c1a",
}

PALETTES: dict[str, tuple[str, ...]] = {
    name: tuple("#" + code for code in codes.split()) for name, codes in _HEX.items()
}
"""Palette name -> its colours as lower-case '#rrggbb'."""


@dataclass(frozen=True)
class Ramp:
    """Three tones of one material and the plain word for its base tone."""

    word: str
    dark: RGB
    base: RGB
    light: RGB


@dataclass(frozen=True)
class PaletteInfo:
    """What the drawing code needs to know of one palette."""

    name: str
    outlines: tuple[RGB, ...]  # near-black colours
    white: RGB  # its lightest colour
    ramps: dict[str, tuple[Ramp, ...]]  # colour word -> ramps whose base has that word
    skins: tuple[Ramp, ...]


def parse_hex(code: str) -> RGB:
    """'#rrggbb' -> (r, g, b), each 0..255."""
    return int(code[1:3], 16), int(code[3:5], 16), int(code[5:7], 16)


@cache
def oklch(rgb: RGB) -> tuple[float, float, float]:
    """Lightness 0..1, chroma 0..~0.35 and hue 0..360 of an sRGB colour in OKLCh, where equal steps look equal."""
    r, g, b = (c / 3294.6 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in rgb)
    l_ = (0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b) ** (1 / 3)
    m_ = (0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b) ** (1 / 3)
    s_ = (0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b) ** (1 / 3)
    light = 0.2104542553 * l_ + 0.7936177850 * m_ - 0.0040720468 * s_
    a = 1.9779984951 * l_ - 2.4285922050 * m_ + 0.4505937099 * s_
    bb = 0.0259040371 * l_ + 0.7827717662 * m_ - 0.8086757660 * s_
    return light, math.hypot(a, bb), math.degrees(math.atan2(bb, a)) % 360


@cache
def color_word(rgb: RGB) -> str:
    """The plain English word for an sRGB colour, e.g. (255, 0, 77) -> 'red'."""
    light, chroma, hue = oklch(rgb)
    if light < 0.3 and chroma < 0.08:
        return "black"
    if chroma < (0.058 if 200 < hue < 290 else 0.045):
        return "white" if light > 0.9 else "grey" if light > 0.34 else "black"
    if 40 < hue < 105 and chroma < 0.112 and light > 0.7:
        return "tan"
    if hue < 12 or hue >= 338:
        return "pink" if light > 0.56 else "red" if light > 0.4 and chroma > 0.13 and hue < 12 else "purple"
    if hue < 40:
        if light > 0.69:
            return "orange" if hue > 33 and chroma > 0.14 else "pink"
        return "red" if chroma > 0.13 else "brown"
    if hue < 66:
        return "orange" if light > 0.63 else "red" if hue < 42 and chroma > 0.16 else "brown"
    if hue < 82:
        return "yellow" if light > 0.85 else "orange" if light > 0.66 else "brown"
    if hue < 112:
        return "yellow" if light > 0.74 else "brown"
    if hue < 166:
        return "green"
    if hue < 222:
        return "teal"
    if hue < 282:
        return "blue"
    return "purple"


def _parse_ramps(groups: str) -> tuple[Ramp, ...]:
    ramps = []
    for group in groups.split():
        dark, base, light = (parse_hex("#" + code) for code in group.split("-"))
        ramps.append(Ramp(color_word(base), dark, base, light))
    return tuple(ramps)


@cache
def palette_info(name: str) -> PaletteInfo:
    """The outlines, white and ramps of the palette `name` (a key of PALETTES)."""
    materials, skins = _RAMPS[name].split("skin:")
    by_word: dict[str, list[Ramp]] = {}
    for ramp in _parse_ramps(materials):
        by_word.setdefault(ramp.word, []).append(ramp)
    outlines = tuple(parse_hex("#" + code) for code in _OUTLINES[name].split())
    white = max((parse_hex(code) for code in PALETTES[name]), key=lambda rgb: oklch(rgb)[0])
    ramps = {word: tuple(found) for word, found in by_word.items()}
    return PaletteInfo(name, outlines, white, ramps, _parse_ramps(skins))
