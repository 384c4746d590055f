"""Pixels that drop into a game: palettes, binary alpha, outlines, tiles, and the grid of enlarged art."""

from .alpha import binary_alpha
from .bit_order import order_for_bits
from .builtin_palettes import BUILTIN_PALETTES
from .cleanup import outline, remove_orphans
from .native_grid import GridEstimate, detect_scale, reduce_to_grid
from .palettes import Palette, load_palette
from .quantize import extract_palette, quantize
from .swap import find_ramps, swap_palette
from .tiles import repair_seams, seam_score

__all__ = [
    "BUILTIN_PALETTES",
    "GridEstimate",
    "Palette",
    "binary_alpha",
    "detect_scale",
    "extract_palette",
    "find_ramps",
    "load_palette",
    "order_for_bits",
    "outline",
    "quantize",
    "reduce_to_grid",
    "remove_orphans",
    "repair_seams",
    "seam_score",
    "swap_palette",
]
