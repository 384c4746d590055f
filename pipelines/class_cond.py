"""Class-conditional sprites with classifier-free guidance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from diffusers import DiffusionPipeline, ImagePipelineOutput, SchedulerMixin, UNet2DModel

from .sprite_io import (
    ClassConditionalMixin,
    SpritePipelineMixin,
    check_index_palette,
    check_num_classes,
    resolve_class_labels,
)
from .sprite_lora import SpriteLoraMixin, enable_adapters_on
from .sprite_modes import SamplingModesMixin
from .sprite_palette import Color, Colors


class ClassCondPipeline(
    ClassConditionalMixin, SamplingModesMixin, SpritePipelineMixin, SpriteLoraMixin, DiffusionPipeline
):
    r"""Class-conditional sprite generation with classifier-free guidance (https://arxiv.org/abs/2207.12598).

    Args:
        unet: denoiser with a class embedding, on ``(batch, 3 | 4, sample_size, sample_size)`` in ``[-1, 1]`` (see also
            `patch_size`); four channels are RGBA with premultiplied colour. One embedding more than there are classes means that the
            last one is the null class of classifier-free guidance.
        scheduler: any diffusers scheduler that fits the network's prediction type; swap it with
            ``pipe.scheduler = DPMSolverMultistepScheduler.from_config(pipe.scheduler.config)``.
        id2label: names of the classes, ``{"0": "human", ...}``; the ids themselves if not given.
        default_num_inference_steps: used when a call gives none.
        default_guidance_scale: used when a call gives none.
        default_guidance_interval: used when a call gives none; all steps if not given.
        image_size: sprites are cut to this size, if it is smaller than what the network draws.
        binary_alpha: whether RGBA output has alpha 0 and 1 only.
        patch_size: squares of so many pixels a side are one position of the network's, which then has
            ``channels * patch_size**2`` channels (`torch.nn.functional.pixel_unshuffle`).
        index_palette: the network draws indices of these colours: it sees their bits (`sprite_palette.palette_codes`), and its
            output says how likely each is; one more channel in and out is transparency.
    """

    model_cpu_offload_seq = "unet"

    def __init__(
        self,
        unet: UNet2DModel,
        scheduler: SchedulerMixin,
        id2label: dict[str, str] | None = None,
        default_num_inference_steps: int = 50,
        default_guidance_scale: float = 1.0,
        default_guidance_interval: list[float] | None = None,
        image_size: int | None = None,
        binary_alpha: bool = True,
        patch_size: int = 1,
        index_palette: list[str] | None = None,
    ):
        super().__init__()
        check_index_palette(unet, patch_size, index_palette)
        enable_adapters_on(unet)
        self.register_modules(unet=unet, scheduler=scheduler)
        if id2label is None:
            id2label = {str(index): str(index) for index in range(unet.config.num_class_embeds or 0)}
        if not id2label:
            raise ValueError("The U-Net has no class embedding (num_class_embeds): use SpriteDDPMPipeline for it.")
        check_num_classes(unet, id2label)
        self.register_to_config(
            id2label={str(index): name for index, name in id2label.items()},
            default_num_inference_steps=default_num_inference_steps,
            default_guidance_scale=default_guidance_scale,
            default_guidance_interval=list(default_guidance_interval or (0.0, 1.0)),
            image_size=image_size,
            binary_alpha=binary_alpha,
            patch_size=patch_size,
            index_palette=index_palette,
        )

    @torch.no_grad()
    def __call__(
        self,
        class_labels: int | str | Sequence[int | str] | torch.Tensor,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        num_images_per_prompt: int = 1,
        generator: torch.Generator | list[torch.Generator] | None = None,
        latents: torch.Tensor | None = None,
        output_type: str | None = "pil",
        return_dict: bool = True,
        callback_on_step_end: Callable[..., dict[str, Any]] | None = None,
        callback_on_step_end_tensor_inputs: tuple[str, ...] | list[str] = ("latents",),
        guidance_interval: tuple[float, float] | None = None,
        scale: int = 1,
        palette: Colors | None = None,
        num_colors: int | None = None,
        background: Color | None = None,
        image: Any = None,
        mask_image: Any = None,
        strength: float | None = None,
        palette_guidance: float | None = None,
    ) -> ImagePipelineOutput | tuple:
        r"""Draws sprites of the given classes.

        Args:
            class_labels: ids or names, one or many; see `labels`.
            num_inference_steps: denoising steps; the model's own default if not given.
            guidance_scale: strength of classifier-free guidance; on if above 1; the model's own default if not given.
            num_images_per_prompt: sprites per entry of `class_labels`.
            generator: one, or one per image, for reproducible noise.
            latents: initial noise ``(batch, *latent_shape)``, standard normal.
            output_type: ``"pil"``, ``"np"`` ``(batch, H, W, C)`` in ``[0, 1]``, ``"pt"`` ``(batch, C, H, W)`` in
                ``[0, 1]``, or ``"latent"`` (network space, ``[-1, 1]``).
            return_dict: whether to return an `ImagePipelineOutput` instead of a tuple.
            callback_on_step_end: ``callback(pipe, step, timestep, {"latents": tensor}) -> dict`` after each step.
            callback_on_step_end_tensor_inputs: the tensors it is given.
            guidance_interval: guide only between these fractions of the steps, ``(0, 1)`` is all of them
                (https://arxiv.org/abs/2404.07724).
            scale: whole-number enlargement of the output, nearest neighbour.
            palette: the only colours of the output: a sequence of ``"#rrggbb"`` or ``(red, green, blue)``; each pixel takes
                the one that looks nearest, and alpha becomes 0 or 1. `sprite_diffusers.pixels.load_palette` reads files.
            num_colors: at most so many colours in each sprite, of `palette` if that is given.
            background: colour behind RGBA output, ``"#rrggbb"`` or ``(red, green, blue)``; alpha is kept if not given.
            image: draw variations of it instead of starting from noise: one, or one per sprite, of `sprite_size` (PIL, array or
                tensor, see `read_images`).
            mask_image: draw only the part of `image` that is white here; where it is black, the pixels of `image` stay
                exactly, but for `palette` and `num_colors`.
            strength: share of the steps that redraw `image`, above 0 (nearly the same) to 1 (nothing of it is left, and the
                default with a mask); 0.7 without a mask if not given.
            palette_guidance: how strongly to pull towards `palette` while drawing: 0 snaps only the finished sprite, 1 makes it
                exact in the last step, and is what a palette does if not given.

        Returns:
            `ImagePipelineOutput` with ``images``, or ``(images,)``.

        Raises:
            ValueError: an unknown class, guidance asked of a model that was trained without a null class, another
                argument outside the above, or a scheduler that does not fit the network.
        """
        config = self.config
        names = callback_on_step_end_tensor_inputs
        self.check_call(output_type, names, scale, palette, num_colors, background)
        num_inference_steps = (
            config.default_num_inference_steps if num_inference_steps is None else num_inference_steps
        )
        start, stop = self.prepare_guidance(guidance_scale, guidance_interval)
        labels = resolve_class_labels(class_labels, config.id2label, len(config.id2label))
        labels = labels.repeat_interleave(num_images_per_prompt)
        modes = self.prepare_modes(len(labels), image, mask_image, strength, palette, palette_guidance)
        timesteps = self.prepare_timesteps(num_inference_steps)
        noise = self.prepare_latents(len(labels), generator, latents)
        labels = labels.to(noise.device)  # asking for the device takes a millisecond
        timesteps, latents = modes.start(timesteps, noise)
        self._num_timesteps = len(timesteps)

        with self.progress_bar(total=len(timesteps)) as progress_bar:
            for i, t in enumerate(timesteps):
                guided = self.do_classifier_free_guidance and start <= modes.progress(i) <= stop
                model_output = self.predict(self.scale_model_input(latents, t), t, labels, guided)
                model_output = modes.guide(model_output, t, latents, i)
                latents = self.scheduler_step(model_output, t, latents, generator)
                tensors = self.run_callback(callback_on_step_end, names, i, t, {"latents": latents})
                latents = tensors["latents"]
                progress_bar.update()

        images = self.postprocess(latents, output_type, scale, palette, num_colors, background, modes.kept)
        self.maybe_free_model_hooks()
        return ImagePipelineOutput(images=images) if return_dict else (images,)
