"""Settings of the policy-gradient trainer and of its rewards, as dataclasses: each field is a flag and a YAML key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from ...errors import SpriteError
from ...rewards import (
    AestheticReward,
    ClassProbabilityReward,
    ClipAlignmentReward,
    CompressibilityReward,
    HardEdgesReward,
    HPSReward,
    NumColorsReward,
    OrphanPixelsReward,
    PaletteFitReward,
    PickScoreReward,
    SymmetryReward,
)

RATIO_ESTIMATORS = ("ddpo", "grpo")


@dataclass
class RLConfig:
    """How the policy is sampled and updated."""

    estimator: Literal["ddpo", "grpo", "rloo", "nft", "draft"] = field(
        default="nft",
        metadata={
            "help": "DDPO (PPO on denoising steps), group-relative with KL (Flow-GRPO), leave-one-out, DiffusionNFT (forward "
            "process), or DRaFT-K (differentiable rewards only)."
        },
    )
    prompts_per_rollout: int = field(default=16, metadata={"help": "Prompts per process that a rollout draws."})
    num_images_per_prompt: int = field(default=8, metadata={"help": "Images of each of them: a group."})
    rollout_batch_size: int = field(default=128, metadata={"help": "Images that are sampled at once."})
    updates_per_rollout: int = field(default=2, metadata={"help": "Optimizer steps on each rollout."})
    sampling_steps: int | None = field(
        default=None, metadata={"help": "Denoising steps of a rollout; the pipeline's default if not given."}
    )
    sampling_guidance: float | None = field(
        default=None, metadata={"help": "Guidance of a rollout; the pipeline's default if not given."}
    )
    eta: float = field(default=1.0, metadata={"help": "DDIM only: noise of its steps, 1 is as much as DDPM's."})
    noise_level: float = field(default=0.7, metadata={"help": "Rectified flows only: noise of their steps."})
    timestep_fraction: float = field(
        default=0.5, metadata={"help": "Share of a rollout's steps that is trained on, drawn anew for each."}
    )
    timestep_weighting: Literal["none", "noise"] = field(
        default="noise", metadata={"help": "Advantages of a step are weighted by the noise that it adds, or not."}
    )
    clip_range: float = field(default=1e-4, metadata={"help": "PPO's clip range, of the estimators ddpo and grpo."})
    advantage_clip: float = field(default=5.0, metadata={"help": "Advantages are kept within plus and minus this."})
    kl_weight: float = field(
        default=0.0, metadata={"help": "Weight of the divergence from the model without its LoRA."}
    )
    scale_rewards: Literal["group", "batch", "none"] = field(
        default="group", metadata={"help": "Whose deviation divides the advantages of grpo and nft."}
    )
    nft_beta: float = field(default=1.0, metadata={"help": "nft: less moves further with each rollout."})
    draft_k: int = field(default=1, metadata={"help": "draft: last steps that gradients pass through."})
    per_prompt_buffer_size: int = field(default=16, metadata={"help": "ddpo: rewards remembered per prompt."})
    per_prompt_min_count: int = field(
        default=16, metadata={"help": "ddpo: a prompt with fewer is compared with the whole batch."}
    )
    combine_rewards: Literal["sum_then_normalize", "normalize_then_sum"] = field(
        default="sum_then_normalize",
        metadata={"help": "Calibrated rewards are added, or each brought to its group's scale first."},
    )
    reward_balance: float = field(
        default=0.0,
        metadata={
            "help": "Above 0, the soft minimum of the rewards' gains is trained instead of their sum, so that none falls for "
            "another: after each evaluation a weight shrinks by this times the gain of its reward, in sd of the base and nats."
        },
    )
    lora_rank: int = field(default=8, metadata={"help": "Rank of the LoRA."})
    lora_alpha: int | None = field(default=None, metadata={"help": "Its alpha; twice the rank if not given."})
    lora_dropout: float = field(default=0.0, metadata={"help": "Its dropout; not with ddpo and grpo."})
    lora_target_modules: list[str] | None = field(
        default=None,
        metadata={
            "help": "Layers with a LoRA, by the end of their names; attention if the network reads a text, else all."
        },
    )
    gradient_checkpointing: bool = field(default=False, metadata={"help": "Less memory for a slower update."})
    prior_images_per_prompt: int = field(
        default=8,
        metadata={"help": "unCLIP: embeddings that the prior draws for a prompt, once, and that are reused."},
    )
    eval_images_per_prompt: int = field(default=8, metadata={"help": "Images per prompt of an evaluation."})
    early_stopping_min_delta: float = field(
        default=1e-3,
        metadata={"help": "A better evaluation is better by this, and by a standard error of the paired difference."},
    )
    min_diversity: float = field(
        default=0.5,
        metadata={"help": "Ends a run that games its reward: share of the base's diversity that must stay."},
    )
    max_held_out_drop: float = field(
        default=0.5, metadata={"help": "The same: sd of the base that an untrained reward may fall."}
    )

    def __post_init__(self) -> None:
        counts = ("prompts_per_rollout", "num_images_per_prompt", "rollout_batch_size", "updates_per_rollout",
                  "lora_rank", "draft_k", "prior_images_per_prompt", "eval_images_per_prompt")  # fmt: skip
        for name in counts:
            if getattr(self, name) < 1:
                raise SpriteError(f"--{name} is {getattr(self, name)}, but must be 1 or more.")
        for name in ("clip_range", "advantage_clip", "nft_beta"):
            if not getattr(self, name) > 0:
                raise SpriteError(f"--{name} is {getattr(self, name)}, but must be above 0.")
        if not 0 < self.timestep_fraction <= 1:
            raise SpriteError(f"--timestep_fraction is {self.timestep_fraction}, but must be above 0 and at most 1.")
        if not 0 <= self.lora_dropout < 1:
            raise SpriteError(f"--lora_dropout is {self.lora_dropout}, but must be at least 0 and below 1.")
        for name in ("kl_weight", "early_stopping_min_delta", "reward_balance"):
            if not getattr(self, name) >= 0:
                raise SpriteError(f"--{name} is {getattr(self, name)}, but must be 0 or more.")
        if self.lora_dropout and self.estimator in RATIO_ESTIMATORS:
            raise SpriteError(
                f"--lora_dropout {self.lora_dropout} with --estimator {self.estimator}: its importance ratios compare the "
                "same weights; give 0, or --estimator nft or rloo."
            )
        images = self.prompts_per_rollout * self.num_images_per_prompt
        if images % self.updates_per_rollout:
            raise SpriteError(
                f"--updates_per_rollout {self.updates_per_rollout} does not divide the {images} images of a rollout "
                "(--prompts_per_rollout times --num_images_per_prompt)."
            )
        if self.num_images_per_prompt == 1 and self.estimator in ("grpo", "rloo", "nft"):
            raise SpriteError(
                f"--num_images_per_prompt 1 with --estimator {self.estimator}: it compares the images of a prompt; give 2 "
                "or more, or --estimator ddpo."
            )


@dataclass
class RewardConfig:
    """Which rewards train, which one only watches, and where their models are."""

    rewards: list[str] = field(
        default_factory=lambda: ["aesthetic", "clip", "pickscore", "hps"],
        metadata={
            "help": "aesthetic, clip, pickscore, hps, class_probability, palette_fit, num_colors, orphan_pixels, hard_edges, "
            "symmetry, compressibility."
        },
    )
    reward_weights: list[float] | None = field(
        default=None, metadata={"help": "One for each; .4 .4 .15 .05 for the first four, else 1, if not given."}
    )
    untrained_reward: str | None = field(
        default="hard_edges", metadata={"help": "A reward that is never trained on, to see one that is gamed."}
    )
    aesthetic_head: str | None = field(default=None, metadata={"help": "File or Hub id; LAION's if not given."})
    aesthetic_clip: str | None = field(
        default=None, metadata={"help": "Its CLIP, folder or Hub id; ViT-L/14 if not given."}
    )
    clip_model: str | None = field(
        default=None, metadata={"help": "Of the reward clip, folder or Hub id; ViT-L/14 if not given."}
    )
    pickscore_model: str | None = field(
        default=None, metadata={"help": "Folder or Hub id; PickScore_v1 if not given."}
    )
    hps_checkpoint: str | None = field(
        default=None, metadata={"help": "File, folder or Hub id; xswu/HPSv2 if not given."}
    )
    hps_version: Literal["v2.0", "v2.1"] = field(default="v2.1", metadata={"help": "Which HPSv2."})
    reward_classifier: str | None = field(
        default=None, metadata={"help": "Of the reward class_probability: what training/train_classifier.py made."}
    )
    palette: list[str] | None = field(
        default=None, metadata={"help": "Colours of the reward palette_fit, '#rrggbb'; --num_colors if not given."}
    )
    num_colors: int = field(default=8, metadata={"help": "Colours of palette_fit and num_colors without a palette."})
    reward_background: str = field(default="white", metadata={"help": "Behind transparent pixels."})
    calibration: str | None = field(
        default=None, metadata={"help": "File of an earlier calibration; measured on the base model if not given."}
    )


def build_rewards(config: RewardConfig, device: Any) -> tuple[list[Callable], Callable | None]:
    """The rewards to train on, and the one that only watches.

    Raises:
        SpriteError: an unknown one, one that is in both roles, or a model that cannot be had.
    """
    if not config.rewards:
        raise SpriteError("--rewards is empty: give at least one.")
    if config.untrained_reward in config.rewards:
        raise SpriteError(
            f"--untrained_reward {config.untrained_reward} is one of --rewards: give another, or none to watch nothing."
        )
    trained = [_build(name, config, device) for name in config.rewards]
    watching = config.untrained_reward
    return trained, None if watching in (None, "none") else _build(str(watching), config, device)


def _build(name: str, config: RewardConfig, device: Any) -> Callable:
    place = {"background": config.reward_background, "device": device}
    if name == "class_probability" and config.reward_classifier is None:
        raise SpriteError(
            "--rewards class_probability needs --reward_classifier, what training/train_classifier.py made."
        )
    colors = {"palette": config.palette} if config.palette else {"num_colors": config.num_colors}
    builders: dict[str, Callable[[], Callable]] = {
        "aesthetic": lambda: AestheticReward(
            **_given(head=config.aesthetic_head, clip=config.aesthetic_clip), **place
        ),
        "clip": lambda: ClipAlignmentReward(**_given(clip=config.clip_model), **place),
        "pickscore": lambda: PickScoreReward(**_given(model=config.pickscore_model), **place),
        "hps": lambda: HPSReward(**_given(checkpoint=config.hps_checkpoint), hps_version=config.hps_version, **place),
        "class_probability": lambda: ClassProbabilityReward(str(config.reward_classifier), **place),
        "palette_fit": lambda: PaletteFitReward(**colors),
        "num_colors": lambda: NumColorsReward(config.num_colors),
        "orphan_pixels": OrphanPixelsReward,
        "hard_edges": HardEdgesReward,
        "symmetry": SymmetryReward,
        "compressibility": lambda: CompressibilityReward(background=config.reward_background),
    }
    if name not in builders:
        raise SpriteError(f"the reward {name!r} is unknown: give {', '.join(builders)}.")
    return builders[name]()


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}
