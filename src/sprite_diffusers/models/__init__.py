"""Networks that diffusers lacks, as diffusers models (`ModelMixin`)."""

from .classifier import SpriteClassifier, SpriteClassifierOutput, default_classifier_folder, load_classifier

__all__ = ["SpriteClassifier", "SpriteClassifierOutput", "default_classifier_folder", "load_classifier"]
