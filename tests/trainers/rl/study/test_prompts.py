"""Splits that keep near-duplicates together."""

from __future__ import annotations

import pytest

from sprite_diffusers.errors import SpriteError
from sprite_diffusers.trainers.rl.study.prompts import group_prompts, hold_out, split_prompts

NAMES = [
    f"{color} {animal}"
    for color in ("red", "green", "blue", "grey", "pink")
    for animal in ("cat", "dog", "owl", "cow")
]


def variants(count: int) -> list[str]:
    """Every prompt `count` times, in other words that say the same."""
    forms = ("a {}", "the {}s!", "{}, ", "A {} .", "an {}", "{}?")
    return [form.format(name) for form in forms[:count] for name in NAMES]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_all_prompts_once_and_no_group_on_two_sides(seed):
    prompts = variants(3)
    split = split_prompts(prompts, folds=4, test_share=0.1, seed=seed)
    parts = [split.test, *split.folds]
    assert sorted(prompt for part in parts for prompt in part) == sorted(prompts)
    groups = dict(zip(prompts, group_prompts(prompts), strict=True))
    numbers = [{groups[prompt] for prompt in part} for part in parts]
    assert sum(map(len, numbers)) == len(set.union(*numbers)) == 20
    assert len(split.test) == 6
    assert sorted(map(len, split.folds)) == [12, 12, 15, 15]
    assert split.test == [prompt for prompt in prompts if prompt in split.test]
    assert split.training(1) == split.folds[0] + split.folds[2] + split.folds[3]


def test_distinct_prompts_are_balanced_to_one():
    prompts = [f"prompt{index}x" for index in range(103)]
    split = split_prompts(prompts, folds=4, test_share=0.1, seed=0)
    assert len(split.test) == 10
    assert sorted(map(len, split.folds)) == [23, 23, 23, 24]
    assert split == split_prompts(prompts, folds=4, test_share=0.1, seed=0)
    assert split.test != split_prompts(prompts, folds=4, test_share=0.1, seed=1).test


def test_as_few_prompts_as_can_be():
    split = split_prompts(NAMES[:5], folds=4, test_share=0.5, seed=0)
    assert len(split.test) == 1
    assert [len(fold) for fold in split.folds] == [1, 1, 1, 1]
    split = split_prompts(NAMES[:3], folds=2, test_share=0.01, seed=0)
    assert len(split.test) == 1


def test_a_large_group_is_not_for_testing():
    prompts = [f"cat {'!' * index}" for index in range(40)] + NAMES
    for seed in range(5):
        split = split_prompts(prompts, folds=2, test_share=0.1, seed=seed)
        assert len(split.test) == 6
        assert not any("!" in prompt for prompt in split.test)
        assert sorted(map(len, split.folds)) == [14, 40]


@pytest.mark.parametrize(
    ("prompts", "options", "message"),
    [
        (NAMES[:4], {"folds": 4}, "--folds 4 takes 5 prompts that differ.*there are 4 prompts in 4 groups"),
        (["a cat", "the cat", "cats"], {"folds": 2}, "there are 3 prompts in 1 groups"),
        (["a cat"], {"folds": 2}, "there are 1 prompts in 1 groups"),
        ([], {"folds": 2}, "there are 0 prompts in 0 groups"),
        (NAMES, {"folds": 1}, "--folds 1 must be 2 or more"),
        (NAMES, {"test_share": 0.0}, "--test_share 0.0 is not above 0 and at most 0.5"),
        (NAMES, {"test_share": 0.6}, "--test_share 0.6"),
        (NAMES, {"threshold": 2.0}, "--group_threshold 2.0"),
    ],
)
def test_what_cannot_be_split(prompts, options, message):
    with pytest.raises(SpriteError, match=message):
        split_prompts(prompts, **options)


def test_prompts_to_stop_by():
    prompts = variants(2)
    rest, held = hold_out(prompts, share=0.25, seed=0)
    assert sorted(rest + held) == sorted(prompts)
    assert len(held) == 10
    groups = dict(zip(prompts, group_prompts(prompts), strict=True))
    assert not {groups[prompt] for prompt in rest} & {groups[prompt] for prompt in held}
    assert [len(part) for part in hold_out(NAMES[:2], share=0.1)] == [1, 1]
    with pytest.raises(SpriteError, match="2 prompts in 1 group of near-duplicates"):
        hold_out(["a cat", "the cat"])
    with pytest.raises(SpriteError, match=r"--validation_share 0\.7"):
        hold_out(NAMES, share=0.7)
