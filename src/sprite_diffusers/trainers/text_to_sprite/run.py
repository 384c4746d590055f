"""The three stages one after the other: each finds what the one before it left."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch

from ... import hub
from ...data.captions import CaptionedDataset
from ...evaluation.text_reference import JUDGE_FOLDER
from ...models import load_text_encoder, train_text_encoder
from ...models.clip import load_clip
from ...models.perceptual import build_perceptual
from ...models.text_encoders import TRAIN, TRAIN_LSTM
from ...models.text_vae import TextConditionedVAE
from ...objectives import Objective, build_objective
from ...pipelines import PokemonLDMPipeline
from ..base import FitResult
from ..clip import fit_stage_clip
from ..clip_data import load_captions
from ..config import ObjectiveConfig, TrainerConfig
from ..machine import launched_state
from ..stages import StagedRun, StagesConfig, read_stage_facts
from .alignment_stage import AlignmentStageTrainer
from .choose import ALIGNMENT_FILE, choose_text_encoder
from .data import build_image_augmentation, captioned_split, save_splits
from .diffusion_stage import DiffusionStageTrainer, build_text_unet
from .settings import (
    AlignmentStageConfig,
    CaptionDataConfig,
    DiffusionStageConfig,
    TextConfig,
    VAEStageConfig,
)
from .vae_stage import VAEStageTrainer


@dataclass(frozen=True)
class PokemonSettings:
    """All settings of the three stages."""

    trainer: TrainerConfig
    data: CaptionDataConfig
    text: TextConfig
    stage1: VAEStageConfig
    stage2: DiffusionStageConfig
    objective: ObjectiveConfig
    stage3: AlignmentStageConfig
    stages: StagesConfig


def fit_pokemon(settings: PokemonSettings) -> Path | None:
    """Trains the stages asked for: all that the launch script needs.

    Returns:
        The folder of the pipeline; `None` if only the data was described, or a signal stopped a stage.

    Raises:
        SpriteError: bad settings or data, or a stage whose predecessor is missing or of another kind.
    """
    dataset = load_captions(settings.data, settings.trainer.seed)
    if settings.data.data_stats:
        print(dataset.report.summary())
        return None
    return _Run(settings, dataset).fit()


class _Run(StagedRun):
    """One call of `fit_pokemon`.

    Args:
        settings: all of them.
        dataset: loaded.
    """

    name = "pokemon"
    must_agree: ClassVar[dict[str, str]] = {"text": "text encoder"}

    def __init__(self, settings: PokemonSettings, dataset: CaptionedDataset):
        self.settings, self.dataset = settings, dataset
        self.image_size = dataset.report.image_size
        stages = (settings.stage1, settings.stage2, settings.stage3)
        super().__init__(settings.trainer, settings.stages, stages, dataset.report.fingerprint)

    def prepare(self) -> None:
        if self.is_main:
            save_splits(self.dataset, self.folder)
        self.tokenizer, self.text_encoder = self._text_encoder()

    def train_stage(self, number: str) -> FitResult | None:
        return {"1": self._stage1, "2": self._stage2, "3": self._stage3}[number]()

    def agreed_facts(self) -> dict[str, Any]:
        return {"text": asdict(self.settings.text)}

    # ---- stages -------------------------------------------------------------------------------------------------

    def _stage1(self) -> FitResult | None:
        stage = self.settings.stage1
        if self.is_finished("1"):
            return None
        factor = stage.vae_patch_size * 2 ** (len(stage.vae_block_out_channels) - 1)
        torch.manual_seed(self.settings.trainer.seed)
        vae = TextConditionedVAE(
            in_channels=3,
            sample_size=-(-self.image_size // factor) * factor,
            block_out_channels=stage.vae_block_out_channels,
            layers_per_block=stage.vae_layers_per_block,
            latent_channels=stage.vae_latent_channels,
            patch_size=stage.vae_patch_size,
            cross_attention_dim=self.text_encoder.config.hidden_size,
        )
        perceptual = build_perceptual(stage.perceptual, stage.perceptual_model)
        groups = {"stage1": {**asdict(stage), "perceptual_network": None if perceptual is None else perceptual.name}}
        return VAEStageTrainer(
            stage,
            perceptual,
            vae=vae,
            config=self.loop_config("1"),
            settings=groups | self._shared_facts(),
            augmentation=build_image_augmentation(self.settings.data),
            **self._splits(vae.config.sample_size),
        ).fit()

    def _stage2(self) -> FitResult | None:
        stage = self.settings.stage2
        if self.is_finished("2"):
            return None
        vae = TextConditionedVAE.from_pretrained(str(self.stage_source("1"))).requires_grad_(False).eval()
        torch.manual_seed(self.settings.trainer.seed)
        latent_size = vae.config.sample_size // (vae.config.patch_size * 2 ** (len(vae.config.block_out_channels) - 1))
        unet = build_text_unet(stage, vae.config.latent_channels, latent_size, self.text_encoder.config.hidden_size)
        groups = {"stage2": asdict(stage), "objective": asdict(self.settings.objective)}
        result = DiffusionStageTrainer(
            stage,
            self.settings.objective,
            vae,
            unet,
            self.tokenizer,
            self.text_encoder,
            self.settings.text.max_length,
            self.image_size,
            self.settings.data.background,
            self.settings.data.random_flip,
            config=self.loop_config("2"),
            settings=groups | self._shared_facts(),
            **self._splits(vae.config.sample_size),
        ).fit()
        if result.status == "finished" and self.is_main:
            self._publish(self.stage_folder("2"))
        return result

    def _stage3(self) -> FitResult | None:
        stage, folder, source = self.settings.stage3, self.stage_folder("3"), self.stage_source("2")
        finished, result = self.is_finished("3"), None
        if finished and (self.folder / ALIGNMENT_FILE).is_file():
            return None
        if not finished:
            clip_folder = fit_stage_clip(
                stage.clip, stage.clip_minutes, self.dataset, self.settings, self.folder / "clip"
            )
            pipeline = PokemonLDMPipeline.from_pretrained(str(source))
            result = AlignmentStageTrainer(
                stage,
                pipeline,
                self._objective(),
                load_clip(clip_folder),
                self.image_size,
                config=self.loop_config("3"),
                settings={"stage3": asdict(stage)} | self._shared_facts(),
                **self._splits(pipeline.vae.config.sample_size),
            ).fit()
            if result.status == "interrupted":
                return result
        judge = fit_stage_clip(
            stage.clip, stage.clip_minutes, self.dataset, self.settings, self.folder / JUDGE_FOLDER, judge=True
        )
        if self.is_main:
            better = choose_text_encoder(source, folder, load_clip(judge), self.dataset["validation"], self.folder)
            self._publish(better)
        return result

    # ---- parts --------------------------------------------------------------------------------------------------

    def _text_encoder(self) -> tuple[Any, Any]:
        """Tokenizer and encoder, frozen; one trained on the captions is kept in ``<output_dir>/text``."""
        config, folder = self.settings.text, self.folder / "text"
        source: str | Path = config.text_encoder
        if config.text_encoder in (TRAIN, TRAIN_LSTM):
            source = folder
            if self.is_main and not (folder / "config.json").is_file():
                train_text_encoder(
                    list(self.dataset["train"]["text"][:]),
                    folder,
                    architecture="bert" if config.text_encoder == TRAIN else "lstm",
                    hidden_size=config.text_hidden_size,
                    num_layers=config.text_num_layers,
                    max_length=config.max_length,
                    max_train_steps=None if config.text_minutes else 0,
                    max_train_minutes=config.text_minutes or None,
                    seed=self.settings.trainer.seed,
                    validation=list(self.dataset["validation"]["text"][:]),
                )
            launched_state().wait_for_everyone()
        tokenizer, text_encoder = load_text_encoder(source)
        return tokenizer, text_encoder.requires_grad_(False).eval()

    def _splits(self, size: int) -> dict[str, Any]:
        arguments = (self.tokenizer, self.text_encoder, self.settings.text.max_length, size, self.device)
        data = self.settings.data
        varied = {"versions": data.caption_versions, "max_sentences": data.max_sentences}
        train = captioned_split(self.dataset, "train", *arguments, **varied, seed=self.settings.trainer.seed)
        validation = captioned_split(self.dataset, "validation", *arguments)
        return {"train": train, "validation": validation, "report": self.dataset.report}

    def _shared_facts(self) -> dict[str, Any]:
        return {"data": asdict(self.settings.data), "text": asdict(self.settings.text)}

    def _objective(self) -> Objective:
        options = asdict(self.settings.objective)
        options.pop("num_inference_steps")
        return build_objective(**options, clip_range=self.settings.stage2.latent_clamp)

    def _publish(self, stage_folder: Path) -> None:
        """The pipeline of a stage as the one of the run."""
        facts = read_stage_facts(stage_folder)
        report, name = self.dataset.report, self.settings.trainer.hub_model_id or self.folder.resolve().name
        card = hub.model_card(
            "pokemon_ldm",
            model_name=name.split("/")[-1],
            dataset=Path(self.settings.data.dataset).name,
            results={},
            tags=["text-to-image"],
            repo_id=name,
            image_size=self.image_size,
            num_train=report.split_sizes["train"],
            num_held_out=report.num_images - report.split_sizes["train"],
            text_encoder=self.settings.text.text_encoder,
            max_length=self.settings.text.max_length,
            stage=facts["stage"],
        )
        hub.export(PokemonLDMPipeline.from_pretrained(str(stage_folder)), self.folder, card)
        if (stage_folder / "samples.png").is_file():
            shutil.copyfile(stage_folder / "samples.png", self.folder / "samples.png")
        print(f"pipeline: {self.folder} (of {stage_folder.name})")
