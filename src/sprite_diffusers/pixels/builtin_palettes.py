"""Well-known palettes, as facts: the colour values that hardware shows and artists published."""

from __future__ import annotations

from ..data.synthetic import PALETTES

_HARDWARE = {
    "black-and-white": "000000 ffffff",
    "gameboy": "0f380f 306230 8bac0f 9bbc0f",  # the DMG's green screen
    "cga": """
        000000 0000aa 00aa00 00aaaa aa0000 aa00aa aa5500 aaaaaa
        555555 5555ff 55ff55 55ffff ff5555 ff55ff ffff55 ffffff""",
    "c64": """
        000000 ffffff 68372b 70a4b2 6f3d86 588d43 352879 b8c76f
        6f4f25 433900 9a6759 444444 6c6c6c 9ad284 6c5eb5 959595""",  # as measured by Pepto (2001)
    "nes": """
        7c7c7c 0000fc 0000bc 4428bc 940084 a80020 a81000 881400 503000 007800 006800 005800 004058 000000
        bcbcbc 0078f8 0058f8 6844fc d800cc e40058 f83800 e45c10 ac7c00 00b800 00a800 00a844 008888
        f8f8f8 3cbcfc 6888fc 9878f8 f878f8 f85898 f87858 fca044 f8b800 b8f818 58d854 58f898 00e8d8 787878
        fcfcfc a4e4fc b8b8f8 d8b8f8 f8b8f8 f8a4c0 f0d0b0 fce0a8 f8d878 d8f878 b8f8b8 b8f8d8 00fcfc f8d8f8""",
}

BUILTIN_PALETTES: dict[str, tuple[str, ...]] = {
    **{name: tuple(f"#{code}" for code in codes.split()) for name, codes in _HARDWARE.items()},
    **PALETTES,  # of artists and a fantasy console, in which the embedded sprites are drawn
}
"""Name -> colours as ``"#rrggbb"``."""


def builtin_name(name: str) -> str | None:
    """The key of a built-in palette, however its name is written (``"Game Boy"``, ``"pico8"``); `None` if there is none."""
    return {_plain(key): key for key in BUILTIN_PALETTES}.get(_plain(name))


def _plain(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())
