"""A distilled model beside its teacher: quality and images per second of one core.

    OMP_NUM_THREADS=1 python benchmarks/few_steps.py outputs/teacher outputs/student --dataset my_sprites

The teacher is measured at every guidance scale and number of steps given; the student at 1 step and at its own number. All draw
from the same noise, `--num_draws` times from another, and are scored by the one protocol: means over draws, with the lowest and
the highest distance, as one draw of several hundred sprites is a fifth off now and then. Speed is by processor time, in batches of `--batch_size`, in the precision
that trainings have (bf16 where the processor has instructions for it), and so is quality. Prints a Markdown table, and whether the
student keeps what docs/few_steps.md demands of it.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from diffusers import DiffusionPipeline

from sprite_diffusers import hub
from sprite_diffusers.evaluation import Reference, evaluate
from sprite_diffusers.report.page import Table, to_markdown
from sprite_diffusers.scripts import ArgumentParser, run_script
from sprite_diffusers.trainers.machine import fast_precision

TIMED_IMAGES = 256
MOST = {1: 1.6, 2: 1.25}
"""By steps of the student, the largest ratio of its feature FD to the teacher's best."""
LEAST_SPEEDUP = 15


@dataclass(frozen=True)
class Setting:
    """A model with how it draws, and what came of it."""

    model: str
    steps: int
    guidance: float
    distances: tuple[float, ...]
    accuracy: float
    near_copies: float
    images_per_second: float

    @property
    def distance(self) -> float:
        """Mean feature FD of the draws."""
        return float(np.mean(self.distances))


def measure(
    pipeline: DiffusionPipeline,
    model: str,
    reference: Reference,
    steps: int,
    guidance: float,
    options: argparse.Namespace,
) -> Setting:
    """Scores `num_samples` sprites per draw, and times the drawing of others."""
    with torch.autocast("cpu", torch.bfloat16, enabled=fast_precision() == "bf16"):
        draws = [
            evaluate(
                pipeline,
                reference,
                num_samples=options.num_samples,
                seed=seed,
                batch_size=options.batch_size,
                num_inference_steps=steps,
                guidance_scale=guidance,
            ).metrics
            for seed in range(options.num_draws)
        ]
        began, drawn = time.process_time(), 0
        while drawn < TIMED_IMAGES:
            pipeline([0] * options.batch_size, steps, guidance, output_type="np")
            drawn += options.batch_size
        seconds = time.process_time() - began
    accuracy, near_copies = (float(np.mean([draw[name] for draw in draws])) for name in ("accuracy", "near_copies"))
    distances = tuple(draw["fd_feature"] for draw in draws)
    return Setting(model, steps, guidance, distances, accuracy, near_copies, drawn / seconds)


def main() -> None:
    parser = ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("teacher", help="folder of the teacher")
    parser.add_argument("student", help="folder that training/distill.py made of it")
    parser.add_argument("--dataset", required=True, help="the data of both")
    parser.add_argument("--classifier", help="the auxiliary classifier")
    parser.add_argument("--guidance_scale", type=float, nargs="+", default=[1.25, 1.5, 1.75])
    parser.add_argument("--num_inference_steps", type=int, nargs="+", default=[10, 16, 25])
    parser.add_argument("--num_samples", type=int, help="as many as are held out, at most 2000, if not given")
    parser.add_argument("--batch_size", type=int, default=64)
    parser.add_argument("--num_draws", type=int, default=3, help="how often, from other noise each time")
    options = parser.parse_args()
    teacher, student = hub.load_pipeline(options.teacher), hub.load_pipeline(options.student)
    reference = Reference.for_pipeline(teacher, options.dataset, options.classifier)
    rows = []
    for pipeline in (teacher, student):
        pipeline.set_progress_bar_config(disable=True)
    for steps, guidance in product(options.num_inference_steps, options.guidance_scale):
        rows.append(measure(teacher, "teacher", reference, steps, guidance, options))
        print(f"teacher, {steps} steps, guidance {guidance:g}: FD {rows[-1].distance:.3f}", flush=True)
    best = min(rows, key=lambda row: row.distance)
    for steps in sorted({1, student.config.default_num_inference_steps}):
        rows.append(measure(student, "student", reference, steps, 1.0, options))
    head = ["model", "steps", "guidance", "FD feature", "of the best", "accuracy", "near copies", "images/s", "faster"]
    table = [
        [
            row.model, str(row.steps), f"{row.guidance:g}", 
            f"{row.distance:.3f} ({min(row.distances):.3f} to {max(row.distances):.3f})", f"{row.distance / best.distance:.2f}",
            f"{row.accuracy:.3f}", f"{row.near_copies:.3f}", f"{row.images_per_second:.0f}",
            f"{row.images_per_second / best.images_per_second:.1f}",
        ]
        for row in rows
    ]  # fmt: skip
    print(to_markdown([Table(head, table)]))
    for row in rows:
        if row.model == "student" and row.steps in MOST:
            ratio, speedup = row.distance / best.distance, row.images_per_second / best.images_per_second
            kept = ratio <= MOST[row.steps] and speedup >= LEAST_SPEEDUP
            print(
                f"{row.steps} step{'s' if row.steps > 1 else ''}: FD {ratio:.2f} times the teacher's best (at most "
                f"{MOST[row.steps]}), {speedup:.1f} times as fast (at least {LEAST_SPEEDUP}): {'kept' if kept else 'not kept'}"
            )


if __name__ == "__main__":
    run_script(main)
