"""Images per second of our training loop beside that of diffusers' ``examples/unconditional_image_generation``.

Both train the same network on the same sprites with the same batch size and precision, in alternating blocks of steps,
so that the noise of the machine hits both alike; on single pixels, as the peer's loop has no patches. That loop: see
`recipes.TrainUnconditional`. Needs torchvision.

    python benchmarks/training_speed.py --rounds 5 --steps 20
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time

import psutil
from recipes import Ours, Recipe, TrainUnconditional, our_config

from sprite_diffusers.pipelines import ClassCondPipeline
from sprite_diffusers.trainers.data_parts import load_data
from sprite_diffusers.trainers.diffusion import DiffusionTrainer, build_unet


def seconds_for(recipe: Recipe, count: int) -> float:
    started = time.perf_counter()
    for _ in range(count):
        recipe.step(0.0)
    return time.perf_counter() - started


def sampling_speed(trainer: DiffusionTrainer, num_inference_steps: int, batch: int = 64) -> float:
    """Images per second of the trained pipeline with its default guidance."""
    pipeline = trainer.pipeline()
    pipeline.set_progress_bar_config(disable=True)
    trainer.unet.eval()
    what = {"class_labels": [0] * batch} if isinstance(pipeline, ClassCondPipeline) else {"batch_size": batch}
    started = time.perf_counter()
    pipeline(**what, num_inference_steps=num_inference_steps)
    return batch / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="synthetic")
    parser.add_argument("--image_size", type=int, default=16)
    parser.add_argument("--train_batch_size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5, help="alternations")
    parser.add_argument("--steps", type=int, default=20, help="steps per block")
    args = parser.parse_args()

    flags = ["--dataset", args.dataset, "--image_size", str(args.image_size), "--image_mode", "RGB",
             "--train_batch_size", str(args.train_batch_size), "--output_dir", tempfile.mkdtemp(), "--patch_size", "1"]  # fmt: skip
    config = our_config(flags)
    data = load_data(config.data)
    ours = Ours(config, data)
    theirs = TrainUnconditional(
        build_unet(config.unet, 3, data.report.image_size, None),
        data,
        ours.trainer.accelerator.mixed_precision,
        args.train_batch_size,
    )
    seconds_for(ours, 3)
    seconds_for(theirs, 3)

    images = args.steps * args.train_batch_size
    speeds: list[tuple[float, float]] = []
    for number in range(args.rounds):
        speeds.append((images / seconds_for(ours, args.steps), images / seconds_for(theirs, args.steps)))
        print(
            f"round {number}: ours {speeds[-1][0]:.0f}, train_unconditional {speeds[-1][1]:.0f} images/s", flush=True
        )
    ratio = statistics.median(mine / peer for mine, peer in speeds)
    print(f"median ratio, ours to theirs: {ratio:.2f}")
    print(f"memory: {psutil.Process().memory_info().rss / 2**30:.2f} GiB (both loops in one process)")
    for steps in (10, 50):
        print(f"sampling at {steps} steps, guided: {sampling_speed(ours.trainer, steps):.1f} images/s")


if __name__ == "__main__":
    main()
