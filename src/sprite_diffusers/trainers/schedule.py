"""How long a run lasts and what its learning rate is: by steps, by minutes, or by both."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Budget:
    """Limits of a run; it ends at whichever comes first.

    Attributes:
        max_steps: optimizer steps.
        max_seconds: wall-clock seconds of training.
    """

    max_steps: int | None
    max_seconds: float | None

    def progress(self, step: int, seconds: float, seconds_before: float = 0.0) -> float:
        """Share of the steps that is done after `step` of them and `seconds`; 1 and above is the end.

        Args:
            seconds_before: of `seconds`, those that went by before the first step: they are part of the limit, not of the share.
        """
        by_steps = step / self.max_steps if self.max_steps else 0.0
        if not self.max_seconds:
            return by_steps
        if seconds_before >= self.max_seconds:
            return 1.0
        return max(by_steps, (seconds - seconds_before) / (self.max_seconds - seconds_before))


def learning_rate_factor(scheduler: str, progress: float, step: int, warmup_steps: int) -> float:
    """Factor on the peak learning rate for the optimizer step number `step` (0 is the first).

    Args:
        scheduler: ``"constant"``; ``"linear"`` or ``"cosine"``, which fall to 0 at the end of the run; or ``"one_cycle"``
            (https://arxiv.org/abs/1708.07120), which rises from 1/25 over the first tenth of the run and falls to nearly 0.
        progress: share of the run that is done, see `Budget.progress`.
        warmup_steps: steps of linear warm-up, on top of the schedule.
    """
    progress = min(progress, 1.0)
    decay = {
        "constant": 1.0,
        "linear": 1.0 - progress,
        "cosine": 0.5 * (1.0 + math.cos(math.pi * progress)),
        "one_cycle": _one_cycle(progress),
    }[scheduler]
    return decay * min(1.0, (step + 1) / (warmup_steps + 1))


def _one_cycle(progress: float, rise: float = 0.1, start: float = 1 / 25, end: float = 1 / 250_000) -> float:
    """The factors of `torch.optim.lr_scheduler.OneCycleLR` with its defaults, but for the share of the rise."""
    if progress < rise:
        return 1 + (start - 1) * 0.5 * (1 + math.cos(math.pi * progress / rise))
    return end + (1 - end) * 0.5 * (1 + math.cos(math.pi * (progress - rise) / (1 - rise)))
