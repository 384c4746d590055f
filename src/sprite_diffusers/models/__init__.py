"""Networks that diffusers lacks, as diffusers models (`ModelMixin`)."""

from .autoencoders import load_autoencoder
from .classifier import SpriteClassifier, SpriteClassifierOutput, default_classifier_folder, load_classifier
from .latent_mlp import LatentMLP, LatentMLPOutput
from .sprite_autoencoder import SpriteAutoencoder, SpriteAutoencoderOutput

__all__ = [
    "LatentMLP",
    "LatentMLPOutput",
    "SpriteAutoencoder",
    "SpriteAutoencoderOutput",
    "SpriteClassifier",
    "SpriteClassifierOutput",
    "default_classifier_folder",
    "load_autoencoder",
    "load_classifier",
]
