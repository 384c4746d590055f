"""How is sprite number i drawn? Seeds, the choice of class and palette, and the columns of a batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import SpriteError
from .canvas import EMPTY
from .foods import FOODS
from .humans import HUMANS
from .monsters import MONSTERS
from .palettes import PALETTES, palette_info
from .sides import SIDES
from .sketch import Dice, Sketch
from .spells import SPELLS

CLASS_NAMES: tuple[str, ...] = ("human", "non-human", "food", "spell", "side-facing")
SIZES = (16, 32)
MIN_COLORS, MAX_COLORS = 4, 16

_DRAWERS = (HUMANS, MONSTERS, FOODS, SPELLS, SIDES)
_PALETTE_NAMES = tuple(PALETTES)
_WORD = (1 << 64) - 1


@dataclass(frozen=True)
class SyntheticSprite:
    """One drawn sprite and what is known about it."""

    pixels: np.ndarray
    """uint8 (size, size, 4): RGBA with alpha 0 or 255; transparent pixels are (0, 0, 0, 0)."""
    label: int
    """Index into CLASS_NAMES."""
    text: str
    """Caption, lower case."""
    colors: tuple[str, ...]
    """Colour words of the main parts, all visible in the pixels."""
    parts: tuple[str, ...]
    """What is drawn: the base object first, then its parts."""
    palette: str
    """Key of PALETTES; every opaque pixel has one of its colours."""

    @property
    def kind(self) -> str:
        """The base object, e.g. 'potion'."""
        return self.parts[0]


def _check_size(size: int) -> None:
    if size not in SIZES:
        raise SpriteError(f"size={size!r} is not drawn; use one of {SIZES}")


def _check_label(label: int) -> None:
    if label not in range(len(CLASS_NAMES)):
        known = ", ".join(f"{number} ({name})" for number, name in enumerate(CLASS_NAMES))
        raise SpriteError(f"label={label!r} is not a class; use one of {known}")


def _check_count(name: str, value: int) -> None:
    if value < 0:
        raise SpriteError(f"{name}={value!r} is negative; use 0 or more")


def _dice(seed: int, index: int, size: int, label: int, attempt: int) -> Dice:
    key = seed & _WORD
    for part in (index, size, label, attempt):
        key = key << 64 | (part & _WORD)
    return Dice(key)


def _draw(index: int, size: int, seed: int, label: int) -> SyntheticSprite:
    attempt = 0
    while True:
        # A drawing that is too large or too plain, or hides a material it names, is drawn again with other dice.
        dice = _dice(seed, index, size, label, attempt)
        attempt += 1
        info = palette_info(dice.pick(_PALETTE_NAMES))
        sketch = Sketch(size, dice, info)
        dice.pick(_DRAWERS[label])(sketch)
        slots = sketch.slots()
        if slots is None:
            continue
        used = set(np.bincount(slots.ravel()).nonzero()[0].tolist()) - {EMPTY}
        shades = {sketch.tones[slot] for slot in used}
        if sketch.named <= used and MIN_COLORS <= len(shades) <= MAX_COLORS:
            pixels = sketch.colors_rgba()[slots]
            return SyntheticSprite(pixels, label, sketch.text, sketch.colors, sketch.parts, info.name)


def draw_sprite(index: int, *, size: int = 16, seed: int = 0, label: int | None = None) -> SyntheticSprite:
    """Sprite number `index` of the endless set `seed`: the same pixels and words on every machine.

    index: 0 or more. size: one of SIZES. label: draw this class; None takes class index % 5, as `generate` does.
    Raises SpriteError when a value is outside what is allowed.
    """
    _check_size(size)
    _check_count("index", index)
    if label is None:
        label = index % len(CLASS_NAMES)
    _check_label(label)
    return _draw(index, size, seed, label)


def generate(
    num: int, *, size: int = 16, seed: int = 0, start: int = 0, labels: Sequence[int] | None = None
) -> dict[str, Any]:
    """Sprites start .. start + num - 1 of the set `seed`, as columns.

    labels: the classes to draw, taken in turn (None: all five, so sprite i has class i % 5). Returns pixels uint8
    (num, size, size, 4) with alpha 0 or 255, label int64 (num,), and lists of length num: text, colors, parts (lists
    of str), palette, kind (the base object, e.g. 'potion'). Raises SpriteError when a value is outside what is allowed.
    """
    _check_size(size)
    _check_count("num", num)
    _check_count("start", start)
    classes = tuple(range(len(CLASS_NAMES))) if labels is None else tuple(labels)
    if not classes:
        raise SpriteError(f"labels={labels!r} names no class; give at least one, or None for all")
    for label in classes:
        _check_label(label)
    pixels = np.empty((num, size, size, 4), dtype=np.uint8)
    sprites = []
    for row, index in enumerate(range(start, start + num)):
        sprite = _draw(index, size, seed, int(classes[index % len(classes)]))
        pixels[row] = sprite.pixels
        sprites.append(sprite)
    return {
        "pixels": pixels,
        "label": np.array([sprite.label for sprite in sprites], dtype=np.int64),
        "text": [sprite.text for sprite in sprites],
        "colors": [list(sprite.colors) for sprite in sprites],
        "parts": [list(sprite.parts) for sprite in sprites],
        "palette": [sprite.palette for sprite in sprites],
        "kind": [sprite.kind for sprite in sprites],
    }
