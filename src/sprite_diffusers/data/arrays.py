"""What trainers use: a split decoded once into one array, and batches of indices that a resumed run finds again."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import datasets
import numpy as np
import torch

from ..errors import SpriteError
from .augment import Augmentation
from .pixels import uint8_to_tensor
from .raw import decode_image

CHANNELS = {"L": 1, "RGB": 3, "RGBA": 4}


@dataclass
class SpriteArrays:
    """One split as arrays.

    Attributes:
        pixels: uint8 (N, H, W, 1 | 3) or straight-alpha (N, H, W, 4); a memory map if it is larger than the limit.
        labels: int64 (N,), or None without classes.
        texts: N captions, possibly empty.
    """

    pixels: np.ndarray
    labels: torch.Tensor | None
    texts: list[str]

    @classmethod
    def from_dataset(
        cls,
        dataset: datasets.Dataset,
        memory_limit_bytes: int = 4 << 30,
        cache_dir: str | Path | None = None,
    ) -> SpriteArrays:
        """Decodes the `image` column of a split of `load_sprites`.

        Args:
            dataset: with `image`, and `label` and `text` if it has them.
            memory_limit_bytes: a larger array is written to a file, used again by later runs, and read from there.
            cache_dir: where that file goes; by default a folder of the `datasets` cache.

        Raises:
            SpriteError: if there are no images, or they differ in size.
        """
        if "image" not in dataset.column_names or not len(dataset):
            raise SpriteError(
                f"a data set of {len(dataset)} rows with the columns {', '.join(dataset.column_names)} has no images; "
                "allowed is 1 or more rows with an image column, as load_sprites gives"
            )
        mode = dataset.features["image"].mode or dataset[0]["image"].mode
        height, width = np.asarray(dataset[0]["image"]).shape[:2]
        shape = (len(dataset), height, width, CHANNELS.get(mode, 3))
        if np.prod(shape, dtype=np.int64) > memory_limit_bytes:
            pixels = _memory_map(
                dataset, shape, Path(cache_dir or Path(datasets.config.HF_DATASETS_CACHE) / "sprites")
            )
        else:
            pixels = np.empty(shape, np.uint8)
            _decode_into(pixels, dataset)
        columns = dataset.column_names
        return cls(
            pixels=pixels,
            labels=torch.tensor(dataset["label"][:], dtype=torch.int64) if "label" in columns else None,
            texts=list(dataset["text"][:]) if "text" in columns else [""] * len(dataset),
        )

    def __len__(self) -> int:
        return len(self.pixels)

    def batch(
        self,
        indices: np.ndarray,
        augmentation: Augmentation | None = None,
        generator: torch.Generator | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Images as a network sees them, with their labels.

        Args:
            indices: (B,) rows.
            augmentation: applied to the pixels before they become numbers; needs `generator`.
            generator: a CPU generator, the only source of randomness.

        Returns:
            float32 (B, C, H, W) in [-1, 1] (RGBA premultiplied), and int64 (B,) labels or None.
        """
        pixels = torch.from_numpy(self.pixels[indices])
        labels = None if self.labels is None else self.labels[torch.from_numpy(np.asarray(indices, np.int64))]
        if augmentation is not None:
            if generator is None:
                raise SpriteError(
                    "augmentation without a generator; pass generator=torch.Generator().manual_seed(seed)"
                )
            pixels = augmentation(pixels, labels, generator)
        return uint8_to_tensor(pixels), labels


class EpochSampler:
    """Which examples make up which batch, from the seed and the step alone, so that a resumed run continues exactly.

    The order of the examples is an endless row of permutations, one per epoch, each drawn from (seed, epoch). A
    global batch is the next `batch_size * num_processes` entries, of which each process takes `batch_size`. A batch
    may begin in one epoch and end in the next; no example is left out.
    """

    def __init__(
        self, num_examples: int, batch_size: int, seed: int, process_index: int = 0, num_processes: int = 1
    ) -> None:
        if num_examples < 1 or batch_size < 1 or not 0 <= process_index < num_processes:
            raise SpriteError(
                f"cannot sample {num_examples} examples in batches of {batch_size} as process {process_index} of "
                f"{num_processes}; allowed are 1 or more examples and a batch size of 1 or more"
            )
        self.num_examples = num_examples
        self.batch_size = batch_size
        self.seed = seed
        self.process_index = process_index
        self.num_processes = num_processes
        self._permutations: dict[int, np.ndarray] = {}

    def indices(self, step: int) -> np.ndarray:
        """int64 (batch_size,): the examples of micro-batch number `step` (from 0) for this process."""
        start = (step * self.num_processes + self.process_index) * self.batch_size
        first, last = start // self.num_examples, (start + self.batch_size - 1) // self.num_examples
        self._permutations = {epoch: self._permutation(epoch) for epoch in range(first, last + 1)}
        pieces = []
        for epoch, order in self._permutations.items():
            offset = start - epoch * self.num_examples
            pieces.append(order[max(offset, 0) : max(offset + self.batch_size, 0)])
        return np.concatenate(pieces)

    def _permutation(self, epoch: int) -> np.ndarray:
        if epoch in self._permutations:
            return self._permutations[epoch]
        return np.random.default_rng([self.seed, epoch]).permutation(self.num_examples)


def _decode_into(pixels: np.ndarray, dataset: datasets.Dataset) -> None:
    """Fills `pixels` (N, H, W, C) with the images of `dataset`."""
    for row, data in enumerate(_encoded_images(dataset)):
        image = decode_image(data)
        if image.shape[:2] != pixels.shape[1:3]:
            raise SpriteError(
                f"image {row} is {image.shape[1]}x{image.shape[0]} and image 0 is "
                f"{pixels.shape[2]}x{pixels.shape[1]}; "
                "load the data with image_size= to bring all to one size"
            )
        pixels[row] = image[..., : pixels.shape[-1]]


def _encoded_images(dataset: datasets.Dataset) -> Iterator[bytes | Path]:
    encoded = dataset.select_columns(["image"]).cast_column("image", datasets.Image(decode=False))
    for start in range(0, len(encoded), 1024):
        for cell in encoded[start : start + 1024]["image"]:
            yield cell["bytes"] or Path(cell["path"])


def _memory_map(dataset: datasets.Dataset, shape: tuple[int, ...], folder: Path) -> np.ndarray:
    """The decoded images as a read-only map of a file named after the data set's fingerprint, written if missing."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{dataset._fingerprint}-{'x'.join(map(str, shape))}.npy"
    if not path.exists():
        handle, partial = tempfile.mkstemp(dir=folder, suffix=".npy")
        os.close(handle)
        try:
            pixels = np.lib.format.open_memmap(partial, mode="w+", dtype=np.uint8, shape=shape)
            _decode_into(pixels, dataset)
            pixels.flush()
            os.replace(partial, path)  # atomic: another process sees all of the file or none of it
        except BaseException:
            os.unlink(partial)
            raise
    return np.load(path, mmap_mode="r")
