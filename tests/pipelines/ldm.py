"""Latent diffusion pipelines that draw noise in milliseconds: of a vector, of a KL map, of a map of codes."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, ModelMixin, UNet2DModel, VQModel

from sprite_diffusers.models import LatentMLP, SpriteAutoencoder
from sprite_diffusers.pipelines import SpriteLDMPipeline
from sprite_diffusers.pipelines.sprite_ldm import autoencoder_fingerprint

from ..conftest import CLASS_NAMES

KINDS = ("vector", "kl", "vq")


def autoencoder(kind: str, channels: int = 3, seed: int = 0) -> ModelMixin:
    """Of 8x8 sprites: 6 numbers (``"vector"``), or a 4x4 map of 2 channels (``"kl"``, ``"vq"``)."""
    torch.manual_seed(seed)
    if kind == "vector":
        return SpriteAutoencoder(channels, sample_size=8, latent_dim=6, block_out_channels=(8, 8)).eval()
    extra = {"num_vq_embeddings": 8} if kind == "vq" else {}
    return (VQModel if kind == "vq" else AutoencoderKL)(
        in_channels=channels,
        out_channels=channels,
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=2,
        norm_num_groups=4,
        sample_size=8,
        mid_block_add_attention=False,
        **extra,
    ).eval()


def denoiser(kind: str, classes: int = len(CLASS_NAMES), null_class: bool = True) -> ModelMixin:
    """Random in all its weights: as they begin, an MLP predicts zero whatever the class."""
    num_class_embeds = classes + null_class if classes else None
    torch.manual_seed(1)
    if kind == "vector":
        model = LatentMLP(in_channels=6, hidden_size=16, num_layers=2, num_class_embeds=num_class_embeds)
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.5)
        return model.eval()
    return UNet2DModel(
        sample_size=4,
        in_channels=2,
        out_channels=2,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D"),
        norm_num_groups=4,
        num_class_embeds=num_class_embeds,
    ).eval()


def pipeline(kind: str, channels: int = 3, classes: int = len(CLASS_NAMES), **options: Any) -> SpriteLDMPipeline:
    """By class and with a null class, or without classes if there are 0 of them; latents have a scale per channel."""
    vae = autoencoder(kind, channels)
    size = 6 if kind == "vector" else 2
    pipe = SpriteLDMPipeline(
        vae,
        denoiser(kind, classes),
        DDIMScheduler(prediction_type="v_prediction", clip_sample=False),
        latent_mean=[0.25 * number - 0.5 for number in range(size)],
        latent_std=[0.5 + 0.25 * number for number in range(size)],
        vae_fingerprint=autoencoder_fingerprint(vae),
        id2label={str(index): name for index, name in enumerate(CLASS_NAMES[:classes])},
        default_num_inference_steps=4,
        **options,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe
