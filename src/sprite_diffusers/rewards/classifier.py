"""How surely a sprite is of its class: the probability that the auxiliary classifier gives it."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from ..data.pixels import parse_color
from ..errors import SpriteError
from ..models.classifier import SpriteClassifier, load_classifier
from .base import DifferentiableReward


class ClassProbabilityReward(DifferentiableReward):
    """Calibrated probability, 0 to 1, of the class that was asked for.

    That is `target`, or else the column ``class_labels`` (ids or names, as the class-conditional pipeline takes them), or
    else a prompt that is the name of a class; the reward does not apply to an image without any of these.

    Args:
        classifier: loaded (it is put into evaluation mode and frozen), or its folder or Hub id.
        target: one class for all images, an id or a name.
        background: put behind transparent sprites if the classifier sees RGB; by default what it was trained with.
        batch_size, name: see `ImageReward`.
        device: where it runs.

    Raises:
        SpriteError: there is no classifier, or no class of that name.
    """

    sees_alpha = True  # and composites itself, where its classifier does not

    def __init__(
        self,
        classifier: SpriteClassifier | str | Path,
        target: int | str | None = None,
        *,
        background: str | None = None,
        batch_size: int = 256,
        device: str | torch.device = "cpu",
        name: str = "class_probability",
    ):
        loaded = classifier if isinstance(classifier, SpriteClassifier) else load_classifier(classifier)
        super().__init__(name, background or loaded.config.background, batch_size)
        self.classifier = loaded.requires_grad_(False).eval().to(device)
        self.target = None if target is None else self._index(target)

    @cached_property
    def version(self) -> str:  # type: ignore[override]
        target = "" if self.target is None else f" {self.classifier.class_names[self.target]}"
        return f"{self.classifier.identity()[:12]}{target}"

    def applies(self, image: torch.Tensor, prompt: str | None, **metadata: Any) -> bool:
        return self._asked(prompt, metadata.get("class_labels")) is not None

    def _asked(self, prompt: str | None, label: Any) -> int | None:
        if self.target is not None:
            return self.target
        if label is not None:
            return self._index(label)
        names = self.classifier.class_names
        return names.index(prompt) if prompt in names else None

    def _index(self, label: Any) -> int:
        names = self.classifier.class_names
        if isinstance(label, str) and label in names:
            return names.index(label)
        if not isinstance(label, str) and 0 <= int(label) < len(names):
            return int(label)
        raise SpriteError(f"there is no class {label!r}: give one of {', '.join(names)}, or 0 to {len(names) - 1}.")

    def compute(self, images: torch.Tensor, prompts: list[str | None], **metadata: Any) -> torch.Tensor:
        labels = metadata.get("class_labels")
        labels = [None] * len(images) if labels is None else list(labels)
        asked = [self._asked(prompt, label) for prompt, label in zip(prompts, labels, strict=True)]
        if None in asked:
            raise SpriteError(
                f"the reward {self.name!r} knows no class for image {asked.index(None)}: give class_labels, or target."
            )
        logits = self.classifier(self._inputs(images.to(self.classifier.device))).logits
        rows = torch.tensor(asked, device=logits.device)[:, None]
        return logits.softmax(dim=1).gather(1, rows).squeeze(1).float()

    def _inputs(self, images: torch.Tensor) -> torch.Tensor:
        """As `data.to_tensor` gives sprites to a network: ``[-1, 1]``, premultiplied if there is alpha."""
        side = self.classifier.config.image_size
        if images.shape[-2:] != (side, side):
            raise SpriteError(
                f"the classifier sees sprites of {side}x{side}, but got {images.shape[-2]}x{images.shape[-1]}: score them "
                "unscaled, or train a classifier of their size."
            )
        if self.classifier.config.in_channels == 4:
            alpha = images[:, 3:] if images.shape[1] == 4 else torch.ones_like(images[:, :1])
            images = torch.cat([images[:, :3] * alpha, alpha], dim=1)
        elif images.shape[1] == 4:
            color = images.new_tensor(self.background or parse_color("white"))[:, None, None] / 255
            images = images[:, :3] * images[:, 3:] + color * (1 - images[:, 3:])
        return images * 2 - 1
