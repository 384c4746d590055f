"""The trained model that is distilled: what it must be, and where its guided flow leads."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import torch
from diffusers import UniPCMultistepScheduler

from ... import hub
from ...data import LoadReport
from ...errors import SpriteError
from ...objectives import FLOW_SHIFT
from ...pipelines import ClassCondPipeline
from ...pipelines.sprite_io import classifier_free_guidance


def load_teacher(source: str) -> ClassCondPipeline:
    """The pipeline in a folder or Hub repository, with frozen weights.

    Raises:
        SpriteError: no pipeline, one without classes, of palette indices, or that does not predict a flow.
    """
    pipeline = hub.load_pipeline(source)
    if not isinstance(pipeline, ClassCondPipeline):
        raise SpriteError(
            f"--teacher {source} is a {type(pipeline).__name__}, but only a ClassCondPipeline can be distilled: train one "
            "with training/train_cond.py."
        )
    if pipeline.index_palette is not None:
        raise SpriteError(
            f"--teacher {source} draws indices of a palette, but only a model of colours can be distilled: train one without "
            "--palette."
        )
    # flow-matching schedulers have nothing else to predict, and do not name it
    predicted = pipeline.scheduler.config.get("prediction_type", "flow_prediction")
    if predicted != "flow_prediction":
        raise SpriteError(
            f"--teacher {source} predicts {predicted!r}, but only a flow can be distilled: train one with "
            "--prediction_type flow."
        )
    pipeline.unet.eval().requires_grad_(False)
    return pipeline


def check_data(pipeline: ClassCondPipeline, source: str, report: LoadReport, dataset: str) -> None:
    """Refuses sprites that `pipeline` does not draw.

    Raises:
        SpriteError: another size, mode or other classes than the teacher's.
    """
    mode = {1: "L", 3: "RGB", 4: "RGBA"}[pipeline.sprite_channels]
    if (pipeline.sprite_size, mode) != (report.image_size, report.mode):
        raise SpriteError(
            f"--teacher {source} draws {pipeline.sprite_size}x{pipeline.sprite_size} {mode} sprites, but those of --dataset "
            f"{dataset} are {report.image_size}x{report.image_size} {report.mode}: change --image_size and --image_mode."
        )
    known, given = list(pipeline.labels), list(report.class_names or [])
    if known != given:
        raise SpriteError(
            f"--teacher {source} draws the classes {', '.join(known)}, but --dataset {dataset} has "
            f"{', '.join(given) or 'none'}: give the data that the teacher was trained on."
        )


class GuidedTeacher:
    """A frozen flow with classifier-free guidance (https://arxiv.org/abs/2207.12598, eq. 6).

    Args:
        unet: called as ``unet(sample, timestep, class_labels, return_dict=False)``; predicts ``noise - sample``.
        guidance_scale: 1 is none, which costs one evaluation instead of two.
        null_class: the label that stands for no class; `None` if it was trained without.
        guidance_interval: guide only between these fractions of the steps (https://arxiv.org/abs/2404.07724).
        num_train_timesteps: it is told times from 0 to this.
        autocast: a context of the precision to evaluate in.

    Raises:
        SpriteError: guidance asked of a model without a null class.
    """

    def __init__(
        self,
        unet: torch.nn.Module,
        guidance_scale: float,
        null_class: int | None,
        guidance_interval: Sequence[float] = (0.0, 1.0),
        num_train_timesteps: int = 1000,
        autocast: Callable[[], Any] = contextlib.nullcontext,
    ):
        if guidance_scale > 1 and null_class is None:
            raise SpriteError(
                f"--teacher_guidance_scale is {guidance_scale:g}, but the teacher was trained without a null class to guide "
                "away from: pass --teacher_guidance_scale 1."
            )
        self.unet, self.guidance_scale, self.null_class = unet, guidance_scale, null_class
        self.guidance_interval, self.num_train_timesteps = guidance_interval, num_train_timesteps
        self.autocast = autocast

    @torch.no_grad()
    def velocity(
        self, sample: torch.Tensor, sigma: torch.Tensor, labels: torch.Tensor, guided: bool = True
    ) -> torch.Tensor:
        """Velocity ``(batch, channels, H, W)`` at noise levels `sigma` ``(batch,)`` in ``(0, 1]``, guided if asked to."""
        if self.null_class is None or self.guidance_scale <= 1 or not guided:
            return self._evaluate(sample, sigma, labels)
        both = torch.cat([torch.full_like(labels, self.null_class), labels])
        output = self._evaluate(torch.cat([sample, sample]), torch.cat([sigma, sigma]), both)
        return classifier_free_guidance(output, self.guidance_scale)

    @torch.no_grad()
    def draw(self, noise: torch.Tensor, labels: torch.Tensor, num_steps: int) -> torch.Tensor:
        """The sprites, in the form of `noise`, to which the flow leads; by UniPC (https://arxiv.org/abs/2302.04867).

        Args:
            noise: ``(batch, channels, H, W)``, standard normal.
            labels: ``(batch,)``.
            num_steps: more of them where there is much noise, see `FLOW_SHIFT`.
        """
        scheduler = UniPCMultistepScheduler(
            num_train_timesteps=self.num_train_timesteps,
            prediction_type="flow_prediction",
            use_flow_sigmas=True,
            flow_shift=FLOW_SHIFT,
        )
        scheduler.set_timesteps(num_steps, device=noise.device)
        sample = noise
        first, last = self.guidance_interval
        for step, timestep in enumerate(scheduler.timesteps):
            levels = scheduler.sigmas[step].to(noise).expand(len(noise))
            guided = first <= (step + 0.5) / num_steps <= last
            output = self.velocity(sample, levels, labels, guided)
            sample = scheduler.step(output, timestep, sample, return_dict=False)[0]
        return sample

    def _evaluate(self, sample: torch.Tensor, sigma: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        with self.autocast():
            return self.unet(sample, sigma * self.num_train_timesteps, labels, return_dict=False)[0].float()
