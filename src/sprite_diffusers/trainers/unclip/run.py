"""The stages of an unCLIP one after the other: each finds what the one before it left."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from diffusers import PriorTransformer

from ... import hub
from ...data import SpriteDataset
from ...data.captions import CaptionedDataset
from ...data.pixels import parse_color
from ...errors import SpriteError
from ...pipelines import SpriteUnCLIPPipeline
from ..base import FitResult
from ..config import TrainerConfig
from ..stages import StagedRun, StagesConfig, read_stage_facts
from .data import build_data, load_clip_parts, load_unclip_data
from .decoder_stage import DecoderStageTrainer, build_decoder, build_text_projection, decoder_objective
from .figures import measure, write_figures
from .prior_stage import PriorStageTrainer, build_prior, prior_objective
from .settings import DecoderStageConfig, PriorStageConfig, SuperResStageConfig, UnclipDataConfig
from .super_res_stage import SuperResStageTrainer, build_super_res, super_res_objective


@dataclass(frozen=True)
class UnclipSettings:
    """All settings of the stages."""

    trainer: TrainerConfig
    data: UnclipDataConfig
    stage1: PriorStageConfig
    stage2: DecoderStageConfig
    stage3: SuperResStageConfig
    stages: StagesConfig


def fit_unclip(settings: UnclipSettings) -> Path | None:
    """Trains the stages asked for: all that the launch script needs.

    Returns:
        The folder of the pipeline; `None` if a signal stopped a stage.

    Raises:
        SpriteError: bad settings, data or CLIP, or a stage whose predecessor is missing or of another kind.
    """
    return _Run(settings, load_unclip_data(settings.data, settings.trainer.seed)).fit()


class _Run(StagedRun):
    """One call of `fit_unclip`.

    Args:
        settings: all of them.
        dataset: loaded.
    """

    name = "unclip"
    must_agree: ClassVar[dict[str, str]] = {"clip": "CLIP"}

    def __init__(self, settings: UnclipSettings, dataset: CaptionedDataset | SpriteDataset):
        self.settings, self.dataset = settings, dataset
        enlarges = settings.data.super_res_size is not None
        if settings.stages.stage == "3" and not enlarges:
            raise SpriteError("--stage 3 is super-resolution, which needs --super_res_size.")
        stages = (settings.stage1, settings.stage2, settings.stage3)
        numbers = ("1", "2", "3") if enlarges else ("1", "2")
        super().__init__(settings.trainer, settings.stages, stages, dataset.report.fingerprint, numbers)

    def prepare(self) -> None:
        data, factor = self.settings.data, 2 ** (len(self.settings.stage2.decoder_block_out_channels) - 1)
        self.parts = load_clip_parts(data.clip, self.fingerprint, self.device)
        self.identity = self.parts.clip.fingerprint
        self.data = build_data(self.dataset, data, self.parts, factor, self.device)

    def train_stage(self, number: str) -> FitResult | None:
        if self.is_finished(number):
            return None
        result = {"1": self._prior, "2": self._decoder, "3": self._super_res}[number]().fit()
        if result.status == "finished" and number != "1" and self.is_main:
            self._publish(self.stage_folder(number))
        return result

    def agreed_facts(self) -> dict[str, Any]:
        return {"clip": self.identity}

    # ---- stages -------------------------------------------------------------------------------------------------

    def _prior(self) -> PriorStageTrainer:
        torch.manual_seed(self.settings.trainer.seed)
        prior = build_prior(self.settings.stage1, self.data.train, self.parts.tokens)
        return PriorStageTrainer(self.settings.stage1, prior, self.parts, **self._options("1"))

    def _decoder(self) -> DecoderStageTrainer:
        first, stage, data = self.settings.stage1, self.settings.stage2, self.data
        prior = PriorTransformer.from_pretrained(str(self.stage_source("1"))).requires_grad_(False).eval()
        objective = decoder_objective(stage)
        torch.manual_seed(self.settings.trainer.seed)
        pipeline = SpriteUnCLIPPipeline(
            build_decoder(stage, data.channels, data.drawn_size),
            build_text_projection(stage, data.train),
            objective.sampling_scheduler(),
            prior=prior,
            prior_scheduler=prior_objective(first).sampling_scheduler(),
            background=list(parse_color(self.settings.data.background)),
            image_size=data.size
            if self.settings.data.super_res_size is None and data.size != data.drawn_size
            else None,
            binary_alpha=data.binary_alpha,
            default_num_inference_steps=stage.num_inference_steps,
            default_guidance_scale=stage.guidance_scale,
            default_prior_num_inference_steps=first.prior_num_inference_steps,
            default_prior_guidance_scale=first.prior_guidance_scale,
            default_super_res_num_inference_steps=self.settings.stage3.super_res_num_inference_steps,
            **self.parts.components,
        )
        return DecoderStageTrainer(stage, pipeline, objective, **self._options("2"))

    def _super_res(self) -> SuperResStageTrainer:
        stage, source = self.settings.stage3, self.stage_source("2")
        objective = super_res_objective(stage)
        torch.manual_seed(self.settings.trainer.seed)
        pipeline = SpriteUnCLIPPipeline.from_pretrained(
            str(source),
            super_res_first=build_super_res(stage, self.data.channels, self.data.size),
            super_res_scheduler=objective.sampling_scheduler(),
        )
        return SuperResStageTrainer(stage, pipeline, objective, **self._options("3"))

    def _options(self, number: str) -> dict[str, Any]:
        """What every stage's trainer is given."""
        groups = {
            "data_settings": asdict(self.settings.data),
            f"stage{number}": asdict(self.configs[int(number) - 1]),
            "clip": self.identity,
        }
        splits = {"train": self.data.train, "validation": self.data.validation}
        return {"config": self.loop_config(number), "settings": groups, "report": self.dataset.report, **splits}

    def _publish(self, stage_folder: Path) -> None:
        """The pipeline of a stage as the one of the run, with what it draws for held-out captions."""
        pipeline = SpriteUnCLIPPipeline.from_pretrained(str(stage_folder))
        report, name = self.dataset.report, self.settings.trainer.hub_model_id or self.folder.resolve().name
        facts, sizes = read_stage_facts(stage_folder), report.split_sizes
        card = hub.model_card(
            "sprite_unclip",
            model_name=name.split("/")[-1],
            dataset=Path(self.settings.data.dataset).name,
            results={},
            tags=["text-to-image", "unclip"],
            repo_id=name,
            image_size=pipeline.sprite_size,
            image_mode="RGBA" if self.data.channels == 4 else "RGB",
            decoder_size=self.data.drawn_size,
            example_prompt=self.data.validation.arrays.texts[0],
            num_train=sizes["train"],
            num_held_out=sum(sizes.values()) - sizes["train"],
            clip=Path(self.settings.data.clip).name,
            stage=facts["stage"],
        )
        hub.export(pipeline, self.folder, card)
        figures, drawn = measure(
            pipeline.to(self.device), self.data.validation, self.parts.clip, self.settings.data.background
        )
        write_figures(figures, drawn, self.folder)
        print(f"pipeline: {self.folder} (of {stage_folder.name})")
