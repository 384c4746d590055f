"""Sprites from diffusion in the latent space of an autoencoder, with or without classes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import torch
from diffusers import DiffusionPipeline, ImagePipelineOutput, ModelMixin, SchedulerMixin

from .sprite_io import (
    ClassConditionalMixin,
    SpritePipelineMixin,
    check_num_classes,
    normalize_latents,
    per_channel,
    resolve_class_labels,
)
from .sprite_lora import SpriteLoraMixin, enable_adapters_on
from .sprite_modes import SamplingModesMixin
from .sprite_palette import Color, Colors


class SpriteLDMPipeline(
    ClassConditionalMixin, SamplingModesMixin, SpritePipelineMixin, SpriteLoraMixin, DiffusionPipeline
):
    r"""Latent diffusion (Rombach et al. 2022, https://arxiv.org/abs/2112.10752) for sprites.

    Args:
        vae: `AutoencoderKL`, `VQModel` (its latents before they are quantised) or `SpriteAutoencoder`, of sprites in
            ``[-1, 1]``; four channels are RGBA with premultiplied colour.
        unet: denoiser of its latents: `UNet2DModel` on maps ``(batch, channels, height, width)``, `LatentMLP` on vectors
            ``(batch, channels)``. It is class-conditional if it has class embeddings; one more than there are classes
            is the null class of classifier-free guidance.
        scheduler: any diffusers scheduler that fits the network's prediction type.
        latent_mean: subtracted from the autoencoder's latents before diffusion: one number, or one per channel; 0 if not
            given.
        latent_std: divides them then, 1 if not given; both are measured on the training images.
        vae_fingerprint: `autoencoder_fingerprint` of the autoencoder that `unet` was trained on; not checked if `None`.
        id2label: names of the classes, ``{"0": "human", ...}``; their ids if not given.
        default_num_inference_steps: used when a call gives none.
        default_guidance_scale: used when a call gives none.
        default_guidance_interval: used when a call gives none; all steps if not given.
        image_size: sprites are cut to this size, if it is smaller than the autoencoder's ``sample_size``.
        binary_alpha: whether RGBA output has alpha 0 and 1 only.

    Raises:
        ValueError: an autoencoder whose latents are not those that `unet` denoises, or another one than it was trained on.
    """

    model_cpu_offload_seq = "unet->vae"

    def __init__(
        self,
        vae: ModelMixin,
        unet: ModelMixin,
        scheduler: SchedulerMixin,
        latent_mean: list[float] | None = None,
        latent_std: list[float] | None = None,
        vae_fingerprint: str | None = None,
        id2label: dict[str, str] | None = None,
        default_num_inference_steps: int = 50,
        default_guidance_scale: float = 1.0,
        default_guidance_interval: list[float] | None = None,
        image_size: int | None = None,
        binary_alpha: bool = True,
    ):
        super().__init__()
        enable_adapters_on(unet)
        self.register_modules(vae=vae, unet=unet, scheduler=scheduler)
        if id2label is None:
            id2label = {str(index): str(index) for index in range(unet.config.num_class_embeds or 0)}
        check_num_classes(unet, id2label)
        latent_mean, latent_std = list(latent_mean or (0.0,)), list(latent_std or (1.0,))
        check_latents(vae, unet, latent_mean, latent_std)
        if vae_fingerprint is not None and (found := autoencoder_fingerprint(vae)) != vae_fingerprint:
            raise ValueError(
                f"The denoiser was trained on the latents of the autoencoder {vae_fingerprint[:16]}, but this one is "
                f"{found[:16]}: give it its own, or train a denoiser for this one."
            )
        self.register_to_config(
            latent_mean=latent_mean,
            latent_std=latent_std,
            vae_fingerprint=vae_fingerprint,
            id2label={str(index): name for index, name in id2label.items()},
            default_num_inference_steps=default_num_inference_steps,
            default_guidance_scale=default_guidance_scale,
            default_guidance_interval=list(default_guidance_interval or (0.0, 1.0)),
            image_size=image_size,
            binary_alpha=binary_alpha,
        )

    @property
    def sprite_size(self) -> int:
        """Side of the sprites that it draws, in pixels."""
        return self.config.image_size or self.vae.config.sample_size

    @property
    def sprite_channels(self) -> int:
        """3 for RGB sprites, 4 for RGBA."""
        return self.vae.config.in_channels

    @property
    def latent_shape(self) -> tuple[int, ...]:
        """Shape of the latents of one sprite."""
        return latent_shape(self.vae)

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Normalised latents ``(batch, *latent_shape)`` of sprites ``(batch, channels, H, W)`` in ``[-1, 1]``."""
        return normalize_latents(
            encode_sprites(self.vae, images.to(self.vae.dtype)), self.config.latent_mean, self.config.latent_std
        )

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Sprites ``(batch, channels, H, W)``, about ``[-1, 1]``, of normalised latents."""
        mean, std = (per_channel(self.config[name], latents) for name in ("latent_mean", "latent_std"))
        return self.vae.decode((latents * std + mean).to(self.vae.dtype), return_dict=False)[0]

    @torch.no_grad()
    def __call__(
        self,
        class_labels: int | str | Sequence[int | str] | torch.Tensor | None = None,
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
        batch_size: int = 1,
        image: Any = None,
        mask_image: Any = None,
        strength: float | None = None,
        palette_guidance: float | None = None,
    ) -> ImagePipelineOutput | tuple:
        r"""Draws sprites of the given classes, or `batch_size` of a model without classes.

        Args:
            class_labels: ids or names, one or many; see `labels`. Not for a model without classes.
            num_inference_steps: denoising steps; the model's own default if not given.
            guidance_scale: strength of classifier-free guidance; on if above 1; the model's own default if not given.
            num_images_per_prompt: sprites per entry of `class_labels`, or per one of `batch_size`.
            generator: one, or one per image, for reproducible noise.
            latents: initial noise ``(batch, *latent_shape)``, standard normal.
            output_type: ``"pil"``, ``"np"`` ``(batch, H, W, C)`` in ``[0, 1]``, ``"pt"`` ``(batch, C, H, W)`` in
                ``[0, 1]``, or ``"latent"`` (normalised latents, see `decode`).
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
            batch_size: how many, of a model without classes.
            image: draw variations of it instead of starting from noise: one, or one per sprite, of `sprite_size` (PIL, array or
                tensor, see `read_images`).
            mask_image: draw only the part of `image` that is white here; where it is black, the pixels of `image` stay
                exactly, but for `palette` and `num_colors`.
            strength: share of the steps that redraw `image`, above 0 (nearly the same) to 1 (nothing of it is left, and the
                default with a mask); 0.7 without a mask if not given.
            palette_guidance: 0 or left out, as latents have no colours to guide (kept for one signature everywhere).

        Returns:
            `ImagePipelineOutput` with ``images``, or ``(images,)``.

        Raises:
            ValueError: classes asked of a model without them or none of one with them, an unknown class, guidance asked
                of a model that was trained without a null class, another argument outside the above, or a scheduler
                that does not fit the network.
        """
        names = callback_on_step_end_tensor_inputs
        self.check_call(output_type, names, scale, palette, num_colors, background)
        if num_inference_steps is None:
            num_inference_steps = self.config.default_num_inference_steps
        if self.is_conditional != (class_labels is not None):
            raise ValueError(
                f"`class_labels` is {class_labels!r}, but this model "
                + (
                    f"draws by class: pass some of {', '.join(self.labels)}."
                    if self.is_conditional
                    else "has no classes."
                )
            )
        start, stop = self.prepare_guidance(guidance_scale, guidance_interval)
        labels = None
        if class_labels is not None:
            labels = resolve_class_labels(class_labels, self.config.id2label, len(self.config.id2label))
            labels = labels.repeat_interleave(num_images_per_prompt).to(self._execution_device)
        count = batch_size * num_images_per_prompt if labels is None else len(labels)
        modes = self.prepare_modes(count, image, mask_image, strength, palette, palette_guidance)
        timesteps = self.prepare_timesteps(num_inference_steps)
        timesteps, latents = modes.start(timesteps, self.prepare_latents(count, generator, latents))
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

        images = latents
        if output_type != "latent":
            drawn = self.decode(latents)
            images = self.postprocess(drawn, output_type, scale, palette, num_colors, background, modes.kept)
        self.maybe_free_model_hooks()
        return ImagePipelineOutput(images=images) if return_dict else (images,)


def encode_sprites(vae: ModelMixin, images: torch.Tensor) -> torch.Tensor:
    """Latents of sprites ``(batch, channels, H, W)`` in ``[-1, 1]``: a KL autoencoder's mode, a VQ model's before it quantises."""
    encoded = vae.encode(images)
    return encoded.latent_dist.mode() if hasattr(encoded, "latent_dist") else encoded.latents


def latent_shape(vae: ModelMixin) -> tuple[int, ...]:
    """Shape of the latents of one sprite: ``(channels,)`` or ``(channels, height, width)``."""
    if hasattr(vae, "latent_size"):
        return (vae.latent_size,)
    side = vae.config.sample_size // 2 ** (len(vae.config.block_out_channels) - 1)
    return (vae.config.get("vq_embed_dim") or vae.config.latent_channels, side, side)


def check_latents(vae: ModelMixin, unet: ModelMixin, mean: Sequence[float], std: Sequence[float]) -> None:
    """Refuses an autoencoder whose latents are not those that the denoiser takes.

    Raises:
        ValueError: other channels, another size, or a scale for another number of channels.
    """
    shape = latent_shape(vae)
    size = unet.config.get("sample_size")
    wanted = (unet.config.in_channels, *(() if size is None else (size, size) if isinstance(size, int) else size))
    if shape != wanted:
        raise ValueError(
            f"The autoencoder gives latents of the shape {shape}, but the denoiser takes {wanted}: give it the "
            "autoencoder that it was trained on."
        )
    for name, values in (("latent_mean", mean), ("latent_std", std)):
        if len(values) not in (1, shape[0]):
            raise ValueError(
                f"`{name}` has {len(values)} numbers, but must have 1 or one for each of {shape[0]} channels."
            )
    unusable = [value for value in std if not value > 0]
    if unusable:
        raise ValueError(f"`latent_std` has {unusable[0]}, but must be above 0.")


def autoencoder_fingerprint(vae: ModelMixin) -> str:
    """sha256, in hex, of the names, shapes and signs of an autoencoder's weights.

    Signs are the same in every floating-point precision, so that a model loaded in half precision is still itself.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(vae.state_dict().items()):
        digest.update(f"{name} {list(tensor.shape)}".encode() + torch.signbit(tensor).cpu().numpy().tobytes())
    return digest.hexdigest()
