"""What an autoencoder keeps of held-out images, what noise it removes, and how its latents lie."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, ModelMixin, VQModel

from ..data import SpriteArrays, corrupt, from_tensor
from ..errors import SpriteError
from ..pipelines.sprite_ldm import encode_sprites
from .latent_metrics import (
    codebook_metrics,
    components_for,
    psnr,
    rounded,
    silhouettes,
    squared_error,
    ssim,
    standardised,
)
from .precision import full_precision

MIN_IMAGES = 10
MAX_IMAGE_PSNR = 60.0
"""dB, of one image in a mean, which a single perfect copy would otherwise rule."""
MAX_TRAIN_ERRORS, MAX_TRAIN_LATENTS, MAX_SCATTER = 2000, 5000, 1000
NUM_SHOWN, NUM_STRIPS, STRIP_LENGTH = 16, 6, 10
_DEFAULT_NOISE = ("gaussian", 0.15)  # of Exp1; an autoencoder trained without noise is tested with it as well
_CHUNK = 256  # images that get their noise together, whatever the batch size


@dataclass(frozen=True, eq=False)
class LatentAnalysis:
    """An autoencoder on held-out images; `save_analysis` draws it.

    Attributes:
        metrics: see `analyse`.
        facts: safe for JSON: kind ("vector", "kl" or "vq"), latent_shape, num_train, num_validation, image_size, seed,
            noise_type, noise_strength and class_names.
        originals, reconstructions, noisy, denoised: uint8 (16 or fewer, H, W, C), straight alpha with soft edges.
        strips: uint8 (6, 10, H, W, C), from one image to another on a straight line between their latents.
        strip_names: the classes of the two, or "" without classes.
        latents: float32 (M, D), of at most 1000 held-out images, standardised.
        pixels: float32 (M, H * W * C), the same of their pixels.
        labels: int64 (M,), or None without classes.
        code_counts: int64 (codes,), how often the held-out images use each, or None without a codebook.
    """

    metrics: dict[str, float]
    facts: dict[str, Any]
    originals: np.ndarray
    reconstructions: np.ndarray
    noisy: np.ndarray
    denoised: np.ndarray
    strips: np.ndarray
    strip_names: list[str]
    latents: np.ndarray
    pixels: np.ndarray
    labels: np.ndarray | None
    code_counts: np.ndarray | None


def analyse(
    autoencoder: ModelMixin,
    train: SpriteArrays,
    validation: SpriteArrays,
    class_names: list[str] | None,
    *,
    noise_type: str = "gaussian",
    noise_strength: float = 0.15,
    seed: int = 0,
    batch_size: int = 256,
) -> LatentAnalysis:
    """Measures an autoencoder. Errors are of values in [0, 1], over all channels (RGBA premultiplied).

    The metrics, of held-out images unless they say otherwise:

    - mse, l1; psnr (dB) of that mse, at most 100; psnr_image_mean of each image, at most 60; ssim (Wang et al. 2004).
    - train_mse, train_psnr: of at most 2000 training images.
    - noisy_psnr, denoised_psnr, denoising_gain: corrupted images before and after the autoencoder, and what it gained.
    - latent_floats: numbers per image. latent_bits: 8 of each, or log2(codes) per position of a codebook. psnr_8bit:
      psnr with latents rounded to the 256 levels between their least and largest training value (not with a codebook).
    - latent_mean_abs, latent_std: over all numbers. pca95_latents: principal components with 95 % of their variance.
    - silhouette_latents, silhouette_pixels: of the classes, -1 to 1, in standardised values of at most 1000 images
      (Rousseeuw 1987); absent without two classes of two images.
    - codebook_use, codebook_use_train: share of the codes that occur, in training images of at most 5000.
      codebook_perplexity: exp of the entropy of their frequencies. Only with a codebook.

    Args:
        autoencoder: `SpriteAutoencoder`, `AutoencoderKL` (its mode) or `VQModel` (latents before quantisation), which
            runs on the device it is on.
        train: images that it was trained on.
        validation: held-out images, 10 or more.
        class_names: in the order of the labels, or None.
        noise_type: of `corrupt`; for "none", Gaussian noise of 0.15, so that all autoencoders can be compared.
        noise_strength: see `corrupt`.
        seed: of the noise and of every choice of images.
        batch_size: images per pass, at most 256; a matter of memory and speed, not of results.

    Raises:
        SpriteError: too few images, channels that are not those of the autoencoder, or an impossible noise.
    """
    _check_images(autoencoder, train, validation)
    noise = _DEFAULT_NOISE if noise_type == "none" else (noise_type, noise_strength)
    rng = np.random.default_rng(seed)
    with _evaluating(autoencoder):
        codec = _Codec(autoencoder, batch_size)
        chosen = rng.permutation(len(train))[:MAX_TRAIN_LATENTS]
        train_latents = codec.encode_all(train, chosen)
        learned = _train_errors(codec, train, chosen[:MAX_TRAIN_ERRORS], train_latents)
        latents, errors = _held_out_errors(codec, validation, train_latents, noise, seed)
        metrics = _error_metrics(errors, learned) | _latent_metrics(codec, latents, errors)
        counts = None
        if isinstance(autoencoder, VQModel):
            counts = codec.code_counts(latents)
            metrics |= codebook_metrics(counts, codec.code_counts(train_latents))
        subset = np.sort(rng.permutation(len(validation))[:MAX_SCATTER])
        labels = None if validation.labels is None or class_names is None else validation.labels.numpy()
        scatter = standardised(latents[subset]), standardised(validation.batch(subset)[0])
        scatter_labels = None if labels is None else labels[subset]
        metrics |= silhouettes(*scatter, scatter_labels)
        pictures = _pictures(codec, validation, _spread(labels, len(validation), rng), noise, seed)
        strips, pairs = _strips(codec, latents, labels, rng)
    return LatentAnalysis(
        metrics=metrics,
        facts={
            "kind": _kind(autoencoder),
            "latent_shape": list(latents.shape[1:]),
            "num_train": len(train),
            "num_validation": len(validation),
            "image_size": validation.pixels.shape[1],
            "seed": seed,
            "noise_type": noise[0],
            "noise_strength": noise[1],
            "class_names": None if class_names is None else list(class_names),
        },
        **pictures,
        strips=strips,
        strip_names=[_pair_name(pair, labels, class_names) for pair in pairs],
        latents=scatter[0],
        pixels=scatter[1],
        labels=scatter_labels,
        code_counts=None if counts is None else counts.numpy(),
    )


class _Codec:
    """An autoencoder in batches: CPU float32 in and out, images clamped to [-1, 1]."""

    def __init__(self, autoencoder: ModelMixin, batch_size: int) -> None:
        self.autoencoder = autoencoder
        self.batch_size = batch_size

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to latents (N, D) or (N, c, h, w)."""
        return self._batched(lambda batch: encode_sprites(self.autoencoder, batch), images)

    def encode_all(self, arrays: SpriteArrays, indices: np.ndarray) -> torch.Tensor:
        return torch.cat([self.encode(arrays.batch(indices[part])[0]) for part in _chunks(len(indices))])

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        return self._batched(lambda batch: self.autoencoder.decode(batch).sample, latents).clamp_(-1.0, 1.0)

    def reconstruct(self, images: torch.Tensor) -> torch.Tensor:
        return self.decode(self.encode(images))

    def code_counts(self, latents: torch.Tensor) -> torch.Tensor:
        """int64 (codes,): how often each code is the nearest to a position of `latents` (N, c, h, w)."""
        codebook = self.autoencoder.quantize
        counts = torch.zeros(codebook.n_e, dtype=torch.int64)
        for batch in latents.split(self.batch_size):
            indices = codebook(batch.to(self.autoencoder.device, self.autoencoder.dtype))[2][2]
            counts += indices.flatten().cpu().bincount(minlength=codebook.n_e)
        return counts

    def _batched(self, function: Any, values: torch.Tensor) -> torch.Tensor:
        target = self.autoencoder.device, self.autoencoder.dtype
        return torch.cat([function(batch.to(*target)).float().cpu() for batch in values.split(self.batch_size)])


@contextmanager
def _evaluating(autoencoder: ModelMixin) -> Iterator[None]:
    """Without dropout or gradients, in full precision."""
    was_training = autoencoder.training
    autoencoder.eval()
    try:
        with full_precision(autoencoder.device):
            yield
    finally:
        autoencoder.train(was_training)


def _check_images(autoencoder: ModelMixin, train: SpriteArrays, validation: SpriteArrays) -> None:
    if len(validation) < MIN_IMAGES or not len(train):
        raise SpriteError(
            f"{len(train)} training and {len(validation)} held-out images are too few to analyse an autoencoder; "
            f"allowed are 1 and {MIN_IMAGES} or more; load more images"
        )
    for arrays, split in ((train, "training"), (validation, "held-out")):
        if arrays.pixels.shape[-1] != autoencoder.config.in_channels:
            raise SpriteError(
                f"the {split} images have {arrays.pixels.shape[-1]} channels and the autoencoder is for "
                f"{autoencoder.config.in_channels}; change the mode (RGB or RGBA) that the data is loaded with"
            )


def _chunks(count: int) -> list[slice]:
    return [slice(start, min(start + _CHUNK, count)) for start in range(0, count, _CHUNK)]


def _train_errors(codec: _Codec, train: SpriteArrays, chosen: np.ndarray, latents: torch.Tensor) -> torch.Tensor:
    """float64 (N,): squared errors of the N chosen images, whose latents come first in `latents`."""
    parts = _chunks(len(chosen))
    return torch.cat([squared_error(codec.decode(latents[part]), train.batch(chosen[part])[0]) for part in parts])


def _held_out_errors(
    codec: _Codec, validation: SpriteArrays, train_latents: torch.Tensor, noise: tuple[str, float], seed: int
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Latents (N, ...) of the held-out images, and float64 (N,) errors by name."""
    generator = torch.Generator().manual_seed(seed)
    low, high = train_latents.amin(dim=0), train_latents.amax(dim=0)
    latents, errors = [], []
    for part in _chunks(len(validation)):
        clean = validation.batch(np.arange(part.start, part.stop))[0]
        noisy = corrupt(clean, *noise, generator)
        latents.append(codec.encode(clean))
        output = codec.decode(latents[-1])
        row = {
            "mse": squared_error(output, clean),
            "l1": (output.double() - clean.double()).abs().flatten(1).mean(dim=1) / 2,
            "ssim": ssim(output, clean),
            "noisy": squared_error(noisy, clean),
            "denoised": squared_error(codec.reconstruct(noisy), clean),
        }
        if not isinstance(codec.autoencoder, VQModel):
            row["rounded"] = squared_error(codec.decode(rounded(latents[-1], low, high)), clean)
        errors.append(row)
    return torch.cat(latents), {name: torch.cat([row[name] for row in errors]) for name in errors[0]}


def _error_metrics(errors: dict[str, torch.Tensor], learned: torch.Tensor) -> dict[str, float]:
    means = {name: values.mean() for name, values in errors.items()}
    noisy, denoised = psnr(means["noisy"]), psnr(means["denoised"])
    metrics = {
        "mse": means["mse"],
        "psnr": psnr(means["mse"]),
        "psnr_image_mean": psnr(errors["mse"], MAX_IMAGE_PSNR).mean(),
        "ssim": means["ssim"],
        "l1": means["l1"],
        "train_mse": learned.mean(),
        "train_psnr": psnr(learned.mean()),
        "noisy_psnr": noisy,
        "denoised_psnr": denoised,
        "denoising_gain": denoised - noisy,
    }
    return {name: float(value) for name, value in metrics.items()}


def _latent_metrics(codec: _Codec, latents: torch.Tensor, errors: dict[str, torch.Tensor]) -> dict[str, float]:
    floats = latents[0].numel()
    metrics = {"latent_floats": float(floats), "latent_bits": 8.0 * floats}
    if isinstance(codec.autoencoder, VQModel):
        metrics["latent_bits"] = latents[0, 0].numel() * math.log2(codec.autoencoder.quantize.n_e)
    else:
        metrics["psnr_8bit"] = float(psnr(errors["rounded"].mean()))
    numbers = latents.double()
    metrics["latent_mean_abs"] = float(numbers.abs().mean())
    metrics["latent_std"] = float(numbers.std(correction=0))
    metrics["pca95_latents"] = float(components_for(numbers.flatten(1), 0.95))
    return metrics


def _spread(labels: np.ndarray | None, count: int, rng: np.random.Generator) -> np.ndarray:
    """Indices of 16 images, chosen at random, the classes in turn; sorted by class."""
    order = rng.permutation(count)
    if labels is None:
        return order[:NUM_SHOWN]
    turn = np.empty(count, np.int64)  # of each image among those of its class
    for label in np.unique(labels):
        members = labels[order] == label
        turn[members] = np.arange(members.sum())
    chosen = order[np.argsort(turn, kind="stable")[:NUM_SHOWN]]
    return chosen[np.argsort(labels[chosen], kind="stable")]


def _pictures(
    codec: _Codec, validation: SpriteArrays, chosen: np.ndarray, noise: tuple[str, float], seed: int
) -> dict[str, np.ndarray]:
    clean = validation.batch(chosen)[0]
    noisy = corrupt(clean, *noise, torch.Generator().manual_seed(seed))
    pictures = {
        "originals": clean,
        "reconstructions": codec.reconstruct(clean),
        "noisy": noisy,
        "denoised": codec.reconstruct(noisy),
    }
    return {name: from_tensor(images, binary_alpha=False) for name, images in pictures.items()}


def _strips(
    codec: _Codec, latents: torch.Tensor, labels: np.ndarray | None, rng: np.random.Generator
) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Pixels (6, 10, H, W, C) and the held-out images at their ends: with classes, half of the pairs within one."""
    pairs = _pairs(labels, len(latents), rng)
    weights = torch.linspace(0, 1, STRIP_LENGTH).view(1, -1, *[1] * (latents.ndim - 1))
    first, last = (latents[list(ends)].unsqueeze(1) for ends in zip(*pairs, strict=True))
    line = torch.lerp(first, last, weights)
    images = from_tensor(codec.decode(line.flatten(0, 1)), binary_alpha=False)
    return images.reshape(NUM_STRIPS, STRIP_LENGTH, *images.shape[1:]), pairs


def _pairs(labels: np.ndarray | None, count: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    classes = (
        [np.arange(count)] if labels is None else [np.flatnonzero(labels == label) for label in np.unique(labels)]
    )
    crowded = [members for members in classes if len(members) >= 2]
    order, wide = rng.permutation(len(classes)), rng.permutation(len(crowded))
    pairs: list[Any] = []
    for index in range(NUM_STRIPS):
        if crowded and (index < NUM_STRIPS // 2 or len(classes) == 1):
            pairs.append(rng.choice(crowded[wide[index % len(crowded)]], 2, replace=False))
        else:
            ends = order[index % len(order)], order[(index + 1) % len(order)]
            pairs.append([rng.choice(classes[end]) for end in ends])
    return [(int(first), int(last)) for first, last in pairs]


def _pair_name(pair: tuple[int, int], labels: np.ndarray | None, class_names: list[str] | None) -> str:
    if labels is None or class_names is None:
        return ""
    return " to ".join(class_names[labels[index]] for index in pair)


def _kind(autoencoder: ModelMixin) -> str:
    return "vq" if isinstance(autoencoder, VQModel) else "kl" if isinstance(autoencoder, AutoencoderKL) else "vector"
