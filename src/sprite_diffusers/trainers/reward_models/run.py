"""The scorers one after the other, each in its folder and its run."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

from ...data import SpriteDataset
from ...data.captions import CaptionedDataset
from ...data.degradations import DEGRADATIONS
from ...errors import SpriteError
from ...models.clip import load_clip
from ..base import FitResult
from ..checkpoints import list_checkpoints
from ..clip_data import ClipSplit, clip_splits, load_clip_data
from ..config import TrainerConfig
from .aesthetic import AestheticTrainer
from .base import RewardTrainer
from .held_out import CAPTION
from .preference import HPSTrainer, PickScoreTrainer
from .settings import KIND_FIELDS, KINDS, RewardModelSettings

MAX_SIDE = 64  # of the images that HPS's network sees: larger sprites are resized, as for a CLIP


def fit_rewards(
    settings: RewardModelSettings, dataset: CaptionedDataset | SpriteDataset | None = None
) -> dict[str, FitResult]:
    """Loads the data and trains: all that the launch script needs.

    Args:
        settings: all of them.
        dataset: the data, if it is loaded; `load_clip_data` otherwise.

    Returns:
        How the training of each scorer ended; none follows one that a signal stopped.

    Raises:
        SpriteError: bad settings or data, or a CLIP of another split; nothing has been written then.
    """
    _check_settings(settings.trainer)
    if dataset is None:
        dataset = load_clip_data(settings.data, settings.trainer.seed)
    wanted = KINDS if settings.reward.kind == "all" else (settings.reward.kind,)
    sizes: dict[int, dict[str, ClipSplit]] = {}
    trainers = {kind: _build(kind, settings, dataset, sizes) for kind in wanted}  # all, so that mistakes show first
    results: dict[str, FitResult] = {}
    for kind, trainer in trainers.items():
        results[kind] = trainer.fit()
        if results[kind].status == "interrupted":
            break
        if trainer.accelerator.is_main_process:
            print(f"{kind}: {results[kind].output_dir}\n{table(trainer.figures)}")
    return results


def table(figures: dict[str, float]) -> str:
    """Held-out figures as a table of Markdown."""
    lines = ["| worse | preferred to it | rank correlation |", "|---|---|---|"]
    for name in DEGRADATIONS:
        lines.append(f"| {name} | {100 * figures[f'accuracy_{name}']:.1f} % | {figures[f'rank_{name}']:.2f} |")
    if f"accuracy_{CAPTION}" in figures:
        lines.append(f"| another caption's | {100 * figures[f'accuracy_{CAPTION}']:.1f} % | |")
    return "\n".join(lines)


def _build(
    kind: str,
    settings: RewardModelSettings,
    dataset: CaptionedDataset | SpriteDataset,
    sizes: dict[int, dict[str, ClipSplit]],
) -> RewardTrainer:
    """The trainer of one scorer; `sizes` keeps the splits by the side of their images."""
    report, background = dataset.report, settings.data.background

    def splits(side: int) -> dict[str, ClipSplit]:
        if side not in sizes:
            sizes[side] = clip_splits(dataset, side, background)
        return sizes[side]

    config = _trainer_config(kind, settings)
    if kind == "hps":
        return HPSTrainer(
            config,
            settings,
            splits(_whole_patches(report.image_size, settings.reward.hps_patch_size)),
            report.fingerprint,
        )
    clip = load_clip(settings.reward.clip)
    clip.check_split(report.fingerprint)
    side = int(clip.model.config.vision_config.image_size)
    family = AestheticTrainer if kind == "aesthetic" else PickScoreTrainer
    return family(config, settings, clip, splits(side), report.fingerprint)


def _whole_patches(side: int, patch: int) -> int:
    """The side in pixels that a network sees: that of the sprites or the next that patches fill, 64 at most."""
    return patch * min(math.ceil(side / patch), max(MAX_SIDE // patch, 1))


def _trainer_config(kind: str, settings: RewardModelSettings) -> TrainerConfig:
    """The settings of the loop with those of a scorer in their places, and a seed of its own."""
    trainer = settings.trainer
    folder = Path(trainer.output_dir or Path("outputs") / (trainer.run_name or "rewards")) / kind
    own = {name: getattr(settings.reward, f"{kind}_{field}") for name, field in KIND_FIELDS.items()}
    return replace(
        trainer,
        **own,
        output_dir=str(folder),
        run_name=f"{trainer.run_name or 'rewards'}-{kind}",
        seed=trainer.seed + 1 + KINDS.index(kind),
        resume_from_checkpoint="latest" if trainer.resume_from_checkpoint and list_checkpoints(folder) else None,
    )


def _check_settings(trainer: TrainerConfig) -> None:
    """Refuses settings that would do nothing."""
    plain = TrainerConfig()
    for name, own in KIND_FIELDS.items():
        value = getattr(trainer, name)
        if value not in (None, getattr(plain, name)):
            raise SpriteError(f"--{name} {value}: each scorer has its own; give --aesthetic_{own} and the like.")
    if trainer.resume_from_checkpoint not in (None, "latest"):
        raise SpriteError(
            f"--resume_from_checkpoint {trainer.resume_from_checkpoint}: each scorer has checkpoints of its own; give latest."
        )
    if trainer.push_to_hub:
        raise SpriteError("--push_to_hub: scorers are not uploaded; leave it out.")
