"""Where sprites come from, and how they become what a network sees."""

from .arrays import EpochSampler, SpriteArrays
from .augment import Augmentation
from .corruption import NOISE_TYPES, corrupt
from .load import LoadReport, SpriteDataset, load_sprites
from .pixels import composite, from_tensor, make_grid, premultiply, resize, to_tensor, unpremultiply

__all__ = [
    "NOISE_TYPES",
    "Augmentation",
    "EpochSampler",
    "LoadReport",
    "SpriteArrays",
    "SpriteDataset",
    "composite",
    "corrupt",
    "from_tensor",
    "load_sprites",
    "make_grid",
    "premultiply",
    "resize",
    "to_tensor",
    "unpremultiply",
]
