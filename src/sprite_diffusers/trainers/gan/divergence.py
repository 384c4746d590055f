"""When a GAN has failed and will not recover, and why."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass
class DivergenceMonitor:
    """Counts, step by step, how long each sign of failure lasts; kept with checkpoints.

    Attributes:
        nonfinite: steps in a row with a loss or gradient of the discriminator that is NaN or infinite.
        pinned: steps in a row in which the discriminator was right about every image.
        collapsed: steps in a row in which drawn images hardly differed from each other.
        longest_pinned: the most of `pinned` so far.
    """

    nonfinite: int = 0
    pinned: int = 0
    collapsed: int = 0
    longest_pinned: int = 0

    def update(self, finite: bool, accuracy: float, spread: float, min_spread: float) -> None:
        """Takes one step into account.

        Args:
            finite: whether the discriminator's loss and gradient were numbers.
            accuracy: share of real and drawn images that it took for what they are, 0 to 1.
            spread: deviation of the drawn images from each other, relative to that of real ones.
            min_spread: below it they count as one image.
        """
        self.nonfinite = 0 if finite else self.nonfinite + 1
        self.pinned = self.pinned + 1 if accuracy >= 1.0 else 0
        self.collapsed = self.collapsed + 1 if spread < min_spread else 0
        self.longest_pinned = max(self.longest_pinned, self.pinned)

    def reason(self, max_nonfinite: int, max_pinned: int, max_collapsed: int) -> str | None:
        """What has failed, in words with the flag to change; `None` if nothing has. A limit of 0 is none."""
        if self.nonfinite >= max_nonfinite:
            return f"the discriminator's loss or gradient was NaN or infinite in {self.nonfinite} steps in a row"
        if self.pinned >= (max_pinned or math.inf):
            return (
                f"the discriminator was right about every image in {self.pinned} steps in a row (--max_pinned_steps), so "
                "that the generator learns nothing from it"
            )
        if self.collapsed >= max_collapsed:
            return (
                f"the drawn images were nearly the same in {self.collapsed} steps in a row (--min_sample_spread, "
                "--max_collapsed_steps)"
            )
        return None
