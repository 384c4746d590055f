"""Where a teacher's paths begin and end: what a student learns to jump between."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from tqdm.auto import tqdm

from .teacher import GuidedTeacher


@dataclass(frozen=True)
class Trajectories:
    """Both ends of the teacher's paths, on the CPU.

    Attributes:
        noise: ``(count, channels, H, W)``, standard normal.
        ends: the same shape, sprites.
        rows: the paths of each class, ``(count of the class,)`` each.
    """

    noise: torch.Tensor
    ends: torch.Tensor
    rows: list[torch.Tensor]

    @classmethod
    def integrate(
        cls,
        teacher: GuidedTeacher,
        noise: torch.Tensor,
        labels: torch.Tensor,
        num_steps: int,
        batch_size: int,
        device: torch.device | str = "cpu",
        progress: bool = False,
    ) -> Trajectories:
        """Follows the teacher from `noise` ``(count, channels, H, W)``.

        Args:
            labels: ``(count,)``; every class must be among them.
            num_steps: of each path.
            batch_size: paths at a time.
            progress: show a bar with the time that is left.
        """
        ends = []
        with tqdm(total=len(noise), desc="trajectories", unit="path", disable=not progress) as bar:
            for part, classes in zip(noise.split(batch_size), labels.split(batch_size), strict=True):
                ends.append(teacher.draw(part.to(device), classes.to(device), num_steps).cpu())
                bar.update(len(part))
        rows = [(labels == label).nonzero()[:, 0] for label in range(int(labels.max()) + 1)]
        return cls(noise, torch.cat(ends), rows)

    def draw(self, labels: torch.Tensor, rng: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Noise ``(batch, channels, H, W)`` and end of a random path of the class of each of `labels` ``(batch,)``."""
        shares = torch.rand(len(labels), generator=rng)
        chosen = torch.stack([
            self.rows[label][int(share * len(self.rows[label]))]
            for label, share in zip(labels.tolist(), shares.tolist(), strict=True)
        ])  # fmt: skip
        return self.noise[chosen], self.ends[chosen]
