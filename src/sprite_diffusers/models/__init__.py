"""Networks that diffusers lacks, as diffusers models (`ModelMixin`)."""

from .classifier import SpriteClassifier, SpriteClassifierOutput

__all__ = ["SpriteClassifier", "SpriteClassifierOutput"]
