"""Which autoencoders there are, and how a trained one is found again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from diffusers import AutoencoderKL, ModelMixin, VQModel

from ..errors import SpriteError
from .sprite_autoencoder import SpriteAutoencoder

AUTOENCODERS = (AutoencoderKL, VQModel, SpriteAutoencoder)
FACTS_FILE = "training_facts.json"
"""Beside the weights: what it was trained on and how well it does, which diffusers classes cannot hold in their config."""


def load_autoencoder(source: str | Path) -> ModelMixin:
    """A trained autoencoder in evaluation mode, from its own folder, a pipeline's folder or a Hub id.

    Raises:
        SpriteError: there is none.
    """
    for subfolder in (None, "vae"):
        options = {} if subfolder is None else {"subfolder": subfolder}
        try:
            config = SpriteAutoencoder.load_config(str(source), **options)
        except OSError:
            continue
        for kind in AUTOENCODERS:
            if config.get("_class_name") == kind.__name__:
                return kind.from_pretrained(str(source), **options).eval()
        raise SpriteError(
            f"{source} holds a {config.get('_class_name')}, but an autoencoder is needed: "
            f"{', '.join(kind.__name__ for kind in AUTOENCODERS)}."
        )
    raise SpriteError(
        f"{source} holds no autoencoder: train one with training/train_autoencoder.py, or give a folder or Hub id that does."
    )


def read_facts(source: str | Path) -> dict[str, Any]:
    """What training wrote into `FACTS_FILE` of a local folder (or of its ``vae``); empty if there is none."""
    for folder in (Path(source), Path(source) / "vae"):
        if (folder / FACTS_FILE).is_file():
            return json.loads((folder / FACTS_FILE).read_text(encoding="utf-8"))
    return {}
