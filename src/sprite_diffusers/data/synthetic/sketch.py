"""What does one sprite need while it is drawn? A canvas, its own dice, the tones of one palette, and its story."""

import random
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from .canvas import INK, Canvas
from .palettes import PaletteInfo, Ramp

T = TypeVar("T")


class Material(NamedTuple):
    """A ramp that is loaded on the canvas: slots dark, dark + 1 (base), dark + 2 (light), and the word for it."""

    dark: int
    word: str

    @property
    def base(self) -> int:
        """Slot of the middle tone."""
        return self.dark + 1

    @property
    def light(self) -> int:
        """Slot of the highlight."""
        return self.dark + 2


class Dice(random.Random):
    """Seeded choices that use random() alone, the one method whose stream Python promises never to change."""

    def pick(self, options: Sequence[T]) -> T:
        """One of the options, all equally likely."""
        return options[int(self.random() * len(options))]

    def chance(self, share: float) -> bool:
        """True in `share` of the cases."""
        return self.random() < share

    def step(self, low: float, high: float, step: float = 0.5) -> float:
        """One of low, low + step, ... high: a coarse grid, so that the canvas' shape caches hit."""
        return low + step * int(self.random() * (round((high - low) / step) + 1))


class Sketch(Canvas):
    """A canvas for one sprite, with `dice` to vary it, materials from one palette, and the words that describe it."""

    def __init__(self, size: int, dice: Dice, palette: PaletteInfo) -> None:
        super().__init__(size)
        self.dice = dice
        self.palette = palette
        self.text = ""
        self.colors: tuple[str, ...] = ()
        self.named: set[int] = set()  # base slots of the materials in `colors`
        self.parts: tuple[str, ...] = ()
        # The colour of every slot; slot 0 is the transparent one.
        self.tones = [(0, 0, 0), dice.pick(palette.outlines), palette.white]
        self._loaded: dict[Ramp, Material] = {}

    def load(self, ramp: Ramp) -> Material:
        """Put a ramp into the next three slots, once."""
        material = self._loaded.get(ramp)
        if material is None:
            material = self._loaded[ramp] = Material(len(self.tones), ramp.word)
            self.tones += (ramp.dark, ramp.base, ramp.light)
        return material

    def ramp(self, *words: str, avoid: Sequence[str] = ()) -> Material:
        """A material in one of the colour words (all words when none is given) that the palette has."""
        ramps = self.palette.ramps
        known = [word for word in words or ramps if word in ramps]
        wanted = [word for word in known if word not in avoid] or known or list(ramps)
        return self.load(self.dice.pick(ramps[self.dice.pick(wanted)]))

    def skin(self) -> Material:
        """A material for faces and hands."""
        return self.load(self.dice.pick(self.palette.skins))

    def solid(self, mask: int, material: Material, depth: int = 1, glow: int = 1) -> None:
        """Shade a part and set it off from what is already there with an outline."""
        self.paint(self.grow(mask) & ~mask & self.drawn, INK)
        self.shade(mask, material.dark, depth, glow)

    def dot(self, x: float, y: float, slot: int, w: float = 1, h: float = 1) -> None:
        """Paint a box of w x h units with its top left at (x, y)."""
        self.paint(self.box(x, y, x + w, y + h), slot)

    def tell(self, kind: str, text: str, colors: Sequence[Material], parts: Sequence[str] = ()) -> None:
        """Say what was drawn: the base object, the caption, the materials the caption may name, and the parts."""
        self.text = text
        self.colors = tuple(dict.fromkeys(material.word for material in colors))
        self.named = {material.base for material in colors}
        self.parts = (kind, *parts)

    def colors_rgba(self) -> np.ndarray:
        """The colour table: uint8 (slots, 4), slot 0 transparent."""
        table = np.full((len(self.tones), 4), 255, dtype=np.uint8)
        table[:, :3] = self.tones
        table[0] = 0
        return table


def a(phrase: str) -> str:
    """The phrase with 'a' or 'an' in front."""
    return f"an {phrase}" if phrase[0] in "aeiou" else f"a {phrase}"


def with_parts(phrase: str, parts: Sequence[str]) -> str:
    """'a cake' and ['a candle', 'red icing'] -> 'a cake with a candle and red icing'."""
    if not parts:
        return phrase
    *most, last = parts
    return f"{phrase} with {', '.join(most)} and {last}" if most else f"{phrase} with {last}"
