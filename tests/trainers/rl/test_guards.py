"""Each guard lets a sound run pass and ends its broken twin."""

from __future__ import annotations

from dataclasses import asdict

import pytest
import torch

from sprite_diffusers.errors import SpriteError
from sprite_diffusers.trainers.rl.advantages import group_relative
from sprite_diffusers.trainers.rl.guards import (
    CollapseGuard,
    MovementGuard,
    SpreadGuard,
    check_first_ratio,
    check_gradients,
)


@pytest.fixture
def adapter() -> torch.nn.Sequential:
    """A LoRA as it starts: a frozen layer, a random half, a zero half."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 2, False), torch.nn.Linear(2, 4, False))
    model[0].requires_grad_(False)
    torch.nn.init.zeros_(model[2].weight)
    return model


def test_gradient_norm_of_the_trainable_weights(adapter):
    adapter(torch.ones(3, 4)).sum().backward()
    expected = torch.cat([p.grad.flatten() for p in (adapter[1].weight, adapter[2].weight)]).norm()
    assert float(adapter[1].weight.grad.abs().max()) == 0  # as in every new LoRA
    assert check_gradients(adapter.named_parameters()) == pytest.approx(float(expected))


def test_a_run_without_gradients_ends(adapter):
    with pytest.raises(SpriteError, match=r"No gradient reaches the 2 trainable weights \(2 have none"):
        check_gradients(adapter.named_parameters())
    (adapter(torch.ones(3, 4)).sum() * 0).backward()
    with pytest.raises(SpriteError, match=r"No gradient reaches the 2 trainable weights \(0 have none"):
        check_gradients(adapter.named_parameters())
    adapter[2].weight.grad[0, 0] = torch.nan
    with pytest.raises(SpriteError, match=r"gradient of 2\.weight .* is not finite"):
        check_gradients(adapter.named_parameters())
    adapter.requires_grad_(False)
    with pytest.raises(SpriteError, match="Nothing is trainable"):
        check_gradients(adapter.named_parameters())
    with pytest.raises(SpriteError, match="Nothing is trainable"):
        MovementGuard(adapter.named_parameters())


def test_unmoved_weights_end_the_run(adapter):
    guard = MovementGuard(adapter.named_parameters(), after=3)
    with torch.no_grad():
        adapter[0].weight.add_(1)  # frozen: does not count
    guard.check(2)
    with pytest.raises(SpriteError, match="After 3 updates all 2 trainable weights"):
        guard.check(3)
    with torch.no_grad():
        adapter[1].weight[0, 0] += 0.3
        adapter[2].weight[0, 0] += 0.4
    guard.check(3)
    assert guard.moved() == pytest.approx(0.5, rel=1e-5)


def test_a_first_ratio_off_one_ends_the_run():
    check_first_ratio(torch.tensor([1.0, 1 + 5e-5, 1 - 5e-5]))
    with pytest.raises(SpriteError, match=r"off 1 by 0\.001"):
        check_first_ratio(torch.tensor([1.0, 0.999]))
    with pytest.raises(SpriteError, match="off 1 by inf"):
        check_first_ratio(torch.tensor([1.0, torch.nan]))


def test_rollouts_without_spread_end_the_run():
    flat = group_relative([1.0, 1.0, 2.0, 2.0], ["a", "a", "b", "b"])
    some = group_relative([1.0, 1.0, 2.0, 3.0], ["a", "a", "b", "b"])
    guard = SpreadGuard(patience=2)
    for advantages in (flat, some, flat):
        guard.check(advantages)
    guard = SpreadGuard(**asdict(guard))  # as after a resume
    with pytest.raises(SpriteError, match="All 2 groups had equal rewards in each of 2 rollouts"):
        guard.check(flat)


def test_reward_hacking_ends_the_run():
    base = {"reward": 0.2, "held_out": 5.0, "diversity": 2.0, "held_out_sd": 0.5}
    guard = CollapseGuard(**base, max_drop=0.5, min_diversity=0.8, patience=2)
    honest = [(0.9, 4.9, 1.9), (0.9, 4.0, 1.9), (0.9, 5.0, 0.5), (0.1, 4.0, 0.5)]  # at most two of three signs
    for evaluation in honest:
        guard.check(*evaluation)
        assert guard.strikes == 0
    guard.check(0.9, 4.7, 1.5)
    guard = CollapseGuard(**asdict(guard))
    with pytest.raises(SpriteError, match=r"rose from 0\.2 to 0\.95 .* fell by 0\.8 sd .* diversity to 70%"):
        guard.check(0.95, 4.6, 1.4)
    with pytest.raises(SpriteError, match="must be above 0"):
        CollapseGuard(**{**base, "held_out_sd": 0.0})
