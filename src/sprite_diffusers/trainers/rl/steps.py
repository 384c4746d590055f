"""The step of each scheduler up to its noise: where the next sample is drawn from.

Each function repeats the arithmetic of diffusers' ``scheduler.step`` operation by operation, so that both agree to the
last digits in every precision. Nothing here changes a scheduler or asks it for random numbers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from diffusers import FlowMatchEulerDiscreteScheduler

from ...errors import SpriteError

SMALLEST_STD = 1e-8
"""Less counts as no noise: schedulers write 1e-10 where the formula has 0."""
LEARNED_VARIANCES = ("learned", "learned_range")
FLOW_SOLVERS = ("DPMSolverMultistepScheduler", "UniPCMultistepScheduler")

Timestep = int | float | torch.Tensor


class Step(NamedTuple):
    """Mean, standard deviation and whether there is no noise, as in `transitions.Transition`."""

    mean: torch.Tensor
    std: torch.Tensor
    deterministic: torch.Tensor


def predicted_clean(
    prediction_type: str,
    model_output: torch.Tensor,
    sample: torch.Tensor,
    signal: torch.Tensor,
    noise: torch.Tensor,
) -> torch.Tensor:
    """The clean sample that a prediction amounts to, the shape of `sample` ``= signal * clean + noise * epsilon``.

    Args:
        prediction_type: ``"epsilon"``, ``"sample"``, ``"v_prediction"`` or ``"flow_prediction"`` (``epsilon - clean``,
            for ``signal = 1 - noise``).
        signal: broadcast against `sample`; ``sqrt(alphas_cumprod[t])`` in diffusion.
        noise: broadcast against `sample`; ``sqrt(1 - alphas_cumprod[t])`` in diffusion, sigma in a flow.

    Raises:
        SpriteError: an unknown prediction type.
    """
    if prediction_type == "epsilon":
        return (sample - noise * model_output) / signal
    if prediction_type == "sample":
        return model_output
    if prediction_type == "v_prediction":
        return signal * sample - noise * model_output
    if prediction_type == "flow_prediction":
        return sample - noise * model_output
    raise SpriteError(
        f"The scheduler's prediction_type {prediction_type!r} is unknown: it must be epsilon, sample, v_prediction or "
        "flow_prediction."
    )


def predicts_flow(scheduler: Any) -> bool:
    """Whether `scheduler` integrates a rectified flow whose time runs from sigma 1 to 0."""
    if isinstance(scheduler, FlowMatchEulerDiscreteScheduler):
        return True
    return type(scheduler).__name__ in FLOW_SOLVERS and scheduler.config.prediction_type == "flow_prediction"


def unclip_step(scheduler: Any, model_output: torch.Tensor, t: Any, prev_t: Any, sample: torch.Tensor) -> Step:
    """`UnCLIPScheduler.step`: the posterior of https://arxiv.org/abs/2006.11239, eq. 7, between any two timesteps."""
    t = _index(t)
    prev_t = t - 1 if prev_t is None else _index(prev_t)
    product, prev_product = _products(scheduler.alphas_cumprod, t, prev_t, scheduler.one)
    # betas and alphas of single steps come from their tables, whose last digits differ from the quotient's
    single = prev_t == t - 1
    beta = torch.where(single, scheduler.betas[t], 1 - product / prev_product)
    alpha = torch.where(single, scheduler.alphas[t], 1 - beta)
    variance = (1 - prev_product) / (1 - product) * beta
    silent = t == 0

    model_output, fraction = _split(scheduler, model_output, sample)
    if fraction is None:
        std = _like(torch.exp(0.5 * torch.log(torch.clamp(variance, min=1e-20))), sample)
    else:
        silent = silent | (variance == 0)
        lowest = torch.where(silent, beta, variance)  # the log of 0 would make NaN of the gradient
        std = _learned_std(fraction, _like(lowest.log(), sample), _like(beta.log(), sample))
    mean = _posterior_mean(scheduler, model_output, sample, product, prev_product, alpha, beta)
    return Step(mean, _silenced(std, silent, sample), silent | (variance < SMALLEST_STD**2))


def ddpm_step(scheduler: Any, model_output: torch.Tensor, t: Any, prev_t: Any, sample: torch.Tensor) -> Step:
    """`DDPMScheduler.step` (https://arxiv.org/abs/2006.11239, eq. 7; learned range: 2102.09672, eq. 15)."""
    t = _index(t)
    if prev_t is None:
        previous = [int(scheduler.previous_timestep(int(time))) for time in t.flatten()]
        prev_t = torch.tensor(previous).view(t.shape)
    product, prev_product = _products(scheduler.alphas_cumprod, t, _index(prev_t), scheduler.one)
    alpha = product / prev_product
    beta = 1 - alpha
    added = (1 - prev_product) / (1 - product) * beta
    variance = torch.clamp(added, min=1e-20)

    kind = scheduler.config.variance_type
    model_output, fraction = _split(scheduler, model_output, sample)
    if fraction is not None:
        added = beta  # the model decides how much noise there is, even where the exact posterior has none
        low, high = _like(torch.log(variance), sample), _like(torch.log(beta), sample)
        std = fraction**0.5 if kind == "learned" else _learned_std(fraction, low, high)
    elif kind == "fixed_small_log":
        std = _like(torch.exp(0.5 * torch.log(variance)), sample)
    elif kind in ("fixed_small", "fixed_large"):
        added = beta if kind == "fixed_large" else added
        std = _like((beta if kind == "fixed_large" else variance) ** 0.5, sample)
    else:
        raise SpriteError(
            f"DDPMScheduler cannot sample with variance_type {kind!r}: set fixed_small, fixed_small_log, fixed_large, "
            "learned or learned_range in the scheduler's config."
        )
    mean = _posterior_mean(scheduler, model_output, sample, product, prev_product, alpha, beta)
    return Step(mean, _silenced(std, t == 0, sample), (t == 0) | (added < SMALLEST_STD**2))


def ddim_step(
    scheduler: Any, model_output: torch.Tensor, t: Any, prev_t: Any, sample: torch.Tensor, eta: float
) -> Step:
    """`DDIMScheduler.step` (https://arxiv.org/abs/2010.02502, eqs. 12 and 16)."""
    t = _index(t)
    prev_t = ddim_previous(scheduler, t) if prev_t is None else _index(prev_t)
    product, prev_product = _products(scheduler.alphas_cumprod, t, prev_t, scheduler.final_alpha_cumprod)
    variance = ((1 - prev_product) / (1 - product)) * (1 - product / prev_product)
    std = eta * variance**0.5

    kind = scheduler.config.prediction_type
    signal, noise = _like(product**0.5, sample), _like((1 - product) ** 0.5, sample)
    clean = predicted_clean(kind, model_output, sample, signal, noise)
    if kind == "epsilon":
        epsilon = model_output
    elif kind == "sample":
        epsilon = (sample - signal * clean) / noise
    else:
        epsilon = signal * model_output + noise * sample
    direction = _like((1 - prev_product - std**2) ** 0.5, sample) * epsilon
    mean = _like(prev_product**0.5, sample) * _clipped(scheduler, clean) + direction
    return Step(mean, _like(std, sample).to(sample), std < SMALLEST_STD)


def flow_step(
    scheduler: Any, velocity: torch.Tensor, t: Any, prev_t: Any, sample: torch.Tensor, noise_level: float
) -> Step:
    """The SDE of Flow-GRPO (https://arxiv.org/abs/2505.05470, eq. 9), with ``sigma_t = a sqrt(sigma / (1 - sigma))``.

    Its time is our sigma: 1 is noise and 0 the clean sample. Two places differ from eq. 9: the step to 0 is the plain
    Euler step, since its noise would stay in the picture, and the first step's ``sigma_t``, which has a pole at 1,
    takes the second sigma (as the authors' code does at exactly 1). `FlowMatchEulerDiscreteScheduler` with
    ``stochastic_sampling`` draws fresh noise around the predicted clean sample instead, and so does this.
    """
    index = _flow_index(scheduler, t)
    sigmas = scheduler.sigmas.cpu()
    sigma = sigmas[index]
    if prev_t is None:
        following = sigmas[index + 1]
    else:
        prev_t = torch.as_tensor(prev_t).cpu()
        known = _flow_index(scheduler, torch.where(prev_t > 0, prev_t, scheduler.timesteps.cpu()[0].to(prev_t.dtype)))
        following = torch.where(prev_t > 0, sigmas[known], sigmas[-1])
    step = following - sigma

    if getattr(scheduler.config, "stochastic_sampling", False):
        clean = sample - _like(sigma, sample) * velocity
        mean = _like(1.0 - following, sample) * clean
        return Step(mean, _like(following, sample).to(sample), following < SMALLEST_STD)

    diffusion = noise_level * (sigma / (1 - torch.minimum(sigma, sigmas[1]))) ** 0.5
    diffusion = torch.where(following > 0, diffusion, torch.zeros_like(diffusion))
    pull = diffusion**2 / (2 * sigma)
    mean = sample * _like(1 + pull * step, sample) + velocity * _like((1 + pull * (1 - sigma)) * step, sample)
    std = diffusion * (-step) ** 0.5
    return Step(mean, _like(std, sample).to(sample), std < SMALLEST_STD)


def _posterior_mean(
    scheduler: Any,
    model_output: torch.Tensor,
    sample: torch.Tensor,
    product: torch.Tensor,
    prev_product: torch.Tensor,
    alpha: torch.Tensor,
    beta: torch.Tensor,
) -> torch.Tensor:
    """Mean of https://arxiv.org/abs/2006.11239, eq. 7, for steps of any length."""
    signal, noise = _like(product**0.5, sample), _like((1 - product) ** 0.5, sample)
    kind = scheduler.config.prediction_type
    clean = _clipped(scheduler, predicted_clean(kind, model_output, sample, signal, noise))
    clean_share = (prev_product**0.5 * beta) / (1 - product)
    sample_share = alpha**0.5 * (1 - prev_product) / (1 - product)
    return _like(clean_share, sample) * clean + _like(sample_share, sample) * sample


def _learned_std(fraction: torch.Tensor, low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
    """Standard deviation between two log-variances; `fraction` in [-1, 1] goes from `low` to `high`."""
    fraction = (fraction + 1) / 2
    return (0.5 * (fraction * high + (1 - fraction) * low)).exp()


def _split(
    scheduler: Any, model_output: torch.Tensor, sample: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The prediction and, where the scheduler's variance is learned, what the model says of that."""
    kind, channels = scheduler.config.variance_type, sample.shape[1]
    learned = kind in LEARNED_VARIANCES
    if model_output.shape[1] != channels * (2 if learned else 1):
        raise SpriteError(
            f"The model gives {model_output.shape[1]} channels for a sample of {channels}, but variance_type {kind!r} "
            f"takes {channels * (2 if learned else 1)}: set the scheduler's variance_type to what the model was "
            "trained with."
        )
    return tuple(model_output.split(channels, dim=1)) if learned else (model_output, None)


def _clipped(scheduler: Any, clean: torch.Tensor) -> torch.Tensor:
    if getattr(scheduler.config, "thresholding", False):
        return scheduler._threshold_sample(clean)
    if scheduler.config.clip_sample:
        return clean.clamp(-scheduler.config.clip_sample_range, scheduler.config.clip_sample_range)
    return clean


def _products(
    table: torch.Tensor, t: torch.Tensor, prev_t: torch.Tensor, final: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cumulative alphas at both ends of the step; `final` for the clean sample."""
    table = table.cpu()
    return table[t], torch.where(prev_t >= 0, table[prev_t.clamp(min=0)], final.to(table.dtype))


def ddim_previous(scheduler: Any, t: torch.Tensor) -> torch.Tensor:
    return t - scheduler.config.num_train_timesteps // scheduler.num_inference_steps


def _flow_index(scheduler: Any, t: Timestep) -> torch.Tensor:
    """Where `t` stands among the scheduler's timesteps; solvers round them, so that sigma cannot be read from `t`."""
    t = torch.as_tensor(t).cpu()
    distance = (scheduler.timesteps.cpu().double() - t.double().unsqueeze(-1)).abs()
    if float(distance.amin(-1).max()) > 1e-2:
        raise SpriteError(
            f"Timestep {t.tolist()} is not among the {len(scheduler.timesteps)} of {type(scheduler).__name__}: call "
            "set_timesteps with the number of steps that was sampled with, and take timesteps from it."
        )
    return distance.argmin(-1)


def _index(t: Timestep) -> torch.Tensor:
    """Timesteps as integers on the CPU, where the schedulers keep their tables."""
    return torch.as_tensor(t).detach().cpu().long()


def _like(coefficient: torch.Tensor, sample: torch.Tensor) -> torch.Tensor:
    """A coefficient that multiplies `sample`: a number as it is, as in the schedulers, or one for each example."""
    if coefficient.ndim == 0:
        return coefficient
    return coefficient.to(sample).view(-1, *[1] * (sample.ndim - 1))


def _silenced(std: torch.Tensor, silent: torch.Tensor, sample: torch.Tensor) -> torch.Tensor:
    """`std` on the device and in the precision of `sample`, 0 where the step adds no noise."""
    silent = silent.view(-1, *[1] * (sample.ndim - 1)) if silent.ndim else silent
    return torch.where(silent.to(sample.device), 0.0, std.to(sample))
