"""What people would prefer for a prompt: HPSv2 (https://arxiv.org/abs/2306.09341), an open_clip ViT-H/14 tuned on HPDv2."""

from __future__ import annotations

import logging
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from ..errors import SpriteError
from .base import DifferentiableReward
from .weights import find_file, read_weights, weights_version

CHECKPOINT = "xswu/HPSv2"
CHECKPOINTS = {"v2.0": "HPS_v2_compressed.pt", "v2.1": "HPS_v2.1_compressed.pt"}
ARCHITECTURE = "ViT-H-14"
CONFIG_FILE = "open_clip_config.json"


class HPSReward(DifferentiableReward):
    """Cosine of the features of an image and of its prompt, about 0.2 to 0.35; a prompt of `None` has none.

    Prompts are cut after 77 tokens. Computed in float32; HPSv2's own script computes in half precision on a GPU.

    Args:
        checkpoint: ``.pt`` file, folder, ``owner/repository`` or ``owner/repository/file``: a state dict under the key
            ``state_dict``.
        hps_version: ``"v2.0"`` or ``"v2.1"``: which file of a folder or repository is read.
        architecture: a name that open_clip knows; by default what an ``open_clip_config.json`` beside the checkpoint
            describes, else ViT-H-14.
        antialias: while resizing; torchvision resizes tensors with it since 0.17, and did not before.
        background, batch_size, name: see `ImageReward`.
        device: where it runs.

    Raises:
        SpriteError: open_clip is not installed, or the weights cannot be had or do not fit the architecture.
    """

    def __init__(
        self,
        checkpoint: str | Path = CHECKPOINT,
        hps_version: str = "v2.1",
        architecture: str | None = None,
        *,
        antialias: bool = True,
        background: str | None = None,
        batch_size: int = 32,
        device: str | torch.device = "cpu",
        name: str = "hps",
    ):
        super().__init__(name, background, batch_size)
        if hps_version not in CHECKPOINTS:
            raise SpriteError(f"hps_version {hps_version!r} is unknown: give {' or '.join(CHECKPOINTS)}.")
        path = find_file(checkpoint, [CHECKPOINTS[hps_version]])
        if architecture is None:
            described = (path.parent / CONFIG_FILE).is_file()
            architecture = f"local-dir:{path.parent}" if described else ARCHITECTURE
        self.model, self.tokenizer = _load(path, architecture)
        self.model.to(device)
        self.antialias = antialias

    @cached_property
    def version(self) -> str:  # type: ignore[override]
        return weights_version(self.model)

    def applies(self, image: torch.Tensor, prompt: str | None, **metadata: Any) -> bool:
        return prompt is not None

    def preprocess(self, images: torch.Tensor) -> torch.Tensor:
        """HPSv2's own: the longer side to the network's size (on tensors, not cut to ``[0, 1]``), black round it, normalised.

        Images whose longer side has that size already are padded here too, which HPSv2 forgets: it fails on them.
        """
        visual = self.model.visual
        size = visual.image_size if isinstance(visual.image_size, int) else visual.image_size[0]
        height, width = images.shape[-2:]
        scale = size / float(max(height, width))
        rows, columns = max(round(height * scale), 1), max(round(width * scale), 1)
        if (rows, columns) != (height, width):
            images = F.interpolate(images, (rows, columns), mode="bicubic", antialias=self.antialias)
        down, across = size - rows, size - columns
        images = F.pad(images, (across // 2, across - across // 2, down // 2, down - down // 2))
        mean, std = (images.new_tensor(values)[:, None, None] for values in (visual.image_mean, visual.image_std))
        return (images - mean) / std

    def compute(self, images: torch.Tensor, prompts: list[str | None], **metadata: Any) -> torch.Tensor:
        parameter = next(self.model.parameters())
        texts = [prompt or "" for prompt in prompts]
        distinct = list(dict.fromkeys(texts))
        with torch.no_grad():
            features = self.model.encode_text(self.tokenizer(distinct).to(parameter.device), normalize=True)
        rows = torch.tensor([distinct.index(text) for text in texts], device=features.device)
        pixels = self.preprocess(images.to(parameter.device, parameter.dtype))
        return (self.model.encode_image(pixels, normalize=True) * features[rows]).sum(dim=1).float()


def _load(path: Path, architecture: str) -> tuple[Any, Any]:
    """The network in evaluation mode, its weights frozen, and its tokenizer."""
    try:
        import open_clip
    except ImportError:
        raise SpriteError("HPSv2 needs open_clip: pip install 'sprite-diffusers[rewards]'.") from None

    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)  # it warns that the weights are random, which they are not for long
    try:
        model = open_clip.create_model(architecture, load_weights=False)
        tokenizer = open_clip.get_tokenizer(architecture)
    except (RuntimeError, ValueError, OSError) as error:
        reason = " ".join(str(error).split())[:160]
        raise SpriteError(
            f"open_clip cannot build {architecture!r} ({reason}): give architecture a name of open_clip.list_models()."
        ) from error
    finally:
        logging.disable(disabled)
    try:
        model.load_state_dict(read_weights(path))
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:160]
        raise SpriteError(f"the weights in {path} are not those of a {architecture} ({reason}).") from error
    return model.requires_grad_(False).eval(), tokenizer
