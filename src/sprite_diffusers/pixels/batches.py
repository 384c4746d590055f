"""What every function of this folder takes, uint8 pixels of one image or of a batch, and what it looks at them as."""

from __future__ import annotations

import numpy as np
import torch

from ..errors import SpriteError
from ..pipelines.sprite_palette import srgb_to_oklab


def as_batch(pixels: np.ndarray, alpha: bool = False) -> np.ndarray:
    """uint8 ``(N, H, W, 3 | 4)`` of that, or of one image ``(H, W, 3 | 4)``; `result.reshape(pixels.shape)` undoes it.

    Args:
        alpha: whether only RGBA will do.

    Raises:
        SpriteError: anything else.
    """
    channels = (4,) if alpha else (3, 4)
    is_right = isinstance(pixels, np.ndarray) and pixels.dtype == np.uint8 and pixels.ndim in (3, 4)
    if not is_right or pixels.shape[-1] not in channels or not pixels.size:
        given = f"{pixels.dtype} {pixels.shape}" if isinstance(pixels, np.ndarray) else type(pixels).__name__
        wanted = "RGBA, (H, W, 4)" if alpha else "RGB or RGBA, (H, W, 3 or 4)"
        raise SpriteError(
            f"pixels are {given}, but must be a uint8 array of {wanted} or (N, ...); convert pictures by "
            f"np.asarray(image.convert({'RGBA' if alpha else 'RGB'!r}))."
        )
    return pixels if pixels.ndim == 4 else pixels[None]


def to_unit(pixels: np.ndarray) -> torch.Tensor:
    """uint8 ``(N, H, W, C)`` to float32 ``(N, C, H, W)`` in ``[0, 1]``."""
    return torch.from_numpy(np.ascontiguousarray(pixels)).movedim(-1, 1).float() / 255


def to_levels(images: torch.Tensor) -> np.ndarray:
    """The inverse of `to_unit`."""
    return (images.movedim(1, -1) * 255).round().to(torch.uint8).numpy()


def color_codes(pixels: np.ndarray) -> np.ndarray:
    """int64 ``(...)``: the colour of pixels ``(..., 3 | 4)`` in one number, and -1 where they are not visible."""
    codes = pixels[..., :3].astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])
    return codes if pixels.shape[-1] == 3 else np.where(pixels[..., 3] > 0, codes, -1)


def code_colors(codes: np.ndarray) -> np.ndarray:
    """uint8 ``(..., 3)``: the colours of codes; black for -1."""
    known = np.maximum(codes, 0)
    return np.stack([known >> 16, (known >> 8) & 255, known & 255], axis=-1).astype(np.uint8)


def oklab(colors: np.ndarray) -> np.ndarray:
    """float32 ``(..., 3)``: uint8 colours where equal steps look equally large."""
    return srgb_to_oklab(torch.from_numpy(colors.astype(np.float32) / 255)).numpy()
