"""What two kinds of generators are compared by, measured on what they draw."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers import DiffusionPipeline
from sklearn.decomposition import PCA

from ....data import SpriteArrays, SpriteDataset, from_tensor, to_tensor
from ....errors import SpriteError
from ....evaluation.distances import frechet_distance, manifold_metrics
from ....evaluation.reference import extract, fit_pca, project
from ....models import SpriteClassifier
from .recognition import draw_images

PATHS, POINTS = 64, 11  # interpolations, and images on each
MAX_TRAIN_IMAGES = 5000  # of which components are fitted, and the floor is drawn


@dataclass(eq=False)
class RealImages:
    """Real images with all that generators are measured against.

    Attributes:
        held_out: uint8 (N, H, W, C).
        train: uint8 (M, H, W, C), a random part of the training images.
        pca: fitted to `train`.
        classifier: gives features; `None` compares principal components.
        binary_alpha: of RGBA images.
    """

    held_out: np.ndarray
    train: np.ndarray
    pca: PCA
    classifier: SpriteClassifier | None
    binary_alpha: bool

    @classmethod
    def from_dataset(cls, dataset: SpriteDataset, classifier: SpriteClassifier | None, count: int) -> RealImages:
        """At most `count` held-out images, and what belongs to them.

        Raises:
            SpriteError: a classifier of images of another size or kind.
        """
        rng = np.random.default_rng(0)
        train, held_out = (SpriteArrays.from_dataset(dataset[split]).pixels for split in ("train", "validation"))
        train = train[rng.permutation(len(train))[:MAX_TRAIN_IMAGES]]
        held_out = held_out[rng.permutation(len(held_out))[:count]]
        report = dataset.report
        if classifier is not None:
            config, channels = classifier.config, held_out.shape[-1]
            if (config.image_size, config.in_channels) != (report.image_size, channels):
                raise SpriteError(
                    f"--classifier is for {config.image_size}x{config.image_size} images of {config.in_channels} channels, but "
                    f"these are {report.image_size}x{report.image_size} {report.mode}: train one on the same data, size and "
                    "mode (training/train_classifier.py), or leave it out."
                )
        return cls(held_out, train, fit_pca(train), classifier, report.binary_alpha)

    def distances(self, pixels: np.ndarray) -> dict[str, float]:
        """Of images uint8 (N, H, W, C) to the held-out ones: Fréchet distances, and who lies among whom."""
        mine, real = project(self.pca, pixels), project(self.pca, self.held_out)
        figures = {"fd_pca20": frechet_distance(mine, real)}
        if self.classifier is not None:
            mine, real = (extract(self.classifier, images, None, 256)[0] for images in (pixels, self.held_out))
            figures["fd_features"] = frechet_distance(mine, real)
        found = manifold_metrics(mine, real)
        return figures | {name: found[name] for name in ("recall", "precision", "coverage")}

    def floor(self) -> dict[str, float]:
        """`distances` and sharpness of real images that are not the held-out ones."""
        count = min(len(self.train), len(self.held_out))
        return self.distances(self.train[:count]) | {"sharpness": self.relative_sharpness(self.train[:count])}

    def relative_sharpness(self, pixels: np.ndarray) -> float:
        """`sharpness` of images as a share of that of the held-out ones."""
        return sharpness(pixels) / max(sharpness(self.held_out), 1e-12)


def measure_generator(pipeline: DiffusionPipeline, real: RealImages, count: int, seed: int) -> dict[str, float]:
    """Figures of `count` images: distances, sharpness, how even its latent space is, and seconds per 1,000 images."""
    draw_images(pipeline, 8, seed)  # warms up
    began = time.perf_counter()
    drawn = draw_images(pipeline, count, seed)
    seconds = time.perf_counter() - began
    pixels = from_tensor(drawn, real.binary_alpha)
    return {
        **real.distances(pixels),
        "sharpness": real.relative_sharpness(pixels),
        **latent_regularity(pipeline, seed),
        "seconds_per_1000": 1000 * seconds / count,
    }


def sharpness(pixels: np.ndarray) -> float:
    """Mean over images of the variance of their Laplacian, of uint8 (N, H, W, C) in ``[-1, 1]`` (mean of the channels)."""
    grey = to_tensor(pixels).mean(dim=1)
    inner = grey[:, 1:-1, 1:-1]
    around = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:]
    return float((around - 4 * inner).var(dim=(1, 2)).mean())


@torch.no_grad()
def interpolate(pipeline: DiffusionPipeline, paths: int, points: int, seed: int) -> torch.Tensor:
    """Images ``(paths, points, channels, H, W)`` in ``[-1, 1]`` along great circles between pairs of latents."""
    rng = torch.Generator().manual_seed(seed)
    start, stop = torch.randn(2, paths, *pipeline.latent_shape, generator=rng)
    cosine = torch.nn.functional.cosine_similarity(start, stop, dim=1).clamp(-0.999, 0.999)
    angle = torch.arccos(cosine)[None, :, None]
    share = torch.linspace(0, 1, points)[:, None, None]
    latents = (torch.sin((1 - share) * angle) * start + torch.sin(share * angle) * stop) / torch.sin(angle)
    what: dict[str, Any] = {"batch_size": paths}
    if pipeline.is_conditional:
        what = {"class_labels": [index % len(pipeline.labels) for index in range(paths)]}
    images = [pipeline(**what, latents=part, output_type="pt").images * 2 - 1 for part in latents]
    return torch.stack(images, dim=1)


def latent_regularity(pipeline: DiffusionPipeline, seed: int) -> dict[str, float]:
    """How even the way between two latents is, in pixels.

    ``path_length``: length of the way over the distance of its ends, 1 is straight. ``path_jump``: its largest step over
    the mean one, 1 is even. Means over paths.
    """
    images = interpolate(pipeline, PATHS, POINTS, seed).flatten(2)
    steps = (images[:, 1:] - images[:, :-1]).norm(dim=2)
    ends = (images[:, -1] - images[:, 0]).norm(dim=1).clamp(min=1e-6)
    mean_step = steps.mean(dim=1).clamp(min=1e-9)
    return {
        "path_length": float((steps.sum(dim=1) / ends).mean()),
        "path_jump": float((steps.max(dim=1).values / mean_step).mean()),
    }


def loss_spread(values: Sequence[float]) -> float:
    """Deviation of a loss from its linear trend over the second half of a training, as a share of its range over all of it."""
    finite = np.array([value for value in values if math.isfinite(value)])
    if len(finite) < 6 or np.ptp(finite) == 0:
        return math.nan
    half = finite[len(finite) // 2 :]
    steps = np.arange(len(half))
    trend = np.polyval(np.polyfit(steps, half, 1), steps)
    return float((half - trend).std() / np.ptp(finite))


def epoch_sensitivity(distances: Sequence[float]) -> dict[str, float]:
    """How much it matters when training stops, from the distance at each snapshot.

    ``last_over_best``: the last distance over the smallest, 1 if nothing was lost by going on. ``worse_intervals``: share
    of the intervals over which it rose.
    """
    values = np.array(distances)
    rises = np.diff(values) > 0
    return {
        "last_over_best": float(values[-1] / max(values.min(), 1e-12)),
        "worse_intervals": float(rises.mean()) if len(rises) else 0.0,
    }
