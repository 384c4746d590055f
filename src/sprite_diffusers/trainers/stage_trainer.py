"""What the trainers of stages have in common: captioned splits, seeded batches, and notes beside the weights."""

from __future__ import annotations

import json
from abc import abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..data import EpochSampler
from .base import Trainer
from .config import TrainerConfig
from .stages import FACTS_FILE

PREVIEWS = 8


class StageTrainer(Trainer):
    """A trainer of captioned sprites.

    Args:
        config: settings of the loop, with those of the stage in their places.
        settings: of the stage, and whatever else makes the run what it is, by group; logged and compared on resuming.
        model: the module to train.
        train, validation: splits, with `SpriteArrays` in ``arrays``.
        report: of the data.
        augmentation: of training images, or `None`.
    """

    number = 0

    def __init__(
        self,
        config: TrainerConfig,
        settings: dict[str, Any],
        model: torch.nn.Module,
        train: Any,
        validation: Any,
        report: Any,
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
        groups = [group if isinstance(group, dict) else {name: group} for name, group in self.groups.items()]
        return super().params() | {key: value for group in groups for key, value in group.items()}

    def draw(self, micro_step: int) -> tuple[np.ndarray, torch.Generator]:
        """Rows of this process's micro-batch, and a generator that depends on nothing but its number.

        Its seed is even: the odd one after it is free for what must not depend on what is drawn from it.
        """
        position = micro_step * self.accelerator.num_processes + self.accelerator.process_index
        generator = torch.Generator().manual_seed((self.config.seed << 40) + 2 * position)
        return self.sampler.indices(micro_step), generator

    def batch(self, micro_step: int) -> tuple[np.ndarray, torch.Tensor, torch.Generator]:
        """Rows, images ``(batch, channels, H, W)`` and the generator of everything else that is drawn in a micro-batch."""
        rows, generator = self.draw(micro_step)
        images, _ = self.train.arrays.batch(rows, self.augmentation, generator)
        return rows, images.to(self.accelerator.device), generator.manual_seed(generator.initial_seed() + 1)

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

    def write_facts(self, directory: Path) -> None:
        """Notes which stage of what lies in `directory`, for the stages after it."""
        facts = {"stage": self.number, "data_fingerprint": self.report.fingerprint, **self.groups}
        (directory / FACTS_FILE).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
