"""Pipelines as policies: conditions of prompts, one model call, images of latents. That is all the trainer knows of them."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import contextmanager
from typing import Any

import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DiffusionPipeline,
    FlowMatchEulerDiscreteScheduler,
    UnCLIPScheduler,
)

from ...errors import SpriteError
from ...pipelines import (
    ClassCondPipeline,
    PokemonLDMPipeline,
    SpriteDDPMPipeline,
    SpriteLDMPipeline,
    SpriteUnCLIPPipeline,
)
from ...pipelines.sprite_io import resolve_class_labels
from .steps import predicts_flow

Conditions = dict[str, torch.Tensor]


class Policy(torch.nn.Module, ABC):
    """A diffusion pipeline whose denoiser is tuned; ``policy(sample, timestep, conditions)`` is one guided model call.

    Args:
        pipeline: with ``unet``; its scheduler is replaced, for sampling by the policy only, by one that adds noise.
        num_inference_steps: of sampling; the pipeline's default if `None`.
        guidance_scale: of sampling; the pipeline's default if `None`.

    Attributes:
        scheduler: with its timesteps set; see `transitions.transition`.
        network: what is trained.
    """

    pipeline: Any
    network: Any
    scheduler: Any

    def __init__(self, pipeline: DiffusionPipeline, num_inference_steps: int | None, guidance_scale: float | None):
        super().__init__()
        self.pipeline = pipeline
        self.network = pipeline.unet
        config = pipeline.config
        self.num_inference_steps = num_inference_steps or config.default_num_inference_steps
        default = config.get("default_guidance_scale", 1.0)
        self.guidance_scale = default if guidance_scale is None else guidance_scale
        if self.num_inference_steps < 2:
            raise SpriteError(f"--sampling_steps is {self.num_inference_steps}, but a policy needs 2 steps or more.")
        self.scheduler = self.build_scheduler()

    # ---- what a kind of pipeline supplies -----------------------------------------------------------------------

    @abstractmethod
    def conditions(self, prompts: Sequence[str], seed: int) -> Conditions:
        """What the model is given beside noisy samples: tensors of a row per prompt, without gradients.

        Args:
            prompts: one per image.
            seed: of what is drawn for them, if anything is.
        """

    @abstractmethod
    def forward(self, sample: torch.Tensor, timestep: torch.Tensor, conditions: Conditions) -> torch.Tensor:
        """The model's output after guidance, for ``(batch, ...)`` at one timestep, or at ``(batch,)``."""

    @abstractmethod
    def check_prompts(self, prompts: Sequence[str]) -> None:
        """Refuses prompts that the pipeline cannot draw (`SpriteError`)."""

    def images(self, latents: torch.Tensor, conditions: Conditions) -> torch.Tensor:
        """``(batch, 3 | 4, H, W)`` in ``[0, 1]``, straight alpha, of what sampling ended at; differentiable."""
        return self.pipeline.postprocess(latents, "pt", 1)

    def build_scheduler(self) -> Any:
        """A scheduler that adds noise, of the same noise schedule, with its timesteps set."""
        scheduler = stochastic_scheduler(self.pipeline.scheduler)
        with replaced_scheduler(self.pipeline, scheduler):
            self.pipeline.prepare_timesteps(self.num_inference_steps)
        return scheduler

    # ---- shared -------------------------------------------------------------------------------------------------

    @property
    def device(self) -> torch.device:
        return self.network.device

    def noise(self, count: int, generator: torch.Generator | list[torch.Generator]) -> torch.Tensor:
        """What sampling begins as, ``(count, ...)``."""
        with replaced_scheduler(self.pipeline, self.scheduler):
            return self.pipeline.prepare_latents(count, generator, None)


class ClassPolicy(Policy):
    """`ClassCondPipeline`, `SpriteLDMPipeline` or `SpriteDDPMPipeline`; prompts are names of classes, if it has any."""

    def __init__(self, pipeline: Any, num_inference_steps: int | None = None, guidance_scale: float | None = None):
        super().__init__(pipeline, num_inference_steps, guidance_scale)
        if self.guidance_scale > 1 and (not pipeline.is_conditional or pipeline.null_class is None):
            raise SpriteError(
                f"--sampling_guidance {self.guidance_scale}: the model was trained without a null class; give 1."
            )

    def check_prompts(self, prompts: Sequence[str]) -> None:
        unknown = sorted(set(prompts) - set(self.pipeline.labels)) if self.pipeline.is_conditional else []
        if unknown:
            raise SpriteError(
                f"The prompt {unknown[0]!r} is no class of the model: give {', '.join(self.pipeline.labels)}."
            )

    def conditions(self, prompts: Sequence[str], seed: int) -> Conditions:
        if not self.pipeline.is_conditional:
            return {}
        names = self.pipeline.config.id2label
        return {"labels": resolve_class_labels(list(prompts), names, len(names)).to(self.device)}

    def forward(self, sample: torch.Tensor, timestep: torch.Tensor, conditions: Conditions) -> torch.Tensor:
        if not self.pipeline.is_conditional:
            return self.pipeline.denoise(sample, timestep)
        guided = self.guidance_scale > 1
        self.pipeline._guidance_scale = self.guidance_scale
        times = torch.cat([timestep, timestep]) if guided and timestep.ndim else timestep
        return self.pipeline.predict(sample, times, conditions["labels"], guided)

    def images(self, latents: torch.Tensor, conditions: Conditions) -> torch.Tensor:
        decoded = self.pipeline.decode(latents) if hasattr(self.pipeline, "decode") else latents
        return super().images(decoded, conditions)


class TextPolicy(Policy):
    """`PokemonLDMPipeline`: prompts are texts."""

    def __init__(
        self, pipeline: PokemonLDMPipeline, num_inference_steps: int | None = None, guidance_scale: float | None = None
    ):
        super().__init__(pipeline, num_inference_steps, guidance_scale)

    def check_prompts(self, prompts: Sequence[str]) -> None:
        pass

    @torch.no_grad()
    def conditions(self, prompts: Sequence[str], seed: int) -> Conditions:
        embeds, mask = self.pipeline.encode_prompt(list(prompts), 1)
        negative, negative_mask = self.pipeline.encode_prompt([""], 1)
        return {
            "prompt_embeds": embeds,
            "mask": mask,
            "negative_prompt_embeds": negative.expand_as(embeds),
            "negative_mask": negative_mask.expand_as(mask),
        }

    def forward(self, sample: torch.Tensor, timestep: torch.Tensor, conditions: Conditions) -> torch.Tensor:
        self.pipeline._guidance_scale = self.guidance_scale
        if self.guidance_scale > 1 and timestep.ndim:
            timestep = torch.cat([timestep, timestep])
        return self.pipeline.predict(sample, timestep, conditions, conditions["mask"], conditions["negative_mask"])

    def images(self, latents: torch.Tensor, conditions: Conditions) -> torch.Tensor:
        decoded = self.pipeline.decode(latents, conditions["prompt_embeds"], conditions["mask"])
        return super().images(decoded, conditions)


class UnCLIPPolicy(Policy):
    """`SpriteUnCLIPPipeline`: its decoder is tuned; what the prior draws for a prompt is drawn once, and kept.

    Args:
        pipeline: the pipeline.
        num_inference_steps, guidance_scale: of the decoder, see `Policy`.
        prior_images_per_prompt: image embeddings kept per prompt.
    """

    def __init__(
        self,
        pipeline: SpriteUnCLIPPipeline,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        prior_images_per_prompt: int = 8,
    ):
        super().__init__(pipeline, num_inference_steps, guidance_scale)
        self.prior_images_per_prompt = prior_images_per_prompt
        self._embeddings: dict[str, torch.Tensor] = {}
        self._negative: Conditions = {}

    def build_scheduler(self) -> UnCLIPScheduler:
        self.pipeline.prepare_timesteps(self.num_inference_steps)
        return self.pipeline.decoder_scheduler

    def check_prompts(self, prompts: Sequence[str]) -> None:
        if self.pipeline.prior is None:
            raise SpriteError("The unCLIP was loaded without its prior, which prompts need: load all of it.")

    def noise(self, count: int, generator: torch.Generator | list[torch.Generator]) -> torch.Tensor:
        return self.pipeline.prepare_latents(count, generator, None)

    @torch.no_grad()
    def conditions(self, prompts: Sequence[str], seed: int) -> Conditions:
        """The image embedding of each image is one of its prompt's, by `seed`; those of a group differ if there are enough."""
        text = self.pipeline.encode_prompt(list(prompts))
        self._draw_embeddings(list(dict.fromkeys(prompts)))
        number: dict[str, int] = {}
        rows = []
        for prompt in prompts:
            position = number[prompt] = number.get(prompt, -1) + 1
            rows.append(self._embeddings[prompt][(seed + position) % self.prior_images_per_prompt])
        conditions = self.pipeline.condition_decoder(torch.stack(rows), text)
        if self.guidance_scale > 1:
            if not self._negative:
                self._negative = self.pipeline.condition_decoder(None, self.pipeline.encode_prompt([""]))
            for name, tensor in self._negative.items():
                conditions[f"negative_{name}"] = tensor.expand_as(conditions[name])
        return conditions

    def forward(self, sample: torch.Tensor, timestep: torch.Tensor, conditions: Conditions) -> torch.Tensor:
        positive = {name: tensor for name, tensor in conditions.items() if not name.startswith("negative_")}
        negative = {name: conditions[f"negative_{name}"] for name in positive if f"negative_{name}" in conditions}
        return self.pipeline.predict(sample, timestep, positive, negative or None, self.guidance_scale)

    def images(self, latents: torch.Tensor, conditions: Conditions) -> torch.Tensor:
        if self.pipeline.super_res_first is not None:
            generator = torch.Generator(self.device).manual_seed(0)
            latents = self.pipeline.super_resolve(latents.clamp(-1, 1), generator=generator)
        return super().images(latents, conditions)

    def _draw_embeddings(self, prompts: list[str]) -> None:
        """Draws what is not there yet, each prompt from a seed of its own: the same in every process and after a resume."""
        missing = [prompt for prompt in prompts if prompt not in self._embeddings]
        for start in range(0, len(missing), 32):
            part = missing[start : start + 32]
            generators = [
                torch.Generator(self.device).manual_seed(_seed_of(prompt, number))
                for prompt in part
                for number in range(self.prior_images_per_prompt)
            ]
            drawn = self.pipeline.sample_prior(
                part, num_images_per_prompt=self.prior_images_per_prompt, generator=generators
            )
            self._embeddings |= dict(zip(part, drawn.split(self.prior_images_per_prompt), strict=True))


def build_policy(
    pipeline: DiffusionPipeline,
    num_inference_steps: int | None = None,
    guidance_scale: float | None = None,
    prior_images_per_prompt: int = 8,
) -> Policy:
    """The policy of a pipeline.

    Raises:
        SpriteError: a pipeline that none is known for.
    """
    if isinstance(pipeline, SpriteUnCLIPPipeline):
        return UnCLIPPolicy(pipeline, num_inference_steps, guidance_scale, prior_images_per_prompt)
    if isinstance(pipeline, PokemonLDMPipeline):
        return TextPolicy(pipeline, num_inference_steps, guidance_scale)
    if isinstance(pipeline, (ClassCondPipeline, SpriteLDMPipeline, SpriteDDPMPipeline)):
        return ClassPolicy(pipeline, num_inference_steps, guidance_scale)
    raise SpriteError(
        f"A {type(pipeline).__name__} cannot be tuned by rewards: give a SpriteUnCLIPPipeline, PokemonLDMPipeline, "
        "ClassCondPipeline, SpriteLDMPipeline or SpriteDDPMPipeline, or write a Policy for it."
    )


def stochastic_scheduler(scheduler: Any) -> Any:
    """A scheduler of the same noise schedule whose steps draw noise: itself, or DDIM or Euler's in place of a solver."""
    if isinstance(scheduler, (UnCLIPScheduler, DDPMScheduler, DDIMScheduler, FlowMatchEulerDiscreteScheduler)):
        return type(scheduler).from_config(scheduler.config)
    kind = FlowMatchEulerDiscreteScheduler if predicts_flow(scheduler) else DDIMScheduler
    return kind.from_config(scheduler.config)


@contextmanager
def replaced_scheduler(pipeline: Any, scheduler: Any):
    """`pipeline` has another scheduler inside this context."""
    own, pipeline.scheduler = pipeline.scheduler, scheduler
    try:
        yield
    finally:
        pipeline.scheduler = own


def _seed_of(prompt: str, number: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{number} {prompt}".encode()).digest()[:6], "big")
