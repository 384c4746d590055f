"""What all sprite pipelines share: labels, noise and pixels in and out, guidance, the portable folder.

This file travels with every published model (``pipeline.py`` imports it as ``.sprite_io``), so it depends on nothing
but torch, diffusers, their own requirements and ``sprite_palette.py`` beside it.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import inspect
import json
import logging
import os
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from diffusers.utils.torch_utils import randn_tensor
from PIL import Image

from .sprite_palette import (
    Color,
    Colors,
    check_num_colors,
    decode_bits,
    flow_of_logits,
    limit_colors,
    num_bits,
    parse_color,
    parse_palette,
    put_on_background,
)

OUTPUT_TYPES = ("pil", "np", "pt", "latent")
SHOWN_CUTS, SHOWN_CHARACTERS = 3, 300  # of prompts that are too long

logger = logging.getLogger(__name__)


class KeptPixels(NamedTuple):
    """The part of images that is not drawn anew.

    Attributes:
        given: the images as they were given, ``(batch, 3 | 4, H, W)`` in ``[0, 1]``, straight alpha.
        drawn: with as many channels as the network draws.
        keep: ``(batch, 1, H, W)``, True where the image stays.
    """

    given: torch.Tensor
    drawn: torch.Tensor
    keep: torch.Tensor

    def paste(self, images: torch.Tensor) -> torch.Tensor:
        """`images` ``(batch, 3 | 4, H, W)`` with the kept pixels exactly as they are in what has as many channels, if any."""
        for own in (self.drawn, self.given):
            if own.shape[1] == images.shape[1]:
                return torch.where(self.keep.to(images.device), own.to(images), images)
        return images


class SpritePipelineMixin:
    """Mixed into a `DiffusionPipeline` that has a denoiser ``unet`` and a ``scheduler``.

    Folders written by `save_pretrained` load in three ways: through the installed class (no flag), through
    ``DiffusionPipeline.from_pretrained(folder, trust_remote_code=True)`` where this package is not installed, and
    component by component with plain diffusers classes, or ``AutoModel.from_pretrained(folder + "/vae",
    trust_remote_code=True)`` for one that diffusers lacks: its one source file lies beside its weights.
    """

    _callback_tensor_inputs = ("latents",)
    _source_files: ClassVar[dict[str, str]] = {}
    _source_class: ClassVar[str] = ""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__module__ == "__main__":
            return  # a class of a script or notebook is published as the pipeline it derives from
        path = Path(inspect.getfile(cls))
        source = path.read_text(encoding="utf-8")
        # Read now: a later remote load of another model replaces the cached file this class came from.
        cls._source_files = {"pipeline.py": source} | {
            file: path.with_name(file).read_text(encoding="utf-8") for file in helper_files(source)
        }
        cls._source_class = cls.__name__

    # ---- the portable folder ------------------------------------------------------------------------------------

    @classmethod
    def _dict_from_json_file(cls, json_file: str | os.PathLike) -> dict[str, Any]:
        """Reads ``model_index.json``, and claims the folder for the installed class.

        The index names ``["pipeline", <class>]``, for which diffusers would run the folder's own code (and demand
        ``trust_remote_code``) even through an installed class. Called by both `from_pretrained` and `download`.
        """
        config = super()._dict_from_json_file(json_file)  # type: ignore[misc]
        declared = config.get("_class_name")
        if isinstance(declared, list):
            if declared[1] not in {base.__name__ for base in cls.__mro__}:
                raise ValueError(
                    f"{Path(json_file).parent} holds a {declared[1]}, not a {cls.__name__}: "
                    f"load it with {declared[1]}.from_pretrained."
                )
            config["_class_name"] = declared[1]
        return config

    @classmethod
    def load_config(cls, *args: Any, **kwargs: Any) -> Any:
        """As in diffusers; components of our own are named by the installed module, not by the folder's file."""
        loaded = super().load_config(*args, **kwargs)  # type: ignore[misc]
        package = __name__.partition(".")[0]
        for name, value in (loaded[0] if isinstance(loaded, tuple) else loaded).items():
            if not name.startswith("_") and isinstance(value, list) and len(value) == 2 and isinstance(value[0], str):
                module = f"{package}.models.{value[0]}"
                if importlib.util.find_spec(f"{package}.models") and importlib.util.find_spec(module):
                    importlib.import_module(module)
                    value[0] = module
        return loaded

    def save_config(self, save_directory: str | os.PathLike, push_to_hub: bool = False, **kwargs: Any) -> None:
        """Writes ``model_index.json`` in its remote-code form, and the code files beside it."""
        super().save_config(save_directory, push_to_hub=False, **kwargs)  # type: ignore[misc]
        index_path = Path(save_directory) / self.config_name  # type: ignore[attr-defined]
        own = {name: type(part) for name, part in self.components.items() if _is_own(part)}  # type: ignore[attr-defined]
        for path in (index_path, *Path(save_directory).glob("*/config.json")):
            config = json.loads(path.read_text(encoding="utf-8"))
            config.pop("_name_or_path", None)  # a local path of whoever saved it
            if path == index_path:
                config["_class_name"] = ["pipeline", self._source_class]
                config |= {name: [_module_file(part).stem, part.__name__] for name, part in own.items()}
            elif path.parent.name in own:
                part = own[path.parent.name]
                config["auto_map"] = {
                    **config.get("auto_map", {}),  # a transformers model also names its configuration
                    "AutoModel": f"{_module_file(part).stem}.{part.__name__}",
                }
                shutil.copyfile(_module_file(part), path.parent / _module_file(part).name)
            path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        for name, text in self._source_files.items():
            (Path(save_directory) / name).write_text(text, encoding="utf-8")
        if push_to_hub:
            repo_id = kwargs.pop("repo_id", Path(save_directory).name)
            self._upload_folder(save_directory, repo_id, token=kwargs.get("token"))  # type: ignore[attr-defined]

    # ---- what it draws ------------------------------------------------------------------------------------------

    @property
    def sprite_size(self) -> int:
        """Side of the sprites that it draws, in pixels."""
        return self.config.image_size or self.unet.config.sample_size * self.patch_size  # type: ignore[attr-defined]

    @property
    def sprite_channels(self) -> int:
        """3 for RGB sprites, 4 for RGBA."""
        channels = self.unet.config.in_channels // self.patch_size**2  # type: ignore[attr-defined]
        return channels if self.index_palette is None else 3 + channels - num_bits(len(self.index_palette))

    @property
    def index_palette(self) -> torch.Tensor | None:
        """Colours ``(n, 3)`` in ``[0, 1]`` of a network that draws indices of them (`palette_codes`)."""
        colors = self.config.get("index_palette")  # type: ignore[attr-defined]
        return None if colors is None else parse_palette(colors)

    @property
    def patch_size(self) -> int:
        """Side of the square of pixels that is one position of the network's (space to depth)."""
        return self.config.get("patch_size", 1)  # type: ignore[attr-defined]

    @property
    def is_conditional(self) -> bool:
        """Whether a call asks for classes; otherwise it asks for a number."""
        return False

    @property
    def latent_shape(self) -> tuple[int, ...]:
        """Shape of the noise that one sprite begins as."""
        config = self.unet.config  # type: ignore[attr-defined]
        size = config.sample_size
        return (config.in_channels, *((size, size) if isinstance(size, int) else size))

    @property
    def num_timesteps(self) -> int:
        """Scheduler steps of the last call."""
        return self._num_timesteps

    # ---- noise in -----------------------------------------------------------------------------------------------

    def prepare_latents(
        self,
        batch_size: int,
        generator: torch.Generator | list[torch.Generator] | None,
        latents: torch.Tensor | None,
    ) -> torch.Tensor:
        """Initial noise, ``(batch_size, *latent_shape)``, scaled by the scheduler's ``init_noise_sigma``.

        Raises:
            ValueError: a list of generators of another length than the batch, or `latents` of another shape.
        """
        unet = self.unet  # type: ignore[attr-defined]
        shape = (batch_size, *self.latent_shape)
        if isinstance(generator, list) and len(generator) != batch_size:
            raise ValueError(
                f"{len(generator)} generators were passed for {batch_size} images: pass one generator, or one per image."
            )
        device = self._execution_device  # type: ignore[attr-defined]
        if latents is None:
            latents = randn_tensor(shape, generator=generator, device=device, dtype=unet.dtype)
        elif tuple(latents.shape) != shape:
            raise ValueError(f"`latents` has shape {tuple(latents.shape)}, but this call needs {shape}.")
        latents = latents.to(device=device, dtype=unet.dtype)
        return latents * getattr(self.scheduler, "init_noise_sigma", 1.0)  # type: ignore[attr-defined]

    # ---- steps --------------------------------------------------------------------------------------------------

    def prepare_timesteps(self, num_inference_steps: int) -> torch.Tensor:
        """Sets the scheduler's timesteps; refuses a scheduler that cannot integrate what the network predicts.

        A flow-matching schedule is spaced as ``1, 1 - 1/n, ..., 1/n`` (not down to ``1/1000``, which would spend
        the last evaluation on a step of length zero).
        """
        if not isinstance(num_inference_steps, int) or num_inference_steps < 1:
            raise ValueError(
                f"`num_inference_steps` is {num_inference_steps!r}, but must be an integer of at least 1."
            )
        scheduler = self.scheduler  # type: ignore[attr-defined]
        device = self._execution_device  # type: ignore[attr-defined]
        check_scheduler(scheduler)
        if "sigmas" in inspect.signature(scheduler.set_timesteps).parameters and _is_flow_matching(scheduler):
            sigmas = np.linspace(1.0, 1.0 / num_inference_steps, num_inference_steps)
            scheduler.set_timesteps(sigmas=sigmas.tolist(), device=device)
        else:
            scheduler.set_timesteps(num_inference_steps, device=device)
        return scheduler.timesteps

    def denoise(self, sample: torch.Tensor, timestep: torch.Tensor, **condition: torch.Tensor) -> torch.Tensor:
        """The network's output, for the scheduler; what says how likely indices of a palette are becomes a flow."""
        output = self.unet(sample, timestep, return_dict=False, **condition)[0]  # type: ignore[attr-defined]
        if self.index_palette is None:
            return output
        sigma = timestep / self.scheduler.config.num_train_timesteps  # type: ignore[attr-defined]
        return flow_of_logits(output, sample, sigma, len(self.index_palette), self.patch_size)

    def scheduler_step(
        self,
        model_output: torch.Tensor,
        timestep: torch.Tensor,
        latents: torch.Tensor,
        generator: torch.Generator | list[torch.Generator] | None,
    ) -> torch.Tensor:
        """One `scheduler.step`, passing `generator` to those schedulers that draw noise."""
        step = self.scheduler.step  # type: ignore[attr-defined]
        extra = {"generator": generator} if "generator" in inspect.signature(step).parameters else {}
        return step(model_output, timestep, latents, return_dict=False, **extra)[0]

    def scale_model_input(self, latents: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        """`scheduler.scale_model_input` where the scheduler has one (flow-matching schedulers do not)."""
        scale = getattr(self.scheduler, "scale_model_input", None)  # type: ignore[attr-defined]
        return latents if scale is None else scale(latents, timestep)

    def run_callback(
        self,
        callback: Callable[..., dict[str, Any]] | None,
        names: Sequence[str],
        step: int,
        timestep: torch.Tensor,
        tensors: dict[str, torch.Tensor],
    ) -> dict[str, torch.Tensor]:
        """Calls ``callback(pipe, step, timestep, {name: tensor})`` and returns `tensors` with what it replaced."""
        if callback is None:
            return tensors
        outputs = callback(self, step, timestep, {name: tensors[name] for name in names})
        return {name: outputs.pop(name, tensor) for name, tensor in tensors.items()}

    def check_call(
        self,
        output_type: str | None,
        callback_names: Sequence[str],
        scale: int = 1,
        palette: Colors | None = None,
        num_colors: int | None = None,
        background: Color | None = None,
        transparent: bool | None = None,
    ) -> None:
        """Checks the arguments that every sprite pipeline has, before any work is done.

        Args:
            transparent: whether the call draws RGBA; as the model does if not given.
        """
        if output_type not in OUTPUT_TYPES:
            raise ValueError(f"`output_type` is {output_type!r}, but must be one of {', '.join(OUTPUT_TYPES)}.")
        if not isinstance(scale, int) or scale < 1:
            raise ValueError(
                f"`scale` is {scale!r}, but sprites are enlarged by whole pixels: pass an integer of at least 1."
            )
        if palette is not None:
            parse_palette(palette)
        if num_colors is not None:
            check_num_colors(num_colors)
        if background is not None:
            parse_color(background, "background")
            if not (self.sprite_channels == 4 if transparent is None else transparent):
                raise ValueError(
                    f"`background` is {background!r}, but this call draws no transparency: leave it out"
                    + ("." if transparent is None else ", or pass transparent=True.")
                )
        unknown = [name for name in callback_names if name not in self._callback_tensor_inputs]
        if unknown:
            raise ValueError(
                f"`callback_on_step_end_tensor_inputs` has {unknown}, but only {list(self._callback_tensor_inputs)} exist."
            )

    # ---- pixels out ---------------------------------------------------------------------------------------------

    def postprocess(
        self,
        latents: torch.Tensor,
        output_type: str | None,
        scale: int = 1,
        palette: Colors | None = None,
        num_colors: int | None = None,
        background: Color | None = None,
        kept: KeptPixels | None = None,
    ) -> Any:
        """Network space to images.

        With a palette or a number of colours, alpha is 0 or 1 whatever the model's own, and a background takes the
        nearest of the colours, so that no other is in the picture.

        Args:
            latents: ``(batch, *latent_shape)`` in ``[-1, 1]``; four channels of pixels are RGBA with premultiplied colour,
                and where the model has an `index_palette`, they are bits.
            output_type: ``"pil"`` (list of images), ``"np"`` (``(batch, height, width, channels)`` in ``[0, 1]``),
                ``"pt"`` (``(batch, channels, height, width)`` in ``[0, 1]``) or ``"latent"`` (`latents` unchanged).
            scale: whole-number enlargement, nearest neighbour.
            palette: colours, ``"#rrggbb"`` or ``(red, green, blue)``; each pixel takes the nearest.
            num_colors: of each picture, at most; chosen among those of `palette` if both are given.
            background: colour behind transparent pixels; alpha stays if not given.
            kept: pixels of images that stay as they were given.
        """
        if output_type == "latent":
            return latents
        config = self.config  # type: ignore[attr-defined]
        images = F.pixel_shuffle(latents, self.patch_size).float()
        own = self.index_palette
        images = (images / 2 + 0.5).clamp(0, 1) if own is None else decode_bits(images, own)
        images = center_crop(images, config.get("image_size"))
        if images.shape[1] == 4:
            few_colors = palette is not None or num_colors is not None
            images = unpremultiply(images, binary_alpha=few_colors or config.get("binary_alpha", True))
        if kept is not None:
            images = kept.paste(images)
        if background is not None and images.shape[1] == 4:
            images = put_on_background(images, background)
        images = limit_colors(images, None if palette is None else parse_palette(palette), num_colors)
        if scale > 1:
            images = images.repeat_interleave(scale, dim=2).repeat_interleave(scale, dim=3)
        if output_type == "pt":
            return images
        array = images.permute(0, 2, 3, 1).cpu().numpy()
        if output_type == "np":
            return array
        array = (array * 255).round().astype(np.uint8)
        return [Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels) for pixels in array]


class ClassConditionalMixin:
    """Class labels and classifier-free guidance (https://arxiv.org/abs/2207.12598), for a pipeline with a ``unet``.

    ``config.id2label`` names the classes; one class embedding more than there are names is the null class.
    """

    _guidance_scale = 1.0

    @property
    def is_conditional(self) -> bool:
        """Whether a call asks for classes; otherwise it asks for a number."""
        return bool(self.config.id2label)  # type: ignore[attr-defined]

    @property
    def labels(self) -> dict[str, int]:
        """Class ids by name."""
        return {name: int(index) for index, name in self.config.id2label.items()}  # type: ignore[attr-defined]

    @property
    def null_class(self) -> int | None:
        """Id of the null class of classifier-free guidance; `None` if the network was trained without."""
        num_classes = len(self.config.id2label)  # type: ignore[attr-defined]
        embeddings = self.unet.config.num_class_embeds  # type: ignore[attr-defined]
        return num_classes if embeddings == num_classes + 1 else None

    @property
    def guidance_scale(self) -> float:
        """Guidance scale of the running call; a callback may change ``_guidance_scale``."""
        return self._guidance_scale

    @property
    def do_classifier_free_guidance(self) -> bool:
        return self._guidance_scale > 1

    def prepare_guidance(
        self, guidance_scale: float | None, guidance_interval: tuple[float, float] | None
    ) -> tuple[float, float]:
        """Sets the guidance scale of a call and gives its interval, both the model's own defaults if not given.

        Raises:
            ValueError: an interval outside ``0 <= start <= stop <= 1``, or guidance without a null class.
        """
        config = self.config  # type: ignore[attr-defined]
        self._guidance_scale = config.default_guidance_scale if guidance_scale is None else guidance_scale
        start, stop = config.default_guidance_interval if guidance_interval is None else guidance_interval
        if not 0 <= start <= stop <= 1:
            raise ValueError(f"`guidance_interval` is {(start, stop)}, but must be 0 <= start <= stop <= 1.")
        if self.do_classifier_free_guidance and self.null_class is None:
            raise ValueError(
                f"`guidance_scale` is {self._guidance_scale}, but this model was trained without a null class, so it "
                "cannot be guided: pass guidance_scale=1."
            )
        return start, stop

    def predict(
        self, sample: torch.Tensor, timestep: torch.Tensor, labels: torch.Tensor | None, guided: bool
    ) -> torch.Tensor:
        """The network's output for `sample`, with guidance (two evaluations) if `guided`; no `labels`, no condition."""
        if labels is None:
            return self.denoise(sample, timestep)  # type: ignore[attr-defined]
        if not guided:
            return self.denoise(sample, timestep, class_labels=labels)  # type: ignore[attr-defined]
        both = torch.cat([torch.full_like(labels, self.null_class), labels])
        output = self.denoise(torch.cat([sample, sample]), timestep, class_labels=both)  # type: ignore[attr-defined]
        return classifier_free_guidance(output, self._guidance_scale)


def helper_files(source: str) -> list[str]:
    """Files beside a pipeline's that it imports itself: those that the remote loader copies, and no further."""
    return sorted({f"{name}.py" for name in re.findall(r"^from \.(\w+) import", source, re.MULTILINE)})


def _is_own(component: Any) -> bool:
    """Whether a component is a model of a class that neither diffusers nor transformers has."""
    library = type(component).__module__.partition(".")[0]
    return isinstance(component, torch.nn.Module) and library not in ("diffusers", "transformers")


def _module_file(component_class: type) -> Path:
    return Path(inspect.getfile(component_class))


def check_index_palette(unet: Any, patch_size: int, index_palette: Colors | None) -> None:
    """Refuses a palette whose indices are not what the network draws.

    Raises:
        ValueError: no palette, or one of other bits and indices than the network has channels in and out.
    """
    if index_palette is None:
        return
    count, config = len(parse_palette(index_palette)), unet.config
    found = (config.in_channels // patch_size**2, config.out_channels // patch_size**2)
    bits = num_bits(count)
    if found not in ((bits, count), (bits + 1, count + 1)):
        raise ValueError(
            f"`index_palette` has {count} colours, but the U-Net has {found[0]} channels in and {found[1]} out: it must have "
            f"{bits} and {count}, or one more of each for transparency."
        )


def check_num_classes(unet: Any, id2label: dict[str, str]) -> None:
    """Refuses names of another number than the network has classes for.

    Raises:
        ValueError: it has neither as many class embeddings as there are names, nor one more.
    """
    embeddings = unet.config.num_class_embeds
    if (embeddings or 0) not in (len(id2label), len(id2label) + bool(id2label)):
        raise ValueError(
            f"`id2label` names {len(id2label)} classes, but the U-Net has num_class_embeds={embeddings}: "
            f"it must be {len(id2label)}, or {len(id2label) + 1} with the null class of classifier-free guidance."
        )


def resolve_class_labels(
    class_labels: int | str | Sequence[int | str] | torch.Tensor, id2label: dict[str, str], num_classes: int
) -> torch.Tensor:
    """Class ids, ``(batch,)`` int64, from ids or names, one or many.

    Raises:
        ValueError: an unknown name (the nearest is suggested), an id outside ``0 .. num_classes - 1``, or no label.
    """
    if isinstance(class_labels, torch.Tensor):
        class_labels = class_labels.reshape(-1).tolist()
    elif isinstance(class_labels, (int, str)):
        class_labels = [class_labels]
    if len(class_labels) == 0:
        raise ValueError("`class_labels` is empty: pass at least one class id or name.")
    label2id = {name: int(index) for index, name in id2label.items()}
    ids = []
    for label in class_labels:
        if isinstance(label, str) and label not in label2id:
            close = difflib.get_close_matches(label.lower(), label2id, n=1, cutoff=0.4)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise ValueError(f"Unknown class {label!r}.{hint} Known classes: {', '.join(label2id) or 'ids only'}.")
        index = label2id[label] if isinstance(label, str) else int(label)
        if not 0 <= index < num_classes:
            raise ValueError(f"Class id {index} is out of range: this model has classes 0 to {num_classes - 1}.")
        ids.append(index)
    return torch.tensor(ids, dtype=torch.long)


def encode_prompts(
    tokenizer: Any,
    text_encoder: Any,
    prompts: Sequence[str],
    max_length: int,
    device: torch.device | str,
    warn: bool = True,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Hidden states of any transformers text encoder (or one that is called alike), for cross-attention.

    Gradients flow into `text_encoder`, unless the caller turns them off.

    Args:
        tokenizer: of the encoder, with a padding token.
        text_encoder: on `device`, called with ``input_ids`` and ``attention_mask``, gives ``last_hidden_state``.
        prompts: any texts, empty ones included; those of too many tokens are cut, with one warning that shows what is lost.
        max_length: tokens of a prompt, with those that mark start and end; fewer if the encoder takes fewer (CLIP: 77).
        warn: whether to warn of cuts; a caller that encodes many batches does so itself, once.

    Returns:
        Hidden states ``(batch, length, width)`` and attention mask ``(batch, length)``, int64, 1 for tokens and 0 for
        padding. The length is the limit in every call, so that those of separate calls can be stacked.

    Raises:
        ValueError: `prompts` is a string, is empty, or holds something else than strings.
    """
    if isinstance(prompts, str) or not prompts or not all(isinstance(prompt, str) for prompt in prompts):
        raise ValueError(f"The prompts are {prompts!r}, but must be a list of one or more strings.")
    positions = getattr(text_encoder.config, "max_position_embeddings", None) or max_length
    length = min(max_length, tokenizer.model_max_length, positions)
    if warn:
        warn_of_cuts(tokenizer, prompts, length)
    tokens = tokenizer(list(prompts), padding="max_length", truncation=True, max_length=length, return_tensors="pt")
    mask = tokens.attention_mask.to(device)
    return text_encoder(input_ids=tokens.input_ids.to(device), attention_mask=mask).last_hidden_state, mask


def text_direction(
    embeds: torch.Tensor, mask: torch.Tensor, mean: Sequence[float], std: Sequence[float]
) -> torch.Tensor:
    """What sets a text apart from others, as one vector ``(batch, width)`` of length ``sqrt(width)``.

    The mean of its hidden states, standardised: long texts share most of that mean, and short ones differ more from it.

    Args:
        embeds, mask: ``(batch, tokens, width)`` and ``(batch, tokens)``.
        mean, std: ``(width,)`` each, of such means over the captions that were trained on.
    """
    weights = mask.to(embeds.dtype)[..., None]
    pooled = (embeds * weights).sum(1) / weights.sum(1).clamp(min=1)
    standard = (pooled - pooled.new_tensor(mean)) / pooled.new_tensor(std)
    return torch.nn.functional.normalize(standard, dim=1) * standard.shape[1] ** 0.5


def warn_of_cuts(tokenizer: Any, prompts: Sequence[str], max_length: int) -> None:
    """One warning that shows the ends of those prompts that are longer than `max_length` tokens."""
    counts = [len(ids) for ids in tokenizer(list(prompts), verbose=False).input_ids]
    too_long = [prompt for prompt, count in zip(prompts, counts, strict=True) if count > max_length]
    if not too_long:
        return
    ends = [
        repr(end if len(end) <= SHOWN_CHARACTERS else f"{end[:SHOWN_CHARACTERS]} …")
        for end in (_end_of(tokenizer, prompt, max_length) for prompt in too_long[:SHOWN_CUTS])
    ]
    more = f" and {len(too_long) - SHOWN_CUTS} more" if len(too_long) > SHOWN_CUTS else ""
    logger.warning(
        f"{len(too_long)} of {len(prompts)} prompts have more than {max_length} tokens, which is all that the text encoder "
        f"sees. Cut off: {', '.join(ends)}{more}."
    )


def _end_of(tokenizer: Any, prompt: str, max_length: int) -> str:
    """What of a prompt is not among its first `max_length` tokens: as written, if the tokenizer knows where they are."""
    if tokenizer.is_fast:
        kept = tokenizer(prompt, truncation=True, max_length=max_length, return_offsets_mapping=True).offset_mapping
        return prompt[max(stop for _, stop in kept) :].strip()
    tokens = tokenizer(prompt, add_special_tokens=False, verbose=False).input_ids
    return tokenizer.decode(tokens[max_length - tokenizer.num_special_tokens_to_add() :])


def classifier_free_guidance(model_output: torch.Tensor, guidance_scale: float) -> torch.Tensor:
    """``uncond + w (cond - uncond)`` of a batch stacked as ``[uncond, cond]`` (Ho & Salimans 2022, eq. 6).

    Args:
        model_output: ``(2 batch, channels, height, width)``.
        guidance_scale: ``w``; 1 is no guidance.

    Returns:
        ``(batch, channels, height, width)``.
    """
    unconditional, conditional = model_output.chunk(2)
    return unconditional + guidance_scale * (conditional - unconditional)


def per_channel(values: Sequence[float], latents: torch.Tensor) -> torch.Tensor:
    """One number, or one per channel, in the shape that broadcasts over `latents` ``(batch, channels, ...)``."""
    return torch.tensor(values, dtype=latents.dtype, device=latents.device).view(1, -1, *[1] * (latents.ndim - 2))


def normalize_latents(latents: torch.Tensor, mean: Sequence[float], std: Sequence[float]) -> torch.Tensor:
    """``(latents - mean) / std``, per channel."""
    return (latents - per_channel(mean, latents)) / per_channel(std, latents)


def remove_background(images: torch.Tensor, background: Sequence[float], tolerance: float = 0.12) -> torch.Tensor:
    """RGBA of pictures on a plain background: what hangs together with the border and has its colour becomes transparent.

    Along the edge of the sprite a pixel is a mixture of sprite and background. Its alpha is how far its colour has gone
    from the background towards that of the sprite beside it, and its colour is that of the sprite: no fringe stays.

    Args:
        images: ``(batch, 3, height, width)`` in ``[0, 1]``.
        background: red, green and blue in ``[0, 1]``.
        tolerance: largest difference of a channel at which a pixel still has the colour of the background.

    Returns:
        ``(batch, 4, height, width)`` in ``[0, 1]``, straight alpha; colour is 0 where alpha is.
    """
    color = torch.tensor(background, dtype=images.dtype, device=images.device).view(1, 3, 1, 1)
    like_background = ((images - color).abs().amax(1, keepdim=True) <= tolerance).to(images.dtype)
    outside = torch.zeros_like(like_background)
    outside[..., 0, :], outside[..., -1, :], outside[..., :, 0], outside[..., :, -1] = 1, 1, 1, 1
    outside = outside * like_background
    while True:  # flood fill: grows by one pixel a turn within the background's colour
        grown = torch.nn.functional.max_pool2d(outside, 3, 1, 1) * like_background
        if torch.equal(grown, outside):
            break
        outside = grown
    inside = 1 - outside
    edge = inside * torch.nn.functional.max_pool2d(outside, 3, 1, 1)
    core = inside - edge
    weight = torch.nn.functional.avg_pool2d(core, 5, 1, 2, count_include_pad=False)
    neighbour = torch.nn.functional.avg_pool2d(images * core, 5, 1, 2, count_include_pad=False) / weight.clamp(
        min=1e-6
    )
    direction = neighbour - color
    share = ((images - color) * direction).sum(1, keepdim=True) / direction.square().sum(1, keepdim=True).clamp(
        min=1e-6
    )
    mixed = edge * (weight > 0)  # an edge without sprite behind it, such as a thin line, stays as it is
    alpha = torch.where(mixed > 0, share.clamp(0, 1), inside)
    result = torch.where(mixed > 0, neighbour, images) * (alpha > 0)
    return torch.cat([result, alpha], dim=1)


def center_crop(images: torch.Tensor, size: int | Sequence[int] | None) -> torch.Tensor:
    """Cuts ``(batch, channels, H, W)`` to `size`, undoing the padding of sizes that a U-Net cannot halve."""
    if size is None:
        return images
    height, width = (size, size) if isinstance(size, int) else size
    top, left = (images.shape[2] - height) // 2, (images.shape[3] - width) // 2
    return images[:, :, top : top + height, left : left + width]


def unpremultiply(images: torch.Tensor, binary_alpha: bool) -> torch.Tensor:
    """Premultiplied to straight RGBA, ``(batch, 4, height, width)`` in ``[0, 1]``; colour is 0 where alpha is.

    Colour is divided by the alpha that the network gave, before that is made binary, so that edge pixels keep their
    full colour.
    """
    color, alpha = images[:, :3], images[:, 3:]
    visible = alpha >= 0.5 if binary_alpha else alpha > 0.5 / 255
    color = torch.where(visible, color / alpha.clamp(min=1e-3), torch.zeros_like(color)).clamp(0, 1)
    alpha = visible.to(alpha.dtype) if binary_alpha else torch.where(visible, alpha, torch.zeros_like(alpha))
    return torch.cat([color, alpha], dim=1)


def check_scheduler(scheduler: Any) -> None:
    """Refuses a scheduler whose integration does not fit the prediction type in its own config.

    The trainer records ``prediction_type`` (``"flow_prediction"`` for rectified flow) in the scheduler's config, and
    `from_config` hands it on to whatever scheduler is swapped in.

    Raises:
        ValueError: a flow model with a diffusion scheduler, or the reverse.
    """
    predicted = scheduler.config.get("prediction_type", "flow_prediction" if _is_flow_matching(scheduler) else None)
    is_flow_scheduler = _is_flow_matching(scheduler) or (
        "use_flow_sigmas" in inspect.signature(type(scheduler).__init__).parameters
        and scheduler.config.use_flow_sigmas
    )
    name = type(scheduler).__name__
    if predicted == "flow_prediction" and not is_flow_scheduler:
        raise ValueError(
            f"This model predicts a flow, which {name} cannot integrate: use FlowMatchEulerDiscreteScheduler, "
            "FlowMatchHeunDiscreteScheduler, DPMSolverMultistepScheduler or UniPCMultistepScheduler."
        )
    if predicted != "flow_prediction" and is_flow_scheduler:
        raise ValueError(
            f"This model predicts {predicted!r}, which {name} cannot integrate: use DDPMScheduler, DDIMScheduler, "
            "DPMSolverMultistepScheduler or UniPCMultistepScheduler."
        )


def _is_flow_matching(scheduler: Any) -> bool:
    return type(scheduler).__name__.startswith("FlowMatch")
