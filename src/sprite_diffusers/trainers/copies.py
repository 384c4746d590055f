"""Does a model in training copy its images? Previews are compared with them, at no extra sampling."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

from ..evaluation.memorisation import nearest

MAX_TRAINING_VALUES = 1 << 26  # of more a short training copies none, and comparing would take 256 MiB and more
MAX_HELD_OUT_IMAGES = 512
STANDARD_ERRORS = 3.0


class CopyMonitor:
    """The share of previews that are copies of training images, beside that of held-out images.

    A copy is much nearer to one training image than to any other, or as good as equal to it
    (`evaluation.memorisation.Nearest`). Sets have near-duplicates, so that some held-out images count as copies too.

    Args:
        train: uint8 ``(N, H, W, C)``.
        held_out: uint8 ``(M, H, W, C)``.

    Attributes:
        share: of the last preview; `None` before the first.
        floor: of held-out images.
    """

    def __init__(self, train: np.ndarray, held_out: np.ndarray):
        self._train = train
        self._count = 0
        self.floor = _copied(held_out, train)
        self.share: float | None = None

    @classmethod
    def of(
        cls, train: np.ndarray, held_out: np.ndarray, as_drawn: Callable[[np.ndarray], np.ndarray]
    ) -> CopyMonitor | None:
        """`None` for a set that is too large to be copied, or too small to be compared.

        Args:
            as_drawn: makes of images what the model would draw of them at best: in its palette, if it has one.
        """
        if len(train) < 2 or train.size > MAX_TRAINING_VALUES or not len(held_out):
            return None
        return cls(as_drawn(train), as_drawn(held_out[:MAX_HELD_OUT_IMAGES]))

    def look(self, images: Sequence[Image.Image]) -> float:
        """The share of copies among images of the size and mode of the training images."""
        self._count = len(images)
        drawn = np.stack([np.asarray(image) for image in images])
        self.share = _copied(
            drawn.reshape(len(images), *self._train.shape[1:]), self._train
        )  # grey has no channel yet
        return self.share

    @property
    def alarming(self) -> bool:
        """Whether the last preview has more copies than chance gives a model that draws as held-out images are."""
        if self.share is None:
            return False
        floor = max(self.floor, 1 / self._count)
        return self.share > floor + STANDARD_ERRORS * math.sqrt(floor * (1 - min(floor, 1)) / self._count)


def _copied(images: np.ndarray, train: np.ndarray) -> float:
    found = nearest(images, train)
    return float((found.memorised | found.near_copies).mean())
