"""Does a model copy? The nearest training images of each sample, in the space that networks see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ..data import to_tensor

COPY_RATIO = 1 / 3
"""A sample this much nearer to one training image than to any other is memorised (https://arxiv.org/abs/2310.02664)."""

NEAR_COPY_DISTANCE = 0.01
"""A sample within this root-mean-square distance, as a share of the value range, of a training image copies it.

That is 2.5 of 255 levels in every value: what rounding or a trace of noise changes, or a single pixel of a 16x16
sprite off by a sixth of the range in each channel. Low contrast alone brings a tenth of real game tiles (dark floors)
within 0.02 of another one; within 0.01 are mirror images and tiles that an eye cannot tell apart. Unlike the ratio it
also finds copies of images that the training set holds in several variants.
"""

_CHUNK = 1 << 24  # entries of a block of distances: 64 MiB of float32
_CANDIDATES = 4


@dataclass(frozen=True)
class Nearest:
    """The two nearest training images of each of N samples.

    Attributes:
        index: int64 (N,), the nearest.
        first: float64 (N,), its root-mean-square distance as a share of the value range, 0 to 1.
        second: float64 (N,), that of the second nearest.
    """

    index: np.ndarray
    first: np.ndarray
    second: np.ndarray

    @property
    def ratio(self) -> np.ndarray:
        """float64 (N,): first / second; 0 for an exact copy, whatever the second is."""
        return np.divide(self.first, self.second, out=np.zeros_like(self.first), where=self.first > 0)

    @property
    def memorised(self) -> np.ndarray:
        """bool (N,): much nearer to one training image than to any other."""
        return self.ratio < COPY_RATIO

    @property
    def near_copies(self) -> np.ndarray:
        """bool (N,): as good as equal to a training image."""
        return self.first < NEAR_COPY_DISTANCE

    def closest(self, count: int) -> list[tuple[int, int, float, float]]:
        """The most suspicious samples as (sample, training image, ratio, distance): near-copies, then by the ratio."""
        order = np.lexsort((np.where(self.near_copies, self.first, self.ratio), ~self.near_copies))[:count]
        return [(int(i), int(self.index[i]), float(self.ratio[i]), float(self.first[i])) for i in order]


def nearest(samples: np.ndarray, train: np.ndarray) -> Nearest:
    """Finds the nearest and second-nearest training image of each sample or its mirror image, whichever is nearer.

    Args:
        samples: uint8 (N, H, W, C).
        train: uint8 (M, H, W, C), 2 or more.
    """
    rows = to_tensor(train).flatten(1)
    norms = rows.square().sum(dim=1)
    step = max(1, _CHUNK // max(rows.shape))
    parts = [_nearest_of(samples[start : start + step], rows, norms) for start in range(0, len(samples), step)]
    return Nearest(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def _nearest_of(
    samples: np.ndarray, rows: torch.Tensor, norms: torch.Tensor
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Candidates by float32 products, whose differences lose digits; then exact distances of those few."""
    images = to_tensor(samples)
    views = [images.flatten(1), images.flip(-1).flatten(1)]
    scores = torch.minimum(*(torch.addmm(norms[None], view, rows.T, alpha=-2) for view in views))
    candidates = scores.topk(min(_CANDIDATES, len(rows)), dim=1, largest=False).indices
    exact = torch.stack([_rms_distances(view, rows, candidates) for view in views]).amin(dim=0)
    distances, order = exact.topk(2, dim=1, largest=False)
    return candidates.gather(1, order)[:, 0].numpy(), distances[:, 0].numpy(), distances[:, 1].numpy()


def _rms_distances(view: torch.Tensor, rows: torch.Tensor, candidates: torch.Tensor) -> torch.Tensor:
    """float64 (N, K): distance of each row of `view` to its candidates; network values range over 2."""
    columns = [(view.double() - rows[column].double()).square().mean(dim=1).sqrt() / 2 for column in candidates.T]
    return torch.stack(columns, dim=1)
