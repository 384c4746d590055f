"""The finished cells of an ablation, measured by the one protocol."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import SpriteError
from .existing import Store, is_finished
from .grid import Ablation, Cell
from .training import duration

if TYPE_CHECKING:
    from ..evaluation import Reference


def evaluate_cells(
    ablation: Ablation, reference: Reference, num_samples: int | None, say: Callable[[str], None]
) -> dict[str, str]:
    """Scores the finished cells that have no such evaluation yet: to the cell's folder, model card and run.

    Args:
        num_samples: sprites drawn from each; the protocol's number if `None`.
        say: gets a line on each cell.

    Returns:
        Why it failed for some, by the cell's name.
    """
    from ..evaluation import PROTOCOL_VERSION
    from ..evaluation.protocol import DEFAULT_MAX_SAMPLES

    store, failures = Store(ablation.experiment_name), {}
    num_samples = num_samples or min(len(reference.validation_pixels), DEFAULT_MAX_SAMPLES)
    wanted = {
        "eval.protocol": PROTOCOL_VERSION,
        "eval.extractor": reference.classifier.identity(),
        "eval.data_fingerprint": reference.fingerprint,
        "eval.num_samples": str(num_samples),
    }
    for cell in ablation.cells:
        run = store.run(ablation.folder(cell))
        if not is_finished(ablation.folder(cell), run) or wanted.items() <= run.data.tags.items():
            continue
        started = time.monotonic()
        try:
            distance = _evaluate(ablation, cell, reference, num_samples)
        except SpriteError as error:
            failures[cell.name] = str(error)
            say(f"{cell.name}: not evaluated: {error}")
        else:
            say(f"{cell.name}: evaluated in {duration(time.monotonic() - started)}, FD-PCA20 {distance:.3g}")
    return failures


def _evaluate(ablation: Ablation, cell: Cell, reference: Reference, num_samples: int) -> float:
    import torch

    from .. import hub
    from ..evaluation import evaluate, save_evaluation
    from ..tracking import log_evaluation

    folder = ablation.folder(cell)
    pipeline = hub.load_pipeline(folder)
    pipeline.to("cuda" if torch.cuda.is_available() else "cpu")
    scores = evaluate(pipeline, reference, num_samples=num_samples)
    hub.add_results(folder, Path(ablation.settings[cell.name]["dataset"]).name, scores.metrics, scores.table())
    log_evaluation(folder, scores, save_evaluation(scores, reference, folder / "evaluation"))
    return scores.metrics["fd_pca20"]
