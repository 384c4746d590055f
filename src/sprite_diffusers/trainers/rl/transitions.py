"""One step of a sampler as a policy: the Gaussian it draws from, log-probabilities under it, and their divergence.

What is trained is what is sampled: a `Transition` draws what diffusers' ``scheduler.step`` draws from the same
generator, for every scheduler in `steps`. Rectified flows have no stochastic step of their own in diffusers; theirs is
the SDE of Flow-GRPO.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from diffusers import DDIMScheduler, DDPMScheduler, UnCLIPScheduler
from diffusers.utils.torch_utils import randn_tensor

from ...errors import SpriteError
from .steps import (
    LEARNED_VARIANCES,
    Timestep,
    ddim_previous,
    ddim_step,
    ddpm_step,
    flow_step,
    predicts_flow,
    unclip_step,
)

REDUCTIONS = ("mean", "sum")


@dataclass(frozen=True)
class Transition:
    """The Gaussian that one step draws the next, less noisy sample from; its covariance is diagonal.

    Attributes:
        mean: ``(batch, ...)``, float32 or float64; gradients reach the model through it.
        std: standard deviations, broadcast against `mean`: one number, one per example, or, where the model predicts
            the variance, the shape of `mean` with gradients.
        deterministic: whether the step adds no noise, on the CPU: one bool, or ``(batch,)`` if each example has its
            own timestep. Such a step is sampled, but has no log-probability.
    """

    mean: torch.Tensor
    std: torch.Tensor
    deterministic: torch.Tensor

    def sample(self, generator: torch.Generator | list[torch.Generator] | None = None) -> torch.Tensor:
        """Draws ``(batch, ...)``, with the numbers that ``scheduler.step`` draws from the same generator."""
        if bool(self.deterministic.all()):
            return self.mean
        shape, device, dtype = self.mean.shape, self.mean.device, self.mean.dtype
        return self.mean + self.std * randn_tensor(shape, generator=generator, device=device, dtype=dtype)

    def with_fixed_std(self) -> Transition:
        """The same Gaussian whose standard deviation is taken as given: a policy gradient then moves only the mean."""
        return replace(self, std=self.std.detach())


def transition(
    scheduler: Any,
    model_output: torch.Tensor,
    t: Timestep,
    prev_t: Timestep | None,
    sample: torch.Tensor,
    *,
    eta: float = 1.0,
    noise_level: float = 0.7,
) -> Transition:
    """The distribution of the sample at `prev_t` given `sample` at `t` and what the model said of it.

    Args:
        scheduler: `UnCLIPScheduler`, `DDPMScheduler`, `DDIMScheduler`, or one of a rectified flow
            (`FlowMatchEulerDiscreteScheduler`; `DPMSolverMultistepScheduler` or `UniPCMultistepScheduler` with
            ``prediction_type="flow_prediction"``), with its timesteps set.
        model_output: ``(batch, channels, ...)``, after guidance; twice the channels of `sample` where the scheduler's
            variance is learned. Half precision is computed in float32.
        t: the timestep the model was told; one for all, or ``(batch,)``.
        prev_t: the timestep the step leads to, below 0 for the clean sample; `None` for where the scheduler's own
            ``step`` would lead.
        sample: ``(batch, channels, ...)``.
        eta: `DDIMScheduler` only, its `eta`: 0 adds no noise, 1 as much as DDPM.
        noise_level: flows only, the ``a`` of Flow-GRPO (0.7 there); 0 is the plain Euler step.

    Raises:
        SpriteError: a scheduler without such a step, a value outside its range, or channels that do not fit.
    """
    if not 0 <= eta <= 1:
        raise SpriteError(
            f"--eta {eta} is outside 0 to 1: give 1 for DDPM's noise, less for less, more than 0 for RL."
        )
    if noise_level < 0:
        raise SpriteError(f"--noise_level {noise_level} is negative: give 0.7 or another number of at least 0.")
    precision = torch.promote_types(sample.dtype, torch.float32)
    model_output, sample = model_output.to(precision), sample.to(precision)
    if isinstance(scheduler, UnCLIPScheduler):
        return Transition(*unclip_step(scheduler, model_output, t, prev_t, sample))
    if isinstance(scheduler, DDPMScheduler):
        return Transition(*ddpm_step(scheduler, model_output, t, prev_t, sample))
    if isinstance(scheduler, DDIMScheduler):
        return Transition(*ddim_step(scheduler, model_output, t, prev_t, sample, eta))
    if predicts_flow(scheduler):
        return Transition(*flow_step(scheduler, model_output, t, prev_t, sample, noise_level))
    raise SpriteError(
        f"{type(scheduler).__name__} has no step that draws from a Gaussian: give the pipeline an UnCLIPScheduler, a "
        "DDPMScheduler or a DDIMScheduler, for flow models a FlowMatchEulerDiscreteScheduler."
    )


def log_prob(transition: Transition, prev_sample: torch.Tensor, reduction: str = "mean") -> torch.Tensor:
    """Log-density ``(batch,)`` of a drawn `prev_sample` ``(batch, ...)``.

    Averaged over the dimensions, as DDPO and Flow-GRPO do: importance ratios of the sum overflow on images, and clip
    ranges from these papers (1e-4) are for the mean. ``reduction="sum"`` is the density itself, dimensions times that.
    Pass the stored sample without a graph; a reparameterised one cancels the gradient of the mean.

    Raises:
        SpriteError: a step without noise, or an unknown reduction.
    """
    _check_stochastic(transition)
    standardised = (prev_sample.to(transition.mean.dtype) - transition.mean) / transition.std
    density = -0.5 * standardised**2 - transition.std.log() - 0.5 * math.log(2 * math.pi)
    return _reduce(density, reduction)


def kl(transition: Transition, other: Transition, reduction: str = "mean") -> torch.Tensor:
    """``KL(transition || other)`` ``(batch,)``, over the dimensions reduced like `log_prob`.

    With equal standard deviations this is ``|mean - other.mean|^2 / (2 std^2)``, the penalty that Flow-GRPO
    (https://arxiv.org/abs/2505.05470) derives from its eq. 9.

    Raises:
        SpriteError: a step without noise, or an unknown reduction.
    """
    _check_stochastic(transition)
    _check_stochastic(other)
    ratio = transition.std / other.std
    shift = (transition.mean - other.mean) / other.std
    return _reduce(0.5 * (ratio**2 + shift**2 - 1) - ratio.log(), reduction)


def noise_weight(transition: Transition) -> torch.Tensor:
    """Standard deviation of each example's step, ``(batch,)``, averaged over dimensions, no gradient.

    A weight of the step for its advantages. The gradient of a log-probability grows as its noise shrinks, while what
    that noise can still change in the picture shrinks with it: unweighted, the last steps drown the others.
    """
    std = transition.std.detach().expand_as(transition.mean)
    return std.flatten(1).mean(1)


def sampling_steps(scheduler: Any) -> list[tuple[Timestep, Timestep]]:
    """The ``(t, prev_t)`` of `scheduler`'s timesteps, in sampling order; the last leads to below 0, the clean sample.

    `DDIMScheduler` steps by its own stride, the others to the next timestep.
    """
    times = [time.item() for time in scheduler.timesteps]
    following = [*times[1:], -1]
    if isinstance(scheduler, DDIMScheduler):
        following = [int(ddim_previous(scheduler, torch.as_tensor(time))) for time in times]
    return list(zip(times, following, strict=True))


def stochastic_steps(scheduler: Any, eta: float = 1.0, noise_level: float = 0.7) -> list[tuple[Timestep, Timestep]]:
    """Those of `sampling_steps` that draw noise: those that can be trained."""
    learned = getattr(scheduler.config, "variance_type", None) in LEARNED_VARIANCES
    output, sample = torch.zeros(1, 2 if learned else 1, 1, 1), torch.zeros(1, 1, 1, 1)
    options = {"eta": eta, "noise_level": noise_level}
    pairs = sampling_steps(scheduler)
    return [pair for pair in pairs if not transition(scheduler, output, *pair, sample, **options).deterministic.any()]


def _check_stochastic(transition: Transition) -> None:
    if bool(transition.deterministic.any()):
        raise SpriteError(
            "A step that adds no noise (the last one, or --eta 0 or --noise_level 0) has no log-probability: train on "
            "the steps that stochastic_steps() lists."
        )


def _reduce(values: torch.Tensor, reduction: str) -> torch.Tensor:
    if reduction not in REDUCTIONS:
        raise SpriteError(f"reduction {reduction!r} is unknown: it must be mean or sum.")
    flat = values.flatten(1)
    return flat.mean(1) if reduction == "mean" else flat.sum(1)
