"""Trainings of several stages, each of which can be run, resumed and replaced alone."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from .. import hub
from ..errors import SpriteError
from .base import FitResult
from .checkpoints import list_checkpoints
from .config import TrainerConfig
from .machine import launched_state

FACTS_FILE = "stage.json"  # in the folder of a stage: which it is, and of what

# The settings of `TrainerConfig` that each stage has for itself, by their names there.
STAGE_FIELDS = {
    "num_train_epochs": "epochs",
    "max_train_minutes": "minutes",
    "train_batch_size": "batch_size",
    "learning_rate": "learning_rate",
}


@dataclass
class StagesConfig:
    """Which stages run, and where what they need lies."""

    stage: Literal["all", "1", "2", "3"] = field(default="all", metadata={"help": "What is trained."})
    stage1_model: str | None = field(
        default=None, metadata={"help": "Folder of stage 1, for stages 2 and 3; <output_dir>/stage1 if not given."}
    )
    stage2_model: str | None = field(
        default=None, metadata={"help": "Folder of stage 2, for stage 3; <output_dir>/stage2 if not given."}
    )
    resume: bool = field(default=False, metadata={"help": "Go on where the stages of --output_dir were interrupted."})


class StagedRun(ABC):
    """Trains the stages that are wanted, each in ``<output_dir>/stage<number>``; each finds what those before it left.

    Args:
        trainer: settings of the loop.
        stages: which stages, and where others lie.
        configs: the settings of the stages, in their order: limits, batch size and learning rate are read of them.
        fingerprint: of the training split.
        numbers: the stages that ``--stage all`` means.

    Raises:
        SpriteError: settings that would do nothing, or a folder that holds a stage already.
    """

    name = "stages"
    must_agree: ClassVar[dict[str, str]] = {}
    """Facts of a stage that the next one must share, besides the data, with what they are called."""

    def __init__(
        self,
        trainer: TrainerConfig,
        stages: StagesConfig,
        configs: tuple[Any, ...],
        fingerprint: str,
        numbers: tuple[str, ...] = ("1", "2", "3"),
    ):
        self.trainer, self.stages, self.configs, self.fingerprint = trainer, stages, configs, fingerprint
        self.run_name = trainer.run_name or self.name
        self.folder = Path(trainer.output_dir or Path("outputs") / self.run_name)
        self.device, self.is_main = launched_state().device, launched_state().is_main_process
        self.wanted = numbers if stages.stage == "all" else (stages.stage,)
        self._check_settings()
        self._check_folder()

    @abstractmethod
    def prepare(self) -> None:
        """What all stages need, before the first."""

    @abstractmethod
    def train_stage(self, number: str) -> FitResult | None:
        """Trains a stage; `None` if it was passed over."""

    @abstractmethod
    def agreed_facts(self) -> dict[str, Any]:
        """The values of `must_agree` in this run."""

    def fit(self) -> Path | None:
        """Trains and, if asked, uploads.

        Returns:
            The folder of the pipeline; `None` if a signal stopped a stage.
        """
        self.prepare()
        for number in self.wanted:
            result = self.train_stage(number)
            if result is not None and result.status == "interrupted":
                return None
        if self.trainer.push_to_hub and self.is_main:
            print(f"uploaded: {hub.push(self.folder, str(self.trainer.hub_model_id), self.trainer.hub_private)}")
        return self.folder

    # ---- for subclasses -----------------------------------------------------------------------------------------

    def stage_folder(self, number: str) -> Path:
        """Where a stage is trained."""
        return self.folder / f"stage{number}"

    def stage_source(self, number: str) -> Path:
        """Where a stage that is needed lies.

        Raises:
            SpriteError: it is not there, or of other data.
        """
        given = {"1": self.stages.stage1_model, "2": self.stages.stage2_model}.get(number)
        folder = Path(given or self.stage_folder(number))
        self._check_stage(folder, number)
        return folder

    def loop_config(self, number: str) -> TrainerConfig:
        """The settings of the loop with those of a stage in their places.

        Raises:
            SpriteError: the stage has no limit.
        """
        stage, folder = self.configs[int(number) - 1], self.stage_folder(number)
        own = {name: getattr(stage, f"stage{number}_{field}") for name, field in STAGE_FIELDS.items()}
        if own["num_train_epochs"] is None and own["max_train_minutes"] is None:
            raise SpriteError(
                f"stage {number} has no limit: give --stage{number}_epochs, --stage{number}_minutes, or both."
            )
        return replace(
            self.trainer,
            output_dir=str(folder),
            run_name=f"{self.run_name}-stage{number}",
            resume_from_checkpoint="latest" if self.stages.resume and list_checkpoints(folder) else None,
            **own,
        )

    def is_finished(self, number: str) -> bool:
        """Whether `--resume` can pass over a stage."""
        folder = self.stage_folder(number)
        finished = self.stages.resume and (folder / FACTS_FILE).is_file()
        if finished and self.is_main:
            print(f"{folder} is finished: passed over.")
        return finished

    # ---- checks -------------------------------------------------------------------------------------------------

    def _check_settings(self) -> None:
        """Refuses settings that would do nothing."""
        trainer, plain = self.trainer, TrainerConfig()
        for name, own in STAGE_FIELDS.items():
            value = getattr(trainer, name)
            if value not in (None, getattr(plain, name)):
                raise SpriteError(f"--{name} {value}: each stage has its own; give --stage1_{own} and the like.")
        if trainer.resume_from_checkpoint is not None:
            raise SpriteError(
                f"--resume_from_checkpoint {trainer.resume_from_checkpoint}: give --resume, for the stage that was interrupted."
            )
        if trainer.push_to_hub and self.wanted == ("1",):
            raise SpriteError("--push_to_hub with --stage 1: it makes a part, and no pipeline to upload.")

    def _check_folder(self) -> None:
        """Refuses to train over what is there, unless that is to be resumed or replaced."""
        for number in self.wanted:
            folder = self.stage_folder(number)
            taken = (folder / FACTS_FILE).is_file() or list_checkpoints(folder)
            if taken and not (self.stages.resume or self.trainer.overwrite_output_dir):
                raise SpriteError(
                    f"{folder} already holds a stage: go on by --resume, replace it by --overwrite_output_dir, or choose "
                    "another --output_dir."
                )

    def _check_stage(self, folder: Path, number: str) -> None:
        """Refuses a folder that does not hold stage `number` of this data and of what must agree."""
        flag, file = f"--stage{number}_model", folder / FACTS_FILE
        if not file.is_file():
            raise SpriteError(
                f"{folder} does not hold stage {number}: train it first (--stage {number}), or give {flag}."
            )
        facts = read_stage_facts(folder)
        if facts.get("stage") != int(number):
            raise SpriteError(f"{folder} holds stage {facts.get('stage')}, but {flag} must be one of stage {number}.")
        if facts.get("data_fingerprint") != self.fingerprint:
            raise SpriteError(
                f"{folder} was trained on other data or another split ({str(facts.get('data_fingerprint'))[:16]}) than this "
                f"({self.fingerprint[:16]}): what is held out now may have been learned there."
            )
        for key, value in self.agreed_facts().items():
            if facts.get(key) != value:
                raise SpriteError(f"{folder} was trained with another {self.must_agree[key]}: {facts.get(key)}.")


def read_stage_facts(folder: Path) -> dict[str, Any]:
    """What a stage noted in its folder."""
    return json.loads((folder / FACTS_FILE).read_text(encoding="utf-8"))
