"""Stage 1: the prior, which draws a CLIP image embedding for a text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import PriorTransformer
from PIL import Image

from ... import hub
from ...data import make_grid
from ...pipelines import SpriteUnCLIPPipeline
from ..stage_trainer import PREVIEWS, StageTrainer
from .data import ClipParts, UnclipSplit
from .objective import UnclipObjective
from .settings import PriorStageConfig

SMALLEST_STD = 1e-4  # of a channel of the embeddings: one that never changes is not divided by 0


def prior_objective(stage: PriorStageConfig) -> UnclipObjective:
    """The prior predicts the clean embedding, and all errors weigh alike (https://arxiv.org/abs/2204.06125, eq. 2)."""
    return UnclipObjective("sample", max_weight=1.0, clip_range=stage.prior_clip_sample_range)


def build_prior(stage: PriorStageConfig, train: UnclipSplit, tokens: int) -> PriorTransformer:
    """An untrained prior of embeddings like those of `train`, which it standardises.

    Args:
        stage: its size.
        train: the training split.
        tokens: of a text, with padding.
    """
    embeds = train.image_embeds
    prior = PriorTransformer(
        num_attention_heads=stage.prior_num_heads,
        attention_head_dim=stage.prior_head_dim,
        num_layers=stage.prior_num_layers,
        embedding_dim=embeds.shape[1],
        num_embeddings=tokens,
    )
    with torch.no_grad():
        prior.clip_mean.copy_(embeds.mean(0, keepdim=True))
        prior.clip_std.copy_(embeds.std(0, keepdim=True).clamp(min=SMALLEST_STD))
        torch.nn.init.normal_(prior.positional_embedding, std=0.02)
        torch.nn.init.normal_(prior.prd_embedding, std=0.02)
    start_standardised(prior.embedding_proj, train.captions.pooled_prompt_embeds.float())
    # statistics, not weights: no gradient reaches them
    prior.clip_mean.requires_grad_(False)
    prior.clip_std.requires_grad_(False)
    return prior


@torch.no_grad()
def start_standardised(layer: torch.nn.Linear, inputs: torch.Tensor) -> None:
    """Makes a layer begin as if `inputs` ``(N, width)`` had mean 0 and standard deviation 1, whatever a CLIP's are."""
    std = inputs.std(0).clamp(min=SMALLEST_STD)
    layer.weight.div_(std)
    layer.bias.sub_(layer.weight @ inputs.mean(0))


def prefer_plain_attention(model: Any, device: torch.device) -> None:
    """Attention without fused kernels where these are slow: on a CPU, their gradients take half of a small prior's time."""
    if device.type == "cpu":
        model.set_default_attn_processor()


class PriorStageTrainer(StageTrainer):
    """Trains a `PriorTransformer` on embeddings that are computed once.

    Args:
        stage: settings of the stage.
        prior: from `build_prior`.
        parts: the CLIP.
        options: those of `StageTrainer`.
    """

    name, number = "unclip-stage1", 1

    def __init__(self, stage: PriorStageConfig, prior: PriorTransformer, parts: ClipParts, **options: Any):
        self.stage, self.prior = stage, prior
        self.objective = prior_objective(stage)
        super().__init__(model=prior, **options)
        prefer_plain_attention(prior, self.accelerator.device)
        self.pipeline = SpriteUnCLIPPipeline(
            None,  # type: ignore[arg-type]
            None,  # type: ignore[arg-type]
            None,  # type: ignore[arg-type]
            prior=prior,
            prior_scheduler=self.objective.sampling_scheduler(),
            default_prior_num_inference_steps=stage.prior_num_inference_steps,
            default_prior_guidance_scale=stage.prior_guidance_scale,
            **parts.components,
        )
        self.pipeline.set_progress_bar_config(disable=True)
        self.mean, self.std = (tensor.detach().cpu() for tensor in (prior.clip_mean, prior.clip_std))

    def training_step(self, micro_step: int) -> torch.Tensor:
        rows, generator = self.draw(micro_step)
        dropped = torch.rand(len(rows), generator=generator) < self.stage.prior_text_dropout
        return self._loss(self.train, rows, dropped, int(generator.initial_seed()) + 1, self.model)

    def validation_figures(self, rows: np.ndarray) -> dict[str, float]:
        """The loss, and the cosine of an embedding with what the prior makes of its caption and mere noise."""
        device, split = self.accelerator.device, self.validation
        embeds = split.image_embeds[torch.from_numpy(rows)].to(device)
        noise = torch.randn(embeds.shape, generator=torch.Generator().manual_seed(int(rows[0]))).to(device)
        last = self.objective.num_train_timesteps - 1
        guess = self.pipeline.predict_image_embeds(noise, torch.tensor(last, device=device), split.text(rows, device))
        cosine = F.cosine_similarity(self.prior.post_process_latents(guess), embeds).mean()
        loss = self._loss(split, rows, None, int(rows[0]), self.prior)
        return {"loss": float(loss), "cosine": float(cosine)}

    @torch.no_grad()
    def preview(self) -> Image.Image:
        """A row per held-out caption: its own sprite, then the held-out sprites nearest to an embedding that is drawn for it."""
        split = self.validation
        rows = np.linspace(0, len(split) - 1, min(PREVIEWS, len(split))).astype(int)
        captions = [split.arrays.texts[row] for row in rows]
        drawn = self.pipeline.sample_prior(captions, generator=torch.Generator().manual_seed(self.config.seed)).cpu()
        similarity = F.normalize(drawn, dim=1) @ F.normalize(split.image_embeds, dim=1).T
        nearest = similarity.topk(min(PREVIEWS, len(split)), dim=1).indices
        cells = [
            split.arrays.pixels[index] for row, found in zip(rows, nearest, strict=True) for index in (row, *found)
        ]
        scale = max(1, 64 // split.arrays.pixels.shape[1])
        return make_grid(cells, 1 + nearest.shape[1], scale, row_labels=[caption[:40] for caption in captions])

    def save(self, directory: Path) -> None:
        hub.export(self.prior, directory)
        self.write_facts(directory)

    def _loss(
        self, split: UnclipSplit, rows: np.ndarray, dropped: torch.Tensor | None, seed: int, model: torch.nn.Module
    ) -> torch.Tensor:
        device = self.accelerator.device
        clean = (split.image_embeds[torch.from_numpy(rows)] - self.mean) / self.std
        corrupted = self.objective.corrupt(clean.to(device), torch.Generator(device).manual_seed(seed))
        hidden, mask, pooled = split.text(rows, device, dropped)
        prediction = model(
            corrupted.sample,
            corrupted.timesteps,
            proj_embedding=pooled,
            encoder_hidden_states=hidden,
            attention_mask=mask,
            return_dict=False,
        )[0]
        return self.objective.loss(prediction, corrupted)
