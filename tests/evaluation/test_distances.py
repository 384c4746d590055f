import numpy as np
import pytest
import scipy.linalg
import torch
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import poly_mmd

from sprite_diffusers.evaluation import distances
from sprite_diffusers.evaluation.distances import frechet_distance, kernel_distance, manifold_metrics
from sprite_diffusers.evaluation.intervals import frechet_interval, share_interval


class Identity(torch.nn.Module):
    def __init__(self, num_features: int):
        super().__init__()
        self.num_features = num_features

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def torchmetrics_fd(x: np.ndarray, y: np.ndarray) -> float:
    metric = FrechetInceptionDistance(feature=Identity(x.shape[1])).set_dtype(torch.float64)
    metric.update(torch.from_numpy(y), real=True)
    metric.update(torch.from_numpy(x), real=False)
    return float(metric.compute())


def scipy_fd(x: np.ndarray, y: np.ndarray) -> float:
    shift = x.mean(0) - y.mean(0)
    cov_x, cov_y = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    return shift @ shift + np.trace(cov_x + cov_y - 2 * scipy.linalg.sqrtm(cov_x @ cov_y)).real


def correlated(count: int, dim: int, seed: int, mean: float = 0.0) -> np.ndarray:
    spread = np.random.default_rng(dim).normal(size=(dim, dim)) @ np.diag(np.geomspace(1, 1e-2, dim))
    return np.random.default_rng(seed).normal(size=(count, dim)) @ spread + mean


@pytest.mark.parametrize(("n", "m", "dim", "mean"), [(200, 150, 20, 0.0), (2000, 700, 64, 0.0), (900, 3000, 64, 8.0)])
def test_fd_agrees_with_torchmetrics_and_scipy(n, m, dim, mean):
    x, y = correlated(n, dim, 1, mean) * 1.1, correlated(m, dim, 2, mean)
    assert frechet_distance(x, y) == pytest.approx(torchmetrics_fd(x, y), rel=1e-6)
    assert frechet_distance(x, y) == pytest.approx(scipy_fd(x, y), rel=1e-6)


def test_fd_is_exact_where_the_answer_is_known():
    y = correlated(500, 32, 3)
    trace = np.trace(np.cov(y, rowvar=False))
    assert frechet_distance(y, y) < 1e-10
    assert frechet_distance(y + 0.5, y) == pytest.approx(32 * 0.25, rel=1e-12)
    scaled = y.mean(0) + 3 * (y - y.mean(0))
    assert frechet_distance(scaled, y) == pytest.approx(4 * trace, rel=1e-12)
    collapsed = np.repeat(y[:1], 100, axis=0)
    shift = y[0] - y.mean(0)
    assert frechet_distance(collapsed, y) == pytest.approx(shift @ shift + trace, rel=1e-12)


def test_fd_is_exact_in_directions_without_variance():
    """Where eigenvalues of the product of covariances lose half their digits."""
    subspace = np.linalg.qr(np.random.default_rng(0).normal(size=(64, 20)))[0]
    x, y = correlated(600, 20, 1) * 1.01, correlated(500, 20, 2)
    assert frechet_distance(x @ subspace.T, y @ subspace.T) == pytest.approx(frechet_distance(x, y), rel=1e-9)


def test_kid_is_the_unbiased_mmd_of_all_pairs():
    x, y = correlated(300, 16, 1), correlated(300, 16, 2) + 0.3
    expected = float(poly_mmd(torch.from_numpy(y), torch.from_numpy(x)))
    assert kernel_distance(x, y, seed=0)[0] == pytest.approx(expected, rel=1e-9)
    assert kernel_distance(x, y, seed=5)[0] == pytest.approx(expected, rel=1e-9)


def test_kid_of_different_sizes_by_definition():
    x, y = correlated(45, 6, 1), correlated(90, 6, 2)

    def kernel(a, b):
        return (a @ b.T / 6 + 1) ** 3

    within = [(k.sum() - np.trace(k)) / (len(k) * (len(k) - 1)) for k in (kernel(x, x), kernel(y, y))]
    assert kernel_distance(x, y)[0] == pytest.approx(sum(within) - 2 * kernel(x, y).mean(), rel=1e-9)


def test_kid_has_no_bias_and_its_error_is_honest():
    draws = [np.random.default_rng(seed).normal(size=(2, 100, 8)) for seed in range(60)]
    values, errors = np.array([kernel_distance(x, y) for x, y in draws]).T
    assert abs(values.mean()) < 3 * values.std() / np.sqrt(60)
    assert 0.6 < errors.mean() / values.std() < 1.6


def naive_manifold(x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    def pairs(a, b):
        return np.linalg.norm(a[:, None] - b[None], axis=-1)

    radius = {k: np.sort(pairs(y, y), axis=1)[:, k] for k in (3, 5)}
    own = np.sort(pairs(x, x), axis=1)[:, 3]
    between = pairs(x, y)
    return {
        "precision": (between <= radius[3]).any(1).mean(),
        "recall": (between <= own[:, None]).any(0).mean(),
        "density": (between <= radius[5]).sum() / (5 * len(x)),
        "coverage": (between <= radius[5]).any(0).mean(),
    }


@pytest.mark.parametrize("chunk", [1, 1000, 1 << 23])
def test_manifold_metrics_agree_with_their_definition(chunk, monkeypatch):
    monkeypatch.setattr(distances, "_CHUNK", chunk)
    x, y = correlated(160, 8, 1) * 1.2 + 0.4, correlated(120, 8, 2)
    assert manifold_metrics(x, y) == pytest.approx(naive_manifold(x, y), rel=1e-12)


def test_manifold_metrics_of_extremes():
    y = correlated(200, 8, 1)
    assert manifold_metrics(y.copy(), y)["recall"] == 1
    assert manifold_metrics(y.copy(), y)["coverage"] == 1
    assert manifold_metrics(y + 1000, y) == {"precision": 0, "recall": 0, "density": 0, "coverage": 0}
    collapsed = manifold_metrics(np.repeat(y[:1] + 1e-3, 100, axis=0), y)
    assert collapsed["precision"] == 1
    assert collapsed["recall"] == 0
    assert collapsed["coverage"] < 0.1


def test_intervals_hold_the_estimate_and_narrow_with_n():
    hits = np.arange(400) < 100
    low, high = share_interval(hits, seed=0)
    assert low == pytest.approx(0.25 - 1.96 * np.sqrt(0.25 * 0.75 / 400), abs=0.005)
    assert high == pytest.approx(0.25 + 1.96 * np.sqrt(0.25 * 0.75 / 400), abs=0.005)
    assert share_interval(np.zeros(400, bool), seed=0) == [0, 0]
    y = correlated(300, 8, 9)
    widths = []
    for count in (200, 3200):
        x = correlated(count, 8, 1) + 1
        estimate = frechet_distance(x, y)
        low, high = frechet_interval(x, y, estimate, seed=0)
        assert low < estimate < high
        widths.append(high - low)
    assert 3 < widths[0] / widths[1] < 5.5
