"""From which step what a GAN draws can be recognised: a classifier's verdict on the snapshots of trainings."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DiffusionPipeline
from PIL import Image

from .... import tracking
from ....data import SpriteArrays, load_sprites, make_grid
from ....errors import SpriteError
from ....hub import load_pipeline
from ....models import SpriteClassifier, load_classifier
from ..generator_trainer import HISTORY_FILE
from ..snapshots import FOLDER, list_snapshots, snapshot_picture
from .recognition_plots import save_recognition_plot

MILESTONES = (0.5, 0.9)


@dataclass(frozen=True)
class Recognition:
    """What a classifier says of a set of images.

    Attributes:
        confident: share of the images that are given one class with more than the wanted confidence.
        shares: share of the images that are confidently of each class, ``(classes,)``; they sum to `confident`.
    """

    confident: float
    shares: np.ndarray

    @property
    def rarest(self) -> float:
        """The least of `shares`."""
        return float(self.shares.min())

    @property
    def balance(self) -> float:
        """Entropy of the classes of the confident images, relative to that of equal shares, 0 to 1."""
        parts = self.shares[self.shares > 0] / max(self.shares.sum(), 1e-12)
        return float(-(parts * np.log(parts)).sum() / np.log(len(self.shares))) if len(parts) else 0.0


@dataclass(frozen=True)
class RunStudy:
    """A training step by step.

    Attributes:
        name: of its folder.
        steps: of its snapshots, ascending.
        recognitions: at each of them.
        longest_pinned: the most steps in a row in which its discriminator was right about every image.
        pictures: of the snapshots.
    """

    name: str
    steps: list[int]
    recognitions: list[Recognition]
    longest_pinned: int
    pictures: list[Path]

    def first_step(self, share: float) -> int | None:
        """The first step at which so large a share is recognised; `None` if it never is."""
        return next((s for s, r in zip(self.steps, self.recognitions, strict=True) if r.confident >= share), None)


def study_recognition(
    runs: Sequence[Path],
    classifier: str | Path,
    dataset: str,
    output_dir: Path,
    *,
    num_samples: int = 2000,
    confidence: float = 0.9,
    seed: int = 0,
    background: str = "black",
) -> Path:
    """Draws from all snapshots of `runs`, and writes a table by step (Markdown, CSV), a plot and the grids.

    The figures are also logged to the MLflow runs of the trainings.

    Args:
        runs: folders of trainings with ``--snapshot_steps`` or ``--snapshot_epochs``.
        classifier: folder or Hub id, trained on the same images.
        dataset: those images; the classifier is tested on the split ``test`` if there is one, else on the held-out ones.
        output_dir: for the files.
        num_samples: images per snapshot.
        confidence: from which probability of one class an image counts as recognised.
        seed: of the noise, the same for all snapshots.
        background: see `load_sprites`.

    Returns:
        The Markdown file.

    Raises:
        SpriteError: a run without snapshots, a classifier of other images or classes.
    """
    judge = load_classifier(classifier)
    real, accuracy = _real_images(judge, dataset, background, confidence)
    studies = [_study_run(Path(run), judge, num_samples, confidence, seed) for run in runs]
    output_dir.mkdir(parents=True, exist_ok=True)
    page = output_dir / "recognition.md"
    page.write_text(_page(studies, judge, real, accuracy, num_samples, confidence), encoding="utf-8")
    files = [page, _write_csv(studies, judge, output_dir / "recognition.csv")]
    files.append(save_recognition_plot(studies, output_dir / "recognition.png"))
    for study in studies:
        files.append(output_dir / f"grids-{study.name}.png")
        _grids(study).save(files[-1])
    for run, study in zip(runs, studies, strict=True):
        tracking.log_files(Path(run), files, "recognition", _metrics(study))
    return page


def recognise(classifier: SpriteClassifier, images: torch.Tensor, confidence: float) -> Recognition:
    """What `classifier` says of images ``(N, channels, H, W)`` in ``[-1, 1]``; grey ones are shown as RGB if it takes that.

    Raises:
        SpriteError: images of another size or kind than it was trained on.
    """
    probabilities = class_probabilities(classifier, images)
    best, classes = probabilities.max(dim=1)
    counts = torch.bincount(classes[best > confidence], minlength=probabilities.shape[1])
    shares = counts.double().numpy() / len(images)
    return Recognition(float(shares.sum()), shares)


@torch.no_grad()
def class_probabilities(classifier: SpriteClassifier, images: torch.Tensor) -> torch.Tensor:
    """``(N, classes)``, calibrated; see `recognise`."""
    wanted, side = classifier.config.in_channels, classifier.config.image_size
    if images.shape[1] == 1 and wanted == 3:
        images = images.expand(-1, 3, -1, -1)
    if images.shape[1] != wanted or images.shape[2] != side:
        kinds = {1: "grey", 3: "RGB", 4: "RGBA"}
        raise SpriteError(
            f"the classifier is for {side}x{side} {kinds[wanted]} images, but these are {images.shape[3]}x{images.shape[2]} "
            f"{kinds[images.shape[1]]}: train one on the same data, size and mode (training/train_classifier.py)."
        )
    logits = [classifier(part.to(classifier.device)).logits.cpu() for part in images.float().split(256)]
    return torch.cat(logits).softmax(1)


@torch.no_grad()
def draw_images(pipeline: DiffusionPipeline, count: int, seed: int) -> torch.Tensor:
    """``(count, channels, H, W)`` in ``[-1, 1]`` of a `SpriteGANPipeline`; classes in turn if it has some."""
    rng, drawn = torch.Generator().manual_seed(seed), []
    for start in range(0, count, 256):
        size = min(256, count - start)
        what: dict[str, Any] = {"batch_size": size}
        if pipeline.is_conditional:
            what = {"class_labels": [index % len(pipeline.labels) for index in range(start, start + size)]}
        drawn.append(pipeline(**what, generator=rng, output_type="pt").images * 2 - 1)
    return torch.cat(drawn)


def _real_images(
    judge: SpriteClassifier, dataset: str, background: str, confidence: float
) -> tuple[Recognition, float]:
    """What the classifier says of real images that it was not trained on, and its accuracy on them."""
    mode = {1: "L", 3: "RGB", 4: "RGBA"}[judge.config.in_channels]
    size, names = judge.config.image_size, judge.class_names
    data = load_sprites(dataset, image_size=size, mode=mode, background=background, class_names=names)
    arrays = SpriteArrays.from_dataset(data["test" if "test" in data else "validation"])
    images, labels = arrays.batch(np.arange(len(arrays)))
    assert labels is not None  # load_sprites was given names for them
    accuracy = float((class_probabilities(judge, images).argmax(1) == labels).float().mean())
    return recognise(judge, images, confidence), accuracy


def _study_run(run: Path, judge: SpriteClassifier, count: int, confidence: float, seed: int) -> RunStudy:
    snapshots = list_snapshots(run)
    if not snapshots:
        raise SpriteError(f"{run} has no snapshots: train with --snapshot_steps 500 (training/train_gan.py).")
    recognitions = []
    for snapshot in snapshots:
        pipeline = load_pipeline(run / FOLDER / snapshot.name)
        recognitions.append(recognise(judge, draw_images(pipeline, count, seed), confidence))
    history = run / HISTORY_FILE
    facts = json.loads(history.read_text(encoding="utf-8")) if history.is_file() else {}
    return RunStudy(
        run.resolve().name,
        [snapshot.step for snapshot in snapshots],
        recognitions,
        facts.get("monitor", {}).get("longest_pinned", 0),
        [snapshot_picture(run, snapshot) for snapshot in snapshots],
    )


def _page(
    studies: Sequence[RunStudy],
    judge: SpriteClassifier,
    real: Recognition,
    accuracy: float,
    count: int,
    confidence: float,
) -> str:
    first = [f"first step at {share:.0%}" for share in MILESTONES]
    lines = [
        "# From which step can the images be recognised?",
        "",
        f"{count:,} images per snapshot; recognised is what the classifier gives one class with a probability above "
        f"{confidence:g}. Its accuracy on real images that it was not trained on is {accuracy:.4f}; it recognises "
        f"{real.confident:.1%} of them, and the rarest class is {real.rarest:.1%} of them.",
        "",
        f"| run | {' | '.join(first)} | recognised at the end | rarest class | longest the discriminator was always right |",
        f"|:--|{'--:|' * (len(first) + 3)}",
    ]
    for study in studies:
        steps = [study.first_step(share) for share in MILESTONES]
        last = study.recognitions[-1]
        lines.append(
            f"| {study.name} | {' | '.join('never' if step is None else f'{step:,}' for step in steps)} | "
            f"{last.confident:.1%} | {last.rarest:.1%} | {study.longest_pinned:,} steps |"
        )
    lines += ["", "![Share recognised and rarest class by step](recognition.png)"]
    for study in studies:
        names = " | ".join(judge.class_names)
        lines += [
            "",
            f"## {study.name}",
            "",
            f"| step | recognised | balance | {names} |",
            f"|--:|--:|--:|{'--:|' * len(judge.class_names)}",
        ]
        for step, found in zip(study.steps, study.recognitions, strict=True):
            shares = " | ".join(f"{share:.1%}" for share in found.shares)
            lines.append(f"| {step:,} | {found.confident:.1%} | {found.balance:.3f} | {shares} |")
        lines += ["", f"![Samples by step](grids-{study.name}.png)"]
    return "\n".join(lines) + "\n"


def _write_csv(studies: Sequence[RunStudy], judge: SpriteClassifier, path: Path) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["run", "step", "recognised", "balance", *(f"share_{name}" for name in judge.class_names)])
        for study in studies:
            for step, found in zip(study.steps, study.recognitions, strict=True):
                writer.writerow([study.name, step, found.confident, found.balance, *found.shares])
    return path


def _grids(study: RunStudy) -> Image.Image:
    """The snapshots' pictures, up to eight, evenly over the training."""
    wanted = np.unique(np.linspace(0, len(study.pictures) - 1, min(len(study.pictures), 8)).round().astype(int))
    pictures = [Image.open(study.pictures[index]) for index in wanted]
    titles = [f"{study.steps[index]:,}" for index in wanted]
    return make_grid(pictures, 1, padding=4, background="white", row_labels=titles)


def _metrics(study: RunStudy) -> dict[str, float]:
    last = study.recognitions[-1]
    figures = {"recognised": last.confident, "rarest_class": last.rarest, "class_balance": last.balance}
    for share in MILESTONES:
        step = study.first_step(share)
        if step is not None:
            figures[f"first_step_{share:.0%}".replace("%", "pc")] = step
    return {f"recognition/{name}": value for name, value in figures.items()}
