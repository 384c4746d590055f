"""Pipelines: one self-contained file each, published beside the weights."""

from .class_cond import ClassCondPipeline
from .pokemon_ldm import PokemonLDMPipeline
from .sprite_ddpm import SpriteDDPMPipeline
from .sprite_gan import SpriteGANPipeline
from .sprite_ldm import SpriteLDMPipeline
from .sprite_unclip import SpriteUnCLIPPipeline

__all__ = [
    "ClassCondPipeline",
    "PokemonLDMPipeline",
    "SpriteDDPMPipeline",
    "SpriteGANPipeline",
    "SpriteLDMPipeline",
    "SpriteUnCLIPPipeline",
]
