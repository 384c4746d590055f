"""A comparison as a page: Markdown with pictures beside it, and one self-contained HTML file."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from PIL import Image

from ....data import from_tensor, make_grid
from ....hub import load_pipeline
from ....report.page import (
    MISSING,
    Block,
    Bullets,
    Gallery,
    Heading,
    Paragraph,
    Picture,
    Table,
    escape,
    to_html,
    to_markdown,
)
from ..snapshots import snapshot_picture
from .comparison import KINDS, Comparison, Trained
from .comparison_plots import save_distance_plot, save_loss_plot
from .measures import interpolate

NAMES = {"vae": "VAE", "gan": "GAN"}
DISTANCES = {
    "fd_features": "Fréchet distance, features of the classifier",
    "fd_pca20": "Fréchet distance, 20 principal components",
}
STRIPS, STRIP_POINTS = 4, 9

# (group, what, figure, digits, what is better)
ROWS = (
    ("visual quality", DISTANCES["fd_features"], "fd_features", 2, "lower"),
    ("visual quality", DISTANCES["fd_pca20"], "fd_pca20", 2, "lower"),
    ("visual quality", "precision: samples among real images", "precision", 3, "higher"),
    ("diversity", "recall: real images among samples", "recall", 3, "higher"),
    ("diversity", "coverage", "coverage", 3, "higher"),
    ("sharpness", "variance of the Laplacian, real images are 1", "sharpness", 2, "near 1"),
    ("stability", "loss: deviation from its trend, share of its range", "loss_spread", 3, "lower"),
    ("latent space", "path between two latents over the distance of its ends", "path_length", 2, "near 1"),
    ("latent space", "largest step of a path over its mean step", "path_jump", 2, "near 1"),
    ("cost", "seconds of training", "optimizing_seconds", 1, "lower"),
    ("cost", "weights in training", "parameters", 0, "lower"),
    ("cost", "weights of the network that draws", "generator_parameters", 0, "lower"),
    ("cost", "seconds for 1,000 images", "seconds_per_1000", 2, "lower"),
    ("epochs", "last distance over the best on the way", "last_over_best", 2, "near 1"),
    ("epochs", "intervals between snapshots in which it rose", "worse_intervals", 2, "lower"),
)


def write_page(comparison: Comparison, folder: Path) -> list[Path]:
    """Writes ``comparison.md``, ``comparison.html`` and the pictures they show; gives all files."""
    pictures = _pictures(comparison, folder)
    blocks = _blocks(comparison, folder, pictures)
    markdown, html = folder / "comparison.md", folder / "comparison.html"
    markdown.write_text(to_markdown(blocks), encoding="utf-8")
    html.write_text(to_html(blocks, folder, "en"), encoding="utf-8")
    animations = [
        run.folder / "snapshots.gif" for run in comparison.trained if (run.folder / "snapshots.gif").is_file()
    ]
    return [markdown, html, *(folder / picture.file for picture in pictures.values()), *animations]


def _blocks(comparison: Comparison, folder: Path, pictures: dict[str, Picture]) -> list[Block]:
    num_seeds = len(comparison.of("vae"))
    figures = f"means over {num_seeds} seeds, ± their deviation" if num_seeds > 1 else "of one seed"
    blocks: list[Block] = [
        Heading(1, f"VAE and GAN on {escape(comparison.dataset)}"),
        Paragraph(
            f"Both saw {comparison.images:,} images of {comparison.image_size}x{comparison.image_size} pixels "
            f"({comparison.mode}) in each training; the network that draws is the same, but for the VAE's bias where latents "
            f"enter, and so is its noise. Figures are {figures}. "
            "<i>Real</i> is a part of the training images, scored in the same way."
        ),
        _table(comparison),
        Bullets(_stability(comparison)),
    ]
    for name in ("distances", "losses"):
        if name in pictures:
            blocks.append(Gallery([pictures[name]], wide=True, plots=True))
    for kind in KINDS:
        run = _shown(comparison, kind)
        if run is None or not run.snapshots:
            continue
        blocks += [
            Heading(2, f"{NAMES[kind]} by epoch"),
            Gallery([
                Picture(_relative(snapshot_picture(run.folder, snapshot), folder), snapshot.title,
                        f"{snapshot.title}: distance {distance:.2f}")
                for snapshot, distance in zip(run.snapshots, run.distances, strict=True)
            ], wide=True),
        ]  # fmt: skip
        blocks.append(Paragraph(f"The same noise in all; animated: <code>{run.folder.name}/snapshots.gif</code>."))
    if "vae_first" in pictures:
        shown = [pictures[name] for name in ("vae_first", "vae_last")]
        blocks += [Heading(2, "VAE: held-out images and reconstructions, first and last"), Gallery(shown, wide=True)]
    shown = [pictures[f"path_{kind}"] for kind in KINDS if f"path_{kind}" in pictures]
    if shown:
        blocks += [Heading(2, "Between two latents"), Gallery(shown, wide=True)]
    return blocks


def _table(comparison: Comparison) -> Table:
    rows: list[list[str]] = []
    for group, what, name, digits, better in ROWS:
        cells = [_cell(*comparison.mean(kind, name), digits) for kind in KINDS]
        floor = comparison.floor.get(name)
        if any(cell != MISSING for cell in cells):
            rows.append([group, what, *cells, MISSING if floor is None else f"{floor:,.{digits}f}", better])
    diverged = [f"{comparison.diverged(kind)} of {len(comparison.of(kind))}" for kind in KINDS]
    position = next((i for i, row in enumerate(rows) if row[0] == "latent space"), len(rows))
    rows.insert(position, ["stability", "trainings that diverged", *diverged, MISSING, "lower"])
    named = [["" if i and row[0] == rows[i - 1][0] else row[0], *row[1:]] for i, row in enumerate(rows)]
    return Table(["", "measure", *(NAMES[kind] for kind in KINDS), "real", "better"], named, left=2)


def _cell(mean: float, deviation: float, digits: int) -> str:
    if not math.isfinite(mean):
        return MISSING
    return f"{mean:,.{digits}f}" + (f" ± {deviation:,.{digits}f}" if deviation else "")


def _stability(comparison: Comparison) -> list[str]:
    lines = []
    for run in comparison.trained:
        if run.error is not None:
            lines.append(f"<code>{run.folder.name}</code> diverged: {escape(run.error)}")
    return lines or ["No training diverged."]


def _pictures(comparison: Comparison, folder: Path) -> dict[str, Picture]:
    """Makes the pictures that are not in the folders of the trainings."""
    found: dict[str, Picture] = {}
    what = DISTANCES[comparison.distance]
    if save_distance_plot(comparison, folder / "distances.png", what):
        found["distances"] = Picture("distances.png", "distance by epoch", f"{what}, by epoch; a line per seed.")
    if save_loss_plot(comparison, folder / "losses.png"):
        found["losses"] = Picture("losses.png", "losses", "Losses of all trainings.")
    for kind in KINDS:
        run = _shown(comparison, kind)
        if run is not None:
            _strips(run).save(folder / f"paths-{kind}.png")
            found[f"path_{kind}"] = Picture(f"paths-{kind}.png", f"interpolations of the {NAMES[kind]}", NAMES[kind])
    run = _shown(comparison, "vae")
    if run is not None and run.snapshots:
        for name, snapshot in (("vae_first", run.snapshots[0]), ("vae_last", run.snapshots[-1])):
            picture = snapshot_picture(run.folder, snapshot).with_name(f"{snapshot.name}-reconstructions.png")
            found[name] = Picture(_relative(picture, folder), f"reconstructions, {snapshot.title}", snapshot.title)
    return found


def _shown(comparison: Comparison, kind: str) -> Trained | None:
    """The training that is shown: the first that did not diverge."""
    return next((run for run in comparison.of(kind) if run.error is None), None)


def _strips(run: Trained) -> Image.Image:
    pipeline = load_pipeline(run.folder)
    images = interpolate(pipeline, STRIPS, STRIP_POINTS, seed=0)
    pixels: list[np.ndarray] = list(from_tensor(images.flatten(0, 1), pipeline.config.binary_alpha))
    return make_grid(pixels, STRIP_POINTS, max(1, 64 // pipeline.sprite_size))


def _relative(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()
