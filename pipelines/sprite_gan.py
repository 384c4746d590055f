"""Images from the generator of a GAN, in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from diffusers import DiffusionPipeline, ImagePipelineOutput, ModelMixin
from diffusers.utils.torch_utils import randn_tensor

from .sprite_io import SpritePipelineMixin, resolve_class_labels
from .sprite_palette import Color, Colors


class SpriteGANPipeline(SpritePipelineMixin, DiffusionPipeline):
    r"""Generation by one pass of a network over noise (https://arxiv.org/abs/1406.2661), by class if it knows classes.

    The decoder of a variational autoencoder, whose latents are standard normal too, draws in the same way.

    Args:
        generator: network from ``(batch, latent_dim)`` standard normal noise, and class labels if it knows classes, to
            ``(batch, 1 | 3 | 4, sample_size, sample_size)`` in ``[-1, 1]``: grey, RGB, or RGBA with premultiplied colour.
        id2label: names of the classes, ``{"0": "human", ...}``; the ids themselves if not given.
        image_size: images are cut to this size, if it is smaller than the network's ``sample_size``.
        binary_alpha: whether RGBA output has alpha 0 and 1 only.
    """

    model_cpu_offload_seq = "generator"

    def __init__(
        self,
        generator: ModelMixin,
        id2label: dict[str, str] | None = None,
        image_size: int | None = None,
        binary_alpha: bool = True,
    ):
        super().__init__()
        self.register_modules(generator=generator)
        num_classes = generator.config.get("num_class_embeds") or 0
        if id2label is None:
            id2label = {str(index): str(index) for index in range(num_classes)}
        if len(id2label) != num_classes:
            raise ValueError(
                f"`id2label` names {len(id2label)} classes, but the generator has num_class_embeds={num_classes}: give a "
                "name to each of them."
            )
        self.register_to_config(
            id2label={str(index): name for index, name in id2label.items()},
            image_size=image_size,
            binary_alpha=binary_alpha,
        )

    @property
    def sprite_size(self) -> int:
        """Side of the images that it draws, in pixels."""
        return self.config.image_size or self.generator.config.sample_size

    @property
    def sprite_channels(self) -> int:
        """1 for grey images, 3 for RGB, 4 for RGBA."""
        return self.generator.config.out_channels

    @property
    def latent_shape(self) -> tuple[int, ...]:
        """Shape of the noise that one image is drawn from."""
        return (self.generator.config.latent_dim,)

    @property
    def is_conditional(self) -> bool:
        """Whether a call asks for classes; otherwise it asks for a number."""
        return bool(self.config.id2label)

    @property
    def labels(self) -> dict[str, int]:
        """Class ids by name."""
        return {name: int(index) for index, name in self.config.id2label.items()}

    def prepare_latents(
        self,
        batch_size: int,
        generator: torch.Generator | list[torch.Generator] | None,
        latents: torch.Tensor | None,
    ) -> torch.Tensor:
        """Standard normal noise, ``(batch_size, latent_dim)``.

        Raises:
            ValueError: a list of generators of another length than the batch, or `latents` of another shape.
        """
        shape = (batch_size, *self.latent_shape)
        if isinstance(generator, list) and len(generator) != batch_size:
            raise ValueError(
                f"{len(generator)} generators were passed for {batch_size} images: pass one generator, or one per image."
            )
        device, dtype = self._execution_device, self.generator.dtype
        if latents is None:
            return randn_tensor(shape, generator=generator, device=device, dtype=dtype)
        if tuple(latents.shape) != shape:
            raise ValueError(f"`latents` has shape {tuple(latents.shape)}, but this call needs {shape}.")
        return latents.to(device=device, dtype=dtype)

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
        scale: int = 1,
        palette: Colors | None = None,
        num_colors: int | None = None,
        background: Color | None = None,
        batch_size: int = 1,
    ) -> ImagePipelineOutput | tuple:
        r"""Draws images of the given classes, or `batch_size` of a model without classes.

        Args:
            class_labels: ids or names, one or many; see `labels`. Not for a model without classes.
            num_inference_steps: 1, as there is one pass (kept for one signature everywhere).
            guidance_scale: 1, as there is nothing to guide (kept for one signature everywhere).
            num_images_per_prompt: images per entry of `class_labels`, or per one of `batch_size`.
            generator: one, or one per image, for reproducible noise.
            latents: noise ``(batch, latent_dim)``, standard normal.
            output_type: ``"pil"`` (grey images have the mode ``"L"``), ``"np"`` ``(batch, H, W, C)`` in ``[0, 1]``, ``"pt"``
                ``(batch, C, H, W)`` in ``[0, 1]``, or ``"latent"`` (network space, ``[-1, 1]``).
            return_dict: whether to return an `ImagePipelineOutput` instead of a tuple.
            scale: whole-number enlargement of the output, nearest neighbour.
            palette: the only colours of the output: a sequence of ``"#rrggbb"`` or ``(red, green, blue)``; each pixel takes
                the one that looks nearest, and alpha becomes 0 or 1. Grey images become RGB.
            num_colors: at most so many colours in each image, of `palette` if that is given.
            background: colour behind RGBA output, ``"#rrggbb"`` or ``(red, green, blue)``; alpha is kept if not given.
            batch_size: how many, of a model without classes.

        Returns:
            `ImagePipelineOutput` with ``images``, or ``(images,)``.

        Raises:
            ValueError: classes asked of a model without them or none of one with them, an unknown class, or another
                argument outside the above.
        """
        self.check_call(output_type, (), scale, palette, num_colors, background)
        for name, value in (("num_inference_steps", num_inference_steps), ("guidance_scale", guidance_scale)):
            if value not in (None, 1):
                raise ValueError(f"`{name}` is {value!r}, but a GAN draws in one pass without guidance: leave it out.")
        labels = self._resolve_labels(class_labels, num_images_per_prompt)
        count = batch_size * num_images_per_prompt if labels is None else len(labels)
        drawn = self.generator(self.prepare_latents(count, generator, latents), labels, return_dict=False)[0]
        if drawn.shape[1] == 1 and (palette is not None or num_colors is not None):
            drawn = drawn.expand(-1, 3, -1, -1)
        images: Any = self.postprocess(drawn, output_type, scale, palette, num_colors, background)
        self.maybe_free_model_hooks()
        return ImagePipelineOutput(images=images) if return_dict else (images,)

    def _resolve_labels(self, class_labels: Any, repeats: int) -> torch.Tensor | None:
        """Ids of the classes of all images, ``(batch,)``; `None` for a model without classes."""
        if self.is_conditional != (class_labels is not None):
            what = (
                f"draws by class: pass some of {', '.join(self.labels)}." if self.is_conditional else "has no classes."
            )
            raise ValueError(f"`class_labels` is {class_labels!r}, but this model {what}")
        if class_labels is None:
            return None
        ids = resolve_class_labels(class_labels, self.config.id2label, len(self.config.id2label))
        return ids.repeat_interleave(repeats).to(self._execution_device)
