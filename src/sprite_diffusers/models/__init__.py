"""Networks that diffusers lacks, as diffusers models (`ModelMixin`)."""

from .autoencoders import load_autoencoder
from .classifier import SpriteClassifier, SpriteClassifierOutput, default_classifier_folder, load_classifier
from .latent_mlp import LatentMLP, LatentMLPOutput
from .sprite_autoencoder import SpriteAutoencoder, SpriteAutoencoderOutput
from .text_encoders import TEXT_ENCODERS, load_text_encoder, text_fingerprint
from .text_training import TextTrainingResult, train_text_encoder

__all__ = [
    "TEXT_ENCODERS",
    "LatentMLP",
    "LatentMLPOutput",
    "SpriteAutoencoder",
    "SpriteAutoencoderOutput",
    "SpriteClassifier",
    "SpriteClassifierOutput",
    "TextTrainingResult",
    "default_classifier_folder",
    "load_autoencoder",
    "load_classifier",
    "load_text_encoder",
    "text_fingerprint",
    "train_text_encoder",
]
