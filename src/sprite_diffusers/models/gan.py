"""A generator and a discriminator after DCGAN. One self-contained file: it is published beside the generator's weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.utils import BaseOutput
from torch.nn.utils.parametrizations import spectral_norm as with_spectral_norm


@dataclass
class DCGANGeneratorOutput(BaseOutput):
    """What the generator draws.

    Attributes:
        sample: ``(batch, out_channels, sample_size, sample_size)`` in ``[-1, 1]``.
    """

    sample: torch.Tensor


@dataclass
class DCGANDiscriminatorOutput(BaseOutput):
    """What the discriminator says.

    Attributes:
        logits: ``(batch,)``; above 0 is "real".
    """

    logits: torch.Tensor


class DCGANGenerator(ModelMixin, ConfigMixin):
    """From a vector of noise to an image by transposed convolutions (https://arxiv.org/abs/1511.06434, section 3).

    Classes are an embedding beside the noise (https://arxiv.org/abs/1411.1784).

    Args:
        latent_dim: length of the noise vector.
        out_channels: 1 for grey, 3 for RGB, 4 for RGBA with premultiplied colour.
        sample_size: side of the images, in pixels; halved once per entry of `block_out_channels`.
        block_out_channels: channels per resolution, from half the size down.
        num_class_embeds: number of classes; `None` draws without.
        project_bias: a bias in the layer that the noise enters, for noise that is not around 0.

    Raises:
        ValueError: a size that cannot be halved so often.
    """

    @register_to_config
    def __init__(
        self,
        latent_dim: int = 100,
        out_channels: int = 3,
        sample_size: int = 64,
        block_out_channels: Sequence[int] = (64, 128, 256, 512),
        num_class_embeds: int | None = None,
        project_bias: bool = False,
    ):
        super().__init__()
        widths = list(block_out_channels)
        side = lowest_side(sample_size, len(widths))
        self.class_embedding = torch.nn.Embedding(num_class_embeds, latent_dim) if num_class_embeds else None
        inputs = latent_dim * (1 if self.class_embedding is None else 2)
        self.map_shape = (widths[-1], side, side)
        self.project = torch.nn.Linear(inputs, widths[-1] * side * side, bias=project_bias)
        blocks: list[torch.nn.Module] = [torch.nn.BatchNorm2d(widths[-1]), torch.nn.ReLU()]
        for before, width in pairwise(reversed(widths)):
            blocks += [
                torch.nn.ConvTranspose2d(before, width, 4, stride=2, padding=1, bias=False),
                torch.nn.BatchNorm2d(width),
                torch.nn.ReLU(),
            ]
        blocks.append(torch.nn.ConvTranspose2d(widths[0], out_channels, 4, stride=2, padding=1))
        self.blocks = torch.nn.Sequential(*blocks)
        self.apply(_normal_weights)
        if project_bias:
            torch.nn.init.zeros_(self.project.bias)

    @classmethod
    def extract_init_dict(cls, config_dict: dict[str, Any], **kwargs: Any) -> Any:
        """As in diffusers, without what a folder with code tells `AutoModel`."""
        own = {name: value for name, value in config_dict.items() if name != "auto_map"}
        return super().extract_init_dict(own, **kwargs)

    def forward(
        self, latents: torch.Tensor, class_labels: torch.Tensor | None = None, return_dict: bool = True
    ) -> DCGANGeneratorOutput | tuple:
        """Draws from noise ``(batch, latent_dim)``, and labels ``(batch,)`` if there are classes."""
        if self.class_embedding is not None:
            latents = torch.cat([latents, self.class_embedding(class_labels)], dim=1)
        sample = self.blocks(self.project(latents).unflatten(1, self.map_shape)).tanh()
        return DCGANGeneratorOutput(sample) if return_dict else (sample,)


class DCGANDiscriminator(ModelMixin, ConfigMixin):
    """Tells real images from drawn ones, by strided convolutions (https://arxiv.org/abs/1511.06434, section 3).

    Classes enter by projection (https://arxiv.org/abs/1802.05637, eq. 3).

    Args:
        in_channels: channels of the images.
        sample_size: side of the images, in pixels; halved once per entry of `block_out_channels`.
        block_out_channels: channels per resolution, from half the size down.
        batch_norm: batch norms after all convolutions but the first, as in DCGAN.
        spectral_norm: divides each weight by its largest singular value (https://arxiv.org/abs/1802.05957).
        num_class_embeds: number of classes; `None` judges without.

    Raises:
        ValueError: a size that cannot be halved so often.
    """

    @register_to_config
    def __init__(
        self,
        in_channels: int = 3,
        sample_size: int = 64,
        block_out_channels: Sequence[int] = (64, 128, 256, 512),
        batch_norm: bool = True,
        spectral_norm: bool = False,
        num_class_embeds: int | None = None,
    ):
        super().__init__()
        widths = list(block_out_channels)
        features = lowest_side(sample_size, len(widths)) ** 2 * widths[-1]
        self.blocks = halving_blocks(in_channels, widths, batch_norm)
        self.to_logit = torch.nn.Linear(features, 1)
        self.class_embedding = torch.nn.Embedding(num_class_embeds, features) if num_class_embeds else None
        if self.class_embedding is not None:
            torch.nn.init.zeros_(self.class_embedding.weight)
        if spectral_norm:
            for module in [*self.blocks, self.to_logit]:
                if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)):
                    with_spectral_norm(module)

    def forward(
        self, sample: torch.Tensor, class_labels: torch.Tensor | None = None, return_dict: bool = True
    ) -> DCGANDiscriminatorOutput | tuple:
        """Judges ``(batch, in_channels, sample_size, sample_size)`` in ``[-1, 1]``, of labels ``(batch,)`` if there are classes."""
        features = self.blocks(sample).flatten(1)
        logits = self.to_logit(features)[:, 0]
        if self.class_embedding is not None:
            logits = logits + (self.class_embedding(class_labels) * features).sum(1)
        return DCGANDiscriminatorOutput(logits) if return_dict else (logits,)


def lowest_side(sample_size: int, halvings: int) -> int:
    """Side of the smallest feature map.

    Raises:
        ValueError: a size that cannot be halved so often.
    """
    if not halvings or sample_size % 2**halvings:
        raise ValueError(
            f"`sample_size` is {sample_size}, but must be a multiple of {2**halvings} to be halved once for each of the "
            f"{halvings} `block_out_channels`, of which there must be one or more."
        )
    return sample_size // 2**halvings


def halving_blocks(in_channels: int, widths: Sequence[int], batch_norm: bool) -> torch.nn.Sequential:
    """Convolutions that halve the size once per width, each before a leaky ReLU."""
    blocks: list[torch.nn.Module] = []
    for level, (before, width) in enumerate(pairwise([in_channels, *widths])):
        normed = batch_norm and level > 0
        blocks.append(torch.nn.Conv2d(before, width, 4, stride=2, padding=1, bias=not normed))
        blocks += [torch.nn.BatchNorm2d(width)] if normed else []
        blocks.append(torch.nn.LeakyReLU(0.2))
    return torch.nn.Sequential(*blocks)


@torch.no_grad()
def _normal_weights(module: torch.nn.Module) -> None:
    """Initial weights of deviation 0.02, as in DCGAN; those of batch norms around 1."""
    if isinstance(module, (torch.nn.Linear, torch.nn.ConvTranspose2d)):
        module.weight.normal_(0.0, 0.02)
    elif isinstance(module, torch.nn.BatchNorm2d):
        module.weight.normal_(1.0, 0.02)
