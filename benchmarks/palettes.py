"""Four ways to sprites of one palette: snapped at the end, guided to it, drawn as its indices, and left as they are.

    OMP_NUM_THREADS=1 python benchmarks/palettes.py outputs/plain outputs/native --dataset my_sprites --out outputs/palettes

The plain model draws colours; the native one was trained with ``--palette``, and its palette is the one of all rows if no other is
given. All draw from the same seeds, and are scored by the one protocol against the same real sprites, which keep their
colours. Two more rows are of real sprites, as they are and snapped: what a palette alone takes away. Speed is processor time,
in the precision that trainings have (bf16 where the processor has instructions for it), and so is quality. Prints a Markdown
table; `--out` gets it as ``palettes.md``, with the figures as ``palettes.json`` and sprites of each row as ``palettes.png``.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DiffusionPipeline
from PIL import Image

from sprite_diffusers import hub
from sprite_diffusers.data import make_grid
from sprite_diffusers.errors import SpriteError
from sprite_diffusers.evaluation import Reference, evaluate
from sprite_diffusers.evaluation.protocol import DEFAULT_MAX_SAMPLES
from sprite_diffusers.evaluation.sampling import draw
from sprite_diffusers.pixels import Palette, load_palette, quantize
from sprite_diffusers.report.page import Table, to_markdown
from sprite_diffusers.scripts import ArgumentParser, run_script
from sprite_diffusers.trainers.machine import fast_precision

SHOWN = 16  # sprites of each row in the picture
HEAD = [
    "sprites",
    "FD feature",
    "off palette",
    "unique colours",
    "orphan pixels",
    "accuracy",
    "near copies",
    "s/image",
]


@dataclass(frozen=True)
class Row:
    """A way to draw, and what came of it; shares are of 1, `seconds` of a processor and for one sprite."""

    name: str
    distance: float
    off_palette: float
    unique_colors: float
    orphan_pixels: float
    accuracy: float | None
    near_copies: float | None
    seconds: float | None

    def cells(self) -> list[str]:
        """As in `HEAD`."""
        return [
            self.name, f"{self.distance:.3f}", f"{self.off_palette:.1%}", f"{self.unique_colors:.1f}",
            f"{self.orphan_pixels:.1%}", "-" if self.accuracy is None else f"{self.accuracy:.3f}",
            "-" if self.near_copies is None else f"{self.near_copies:.1%}", "-" if self.seconds is None else f"{self.seconds:.3f}",
        ]  # fmt: skip


def off_palette(pixels: np.ndarray, palette: Palette) -> float:
    """The share of visible pixels, uint8 ``(N, H, W, 3 | 4)``, that are half transparent or of another colour."""
    weights = np.array([1 << 16, 1 << 8, 1])
    known = np.isin(pixels[..., :3].astype(np.int64) @ weights, palette.array.astype(np.int64) @ weights)
    if pixels.shape[-1] == 3:
        return float(1 - known.mean())
    alpha = pixels[..., 3]
    return float(((alpha > 0) & ~(known & (alpha == 255))).sum() / max(1, (alpha > 0).sum()))


class Comparison:
    """Draws and scores the rows, one by one."""

    def __init__(self, reference: Reference, palette: Palette, options: argparse.Namespace):
        self.reference, self.palette, self.options = reference, palette, options
        held_out = len(reference.validation_pixels)
        self.count = options.num_samples or min(held_out, DEFAULT_MAX_SAMPLES)
        self.labels = None if reference.class_names is None else reference.balanced_labels(self.count)
        self.rows: list[Row] = []
        self.shown: list[np.ndarray] = []

    def add(self, name: str, pixels: np.ndarray, labels: np.ndarray | None, seconds: float | None = None) -> None:
        """Scores images."""
        metrics = evaluate(pixels, self.reference, labels=labels, seed=self.options.seed).metrics
        self.rows.append(
            Row(
                name,
                metrics["fd_feature"],
                off_palette(pixels, self.palette),
                metrics["unique_colors"],
                metrics["orphan_pixels"],
                metrics.get("accuracy"),
                None if seconds is None else metrics["near_copies"],  # training sprites are copies of themselves
                seconds,
            )
        )
        order = np.arange(len(pixels)) if labels is None else labels.argsort(kind="stable")
        self.shown.append(pixels[order[np.linspace(0, len(order) - 1, SHOWN).astype(int)]])

    def draw(self, name: str, pipeline: DiffusionPipeline, **options: Any) -> None:
        """Draws as many sprites as all rows have, and scores them."""
        names = None
        labels = self.labels if pipeline.is_conditional else None
        if labels is not None:
            names = [(self.reference.class_names or [])[label] for label in labels]
            options["guidance_scale"] = self.options.guidance_scale
        options["num_inference_steps"] = self.options.num_inference_steps
        began = time.process_time()
        with torch.autocast("cpu", torch.bfloat16, enabled=fast_precision() == "bf16"):
            pixels, _ = draw(
                pipeline,
                self.count,
                names,
                self.reference.validation_pixels.shape[1:],
                seed=self.options.seed,
                batch_size=self.options.batch_size,
                options=options,
            )
        self.add(name, pixels, labels, (time.process_time() - began) / self.count)

    def add_real(self) -> None:
        """Training sprites with the class balance of the held-out ones, as they are and snapped."""
        chosen = self.reference.training_subset(self.count, self.options.seed)
        labels = None if self.labels is None else self.reference.train_labels[chosen]  # type: ignore[index]
        self.add("real", self.reference.train_pixels[chosen], labels)
        self.add("real, snapped", quantize(self.reference.train_pixels[chosen], self.palette), labels)

    def write(self, folder: Path) -> str:
        """The table, also written to `folder` with the figures and a picture."""
        folder.mkdir(parents=True, exist_ok=True)
        table = to_markdown([Table(HEAD, [row.cells() for row in self.rows])])
        (folder / "palettes.md").write_text(table + "\n", encoding="utf-8")
        figures = {"palette": self.palette.hex, "num_samples": self.count, "rows": [asdict(row) for row in self.rows]}
        (folder / "palettes.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
        images = [Image.fromarray(pixels) for row in self.shown for pixels in row]
        names = [row.name for row in self.rows]
        grid = make_grid(images, SHOWN, max(1, 64 // self.reference.image_size), row_labels=names)
        grid.save(folder / "palettes.png")
        return table


def main() -> None:
    parser = ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("plain", help="folder of the model of colours")
    parser.add_argument("native", help="folder of the model that was trained with --palette")
    parser.add_argument("--dataset", required=True, help="the data of both")
    parser.add_argument("--classifier", help="the auxiliary classifier")
    parser.add_argument(
        "--palette", help="the palette of the snapped and guided rows; the native model's if not given"
    )
    parser.add_argument("--palette_guidance", type=float, nargs="+", default=[0.5, 1.0])
    parser.add_argument("--guidance_scale", type=float, help="of classes; the models' own if not given")
    parser.add_argument("--num_inference_steps", type=int, help="the models' own if not given")
    parser.add_argument("--num_samples", type=int, help="as many as are held out, at most 2000, if not given")
    parser.add_argument("--batch_size", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="folder for table, figures and picture")
    options = parser.parse_args()
    plain, native = hub.load_pipeline(options.plain), hub.load_pipeline(options.native)
    if native.config.get("index_palette") is None:
        raise SpriteError(f"{options.native} draws colours: give a model that was trained with --palette.")
    palette = load_palette(options.palette or native.config.index_palette)
    comparison = Comparison(Reference.for_pipeline(plain, options.dataset, options.classifier), palette, options)
    comparison.draw("plain", plain)
    comparison.draw("snapped", plain, palette=palette.hex, palette_guidance=0)
    for weight in options.palette_guidance:
        comparison.draw(f"guided, {weight:g}", plain, palette=palette.hex, palette_guidance=weight)
    # its own palette has nothing to be snapped
    snapped = {"palette": palette.hex} if options.palette else {}
    comparison.draw("native indices", native, **snapped)
    comparison.add_real()
    print(comparison.write(options.out))


if __name__ == "__main__":
    run_script(main)
