"""Damage to images that a denoising autoencoder learns to undo."""

from __future__ import annotations

import torch

from ..errors import SpriteError

NOISE_TYPES = ("none", "gaussian", "masking", "salt_and_pepper")


def corrupt(
    images: torch.Tensor, noise_type: str, strength: float, generator: torch.Generator | None = None
) -> torch.Tensor:
    """Adds noise, or destroys pixels (Vincent et al. 2010, https://jmlr.org/papers/v11/vincent10a.html).

    Masking and salt-and-pepper hit whole pixels, all channels at once, and the same number of them in every image.

    Args:
        images: float (N, C, H, W) in [-1, 1], RGB or premultiplied RGBA; not modified.
        noise_type: "none" gives `images` back; "gaussian" adds noise to every value and clips; "masking" makes pixels
            black, or transparent in RGBA; "salt_and_pepper" makes them white or black, half of them each (black if one
            is left), and opaque in RGBA.
        strength: 0 to 1. The standard deviation of Gaussian noise where black is 0 and white is 1; else the share of
            the pixels.
        generator: the only source of randomness, on any device; by default that of torch.

    Returns:
        Of the shape, type and device of `images`, in [-1, 1].

    Raises:
        SpriteError: an unknown noise, or a strength that is not in 0 to 1.
    """
    if noise_type not in NOISE_TYPES:
        raise SpriteError(
            f"noise {noise_type!r} is unknown; allowed are {', '.join(NOISE_TYPES)}; change --input_noise"
        )
    if not 0.0 <= strength <= 1.0:
        raise SpriteError(f"noise strength {strength} is out of range; allowed is 0 to 1; change --noise_strength")
    if noise_type == "none":
        return images
    if noise_type == "gaussian":
        noise = torch.randn(images.shape, generator=generator, device=_device(images, generator))
        return (images + 2.0 * strength * noise.to(images)).clamp_(-1.0, 1.0)  # 2: [-1, 1] is twice as wide as [0, 1]
    height, width = images.shape[-2:]
    scores = torch.rand(len(images), height * width, generator=generator, device=_device(images, generator))
    rank = scores.argsort(dim=1).argsort(dim=1).view(-1, 1, height, width).to(images.device)
    count = round(strength * height * width)
    if noise_type == "masking":
        return images.masked_fill(rank < count, -1.0)
    damaged = images.masked_fill(rank < count, -1.0).masked_fill(rank < count // 2, 1.0)
    if images.shape[1] == 4:
        damaged[:, 3:].masked_fill_(rank < count, 1.0)
    return damaged


def _device(images: torch.Tensor, generator: torch.Generator | None) -> torch.device:
    """Noise of a CPU generator is the same for images on any device."""
    return images.device if generator is None else generator.device
