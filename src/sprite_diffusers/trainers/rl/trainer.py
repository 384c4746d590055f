"""Reinforcement learning of a diffusion pipeline's LoRA, on the one training loop."""

from __future__ import annotations

import csv
import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate.utils import gather_object
from diffusers import DiffusionPipeline
from PIL import Image
from safetensors.torch import load_file, save_file

from ...data import EpochSampler
from ...errors import SpriteError
from ...rewards import (
    Calibration,
    balanced_weights,
    composite,
    gather_rewards,
    normalize_then_sum,
    reward_names,
    reward_weights,
)
from ...rewards.base import Values
from ..base import Trainer
from ..config import TrainerConfig
from .draft import DRaFT
from .estimators import ESTIMATORS, Table, step_count
from .evaluation import Evaluation, decode, evaluate_policy, mean, without_gaps
from .guards import CollapseGuard, MovementGuard, SpreadGuard, check_gradients
from .lora import add_lora, lora_weights, save_lora, set_lora_weights
from .policies import Conditions, build_policy
from .rollout import choose_steps, sample_trajectories
from .settings import RLConfig
from .study.figures import before_after_sheet

MAX_CALIBRATION_PROMPTS = 64
PREVIEW_PROMPTS = 6
LORA_FILE = "lora.safetensors"


@dataclass(frozen=True)
class RLTask:
    """What is tuned, by what, on what.

    Attributes:
        pipeline: its denoiser gets the LoRA.
        rewards: trained on.
        weights: one for each reward; see `reward_weights`.
        untrained: a reward that only watches, or `None`.
        train_prompts: drawn in rollouts.
        eval_prompts: held out; early stopping and previews look at these.
        calibration: of `rewards` on the base model; measured if `None`.
        base: name of the pipeline, for the record.
    """

    pipeline: DiffusionPipeline
    rewards: Sequence[Callable]
    weights: Sequence[float] | None
    untrained: Callable | None
    train_prompts: list[str]
    eval_prompts: list[str]
    calibration: Calibration | None = None
    base: str = ""


@dataclass
class Rollout:
    """A rollout that is being trained on: rows by update and micro-batch, and conditions of its images."""

    number: int
    table: Table
    conditions: Conditions
    informative: bool


class RLTrainer(Trainer):
    """Tunes a LoRA on the denoiser of a pipeline so that its images earn more reward.

    One optimizer step is one update; every ``rl.updates_per_rollout`` of them there is a rollout. The output folder holds
    the LoRA (`load_lora_weights`), ``calibration.json``, ``evaluations.csv`` and ``samples.png`` (base above tuned).

    Args:
        config: settings of the loop; its ``gradient_accumulation_steps`` follow from ``train_batch_size`` here, which
            counts steps of images (DRaFT: images).
        rl: settings of the policy gradient.
        task: what is tuned, by what, on what.

    Raises:
        SpriteError: settings, prompts or rewards that do not fit, or a reward that is the same for all images.
    """

    name = "sprite-rl"

    def __init__(self, config: TrainerConfig, rl: RLConfig, task: RLTask):
        self.rl, self.task = rl, task
        if not task.train_prompts or not task.eval_prompts:
            raise SpriteError(
                f"There are {len(task.train_prompts)} prompts to train on and {len(task.eval_prompts)} to evaluate on, but "
                "both need 1 or more."
            )
        self.reward_names = reward_names(task.rewards)
        self.weights = reward_weights(self.reward_names, task.weights)
        self.lora_config = add_lora(
            task.pipeline,
            rl.lora_rank,
            2 * rl.lora_rank if rl.lora_alpha is None else rl.lora_alpha,
            rl.lora_dropout,
            rl.lora_target_modules,
            config.seed,
        )
        self.policy = build_policy(task.pipeline, rl.sampling_steps, rl.sampling_guidance, rl.prior_images_per_prompt)
        self.policy.check_prompts([*task.train_prompts, *task.eval_prompts])
        is_draft = rl.estimator == "draft"
        self.draft = DRaFT(rl, self.policy, task.rewards) if is_draft else None
        self.estimator = ESTIMATORS["nft" if is_draft else rl.estimator](rl, self.policy)
        if rl.gradient_checkpointing:
            self.policy.network.enable_gradient_checkpointing()
        images = rl.prompts_per_rollout * rl.num_images_per_prompt
        self.num_steps = step_count(self.policy, rl)
        kept = max(1, round(rl.timestep_fraction * self.num_steps))
        rows = images if is_draft else images * kept
        self.micro_batches = math.ceil(rows / rl.updates_per_rollout / config.train_batch_size)
        super().__init__(
            replace(config, gradient_accumulation_steps=self.micro_batches), self.policy, len(task.train_prompts)
        )
        self.images_per_step = images // rl.updates_per_rollout * self.accelerator.num_processes
        self.budget = self._plan(len(task.train_prompts) * rl.num_images_per_prompt)
        self.accelerator.register_save_state_pre_hook(self._save_lora_only)
        self.accelerator.register_load_state_pre_hook(self._load_lora_only)
        self.task.pipeline.to(self.accelerator.device)
        self.task.pipeline.set_progress_bar_config(disable=True)
        self.sampler = EpochSampler(
            len(task.train_prompts),
            rl.prompts_per_rollout,
            config.seed,
            self.accelerator.process_index,
            self.accelerator.num_processes,
        )
        self.rollout: Rollout | None = None
        self.spread, self.movement = SpreadGuard(), MovementGuard(self.policy.named_parameters())
        self.history: list[dict[str, float]] = []
        self.calibration = self._calibrate()
        self.base_evaluation = self._evaluate()
        self.best_rewards = dict(self.base_evaluation.rewards)
        self._begin_at_base()

    # ---- what the loop asks for ---------------------------------------------------------------------------------

    def training_step(self, micro_step: int) -> torch.Tensor:
        step, micro = divmod(micro_step, self.micro_batches)
        number, update = divmod(step, self.rl.updates_per_rollout)
        if self.draft is not None:
            shared = np.array_split(self._prompts(number), self.rl.updates_per_rollout)[update]
            prompts = [str(prompt) for prompt in np.array_split(shared, self.micro_batches)[micro]]
            weights = self._balanced_weights(self.history[-1])
            loss, figures = self.draft.loss(
                self.model, prompts, self.calibration, weights, self._seed(step) + (micro << 20)
            )
            self._log({f"rewards/{name}": value for name, value in figures.items()})
            return loss
        if self.rollout is None or self.rollout.number != number:
            self.rollout = self._roll_out(number)
        rows = self._rows(self.rollout, update, micro)
        part = {name: tensor[rows] for name, tensor in self.rollout.table.items()}
        conditions = {name: tensor[part["image"]] for name, tensor in self.rollout.conditions.items()}
        loss, figures = self.estimator.loss(self.model, part, conditions, first=update == 0)
        if micro == 0 and figures:
            self._log({f"train/{name}": value for name, value in figures.items()})
        return loss

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """The base's and this model's images of the same prompts and noise, on the calibrated scale."""
        self.evaluation = self._evaluate()
        figures = self.figures(self.evaluation)
        self.history.append({"step": self.state.step, "queries": self.state.images, **figures})
        if self.collapse is not None:
            self.collapse.check(figures["composite"], figures["untrained"], self.evaluation.diversity)
        return figures

    def is_better(self, figures: dict[str, float]) -> bool:
        """Better than the best by `early_stopping_min_delta` and by a standard error of the difference over prompts."""
        weights = self._balanced_weights(self._reward_means(self.best_rewards))
        after, before = (
            self._composites(rewards, weights) for rewards in (self.evaluation.rewards, self.best_rewards)
        )
        differences = np.array(after) - np.array(before)
        by_prompt = differences.reshape(len(self.task.eval_prompts), -1).mean(axis=1)
        error = by_prompt.std(ddof=1) / math.sqrt(len(by_prompt)) if len(by_prompt) > 1 else 0.0
        better = bool(by_prompt.mean() > max(self.rl.early_stopping_min_delta, error))
        if better:
            self.best_rewards = self.evaluation.rewards
        return better

    @torch.no_grad()
    def preview(self) -> Image.Image:
        """Prompts of the evaluation: images of the base and of the tuned model from the same noise."""
        self.evaluation = self._evaluate()
        base = self.base_evaluation
        return before_after_sheet(base.prompts, base.images, self.evaluation.images, max_prompts=PREVIEW_PROMPTS)

    def save(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        save_lora(self.task.pipeline, self.lora_config, directory)
        self.calibration.save(directory / "calibration.json")
        facts = json.dumps({"base": self.task.base, **self.facts()}, indent=2) + "\n"
        (directory / "rl.json").write_text(facts, encoding="utf-8")
        self._write_history(directory)

    def facts(self) -> dict[str, Any]:
        return {
            "base": self.task.base,
            "rl": asdict(self.rl),
            "rewards": self.reward_names,
            "reward_weights": self.weights,
            "train_prompts": _fingerprint(self.task.train_prompts),
            "eval_prompts": _fingerprint(self.task.eval_prompts),
            "seed": self.config.seed,
            "images_per_step": self.images_per_step,
        }

    def params(self) -> dict[str, Any]:
        weights = {f"weight_{name}": weight for name, weight in zip(self.reward_names, self.weights, strict=True)}
        return super().params() | asdict(self.rl) | weights | {"base": self.task.base}

    def summary(self) -> dict[str, float]:
        figures = super().summary()
        figures["reward_queries"] = figures.pop("images")
        figures["parameters"] = sum(tensor.numel() for tensor in self.trained)
        return figures

    # ---- rollouts -----------------------------------------------------------------------------------------------

    def _roll_out(self, number: int) -> Rollout:
        """Images of the next prompts, rated; what the estimator trains on."""
        rl, seed = self.rl, self._seed(number)
        prompts = self._prompts(number)
        generator = torch.Generator(self.accelerator.device).manual_seed(seed)
        kept = choose_steps(self.num_steps, rl.timestep_fraction, np.random.default_rng(seed))
        self.policy.eval()
        drawn = sample_trajectories(
            self.policy,
            prompts,
            generator,
            seed=seed,
            batch_size=rl.rollout_batch_size,
            eta=rl.eta,
            noise_level=rl.noise_level,
            kept=kept if self.estimator.needs_steps else (),
        )
        images = decode(self.policy, drawn.latents, drawn.conditions, rl.rollout_batch_size)
        values = gather_rewards(self.task.rewards, images.cpu(), prompts)
        advantages = self._advantages(values, prompts)
        generator = torch.Generator().manual_seed(seed + 1)
        table = self.estimator.prepare(drawn, advantages, generator)
        self.policy.train()
        return Rollout(number, table, drawn.conditions, bool(advantages.any()))

    def _advantages(self, values: dict[str, Values], prompts: list[str]) -> torch.Tensor:
        """Of this process's images, ``(images,)``, among those of all processes."""
        gathered = gather_object([(values, prompts)])
        columns = {name: [value for part, _ in gathered for value in part[name]] for name in values}
        groups = [prompt for _, part in gathered for prompt in part]
        scaled, weights = self.calibration.normalize(columns), self._balanced_weights(self.history[-1])
        if self.rl.combine_rewards == "sum_then_normalize":
            totals = without_gaps(composite(scaled, weights), groups)
        else:
            totals = normalize_then_sum(scaled, weights, groups)
        advantages = self.estimator.advantages(totals, groups)
        self.spread.check(advantages)
        figures = {"rewards/composite/mean": float(totals.mean()), "rewards/composite/std": float(totals.std())}
        for name, column in columns.items():
            known = np.array([value for value in column if value is not None])
            if len(known):
                figures |= {f"rewards/{name}/mean": float(known.mean()), f"rewards/{name}/std": float(known.std())}
        self._log({**figures, "rewards/flat_groups": advantages.flat_share, "train/reward_queries": self.state.images})
        first = len(prompts) * self.accelerator.process_index
        return advantages.values[first : first + len(prompts)]

    def _rows(self, rollout: Rollout, update: int, micro: int) -> torch.Tensor:
        """Rows of a micro-batch: the images of a rollout are shared out among its updates, their rows in random order."""
        rng = np.random.default_rng(self._seed(rollout.number))
        image = rollout.table["image"].numpy()
        chunks = np.array_split(rng.permutation(image.max() + 1), self.rl.updates_per_rollout)
        rows = np.flatnonzero(np.isin(image, chunks[update]))
        return torch.from_numpy(np.array_split(rng.permutation(rows), self.micro_batches)[micro])

    def _prompts(self, number: int) -> list[str]:
        chosen = self.sampler.indices(number)
        return [self.task.train_prompts[row] for row in chosen for _ in range(self.rl.num_images_per_prompt)]

    def _seed(self, number: int) -> int:
        """Of everything that is drawn in a rollout of this process."""
        rank, processes = self.accelerator.process_index, self.accelerator.num_processes
        return (self.config.seed << 40) + 2 * (number * processes + rank)

    # ---- guards -------------------------------------------------------------------------------------------------

    def _guarded_update(self, grad_norm: float) -> None:
        informative = self.rollout is None or self.rollout.informative
        if math.isfinite(grad_norm) and informative:
            check_gradients(self.policy.named_parameters())
        super()._guarded_update(grad_norm)
        self.movement.check(self.state.step + 1)

    # ---- evaluation ---------------------------------------------------------------------------------------------

    def _evaluate(self) -> Evaluation:
        return evaluate_policy(
            self.policy, self.task.eval_prompts, self.rl, self.task.rewards, self.task.untrained, self.config.seed
        )

    def figures(self, evaluation: Evaluation) -> dict[str, float]:
        """Of an evaluation, beside the base's."""
        value = _mean(self._composites(evaluation.rewards))
        figures = {
            "loss": -value,
            "composite": value,
            "gain": value - _mean(self._composites(self.base_evaluation.rewards)),
            **self._reward_means(evaluation.rewards),
        }
        if self.rl.eval_images_per_prompt > 1:
            figures["diversity"] = evaluation.diversity / self.base_evaluation.diversity
        if evaluation.untrained:
            figures["untrained"] = mean(evaluation.untrained)
        return figures

    def _composites(self, rewards: dict[str, Values], weights: Sequence[float] | None = None) -> list[float]:
        """Of raw rewards of the evaluation's images; weighted as the task says, if not by `weights`."""
        values = composite(self.calibration.normalize(rewards), self.weights if weights is None else weights)
        return without_gaps(values, self.base_evaluation.prompts).tolist()

    def _reward_means(self, rewards: dict[str, Values]) -> dict[str, float]:
        """Of raw rewards of the evaluation's images, on the calibrated scale."""
        return {f"rewards/{name}": mean(column) for name, column in self.calibration.normalize(rewards).items()}

    def _balanced_weights(self, means: dict[str, float]) -> list[float]:
        """The weights for a model whose `_reward_means` are these; those of the task without ``rl.reward_balance``."""
        base = self.history[0]
        gains = [means[f"rewards/{name}"] - base[f"rewards/{name}"] for name in self.reward_names]
        return balanced_weights(self.weights, gains, self.rl.reward_balance)

    def _calibrate(self) -> Calibration:
        """That of the task; or the base's, on training prompts."""
        if self.task.calibration is not None:
            self.task.calibration.check(self.task.rewards)
            return self.task.calibration
        prompts = self.task.train_prompts[:MAX_CALIBRATION_PROMPTS]
        seed = self.config.seed + 1
        drawn = evaluate_policy(self.policy, prompts, self.rl, self.task.rewards, seed=seed)
        facts = {"base": self.task.base, "prompts": len(prompts), "images": len(drawn.images), "seed": seed}
        return Calibration.measure(drawn.rewards, self.task.rewards, facts)

    def _begin_at_base(self) -> None:
        """What is to be beaten: the base itself; and what its collapse would be measured by."""
        value = _mean(self._composites(self.base_evaluation.rewards))
        self.state.best_loss = -value
        if self.config.early_stopping_patience is not None:
            self.best_weights = [tensor.detach().clone() for tensor in self._kept_tensors()]
        base, self.collapse = self.base_evaluation, None
        self.history.append({"step": 0, "queries": 0, **self.figures(base)})
        spread = np.array([value for value in base.untrained if value is not None])
        if len(spread) > 1 and self.rl.eval_images_per_prompt > 1:
            self.collapse = CollapseGuard(
                reward=value,
                held_out=float(spread.mean()),
                diversity=base.diversity,
                held_out_sd=float(spread.std(ddof=1)),
                max_drop=self.rl.max_held_out_drop,
                min_diversity=self.rl.min_diversity,
            )

    def _write_history(self, directory: Path) -> None:
        with (directory / "evaluations.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(self.history[0]))
            writer.writeheader()
            writer.writerows(self.history)

    # ---- checkpoints --------------------------------------------------------------------------------------------

    def _save_lora_only(self, models: list, weights: list, output_dir: str) -> None:
        """Of the model only its LoRA goes into a checkpoint."""
        weights.clear()
        if self.accelerator.is_main_process:
            save_file(lora_weights(self.policy.network), Path(output_dir) / LORA_FILE)

    def _load_lora_only(self, models: list, input_dir: str) -> None:
        models.clear()
        set_lora_weights(self.policy.network, load_file(Path(input_dir) / LORA_FILE))

    def save_progress(self, directory: Path) -> None:
        """Guards, the evaluations so far, the estimator's memory, and the rollout that is being trained on."""
        memory = {
            "estimator": self.estimator.state(),
            "spread": asdict(self.spread),
            "collapse": None if self.collapse is None else asdict(self.collapse),
            "history": self.history,
            "best_rewards": self.best_rewards,
        }
        rollout = self.rollout
        if rollout is not None:
            memory["rollout"] = {"number": rollout.number, "informative": rollout.informative}
            tensors = {f"table.{name}": tensor for name, tensor in rollout.table.items()}
            tensors |= {f"conditions.{name}": tensor for name, tensor in rollout.conditions.items()}
            save_file(
                {name: tensor.contiguous().cpu() for name, tensor in tensors.items()}, self._rollout_file(directory)
            )
        if self.accelerator.is_main_process:
            (directory / "rl_progress.json").write_text(json.dumps(memory), encoding="utf-8")

    def load_progress(self, directory: Path) -> None:
        memory = json.loads((directory / "rl_progress.json").read_text(encoding="utf-8"))
        self.estimator.restore(memory["estimator"])
        self.spread = SpreadGuard(**memory["spread"])
        self.collapse = None if memory["collapse"] is None else CollapseGuard(**memory["collapse"])
        self.history, self.best_rewards = memory["history"], memory["best_rewards"]
        if "rollout" in memory:
            parts: dict[str, Table] = {"table": {}, "conditions": {}}
            for name, tensor in load_file(self._rollout_file(directory)).items():
                group, _, column = name.partition(".")
                parts[group][column] = tensor if column == "image" else tensor.to(self.accelerator.device)
            self.rollout = Rollout(table=parts["table"], conditions=parts["conditions"], **memory["rollout"])

    def _rollout_file(self, directory: Path) -> Path:
        return directory / f"rollout-{self.accelerator.process_index}.safetensors"


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _fingerprint(prompts: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(prompts).encode()).hexdigest()[:16]
