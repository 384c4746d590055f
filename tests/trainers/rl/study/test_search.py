"""Trials are reproducible and different; none is judged by the weights it was trained with."""

from __future__ import annotations

import json
import math
import random

import numpy as np
import pytest
import torch

from sprite_diffusers.errors import SpriteError
from sprite_diffusers.trainers.rl.study.search import SearchSpace, draw_trials, pareto_front, trial_objective

WEIGHTS = {"aesthetic": 0.4, "clip": 0.4, "pickscore": 0.15, "hps": 0.05}
DEFAULT = {
    "lora_rank": 8,
    "lora_alpha": 8,
    "lora_dropout": 0.0,
    "learning_rate": 3e-4,
    "reward_weights": WEIGHTS,
}


def test_the_default_comes_first_and_all_differ():
    trials = draw_trials(SearchSpace(), 50, seed=0, default=DEFAULT)
    assert trials[0].settings == DEFAULT
    assert trials[0].settings["reward_weights"] is not WEIGHTS
    assert [trial.number for trial in trials] == list(range(50))
    assert trials[7].folder == "trial_007"
    assert len({json.dumps(trial.settings, sort_keys=True) for trial in trials}) == 50


def test_drawn_by_a_generator_of_its_own():
    before = draw_trials(SearchSpace(), 5, seed=1, default=DEFAULT)
    state = np.random.get_state()[1].copy()  # noqa: NPY002 (the global state is what must stay)
    torch_state, python_state = torch.get_rng_state(), random.getstate()
    torch.manual_seed(7)
    assert draw_trials(SearchSpace(), 9, seed=1, default=DEFAULT)[:5] == before
    assert draw_trials(SearchSpace(), 5, seed=2, default=DEFAULT)[1:] != before[1:]
    torch.set_rng_state(torch_state)
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002
    assert random.getstate() == python_state


def test_values_are_of_the_space():
    space = SearchSpace((2, 4), ("2x", 3), (0.0, 0.1), (1e-4, 1e-2))
    drawn = [trial.settings for trial in draw_trials(space, 400, seed=0, default=DEFAULT)[1:]]
    assert {(row["lora_rank"], row["lora_alpha"]) for row in drawn} == {(2, 4), (2, 3), (4, 8), (4, 3)}
    assert {row["lora_dropout"] for row in drawn} == {0.0, 0.1}
    rates = np.log10([row["learning_rate"] for row in drawn])
    assert rates.min() >= -4
    assert rates.max() <= -2
    assert np.quantile(rates, 0.5) == pytest.approx(-3, abs=0.15)  # log-uniform, not uniform (which has -2.3)
    weights = np.array([list(row["reward_weights"].values()) for row in drawn])
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=3e-4)
    np.testing.assert_allclose(weights.mean(axis=0), list(WEIGHTS.values()), atol=0.03)
    assert weights[:, 0].std() == pytest.approx(math.sqrt(0.4 * 0.6 / 11), rel=0.1)


def test_weights_are_chosen_or_kept_or_drawn_with_the_same_sum():
    choices = [{"clip": 1.0, "hps": 2.0}, {"clip": 2.0, "hps": 1.0}]
    space = SearchSpace(reward_weights=choices)
    assert all(t.settings["reward_weights"] in choices for t in draw_trials(space, 20, 0, DEFAULT)[1:])
    kept = draw_trials(SearchSpace(weights_concentration=0), 20, 0, DEFAULT)
    assert all(trial.settings["reward_weights"] == WEIGHTS for trial in kept)
    default = {**DEFAULT, "reward_weights": {"clip": 2.0, "off": 0.0, "hps": 2.0}}
    drawn = draw_trials(SearchSpace(), 20, 0, default)[1:]
    assert all(trial.settings["reward_weights"]["off"] == 0 for trial in drawn)
    assert all(sum(trial.settings["reward_weights"].values()) == pytest.approx(4, abs=1e-3) for trial in drawn)
    negative = {**DEFAULT, "reward_weights": {"clip": 1.0, "hps": -0.5}}
    with pytest.raises(SpriteError, match="one being negative: set weights_concentration 0"):
        draw_trials(SearchSpace(), 2, 0, negative)


def test_a_small_space_is_drawn_to_its_end_and_no_further():
    space = SearchSpace((4, 8), ("1x",), (0.0,), (1e-3, 1e-3), weights_concentration=0)
    trials = draw_trials(space, 3, 0, DEFAULT)
    assert {trial.settings["lora_rank"] for trial in trials[1:]} == {4, 8}
    with pytest.raises(SpriteError, match="--num_trials 4 is more than the 3 configurations"):
        draw_trials(space, 4, 0, DEFAULT)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lora_rank": ()}, "no lora_rank to choose from"),
        ({"lora_rank": (0,)}, "lora_rank has 0: give whole numbers"),
        ({"lora_alpha": ("twice",)}, r"lora_alpha has 'twice': give numbers above 0, or multiples \('2x'\)"),
        ({"lora_alpha": (-1,)}, "lora_alpha has -1"),
        ({"lora_dropout": (1.0,)}, r"lora_dropout has 1\.0"),
        ({"learning_rate": (1e-3, 1e-4)}, r"learning_rate has .*: give \[lowest, highest\]"),
        ({"learning_rate": (1e-3,)}, "learning_rate has"),
        ({"weights_concentration": -1}, "weights_concentration has -1"),
    ],
)
def test_a_space_out_of_range(options, message):
    with pytest.raises(SpriteError, match=message):
        SearchSpace(**options)


def test_what_trials_need():
    with pytest.raises(SpriteError, match="--num_trials 0 must be 1 or more"):
        draw_trials(SearchSpace(), 0, 0, DEFAULT)
    with pytest.raises(SpriteError, match="lacks lora_alpha, lora_dropout, learning_rate, reward_weights"):
        draw_trials(SearchSpace(), 1, 0, {"lora_rank": 4})


def test_the_objective_takes_a_fall_in_full():
    assert trial_objective({"a": 0.4, "b": 0.2}) == pytest.approx(0.3)
    assert trial_objective({"a": 0.8, "b": -0.2}) == pytest.approx(0.3 - 0.2)
    assert trial_objective({"a": -0.1, "b": -0.2}) == pytest.approx(-0.15 - 0.3)
    with pytest.raises(SpriteError, match="all finite"):
        trial_objective({"a": math.nan})
    with pytest.raises(SpriteError, match="one or more"):
        trial_objective({})


def test_the_front_holds_what_nothing_beats():
    gains = [(1, 1), (2, 0), (0, 2), (1, 0.5), (2, 0), (0, 0)]
    assert pareto_front([{"a": a, "b": b} for a, b in gains]) == [0, 1, 2, 4]
    assert pareto_front([{"a": 1.0, "b": 2.0}, {"b": 3.0, "a": 0.5}]) == [0, 1]
    assert pareto_front([]) == []
    with pytest.raises(SpriteError, match="different rewards"):
        pareto_front([{"a": 1.0}, {"b": 1.0}])
