"""Augmentation of what the discriminator sees: repeatable, each kind does its own, and gradients pass."""

from __future__ import annotations

import pytest
import torch

from sprite_diffusers.trainers.gan.diff_augment import diff_augment
from sprite_diffusers.trainers.gan.settings import AUGMENTATIONS


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(count: int = 4, channels: int = 3, size: int = 16) -> torch.Tensor:
    return torch.rand(count, channels, size, size, generator=seeded(7)) * 2 - 1


@pytest.mark.parametrize("kind", AUGMENTATIONS)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_each_kind_changes_images_and_passes_gradients(kind, channels):
    plain = images(channels=channels).requires_grad_()
    changed = diff_augment(plain, [kind], seeded())
    assert changed.shape == plain.shape
    assert not torch.equal(changed, plain)
    assert torch.equal(changed, diff_augment(plain, [kind], seeded()))
    assert not torch.equal(changed, diff_augment(plain, [kind], seeded(1)))
    (gradient,) = torch.autograd.grad(changed.square().sum(), plain)
    assert gradient.abs().sum() > 0


def test_none_is_none():
    plain = images()
    assert diff_augment(plain, [], seeded()) is plain


def test_colour_leaves_alpha():
    plain = images(channels=4)
    assert torch.equal(diff_augment(plain, ["color"], seeded())[:, 3], plain[:, 3])


def test_translation_is_by_whole_pixels_of_the_same_image():
    plain = images(count=8)
    for before, after in zip(plain, diff_augment(plain, ["translation"], seeded()), strict=True):
        padded = torch.nn.functional.pad(before, (2, 2, 2, 2), value=-1.0)
        shifts = [(y, x) for y in range(5) for x in range(5) if torch.equal(padded[:, y : y + 16, x : x + 16], after)]
        assert len(shifts) == 1


def test_cutout_leaves_the_rest():
    plain = images(count=16)
    after = diff_augment(plain, ["cutout"], seeded())
    hole = (after == 0).all(dim=1)
    assert torch.equal(after[:, 0][~hole], plain[:, 0][~hole])
    sizes = hole.flatten(1).sum(1)
    assert int(sizes.max()) <= 64
    assert int(sizes.min()) >= 16
