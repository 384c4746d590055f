"""What makes pixel art pixel art, as rewards that need no network: few colours of a palette, hard edges, symmetry, small files.

All of them see transparency: a pixel that is fully transparent has no colour. A sprite with nothing visible has no
score (`None`). Values are from 0 to 1, the better the higher, unless said otherwise.
"""

from __future__ import annotations

import io
import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image

from ..data.pixels import parse_color
from ..errors import SpriteError
from ..evaluation.pixel_stats import palette_metrics
from .base import DifferentiableReward, ImageReward

Color = str | Sequence[int]

_MAX_DISTANCE = math.sqrt(3)  # of two colours in [0, 1]^3
_ITERATIONS = 10  # of k-means
_SOFT_STEP = 32  # levels: neighbours that differ by less, but do differ, are a soft edge
JPEG_QUALITY = 95  # as in DDPO


def visible(image: torch.Tensor) -> bool:
    """Whether an image ``(3 | 4, H, W)`` has a pixel that is not fully transparent, in 256 levels."""
    return image.shape[0] == 3 or bool((image[3] * 255).round().any())


class PaletteFitReward(DifferentiableReward):
    """1 less the mean distance of visible pixels to the nearest colour of a palette, as a share of black to white.

    Pixels count by their alpha. With `num_colors` in place of a palette, each image is held against the closest palette
    of that many colours for itself (k-means from far-apart colours, without randomness), which has no gradient of its own.

    Args:
        palette: colours as names, ``"#rrggbb"`` or three values 0..255.
        num_colors: colours of an image's own palette.
        batch_size, name: see `ImageReward`.

    Raises:
        SpriteError: neither or both, or a colour that is none.
    """

    sees_alpha = True

    def __init__(
        self,
        palette: Sequence[Color] | None = None,
        num_colors: int | None = None,
        *,
        batch_size: int = 64,
        name: str = "palette_fit",
    ):
        super().__init__(name, batch_size=batch_size)
        if (palette is None) == (num_colors is None) or (palette is not None and not len(palette)):
            raise SpriteError(f"the reward {name!r} needs a palette of colours, or num_colors, and not both.")
        if num_colors is not None and num_colors < 1:
            raise SpriteError(f"the reward {name!r} got num_colors={num_colors}; it must be 1 or more.")
        self.num_colors = num_colors
        colors = [_color(color) for color in palette or ()]
        self.palette = torch.tensor(colors) / 255 if colors else None
        self.version = f"1 {' '.join(bytes(color).hex() for color in colors) or num_colors}"

    def applies(self, image: torch.Tensor, prompt: str | None, **metadata: Any) -> bool:
        return visible(image)

    def compute(self, images: torch.Tensor, prompts: list[str | None], **metadata: Any) -> torch.Tensor:
        return torch.stack([self._fit(image.float()) for image in images])

    def _fit(self, image: torch.Tensor) -> torch.Tensor:
        pixels = image[:3].flatten(1).T
        weights = image[3].flatten().detach() if len(image) == 4 else torch.ones_like(pixels[:, 0])
        palette = (
            self.palette if self.palette is not None else own_palette(pixels.detach(), weights, self.num_colors or 1)
        )
        # the nearest colour is found without a gradient: that of a distance of 0 must be 0, and not NaN
        nearest = _distances(pixels.detach(), palette.to(pixels)).argmin(dim=1)
        distances = torch.linalg.vector_norm(pixels - palette.to(pixels)[nearest], dim=1) / _MAX_DISTANCE
        return (weights * (1 - distances)).sum() / weights.sum().clamp_min(1e-6)


def _color(color: Color) -> tuple[int, int, int]:
    values = parse_color(color) if isinstance(color, str) else tuple(int(value) for value in color)
    if len(values) != 3 or not all(0 <= value <= 255 for value in values):
        raise SpriteError(f"{color!r} is no colour: give a name, '#rrggbb' or three values from 0 to 255.")
    return values[0], values[1], values[2]


def _distances(pixels: torch.Tensor, colors: torch.Tensor) -> torch.Tensor:
    """``(N, K)``; by differences, as products of matrices lose the small ones."""
    return torch.cdist(pixels, colors, compute_mode="donot_use_mm_for_euclid_dist")


def own_palette(pixels: torch.Tensor, weights: torch.Tensor, num_colors: int) -> torch.Tensor:
    """At most `num_colors` colours ``(K, 3)`` near the pixels ``(N, 3)`` of an image, by weighted k-means.

    An image of no more colours gets its own. The start is the mean's farthest colour, then again and again the colour
    farthest from those taken, so that the same image always has the same palette.
    """
    seen = weights > 0
    if not seen.any():
        return pixels[:1]
    colors, index = torch.unique(pixels[seen], dim=0, return_inverse=True)
    if len(colors) <= num_colors:
        return colors
    mass = torch.zeros(len(colors), dtype=pixels.dtype, device=pixels.device).index_add_(0, index, weights[seen])
    mean = (mass[:, None] * colors).sum(dim=0, keepdim=True) / mass.sum()
    palette = colors[_distances(colors, mean).argmax()][None]
    while len(palette) < num_colors:
        palette = torch.cat([palette, colors[_distances(colors, palette).amin(dim=1).argmax()][None]])
    for _ in range(_ITERATIONS):
        nearest = _distances(colors, palette).argmin(dim=1)
        total = torch.zeros_like(palette[:, 0]).index_add_(0, nearest, mass)
        moved = torch.zeros_like(palette).index_add_(0, nearest, mass[:, None] * colors)
        palette = torch.where(total[:, None] > 0, moved / total[:, None].clamp_min(1e-12), palette)
    return palette


class SymmetryReward(DifferentiableReward):
    """1 less the mean difference of a sprite and its mirror image, with colour premultiplied by alpha.

    Args:
        axis: ``"vertical"`` compares left and right, ``"horizontal"`` top and bottom.
        batch_size, name: see `ImageReward`.
    """

    sees_alpha = True

    def __init__(self, axis: str = "vertical", *, batch_size: int = 256, name: str = "symmetry"):
        super().__init__(name, batch_size=batch_size)
        dims = {"vertical": 3, "horizontal": 2}
        if axis not in dims:
            raise SpriteError(f"the reward {name!r} got axis {axis!r}: give {' or '.join(dims)}.")
        self.dim = dims[axis]
        self.version = f"1 {axis}"

    def applies(self, image: torch.Tensor, prompt: str | None, **metadata: Any) -> bool:
        return visible(image)

    def compute(self, images: torch.Tensor, prompts: list[str | None], **metadata: Any) -> torch.Tensor:
        images = images.float()
        if images.shape[1] == 4:
            images = torch.cat([images[:, :3] * images[:, 3:], images[:, 3:]], dim=1)
        return 1 - (images - images.flip(self.dim)).abs().mean(dim=(1, 2, 3))


class ByteReward(ImageReward):
    """A reward of the pixels of one sprite in 256 levels, as a file of it has them."""

    sees_alpha = True

    def applies(self, image: torch.Tensor, prompt: str | None, **metadata: Any) -> bool:
        return visible(image)

    def measure(self, images: torch.Tensor, prompts: list[str | None], **metadata: Any) -> list[float]:
        arrays = (images.clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
        return [self.measure_pixels(pixels) for pixels in arrays]

    @abstractmethod
    def measure_pixels(self, pixels: np.ndarray) -> float:
        """The score of uint8 ``(H, W, 3 | 4)``."""


class NumColorsReward(ByteReward):
    """Minus the doublings of the number of distinct colours over what is allowed: 0 up to `max_colors`, -1 at twice that.

    The raw output of a network has a colour for almost every pixel, where this hardly changes: `PaletteFitReward`
    shows the way there.

    Args:
        max_colors: that are free.
        batch_size, name: see `ImageReward`.
    """

    def __init__(self, max_colors: int = 16, *, batch_size: int = 256, name: str = "num_colors"):
        super().__init__(name, batch_size=batch_size)
        if max_colors < 1:
            raise SpriteError(f"the reward {name!r} got max_colors={max_colors}; it must be 1 or more.")
        self.max_colors = max_colors
        self.version = f"1 {max_colors}"

    def measure_pixels(self, pixels: np.ndarray) -> float:
        count = palette_metrics(pixels[None])["unique_colors"]
        return -max(math.log2(count / self.max_colors), 0.0)


class OrphanPixelsReward(ByteReward):
    """Share of the opaque pixels that have a neighbour (of eight) of their colour, as the evaluation counts orphans."""

    def __init__(self, *, batch_size: int = 256, name: str = "orphan_pixels"):
        super().__init__(name, batch_size=batch_size)

    def measure_pixels(self, pixels: np.ndarray) -> float:
        return 1 - palette_metrics(pixels[None])["orphan_pixels"]


class HardEdgesReward(ByteReward):
    """Share of pairs of neighbours (side by side, one above the other) without a soft step between them.

    A step is soft if one of the two is half transparent, or if both are visible and differ, but by less than 32 levels
    in every channel: blur, and not a drawn edge. Pairs of two invisible pixels do not count.
    """

    def __init__(self, *, batch_size: int = 256, name: str = "hard_edges"):
        super().__init__(name, batch_size=batch_size)

    def measure_pixels(self, pixels: np.ndarray) -> float:
        color = pixels[..., :3].astype(np.int16)
        alpha = pixels[..., 3] if pixels.shape[-1] == 4 else np.full(pixels.shape[:2], 255, np.uint8)
        soft, pairs = 0, 0
        for first, second in ((np.s_[:-1], np.s_[1:]), (np.s_[:, :-1], np.s_[:, 1:])):
            step = np.abs(color[first] - color[second]).max(axis=-1)
            either = (alpha[first] > 0) | (alpha[second] > 0)
            both = (alpha[first] > 0) & (alpha[second] > 0)
            partial = [(part > 0) & (part < 255) for part in (alpha[first], alpha[second])]
            soft += int((partial[0] | partial[1] | (both & (step > 0) & (step < _SOFT_STEP))).sum())
            pairs += int(either.sum())
        return 1 - soft / max(pairs, 1)


class CompressibilityReward(ByteReward):
    """Minus the size of the image as a file, in kB of 1000 bytes (section 5.1 of https://arxiv.org/abs/2305.13301).

    Args:
        file_format: ``"png"``, optimised, with transparency; or ``"jpeg"`` of quality 95, as in DDPO.
        background: put behind transparent pixels; needed for transparent images and JPEG.
        batch_size, name: see `ImageReward`.
    """

    def __init__(
        self,
        file_format: str = "png",
        *,
        background: str | None = None,
        batch_size: int = 256,
        name: str = "compressibility",
    ):
        super().__init__(name, background, batch_size)
        options: dict[str, dict[str, Any]] = {"png": {"optimize": True}, "jpeg": {"quality": JPEG_QUALITY}}
        if file_format not in options:
            raise SpriteError(f"the reward {name!r} got file_format {file_format!r}: give {' or '.join(options)}.")
        self.file_format, self.options = file_format, options[file_format]
        self.sees_alpha = file_format == "png" and background is None
        self.version = f"1 {file_format}"

    def measure_pixels(self, pixels: np.ndarray) -> float:
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, self.file_format, **self.options)
        return -len(file.getvalue()) / 1000
