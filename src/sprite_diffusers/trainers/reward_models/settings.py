"""Settings of the scorers, as dataclasses: each field is a flag and a YAML key (see `trainers.config`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ...data.degradations import DEGRADATIONS, check_names
from ...errors import SpriteError
from ..clip_data import ClipDataConfig
from ..config import TrainerConfig

KINDS = ("aesthetic", "pickscore", "hps")

# The settings of `TrainerConfig` that each scorer has for itself, by their names there.
KIND_FIELDS = {"max_train_minutes": "minutes", "train_batch_size": "batch_size", "learning_rate": "learning_rate"}


@dataclass
class RewardModelConfig:
    """Which scorers are trained, and from what; each has its own mix of what spoils a sprite."""

    kind: Literal["all", "aesthetic", "pickscore", "hps"] = field(
        default="all", metadata={"help": "What is trained: <output_dir>/aesthetic, /pickscore, /hps."}
    )
    clip: str = field(
        default="",
        metadata={
            "help": "Folder of a CLIP that training/train_clip.py made of the same data: the aesthetic head reads its "
            "features, and PickScore is tuned from it. Not needed for 'hps'."
        },
    )
    min_strength: float = field(default=0.1, metadata={"help": "Least strength of the damage in a pair, 0 to 1."})
    aesthetic_minutes: float = field(
        default=0.25, metadata={"help": "Limit of the aesthetic head: minutes; the features come first."}
    )
    aesthetic_batch_size: int = field(default=256, metadata={"help": "Sprites per process and step."})
    aesthetic_learning_rate: float = field(default=5e-3, metadata={"help": "Peak learning rate."})
    aesthetic_sprites: int = field(default=3000, metadata={"help": "Sprites that it is trained on, at most."})
    aesthetic_versions: int = field(default=3, metadata={"help": "Spoilt versions of each."})
    aesthetic_widths: list[int] = field(
        default_factory=lambda: [256, 64, 16], metadata={"help": "Between the CLIP's features and the score."}
    )
    aesthetic_clean: float = field(default=7.0, metadata={"help": "Score of a clean sprite, 1 to 10."})
    aesthetic_worst: float = field(default=3.0, metadata={"help": "Score of one spoilt with strength 1, 1 to 10."})
    aesthetic_degradations: list[str] = field(
        default_factory=lambda: list(DEGRADATIONS), metadata={"help": "What spoils sprites for it."}
    )
    pickscore_minutes: float = field(default=1.75, metadata={"help": "Limit of the tuning of the CLIP: minutes."})
    pickscore_batch_size: int = field(
        default=48, metadata={"help": "Captions per process and step, of two pairs each."}
    )
    pickscore_learning_rate: float = field(default=3e-4, metadata={"help": "Peak learning rate."})
    pickscore_degradations: list[str] = field(
        default_factory=lambda: ["blur", "noise", "orphans", "off_palette", "smear", "dropout"],
        metadata={"help": "What spoils sprites for it."},
    )
    hps_minutes: float = field(default=2.0, metadata={"help": "Limit of the open_clip network: minutes."})
    hps_batch_size: int = field(default=96, metadata={"help": "Captions per process and step."})
    hps_learning_rate: float = field(default=1e-3, metadata={"help": "Peak learning rate."})
    hps_degradations: list[str] = field(
        default_factory=lambda: ["resize", "jpeg", "noise", "orphans", "shift", "dropout"],
        metadata={"help": "What spoils sprites for it."},
    )
    hps_pair_weight: float = field(
        default=4.0,
        metadata={"help": "Weight of the pairs beside the contrastive loss, which teaches what captions mean."},
    )
    hps_patch_size: int = field(default=4, metadata={"help": "Side of the squares that become features."})
    hps_width: int = field(default=128, metadata={"help": "Width of both transformers, a multiple of 32."})
    hps_vision_layers: int = field(default=4, metadata={"help": "Layers of the vision transformer."})
    hps_text_layers: int = field(default=2, metadata={"help": "Layers of the text transformer."})
    hps_context_length: int = field(default=32, metadata={"help": "Tokens of a caption that it reads."})

    def __post_init__(self) -> None:
        if not self.clip and self.kind != "hps":
            raise SpriteError(
                "--clip is missing: train one with training/train_clip.py --config clip, and give its folder."
            )
        for kind in KINDS:
            check_names(getattr(self, f"{kind}_degradations"), f"--{kind}_degradations")
            for own in KIND_FIELDS.values():
                if not getattr(self, f"{kind}_{own}") > 0:
                    raise SpriteError(f"--{kind}_{own} is {getattr(self, f'{kind}_{own}')}, but must be above 0.")
        if self.hps_pair_weight < 0:
            raise SpriteError(f"--hps_pair_weight is {self.hps_pair_weight}, but must be 0 or more.")
        if not 0 <= self.min_strength < 1:
            raise SpriteError(f"--min_strength is {self.min_strength}, but must be at least 0 and below 1.")
        if not 1 <= self.aesthetic_worst < self.aesthetic_clean <= 10:
            raise SpriteError(
                f"--aesthetic_worst is {self.aesthetic_worst} and --aesthetic_clean {self.aesthetic_clean}, but they must "
                "rise from 1 to 10."
            )
        if not self.aesthetic_widths or min(self.aesthetic_widths) < 1:
            raise SpriteError(f"--aesthetic_widths is {self.aesthetic_widths}, but needs one or more widths.")
        counts = ("aesthetic_sprites", "aesthetic_versions", "hps_patch_size", "hps_vision_layers", "hps_text_layers")
        for name in counts:
            if getattr(self, name) < 1:
                raise SpriteError(f"--{name} is {getattr(self, name)}, but must be 1 or more.")
        if self.hps_width < 32 or self.hps_width % 32:
            raise SpriteError(f"--hps_width is {self.hps_width}, but must be a multiple of 32.")
        if self.hps_context_length < 3:
            raise SpriteError(f"--hps_context_length is {self.hps_context_length}, but must be 3 or more.")


@dataclass(frozen=True)
class RewardModelSettings:
    """All settings of one call of the launch script."""

    trainer: TrainerConfig
    data: ClipDataConfig
    reward: RewardModelConfig
