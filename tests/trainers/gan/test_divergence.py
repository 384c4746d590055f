"""Signs that a GAN has failed, step by step."""

from __future__ import annotations

import pytest

from sprite_diffusers.trainers.gan.divergence import DivergenceMonitor

GOOD = {"finite": True, "accuracy": 0.8, "spread": 0.9, "min_spread": 0.05}


@pytest.mark.parametrize(
    ("sign", "message"),
    [
        ({"finite": False}, "loss or gradient was NaN or infinite in 3 steps in a row"),
        ({"accuracy": 1.0}, "right about every image in 3 steps in a row"),
        ({"spread": 0.01}, "nearly the same in 3 steps in a row"),
    ],
)
def test_a_sign_counts_only_in_a_row(sign, message):
    monitor = DivergenceMonitor()
    for step in (GOOD | sign, GOOD | sign, GOOD, GOOD | sign, GOOD | sign):
        monitor.update(**step)
        assert monitor.reason(3, 3, 3) is None
    monitor.update(**(GOOD | sign))
    assert message in str(monitor.reason(3, 3, 3))


def test_a_limit_of_zero_never_ends_it_but_the_longest_is_known():
    monitor = DivergenceMonitor()
    for _ in range(5):
        monitor.update(**(GOOD | {"accuracy": 1.0}))
    monitor.update(**GOOD)
    assert monitor.reason(3, 0, 3) is None
    assert monitor.longest_pinned == 5
