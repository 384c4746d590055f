"""Where a teacher's paths pass and end: what a student learns to jump between."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from .teacher import GuidedTeacher


@dataclass(frozen=True)
class Trajectories:
    """Points of the teacher's paths at the noise levels where the student's steps begin, on the CPU.

    Attributes:
        starts: ``(levels, count, channels, H, W)``, from noise down.
        sigmas: ``(levels,)``, as good as 1, ``1 - 1/levels``, ..., ``1/levels``.
        ends: ``(count, channels, H, W)``, sprites.
        rows: the paths of each class, ``(count of the class,)`` each.
    """

    starts: torch.Tensor
    sigmas: torch.Tensor
    ends: torch.Tensor
    rows: list[torch.Tensor]

    @classmethod
    def integrate(
        cls,
        teacher: GuidedTeacher,
        noise: torch.Tensor,
        labels: torch.Tensor,
        num_steps: int,
        num_levels: int,
        batch_size: int,
        device: torch.device | str = "cpu",
    ) -> Trajectories:
        """Follows the teacher from `noise` ``(count, channels, H, W)``.

        Args:
            labels: ``(count,)``; every class must be among them.
            num_steps: of each path, a multiple of `num_levels`.
            num_levels: steps of the student.
            batch_size: paths at a time.
        """
        every, starts, ends = num_steps // num_levels, [], []
        for part, classes in zip(noise.split(batch_size), labels.split(batch_size), strict=True):
            points, sigmas = teacher.trajectory(part.to(device), classes.to(device), num_steps)
            starts.append(points[:-1:every].cpu())
            ends.append(points[-1].cpu())
        rows = [(labels == label).nonzero()[:, 0] for label in range(int(labels.max()) + 1)]
        return cls(torch.cat(starts, dim=1), sigmas[:-1:every].cpu(), torch.cat(ends), rows)

    def draw(self, labels: torch.Tensor, rng: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """A random path of the class of each of `labels` ``(batch,)``, and a random level of it.

        Returns:
            The point there ``(batch, channels, H, W)``, its noise level ``(batch,)``, and where the path ends.
        """
        shares = torch.rand(len(labels), generator=rng)
        chosen = torch.stack([
            self.rows[label][int(share * len(self.rows[label]))]
            for label, share in zip(labels.tolist(), shares.tolist(), strict=True)
        ])  # fmt: skip
        levels = torch.randint(len(self.sigmas), (len(labels),), generator=rng)
        return self.starts[levels, chosen], self.sigmas[levels], self.ends[chosen]
