"""Stage 2: the decoder, which draws a sprite for an image embedding and a text, and learns how sure it is."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import UNet2DConditionModel
from PIL import Image

from ... import hub
from ...data import make_grid
from ...models.text_encoders import quiet_transformers
from ...models.unclip_text_projection import UnCLIPTextProjection
from ...pipelines import SpriteUnCLIPPipeline
from ...pipelines.sprite_unclip import PromptEmbeds
from ..stage_trainer import PREVIEWS, StageTrainer
from .data import UnclipSplit
from .objective import UnclipObjective
from .prior_stage import prefer_plain_attention, start_standardised
from .settings import DecoderStageConfig
from .variational_bound import variational_bound

HEAD_DIM, GROUPS = 32, 8  # a head is narrower where the width is no multiple of it
TIME_WIDTH = 256  # of the time embedding, by which CLIP's embeddings reach every block
IMAGE_TOKENS = 4  # of the context, made of the image embedding


def decoder_objective(stage: DecoderStageConfig) -> UnclipObjective:
    """What the decoder predicts, with a variance of its own."""
    return UnclipObjective(stage.decoder_prediction_type, stage.decoder_max_weight, "learned_range")


def build_decoder(stage: DecoderStageConfig, channels: int, size: int) -> UNet2DConditionModel:
    """An untrained decoder of images ``(batch, channels, size, size)``: Karlo's architecture with cheaper halving.

    Attention is Karlo's, over pixels and text together; the embeddings scale and shift every residual block (FiLM).
    """
    widths = stage.decoder_block_out_channels
    attends = [level in stage.decoder_attention_levels for level in range(len(widths))]
    return UNet2DConditionModel(
        sample_size=size,
        in_channels=channels,
        out_channels=2 * channels,
        block_out_channels=tuple(widths),
        layers_per_block=stage.decoder_layers_per_block,
        down_block_types=tuple("SimpleCrossAttnDownBlock2D" if attend else "DownBlock2D" for attend in attends),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        up_block_types=tuple("SimpleCrossAttnUpBlock2D" if attend else "UpBlock2D" for attend in reversed(attends)),
        resnet_time_scale_shift="scale_shift",
        class_embed_type="identity",
        time_embedding_dim=TIME_WIDTH,
        cross_attention_dim=stage.decoder_context_dim,
        attention_head_dim=tuple(math.gcd(width, HEAD_DIM) for width in widths),
        norm_num_groups=GROUPS,
    )


def build_text_projection(stage: DecoderStageConfig, train: UnclipSplit) -> UnCLIPTextProjection:
    """An untrained projection for that decoder, which begins at the scale of the training split's embeddings.

    "No image" begins as the mean of all images, from where it says nothing.
    """
    image_embeds, texts = train.image_embeds, train.captions.pooled_prompt_embeds.float()
    projection = UnCLIPTextProjection(IMAGE_TOKENS, image_embeds.shape[1], TIME_WIDTH, stage.decoder_context_dim)
    start_standardised(projection.embedding_proj, texts)
    start_standardised(projection.clip_image_embeddings_project_to_time_embeddings, image_embeds)
    start_standardised(projection.clip_extra_context_tokens_proj, image_embeds)
    with torch.no_grad():
        projection.learned_classifier_free_guidance_embeddings.copy_(image_embeds.mean(0))
    return projection


class DecoderLoss(torch.nn.Module):
    """Decoder and text projection with their loss, as one module, so that it can be wrapped for several processes.

    Args:
        pipeline: holds both, which are trained.
        objective: what the decoder predicts.
        vlb_weight: of the variational bound.
    """

    def __init__(self, pipeline: SpriteUnCLIPPipeline, objective: UnclipObjective, vlb_weight: float):
        super().__init__()
        self.decoder, self.text_proj = pipeline.decoder, pipeline.text_proj
        self.objective, self.vlb_weight = objective, vlb_weight
        self._pipeline = [pipeline]  # in a list, so that its frozen parts are neither averaged nor saved

    def forward(
        self,
        clean: torch.Tensor,
        image_embeds: torch.Tensor,
        without_image: torch.Tensor,
        text: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
        noise: torch.Generator,
    ) -> dict[str, torch.Tensor]:
        """Losses, scalars, by name; ``"loss"`` is the hybrid of https://arxiv.org/abs/2102.09672, eq. 16.

        The bound moves the variance alone: the prediction is taken as given in it. The variance stays in its range.

        Args:
            clean: ``(batch, channels, H, W)`` in ``[-1, 1]``.
            image_embeds: ``(batch, width)``.
            without_image: ``(batch,)``, for which images the learned embedding of no image is taken.
            text: `PromptEmbeds` of the captions.
            noise: on the device.
        """
        pipeline, objective = self._pipeline[0], self.objective
        no_image = self.text_proj.learned_classifier_free_guidance_embeddings
        embeds = torch.where(without_image[:, None], no_image, image_embeds)
        conditioning = pipeline.condition_decoder(embeds, PromptEmbeds(*text))
        corrupted = objective.corrupt(clean, noise)
        output = pipeline.predict(corrupted.sample, corrupted.timesteps, conditioning).float()
        prediction, variance = output.chunk(2, dim=1)
        # While the prediction still errs, the bound wants far more variance than the range has, and in long steps, whose
        # range is wide, sampling would drown in it: what is outside of the range is not rewarded, and drawn back.
        within = variance.clamp(-1, 1)
        bound = variational_bound(
            pipeline.decoder_scheduler,
            torch.cat([prediction.detach(), within], dim=1),
            corrupted.sample,
            clean,
            corrupted.timesteps,
        ).mean()
        simple = objective.loss(prediction, corrupted)
        bits = objective.num_train_timesteps * bound
        outside = (variance - within).square().mean()
        parts = {"simple": simple, "bits_per_value": bits, "variance_outside": outside}
        return {"loss": simple + self.vlb_weight * bits + outside, **parts}


class DecoderStageTrainer(StageTrainer):
    """Trains decoder and text projection.

    Args:
        stage: settings of the stage.
        pipeline: whole but for super-resolution; its decoder and text projection are changed in place.
        objective: what the decoder predicts.
        options: those of `StageTrainer`.
    """

    name, number = "unclip-stage2", 2

    def __init__(
        self, stage: DecoderStageConfig, pipeline: SpriteUnCLIPPipeline, objective: UnclipObjective, **options: Any
    ):
        self.stage, self.pipeline = stage, pipeline
        super().__init__(model=DecoderLoss(pipeline, objective, stage.vlb_weight), **options)
        pipeline.to(self.accelerator.device)
        prefer_plain_attention(pipeline.decoder, self.accelerator.device)
        pipeline.set_progress_bar_config(disable=True)

    def training_step(self, micro_step: int) -> torch.Tensor:
        rows, images, generator = self.batch(micro_step)
        without = torch.rand(len(rows), generator=generator) < self.stage.condition_dropout
        no_text = without | (torch.rand(len(rows), generator=generator) < self.stage.text_dropout)
        return self.model(*self._inputs(self.train, rows, images, without, no_text, generator.initial_seed()))["loss"]

    def validation_figures(self, rows: np.ndarray) -> dict[str, float]:
        images, _ = self.validation.arrays.batch(rows)
        nothing = torch.zeros(len(rows), dtype=torch.bool)
        inputs = self._inputs(self.validation, rows, images, nothing, nothing, int(rows[0]))
        return {name: float(value) for name, value in self.raw_model(*inputs).items()}

    @torch.no_grad()
    def preview(self) -> Image.Image:
        """A held-out caption in each column; see `preview_grid`."""
        return preview_grid(self.pipeline, self.validation, self.config.seed)

    def save(self, directory: Path) -> None:
        with quiet_transformers():
            hub.export(self.pipeline, directory)
        self.write_facts(directory)

    def _inputs(
        self,
        split: UnclipSplit,
        rows: np.ndarray,
        images: torch.Tensor,
        without_image: torch.Tensor,
        without_text: torch.Tensor,
        seed: int,
    ) -> tuple[Any, ...]:
        device = self.accelerator.device
        embeds = split.image_embeds[torch.from_numpy(rows)].to(device)
        noise = torch.Generator(device).manual_seed(seed)
        text = tuple(split.text(rows, device, without_text))
        return images.to(device), embeds, without_image.to(device), text, noise


@torch.no_grad()
def preview_grid(pipeline: SpriteUnCLIPPipeline, split: UnclipSplit, seed: int) -> Image.Image:
    """A held-out caption in each column: its sprite, one drawn from that sprite's embedding, and two from the prior."""
    rows = np.linspace(0, len(split) - 1, min(PREVIEWS, len(split))).astype(int)
    arrays = split.drawn_by(pipeline)
    captions = [arrays.texts[row] for row in rows]
    margin = (arrays.pixels.shape[1] - pipeline.sprite_size) // 2
    cut = slice(margin, margin + pipeline.sprite_size)
    images = [Image.fromarray(np.ascontiguousarray(arrays.pixels[row][cut, cut])) for row in rows]
    embeds = split.image_embeds[torch.from_numpy(rows)].to(pipeline.device)
    for number, options in enumerate(({"image_embeds": embeds}, {}, {})):
        generator = torch.Generator().manual_seed(seed + number)
        images += pipeline(captions, generator=generator, **options).images
    background = "checker" if arrays.pixels.shape[-1] == 4 else "white"
    labels = ["real", "its embedding", "the prior", "the prior"]
    return make_grid(images, len(rows), max(1, 64 // pipeline.sprite_size), background=background, row_labels=labels)
