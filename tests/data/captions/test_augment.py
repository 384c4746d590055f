"""Augmentation of large sprites."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from sprite_diffusers.data.captions import ImageAugmentation
from sprite_diffusers.errors import SpriteError


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def sprites(count: int, channels: int, size: int = 80) -> torch.Tensor:
    """A block of noise in the middle of white, or of transparency."""
    pixels = np.full((count, size, size, channels), 255 if channels == 3 else 0, np.uint8)
    middle = slice(size // 4, 3 * size // 4)
    pixels[:, middle, middle] = np.random.default_rng(0).integers(40, 200, (count, size // 2, size // 2, channels))
    if channels == 4:
        pixels[:, middle, middle, 3] = 255
    return torch.from_numpy(pixels)


OFF = {"horizontal_flip": False, "max_rotation": 0.0, "color_jitter": 0.0}


@pytest.mark.parametrize("channels", [3, 4])
def test_the_generator_alone_decides(channels: int) -> None:
    batch = sprites(8, channels)
    before = batch.clone()
    first = ImageAugmentation()(batch, None, seeded(1))
    assert torch.equal(first, ImageAugmentation()(batch, None, seeded(1)))
    assert not torch.equal(first, ImageAugmentation()(batch, None, seeded(2)))
    assert torch.equal(batch, before)
    assert first.dtype == torch.uint8
    assert first.shape == batch.shape
    assert torch.equal(ImageAugmentation(**OFF)(batch, None, seeded()), batch)


def test_flip_mirrors_half() -> None:
    batch = sprites(200, 3, size=8)
    flipped = ImageAugmentation(**{**OFF, "horizontal_flip": True})(batch, None, seeded())
    mirrored = (flipped == batch.flip(2)).flatten(1).all(1)
    assert (mirrored | (flipped == batch).flatten(1).all(1)).all()
    assert 75 < mirrored.sum() < 125


@pytest.mark.parametrize("channels", [3, 4])
def test_jitter_is_small_and_leaves_the_background(channels: int) -> None:
    batch = sprites(64, channels)
    changed = ImageAugmentation(**{**OFF, "color_jitter": 0.1})(batch, None, seeded())
    background = (batch[..., :3] == 255).all(-1) if channels == 3 else batch[..., 3] == 0
    assert torch.equal(changed[background], batch[background])
    if channels == 4:
        assert torch.equal(changed[..., 3], batch[..., 3])
    difference = (changed[..., :3].float() - batch[..., :3].float())[~background].abs()
    assert 2 < difference.mean() < 12
    assert difference.max() < 60
    means = changed[..., :3][~background].view(64, -1).float().mean(1) / batch[..., :3][~background].view(
        64, -1
    ).float().mean(1)
    assert 0.89 < means.min() < 0.93  # brightness is drawn from 0.9 to 1.1
    assert 1.07 < means.max() < 1.11


def test_rotation_turns_about_the_centre_by_at_most_the_angle() -> None:
    size = 101
    batch = torch.full((300, size, size, 3), 255, dtype=torch.uint8)
    batch[:, 50, 88:93] = 0  # a dark mark, 40 pixels to the right of the centre
    turned = ImageAugmentation(**{**OFF, "max_rotation": 10.0})(batch, None, seeded())
    ink = 255.0 - turned[..., 0].float()
    total = ink.sum((1, 2))
    down = (ink.sum(2) * torch.arange(size)).sum(1) / total - 50
    right = (ink.sum(1) * torch.arange(size)).sum(1) / total - 50
    angles = torch.atan2(down, right) * 180 / math.pi
    torch.testing.assert_close(torch.hypot(down, right), torch.full((300,), 40.0), atol=0.3, rtol=0)
    assert 9.0 < angles.max() < 10.2
    assert -10.2 < angles.min() < -9.0
    assert abs(float(angles.mean())) < 1.0


def test_rotation_of_an_oblong_image_keeps_lengths() -> None:
    batch = torch.full((50, 80, 160, 3), 255, dtype=torch.uint8)
    batch[:, 38:42, 118:122] = 0
    turned = ImageAugmentation(**{**OFF, "max_rotation": 40.0})(batch, None, seeded())
    ink = 255.0 - turned[..., 0].float()
    down = (ink.sum(2) * torch.arange(80)).sum(1) / ink.sum((1, 2)) - 39.5
    right = (ink.sum(1) * torch.arange(160)).sum(1) / ink.sum((1, 2)) - 79.5
    torch.testing.assert_close(torch.hypot(down, right), torch.full((50,), 40.0), atol=0.3, rtol=0)


@pytest.mark.parametrize(("channels", "fill"), [(3, (10, 200, 30)), (4, (0, 0, 0))])
def test_rotation_uncovers_the_fill(channels: int, fill: tuple[int, int, int]) -> None:
    background = torch.tensor(fill if channels == 3 else (0, 0, 0, 0), dtype=torch.uint8)
    batch = background.repeat(20, 100, 100, 1)
    turned = ImageAugmentation(**{**OFF, "max_rotation": 45.0}, fill=fill)(batch, None, seeded())
    assert torch.equal(turned, batch)


def test_rotation_of_rgba_bleeds_no_hidden_colour_into_the_edges() -> None:
    batch = torch.zeros(20, 100, 100, 4, dtype=torch.uint8)
    batch[..., 1] = 255  # hidden green
    batch[:, 30:70, 30:70] = torch.tensor([200, 0, 0, 255], dtype=torch.uint8)
    turned = ImageAugmentation(**{**OFF, "max_rotation": 30.0})(batch, None, seeded())
    seen = turned[turned[..., 3] > 0]
    assert (seen[:, 3] < 255).any()
    assert seen[:, 1:3].max() == 0
    assert set(seen[:, 0].tolist()) <= {199, 200, 201}
    assert turned[turned[..., 3] == 0].max() == 0


def test_pixel_art_gets_no_new_colours_from_rotation() -> None:
    batch = sprites(4, 4, size=64)
    turned = ImageAugmentation(**{**OFF, "max_rotation": 30.0})(batch, None, seeded())
    for before, after in zip(batch, turned, strict=True):
        known = {tuple(color) for color in before.reshape(-1, 4).tolist()}
        assert {tuple(color) for color in after.reshape(-1, 4).tolist()} <= known
    assert not torch.equal(turned, batch)


def test_values_out_of_range() -> None:
    with pytest.raises(SpriteError, match=r"max_rotation 200.0 is not an angle; allowed is 0"):
        ImageAugmentation(max_rotation=200.0)
    with pytest.raises(SpriteError, match=r"color_jitter 1.0 is out of range"):
        ImageAugmentation(color_jitter=1.0)
