"""A denoiser of latent vectors. One self-contained file: it is published beside the weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.models.embeddings import TimestepEmbedding, Timesteps
from diffusers.utils import BaseOutput


@dataclass
class LatentMLPOutput(BaseOutput):
    """What the denoiser predicts.

    Attributes:
        sample: ``(batch, in_channels)``.
    """

    sample: torch.Tensor


class LatentMLP(ModelMixin, ConfigMixin):
    """A residual multilayer perceptron on ``(batch, in_channels)``; time and class scale and shift each block (FiLM).

    Its call is that of `UNet2DModel`. Blocks begin as the identity (adaLN-zero, https://arxiv.org/abs/2212.09748).

    Args:
        in_channels: length of the latent vector.
        hidden_size: width of the blocks.
        num_layers: number of blocks.
        num_class_embeds: number of classes, with the null class if there is one; `None` is unconditional.
        dropout: in the blocks, while training.
    """

    @register_to_config
    def __init__(
        self,
        in_channels: int = 64,
        hidden_size: int = 512,
        num_layers: int = 4,
        num_class_embeds: int | None = None,
        dropout: float = 0.0,
    ):
        super().__init__()
        self.time_proj = Timesteps(128, flip_sin_to_cos=True, downscale_freq_shift=0)
        self.time_embedding = TimestepEmbedding(128, hidden_size)
        self.class_embedding = torch.nn.Embedding(num_class_embeds, hidden_size) if num_class_embeds else None
        self.proj_in = torch.nn.Linear(in_channels, hidden_size)
        self.blocks = torch.nn.ModuleList(_Block(hidden_size, dropout) for _ in range(num_layers))
        self.norm_out = torch.nn.LayerNorm(hidden_size)
        self.proj_out = torch.nn.Linear(hidden_size, in_channels)
        torch.nn.init.zeros_(self.proj_out.weight)

    @classmethod
    def extract_init_dict(cls, config_dict: dict[str, Any], **kwargs: Any) -> Any:
        """As in diffusers, without what a folder with code tells `AutoModel`."""
        own = {name: value for name, value in config_dict.items() if name != "auto_map"}
        return super().extract_init_dict(own, **kwargs)

    def forward(
        self,
        sample: torch.Tensor,
        timestep: torch.Tensor | float | int,
        class_labels: torch.Tensor | None = None,
        return_dict: bool = True,
    ) -> LatentMLPOutput | tuple:
        """Predicts what the objective asks for.

        Args:
            sample: noisy latents ``(batch, in_channels)``.
            timestep: a scalar, or ``(batch,)``.
            class_labels: ids ``(batch,)`` of a class-conditional network.

        Raises:
            ValueError: labels for an unconditional network, or none for a conditional one.
        """
        if (class_labels is None) != (self.class_embedding is None):
            raise ValueError(
                "`class_labels` must be given to a class-conditional network (num_class_embeds) and to no other."
            )
        timesteps = torch.as_tensor(timestep, device=sample.device).reshape(-1).expand(len(sample))
        condition = self.time_embedding(self.time_proj(timesteps).to(sample.dtype))
        if self.class_embedding is not None:
            condition = condition + self.class_embedding(class_labels)
        condition = torch.nn.functional.silu(condition)
        hidden = self.proj_in(sample)
        for block in self.blocks:
            hidden = block(hidden, condition)
        output = self.proj_out(self.norm_out(hidden))
        return LatentMLPOutput(output) if return_dict else (output,)


class _Block(torch.nn.Module):
    def __init__(self, width: int, dropout: float):
        super().__init__()
        self.norm = torch.nn.LayerNorm(width, elementwise_affine=False)
        self.modulation = torch.nn.Linear(width, 3 * width)
        self.up = torch.nn.Linear(width, 2 * width)
        self.dropout = torch.nn.Dropout(dropout)
        self.down = torch.nn.Linear(2 * width, width)
        torch.nn.init.zeros_(self.modulation.weight)
        torch.nn.init.zeros_(self.modulation.bias)

    def forward(self, hidden: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        scale, shift, gate = self.modulation(condition).chunk(3, dim=-1)
        inner = torch.nn.functional.silu(self.up(self.norm(hidden) * (1 + scale) + shift))
        return hidden + gate * self.down(self.dropout(inner))
