"""Figures of images and of latents: errors, variance, silhouettes and the use of a codebook."""

from __future__ import annotations

import numpy as np
import torch

MAX_PSNR = 100.0
"""dB, in place of the infinite PSNR of a perfect copy."""
_LEVELS = 255


def squared_error(output: torch.Tensor, clean: torch.Tensor) -> torch.Tensor:
    """float64 (N,): mean squared error per image, of values in [0, 1] (the tensors are in [-1, 1])."""
    return (output.double() - clean.double()).square().flatten(1).mean(dim=1) / 4


def ssim(output: torch.Tensor, clean: torch.Tensor) -> torch.Tensor:
    """float64 (N,): structural similarity of each image (Wang et al. 2004), -1 to 1, of values in [0, 1].

    The window is a Gaussian of 11 pixels (sigma 1.5), and the border is mirrored, as torchmetrics has it.
    """
    from torchmetrics.functional.image import structural_similarity_index_measure

    # float64: the variance of a flat area is a difference of nearly equal numbers, and sprites are mostly flat
    unit, clean_unit = (output.double() + 1) / 2, (clean.double() + 1) / 2
    values = structural_similarity_index_measure(unit, clean_unit, data_range=1.0, reduction="none")
    assert isinstance(values, torch.Tensor)  # without the full image
    return values.reshape(-1)


def rounded(latents: torch.Tensor, low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
    """Each number as a byte between its least and largest value, and back."""
    step = (high - low).clamp(min=1e-30) / _LEVELS
    return low + ((latents - low) / step).round().clamp(0, _LEVELS) * step


def psnr(mse: torch.Tensor, most: float = MAX_PSNR) -> torch.Tensor:
    """dB of a mean squared error of values in [0, 1], `most` where it would be higher."""
    return (-10 * mse.log10()).clamp(max=most)


def components_for(rows: torch.Tensor, share: float) -> int:
    """How many principal components of `rows` float64 (N, D) hold `share` of the variance; 0 if there is none."""
    centred = rows - rows.mean(dim=0)
    # the smaller of the two products, which have the same spectrum
    product = centred @ centred.T if len(rows) < rows.shape[1] else centred.T @ centred
    held = torch.linalg.eigvalsh(product).clamp(min=0).flip(0).cumsum(dim=0)
    return int((held < share * held[-1]).sum()) + 1 if held[-1] > 0 else 0


def codebook_metrics(counts: torch.Tensor, train_counts: torch.Tensor) -> dict[str, float]:
    """Of int64 (codes,) counts of held-out and of training images: shares 0 to 1, perplexity 1 to codes."""
    shares = counts.double() / counts.sum()
    return {
        "codebook_use": float((counts > 0).double().mean()),
        "codebook_use_train": float((train_counts > 0).double().mean()),
        "codebook_perplexity": float(torch.special.entr(shares).sum().exp()),
    }


def standardised(values: torch.Tensor) -> np.ndarray:
    """float32 (N, D) of mean 0 and deviation 1; 0 where all are equal but for rounding."""
    rows = values.flatten(1).double()
    deviation = rows.std(dim=0, correction=0)
    constant = deviation <= 1e-6 * deviation.max()
    centred = (rows - rows.mean(dim=0)) / deviation.masked_fill(constant, 1.0)
    return centred.masked_fill(constant, 0.0).float().numpy()


def silhouettes(latents: np.ndarray, pixels: np.ndarray, labels: np.ndarray | None) -> dict[str, float]:
    """Silhouette scores of (N, D) rows in classes int64 (N,), without classes of one image; {} if fewer than two are left."""
    from sklearn.metrics import silhouette_score

    if labels is None:
        return {}
    members = np.bincount(labels)
    kept = members[labels] >= 2
    if (members >= 2).sum() < 2:
        return {}
    spaces = {"silhouette_latents": latents, "silhouette_pixels": pixels}
    return {name: float(silhouette_score(rows[kept], labels[kept])) for name, rows in spaces.items()}
