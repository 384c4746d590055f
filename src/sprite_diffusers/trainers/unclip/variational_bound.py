"""What teaches a decoder its variance: the variational bound, in the arithmetic of `UnCLIPScheduler`."""

from __future__ import annotations

import math

import torch
from diffusers import UnCLIPScheduler

from ..rl.transitions import kl, transition

BIN = 1 / 255  # half a level of 8-bit colour, of values from -1 to 1
EDGE = 0.999  # beyond it, a level has all the rest of the axis


def variational_bound(
    scheduler: UnCLIPScheduler,
    model_output: torch.Tensor,
    sample: torch.Tensor,
    clean: torch.Tensor,
    timesteps: torch.Tensor,
) -> torch.Tensor:
    """The bound's term of each example's timestep, ``(batch,)`` in bits per value; the bound is their sum over all timesteps.

    The divergence of the scheduler's step from the posterior that knows the clean image, and at timestep 0 the
    likelihood of 8-bit colours (https://arxiv.org/abs/2006.11239, eq. 5 and 13; variances: 2102.09672, eq. 15).

    Args:
        scheduler: of ``variance_type="learned_range"``.
        model_output: ``(batch, 2 * channels, ...)``, prediction and variance.
        sample: ``(batch, channels, ...)``, noisy.
        clean: the same, in ``[-1, 1]``.
        timesteps: ``(batch,)``.
    """
    later = timesteps.clamp(min=1)  # a step from 0 has no noise to diverge in; its term is replaced below
    exact = UnCLIPScheduler.from_config(
        scheduler.config, variance_type="fixed_small_log", prediction_type="sample", clip_sample=False
    )
    posterior = transition(exact, clean, later, later - 1, sample)
    bound = kl(posterior, transition(scheduler, model_output, later, later - 1, sample))
    if (timesteps == 0).any():
        last = _likelihood_bound(scheduler, model_output, sample, clean)
        bound = torch.where(timesteps == 0, last, bound)
    return bound / math.log(2)


def _likelihood_bound(
    scheduler: UnCLIPScheduler, model_output: torch.Tensor, sample: torch.Tensor, clean: torch.Tensor
) -> torch.Tensor:
    """The same term as if all timesteps were 0, in nats: the sampler adds no noise there, the bound takes the variance."""
    channels = clean.shape[1]
    zero = torch.zeros(len(sample), dtype=torch.long)
    mean = transition(scheduler, model_output, zero, zero - 1, sample).mean
    products = scheduler.alphas_cumprod[:2].tolist()
    # the posterior's variance is 0 at timestep 0: that of timestep 1 stands in, as in the code of 2102.09672
    low, high = ((1 - products[0]) / (1 - products[1]) * scheduler.betas[1]).log(), scheduler.betas[0].log()
    fraction = (model_output[:, channels:] + 1) / 2
    inverse = (-0.5 * (fraction * high.to(fraction) + (1 - fraction) * low.to(fraction))).exp()
    above, below = (torch.special.ndtr(inverse * (clean - mean + side)) for side in (BIN, -BIN))
    inside = torch.where(clean < -EDGE, above, torch.where(clean > EDGE, 1 - below, above - below))
    return -inside.clamp(min=1e-12).log().flatten(1).mean(1)
