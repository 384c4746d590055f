"""Stage 3: super-resolution, which enlarges what the decoder draws."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import UNet2DModel
from PIL import Image

from ... import hub
from ...models.text_encoders import quiet_transformers
from ...pipelines import SpriteUnCLIPPipeline
from ...pipelines.sprite_unclip import enlarge
from ..stage_trainer import StageTrainer
from .data import UnclipSplit
from .decoder_stage import GROUPS, preview_grid
from .objective import UnclipObjective
from .settings import SuperResStageConfig


def super_res_objective(stage: SuperResStageConfig) -> UnclipObjective:
    """What super-resolution predicts; its variance is fixed."""
    return UnclipObjective(stage.super_res_prediction_type)


def build_super_res(stage: SuperResStageConfig, channels: int, size: int) -> UNet2DModel:
    """An untrained network for noisy images ``(batch, channels, size, size)`` beside small ones enlarged."""
    widths = stage.super_res_block_out_channels
    return UNet2DModel(
        sample_size=size,
        in_channels=2 * channels,
        out_channels=channels,
        block_out_channels=tuple(widths),
        layers_per_block=stage.super_res_layers_per_block,
        down_block_types=("DownBlock2D",) * len(widths),
        up_block_types=("UpBlock2D",) * len(widths),
        add_attention=False,
        resnet_time_scale_shift="scale_shift",
        norm_num_groups=GROUPS,
    )


class SuperResStageTrainer(StageTrainer):
    """Trains super-resolution on pairs of an image and the means of its blocks.

    Small images get noise of a random strength, so that flaws of the decoder's pictures are not taken for detail
    (https://arxiv.org/abs/2106.15282, section 4.2); the network is not told how much.

    Args:
        stage: settings of the stage.
        pipeline: of stage 2, with an untrained `super_res_first`, which is changed in place.
        objective: what it predicts.
        options: those of `StageTrainer`.
    """

    name, number = "unclip-stage3", 3

    def __init__(
        self, stage: SuperResStageConfig, pipeline: SpriteUnCLIPPipeline, objective: UnclipObjective, **options: Any
    ):
        self.stage, self.pipeline, self.objective = stage, pipeline, objective
        super().__init__(model=pipeline.super_res_first, **options)
        pipeline.to(self.accelerator.device)
        pipeline.set_progress_bar_config(disable=True)

    def training_step(self, micro_step: int) -> torch.Tensor:
        rows, small, generator = self.batch(micro_step)
        strength = self.stage.super_res_noise * torch.rand(len(rows), 1, 1, 1, generator=generator)
        noise = torch.randn(small.shape, generator=generator)
        small = (small + (strength * noise).to(small.device)).clamp(-1, 1)
        return self._loss(self.train, rows, small, int(generator.initial_seed()), self.model)

    def validation_figures(self, rows: np.ndarray) -> dict[str, float]:
        small, _ = self.validation.arrays.batch(rows)
        loss = self._loss(self.validation, rows, small.to(self.accelerator.device), int(rows[0]), self.raw_model)
        return {"loss": float(loss)}

    def preview(self) -> Image.Image:
        """A held-out caption in each column; see `preview_grid`."""
        return preview_grid(self.pipeline, self.validation, self.config.seed)

    def save(self, directory: Path) -> None:
        with quiet_transformers():
            hub.export(self.pipeline, directory)
        self.write_facts(directory)

    def _loss(
        self, split: UnclipSplit, rows: np.ndarray, small: torch.Tensor, seed: int, model: torch.nn.Module
    ) -> torch.Tensor:
        assert split.large is not None
        device = self.accelerator.device
        clean = split.large.batch(rows)[0].to(device)
        corrupted = self.objective.corrupt(clean, torch.Generator(device).manual_seed(seed))
        inputs = torch.cat([corrupted.sample, enlarge(small, clean.shape[2:])], dim=1)
        return self.objective.loss(model(inputs, corrupted.timesteps, return_dict=False)[0], corrupted)
