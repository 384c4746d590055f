"""How pleasing an image is, from 1 to 10: LAION's aesthetic predictor, a small head on CLIP ViT-L/14's image features."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from ..errors import SpriteError
from ..models.clip import LoadedClip
from .base import DifferentiableReward
from .clip_pixels import scoring_clip
from .weights import find_file, read_weights, weights_version

HEAD = "trl-lib/ddpo-aesthetic-predictor/aesthetic-model.pth"  # sac+logos+ava1-l14-linearMSE.pth, as DDPO used it
CLIP = "openai/clip-vit-large-patch14"
HEAD_FILES = ("model.safetensors", "aesthetic-model.pth", "sac+logos+ava1-l14-linearMSE.pth")
WIDTHS = (768, 1024, 128, 64, 16, 1)  # of the published head


class AestheticHead(torch.nn.Module):
    """Linear layers without activations between them (https://github.com/christophschuhmann/improved-aesthetic-predictor).

    In the published order: dropout follows each layer but the last two, so that ``layers`` 0, 2, 4, 6 and 7 are linear.

    Args:
        widths: of the CLIP features, of what is between, and 1.
        dropout: while training.
    """

    def __init__(self, widths: Sequence[int] = WIDTHS, dropout: float = 0.2):
        super().__init__()
        layers: list[torch.nn.Module] = []
        for index, (before, after) in enumerate(pairwise(widths)):
            layers.append(torch.nn.Linear(before, after))
            if index < len(widths) - 3:
                layers.append(torch.nn.Dropout(dropout))
        self.layers = torch.nn.Sequential(*layers)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """``(N,)`` scores of unit vectors ``(N, widths[0])``."""
        return self.layers(features).squeeze(-1)


def load_head(source: str | Path = HEAD) -> AestheticHead:
    """A head in evaluation mode, its weights frozen.

    Args:
        source: file, folder, ``owner/repository`` or ``owner/repository/file``: a state dict with ``layers.N.weight`` and
            ``layers.N.bias`` (LAION's improved predictors without activations, and those `save_head` writes), or with
            one ``weight`` and ``bias`` (LAION's first, linear predictors).

    Raises:
        SpriteError: it cannot be had, or has another layout.
    """
    path = find_file(source, HEAD_FILES)
    state = read_weights(path)
    if set(state) == {"weight", "bias"}:
        state = {f"layers.0.{name}": tensor for name, tensor in state.items()}
    weights = sorted(
        (int(match[1]), tensor)
        for name, tensor in state.items()
        if (match := re.fullmatch(r"layers\.(\d+)\.weight", name)) and tensor.ndim == 2
    )
    if weights:
        head = AestheticHead([weights[0][1].shape[1], *(tensor.shape[0] for _, tensor in weights)])
        expected = {name: tensor.shape for name, tensor in head.state_dict().items()}
        if weights[-1][1].shape[0] == 1 and expected == {name: tensor.shape for name, tensor in state.items()}:
            head.load_state_dict(state)
            return head.requires_grad_(False).eval()
    raise SpriteError(
        f"{path} is no aesthetic head that is known here (it has {', '.join(sorted(state)[:4])}, ...): give LAION's "
        "sac+logos+ava1-l14-linearMSE.pth, or a file of that layout; those with activations (reluMSE) are not read."
    )


def save_head(head: AestheticHead, path: str | Path) -> None:
    """Writes a head in the published layout: ``.safetensors``, or a torch file for any other suffix."""
    from safetensors.torch import save_file

    path = Path(path)
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in head.state_dict().items()}
    partial = path.with_name(f".{path.name}")
    save_file(state, partial) if path.suffix == ".safetensors" else torch.save(state, partial)
    os.replace(partial, path)


class AestheticReward(DifferentiableReward):
    """LAION's aesthetic score of an image, about 1 to 10; prompts do not matter.

    The unit image feature of CLIP ViT-L/14 goes through `AestheticHead`.

    Args:
        head: loaded (it is put into evaluation mode), or see `load_head`.
        clip: the CLIP whose features the head was trained on: loaded, or a folder or Hub id.
        background, batch_size, name: see `ImageReward`.
        device: where both run.
        processor: folder or Hub id of the CLIP's tokenizer and image processor, where they are not beside its weights.

    Raises:
        SpriteError: weights that cannot be had, or a head of another CLIP (its features have another length).
    """

    def __init__(
        self,
        head: AestheticHead | str | Path = HEAD,
        clip: LoadedClip | str | Path = CLIP,
        *,
        background: str | None = None,
        batch_size: int = 32,
        device: str | torch.device = "cpu",
        processor: str | Path | None = None,
        name: str = "aesthetic",
    ):
        super().__init__(name, background, batch_size)
        self.head = head if isinstance(head, AestheticHead) else load_head(head)
        self.clip = scoring_clip(clip, device, processor)
        self.head.eval().to(self.clip.model.device)
        takes, gets = self.head.layers[0].in_features, self.clip.model.config.projection_dim
        if takes != gets:
            raise SpriteError(
                f"the aesthetic head takes {takes} features, but the CLIP gives {gets}: give the CLIP it was trained on "
                f"({CLIP} for LAION's)."
            )

    @cached_property
    def version(self) -> str:  # type: ignore[override]
        return weights_version(self.clip.model, self.head)

    def compute(self, images: torch.Tensor, prompts: list[str | None], **metadata: Any) -> torch.Tensor:
        return self.head(self.clip.image_features(images))
