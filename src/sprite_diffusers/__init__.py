"""sprite-diffusers: small pixel-art diffusion models, natively in diffusers."""

from .data import load_sprites
from .models import (
    LSTMConfig,
    LSTMForMaskedLM,
    LSTMForSequenceClassification,
    LSTMModel,
)  # and known to the Auto classes
from .pipelines import (
    ClassCondPipeline,
    PokemonLDMPipeline,
    SpriteDDPMPipeline,
    SpriteGANPipeline,
    SpriteLDMPipeline,
    SpriteUnCLIPPipeline,
)

__version__ = "0.1.0"

__all__ = [
    "ClassCondPipeline",
    "LSTMConfig",
    "LSTMForMaskedLM",
    "LSTMForSequenceClassification",
    "LSTMModel",
    "PokemonLDMPipeline",
    "SpriteDDPMPipeline",
    "SpriteGANPipeline",
    "SpriteLDMPipeline",
    "SpriteUnCLIPPipeline",
    "load_sprites",
]
