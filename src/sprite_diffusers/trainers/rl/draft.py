"""DRaFT-K: the gradient of differentiable rewards through the last denoising steps, https://arxiv.org/abs/2309.17400."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from ...errors import SpriteError
from ...rewards import Calibration, DifferentiableReward, reward_names
from .lora import without_lora
from .losses import draft_k
from .policies import Policy
from .settings import RLConfig
from .transitions import sampling_steps, transition


class DRaFT:
    """Minus the calibrated reward of images that are drawn with a graph.

    ``config.kl_weight`` holds the steps with a graph near those of the model without its LoRA: it multiplies the mean squared
    difference of what both lead to, the divergence of two Gaussians but for their variance, which the last step has not.

    Args:
        config: settings.
        policy: what is trained.
        rewards: to follow.

    Raises:
        SpriteError: a reward without gradient, or a model of indices, whose images have none.
    """

    def __init__(self, config: RLConfig, policy: Policy, rewards: Sequence[Callable]):
        self.config, self.policy = config, policy
        self.rewards: dict[str, Any] = dict(zip(reward_names(rewards), rewards, strict=True))
        plain = [name for name, reward in self.rewards.items() if not isinstance(reward, DifferentiableReward)]
        if plain:
            raise SpriteError(
                f"--estimator draft follows the gradient of the rewards, but {', '.join(plain)} has none: leave it out, or "
                "give --estimator nft."
            )
        if getattr(policy.pipeline, "index_palette", None) is not None:
            raise SpriteError(
                "--estimator draft follows the gradient of the rewards, but this model draws indices of a palette, which have "
                "none: give --estimator nft."
            )

    def loss(
        self, model: Any, prompts: Sequence[str], calibration: Calibration, weights: Sequence[float], seed: int
    ) -> tuple[torch.Tensor, dict[str, float]]:
        """Of one image per prompt, and the mean of each reward; a weight for each; `seed` is of all that is drawn."""
        config, scheduler, device = self.config, self.policy.scheduler, self.policy.device
        generator = torch.Generator(device).manual_seed(seed)
        conditions = self.policy.conditions(prompts, seed)
        pairs = sampling_steps(scheduler)
        departures: list[torch.Tensor] = []

        def take(latents: torch.Tensor, index: int) -> torch.Tensor:
            (t, prev_t), options = pairs[index], {"eta": config.eta, "noise_level": config.noise_level}
            timestep = torch.as_tensor(t, device=device)
            step = transition(scheduler, model(latents, timestep, conditions), t, prev_t, latents, **options)
            if config.kl_weight and torch.is_grad_enabled():
                with without_lora(self.policy.network):
                    output = self.policy(latents.detach(), timestep, conditions)
                    reference = transition(scheduler, output, t, prev_t, latents.detach(), **options)
                departures.append((step.mean - reference.mean).square().mean())
            return step.sample(generator)

        latents = draft_k(take, self.policy.noise(len(prompts), generator), len(pairs), config.draft_k)
        images = self.policy.images(latents, conditions)
        total, figures = torch.zeros((), device=device), {}
        for (name, reward), weight in zip(self.rewards.items(), weights, strict=True):
            scores, scale = reward.score(images, list(prompts)), calibration.scale(name)
            total = total + weight * ((scores - scale.mean) / scale.sd).mean()
            figures[f"{name}/mean"] = float(scores.detach().mean())
        loss = -total / sum(abs(weight) for weight in weights)
        if departures:
            loss = loss + config.kl_weight * torch.stack(departures).sum()
        return loss, figures
