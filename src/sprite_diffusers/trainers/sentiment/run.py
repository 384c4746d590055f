"""One training from data to a folder that ``pipeline("text-classification", model=folder)`` loads."""

from __future__ import annotations

import json
import os
import shutil
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedTokenizerFast, TextClassificationPipeline, set_seed

from ... import hub
from ...errors import SpriteError
from ...models import LSTMForSequenceClassification
from ...models.text_encoders import quiet_transformers
from ...models.text_training import start_from_company
from ...tracking import RUN_FILE, TrackedRun
from ..base import FitResult
from ..checkpoints import commit_checkpoint, find_checkpoint, list_checkpoints, read_facts
from ..machine import StopSignals, set_cpu_threads
from .card import sentiment_card
from .data import TextSplits, load_texts
from .figures import confusion_matrix, loss_rises, results_table, save_confusion, save_curves, scores_of
from .settings import SentimentSettings
from .tokenizers import train_tokenizer
from .training import TextClassifierTrainer, tokenized

FIGURES_FILE = "results.json"
HISTORY_FILE = "history.json"


def fit_sentiment(settings: SentimentSettings) -> FitResult:
    """Loads the data, trains, and scores the test once: all that the launch script needs.

    Raises:
        SpriteError: bad settings or data (nothing has been written then), or a loss that became NaN.
    """
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        raise SpriteError(
            "An LSTM is trained by one process: start the script with python, or with --num_processes 1."
        )
    folder, run_name = _output_folder(settings)
    splits = load_texts(settings.data, settings.trainer.seed)
    print(splits.report.summary())
    return _Run(settings, splits, folder, run_name).fit()


class _Run:
    """One call of `fit_sentiment`."""

    def __init__(self, settings: SentimentSettings, splits: TextSplits, folder: Path, run_name: str):
        self.settings, self.splits, self.folder, self.run_name = settings, splits, folder, run_name
        config = settings.trainer
        self.checkpoint: Path | None = None
        if config.resume_from_checkpoint:
            self.checkpoint = find_checkpoint(folder, config.resume_from_checkpoint)
        if not torch.cuda.is_available():
            set_cpu_threads(config.num_cpu_threads, 1)
        set_seed(config.seed)
        self.history: list[dict[str, float]] = self._resumed_history() if self.checkpoint else []
        self.tokenizer = self._tokenizer()
        self.train = tokenized(splits.train, self.tokenizer)
        self.validation = tokenized(splits.validation, self.tokenizer)
        self.model = self._model()

    def fit(self) -> FitResult:
        config = self.settings.trainer
        if not self.checkpoint:
            for stale in list_checkpoints(self.folder):  # only there if they are to be overwritten
                shutil.rmtree(stale)
        self.run = self._start_run()
        try:
            with StopSignals() as signals, quiet_transformers():
                trainer = TextClassifierTrainer(
                    self.model, self.tokenizer, config, self.folder, self.train, self.validation,
                    log=self._log, complete=self._complete, signals=signals,
                )  # fmt: skip
                begin = time.monotonic()
                trainer.train(resume_from_checkpoint=str(self.checkpoint) if self.checkpoint else None)
                minutes = (time.monotonic() - begin) / 60
            if signals.received is not None:
                self.run.finish("KILLED")
                print(
                    f"Stopped by {signals.received} at step {trainer.state.global_step}; go on with --output_dir {self.folder} "
                    "--resume_from_checkpoint latest."
                )
                return FitResult("interrupted", self.folder, None, {"steps": trainer.state.global_step})
            figures, confusions = self._judge(trainer, minutes)
            self._publish(figures, confusions, trainer)
        except BaseException as error:
            self.run.finish("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
            raise
        self.run.finish("FINISHED")
        print(f"{results_table(figures)}\nmodel: {self.folder}\n{self.run.describe()}")
        return FitResult("finished", self.folder, self.folder / "confusion_matrix.png", figures)

    # ---- parts --------------------------------------------------------------------------------------------------

    def _tokenizer(self) -> PreTrainedTokenizerFast:
        data = self.settings.data
        if self.checkpoint:
            return PreTrainedTokenizerFast.from_pretrained(str(self.checkpoint))
        return train_tokenizer(
            self.splits.train.texts, data.tokenizer, data.vocab_size, data.min_frequency, data.max_length,
            data.truncation_side,
        )  # fmt: skip

    def _model(self) -> LSTMForSequenceClassification:
        names = self.splits.report.class_names
        config = self.settings.lstm.network(
            vocab_size=len(self.tokenizer),
            pad_token_id=self.tokenizer.pad_token_id,
            eos_token_id=self.tokenizer.eos_token_id,
            id2label=dict(enumerate(names)),
            label2id={name: index for index, name in enumerate(names)},
        )
        model = LSTMForSequenceClassification(config)
        if self.settings.lstm.embedding_init == "company" and not self.checkpoint:
            start_from_company(model.lstm.embeddings.weight, self.train["input_ids"][:])
        return model

    def _log(self, figures: dict[str, float], step: int) -> None:
        self.history.append({**figures, "step": step})
        self.run.log(figures, step)

    def _facts(self) -> dict[str, Any]:
        """What makes this run what it is: a checkpoint of other facts is not resumed."""
        data = asdict(self.settings.data) | {"dataset": self.splits.report.fingerprint}
        return {"data": data, "lstm": asdict(self.settings.lstm), "seed": self.settings.trainer.seed}

    def _complete(self, checkpoint: Path) -> None:
        """Makes a checkpoint of transformers one of this house: with the history, and verified before it is used."""
        (checkpoint / HISTORY_FILE).write_text(json.dumps(self.history), encoding="utf-8")
        partial = checkpoint.with_name(f".{checkpoint.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        checkpoint.rename(partial)
        commit_checkpoint(
            partial, self._facts(), limit=2
        )  # the best and the last: transformers has removed the others

    def _resumed_history(self) -> list[dict[str, float]]:
        assert self.checkpoint is not None
        before, now = read_facts(self.checkpoint), self._facts()
        different = [f"{key} (then {before.get(key)}, now {now[key]})" for key in now if before.get(key) != now[key]]
        if different:
            raise SpriteError(f"{self.checkpoint} cannot be resumed with other settings: {'; '.join(different)}.")
        return json.loads((self.checkpoint / HISTORY_FILE).read_text(encoding="utf-8"))

    def _judge(self, trainer: TextClassifierTrainer, minutes: float) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Figures of the weights that were kept; here, and nowhere else, the test is read, once."""
        parts = {"train": self.train, "validation": self.validation}
        if self.splits.test is not None:
            parts["test"] = tokenized(self.splits.test, self.tokenizer)
        figures: dict[str, Any] = {}
        confusions: dict[str, np.ndarray] = {}
        for name, part in parts.items():
            answer = trainer.predict(part)
            found = np.asarray(answer.predictions).argmax(1)
            confusions[name] = confusion_matrix(
                np.asarray(answer.label_ids), found, len(self.splits.report.class_names)
            )
            figures |= {f"{name}_{key}": value for key, value in scores_of(confusions[name]).items()}
            figures[f"{name}_loss"] = float((answer.metrics or {})["test_loss"])
        figures |= {
            "train_validation_gap": figures["train_accuracy"] - figures["validation_accuracy"],
            "validation_loss_rises": loss_rises(self.history),
            "train_minutes": minutes,
            "steps": trainer.state.global_step,
            "epochs": float(trainer.state.epoch or 0),
            "parameters": self.model.num_parameters(),
            "vocabulary": len(self.tokenizer),
        }
        return figures, confusions

    def _publish(
        self, figures: dict[str, Any], confusions: dict[str, np.ndarray], trainer: TextClassifierTrainer
    ) -> None:
        report = self.splits.report
        judged = "test" if "test" in confusions else "validation"
        title = f"{judged}: {figures[f'{judged}_accuracy']:.4f} of {int(confusions[judged].sum()):,} right"
        best_step = int(str(trainer.state.best_model_checkpoint or "-0").rpartition("-")[2])
        facts = {
            **figures,
            "confusion_matrix": {name: counts.tolist() for name, counts in confusions.items()},
            "best_step": best_step,
            "history": self.history,
            "data": report.facts(),
            "settings": asdict(self.settings),
        }
        card = sentiment_card(self.settings, report, figures)
        self.model.eval()
        hub.export(TextClassificationPipeline(model=self.model, tokenizer=self.tokenizer), self.folder, card)
        save_confusion(confusions[judged], report.class_names, title, self.folder / "confusion_matrix.png")
        save_curves(self.history, best_step, self.folder / "curves.png")
        (self.folder / FIGURES_FILE).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
        self.run.log({f"run/{name}": float(value) for name, value in figures.items()}, trainer.state.global_step)
        for file in hub.published_files(self.folder):
            self.run.log_file(file, Path("model", file.relative_to(self.folder).parent).as_posix())
        if self.settings.trainer.push_to_hub:
            hub.push(self.folder, str(self.settings.trainer.hub_model_id), self.settings.trainer.hub_private)

    def _start_run(self) -> TrackedRun:
        report, groups = self.splits.report, asdict(self.settings)
        params = {key: value for group in groups.values() for key, value in group.items() if value is not None}
        counts = {key: value for key, value in report.facts().items() if key not in ("fingerprint", "class_names")}
        tags = {"data_fingerprint": report.fingerprint, **{key: str(value) for key, value in counts.items()}}
        known = {}
        if self.checkpoint and (self.folder / RUN_FILE).is_file():
            known = json.loads((self.folder / RUN_FILE).read_text(encoding="utf-8"))
        run = TrackedRun(
            self.settings.trainer.experiment_name, self.run_name, params, tags, run_id=known.get("run_id")
        )
        run.remember_in(self.folder)
        return run


def _output_folder(settings: SentimentSettings) -> tuple[Path, str]:
    """The output folder, and the name of the run; refuses one that holds a model, unless it is gone on with or replaced."""
    config = settings.trainer
    run_name = config.run_name or f"sentiment-{time.strftime('%Y%m%d-%H%M%S')}"
    folder = Path(config.output_dir or Path("outputs") / run_name)
    if folder.exists() and not folder.is_dir():
        raise SpriteError(f"--output_dir {folder} is a file: choose another folder.")
    if config.resume_from_checkpoint or config.overwrite_output_dir:
        return folder, run_name
    if (folder / "config.json").exists() or list_checkpoints(folder):
        raise SpriteError(
            f"--output_dir {folder} already holds a model: choose another folder, go on with it by "
            "--resume_from_checkpoint latest, or replace it by --overwrite_output_dir."
        )
    return folder, run_name
