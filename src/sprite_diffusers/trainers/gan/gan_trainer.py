"""Adversarial training: a generator and a discriminator with an optimizer each."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import torch
from diffusers import ModelMixin

from ... import hub
from ...data import SpriteDataset
from ...errors import SpriteError
from ...models import DCGANDiscriminator, DCGANGenerator
from ..base import FitResult
from ..data_parts import load_data
from ..schedule import learning_rate_factor
from .diff_augment import diff_augment
from .divergence import DivergenceMonitor
from .generator_trainer import GeneratorTrainer
from .losses import discriminator_accuracy, discriminator_loss, generator_loss, r1_penalty
from .settings import GANSettings


def fit_gan(settings: GANSettings) -> FitResult:
    """Loads the data, trains, and (if asked) uploads: all that the launch script needs.

    Raises:
        SpriteError: bad settings or data (nothing has been written then), or a training that diverged.
    """
    trainer = GANTrainer(settings, load_data(settings.data))
    result = trainer.fit()
    if trainer.accelerator.is_main_process and result.status == "finished":
        print(f"pipeline: {result.output_dir}")
        print(f"samples:  {result.samples}")
        print(f"best:     {result.output_dir / 'best'} (FD-PCA20 {trainer.state.best_loss:.2f})")
        if trainer.run:
            print(f"MLflow:   {trainer.run.describe()}")
        if settings.trainer.push_to_hub:
            repo_id = str(settings.trainer.hub_model_id)
            print(f"uploaded: {hub.push(result.output_dir, repo_id, settings.trainer.hub_private)}")
    return result


class GANTrainer(GeneratorTrainer):
    """Trains a `DCGANGenerator` against a `DCGANDiscriminator`, one step of each in turn.

    The averaged weights are the generator's. Checkpoints hold both networks and both optimizers.

    Args:
        settings: all settings.
        dataset: from `load_sprites`, with classes to draw by class.

    Raises:
        SpriteError: classes asked of data without them, and as `GeneratorTrainer`. From `fit`: a training that diverged,
            with the reason and where the best generator before that is.
    """

    name = "gan"
    settings: GANSettings
    discriminator: DCGANDiscriminator

    def __init__(self, settings: GANSettings, dataset: SpriteDataset):
        self.gan = settings.gan
        if self.gan.conditional and not dataset.report.class_names:
            raise SpriteError(
                f"--dataset {settings.data.dataset} has no classes to draw by: leave --conditional out, or give labels (one "
                "folder per class, a label column, or --labels)."
            )
        self.monitor = DivergenceMonitor()
        super().__init__(settings, dataset)
        config = settings.trainer
        optimizer = torch.optim.AdamW(
            self.discriminator.parameters(),
            lr=self.gan.discriminator_learning_rate or config.learning_rate,
            betas=(config.adam_beta1, config.adam_beta2),
            weight_decay=config.adam_weight_decay,
            eps=config.adam_epsilon,
        )
        # not wrapped for several processes, as it is called several times per step: `_discriminator_step` shares gradients
        self.discriminator = self.accelerator.prepare_model(self.discriminator, evaluation_mode=True)
        self.discriminator_optimizer = self.accelerator.prepare_optimizer(optimizer)
        self.discriminator.train()

    # ---- what a generator's trainer asks for --------------------------------------------------------------------

    @property
    def is_conditional(self) -> bool:
        return self.gan.conditional

    def build_networks(self, channels: int, side: int) -> tuple[ModelMixin, DCGANGenerator]:
        classes = len(self.class_names) or None
        generator = DCGANGenerator(self.settings.generator.latent_dim, channels, side, self.widths, classes)
        widths = self.gan.discriminator_channels or self.widths
        if side % 2 ** len(widths):
            raise SpriteError(
                f"--discriminator_channels has {len(widths)} entries, but {side} pixels cannot be halved so often: give fewer."
            )
        self.discriminator = DCGANDiscriminator(
            channels, side, widths, self.gan.discriminator_batch_norm, self.gan.spectral_norm, classes
        )
        return generator, generator

    def calibration_pass(self, number: int) -> None:
        rng = torch.Generator().manual_seed(number)
        count = self.config.train_batch_size
        labels = torch.arange(count) % len(self.class_names) if self.class_names else None
        self.generator(self.noise(count, rng), None if labels is None else labels.to(self.accelerator.device))

    def family_facts(self) -> dict[str, Any]:
        return {"gan": asdict(self.gan)}

    def progress_facts(self) -> dict[str, Any]:
        return {**super().progress_facts(), "monitor": asdict(self.monitor)}

    def restore_progress(self, facts: dict[str, Any]) -> None:
        super().restore_progress(facts)
        self.monitor = DivergenceMonitor(**facts["monitor"])

    def summary(self) -> dict[str, float]:
        both = [*self.generator.parameters(), *self.discriminator.parameters()]
        figures = {"parameters": sum(map(torch.numel, both)), "longest_pinned_steps": self.monitor.longest_pinned}
        return {**super().summary(), **figures}

    def describe(self) -> str:
        gan, trainer = self.gan, self.config
        parts = [
            "batch norms in the discriminator" if gan.discriminator_batch_norm else "",
            "spectral norm" if gan.spectral_norm else "",
            f"R1 {gan.r1_weight:g}" if gan.r1_weight else "",
            f"differentiable augmentation ({', '.join(gan.diff_augment)})" if gan.diff_augment else "",
            "averaged generator" if trainer.use_ema else "",
        ]
        stabilisers = ", ".join(part for part in parts if part) or "none"
        return f"Adversarial loss: {gan.adversarial_loss.replace('_', '-')}; stabilisers: {stabilisers}."

    # ---- steps --------------------------------------------------------------------------------------------------

    def optimize(self, progress: float) -> tuple[float, float, float]:
        self._discriminator_step(progress)
        result = super().optimize(progress)
        self.record({"generator_loss": result[0]})
        return result

    def training_step(self, micro_step: int) -> torch.Tensor:
        """Loss of the generator."""
        real, labels, rng = self.batch(micro_step)
        rng.manual_seed(rng.initial_seed() + (1 << 39))  # other noise than the discriminator's
        fake = self.model(self.noise(len(real), rng), labels, return_dict=False)[0]
        self.discriminator.requires_grad_(False)
        judged_fake = self._judge(fake, labels, rng)
        judged_real = judged_fake
        if self.gan.adversarial_loss == "relativistic":
            with torch.no_grad():
                judged_real = self._judge(real, labels, rng)
        self.discriminator.requires_grad_(True)
        return generator_loss(self.gan.adversarial_loss, judged_real, judged_fake)

    def _discriminator_step(self, progress: float) -> None:
        """One step of the discriminator; its figures are recorded, and looked at for signs of failure."""
        config, state, accelerator = self.config, self.state, self.accelerator
        peak = self.gan.discriminator_learning_rate or config.learning_rate
        factor = learning_rate_factor(config.lr_scheduler, progress, state.step, config.lr_warmup_steps)
        for group in self.discriminator_optimizer.param_groups:
            group["lr"] = peak * factor
        totals = torch.zeros(4)
        for micro in range(config.gradient_accumulation_steps):
            totals += self._discriminator_micro_step(state.step * config.gradient_accumulation_steps + micro)
        parameters = list(self.discriminator.parameters())
        if accelerator.num_processes > 1:
            for parameter in parameters:
                parameter.grad = accelerator.reduce(parameter.grad, "mean")
        norm = float(accelerator.clip_grad_norm_(parameters, config.max_grad_norm))
        totals = accelerator.reduce(totals.to(accelerator.device) / config.gradient_accumulation_steps, "mean")
        loss, accuracy_real, accuracy_fake, spread = totals.tolist()
        finite = math.isfinite(norm) and math.isfinite(loss)
        if finite or accelerator.scaler is not None:  # which must be told, to lower its loss scale
            self.discriminator_optimizer.step()
        self.discriminator_optimizer.zero_grad()
        self.record({
            "discriminator_loss": loss, "accuracy_real": accuracy_real, "accuracy_fake": accuracy_fake,
            "sample_spread": spread, "discriminator_grad_norm": norm,
        })  # fmt: skip
        gan = self.gan
        self.monitor.update(finite, (accuracy_real + accuracy_fake) / 2, spread, gan.min_sample_spread)
        reason = self.monitor.reason(config.max_nonfinite_steps, gan.max_pinned_steps, gan.max_collapsed_steps)
        if reason:
            self._stop_diverged(reason)

    def _discriminator_micro_step(self, micro_step: int) -> torch.Tensor:
        """Adds gradients; loss, accuracy on real and on drawn images, and spread of the drawn ones, ``(4,)``."""
        gan = self.gan
        real, labels, rng = self.batch(micro_step)
        with torch.no_grad():
            fake = self.generator(self.noise(len(real), rng), labels, return_dict=False)[0].float()
        penalized = gan.r1_weight > 0 and self.state.step % gan.r1_interval == 0
        real.requires_grad_(penalized)
        judged_real, judged_fake = self._judge(real, labels, rng), self._judge(fake, labels, rng)
        loss = discriminator_loss(gan.adversarial_loss, judged_real, judged_fake)
        total = loss
        if penalized:
            total = loss + gan.r1_weight * gan.r1_interval * r1_penalty(judged_real, real)
        self.accelerator.backward(total)
        with torch.no_grad():
            accuracies = discriminator_accuracy(gan.adversarial_loss, judged_real, judged_fake)
            spread = fake.std(dim=0).mean() / real.std(dim=0).mean().clamp(min=1e-6)
            return torch.stack([loss.detach(), *accuracies, spread]).float().cpu()

    def _judge(self, images: torch.Tensor, labels: torch.Tensor | None, rng: torch.Generator) -> torch.Tensor:
        """Logits ``(batch,)`` of images as the discriminator sees them."""
        seen = diff_augment(images, self.gan.diff_augment, rng)
        return self.discriminator(seen, labels, return_dict=False)[0].float()

    def _stop_diverged(self, reason: str) -> None:
        best = self.output_dir / "best"
        kept = f"the best generator before that (step {self.state.best_step}) is in {best}" if best.is_dir() else (
            f"there is none before that: validate sooner (--validation_steps, now {self.config.validation_steps})"
        )  # fmt: skip
        raise SpriteError(
            f"Training diverged at step {self.state.step}: {reason}; {kept}. Lower --learning_rate or choose stabilisers: "
            "--spectral_norm, --r1_weight, --diff_augment."
        )
