"""Sampling by the policy: images to rate, and the steps that led to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch

from .policies import Conditions, Policy
from .transitions import log_prob, noise_weight, sampling_steps, transition


@dataclass(frozen=True)
class Steps:
    """Some denoising steps of some images, one row each; rows are chosen by indexing.

    Attributes:
        image: which image each belongs to, ``(rows,)``.
        sample, prev_sample: before and after, ``(rows, ...)``.
        timestep, prev_timestep: ``(rows,)``; below 0 is the clean sample.
        log_prob: of the step under the weights that sampled it, ``(rows,)``.
        weight: `transitions.noise_weight` over its mean, ``(rows,)``.
    """

    image: torch.Tensor
    sample: torch.Tensor
    prev_sample: torch.Tensor
    timestep: torch.Tensor
    prev_timestep: torch.Tensor
    log_prob: torch.Tensor
    weight: torch.Tensor


@dataclass(frozen=True)
class Trajectories:
    """What the policy drew.

    Attributes:
        prompts: one per image.
        conditions: rows of images.
        latents: clean samples ``(images, ...)``.
        steps: those chosen, or `None`.
    """

    prompts: list[str]
    conditions: Conditions
    latents: torch.Tensor
    steps: Steps | None = None


@torch.no_grad()
def sample_trajectories(
    policy: Policy,
    prompts: Sequence[str],
    generator: torch.Generator,
    *,
    seed: int = 0,
    batch_size: int = 128,
    eta: float = 1.0,
    noise_level: float = 0.7,
    kept: Sequence[int] = (),
) -> Trajectories:
    """Draws an image for each prompt, in batches.

    Args:
        policy: in evaluation mode.
        prompts: one per image.
        generator: of all noise.
        seed: for `Policy.conditions`.
        batch_size: images at once.
        eta, noise_level: see `transition`.
        kept: numbers of the steps to return, among those of `stochastic_steps`.
    """
    conditions = policy.conditions(prompts, seed)
    latents: list[torch.Tensor] = []
    parts: list[Steps] = []
    for start in range(0, len(prompts), batch_size):
        stop = min(start + batch_size, len(prompts))
        rows = {name: tensor[start:stop] for name, tensor in conditions.items()}
        drawn, steps = _sample(policy, rows, stop - start, start, generator, eta, noise_level, set(kept))
        latents.append(drawn)
        parts += steps
    return Trajectories(list(prompts), conditions, torch.cat(latents), _joined(parts) if parts else None)


def _joined(parts: list[Steps]) -> Steps:
    columns = {f.name: torch.cat([getattr(part, f.name) for part in parts]) for f in fields(Steps)}
    columns["weight"] = columns["weight"] / columns["weight"].mean()
    return Steps(**columns)


def _sample(
    policy: Policy,
    conditions: Conditions,
    count: int,
    first: int,
    generator: torch.Generator,
    eta: float,
    noise_level: float,
    kept: set[int],
) -> tuple[torch.Tensor, list[Steps]]:
    """Clean samples of a batch, and the steps kept."""
    latents, steps, number = policy.noise(count, generator), list[Steps](), 0
    image = torch.arange(first, first + count)
    for t, prev_t in sampling_steps(policy.scheduler):
        timestep = torch.as_tensor(t, device=latents.device)
        output = policy(latents, timestep, conditions)
        step = transition(policy.scheduler, output, t, prev_t, latents, eta=eta, noise_level=noise_level)
        following = step.sample(generator).to(latents.dtype)
        if not bool(step.deterministic.any()):
            if number in kept:
                end = torch.full((count,), float(prev_t), dtype=timestep.dtype, device=timestep.device)
                density, weight = log_prob(step, following), noise_weight(step)
                steps.append(Steps(image, latents, following, timestep.expand(count), end, density, weight))
            number += 1
        latents = following
    return latents, steps


def choose_steps(count: int, fraction: float, rng: np.random.Generator) -> list[int]:
    """A share of `count` steps at random, at least one, one from each of as many equal parts of the sampling."""
    number = max(1, round(fraction * count))
    return sorted(int(rng.choice(part)) for part in np.array_split(np.arange(count), number))
