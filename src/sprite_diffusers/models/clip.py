"""A CLIP: features of images and of texts in one space. Loaded from the Hub or a folder; built small for training here."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

from ..errors import SpriteError
from .autoencoders import read_facts
from .text_encoders import quiet_transformers, text_fingerprint

if TYPE_CHECKING:  # transformers takes seconds to import
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

logger = logging.getLogger(__name__)

MODEL_TYPES = ("clip", "vision-text-dual-encoder")
INTERPOLATIONS = {2: "bilinear", 3: "bicubic"}  # by Pillow's number, as image processors store it
MEAN, STD = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)  # of the images of a CLIP that is trained here


@dataclass(frozen=True)
class ClipPreprocessing:
    """What a CLIP's image processor does, on tensors and differentiable.

    The processor rounds an image to 256 levels after resizing each side, which has no gradient: the two differ by about a
    level.

    Attributes:
        size: ``(height, width)`` after resizing; or of the shorter side, with the aspect kept; or `None`.
        crop: ``(height, width)`` cut from the centre, or `None`.
        interpolation: ``"bilinear"`` or ``"bicubic"``, with antialiasing.
        mean, std: per channel, of values from 0 to 1.
    """

    size: tuple[int, int] | int | None
    crop: tuple[int, int] | None
    interpolation: str
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def of(cls, processor: Any) -> ClipPreprocessing:
        """That of a `CLIPImageProcessor`."""
        size, crop = processor.size, processor.crop_size
        resized: tuple[int, int] | int | None = None
        if processor.do_resize:
            resized = (size["height"], size["width"]) if size["height"] else size["shortest_edge"]
        if resized is not None and int(processor.resample) not in INTERPOLATIONS:
            raise SpriteError(
                f"the CLIP's image processor resizes by {processor.resample!r}, but only bilinear (2) and bicubic (3) are "
                "known: give another CLIP."
            )
        return cls(
            size=resized,
            crop=(crop["height"], crop["width"]) if processor.do_center_crop else None,
            interpolation=INTERPOLATIONS.get(int(processor.resample), "bicubic"),
            mean=tuple(processor.image_mean) if processor.do_normalize else (0.0, 0.0, 0.0),
            std=tuple(processor.image_std) if processor.do_normalize else (1.0, 1.0, 1.0),
        )

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        """What the network takes, from float ``(N, 3, H, W)`` in ``[0, 1]``."""
        pixels = self._crop(self._resize(pixels))
        mean, std = (pixels.new_tensor(values)[:, None, None] for values in (self.mean, self.std))
        return (pixels - mean) / std

    def _resize(self, pixels: torch.Tensor) -> torch.Tensor:
        height, width = pixels.shape[-2:]
        size = self.size
        if isinstance(size, int):
            short = min(height, width)
            size = (int(size * height / short), int(size * width / short))
        if size is None or size == (height, width):
            return pixels
        # One side after the other, as bytes are resized: the overshoot of bicubic interpolation is cut in between.
        for step in ((height, size[1]), size):
            pixels = F.interpolate(pixels, step, mode=self.interpolation, antialias=True).clamp(0, 1)
        return pixels

    def _crop(self, pixels: torch.Tensor) -> torch.Tensor:
        if self.crop is None:
            return pixels
        (height, width), (rows, columns) = pixels.shape[-2:], self.crop
        down, across = max(rows - height, 0), max(columns - width, 0)
        pixels = F.pad(pixels, (across // 2, across - across // 2, down // 2, down - down // 2))
        top, left = max(height - rows, 0) // 2, max(width - columns, 0) // 2
        return pixels[..., top : top + rows, left : left + columns]


@dataclass
class LoadedClip:
    """A CLIP with what belongs to it.

    Attributes:
        model: `CLIPModel` or `VisionTextDualEncoderModel`.
        tokenizer: of its text half.
        preprocessing: of images.
        facts: what `fit_clip` noted in its folder; empty for a published CLIP.
    """

    model: Any
    tokenizer: PreTrainedTokenizerBase
    preprocessing: ClipPreprocessing
    facts: dict[str, Any] = field(default_factory=dict)
    warned: bool = field(default=False, repr=False)

    @property
    def max_length(self) -> int:
        """Tokens of a text that are read."""
        positions = int(self.model.config.text_config.max_position_embeddings)
        return min(positions, self.tokenizer.model_max_length)

    @property
    def fingerprint(self) -> str:
        """sha256, in hex, of vocabulary and weights: figures of CLIPs with other fingerprints do not compare."""
        return text_fingerprint(self.tokenizer, self.model)

    def image_features(self, pixels: torch.Tensor) -> torch.Tensor:
        """Unit vectors ``(N, D)``, float32, of RGB images, differentiable with respect to them.

        Args:
            pixels: float ``(N, 3, H, W)`` in ``[0, 1]``, of any size.

        Raises:
            SpriteError: not three channels (composite transparent images first), or bytes.
        """
        if pixels.ndim != 4 or pixels.shape[1] != 3 or not pixels.is_floating_point():
            raise SpriteError(
                f"a CLIP takes float images of shape (N, 3, H, W) from 0 to 1, not {pixels.dtype} {tuple(pixels.shape)}: "
                "composite RGBA on a colour first."
            )
        inputs = self.preprocessing(pixels.to(self.model.device)).to(self.model.dtype)
        return F.normalize(self.model.get_image_features(pixel_values=inputs).pooler_output.float(), dim=1)

    def text_features(self, texts: Sequence[str]) -> torch.Tensor:
        """Unit vectors ``(N, D)``, float32; a text of more than `max_length` tokens is cut, which is warned of once."""
        tokens = self.tokenize(texts)
        return self.token_features(tokens["input_ids"], tokens["attention_mask"])

    def token_features(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """`text_features` of what `tokenize` gives, both ``(N, tokens)``."""
        device = self.model.device
        output = self.model.get_text_features(
            input_ids=input_ids.to(device), attention_mask=attention_mask.to(device)
        ).pooler_output
        return F.normalize(output.float(), dim=1)

    def tokenize(self, texts: Sequence[str]) -> dict[str, torch.Tensor]:
        """``input_ids`` and ``attention_mask``, int64 ``(N, tokens)``, of texts."""
        lengths = [len(ids) for ids in self.tokenizer(list(texts), verbose=False).input_ids]
        if max(lengths, default=0) > self.max_length and not self.warned:
            self.warned = True
            logger.warning(
                "%d of %d texts are longer than the %d tokens that this CLIP reads (the longest %d): the rest is cut.",
                sum(length > self.max_length for length in lengths), len(lengths), self.max_length, max(lengths),
            )  # fmt: skip
        batch = self.tokenizer(
            list(texts), padding=True, truncation=True, max_length=self.max_length, return_tensors="pt"
        )
        return {"input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"]}

    def check_split(self, data_fingerprint: str) -> None:
        """Refuses to judge held-out data of a training split that is not the one this CLIP was trained on.

        Args:
            data_fingerprint: of that training split (`report.fingerprint`).

        Raises:
            SpriteError: it was trained here on another split, and may have seen what is held out of this one.
        """
        own = self.facts.get("data_fingerprint")
        if own is not None and own != data_fingerprint:
            raise SpriteError(
                f"the CLIP was trained on the split {own[:16]}, and may have seen what is held out of {data_fingerprint[:16]}: "
                "train one on the same data, size, splits and seed with training/train_clip.py."
            )


def load_clip(
    source: str | Path, device: str | torch.device = "cpu", processor_source: str | Path | None = None
) -> LoadedClip:
    """A CLIP in evaluation mode, its weights frozen, from a folder or a Hub id.

    `CLIPModel` (``openai/clip-vit-base-patch32``) and `VisionTextDualEncoderModel`, with tokenizer and image processor.

    Args:
        source: folder or Hub id.
        device: where it runs.
        processor_source: folder or Hub id of tokenizer and image processor, where they are not beside the weights.

    Raises:
        SpriteError: it cannot be had (no such folder, not downloaded and no network), or is no CLIP.
    """
    from safetensors import SafetensorError
    from transformers import AutoConfig, AutoImageProcessor, AutoModel, AutoTokenizer

    try:
        with quiet_transformers():
            kind = AutoConfig.from_pretrained(str(source)).model_type
            if kind not in MODEL_TYPES:
                raise SpriteError(f"{source} holds a {kind!r}, but a CLIP is needed: {' or '.join(MODEL_TYPES)}.")
            model, report = AutoModel.from_pretrained(str(source), output_loading_info=True)
            tokenizer = AutoTokenizer.from_pretrained(str(processor_source or source))
            processor = AutoImageProcessor.from_pretrained(str(processor_source or source))
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        # which of these a broken or absent folder raises depends on the file that is at fault
        reason = " ".join(str(error).split())[:160]
        raise SpriteError(
            f"the CLIP {str(source)!r} cannot be loaded ({type(error).__name__}: {reason}): give a folder that "
            "training/train_clip.py made, or one with config.json, weights, tokenizer and preprocessor_config.json."
        ) from error
    if report["missing_keys"]:
        missing = sorted(report["missing_keys"])
        raise SpriteError(f"the CLIP {str(source)!r} lacks {len(missing)} of its weights (e.g. {missing[0]}).")
    if not set(tokenizer.get_vocab()) - set(tokenizer.all_special_tokens):
        raise SpriteError(
            f"the CLIP {str(processor_source or source)!r} has no vocabulary: save its tokenizer beside it."
        )
    model = model.requires_grad_(False).eval().to(device)
    return LoadedClip(model, tokenizer, ClipPreprocessing.of(processor), read_facts(source))


def save_clip(clip: LoadedClip, directory: str | Path) -> None:
    """Writes a CLIP that was built here as transformers loads it: weights, tokenizer, image processor."""
    from transformers import CLIPImageProcessor

    side = int(clip.model.config.vision_config.image_size)
    processor = CLIPImageProcessor(
        size={"shortest_edge": side},
        crop_size={"height": side, "width": side},
        image_mean=list(clip.preprocessing.mean),
        image_std=list(clip.preprocessing.std),
    )
    with quiet_transformers():
        for part in (clip.model, clip.tokenizer, processor):
            part.save_pretrained(str(directory))


def build_clip(
    tokenizer: PreTrainedTokenizerBase,
    *,
    architecture: str = "dual_encoder",
    image_size: int = 64,
    patch_size: int = 4,
    block_out_channels: Sequence[int] = (32, 64, 128),
    layers_per_block: int = 1,
    text_hidden_size: int = 128,
    text_num_layers: int = 1,
    max_length: int = 128,
    projection_dim: int = 128,
    dropout: float = 0.1,
) -> LoadedClip:
    """A small CLIP with random weights.

    Its text half is CLIP's own. That of BERT, which reads its first token after a norm, begins with nearly the same
    features for every text, and takes long to leave that plateau.

    Args:
        tokenizer: such as `train_wordpiece` makes; the features of a text are read at its end token.
        architecture: ``"dual_encoder"``, a `VisionTextDualEncoderModel` with a ConvNeXt
            (https://arxiv.org/abs/2201.03545) for images; or ``"clip"``, a `CLIPModel` with a vision transformer, the one
            that `CLIPTextModelWithProjection` and `CLIPVisionModelWithProjection` read.
        image_size: side of the images that it takes, in pixels.
        patch_size: side of the squares that become the first features.
        block_out_channels: channels per resolution of the ConvNeXt; the last is the width of the vision transformer.
        layers_per_block: blocks per resolution; layers of the vision transformer are as many in all.
        text_hidden_size: width of the text transformer, a multiple of 32.
        max_length: tokens of a text.
        projection_dim: length of the features.
        dropout: of attention; stochastic depth of the ConvNeXt.
    """
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": text_hidden_size,
        "intermediate_size": 4 * text_hidden_size,
        "num_hidden_layers": text_num_layers,
        "num_attention_heads": text_hidden_size // 32,
        "max_position_embeddings": max_length,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.cls_token_id,
        "eos_token_id": tokenizer.sep_token_id,
        "attention_dropout": dropout,
        "projection_dim": projection_dim,
    }
    vision = {"image_size": image_size, "patch_size": patch_size}
    build = _build_transformers if architecture == "clip" else _build_dual_encoder
    model = build(text, vision, list(block_out_channels), layers_per_block)
    preprocessing = ClipPreprocessing(image_size, (image_size, image_size), "bicubic", MEAN, STD)
    return LoadedClip(model, tokenizer, preprocessing)


def _build_transformers(
    text: dict[str, Any], vision: dict[str, Any], widths: list[int], layers: int
) -> PreTrainedModel:
    from transformers import CLIPConfig, CLIPModel

    vision = vision | {
        "hidden_size": widths[-1],
        "intermediate_size": 4 * widths[-1],
        "num_hidden_layers": layers * len(widths),
        "num_attention_heads": widths[-1] // 32,
        "attention_dropout": text["attention_dropout"],
        "projection_dim": text["projection_dim"],
    }
    return CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=text["projection_dim"]))


def _build_dual_encoder(
    text: dict[str, Any], vision: dict[str, Any], widths: list[int], layers: int
) -> PreTrainedModel:
    from transformers import (
        CLIPTextConfig,
        CLIPTextModel,
        ConvNextConfig,
        ConvNextModel,
        VisionTextDualEncoderConfig,
        VisionTextDualEncoderModel,
    )

    vision = vision | {
        "num_stages": len(widths),
        "hidden_sizes": widths,
        "depths": [layers] * len(widths),
        "drop_path_rate": text["attention_dropout"],
        "initializer_range": widths[0] ** -0.5,  # the usual 0.02 and 1e-6 are for wide networks and long trainings:
        "layer_scale_init_value": 0.1,  # in a narrow one, trained for minutes, the blocks would do nothing
        "hidden_size": widths[-1],  # where the dual encoder looks for the width of its features
    }
    vision_model, text_model = ConvNextModel(ConvNextConfig(**vision)), CLIPTextModel(CLIPTextConfig(**text))
    config = VisionTextDualEncoderConfig.from_vision_text_configs(
        vision_model.config, text_model.config, projection_dim=text["projection_dim"]
    )
    return VisionTextDualEncoderModel(config, vision_model=vision_model, text_model=text_model)
