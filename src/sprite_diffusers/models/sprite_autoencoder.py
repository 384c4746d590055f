"""A convolutional autoencoder with a latent vector. One self-contained file: it is published beside the weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.models.autoencoders.vae import DecoderOutput
from diffusers.utils import BaseOutput
from diffusers.utils.accelerate_utils import apply_forward_hook


@dataclass
class SpriteAutoencoderOutput(BaseOutput):
    """What the encoder gives.

    Attributes:
        latents: ``(batch, latent_dim)``.
    """

    latents: torch.Tensor


class SpriteAutoencoder(ModelMixin, ConfigMixin):
    """Blocks of convolutions and pooling down to a vector, and back up (Hinton & Salakhutdinov 2006).

    Trained on corrupted images it is a denoising autoencoder (Vincent et al. 2008). `encode` and `decode` are those of
    diffusers' `VQModel`, so that either can be the ``vae`` of a latent diffusion pipeline.

    Args:
        in_channels: 3 for RGB, 4 for RGBA with premultiplied colour.
        sample_size: side of the images, in pixels; halved once per entry of `block_out_channels`.
        latent_dim: length of the latent vector; `None` takes the last feature map, flattened.
        block_out_channels: channels per block.
        layers_per_block: convolutions per block, or residual blocks.
        block_type: ``"conv"`` (convolutions, ReLU, max-pooling) or ``"resnet"`` (squares of 2x2 pixels become channels,
            then residual blocks with batch norms, and convolutions that halve).
        hidden_size: width of fully connected layers on both sides of the latent vector; 0 is none.

    Raises:
        ValueError: a size that cannot be halved so often, or an unknown block type.
    """

    @register_to_config
    def __init__(
        self,
        in_channels: int = 3,
        sample_size: int = 16,
        latent_dim: int | None = 64,
        block_out_channels: Sequence[int] = (32, 64),
        layers_per_block: int = 1,
        block_type: str = "conv",
        hidden_size: int = 0,
    ):
        super().__init__()
        widths = list(block_out_channels)
        if sample_size % 2 ** len(widths):
            raise ValueError(
                f"`sample_size` is {sample_size}, but must be a multiple of {2 ** len(widths)} to be halved once for each "
                f"of the {len(widths)} `block_out_channels`."
            )
        if block_type not in ("conv", "resnet"):
            raise ValueError(f"`block_type` is {block_type!r}, but must be 'conv' or 'resnet'.")
        side = sample_size // 2 ** len(widths)
        self.map_shape = (widths[-1], side, side)
        map_size = widths[-1] * side * side
        build = _residual_stages if block_type == "resnet" else _plain_stages
        self.encoder, self.decoder = build(in_channels, widths, layers_per_block)
        inner = [hidden_size] if hidden_size else []
        down_sizes, up_sizes = [map_size, *inner, latent_dim], [latent_dim, *inner, *inner, map_size]
        self.to_latent = torch.nn.Identity() if latent_dim is None else _perceptron(down_sizes)
        self.from_latent = torch.nn.Identity() if latent_dim is None else _perceptron(up_sizes)

    @classmethod
    def extract_init_dict(cls, config_dict: dict[str, Any], **kwargs: Any) -> Any:
        """As in diffusers, without what a folder with code tells `AutoModel`."""
        own = {name: value for name, value in config_dict.items() if name != "auto_map"}
        return super().extract_init_dict(own, **kwargs)

    @property
    def latent_size(self) -> int:
        """Numbers per latent vector."""
        if self.config.latent_dim is not None:
            return self.config.latent_dim
        channels, height, width = self.map_shape
        return channels * height * width

    @apply_forward_hook
    def encode(self, x: torch.Tensor, return_dict: bool = True) -> SpriteAutoencoderOutput | tuple:
        """``(batch, in_channels, sample_size, sample_size)`` in ``[-1, 1]`` to latents ``(batch, latent_size)``."""
        latents = self.to_latent(self.encoder(x).flatten(1))
        return SpriteAutoencoderOutput(latents) if return_dict else (latents,)

    @apply_forward_hook
    def decode(self, z: torch.Tensor, return_dict: bool = True) -> DecoderOutput | tuple:
        """Latents ``(batch, latent_size)`` to images, about ``[-1, 1]``."""
        sample = self.decoder(self.from_latent(z).unflatten(1, self.map_shape))
        return DecoderOutput(sample) if return_dict else (sample,)

    def forward(self, sample: torch.Tensor, return_dict: bool = True) -> DecoderOutput | tuple:
        """Encodes and decodes."""
        return self.decode(self.encode(sample, return_dict=False)[0], return_dict=return_dict)


class _Residual(torch.nn.Module):
    """Two convolutions, each after a batch norm and ReLU (https://arxiv.org/abs/1603.05027); the identity at first."""

    def __init__(self, width: int):
        super().__init__()
        last = torch.nn.Conv2d(width, width, 3, padding=1)
        torch.nn.init.zeros_(last.weight)
        first = torch.nn.Conv2d(width, width, 3, padding=1)
        self.layers = torch.nn.Sequential(*_norm(width), first, *_norm(width), last)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return hidden + self.layers(hidden)


def _plain_stages(channels: int, widths: list[int], layers: int) -> tuple[torch.nn.Sequential, torch.nn.Sequential]:
    """Encoder to, and decoder from, the last feature map: convolutions, ReLU, max-pooling; upsampling."""
    down: list[torch.nn.Module] = []
    for before, width in pairwise([channels, *widths]):
        down += [*_convolutions(before, width, layers), torch.nn.MaxPool2d(2)]
    up: list[torch.nn.Module] = []
    for before, width in pairwise([widths[-1], *reversed(widths)]):
        up += [torch.nn.Upsample(scale_factor=2), *_convolutions(before, width, layers)]
    up.append(torch.nn.Conv2d(widths[0], channels, 3, padding=1))
    return torch.nn.Sequential(*down), torch.nn.Sequential(*up)


def _convolutions(before: int, width: int, layers: int) -> list[torch.nn.Module]:
    modules: list[torch.nn.Module] = []
    for channels in [before, *[width] * (layers - 1)]:
        modules += [torch.nn.Conv2d(channels, width, 3, padding=1), torch.nn.ReLU()]
    return modules


def _residual_stages(channels: int, widths: list[int], layers: int) -> tuple[torch.nn.Sequential, torch.nn.Sequential]:
    """The same of residual blocks; the first halving is of pixels into channels, where convolutions cost most."""
    down: list[torch.nn.Module] = [torch.nn.PixelUnshuffle(2), torch.nn.Conv2d(4 * channels, widths[0], 3, padding=1)]
    up: list[torch.nn.Module] = [torch.nn.PixelShuffle(2), torch.nn.Conv2d(widths[0], 4 * channels, 3, padding=1)]
    up += _norm(widths[0])[::-1]
    for level, width in enumerate(widths):
        if level:
            down.append(torch.nn.Conv2d(widths[level - 1], width, 3, padding=1, stride=2))
            up += [torch.nn.Conv2d(width, widths[level - 1], 3, padding=1), torch.nn.Upsample(scale_factor=2)]
        down += [_Residual(width) for _ in range(layers)]
        up += [_Residual(width) for _ in range(layers)]
    down += _norm(widths[-1])
    return torch.nn.Sequential(*down), torch.nn.Sequential(*reversed(up))


def _norm(width: int) -> list[torch.nn.Module]:
    return [torch.nn.BatchNorm2d(width), torch.nn.ReLU()]


def _perceptron(sizes: list[int]) -> torch.nn.Sequential:
    """Linear layers between the sizes, with ReLU between them."""
    layers: list[torch.nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [torch.nn.Linear(before, after), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])
