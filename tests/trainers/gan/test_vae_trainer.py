"""The autoencoder beside the GAN: what it draws from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sprite_diffusers.pipelines import SpriteGANPipeline
from sprite_diffusers.trainers.config import DataConfig
from sprite_diffusers.trainers.data_parts import load_data
from sprite_diffusers.trainers.gan.settings import GeneratorConfig, VAEConfig, VAESettings
from sprite_diffusers.trainers.gan.vae_trainer import VAETrainer

from ..tiny import loop, save_sprites


@pytest.mark.parametrize("latent_prior", ["fitted", "standard"])
def test_what_is_saved_draws_what_the_trainer_draws(in_tmp_path: Path, latent_prior: str):
    config = VAESettings(
        loop(in_tmp_path / "out", use_ema=False),
        DataConfig(dataset=save_sprites(in_tmp_path / "sprites.npz", count=300)),
        GeneratorConfig(latent_dim=6, generator_channels=[8]),
        VAEConfig(latent_prior=latent_prior),
    )
    trainer = VAETrainer(config, load_data(config.data))
    trainer.fit()
    trainer.vae.eval()
    saved = SpriteGANPipeline.from_pretrained(in_tmp_path / "out").generator
    assert torch.equal(saved.project.weight, trainer.vae.decoder.project.weight) == (latent_prior == "standard")
    latents = trainer.noise(4, torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.allclose(saved(latents).sample, trainer.drawing_generator()(latents).sample, atol=1e-5)
    standard = {"fitted": "the normal that fits those of training images", "standard": "a standard normal"}
    assert f"latents from {standard[latent_prior]}" in (in_tmp_path / "out" / "README.md").read_text()
