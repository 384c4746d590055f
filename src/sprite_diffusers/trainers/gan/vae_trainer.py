"""A variational autoencoder whose decoder is the generator of a GAN, trained so that standard normal noise decodes to images."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from diffusers import ModelMixin
from PIL import Image

from ...data import from_tensor, make_grid
from ...models import ConvVAE, DCGANGenerator
from ...models.conv_vae import divergence_from_prior
from .generator_trainer import GeneratorTrainer
from .settings import VAESettings

RECONSTRUCTIONS = 10
FITTED_IMAGES = 2000  # whose latents the prior is fitted to


class VAETrainer(GeneratorTrainer):
    """Trains a `ConvVAE`; what is left is a `SpriteGANPipeline` of its decoder, see `ConvVAE.fit_generator`.

    The loss is the bound on the negative log likelihood (https://arxiv.org/abs/1312.6114, eq. 3), per pixel value and in
    nats, under normal noise of the one deviation that fits best (https://arxiv.org/abs/2006.13202, section 3): half the
    logarithm of the mean squared error plus the KL divergence, so that there is no weight to tune between them.

    Args and errors as `GeneratorTrainer`.
    """

    name = "vae"
    card_tag = "vae"
    settings: VAESettings
    vae: ConvVAE

    def build_networks(self, channels: int, side: int) -> tuple[ModelMixin, DCGANGenerator]:
        self.vae = ConvVAE(self.settings.generator.latent_dim, channels, side, self.widths)
        return self.vae, self.vae.decoder

    def drawing_generator(self) -> DCGANGenerator:
        if self.settings.vae.latent_prior == "standard":
            return self.generator
        rows = np.random.default_rng(0).permutation(len(self.train_data))[:FITTED_IMAGES]
        parts = np.array_split(rows, math.ceil(len(rows) / 256))
        return self.vae.fit_generator(self.train_data.batch(part)[0].to(self.accelerator.device) for part in parts)

    def calibration_pass(self, number: int) -> None:
        images, _, rng = self.batch(number)
        self.vae(images, self.noise(len(images), rng))

    def family_facts(self) -> dict[str, Any]:
        return {"vae": asdict(self.settings.vae)}

    def describe(self) -> str:
        config = self.settings.vae
        prior = {"fitted": "the normal that fits those of training images", "standard": "a standard normal"}
        return (
            f"The decoder of a variational autoencoder with learnt noise; KL weight {config.kl_weight:g}; latents from "
            f"{prior[config.latent_prior]}."
        )

    def training_step(self, micro_step: int) -> torch.Tensor:
        config = self.settings.vae
        images, _, rng = self.batch(micro_step)
        output, posterior = self.model(images, self.noise(len(images), rng))
        # per pixel value, as the likelihood is; the floor is an eighth of the step between grey levels
        likelihood = 0.5 * ((output.float() - images).square().mean() + 1e-6).log()
        divergence = divergence_from_prior(posterior).mean() / images[0].numel()
        self.record({"negative_log_likelihood": float(likelihood.detach()), "kl": float(divergence.detach())})
        progress = self.progress()
        warmup = 1.0 if config.kl_warmup == 0 else min(1.0, progress / config.kl_warmup)
        return likelihood + config.kl_weight * warmup * divergence

    @torch.no_grad()
    def further_pictures(self) -> dict[str, Image.Image]:
        """``"reconstructions"``: held-out images above what becomes of them."""
        rows = np.linspace(0, len(self.validation_data) - 1, RECONSTRUCTIONS).astype(int)
        images, _ = self.validation_data.batch(rows)
        output = self.vae(images.to(self.accelerator.device))[0].float().cpu()
        pixels = [image for part in (images, output) for image in from_tensor(part, self.report.binary_alpha)]
        background = "checker" if self.report.mode == "RGBA" else self.report.background
        scale = max(1, 64 // self.report.image_size)
        grid = make_grid(pixels, len(rows), scale, background=background, row_labels=["image", "output"])
        return {"reconstructions": grid}
