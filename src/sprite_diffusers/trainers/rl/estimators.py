"""The estimators of the policy gradient behind one interface: what is prepared from a rollout, and the loss of some of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch

from ...errors import SpriteError
from .advantages import Advantages, RunningStatistics, group_relative, leave_one_out, optimality
from .guards import check_first_ratio
from .lora import without_lora
from .losses import diffusion_nft, importance_ratio, ppo_clip, reinforce
from .policies import Conditions, Policy
from .rollout import Trajectories
from .settings import RLConfig
from .steps import predicted_clean, predicts_flow
from .transitions import kl, log_prob, stochastic_steps, transition

Table = dict[str, torch.Tensor]
"""Columns of a row per step of an image; ``image`` says whose."""


class Estimator(ABC):
    """How rewards of a rollout become a loss.

    Args:
        config: settings.
        policy: what is trained, prepared by Accelerate or not.
    """

    needs_steps = True

    def __init__(self, config: RLConfig, policy: Policy):
        self.config, self.policy = config, policy
        self.options = {"eta": config.eta, "noise_level": config.noise_level}

    def advantages(self, rewards: torch.Tensor, prompts: Sequence[str]) -> Advantages:
        """Of all images of all processes; `group_relative` by default."""
        return group_relative(rewards, prompts, self.config.scale_rewards, self.config.advantage_clip)

    @abstractmethod
    def prepare(self, trajectories: Trajectories, advantages: torch.Tensor, generator: torch.Generator) -> Table:
        """The rows that are trained on, with what must be computed by the weights that sampled."""

    @abstractmethod
    def loss(
        self, model: Any, rows: Table, conditions: Conditions, first: bool
    ) -> tuple[torch.Tensor, dict[str, float]]:
        """Loss of some rows and figures to log; `first` if no update has been made on the rollout."""

    def state(self) -> dict[str, Any]:
        """JSON-safe; what `restore` goes on from."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:  # noqa: B027
        """Goes on from what `state` gave."""

    # ---- shared -------------------------------------------------------------------------------------------------

    def _rows_of_steps(self, trajectories: Trajectories, advantages: torch.Tensor) -> Table:
        steps = trajectories.steps
        if steps is None:
            raise SpriteError("The rollout has no steps that add noise: give --eta or --noise_level above 0.")
        weight = steps.weight if self.config.timestep_weighting == "noise" else torch.ones_like(steps.weight)
        return {
            "image": steps.image, "sample": steps.sample, "prev_sample": steps.prev_sample, "timestep": steps.timestep,
            "prev_timestep": steps.prev_timestep, "log_prob": steps.log_prob,
            "advantage": advantages.to(weight.device)[steps.image] * weight,
        }  # fmt: skip

    def _transition(self, output: torch.Tensor, rows: Table) -> Any:
        step = transition(
            self.policy.scheduler, output, rows["timestep"], rows["prev_timestep"], rows["sample"], **self.options
        )
        return step.with_fixed_std()

    def _divergence(self, step: Any, rows: Table, conditions: Conditions) -> torch.Tensor:
        """To the model without its LoRA, ``(rows,)``."""
        with without_lora(self.policy.network):
            output = self.policy(rows["sample"], rows["timestep"], conditions)
            reference = self._transition(output, rows)
        return kl(step, reference)


class DDPO(Estimator):
    """PPO on denoising steps with each prompt's running statistics, https://arxiv.org/abs/2305.13301; with KL, Flow-GRPO."""

    def __init__(self, config: RLConfig, policy: Policy):
        super().__init__(config, policy)
        self.statistics = RunningStatistics(
            config.per_prompt_buffer_size, config.per_prompt_min_count, config.advantage_clip
        )

    def advantages(self, rewards: torch.Tensor, prompts: Sequence[str]) -> Advantages:
        return self.statistics.update(rewards, prompts)

    def prepare(self, trajectories: Trajectories, advantages: torch.Tensor, generator: torch.Generator) -> Table:
        return self._rows_of_steps(trajectories, advantages)

    def loss(
        self, model: Any, rows: Table, conditions: Conditions, first: bool
    ) -> tuple[torch.Tensor, dict[str, float]]:
        step = self._transition(model(rows["sample"], rows["timestep"], conditions), rows)
        density = log_prob(step, rows["prev_sample"])
        ratio = importance_ratio(density, rows["log_prob"])
        if first:
            check_first_ratio(ratio)
        loss = ppo_clip(density, rows["log_prob"], rows["advantage"], self.config.clip_range)
        figures = {"clipped": float(((ratio.detach() - 1).abs() > self.config.clip_range).float().mean())}
        if self.config.kl_weight:
            divergence = self._divergence(step, rows, conditions).mean()
            loss, figures["kl"] = loss + self.config.kl_weight * divergence, float(divergence.detach())
        return loss, figures

    def state(self) -> dict[str, Any]:
        return self.statistics.state_dict()

    def restore(self, state: dict[str, Any]) -> None:
        self.statistics.load_state_dict(state)


class GroupRelative(DDPO):
    """PPO on denoising steps against the other images of a prompt: Flow-GRPO, https://arxiv.org/abs/2505.05470."""

    def advantages(self, rewards: torch.Tensor, prompts: Sequence[str]) -> Advantages:
        return Estimator.advantages(self, rewards, prompts)

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        pass


class LeaveOneOut(Estimator):
    """The score function with the mean of a prompt's other images as baseline (RLOO), over the batch's deviation."""

    def advantages(self, rewards: torch.Tensor, prompts: Sequence[str]) -> Advantages:
        rewards = torch.as_tensor(rewards, dtype=torch.float64)
        spread = float(rewards.std(correction=0)) or 1.0
        return leave_one_out(rewards / spread, prompts, self.config.advantage_clip)

    def prepare(self, trajectories: Trajectories, advantages: torch.Tensor, generator: torch.Generator) -> Table:
        return self._rows_of_steps(trajectories, advantages)

    def loss(
        self, model: Any, rows: Table, conditions: Conditions, first: bool
    ) -> tuple[torch.Tensor, dict[str, float]]:
        step = self._transition(model(rows["sample"], rows["timestep"], conditions), rows)
        loss, figures = reinforce(log_prob(step, rows["prev_sample"]), rows["advantage"]), {}
        if self.config.kl_weight:
            divergence = self._divergence(step, rows, conditions).mean()
            loss, figures["kl"] = loss + self.config.kl_weight * divergence, float(divergence.detach())
        return loss, figures


class DiffusionNFT(Estimator):
    """Towards good images and away from bad ones on the forward process, https://arxiv.org/abs/2509.16117.

    Errors are of the clean sample where signal dominates the noisy one, and of the noise where that does: the clean sample
    that an epsilon-prediction amounts to is off without bound there.
    """

    needs_steps = False

    def prepare(self, trajectories: Trajectories, advantages: torch.Tensor, generator: torch.Generator) -> Table:
        latents, policy = trajectories.latents, self.policy
        times = policy.scheduler.timesteps.to(latents.device)
        per_image = max(1, round(self.config.timestep_fraction * len(times)))
        image = torch.arange(len(latents)).repeat_interleave(per_image)
        # the same share of every part of the schedule for each image
        position = (
            torch.arange(per_image).repeat(len(latents)) + torch.rand(len(image), generator=generator)
        ) / per_image
        timestep = times[(position * len(times)).long().clamp(max=len(times) - 1).to(times.device)]
        noise = torch.randn(len(image), *latents.shape[1:], generator=generator).to(latents)
        signal, sigma = self._levels(timestep, latents)
        rows = {
            "image": image, "timestep": timestep, "sample": signal * latents[image] + sigma * noise,
            "clean": latents[image], "optimality": optimality(advantages.to(latents.device))[image],
        }  # fmt: skip
        with torch.no_grad():
            old = [
                self._clean(
                    policy(part["sample"], part["timestep"], _rows(trajectories.conditions, part["image"])), part
                )
                for part in _batches(rows, self.config.rollout_batch_size)
            ]
        return rows | {"old": torch.cat(old)}

    def loss(
        self, model: Any, rows: Table, conditions: Conditions, first: bool
    ) -> tuple[torch.Tensor, dict[str, float]]:
        clean = self._clean(model(rows["sample"], rows["timestep"], conditions), rows)
        signal, sigma = self._levels(rows["timestep"], clean)
        scale = (signal / sigma).clamp(max=1)
        loss = diffusion_nft(
            scale * clean, scale * rows["old"], scale * rows["clean"], rows["optimality"], self.config.nft_beta
        )
        figures = {}
        if self.config.kl_weight:
            with without_lora(self.policy.network):
                reference = self._clean(self.policy(rows["sample"], rows["timestep"], conditions), rows)
            divergence = (scale * (clean - reference)).square().mean()
            loss, figures["kl"] = loss + self.config.kl_weight * divergence, float(divergence.detach())
        return loss, figures

    def _levels(self, timestep: torch.Tensor, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Signal and noise at timesteps ``(rows,)``, broadcast against `like`."""
        scheduler = self.policy.scheduler
        if predicts_flow(scheduler):
            nearest = (scheduler.timesteps.to(timestep) - timestep[:, None]).abs().argmin(1).cpu()
            sigma = scheduler.sigmas.cpu()[nearest].to(like)
            signal = 1 - sigma
        else:
            product = scheduler.alphas_cumprod.to(like.device)[timestep.long()].to(like)
            signal, sigma = product.sqrt(), (1 - product).sqrt()
        shape = (-1, *[1] * (like.ndim - 1))
        return signal.view(shape), sigma.view(shape)

    def _clean(self, output: torch.Tensor, rows: Table) -> torch.Tensor:
        sample = rows["sample"]
        kind = (
            "flow_prediction" if predicts_flow(self.policy.scheduler) else self.policy.scheduler.config.prediction_type
        )
        return predicted_clean(kind, output[:, : sample.shape[1]], sample, *self._levels(rows["timestep"], sample))


ESTIMATORS: dict[str, type[Estimator]] = {
    "ddpo": DDPO,
    "grpo": GroupRelative,
    "rloo": LeaveOneOut,
    "nft": DiffusionNFT,
}
"""By the name that `RLConfig.estimator` has; ``"draft"`` has no rollout, and is the trainer's own."""


def step_count(policy: Policy, config: RLConfig) -> int:
    """Steps of the policy's sampler that can be trained on.

    Raises:
        SpriteError: none.
    """
    count = len(stochastic_steps(policy.scheduler, config.eta, config.noise_level))
    if not count:
        raise SpriteError(
            f"{type(policy.scheduler).__name__} adds no noise at any step: give --eta or --noise_level above 0."
        )
    return count


def _rows(table: Table, index: torch.Tensor) -> Table:
    return {name: tensor[index] for name, tensor in table.items()}


def _batches(table: Table, size: int) -> list[Table]:
    count = len(table["image"])
    return [{name: tensor[start : start + size] for name, tensor in table.items()} for start in range(0, count, size)]
