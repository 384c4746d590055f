"""The loop: `transformers.Trainer` with the losses of a text classifier, and what watches it."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from datasets import Dataset
from tqdm.auto import tqdm
from transformers import (
    DataCollatorWithPadding,
    EarlyStoppingCallback,
    EvalPrediction,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from ...errors import SpriteError
from ..machine import StopSignals
from .data import TextSplit
from .settings import TextTrainerConfig

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from ...models import LSTMForSequenceClassification


def tokenized(split: TextSplit, tokenizer: PreTrainedTokenizerFast) -> Dataset:
    """Ids and labels of texts, the shortest first: batches that are only scored have little padding then."""
    ids = tokenizer(split.texts, truncation=True, return_attention_mask=False).input_ids
    order = np.argsort([len(tokens) for tokens in ids], kind="stable")
    return Dataset.from_dict(
        {"input_ids": [ids[row] for row in order], "labels": [int(split.labels[row]) for row in order]}
    )


class TextClassifierTrainer(Trainer):
    """Trains an `LSTMForSequenceClassification`.

    In training the loss is the cross-entropy with smoothed labels, plus the L2 penalty, plus that of word vectors moved to
    make it larger (adversarial training, https://arxiv.org/abs/1605.07725, eq. 3 to 5). What is logged of it is the
    cross-entropy alone, beside the share of right answers, both with dropout.

    Args:
        model: to train.
        tokenizer: pads the batches.
        config: settings.
        output_dir: of checkpoints.
        train, validation: from `tokenized`.
        log: called with the figures of each evaluation and its step.
        complete: called with the folder of each new checkpoint.
        signals: end the training when one was received.
    """

    def __init__(
        self,
        model: LSTMForSequenceClassification,
        tokenizer: PreTrainedTokenizerFast,
        config: TextTrainerConfig,
        output_dir: Path,
        train: Dataset,
        validation: Dataset,
        log: Callable[[dict[str, float], int], None],
        complete: Callable[[Path], None],
        signals: StopSignals,
    ):
        self.config = config
        self._sums = np.zeros(3)  # of losses, right answers and texts since they were logged
        callbacks: list[TrainerCallback] = [_Watch(self, log, complete, signals)]
        if config.early_stopping_patience is not None:
            callbacks.append(EarlyStoppingCallback(config.early_stopping_patience))
        super().__init__(
            model=model,
            args=training_arguments(config, output_dir, len(train)),
            data_collator=DataCollatorWithPadding(tokenizer),
            train_dataset=train,
            eval_dataset=validation,
            processing_class=tokenizer,
            compute_metrics=_accuracy,
            callbacks=callbacks,
        )
        self.remove_callback(PrinterCallback)

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        inputs, model = dict(inputs), self.accelerator.unwrap_model(model)
        labels = inputs.pop("labels")
        if not model.training:
            outputs = model(**inputs)
            loss = F.cross_entropy(outputs.logits, labels)
            return (loss, {"logits": outputs.logits}) if return_outputs else loss
        config, mask = self.config, inputs["attention_mask"]
        vectors = model.lstm.embed(inputs["input_ids"], mask)
        read = vectors.detach().requires_grad_() if config.adversarial_weight else vectors
        logits = model(inputs_embeds=read, attention_mask=mask).logits
        loss = F.cross_entropy(logits, labels, label_smoothing=config.label_smoothing)
        self._count(logits.detach(), labels)
        if config.adversarial_weight:
            loss.backward()  # the only time: what it says of `read` also moves the vectors, and is handed on to them
            moved = vectors + _move_against(cast(torch.Tensor, read.grad), vectors, config.adversarial_epsilon)
            worse = F.cross_entropy(model(inputs_embeds=moved, attention_mask=mask).logits, labels)
            handed_on = (vectors * read.grad).sum()
            loss = (loss - handed_on).detach() + handed_on + config.adversarial_weight * worse
        if config.l2:
            loss = loss + config.l2 * _sum_of_squares(model)
        if not torch.isfinite(loss):
            raise SpriteError(
                f"The loss became {float(loss.detach())} at step {self.state.global_step}: lower --learning_rate (now "
                f"{config.learning_rate}) or --max_grad_norm (now {config.max_grad_norm})."
            )
        return loss

    def _count(self, logits: torch.Tensor, labels: torch.Tensor) -> None:
        right = (logits.argmax(1) == labels).sum()
        self._sums += [float(F.cross_entropy(logits, labels, reduction="sum")), float(right), len(labels)]

    def take_sums(self) -> dict[str, float]:
        """Mean loss and accuracy of the training texts since the last call."""
        loss, right, count = self._sums
        self._sums = np.zeros(3)
        return {"train/loss": loss / count, "train/accuracy": right / count} if count else {}


def training_arguments(config: TextTrainerConfig, output_dir: Path, num_texts: int) -> TrainingArguments:
    """What `transformers.Trainer` is told."""
    steps = math.ceil(num_texts / config.train_batch_size)
    plateau = {"factor": config.plateau_factor, "patience": config.plateau_patience,
               "mode": "min" if config.best_by == "loss" else "max"}  # fmt: skip
    rhythm: dict[str, Any] = {"eval_strategy": "epoch", "save_strategy": "epoch"}
    if config.evaluations_per_epoch > 1:
        every = max(1, math.ceil(steps / config.evaluations_per_epoch))
        rhythm = {"eval_strategy": "steps", "save_strategy": "steps", "eval_steps": every, "save_steps": every}
    return TrainingArguments(
        output_dir=str(output_dir),
        num_train_epochs=config.num_train_epochs,
        max_steps=config.max_train_steps or -1,
        per_device_train_batch_size=config.train_batch_size,
        per_device_eval_batch_size=config.eval_batch_size,
        train_sampling_strategy="group_by_length",
        learning_rate=config.learning_rate,
        lr_scheduler_type="reduce_lr_on_plateau" if config.lr_scheduler == "plateau" else config.lr_scheduler,
        lr_scheduler_kwargs=plateau if config.lr_scheduler == "plateau" else {},
        warmup_steps=config.lr_warmup_steps,
        optim="adamw_torch",
        weight_decay=0.0,
        adam_beta2=config.adam_beta2,
        adam_epsilon=config.adam_epsilon,
        max_grad_norm=config.max_grad_norm,
        load_best_model_at_end=True,
        metric_for_best_model=config.best_by,
        greater_is_better=config.best_by == "accuracy",
        save_total_limit=1,
        dataloader_pin_memory=torch.cuda.is_available(),
        disable_tqdm=True,  # `_Watch` has a bar
        restore_callback_states_from_checkpoint=True,
        logging_strategy="no",
        report_to="none",
        seed=config.seed,
        **rhythm,
    )


class _Watch(TrainerCallback):
    """Shows how far it is, hands on figures and checkpoints, and ends the training when a signal asks for it."""

    def __init__(
        self,
        trainer: TextClassifierTrainer,
        log: Callable[[dict[str, float], int], None],
        complete: Callable[[Path], None],
        signals: StopSignals,
    ):
        self.trainer, self.log, self.complete, self.signals = trainer, log, complete, signals

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        interval = 0.5 if os.isatty(2) else 15
        self.bar = tqdm(total=state.max_steps, initial=state.global_step, unit="step", mininterval=interval)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.bar.close()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.bar.update(1)
        if self.signals.received is not None:
            control.should_save = control.should_training_stop = True

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.signals.received is not None:  # the epoch ended with the step before; its checkpoint is there
            control.should_save = control.should_evaluate = False

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.complete(Path(args.output_dir, f"checkpoint-{state.global_step}"))

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        metrics, optimizer = kwargs["metrics"], kwargs.get("optimizer")
        figures = self.trainer.take_sums()
        if not figures:  # evaluated after the training
            return
        figures |= {f"validation/{name}": metrics[f"eval_{name}"] for name in ("loss", "accuracy")}
        if optimizer is not None:
            figures["train/learning_rate"] = optimizer.param_groups[0]["lr"]
        tqdm.write(
            f"epoch {state.epoch:.1f}: training loss {figures['train/loss']:.4f}, accuracy {figures['train/accuracy']:.4f}; "
            f"validation loss {figures['validation/loss']:.4f}, accuracy {figures['validation/accuracy']:.4f}"
        )
        self.log({**figures, "train/epoch": float(state.epoch)}, state.global_step)


def _accuracy(predictions: EvalPrediction) -> dict[str, float]:
    found = np.asarray(predictions.predictions).argmax(1)
    return {"accuracy": float((found == predictions.label_ids).mean())}


def _move_against(gradient: torch.Tensor, vectors: torch.Tensor, epsilon: float) -> torch.Tensor:
    """What makes the loss of word vectors ``(batch, length, width)`` grow fastest: `epsilon` of each text's length.

    Args:
        gradient: of the loss, the shape of `vectors`.
    """
    size = gradient.flatten(1).norm(dim=1).clamp(min=1e-12)
    length = vectors.detach().flatten(1).norm(dim=1)
    return gradient * (epsilon * length / size)[:, None, None]


def _sum_of_squares(model: torch.nn.Module) -> torch.Tensor:
    """Over the matrices of LSTM and classifier, without the word vectors."""
    matrices = [
        parameter for name, parameter in model.named_parameters() if parameter.ndim > 1 and "embeddings" not in name
    ]
    return torch.stack([matrix.square().sum() for matrix in matrices]).sum()
