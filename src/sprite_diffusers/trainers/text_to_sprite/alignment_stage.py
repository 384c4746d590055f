"""Stage 3: the text encoder is tuned to say what a CLIP sees, while autoencoder and denoiser stay as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from ... import hub
from ...models.clip import LoadedClip
from ...objectives import Objective
from ...pipelines import PokemonLDMPipeline
from ...pipelines.sprite_io import normalize_latents, per_channel, text_direction
from ..stage_trainer import StageTrainer
from .diffusion_stage import encode_split, preview_grid
from .settings import AlignmentStageConfig

RECONSTRUCTED = 4  # images of a batch that are decoded: at full size they cost more than all the rest


class AlignmentLoss(torch.nn.Module):
    """The text encoder with its loss, as one module, so that it can be wrapped for several processes.

    Args:
        text_encoder: is trained.
        clip_width: length of the CLIP's features.
        pipeline: holds the frozen autoencoder and denoiser.
        objective: what the denoiser predicts.
        consistency_weight: of what those two lose.
    """

    def __init__(
        self,
        text_encoder: Any,
        clip_width: int,
        pipeline: PokemonLDMPipeline,
        objective: Objective,
        consistency_weight: float,
    ):
        super().__init__()
        self.text_encoder = text_encoder
        self.projection = torch.nn.Linear(text_encoder.config.hidden_size, clip_width)
        self.logit_scale = torch.nn.Parameter(torch.tensor(2.659))  # log(1 / 0.07), https://arxiv.org/abs/2103.00020
        self.objective, self.consistency_weight = objective, consistency_weight
        self._frozen = [pipeline]  # in a list, so that it is neither trained, averaged nor saved

    def forward(
        self,
        tokens: dict[str, torch.Tensor],
        features: torch.Tensor,
        latents: torch.Tensor,
        images: torch.Tensor,
        noise: torch.Generator,
    ) -> dict[str, torch.Tensor]:
        """Losses, scalars, by name; ``"loss"`` is their weighted sum.

        Args:
            tokens: ``input_ids`` and ``attention_mask``, ``(batch, tokens)``.
            features: of the images by the CLIP, ``(batch, clip_width)``, of unit length.
            latents: normalised, ``(batch, channels, height, width)``.
            images: ``(batch, 3, H, W)`` in ``[-1, 1]``; the first few are decoded.
            noise: on the device, of the diffusion.
        """
        pipeline = self._frozen[0]
        embeds = self.text_encoder(**tokens).last_hidden_state
        mask = tokens["attention_mask"]
        pooled = (embeds * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
        logits = (
            self.logit_scale.exp().clamp(max=100) * F.normalize(self.projection(pooled).float(), dim=1) @ features.T
        )
        target = torch.arange(len(logits), device=logits.device)
        contrast = (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
        corrupted = self.objective.corrupt(latents, noise)
        direction = text_direction(embeds, mask, pipeline.config.text_mean, pipeline.config.text_std)
        prediction = pipeline.unet(
            corrupted.sample,
            corrupted.timesteps,
            embeds,
            class_labels=direction,
            encoder_attention_mask=mask,
            return_dict=False,
        )[0]
        few = slice(0, RECONSTRUCTED)
        mean, std = (per_channel(pipeline.config[name], latents) for name in ("latent_mean", "latent_std"))
        decoded = pipeline.vae.decode(latents[few] * std + mean, embeds[few], mask[few], return_dict=False)[0]
        parts = {
            "clip": contrast,
            "denoising": self.objective.loss(prediction, corrupted),
            "reconstruction": (decoded.float() - images[few]).abs().mean(),
        }
        return {"loss": contrast + self.consistency_weight * (parts["denoising"] + parts["reconstruction"]), **parts}


class AlignmentStageTrainer(StageTrainer):
    """Tunes the text encoder of a pipeline.

    Args:
        stage: settings of the stage.
        pipeline: of stage 2; its text encoder is changed in place.
        objective: what its denoiser predicts.
        clip: frozen.
        image_size: side of the images before they were padded.
        options: those of `StageTrainer`.
    """

    name, number = "pokemon-stage3", 3

    def __init__(
        self,
        stage: AlignmentStageConfig,
        pipeline: PokemonLDMPipeline,
        objective: Objective,
        clip: LoadedClip,
        image_size: int,
        **options: Any,
    ):
        self.stage, self.pipeline, self.image_size = stage, pipeline, image_size
        for part in (pipeline.unet, pipeline.vae):
            part.requires_grad_(False).eval()
        pipeline.text_encoder.requires_grad_(True)
        clip_width = clip.image_features(torch.zeros(1, 3, image_size, image_size)).shape[1]
        loss = AlignmentLoss(pipeline.text_encoder, clip_width, pipeline, objective, stage.consistency_weight)
        super().__init__(model=loss, **options)
        device = self.accelerator.device
        pipeline.to(device)
        splits = {"train": self.train, "validation": self.validation}
        self.features = {name: self._image_features(clip, split.arrays.pixels) for name, split in splits.items()}
        self.latents = {name: self._latents(split, device) for name, split in splits.items()}
        self.tokens = {name: self._tokens(split.arrays.texts) for name, split in splits.items()}

    def training_step(self, micro_step: int) -> torch.Tensor:
        rows, _, generator = self.batch(micro_step)
        return self.model(*self._inputs("train", rows, int(generator.initial_seed())))["loss"]

    def validation_figures(self, rows: np.ndarray) -> dict[str, float]:
        parts = self.raw_model(*self._inputs("validation", rows, int(rows[0])))
        return {name: float(value) for name, value in parts.items()}

    def preview(self) -> Image.Image:
        return preview_grid(self.pipeline, self.validation.arrays, self.image_size, self.config.seed)

    def save(self, directory: Path) -> None:
        hub.export(self.pipeline, directory)
        self.write_facts(directory)

    # ---- parts --------------------------------------------------------------------------------------------------

    def _inputs(self, split: str, rows: np.ndarray, seed: int) -> tuple[Any, ...]:
        device, index = self.accelerator.device, torch.from_numpy(rows)
        tokens = {name: values[index].to(device) for name, values in self.tokens[split].items()}
        arrays = (self.train if split == "train" else self.validation).arrays
        images = arrays.batch(rows[:RECONSTRUCTED])[0].to(device)
        noise = torch.Generator(device).manual_seed(seed)
        return tokens, self.features[split][index].to(device), self.latents[split][index].to(device), images, noise

    @torch.no_grad()
    def _image_features(self, clip: LoadedClip, pixels: np.ndarray) -> torch.Tensor:
        margin = (pixels.shape[1] - self.image_size) // 2
        cut = pixels[:, margin : margin + self.image_size, margin : margin + self.image_size, :3]
        parts = [
            clip.image_features(torch.from_numpy(cut[start : start + 32]).permute(0, 3, 1, 2).float() / 255).cpu()
            for start in range(0, len(cut), 32)
        ]
        return torch.cat(parts)

    def _latents(self, split: Any, device: Any) -> torch.Tensor:
        config = self.pipeline.config
        encoded = encode_split(self.pipeline.vae, split, device, mirrored=False)[0]
        return normalize_latents(encoded, config.latent_mean, config.latent_std)

    def _tokens(self, texts: list[str]) -> dict[str, torch.Tensor]:
        encoded = self.pipeline.tokenizer(
            texts,
            max_length=self.pipeline.config.max_length,
            padding="max_length",
            truncation=True,
            return_tensors="pt",
        )
        return {name: encoded[name] for name in ("input_ids", "attention_mask")}
