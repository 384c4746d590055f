"""A distilled model beside its teacher: quality and images per second of one core.

    OMP_NUM_THREADS=1 python benchmarks/few_steps.py outputs/teacher outputs/student --dataset my_sprites

The teacher is measured at every guidance scale and number of steps given; the student at 1 step and at its own number. All draw
from the same noise, `--num_draws` times from another, and are scored by the one protocol: means over draws, with the lowest and
the highest distance, as one draw of several hundred sprites is a third off now and then. Speed is by processor time, in batches of 64
or 128, whichever is faster, in the precision that trainings have (bf16 where the processor has instructions for it), and so is
quality. Prints a Markdown table, and whether the student keeps `MOST` and `LEAST_SPEEDUP`.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, field
from itertools import product

import numpy as np
import torch
from diffusers import DiffusionPipeline

from sprite_diffusers import hub
from sprite_diffusers.evaluation import Reference, evaluate
from sprite_diffusers.report.page import Table, to_markdown
from sprite_diffusers.scripts import ArgumentParser, run_script
from sprite_diffusers.trainers.machine import fast_precision

BATCH_SIZES = (64, 128)
ROUNDS, TURN_SECONDS = 6, 2.0
MOST = {1: 1.6, 2: 1.25}
"""By steps of the student, the largest ratio of its feature FD to the teacher's best."""
LEAST_SPEEDUP = 15


@dataclass
class Setting:
    """A way to draw, and what came of it.

    Attributes:
        distances: feature FD of each draw of sprites.
        seconds: of processor time per image, of each round, by size of the batch.
    """

    model: str
    pipeline: DiffusionPipeline
    steps: int
    guidance: float
    distances: list[float] = field(default_factory=list)
    accuracy: float = 0.0
    near_copies: float = 0.0
    seconds: dict[int, list[float]] = field(default_factory=lambda: {size: [] for size in BATCH_SIZES})

    @property
    def distance(self) -> float:
        return float(np.mean(self.distances))

    @property
    def images_per_second(self) -> float:
        return 1 / min(float(np.median(seconds)) for seconds in self.seconds.values())


def measure(setting: Setting, reference: Reference, options: argparse.Namespace) -> None:
    """Scores `num_samples` sprites per draw."""
    draws = [
        evaluate(
            setting.pipeline,
            reference,
            num_samples=options.num_samples,
            seed=seed,
            batch_size=BATCH_SIZES[0],
            num_inference_steps=setting.steps,
            guidance_scale=setting.guidance,
        ).metrics
        for seed in range(options.num_draws)
    ]
    setting.distances = [draw["fd_feature"] for draw in draws]
    setting.accuracy, setting.near_copies = (
        float(np.mean([draw[name] for draw in draws])) for name in ("accuracy", "near_copies")
    )
    print(
        f"{setting.model}, {setting.steps} steps, guidance {setting.guidance:g}: FD {setting.distance:.3f}", flush=True
    )


def measure_speed(settings: list[Setting]) -> None:
    """Times all in turns, as speeds of one machine differ from minute to minute."""
    for _, setting, size in product(range(ROUNDS), settings, BATCH_SIZES):
        began, drawn = time.process_time(), 0
        while time.process_time() - began < TURN_SECONDS:
            setting.pipeline([0] * size, setting.steps, setting.guidance, output_type="np")
            drawn += size
        setting.seconds[size].append((time.process_time() - began) / drawn)


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
    parser.add_argument("--num_draws", type=int, default=6, help="how often, from other noise each time")
    options = parser.parse_args()
    teacher, student = hub.load_pipeline(options.teacher), hub.load_pipeline(options.student)
    reference = Reference.for_pipeline(teacher, options.dataset, options.classifier)
    for pipeline in (teacher, student):
        pipeline.set_progress_bar_config(disable=True)
    sweep = product(options.num_inference_steps, options.guidance_scale)
    taught = [Setting("teacher", teacher, steps, guidance) for steps, guidance in sweep]
    learnt = [Setting("student", student, n, 1.0) for n in sorted({1, student.config.default_num_inference_steps})]
    rows = taught + learnt
    with torch.autocast("cpu", torch.bfloat16, enabled=fast_precision() == "bf16"):
        for row in rows:
            measure(row, reference, options)
        measure_speed(rows)
    best = min(taught, key=lambda row: row.distance)
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
    for row in learnt:
        if row.steps in MOST:
            ratio, speedup = row.distance / best.distance, row.images_per_second / best.images_per_second
            kept = ratio <= MOST[row.steps] and speedup >= LEAST_SPEEDUP
            print(
                f"{row.steps} step{'s' if row.steps > 1 else ''}: FD {ratio:.2f} times the teacher's best (at most "
                f"{MOST[row.steps]}), {speedup:.1f} times as fast (at least {LEAST_SPEEDUP}): {'kept' if kept else 'not kept'}"
            )


if __name__ == "__main__":
    run_script(main)
