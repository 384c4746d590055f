"""Training and calibrating the auxiliary classifier."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sprite_diffusers.errors import SpriteError
from sprite_diffusers.models.classifier import default_classifier_folder, load_classifier
from sprite_diffusers.tracking import RUN_FILE
from sprite_diffusers.trainers.classifier import ClassifierSettings, calibrate, fit_classifier
from sprite_diffusers.trainers.config import ClassifierConfig, DataConfig, TrainerConfig


def settings(dataset: str, **options) -> ClassifierSettings:
    trainer = TrainerConfig(max_train_steps=30, train_batch_size=32, learning_rate=3e-3, num_cpu_threads=1, **options)
    return ClassifierSettings(
        trainer,
        DataConfig(dataset=dataset, random_shift=1),
        ClassifierConfig(block_out_channels=[8, 16], feature_dim=16, norm_num_groups=4),
    )


@pytest.fixture
def two_colors(in_tmp_path: Path) -> str:
    """Reddish and bluish 8x8 sprites."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 100, (200, 8, 8, 3), dtype=np.uint8)
    labels = np.arange(200) % 2
    images[labels == 0, :, :, 0] += 120
    images[labels == 1, :, :, 2] += 120
    np.savez("sprites.npz", images=images, labels=labels)
    return str(in_tmp_path / "sprites.npz")


def test_it_learns_and_is_found_again(two_colors, capsys):
    result = fit_classifier(settings(two_colors))
    classifier = load_classifier(result.output_dir)
    assert classifier.config.accuracy == 1.0
    assert 0 <= classifier.config.calibration_error < 0.2
    assert result.output_dir == default_classifier_folder(classifier.config.data_fingerprint)
    assert (result.output_dir / RUN_FILE).is_file()
    assert classifier.identity()[:16] in capsys.readouterr().out
    with pytest.raises(SpriteError, match="already holds a model"):
        fit_classifier(settings(two_colors))


def test_data_without_classes(in_tmp_path):
    np.savez("plain.npz", images=np.random.default_rng(0).integers(0, 255, (40, 8, 8, 3), dtype=np.uint8))
    with pytest.raises(SpriteError, match="has no classes"):
        fit_classifier(settings("plain.npz"))
    assert not (in_tmp_path / "outputs").exists()


def test_calibration_finds_the_temperature():
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 4, (30000,), generator=generator)
    true = torch.randn(30000, 4, generator=generator) + 2 * torch.nn.functional.one_hot(labels, 4)
    # labels drawn from softmax(true): calibrated at temperature 1, overconfident by 3 when the logits are tripled
    drawn = torch.multinomial(true.softmax(1), 1, generator=generator)[:, 0]
    temperature, error = calibrate(3 * true, drawn, seed=0)
    assert temperature == pytest.approx(3, rel=0.05)
    assert error < 0.02


@pytest.mark.parametrize(
    ("option", "value"),
    [("feature_dim", 0), ("dropout", 1.0), ("block_out_channels", [30]), ("label_smoothing", -0.1)],
)
def test_settings_that_cannot_be(option, value):
    with pytest.raises(SpriteError, match=f"--{option} is"):
        ClassifierConfig(**{option: value})
