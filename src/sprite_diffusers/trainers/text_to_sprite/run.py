"""The three stages one after the other: each finds what the one before it left."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState

from ... import hub
from ...data.captions import CaptionedDataset
from ...errors import SpriteError
from ...evaluation.text_reference import JUDGE_FOLDER
from ...models import load_text_encoder, train_text_encoder
from ...models.clip import load_clip
from ...models.perceptual import build_perceptual
from ...models.text_vae import TextConditionedVAE
from ...objectives import Objective, build_objective
from ...pipelines import PokemonLDMPipeline
from ..base import FitResult
from ..checkpoints import list_checkpoints
from ..clip import fit_stage_clip
from ..clip_data import load_captions
from ..config import ObjectiveConfig, TrainerConfig
from .alignment_stage import AlignmentStageTrainer
from .choose import ALIGNMENT_FILE, choose_text_encoder
from .data import build_image_augmentation, captioned_split, save_splits
from .diffusion_stage import DiffusionStageTrainer, build_text_unet
from .settings import (
    STAGE_FIELDS,
    AlignmentStageConfig,
    CaptionDataConfig,
    DiffusionStageConfig,
    StagesConfig,
    TextConfig,
    VAEStageConfig,
)
from .vae_stage import FACTS_FILE, VAEStageTrainer


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


class _Run:
    """One call of `fit_pokemon`.

    Args:
        settings: all of them.
        dataset: loaded.
    """

    def __init__(self, settings: PokemonSettings, dataset: CaptionedDataset):
        self.settings, self.dataset = settings, dataset
        name = settings.trainer.run_name or "pokemon"
        self.folder = Path(settings.trainer.output_dir or Path("outputs") / name)
        self.name, self.device = name, PartialState().device
        self.is_main = PartialState().is_main_process
        self.image_size = dataset.report.image_size
        self.wanted = ("1", "2", "3") if settings.stages.stage == "all" else (settings.stages.stage,)
        self._check_settings()
        self._check_folder()

    def fit(self) -> Path | None:
        if self.is_main:
            save_splits(self.dataset, self.folder)
        self.tokenizer, self.text_encoder = self._text_encoder()
        for number in self.wanted:
            result = {"1": self._stage1, "2": self._stage2, "3": self._stage3}[number]()
            if result is not None and result.status == "interrupted":
                return None
        trainer = self.settings.trainer
        if trainer.push_to_hub and self.is_main:
            print(f"uploaded: {hub.push(self.folder, str(trainer.hub_model_id), trainer.hub_private)}")
        return self.folder

    # ---- stages -------------------------------------------------------------------------------------------------

    def _stage1(self) -> FitResult | None:
        stage, folder = self.settings.stage1, self.folder / "stage1"
        if self._is_finished(folder):
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
            config=self._trainer_config(1, stage.stage1_minutes, stage.stage1_epochs, folder),
            settings=groups | self._shared_facts(),
            augmentation=build_image_augmentation(self.settings.data),
            **self._splits(vae.config.sample_size),
        ).fit()

    def _stage2(self) -> FitResult | None:
        stage, folder = self.settings.stage2, self.folder / "stage2"
        if self._is_finished(folder):
            return None
        source = Path(self.settings.stages.stage1_model or self.folder / "stage1")
        self._check_stage(source, 1)
        vae = TextConditionedVAE.from_pretrained(str(source)).requires_grad_(False).eval()
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
            config=self._trainer_config(2, stage.stage2_minutes, stage.stage2_epochs, folder),
            settings=groups | self._shared_facts(),
            **self._splits(vae.config.sample_size),
        ).fit()
        if result.status == "finished" and self.is_main:
            self._publish(folder)
        return result

    def _stage3(self) -> FitResult | None:
        stage, folder = self.settings.stage3, self.folder / "stage3"
        source = Path(self.settings.stages.stage2_model or self.folder / "stage2")
        self._check_stage(source, 2)
        finished, result = self._is_finished(folder), None
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
                config=self._trainer_config(3, stage.stage3_minutes, stage.stage3_epochs, folder),
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
        if config.text_encoder == "train":
            source = folder
            if self.is_main and not (folder / "config.json").is_file():
                train_text_encoder(
                    list(self.dataset["train"]["text"][:]),
                    folder,
                    hidden_size=config.text_hidden_size,
                    num_layers=config.text_num_layers,
                    max_length=config.max_length,
                    max_train_steps=None if config.text_minutes else 0,
                    max_train_minutes=config.text_minutes or None,
                    seed=self.settings.trainer.seed,
                    validation=list(self.dataset["validation"]["text"][:]),
                )
            PartialState().wait_for_everyone()
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

    def _trainer_config(self, number: int, minutes: float | None, epochs: float | None, folder: Path) -> TrainerConfig:
        """The settings of the loop with those of a stage in their places."""
        if minutes is None and epochs is None:
            raise SpriteError(
                f"stage {number} has no limit: give --stage{number}_epochs, --stage{number}_minutes, or both."
            )
        stage = getattr(self.settings, f"stage{number}")
        return replace(
            self.settings.trainer,
            output_dir=str(folder),
            run_name=f"{self.name}-stage{number}",
            max_train_minutes=minutes,
            num_train_epochs=epochs,
            train_batch_size=getattr(stage, f"stage{number}_batch_size"),
            learning_rate=getattr(stage, f"stage{number}_learning_rate"),
            resume_from_checkpoint="latest" if self.settings.stages.resume and list_checkpoints(folder) else None,
        )

    def _is_finished(self, folder: Path) -> bool:
        """Whether `--resume` can pass over a stage."""
        finished = self.settings.stages.resume and (folder / FACTS_FILE).is_file()
        if finished and self.is_main:
            print(f"{folder} is finished: passed over.")
        return finished

    def _check_settings(self) -> None:
        """Refuses settings that would do nothing."""
        trainer, plain = self.settings.trainer, TrainerConfig()
        for name, own in STAGE_FIELDS.items():
            value = getattr(trainer, name)
            if value not in (None, getattr(plain, name)):
                raise SpriteError(f"--{name} {value}: each stage has its own; give --stage1_{own} and the like.")
        if trainer.resume_from_checkpoint is not None:
            raise SpriteError(
                f"--resume_from_checkpoint {trainer.resume_from_checkpoint}: give --resume, for the stage that was interrupted."
            )
        if trainer.push_to_hub and self.wanted == ("1",):
            raise SpriteError("--push_to_hub with --stage 1: it makes an autoencoder, and no pipeline to upload.")

    def _check_folder(self) -> None:
        """Refuses to train over what is there, unless that is to be resumed or replaced."""
        trainer, stages = self.settings.trainer, self.settings.stages
        for number in self.wanted:
            folder = self.folder / f"stage{number}"
            taken = (folder / FACTS_FILE).is_file() or list_checkpoints(folder)
            if taken and not (stages.resume or trainer.overwrite_output_dir):
                raise SpriteError(
                    f"{folder} already holds a stage: go on by --resume, replace it by --overwrite_output_dir, or choose "
                    "another --output_dir."
                )

    def _check_stage(self, folder: Path, number: int) -> None:
        """Refuses a folder that does not hold stage `number` of this data and text encoder."""
        flag = f"--stage{number}_model"
        file = folder / FACTS_FILE
        if not file.is_file():
            raise SpriteError(
                f"{folder} does not hold stage {number}: train it first (--stage {number}), or give {flag}."
            )
        facts = json.loads(file.read_text(encoding="utf-8"))
        if facts.get("stage") != number:
            raise SpriteError(f"{folder} holds stage {facts.get('stage')}, but {flag} must be one of stage {number}.")
        if facts.get("data_fingerprint") != self.dataset.report.fingerprint:
            raise SpriteError(
                f"{folder} was trained on other data or another split ({str(facts.get('data_fingerprint'))[:16]}) than this "
                f"({self.dataset.report.fingerprint[:16]}): what is held out now may have been learned there."
            )
        if facts.get("text") != asdict(self.settings.text):
            raise SpriteError(f"{folder} was trained with another text encoder: {facts.get('text')}.")

    def _publish(self, stage_folder: Path) -> None:
        """The pipeline of a stage as the one of the run."""
        facts = json.loads((stage_folder / FACTS_FILE).read_text(encoding="utf-8"))
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
