"""The whole study: a search over settings, cross-validation of the best over prompts, and one test at the end."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from .... import hub
from ....errors import SpriteError
from ....rewards import Calibration, reward_names, reward_weights
from ...checkpoints import list_checkpoints
from ...config import TrainerConfig
from ...machine import launched_state
from ..card import lora_card
from ..evaluation import Evaluation, evaluate_policy
from ..policies import build_policy
from ..run import PromptConfig, load_base, without_ema
from ..settings import RewardConfig, RLConfig, build_rewards
from ..trainer import RLTask, RLTrainer
from .figures import before_after_sheet, plot_curves, plot_pareto
from .outputs import folds_table, read_history, results_table, write_fold_csv
from .prompts import hold_out, load_prompts, split_prompts
from .search import SearchSpace, Trial, draw_trials, pareto_front, trial_objective
from .statistics import Gain, paired_gain

RESULT_FILE, SUMMARY_FILE = "result.json", "study.json"
MAX_CALIBRATION_PROMPTS = 64
TEST_SEED, FOLD_SEED = 10_000, 20_000  # added to --seed: noise that no training or early stopping has seen


@dataclass
class StudyConfig:
    """The search, the folds and the test."""

    folds: int = field(default=4, metadata={"help": "Parts of the prompts; each is held out once."})
    test_share: float = field(default=0.1, metadata={"help": "Share of the prompts that is touched once, at the end."})
    num_trials: int = field(default=4, metadata={"help": "Settings to try; 1 tries none but the given ones."})
    trial_steps: int | None = field(
        default=None, metadata={"help": "Optimizer steps of a trial; as many as of a fold if not given."}
    )
    training_reward_weights: list[float] | None = field(
        default=None,
        metadata={
            "help": "Weights to train with, of trial 0: more for a reward that would fall. --reward_weights, which gains are "
            "reported by, if not given."
        },
    )
    search_lora_rank: list[int] = field(default_factory=lambda: [4, 8, 16], metadata={"help": "Ranks to try."})
    search_lora_alpha: list[str] = field(
        default_factory=lambda: ["1x", "2x"],
        metadata={"help": "Alphas to try: numbers, or multiples of the rank ('2x')."},
    )
    search_lora_dropout: list[float] = field(default_factory=lambda: [0.0, 0.1], metadata={"help": "Dropouts to try."})
    search_learning_rate: list[float] = field(
        default_factory=lambda: [5e-4, 4e-3],
        metadata={"help": "Lowest and highest learning rate, log-uniform between."},
    )
    search_weights_concentration: float = field(
        default=10.0,
        metadata={
            "help": "Weights of rewards to try are spread around those of trial 0, less so the higher this is; 0 keeps them. "
            "The objective does not depend on them."
        },
    )
    search_seed: int = field(default=0, metadata={"help": "Of the search's own random numbers."})
    resume: bool = field(default=False, metadata={"help": "Go on with what --output_dir holds."})


@dataclass(frozen=True)
class StudySettings:
    """All settings of a study."""

    trainer: TrainerConfig
    rl: RLConfig
    rewards: RewardConfig
    source: PromptConfig
    study: StudyConfig


@dataclass(frozen=True)
class Comparison:
    """Base and tuned model on the same prompts and noise.

    Attributes:
        base, tuned: what they drew.
        gains: of each reward, in sd of the base.
        composite: of the weighted mean of all rewards, in sd of the base.
        untrained: of the reward that only watches, raw; `None` if there is none.
        diversity: of the tuned model, as a share of the base's.
    """

    base: Evaluation
    tuned: Evaluation
    gains: dict[str, Gain]
    composite: Gain
    untrained: Gain | None
    diversity: float

    def to_json(self) -> dict[str, Any]:
        """Figures without images."""
        return {
            "gains": {name: asdict(gain) for name, gain in self.gains.items()},
            "composite": asdict(self.composite),
            "untrained": None if self.untrained is None else asdict(self.untrained),
            "diversity": self.diversity,
        }


class Study:
    """One study; `run` leaves everything in the output folder.

    Args:
        settings: all of them.

    Raises:
        SpriteError: bad settings, prompts or rewards, or a folder that holds a study already.
    """

    def __init__(self, settings: StudySettings):
        self.settings = settings
        trainer, source = settings.trainer, settings.source
        if source.prompts is None:
            raise SpriteError("--prompts is missing: a study is over prompts; give a text file, a table or a Hub id.")
        self.folder = Path(trainer.output_dir or Path("outputs") / (trainer.run_name or "unclip-rl"))
        is_there = list(self.folder.glob(f"*/{RESULT_FILE}")) or list(self.folder.glob("*/checkpoint-*"))
        if is_there and not (settings.study.resume or trainer.overwrite_output_dir):
            raise SpriteError(
                f"{self.folder} already holds a study: go on by --resume, replace it by --overwrite_output_dir, or choose "
                "another --output_dir."
            )
        self.device, self.is_main = launched_state().device, launched_state().is_main_process
        self.rewards, self.untrained = build_rewards(settings.rewards, self.device)
        self.names = reward_names(self.rewards)
        self.weights = reward_weights(self.names, settings.rewards.reward_weights)
        trained_by = settings.study.training_reward_weights or settings.rewards.reward_weights
        self.training_weights = reward_weights(self.names, trained_by)
        prompts = load_prompts(source.prompts, source.prompt_column, source.max_prompts, trainer.seed)
        self.split = split_prompts(
            prompts, settings.study.folds, settings.study.test_share, trainer.seed, source.group_threshold
        )
        self.base = build_policy(
            load_base(source), settings.rl.sampling_steps, settings.rl.sampling_guidance,
            settings.rl.prior_images_per_prompt,
        )  # fmt: skip
        self.base.pipeline.to(self.device)
        self.base.pipeline.set_progress_bar_config(disable=True)
        self.base.check_prompts(prompts)
        self.calibration = self._calibrate()

    def run(self) -> Path | None:
        """Search, cross-validation and test; `None` if a signal stopped a training."""
        best = self._search()
        folds = None if best is None else self._cross_validate(best)
        return None if best is None or folds is None else self._test(best, folds)

    # ---- the three parts ----------------------------------------------------------------------------------------

    def _search(self) -> Trial | None:
        """The best trial by the prompts that early stopping looks at, in the first fold; held-out folds stay unseen."""
        study, prompts = self.settings.study, self.split.training(0)
        trials = draw_trials(self._space(), study.num_trials, study.search_seed, self._default())
        if len(trials) == 1:
            return trials[0]
        found: list[dict[str, float]] = []
        for trial in trials:
            folder = self.folder / trial.folder
            if not self._train(folder, trial, prompts, study.trial_steps):
                return None
            compared = self._compare(folder, self._hold_out(prompts)[1], FOLD_SEED)
            found.append({name: gain.mean for name, gain in compared.gains.items()})
            objective = trial_objective(found[-1])
            self._write(folder / RESULT_FILE, {**asdict(trial), **compared.to_json(), "objective": objective})
            self._say(f"{trial.folder}: objective {objective:+.3f} with {trial.settings}")
        best = max(range(len(trials)), key=lambda index: trial_objective(found[index]))
        front = pareto_front(found)
        if self.is_main:
            plot_pareto(found, front, self.folder / "search.png")
        rows = [
            {**asdict(trial), "gains": gains, "objective": trial_objective(gains), "pareto": trial.number in front}
            for trial, gains in zip(trials, found, strict=True)
        ]
        self._write(self.folder / "search.json", {"best": best, "trials": rows})
        self._say(f"{trials[best].folder} is the best of {len(trials)}; on the Pareto front: {front}.")
        return trials[best]

    def _cross_validate(self, best: Trial) -> list[Comparison] | None:
        """The best settings on every fold, each judged on the prompts that were held out from it."""
        compared, histories = [], {}
        for number, held_out in enumerate(self.split.folds):
            folder = self.folder / f"fold-{number}"
            if not self._train(folder, best, self.split.training(number)):
                return None
            compared.append(self._compare(folder, held_out, FOLD_SEED))
            histories[folder.name] = read_history(folder / "evaluations.csv")
            if self.is_main:
                write_fold_csv(self.folder / f"{folder.name}.csv", self._rows(compared[-1]))
            self._write(folder / RESULT_FILE, compared[-1].to_json())
            self._say(f"{folder.name}: {_describe(compared[-1])}")
        if self.is_main:
            plot_curves(histories, self.folder / "curves.png")
        return compared

    def _test(self, best: Trial, folds: list[Comparison]) -> Path | None:
        """A LoRA of all folds, on the prompts that nothing has seen."""
        folder = self.folder / "final"
        prompts = [prompt for fold in self.split.folds for prompt in fold]
        if not self._train(folder, best, prompts):
            return None
        test = self._compare(folder, self.split.test, TEST_SEED)
        self._write(folder / RESULT_FILE, test.to_json())
        self._say(f"test: {_describe(test)}")
        if self.is_main:
            write_fold_csv(self.folder / "test.csv", self._rows(test))
            self._report(best, folds, test, len(prompts))
        return folder

    def _report(self, best: Trial, folds: list[Comparison], test: Comparison, num_prompts: int) -> None:
        """``results.md``, ``study.json``, and the LoRA's folder as it is published."""
        folder, untrained = self.folder / "final", None
        if test.untrained is not None:
            untrained = (str(self.settings.rewards.untrained_reward), test.base.untrained, test.tuned.untrained)
        table = results_table(
            test.base.rewards, test.tuned.rewards, test.base.prompts, self.calibration,
            dict(zip(self.names, self.weights, strict=True)), untrained, test.diversity,
        )  # fmt: skip
        by_fold = {
            f"fold {number}": {**compared.gains, "composite": compared.composite}
            for number, compared in enumerate(folds)
        }
        text = f"# Results\n\n## Test prompts\n\n{table}\n## Held-out folds, gain in sd of the base\n\n{folds_table(by_fold)}\n"
        (self.folder / "results.md").write_text(text, encoding="utf-8")
        summary = {"best": asdict(best), "folds": [compared.to_json() for compared in folds], "test": test.to_json()}
        self._write(self.folder / SUMMARY_FILE, summary)
        before_after_sheet(test.base.prompts, test.base.images, test.tuned.images, folder / "before_after.png")
        shutil.copyfile(self.folder / "curves.png", folder / "curves.png")
        history = read_history(folder / "evaluations.csv")[-1]
        card = lora_card(
            self.settings.trainer.hub_model_id or self.folder.name,
            self.settings.source.pipeline,
            type(self.base.pipeline).__name__,
            str(self.settings.source.prompts),
            self.split.test[0],
            {"estimator": self.settings.rl.estimator, **best.settings},
            {name: gain.mean for name, gain in test.gains.items()},
            table,
            judged_on=f"{len(self.split.test):,} prompts that neither training, early stopping nor the search has seen",
            prompts=f"{num_prompts:,} of `{Path(str(self.settings.source.prompts)).name}`, without near-duplicates of the test's",
            picture="before_after.png",
            steps=int(history["step"]),
            queries=int(history["queries"]),
            curves=True,
        )
        card.save(folder / "README.md")
        if self.settings.trainer.push_to_hub:
            trainer = self.settings.trainer
            print(f"uploaded: {hub.push(folder, str(trainer.hub_model_id), trainer.hub_private)}")
        self._say(f"LoRA:    {folder}\nresults: {self.folder / 'results.md'}")

    # ---- parts --------------------------------------------------------------------------------------------------

    def _train(self, folder: Path, trial: Trial, prompts: list[str], max_steps: int | None = None) -> bool:
        """Tunes with the settings of a trial into `folder`; false if a signal stopped it."""
        resume = self.settings.study.resume
        if resume and (folder / RESULT_FILE).exists():
            return True
        train, monitor = self._hold_out(prompts)
        chosen = dict(trial.settings)
        weights, rate = chosen.pop("reward_weights"), chosen.pop("learning_rate")
        loop = replace(
            without_ema(self.settings.trainer),
            output_dir=str(folder),
            run_name=f"{self.folder.name}-{folder.name}",
            learning_rate=rate,
            resume_from_checkpoint="latest" if resume and list_checkpoints(folder) else None,
            max_train_steps=max_steps or self.settings.trainer.max_train_steps,
        )
        task = RLTask(
            load_base(self.settings.source), self.rewards, [weights[name] for name in self.names],
            self.untrained, train, monitor, self.calibration, base=self.settings.source.pipeline,
        )  # fmt: skip
        self._say(f"{folder.name}: {len(train)} prompts to train on, {len(monitor)} to stop by")
        return RLTrainer(loop, replace(self.settings.rl, **chosen), task).fit().status == "finished"

    def _hold_out(self, prompts: list[str]) -> tuple[list[str], list[str]]:
        source = self.settings.source
        return hold_out(prompts, source.validation_share, self.settings.trainer.seed, source.group_threshold)

    def _compare(self, folder: Path, prompts: list[str], seed: int) -> Comparison:
        """The saved LoRA, loaded into a fresh pipeline, against the base, from the noise of `seed` and --seed."""
        seed += self.settings.trainer.seed
        rl, pipeline = self.settings.rl, load_base(self.settings.source)
        pipeline.load_lora_weights(folder)
        pipeline.to(self.device).set_progress_bar_config(disable=True)
        tuned = build_policy(pipeline, rl.sampling_steps, rl.sampling_guidance, rl.prior_images_per_prompt)
        drawn = [
            evaluate_policy(policy, prompts, rl, self.rewards, self.untrained, seed) for policy in (self.base, tuned)
        ]
        values = [evaluation.rewards for evaluation in drawn]
        gains = {
            name: paired_gain(values[0][name], values[1][name], drawn[0].prompts).scaled(
                1 / self.calibration.scale(name).sd
            )
            for name in self.names
        }
        totals = [evaluation.composites(self.calibration, self.weights) for evaluation in drawn]
        watched = paired_gain(drawn[0].untrained, drawn[1].untrained, drawn[0].prompts) if self.untrained else None
        share = drawn[1].diversity / drawn[0].diversity
        return Comparison(
            drawn[0], drawn[1], gains, paired_gain(totals[0], totals[1], drawn[0].prompts), watched, share
        )

    def _rows(self, compared: Comparison) -> list[dict[str, Any]]:
        """One per image, for a CSV."""
        totals = [
            evaluation.composites(self.calibration, self.weights) for evaluation in (compared.base, compared.tuned)
        ]
        return [
            {"prompt": prompt, "image": index,
             **{f"{name}_base": compared.base.rewards[name][index] for name in self.names},
             **{f"{name}_tuned": compared.tuned.rewards[name][index] for name in self.names},
             "composite_base": totals[0][index], "composite_tuned": totals[1][index]}
            for index, prompt in enumerate(compared.base.prompts)
        ]  # fmt: skip

    def _calibrate(self) -> Calibration:
        """Once for the whole study: the file that is given, or the base on prompts of all folds."""
        known, file = self.settings.rewards.calibration, self.folder / "calibration.json"
        if known is not None or (self.settings.study.resume and file.exists()):
            calibration = Calibration.load(known or file)
            calibration.check(self.rewards)
            return calibration
        prompts = [prompt for fold in self.split.folds for prompt in fold][:MAX_CALIBRATION_PROMPTS]
        seed = self.settings.trainer.seed + 1
        drawn = evaluate_policy(self.base, prompts, self.settings.rl, self.rewards, seed=seed)
        facts = {
            "base": self.settings.source.pipeline,
            "prompts": len(prompts),
            "images": len(drawn.images),
            "seed": seed,
        }
        calibration = Calibration.measure(drawn.rewards, self.rewards, facts)
        if self.is_main:
            calibration.save(file)
        return calibration

    def _space(self) -> SearchSpace:
        study = self.settings.study
        return SearchSpace(
            study.search_lora_rank, study.search_lora_alpha, study.search_lora_dropout, study.search_learning_rate,
            weights_concentration=study.search_weights_concentration,
        )  # fmt: skip

    def _default(self) -> dict[str, Any]:
        """The given settings, which are trial 0."""
        rl = self.settings.rl
        return {
            "lora_rank": rl.lora_rank,
            "lora_alpha": 2 * rl.lora_rank if rl.lora_alpha is None else rl.lora_alpha,
            "lora_dropout": rl.lora_dropout,
            "learning_rate": self.settings.trainer.learning_rate,
            "reward_weights": dict(zip(self.names, self.training_weights, strict=True)),
        }

    def _write(self, path: Path, content: dict[str, Any]) -> None:
        if self.is_main:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(_finite(content), indent=2, allow_nan=False) + "\n", encoding="utf-8")

    def _say(self, text: str) -> None:
        if self.is_main:
            print(text, flush=True)


def _finite(content: Any) -> Any:
    """For JSON, which has no infinity: the interval of a single pair of images has no bounds."""
    if isinstance(content, dict):
        return {name: _finite(value) for name, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def _describe(compared: Comparison) -> str:
    gain = compared.composite
    rewards = ", ".join(f"{name} {one.mean:+.2f}" for name, one in compared.gains.items())
    return (
        f"composite {gain.mean:+.3f} ({gain.low:+.3f} to {gain.high:+.3f}) sd over {gain.num_prompts} held-out prompts; "
        f"{rewards}; diversity {compared.diversity:.2f}"
    )
