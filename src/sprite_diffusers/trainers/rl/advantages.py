"""From rewards to advantages: how much better a sample is than others of its prompt.

Groups of equal rewards say nothing; they get zeros and are counted, so that a guard can end a run that learns nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ...errors import SpriteError

SCALES = ("group", "batch", "none")
FLAT = 1e-9
"""Rewards that differ by less than this share of their size are equal but for rounding."""
EPSILON = 1e-6


@dataclass(frozen=True)
class Advantages:
    """Advantages of a batch and how much of it they are about.

    Attributes:
        values: ``(batch,)``, float32, in the order of the rewards; 0 in flat groups.
        flat: the groups whose rewards are all equal (those of one sample always are).
        num_groups: in the batch.
    """

    values: torch.Tensor
    flat: tuple[Hashable, ...]
    num_groups: int

    @property
    def flat_share(self) -> float:
        """Share of the groups without spread, 0 to 1."""
        return len(self.flat) / self.num_groups


def group_relative(
    rewards: Sequence[float] | torch.Tensor,
    groups: Sequence[Hashable],
    scale: str = "group",
    clip: float | None = 5.0,
) -> Advantages:
    """``(reward - mean of the group) / sd``: Flow-GRPO, https://arxiv.org/abs/2505.05470, eq. 4.

    Args:
        rewards: ``(batch,)``, any scale.
        groups: ``(batch,)``, the prompt of each.
        scale: whose sd divides: the ``"group"``'s (population sd, as in the paper's code), that of the whole
            ``"batch"``, which does not blow up groups that nearly agree, or ``"none"``
            (https://arxiv.org/abs/2503.20783).
        clip: keeps advantages within plus and minus this; `None` does not.

    Raises:
        SpriteError: rewards that are not finite, lengths that differ, an unknown scale.
    """
    if scale not in SCALES:
        raise SpriteError(f"--scale_rewards {scale!r} is unknown: it must be group, batch or none.")
    rewards, members = _grouped(rewards, groups)
    batch_sd = rewards.std(correction=0)
    values = torch.zeros_like(rewards)
    for indices in members.values():
        group = rewards[indices]
        sd = {"group": group.std(correction=0), "batch": batch_sd, "none": rewards.new_ones(())}[scale]
        values[indices] = (group - group.mean()) / (sd + (EPSILON if scale != "none" else 0))
    return _advantages(rewards, members, values, clip)


def leave_one_out(
    rewards: Sequence[float] | torch.Tensor, groups: Sequence[Hashable], clip: float | None = None
) -> Advantages:
    """``reward - mean of the group's others``: RLOO, https://arxiv.org/abs/2402.14740, section 3; unbiased.

    Args:
        rewards: ``(batch,)``; their scale is the advantages', so bring several rewards to one scale before.
        groups: ``(batch,)``, the prompt of each.
        clip: keeps advantages within plus and minus this; `None` does not.

    Raises:
        SpriteError: rewards that are not finite, or lengths that differ.
    """
    rewards, members = _grouped(rewards, groups)
    values = torch.zeros_like(rewards)
    for indices in members.values():
        group, size = rewards[indices], len(indices)
        if size > 1:
            values[indices] = group - (group.sum() - group) / (size - 1)
    return _advantages(rewards, members, values, clip)


class RunningStatistics:
    """Mean and sd of each prompt's latest rewards: DDPO, https://arxiv.org/abs/2305.13301, section 4.3 and appendix D.

    For prompts that come back over many batches with few samples each.

    Args:
        buffer_size: rewards remembered per prompt.
        min_count: a prompt with fewer uses the batch's mean and sd.
        clip: keeps advantages within plus and minus this; `None` does not.
    """

    def __init__(self, buffer_size: int = 32, min_count: int = 16, clip: float | None = 5.0):
        if not 1 <= min_count <= buffer_size:
            raise SpriteError(
                f"--per_prompt_min_count {min_count} must be from 1 to --per_prompt_buffer_size {buffer_size}."
            )
        self.buffer_size, self.min_count, self.clip = buffer_size, min_count, clip
        self._buffers: dict[Hashable, deque[float]] = {}

    def update(self, rewards: Sequence[float] | torch.Tensor, prompts: Sequence[Hashable]) -> Advantages:
        """Remembers ``(batch,)`` rewards and gives their advantages; flat is a prompt whose remembered ones are equal.

        Raises:
            SpriteError: rewards that are not finite, or lengths that differ.
        """
        rewards, members = _grouped(rewards, prompts)
        values, flat = torch.zeros_like(rewards), []
        for prompt, indices in members.items():
            buffer = self._buffers.setdefault(prompt, deque(maxlen=self.buffer_size))
            buffer.extend(rewards[indices].tolist())
            known = rewards if len(buffer) < self.min_count else torch.tensor(list(buffer), dtype=rewards.dtype)
            if _is_flat(known):
                flat.append(prompt)
            else:
                values[indices] = (rewards[indices] - known.mean()) / (known.std(correction=0) + EPSILON)
        return Advantages(_clip(values, self.clip).float(), tuple(flat), len(members))

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` goes on from."""
        return {"buffers": {prompt: list(buffer) for prompt, buffer in self._buffers.items()}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from a `state_dict`."""
        self._buffers = {
            prompt: deque(rewards, maxlen=self.buffer_size) for prompt, rewards in state["buffers"].items()
        }


def optimality(advantages: torch.Tensor, scale: float = 1.0) -> torch.Tensor:
    """Probability ``(batch,)`` that a sample is a good one: ``1/2 + 1/2 clip(advantage / scale, -1, 1)``.

    DiffusionNFT, https://arxiv.org/abs/2509.16117, section 3.3, where ``advantage / scale`` is the reward less the
    prompt's mean, over a number such as the rewards' sd (five sds in the authors' code).

    Raises:
        SpriteError: a scale that is not positive.
    """
    if scale <= 0:
        raise SpriteError(f"The scale of optimality {scale} must be positive: give 1 for advantages in sds.")
    return 0.5 + 0.5 * (advantages / scale).clamp(-1, 1)


def _grouped(
    rewards: Sequence[float] | torch.Tensor, groups: Sequence[Hashable]
) -> tuple[torch.Tensor, dict[Hashable, list[int]]]:
    """Rewards in float64 on the CPU, and the positions of each group's."""
    rewards = torch.as_tensor(rewards, dtype=torch.float64, device="cpu").detach()
    if rewards.ndim != 1 or len(rewards) != len(groups) or not len(rewards):
        raise SpriteError(
            f"Rewards of shape {tuple(rewards.shape)} for {len(groups)} prompts: there must be one for each, at least one."
        )
    broken = (~rewards.isfinite()).nonzero().flatten().tolist()
    if broken:
        raise SpriteError(
            f"{len(broken)} of {len(rewards)} rewards are not finite (the first is {float(rewards[broken[0]])} for "
            f"{groups[broken[0]]!r}): a reward must give a number, or None where it does not apply."
        )
    members: dict[Hashable, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    return rewards, members


def _advantages(
    rewards: torch.Tensor, members: dict[Hashable, list[int]], values: torch.Tensor, clip: float | None
) -> Advantages:
    flat = tuple(group for group, indices in members.items() if _is_flat(rewards[indices]))
    for group in flat:
        values[members[group]] = 0
    return Advantages(_clip(values, clip).float(), flat, len(members))


def _clip(values: torch.Tensor, clip: float | None) -> torch.Tensor:
    return values if clip is None else values.clamp(-clip, clip)


def _is_flat(rewards: torch.Tensor) -> bool:
    return bool(rewards.max() - rewards.min() <= FLAT * rewards.abs().max())
