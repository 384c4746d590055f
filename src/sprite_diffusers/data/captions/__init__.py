"""Sprites with descriptions: pairs of an image and a text, split so that no evolution line is in two splits."""

from .augment import ImageAugmentation, some_sentences
from .load import CaptionedDataset, load_captioned
from .report import CaptionReport

__all__ = [
    "CaptionReport",
    "CaptionedDataset",
    "ImageAugmentation",
    "load_captioned",
    "some_sentences",
]
