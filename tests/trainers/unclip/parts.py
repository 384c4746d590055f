"""A CLIP of random weights that claims to know the data, and settings of a training of seconds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from sprite_diffusers.data import SpriteArrays
from sprite_diffusers.models.autoencoders import FACTS_FILE
from sprite_diffusers.models.clip import build_clip, save_clip
from sprite_diffusers.models.text_training import train_wordpiece
from sprite_diffusers.trainers.config import TrainerConfig
from sprite_diffusers.trainers.stages import StagesConfig
from sprite_diffusers.trainers.unclip.data import load_unclip_data
from sprite_diffusers.trainers.unclip.run import UnclipSettings
from sprite_diffusers.trainers.unclip.settings import (
    DecoderStageConfig,
    PriorStageConfig,
    SuperResStageConfig,
    UnclipDataConfig,
)

WIDTH, TOKENS = 32, 12


def save_tiny_clip(folder: Path, data: UnclipDataConfig, architecture: str = "clip", width: int = WIDTH) -> Path:
    """A CLIP as `fit_clip` leaves it, untrained, for the data of `data`; returns `folder`."""
    dataset = load_unclip_data(data, 0)
    torch.manual_seed(0)
    clip = build_clip(
        train_wordpiece(SpriteArrays.from_dataset(dataset["train"]).texts, 200, TOKENS),
        architecture=architecture,
        image_size=16,
        patch_size=8,
        block_out_channels=[32],
        text_hidden_size=WIDTH,
        max_length=TOKENS,
        projection_dim=width,
    )
    save_clip(clip, folder)
    (folder / FACTS_FILE).write_text(json.dumps({"data_fingerprint": dataset.report.fingerprint}))
    return folder


def settings(data: UnclipDataConfig, output: Path, stage: str = "all", **changes: Any) -> UnclipSettings:
    """A few steps of each stage; `changes` are of any of the settings."""

    def of(cls: type, **defaults: Any) -> Any:
        own = {name: value for name, value in changes.items() if name in cls.__dataclass_fields__}  # type: ignore[attr-defined]
        return cls(**{**defaults, **own})

    return UnclipSettings(
        trainer=of(TrainerConfig, output_dir=str(output), max_train_steps=4, checkpointing_steps=100, validation_steps=100,
                   preview_steps=100, num_cpu_threads=1, use_ema=False, experiment_name="unCLIP"),
        data=data,
        stage1=of(PriorStageConfig, stage1_epochs=1.0, stage1_batch_size=16, prior_num_layers=1, prior_num_heads=2,
                  prior_head_dim=16, prior_num_inference_steps=2),
        stage2=of(DecoderStageConfig, stage2_epochs=1.0, stage2_batch_size=16, decoder_block_out_channels=[16, 16], decoder_attention_levels=[1],
                  decoder_context_dim=16, num_inference_steps=2),
        stage3=of(SuperResStageConfig, stage3_epochs=1.0, stage3_batch_size=16, super_res_block_out_channels=[16],
                  super_res_num_inference_steps=2),
        stages=of(StagesConfig, stage=stage),
    )  # fmt: skip
