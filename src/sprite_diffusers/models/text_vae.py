"""A variational autoencoder whose decoder reads a text. One self-contained file: it is published beside the weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.models.autoencoders.vae import DecoderOutput, DiagonalGaussianDistribution, Encoder
from diffusers.models.modeling_outputs import AutoencoderKLOutput
from diffusers.models.unets.unet_2d_blocks import UNetMidBlock2DCrossAttn, UpDecoderBlock2D
from diffusers.utils.accelerate_utils import apply_forward_hook

START_SCALE = 2.0  # of the mean colour among the latents, whose spread should be near 1
START_LOG_VARIANCE = -4.0


class TextConditionedVAE(ModelMixin, ConfigMixin):
    """Images to a map of latents, and back with the help of their description (https://arxiv.org/abs/1312.6114).

    The encoder is that of `AutoencoderKL`. The decoder attends to the text at the resolution of the latents; without a
    text it attends to a learned stand-in, so that it also decodes alone. Round both leads a linear shortcut from a square
    of pixels to its latents and back (after https://arxiv.org/abs/2410.10733), which begins as the square's mean colour:
    the networks learn what that lacks, instead of finding colour for themselves in the first thousands of steps.

    Args:
        in_channels: 3 for RGB, 4 for RGBA with premultiplied colour.
        sample_size: side of the images, in pixels; divisible by ``patch_size * 2 ** (len(block_out_channels) - 1)``.
        block_out_channels: channels per resolution; each but the last halves it.
        layers_per_block: residual blocks per resolution.
        latent_channels: channels of the latents.
        patch_size: squares of so many pixels become channels before the first convolution, and again at the end: what is
            left out is the resolution where convolutions cost most. 1 leaves nothing out.
        cross_attention_dim: width of the text's hidden states.
        num_attention_heads: of self- and cross-attention.
        norm_num_groups: groups of the group norms.

    Raises:
        ValueError: a size that cannot be divided so often.
    """

    @register_to_config
    def __init__(
        self,
        in_channels: int = 3,
        sample_size: int = 216,
        block_out_channels: Sequence[int] = (64, 128, 256, 256),
        layers_per_block: int = 1,
        latent_channels: int = 8,
        patch_size: int = 1,
        cross_attention_dim: int = 256,
        num_attention_heads: int = 4,
        norm_num_groups: int = 16,
    ):
        super().__init__()
        widths, levels = list(block_out_channels), len(block_out_channels)
        factor = patch_size * 2 ** (levels - 1)
        if sample_size % factor:
            raise ValueError(
                f"`sample_size` is {sample_size}, but must be a multiple of {factor}: `patch_size` {patch_size}, halved "
                f"{levels - 1} times."
            )
        channels = in_channels * patch_size**2
        self.patchify, self.unpatchify = torch.nn.PixelUnshuffle(patch_size), torch.nn.PixelShuffle(patch_size)
        self.encoder = Encoder(
            in_channels=channels,
            out_channels=latent_channels,
            down_block_types=("DownEncoderBlock2D",) * levels,
            block_out_channels=tuple(widths),
            layers_per_block=layers_per_block,
            norm_num_groups=norm_num_groups,
            double_z=True,
            mid_block_add_attention=False,
        )
        self.no_text = torch.nn.Parameter(torch.randn(1, 1, cross_attention_dim) * 0.02)
        self.decoder_in = torch.nn.Conv2d(latent_channels, widths[-1], 3, padding=1)
        self.decoder_mid = UNetMidBlock2DCrossAttn(
            in_channels=widths[-1],
            temb_channels=None,
            resnet_groups=norm_num_groups,
            cross_attention_dim=cross_attention_dim,
            num_attention_heads=num_attention_heads,
        )
        self.decoder_up = torch.nn.ModuleList(
            UpDecoderBlock2D(
                in_channels=widths[min(level + 1, levels - 1)],
                out_channels=widths[level],
                num_layers=layers_per_block + 1,
                resnet_groups=norm_num_groups,
                add_upsample=level > 0,
            )
            for level in reversed(range(levels))
        )
        self.decoder_norm = torch.nn.GroupNorm(norm_num_groups, widths[0])
        self.decoder_out = torch.nn.Conv2d(widths[0], channels, 3, padding=1)
        self.shortcut_in = torch.nn.Conv2d(in_channels, latent_channels, factor, stride=factor)
        self.shortcut_out = torch.nn.ConvTranspose2d(latent_channels, in_channels, factor, stride=factor)
        self._start_as_mean_color(min(in_channels, latent_channels), factor)

    @torch.no_grad()
    def _start_as_mean_color(self, channels: int, factor: int) -> None:
        """The shortcut alone, and distributions narrow enough not to drown it."""
        for weight in (*self.shortcut_in.parameters(), *self.shortcut_out.parameters()):
            weight.zero_()
        for channel in range(channels):
            self.shortcut_in.weight[channel, channel] = START_SCALE / factor**2
            self.shortcut_out.weight[channel, channel] = 1 / START_SCALE
        log_variance = slice(self.shortcut_in.out_channels, None)
        for convolution in (self.encoder.conv_out, self.decoder_out):
            convolution.weight.mul_(0.1)
        self.encoder.conv_out.bias.zero_()
        self.encoder.conv_out.bias[log_variance] = START_LOG_VARIANCE

    @classmethod
    def extract_init_dict(cls, config_dict: dict[str, Any], **kwargs: Any) -> Any:
        """As in diffusers, without what a folder with code tells `AutoModel`."""
        own = {name: value for name, value in config_dict.items() if name != "auto_map"}
        return super().extract_init_dict(own, **kwargs)

    @apply_forward_hook
    def encode(self, x: torch.Tensor, return_dict: bool = True) -> AutoencoderKLOutput | tuple:
        """Distribution of the latents of ``(batch, in_channels, sample_size, sample_size)`` images in ``[-1, 1]``."""
        moments = self.encoder(self.patchify(x))
        color = self.shortcut_in(x)
        posterior = DiagonalGaussianDistribution(moments + torch.cat([color, torch.zeros_like(color)], dim=1))
        return AutoencoderKLOutput(latent_dist=posterior) if return_dict else (posterior,)

    @apply_forward_hook
    def decode(
        self,
        z: torch.Tensor,
        encoder_hidden_states: torch.Tensor | None = None,
        encoder_attention_mask: torch.Tensor | None = None,
        return_dict: bool = True,
    ) -> DecoderOutput | tuple:
        """Images, about ``[-1, 1]``.

        Args:
            z: latents ``(batch, latent_channels, height, width)``.
            encoder_hidden_states: text ``(batch, tokens, cross_attention_dim)``; the learned stand-in if not given.
            encoder_attention_mask: ``(batch, tokens)``, 1 for tokens that count, 0 for padding.
        """
        if encoder_hidden_states is None:
            encoder_hidden_states = self.no_text.expand(len(z), -1, -1)
        hidden = self.decoder_mid(
            self.decoder_in(z),
            encoder_hidden_states=encoder_hidden_states,
            encoder_attention_mask=attention_bias(encoder_attention_mask, z.dtype),
        )
        for block in self.decoder_up:
            hidden = block(hidden)
        details = self.unpatchify(self.decoder_out(torch.nn.functional.silu(self.decoder_norm(hidden))))
        sample = details + self.shortcut_out(z)
        return DecoderOutput(sample) if return_dict else (sample,)

    def forward(
        self,
        sample: torch.Tensor,
        encoder_hidden_states: torch.Tensor | None = None,
        encoder_attention_mask: torch.Tensor | None = None,
        sample_posterior: bool = False,
        generator: torch.Generator | None = None,
        return_dict: bool = True,
    ) -> DecoderOutput | tuple:
        """Encodes and decodes; latents are the mode of their distribution, or drawn from it."""
        posterior = self.encode(sample).latent_dist
        latents = posterior.sample(generator) if sample_posterior else posterior.mode()
        return self.decode(latents, encoder_hidden_states, encoder_attention_mask, return_dict=return_dict)


def attention_bias(mask: torch.Tensor | None, dtype: torch.dtype) -> torch.Tensor | None:
    """``(batch, tokens)`` of 1 and 0 to what attention adds to its scores, ``(batch, 1, tokens)``."""
    return None if mask is None else ((1 - mask.to(dtype)) * -10000.0).unsqueeze(1)
