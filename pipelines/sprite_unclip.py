"""Text to sprite through CLIP's embeddings: a prior, a decoder and, if there is one, super-resolution."""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import os
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from diffusers import (
    DiffusionPipeline,
    ImagePipelineOutput,
    ModelMixin,
    PriorTransformer,
    UnCLIPScheduler,
    UNet2DConditionModel,
    UNet2DModel,
)
from diffusers.utils.torch_utils import randn_tensor
from PIL import Image
from transformers import (
    CLIPImageProcessor,
    CLIPTextModelWithProjection,
    CLIPVisionModelWithProjection,
    PreTrainedTokenizerBase,
)

from .sprite_io import SpritePipelineMixin, classifier_free_guidance, warn_of_cuts
from .sprite_lora import SpriteLoraMixin
from .sprite_modes import PaletteGuidance, SamplingModes, palette_guidance_of
from .sprite_palette import Color, Colors

PRIOR, DECODER, SUPER_RES = "prior", "decoder", "super_res"
KARLO_PROJECTION = "UnCLIPTextProjModel"  # the class that published folders name
OWN_PROJECTION = ("unclip_text_projection", "UnCLIPTextProjection")


class PromptEmbeds(NamedTuple):
    """What CLIP's text model makes of texts; ``pipe(**embeds._asdict())`` draws them.

    Attributes:
        prompt_embeds: hidden states ``(batch, tokens, width)``.
        prompt_attention_mask: ``(batch, tokens)``, 1 for tokens that count, 0 for padding.
        pooled_prompt_embeds: projected, not normalised, ``(batch, width)``.
    """

    prompt_embeds: torch.Tensor
    prompt_attention_mask: torch.Tensor
    pooled_prompt_embeds: torch.Tensor

    def repeat(self, times: int) -> PromptEmbeds:
        """Each text so many times, in a row."""
        return PromptEmbeds(*(tensor.repeat_interleave(times, dim=0) for tensor in self))


class SpriteUnCLIPPipeline(SpritePipelineMixin, SpriteLoraMixin, DiffusionPipeline):
    r"""Hierarchical text-conditional image generation with CLIP latents (https://arxiv.org/abs/2204.06125).

    The prior draws a CLIP image embedding for a text, the decoder a small picture for both, and super-resolution enlarges
    it. Loads its own folders and those of Karlo (``kakaobrain/karlo-v1-alpha``, ``-image-variations``); any part may be
    left out (``prior=None``) whose stage is not run.

    A policy-gradient trainer steps the decoder itself::

        text = pipe.encode_prompt(prompts)
        image_embeds = pipe.sample_prior(prompts, generator=generator)              # once, and cached
        conditioning = pipe.condition_decoder(image_embeds, text)                   # a dict of tensors, a row per image
        negative = pipe.condition_decoder(None, pipe.encode_prompt([""] * len(prompts)))
        latents = pipe.prepare_latents(len(prompts), generator, None)
        for timestep in pipe.prepare_timesteps(25):
            output = pipe.predict(latents, timestep, conditioning, negative, guidance_scale=4.0)
            latents = pipe.scheduler_step(output, timestep, latents, generator)     # to pipe.previous_timestep(timestep)
        pictures = pipe.super_resolve(latents.clamp(-1, 1), generator=generator)    # if there is super-resolution
        images = pipe.postprocess(pictures, "pt", 1)

    `encode_prompt`, `condition_decoder`, `predict` and `super_resolve` let gradients through.

    Args:
        decoder: denoiser of pictures in ``[-1, 1]``, 3 channels or 4 (RGBA with premultiplied colour), that attends to
            the context and adds the time embedding (``class_embed_type="identity"``) which `text_proj` makes. Twice as many
            channels out as in: the second half is the variance (``variance_type="learned_range"``).
        text_proj: `UnCLIPTextProjection`.
        decoder_scheduler: of `decoder`; an `UnCLIPScheduler`, as are the others.
        text_encoder: CLIP's, with its projection.
        tokenizer: of `text_encoder`.
        prior: denoiser of image embeddings.
        prior_scheduler: of `prior`.
        super_res_first: denoiser of large pictures, given the noisy one and the small one enlarged; there is no
            super-resolution without it.
        super_res_last: in its place at the last step; `super_res_first` takes all steps if not given.
        super_res_scheduler: of both.
        image_encoder: CLIP's vision model with its projection, for variations of a picture.
        feature_extractor: prepares pictures for `image_encoder`.
        background: colour behind transparent pictures that are varied, ``[red, green, blue]`` of 0 to 255, white if not
            given.
        image_size: sprites are cut to this size, if it is smaller than what the last stage draws.
        binary_alpha: whether RGBA output has alpha 0 and 1 only.
        default_num_inference_steps, default_prior_num_inference_steps, default_super_res_num_inference_steps: used when a
            call gives none.
        default_guidance_scale, default_prior_guidance_scale: used when a call gives none.

    Raises:
        ValueError: components that do not fit each other.
    """

    model_cpu_offload_seq = "text_encoder->image_encoder->decoder->super_res_first->super_res_last"
    # Their own parameters are read outside of `forward`.
    _exclude_from_cpu_offload: ClassVar[list[str]] = ["prior", "text_proj"]
    _optional_components: ClassVar[list[str]] = [
        "text_encoder",
        "tokenizer",
        "prior",
        "prior_scheduler",
        "super_res_first",
        "super_res_last",
        "super_res_scheduler",
        "image_encoder",
        "feature_extractor",
    ]
    _guidance_scale = 1.0
    _prior_guidance_scale = 1.0
    _cross_attention_kwargs: dict[str, Any] | None = None
    _stage: str | None = None

    def __init__(
        self,
        decoder: UNet2DConditionModel,
        text_proj: ModelMixin,
        decoder_scheduler: UnCLIPScheduler,
        text_encoder: CLIPTextModelWithProjection | None = None,
        tokenizer: PreTrainedTokenizerBase | None = None,
        prior: PriorTransformer | None = None,
        prior_scheduler: UnCLIPScheduler | None = None,
        super_res_first: UNet2DModel | None = None,
        super_res_last: UNet2DModel | None = None,
        super_res_scheduler: UnCLIPScheduler | None = None,
        image_encoder: CLIPVisionModelWithProjection | None = None,
        feature_extractor: CLIPImageProcessor | None = None,
        background: list[int] | None = None,
        image_size: int | None = None,
        binary_alpha: bool = True,
        default_num_inference_steps: int = 25,
        default_guidance_scale: float = 8.0,
        default_prior_num_inference_steps: int = 25,
        default_prior_guidance_scale: float = 4.0,
        default_super_res_num_inference_steps: int = 7,
    ):
        super().__init__()
        parts = {
            "decoder": decoder,
            "text_proj": text_proj,
            "decoder_scheduler": decoder_scheduler,
            "text_encoder": text_encoder,
            "tokenizer": tokenizer,
            "prior": prior,
            "prior_scheduler": prior_scheduler,
            "super_res_first": super_res_first,
            "super_res_last": super_res_last,
            "super_res_scheduler": super_res_scheduler,
            "image_encoder": image_encoder,
            "feature_extractor": feature_extractor,
        }
        check_parts(parts)
        self.register_modules(**parts)
        self.register_to_config(
            background=list(background or (255, 255, 255)),
            image_size=image_size,
            binary_alpha=binary_alpha,
            default_num_inference_steps=default_num_inference_steps,
            default_guidance_scale=default_guidance_scale,
            default_prior_num_inference_steps=default_prior_num_inference_steps,
            default_prior_guidance_scale=default_prior_guidance_scale,
            default_super_res_num_inference_steps=default_super_res_num_inference_steps,
        )

    # ---- published folders --------------------------------------------------------------------------------------

    @classmethod
    def _dict_from_json_file(cls, json_file: str | os.PathLike) -> dict[str, Any]:
        """As in the mixin; the text projection of a Karlo folder is of a module that downloads no longer know."""
        config = super()._dict_from_json_file(json_file)
        if config.get("text_proj", (None, None))[1] == KARLO_PROJECTION:
            config["text_proj"] = ["diffusers", KARLO_PROJECTION]
        return config

    @classmethod
    def load_config(cls, *args: Any, **kwargs: Any) -> Any:
        """As in the mixin; the text projection of a Karlo folder is loaded as ours."""
        loaded = super().load_config(*args, **kwargs)
        config = loaded[0] if isinstance(loaded, tuple) else loaded
        package = __name__.partition(".")[0]
        is_karlo = list(config.get("text_proj", ())) == ["diffusers", KARLO_PROJECTION]
        if is_karlo and importlib.util.find_spec(f"{package}.models"):
            module = importlib.import_module(f"{package}.models.{OWN_PROJECTION[0]}")
            config["text_proj"] = [module.__name__, OWN_PROJECTION[1]]
        return loaded

    # ---- what it draws, and with what ---------------------------------------------------------------------------

    @property
    def unet(self) -> UNet2DConditionModel:
        """The decoder, under the name that other pipelines have for the network that LoRAs tune."""
        return self.decoder

    @property
    def sprite_size(self) -> int:
        """Side of the sprites that it draws, in pixels."""
        last = self.decoder if self.super_res_first is None else self.super_res_first
        return self.config.image_size or last.config.sample_size

    @property
    def guidance_scale(self) -> float:
        """The decoder's guidance scale in the running call; a callback may change ``_guidance_scale``."""
        return self._guidance_scale

    @property
    def prior_guidance_scale(self) -> float:
        """The prior's guidance scale in the running call; a callback may change ``_prior_guidance_scale``."""
        return self._prior_guidance_scale

    @property
    def do_classifier_free_guidance(self) -> bool:
        return self._guidance_scale > 1

    @property
    def cross_attention_kwargs(self) -> dict[str, Any] | None:
        return self._cross_attention_kwargs

    @property
    def stage(self) -> str | None:
        """``"prior"``, ``"decoder"`` or ``"super_res"``: what is running, for callbacks."""
        return self._stage

    # ---- conditions ---------------------------------------------------------------------------------------------

    def encode_prompt(
        self,
        prompt: str | list[str] | None,
        num_images_per_prompt: int = 1,
        prompt_embeds: torch.Tensor | None = None,
        prompt_attention_mask: torch.Tensor | None = None,
        pooled_prompt_embeds: torch.Tensor | None = None,
        name: str = "prompt",
    ) -> PromptEmbeds:
        """`PromptEmbeds` of prompts, or those given, one row per image.

        Needs neither prior nor decoder, and neither tokenizer nor text encoder where embeddings are given.

        Raises:
            ValueError: neither or both of prompts and hidden states, prompts without a text encoder, or hidden states
                without a mask of their shape or without pooled embeddings.
        """
        if (prompt is None) == (prompt_embeds is None):
            raise ValueError(f"Pass either `{name}` or `{name}_embeds`, and not both.")
        if prompt_embeds is None:
            return self._encode_texts([prompt] if isinstance(prompt, str) else prompt, name).repeat(
                num_images_per_prompt
            )
        pooled_name = name.replace("prompt", "pooled_prompt_embeds")
        if pooled_prompt_embeds is None:
            raise ValueError(f"`{name}_embeds` are hidden states, which need `{pooled_name}` beside them.")
        if prompt_attention_mask is None:
            prompt_attention_mask = torch.ones(prompt_embeds.shape[:2], dtype=torch.long)
        if prompt_attention_mask.shape != prompt_embeds.shape[:2]:
            raise ValueError(
                f"`{name}_attention_mask` has shape {tuple(prompt_attention_mask.shape)}, but `{name}_embeds` needs "
                f"{tuple(prompt_embeds.shape[:2])}."
            )
        if pooled_prompt_embeds.ndim != 2 or len(pooled_prompt_embeds) != len(prompt_embeds):
            raise ValueError(
                f"`{pooled_name}` has shape {tuple(pooled_prompt_embeds.shape)}, but must be one vector for each of the "
                f"{len(prompt_embeds)} texts of `{name}_embeds`."
            )
        given = (prompt_embeds, prompt_attention_mask, pooled_prompt_embeds)
        device = self._execution_device
        return PromptEmbeds(*(tensor.to(device) for tensor in given)).repeat(num_images_per_prompt)

    def _encode_texts(self, prompts: Any, name: str) -> PromptEmbeds:
        """`PromptEmbeds` of a list of texts, whose padding the text model does read: that is how Karlo was trained."""
        if not isinstance(prompts, (list, tuple)) or not prompts or not all(isinstance(text, str) for text in prompts):
            raise ValueError(f"`{name}` is {prompts!r}, but must be a string or a list of one or more strings.")
        if self.tokenizer is None or self.text_encoder is None:
            raise ValueError(f"There is no tokenizer or text encoder to read `{name}` with: pass `{name}_embeds`.")
        length = min(self.tokenizer.model_max_length, self.text_encoder.config.max_position_embeddings)
        warn_of_cuts(self.tokenizer, prompts, length)
        tokens = self.tokenizer(
            list(prompts), padding="max_length", truncation=True, max_length=length, return_tensors="pt"
        ).to(self._execution_device)
        encoded = self.text_encoder(tokens.input_ids)
        return PromptEmbeds(encoded.last_hidden_state, tokens.attention_mask, encoded.text_embeds)

    def encode_image(self, image: Any) -> torch.Tensor:
        """CLIP's embeddings ``(batch, width)`` of pictures.

        Args:
            image: a PIL image or a list of them (transparent parts show the background), an array ``(batch, H, W, 3)`` or
                a tensor ``(batch, 3, H, W)`` in ``[0, 1]``, or a list of arrays or tensors without their batch.

        Raises:
            ValueError: no vision model, or something else than pictures.
        """
        if self.image_encoder is None or self.feature_extractor is None:
            raise ValueError(
                "There is no `image_encoder` or no `feature_extractor` to read `image` with: pass `image_embeds`."
            )
        pictures = images_to_pil(image, self.config.background)
        pixels = self.feature_extractor(images=pictures, return_tensors="pt").pixel_values
        return self.image_encoder(pixels.to(self._execution_device, self.image_encoder.dtype)).image_embeds

    def condition_decoder(self, image_embeds: torch.Tensor | None, text: PromptEmbeds) -> dict[str, torch.Tensor]:
        """What the decoder is given beside noisy pictures and time: ``decoder(sample, timestep, **conditioning)``.

        Every row belongs to one image, so that ``{name: tensor[rows] for name, tensor in conditioning.items()}`` is the
        conditioning of some of them.

        Args:
            image_embeds: ``(batch, width)``; `None` is no image, which guidance leads away from.
            text: of the same batch, from `encode_prompt`.

        Returns:
            ``encoder_hidden_states`` ``(batch, tokens, cross_attention_dim)``, the image's tokens before the text's;
            ``encoder_attention_mask`` ``(batch, tokens)``; ``class_labels`` ``(batch, time_embed_dim)``, which are added to
            the time embedding.
        """
        hidden_states, mask, pooled = text
        dtype, device = self.text_proj.dtype, self._execution_device
        if image_embeds is None:
            image_embeds = self.text_proj.learned_classifier_free_guidance_embeddings.expand(len(pooled), -1)
        context, time_embeddings = self.text_proj(
            image_embeddings=image_embeds.to(device, dtype),
            prompt_embeds=pooled.to(device, dtype),
            text_encoder_hidden_states=hidden_states.to(device, dtype),
            do_classifier_free_guidance=False,
        )
        image_tokens = self.text_proj.config.clip_extra_context_tokens
        mask = torch.nn.functional.pad(mask.to(device).long(), (image_tokens, 0), value=1)
        # Attention takes a mask of as many tokens as there are pixels for one of tokens and pixels: a token that does not
        # count tells them apart.
        _, height, width = self.latent_shape
        areas = {(height >> level) * (width >> level) for level in range(len(self.decoder.config.block_out_channels))}
        while context.shape[1] in areas:
            context = torch.nn.functional.pad(context, (0, 0, 0, 1))
            mask = torch.nn.functional.pad(mask, (0, 1))
        return {
            "encoder_hidden_states": context.to(self.decoder.dtype),
            "encoder_attention_mask": mask,
            "class_labels": time_embeddings.to(self.decoder.dtype),
        }

    # ---- stages -------------------------------------------------------------------------------------------------

    def stage_scheduler(self, stage: str) -> UnCLIPScheduler:
        """The scheduler of ``"prior"``, ``"decoder"`` or ``"super_res"``."""
        return getattr(self, f"{stage}_scheduler")

    def stage_shape(self, stage: str) -> tuple[int, ...]:
        """Shape of the noise that one sprite begins as in a stage."""
        if stage == PRIOR:
            return (self.prior.config.embedding_dim,)
        if stage == DECODER:
            return self.latent_shape
        config = self.super_res_first.config
        size = config.sample_size
        return (config.in_channels // 2, *((size, size) if isinstance(size, int) else size))

    def prepare_latents(
        self,
        batch_size: int,
        generator: torch.Generator | list[torch.Generator] | None,
        latents: torch.Tensor | None,
        stage: str = DECODER,
    ) -> torch.Tensor:
        """Initial noise of a stage, ``(batch_size, *stage_shape(stage))``.

        Raises:
            ValueError: a list of generators of another length than the batch, or `latents` of another shape.
        """
        shape = (batch_size, *self.stage_shape(stage))
        check_generators(generator, batch_size)
        network = {PRIOR: "prior", DECODER: "decoder", SUPER_RES: "super_res_first"}[stage]
        dtype, device = getattr(self, network).dtype, self._execution_device
        if latents is None:
            latents = randn_tensor(shape, generator=generator, device=device, dtype=dtype)
        elif tuple(latents.shape) != shape:
            name = "latents" if stage == DECODER else f"{stage}_latents"
            raise ValueError(f"`{name}` has shape {tuple(latents.shape)}, but this call needs {shape}.")
        return latents.to(device=device, dtype=dtype) * self.stage_scheduler(stage).init_noise_sigma

    def prepare_timesteps(self, num_inference_steps: int, stage: str = DECODER) -> torch.Tensor:
        """Sets the timesteps of a stage's scheduler, ``(num_inference_steps,)`` from the noisiest to 0.

        A single step, for which `UnCLIPScheduler` has no spacing, is at the noisiest.

        Raises:
            ValueError: fewer than one step, or more than the network was trained on.
        """
        scheduler = self.stage_scheduler(stage)
        check_steps(num_inference_steps, scheduler, "" if stage == DECODER else f"{stage}_")
        device = self._execution_device
        if num_inference_steps == 1:
            scheduler.num_inference_steps = 1
            scheduler.timesteps = torch.tensor([scheduler.config.num_train_timesteps - 1], device=device)
        else:
            scheduler.set_timesteps(num_inference_steps, device=device)
        return scheduler.timesteps

    def previous_timestep(self, timestep: torch.Tensor | int, stage: str = DECODER) -> torch.Tensor | None:
        """The timestep that a step from `timestep` leads to in the schedule that was set; `None` is the clean sample."""
        timesteps = self.stage_scheduler(stage).timesteps
        index = int((timesteps == timestep).nonzero()[0])
        return timesteps[index + 1] if index + 1 < len(timesteps) else None

    def scheduler_step(
        self,
        model_output: torch.Tensor,
        timestep: torch.Tensor,
        latents: torch.Tensor,
        generator: torch.Generator | list[torch.Generator] | None,
        stage: str = DECODER,
    ) -> torch.Tensor:
        """One step of a stage's scheduler, from `timestep` to `previous_timestep`."""
        previous = self.previous_timestep(timestep, stage)
        result = self.stage_scheduler(stage).step(
            model_output, timestep, latents, prev_timestep=previous, generator=generator
        )
        # Only the one step of a schedule of one ends above 0: it goes all the way.
        return result.pred_original_sample if previous is None and timestep > 0 else result.prev_sample

    def predict_image_embeds(
        self,
        sample: torch.Tensor,
        timestep: torch.Tensor,
        text: PromptEmbeds,
        negative: PromptEmbeds | None = None,
        guidance_scale: float = 1.0,
    ) -> torch.Tensor:
        """The prior's output ``(batch, width)`` for noisy embeddings, with guidance if there is a `negative` to lead from."""
        guided = negative is not None and guidance_scale > 1
        if guided:
            sample = torch.cat([sample, sample])
            text = PromptEmbeds(*(torch.cat(pair) for pair in zip(negative, text, strict=True)))
        hidden_states, mask, pooled = text
        output = self.prior(
            sample,
            timestep,
            proj_embedding=pooled.to(sample.dtype),
            encoder_hidden_states=hidden_states.to(sample.dtype),
            attention_mask=mask,
            return_dict=False,
        )[0]
        return classifier_free_guidance(output, guidance_scale) if guided else output

    def predict(
        self,
        sample: torch.Tensor,
        timestep: torch.Tensor,
        conditioning: dict[str, torch.Tensor],
        negative_conditioning: dict[str, torch.Tensor] | None = None,
        guidance_scale: float = 1.0,
        cross_attention_kwargs: dict[str, Any] | None = None,
    ) -> torch.Tensor:
        """The decoder's output for noisy pictures, with guidance (two evaluations) if there is what to lead from.

        Args:
            sample: ``(batch, channels, height, width)``.
            timestep: one for all, or ``(batch,)``.
            conditioning, negative_conditioning: from `condition_decoder`.
            guidance_scale: on if above 1.
            cross_attention_kwargs: for the decoder's attention.

        Returns:
            ``(batch, channels, height, width)``, or twice as many channels: the second half is the variance, which is not
            guided.
        """
        guided = negative_conditioning is not None and guidance_scale > 1
        if guided:
            sample = torch.cat([sample, sample])
            timestep = torch.cat([timestep, timestep]) if timestep.ndim else timestep
            conditioning = {
                name: torch.cat([negative_conditioning[name], conditioning[name]]) for name in conditioning
            }
        output = self.decoder(
            sample,
            timestep,
            **conditioning,
            cross_attention_kwargs=cross_attention_kwargs,
            return_dict=False,
        )[0]
        if not guided:
            return output
        channels = sample.shape[1]
        noise = classifier_free_guidance(output[:, :channels], guidance_scale)
        return torch.cat([noise, output[len(noise) :, channels:]], dim=1)

    def _denoise(
        self,
        stage: str,
        latents: torch.Tensor,
        num_inference_steps: int,
        predict: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
        generator: torch.Generator | list[torch.Generator] | None,
        on_step: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
        palette: PaletteGuidance | None = None,
    ) -> torch.Tensor:
        """All steps of a stage; `on_step` is given each timestep and what it led to, and may replace that."""
        self._stage = stage
        modes = SamplingModes(self.stage_scheduler(stage), palette=palette)
        timesteps, latents = modes.start(self.prepare_timesteps(num_inference_steps, stage), latents)
        for step, timestep in enumerate(timesteps):
            output = modes.guide(predict(latents, timestep), timestep, latents, step)
            latents = self.scheduler_step(output, timestep, latents, generator, stage)
            latents = on_step(timestep, latents)
        return latents

    def _run_prior(
        self,
        text: PromptEmbeds,
        negative: PromptEmbeds | None,
        num_inference_steps: int,
        generator: torch.Generator | list[torch.Generator] | None,
        latents: torch.Tensor | None,
        on_step: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    ) -> torch.Tensor:
        """Image embeddings ``(batch, width)`` of texts."""
        latents = self.prepare_latents(len(text.prompt_embeds), generator, latents, PRIOR)
        latents = self._denoise(
            PRIOR,
            latents,
            num_inference_steps,
            lambda sample, timestep: self.predict_image_embeds(
                sample, timestep, text, negative, self._prior_guidance_scale
            ),
            generator,
            on_step,
        )
        return self.prior.post_process_latents(latents)

    @torch.no_grad()
    def sample_prior(
        self,
        prompt: str | list[str] | None = None,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        num_images_per_prompt: int = 1,
        generator: torch.Generator | list[torch.Generator] | None = None,
        latents: torch.Tensor | None = None,
        negative_prompt: str | list[str] | None = None,
        prompt_embeds: torch.Tensor | None = None,
        prompt_attention_mask: torch.Tensor | None = None,
        pooled_prompt_embeds: torch.Tensor | None = None,
        negative_prompt_embeds: torch.Tensor | None = None,
        negative_prompt_attention_mask: torch.Tensor | None = None,
        negative_pooled_prompt_embeds: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Draws CLIP image embeddings of prompts, to keep and pass to later calls as ``image_embeds``.

        With the arguments that a call has for its prior, of the same meaning. Needs no decoder.

        Returns:
            ``(batch * num_images_per_prompt, width)``, the images of a prompt in a row.

        Raises:
            ValueError: an argument outside what a call allows, or no prior.
        """
        self._prior_guidance_scale = (
            self.config.default_prior_guidance_scale if guidance_scale is None else guidance_scale
        )
        if num_inference_steps is None:
            num_inference_steps = self.config.default_prior_num_inference_steps
        self._check_stage(PRIOR, num_inference_steps)
        text, negative = self._encode_both(
            (prompt, prompt_embeds, prompt_attention_mask, pooled_prompt_embeds),
            (
                negative_prompt,
                negative_prompt_embeds,
                negative_prompt_attention_mask,
                negative_pooled_prompt_embeds,
            ),
            num_images_per_prompt,
            guided=self._prior_guidance_scale > 1,
        )
        with self.progress_bar(total=num_inference_steps) as bar:

            def on_step(timestep: torch.Tensor, sample: torch.Tensor) -> torch.Tensor:
                bar.update()
                return sample

            image_embeds = self._run_prior(text, negative, num_inference_steps, generator, latents, on_step)
        self._stage = None
        self.maybe_free_model_hooks()
        return image_embeds

    def super_resolve(
        self,
        images: torch.Tensor,
        num_inference_steps: int | None = None,
        generator: torch.Generator | list[torch.Generator] | None = None,
        latents: torch.Tensor | None = None,
        on_step: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = lambda timestep, sample: sample,
        palette: PaletteGuidance | None = None,
    ) -> torch.Tensor:
        """Large pictures ``(batch, channels, H, W)`` of small ones, both in ``[-1, 1]``; `super_res_last` takes the last step.

        Args:
            images: what the decoder drew.
            num_inference_steps: the model's own default if not given.
            generator: one, or one per image.
            latents: initial noise of the large pictures, standard normal.
            on_step: ``on_step(timestep, sample) -> sample`` after each step.
            palette: colours that the pictures are pulled towards.
        """
        if num_inference_steps is None:
            num_inference_steps = self.config.default_super_res_num_inference_steps
        latents = self.prepare_latents(len(images), generator, latents, SUPER_RES)
        enlarged = enlarge(images, latents.shape[2:]).to(latents.dtype)

        def predict(sample: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
            is_last = self.previous_timestep(timestep, SUPER_RES) is None and self.super_res_last is not None
            network = self.super_res_last if is_last else self.super_res_first
            return network(torch.cat([sample, enlarged], dim=1), timestep, return_dict=False)[0]

        return self._denoise(SUPER_RES, latents, num_inference_steps, predict, generator, on_step, palette)

    # ---- the call -----------------------------------------------------------------------------------------------

    @torch.no_grad()
    def __call__(
        self,
        prompt: str | list[str] | None = None,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        num_images_per_prompt: int = 1,
        generator: torch.Generator | list[torch.Generator] | None = None,
        latents: torch.Tensor | None = None,
        output_type: str | None = "pil",
        return_dict: bool = True,
        callback_on_step_end: Callable[..., dict[str, Any]] | None = None,
        callback_on_step_end_tensor_inputs: tuple[str, ...] | list[str] = ("latents",),
        negative_prompt: str | list[str] | None = None,
        prompt_embeds: torch.Tensor | None = None,
        prompt_attention_mask: torch.Tensor | None = None,
        pooled_prompt_embeds: torch.Tensor | None = None,
        negative_prompt_embeds: torch.Tensor | None = None,
        negative_prompt_attention_mask: torch.Tensor | None = None,
        negative_pooled_prompt_embeds: torch.Tensor | None = None,
        image: Any = None,
        image_embeds: torch.Tensor | None = None,
        prior_num_inference_steps: int | None = None,
        prior_guidance_scale: float | None = None,
        prior_latents: torch.Tensor | None = None,
        super_res_num_inference_steps: int | None = None,
        super_res_latents: torch.Tensor | None = None,
        scale: int = 1,
        palette: Colors | None = None,
        num_colors: int | None = None,
        background: Color | None = None,
        cross_attention_kwargs: dict[str, Any] | None = None,
        palette_guidance: float | None = None,
    ) -> ImagePipelineOutput | tuple:
        r"""Draws sprites from descriptions, or variations of pictures.

        What is named without a stage belongs to the decoder. With one generator per image, a sprite does not depend on
        those drawn beside it; one generator draws for the whole batch.

        Args:
            prompt: one or many; words beyond what the text model takes are cut off, with a warning that shows them. May be
                left out with `image` or `image_embeds`.
            num_inference_steps: the decoder's denoising steps; the model's own default if not given.
            guidance_scale: strength of the decoder's classifier-free guidance; on if above 1; the model's own default if
                not given.
            num_images_per_prompt: sprites per prompt.
            generator: one, or one per image, for reproducible noise.
            latents: the decoder's initial noise ``(batch, channels, height, width)``, standard normal.
            output_type: ``"pil"``, ``"np"`` ``(batch, H, W, C)`` in ``[0, 1]``, ``"pt"`` ``(batch, C, H, W)`` in
                ``[0, 1]``, or ``"latent"`` (about ``[-1, 1]``, as the last stage leaves them).
            return_dict: whether to return an `ImagePipelineOutput` instead of a tuple.
            callback_on_step_end: ``callback(pipe, step, timestep, tensors) -> dict`` after each step; steps count through
                all stages to ``pipe.num_timesteps``, and ``pipe.stage`` names the one that is running.
            callback_on_step_end_tensor_inputs: the tensors it is given: ``latents``, of that stage.
            negative_prompt: what guidance leads away from; nothing in particular if not given.
            prompt_embeds: in place of `prompt`: hidden states ``(batch, tokens, width)`` of CLIP's text model ...
            prompt_attention_mask: ... with ``(batch, tokens)``, 1 for tokens that count; all if not given ...
            pooled_prompt_embeds: ... and the projected embeddings ``(batch, width)``.
            negative_prompt_embeds: in place of `negative_prompt`, with the two that belong to them.
            negative_prompt_attention_mask: of those.
            negative_pooled_prompt_embeds: of those.
            image: pictures to vary (see `encode_image`) in place of what the prior draws: one, one per prompt, or one per
                sprite.
            image_embeds: CLIP's embeddings ``(images, width)`` in place of what the prior draws, from `sample_prior` or
                `encode_image`; as many as of `image`.
            prior_num_inference_steps: the prior's denoising steps; the model's own default if not given.
            prior_guidance_scale: strength of its guidance; on if above 1; the model's own default if not given.
            prior_latents: its initial noise ``(batch, width)``, standard normal.
            super_res_num_inference_steps: denoising steps of super-resolution; the model's own default if not given.
            super_res_latents: its initial noise, standard normal.
            scale: whole-number enlargement of the output, nearest neighbour.
            palette: the only colours of the output: a sequence of ``"#rrggbb"`` or ``(red, green, blue)``; each pixel takes
                the one that looks nearest, and alpha becomes 0 or 1. `sprite_diffusers.pixels.load_palette` reads files.
            num_colors: at most so many colours in each sprite, of `palette` if that is given.
            background: colour behind RGBA output, ``"#rrggbb"`` or ``(red, green, blue)``; alpha is kept if not given.
            cross_attention_kwargs: for the attention of the decoder; ``{"scale": 0.5}`` halves a LoRA.
            palette_guidance: how strongly the last stage is pulled towards `palette` while it draws: 0 snaps only the finished
                sprite, 1 makes it exact in the last step, and is what a palette does if not given.

        Returns:
            `ImagePipelineOutput` with ``images``, or ``(images,)``.

        Raises:
            ValueError: an argument outside the above, or for a stage that is not there.
        """
        names = callback_on_step_end_tensor_inputs
        self.check_call(output_type, names, scale, palette, num_colors, background)
        guide = palette_guidance_of(palette, palette_guidance)
        config = self.config
        self._guidance_scale = config.default_guidance_scale if guidance_scale is None else guidance_scale
        self._prior_guidance_scale = (
            config.default_prior_guidance_scale if prior_guidance_scale is None else prior_guidance_scale
        )
        self._cross_attention_kwargs = cross_attention_kwargs
        has_image = image is not None or image_embeds is not None
        steps = self._steps_per_stage(
            has_image, num_inference_steps, prior_num_inference_steps, super_res_num_inference_steps
        )
        self._check_unused(steps, image, image_embeds, prior_latents, super_res_latents)
        self._num_timesteps = sum(steps.values())

        if image is not None:
            image_embeds = self.encode_image(image)
        if prompt is None and prompt_embeds is None and image_embeds is not None:
            prompt = [""] * len(image_embeds)
        text, negative = self._encode_both(
            (prompt, prompt_embeds, prompt_attention_mask, pooled_prompt_embeds),
            (
                negative_prompt,
                negative_prompt_embeds,
                negative_prompt_attention_mask,
                negative_pooled_prompt_embeds,
            ),
            num_images_per_prompt,
            guided=self._guidance_scale > 1 or (PRIOR in steps and self._prior_guidance_scale > 1),
        )
        batch_size = len(text.prompt_embeds)
        check_generators(generator, batch_size)

        with self.progress_bar(total=self._num_timesteps) as bar:
            count = itertools.count()

            def on_step(timestep: torch.Tensor, sample: torch.Tensor) -> torch.Tensor:
                tensors = {"latents": sample}
                tensors = self.run_callback(callback_on_step_end, names, next(count), timestep, tensors)
                bar.update()
                return tensors["latents"]

            if image_embeds is None:
                image_embeds = self._run_prior(text, negative, steps[PRIOR], generator, prior_latents, on_step)
            else:
                image_embeds = one_per_image(image_embeds, batch_size, num_images_per_prompt)
            conditioning = self.condition_decoder(image_embeds, text)
            negative_conditioning = None if negative is None else self.condition_decoder(None, negative)
            images = self._denoise(
                DECODER,
                self.prepare_latents(batch_size, generator, latents),
                steps[DECODER],
                lambda sample, timestep: self.predict(
                    sample,
                    timestep,
                    conditioning,
                    negative_conditioning,
                    self._guidance_scale,
                    self._cross_attention_kwargs,
                ),
                generator,
                on_step,
                None if SUPER_RES in steps else guide,
            )
            if SUPER_RES in steps:
                images = images.clamp(-1, 1)
                images = self.super_resolve(images, steps[SUPER_RES], generator, super_res_latents, on_step, guide)
        self._stage = None

        images = self.postprocess(images, output_type, scale, palette, num_colors, background)
        self.maybe_free_model_hooks()
        return ImagePipelineOutput(images=images) if return_dict else (images,)

    def _steps_per_stage(
        self, has_image: bool, decoder: int | None, prior: int | None, super_res: int | None
    ) -> dict[str, int]:
        """Steps of the stages of a call, in their order, each checked before the first runs."""
        config = self.config
        steps = {} if has_image else {PRIOR: config.default_prior_num_inference_steps if prior is None else prior}
        steps[DECODER] = config.default_num_inference_steps if decoder is None else decoder
        if self.super_res_first is not None:
            steps[SUPER_RES] = config.default_super_res_num_inference_steps if super_res is None else super_res
        for stage, number in steps.items():
            self._check_stage(stage, number)
        return steps

    def _check_stage(self, stage: str, num_inference_steps: int) -> None:
        """Refuses a stage that is not there, and numbers of steps that it cannot take."""
        network = {PRIOR: "prior", DECODER: "decoder", SUPER_RES: "super_res_first"}[stage]
        if getattr(self, network) is None or self.stage_scheduler(stage) is None:
            hint = ": pass `image` or `image_embeds`" if stage == PRIOR else ""
            raise ValueError(f"This pipeline was loaded without its `{network}` or `{stage}_scheduler`{hint}.")
        check_steps(num_inference_steps, self.stage_scheduler(stage), "" if stage == DECODER else f"{stage}_")

    @staticmethod
    def _check_unused(
        steps: dict[str, int],
        image: Any,
        image_embeds: torch.Tensor | None,
        prior_latents: torch.Tensor | None,
        super_res_latents: torch.Tensor | None,
    ) -> None:
        """Refuses arguments that would be of no effect."""
        if image is not None and image_embeds is not None:
            raise ValueError("Pass either `image` or `image_embeds`, and not both.")
        if PRIOR not in steps and prior_latents is not None:
            raise ValueError("`prior_latents` are for the prior, which `image` and `image_embeds` replace.")
        if SUPER_RES not in steps and super_res_latents is not None:
            raise ValueError("`super_res_latents` are for super-resolution, which this pipeline does not have.")

    def _encode_both(
        self, given: tuple, negative: tuple, num_images_per_prompt: int, guided: bool
    ) -> tuple[PromptEmbeds, PromptEmbeds | None]:
        """Texts and, if `guided`, what guidance leads away from; each given as prompt, hidden states, mask and embeddings."""
        if not isinstance(num_images_per_prompt, int) or num_images_per_prompt < 1:
            raise ValueError(
                f"`num_images_per_prompt` is {num_images_per_prompt!r}, but must be an integer of at least 1."
            )
        text = self.encode_prompt(given[0], num_images_per_prompt, *given[1:])
        tokens = self.prior.config.num_embeddings if self.prior is not None else text.prompt_embeds.shape[1]
        if text.prompt_embeds.shape[1] != tokens:
            raise ValueError(f"The texts have {text.prompt_embeds.shape[1]} tokens, but the prior reads {tokens}.")
        if not guided:
            return text, None
        prompt, *embeds = negative
        if prompt is None and embeds[0] is None:
            prompt = ""
        if isinstance(prompt, str):
            prompt = [prompt] * (len(text.prompt_embeds) // num_images_per_prompt)
        away = self.encode_prompt(prompt, num_images_per_prompt, *embeds, name="negative_prompt")
        if away.prompt_embeds.shape != text.prompt_embeds.shape:
            raise ValueError(
                f"`negative_prompt` makes hidden states of the shape {tuple(away.prompt_embeds.shape)}, but `prompt` of "
                f"{tuple(text.prompt_embeds.shape)}: pass as many of the one as of the other."
            )
        return text, away


def enlarge(images: torch.Tensor, size: tuple[int, ...]) -> torch.Tensor:
    """``(batch, channels, *size)``, float32: small pictures as super-resolution is given them."""
    return torch.nn.functional.interpolate(images.float(), size, mode="bicubic", align_corners=False, antialias=True)


def check_parts(parts: dict[str, Any]) -> None:
    """Refuses components that do not fit each other; those that are `None` are not looked at.

    Raises:
        ValueError: a scheduler of another class, widths that differ, a decoder that does not take the conditioning, or
            another number of channels than the scheduler needs.
    """
    for name, scheduler in parts.items():
        if name.endswith("_scheduler") and scheduler is not None and not isinstance(scheduler, UnCLIPScheduler):
            raise ValueError(f"`{name}` is a {type(scheduler).__name__}, but must be an UnCLIPScheduler.")
    text_proj, decoder = parts["text_proj"], parts["decoder"]
    _check_widths(
        "CLIP",
        {
            "the text encoder's hidden states": _setting(parts["text_encoder"], "hidden_size"),
            "its embeddings": _setting(parts["text_encoder"], "projection_dim"),
            "the image encoder's embeddings": _setting(parts["image_encoder"], "projection_dim"),
            "the prior": _setting(parts["prior"], "embedding_dim"),
            "the text projection": _setting(text_proj, "clip_embeddings_dim"),
        },
    )
    if decoder is None:
        return
    config = decoder.config
    if config.class_embed_type != "identity":
        raise ValueError(
            f"The decoder has class_embed_type={config.class_embed_type!r}, but must have 'identity': CLIP's embeddings are "
            "added to its time embedding."
        )
    context = {
        "the text projection": _setting(text_proj, "cross_attention_dim"),
        "the decoder": config.cross_attention_dim,
    }
    time = {
        "the text projection": _setting(text_proj, "time_embed_dim"),
        "the decoder": config.time_embedding_dim or 4 * config.block_out_channels[0],
    }
    _check_widths("the context", context)
    _check_widths("the time embedding", time)
    _check_channels("decoder", decoder, parts["decoder_scheduler"], config.in_channels, config.in_channels)
    for name in ("super_res_first", "super_res_last"):
        _check_channels(name, parts[name], parts["super_res_scheduler"], 2 * config.in_channels, config.in_channels)


def _setting(part: Any, name: str) -> Any:
    return None if part is None else getattr(part.config, name)


def _check_widths(of: str, widths: dict[str, int | None]) -> None:
    known = {name: width for name, width in widths.items() if width is not None}
    if len(set(known.values())) > 1:
        found = ", ".join(f"{name} {width}" for name, width in known.items())
        raise ValueError(f"Widths of {of} differ ({found}): the components must be of one model.")


def _check_channels(name: str, network: Any, scheduler: Any, channels_in: int, channels_out: int) -> None:
    if network is None or scheduler is None:
        return
    variance_type = scheduler.config.variance_type
    needed = (channels_in, channels_out * (2 if variance_type == "learned_range" else 1))
    found = (network.config.in_channels, network.config.out_channels)
    if found != needed:
        raise ValueError(
            f"`{name}` has {found[0]} channels in and {found[1]} out, but must have {needed[0]} and {needed[1]} with a "
            f"scheduler of variance_type={variance_type!r}."
        )


def check_steps(num_inference_steps: int, scheduler: UnCLIPScheduler, prefix: str = "") -> None:
    """Refuses numbers of steps outside 1 to what the network was trained on.

    Raises:
        ValueError: such a number, as `prefix` + ``num_inference_steps``.
    """
    most = scheduler.config.num_train_timesteps
    if not isinstance(num_inference_steps, int) or not 1 <= num_inference_steps <= most:
        raise ValueError(
            f"`{prefix}num_inference_steps` is {num_inference_steps!r}, but must be an integer of 1 to {most}."
        )


def check_generators(generator: torch.Generator | list[torch.Generator] | None, batch_size: int) -> None:
    """Refuses a list of generators of another length than the batch.

    Raises:
        ValueError: such a list.
    """
    if isinstance(generator, list) and len(generator) != batch_size:
        raise ValueError(
            f"{len(generator)} generators were passed for {batch_size} images: pass one generator, or one per image."
        )


def one_per_image(image_embeds: torch.Tensor, batch_size: int, num_images_per_prompt: int) -> torch.Tensor:
    """``(batch_size, width)`` of embeddings of one picture, of one per prompt, or of one per image.

    Raises:
        ValueError: another number of them, or another shape.
    """
    allowed = sorted({1, batch_size // num_images_per_prompt, batch_size})
    if image_embeds.ndim != 2 or len(image_embeds) not in allowed:
        raise ValueError(
            f"`image` or `image_embeds` makes embeddings of the shape {tuple(image_embeds.shape)}, but for "
            f"{batch_size} images there must be {' or '.join(map(str, allowed))} of them, each a vector."
        )
    return image_embeds.repeat_interleave(batch_size // len(image_embeds), dim=0)


def images_to_pil(images: Any, background: list[int]) -> list[Image.Image]:
    """RGB pictures, in any form that `SpriteUnCLIPPipeline.encode_image` takes; bytes are of 0 to 255.

    Raises:
        ValueError: something else than RGB pictures.
    """
    if isinstance(images, Image.Image):
        images = [images]
    pictures = []
    for image in images:
        if isinstance(image, Image.Image):
            under = Image.new("RGBA", image.size, (*background, 255))
            under.alpha_composite(image.convert("RGBA"))
            pictures.append(under.convert("RGB"))
            continue
        pixels = image.permute(1, 2, 0).cpu().numpy() if isinstance(image, torch.Tensor) and image.ndim == 3 else image
        if pixels.ndim != 3 or pixels.shape[2] != 3:
            raise ValueError(
                f"`image` has a picture of shape {tuple(image.shape)}, but must be RGB images: (height, width, 3) "
                "for arrays, (3, height, width) for tensors."
            )
        if pixels.dtype != np.uint8:
            pixels = (np.asarray(pixels, np.float32).clip(0, 1) * 255).round().astype(np.uint8)
        pictures.append(Image.fromarray(pixels))
    if not pictures:
        raise ValueError("`image` is empty: pass at least one picture.")
    return pictures
