"""Stage 1: the autoencoder whose decoder reads the text."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from ... import hub
from ...data import from_tensor, make_grid
from ...models.perceptual import LaplacianPyramidLoss, PerceptualLoss
from ...models.text_vae import TextConditionedVAE
from ..stage_trainer import PREVIEWS, StageTrainer
from .settings import VAEStageConfig


class TextVAELoss(torch.nn.Module):
    """The autoencoder with its loss, as one module, so that it can be wrapped for several processes.

    Args:
        vae: the network.
        config: the weights of the parts.
        perceptual: compares besides pixels, if given.
    """

    def __init__(
        self,
        vae: TextConditionedVAE,
        config: VAEStageConfig,
        perceptual: PerceptualLoss | LaplacianPyramidLoss | None = None,
    ):
        super().__init__()
        self.vae, self.config = vae, config
        self._perceptual = [perceptual]  # in a list, so that its weights are neither trained, averaged nor saved

    def forward(
        self,
        images: torch.Tensor,
        embeds: torch.Tensor,
        mask: torch.Tensor,
        without_text: torch.Tensor,
        kl_scale: float,
        noise: torch.Generator | None = None,
    ) -> dict[str, torch.Tensor]:
        """Losses by name; ``"loss"`` is their weighted sum, ``"channel_kl"`` the divergence per latent channel.

        Args:
            images: ``(batch, 3, H, W)`` in ``[-1, 1]``.
            embeds, mask: the text, ``(batch, tokens, width)`` and ``(batch, tokens)``.
            without_text: ``(batch,)``, which images are decoded without it.
            kl_scale: 0 to 1, of the annealing.
            noise: draws latents from their distributions; their mode without it.
        """
        config = self.config
        posterior = self.vae.encode(images).latent_dist
        latents = posterior.mode() if noise is None else posterior.sample(noise)
        stand_in = self.vae.no_text.to(embeds.dtype).expand(len(images), embeds.shape[1], -1)
        embeds = torch.where(without_text[:, None, None], stand_in, embeds)
        mask = torch.where(without_text[:, None], torch.ones_like(mask), mask)
        output = self.vae.decode(latents, embeds, mask).sample.float()
        # nats per position of each channel, mean over images and positions before the free bits are taken off
        # (https://arxiv.org/abs/1606.04934, appendix C.8)
        mean, variance = posterior.mean.float(), posterior.var.float()
        channel_kl = 0.5 * (mean.square() + variance - 1 - posterior.logvar.float()).mean(dim=(0, 2, 3))
        charged = channel_kl.clamp(min=config.free_bits).mean()
        error = output - images
        parts = {"l1": error.abs().mean(), "kl": channel_kl.mean()}
        # both parts are sums over an image in the bound, here both over the number of its values
        # (https://openreview.net/forum?id=Sy2fzU9gl, eq. 4)
        share = latents[0].numel() / images[0].numel()
        total = parts["l1"] + config.kl_weight * kl_scale * share * charged
        if self._perceptual[0] is not None:
            parts["perceptual"] = self._perceptual[0](output, images)
            total = total + config.perceptual_weight * parts["perceptual"]
        mse = ((output.clamp(-1, 1) - images) / 2).square().mean()
        return {"loss": total, "mse": mse, "channel_kl": channel_kl, **parts}


class VAEStageTrainer(StageTrainer):
    """Trains a `TextConditionedVAE`.

    Args:
        stage: settings of the stage.
        perceptual: compares besides pixels, if given.
        options: those of `StageTrainer`.
    """

    name, number = "pokemon-stage1", 1

    def __init__(
        self, stage: VAEStageConfig, perceptual: PerceptualLoss | LaplacianPyramidLoss | None, **options: Any
    ):
        self.stage = stage
        vae: TextConditionedVAE = options.pop("vae")
        self.vae = vae
        super().__init__(model=TextVAELoss(vae, stage, perceptual), **options)
        if perceptual is not None:
            perceptual.to(self.accelerator.device)

    def training_step(self, micro_step: int) -> torch.Tensor:
        rows, images, generator = self.batch(micro_step)
        device = self.accelerator.device
        embeds, mask = self.train.text(rows, device, generator)
        without = (torch.rand(len(rows), generator=generator) < self.stage.text_dropout).to(device)
        noise = torch.Generator(device).manual_seed(int(generator.initial_seed()))
        progress = self.progress()
        kl_scale = 1.0 if self.stage.kl_warmup == 0 else min(1.0, progress / self.stage.kl_warmup)
        return self.model(images, embeds, mask, without, kl_scale, noise)["loss"]

    def validate(self) -> dict[str, float]:
        figures = super().validate()
        figures["psnr"] = -10 * math.log10(max(figures.pop("mse"), 1e-10))
        return figures

    def validation_figures(self, rows: np.ndarray) -> dict[str, float]:
        images, _ = self.validation.arrays.batch(rows)
        device = self.accelerator.device
        embeds, mask = self.validation.text(rows, device)
        without = torch.zeros(len(rows), dtype=torch.bool, device=device)
        parts = self.raw_model(images.to(device), embeds, mask, without, 1.0)
        channels = {f"kl_channel/{index}": float(value) for index, value in enumerate(parts.pop("channel_kl"))}
        return {name: float(value) for name, value in parts.items()} | channels

    @torch.no_grad()
    def preview(self) -> Image.Image:
        """Held-out sprites above what the autoencoder makes of them."""
        rows = np.linspace(0, len(self.validation) - 1, PREVIEWS).astype(int)
        images, _ = self.validation.arrays.batch(rows)
        device = self.accelerator.device
        output = self.vae(images.to(device), *self.validation.text(rows, device)).sample.float().cpu()
        pixels = [sprite for part in (images, output) for sprite in from_tensor(part.clamp(-1, 1))]
        return make_grid(pixels, PREVIEWS, 1, row_labels=["sprite", "output"])

    def save(self, directory: Path) -> None:
        hub.export(self.vae, directory)
        self.write_facts(directory)
