"""Stage 2: diffusion on the latents of stage 1, reading the text."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import UNet2DConditionModel
from PIL import Image

from ... import hub
from ...data import SpriteArrays, make_grid
from ...data.pixels import parse_color
from ...errors import SpriteError
from ...models.text_vae import TextConditionedVAE
from ...objectives import Objective, build_objective
from ...pipelines import PokemonLDMPipeline
from ...pipelines.sprite_io import encode_prompts, normalize_latents, text_direction
from ..config import ObjectiveConfig
from ..stage_trainer import PREVIEWS, StageTrainer
from .data import CaptionedSplit
from .settings import DiffusionStageConfig


def build_text_unet(stage: DiffusionStageConfig, channels: int, size: int, text_width: int) -> UNet2DConditionModel:
    """The denoiser of latents ``(batch, channels, size, size)``, attending to a text of `text_width`.

    Raises:
        SpriteError: levels of attention that do not exist.
    """
    widths = stage.unet_block_out_channels
    levels = range(len(widths))
    if any(level not in levels for level in stage.unet_attention_levels):
        raise SpriteError(
            f"--unet_attention_levels is {stage.unet_attention_levels}, but the levels are 0 to {len(widths) - 1}."
        )
    attends = [level in stage.unet_attention_levels for level in levels]
    return UNet2DConditionModel(
        sample_size=size,
        in_channels=channels,
        out_channels=channels,
        block_out_channels=tuple(widths),
        layers_per_block=stage.unet_layers_per_block,
        down_block_types=tuple("CrossAttnDownBlock2D" if attend else "DownBlock2D" for attend in attends),
        up_block_types=tuple("CrossAttnUpBlock2D" if attend else "UpBlock2D" for attend in reversed(attends)),
        cross_attention_dim=text_width,
        attention_head_dim=8,
        norm_num_groups=16,
        class_embed_type="projection",  # the text as one vector: attention takes long to find what matters in many
        projection_class_embeddings_input_dim=text_width,
        resnet_time_scale_shift="scale_shift",
    )


@torch.no_grad()
def encode_split(vae: TextConditionedVAE, split: CaptionedSplit, device: Any, mirrored: bool) -> torch.Tensor:
    """Modes of the latents of all images, ``(versions, N, channels, height, width)`` on the CPU; mirrored ones second."""
    vae.to(device).eval()
    parts: list[list[torch.Tensor]] = [[], []] if mirrored else [[]]
    for rows in np.array_split(np.arange(len(split)), max(1, len(split) // 16)):
        images, _ = split.arrays.batch(rows)
        for part, version in zip(parts, (images, images.flip(-1)), strict=False):
            part.append(vae.encode(version.to(device)).latent_dist.mode().float().cpu())
    return torch.stack([torch.cat(part) for part in parts])


@torch.no_grad()
def preview_grid(pipeline: PokemonLDMPipeline, arrays: SpriteArrays, image_size: int, seed: int) -> Image.Image:
    """A caption in each column: its real sprite, and below it two that are drawn for it.

    Args:
        arrays: padded images with captions; eight of them are taken.
        image_size: side of the images before they were padded.
    """
    pipeline.set_progress_bar_config(disable=True)
    rows = np.linspace(0, len(arrays) - 1, PREVIEWS).astype(int)
    margin = (arrays.pixels.shape[1] - image_size) // 2
    cut = slice(margin, margin + image_size)
    images = [Image.fromarray(arrays.pixels[row][cut, cut]) for row in rows]
    embeds, mask = encode_prompts(
        pipeline.tokenizer,
        pipeline.text_encoder,
        [arrays.texts[row] for row in rows],
        pipeline.config.max_length,
        pipeline.device,
        warn=False,
    )
    for number in (seed, seed + 1):
        generator = torch.Generator().manual_seed(number)
        images += pipeline(prompt_embeds=embeds, prompt_attention_mask=mask, generator=generator).images
    return make_grid(images, PREVIEWS, 1, row_labels=["real", f"seed {seed}", f"seed {seed + 1}"])


class DiffusionStageTrainer(StageTrainer):
    """Trains a `UNet2DConditionModel` on latents, which are encoded once (and once mirrored).

    Args:
        stage: settings of the stage.
        objective: what the network predicts.
        vae: of stage 1, frozen.
        unet: the network; see `build_text_unet`.
        tokenizer, text_encoder: frozen.
        max_length: tokens of a caption that are read.
        image_size: side of the images before they were padded.
        background: colour behind them.
        mirrored: whether mirrored images are learned as well.
        options: those of `StageTrainer`.
    """

    name, number = "pokemon-stage2", 2

    def __init__(
        self,
        stage: DiffusionStageConfig,
        objective: ObjectiveConfig,
        vae: TextConditionedVAE,
        unet: UNet2DConditionModel,
        tokenizer: Any,
        text_encoder: Any,
        max_length: int,
        image_size: int,
        background: str,
        mirrored: bool,
        **options: Any,
    ):
        self.stage, self.vae, self.unet = stage, vae, unet
        self.tokenizer, self.text_encoder, self.max_length = tokenizer, text_encoder, max_length
        self.image_size, self.background, self.objective_config = image_size, background, objective
        super().__init__(model=unet, **options)
        device = self.accelerator.device
        self.objective = self._build_objective()
        encoded = encode_split(vae, self.train, device, mirrored)
        channels = encoded[0].movedim(1, -1).flatten(0, -2).double()
        self.latent_mean, self.latent_std = channels.mean(0).tolist(), channels.std(0).clamp(min=1e-3).tolist()
        self.train_latents = torch.stack([self._normalized(version) for version in encoded])
        self.validation_latents = self._normalized(encode_split(vae, self.validation, device, False)[0])
        clamped = float((self.train_latents.abs() >= stage.latent_clamp).float().mean())
        self._say(
            f"latents {tuple(self.validation_latents.shape[1:])}: {clamped:.2%} at the clamp of {stage.latent_clamp}"
        )
        self.text_mean, self.text_std = self.train.text_statistics()
        with torch.no_grad():
            self.no_text = encode_prompts(tokenizer, text_encoder.to(device).eval(), [""], max_length, device)

    def training_step(self, micro_step: int) -> torch.Tensor:
        rows, generator = self.draw(micro_step)
        versions = torch.randint(len(self.train_latents), (len(rows),), generator=generator)
        dropped = torch.rand(len(rows), generator=generator) < self.stage.caption_dropout
        embeds, mask = self._text(self.train, rows, dropped, generator)
        latents = self.train_latents[versions, torch.from_numpy(rows)]
        return self._loss(latents, embeds, mask, int(generator.initial_seed()) + 1, self.model)

    def validation_figures(self, rows: np.ndarray) -> dict[str, float]:
        embeds, mask = self._text(self.validation, rows, torch.zeros(len(rows), dtype=torch.bool))
        latents = self.validation_latents[torch.from_numpy(rows)]
        return {"loss": float(self._loss(latents, embeds, mask, int(rows[0]), self.unet))}

    def preview(self) -> Image.Image:
        """A held-out caption in each column; two seeds below one another, under the real sprites."""
        return preview_grid(self.pipeline(), self.validation.arrays, self.image_size, self.config.seed)

    def save(self, directory: Path) -> None:
        hub.export(self.pipeline(), directory)
        self.write_facts(directory)

    def pipeline(self) -> PokemonLDMPipeline:
        """The pipeline around the network as it is now."""
        drawn = self.vae.config.sample_size
        return PokemonLDMPipeline(
            self.vae,
            self.unet,
            self.text_encoder,
            self.tokenizer,
            self.objective.sampling_scheduler(),
            latent_mean=self.latent_mean,
            latent_std=self.latent_std,
            text_mean=self.text_mean,
            text_std=self.text_std,
            max_length=self.max_length,
            background=list(parse_color(self.background)),
            image_size=self.image_size if self.image_size != drawn else None,
            default_num_inference_steps=self.objective_config.num_inference_steps,
            default_guidance_scale=self.stage.guidance_scale,
        )

    # ---- parts --------------------------------------------------------------------------------------------------

    def _build_objective(self) -> Objective:
        options = asdict(self.objective_config)
        options.pop("num_inference_steps")
        return build_objective(**options, clip_range=self.stage.latent_clamp)

    def _normalized(self, latents: torch.Tensor) -> torch.Tensor:
        limit = self.stage.latent_clamp
        return normalize_latents(latents, self.latent_mean, self.latent_std).clamp(-limit, limit)

    def _text(
        self, split: CaptionedSplit, rows: np.ndarray, dropped: torch.Tensor, generator: torch.Generator | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Hidden states and masks of captions, those that are dropped replaced by those of no text."""
        device = self.accelerator.device
        embeds, mask = split.text(rows, device, generator)
        gone = dropped.to(device)[:, None]
        return torch.where(gone[..., None], self.no_text[0].float(), embeds), torch.where(gone, self.no_text[1], mask)

    def _loss(
        self, latents: torch.Tensor, embeds: torch.Tensor, mask: torch.Tensor, seed: int, model: torch.nn.Module
    ) -> torch.Tensor:
        device = self.accelerator.device
        corrupted = self.objective.corrupt(latents.to(device), torch.Generator(device).manual_seed(seed))
        prediction = model(
            corrupted.sample,
            corrupted.timesteps,
            embeds,
            class_labels=text_direction(embeds, mask, self.text_mean, self.text_std),
            encoder_attention_mask=mask,
            return_dict=False,
        )[0]
        return self.objective.loss(prediction, corrupted)
