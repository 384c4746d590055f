"""A split of captioned sprites, decoded once for a trainer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import datasets
import numpy as np
import torch

from ...errors import SpriteError
from ..arrays import SpriteArrays
from ..pixels import uint8_to_tensor

BatchAugmentation = Callable[[torch.Tensor, torch.Tensor | None, torch.Generator], torch.Tensor]


@dataclass
class CaptionedArrays:
    """One split as arrays.

    Attributes:
        pixels: uint8 (N, H, W, 3) or straight-alpha (N, H, W, 4); a memory map if it is larger than the limit.
        texts: N descriptions.
        names: N names.
        types: N tuples of types, empty where unknown.
    """

    pixels: np.ndarray
    texts: list[str]
    names: list[str]
    types: list[tuple[str, ...]]

    @classmethod
    def from_dataset(
        cls,
        dataset: datasets.Dataset,
        memory_limit_bytes: int = 4 << 30,
        cache_dir: str | Path | None = None,
    ) -> CaptionedArrays:
        """Decodes a split of `load_captioned`; the arguments are those of `SpriteArrays.from_dataset`."""
        sprites = SpriteArrays.from_dataset(dataset, memory_limit_bytes, cache_dir)
        return cls(
            pixels=sprites.pixels,
            texts=sprites.texts,
            names=list(dataset["name"][:]),
            types=[tuple(types) for types in dataset["types"][:]],
        )

    def __len__(self) -> int:
        return len(self.pixels)

    def batch(
        self,
        indices: np.ndarray,
        augmentation: BatchAugmentation | None = None,
        generator: torch.Generator | None = None,
    ) -> tuple[torch.Tensor, list[str]]:
        """Images as a network sees them, with their descriptions.

        Args:
            indices: (B,) rows.
            augmentation: such as `ImageAugmentation`, applied to the pixels before they become numbers; needs
                `generator`.
            generator: a CPU generator, the only source of randomness.

        Returns:
            float32 (B, C, H, W) in [-1, 1] (RGBA premultiplied), and B texts.
        """
        pixels = torch.from_numpy(self.pixels[indices])
        if augmentation is not None:
            if generator is None:
                raise SpriteError(
                    "augmentation without a generator; pass generator=torch.Generator().manual_seed(seed)"
                )
            pixels = augmentation(pixels, None, generator)
        return uint8_to_tensor(pixels), [self.texts[index] for index in indices]
