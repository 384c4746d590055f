"""Checks that end a run which cannot learn, or learns to cheat, with the reason.

Those with a memory are dataclasses whose fields are JSON-safe: ``dataclasses.asdict`` stores one in a checkpoint and
``Guard(**stored)`` brings it back.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch

from ...errors import SpriteError
from .advantages import Advantages

NamedParameters = Iterable[tuple[str, torch.nn.Parameter]]


def check_gradients(parameters: NamedParameters) -> float:
    """Norm of the gradient after a backward pass. Call it where some advantage is not 0.

    Args:
        parameters: ``model.named_parameters()``; frozen ones are passed over. One half of a new LoRA has a zero
            gradient (the other half is zero), so that only all of them at once are an error.

    Raises:
        SpriteError: nothing is trainable, no gradient arrives, or one is not finite.
    """
    trainable = _trainable(parameters)
    missing = [name for name, parameter in trainable if parameter.grad is None]
    squares = {name: float(p.grad.detach().double().square().sum()) for name, p in trainable if p.grad is not None}
    broken = [name for name, square in squares.items() if not math.isfinite(square)]
    if broken:
        raise SpriteError(
            f"The gradient of {broken[0]} (and {len(broken) - 1} others of {len(trainable)}) is not finite: lower "
            "--learning_rate, or leave out the last steps of sampling with --timestep_fraction."
        )
    norm = math.sqrt(sum(squares.values()))
    if norm == 0:
        raise SpriteError(
            f"No gradient reaches the {len(trainable)} trainable weights ({len(missing)} have none, the rest is zero; the "
            f"first is {trainable[0][0]}): the steps must be computed with gradients, through adapters that are active."
        )
    return norm


class MovementGuard:
    """Ends a run whose trainable weights are still where they were.

    Args:
        parameters: ``model.named_parameters()``; a copy of the trainable ones is kept.
        after: updates to wait for.

    Raises:
        SpriteError: nothing is trainable.
    """

    def __init__(self, parameters: NamedParameters, after: int = 10):
        self.after = after
        self._parameters = _trainable(parameters)
        self._start = [parameter.detach().clone() for _, parameter in self._parameters]

    def moved(self) -> float:
        """Distance from the start, the norm over all trainable weights."""
        pairs = zip(self._parameters, self._start, strict=True)
        return math.sqrt(sum(float((p.detach() - start).double().square().sum()) for (_, p), start in pairs))

    def check(self, updates: int) -> None:
        """Call it with the number of updates since the start.

        Raises:
            SpriteError: no weight has moved in `after` updates.
        """
        if updates >= self.after and self.moved() == 0:
            raise SpriteError(
                f"After {updates} updates all {len(self._parameters)} trainable weights are where they started: raise "
                "--learning_rate, and check that the optimizer holds the adapters' weights."
            )


def check_first_ratio(ratio: torch.Tensor, tolerance: float = 1e-4) -> None:
    """Before the first update on a rollout the steps are as likely as when they were sampled.

    Args:
        ratio: ``(batch,)``, `losses.importance_ratio` on the first pass.
        tolerance: for rounding; keep it below the clip range's effect.

    Raises:
        SpriteError: some ratio is not 1.
    """
    worst = float((ratio.detach() - 1).abs().nan_to_num(nan=math.inf).max())
    if worst > tolerance:
        raise SpriteError(
            f"The importance ratio of the first pass is off 1 by {worst:.2g}, more than {tolerance:.2g}: sample and train "
            "with the same weights, precision and guidance, with --lora_dropout 0 and other dropout off."
        )


@dataclass
class SpreadGuard:
    """Ends a run in which no group tells good from bad.

    Attributes:
        patience: rollouts in a row.
        strikes: so far.
    """

    patience: int = 3
    strikes: int = 0

    def check(self, advantages: Advantages) -> None:
        """Call it once per rollout.

        Raises:
            SpriteError: all groups of `patience` rollouts in a row had equal rewards.
        """
        self.strikes = self.strikes + 1 if advantages.flat_share == 1 else 0
        if self.strikes >= self.patience:
            raise SpriteError(
                f"All {advantages.num_groups} groups had equal rewards in each of {self.strikes} rollouts: a constant "
                "reward teaches nothing. Raise --num_images_per_prompt above 1, or choose --rewards that differ."
            )


@dataclass
class CollapseGuard:
    """Ends a run that earns its reward by cheating: the reward rises, one it does not train on and diversity collapse.

    The three come from seeded evaluations on the same prompts and noise as the base model's.

    Attributes:
        reward: the base model's mean of the reward that is trained.
        held_out: the base model's mean of a reward that is not.
        diversity: the base model's, in units above 0, e.g. the mean distance between features of samples of a prompt.
        held_out_sd: the sd of the held-out reward over the base model's samples; the unit of `max_drop`.
        max_drop: how far the held-out reward may fall, in `held_out_sd`.
        min_diversity: the share of the base's diversity that must remain.
        patience: evaluations in a row.
        strikes: so far.

    Raises:
        SpriteError: a base whose diversity or `held_out_sd` is not positive.
    """

    reward: float
    held_out: float
    diversity: float
    held_out_sd: float
    max_drop: float = 0.5
    min_diversity: float = 0.5
    patience: int = 2
    strikes: int = 0

    def __post_init__(self) -> None:
        if not (self.diversity > 0 and self.held_out_sd > 0):
            raise SpriteError(
                f"The base model's samples have diversity {self.diversity:g} and a held-out reward of sd "
                f"{self.held_out_sd:g}; both must be above 0: evaluate on more prompts, with another held-out reward."
            )

    def check(self, reward: float, held_out: float, diversity: float) -> None:
        """Call it with each evaluation of the tuned model.

        Raises:
            SpriteError: in `patience` evaluations in a row the reward was above the base's, while the held-out reward
                and diversity were both below what is allowed.
        """
        drop = (self.held_out - held_out) / self.held_out_sd
        share = diversity / self.diversity
        collapsed = reward > self.reward and drop > self.max_drop and share < self.min_diversity
        self.strikes = self.strikes + 1 if collapsed else 0
        if self.strikes >= self.patience:
            raise SpriteError(
                f"The reward rose from {self.reward:.3g} to {reward:.3g} while the held-out reward fell by {drop:.2g} sd "
                f"(at most {self.max_drop:g}) and diversity to {share:.0%} (at least {self.min_diversity:.0%}): the model "
                "is gaming the reward. Raise --kl_weight, lower --learning_rate, or stop earlier."
            )


def _trainable(parameters: NamedParameters) -> list[tuple[str, torch.nn.Parameter]]:
    trainable = [(name, parameter) for name, parameter in parameters if parameter.requires_grad]
    if not trainable:
        raise SpriteError(
            "Nothing is trainable: add a LoRA to the denoiser with requires_grad, --lora_rank of at least 1."
        )
    return trainable
