"""A reference of drawn sprites with a classifier of seconds, and a tiny one that fits the tiny pipelines."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sprite_diffusers.data import SpriteArrays, load_sprites
from sprite_diffusers.data.load import SpriteDataset
from sprite_diffusers.evaluation import Reference
from sprite_diffusers.models import SpriteClassifier

from .tiny import tiny_reference


@pytest.fixture(scope="session")
def sprites() -> SpriteDataset:
    """1,798 training and 600 held-out 16x16 RGBA sprites of five classes."""
    return load_sprites("synthetic", num_samples=2400, validation_split=0.25)


@pytest.fixture(scope="session")
def classifier(sprites: SpriteDataset) -> SpriteClassifier:
    """Right on two of three held-out sprites after a hundred steps."""
    torch.manual_seed(0)
    id2label = {str(index): name for index, name in enumerate(sprites.report.class_names)}
    model = SpriteClassifier(4, 16, id2label, (16, 32), mode="RGBA", data_fingerprint=sprites.report.fingerprint)
    train = SpriteArrays.from_dataset(sprites["train"])
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
    rng = np.random.default_rng(0)
    for _ in range(100):
        images, labels = train.batch(rng.integers(0, len(train), 64))
        torch.nn.functional.cross_entropy(model(images).logits, labels).backward()
        optimizer.step()
        optimizer.zero_grad()
    return model.eval().requires_grad_(False)


@pytest.fixture(scope="session")
def reference(sprites: SpriteDataset, classifier: SpriteClassifier) -> Reference:
    return Reference.from_dataset(sprites, classifier)


@pytest.fixture(scope="session")
def tiny() -> Reference:
    """8x8 RGBA images of the classes of the tiny pipelines, in another order than theirs."""
    return tiny_reference()
