"""The auxiliary classifier: names the class of a sprite, and gives the features that generators are compared in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.models.resnet import Downsample2D, ResnetBlock2D
from diffusers.utils import BaseOutput

from ..errors import SpriteError


@dataclass
class SpriteClassifierOutput(BaseOutput):
    """What the classifier says of a batch.

    Attributes:
        logits: ``(batch, classes)``, divided by the temperature: their softmax is a calibrated probability.
        features: ``(batch, feature_dim)``, the layer before the logits, without an activation.
    """

    logits: torch.Tensor
    features: torch.Tensor


class SpriteClassifier(ModelMixin, ConfigMixin):
    """A small residual network for sprites, calibrated by a temperature (https://arxiv.org/abs/1706.04599).

    Args:
        in_channels: 3 for RGB, 4 for RGBA with premultiplied colour.
        image_size: side of the sprites that it was trained on, in pixels.
        id2label: names of the classes, ``{"0": "human", ...}``.
        block_out_channels: channels per resolution; each but the first halves the side.
        feature_dim: length of the features.
        norm_num_groups: groups of the group norms.
        dropout: in the residual blocks, while training.
        mode: ``"RGB"`` or ``"RGBA"``.
        background: colour that was behind transparent pixels, for RGB.
        temperature: divides the logits.
        data_fingerprint: of the training split, see `LoadReport.fingerprint`.
        accuracy: share of held-out sprites that it names rightly.
        calibration_error: expected calibration error on held-out sprites, 0 to 1.
    """

    @register_to_config
    def __init__(
        self,
        in_channels: int = 3,
        image_size: int = 16,
        id2label: dict[str, str] | None = None,
        block_out_channels: Sequence[int] = (32, 64, 128),
        feature_dim: int = 64,
        norm_num_groups: int = 8,
        dropout: float = 0.1,
        mode: str = "RGB",
        background: str = "white",
        temperature: float = 1.0,
        data_fingerprint: str = "",
        accuracy: float | None = None,
        calibration_error: float | None = None,
    ):
        super().__init__()
        widths = list(block_out_channels)
        self.conv_in = torch.nn.Conv2d(in_channels, widths[0], 3, padding=1)
        blocks: list[torch.nn.Module] = []
        for level, (before, width) in enumerate(zip([widths[0], *widths], widths, strict=False)):
            if level:
                blocks.append(Downsample2D(before, use_conv=True, name="op"))
            blocks.append(
                ResnetBlock2D(
                    in_channels=before, out_channels=width, temb_channels=None, groups=norm_num_groups, dropout=dropout
                )
            )
        self.blocks = torch.nn.ModuleList(blocks)
        self.norm_out = torch.nn.GroupNorm(norm_num_groups, widths[-1])
        self.to_features = torch.nn.Linear(widths[-1], feature_dim)
        self.to_logits = torch.nn.Linear(feature_dim, len(id2label or {"0": "0"}))

    def forward(self, sample: torch.Tensor, return_dict: bool = True) -> SpriteClassifierOutput | tuple:
        """Classifies ``(batch, in_channels, image_size, image_size)`` sprites in ``[-1, 1]``, see `data.to_tensor`."""
        hidden = self.conv_in(sample)
        for block in self.blocks:
            hidden = block(hidden, None) if isinstance(block, ResnetBlock2D) else block(hidden)
        hidden = torch.nn.functional.silu(self.norm_out(hidden)).mean(dim=(2, 3))
        features = self.to_features(hidden)
        logits = self.to_logits(torch.nn.functional.silu(features)) / self.config.temperature
        return SpriteClassifierOutput(logits, features) if return_dict else (logits, features)

    @property
    def class_names(self) -> list[str]:
        """Names of the classes, in the order of the logits."""
        names = self.config.id2label or {"0": "0"}
        return [names[str(index)] for index in range(len(names))]

    def identity(self) -> str:
        """sha256 over weights and settings, in hex: scores made with classifiers of other identities do not compare."""
        digest = hashlib.sha256()
        settings = {key: value for key, value in self.config.items() if not key.startswith("_")}
        digest.update(json.dumps(settings, sort_keys=True, default=list).encode())
        for name, tensor in sorted(self.state_dict().items()):
            digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()


def default_classifier_folder(data_fingerprint: str) -> Path:
    """Where a classifier of this data goes if no folder is named, and where an evaluation looks for it."""
    return Path("outputs") / f"classifier-{data_fingerprint[:16]}"


def load_classifier(directory: str | Path) -> SpriteClassifier:
    """A trained classifier in evaluation mode, from a folder or a Hub id.

    Raises:
        SpriteError: there is none, or it is another kind of model.
    """
    try:
        config = SpriteClassifier.load_config(str(directory))
        if config.get("_class_name") != "SpriteClassifier":
            raise SpriteError(f"{directory} holds a {config.get('_class_name')}, but a SpriteClassifier is needed.")
        return SpriteClassifier.from_pretrained(str(directory)).eval()
    except OSError:
        raise SpriteError(
            f"{directory} holds no classifier: train one with training/train_classifier.py on the same data set, "
            "image size and mode."
        ) from None
