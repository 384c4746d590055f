"""Curves of tuning by rewards: what is reached with how many reward queries, and against which run of DDPO."""

from __future__ import annotations

import pytest

from sprite_diffusers.report.reward_curves import BASE, Curve, by_estimator, lines_to_beat, queries_to


def curve(estimator: str, gains: list[float], seed: str = "0", every: int = 100, terms: tuple[str, ...] = ()) -> Curve:
    rows = [{"step": n, "queries": every * n, "gain": gain} for n, gain in enumerate(gains, 1)]
    return Curve(estimator, seed, [dict(BASE), *rows], terms=terms)


@pytest.mark.parametrize(
    ("gain", "queries"),
    [(0.1, 50.0), (0.2, 100.0), (0.3, 233.33333), (0.5, 300.0), (0.50001, None), (0.0, 0.0), (-1.0, 0.0)],
)
def test_queries_to_a_gain_lie_between_evaluations_in_proportion(gain, queries):
    evaluations = curve("grpo", [0.2, 0.2, 0.5, 0.4, 0.5]).evaluations
    # 0.3 is a third of the way from 200 to 300 queries
    assert queries_to(evaluations, gain) == (queries if queries is None else pytest.approx(queries))


def test_the_first_crossing_counts_even_if_the_gain_is_lost_again():
    assert queries_to(curve("grpo", [0.4, 0.1, 0.6]).evaluations, 0.3) == pytest.approx(75.0)


def test_the_best_evaluation_is_the_first_of_equals_and_maybe_the_base():
    assert curve("ddpo", [0.1, 0.5, 0.5]).best["queries"] == 200
    assert curve("ddpo", [-0.1, -0.2]).best == BASE
    assert curve("ddpo", [0.1, 0.5, 0.4], every=64).queries == 192


def test_the_untrained_reward_is_followed_to_the_best_gain():
    made = curve("ddpo", [0.1, 0.5, 0.3])
    assert made.untrained_change is None
    for row, value in zip(made.evaluations, (0.8, 0.7, 0.75, 0.1), strict=True):
        row["untrained"] = value
    assert made.untrained_change == pytest.approx(-0.05)
    del made.evaluations[0]["untrained"]
    assert made.untrained_change is None


def test_each_run_is_held_against_ddpo_of_its_own_seed():
    ddpo, ours, other = by_estimator(
        [
            curve("mine", [0.1], "0"),
            curve("rloo", [1.0, 2.0], "0"),
            curve("rloo", [0.5], "1"),
            curve("rloo", [9.0], "2"),  # no DDPO beside it
            curve("ddpo", [0.5, 1.0, 0.9], "0"),
            curve("ddpo", [0.2, 0.4, 0.6], "1"),
            curve("ddpo", [-0.1, -0.2, -0.3], "3"),  # never better than the base: no line
        ]
    )
    assert [ddpo.estimator, ours.estimator, other.estimator] == ["ddpo", "rloo", "mine"]
    assert ddpo.reached == [200.0, 300.0]
    assert ddpo.times_fewer == [1.0, 1.0]
    assert ours.reached == [100.0, None]
    assert ours.times_fewer == [2.0]
    assert not ours.always_reaches
    assert [made.seed for made in ours.curves] == ["0", "1", "2"]
    assert other.reached == [None]


def test_several_runs_of_ddpo_with_one_seed_make_the_highest_line():
    curves = [curve("ddpo", [0.5, 0.4]), curve("ddpo", [0.2, 0.8]), curve("ddpo", [0.7])]
    assert {key: row["gain"] for key, row in lines_to_beat(curves).items()} == {("0", ()): 0.8}
    (result,) = by_estimator(curves)
    assert result.reached == [None, 200.0, None]


def test_runs_of_other_weights_or_prompts_are_not_held_against_one_another():
    curves = [curve("ddpo", [0.5], terms=("palette_fit=1.0",)), curve("grpo", [0.9], terms=("palette_fit=2.0",))]
    assert by_estimator(curves)[1].reached == []
    assert not by_estimator(curves)[1].always_reaches
