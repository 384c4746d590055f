"""Networks that diffusers lacks, as diffusers models (`ModelMixin`); for text as transformers models (`PreTrainedModel`)."""

from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM, AutoModelForSequenceClassification

from .autoencoders import load_autoencoder
from .classifier import SpriteClassifier, SpriteClassifierOutput, default_classifier_folder, load_classifier
from .conv_vae import ConvVAE, ConvVAEOutput
from .gan import DCGANDiscriminator, DCGANDiscriminatorOutput, DCGANGenerator, DCGANGeneratorOutput
from .latent_mlp import LatentMLP, LatentMLPOutput
from .lstm import LSTMConfig, LSTMForMaskedLM, LSTMForSequenceClassification, LSTMModel
from .sprite_autoencoder import SpriteAutoencoder, SpriteAutoencoderOutput
from .text_encoders import TEXT_ENCODERS, load_text_encoder, text_fingerprint
from .text_training import TextTrainingResult, train_text_encoder

AutoConfig.register(LSTMConfig.model_type, LSTMConfig)
AutoModel.register(LSTMConfig, LSTMModel)
AutoModelForMaskedLM.register(LSTMConfig, LSTMForMaskedLM)
AutoModelForSequenceClassification.register(LSTMConfig, LSTMForSequenceClassification)

__all__ = [
    "TEXT_ENCODERS",
    "ConvVAE",
    "ConvVAEOutput",
    "DCGANDiscriminator",
    "DCGANDiscriminatorOutput",
    "DCGANGenerator",
    "DCGANGeneratorOutput",
    "LSTMConfig",
    "LSTMForMaskedLM",
    "LSTMForSequenceClassification",
    "LSTMModel",
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
