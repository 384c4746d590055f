"""The factor of enlarged pixel art, and its own pixels."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageFilter

from sprite_diffusers.data.pixels import composite
from sprite_diffusers.data.synthetic import generate
from sprite_diffusers.errors import SpriteError
from sprite_diffusers.pixels import GridEstimate, detect_scale, reduce_to_grid

from .sprites import noise


def enlarged(pixels: np.ndarray, scale: int) -> np.ndarray:
    return pixels.repeat(scale, axis=0).repeat(scale, axis=1)


def jpeg(pixels: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


@pytest.fixture(scope="module")
def sprites() -> np.ndarray:
    """RGB on white, 16x16 and lively."""
    return composite(generate(5, size=16)["pixels"], "white")


@pytest.mark.parametrize("scale", [2, 3, 7, 12])
@pytest.mark.parametrize("quality", [None, 95, 75])
def test_the_factor_is_found(sprites, scale, quality):
    for sprite in sprites:
        large = enlarged(sprite, scale)
        large = large if quality is None else jpeg(large, quality)
        assert detect_scale(large).scale == scale


def test_transparent_pixels_have_no_colour(sprites):
    sprite = generate(1, size=16)["pixels"][0]
    large = enlarged(sprite, 4)
    large[large[..., 3] == 0, :3] = noise((large[..., 3] == 0).sum(), alpha=False)
    assert detect_scale(large) == GridEstimate(4)
    np.testing.assert_array_equal(reduce_to_grid(large, 4), sprite)


@pytest.mark.parametrize("quality", [None, 90])
def test_cropped_pictures_have_an_offset(sprites, quality):
    large = enlarged(sprites[0], 6)[2:, 5:]
    grid = detect_scale(large if quality is None else jpeg(large, quality))
    assert (grid.scale, grid.offset) == (6, (1, 4))
    np.testing.assert_array_equal(reduce_to_grid(large, grid), sprites[0][:, 1:])


@pytest.mark.parametrize("scale", [3, 8])
def test_reduction_restores_the_sprite(sprites, scale):
    sprite = sprites[1]
    np.testing.assert_array_equal(reduce_to_grid(enlarged(sprite, scale), scale), sprite)
    difference = np.abs(reduce_to_grid(jpeg(enlarged(sprite, scale), 90), scale).astype(int) - sprite)
    assert np.median(difference) <= 2
    assert (difference.max(axis=-1) < 48).mean() > 0.9


def test_soft_alpha_of_a_block_is_decided_by_its_majority():
    block = np.zeros((2, 2, 4), np.uint8)
    block[0] = (9, 8, 7, 255)
    assert reduce_to_grid(block, 2)[0, 0].tolist() == [9, 8, 7, 255]
    block[0, 0, 3] = 100
    assert reduce_to_grid(block, 2)[0, 0].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("quality", [None, 90, 75])
def test_pictures_of_their_own_resolution_are_left_alone(sprites, quality):
    down, across = np.mgrid[:96, :96]
    gradient = np.stack([down * 2, across * 2, (down + across)], axis=-1).astype(np.uint8)
    random = Image.fromarray(noise(96, 96, alpha=False))
    blurred = np.asarray(random.filter(ImageFilter.GaussianBlur(1.5)))
    strong = np.clip((blurred.astype(int) - 128) * 6 + 128, 0, 255).astype(np.uint8)
    smooth = np.asarray(Image.fromarray(sprites[0]).resize((80, 80), Image.Resampling.BILINEAR))
    for picture in (gradient, blurred, strong, smooth, *sprites, np.full((64, 64, 3), 7, np.uint8)):
        picture = picture if quality is None else jpeg(picture, quality)
        assert detect_scale(picture).scale == 1


def test_what_cannot_be_looked_at_or_reduced():
    with pytest.raises(SpriteError, match="it looks at one"):
        detect_scale(noise(2, 8, 8))
    with pytest.raises(SpriteError, match="must be a uint8 array"):
        detect_scale(np.zeros((8, 8), np.uint8))
    for factor in (0, 9):
        with pytest.raises(SpriteError, match=f"reduced by {factor}: give 1 to 8"):
            reduce_to_grid(noise(8, 8), factor)
