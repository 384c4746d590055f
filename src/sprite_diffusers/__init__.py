"""sprite-diffusers: small pixel-art diffusion models, natively in diffusers."""

from .data import load_sprites
from .pipelines import (
    ClassCondPipeline,
    PokemonLDMPipeline,
    SpriteDDPMPipeline,
    SpriteLDMPipeline,
    SpriteUnCLIPPipeline,
)

__version__ = "0.1.0"

__all__ = [
    "ClassCondPipeline",
    "PokemonLDMPipeline",
    "SpriteDDPMPipeline",
    "SpriteLDMPipeline",
    "SpriteUnCLIPPipeline",
    "load_sprites",
]
