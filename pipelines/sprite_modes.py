"""Sampling modes of sprite pipelines: variations of an image, inpainting, and guidance towards a palette.

What the network believes the clean sample to be is changed before the scheduler steps on: its output is replaced by the
one that amounts to the changed sample. So the modes work with any scheduler and any prediction type.

This file travels with every published model that has them, so it depends on nothing but torch, diffusers and the helpers
beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from diffusers.image_processor import VaeImageProcessor
from PIL import Image

from .sprite_io import KeptPixels
from .sprite_palette import Colors, encode_bits, nearest_colors, parse_palette

DEFAULT_STRENGTH = 0.7  # of variations; what a mask shows is drawn wholly anew
WHITE = (255, 255, 255)


# ---- clean samples --------------------------------------------------------------------------------------------------


class NoiseLevel(NamedTuple):
    """How noisy samples are: the network is given ``scale * sample``, which is ``signal * clean + noise * unit noise``."""

    signal: float
    noise: float
    scale: float


def noise_level(scheduler: Any, timestep: torch.Tensor | float) -> NoiseLevel:
    """How noisy a scheduler's samples are at one of its timesteps.

    By its sigmas where it has them, as timesteps are rounded, and by the trained schedule otherwise.
    """
    if hasattr(scheduler, "sigmas"):
        index = int((scheduler.timesteps.cpu().double() - float(timestep)).abs().argmin())
        sigma = float(scheduler.sigmas[index])
    else:
        product = float(scheduler.alphas_cumprod[int(timestep)])
        sigma = ((1 - product) / max(product, 1e-12)) ** 0.5
    if _prediction_type(scheduler) == "flow_prediction":
        return NoiseLevel(1 - sigma, sigma, 1.0)
    signal = (1 + sigma**2) ** -0.5
    # where noise begins at another scale than 1, samples are clean + sigma * noise, which networks see shrunk
    begins_at = float(getattr(scheduler, "init_noise_sigma", 1.0))
    return NoiseLevel(signal, sigma * signal, 1.0 if begins_at == 1.0 else signal)


def clean_sample(
    scheduler: Any, model_output: torch.Tensor, timestep: torch.Tensor | float, sample: torch.Tensor
) -> torch.Tensor:
    """The clean sample that a prediction amounts to, float32.

    Args:
        scheduler: with its timesteps set.
        model_output: ``(batch, channels, ...)``; more channels than `sample` has are a learned variance.
        timestep: of `sample`.
        sample: noisy, before `scale_model_input`.
    """
    signal, noise, scale = noise_level(scheduler, timestep)
    output, sample = model_output[:, : sample.shape[1]].float(), sample.float() * scale
    kind = _prediction_type(scheduler)
    if kind == "sample":
        return output
    if kind == "flow_prediction":
        return sample - noise * output
    if kind == "v_prediction":
        return signal * sample - noise * output
    return (sample - noise * output) / max(signal, 1e-6)


def output_of_clean_sample(
    scheduler: Any,
    model_output: torch.Tensor,
    timestep: torch.Tensor | float,
    sample: torch.Tensor,
    clean: torch.Tensor,
) -> torch.Tensor:
    """`model_output`, changed so that it amounts to `clean`: the inverse of `clean_sample`."""
    signal, noise, scale = noise_level(scheduler, timestep)
    noisy, kind = sample.float() * scale, _prediction_type(scheduler)
    if kind == "flow_prediction":
        output = (noisy - clean) / noise
    elif kind == "v_prediction":
        output = (signal * noisy - clean) / noise
    elif kind == "epsilon":
        output = (noisy - signal * clean) / noise
    else:
        output = clean
    return torch.cat([output.to(model_output.dtype), model_output[:, sample.shape[1] :]], dim=1)


def _prediction_type(scheduler: Any) -> str:
    return scheduler.config.get("prediction_type", "flow_prediction")


# ---- palette guidance -----------------------------------------------------------------------------------------------


class PaletteGuidance(NamedTuple):
    """Pulls clean samples of pixels towards the nearest colours of a palette, the harder the fewer steps are left.

    Attributes:
        colors: ``(n, 3)`` in ``[0, 1]``.
        weight: of the last step, 0 to 1.
        patch_size: of the network (`torch.nn.functional.pixel_unshuffle`).
    """

    colors: torch.Tensor
    weight: float
    patch_size: int = 1

    def __call__(self, clean: torch.Tensor, done: float) -> torch.Tensor:
        """`clean` ``(batch, channels, H, W)`` in ``[-1, 1]``, some of the way to its nearest colours.

        Four channels are RGBA with premultiplied colour: pixels are pulled to be opaque and of the palette, or empty.

        Args:
            done: share of the steps that are done after this one, up to 1.
        """
        pixels = (F.pixel_shuffle(clean, self.patch_size) / 2 + 0.5).clamp(0, 1)
        color = pixels[:, :3]
        visible = torch.ones_like(pixels[:, :1])
        if pixels.shape[1] == 4:
            alpha = pixels[:, 3:]
            visible = (alpha >= 0.5).to(pixels.dtype)
            color = (color / alpha.clamp(min=0.5)).clamp(0, 1)
        colors = self.colors.to(pixels)
        snapped = colors[nearest_colors(color.movedim(1, -1), colors)].movedim(-1, 1) * visible
        if pixels.shape[1] == 4:
            snapped = torch.cat([snapped, visible], dim=1)
        pulled = torch.lerp(pixels, snapped, self.weight * done)
        return F.pixel_unshuffle(pulled * 2 - 1, self.patch_size)


# ---- images and masks -----------------------------------------------------------------------------------------------


def read_images(images: Any, size: int) -> torch.Tensor:
    """``(batch, 3 | 4, size, size)`` in ``[0, 1]``, straight alpha, float32.

    Args:
        images: one or more, in any form that diffusers' `VaeImageProcessor` takes: PIL, an array ``(batch, H, W, C)``, a
            tensor ``(batch, C, H, W)``, both in ``[0, 1]`` or bytes, or a list of them without their batch.
        size: that they must have, as nothing is resized.

    Raises:
        ValueError: something else than RGB or RGBA images of that size.
    """
    pixels = _read(images, "image", do_convert_rgb=False)
    if pixels.shape[1] == 1:
        pixels = pixels.expand(-1, 3, -1, -1)
    if pixels.shape[1] not in (3, 4):
        raise ValueError(f"`image` has {pixels.shape[1]} channels, but must be an RGB or RGBA image.")
    height, width = pixels.shape[2:]
    if (height, width) != (size, size):
        raise ValueError(
            f"`image` is {width}x{height} pixels, but this model draws {size}x{size}: cut it, or scale it without "
            "blending, to that size."
        )
    return pixels


def read_masks(masks: Any, size: int) -> torch.Tensor:
    """``(batch, 1, size, size)``, True where an image is kept: where a mask is dark.

    Args:
        masks: one or more, grey or black and white, as for `read_images`; arrays and tensors may lack the channel.
        size: that they must have.

    Raises:
        ValueError: something else than masks of that size.
    """
    pixels = _read(masks, "mask_image", do_convert_grayscale=True)
    if pixels.shape[1] != 1:
        raise ValueError(f"`mask_image` has {pixels.shape[1]} channels, but must have one: white is drawn anew.")
    height, width = pixels.shape[2:]
    if (height, width) != (size, size):
        raise ValueError(f"`mask_image` is {width}x{height} pixels, but must be {size}x{size}, as `image` is.")
    return pixels < 0.5


def _read(images: Any, name: str, **options: bool) -> torch.Tensor:
    """``(batch, channels, H, W)`` in ``[0, 1]``."""
    several = isinstance(images, (list, tuple))
    given = [_readable(image) for image in (images if several else [images])]
    try:
        processor = VaeImageProcessor(vae_scale_factor=1, do_resize=False, do_normalize=False, **options)
        pixels = processor.preprocess(given if several else given[0]).float()
    except (ValueError, RuntimeError, TypeError, AttributeError, IndexError):
        kinds = ", ".join(sorted({type(image).__name__ for image in given})) or "empty"
        raise ValueError(
            f"`{name}` is {kinds}, but must be one or more images of one size: PIL, arrays (H, W, C) or tensors (C, H, W)."
        ) from None
    if not (pixels >= 0).all() or not (pixels <= 1).all():
        raise ValueError(f"`{name}` has values outside 0 to 1: pass floats in that range, or bytes.")
    return pixels


def _readable(image: Any) -> Any:
    """Bytes and truth values as floats in ``[0, 1]``, and PIL images in a mode whose channels are what they mean."""
    if isinstance(image, Image.Image):
        transparent = "A" in image.getbands() or "transparency" in image.info
        return image if image.mode == "L" else image.convert("RGBA" if transparent else "RGB")
    if isinstance(image, np.ndarray):
        return image.astype(np.float32) / (255 if image.dtype == np.uint8 else 1)
    if isinstance(image, torch.Tensor):
        return image.float() / (255 if image.dtype == torch.uint8 else 1)
    return image


# ---- the modes of a call --------------------------------------------------------------------------------------------


@dataclass
class SamplingModes:
    """What a call does besides drawing from noise; made by `SamplingModesMixin.prepare_modes`.

    Attributes:
        scheduler: that steps.
        strength: share of the steps that are taken, above 0 and up to 1.
        image: clean samples ``(batch, *latent_shape)`` to start from.
        keep: broadcasts to them, True where they stay.
        kept: the same as pixels, to be pasted at the end.
        palette: towards which pixels are pulled.
    """

    scheduler: Any
    strength: float = 1.0
    image: torch.Tensor | None = None
    keep: torch.Tensor | None = None
    kept: KeptPixels | None = None
    palette: PaletteGuidance | None = None
    _skipped: int = 0
    _total: int = 1

    def start(self, timesteps: torch.Tensor, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The timesteps that are taken, and the sample at the first of them.

        Args:
            timesteps: all that were set.
            noise: from `prepare_latents`; at full strength, nothing of the image is in it.
        """
        order = getattr(self.scheduler, "order", 1)
        steps = -(-len(timesteps) // order)  # the last one of a solver of higher order is of the first
        self._total = len(timesteps)
        self._skipped = (steps - max(1, round(steps * self.strength))) * order
        if self.image is None or not self._skipped:
            return timesteps, noise
        timesteps = timesteps[self._skipped :]
        if hasattr(self.scheduler, "set_begin_index"):
            self.scheduler.set_begin_index(self._skipped)
        unit = noise / float(getattr(self.scheduler, "init_noise_sigma", 1.0))
        level = noise_level(self.scheduler, timesteps[0])
        return timesteps, (level.signal * self.image + level.noise * unit).to(noise.dtype) / level.scale

    def progress(self, step: int) -> float:
        """The share of all steps that is done in the middle of one of those that are taken."""
        return (self._skipped + step + 0.5) / self._total

    def guide(
        self, model_output: torch.Tensor, timestep: torch.Tensor, sample: torch.Tensor, step: int
    ) -> torch.Tensor:
        """The network's output for `sample`, changed to amount to what the modes make of its clean sample.

        Where the image stays, the clean sample is the image. A step of the scheduler then leads to the image with as much
        noise as belongs to the next timestep, as in RePaint (Lugmayr et al. 2022, https://arxiv.org/abs/2201.09865).
        """
        if self.keep is None and self.palette is None:
            return model_output
        clean = clean_sample(self.scheduler, model_output, timestep, sample)
        if self.palette is not None:
            clean = self.palette(clean, (self._skipped + step + 1) / self._total)
        if self.keep is not None:
            clean = torch.where(self.keep, self.image.float(), clean)  # type: ignore[union-attr]
        return output_of_clean_sample(self.scheduler, model_output, timestep, sample, clean)


def palette_guidance_of(palette: Colors | None, weight: float | None, patch_size: int = 1) -> PaletteGuidance | None:
    """Guidance of a call by its `palette` and `palette_guidance`, `None` for none; a palette guides fully if no weight is given.

    Raises:
        ValueError: a weight outside 0 to 1, or one above 0 without a palette.
    """
    if weight is None:
        weight = 0.0 if palette is None else 1.0
    if isinstance(weight, bool) or not isinstance(weight, Real) or not 0 <= weight <= 1:
        raise ValueError(f"`palette_guidance` is {weight!r}, but must be from 0 (snap at the end only) to 1.")
    if weight == 0:
        return None
    if palette is None:
        raise ValueError(f"`palette_guidance` is {weight}, but there is no palette to guide towards: pass `palette`.")
    return PaletteGuidance(parse_palette(palette), float(weight), patch_size)


class SamplingModesMixin:
    """`prepare_modes`, for a pipeline with an `encode` from pixels in ``[-1, 1]`` to clean samples.

    That of a pipeline on pixels is here; one on latents has its own.
    """

    @property
    def draws_colors(self) -> bool:
        """Whether samples have colours before the end, which a palette can guide; latents and indices have none."""
        return not hasattr(self, "decode") and self.index_palette is None  # type: ignore[attr-defined]

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Clean samples of sprites ``(batch, channels, H, W)`` in ``[-1, 1]``, as the network sees them."""
        palette = self.index_palette  # type: ignore[attr-defined]
        seen = images if palette is None else encode_bits(images, palette.to(images))
        return F.pixel_unshuffle(seen, self.patch_size)  # type: ignore[attr-defined]

    def prepare_modes(
        self,
        batch_size: int,
        image: Any = None,
        mask_image: Any = None,
        strength: float | None = None,
        palette: Colors | None = None,
        palette_guidance: float | None = None,
    ) -> SamplingModes:
        """Reads and checks the arguments of a call that are for its sampling modes.

        Args:
            batch_size: sprites that the call draws; images and masks are one, one per sprite, or a part of that number.
            palette_guidance: if not given, 1 with a palette, and 0 of models that draw no colours.

        Raises:
            ValueError: an argument outside what the call allows.
        """
        modes = SamplingModes(self.scheduler)  # type: ignore[attr-defined]
        if palette_guidance is None and not self.draws_colors:
            palette_guidance = 0.0
        modes.palette = palette_guidance_of(palette, palette_guidance, self.patch_size)  # type: ignore[attr-defined]
        if modes.palette is not None and hasattr(self, "decode"):
            raise ValueError(
                f"`palette_guidance` is {palette_guidance}, but this model draws latents, which have no colours until the "
                "end: leave it out, and the sprites are snapped to the palette."
            )
        if modes.palette is not None and self.index_palette is not None:  # type: ignore[attr-defined]
            raise ValueError(
                f"`palette_guidance` is {palette_guidance}, but this model draws indices of its own palette and no colours: "
                "leave it out, and the sprites are snapped to the palette."
            )
        if image is None:
            for name, value in (("mask_image", mask_image), ("strength", strength)):
                if value is not None:
                    shown = f" is {value}" if name == "strength" else " was passed"
                    raise ValueError(f"`{name}`{shown}, but there is no image that it belongs to: pass `image`.")
            return modes
        modes.strength = check_strength(strength, DEFAULT_STRENGTH if mask_image is None else 1.0)
        size, channels = self.sprite_size, self.sprite_channels  # type: ignore[attr-defined]
        background = self.config.get("background") or WHITE  # type: ignore[attr-defined]
        given = _repeated(read_images(image, size), batch_size, "image")
        drawn = with_channels(given, channels, background)
        device, dtype = self._execution_device, self.unet.dtype  # type: ignore[attr-defined]
        network = F.pad(_premultiplied(drawn) * 2 - 1, self._margins(size), mode="replicate")
        modes.image = self.encode(network.to(device)).to(dtype)
        if mask_image is not None:
            keep = _repeated(read_masks(mask_image, size), batch_size, "mask_image")
            modes.kept = KeptPixels(given, drawn, keep)
            modes.keep = self._latent_keep(keep).to(device)
        return modes

    def _margins(self, size: int) -> tuple[int, int, int, int]:
        """Pixels round a sprite that are not drawn in the end (see `center_crop`)."""
        vae = getattr(self, "vae", None)
        drawn = self.unet.config.sample_size * self.patch_size if vae is None else vae.config.sample_size  # type: ignore[attr-defined]
        before = (drawn - size) // 2
        after = drawn - size - before
        return before, after, before, after

    def _latent_keep(self, keep: torch.Tensor) -> torch.Tensor:
        """What stays of the network's samples: those places of which every pixel does."""
        shape = self.latent_shape  # type: ignore[attr-defined]
        if len(shape) == 1:
            raise ValueError(
                "`mask_image` was passed, but the latents of this model are one vector without places: pass `image` "
                "alone, for variations of all of it."
            )
        anew = F.pad(1 - keep.float(), self._margins(keep.shape[-1]), mode="replicate")
        if (patch := self.patch_size) > 1:  # type: ignore[attr-defined]
            anew = F.pixel_unshuffle(anew, patch).repeat(1, shape[0] // patch**2, 1, 1)
        return F.adaptive_max_pool2d(anew, shape[1:]) == 0


def check_strength(strength: float | None, default: float) -> float:
    """`strength`, or the default.

    Raises:
        ValueError: something else than a number above 0 and up to 1.
    """
    if strength is None:
        return default
    if isinstance(strength, bool) or not isinstance(strength, Real) or not 0 < strength <= 1:
        raise ValueError(f"`strength` is {strength!r}, but must be above 0 and up to 1, where all is drawn anew.")
    return float(strength)


def with_channels(images: torch.Tensor, channels: int, background: tuple[int, ...] | list[int]) -> torch.Tensor:
    """RGB and RGBA ``(batch, 3 | 4, H, W)`` in ``[0, 1]`` as either: opaque, or on a background of 0 to 255."""
    if images.shape[1] == channels:
        return images
    if channels == 4:
        return torch.cat([images, torch.ones_like(images[:, :1])], dim=1)
    color = images.new_tensor(background).view(1, 3, 1, 1) / 255
    return images[:, :3] * images[:, 3:] + color * (1 - images[:, 3:])


def _premultiplied(images: torch.Tensor) -> torch.Tensor:
    return images if images.shape[1] == 3 else torch.cat([images[:, :3] * images[:, 3:], images[:, 3:]], dim=1)


def _repeated(images: torch.Tensor, batch_size: int, name: str) -> torch.Tensor:
    """One per sprite.

    Raises:
        ValueError: more images than sprites to draw, or a number that does not divide it.
    """
    if batch_size % len(images):
        raise ValueError(
            f"`{name}` has {len(images)} images for {batch_size} sprites: pass one, one per class or prompt, or one per "
            "sprite."
        )
    return images.repeat_interleave(batch_size // len(images), dim=0)
