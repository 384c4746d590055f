"""What all stages read: captioned sprites as arrays, and what a CLIP makes of both, computed once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from transformers import CLIPImageProcessor, CLIPTextModelWithProjection, CLIPVisionModelWithProjection

from ...data import SpriteArrays, SpriteDataset, composite, resize
from ...data.captions import CaptionedDataset
from ...errors import SpriteError
from ...models.clip import LoadedClip, load_clip
from ...models.text_encoders import quiet_transformers
from ...pipelines import SpriteUnCLIPPipeline
from ...pipelines.sprite_unclip import PromptEmbeds
from ..clip_data import load_clip_data
from ..data_parts import pad_sprites
from .settings import UnclipDataConfig


@dataclass(frozen=True)
class ClipParts:
    """A CLIP as the pipeline has it, frozen.

    Attributes:
        clip: whole, to measure by.
        components: ``text_encoder``, ``tokenizer``, ``image_encoder`` and ``feature_extractor``.
    """

    clip: LoadedClip
    components: dict[str, Any]

    @property
    def width(self) -> int:
        """Length of its embeddings."""
        return int(self.components["text_encoder"].config.projection_dim)

    @property
    def tokens(self) -> int:
        """Tokens of a text, with padding."""
        return self.clip.max_length


def load_clip_parts(source: str, fingerprint: str, device: Any) -> ClipParts:
    """The CLIP in `source`.

    Args:
        source: folder or Hub id.
        fingerprint: of the training split; a CLIP that was trained here must have seen that one.
        device: where it runs.

    Raises:
        SpriteError: it cannot be had, was trained on another split, or has another architecture than CLIP's own, or
            a text encoder of another width than its embeddings.
    """
    clip = load_clip(source, device)
    kind = clip.model.config.model_type
    if kind != "clip":
        raise SpriteError(
            f"--clip {source} is a {kind!r}, which an unCLIP cannot hold: train one with training/train_clip.py "
            "--architecture clip, or give a CLIPModel."
        )
    clip.check_split(fingerprint)
    width, hidden = clip.model.config.projection_dim, clip.model.config.text_config.hidden_size
    if width != hidden:
        raise SpriteError(
            f"--clip {source} has embeddings of width {width} and a text encoder of width {hidden}, but an unCLIP reads both "
            "as one: train it with --projection_dim equal to --text_hidden_size."
        )
    with quiet_transformers():
        encoders = {
            "text_encoder": CLIPTextModelWithProjection.from_pretrained(source),
            "image_encoder": CLIPVisionModelWithProjection.from_pretrained(source),
        }
        processor = CLIPImageProcessor.from_pretrained(source)
    frozen = {name: model.requires_grad_(False).eval().to(device) for name, model in encoders.items()}
    return ClipParts(clip, {**frozen, "tokenizer": clip.tokenizer, "feature_extractor": processor})


@dataclass
class UnclipSplit:
    """One split.

    Attributes:
        arrays: images as the decoder draws them, and captions.
        large: the same images as super-resolution draws them, if there is any.
        image_embeds: of the images, float32 ``(N, width)``, on the CPU.
        captions: of distinct texts, float16 on the CPU; the first is that of no text.
        caption_rows: where a sprite's caption is among them, ``(N,)``.
    """

    arrays: SpriteArrays
    large: SpriteArrays | None
    image_embeds: torch.Tensor
    captions: PromptEmbeds
    caption_rows: torch.Tensor

    def __len__(self) -> int:
        return len(self.arrays)

    def drawn_by(self, pipeline: SpriteUnCLIPPipeline) -> SpriteArrays:
        """The images at the size of the last stage that `pipeline` has."""
        return self.large if self.large is not None and pipeline.super_res_first is not None else self.arrays

    def text(self, rows: np.ndarray, device: torch.device, dropped: torch.Tensor | None = None) -> PromptEmbeds:
        """What the text model makes of the captions of `rows`; of no text, where `dropped` ``(rows,)`` is true."""
        index = self.caption_rows[torch.from_numpy(rows)]
        if dropped is not None:
            index = torch.where(dropped, 0, index)
        hidden, mask, pooled = (tensor[index].to(device) for tensor in self.captions)
        return PromptEmbeds(hidden.float(), mask, pooled.float())


@dataclass
class UnclipData:
    """The splits, and how the sprites in them look.

    Attributes:
        train, validation: splits.
        channels: 3, or 4 with premultiplied alpha.
        size: side of the sprites that are drawn in the end, before padding.
        drawn_size: side of what the decoder draws.
        binary_alpha: whether no pixel is partly transparent.
    """

    train: UnclipSplit
    validation: UnclipSplit
    channels: int
    size: int
    drawn_size: int
    binary_alpha: bool


def load_unclip_data(config: UnclipDataConfig, seed: int) -> CaptionedDataset | SpriteDataset:
    """Sprites with captions, at the largest size that is drawn; in their own mode, as the CLIP saw them."""
    return load_clip_data(
        replace(config, image_size=config.super_res_size or config.image_size, super_res_size=None), seed
    )


def build_data(
    dataset: CaptionedDataset | SpriteDataset, config: UnclipDataConfig, parts: ClipParts, factor: int, device: Any
) -> UnclipData:
    """Both splits, with their embeddings.

    Args:
        dataset: from `load_unclip_data`.
        config: of the data.
        parts: the CLIP.
        factor: what the decoder's sides are multiples of; images are padded to that.
        device: where the CLIP runs.

    Raises:
        SpriteError: no captions, a mode that the data does not have, or sizes that do not fit each other.
    """
    report = dataset.report
    if config.image_mode == "RGBA" and report.mode == "RGB":
        raise SpriteError(f"--image_mode RGBA: no sprite of {report.source} is transparent; leave it out.")
    mode = config.image_mode or report.mode
    size, small = report.image_size, config.image_size or report.image_size
    if config.super_res_size is not None and small % factor:
        raise SpriteError(
            f"--image_size is {small}, but with super-resolution it must be a multiple of {factor}, which the decoder halves to 1."
        )
    drawn_size = small if config.super_res_size is not None else -(-size // factor) * factor
    pipeline = SpriteUnCLIPPipeline(None, None, None, **parts.components).to(device)  # type: ignore[arg-type]
    arrays = {name: _captioned(dataset[name], name, report.source) for name in ("train", "validation")}
    texts = ["", *dict.fromkeys(text for split in arrays.values() for text in split.texts)]
    captions, index = encode_captions(pipeline, texts), {text: row for row, text in enumerate(texts)}
    splits = {}
    for name, split in arrays.items():
        opaque = composite(split.pixels, config.background) if report.mode == "RGBA" else split.pixels
        embeds = embed_images(parts, opaque)
        pixels = opaque if mode == "RGB" else split.pixels
        whole = SpriteArrays(pixels, split.labels, split.texts)
        drawn = resize(pixels, small) if size != small else pad_sprites(pixels, drawn_size)
        rows = torch.tensor([index[text] for text in split.texts])
        large = None if config.super_res_size is None else whole
        splits[name] = UnclipSplit(replace(whole, pixels=drawn), large, embeds, captions, rows)
    binary = mode == "RGB" or bool(getattr(report, "binary_alpha", True))
    return UnclipData(**splits, channels=len(mode), size=size, drawn_size=drawn_size, binary_alpha=binary)


def _captioned(split: Any, name: str, source: str) -> SpriteArrays:
    """The images of a split that have a caption."""
    arrays = SpriteArrays.from_dataset(split)
    rows = [row for row, text in enumerate(arrays.texts) if text.strip()]
    if len(rows) < 2:
        raise SpriteError(
            f"{source} has {len(rows)} images with captions in its {name} split, but an unCLIP needs 2 or more: give data "
            "with a column or table of captions."
        )
    labels = None if arrays.labels is None else arrays.labels[rows]
    return SpriteArrays(arrays.pixels[rows], labels, [arrays.texts[row] for row in rows])


@torch.no_grad()
def encode_captions(pipeline: SpriteUnCLIPPipeline, texts: list[str], batch_size: int = 256) -> PromptEmbeds:
    """What the text model makes of texts, as the pipeline itself reads them; float16, on the CPU."""
    parts = []
    for start in range(0, len(texts), batch_size):
        hidden, mask, pooled = pipeline.encode_prompt(texts[start : start + batch_size])
        parts.append((hidden.half().cpu(), mask.cpu(), pooled.half().cpu()))
    return PromptEmbeds(*(torch.cat(tensors) for tensors in zip(*parts, strict=True)))


@torch.no_grad()
def embed_images(parts: ClipParts, pixels: np.ndarray, batch_size: int = 256) -> torch.Tensor:
    """CLIP's embeddings ``(N, width)``, projected and not normalised, of uint8 ``(N, H, W, 3)``; float32, on the CPU."""
    encoder, embeds = parts.components["image_encoder"], []
    for start in range(0, len(pixels), batch_size):
        unit = torch.from_numpy(np.ascontiguousarray(pixels[start : start + batch_size])).permute(0, 3, 1, 2) / 255
        embeds.append(encoder(parts.clip.preprocessing(unit.to(encoder.device))).image_embeds.float().cpu())
    return torch.cat(embeds)
