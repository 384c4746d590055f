"""Exp5: how good a model is by length of the noise schedule and width; a training per cell of that grid, resumable."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from .grid import plan
from .scoring import evaluate_cells
from .training import train


def ablate(options: argparse.Namespace, flags: Sequence[str], command: Sequence[str], config_dir: Path) -> bool:
    """Trains the cells that are not finished, and evaluates those that are, if there is a classifier.

    Args:
        options: see `plan`; also classifier (a folder or `None`) and eval_samples.
        flags: see `plan`.
        command: see `plan`.
        config_dir: see `plan`.

    Returns:
        Whether all went well; else a line on stderr names the cells that failed.

    Raises:
        SpriteError: see `plan` and `train`; a classifier that does not fit the data. Nothing is trained then.
    """
    ablation = plan(options, flags, command, config_dir)
    reference = None
    if options.classifier is not None:
        from ..evaluation import Reference
        from ..models import load_classifier

        reference = Reference.from_dataset(ablation.dataset, load_classifier(options.classifier))
    failures, stopped = train(ablation, _say)
    if reference is not None and not stopped:
        failures |= evaluate_cells(ablation, reference, options.eval_samples, _say)
    if failures:
        print(f"error: {len(failures)} of {len(ablation.cells)} cells failed: {', '.join(failures)}.", file=sys.stderr)
    if stopped:
        print(f"error: stopped by {stopped}; the same command goes on from here.", file=sys.stderr)
    return not failures and not stopped


def _say(text: str) -> None:
    print(text, flush=True)
