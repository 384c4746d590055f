"""The one training loop, on Accelerate. A family of models subclasses `Trainer` and supplies what to learn and show."""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import shutil
import statistics
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list, set_seed
from diffusers.training_utils import EMAModel
from PIL import Image
from safetensors.torch import load_file, save_file
from tqdm.auto import tqdm

from .. import hub
from ..errors import SpriteError
from ..tracking import TrackedRun
from .checkpoints import begin_checkpoint, commit_checkpoint, find_checkpoint, list_checkpoints, read_facts
from .config import TrainerConfig
from .machine import StopSignals, fast_precision, set_cpu_threads
from .schedule import Budget, learning_rate_factor

logger = logging.getLogger(__name__)

MIN_NORMS, MAX_NORMS = 20, 100  # gradient norms of the last steps, of which the median is taken
MODEL_FILES = ("model_index.json", "config.json", "pytorch_lora_weights.safetensors")  # of a pipeline, a model, a LoRA


@dataclass
class TrainState:
    """Where a run is; saved with each checkpoint."""

    step: int = 0
    images: int = 0
    seconds: float = 0.0
    seconds_before: float = 0.0  # of these, until the first step
    nonfinite: int = 0
    spikes: int = 0
    skipped_in_a_row: int = 0
    grad_norms: list[float] = field(default_factory=list)
    validation_loss: float | None = None
    best_loss: float = math.inf
    best_step: int = 0
    validations_without_gain: int = 0
    run_id: str | None = None

    @property
    def images_per_second(self) -> float:
        """Speed of the steps."""
        return self.images / max(self.seconds - self.seconds_before, 1e-9)


@dataclass(frozen=True)
class FitResult:
    """How a run ended.

    Attributes:
        status: ``"finished"`` or ``"interrupted"`` (a signal; a checkpoint was written).
        output_dir: folder of the pipeline and of checkpoints.
        samples: the final grid, if there is one.
        metrics: figures of the whole run.
    """

    status: str
    output_dir: Path
    samples: Path | None
    metrics: dict[str, float]


class Trainer(ABC):
    """Trains `model` until the configured limit, and leaves a pipeline, samples, checkpoints and an MLflow run.

    A family supplies `name`, `training_step`, `validate`, `preview`, `save` and `facts`.

    Args:
        config: settings of the loop.
        model: the module to train.
        num_examples: size of the training set, for epochs.

    Raises:
        SpriteError: settings that cannot be, an output folder that holds another model, no usable checkpoint.
    """

    name = "model"

    def __init__(self, config: TrainerConfig, model: torch.nn.Module, num_examples: int):
        self.config = config
        self.accelerator = Accelerator(
            gradient_accumulation_steps=config.gradient_accumulation_steps,
            mixed_precision=fast_precision() if config.mixed_precision == "auto" else config.mixed_precision,
        )
        if self.accelerator.device.type == "cpu":
            set_cpu_threads(config.num_cpu_threads, self.accelerator.num_processes)
        set_seed(config.seed + self.accelerator.process_index)
        self.output_dir = self._choose_output_dir()
        self.raw_model = model
        self.trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.AdamW(
            self.trained,
            lr=config.learning_rate,
            betas=(config.adam_beta1, config.adam_beta2),
            weight_decay=config.adam_weight_decay,
            eps=config.adam_epsilon,
            fused=self.accelerator.device.type in ("cpu", "cuda"),
        )
        self.model, self.optimizer = self.accelerator.prepare(model, self.optimizer)
        self.state = TrainState()
        self.best_weights: list[torch.Tensor] = []
        self.ema = self._build_ema()
        self.images_per_step = (
            config.train_batch_size * config.gradient_accumulation_steps * self.accelerator.num_processes
        )
        self.budget = self._plan(num_examples)
        self.run: TrackedRun | None = None
        self.board = self._open_tensorboard()

    # ---- what a family supplies ---------------------------------------------------------------------------------

    @abstractmethod
    def training_step(self, micro_step: int) -> torch.Tensor:
        """Loss (a scalar) of this process's micro-batch number `micro_step`; must depend on nothing but it."""

    @abstractmethod
    def validate(self) -> dict[str, float]:
        """Figures on held-out data, with ``"loss"`` among them; the same on every process."""

    @abstractmethod
    def preview(self) -> Image.Image:
        """A grid of samples from a fixed seed."""

    @abstractmethod
    def save(self, directory: Path) -> None:
        """Writes the pipeline to `directory`."""

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """What makes this run what it is (JSON-safe): a checkpoint of other facts is not resumed."""

    def params(self) -> dict[str, Any]:
        """Settings to log, flat."""
        return asdict(self.config)

    def is_better(self, figures: dict[str, float]) -> bool:
        """Whether what `validate` gave is the best of the run so far."""
        return figures["loss"] < self.state.best_loss

    def progress(self) -> float:
        """Share of the budget's steps that is done, see `Budget.progress`."""
        state = self.state
        return self.budget.progress(state.step, state.seconds, state.seconds_before)

    def should_stop(self) -> bool:
        """Whether what `preview` has drawn says that it has been enough; asked with early stopping on."""
        return False

    def save_progress(self, directory: Path) -> None:  # noqa: B027
        """Writes what a family must remember, besides weights and optimizer, to a checkpoint; all processes do."""

    def load_progress(self, directory: Path) -> None:  # noqa: B027
        """Reads what `save_progress` wrote."""

    # ---- the loop -----------------------------------------------------------------------------------------------

    def fit(self) -> FitResult:
        """Trains to the end of the budget, or until stopped.

        Raises:
            SpriteError: gradients stayed NaN or infinite; a checkpoint that does not fit.
        """
        if self.config.resume_from_checkpoint:
            self._resume()
        self.run = self._start_run()
        if self.accelerator.is_main_process and not self.config.resume_from_checkpoint:
            for stale in list_checkpoints(self.output_dir):  # only there if they are to be overwritten
                shutil.rmtree(stale)
        try:
            with StopSignals() as self._signals, self._bar() as bar:
                reason = self._loop(bar)
            result = self._interrupt() if reason == "signal" else self._finish(reason)
        except BaseException as error:
            self._end_run("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
            raise
        self._end_run("KILLED" if result.status == "interrupted" else "FINISHED")
        return result

    def _loop(self, bar: tqdm) -> str:
        """Runs steps until something ends the run, and says what: ``"budget"``, ``"early stopping"`` or ``"signal"``."""
        config, state = self.config, self.state
        running_loss, running_steps = 0.0, 0
        self.model.train()
        clock = time.perf_counter()
        while (progress := self._shared_progress()) < 1.0:
            loss, grad_norm, rate = self._optimizer_step(progress)
            now = time.perf_counter()
            state.seconds += now - clock
            clock = now
            if math.isfinite(loss):
                running_loss, running_steps = running_loss + loss, running_steps + 1
            if state.step % config.logging_steps == 0 and running_steps:
                self._log({
                    "train/loss": running_loss / running_steps, "train/grad_norm": grad_norm, "train/learning_rate": rate,
                    "train/images_per_second": state.images_per_second, "train/nonfinite_steps": state.nonfinite,
                    "train/spike_steps": state.spikes,
                })  # fmt: skip
                bar.set_postfix_str(
                    f"step {state.step}, loss {running_loss / running_steps:.4f}, {state.images_per_second:.0f} images/s"
                )
                running_loss, running_steps = 0.0, 0
            bar.update(min(self.progress(), 1.0) - bar.n)
            if self._agreed(self._signals.received is not None):
                return "signal"
            if state.step % config.validation_steps == 0 and self._validate_and_judge():
                return "early stopping"
            if state.step % config.preview_steps == 0:
                self._preview(f"previews/step-{state.step:06d}.png")
                if config.early_stopping_patience is not None and self._agreed(self.should_stop()):
                    return "early stopping"
            if state.step % config.checkpointing_steps == 0:
                self._checkpoint()
        return "budget"

    def _optimizer_step(self, progress: float) -> tuple[float, float, float]:
        """One step of `gradient_accumulation_steps` micro-batches; loss, gradient norm and learning rate of it."""
        config, state = self.config, self.state
        factor = learning_rate_factor(config.lr_scheduler, progress, state.step, config.lr_warmup_steps)
        rate = config.learning_rate * factor
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        losses, grad_norm = [], torch.tensor(0.0)
        for micro in range(config.gradient_accumulation_steps):
            with self.accelerator.accumulate(self.model):
                loss = self.training_step(state.step * config.gradient_accumulation_steps + micro)
                self.accelerator.backward(loss)
                losses.append(loss.detach().float())
                if self.accelerator.sync_gradients:
                    grad_norm = self.accelerator.clip_grad_norm_(self.model.parameters(), self._clip_norm())
                    self._guarded_update(float(grad_norm))
        state.step += 1
        state.images += self.images_per_step
        return float(self.accelerator.reduce(torch.stack(losses).mean(), "mean")), float(grad_norm), rate

    def _clip_norm(self) -> float:
        """The norm that gradients are clipped to."""
        config, median = self.config, self._median_norm()
        adaptive = config.adaptive_grad_clip
        return (
            config.max_grad_norm
            if adaptive is None or median is None
            else min(config.max_grad_norm, adaptive * median)
        )

    def _median_norm(self) -> float | None:
        """Median gradient norm of the last steps; `None` before there are enough of them."""
        norms = self.state.grad_norms
        return statistics.median(norms) if len(norms) >= MIN_NORMS else None

    def _guarded_update(self, grad_norm: float) -> None:
        """Updates the weights, unless the gradient is NaN, infinite or exploding; the norm is the same on every process."""
        state, limit, median = self.state, self.config.max_grad_spike, self._median_norm()
        finite = math.isfinite(grad_norm)
        spike = finite and limit is not None and median is not None and grad_norm > limit * median
        if finite and not spike:
            state.skipped_in_a_row = 0
            state.grad_norms = [*state.grad_norms[1 - MAX_NORMS :], grad_norm]
        else:
            state.nonfinite, state.spikes = state.nonfinite + (not finite), state.spikes + spike
            state.skipped_in_a_row += 1
            usual = f", the usual one {median:.3g}" if spike else ""
            logger.warning("Step %d: gradient norm is %s%s; the step is skipped.", state.step, grad_norm, usual)
        # with fp16 the optimizer itself skips the step, and must be called to lower its loss scale
        if (finite and not spike) or (not finite and self.accelerator.scaler is not None):
            self.optimizer.step()
        if finite and not spike and self.ema is not None:
            self.ema.step(self.trained)
        self.optimizer.zero_grad()
        if state.skipped_in_a_row >= self.config.max_nonfinite_steps:
            good = list_checkpoints(self.output_dir)
            raise SpriteError(
                f"The gradient was NaN, infinite or exploding in {state.skipped_in_a_row} steps in a row, up to step "
                f"{state.step}: training stopped. Lower --learning_rate (now {self.config.learning_rate}) or use "
                f"--mixed_precision no; last good checkpoint: {good[-1] if good else 'none'}."
            )

    def _validate_and_judge(self) -> bool:
        """Validates; true if early stopping says that it has been enough."""
        config, state = self.config, self.state
        with self.ema_weights():
            self.raw_model.eval()
            figures = self.validate()
            better = self.is_better(figures)
            if config.early_stopping_patience is not None and better:
                self.best_weights = [tensor.detach().clone() for tensor in self._kept_tensors()]
            if config.keep_best and better and self.accelerator.is_main_process:
                self.save(self.output_dir / "best")
            self.raw_model.train()
        self._log({f"validation/{key}": value for key, value in figures.items()})
        state.validation_loss = figures["loss"]
        if better:
            state.best_loss, state.best_step, state.validations_without_gain = figures["loss"], state.step, 0
        else:
            state.validations_without_gain += 1
        patience = config.early_stopping_patience
        return patience is not None and state.validations_without_gain >= patience

    # ---- start and end ------------------------------------------------------------------------------------------

    def _finish(self, reason: str) -> FitResult:
        state = self.state
        if state.step % self.config.validation_steps:
            self._validate_and_judge()
        if list_checkpoints(self.output_dir)[-1:] != [self.output_dir / f"checkpoint-{state.step}"]:
            self._checkpoint()
        if self.best_weights:
            self._say(f"Keeping the weights of step {state.best_step}, of the lowest validation loss.")
            for current, best in zip(self._kept_tensors(), self.best_weights, strict=True):
                current.data.copy_(best)
            self.ema = None
        samples = self._preview("samples.png")
        metrics = self.summary()
        if self.accelerator.is_main_process:
            with self.ema_weights():
                self.raw_model.eval()
                self.save(self.output_dir)
        if self.run:
            for file in hub.published_files(self.output_dir):
                self.run.log_file(file, Path("pipeline", file.relative_to(self.output_dir).parent).as_posix())
        self._log({f"run/{key}": value for key, value in metrics.items()})
        self._say(
            f"Training ended ({reason}) after {state.step} steps, {state.images:,} images in {state.seconds / 60:.1f} minutes."
        )
        self.accelerator.wait_for_everyone()
        return FitResult("finished", self.output_dir, samples, metrics)

    def _interrupt(self) -> FitResult:
        path = self._checkpoint()
        self._say(
            f"Stopped by {self._signals.received or 'another process'} at step "
            f"{self.state.step}; go on with --output_dir {self.output_dir} --resume_from_checkpoint latest ({path})."
        )
        return FitResult("interrupted", self.output_dir, None, self.summary())

    def summary(self) -> dict[str, float]:
        """Figures of the run so far: steps, images, seconds, speed, memory, validation loss of the weights kept."""
        state = self.state
        figures = {
            "steps": state.step,
            "images": state.images,
            "train_seconds": state.seconds,
            "images_per_second": state.images_per_second,
            "nonfinite_steps": state.nonfinite,
            "spike_steps": state.spikes,
            "parameters": sum(parameter.numel() for parameter in self.raw_model.parameters()),
            "memory_gib": psutil.Process().memory_info().rss / 2**30,
        }
        if self.accelerator.device.type == "cuda":
            figures["gpu_memory_gib"] = torch.cuda.max_memory_allocated() / 2**30
        if state.validation_loss is not None:
            figures["validation_loss"] = state.best_loss if self.best_weights else state.validation_loss
        return figures

    def _resume(self) -> None:
        path = find_checkpoint(self.output_dir, str(self.config.resume_from_checkpoint))
        before, now = read_facts(path), self.facts()
        different = [f"{key} (then {before.get(key)}, now {now[key]})" for key in now if before.get(key) != now[key]]
        if different:
            raise SpriteError(f"{path} cannot be resumed with other settings: {'; '.join(different)}.")
        self.accelerator.load_state(str(path))
        self.state = TrainState(**json.loads((path / "trainer_state.json").read_text(encoding="utf-8")))
        averages = load_file(path / "averages.safetensors")
        if self.ema is not None:
            self.ema.optimization_step = self.state.step - self.state.nonfinite - self.state.spikes
            for number, tensor in enumerate(self.ema.shadow_params):
                tensor.copy_(averages[f"ema.{number}"])
        self.best_weights = [
            averages[f"best.{number}"] for number in range(sum(key.startswith("best.") for key in averages))
        ]
        self.load_progress(path)
        self._say(f"Resumed from {path} at step {self.state.step}.")

    def _checkpoint(self) -> Path:
        """Writes a checkpoint that is there whole or not at all; it also holds the pipeline, ready to sample."""
        state, accelerator = self.state, self.accelerator
        partial = self.output_dir / f".checkpoint-{state.step}.partial"
        if accelerator.is_main_process:
            partial = begin_checkpoint(self.output_dir, state.step)
        accelerator.wait_for_everyone()
        accelerator.save_state(str(partial))
        self.save_progress(partial)
        accelerator.wait_for_everyone()
        path = partial.with_name(f"checkpoint-{state.step}")
        if accelerator.is_main_process:
            (partial / "trainer_state.json").write_text(json.dumps(asdict(state)), encoding="utf-8")
            averages = {f"best.{number}": tensor for number, tensor in enumerate(self.best_weights)}
            if self.ema is not None:
                averages |= {f"ema.{number}": tensor for number, tensor in enumerate(self.ema.shadow_params)}
            save_file(averages, partial / "averages.safetensors")
            with self.ema_weights():
                self.save(partial / "pipeline")
            commit_checkpoint(partial, self.facts(), self.config.checkpoints_total_limit)
        accelerator.wait_for_everyone()
        return path

    # ---- helpers ------------------------------------------------------------------------------------------------

    def _kept_tensors(self) -> list[torch.Tensor]:
        """What training changes: weights that are not frozen, and buffers, such as the statistics of batch norms."""
        return [*self.trained, *self.raw_model.buffers()]

    @contextlib.contextmanager
    def ema_weights(self) -> Iterator[None]:
        """The model has its averaged weights inside this context."""
        if self.ema is None:
            yield
            return
        self.ema.store(self.trained)
        self.ema.copy_to(self.trained)
        try:
            yield
        finally:
            self.ema.restore(self.trained)

    def _preview(self, name: str) -> Path | None:
        path = self.output_dir / name
        if self.accelerator.is_main_process:
            with self.ema_weights():
                self.raw_model.eval()
                image = self.preview()
                self.raw_model.train()
            path.parent.mkdir(parents=True, exist_ok=True)
            image.save(path)
            if self.run:
                self.run.log_file(path, "previews")
            if self.board:
                self.board.add_image("previews", np.asarray(image.convert("RGB")), self.state.step, dataformats="HWC")
        return path

    def _shared_progress(self) -> float:
        """Share of the budget used, by the main process's clock, so that all processes stop and decay together."""
        if self.budget.max_seconds is None or self.accelerator.num_processes == 1:
            return self.progress()
        seconds = torch.tensor(self.state.seconds, device=self.accelerator.device)
        self.state.seconds = float(self.accelerator.reduce(seconds, "mean"))
        return self.progress()

    def _agreed(self, flag: bool) -> bool:
        """True on every process if `flag` is on any."""
        if self.accelerator.num_processes == 1:
            return flag
        return bool(self.accelerator.reduce(torch.tensor(float(flag), device=self.accelerator.device), "sum") > 0)

    def _build_ema(self) -> EMAModel | None:
        if not self.config.use_ema:
            return None
        config = self.config
        return EMAModel(
            self.trained,
            decay=config.ema_max_decay,
            use_ema_warmup=True,
            inv_gamma=config.ema_inv_gamma,
            power=config.ema_power,
            foreach=True,
        )

    def _plan(self, num_examples: int) -> Budget:
        config = self.config
        limits = [config.max_train_steps] if config.max_train_steps else []
        if config.num_train_epochs:
            limits.append(math.ceil(config.num_train_epochs * num_examples / self.images_per_step))
        minutes = config.max_train_minutes
        return Budget(min(limits) if limits else None, None if minutes is None else 60 * minutes)

    def _choose_output_dir(self) -> Path:
        """The output folder; refuses one that holds a model, unless that is to be resumed or replaced."""
        stamp = [time.strftime("%Y%m%d-%H%M%S")]
        broadcast_object_list(stamp)
        self.run_name = self.config.run_name or f"{self.name}-{stamp[0]}"
        path = Path(self.config.output_dir or Path("outputs") / self.run_name)
        if path.exists() and not path.is_dir():
            raise SpriteError(f"--output_dir {path} is a file: choose another folder.")
        if self.config.resume_from_checkpoint or self.config.overwrite_output_dir:
            return path
        if any((path / name).exists() for name in MODEL_FILES) or list_checkpoints(path):
            raise SpriteError(
                f"--output_dir {path} already holds a model: choose another folder, go on with it by "
                "--resume_from_checkpoint latest, or replace it by --overwrite_output_dir."
            )
        return path

    def _start_run(self) -> TrackedRun | None:
        if not self.accelerator.is_main_process:
            return None
        facts = {key: str(value) for key, value in self.facts().items()}
        params = {key: value for key, value in self.params().items() if value is not None}
        experiment = self.config.experiment_name or self.name
        run = TrackedRun(experiment, self.run_name, params, facts, self.state.run_id)
        self.state.run_id = run.run_id
        run.remember_in(self.output_dir)
        return run

    def _open_tensorboard(self) -> Any:
        if not self.config.tensorboard or not self.accelerator.is_main_process:
            return None
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise SpriteError("--tensorboard needs TensorBoard: pip install tensorboard.") from error
        return SummaryWriter(str(self.output_dir / "tensorboard"))

    def _end_run(self, status: str) -> None:
        if self.board:
            self.board.close()
        if self.run:
            self.run.finish(status)

    def _log(self, metrics: dict[str, float]) -> None:
        if self.run:
            self.run.log(metrics, self.state.step)
        if self.board:
            for name, value in metrics.items():
                self.board.add_scalar(name, value, self.state.step)

    def _say(self, text: str) -> None:
        if self.accelerator.is_main_process:
            tqdm.write(text)

    def _bar(self) -> tqdm:
        """A bar over the share of the budget, so that its ETA holds for steps and for minutes."""
        interactive = os.isatty(2)
        return tqdm(
            total=1.0,
            initial=min(self.progress(), 1.0),
            disable=not self.accelerator.is_main_process,
            bar_format="{percentage:3.0f}%|{bar:20}| {elapsed} passed, {remaining} left{postfix}",
            mininterval=0.5 if interactive else 15,
        )
