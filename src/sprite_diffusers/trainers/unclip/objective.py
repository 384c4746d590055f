"""The path of an unCLIP's stages between data and noise, and the schedulers that sample it."""

from __future__ import annotations

from dataclasses import replace

import torch
from diffusers import UnCLIPScheduler
from diffusers.training_utils import compute_snr

from ...objectives import Corrupted, DiffusionObjective

NUM_TRAIN_TIMESTEPS = 1000


class UnclipObjective(DiffusionObjective):
    """Diffusion on the cosine schedule that `UnCLIPScheduler` samples.

    Errors of the noise all weigh alike. Those of a clean image weigh ``SNR + 1``, which makes them the errors of a
    velocity (https://arxiv.org/abs/2202.00512, section 4), up to a limit: near the end the network need not be exact.

    Args:
        prediction_type: ``"epsilon"`` or ``"sample"``.
        max_weight: that limit, 1 or more; at 1 all errors weigh alike.
        variance_type: ``"learned_range"`` or ``"fixed_small_log"``.
        clip_range: samplers keep their guess of the clean sample within plus and minus this.
    """

    def __init__(
        self,
        prediction_type: str,
        max_weight: float = 5.0,
        variance_type: str = "fixed_small_log",
        clip_range: float = 1.0,
    ):
        super().__init__(prediction_type, "cosine", num_train_timesteps=NUM_TRAIN_TIMESTEPS, clip_range=clip_range)
        self.max_weight, self.variance_type, self.clip_range = max_weight, variance_type, clip_range

    def corrupt(self, clean: torch.Tensor, generator: torch.Generator | None = None) -> Corrupted:
        corrupted = super().corrupt(clean, generator)
        if self.prediction_type == "epsilon":
            return corrupted
        snr = compute_snr(self.noise_scheduler, corrupted.timesteps)
        return replace(corrupted, weight=(snr + 1).clamp(max=self.max_weight))

    def sampling_scheduler(self) -> UnCLIPScheduler:
        """The sampler of the trained chain."""
        return UnCLIPScheduler(
            num_train_timesteps=self.num_train_timesteps,
            variance_type=self.variance_type,
            clip_sample_range=self.clip_range,
            prediction_type=self.prediction_type,
        )
