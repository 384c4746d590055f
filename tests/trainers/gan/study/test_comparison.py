"""A VAE and a GAN side by side: measures on images whose values are known, and the whole comparison of seconds."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch
from PIL import Image

from sprite_diffusers.errors import SpriteError
from sprite_diffusers.models import DCGANGenerator
from sprite_diffusers.pipelines import SpriteGANPipeline
from sprite_diffusers.trainers.config import DataConfig
from sprite_diffusers.trainers.gan.gan_trainer import GANTrainer
from sprite_diffusers.trainers.gan.settings import GANConfig, GeneratorConfig, VAEConfig
from sprite_diffusers.trainers.gan.study.comparison import CompareConfig, CompareSettings, compare_vae_gan
from sprite_diffusers.trainers.gan.study.measures import (
    epoch_sensitivity,
    interpolate,
    latent_regularity,
    loss_spread,
    sharpness,
)

from ...tiny import loop


def save_lsun(root: Path, count: int = 120) -> Path:
    """Rooms: a wall, a floor and a box, in the layout of LSUN."""
    rng = np.random.default_rng(0)
    for number in range(count):
        pixels = np.empty((24, 24, 3), np.uint8)
        pixels[:12], pixels[12:] = rng.integers(40, 220, (2, 3))
        left = int(rng.integers(0, 14))
        pixels[10:18, left : left + 9] = rng.integers(100, 255, 3)
        name = hashlib.sha1(str(number).encode()).hexdigest()
        path = root / "data0" / "lsun" / "bedroom" / name[0] / name[1] / name[2] / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path, quality=95)
    return root


def settings(root: Path, data: Path, **options) -> CompareSettings:
    trainer = loop(root / "out", **{"max_train_steps": 6, "use_ema": True, "train_batch_size": 28, **options})
    return CompareSettings(
        trainer,
        DataConfig(dataset=str(data), image_size=16, image_mode="RGB", validation_split=0.3),
        GeneratorConfig(latent_dim=6, generator_channels=[8, 8], snapshot_epochs=[1, 2]),
        GANConfig(),
        VAEConfig(),
        CompareConfig(num_seeds=2, num_measured=100),
    )


def linear_pipeline() -> SpriteGANPipeline:
    """Draws the latents themselves, as images of four pixels."""
    generator = DCGANGenerator(4, 1, 2, [2])
    generator.forward = lambda latents, labels=None, return_dict=True: (latents.view(-1, 1, 2, 2) / 8,)
    return SpriteGANPipeline(generator)


def test_a_linear_generator_has_even_paths():
    figures = latent_regularity(linear_pipeline(), seed=0)
    assert 1 <= figures["path_length"] < 1.3  # arcs of a circle instead of chords
    assert 1 <= figures["path_jump"] < 1.5
    images = interpolate(linear_pipeline(), 2, 5, seed=3)
    assert images.shape == (2, 5, 1, 2, 2)
    ends = torch.randn(2, 2, 4, generator=torch.Generator().manual_seed(3)) / 8
    assert torch.allclose(images[:, 0].flatten(1), ends[0], atol=1e-5)
    assert torch.allclose(images[:, -1].flatten(1), ends[1], atol=1e-5)


def test_blurred_images_are_less_sharp():
    pixels = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), np.uint8)
    blurred = (pixels // 2 + np.roll(pixels, 1, axis=2) // 2).astype(np.uint8)
    assert sharpness(blurred) < 0.7 * sharpness(pixels)
    assert sharpness(np.full((2, 16, 16, 3), 9, np.uint8)) == pytest.approx(0, abs=1e-9)


def test_spread_of_a_loss_ignores_its_trend():
    falling = np.linspace(3, 1, 40)
    assert loss_spread(falling) == pytest.approx(0, abs=1e-9)
    noisy = falling + np.where(np.arange(40) % 2, 0.5, -0.5)
    assert loss_spread(noisy) == pytest.approx(0.5 / np.ptp(noisy), rel=0.02)
    assert math.isnan(loss_spread([1.0, 2.0]))


def test_sensitivity_to_epochs():
    assert epoch_sensitivity([8.0, 2.0, 4.0]) == {"last_over_best": 2.0, "worse_intervals": 0.5}
    assert epoch_sensitivity([8.0]) == {"last_over_best": 1.0, "worse_intervals": 0.0}


def test_the_whole_comparison_with_a_training_that_diverges(in_tmp_path, monkeypatch):
    def optimize(self, progress):
        if self.state.step == 3 and self.config.seed == 1:
            self._stop_diverged("it was told to")
        return original(self, progress)

    original = GANTrainer.optimize
    monkeypatch.setattr(GANTrainer, "optimize", optimize)
    page = compare_vae_gan(settings(in_tmp_path, save_lsun(in_tmp_path / "photos"), validation_steps=2))
    folder = page.parent
    text, html = page.read_text(), page.with_suffix(".html").read_text()
    for words in (
        "Figures are means over 2 seeds, ± their deviation.",
        "visual quality",
        "recall",
        "sharpness",
        "trainings that diverged | 0 of 2 | 1 of 2",
        "path",
        "seconds of",
    ):
        assert words in text
    assert "<code>gan-seed1</code> diverged: Training diverged at step 3: it was told to" in text
    content = json.loads((folder / "comparison.json").read_text())
    runs = {run["folder"]: run for run in content["trainings"]}
    assert {name: run["figures"]["images"] for name, run in runs.items()} == {
        "vae-seed0": 168, "gan-seed0": 168, "vae-seed1": 168, "gan-seed1": 84,
    }  # fmt: skip
    assert [len(run["distances"]) for run in runs.values()] == [2, 2, 2, 1]
    assert content["floor"]["fd_pca20"] < min(run["figures"]["fd_pca20"] for run in runs.values())
    for picture in [part.split('"')[0] for part in text.split('src="')[1:]]:
        assert (folder / picture).is_file()
    assert "base64" in html
    assert (folder / "vae-seed0" / "snapshots" / "epoch-001-reconstructions.png").is_file()
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("VAE-GAN").experiment_id
    run = client.search_runs([experiment], "tags.kind = 'comparison'")[0]
    assert run.data.metrics["gan/diverged"] == 1
    assert run.data.metrics["vae/sharpness"] > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_train_minutes": 1.0}, "both models shall see equally many images"),
        ({"resume_from_checkpoint": "latest"}, "is for a single training"),
    ],
)
def test_limits_that_are_no_equal_budget(in_tmp_path, options, message):
    with pytest.raises(SpriteError, match=message):
        compare_vae_gan(settings(in_tmp_path, in_tmp_path, **options))


def test_settings_that_cannot_be():
    with pytest.raises(SpriteError, match="--num_seeds is 0, but must be above 0"):
        CompareConfig(num_seeds=0)
    with pytest.raises(SpriteError, match="--num_measured is 50, but must be 100 or more"):
        CompareConfig(num_measured=50)
    with pytest.raises(SpriteError, match=r"--kl_warmup is 1.5"):
        VAEConfig(kl_warmup=1.5)
