"""Where sprites come from, and how they become what a network sees."""

from .arrays import EpochSampler, SpriteArrays
from .augment import Augmentation
from .load import LoadReport, SpriteDataset, load_sprites
from .pixels import composite, from_tensor, make_grid, premultiply, resize, to_tensor, unpremultiply

__all__ = [
    "Augmentation",
    "EpochSampler",
    "LoadReport",
    "SpriteArrays",
    "SpriteDataset",
    "composite",
    "from_tensor",
    "load_sprites",
    "make_grid",
    "premultiply",
    "resize",
    "to_tensor",
    "unpremultiply",
]
