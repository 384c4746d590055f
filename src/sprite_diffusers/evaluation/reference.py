"""The real images that generators are measured against, and what is computed from them once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from diffusers import DiffusionPipeline

from ..data import SpriteArrays, SpriteDataset, load_sprites, to_tensor
from ..data.pixels import parse_color
from ..errors import SpriteError
from ..models import SpriteClassifier, default_classifier_folder, load_classifier
from .memorisation import Nearest, nearest
from .precision import full_precision

if TYPE_CHECKING:
    from sklearn.decomposition import PCA

NUM_COMPONENTS = 20
MIN_CLASS_IMAGES = NUM_COMPONENTS + 1
"""A class FD needs more images than there are components, on both sides."""
MAX_PCA_IMAGES = 20_000
"""The components of a larger training split are fitted to a random part of it."""


@dataclass(eq=False, repr=False)
class Reference:
    """Training and held-out images with their features: built once by `from_dataset`, used for many evaluations.

    Attributes:
        train_pixels, validation_pixels: uint8 (N, H, W, 3 | 4), straight alpha. The validation split is held out.
        train_labels, validation_labels: int64 (N,), or None without classes.
        train_features, validation_features: float64 (N, feature_dim) of the classifier.
        train_components, validation_components: float64 (N, 20), principal components.
        validation_predicted: int64 (N,), the classes that the classifier names, or None without classes.
        pca: fitted to the training images in network space ([-1, 1], RGBA premultiplied).
        class_names: in the order of the labels, or None without classes.
        image_size: side of the images, in pixels.
        mode: "RGB" or "RGBA".
        background: the colour under RGB images.
        binary_alpha: whether every real pixel is opaque or transparent.
        fingerprint: of the training split, see `LoadReport`.
        classifier: the feature extractor.
        batch_size: images per pass through the classifier.
    """

    train_pixels: np.ndarray
    validation_pixels: np.ndarray
    train_labels: np.ndarray | None
    validation_labels: np.ndarray | None
    train_features: np.ndarray
    validation_features: np.ndarray
    train_components: np.ndarray
    validation_components: np.ndarray
    validation_predicted: np.ndarray | None
    pca: PCA
    class_names: list[str] | None
    image_size: int
    mode: str
    background: str
    binary_alpha: bool
    fingerprint: str
    classifier: SpriteClassifier
    batch_size: int

    @classmethod
    def from_dataset(cls, dataset: SpriteDataset, classifier: SpriteClassifier, batch_size: int = 256) -> Reference:
        """Computes features and components of both splits.

        Args:
            dataset: from `load_sprites`.
            classifier: trained on the training split of the same data; runs on the device it is on.
            batch_size: images per pass through it; a matter of memory and speed, not of results.

        Raises:
            SpriteError: a classifier of other sprites than these, or splits too small to measure a distance.
        """
        report = dataset.report
        class_names = None if report.class_names is None else list(report.class_names)
        _check_classifier(classifier, dataset)
        train, validation = (SpriteArrays.from_dataset(dataset[split]) for split in ("train", "validation"))
        for split, arrays in (("train", train), ("validation", validation)):
            check_count(len(arrays), classifier.config.feature_dim, f"the {split} split", "load more images")
        pca = fit_pca(train.pixels)
        features, predicted = extract(classifier, validation.pixels, class_names, batch_size)
        return cls(
            train_pixels=train.pixels,
            validation_pixels=validation.pixels,
            train_labels=None if train.labels is None else train.labels.numpy(),
            validation_labels=None if validation.labels is None else validation.labels.numpy(),
            train_features=extract(classifier, train.pixels, class_names, batch_size)[0],
            validation_features=features,
            train_components=project(pca, train.pixels),
            validation_components=project(pca, validation.pixels),
            validation_predicted=predicted,
            pca=pca,
            class_names=class_names,
            image_size=report.image_size,
            mode=report.mode,
            background=report.background,
            binary_alpha=report.binary_alpha,
            fingerprint=report.fingerprint,
            classifier=classifier,
            batch_size=batch_size,
        )

    @classmethod
    def for_pipeline(
        cls, pipeline: DiffusionPipeline, source: str, classifier: str | Path | None = None, **options: Any
    ) -> Reference:
        """The sprites of `source`, in the size and mode that `pipeline` draws.

        Args:
            pipeline: of this package (``sprite_size`` and ``sprite_channels`` say what it draws).
            source: the data that it was trained on, for `load_sprites`.
            classifier: folder or Hub id; by default where ``training/train_classifier.py`` leaves it for this data.
            options: of `load_sprites`, as for the training.

        Raises:
            SpriteError: see `load_sprites`, `load_classifier` and `from_dataset`.
        """
        dataset = load_sprites(  # a pipeline of grey images is measured in RGB
            source,
            image_size=pipeline.sprite_size,
            mode="RGBA" if pipeline.sprite_channels == 4 else "RGB",
            **options,
        )
        return cls.from_dataset(
            dataset, load_classifier(classifier or default_classifier_folder(dataset.report.fingerprint))
        )

    @cached_property
    def validation_nearest(self) -> Nearest:
        """The training images nearest to the held-out ones: what a model that does not copy is compared with."""
        return nearest(self.validation_pixels, self.train_pixels)

    def class_counts(self) -> np.ndarray:
        """int64 (classes,): held-out images of each class."""
        assert self.validation_labels is not None
        return np.bincount(self.validation_labels, minlength=len(self.class_names or []))

    def balanced_labels(self, count: int) -> np.ndarray:
        """int64 (count,): labels with the class balance of the held-out images, the same start for every count."""
        return balanced_sequence(self.class_counts(), count)

    def training_subset(self, count: int, seed: int) -> np.ndarray:
        """Indices of `count` training images with the class balance of the held-out ones, in random order.

        Without replacement, so that a class with fewer images than its share gives all it has.
        """
        order = np.random.default_rng([seed, count]).permutation(len(self.train_pixels))
        if self.train_labels is None:
            return order[:count]
        shares = np.bincount(self.balanced_labels(count), minlength=len(self.class_counts()))
        labels = self.train_labels[order]
        position = np.zeros(len(order), np.int64)  # of each image among those of its class
        for label in range(len(shares)):
            position[labels == label] = np.arange((labels == label).sum())
        return order[position < shares[labels]]


def balanced_sequence(counts: np.ndarray, length: int) -> np.ndarray:
    """The start of an endless sequence of labels in which every stretch from the beginning is balanced.

    With shares ``counts / total``, the k-th label of a class falls into its window ``[k / share, (k + 1) / share)``;
    among the open windows the one that closes first is served. This meets all windows (earliest deadline first on unit
    jobs is optimal), so that each class is within one of its share at any length and exact at multiples of the total.

    Args:
        counts: int64 (classes,), one or more of them positive.
        length: labels to give.

    Returns:
        int64 (length,).
    """
    total = int(counts.sum())
    wanted = [(label, int(count)) for label, count in enumerate(counts) if count]
    given = dict.fromkeys((label for label, _ in wanted), 0)
    labels = np.empty(length, np.int64)
    for position in range(length):
        open_windows = [
            (-(-(given[label] + 1) * total // count), label)
            for label, count in wanted
            if given[label] * total // count <= position
        ]
        labels[position] = min(open_windows)[1]
        given[int(labels[position])] += 1
    return labels


def check_count(count: int, feature_dim: int, what: str, advice: str) -> None:
    """Refuses so few images that the covariance of their features, or of their components, would be singular."""
    needed = max(feature_dim, NUM_COMPONENTS) + 1
    if count < needed:
        raise SpriteError(
            f"{what} has {count} images, but the features have {feature_dim} dimensions: fewer than {needed} images "
            f"leave their covariance singular, and the distance would mean nothing; {advice}."
        )


def extract(
    classifier: SpriteClassifier, pixels: np.ndarray, class_names: list[str] | None, batch_size: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """Features, float64 (N, feature_dim), and recognised classes, int64 (N,) in the order of `class_names`.

    Without dropout, in full precision.
    """
    classifier.eval()
    features, predicted = [], []
    with full_precision(classifier.device):
        for start in range(0, len(pixels), batch_size):
            batch = to_tensor(pixels[start : start + batch_size]).to(classifier.device)
            output = classifier(batch)
            features.append(output.features.double().cpu().numpy())
            predicted.append(output.logits.argmax(dim=1).cpu().numpy())
    if class_names is None:
        return np.concatenate(features), None
    own = np.array([class_names.index(name) for name in classifier.class_names])
    return np.concatenate(features), own[np.concatenate(predicted)]


def project(pca: PCA, pixels: np.ndarray) -> np.ndarray:
    """float64 (N, 20): principal components of uint8 (N, H, W, C)."""
    return np.concatenate(
        [pca.transform(_rows(pixels[start : start + 1024])) for start in range(0, len(pixels), 1024)]
    )


def _rows(pixels: np.ndarray) -> np.ndarray:
    return to_tensor(pixels).flatten(1).double().numpy()


def fit_pca(pixels: np.ndarray) -> PCA:
    from sklearn.decomposition import PCA

    if len(pixels) > MAX_PCA_IMAGES:
        pixels = pixels[np.sort(np.random.default_rng(0).permutation(len(pixels))[:MAX_PCA_IMAGES])]
    # arpack: exact for the few components wanted, without the full spectrum of thousands of pixel values
    return PCA(NUM_COMPONENTS, svd_solver="arpack", random_state=0).fit(_rows(pixels))


def _check_classifier(classifier: SpriteClassifier, dataset: SpriteDataset) -> None:
    report, config = dataset.report, classifier.config
    mode = "RGBA" if config.in_channels == 4 else "RGB"
    retrain = "train one with training/train_classifier.py on the same data set, image size and mode"
    if (config.image_size, mode) != (report.image_size, report.mode):
        raise SpriteError(
            f"the classifier is for {config.image_size}x{config.image_size} {mode} sprites, but {report.source} has "
            f"{report.image_size}x{report.image_size} {report.mode} ones: {retrain}."
        )
    if mode == "RGB" and parse_color(config.background) != parse_color(report.background):
        raise SpriteError(
            f"the classifier is for sprites on {config.background}, but those of {report.source} are on "
            f"{report.background}: change --background, or {retrain}."
        )
    if report.class_names is not None and sorted(classifier.class_names) != sorted(report.class_names):
        raise SpriteError(
            f"the classifier knows the classes {', '.join(classifier.class_names)}, but {report.source} has "
            f"{', '.join(report.class_names)}: {retrain}."
        )
