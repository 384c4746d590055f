"""A variational autoencoder with one latent vector, whose decoder is the generator of `gan.py`: noise decodes to images."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.utils import BaseOutput

from .gan import DCGANGenerator, halving_blocks, lowest_side

MAX_LOG_VARIANCE = 10.0  # of latents; beyond it exp() would be all that is learnt


@dataclass
class ConvVAEOutput(BaseOutput):
    """What the encoder gives: the normal distribution of the latent vector.

    Attributes:
        mean, log_variance: ``(batch, latent_dim)``.
    """

    mean: torch.Tensor
    log_variance: torch.Tensor


class ConvVAE(ModelMixin, ConfigMixin):
    """Convolutions down to a normal distribution and a `DCGANGenerator` back up (https://arxiv.org/abs/1312.6114).

    Args:
        latent_dim: length of the latent vector.
        channels: 1 for grey, 3 for RGB, 4 for RGBA with premultiplied colour.
        sample_size: side of the images, in pixels; halved once per entry of `block_out_channels`.
        block_out_channels: channels per resolution, from half the size down.

    Raises:
        ValueError: a size that cannot be halved so often.
    """

    @register_to_config
    def __init__(
        self,
        latent_dim: int = 100,
        channels: int = 3,
        sample_size: int = 64,
        block_out_channels: Sequence[int] = (64, 128, 256, 512),
    ):
        super().__init__()
        widths = list(block_out_channels)
        features = lowest_side(sample_size, len(widths)) ** 2 * widths[-1]
        self.encoder = halving_blocks(channels, widths, batch_norm=True)
        self.to_moments = torch.nn.Linear(features, 2 * latent_dim)
        self.decoder = DCGANGenerator(latent_dim, channels, sample_size, widths, project_bias=True)

    def encode(self, sample: torch.Tensor) -> ConvVAEOutput:
        """``(batch, channels, sample_size, sample_size)`` in ``[-1, 1]`` to the distribution of latents."""
        mean, log_variance = self.to_moments(self.encoder(sample).flatten(1)).chunk(2, dim=1)
        return ConvVAEOutput(mean, log_variance.clamp(-MAX_LOG_VARIANCE, MAX_LOG_VARIANCE))

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents ``(batch, latent_dim)``, standard normal before any image was seen, to images in ``[-1, 1]``."""
        return self.decoder(latents, return_dict=False)[0]

    def forward(self, sample: torch.Tensor, noise: torch.Tensor | None = None) -> tuple[torch.Tensor, ConvVAEOutput]:
        """Encodes and decodes.

        Args:
            sample: images, as `encode` takes them.
            noise: ``(batch, latent_dim)``, standard normal: draws the latents; their mean without it.

        Returns:
            The reconstruction and the distribution of its latents.
        """
        posterior = self.encode(sample)
        latents = posterior.mean
        if noise is not None:
            latents = latents + noise * (0.5 * posterior.log_variance).exp()
        return self.decode(latents), posterior

    @torch.no_grad()
    def fit_generator(self, batches: Iterable[torch.Tensor]) -> DCGANGenerator:
        """The decoder for sampling: a copy whose standard normal noise becomes the normal that fits the latents of images.

        What is left between the latents of real images and a standard normal, where the decoder would be asked for what it
        never saw, is so taken out as far as mean and covariance go (ex-post density estimation,
        https://arxiv.org/abs/1903.12436). The map is linear, and merged into the decoder's first layer.

        Args:
            batches: images, as `encode` takes them.

        Raises:
            ValueError: fewer than two images.
        """
        was_training = self.training
        self.eval()
        posteriors = [self.encode(batch) for batch in batches]
        self.train(was_training)
        # in double precision on the CPU, which not every accelerator has
        means = torch.cat([posterior.mean for posterior in posteriors]).cpu().double()
        if len(means) < 2:
            raise ValueError("`batches` has one image, but a normal distribution is fitted to two or more.")
        variances = torch.cat([posterior.log_variance for posterior in posteriors]).cpu().double().exp()
        spread = torch.linalg.cholesky(torch.cov(means.T) + variances.mean(0).diag())
        decoder = copy.deepcopy(self.decoder)
        weight = decoder.project.weight.cpu().double()
        decoder.project.bias += (weight @ means.mean(0)).to(decoder.project.bias)
        decoder.project.weight.copy_(weight @ spread)
        return decoder


def divergence_from_prior(posterior: ConvVAEOutput) -> torch.Tensor:
    """KL divergence of each image's latents from a standard normal, ``(batch,)`` in nats (the paper's appendix B)."""
    mean, log_variance = posterior.mean, posterior.log_variance
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)
