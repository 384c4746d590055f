"""What all stages read: captioned sprites as arrays, and the hidden states of their captions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...data import SpriteArrays
from ...data.captions import CaptionedDataset, ImageAugmentation, some_sentences
from ...data.pixels import parse_color
from ...evaluation.text_reference import SPLITS_FILE
from ...pipelines.sprite_io import encode_prompts, warn_of_cuts
from ..data_parts import pad_sprites
from .settings import CaptionDataConfig


@dataclass
class CaptionedSplit:
    """One split.

    Attributes:
        arrays: images, padded to what the autoencoder can halve, and captions.
        embeds: hidden states of the captions, float16 ``(versions, N, tokens, width)``, on the CPU; the first version is
            all of a caption, the others are some of its sentences.
        mask: ``(versions, N, tokens)``, 1 for tokens that count.
    """

    arrays: SpriteArrays
    embeds: torch.Tensor
    mask: torch.Tensor

    def __len__(self) -> int:
        return len(self.arrays)

    def text(
        self, rows: np.ndarray, device: torch.device, generator: torch.Generator | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Hidden states, float32, and mask of the captions of `rows`; of versions that `generator` draws, if given."""
        index = torch.from_numpy(np.asarray(rows, np.int64))
        version = torch.zeros_like(index)
        if generator is not None:
            version = torch.randint(len(self.embeds), index.shape, generator=generator)
        return self.embeds[version, index].float().to(device), self.mask[version, index].to(device)

    def text_statistics(self) -> tuple[list[float], list[float]]:
        """Mean and standard deviation, per channel, of the mean hidden states of whole captions (see `text_direction`)."""
        weights = self.mask[0][..., None].float()
        means = torch.stack(
            [
                (part.float() * weight).sum(0) / weight.sum(0)
                for part, weight in zip(self.embeds[0], weights, strict=True)
            ]
        ).double()
        return means.mean(0).tolist(), means.std(0).clamp(min=1e-6).tolist()


def build_image_augmentation(config: CaptionDataConfig) -> ImageAugmentation:
    """The augmentation of training that `config` asks for."""
    return ImageAugmentation(
        horizontal_flip=config.random_flip,
        max_rotation=config.max_rotation,
        color_jitter=config.color_jitter,
        fill=parse_color(config.background),
    )


def captioned_split(
    dataset: CaptionedDataset,
    split: str,
    tokenizer: Any,
    text_encoder: Any,
    max_length: int,
    size: int,
    device: Any,
    versions: int = 0,
    max_sentences: int = 6,
    seed: int = 0,
) -> CaptionedSplit:
    """One split, its captions read by the frozen text encoder once.

    Args:
        size: side that the images are padded to.
        versions: of each caption, besides all of it: 1 to `max_sentences` of its sentences, drawn by `seed`.
    """
    arrays = SpriteArrays.from_dataset(dataset[split])
    arrays.pixels = pad_sprites(arrays.pixels, size)
    rng = np.random.default_rng(seed)
    texts = [
        arrays.texts,
        *([some_sentences(text, max_sentences, rng) for text in arrays.texts] for _ in range(versions)),
    ]
    parts = [embed(version, tokenizer, text_encoder, max_length, device) for version in texts]
    return CaptionedSplit(arrays, torch.stack([part[0] for part in parts]), torch.stack([part[1] for part in parts]))


@torch.no_grad()
def embed(
    texts: list[str], tokenizer: Any, text_encoder: Any, max_length: int, device: Any, batch_size: int = 32
) -> tuple[torch.Tensor, torch.Tensor]:
    """Hidden states, float16 ``(N, max_length, width)``, and masks ``(N, max_length)`` of texts, on the CPU."""
    text_encoder.to(device).eval()
    warn_of_cuts(tokenizer, texts, max_length)
    parts = [
        encode_prompts(tokenizer, text_encoder, texts[start : start + batch_size], max_length, device, warn=False)
        for start in range(0, len(texts), batch_size)
    ]
    return torch.cat([part[0].half().cpu() for part in parts]), torch.cat([part[1].cpu() for part in parts])


def save_splits(dataset: CaptionedDataset, directory: Path) -> None:
    """Writes which sprite is in which split, so that later evaluations know what was held out."""
    directory.mkdir(parents=True, exist_ok=True)
    names = {split: list(dataset[split]["name"][:]) for split in dataset}
    (directory / SPLITS_FILE).write_text(
        json.dumps({"seed": dataset.report.seed, "fingerprint": dataset.report.fingerprint, **names}, indent=1),
        encoding="utf-8",
    )
