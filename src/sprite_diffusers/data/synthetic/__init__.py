"""Which data set is always at hand? An endless, seeded, palette-true generator of captioned pixel-art sprites."""

from .generator import CLASS_NAMES, SIZES, SyntheticSprite, draw_sprite, generate
from .palettes import PALETTES

__all__ = ["CLASS_NAMES", "PALETTES", "SIZES", "SyntheticSprite", "draw_sprite", "generate"]
