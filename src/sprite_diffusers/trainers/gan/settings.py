"""Settings of generators of one pass, as dataclasses: each field is a flag and a YAML key."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ...errors import SpriteError
from ..config import DataConfig, TrainerConfig

AUGMENTATIONS = ("color", "translation", "cutout")


@dataclass
class GeneratorConfig:
    """The network that draws, and when it is kept to be looked at later."""

    latent_dim: int = field(default=100, metadata={"help": "Length of the noise vector."})
    generator_channels: list[int] | None = field(
        default=None,
        metadata={
            "help": "Channels per resolution of what draws, from half the size down; 64, 128, ... down to 4 to 7 pixels if "
            "not given."
        },
    )
    snapshot_epochs: list[int] = field(
        default_factory=list,
        metadata={
            "help": "Keeps the generator, and a grid of fixed noise, at the end of these epochs; also as a GIF."
        },
    )
    snapshot_steps: int | None = field(default=None, metadata={"help": "The same every this many steps."})
    max_validation_images: int = field(
        default=1000, metadata={"help": "Images drawn, and held-out ones read, for the distance that picks the best."}
    )

    def __post_init__(self) -> None:
        _check_positive(self, "latent_dim", "snapshot_steps", "max_validation_images")
        _check_widths("--generator_channels", self.generator_channels)
        if any(epoch < 1 for epoch in self.snapshot_epochs):
            raise SpriteError(f"--snapshot_epochs is {self.snapshot_epochs}, but epochs are counted from 1.")


@dataclass
class GANConfig:
    """The adversary and what keeps the two in balance; each stabiliser can be chosen alone."""

    adversarial_loss: Literal["non_saturating", "hinge", "relativistic"] = field(
        default="non_saturating", metadata={"help": "What the two networks play for."}
    )
    conditional: bool = field(default=False, metadata={"help": "Draw by class."})
    discriminator_channels: list[int] | None = field(
        default=None, metadata={"help": "As --generator_channels, of the discriminator; the same if not given."}
    )
    discriminator_batch_norm: bool = field(
        default=True, metadata={"help": "Batch norms in the discriminator, as in DCGAN."}
    )
    spectral_norm: bool = field(default=False, metadata={"help": "Stabiliser: spectral norm in the discriminator."})
    r1_weight: float = field(
        default=0.0, metadata={"help": "Stabiliser: weight of the penalty on the gradient at real images; 0 is none."}
    )
    r1_interval: int = field(
        default=16, metadata={"help": "That penalty is computed every this many steps, and counts so many times."}
    )
    diff_augment: list[str] = field(
        default_factory=list,
        metadata={
            "help": f"Stabiliser: what the discriminator sees is augmented; of {', '.join(AUGMENTATIONS)}, none if not given."
        },
    )
    discriminator_learning_rate: float | None = field(
        default=None, metadata={"help": "Peak learning rate of the discriminator; --learning_rate if not given."}
    )
    max_pinned_steps: int = field(
        default=200,
        metadata={"help": "Ends the run when the discriminator was always right for so many steps in a row; 0 never."},
    )
    min_sample_spread: float = field(
        default=0.05,
        metadata={
            "help": "Samples that vary less than this share of real images, for --max_collapsed_steps, end the run; 0 never."
        },
    )
    max_collapsed_steps: int = field(default=200, metadata={"help": "See --min_sample_spread."})

    def __post_init__(self) -> None:
        _check_positive(self, "r1_interval", "max_collapsed_steps", "discriminator_learning_rate")
        _check_widths("--discriminator_channels", self.discriminator_channels)
        for name in ("r1_weight", "max_pinned_steps", "min_sample_spread"):
            if getattr(self, name) < 0:
                raise SpriteError(f"--{name} is {getattr(self, name)}, but must be 0 or more.")
        unknown = [name for name in self.diff_augment if name not in AUGMENTATIONS]
        if unknown:
            raise SpriteError(f"--diff_augment has {unknown[0]!r}, but allowed are {', '.join(AUGMENTATIONS)}.")


@dataclass
class VAEConfig:
    """The variational autoencoder."""

    kl_weight: float = field(
        default=1.0,
        metadata={"help": "Weight of the KL divergence; 1 is the bound on the likelihood, with the noise learnt."},
    )
    kl_warmup: float = field(
        default=0.05, metadata={"help": "Share of the budget over which that weight rises from 0."}
    )
    latent_prior: Literal["fitted", "standard"] = field(
        default="fitted",
        metadata={
            "help": "What latents are drawn from to sample: the normal that fits those of training images, or the standard one."
        },
    )

    def __post_init__(self) -> None:
        if self.kl_weight < 0:
            raise SpriteError(f"--kl_weight is {self.kl_weight}, but must be 0 or more.")
        if not 0 <= self.kl_warmup <= 1:
            raise SpriteError(f"--kl_warmup is {self.kl_warmup}, but must be from 0 to 1.")


@dataclass(frozen=True)
class GANSettings:
    """All settings of one adversarial training."""

    trainer: TrainerConfig
    data: DataConfig
    generator: GeneratorConfig
    gan: GANConfig


@dataclass(frozen=True)
class VAESettings:
    """All settings of one training of a variational autoencoder."""

    trainer: TrainerConfig
    data: DataConfig
    generator: GeneratorConfig
    vae: VAEConfig


def default_channels(image_size: int) -> list[int]:
    """64 channels at half the size and twice as many at each further half, while the size is even and above 7.

    28 pixels give 64 and 128 (down to 7), 32 give three widths and 64 the four of DCGAN (down to 4).
    """
    channels: list[int] = []
    while not channels or (image_size % 2 == 0 and image_size > 7):
        channels.append(64 * 2 ** len(channels))
        image_size //= 2
    return channels


def _check_positive(config: object, *names: str) -> None:
    for name in names:
        value = getattr(config, name)
        if value is not None and not value > 0:
            raise SpriteError(f"--{name} is {value}, but must be above 0.")


def _check_widths(flag: str, widths: list[int] | None) -> None:
    if widths is not None and (not widths or any(width < 1 for width in widths)):
        raise SpriteError(f"{flag} is {widths}, but needs one or more numbers of channels.")
