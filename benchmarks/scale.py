"""What an image costs as sprites, batches and data sets grow: training, drawing, and memory of the default recipe.

    python benchmarks/scale.py --dataset path/to/rltiles

Seconds are of the processor, one thread, so that other work on the machine takes little from them; each line is a process of its own,
whose largest memory is given. Prints Markdown tables: sizes by batches on `--dataset`, then numbers of embedded sprites.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import tempfile
import time
from argparse import ArgumentDefaultsHelpFormatter
from itertools import product

from recipes import Ours, Recipe, our_config

from sprite_diffusers.report.page import Table, to_markdown
from sprite_diffusers.scripts import ArgumentParser, run_script
from sprite_diffusers.trainers.data_parts import load_data

DRAWN = 64
WARM_UP = 3


def measure(flags: list[str], steps: int) -> tuple[float, float, float, float, float]:
    """Millions of weights, seconds to load the data, milliseconds per image of training and of drawing, GiB at most."""
    os.environ["ACCELERATE_USE_CPU"] = "true"
    with tempfile.TemporaryDirectory() as folder:
        config = our_config([*flags, "--num_cpu_threads", "1", "--output_dir", folder])
        began = time.process_time()
        data = load_data(config.data)
        loaded = time.process_time() - began
        ours = Ours(config, data)
        advance(ours, WARM_UP)
        trained = advance(ours, steps) / (steps * ours.batch_size)
        pipeline = ours.trainer.pipeline()
        pipeline.set_progress_bar_config(disable=True)
        began = time.process_time()
        with ours.trainer.accelerator.autocast():
            pipeline([0] * DRAWN)
        drawn = (time.process_time() - began) / DRAWN
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return ours.parameters / 1e6, loaded, 1000 * trained, 1000 * drawn, memory


def advance(recipe: Recipe, steps: int) -> float:
    """Processor seconds of so many steps."""
    began = time.process_time()
    for _ in range(steps):
        recipe.step(0.0)
    return time.process_time() - began


def main() -> None:
    parser = ArgumentParser(description=__doc__.splitlines()[0], formatter_class=ArgumentDefaultsHelpFormatter)
    parser.add_argument("--dataset", required=True, help="sprites of the largest size, or of one that divides it")
    parser.add_argument("--image_sizes", type=int, nargs="+", default=[16, 32, 64])
    parser.add_argument("--patch_sizes", type=int, nargs="+", default=[2], help="each with each size")
    parser.add_argument("--batches", type=int, nargs="+", default=[16, 64, 256])
    parser.add_argument(
        "--sprites", type=int, nargs="+", default=[2000, 20000, 100000], help="embedded sprites, 16x16"
    )
    parser.add_argument("--images", type=int, default=1280, help="to train on for each line")
    args = parser.parse_args()
    pool = multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1)
    figures = ["million weights", "s to load", "ms to train on an image", "ms to draw one", "GiB"]

    def line(head: list[int], flags: list[str], batch: int) -> list[str]:
        found = pool.apply(measure, ([*flags, "--train_batch_size", str(batch)], -(-args.images // batch)))
        cells = [f"{number:,}" for number in head] + [f"{figure:.3g}" for figure in found]
        print(" | ".join(cells), flush=True)
        return cells

    sizes = [
        line(
            [size, patch, batch],
            ["--dataset", args.dataset, "--image_mode", "RGB", "--image_size", str(size), "--patch_size", str(patch)],
            batch,
        )
        for size, patch, batch in product(args.image_sizes, args.patch_sizes, args.batches)
    ]
    counts = [line([count], ["--dataset", "synthetic", "--num_samples", str(count)], 64) for count in args.sprites]
    tables = [Table(["size", "patch", "batch", *figures], sizes), Table(["sprites", *figures], counts)]
    print(to_markdown([table for table in tables if table.rows]), end="")


if __name__ == "__main__":
    run_script(main)
