"""The auxiliary classifier: shapes, saving, identity."""

from __future__ import annotations

import pytest
import torch

from sprite_diffusers.errors import SpriteError
from sprite_diffusers.models import SpriteClassifier
from sprite_diffusers.models.classifier import load_classifier


@pytest.fixture
def classifier():
    torch.manual_seed(0)
    return SpriteClassifier(
        in_channels=4, image_size=8, id2label={"0": "food", "1": "spell", "2": "human"}, block_out_channels=(8, 16)
    ).eval()


def test_shapes_and_temperature(classifier):
    sprites = torch.rand(5, 4, 8, 8) * 2 - 1
    output = classifier(sprites)
    assert output.logits.shape == (5, 3)
    assert output.features.shape == (5, 64)
    assert classifier.class_names == ["food", "spell", "human"]
    classifier.register_to_config(temperature=2.0)
    logits, features = classifier(sprites, return_dict=False)
    torch.testing.assert_close(logits, output.logits / 2)
    torch.testing.assert_close(features, output.features)


def test_saved_and_loaded_it_is_the_same(classifier, tmp_path):
    classifier.register_to_config(temperature=1.7, accuracy=0.9)
    classifier.save_pretrained(tmp_path / "a")
    loaded = load_classifier(tmp_path / "a")
    sprites = torch.rand(2, 4, 8, 8)
    torch.testing.assert_close(loaded(sprites).logits, classifier(sprites).logits)
    assert loaded.config.accuracy == 0.9
    assert loaded.identity() == classifier.identity()


def test_identity_changes_with_weights_and_settings(classifier):
    before = classifier.identity()
    classifier.register_to_config(temperature=1.5)
    tempered = classifier.identity()
    with torch.no_grad():
        classifier.to_logits.bias[0] += 1e-3
    assert len({before, tempered, classifier.identity()}) == 3


def test_no_classifier_there(classifier, tmp_path, unconditional):
    with pytest.raises(SpriteError, match="holds no classifier"):
        load_classifier(tmp_path)
    unconditional.unet.save_pretrained(tmp_path)
    with pytest.raises(SpriteError, match="holds a UNet2DModel"):
        load_classifier(tmp_path)
