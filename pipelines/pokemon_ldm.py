"""Text to sprite: latent diffusion whose denoiser and decoder both read the description."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from diffusers import DiffusionPipeline, ImagePipelineOutput, ModelMixin, SchedulerMixin, UNet2DConditionModel
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from .sprite_io import (
    KeptPixels,
    SpritePipelineMixin,
    center_crop,
    classifier_free_guidance,
    encode_prompts,
    normalize_latents,
    per_channel,
    remove_background,
    text_direction,
)
from .sprite_lora import SpriteLoraMixin
from .sprite_modes import SamplingModesMixin
from .sprite_palette import Color, Colors


class PokemonLDMPipeline(SamplingModesMixin, SpritePipelineMixin, SpriteLoraMixin, DiffusionPipeline):
    r"""Text-conditioned latent diffusion (https://arxiv.org/abs/2112.10752) for sprites with long descriptions.

    Args:
        vae: `TextConditionedVAE` of images in ``[-1, 1]``.
        unet: denoiser of its latents, attending to the text.
        text_encoder: any encoder with ``last_hidden_state``: BERT, CLIP's text model ...
        tokenizer: of `text_encoder`.
        scheduler: any diffusers scheduler that fits the network's prediction type.
        latent_mean: subtracted from the latents before diffusion: one number, or one per channel; 0 if not given.
        latent_std: divides them then, 1 if not given; both are measured on the training images.
        text_mean, text_std: of the mean hidden states of the captions, one number per channel (see `text_direction`); for a
            U-Net that also reads a text as one vector (``class_embed_type="projection"``).
        max_length: tokens of a prompt that are read.
        background: colour behind the sprites, ``[red, green, blue]`` of 0 to 255, white if not given; RGBA output is
            without it.
        image_size: images are cut to this size, if it is smaller than the autoencoder's ``sample_size``.
        default_num_inference_steps: used when a call gives none.
        default_guidance_scale: used when a call gives none.
    """

    model_cpu_offload_seq = "text_encoder->unet->vae"
    _callback_tensor_inputs = ("latents", "prompt_embeds", "negative_prompt_embeds")
    _cross_attention_kwargs: dict[str, Any] | None = None

    def __init__(
        self,
        vae: ModelMixin,
        unet: UNet2DConditionModel,
        text_encoder: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        scheduler: SchedulerMixin,
        latent_mean: list[float] | None = None,
        latent_std: list[float] | None = None,
        text_mean: list[float] | None = None,
        text_std: list[float] | None = None,
        max_length: int = 128,
        background: list[int] | None = None,
        image_size: int | None = None,
        default_num_inference_steps: int = 25,
        default_guidance_scale: float = 5.0,
    ):
        super().__init__()
        self.register_modules(vae=vae, unet=unet, text_encoder=text_encoder, tokenizer=tokenizer, scheduler=scheduler)
        parts = {
            "the decoder": (vae, "cross_attention_dim"),
            "the U-Net": (unet, "cross_attention_dim"),
            "the text encoder": (text_encoder, "hidden_size"),
        }
        widths = {name: getattr(part.config, key) for name, (part, key) in parts.items() if part is not None}
        if len(set(widths.values())) > 1:
            found = ", ".join(f"{name} {width}" for name, width in widths.items())
            raise ValueError(f"Widths of the text differ ({found}): the components must be of one model.")
        self.register_to_config(
            latent_mean=list(latent_mean or (0.0,)),
            latent_std=list(latent_std or (1.0,)),
            text_mean=list(text_mean or (0.0,)),
            text_std=list(text_std or (1.0,)),
            max_length=max_length,
            background=list(background or (255, 255, 255)),
            image_size=image_size,
            default_num_inference_steps=default_num_inference_steps,
            default_guidance_scale=default_guidance_scale,
        )

    @property
    def sprite_size(self) -> int:
        """Side of the sprites that it draws, in pixels."""
        return self.config.image_size or self.vae.config.sample_size

    @property
    def sprite_channels(self) -> int:
        """3: RGB, of which RGBA is made by removing the background."""
        return self.vae.config.in_channels

    @property
    def guidance_scale(self) -> float:
        """Guidance scale of the running call; a callback may change ``_guidance_scale``."""
        return self._guidance_scale

    @property
    def cross_attention_kwargs(self) -> dict[str, Any] | None:
        return self._cross_attention_kwargs

    @property
    def do_classifier_free_guidance(self) -> bool:
        return self._guidance_scale > 1

    def encode_prompt(
        self,
        prompt: str | list[str] | None,
        num_images_per_prompt: int,
        prompt_embeds: torch.Tensor | None = None,
        prompt_attention_mask: torch.Tensor | None = None,
        name: str = "prompt",
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Hidden states ``(batch, max_length, width)`` and attention mask ``(batch, max_length)`` of prompts, or those given.

        The autoencoder and the U-Net may be missing, as may tokenizer and text encoder where hidden states are given.

        Raises:
            ValueError: neither or both of prompts and hidden states, prompts without a text encoder, or hidden states
                without a mask of their shape.
        """
        if (prompt is None) == (prompt_embeds is None):
            raise ValueError(f"Pass either `{name}` or `{name}_embeds`, and not both.")
        device = self._execution_device
        if prompt_embeds is None:
            if self.tokenizer is None or self.text_encoder is None:
                raise ValueError(f"There is no tokenizer or text encoder to read `{name}` with: pass `{name}_embeds`.")
            prompts = [prompt] if isinstance(prompt, str) else list(prompt)
            prompt_embeds, prompt_attention_mask = encode_prompts(
                self.tokenizer, self.text_encoder, prompts, self.config.max_length, device
            )
        elif prompt_attention_mask is None:
            prompt_attention_mask = torch.ones(prompt_embeds.shape[:2], dtype=torch.long)
        if prompt_attention_mask.shape != prompt_embeds.shape[:2]:
            raise ValueError(
                f"`{name}_attention_mask` has shape {tuple(prompt_attention_mask.shape)}, but `{name}_embeds` needs "
                f"{tuple(prompt_embeds.shape[:2])}."
            )
        dtype = prompt_embeds.dtype if self.unet is None else self.unet.dtype
        prompt_embeds = prompt_embeds.to(device=device, dtype=dtype).repeat_interleave(num_images_per_prompt, dim=0)
        prompt_attention_mask = prompt_attention_mask.to(device).repeat_interleave(num_images_per_prompt, dim=0)
        return prompt_embeds, prompt_attention_mask

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
        negative_prompt_embeds: torch.Tensor | None = None,
        negative_prompt_attention_mask: torch.Tensor | None = None,
        image: Any = None,
        mask_image: Any = None,
        strength: float | None = None,
        transparent: bool = False,
        scale: int = 1,
        palette: Colors | None = None,
        num_colors: int | None = None,
        background: Color | None = None,
        cross_attention_kwargs: dict[str, Any] | None = None,
        palette_guidance: float | None = None,
    ) -> ImagePipelineOutput | tuple:
        r"""Draws sprites from descriptions.

        Args:
            prompt: one or many; words beyond ``max_length`` tokens are cut off, with a warning that shows them.
            num_inference_steps: denoising steps; the model's own default if not given.
            guidance_scale: strength of classifier-free guidance; on if above 1; the model's own default if not given.
            num_images_per_prompt: sprites per prompt.
            generator: one, or one per image, for reproducible noise.
            latents: initial noise ``(batch, channels, height, width)``, standard normal.
            output_type: ``"pil"``, ``"np"`` ``(batch, H, W, C)`` in ``[0, 1]``, ``"pt"`` ``(batch, C, H, W)`` in
                ``[0, 1]``, or ``"latent"`` (normalised latents).
            return_dict: whether to return an `ImagePipelineOutput` instead of a tuple.
            callback_on_step_end: ``callback(pipe, step, timestep, tensors) -> dict`` after each step.
            callback_on_step_end_tensor_inputs: the tensors it is given.
            negative_prompt: what guidance leads away from; nothing in particular if not given.
            prompt_embeds: in place of `prompt`: hidden states ``(batch, tokens, width)``.
            prompt_attention_mask: ``(batch, tokens)``, 1 for tokens that count; all if not given.
            negative_prompt_embeds: in place of `negative_prompt`.
            negative_prompt_attention_mask: of those.
            image: draw variations of it instead of starting from noise: one, one per prompt or one per sprite, of `sprite_size` (PIL, array or
                tensor, see `read_images`).
            mask_image: draw only the part of `image` that is white here; where it is black, the pixels of `image` stay
                exactly, but for `palette` and `num_colors`.
            strength: share of the steps that redraw `image`, above 0 (nearly the same) to 1 (nothing of it is left, and the
                default with a mask); 0.7 without a mask if not given.
            transparent: RGBA without the background, see `remove_background`.
            scale: whole-number enlargement of the output, nearest neighbour.
            palette: the only colours of the output: a sequence of ``"#rrggbb"`` or ``(red, green, blue)``; each pixel takes
                the one that looks nearest, and alpha becomes 0 or 1. `sprite_diffusers.pixels.load_palette` reads files.
            num_colors: at most so many colours in each sprite, of `palette` if that is given.
            background: colour behind RGBA output, ``"#rrggbb"`` or ``(red, green, blue)``; alpha is kept if not given.
            cross_attention_kwargs: for the attention of the U-Net; ``{"scale": 0.5}`` halves a LoRA.
            palette_guidance: 0 or left out, as latents have no colours to guide (kept for one signature everywhere).

        Returns:
            `ImagePipelineOutput` with ``images``, or ``(images,)``.

        Raises:
            ValueError: an argument outside the above, or a scheduler that does not fit the network.
        """
        names = callback_on_step_end_tensor_inputs
        self.check_call(output_type, names, scale, palette, num_colors, background, transparent)
        if num_inference_steps is None:
            num_inference_steps = self.config.default_num_inference_steps
        self._guidance_scale = self.config.default_guidance_scale if guidance_scale is None else guidance_scale
        self._cross_attention_kwargs = cross_attention_kwargs
        embeds, mask = self.encode_prompt(prompt, num_images_per_prompt, prompt_embeds, prompt_attention_mask)
        negative_embeds, negative_mask = embeds[:0], mask[:0]
        if self.do_classifier_free_guidance:
            if negative_prompt is None and negative_prompt_embeds is None:
                negative_prompt = ""
            if isinstance(negative_prompt, str):
                negative_prompt = [negative_prompt] * (len(embeds) // num_images_per_prompt)
            negative_embeds, negative_mask = self.encode_prompt(
                negative_prompt,
                num_images_per_prompt,
                negative_prompt_embeds,
                negative_prompt_attention_mask,
                "negative_prompt",
            )
            if negative_embeds.shape != embeds.shape:
                raise ValueError(
                    f"`negative_prompt` makes hidden states of the shape {tuple(negative_embeds.shape)}, but `prompt` of "
                    f"{tuple(embeds.shape)}: pass as many of the one as of the other."
                )
        modes = self.prepare_modes(len(embeds), image, mask_image, strength, palette, palette_guidance)
        timesteps = self.prepare_timesteps(num_inference_steps)
        timesteps, latents = modes.start(timesteps, self.prepare_latents(len(embeds), generator, latents))
        self._num_timesteps = len(timesteps)

        tensors = {"latents": latents, "prompt_embeds": embeds, "negative_prompt_embeds": negative_embeds}
        with self.progress_bar(total=len(timesteps)) as progress_bar:
            for i, t in enumerate(timesteps):
                latents = tensors["latents"]
                model_output = self.predict(self.scale_model_input(latents, t), t, tensors, mask, negative_mask)
                model_output = modes.guide(model_output, t, latents, i)
                tensors["latents"] = self.scheduler_step(model_output, t, latents, generator)
                tensors = self.run_callback(callback_on_step_end, names, i, t, tensors)
                progress_bar.update()

        images: Any = tensors["latents"]
        if output_type != "latent":
            decoded = self.decode(images, tensors["prompt_embeds"], mask)
            decoded = self.without_background(decoded, modes.kept) if transparent else decoded
            images = self.postprocess(decoded, output_type, scale, palette, num_colors, background, modes.kept)
        self.maybe_free_model_hooks()
        return ImagePipelineOutput(images=images) if return_dict else (images,)

    def predict(
        self,
        sample: torch.Tensor,
        timestep: torch.Tensor,
        tensors: dict[str, torch.Tensor],
        mask: torch.Tensor,
        negative_mask: torch.Tensor,
    ) -> torch.Tensor:
        """The network's output for `sample` ``(batch, C, H, W)``, with guidance (two evaluations) if that is on."""
        embeds = tensors["prompt_embeds"]
        if self.do_classifier_free_guidance:
            sample = torch.cat([sample, sample])
            embeds = torch.cat([tensors["negative_prompt_embeds"], embeds])
            mask = torch.cat([negative_mask, mask])
        direction = None
        if self.unet.config.class_embed_type == "projection":
            direction = text_direction(embeds, mask, self.config.text_mean, self.config.text_std)
        output = self.unet(
            sample,
            timestep,
            embeds,
            class_labels=direction,
            encoder_attention_mask=mask,
            cross_attention_kwargs=self.cross_attention_kwargs,
            return_dict=False,
        )[0]
        return classifier_free_guidance(output, self._guidance_scale) if self.do_classifier_free_guidance else output

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Normalised latents of images ``(batch, 3, H, W)`` in ``[-1, 1]``."""
        latents = self.vae.encode(images.to(self.vae.dtype)).latent_dist.mode()
        return normalize_latents(latents, self.config.latent_mean, self.config.latent_std)

    def decode(self, latents: torch.Tensor, embeds: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Images ``(batch, 3, H, W)``, about ``[-1, 1]``, of normalised latents and the text that they were drawn for."""
        mean, std = (per_channel(self.config[name], latents) for name in ("latent_mean", "latent_std"))
        latents = (latents * std + mean).to(self.vae.dtype)
        return self.vae.decode(latents, embeds.to(self.vae.dtype), mask, return_dict=False)[0]

    def without_background(self, images: torch.Tensor, kept: KeptPixels | None = None) -> torch.Tensor:
        """``(batch, 3, H, W)`` in ``[-1, 1]`` to premultiplied RGBA in ``[-1, 1]``, cut to the size of the output.

        Args:
            kept: pixels that are as they were given when the background is looked for.
        """
        images = center_crop((images.float() / 2 + 0.5).clamp(0, 1), self.config.image_size)
        images = images if kept is None else kept.paste(images)
        cut = remove_background(images, [channel / 255 for channel in self.config.background])
        return torch.cat([cut[:, :3] * cut[:, 3:], cut[:, 3:]], dim=1) * 2 - 1
