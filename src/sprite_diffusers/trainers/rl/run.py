"""One tuning by rewards, from settings to a folder with a LoRA and its card: all that ``training/train_rl.py`` needs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from diffusers import DiffusionPipeline
from huggingface_hub import ModelCard

from ... import hub
from ...errors import SpriteError
from ...rewards import Calibration
from ..base import FitResult
from ..config import TrainerConfig
from ..machine import launched_state
from .card import lora_card
from .settings import RewardConfig, RLConfig, build_rewards
from .study.outputs import results_table
from .study.prompts import hold_out, load_prompts
from .trainer import RLTask, RLTrainer


@dataclass
class PromptConfig:
    """What is tuned, and the prompts."""

    pipeline: str = field(
        default="",
        metadata={"help": "Folder or Hub id of the pipeline to tune: class-conditional, text to sprite, unCLIP."},
    )
    base_precision: Literal["float32", "bfloat16", "float16"] = field(
        default="float32", metadata={"help": "Of the frozen models; the LoRA is always float32."}
    )
    prompts: str | None = field(
        default=None,
        metadata={
            "help": "A text file of a prompt a line, a .parquet, .csv or .jsonl file, 'synthetic', a folder of captioned "
            "sprites, or a Hub id such as poloclub/diffusiondb; the classes of a class-conditional pipeline if not given."
        },
    )
    prompt_column: str | None = field(
        default=None, metadata={"help": "Column of a table of prompts; 'prompt' or 'text' if not given."}
    )
    max_prompts: int | None = field(default=None, metadata={"help": "Most prompts to take, at random."})
    validation_share: float = field(
        default=0.2, metadata={"help": "Share of the prompts to train on that is held out for early stopping."}
    )

    group_threshold: float = field(
        default=0.8,
        metadata={"help": "Prompts at least this similar are near-duplicates, and stay on one side of a split."},
    )

    def __post_init__(self) -> None:
        if not self.pipeline:
            raise SpriteError("--pipeline is missing: give the folder or Hub id of what is to be tuned.")
        if self.max_prompts is not None and self.max_prompts < 2:
            raise SpriteError(f"--max_prompts is {self.max_prompts}, but must be 2 or more.")


@dataclass(frozen=True)
class RLSettings:
    """All settings of one tuning."""

    trainer: TrainerConfig
    rl: RLConfig
    rewards: RewardConfig
    source: PromptConfig


def fit_rl(settings: RLSettings) -> FitResult:
    """Loads pipeline, rewards and prompts, tunes, and writes the LoRA with its card.

    Raises:
        SpriteError: bad settings, prompts or rewards; nothing has been written then.
    """
    device = launched_state().device
    pipeline = load_base(settings.source)
    rewards, untrained = build_rewards(settings.rewards, device)
    train, held_out = _prompts(settings.source, pipeline, settings.trainer.seed)
    known = settings.rewards.calibration
    task = RLTask(
        pipeline,
        rewards,
        settings.rewards.reward_weights,
        untrained,
        train,
        held_out,
        None if known is None else Calibration.load(known),
        base=settings.source.pipeline,
    )
    trainer = RLTrainer(without_ema(settings.trainer), settings.rl, task)
    result = trainer.fit()
    if trainer.accelerator.is_main_process and result.status == "finished":
        _card(settings, trainer).save(result.output_dir / "README.md")
        print(f"LoRA:    {result.output_dir}")
        print(f"samples: {result.samples}")
        if settings.trainer.push_to_hub:
            print(
                f"uploaded: {hub.push(result.output_dir, str(settings.trainer.hub_model_id), settings.trainer.hub_private)}"
            )
    return result


def _card(settings: RLSettings, trainer: RLTrainer) -> ModelCard:
    """Figures are of the prompts that early stopping looked at, and say so."""
    base, tuned, weights = (
        trainer.base_evaluation,
        trainer.evaluation,
        dict(zip(trainer.reward_names, trainer.weights, strict=True)),
    )
    before, after = trainer.figures(base), trainer.figures(tuned)
    watching = settings.rewards.untrained_reward
    table = results_table(
        base.rewards, tuned.rewards, base.prompts, trainer.calibration, weights,
        (str(watching), base.untrained, tuned.untrained) if base.untrained else None,
        after.get("diversity"),
    )  # fmt: skip
    held_out = settings.source.prompts is not None
    return lora_card(
        settings.trainer.hub_model_id or trainer.output_dir.resolve().name,
        settings.source.pipeline,
        type(trainer.task.pipeline).__name__,
        settings.source.prompts or "classes",
        trainer.task.eval_prompts[0],
        {
            "estimator": settings.rl.estimator, "lora_rank": settings.rl.lora_rank,
            "lora_alpha": trainer.lora_config.lora_alpha, "learning_rate": settings.trainer.learning_rate, "reward_weights": weights,
        },
        {name: after[f"rewards/{name}"] - before[f"rewards/{name}"] for name in trainer.reward_names},
        table,
        judged_on=f"the {len(trainer.task.eval_prompts):,} {'held-out prompts' if held_out else 'classes'} that early stopping looked at",
        prompts=f"{len(trainer.task.train_prompts):,} {'texts' if held_out else 'classes'}",
        picture="samples.png",
        steps=trainer.state.step,
        queries=trainer.state.images,
    )  # fmt: skip


def load_base(source: PromptConfig) -> DiffusionPipeline:
    """The pipeline to tune, frozen."""
    pipeline = hub.load_pipeline(source.pipeline, dtype=getattr(torch, source.base_precision))
    for component in pipeline.components.values():
        if isinstance(component, torch.nn.Module):
            component.requires_grad_(False).eval()
    return pipeline


def without_ema(config: TrainerConfig) -> TrainerConfig:
    """An average of a LoRA over a few hundred updates lags behind what it learned."""
    return replace(config, use_ema=False)


def _prompts(source: PromptConfig, pipeline: Any, seed: int) -> tuple[list[str], list[str]]:
    """Prompts to train on and held-out ones; classes are both, with other noise."""
    if source.prompts is not None:
        prompts = load_prompts(source.prompts, source.prompt_column, source.max_prompts, seed)
        return hold_out(prompts, source.validation_share, seed, source.group_threshold)
    labels = getattr(pipeline, "labels", None)
    if labels is None:
        raise SpriteError(f"--prompts is missing: a {type(pipeline).__name__} is tuned on texts.")
    names = list(labels) or [""]
    return names, names
