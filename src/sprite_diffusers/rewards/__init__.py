"""Scores of images, for tuning by them and for judging: `reward(images=..., prompts=..., **columns) -> list[float | None]`."""

from .aesthetic import AestheticHead, AestheticReward, load_head, save_head
from .base import DifferentiableReward, ImageReward, Reward
from .calibration import Calibration, Scale
from .classifier import ClassProbabilityReward
from .clip_alignment import ClipAlignmentReward
from .combine import (
    COMBINATIONS,
    DEFAULT_WEIGHTS,
    balanced_weights,
    composite,
    normalize_then_sum,
    reward_table,
    reward_weights,
    sum_then_normalize,
)
from .gather import gather_rewards, reward_names
from .hps import HPSReward
from .pickscore import PickScoreReward
from .pixels import (
    CompressibilityReward,
    HardEdgesReward,
    NumColorsReward,
    OrphanPixelsReward,
    PaletteFitReward,
    SymmetryReward,
)

__all__ = [
    "COMBINATIONS",
    "DEFAULT_WEIGHTS",
    "AestheticHead",
    "AestheticReward",
    "Calibration",
    "ClassProbabilityReward",
    "ClipAlignmentReward",
    "CompressibilityReward",
    "DifferentiableReward",
    "HPSReward",
    "HardEdgesReward",
    "ImageReward",
    "NumColorsReward",
    "OrphanPixelsReward",
    "PaletteFitReward",
    "PickScoreReward",
    "Reward",
    "Scale",
    "SymmetryReward",
    "balanced_weights",
    "composite",
    "gather_rewards",
    "load_head",
    "normalize_then_sum",
    "reward_names",
    "reward_table",
    "reward_weights",
    "save_head",
    "sum_then_normalize",
]
