"""What the network predicts and how its error is weighted: the path between data and noise, apart from any model.

Two objectives with one interface, `DiffusionObjective` (variance-preserving diffusion; predicts noise, sample or
velocity) and `FlowObjective` (rectified flow). Both `corrupt` a batch and give the `loss` of a prediction.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import DDPMScheduler, SchedulerMixin, UniPCMultistepScheduler
from diffusers.training_utils import compute_snr

from .errors import SpriteError

PREDICTION_TYPES = ("epsilon", "sample", "v_prediction", "flow")
NOISE_SCHEDULES = {"linear": "linear", "cosine": "squaredcos_cap_v2"}
LOSS_TYPES = ("mse", "huber")
TIMESTEP_SAMPLINGS = ("uniform", "logit_normal")
FLOW_SHIFT = 2.0
"""Of samplers: sigma becomes ``shift sigma / (1 + (shift - 1) sigma)`` (https://arxiv.org/abs/2403.03206, eq. 23)."""


@dataclass(frozen=True)
class Corrupted:
    """A batch on its way to noise.

    Attributes:
        sample: what the network sees, ``(batch, channels, height, width)``.
        timesteps: what it is told, ``(batch,)``; integers below ``num_train_timesteps`` for diffusion, floats in
            ``(0, num_train_timesteps]`` for flow.
        target: what it should predict, the shape of `sample`.
        weight: weight of each example's error, ``(batch,)``.
    """

    sample: torch.Tensor
    timesteps: torch.Tensor
    target: torch.Tensor
    weight: torch.Tensor


class Objective(ABC):
    """What a diffusion trainer needs of an objective.

    Args:
        num_train_timesteps: the network is told times of up to this.
        snr_gamma: min-SNR weighting, e.g. 5; `None` weighs all examples alike.
        loss_type: ``"mse"`` or ``"huber"``.
        huber_delta: where Huber's error turns from square to linear.

    Raises:
        SpriteError: an unknown loss type.
    """

    def __init__(
        self,
        num_train_timesteps: int = 1000,
        snr_gamma: float | None = None,
        loss_type: str = "mse",
        huber_delta: float = 0.1,
    ):
        _check_choice("loss_type", loss_type, LOSS_TYPES)
        self.num_train_timesteps, self.snr_gamma = num_train_timesteps, snr_gamma
        self.loss_type, self.huber_delta = loss_type, huber_delta

    @abstractmethod
    def corrupt(self, clean: torch.Tensor, generator: torch.Generator | None = None) -> Corrupted:
        """Moves `clean` ``(batch, channels, height, width)`` in ``[-1, 1]`` to random times of the path.

        Args:
            generator: on the device of `clean`.
        """

    @abstractmethod
    def sampling_scheduler(self) -> SchedulerMixin:
        """The scheduler to sample a network trained with this objective."""

    def loss(self, prediction: torch.Tensor, corrupted: Corrupted) -> torch.Tensor:
        """Weighted mean error, a scalar."""
        error = elementwise_loss(prediction, corrupted.target, self.loss_type, self.huber_delta)
        return (error * corrupted.weight).mean()


def elementwise_loss(
    prediction: torch.Tensor, target: torch.Tensor, loss_type: str, huber_delta: float
) -> torch.Tensor:
    """Mean error of each example, ``(batch,)``: squared error, or Huber (smooth L1 times `huber_delta`)."""
    if loss_type == "huber":
        error = F.huber_loss(prediction.float(), target.float(), reduction="none", delta=huber_delta)
    else:
        error = F.mse_loss(prediction.float(), target.float(), reduction="none")
    return error.flatten(1).mean(1)


def min_snr_weight(snr: torch.Tensor, gamma: float, prediction_type: str) -> torch.Tensor:
    """Min-SNR-gamma weights ``(batch,)`` (https://arxiv.org/abs/2303.09556, section 3.4).

    The paper's weight ``min(SNR, gamma)`` is on the error of the predicted *sample*; other targets divide by what
    turns their error into that one: SNR for noise, SNR + 1 for velocity, and ``1 / sigma^2 = (1 + sqrt(SNR))^2`` for
    a rectified flow, where ``x0 = x_t - sigma v``.
    """
    clipped = snr.clamp(max=gamma)
    if prediction_type == "epsilon":
        return clipped / snr
    if prediction_type == "v_prediction":
        return clipped / (snr + 1)
    if prediction_type == "flow":
        return clipped / (1 + snr.sqrt()) ** 2
    return clipped


class DiffusionObjective(Objective):
    """DDPM training (https://arxiv.org/abs/2006.11239, eq. 14) with noise, sample or velocity prediction.

    Args:
        prediction_type: ``"epsilon"``, ``"sample"`` or ``"v_prediction"`` (https://arxiv.org/abs/2202.00512).
        noise_schedule: ``"linear"`` (1e-4 to 2e-2) or ``"cosine"`` (https://arxiv.org/abs/2102.09672).
        rescale_betas_zero_snr: ends the chain in pure noise (https://arxiv.org/abs/2305.08891); not with noise
            prediction, which then says nothing about the image.
        clip_range: samplers keep their guess of the clean sample within plus and minus this; `None` leaves it free.
        options: those of `Objective`.

    Raises:
        SpriteError: a value outside the above.
    """

    def __init__(
        self,
        prediction_type: str = "epsilon",
        noise_schedule: str = "linear",
        rescale_betas_zero_snr: bool = False,
        clip_range: float | None = 1.0,
        **options: Any,
    ):
        super().__init__(**options)
        _check_choice("prediction_type", prediction_type, PREDICTION_TYPES[:3])
        _check_choice("noise_schedule", noise_schedule, tuple(NOISE_SCHEDULES))
        if rescale_betas_zero_snr and prediction_type == "epsilon":
            raise SpriteError(
                "--rescale_betas_zero_snr needs --prediction_type v_prediction or sample: at zero SNR the noise says "
                "nothing about the image."
            )
        self.prediction_type = prediction_type
        self.noise_scheduler = DDPMScheduler(
            num_train_timesteps=self.num_train_timesteps,
            beta_schedule=NOISE_SCHEDULES[noise_schedule],
            beta_start=1e-4,
            beta_end=2e-2,
            prediction_type=prediction_type,
            rescale_betas_zero_snr=rescale_betas_zero_snr,
            # a chain that ends in pure noise has to be sampled from its very last step
            timestep_spacing="trailing",
            clip_sample=clip_range is not None,
            clip_sample_range=clip_range or 1.0,
        )

    def corrupt(self, clean: torch.Tensor, generator: torch.Generator | None = None) -> Corrupted:
        timesteps = torch.randint(self.num_train_timesteps, (len(clean),), generator=generator, device=clean.device)
        noise = torch.randn(clean.shape, generator=generator, device=clean.device, dtype=clean.dtype)
        if self.prediction_type == "v_prediction":
            target = self.noise_scheduler.get_velocity(clean, noise, timesteps)
        else:
            target = noise if self.prediction_type == "epsilon" else clean
        weight = torch.ones(len(clean), device=clean.device)
        if self.snr_gamma is not None:
            snr = compute_snr(self.noise_scheduler, timesteps)
            weight = min_snr_weight(snr, self.snr_gamma, self.prediction_type)
        return Corrupted(self.noise_scheduler.add_noise(clean, noise, timesteps), timesteps, target, weight)

    def sampling_scheduler(self) -> SchedulerMixin:
        """Ancestral sampling of the trained chain, in any number of steps.

        Models of a short training are far better with it than with DDIM, whose errors add up: at 100 steps the
        samples lose their class (docs/benchmarks.md).
        """
        return DDPMScheduler.from_config(self.noise_scheduler.config)


class FlowObjective(Objective):
    """Rectified flow (https://arxiv.org/abs/2209.03003): ``x_t = (1 - sigma) x0 + sigma noise``, predict ``noise - x0``.

    The network is told ``sigma * num_train_timesteps``.

    Args:
        timestep_sampling: ``"uniform"``, or ``"logit_normal"`` for more of the middle
            (https://arxiv.org/abs/2403.03206, eq. 19).
        options: those of `Objective`.

    Raises:
        SpriteError: a value outside the above.
    """

    def __init__(self, timestep_sampling: str = "uniform", **options: Any):
        super().__init__(**options)
        _check_choice("timestep_sampling", timestep_sampling, TIMESTEP_SAMPLINGS)
        self.timestep_sampling = timestep_sampling

    def corrupt(self, clean: torch.Tensor, generator: torch.Generator | None = None) -> Corrupted:
        batch = len(clean)
        options: dict[str, Any] = {"generator": generator, "device": clean.device}
        if self.timestep_sampling == "logit_normal":
            sigma = torch.randn(batch, **options).sigmoid()
        else:
            # one draw from each of `batch` equal strata: the uniform distribution, with less variance of the loss
            sigma = (torch.rand(batch, **options) + torch.arange(batch, device=clean.device)) / batch
            sigma = sigma[torch.randperm(batch, **options)]
        sigma = sigma.clamp(min=1e-3)
        noise = torch.randn(clean.shape, generator=generator, device=clean.device, dtype=clean.dtype)
        weight = torch.ones_like(sigma)
        if self.snr_gamma is not None:
            weight = min_snr_weight(((1 - sigma) / sigma) ** 2, self.snr_gamma, "flow")
        noisy = torch.lerp(clean, noise, sigma.view(-1, *[1] * (clean.ndim - 1)))
        return Corrupted(noisy, sigma * self.num_train_timesteps, noise - clean, weight)

    def sampling_scheduler(self) -> SchedulerMixin:
        """UniPC along the flow, with more of its steps where there is much noise.

        Ten of them are as good as sixteen of equal length (docs/recipe.md). Its config holds what other flow-capable
        schedulers need in `from_config`.
        """
        return UniPCMultistepScheduler(
            num_train_timesteps=self.num_train_timesteps,
            prediction_type="flow_prediction",
            use_flow_sigmas=True,
            flow_shift=FLOW_SHIFT,
        )


def build_objective(
    prediction_type: str,
    timestep_sampling: str,
    noise_schedule: str,
    rescale_betas_zero_snr: bool,
    clip_range: float | None = 1.0,
    **options: Any,
) -> Objective:
    """`FlowObjective` for ``prediction_type="flow"``, else a `DiffusionObjective`; each takes what concerns it.

    Args:
        options: those of `Objective`.

    Raises:
        SpriteError: a value that is not allowed.
    """
    _check_choice("prediction_type", prediction_type, PREDICTION_TYPES)
    if prediction_type == "flow":
        return FlowObjective(timestep_sampling, **options)
    return DiffusionObjective(prediction_type, noise_schedule, rescale_betas_zero_snr, clip_range, **options)


def _check_choice(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise SpriteError(f"--{name} is {value!r}, but must be one of {', '.join(allowed)}.")
