"""Settings of a distillation, as dataclasses: each field is a flag and a YAML key."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...errors import SpriteError
from ..config import DataConfig, TrainerConfig
from ..gan.settings import AUGMENTATIONS


@dataclass
class DistillConfig:
    """What is distilled, into how many steps, and by which losses."""

    teacher: str = field(
        default="", metadata={"help": "Folder or Hub id of a flow model that training/train_cond.py made."}
    )
    teacher_guidance_scale: float | None = field(
        default=None,
        metadata={"help": "Guidance that the student learns to do without; the teacher's own default if not given."},
    )
    teacher_steps: int = field(default=8, metadata={"help": "Steps of the teacher's trajectories."})
    num_trajectories: int = field(
        default=24576,
        metadata={
            "help": "Trajectories of the teacher that the student learns, drawn before training; with too few, it knows "
            "them by heart, and is worse with other noise."
        },
    )
    student_steps: int = field(default=2, metadata={"help": "Steps that the student draws in; one works as well."})
    all_steps_share: float = field(
        default=0.5,
        metadata={
            "help": "Share of the updates in which the student draws in all its steps; in the others, in one, which is harder."
        },
    )
    student_max_channels: int | None = field(
        default=None,
        metadata={
            "help": "Resolutions of the teacher with more channels than this have so many in the student, which makes it "
            "faster; as wide as the teacher if not given."
        },
    )
    student_mid_attention: bool = field(
        default=True,
        metadata={
            "help": "The student has the self-attention of its teacher at the lowest resolution; it is a little faster without."
        },
    )
    huber_constant: float = field(
        default=0.03,
        metadata={"help": "Distance per pixel value (-1 to 1) below which the error to the teacher is squared."},
    )
    adversarial_weight: float = field(
        default=1.0,
        metadata={
            "help": "Weight of the adversarial loss beside the error to the teacher at the end of the training, to which it "
            "grows from a tenth; 0 is none."
        },
    )
    discriminator_learning_rate: float = field(
        default=1e-3, metadata={"help": "Peak learning rate of the discriminator."}
    )
    r1_weight: float = field(
        default=1.0, metadata={"help": "Weight of the penalty on the discriminator's gradient at real sprites."}
    )
    diff_augment: list[str] = field(
        default_factory=lambda: ["translation"],
        metadata={"help": f"What the discriminator sees is augmented; of {', '.join(AUGMENTATIONS)}."},
    )

    def __post_init__(self) -> None:
        if not self.teacher:
            raise SpriteError(
                "--teacher is missing: train a flow model with training/train_cond.py, and give its folder."
            )
        for name in (
            "teacher_steps", "num_trajectories", "student_steps", "huber_constant", "discriminator_learning_rate",
        ):  # fmt: skip
            if not getattr(self, name) > 0:
                raise SpriteError(f"--{name} is {getattr(self, name)}, but must be above 0.")
        if self.student_max_channels is not None and self.student_max_channels < 1:
            raise SpriteError(
                f"--student_max_channels is {self.student_max_channels}, but must be above 0; leave it out for a student as wide "
                "as the teacher."
            )
        if not 0 < self.all_steps_share <= 1:
            raise SpriteError(f"--all_steps_share is {self.all_steps_share}, but must be above 0 and at most 1.")
        for name in ("adversarial_weight", "r1_weight"):
            if getattr(self, name) < 0:
                raise SpriteError(f"--{name} is {getattr(self, name)}, but must be 0 or more.")
        if self.teacher_guidance_scale is not None and self.teacher_guidance_scale < 1:
            raise SpriteError(
                f"--teacher_guidance_scale is {self.teacher_guidance_scale}, but must be 1 (no guidance) or more."
            )
        unknown = [name for name in self.diff_augment if name not in AUGMENTATIONS]
        if unknown:
            raise SpriteError(f"--diff_augment has {unknown[0]!r}, but allowed are {', '.join(AUGMENTATIONS)}.")


@dataclass(frozen=True)
class DistillationSettings:
    """All settings of one distillation."""

    trainer: TrainerConfig
    data: DataConfig
    distill: DistillConfig
