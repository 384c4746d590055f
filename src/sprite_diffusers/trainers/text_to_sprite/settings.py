"""Settings of the three stages, as dataclasses: each field is a flag and a YAML key (see `trainers.config`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ...errors import SpriteError


@dataclass
class CaptionDataConfig:
    """Which captioned sprites, and how they are read."""

    dataset: str = field(
        default="", metadata={"help": "Folder of images with captions: metadata.csv or .jsonl, or a table of its own."}
    )
    captions: str | None = field(
        default=None, metadata={"help": "Table of captions, 'name; description'; found in --dataset if not given."}
    )
    attributes: str | None = field(
        default=None, metadata={"help": "Table of attributes (types, evolutions); found in --dataset if not given."}
    )
    image_size: int | None = field(
        default=None, metadata={"help": "Side in pixels; the most common one of the data if not given."}
    )
    background: str = field(default="white", metadata={"help": "Colour behind transparent pixels."})
    splits: list[float] = field(
        default_factory=lambda: [0.8, 0.15, 0.05],
        metadata={"help": "Shares of training, validation and test; what belongs together stays together."},
    )
    skip_bad_images: bool = field(
        default=False, metadata={"help": "Leave out images that cannot be read, and count them."}
    )
    random_flip: bool = field(default=True, metadata={"help": "Augmentation of training: horizontal flips."})
    max_rotation: float = field(
        default=10.0, metadata={"help": "Augmentation of training: rotations by so many degrees."}
    )
    color_jitter: float = field(
        default=0.05, metadata={"help": "Augmentation of training: brightness, contrast and saturation by this share."}
    )
    caption_versions: int = field(
        default=4,
        metadata={
            "help": "Augmentation of training: so many random choices of a caption's sentences besides all of it, so that "
            "short prompts are understood."
        },
    )
    max_sentences: int = field(default=6, metadata={"help": "Most sentences of such a choice."})
    data_stats: bool = field(default=False, metadata={"help": "Say what the data is, and end."})

    def __post_init__(self) -> None:
        if not self.dataset:
            raise SpriteError("--dataset is missing: give the folder of images with captions.")
        if len(self.splits) != 3 or any(share <= 0 for share in self.splits) or abs(sum(self.splits) - 1) > 1e-6:
            raise SpriteError(f"--splits is {self.splits}, but must be three shares above 0 that add up to 1.")
        if self.caption_versions < 0 or self.max_sentences < 1:
            raise SpriteError(
                f"--caption_versions is {self.caption_versions} and --max_sentences {self.max_sentences}, but they must be at "
                "least 0 and 1."
            )


@dataclass
class TextConfig:
    """The text encoder."""

    text_encoder: str = field(
        default="train",
        metadata={"help": "'train' makes a small BERT from the captions, 'lstm' an LSTM; or a Hub id or folder."},
    )
    max_length: int = field(default=128, metadata={"help": "Tokens of a caption that are read."})
    text_hidden_size: int = field(default=256, metadata={"help": "Width of the encoder that is made."})
    text_num_layers: int = field(default=4, metadata={"help": "Layers of the encoder that is made."})
    text_minutes: float = field(
        default=0.0,
        metadata={
            "help": "Minutes of masked language modelling of it; a few make a BERT worse than it begins, an LSTM needs them."
        },
    )


@dataclass
class VAEStageConfig:
    """Stage 1: the autoencoder whose decoder reads the text."""

    stage1_epochs: float | None = field(default=None, metadata={"help": "Limit: passes over the training set."})
    stage1_minutes: float | None = field(default=None, metadata={"help": "Limit: minutes."})
    stage1_batch_size: int = field(default=16, metadata={"help": "Images per process and step."})
    stage1_learning_rate: float = field(default=2e-4, metadata={"help": "Peak learning rate."})
    vae_block_out_channels: list[int] = field(
        default_factory=lambda: [64, 128, 256, 256],
        metadata={"help": "Channels per resolution; each but the last halves."},
    )
    vae_layers_per_block: int = field(default=1, metadata={"help": "Residual blocks per resolution."})
    vae_patch_size: int = field(
        default=1, metadata={"help": "Squares of so many pixels become channels first: 4 is far cheaper than 1."}
    )
    vae_latent_channels: int = field(default=8, metadata={"help": "Channels of the latents."})
    perceptual: Literal["none", "laplacian", "vgg16"] = field(
        default="vgg16", metadata={"help": "What is compared besides pixels: VGG16's features, or Laplacian pyramids."}
    )
    perceptual_model: str | None = field(
        default=None, metadata={"help": "File of VGG16's weights; torchvision's, by download, if not given."}
    )
    perceptual_weight: float = field(default=0.1, metadata={"help": "Weight of that difference."})
    kl_weight: float = field(
        default=0.1,
        metadata={"help": "Weight of the KL divergence of an image against the sum of its pixels' errors (beta)."},
    )
    kl_warmup: float = field(default=0.25, metadata={"help": "Share of the stage over which it rises from 0."})
    free_bits: float = field(
        default=0.5, metadata={"help": "KL divergence of a latent channel, in nats per position, that costs nothing."}
    )
    text_dropout: float = field(
        default=0.1, metadata={"help": "Share of images that the decoder learns to draw without their text."}
    )


@dataclass
class DiffusionStageConfig:
    """Stage 2: diffusion on the latents."""

    stage2_epochs: float | None = field(default=None, metadata={"help": "Limit: passes over the training set."})
    stage2_minutes: float | None = field(default=None, metadata={"help": "Limit: minutes."})
    stage2_batch_size: int = field(default=32, metadata={"help": "Images per process and step."})
    stage2_learning_rate: float = field(default=1e-4, metadata={"help": "Peak learning rate."})
    unet_block_out_channels: list[int] = field(
        default_factory=lambda: [128, 256, 512], metadata={"help": "Channels per resolution of the denoiser."}
    )
    unet_layers_per_block: int = field(default=2, metadata={"help": "Residual blocks per resolution."})
    unet_attention_levels: list[int] = field(
        default_factory=lambda: [1, 2], metadata={"help": "Resolutions that attend to the text, 0 is the full one."}
    )
    latent_clamp: float = field(
        default=3.0, metadata={"help": "Normalised latents are clamped to plus and minus this."}
    )
    caption_dropout: float = field(
        default=0.1, metadata={"help": "Share of captions replaced by nothing, for classifier-free guidance."}
    )
    guidance_scale: float = field(default=5.0, metadata={"help": "Guidance of previews, and the pipeline's default."})


@dataclass
class AlignmentStageConfig:
    """Stage 3: the text encoder is tuned to a CLIP's image features; autoencoder and denoiser are frozen."""

    stage3_epochs: float | None = field(default=None, metadata={"help": "Limit: passes over the training set."})
    stage3_minutes: float | None = field(default=None, metadata={"help": "Limit: minutes."})
    stage3_batch_size: int = field(default=32, metadata={"help": "Images per process and step."})
    stage3_learning_rate: float = field(default=5e-5, metadata={"help": "Peak learning rate."})
    clip: str = field(
        default="train", metadata={"help": "'train' makes a small one from the training split; or a Hub id or folder."}
    )
    clip_minutes: float = field(default=5.0, metadata={"help": "Minutes of training of 'train'."})
    consistency_weight: float = field(
        default=1.0, metadata={"help": "Weight of what the frozen networks lose by the new text features."}
    )
