"""Advantages against numpy, scalar loops and the published tracker's rules."""

from __future__ import annotations

import json
import math
import statistics

import numpy as np
import pytest
import torch

from sprite_diffusers.errors import SpriteError
from sprite_diffusers.trainers.rl.advantages import RunningStatistics, group_relative, leave_one_out, optimality

PROMPTS = ["cat", "dog", "cat", "dog", "cat", "bat", "bat"]
REWARDS = [1.0, 5.0, 4.0, 5.5, 2.5, 0.1, 0.1]


def of(prompt: str) -> list[float]:
    return [reward for reward, one in zip(REWARDS, PROMPTS, strict=True) if one == prompt]


@pytest.mark.parametrize("scale", ["group", "batch", "none"])
def test_group_relative(scale):
    advantages = group_relative(REWARDS, PROMPTS, scale, clip=None)
    sd = {
        "batch": lambda prompt: np.std(REWARDS),
        "group": lambda prompt: np.std(of(prompt)),
        "none": lambda prompt: 1,
    }
    for value, reward, prompt in zip(advantages.values.tolist(), REWARDS, PROMPTS, strict=True):
        expected = 0.0 if prompt == "bat" else (reward - np.mean(of(prompt))) / sd[scale](prompt)
        assert value == pytest.approx(expected, rel=1e-5, abs=1e-7)
    assert advantages.values.dtype == torch.float32
    assert advantages.flat == ("bat",)
    assert advantages.flat_share == pytest.approx(1 / 3)


def test_leave_one_out():
    advantages = leave_one_out(torch.tensor(REWARDS), PROMPTS)
    for index, (reward, prompt) in enumerate(zip(REWARDS, PROMPTS, strict=True)):
        others = [r for i, (r, one) in enumerate(zip(REWARDS, PROMPTS, strict=True)) if one == prompt and i != index]
        assert float(advantages.values[index]) == pytest.approx(reward - statistics.mean(others), abs=1e-6)
    assert advantages.flat == ("bat",)


def test_equal_rewards_give_exact_zeros_whatever_their_size():
    for size in (0.0, 0.1, 1e-12, -3e7):
        for estimator in (group_relative, leave_one_out):
            advantages = estimator([size] * 3, ["cat"] * 3)
            assert advantages.values.tolist() == [0.0, 0.0, 0.0]
            assert advantages.flat_share == 1
    tiny = group_relative([1.0, 1.0 + 1e-6], ["cat", "cat"], scale="none", clip=None)
    assert tiny.flat == ()
    assert tiny.values.tolist() == pytest.approx([-5e-7, 5e-7], rel=1e-3)


def test_a_group_of_one_says_nothing():
    for estimator in (group_relative, leave_one_out):
        advantages = estimator([1.0, 2.0, 4.0], ["cat", "dog", "dog"])
        assert float(advantages.values[0]) == 0
        assert advantages.flat == ("cat",)


def test_clip():
    rewards = [0.0] * 99 + [1.0]
    assert float(group_relative(rewards, ["cat"] * 100).values.max()) == 5.0
    assert float(group_relative(rewards, ["cat"] * 100, clip=None).values.max()) == pytest.approx(
        math.sqrt(99), rel=1e-4
    )
    assert float(leave_one_out(rewards, ["cat"] * 100, clip=0.5).values.max()) == 0.5


def test_running_statistics_use_the_batch_until_a_prompt_is_known():
    tracker = RunningStatistics(buffer_size=4, min_count=3, clip=None)
    first = tracker.update([1.0, 3.0, 8.0], ["cat", "cat", "dog"])
    expected = (np.array([1.0, 3.0, 8.0]) - 4) / np.std([1.0, 3.0, 8.0])
    np.testing.assert_allclose(first.values.numpy(), expected, rtol=1e-5)
    second = tracker.update([5.0, 7.0, 9.0], ["cat", "cat", "cat"])
    remembered = [3.0, 5.0, 7.0, 9.0]  # the latest four, this batch's included
    expected = (np.array([5.0, 7.0, 9.0]) - np.mean(remembered)) / np.std(remembered)
    np.testing.assert_allclose(second.values.numpy(), expected, rtol=1e-5)
    assert second.flat == ()


def test_running_statistics_resume_where_they_were():
    tracker = RunningStatistics(buffer_size=4, min_count=2)
    tracker.update([1.0, 3.0, 8.0], ["cat", "cat", "dog"])
    resumed = RunningStatistics(buffer_size=4, min_count=2)
    resumed.load_state_dict(json.loads(json.dumps(tracker.state_dict())))
    for rewards in ([4.0, 5.0, 6.0], [0.0, 2.0, 9.0], [1.0, 1.0, 3.0]):
        batch = (rewards, ["cat", "dog", "cat"])
        assert torch.equal(tracker.update(*batch).values, resumed.update(*batch).values)


def test_running_statistics_report_constant_rewards():
    tracker = RunningStatistics(buffer_size=4, min_count=2)
    constant = tracker.update([0.1] * 3, ["cat", "cat", "dog"])
    assert constant.values.tolist() == [0.0, 0.0, 0.0]
    assert constant.flat_share == 1


def test_optimality_is_a_probability():
    values = optimality(torch.tensor([-9.0, -1.0, 0.0, 2.5, 9.0]), scale=5.0)
    assert values.tolist() == pytest.approx([0.0, 0.4, 0.5, 0.75, 1.0])


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(SpriteError, match=r"1 of 2 rewards are not finite \(the first is nan for 'dog'"):
        group_relative([1.0, math.nan], ["cat", "dog"])
    with pytest.raises(SpriteError, match="1 of 2 rewards are not finite"):
        RunningStatistics().update([1.0, math.inf], ["cat", "dog"])
    with pytest.raises(SpriteError, match="for 3 prompts"):
        leave_one_out([1.0, 2.0], ["cat", "dog", "cat"])
    with pytest.raises(SpriteError, match="for 0 prompts"):
        leave_one_out([], [])
    with pytest.raises(SpriteError, match="--scale_rewards 'prompt'"):
        group_relative([1.0], ["cat"], scale="prompt")
    with pytest.raises(SpriteError, match="--per_prompt_min_count 9"):
        RunningStatistics(buffer_size=4, min_count=9)
    with pytest.raises(SpriteError, match="must be positive"):
        optimality(torch.zeros(1), scale=0)
