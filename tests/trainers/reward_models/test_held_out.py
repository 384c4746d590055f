"""Held-out figures of scorers that are known to be good, bad, or blind."""

from __future__ import annotations

import pytest
import torch

from sprite_diffusers.data.degradations import DEGRADATIONS
from sprite_diffusers.trainers.clip_data import ClipSplit
from sprite_diffusers.trainers.reward_models.held_out import another_caption, held_out_figures, rank_correlation


@pytest.fixture(scope="module")
def split() -> ClipSplit:
    """40 sprites of one colour on white, whose captions name it."""
    pixels = torch.full((40, 16, 16, 3), 255, dtype=torch.uint8)
    for index in range(40):
        pixels[index, 3:13, 3:13] = torch.tensor([5 * index, 100, 0])
    return ClipSplit(pixels, [str(5 * index) for index in range(40)])


def purity(pixels: torch.Tensor, texts: list[str]) -> torch.Tensor:
    """Minus the distance to the sprite that the caption names."""
    perfect = torch.full_like(pixels, 255)
    perfect[:, 3:13, 3:13, 1], perfect[:, 3:13, 3:13, 2] = 100, 0
    perfect[:, 3:13, 3:13, 0] = torch.tensor([int(text) for text in texts])[:, None, None]
    return -(pixels.float() - perfect.float()).abs().mean(dim=(1, 2, 3))


def test_one_that_knows(split):
    figures = held_out_figures(purity, split)
    assert {f"accuracy_{name}" for name in DEGRADATIONS} <= set(figures)
    assert all(figures[f"accuracy_{name}"] == 1 for name in (*DEGRADATIONS, "caption"))
    assert all(figures[f"rank_{name}"] > 0.3 for name in DEGRADATIONS)
    assert figures["rank_noise"] > 0.9
    assert figures["accuracy"] == 1
    assert figures["rank"] == pytest.approx(sum(figures[f"rank_{name}"] for name in DEGRADATIONS) / len(DEGRADATIONS))


def test_one_that_prefers_the_worse_and_one_that_sees_nothing(split):
    wrong = held_out_figures(lambda pixels, texts: -purity(pixels, texts), split)
    assert wrong["accuracy"] == 0
    assert wrong["rank"] < 0
    blind = held_out_figures(lambda pixels, texts: torch.zeros(len(texts)), split)
    assert (blind["accuracy"], blind["rank"], blind["accuracy_caption"]) == (0.5, 0, 0.5)


def test_captions_that_do_not_matter_or_are_all_the_same(split):
    assert "accuracy_caption" not in held_out_figures(purity, split, reads_captions=False)
    assert "accuracy_caption" not in held_out_figures(lambda pixels, _: pixels.float().mean(dim=(1, 2, 3)),
                                                      ClipSplit(split.pixels, ["0"] * 40))  # fmt: skip
    assert [another_caption(["a", "a", "b"], row) for row in range(3)] == [2, 2, 0]


def test_rank_correlation():
    first = torch.tensor([1.0, 2, 3, 4, 5])
    assert rank_correlation(first, first.exp()) == pytest.approx(1)
    assert rank_correlation(first, -first) == pytest.approx(-1)
    assert rank_correlation(first, torch.tensor([2.0, 1, 4, 3, 5])) == pytest.approx(0.8)  # 1 - 6 * 4 / (5 * 24)
    assert rank_correlation(first, torch.ones(5)) == 0
