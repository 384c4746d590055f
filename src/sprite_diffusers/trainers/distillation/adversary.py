"""The discriminator of a distillation: tells real sprites from the student's, and the student by how much it is seen through."""

from __future__ import annotations

from typing import Any

import torch
from accelerate import Accelerator

from ...models import DCGANDiscriminator
from ..gan.diff_augment import diff_augment
from ..gan.losses import discriminator_accuracy, discriminator_loss, generator_loss, r1_penalty
from ..gan.settings import default_channels

R1_INTERVAL = 4
"""The penalty on the gradient is computed every so many updates, and counts so many times."""
FIRST_SHARE, GROWS_FROM = 0.1, 0.3
"""Of the weight of the adversarial loss: what it begins with, and the share of the training after which it grows."""


def adversarial_factor(progress: float) -> float:
    """On the weight of the adversarial loss: `FIRST_SHARE` until `GROWS_FROM` of a training, then growing to 1 at its end.

    Early, a discriminator leads away from the teacher; late, it mends what the distance to the teacher blurs.

    Args:
        progress: share of the training that is over, 0 to 1.
    """
    return FIRST_SHARE + (1 - FIRST_SHARE) * max(0.0, (progress - GROWS_FROM) / (1 - GROWS_FROM))


class Adversary:
    """A `DCGANDiscriminator` with an optimizer of its own, both saved and resumed with the accelerator's checkpoints.

    Pairs of a real and a drawn sprite of one class are compared (https://arxiv.org/abs/1807.00734, eq. 9), with a penalty
    on the gradient at real ones (https://arxiv.org/abs/1801.04406, eq. 9).

    Args:
        accelerator: of the training.
        channels, side, num_classes: of the sprites, in network space.
        learning_rate: peak; AdamW with betas of 0.5 and 0.99.
        r1_weight: of the penalty.
        diff_augment: see `gan.diff_augment`.
    """

    def __init__(
        self,
        accelerator: Accelerator,
        channels: int,
        side: int,
        num_classes: int,
        learning_rate: float,
        r1_weight: float,
        diff_augment: list[str],
    ):
        self.accelerator, self.learning_rate = accelerator, learning_rate
        self.r1_weight, self.kinds = r1_weight, diff_augment
        network = DCGANDiscriminator(
            channels, side, default_channels(side), batch_norm=False, num_class_embeds=num_classes
        )
        optimizer = torch.optim.AdamW(network.parameters(), lr=learning_rate, betas=(0.5, 0.99), weight_decay=0.0)
        # not wrapped for several processes, as it is called several times per step: `update` shares gradients
        self.network = accelerator.prepare_model(network, evaluation_mode=True).train()
        self.optimizer = accelerator.prepare_optimizer(optimizer)

    def update(
        self,
        number: int,
        factor: float,
        real: torch.Tensor,
        fake: torch.Tensor,
        labels: torch.Tensor,
        rng: torch.Generator,
    ) -> dict[str, float]:
        """Teaches the discriminator one micro-batch; its figures.

        Args:
            number: of the step.
            factor: on the peak learning rate.
            real, fake: ``(batch, channels, side, side)`` of the same `labels` ``(batch,)``.
            rng: CPU generator of the augmentation.
        """
        penalized = self.r1_weight > 0 and number % R1_INTERVAL == 0
        real = real.detach().requires_grad_(penalized)
        judged_real, judged_fake = self._judge(real, labels, rng), self._judge(fake.detach(), labels, rng)
        loss = discriminator_loss("relativistic", judged_real, judged_fake)
        total = loss
        if penalized:
            total = loss + self.r1_weight * R1_INTERVAL * r1_penalty(judged_real, real)
        self.accelerator.backward(total)
        if self.accelerator.sync_gradients:
            self._step(factor)
        with torch.no_grad():
            accuracy_real, accuracy_fake = discriminator_accuracy("relativistic", judged_real, judged_fake)
        return {
            "discriminator_loss": float(loss.detach()),
            "discriminator_accuracy": float(accuracy_real + accuracy_fake) / 2,
        }

    def loss(self, real: torch.Tensor, fake: torch.Tensor, labels: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
        """What the student has to lower, a scalar; arguments as of `update`."""
        self.network.requires_grad_(False)
        try:
            judged_fake = self._judge(fake, labels, rng)
            with torch.no_grad():
                judged_real = self._judge(real, labels, rng)
        finally:
            self.network.requires_grad_(True)
        return generator_loss("relativistic", judged_real, judged_fake)

    def _judge(self, sprites: torch.Tensor, labels: torch.Tensor, rng: torch.Generator) -> Any:
        return self.network(diff_augment(sprites, self.kinds, rng), labels, return_dict=False)[0].float()

    def _step(self, factor: float) -> None:
        """Updates the weights, unless the gradient is NaN or infinite."""
        parameters = list(self.network.parameters())
        if self.accelerator.num_processes > 1:
            for parameter in parameters:
                parameter.grad = self.accelerator.reduce(parameter.grad, "mean")
        self.accelerator.unscale_gradients(self.optimizer)
        finite = all(bool(parameter.grad.isfinite().all()) for parameter in parameters if parameter.grad is not None)
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate * factor
        if finite or self.accelerator.scaler is not None:  # which must be told, to lower its loss scale
            self.optimizer.step()
        self.optimizer.zero_grad()
