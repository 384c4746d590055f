"""Seams of tiles: seen where they are, mended without new colours."""

from __future__ import annotations

import numpy as np
import pytest

from sprite_diffusers.errors import SpriteError
from sprite_diffusers.pixels import repair_seams, seam_score

from .sprites import visible_colors


def waves(size: int = 32, wraps: bool = True) -> np.ndarray:
    """A smooth texture that repeats, or one that is cut off."""
    down, across = np.mgrid[:size, :size] / size * 2 * np.pi * (1 if wraps else 0.62)
    levels = [np.sin(across), np.sin(down), np.sin(across + down)]
    return (127.5 + 100 * np.stack(levels, axis=-1)).round().astype(np.uint8)


def test_scores_tell_tiles_from_cuttings():
    assert seam_score(waves()) > 0.9
    assert seam_score(waves(wraps=False)) < 0.2
    assert seam_score(np.full((8, 8, 3), 90, np.uint8)) == 1.0


def test_one_bad_edge_is_enough():
    pixels = waves()
    pixels[-1] = 255
    assert seam_score(pixels) < 0.3
    assert seam_score(np.swapaxes(pixels, 0, 1)) < 0.3


@pytest.mark.parametrize("shape", [(32, 32), (32, 24), (17, 33)])
def test_repaired_tiles_repeat_in_colours_of_their_own(shape):
    pixels = (
        np.random.default_rng(0).integers(0, 3, (*shape, 1), np.uint8) * 8 + waves(40, False)[: shape[0], : shape[1]]
    )
    repaired = repair_seams(pixels)
    assert repaired.shape == pixels.shape
    assert visible_colors(repaired) <= visible_colors(pixels)
    assert seam_score(repaired) > 3 * seam_score(pixels)


def test_alpha_has_seams_too():
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[:, :3] = (90, 90, 90, 255)
    pixels[:3] = (90, 90, 90, 255)
    assert seam_score(pixels) < 1
    assert set(np.unique(repair_seams(pixels)[..., 3])) == {0, 255}


def test_a_tile_is_one_picture_of_some_size():
    for pixels in (np.zeros((3, 8, 3), np.uint8), np.zeros((2, 8, 8, 3), np.uint8)):
        with pytest.raises(SpriteError, match="no single picture of at least 4 by 4"):
            seam_score(pixels)
        with pytest.raises(SpriteError, match="no single picture"):
            repair_seams(pixels)
