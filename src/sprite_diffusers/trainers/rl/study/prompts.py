"""Prompts to train on, to stop by and to test on: apart, so that near-duplicates are never on two sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ....errors import SpriteError
from .near_duplicates import group_prompts
from .prompt_sources import Prompts, load_prompts

__all__ = ["PromptSplit", "Prompts", "group_prompts", "hold_out", "load_prompts", "split_prompts"]


@dataclass(frozen=True)
class PromptSplit:
    """Prompts by what they are for; each list in the order in which they were given.

    Attributes:
        test: touched once, at the very end.
        folds: of the cross-validation; each is held out from the training on the others.
    """

    test: list[str]
    folds: list[list[str]]

    def training(self, fold: int) -> list[str]:
        """The prompts of all folds but this one."""
        return [prompt for number, prompts in enumerate(self.folds) if number != fold for prompt in prompts]


def split_prompts(
    prompts: Sequence[str], folds: int = 4, test_share: float = 0.1, seed: int = 0, threshold: float = 0.8
) -> PromptSplit:
    """Test prompts and k folds, near-duplicates (see `near_duplicates`) all in one of them.

    Folds are of nearly equal sizes, unless there are groups of near-duplicates larger than that. The test prompts are at
    least one, and a group larger than their share is never among them.

    Args:
        prompts: distinct ones.
        folds: k, 2 or more.
        test_share: above 0 to 0.5.
        seed: of what comes where.
        threshold: of `group_prompts`.

    Raises:
        SpriteError: a value out of its range, or fewer groups than folds and one more.
    """
    _check_share(test_share, "--test_share")
    if folds < 2:
        raise SpriteError(f"--folds {folds} must be 2 or more: one fold has no other to be trained on.")
    groups = _members(prompts, threshold)
    if len(groups) < folds + 1:
        raise SpriteError(
            f"--folds {folds} takes {folds + 1} prompts that differ, one of them to test, but there are {len(prompts)} prompts "
            f"in {len(groups)} groups of near-duplicates: give more prompts, fewer --folds or a higher --group_threshold."
        )
    order = np.random.default_rng(seed).permutation(len(groups))
    shuffled = [groups[index] for index in order]
    test = _fill(shuffled, round(test_share * len(prompts)), most=len(groups) - folds)
    chosen = {group[0] for group in test}
    parts: list[list[int]] = [[] for _ in range(folds)]
    for group in sorted((group for group in shuffled if group[0] not in chosen), key=len, reverse=True):
        min(parts, key=len).extend(group)
    tests = [index for group in test for index in group]
    return PromptSplit(_take(prompts, tests), [_take(prompts, part) for part in parts])


def hold_out(
    prompts: Sequence[str], share: float = 0.1, seed: int = 0, threshold: float = 0.8
) -> tuple[list[str], list[str]]:
    """The rest, and about `share` of the prompts, at least one, to stop by; near-duplicates all on one side.

    Args:
        prompts: distinct ones.
        share: above 0 to 0.5.
        seed, threshold: as of `split_prompts`.

    Raises:
        SpriteError: a share out of its range, or prompts that are all near-duplicates of each other.
    """
    _check_share(share, "--validation_share")
    groups = _members(prompts, threshold)
    if len(groups) < 2:
        raise SpriteError(
            f"{len(prompts)} prompts in {len(groups)} group of near-duplicates leave none to stop training by: give more "
            "prompts, or a higher --group_threshold."
        )
    order = np.random.default_rng(seed).permutation(len(groups))
    chosen = _fill([groups[index] for index in order], round(share * len(prompts)), most=len(groups) - 1)
    held = {index for group in chosen for index in group}
    return _take(prompts, set(range(len(prompts))) - held), _take(prompts, held)


def _check_share(share: float, flag: str) -> None:
    if not 0 < share <= 0.5:
        raise SpriteError(f"{flag} {share} is not above 0 and at most 0.5: give 0.1.")


def _members(prompts: Sequence[str], threshold: float) -> list[list[int]]:
    """Positions of the prompts of each group."""
    numbers = group_prompts(prompts, threshold)
    groups: list[list[int]] = [[] for _ in range(int(numbers.max(initial=-1)) + 1)]
    for position, number in enumerate(numbers):
        groups[number].append(position)
    return groups


def _fill(groups: list[list[int]], size: int, most: int) -> list[list[int]]:
    """Groups in their order as they fit into `size`, at most so many; the smallest if none does."""
    chosen: list[list[int]] = []
    left = size
    for group in groups:
        if len(group) <= left and len(chosen) < most:
            chosen.append(group)
            left -= len(group)
    return chosen or [min(groups, key=len)]


def _take(prompts: Sequence[str], positions: Sequence[int] | set[int]) -> list[str]:
    return [prompts[position] for position in sorted(positions)]
