"""How far apart two sets of feature vectors are: Fréchet distance, kernel distance, and who lies among whom.

All work on float64 (N, D) arrays and go over them in blocks, so that 50,000 vectors need no N x N matrix.
"""

from __future__ import annotations

import numpy as np
import torch

KID_BLOCKS = 20
PRECISION_NEIGHBORS = 3  # Kynkäänniemi et al. 2019, section 3
DENSITY_NEIGHBORS = 5  # Naeem et al. 2020, section 4
_CHUNK = 1 << 23  # entries of a block of distances: 64 MiB


def frechet_distance(samples: np.ndarray, reference: np.ndarray) -> float:
    """Fréchet distance of the Gaussians fitted to two sets (https://arxiv.org/abs/1706.08500, eq. 6).

    ``|mx - my|^2 + tr(Sx + Sy - 2 (Sx Sy)^(1/2))`` with unbiased covariances. torchmetrics takes the last trace from
    the eigenvalues of ``Sx Sy``, whose rounding errors enter under a square root: where a direction has no variance
    (a constant feature, a collapsed model) it is wrong from the fifth digit on. With ``S = R^T R`` the trace is the sum of
    the singular values of ``Rx Ry^T``, and R comes from the vectors themselves, so that nothing is ever squared.

    Args:
        samples: float64 (N, D), N > 1.
        reference: float64 (M, D), M > 1.
    """
    return gaussian_distance(fit_gaussian(samples), fit_gaussian(reference))


def fit_gaussian(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean (D,) of (N, D) vectors, and R with ``R^T R`` their unbiased covariance."""
    mean = vectors.mean(axis=0)
    root: np.ndarray = np.linalg.qr((vectors - mean) / np.sqrt(len(vectors) - 1), mode="r")  # type: ignore[assignment]
    return mean, root


def gaussian_distance(x: tuple[np.ndarray, np.ndarray], y: tuple[np.ndarray, np.ndarray]) -> float:
    """`frechet_distance` of two fitted Gaussians."""
    shift = x[0] - y[0]
    cross = np.linalg.svd(x[1] @ y[1].T, compute_uv=False).sum()
    # Never negative but for rounding, which shows when the sets are equal.
    return max(float(shift @ shift + (x[1] ** 2).sum() + (y[1] ** 2).sum() - 2 * cross), 0.0)


def kernel_distance(samples: np.ndarray, reference: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """Kernel distance with its standard error: unbiased MMD² of ``(x·y/D + 1)^3`` (https://arxiv.org/abs/1801.01401).

    torchmetrics averages over random subsets, drawn from the global generator, that overlap: their spread is neither
    repeatable nor the error of the mean. Here every pair counts once, and the error is that of a jackknife over
    `KID_BLOCKS` blocks of both sets, which falls as the sets grow.

    Args:
        samples: float64 (N, D), N > 3.
        reference: float64 (M, D), M > 3.
        seed: of the division into blocks; the distance itself does not depend on it.

    Returns:
        The distance, which can be slightly negative, and its standard error.
    """
    rng = np.random.default_rng(seed)
    num_blocks = min(KID_BLOCKS, len(samples) // 2, len(reference) // 2)
    x = np.array_split(samples[rng.permutation(len(samples))], num_blocks)
    y = np.array_split(reference[rng.permutation(len(reference))], num_blocks)
    within_x, within_y = _kernel_sums(x), _kernel_sums(y)
    between = np.array([[_kernel(a, b).sum() for b in y] for a in x])
    sizes_x, sizes_y = np.array([len(part) for part in x]), np.array([len(part) for part in y])

    def estimate(keep: np.ndarray) -> float:
        n, m = sizes_x[keep].sum(), sizes_y[keep].sum()
        block = np.ix_(keep, keep)
        return float(
            within_x[block].sum() / (n * (n - 1))
            + within_y[block].sum() / (m * (m - 1))
            - 2 * between[block].sum() / (n * m)
        )

    everything = np.arange(num_blocks)
    without = np.array([estimate(np.delete(everything, left_out)) for left_out in everything])
    error = np.sqrt((num_blocks - 1) / num_blocks * ((without - without.mean()) ** 2).sum())
    return estimate(everything), float(error)


def _kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    base = x @ y.T
    base /= x.shape[1]
    base += 1.0
    return base * base * base


def _kernel_sums(blocks: list[np.ndarray]) -> np.ndarray:
    """Sums of the kernel over the pairs of each two blocks, without the pairs of a vector with itself."""
    sums = np.zeros((len(blocks), len(blocks)))
    for i, a in enumerate(blocks):
        kernel = _kernel(a, a)
        sums[i, i] = kernel.sum() - np.trace(kernel)
        for j in range(i):
            sums[i, j] = sums[j, i] = _kernel(a, blocks[j]).sum()
    return sums


def manifold_metrics(samples: np.ndarray, reference: np.ndarray) -> dict[str, float]:
    """Who lies among whom.

    ``precision``: share of samples within the third-neighbour ball of a real image; ``recall``: share of real images
    within that of a sample (https://arxiv.org/abs/1904.06991, eq. 2). ``density``: real fifth-neighbour balls round a
    sample, over 5 (can exceed 1); ``coverage``: share of those balls with a sample in them
    (https://arxiv.org/abs/2002.09797, eq. 2 and 3).

    Args:
        samples: float64 (N, D), N > 5.
        reference: float64 (M, D), M > 5.
    """
    center = reference.mean(axis=0)
    x, y = torch.from_numpy(samples - center), torch.from_numpy(reference - center)
    precision_radii = _neighbor_distances(y, PRECISION_NEIGHBORS)
    density_radii = _neighbor_distances(y, DENSITY_NEIGHBORS)
    recall_radii = _neighbor_distances(x, PRECISION_NEIGHBORS)
    inside, density = 0, 0
    recalled = torch.zeros(len(y), dtype=torch.bool)
    covered = torch.zeros(len(y), dtype=torch.bool)
    step = max(1, _CHUNK // len(y))
    for start in range(0, len(x), step):
        distances = _squared_distances(x[start : start + step], y)
        inside += int((distances <= precision_radii).any(dim=1).sum())
        among = distances <= density_radii
        density += int(among.sum())
        covered |= among.any(dim=0)
        recalled |= (distances <= recall_radii[start : start + step, None]).any(dim=0)
    return {
        "precision": inside / len(x),
        "recall": float(recalled.double().mean()),
        "density": density / (DENSITY_NEIGHBORS * len(x)),
        "coverage": float(covered.double().mean()),
    }


def _neighbor_distances(vectors: torch.Tensor, k: int) -> torch.Tensor:
    """(N,) squared distance of each vector to its k-th nearest other."""
    step = max(1, _CHUNK // len(vectors))
    parts = [
        _squared_distances(vectors[start : start + step], vectors).topk(k + 1, dim=1, largest=False).values[:, k]
        for start in range(0, len(vectors), step)
    ]
    return torch.cat(parts)


def _squared_distances(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    distances = torch.addmm(y.square().sum(dim=1)[None], x, y.T, alpha=-2)
    return distances.add_(x.square().sum(dim=1)[:, None]).clamp_(min=0)
