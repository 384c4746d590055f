"""Unconditional sprites from a pixel-space diffusion or flow model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from diffusers import DiffusionPipeline, ImagePipelineOutput, SchedulerMixin, UNet2DModel

from .sprite_io import SpritePipelineMixin, check_index_palette
from .sprite_lora import SpriteLoraMixin, enable_adapters_on
from .sprite_modes import SamplingModesMixin
from .sprite_palette import Color, Colors


class SpriteDDPMPipeline(SamplingModesMixin, SpritePipelineMixin, SpriteLoraMixin, DiffusionPipeline):
    r"""Unconditional sprite generation (DDPM, Ho et al. 2020, https://arxiv.org/abs/2006.11239; or rectified flow).

    Args:
        unet: denoiser on ``(batch, 3 | 4, sample_size, sample_size)`` in ``[-1, 1]`` (see also `patch_size`); four channels are
            RGBA with premultiplied colour.
        scheduler: any diffusers scheduler that fits the network's prediction type; swap it with
            ``pipe.scheduler = DPMSolverMultistepScheduler.from_config(pipe.scheduler.config)``.
        default_num_inference_steps: used when a call gives none.
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
        default_num_inference_steps: int = 50,
        image_size: int | None = None,
        binary_alpha: bool = True,
        patch_size: int = 1,
        index_palette: list[str] | None = None,
    ):
        super().__init__()
        check_index_palette(unet, patch_size, index_palette)
        enable_adapters_on(unet)
        self.register_modules(unet=unet, scheduler=scheduler)
        self.register_to_config(
            default_num_inference_steps=default_num_inference_steps,
            image_size=image_size,
            binary_alpha=binary_alpha,
            patch_size=patch_size,
            index_palette=index_palette,
        )

    @torch.no_grad()
    def __call__(
        self,
        batch_size: int = 1,
        num_inference_steps: int | None = None,
        num_images_per_prompt: int = 1,
        generator: torch.Generator | list[torch.Generator] | None = None,
        latents: torch.Tensor | None = None,
        output_type: str | None = "pil",
        return_dict: bool = True,
        callback_on_step_end: Callable[..., dict[str, Any]] | None = None,
        callback_on_step_end_tensor_inputs: tuple[str, ...] | list[str] = ("latents",),
        scale: int = 1,
        palette: Colors | None = None,
        num_colors: int | None = None,
        background: Color | None = None,
        image: Any = None,
        mask_image: Any = None,
        strength: float | None = None,
        palette_guidance: float | None = None,
    ) -> ImagePipelineOutput | tuple:
        r"""Draws sprites.

        Args:
            batch_size: how many.
            num_inference_steps: denoising steps; the model's own default if not given.
            num_images_per_prompt: multiplies `batch_size` (there is no prompt; kept for one signature everywhere).
            generator: one, or one per image, for reproducible noise.
            latents: initial noise ``(batch, *latent_shape)``, standard normal.
            output_type: ``"pil"``, ``"np"`` ``(batch, H, W, C)`` in ``[0, 1]``, ``"pt"`` ``(batch, C, H, W)`` in
                ``[0, 1]``, or ``"latent"`` (network space, ``[-1, 1]``).
            return_dict: whether to return an `ImagePipelineOutput` instead of a tuple.
            callback_on_step_end: ``callback(pipe, step, timestep, {"latents": tensor}) -> dict`` after each step.
            callback_on_step_end_tensor_inputs: the tensors it is given.
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
            ValueError: an argument outside the above, or a scheduler that does not fit the network.
        """
        names = callback_on_step_end_tensor_inputs
        self.check_call(output_type, names, scale, palette, num_colors, background)
        if num_inference_steps is None:
            num_inference_steps = self.config.default_num_inference_steps
        count = batch_size * num_images_per_prompt
        modes = self.prepare_modes(count, image, mask_image, strength, palette, palette_guidance)
        timesteps = self.prepare_timesteps(num_inference_steps)
        timesteps, latents = modes.start(timesteps, self.prepare_latents(count, generator, latents))
        self._num_timesteps = len(timesteps)

        with self.progress_bar(total=len(timesteps)) as progress_bar:
            for i, t in enumerate(timesteps):
                model_output = self.denoise(self.scale_model_input(latents, t), t)
                model_output = modes.guide(model_output, t, latents, i)
                latents = self.scheduler_step(model_output, t, latents, generator)
                tensors = self.run_callback(callback_on_step_end, names, i, t, {"latents": latents})
                latents = tensors["latents"]
                progress_bar.update()

        images = self.postprocess(latents, output_type, scale, palette, num_colors, background, modes.kept)
        self.maybe_free_model_hooks()
        return ImagePipelineOutput(images=images) if return_dict else (images,)
