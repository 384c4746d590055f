"""Losses and the penalty against what the papers say of them."""

from __future__ import annotations

import math

import pytest
import torch

from sprite_diffusers.trainers.gan.losses import (
    discriminator_accuracy,
    discriminator_loss,
    generator_loss,
    r1_penalty,
)

REAL, FAKE = torch.tensor([2.0, -0.5]), torch.tensor([-1.0, 0.5])


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


@pytest.mark.parametrize(
    ("kind", "discriminator", "generator"),
    [
        ("non_saturating", (softplus(-2) + softplus(0.5) + softplus(-1) + softplus(0.5)) / 2,
         (softplus(1) + softplus(-0.5)) / 2),
        ("hinge", (0 + 1.5) / 2 + (0 + 1.5) / 2, 0.25),
        ("relativistic", (softplus(-3) + softplus(1)) / 2, (softplus(3) + softplus(-1)) / 2),
    ],
)  # fmt: skip
def test_values(kind, discriminator, generator):
    assert float(discriminator_loss(kind, REAL, FAKE)) == pytest.approx(discriminator, rel=1e-5)
    assert float(generator_loss(kind, REAL, FAKE)) == pytest.approx(generator, rel=1e-5)


@pytest.mark.parametrize("kind", ["non_saturating", "hinge", "relativistic"])
def test_the_two_pull_in_opposite_directions(kind):
    real, fake = REAL.clone(), FAKE.clone().requires_grad_()
    (for_discriminator,) = torch.autograd.grad(discriminator_loss(kind, real, fake), fake)
    (for_generator,) = torch.autograd.grad(generator_loss(kind, real, fake), fake)
    assert (for_discriminator >= 0).all()
    assert (for_generator < 0).all()


def test_accuracy_is_relative_where_logits_have_no_origin():
    real, fake = torch.tensor([5.0, 6.0]), torch.tensor([3.0, 4.0])
    assert [float(share) for share in discriminator_accuracy("hinge", real, fake)] == [1.0, 0.0]
    assert [float(share) for share in discriminator_accuracy("relativistic", real, fake)] == [1.0, 1.0]
    mixed = discriminator_accuracy("relativistic", torch.tensor([4.0, 10.0]), torch.tensor([0.0, 5.0]))
    assert [float(share) for share in mixed] == [0.5, 0.5]  # no image counts as right on both sides


def test_r1_is_half_the_squared_gradient():
    images = torch.zeros(3, 1, 2, 2, requires_grad=True)
    weight = torch.tensor([1.0, 2.0, 0.0, -1.0], requires_grad=True)
    penalty = r1_penalty(images.flatten(1) @ weight, images)
    assert float(penalty) == pytest.approx(0.5 * 6)
    penalty.backward()
    assert weight.grad.tolist() == pytest.approx([1.0, 2.0, 0.0, -1.0])
