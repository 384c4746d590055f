"""What people would pick for a prompt: PickScore (https://arxiv.org/abs/2305.01569), a CLIP-H tuned on Pick-a-Pic."""

from __future__ import annotations

from pathlib import Path

import torch

from ..models.clip import LoadedClip
from .clip_alignment import ClipAlignmentReward

MODEL = "yuvalkirstain/PickScore_v1"
PROCESSOR = "laion/CLIP-ViT-H-14-laion2B-s32B-b79K"


class PickScoreReward(ClipAlignmentReward):
    """``exp(logit_scale)`` times the cosine of image and prompt, about 15 to 25; prompts are cut after 77 tokens.

    Args:
        model: loaded, or a folder or Hub id of a `CLIPModel`.
        processor: folder or Hub id of tokenizer and image processor; by default those of the CLIP that the published model
            was tuned from, and for another model those beside its weights.
        background, batch_size, device, name: see `ClipAlignmentReward`.

    Raises:
        SpriteError: the model cannot be had.
    """

    def __init__(
        self,
        model: LoadedClip | str | Path = MODEL,
        *,
        processor: str | Path | None = None,
        background: str | None = None,
        batch_size: int = 32,
        device: str | torch.device = "cpu",
        name: str = "pickscore",
    ):
        if processor is None and model == MODEL:
            processor = PROCESSOR
        super().__init__(
            model,
            scaled=True,
            background=background,
            batch_size=batch_size,
            device=device,
            processor=processor,
            name=name,
        )
