"""The one protocol: every generator is measured here, with the same real images, features, seeds and floors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers import DiffusionPipeline

from ..errors import SpriteError
from .distances import frechet_distance, kernel_distance, manifold_metrics
from .intervals import MAX_SAMPLES, frechet_interval, share_interval
from .memorisation import nearest
from .pixel_stats import component_overlap, histogram_distance, palette_metrics, rgb_histograms
from .reference import MIN_CLASS_IMAGES, Reference, check_count, extract, project
from .sampling import describe_shape, draw, is_conditional, sampling_facts
from .scores import Scores
from .text_reference import TextReference

PROTOCOL_VERSION = "1"
DEFAULT_MAX_SAMPLES = 2000
NUM_CLOSEST = 24


@dataclass(frozen=True)
class ScoredImages:
    """Images with all that is computed from each of them alone.

    Attributes:
        pixels: uint8 (N, H, W, C).
        labels: int64 (N,), or None.
        features: float64 (N, feature_dim).
        components: float64 (N, 20), principal components.
        predicted: int64 (N,), the classes recognised, or None.
    """

    pixels: np.ndarray
    labels: np.ndarray | None
    features: np.ndarray
    components: np.ndarray
    predicted: np.ndarray | None = None


def evaluate(
    samples: DiffusionPipeline | np.ndarray,
    reference: Reference,
    *,
    labels: np.ndarray | None = None,
    num_samples: int | None = None,
    seed: int = 0,
    batch_size: int = 64,
    num_inference_steps: int | None = None,
    guidance_scale: float | None = None,
    progress: bool = False,
) -> Scores:
    """Measures a generator against held-out real images, and against its training images for copies.

    The result depends on the samples and `seed` alone. Under `accelerate launch` or torchrun the processes share the
    drawing, and all return the same.

    Args:
        samples: a pipeline (on the device where it is to run), or images, uint8 (N, H, W, 3 | 4).
        reference: the real images.
        labels: for an array, the class that each image was asked to be, in the order of `reference.class_names`;
            None: they have none. A pipeline gets labels with the class balance of the held-out images.
        num_samples: images to draw, or to use of the array (the first ones). By default all of an array; from a
            pipeline as many as are held out, at most 2,000. More than the features have dimensions.
        seed: of the noise (image i has a generator seeded by (seed, i)), the floor's subset and the bootstrap.
        batch_size: images per call of the pipeline.
        num_inference_steps: for a pipeline; by default its own.
        guidance_scale: for a class-conditional pipeline; by default its own.
        progress: shows a bar while sampling.

    Raises:
        SpriteError: samples that cannot be compared with the reference (size, mode, classes, labels, type), too few of
            them, or options that do not apply to them.
    """
    if seed < 0 or batch_size < 1:
        raise SpriteError(f"seed {seed} and batch size {batch_size} given: allowed are seed >= 0 and batch_size >= 1.")
    if isinstance(samples, DiffusionPipeline):
        if labels is not None:
            raise SpriteError(
                "labels were given with a pipeline, which gets the held-out class balance: leave them out."
            )
        count = min(len(reference.validation_pixels), DEFAULT_MAX_SAMPLES) if num_samples is None else num_samples
        options = {"num_inference_steps": num_inference_steps, "guidance_scale": guidance_scale}
        pixels, labels, sampling, seconds = _draw(samples, reference, count, seed, batch_size, options, progress)
    else:
        if num_inference_steps is not None or guidance_scale is not None:
            raise SpriteError("num_inference_steps and guidance_scale are for a pipeline: leave them out for images.")
        pixels, labels = _check_images(samples, labels, reference, num_samples)
        sampling, seconds = {}, None
    return _score(pixels, labels, reference, seed, sampling, seconds)


def _score(
    pixels: np.ndarray,
    labels: np.ndarray | None,
    reference: Reference,
    seed: int,
    sampling: dict[str, Any],
    seconds: float | None,
) -> Scores:
    features, predicted = extract(reference.classifier, pixels, reference.class_names, reference.batch_size)
    images = ScoredImages(pixels, labels, features, project(reference.pca, pixels), predicted)
    real = _floor_images(reference, len(pixels), labels is not None, seed)
    copies = nearest(pixels, reference.train_pixels)
    histograms = {"real": rgb_histograms(reference.validation_pixels), "samples": rgb_histograms(pixels)}

    metrics, floors = distances(images, reference, seed), distances(real, reference, seed)
    per_class: dict[str, dict[str, float]] = {}
    confusion = None
    if labels is not None:
        confusion = _confusion(images, reference)
        per_class = _per_class(images, real, confusion, reference)
        for figures, key in ((metrics, "fd_pca20"), (floors, "fd_pca20_floor")):
            figures["fd_pca20_class_mean"] = float(np.mean([row[key] for row in per_class.values()]))
        metrics["accuracy"] = _accuracy(images, reference)
        floors["accuracy"] = _accuracy(_held_out(reference), reference)
    for figures, found in ((metrics, copies), (floors, reference.validation_nearest)):
        figures["memorised"] = float(found.memorised.mean())
        figures["near_copies"] = float(found.near_copies.mean())
    metrics |= palette_metrics(pixels)
    floors |= palette_metrics(reference.validation_pixels)
    if seconds is not None:
        metrics["seconds_per_image"] = seconds

    shares = {"memorised": copies.memorised, "near_copies": copies.near_copies}
    if labels is not None and predicted is not None:
        shares["accuracy"] = predicted == labels
    return Scores(
        metrics=metrics,
        floors=floors,
        intervals=_intervals(images, reference, metrics, shares, seed),
        per_class=per_class,
        confusion=confusion,
        facts=_facts(images, real, reference, seed, sampling, histograms),
        samples=pixels,
        sample_labels=labels,
        closest=copies.closest(NUM_CLOSEST),
    )


# ---- what is measured -----------------------------------------------------------------------------------------------


def _draw(
    pipeline: DiffusionPipeline,
    reference: Reference,
    count: int,
    seed: int,
    batch_size: int,
    options: dict[str, Any],
    progress: bool,
) -> tuple[np.ndarray, np.ndarray | None, dict[str, Any], float]:
    """Pixels, labels in the reference's order, facts, seconds per image."""
    labels = None
    if is_conditional(pipeline):
        _check_classes(list(pipeline.config.id2label.values()), reference)
        labels = reference.balanced_labels(count)
    elif options["guidance_scale"] is not None:
        raise SpriteError(
            f"guidance_scale {options['guidance_scale']} was given, but a {type(pipeline).__name__} is unconditional "
            "and cannot be guided: leave --guidance_scale out."
        )
    check_count(count, reference.classifier.config.feature_dim, "the evaluation", "raise --num_samples")
    names = None if labels is None else [(reference.class_names or [])[label] for label in labels]
    pixels, seconds = draw(
        pipeline,
        count,
        names,
        reference.validation_pixels.shape[1:],
        seed=seed,
        batch_size=batch_size,
        options={name: value for name, value in options.items() if value is not None},
        progress=progress,
    )
    return pixels, labels, sampling_facts(pipeline, **options), seconds


def _check_classes(names: list[str], reference: Reference) -> None:
    if reference.class_names is None:
        raise SpriteError(
            f"the pipeline draws the classes {', '.join(names)}, but the reference has none: load the data with labels."
        )
    if sorted(names) != sorted(reference.class_names):
        raise SpriteError(
            f"the pipeline draws the classes {', '.join(names)}, but the reference has "
            f"{', '.join(reference.class_names)}: evaluate it on the data it was trained on."
        )


def _check_images(
    samples: np.ndarray, labels: np.ndarray | None, reference: Reference, num_samples: int | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """The images and labels to use, or why they cannot be used."""
    if not isinstance(samples, np.ndarray) or samples.dtype != np.uint8 or samples.ndim != 4:
        given = (
            f"{samples.dtype} {samples.shape}" if isinstance(samples, np.ndarray) else f"a {type(samples).__name__}"
        )
        raise SpriteError(f"the samples are {given}; allowed is a pipeline or a uint8 array (N, H, W, 3 or 4).")
    shape = reference.validation_pixels.shape[1:]
    if samples.shape[1:] != shape:
        raise SpriteError(
            f"the samples are {describe_shape(samples.shape[1:])}, but the reference is {describe_shape(shape)}: load "
            "the data with the --image_size and --mode of the samples."
        )
    if num_samples is not None and num_samples > len(samples):
        raise SpriteError(f"num_samples {num_samples} asks for more than the {len(samples)} images given: lower it.")
    if labels is not None:
        labels = _check_labels(np.asarray(labels), len(samples), reference)[:num_samples]
    samples = samples[:num_samples]
    check_count(len(samples), reference.classifier.config.feature_dim, "the evaluation", "give more samples")
    return samples, labels


def _check_labels(labels: np.ndarray, count: int, reference: Reference) -> np.ndarray:
    if reference.class_names is None:
        raise SpriteError("labels were given, but the reference has no classes: leave them out.")
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        raise SpriteError(
            f"the labels are {labels.dtype} of shape {labels.shape}; allowed is one integer for each of {count} images."
        )
    outside = labels[(labels < 0) | (labels >= len(reference.class_names))]
    if len(outside):
        raise SpriteError(
            f"the label {outside[0]} is not a class of the reference; allowed is 0 to {len(reference.class_names) - 1} "
            f"({', '.join(reference.class_names)})."
        )
    return labels.astype(np.int64)


def _floor_images(reference: Reference, count: int, labelled: bool, seed: int) -> ScoredImages:
    """Training images that stand in for the samples."""
    chosen = reference.training_subset(count, seed)
    labels = reference.train_labels[chosen] if labelled and reference.train_labels is not None else None
    features, components = reference.train_features[chosen], reference.train_components[chosen]
    return ScoredImages(reference.train_pixels[chosen], labels, features, components, None)


def _held_out(reference: Reference) -> ScoredImages:
    return ScoredImages(
        reference.validation_pixels,
        reference.validation_labels,
        reference.validation_features,
        reference.validation_components,
        reference.validation_predicted,
    )


# ---- how it is measured ---------------------------------------------------------------------------------------------


def distances(images: ScoredImages, reference: Reference | TextReference, seed: int) -> dict[str, float]:
    """The figures that compare a set with the held-out set."""
    kid, kid_se = kernel_distance(images.features, reference.validation_features, seed)
    return {
        "fd_pca20": frechet_distance(images.components, reference.validation_components),
        "fd_feature": frechet_distance(images.features, reference.validation_features),
        "kid": kid,
        "kid_se": kid_se,
        **manifold_metrics(images.features, reference.validation_features),
        "rgb_histogram_distance": histogram_distance(
            rgb_histograms(images.pixels), rgb_histograms(reference.validation_pixels)
        ),
        "pca_overlap": component_overlap(
            images.components, reference.validation_components, reference.train_components
        ),
    }


def _class_distance(images: ScoredImages, reference: Reference, label: int) -> float:
    """FD-PCA20 within a class; NaN where a covariance would be singular."""
    assert reference.validation_labels is not None
    drawn = images.components[images.labels == label]
    real = reference.validation_components[reference.validation_labels == label]
    return frechet_distance(drawn, real) if min(len(drawn), len(real)) >= MIN_CLASS_IMAGES else math.nan


def _per_class(
    images: ScoredImages, real: ScoredImages, confusion: list[list[int]], reference: Reference
) -> dict[str, dict[str, float]]:
    counts = reference.class_counts()
    held_out = _confusion(_held_out(reference), reference)
    return {
        name: {
            "fd_pca20": _class_distance(images, reference, label),
            "fd_pca20_floor": _class_distance(real, reference, label),
            "accuracy": _share(confusion[label][label], sum(confusion[label])),
            "accuracy_floor": _share(held_out[label][label], sum(held_out[label])),
            "num_samples": sum(confusion[label]),
            "num_reference": int(counts[label]),
        }
        for label, name in enumerate(reference.class_names or [])
    }


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan


def _accuracy(images: ScoredImages, reference: Reference) -> float:
    from torchmetrics.functional.classification import multiclass_accuracy

    recognised, asked = torch.from_numpy(images.predicted), torch.from_numpy(images.labels)
    return float(multiclass_accuracy(recognised, asked, num_classes=len(reference.class_names or []), average="micro"))


def _confusion(images: ScoredImages, reference: Reference) -> list[list[int]]:
    from torchmetrics.functional.classification import multiclass_confusion_matrix

    recognised, asked = torch.from_numpy(images.predicted), torch.from_numpy(images.labels)
    return multiclass_confusion_matrix(recognised, asked, num_classes=len(reference.class_names or [])).tolist()


def _intervals(
    images: ScoredImages, reference: Reference, metrics: dict[str, float], shares: dict[str, np.ndarray], seed: int
) -> dict[str, list[float]]:
    intervals = {name: share_interval(hits, seed) for name, hits in shares.items()}
    if len(images.pixels) <= MAX_SAMPLES:
        for name, drawn, real in (
            ("fd_pca20", images.components, reference.validation_components),
            ("fd_feature", images.features, reference.validation_features),
        ):
            intervals[name] = frechet_interval(drawn, real, metrics[name], seed)
    return intervals


def _facts(
    images: ScoredImages,
    real: ScoredImages,
    reference: Reference,
    seed: int,
    sampling: dict[str, Any],
    histograms: dict[str, np.ndarray],
) -> dict[str, Any]:
    classifier = reference.classifier
    return {
        "protocol": PROTOCOL_VERSION,
        "num_samples": len(images.pixels),
        "num_reference": len(reference.validation_pixels),
        "num_train": len(reference.train_pixels),
        "num_floor": len(real.pixels),
        "seed": seed,
        "class_names": reference.class_names,
        "image_size": reference.image_size,
        "mode": reference.mode,
        "data_fingerprint": reference.fingerprint,
        "extractor": {
            "identity": classifier.identity(),
            "data_fingerprint": classifier.config.data_fingerprint,
            "accuracy": classifier.config.accuracy,
            "feature_dim": classifier.config.feature_dim,
        },
        "sampling": sampling,
        "rgb_histograms": {name: histogram.tolist() for name, histogram in histograms.items()},
    }
