"""What the two networks of a GAN play for, and the penalty on the discriminator's gradient."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def discriminator_loss(kind: str, real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """Loss of the discriminator, a scalar.

    Args:
        kind: ``"non_saturating"`` (https://arxiv.org/abs/1406.2661, section 3), ``"hinge"``
            (https://arxiv.org/abs/1705.02894, eq. 17) or ``"relativistic"`` (pairs, https://arxiv.org/abs/1807.00734, eq. 9).
        real, fake: logits ``(batch,)``.
    """
    if kind == "hinge":
        return F.relu(1 - real).mean() + F.relu(1 + fake).mean()
    if kind == "relativistic":
        return F.softplus(fake - real).mean()
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def generator_loss(kind: str, real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """Loss of the generator, a scalar; see `discriminator_loss`. Only ``"relativistic"`` looks at `real`."""
    if kind == "hinge":
        return -fake.mean()
    if kind == "relativistic":
        return F.softplus(real - fake).mean()
    return F.softplus(-fake).mean()


def discriminator_accuracy(kind: str, real: torch.Tensor, fake: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Share of real and of drawn images that the discriminator takes for what they are, scalars.

    Logits are compared with 0 or, where only their differences have a meaning, with the middle of both means.
    """
    origin = (real.mean() + fake.mean()) / 2 if kind == "relativistic" else 0.0
    return (real > origin).float().mean(), (fake < origin).float().mean()


def r1_penalty(logits: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """Half of the mean squared norm of the gradient of `logits` at real `images` (https://arxiv.org/abs/1801.04406, eq. 9).

    Args:
        logits: ``(batch,)``, computed from `images`.
        images: ``(batch, channels, H, W)``, which require a gradient.
    """
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return 0.5 * gradient.square().flatten(1).sum(1).mean()
