"""What the three stages have in common as trainers."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
import torch

from ...data import EpochSampler
from ...data.captions import CaptionReport
from ..base import Trainer
from ..config import TrainerConfig
from .data import CaptionedSplit

PREVIEWS = 8


class StageTrainer(Trainer):
    """A trainer of captioned sprites.

    Args:
        config: settings of the loop, with those of the stage in their places.
        settings: of the stage, and whatever else makes the run what it is, by group; logged and compared on resuming.
        model: the module to train.
        train, validation: splits.
        report: of the data.
        augmentation: of training images, or `None`.
    """

    def __init__(
        self,
        config: TrainerConfig,
        settings: dict[str, dict[str, Any]],
        model: torch.nn.Module,
        train: CaptionedSplit,
        validation: CaptionedSplit,
        report: CaptionReport,
        augmentation: Any = None,
    ):
        self.groups, self.train, self.validation, self.report = settings, train, validation, report
        self.augmentation = augmentation
        super().__init__(config, model, len(train))
        self.sampler = EpochSampler(
            len(train),
            config.train_batch_size,
            config.seed,
            self.accelerator.process_index,
            self.accelerator.num_processes,
        )

    def facts(self) -> dict[str, Any]:
        return {
            "data_fingerprint": self.report.fingerprint,
            **self.groups,
            "seed": self.config.seed,
            "images_per_step": self.images_per_step,
        }

    def params(self) -> dict[str, Any]:
        flat = {key: value for group in self.groups.values() for key, value in group.items()}
        return super().params() | flat

    def batch(self, micro_step: int) -> tuple[np.ndarray, torch.Tensor, torch.Generator]:
        """Rows, images ``(batch, 3, H, W)`` and the generator of everything else that is drawn in a micro-batch."""
        position = micro_step * self.accelerator.num_processes + self.accelerator.process_index
        seed = (self.config.seed << 40) + 2 * position
        generator = torch.Generator().manual_seed(seed)
        rows = self.sampler.indices(micro_step)
        images, _ = self.train.arrays.batch(rows, self.augmentation, generator)
        return rows, images.to(self.accelerator.device), generator.manual_seed(seed + 1)

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Means over the held-out sprites of what `validation_figures` gives."""
        totals: dict[str, float] = {}
        size = self.config.train_batch_size
        for start in range(0, len(self.validation), size):
            rows = np.arange(start, min(start + size, len(self.validation)))
            for name, value in self.validation_figures(rows).items():
                totals[name] = totals.get(name, 0.0) + value * len(rows) / len(self.validation)
        return totals

    @abstractmethod
    def validation_figures(self, rows: np.ndarray) -> dict[str, float]:
        """Figures of some held-out sprites, with ``"loss"`` among them."""
