"""What a CLIP is trained on: sprites of either loader with their captions, and the augmentation of both."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F

from ..data import Augmentation, SpriteArrays, SpriteDataset, load_sprites
from ..data.captions import CaptionedDataset, ImageAugmentation, load_captioned, some_sentences
from ..data.captions.sources import TABLE_SUFFIXES
from ..data.pixels import composite, parse_color
from ..errors import SpriteError

if TYPE_CHECKING:
    from .text_to_sprite.settings import CaptionDataConfig

_CHUNK = 64  # images that are resized at a time


@dataclass
class CaptionSourceConfig:
    """Which sprites with captions, and how they are read."""

    dataset: str = field(
        default="synthetic",
        metadata={
            "help": "A folder of images with a table of captions, or what the other scripts take: 'synthetic', a folder "
            "of images or parquet files, a Hub id."
        },
    )
    captions: str | None = field(
        default=None, metadata={"help": "Table of captions, 'name; description'; found in --dataset if not given."}
    )
    attributes: str | None = field(
        default=None, metadata={"help": "Table of attributes (types, evolutions); found in --dataset if not given."}
    )
    image_size: int | None = field(
        default=None, metadata={"help": "Side in pixels that the data is loaded at; its own if not given."}
    )
    background: str = field(default="white", metadata={"help": "Colour behind transparent pixels."})
    splits: list[float] = field(
        default_factory=lambda: [0.8, 0.15, 0.05],
        metadata={"help": "Shares of training, validation and test of a folder with a table of captions."},
    )
    validation_split: float = field(default=0.1, metadata={"help": "Share held out of other data without splits."})
    num_samples: int | None = field(
        default=None, metadata={"help": "Sprites to generate for 'synthetic', or the most to read of other data."}
    )
    skip_bad_images: bool = field(
        default=False, metadata={"help": "Leave out images that cannot be read, and count them."}
    )


@dataclass
class ClipDataConfig(CaptionSourceConfig):
    """What a CLIP is trained on, and how training varies it."""

    random_flip: bool = field(
        default=False, metadata={"help": "Augmentation: horizontal flips; not where captions say left and right."}
    )
    random_shift: int = field(default=0, metadata={"help": "Augmentation: shifts by up to this many whole pixels."})
    max_rotation: float = field(default=0.0, metadata={"help": "Augmentation: rotations by up to so many degrees."})
    random_scale: float = field(default=0.0, metadata={"help": "Augmentation: larger or smaller by up to this share."})
    color_jitter: float = field(
        default=0.0, metadata={"help": "Augmentation: brightness, contrast and saturation by up to this share."}
    )
    max_sentences: int = field(
        default=0,
        metadata={"help": "Augmentation: a random choice of 1 to so many sentences of a caption; 0 is all of it."},
    )
    word_dropout: float = field(default=0.0, metadata={"help": "Augmentation: this share of the words is left out."})

    def __post_init__(self) -> None:
        for name in ("random_shift", "max_sentences"):
            if getattr(self, name) < 0:
                raise SpriteError(f"--{name} is {getattr(self, name)}, but must be 0 or more.")
        for name in ("random_scale", "word_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise SpriteError(f"--{name} is {getattr(self, name)}, but must be at least 0 and below 1.")


@dataclass
class ClipSplit:
    """One split: uint8 RGB pixels ``(N, S, S, 3)``, and as many captions."""

    pixels: torch.Tensor
    texts: list[str]

    def __len__(self) -> int:
        return len(self.texts)


def load_captions(config: CaptionSourceConfig | CaptionDataConfig, seed: int) -> CaptionedDataset:
    """`load_captioned` with the settings of `config`; `seed` is of the split."""
    return load_captioned(
        config.dataset,
        captions=config.captions,
        attributes=config.attributes,
        image_size=config.image_size,
        background=config.background,
        splits=(config.splits[0], config.splits[1], config.splits[2]),
        seed=seed,
        skip_bad_images=config.skip_bad_images,
    )


def load_clip_data(config: CaptionSourceConfig, seed: int) -> CaptionedDataset | SpriteDataset:
    """Sprites with the column ``text``, by `load_captioned` where a folder holds a table, otherwise by `load_sprites`."""
    folder = Path(config.dataset).expanduser()
    has_table = folder.is_dir() and any(path.suffix.lower() in TABLE_SUFFIXES for path in folder.iterdir())
    if has_table or config.captions or config.attributes:
        return load_captions(config, seed)
    return load_sprites(
        config.dataset,
        image_size=config.image_size,
        background=config.background,
        validation_split=config.validation_split,
        num_samples=config.num_samples,
        skip_bad_images=config.skip_bad_images,
    )


def clip_splits(dataset: CaptionedDataset | SpriteDataset, size: int, background: str) -> dict[str, ClipSplit]:
    """The splits with captions, composited and brought to the size that the CLIP takes; images without text are left out.

    Args:
        size: side in pixels.

    Raises:
        SpriteError: nothing to train on, or nothing held out.
    """
    splits = {}
    for name in dataset:
        arrays = SpriteArrays.from_dataset(dataset[name])
        rows = [index for index, text in enumerate(arrays.texts) if text.strip()]
        if rows:
            pixels = _to_size(arrays.pixels[rows], size, background)
            splits[name] = ClipSplit(pixels, [arrays.texts[index] for index in rows])
    for name in ("train", "validation"):
        if len(splits.get(name, ())) < 2:
            raise SpriteError(
                f"{dataset.report.source} has {len(splits.get(name, ()))} images with captions in its {name} split, but a "
                "CLIP needs 2 or more: give data with a column or table of captions."
            )
    return splits


def _to_size(pixels: np.ndarray, size: int, background: str) -> torch.Tensor:
    """uint8 ``(N, size, size, 3)``, resized as the CLIP itself would."""
    parts = []
    for start in range(0, len(pixels), _CHUNK):
        part = pixels[start : start + _CHUNK]
        tensor = torch.from_numpy(composite(part, background) if part.shape[-1] == 4 else np.ascontiguousarray(part))
        if part.shape[1] != size:
            values = F.interpolate(tensor.permute(0, 3, 1, 2).float(), (size, size), mode="bicubic", antialias=True)
            tensor = values.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
        parts.append(tensor)
    return torch.cat(parts)


@dataclass
class PairAugmentation:
    """Random changes to pairs of an image and a caption.

    Args:
        config: what is changed, by how much.
    """

    config: ClipDataConfig

    def images(self, pixels: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """uint8 ``(B, S, S, 3)`` to the same; the only source of randomness is `generator`, of the CPU."""
        config, fill = self.config, parse_color(self.config.background)
        if config.random_flip or config.max_rotation or config.color_jitter:
            change = ImageAugmentation(config.random_flip, config.max_rotation, config.color_jitter, fill)
            pixels = change(pixels, None, generator)
        if config.random_scale:
            pixels = _scale(pixels, config.random_scale, fill, generator)
        if config.random_shift:
            pixels = Augmentation(max_shift=config.random_shift, fill=fill)(pixels, None, generator)
        return pixels

    def caption(self, text: str, rng: np.random.Generator) -> str:
        """Some sentences of a caption and some of their words, in their order; never nothing."""
        if self.config.max_sentences:
            text = some_sentences(text, self.config.max_sentences, rng)
        words = text.split()
        stays = rng.random(len(words)) >= self.config.word_dropout
        return " ".join(word for word, kept in zip(words, stays, strict=True) if kept) or words[0]


def _scale(pixels: torch.Tensor, most: float, fill: tuple[int, int, int], generator: torch.Generator) -> torch.Tensor:
    """Each image about its centre by a factor of 1 - `most` to 1 + `most`, bilinear; what is uncovered is filled."""
    factors = 1 + most * (2 * torch.rand(len(pixels), generator=generator) - 1)
    matrix = torch.zeros(len(pixels), 2, 3)
    matrix[:, 0, 0] = matrix[:, 1, 1] = 1 / factors
    color = torch.tensor(fill, dtype=torch.float32)[:, None, None]
    above = pixels.permute(0, 3, 1, 2).float() - color  # sampling outside gives 0
    grid = F.affine_grid(matrix, list(above.shape), align_corners=False)
    scaled = F.grid_sample(above, grid, align_corners=False) + color
    return scaled.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
