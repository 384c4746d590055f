"""Diffusion in the latent space of a trained autoencoder."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from diffusers import DiffusionPipeline, ModelMixin

from ..data import SpriteArrays, SpriteDataset
from ..errors import SpriteError
from ..models import LatentMLP, load_autoencoder
from ..models.autoencoders import read_facts
from ..objectives import Objective
from ..pipelines import SpriteLDMPipeline
from ..pipelines.sprite_ldm import autoencoder_fingerprint, encode_sprites, latent_shape, normalize_latents
from .base import FitResult
from .config import LatentConfig
from .data_parts import load_data, pad_sprites
from .diffusion import DiffusionConfig, DiffusionTrainer, build_unet, fit
from .machine import launched_state

MIN_STD = 1e-3  # of a latent channel that never changes, e.g. behind a ReLU that died: it is not blown up


@dataclass(frozen=True)
class LatentDiffusionConfig(DiffusionConfig):
    """All settings of one training."""

    latent: LatentConfig | None = None


def fit_latent_diffusion(config: LatentDiffusionConfig) -> FitResult:
    """Loads data and autoencoder, encodes, trains, and (if asked) uploads: all that a launch script needs.

    Raises:
        SpriteError: bad settings, data or autoencoder; nothing has been written then.
    """
    return fit(LatentDiffusionTrainer(config, load_data(config.data)))


class LatentDiffusionTrainer(DiffusionTrainer):
    """Trains a denoiser of latents, which are encoded once (and once mirrored, with ``--random_flip``).

    Args:
        config: all settings.
        dataset: from `load_sprites`.

    Raises:
        SpriteError: an autoencoder that does not fit the data or the denoiser, and as `DiffusionTrainer`.
    """

    settings: LatentDiffusionConfig
    without_classes = "--no_conditional"

    def __init__(self, config: LatentDiffusionConfig, dataset: SpriteDataset):
        assert config.latent is not None
        self.latent = config.latent
        self.vae = load_autoencoder(self.latent.pretrained_autoencoder).requires_grad_(False)
        self.vae_fingerprint = autoencoder_fingerprint(self.vae)
        self.vae_facts = read_facts(self.latent.pretrained_autoencoder)
        super().__init__(config, dataset)
        self.name, self.card_template = "sprite-ldm", "sprite_ldm"
        self.vae.to(self.accelerator.device)

    # ---- what the pixel trainer leaves to be chosen -------------------------------------------------------------

    def _build_network(self) -> ModelMixin:
        self._check_data()
        self._encode_all()
        shape, unet = latent_shape(self.vae), self.settings.unet
        kind = self.latent.denoiser
        fitting = "mlp" if len(shape) == 1 else "unet"
        if kind not in ("auto", fitting):
            raise SpriteError(
                f"--denoiser {kind} does not take latents of the shape {shape}, which {self.latent.pretrained_autoencoder} "
                f"gives: use --denoiser {fitting}, or another autoencoder."
            )
        if fitting == "mlp":
            return LatentMLP(
                in_channels=shape[0],
                hidden_size=self.latent.hidden_size,
                num_layers=self.latent.num_layers,
                num_class_embeds=self._num_class_embeds(),
                dropout=unet.dropout,
            )
        if unet.patch_size != 1:
            raise SpriteError(
                f"--patch_size is {unet.patch_size}, but latents have no pixels to take together: leave it out."
            )
        network = build_unet(unet, shape[0], shape[1], self._num_class_embeds())
        if network.config.sample_size != shape[1]:
            levels = len(network.config.block_out_channels)
            raise SpriteError(
                f"--block_out_channels has {levels} levels, which halve {levels - 1} times, but the latents are "
                f"{shape[1]}x{shape[1]}: give fewer."
            )
        return network

    def _build_objective(self, **extra: Any) -> Objective:
        # samplers may not leave the range that the latents of the training images have
        return super()._build_objective(clip_range=float(self.train_latents[0].abs().max()), **extra)

    def _training_batch(
        self, indices: np.ndarray, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        rows = torch.from_numpy(indices)
        labels = None if self.train_data.labels is None else self.train_data.labels[rows]
        versions = torch.randint(len(self.train_latents), (len(rows),), generator=generator)
        if labels is not None:
            versions[torch.isin(labels, self._unflipped)] = 0
        return self.train_latents[versions, rows], labels

    def _validation_batch(self, indices: np.ndarray) -> tuple[torch.Tensor, torch.Tensor | None]:
        rows = torch.from_numpy(indices)
        labels = None if self.validation_data.labels is None else self.validation_data.labels[rows]
        return self.validation_latents[rows], labels

    def _network_facts(self) -> dict[str, Any]:
        network = {name: value for name, value in self.unet.config.items() if not name.startswith("_")}
        return {**network, **asdict(self.latent), "autoencoder": self.vae_fingerprint}

    def facts(self) -> dict[str, Any]:
        tags = {
            "autoencoder.kind": self.vae_facts.get("kind", type(self.vae).__name__),
            "autoencoder.latent_floats": math.prod(latent_shape(self.vae)),
        }
        if "psnr" in self.vae_facts:
            tags["autoencoder.psnr"] = round(self.vae_facts["psnr"], 3)
        return super().facts() | tags

    def summary(self) -> dict[str, float]:
        figures = super().summary()
        if "train_seconds" in self.vae_facts:
            figures["autoencoder_seconds"] = self.vae_facts["train_seconds"]
        return figures

    def pipeline(self) -> DiffusionPipeline:
        return SpriteLDMPipeline(
            self.vae,
            self.unet,
            self.objective.sampling_scheduler(),
            latent_mean=self.latent_mean,
            latent_std=self.latent_std,
            vae_fingerprint=self.vae_fingerprint,
            **self._pipeline_options(self.vae.config.sample_size),
        )

    # ---- parts --------------------------------------------------------------------------------------------------

    def _check_data(self) -> None:
        """Refuses sprites that the autoencoder was not made for."""
        config, report = self.vae.config, self.report
        factor = 2 ** (len(config.block_out_channels) - (not hasattr(self.vae, "latent_size")))
        size = math.ceil(report.image_size / factor) * factor
        mode = {3: "RGB", 4: "RGBA"}.get(config.in_channels, f"{config.in_channels}-channel")
        background = self.vae_facts.get("background", report.background)
        source = self.latent.pretrained_autoencoder
        if (config.sample_size, mode) != (size, report.mode):
            raise SpriteError(
                f"the autoencoder {source} is for {config.sample_size}x{config.sample_size} {mode} sprites, but those of "
                f"--dataset {self.settings.data.dataset} are {report.image_size}x{report.image_size} {report.mode}: change "
                "--image_size and --image_mode, or train an autoencoder for them."
            )
        if mode == "RGB" and background != report.background:
            raise SpriteError(
                f"the autoencoder {source} is for sprites on {background}, but --background is {report.background}: "
                "give them the same."
            )
        if self.settings.data.random_shift or self.settings.data.palette_swap:
            raise SpriteError(
                "--random_shift and --palette_swap cannot be used with latents, which are encoded once: leave them out, "
                "or train the autoencoder with them. --random_flip can."
            )

    def _encode_all(self) -> None:
        """Latents of all sprites, normalised by mean and deviation per channel, measured on the training sprites."""
        device = launched_state().device
        self.vae.to(device)
        train = pad_sprites(self.train_data.pixels, self.vae.config.sample_size)
        versions = [train, train[:, :, ::-1]] if self.settings.data.random_flip else [train]
        encoded = torch.stack([self._encode(pixels, device) for pixels in versions])
        channels = encoded[0].movedim(1, -1).flatten(0, -2).double()
        self.latent_mean = channels.mean(0).tolist()
        self.latent_std = channels.std(0).clamp(min=MIN_STD).tolist()
        held_out = pad_sprites(self.validation_data.pixels, self.vae.config.sample_size)
        self.train_latents = torch.stack([self._normalized(latents) for latents in encoded])
        self.validation_latents = self._normalized(self._encode(held_out, device))
        skipped = self.augmentation.skip_classes if self.augmentation is not None else ()
        self._unflipped = torch.tensor(skipped, dtype=torch.long)

    @torch.no_grad()
    def _encode(self, pixels: np.ndarray, device: torch.device) -> torch.Tensor:
        arrays = SpriteArrays(pixels, None, [])
        parts = np.array_split(np.arange(len(pixels)), max(1, len(pixels) // 256))
        return torch.cat([encode_sprites(self.vae, arrays.batch(rows)[0].to(device)).float().cpu() for rows in parts])

    def _normalized(self, latents: torch.Tensor) -> torch.Tensor:
        return normalize_latents(latents, self.latent_mean, self.latent_std)
