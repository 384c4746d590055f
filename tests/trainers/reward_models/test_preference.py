"""The losses of preferences, against their formulas."""

from __future__ import annotations

import math

import pytest
import torch

from sprite_diffusers.trainers.reward_models.preference import pairwise_loss, preference_loss


def test_the_loss_is_bradley_terrys_where_one_is_preferred():
    scores = torch.tensor([[3.0, 1.0], [0.5, 2.0]])
    loss = preference_loss(scores, torch.tensor([[1.0, 0.0], [1.0, 0.0]]))
    expected = (math.log(1 + math.exp(-2)) + math.log(1 + math.exp(1.5))) / 2  # -log sigmoid of the difference
    assert float(loss) == pytest.approx(expected)


def test_a_tie_costs_nothing_where_the_scores_are_equal():
    tie = torch.tensor([[0.5, 0.5]])
    assert float(preference_loss(torch.tensor([[4.0, 4.0]]), tie)) == pytest.approx(0, abs=1e-7)
    chosen = 1 / (1 + math.exp(-2))
    expected = math.log(0.5) - 0.5 * (math.log(chosen) + math.log(1 - chosen))
    assert float(preference_loss(torch.tensor([[2.0, 0.0]]), tie)) == pytest.approx(expected)


def test_pairs_are_the_spoilt_sprite_and_the_next_caption():
    logits = torch.tensor(
        [[5.0, 1.0, 9.0, 2.0, 0.0, 0.0], [9.0, 5.0, 5.0, 0.0, 4.0, 0.0], [7.0, 9.0, 6.0, 0.0, 0.0, 3.0]]
    )

    def cost(better: float, worse: float) -> float:
        return math.log(1 + math.exp(worse - better))

    spoilt = [cost(5, 2), cost(5, 4), cost(6, 3)]
    apart = [cost(5, 1), cost(5, 5), cost(6, 7)]
    assert float(pairwise_loss(logits, ["a", "b", "c"])) == pytest.approx(sum(spoilt + apart) / 6)
    tie = cost(5, 5) + math.log(0.5)  # equal scores of the sprites of equal captions
    assert float(pairwise_loss(logits, ["a", "b", "b"])) == pytest.approx(
        (sum(spoilt) + apart[0] + tie + apart[2]) / 6
    )
