"""Enlarged pixel art: by which factor was it enlarged, and how to bring it back to its own pixels.

Pixel art that was enlarged by k without blurring changes colour only at every k-th row and column. In an untouched file
that is exact, and k is the greatest common divisor of the distances between changes. Compression (JPEG, lossy WebP) adds
small changes near the real ones. So a change counts only where it is not small beside the largest nearby, and k is the
largest factor that nearly all that is left agrees on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ..data.audit.grid import block_factors
from ..errors import SpriteError
from .batches import as_batch, code_colors, color_codes

_LUMA = (0.299, 0.587, 0.114)
_REACH = 8  # pixels: compression leaves its traces within blocks of 8
_SMALL = 0.35  # of the largest step nearby: what compression makes of an edge beside it
_FLOOR = 8.0  # of 255: steps that are not seen
_AGREE = 0.8  # share of the steps that must lie on the grid
_FAINT = (
    15.0  # of 255: mean step below which it may be compression that made the blocks, of factors that go with its 8
)
_MIN_LINES = 6  # fewer lines, counted by their strength, agree on anything
_MIN_BLOCKS = 4  # an image has at least so many blocks in each direction


@dataclass(frozen=True)
class GridEstimate:
    """How a picture was enlarged.

    Attributes:
        scale: side of a block, in pixels of the picture; 1 if it was not enlarged or shows too little to tell.
        offset: ``(x, y)`` of the first whole block; not (0, 0) if the picture was cropped or padded after it was enlarged.
        agreement: share of the colour steps that lie on the grid; 1 if all do.
    """

    scale: int
    offset: tuple[int, int] = (0, 0)
    agreement: float = 1.0


def detect_scale(pixels: np.ndarray) -> GridEstimate:
    """The factor by which pixel art was enlarged, also after lossy compression; 1 for pictures of their own resolution.

    A drawing whose own pixels come in blocks (each 2 by 2, say) is taken for what it looks like: the enlargement is that of
    the blocks. Smoothly enlarged pictures (bilinear, bicubic) have no grid of this kind.

    Args:
        pixels: uint8 ``(H, W, 3 | 4)``.

    Raises:
        SpriteError: other pixels.
    """
    batch = as_batch(pixels)
    if len(batch) != 1 or pixels.ndim != 3:
        raise SpriteError(f"{len(batch)} images were given to detect_scale, but it looks at one, (H, W, 3 or 4).")
    shown = _premultiplied(batch[0])
    exact = int(block_factors(shown[None])[0][0])
    if exact > 1:
        return GridEstimate(exact, _exact_offset(shown, exact))
    return _estimate(shown) if exact == 1 else GridEstimate(1)


def _premultiplied(pixels: np.ndarray) -> np.ndarray:
    """Without the invisible colours of transparent pixels: uint8, as `pixels`."""
    if pixels.shape[-1] == 3:
        return pixels
    alpha = pixels[..., 3:].astype(np.uint16)
    return np.concatenate([(pixels[..., :3] * alpha // 255).astype(np.uint8), pixels[..., 3:]], axis=-1)


def _exact_offset(pixels: np.ndarray, scale: int) -> tuple[int, int]:
    """Where blocks begin, from the first change in each direction."""
    columns = (pixels[:, 1:] != pixels[:, :-1]).any(axis=(0, 2))
    rows = (pixels[1:] != pixels[:-1]).any(axis=(1, 2))
    x, y = (int(changes.argmax() + 1) % scale if changes.any() else 0 for changes in (columns, rows))
    return x, y


def _estimate(pixels: np.ndarray) -> GridEstimate:
    """The largest factor on which the strong steps of luminance and alpha agree."""
    across, down = _strong_steps(pixels)
    columns, rows = across.sum(axis=0), down.sum(axis=1)
    strengths, total = np.concatenate([columns, rows]), columns.sum() + rows.sum()
    # as many lines as there would be if all were equally strong
    if not total or total**2 / np.square(strengths).sum() < _MIN_LINES:
        return GridEstimate(1)
    is_faint = np.square(across).sum() + np.square(down).sum() < _FAINT * total
    for scale in range(min(pixels.shape[:2]) // _MIN_BLOCKS, 1, -1):
        if is_faint and (scale % _REACH == 0 or _REACH % scale == 0):
            continue
        by_x, by_y = (
            np.bincount(np.arange(1, len(steps) + 1) % scale, weights=steps, minlength=scale)
            for steps in (columns, rows)
        )
        agreement = (by_x.max() + by_y.max()) / total
        if agreement >= _AGREE:
            return GridEstimate(scale, (int(by_x.argmax()), int(by_y.argmax())), float(agreement))
    return GridEstimate(1)


def _strong_steps(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Steps between neighbours, ``(H, W - 1)`` and ``(H - 1, W)``, of 0 to 255; 0 where they are small."""
    seen = torch.from_numpy(pixels.astype(np.float32))
    values = torch.stack([seen[..., :3] @ torch.tensor(_LUMA), *seen[..., 3:].unbind(-1)])
    across, down = (values.diff(dim=axis).abs().amax(dim=0) for axis in (2, 1))
    largest = torch.zeros(seen.shape[:2])
    largest[:, 1:] = across
    largest[1:] = torch.maximum(largest[1:], down)
    largest = torch.nn.functional.max_pool2d(largest[None, None], 2 * _REACH + 1, 1, _REACH)[0, 0]
    floor = torch.clamp(_SMALL * largest, min=_FLOOR)
    across = torch.where(across >= floor[:, 1:], across, 0.0)
    down = torch.where(down >= floor[1:], down, 0.0)
    return across.double().numpy(), down.double().numpy()


def reduce_to_grid(pixels: np.ndarray, grid: GridEstimate | int) -> np.ndarray:
    """Enlarged pixel art at its own size: one pixel per block.

    Each takes the commonest colour of the inner half of its block, where compression changes least; if that is of one
    pixel only, the median of it. Blocks that the edge of the picture cuts to less than half are left out. Alpha of a
    block is 255 if at least half of its pixels are nearer to opaque, otherwise 0.

    Args:
        pixels: uint8 ``(H, W, 3 | 4)``.
        grid: from `detect_scale`, or the factor of a grid that begins at the corner.

    Returns:
        uint8 ``(about H / scale, about W / scale, 3 | 4)``.

    Raises:
        SpriteError: other pixels, or a factor that is below 1 or larger than the picture.
    """
    as_batch(pixels)
    grid = GridEstimate(grid) if isinstance(grid, int) else grid
    if pixels.ndim != 3 or not 1 <= grid.scale <= min(pixels.shape[:2]):
        raise SpriteError(
            f"a picture of shape {pixels.shape} cannot be reduced by {grid.scale}: give 1 to {min(pixels.shape[:2])}."
        )
    if grid.scale == 1:
        return pixels
    columns, rows = (
        _inner_lines(size, grid.scale, start) for size, start in zip(pixels.shape[1::-1], grid.offset, strict=True)
    )
    blocks = pixels[rows[:, None, :, None], columns[None, :, None, :]]
    return _one_pixel_each(blocks.reshape(len(rows), len(columns), -1, pixels.shape[-1]))


def _inner_lines(size: int, scale: int, offset: int) -> np.ndarray:
    """``(blocks, n)``: the lines of each block of which at least half is there, less a quarter at both of its ends."""
    starts = np.arange(offset % scale - scale, size, scale)
    first, last = np.maximum(starts, 0), np.minimum(starts + scale, size) - 1
    margin = scale // 4
    inner = starts[:, None] + np.arange(margin, scale - margin)
    inside = np.clip(inner, first[:, None], last[:, None])  # those of a block that is cut come twice
    return inside[2 * (last + 1 - first) >= scale]


def _one_pixel_each(blocks: np.ndarray) -> np.ndarray:
    """uint8 ``(..., C)`` of the pixels of blocks, ``(..., n, C)``."""
    codes = color_codes(blocks[..., :3])
    if blocks.shape[-1] == 4:
        codes = np.where(blocks[..., 3] >= 128, codes, -1)
    colors, most = _commonest(codes)
    result = code_colors(colors)
    rare = most == 1
    levels = np.where(codes[rare, :, None] >= 0, blocks[rare, :, :3].astype(np.int16), 256)  # the invisible come last
    middle = ((codes[rare] >= 0).sum(axis=-1) - 1) // 2
    result[rare] = np.take_along_axis(np.sort(levels, axis=1), middle[:, None, None], axis=1)[:, 0]
    if blocks.shape[-1] == 3:
        return result
    visible = 2 * (codes >= 0).sum(axis=-1) >= codes.shape[-1]
    return np.where(visible[..., None], np.insert(result, 3, 255, axis=-1), 0).astype(np.uint8)


def _commonest(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The commonest of codes ``(..., n)`` that are not -1, and how often it comes; -1 and 0 where there is none."""
    ordered = np.moveaxis(np.sort(codes, axis=-1), -1, 0)
    best, most = np.full(ordered.shape[1:], -1), np.zeros(ordered.shape[1:], int)
    run = most
    for index, code in enumerate(ordered):  # equal ones come in a row
        run = np.where(code == ordered[index - 1], run, 0) + 1
        better = (run > most) & (code >= 0)
        best, most = np.where(better, code, best), np.where(better, run, most)
    return best, most
