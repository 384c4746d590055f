"""What a reward is: a named callable that scores images. TRL's convention, with images for completions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from PIL import Image

from ..data.pixels import parse_color
from ..errors import SpriteError

Images = torch.Tensor | Sequence[Image.Image]
Values = list[float | None]

_SLACK = 1e-3  # how far beyond 0 and 1 a value may be: resizing and half precision overshoot a little


@runtime_checkable
class Reward(Protocol):
    """Anything that scores images; a plain function does, too (its ``__name__`` is its name), and so does an ``async`` one.

    Call it by keywords, as TRL does: ``reward(images=..., prompts=..., **columns)``. Columns that it has no use for are
    ignored, so it takes any.

    Attributes:
        name: under which it is logged, weighted and calibrated.
        version: changes whenever the same image would get another score.
    """

    name: str
    version: str

    def __call__(self, images: Images, prompts: Sequence[str | None] | None = None, **metadata: Any) -> Values:
        """A score for each image, more is better; `None` where the reward does not apply. Errors raise."""


class ImageReward(ABC):
    """A reward that scores batches of images of one size.

    Images are a float tensor ``(N, 3, H, W)`` in ``[0, 1]`` or a list of PIL images, which may differ in size. With
    transparency (``(N, 4, H, W)``, straight alpha, or RGBA pictures) they are composited on `background`; without a
    background a `SpriteError` refuses them, except by rewards that look at the transparency itself.

    Args:
        name: under which it is logged, weighted and calibrated.
        background: colour put behind transparent pixels, e.g. ``"white"``.
        batch_size: images scored at once.
    """

    sees_alpha = False
    version = "1"

    def __init__(self, name: str, background: str | None = None, batch_size: int = 32):
        if batch_size < 1:
            raise SpriteError(f"the reward {name!r} got batch_size {batch_size}; it must be 1 or more.")
        self.name = name
        self.background = None if background is None else parse_color(background)
        self.batch_size = batch_size

    @abstractmethod
    def measure(self, images: torch.Tensor, prompts: list[str | None], **metadata: Any) -> list[float]:
        """Scores of images ``(N, 3 | 4, H, W)`` in ``[0, 1]`` of one size, without gradients."""

    def applies(self, image: torch.Tensor, prompt: str | None, **metadata: Any) -> bool:
        """Whether the reward has something to say of an image ``(3 | 4, H, W)`` and what belongs to it."""
        return True

    @torch.no_grad()
    def __call__(self, images: Images, prompts: Sequence[str | None] | None = None, **metadata: Any) -> Values:
        """Scores of images, `None` where the reward does not apply.

        Args:
            images: float tensor ``(N, 3 | 4, H, W)`` in ``[0, 1]``, or N PIL images.
            prompts: N texts; `None` for an image that has none.
            metadata: columns of N values; anything else is handed on as it is.

        Raises:
            SpriteError: images in another form or range, transparency without a background, lengths that differ.
        """
        tensors = [self._opaque(image) for image in image_tensors(images)]
        texts: list[str | None] = list(prompts) if prompts is not None else [None] * len(tensors)
        if len(texts) != len(tensors):
            raise SpriteError(f"the reward {self.name!r} got {len(tensors)} images but {len(texts)} prompts.")
        columns = {key: value for key, value in metadata.items() if _is_column(value, len(tensors))}
        others = {key: value for key, value in metadata.items() if key not in columns}
        chosen = [
            index
            for index, (image, text) in enumerate(zip(tensors, texts, strict=True))
            if self.applies(image, text, **others, **{key: value[index] for key, value in columns.items()})
        ]
        values: Values = [None] * len(tensors)
        for indices in _batches(tensors, chosen, self.batch_size):
            batch = torch.stack([tensors[index] for index in indices])
            part = {key: [value[index] for index in indices] for key, value in columns.items()}
            scores = self.measure(batch, [texts[index] for index in indices], **others, **part)
            for index, score in zip(indices, scores, strict=True):
                values[index] = float(score)
        return values

    def _opaque(self, images: torch.Tensor) -> torch.Tensor:
        """``(..., 3, H, W)`` of images that may be transparent, unless the reward looks at transparency itself."""
        if images.shape[-3] == 3 or self.sees_alpha:
            return images
        if self.background is None:
            raise SpriteError(
                f"the reward {self.name!r} does not see transparency, but got RGBA images: give it a background "
                "(background='white'), or composite them first."
            )
        color = images.new_tensor(self.background)[:, None, None] / 255
        alpha = images[..., 3:, :, :]
        return images[..., :3, :, :] * alpha + color * (1 - alpha)


class DifferentiableReward(ImageReward):
    """A reward with a gradient with respect to the image, for methods that follow it (DRaFT, https://arxiv.org/abs/2309.17400)."""

    @abstractmethod
    def compute(self, images: torch.Tensor, prompts: list[str | None], **metadata: Any) -> torch.Tensor:
        """``(N,)`` float32 of images without transparency, unless the reward sees it."""

    def score(
        self, images: torch.Tensor, prompts: Sequence[str | None] | None = None, **metadata: Any
    ) -> torch.Tensor:
        """``(N,)`` float32 scores, differentiable with respect to the images; the same values as a call gives.

        Args:
            images: float ``(N, 3 | 4, H, W)`` in ``[0, 1]``; all are scored in one batch.
            prompts, metadata: as of a call.

        Raises:
            SpriteError: images in another form, transparency without a background.
        """
        _check_form(images)
        texts: list[str | None] = list(prompts) if prompts is not None else [None] * len(images)
        if len(texts) != len(images):
            raise SpriteError(f"the reward {self.name!r} got {len(images)} images but {len(texts)} prompts.")
        return self.compute(self._opaque(images), texts, **metadata)

    def measure(self, images: torch.Tensor, prompts: list[str | None], **metadata: Any) -> list[float]:
        return self.compute(images, prompts, **metadata).tolist()


def image_tensors(images: Images) -> list[torch.Tensor]:
    """Images as float32 tensors ``(3 | 4, H, W)`` in ``[0, 1]``; transparency stays.

    Raises:
        SpriteError: another form, or values beyond 0 and 1.
    """
    if isinstance(images, torch.Tensor):
        _check_form(images)
        if images.numel():
            low, high = (float(value) for value in images.detach().aminmax())
            if not (low >= -_SLACK and high <= 1 + _SLACK):  # so put, NaN fails as well
                raise SpriteError(
                    f"images of a reward are from 0 to 1, but these are from {low:.4g} to {high:.4g}: "
                    "bring them there (from [-1, 1]: images / 2 + 0.5)."
                )
        return list(images.detach().float().clamp(0, 1))
    if isinstance(images, Image.Image) or not all(isinstance(image, Image.Image) for image in images):
        kinds = type(images).__name__ if isinstance(images, (Image.Image, np.ndarray)) else "a list of other things"
        raise SpriteError(f"a reward takes a float tensor (N, 3, H, W) or a list of PIL images, not {kinds}.")
    return [_picture_tensor(image) for image in images]


def _check_form(images: torch.Tensor) -> None:
    if images.ndim != 4 or images.shape[1] not in (3, 4) or not images.is_floating_point():
        raise SpriteError(
            f"images of a reward are float (N, 3, H, W), or (N, 4, H, W) with alpha, from 0 to 1, not {images.dtype} "
            f"{tuple(images.shape)}."
        )


def _picture_tensor(image: Image.Image) -> torch.Tensor:
    array = np.array(image.convert("RGBA" if image.has_transparency_data else "RGB"))
    return torch.from_numpy(array).permute(2, 0, 1).float() / 255


def _is_column(value: Any, count: int) -> bool:
    return isinstance(value, (list, tuple, torch.Tensor, np.ndarray)) and np.ndim(value) > 0 and len(value) == count


def _batches(images: list[torch.Tensor], chosen: list[int], batch_size: int) -> Iterator[list[int]]:
    """Indices of images of one shape, at most `batch_size` at once."""
    shapes: dict[torch.Size, list[int]] = {}
    for index in chosen:
        shapes.setdefault(images[index].shape, []).append(index)
    for indices in shapes.values():
        for start in range(0, len(indices), batch_size):
            yield indices[start : start + batch_size]
