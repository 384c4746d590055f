"""Budgets and learning rates."""

from __future__ import annotations

import pytest
import torch

from sprite_diffusers.trainers.schedule import Budget, learning_rate_factor


def test_whichever_limit_comes_first_ends_the_run():
    budget = Budget(max_steps=100, max_seconds=60)
    assert budget.progress(50, 6) == 0.5
    assert budget.progress(50, 54) == 0.9
    assert budget.progress(100, 0) == 1.0
    assert Budget(None, 60).progress(10**6, 30) == 0.5


def test_what_went_before_the_first_step_is_part_of_the_time_but_not_of_the_schedule():
    assert Budget(None, 60).progress(0, 20, 20) == 0.0
    assert Budget(None, 60).progress(5, 50, 20) == 0.75
    assert Budget(None, 60).progress(9, 60, 20) == 1.0
    assert Budget(None, 60).progress(0, 70, 70) == 1.0
    assert Budget(100, None).progress(50, 50, 20) == 0.5


def test_decay_ends_at_zero():
    assert learning_rate_factor("constant", 1.0, 99, 0) == 1.0
    assert learning_rate_factor("linear", 0.25, 99, 0) == 0.75
    assert learning_rate_factor("cosine", 0.5, 99, 0) == pytest.approx(0.5)
    assert learning_rate_factor("cosine", 1.0, 99, 0) == pytest.approx(0.0)
    assert learning_rate_factor("linear", 1.3, 99, 0) == 0.0


def test_warmup_is_linear_in_steps():
    factors = [learning_rate_factor("constant", 0.0, step, 3) for step in range(5)]
    assert factors == [0.25, 0.5, 0.75, 1.0, 1.0]


def test_one_cycle_is_that_of_torch():
    steps = 200
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    peer = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=1.0, total_steps=steps + 1, pct_start=(0.1 * steps + 1) / (steps + 1)
    )
    for step in range(steps):
        expected = optimizer.param_groups[0]["lr"]
        assert learning_rate_factor("one_cycle", step / steps, step, 0) == pytest.approx(expected, abs=1e-9)
        optimizer.step()
        peer.step()
