"""How the images vary: principal components, a t-SNE map, how well the classes separate, and which images stand apart.

Everything here is computed on distinct images, as `thumbnails` of one size in premultiplied alpha, so that copies and
invisible colours do not count.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..pixels import premultiply

MAX_IMAGES = 8_000  # for components, neighbours and outliers
MAX_SPECTRUM = 1_500  # images for the whole spectrum of variances
MAX_MAP = 1_500  # images on the t-SNE map
MAX_SILHOUETTE = 3_000
OUTLIER_RATIO = 5.0
NUM_SHOWN = 16


@dataclass(frozen=True)
class Variety:
    """Principal components, separation of classes, and outliers.

    Attributes:
        num_images: distinct images that were looked at.
        image_size: the side of the thumbnails, in pixels.
        num_spectrum: images behind the variances.
        explained: cumulative share of the variance of the first components, to a little above 95 %.
        components_90: components that explain 90 % of the variance.
        components_95: components that explain 95 %.
        silhouette: mean silhouette coefficient (Rousseeuw, 1987) of the classes in the first 20 components, -1 to 1; None
            without two classes of two images.
        class_silhouettes: the mean of each class.
        num_outliers: images whose distance to their neighbours is more than 5 times the median of their class.
        outliers: index to ratio of the 16 highest ratios: the mean distance in 50 components to the 5 nearest
            images of the class, over its median in the class.
        unusual: index to share of the 16 images that 50 components explain worst: the share of the image's squared
            distance from the mean image that is left over.
        map_indices: the images on the t-SNE map.
        map_positions: their places.
    """

    num_images: int
    image_size: int
    num_spectrum: int
    explained: list[float]
    components_90: int
    components_95: int
    silhouette: float | None
    class_silhouettes: dict[str, float]
    num_outliers: int
    outliers: dict[int, float]
    unusual: dict[int, float]
    map_indices: list[int] = field(repr=False, default_factory=list)
    map_positions: list[list[float]] = field(repr=False, default_factory=list)


def measure_variety(
    indices: np.ndarray, thumbnails: np.ndarray, groups: list[tuple[str, np.ndarray]], seed: int = 0
) -> Variety | None:
    """Measures distinct images.

    Args:
        indices: (M,) their positions in the collection.
        thumbnails: uint8 (M, S, S, 4).
        groups: name of each class and mask (N,) over the collection.
        seed: of the random projections and of the choices where there are more images than are looked at.

    Returns:
        None if fewer than 3 images vary: there is nothing to compare.
    """
    from sklearn.decomposition import PCA

    rng = np.random.default_rng(seed)
    chosen = _choose(len(indices), MAX_IMAGES, rng)
    indices, thumbnails = indices[chosen], thumbnails[chosen]
    pixels = premultiply(thumbnails).reshape(len(thumbnails), -1)
    pixels = pixels[:, pixels.std(axis=0) > 0]
    if len(pixels) < 3 or not pixels.shape[1]:
        return None
    names, labels = _label(indices, groups)
    explained, num_spectrum = _spectrum(pixels, rng)
    pca = PCA(min(50, len(pixels) - 1, pixels.shape[1]), svd_solver="randomized", random_state=seed)
    components = pca.fit_transform(pixels)
    silhouette, class_silhouettes = _silhouettes(components[:, :20], labels, names, rng)
    ratios = _neighbour_ratios(components, labels)
    left_over = _left_over(pixels, components, pca.mean_)
    shown = _choose(len(indices), MAX_MAP, rng)
    return Variety(
        num_images=len(indices),
        image_size=thumbnails.shape[1],
        num_spectrum=num_spectrum,
        explained=[round(float(share), 6) for share in explained[: _needed(explained, 0.95) + 10]],
        components_90=_needed(explained, 0.90),
        components_95=_needed(explained, 0.95),
        silhouette=silhouette,
        class_silhouettes=class_silhouettes,
        num_outliers=int((ratios > OUTLIER_RATIO).sum()),
        outliers=_highest(indices, ratios),
        unusual=_highest(indices, left_over),
        map_indices=indices[shown].tolist(),
        map_positions=_map(components[shown], seed).round(3).tolist(),
    )


def _choose(count: int, most: int, rng: np.random.Generator) -> np.ndarray:
    return np.arange(count) if count <= most else np.sort(rng.permutation(count)[:most])


def _label(indices: np.ndarray, groups: list[tuple[str, np.ndarray]]) -> tuple[list[str], np.ndarray]:
    labels = np.zeros(len(indices), np.int64)
    for label, (_, mask) in enumerate(groups):
        labels[mask[indices]] = label
    return [name for name, _ in groups], labels


def _spectrum(pixels: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """Cumulative shares of the variance along all components, and how many images they are of.

    From the smaller of the two matrices that have these eigenvalues: pixels by pixels, or images by images.
    """
    if pixels.shape[1] > MAX_SPECTRUM:
        pixels = pixels[_choose(len(pixels), MAX_SPECTRUM, rng)]
    centred = pixels - pixels.mean(axis=0)
    gram = centred.T @ centred if centred.shape[1] < len(centred) else centred @ centred.T
    variances = np.clip(np.linalg.eigvalsh(gram.astype(np.float64))[::-1], 0.0, None)
    return np.cumsum(variances) / max(variances.sum(), 1e-12), len(pixels)


def _needed(explained: np.ndarray, share: float) -> int:
    return min(int(np.searchsorted(explained, share - 1e-9)) + 1, len(explained))


def _silhouettes(
    components: np.ndarray, labels: np.ndarray, names: list[str], rng: np.random.Generator
) -> tuple[float | None, dict[str, float]]:
    from sklearn.metrics import silhouette_samples

    chosen = _choose(len(labels), MAX_SILHOUETTE, rng)
    counts = np.bincount(labels[chosen], minlength=len(names))
    chosen = chosen[counts[labels[chosen]] >= 2]
    present = np.unique(labels[chosen])
    if len(present) < 2:
        return None, {}
    values = silhouette_samples(components[chosen], labels[chosen])
    return float(values.mean()), {names[label]: float(values[labels[chosen] == label].mean()) for label in present}


def _neighbour_ratios(components: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(M,) mean distance to the 5 nearest of the own class, over the median of that in the class; 0 in tiny classes."""
    from sklearn.neighbors import NearestNeighbors

    ratios = np.zeros(len(labels))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        if len(members) < 12:  # the median of fewer says little
            continue
        distances, _ = NearestNeighbors(n_neighbors=5, algorithm="brute").fit(components[members]).kneighbors()
        mean = distances.mean(axis=1)
        ratios[members] = mean / max(np.median(mean), 1e-6)
    return ratios


def _left_over(pixels: np.ndarray, components: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """(M,) the share of each image's squared distance from the mean that lies outside the components."""
    total = ((pixels - mean) ** 2).sum(axis=1)
    return np.clip(1 - (components**2).sum(axis=1) / np.maximum(total, 1e-12), 0.0, 1.0)


def _highest(indices: np.ndarray, values: np.ndarray) -> dict[int, float]:
    order = [place for place in np.argsort(-values, kind="stable")[:NUM_SHOWN] if values[place] > 0]
    return {int(indices[place]): round(float(values[place]), 4) for place in order}


def _map(components: np.ndarray, seed: int) -> np.ndarray:
    """(M, 2) a t-SNE map (van der Maaten and Hinton, 2008), started from the first two components."""
    from sklearn.manifold import TSNE

    if components.shape[1] < 2 or len(components) < 6:
        return np.pad(components[:, :2], ((0, 0), (0, max(0, 2 - components.shape[1]))))
    perplexity = min(30.0, (len(components) - 1) / 3)
    return TSNE(perplexity=perplexity, init="pca", random_state=seed, n_jobs=1).fit_transform(components)
