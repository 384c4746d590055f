"""How different two images look to a network: distances between its features."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import torch
from diffusers.models.resnet import ResnetBlock2D

from ..errors import SpriteError
from .classifier import SpriteClassifier, load_classifier

VGG16_LAYERS = (3, 8, 15, 22)  # relu1_2, relu2_2, relu3_3, relu4_3
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class PerceptualLoss(torch.nn.Module, ABC):
    """Squared distance of features, normalised to unit length over the channels, summed over layers.

    That is LPIPS (https://arxiv.org/abs/1801.03924, eq. 1) with all its learned weights 1; Johnson et al. 2016 began
    it (https://arxiv.org/abs/1603.08155). The network is frozen.

    Attributes:
        name: what compares, for the record: ``"vgg16"``, or ``"classifier <identity>"``.
    """

    name: str

    @abstractmethod
    def features(self, images: torch.Tensor) -> Sequence[torch.Tensor]:
        """Feature maps ``(batch, channels, height, width)`` of images in ``[-1, 1]``."""

    def forward(self, images: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The distance of ``(batch, 3 | 4, height, width)`` images in ``[-1, 1]`` from `targets`, a scalar."""
        total = torch.zeros((), device=images.device)
        with torch.no_grad():
            wanted = self.features(targets)
        for found, target in zip(self.features(images), wanted, strict=True):
            difference = torch.nn.functional.normalize(found, dim=1) - torch.nn.functional.normalize(target, dim=1)
            total = total + difference.square().sum(1).mean()
        return total


class ClassifierPerceptualLoss(PerceptualLoss):
    """Compares by the blocks of an auxiliary classifier, which knows the sprites of its data set."""

    def __init__(self, classifier: SpriteClassifier):
        super().__init__()
        self.classifier = classifier.eval().requires_grad_(False)
        self.name = f"classifier {classifier.identity()[:16]}"

    def features(self, images: torch.Tensor) -> list[torch.Tensor]:
        hidden, found = self.classifier.conv_in(images), []
        for block in self.classifier.blocks:
            hidden = block(hidden, None) if isinstance(block, ResnetBlock2D) else block(hidden)
            found.append(hidden)
        return found


class VGG16PerceptualLoss(PerceptualLoss):
    """Compares by VGG16, trained on ImageNet.

    Args:
        weights: file of torchvision's weights of VGG16 (safetensors, or a state dict); torchvision's own, which it
            downloads, if not given.

    Raises:
        SpriteError: torchvision is not installed, or the weights cannot be had.
    """

    name = "vgg16"

    def __init__(self, weights: str | Path | None = None):
        super().__init__()
        try:
            from torchvision.models import VGG16_Weights, vgg16
        except ImportError as error:
            raise SpriteError("--perceptual vgg16 needs torchvision: pip install torchvision.") from error
        try:
            if weights is None:
                layers = vgg16(weights=VGG16_Weights.IMAGENET1K_V1).features[: VGG16_LAYERS[-1] + 1]
            else:
                with torch.device("meta"):  # no random weights for what the file replaces
                    layers = vgg16().features[: VGG16_LAYERS[-1] + 1]
                layers.load_state_dict(_read_weights(Path(weights), list(layers.state_dict())), assign=True)
        except (OSError, RuntimeError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise SpriteError(
                f"the weights of VGG16 ({weights or 'torchvision, by download'}) cannot be read ({reason}): give their file "
                "by --perceptual_model, or choose --perceptual classifier."
            ) from error
        self.layers = layers.eval().requires_grad_(False)
        self.mean = torch.nn.Buffer(torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1))
        self.std = torch.nn.Buffer(torch.tensor(IMAGENET_STD).view(1, 3, 1, 1))

    def features(self, images: torch.Tensor) -> list[torch.Tensor]:
        # of RGBA the premultiplied colour, which is the sprite on black
        hidden, found = ((images[:, :3] + 1) / 2 - self.mean) / self.std, []
        for index, layer in enumerate(self.layers):
            hidden = layer(hidden)
            if index in VGG16_LAYERS:
                found.append(hidden)
        return found


class LaplacianPyramidLoss(torch.nn.Module):
    """Absolute differences of edges at every scale, by no network at all (https://arxiv.org/abs/1707.05776, section 3).

    Attributes:
        name: what compares, for the record.
    """

    name = "laplacian pyramid"

    def forward(self, images: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """``(batch, channels, height, width)`` images against `targets`, a scalar: the mean over the scales."""
        difference, total, levels = images - targets, torch.zeros((), device=images.device), 0
        while min(difference.shape[-2:]) >= 8:
            smaller = torch.nn.functional.avg_pool2d(difference, 2, ceil_mode=True)
            larger = torch.nn.functional.interpolate(smaller, size=difference.shape[-2:], mode="bilinear")
            total, levels = total + (difference - larger).abs().mean(), levels + 1
            difference = smaller
        return (total + difference.abs().mean()) / (levels + 1)


def build_perceptual(kind: str, model: str | None) -> PerceptualLoss | LaplacianPyramidLoss | None:
    """What ``--perceptual`` names, or `None` for ``"none"``.

    Args:
        kind: ``"none"``, ``"classifier"``, ``"laplacian"`` or ``"vgg16"``.
        model: ``--perceptual_model``.

    Raises:
        SpriteError: it cannot be loaded. Nothing else is taken in its place.
    """
    if kind == "classifier":
        return ClassifierPerceptualLoss(load_classifier(str(model)))
    if kind == "laplacian":
        return LaplacianPyramidLoss()
    return VGG16PerceptualLoss(model) if kind == "vgg16" else None


def _read_weights(path: Path, names: list[str]) -> dict[str, torch.Tensor]:
    """The named weights of VGG16's ``features``, in float32.

    Raises:
        OSError: no such file.
        ValueError: a file of something else, or without one of them.
    """
    from safetensors.torch import load_file

    try:
        state = load_file(path) if path.suffix == ".safetensors" else torch.load(path, weights_only=True)
    except OSError:
        raise
    except Exception as error:  # of any kind, from a reader that has met what it was not made for
        raise ValueError(f"no file of weights, {type(error).__name__}") from error
    missing = [name for name in names if not isinstance(state, dict) or f"features.{name}" not in state]
    if missing:
        raise ValueError(f"it has no features.{missing[0]}")
    return {name: state[f"features.{name}"].float() for name in names}
