"""What the trainings of the scorers have in common: sprites with their captions, spoilt versions, held-out figures."""

from __future__ import annotations

import json
from abc import abstractmethod
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from ...data import EpochSampler, make_grid
from ...data.degradations import DEGRADATIONS, degrade, degrade_at_random
from ...models.autoencoders import FACTS_FILE
from ..base import Trainer
from ..clip_data import ClipSplit, PairAugmentation
from ..config import TrainerConfig
from .held_out import held_out_figures
from .settings import RewardModelSettings

PREVIEW_SPRITES, PREVIEW_STRENGTH = 8, 0.6


@dataclass(frozen=True)
class PairBatch:
    """Sprites, a spoilt version of each, and their captions.

    Attributes:
        clean, spoilt: uint8 ``(N, S, S, 3)``, on the CPU.
        strengths: ``(N,)`` of the damage, 0 to 1.
        texts: captions.
    """

    clean: torch.Tensor
    spoilt: torch.Tensor
    strengths: torch.Tensor
    texts: list[str]


class RewardTrainer(Trainer):
    """A trainer of one scorer; a family adds `scores` and `save_scorer` to `training_step`.

    Early stopping, if it is asked for, goes by the held-out pairs: the validation "loss" is 1 - their accuracy, of spoilt
    sprites and, where captions matter, of wrong ones.

    Args:
        config: of the loop, with the settings of the scorer in their places.
        settings: all settings.
        model: the module to train.
        splits: "train" and "validation", of the size that the scorer takes.
        fingerprint: of the training split.
    """

    reads_captions = True

    def __init__(
        self,
        config: TrainerConfig,
        settings: RewardModelSettings,
        model: torch.nn.Module,
        splits: dict[str, ClipSplit],
        fingerprint: str,
    ):
        self.settings, self.options = settings, settings.reward
        self.splits, self.fingerprint = splits, fingerprint
        self.names: list[str] = getattr(settings.reward, f"{self.name}_degradations")
        self.figures: dict[str, float] = {}
        super().__init__(config, model, len(splits["train"]))
        self.augmentation = PairAugmentation(settings.data)
        self.sampler = EpochSampler(
            len(splits["train"]),
            config.train_batch_size,
            config.seed,
            self.accelerator.process_index,
            self.accelerator.num_processes,
        )

    @abstractmethod
    def scores(self, pixels: torch.Tensor, texts: list[str]) -> torch.Tensor:
        """``(N,)`` float32 of uint8 ``(N, S, S, 3)`` and N captions, as the reward that loads what is saved gives them."""

    @abstractmethod
    def save_scorer(self, directory: Path) -> None:
        """Writes what the reward loads."""

    def batch(self, micro_step: int) -> PairBatch:
        """The pairs of a micro-batch, which depend on nothing but its number."""
        position = micro_step * self.accelerator.num_processes + self.accelerator.process_index
        seed = (self.config.seed << 40) + 2 * position
        generator, rng = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
        torch.manual_seed(seed + 1)  # of dropout
        train, rows = self.splits["train"], self.sampler.indices(micro_step)
        clean = self.augmentation.images(train.pixels[torch.from_numpy(rows)], generator)
        strengths = self.draw_strengths(len(rows), generator)
        spoilt = degrade_at_random(clean, self.names, strengths, generator)
        return PairBatch(clean, spoilt, strengths, [self.augmentation.caption(train.texts[row], rng) for row in rows])

    def draw_strengths(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """``(count,)`` from `min_strength` to 1."""
        least = self.options.min_strength
        return least + (1 - least) * torch.rand(count, generator=generator)

    def unit(self, pixels: torch.Tensor) -> torch.Tensor:
        """uint8 ``(N, S, S, 3)`` to float ``(N, 3, S, S)`` in ``[0, 1]`` where the training runs."""
        return pixels.to(self.accelerator.device).permute(0, 3, 1, 2).float() / 255

    def validate(self) -> dict[str, float]:
        def score(pixels: torch.Tensor, texts: list[str]) -> torch.Tensor:
            return self.scores(pixels, texts).cpu()

        self.figures = held_out_figures(score, self.splits["validation"], self.reads_captions)
        told = [self.figures[name] for name in ("accuracy", "accuracy_caption") if name in self.figures]
        return {"loss": 1 - sum(told) / len(told), **self.figures}

    @torch.no_grad()
    def preview(self) -> Image.Image:
        """A row per held-out sprite: it and its spoilt versions, the best score first."""
        split, generator = self.splits["validation"], torch.Generator().manual_seed(0)
        count = min(PREVIEW_SPRITES, len(split))
        clean, texts = split.pixels[:count], split.texts[:count]
        versions = [clean, *(degrade(clean, name, PREVIEW_STRENGTH, generator) for name in DEGRADATIONS)]
        scores = torch.stack([self.scores(pixels, texts).cpu() for pixels in versions])
        cells = [
            versions[version][row].numpy()
            for row in range(count)
            for version in scores[:, row].argsort(descending=True).tolist()
        ]
        labels = [text[:30] for text in texts]
        return make_grid(cells, len(versions), max(1, 64 // clean.shape[1]), row_labels=labels)

    def save(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        if not self.figures and directory == self.output_dir:  # resumed where it had ended
            self.validate()
        self.save_scorer(directory)
        facts = self.facts() | {
            "dataset": Path(self.settings.data.dataset).name,
            "step": self.state.step,
            "held_out": self.figures,
        }
        (directory / FACTS_FILE).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")

    def facts(self) -> dict[str, Any]:
        shared = ("kind", "clip")  # where things lie is not what they are
        own = {
            key: value
            for key, value in asdict(self.options).items()
            if key not in shared and (key == "min_strength" or key.startswith(self.name))
        }
        return {
            "data_fingerprint": self.fingerprint,
            "reward": own,
            "seed": self.config.seed,
            "images_per_step": self.images_per_step,
        }

    def params(self) -> dict[str, Any]:
        return asdict(self.settings.data) | asdict(self.options) | asdict(self.config)
