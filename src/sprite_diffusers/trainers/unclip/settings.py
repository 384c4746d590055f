"""Settings of an unCLIP's stages, as dataclasses: each field is a flag and a YAML key (see `trainers.config`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ...errors import SpriteError
from ..clip_data import CaptionSourceConfig


@dataclass
class UnclipDataConfig(CaptionSourceConfig):
    """Which sprites with captions, and the CLIP whose embeddings stand between them."""

    image_mode: Literal["RGB", "RGBA"] | None = field(
        default=None, metadata={"help": "RGBA where the data has alpha, if not given; RGB composites on --background."}
    )
    super_res_size: int | None = field(
        default=None,
        metadata={
            "help": "Side of the sprites after super-resolution, a multiple of --image_size, which the decoder then draws; no "
            "super-resolution if not given."
        },
    )
    clip: str = field(
        default="",
        metadata={
            "help": "Folder that training/train_clip.py made (--architecture clip) on the same data, or a Hub id of a "
            "CLIPModel."
        },
    )

    def __post_init__(self) -> None:
        if not self.clip:
            raise SpriteError(
                "--clip is missing: train one with training/train_clip.py --config clip on the same data, and give its folder."
            )
        if self.super_res_size is None:
            return
        small, large = self.image_size, self.super_res_size
        if small is None or small < 1 or large % small or large <= small:
            raise SpriteError(
                f"--super_res_size is {large}, but must be a multiple of --image_size, which the decoder draws and which is "
                f"{small}."
            )


@dataclass
class PriorStageConfig:
    """Stage 1: the prior, which draws a CLIP image embedding for a text."""

    stage1_epochs: float | None = field(default=None, metadata={"help": "Limit: passes over the training set."})
    stage1_minutes: float | None = field(default=None, metadata={"help": "Limit: minutes."})
    stage1_batch_size: int = field(default=64, metadata={"help": "Embeddings per process and step."})
    stage1_learning_rate: float = field(default=1e-3, metadata={"help": "Peak learning rate."})
    prior_num_layers: int = field(default=4, metadata={"help": "Layers of the transformer."})
    prior_num_heads: int = field(default=4, metadata={"help": "Heads of its attention."})
    prior_head_dim: int = field(default=32, metadata={"help": "Width of a head; its own width is heads times this."})
    prior_text_dropout: float = field(
        default=0.1, metadata={"help": "Share of captions replaced by nothing, for classifier-free guidance."}
    )
    prior_clip_sample_range: float = field(
        default=5.0, metadata={"help": "Standardised embeddings are kept within plus and minus this in sampling."}
    )
    prior_num_inference_steps: int = field(default=10, metadata={"help": "Steps, the pipeline's default."})
    prior_guidance_scale: float = field(default=1.0, metadata={"help": "Guidance, the pipeline's default."})

    def __post_init__(self) -> None:
        _check_counts(self, "prior_num_layers", "prior_num_heads", "prior_head_dim", "prior_num_inference_steps")
        _check_shares(self, "prior_text_dropout")
        if self.prior_clip_sample_range <= 0:
            raise SpriteError(f"--prior_clip_sample_range is {self.prior_clip_sample_range}, but must be above 0.")


@dataclass
class DecoderStageConfig:
    """Stage 2: the decoder, which draws a sprite for an image embedding and a text."""

    stage2_epochs: float | None = field(default=None, metadata={"help": "Limit: passes over the training set."})
    stage2_minutes: float | None = field(default=None, metadata={"help": "Limit: minutes."})
    stage2_batch_size: int = field(default=64, metadata={"help": "Images per process and step."})
    stage2_learning_rate: float = field(default=1e-3, metadata={"help": "Peak learning rate."})
    decoder_block_out_channels: list[int] = field(
        default_factory=lambda: [32, 64, 128],
        metadata={"help": "Channels per resolution; each but the first halves it."},
    )
    decoder_layers_per_block: int = field(default=1, metadata={"help": "Residual blocks per resolution."})
    decoder_attention_levels: list[int] = field(
        default_factory=lambda: [2], metadata={"help": "Resolutions that attend to the text, 0 is the full one."}
    )
    decoder_context_dim: int = field(default=96, metadata={"help": "Width of the tokens that it attends to."})
    decoder_prediction_type: Literal["epsilon", "sample"] = field(
        default="sample", metadata={"help": "Noise, as Karlo, or the clean image."}
    )
    decoder_max_weight: float = field(
        default=5.0,
        metadata={
            "help": "Errors of a clean image are weighed by SNR + 1, as a velocity's would be, but by no more than this."
        },
    )
    vlb_weight: float = field(
        default=1e-3, metadata={"help": "Weight of the variational bound, which teaches the variance alone."}
    )
    condition_dropout: float = field(
        default=0.1, metadata={"help": "Share of sprites learned without embedding and caption, for guidance."}
    )
    text_dropout: float = field(
        default=0.1, metadata={"help": "Share learned from their embedding alone, for variations of a picture."}
    )
    num_inference_steps: int = field(default=25, metadata={"help": "Steps of previews, and the pipeline's default."})
    guidance_scale: float = field(default=1.0, metadata={"help": "Guidance of previews, and the pipeline's default."})

    def __post_init__(self) -> None:
        _check_counts(self, "decoder_layers_per_block", "decoder_context_dim", "num_inference_steps")
        _check_shares(self, "condition_dropout", "text_dropout")
        check_widths("decoder_block_out_channels", self.decoder_block_out_channels)
        levels = range(len(self.decoder_block_out_channels))
        if any(level not in levels for level in self.decoder_attention_levels):
            raise SpriteError(
                f"--decoder_attention_levels is {self.decoder_attention_levels}, but the levels are 0 to {len(levels) - 1}."
            )
        if self.decoder_max_weight < 1:
            raise SpriteError(f"--decoder_max_weight is {self.decoder_max_weight}, but must be 1 or more.")
        if self.vlb_weight < 0:
            raise SpriteError(f"--vlb_weight is {self.vlb_weight}, but must be 0 or more.")


@dataclass
class SuperResStageConfig:
    """Stage 3: super-resolution, which enlarges what the decoder draws."""

    stage3_epochs: float | None = field(default=None, metadata={"help": "Limit: passes over the training set."})
    stage3_minutes: float | None = field(default=None, metadata={"help": "Limit: minutes."})
    stage3_batch_size: int = field(default=32, metadata={"help": "Images per process and step."})
    stage3_learning_rate: float = field(default=1e-3, metadata={"help": "Peak learning rate."})
    super_res_block_out_channels: list[int] = field(
        default_factory=lambda: [32, 64], metadata={"help": "Channels per resolution; each but the first halves it."}
    )
    super_res_layers_per_block: int = field(default=1, metadata={"help": "Residual blocks per resolution."})
    super_res_noise: float = field(
        default=0.1,
        metadata={
            "help": "Small images get noise of a standard deviation up to this: what the decoder draws is not perfect either."
        },
    )
    super_res_prediction_type: Literal["epsilon", "sample"] = field(
        default="sample", metadata={"help": "Noise, as Karlo, or the clean image."}
    )
    super_res_num_inference_steps: int = field(default=7, metadata={"help": "Steps, the pipeline's default."})

    def __post_init__(self) -> None:
        _check_counts(self, "super_res_layers_per_block", "super_res_num_inference_steps")
        check_widths("super_res_block_out_channels", self.super_res_block_out_channels)
        if self.super_res_noise < 0:
            raise SpriteError(f"--super_res_noise is {self.super_res_noise}, but must be 0 or more.")


def check_widths(name: str, widths: list[int]) -> None:
    """Refuses channels that the group norms do not divide.

    Raises:
        SpriteError: such channels, or none.
    """
    if not widths or any(width < 1 or width % 8 for width in widths):
        raise SpriteError(f"--{name} is {widths}, but needs one or more multiples of 8.")


def _check_counts(config: object, *names: str) -> None:
    for name in names:
        if getattr(config, name) < 1:
            raise SpriteError(f"--{name} is {getattr(config, name)}, but must be 1 or more.")


def _check_shares(config: object, *names: str) -> None:
    for name in names:
        if not 0 <= getattr(config, name) < 1:
            raise SpriteError(f"--{name} is {getattr(config, name)}, but must be at least 0 and below 1.")
