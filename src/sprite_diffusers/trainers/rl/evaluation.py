"""Judging a policy: seeded images of prompts, their raw rewards, and how different the images of a prompt are."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from ...errors import SpriteError
from ...rewards import Calibration, composite, gather_rewards
from ...rewards.base import Values
from .policies import Policy
from .rollout import sample_trajectories
from .settings import RLConfig


@dataclass(frozen=True)
class Evaluation:
    """Images and what the rewards say of them.

    Attributes:
        prompts: one per image.
        rewards: raw, by name, of those that are trained.
        untrained: raw, of the one that only watches; empty if there is none.
        diversity: mean distance of two images of a prompt, root mean square of their pixels in ``[0, 1]``.
        images: ``(N, 3 | 4, H, W)`` in ``[0, 1]``, on the CPU.
    """

    prompts: list[str]
    rewards: dict[str, Values]
    untrained: Values
    diversity: float
    images: torch.Tensor

    def composites(self, calibration: Calibration, weights: Sequence[float] | Mapping[str, float] | None) -> Values:
        """One number per image, in standard deviations of the base."""
        return composite(calibration.normalize(self.rewards), weights)


@torch.no_grad()
def evaluate_policy(
    policy: Policy,
    prompts: Sequence[str],
    config: RLConfig,
    rewards: Sequence[Callable],
    untrained: Callable | None = None,
    seed: int = 0,
) -> Evaluation:
    """Draws ``config.eval_images_per_prompt`` images of each prompt from `seed` and rates them.

    The same noise for the same prompts, whatever the weights: two evaluations are compared image by image.
    """
    repeated = [prompt for prompt in prompts for _ in range(config.eval_images_per_prompt)]
    policy.eval()
    drawn = sample_trajectories(
        policy,
        repeated,
        torch.Generator(policy.device).manual_seed(seed),
        seed=seed,
        batch_size=config.rollout_batch_size,
        eta=config.eta,
        noise_level=config.noise_level,
    )
    images = decode(policy, drawn.latents, drawn.conditions, config.rollout_batch_size).cpu()
    watched = [] if untrained is None else [untrained]
    values = gather_rewards([*rewards, *watched], images, repeated)
    watching = values.pop(list(values)[-1]) if watched else []
    return Evaluation(repeated, values, watching, diversity(images, repeated), images)


@torch.no_grad()
def decode(
    policy: Policy, latents: torch.Tensor, conditions: dict[str, torch.Tensor], batch_size: int
) -> torch.Tensor:
    """Images of clean samples, in batches.

    Raises:
        SpriteError: samples that are NaN or infinite.
    """
    if not bool(latents.isfinite().all()):
        raise SpriteError("The tuned model draws NaN or infinite values: lower --learning_rate.")
    parts = []
    for start in range(0, len(latents), batch_size):
        rows = {name: tensor[start : start + batch_size] for name, tensor in conditions.items()}
        parts.append(policy.images(latents[start : start + batch_size], rows).float())
    return torch.cat(parts)


def diversity(images: torch.Tensor, prompts: Sequence[str]) -> float:
    """Mean distance of two images of one prompt, colour premultiplied by alpha; NaN if no prompt has two images."""
    if images.shape[1] == 4:
        images = torch.cat([images[:, :3] * images[:, 3:], images[:, 3:]], dim=1)
    members: dict[str, list[int]] = {}
    for index, prompt in enumerate(prompts):
        members.setdefault(prompt, []).append(index)
    means = []
    for rows in members.values():
        if len(rows) > 1:
            flat = images[rows].flatten(1).double()
            means.append(float(torch.pdist(flat).mean()) / math.sqrt(flat.shape[1]))
    return sum(means) / len(means) if means else math.nan


def mean(values: Values) -> float:
    """Of those that apply; NaN if none does."""
    found = [value for value in values if value is not None]
    return sum(found) / len(found) if found else math.nan


def without_gaps(values: Values, groups: Sequence[str]) -> torch.Tensor:
    """float64 ``(N,)``: an image that no reward applies to counts as the mean of its group, or of all."""
    known = [value for value in values if value is not None]
    if not known:
        raise SpriteError("No reward applies to any image: give --rewards that say something of these prompts.")
    overall = sum(known) / len(known)
    members: dict[str, list[float]] = {}
    for value, group in zip(values, groups, strict=True):
        if value is not None:
            members.setdefault(group, []).append(value)
    filled = [
        value if value is not None else sum(members.get(group, [overall])) / len(members.get(group, [overall]))
        for value, group in zip(values, groups, strict=True)
    ]
    return torch.tensor(filled, dtype=torch.float64)
