"""Does a scorer prefer what it should, on sprites that it has not seen? One number per kind of damage."""

from __future__ import annotations

from collections.abc import Callable

import torch

from ...data.degradations import DEGRADATIONS, degrade
from ..clip_data import ClipSplit

Score = Callable[[torch.Tensor, list[str]], torch.Tensor]
"""``(N,)`` scores on the CPU of uint8 ``(N, S, S, 3)`` sprites and N captions."""

MAX_SPRITES = 256
CAPTION = "caption"
_SEED = 20231  # of the damage: the same for every scorer
_MIN_STRENGTH = 0.1
_BATCH = 128


def held_out_figures(score: Score, split: ClipSplit, reads_captions: bool = True) -> dict[str, float]:
    """How well a scorer tells better from worse, of the first `MAX_SPRITES` sprites of a split.

    Each is spoilt in every way of `DEGRADATIONS`, with a strength drawn from 0.1 to 1; those that it leaves as they
    were do not count.

    Args:
        score: the scorer.
        split: held out.
        reads_captions: whether its scores depend on them.

    Returns:
        ``accuracy_<damage>``: share of the sprites that score above their spoilt version (half for a tie; chance is
        0.5). ``rank_<damage>``: Spearman's correlation of the strength with the loss of score. ``accuracy_caption``: share
        of the sprites that score above the next one of another caption, for their own caption; left out where captions
        do not matter or are all the same. ``accuracy`` and ``rank``: means over the kinds of damage.
    """
    count = min(len(split), MAX_SPRITES)
    clean, texts = split.pixels[:count], split.texts[:count]
    generator = torch.Generator().manual_seed(_SEED)
    base = _in_batches(score, clean, texts)
    figures = {}
    for name in DEGRADATIONS:
        strengths = _MIN_STRENGTH + (1 - _MIN_STRENGTH) * torch.rand(count, generator=generator)
        spoilt = degrade(clean, name, strengths, generator)
        changed = (spoilt != clean).flatten(1).any(dim=1)
        losses = (base - _in_batches(score, spoilt, texts))[changed]
        figures[f"accuracy_{name}"] = _share_above(losses)
        figures[f"rank_{name}"] = rank_correlation(strengths[changed], losses)
    for kind in ("accuracy", "rank"):
        figures[kind] = sum(figures[f"{kind}_{name}"] for name in DEGRADATIONS) / len(DEGRADATIONS)
    others = [another_caption(texts, row) for row in range(count)]
    rows = [row for row, other in enumerate(others) if other != row]
    if reads_captions and rows:
        wrong = _in_batches(score, clean[[others[row] for row in rows]], [texts[row] for row in rows])
        figures[f"accuracy_{CAPTION}"] = _share_above(base[rows] - wrong)
    return figures


def another_caption(texts: list[str], row: int) -> int:
    """The next row, after the last comes the first, whose text differs; `row` itself if there is none."""
    rows = (*range(row + 1, len(texts)), *range(row))
    return next((other for other in rows if texts[other] != texts[row]), row)


def rank_correlation(first: torch.Tensor, second: torch.Tensor) -> float:
    """Spearman's, of two ``(N,)``; ties rank by position. 0 where one is constant."""
    if len(first) < 2 or first.min() == first.max() or second.min() == second.max():
        return 0.0
    ranks = torch.stack([values.argsort(stable=True).argsort().double() for values in (first, second)])
    return float(torch.corrcoef(ranks)[0, 1])


def _share_above(differences: torch.Tensor) -> float:
    """Share above 0; half of those that are 0."""
    return float(((differences.sign() + 1) / 2).mean()) if len(differences) else 0.5


@torch.no_grad()
def _in_batches(score: Score, pixels: torch.Tensor, texts: list[str]) -> torch.Tensor:
    starts = range(0, len(texts), _BATCH)
    return torch.cat(
        [score(pixels[start : start + _BATCH], texts[start : start + _BATCH]) for start in starts]
    ).double()
