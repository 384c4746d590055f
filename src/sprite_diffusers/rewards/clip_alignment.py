"""How well an image fits its prompt: the similarity of both in a CLIP (https://arxiv.org/abs/2104.08718)."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from ..models.clip import LoadedClip
from .base import DifferentiableReward
from .clip_pixels import scoring_clip
from .weights import weights_version

CLIP = "openai/clip-vit-large-patch14"


class ClipAlignmentReward(DifferentiableReward):
    """Cosine of the CLIP features of an image and of its prompt, -1 to 1; a prompt of `None` has none.

    A prompt of more tokens than the CLIP reads is cut, which is warned of once; an empty one is a text like any other.

    Args:
        clip: loaded, or a folder or Hub id.
        scaled: multiplies the cosine by the learned ``exp(logit_scale)``, 100 for OpenAI's.
        background, batch_size, name: see `ImageReward`.
        device: where it runs.
        processor: folder or Hub id of tokenizer and image processor, where they are not beside the weights.

    Raises:
        SpriteError: the CLIP cannot be had.
    """

    def __init__(
        self,
        clip: LoadedClip | str | Path = CLIP,
        *,
        scaled: bool = False,
        background: str | None = None,
        batch_size: int = 32,
        device: str | torch.device = "cpu",
        processor: str | Path | None = None,
        name: str = "clip",
    ):
        super().__init__(name, background, batch_size)
        self.clip = scoring_clip(clip, device, processor)
        self.scaled = scaled

    @cached_property
    def version(self) -> str:  # type: ignore[override]
        return f"{weights_version(self.clip.model)} {'scaled' if self.scaled else 'cosine'}"

    def applies(self, image: torch.Tensor, prompt: str | None, **metadata: Any) -> bool:
        return prompt is not None

    def compute(self, images: torch.Tensor, prompts: list[str | None], **metadata: Any) -> torch.Tensor:
        texts = [prompt or "" for prompt in prompts]
        distinct = list(dict.fromkeys(texts))  # a group of images shares its prompt
        with torch.no_grad():
            features = self.clip.text_features(distinct)
        rows = torch.tensor([distinct.index(text) for text in texts], device=features.device)
        cosine = (self.clip.image_features(images) * features[rows]).sum(dim=1)
        return cosine * self.clip.model.logit_scale.exp().detach().float() if self.scaled else cosine
