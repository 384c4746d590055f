"""An aesthetic head in LAION's form: how little a sprite is spoilt, from the features of a frozen CLIP."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from ...data import EpochSampler
from ...data.degradations import degrade_at_random
from ...models.clip import LoadedClip
from ...rewards import AestheticHead, save_head
from ..base import FitResult
from ..clip_data import ClipSplit
from ..config import TrainerConfig
from .base import RewardTrainer
from .settings import RewardModelSettings

HEAD_FILE = "model.safetensors"
_CHUNK = 64  # sprites whose features are computed at a time


@dataclass(frozen=True)
class FeaturePool:
    """What the head is trained on: the CLIP is frozen, so each image goes through it once.

    Attributes:
        clean: unit vectors ``(N, D)`` of sprites.
        spoilt: ``(N, versions, D)`` of spoilt versions.
        strengths: ``(N, versions)`` of the damage.
    """

    clean: torch.Tensor
    spoilt: torch.Tensor
    strengths: torch.Tensor


class _FullPrecision(torch.nn.Module):
    """A module that mixed precision leaves alone: near 7 the steps of bfloat16 are 0.03."""

    def __init__(self, module: torch.nn.Module):
        super().__init__()
        self.module = module

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        with torch.autocast(features.device.type, enabled=False):
            return self.module(features)


class AestheticTrainer(RewardTrainer):
    """Regression of the unit image features on a score that falls with the strength of the damage.

    The score of a clean sprite is `aesthetic_clean`, that of one spoilt with strength 1 `aesthetic_worst`, and a straight
    line lies between. What a score should be below that of the clean sprite counts as much as the score itself: sprites
    differ from each other more than from their spoilt versions.

    Args:
        config, settings, splits, fingerprint: see `RewardTrainer`.
        clip: frozen.
    """

    name = "aesthetic"
    reads_captions = False

    def __init__(
        self,
        config: TrainerConfig,
        settings: RewardModelSettings,
        clip: LoadedClip,
        splits: dict[str, ClipSplit],
        fingerprint: str,
    ):
        options = settings.reward
        torch.manual_seed(config.seed)
        self.clip = clip
        self.head = AestheticHead((clip.model.config.projection_dim, *options.aesthetic_widths, 1), dropout=0.0)
        middle = torch.tensor([(options.aesthetic_clean + options.aesthetic_worst) / 2])
        self.head.load_state_dict({f"layers.{len(self.head.layers) - 1}.bias": middle}, strict=False)  # where to begin
        super().__init__(config, settings, _FullPrecision(self.head), splits, fingerprint)
        self.clip.model.to(self.accelerator.device)
        self.rows = np.random.default_rng(config.seed).permutation(len(splits["train"]))[: options.aesthetic_sprites]
        self.sampler = EpochSampler(
            len(self.rows),
            config.train_batch_size,
            config.seed,
            self.accelerator.process_index,
            self.accelerator.num_processes,
        )

    def fit(self) -> FitResult:
        count, versions = self.pool.strengths.shape  # computed before the clock of the training starts
        self._say(f"{count} sprites and {versions} spoilt versions of each have gone through the CLIP.")
        return super().fit()

    def training_step(self, micro_step: int) -> torch.Tensor:
        pool, rows, span = self.pool, torch.from_numpy(self.sampler.indices(micro_step)), self.span
        features = torch.cat([pool.clean[rows, None], pool.spoilt[rows]], dim=1)  # (B, 1 + versions, D)
        scores = self.model(features.to(self.accelerator.device).flatten(0, 1)).view(features.shape[:2])
        losses = span * pool.strengths[rows].to(scores.device)
        target = self.options.aesthetic_clean - F.pad(losses, (1, 0))
        return F.mse_loss(scores, target) + F.mse_loss(scores[:, :1] - scores[:, 1:], losses)

    @property
    def span(self) -> float:
        """How much strength 1 costs."""
        return self.options.aesthetic_clean - self.options.aesthetic_worst

    @cached_property
    @torch.no_grad()
    def pool(self) -> FeaturePool:
        """Features of `aesthetic_sprites` sprites, each spoilt in `aesthetic_versions` ways."""
        versions, parts = self.options.aesthetic_versions, []
        generator = torch.Generator().manual_seed(self.config.seed << 40)
        for rows in np.array_split(self.rows, -(-len(self.rows) // _CHUNK)):
            clean = self.augmentation.images(self.splits["train"].pixels[torch.from_numpy(rows)], generator)
            strengths = self.draw_strengths(len(rows) * versions, generator)
            spoilt = degrade_at_random(clean.repeat_interleave(versions, dim=0), self.names, strengths, generator)
            features = self.clip.image_features(self.unit(torch.cat([clean, spoilt]))).cpu()
            parts.append((
                features[: len(rows)],
                features[len(rows) :].view(len(rows), versions, -1),
                strengths.view(len(rows), versions),
            ))  # fmt: skip
        return FeaturePool(*(torch.cat(tensors) for tensors in zip(*parts, strict=True)))

    def scores(self, pixels: torch.Tensor, texts: list[str]) -> torch.Tensor:
        return self.head(self.clip.image_features(self.unit(pixels)))

    def save_scorer(self, directory: Path) -> None:
        save_head(self.head, directory / HEAD_FILE)

    def facts(self) -> dict[str, Any]:
        return super().facts() | {"clip_fingerprint": self.clip.fingerprint}
