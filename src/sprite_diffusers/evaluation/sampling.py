"""Drawing samples to be measured: the same images whatever the batch size and the number of processes."""

from __future__ import annotations

import contextlib
import inspect
import os
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from accelerate.utils import gather_object
from diffusers import DiffusionPipeline
from tqdm import tqdm

from ..errors import SpriteError


def is_conditional(pipeline: DiffusionPipeline) -> bool:
    """Whether it draws by class labels; it must then have names for them in its config.

    Raises:
        SpriteError: a pipeline that draws neither by class labels nor by number alone.
    """
    arguments = inspect.signature(type(pipeline).__call__).parameters
    if "class_labels" not in arguments and "batch_size" not in arguments:
        raise SpriteError(
            f"a {type(pipeline).__name__} draws neither by class_labels nor by batch_size alone, so the protocol cannot "
            "sample it: draw the images yourself and pass the array."
        )
    return getattr(pipeline, "is_conditional", "class_labels" in arguments)


def takes_prompts(pipeline: DiffusionPipeline) -> bool:
    """Whether it draws by prompts."""
    return "prompt" in inspect.signature(type(pipeline).__call__).parameters


def sampling_facts(
    pipeline: DiffusionPipeline, num_inference_steps: int | None, guidance_scale: float | None
) -> dict[str, Any]:
    """How the samples are drawn, with the pipeline's own defaults filled in; empty if it draws in one pass."""
    scheduler = getattr(pipeline, "scheduler", None)
    if scheduler is None:
        return {}
    config = pipeline.config
    return {
        "scheduler": type(scheduler).__name__,
        "num_inference_steps": num_inference_steps or config.get("default_num_inference_steps"),
        "guidance_scale": config.get("default_guidance_scale") if guidance_scale is None else guidance_scale,
    }


def image_generators(seed: int, indices: Sequence[int]) -> list[torch.Generator]:
    """One CPU generator per image, seeded by (seed, index) alone."""
    states = [np.random.SeedSequence([seed, index]).generate_state(1, np.uint64)[0] for index in indices]
    return [torch.Generator().manual_seed(int(state >> np.uint64(1))) for state in states]


def draw(
    pipeline: DiffusionPipeline,
    num_samples: int,
    labels: Sequence[str] | None,
    shape: tuple[int, int, int],
    *,
    seed: int,
    batch_size: int,
    options: dict[str, Any],
    progress: bool = False,
) -> tuple[np.ndarray, float]:
    """Draws images, divided over the processes of `accelerate launch` or torchrun; every process gets all of them.

    Whole batches are divided, so that every image is computed in the same company on any number of processes:
    rounding, which depends on the size of a batch, is the same too. One image is drawn first, untimed, to warm up and
    to find out what is wrong before hours are spent.

    Args:
        pipeline: on the device where it is to run.
        num_samples: images.
        labels: a class name per image, or None for an unconditional pipeline.
        shape: (H, W, C) that the images must have.
        seed: not negative.
        batch_size: images per call.
        options: further arguments of the pipeline's call.
        progress: shows a bar with the time left, on the main process.

    Returns:
        uint8 (num_samples, H, W, C), grey as RGB, and the seconds that one process needs per image.

    Raises:
        SpriteError: images of another shape, or what the pipeline itself refuses.
    """
    state = _processes(pipeline)
    starts = list(range(0, num_samples, batch_size))[state.process_index :: state.num_processes]
    drawn: list[tuple[int, np.ndarray, float]] = []
    with _without_progress_bar(pipeline):
        _check_shape(_call(pipeline, range(1), labels, seed, options), shape)
        with tqdm(
            total=sum(min(batch_size, num_samples - start) for start in starts),
            desc="sampling",
            unit="image",
            disable=not (progress and state.is_main_process),
        ) as bar:
            for start in starts:
                began = time.perf_counter()
                indices = range(start, min(start + batch_size, num_samples))
                images = _call(pipeline, indices, labels, seed, options)
                drawn.append((start, images, time.perf_counter() - began))
                bar.update(len(images))
    drawn = sorted(gather_object(drawn), key=lambda part: part[0])
    return np.concatenate([images for _, images, _ in drawn]), sum(spent for _, _, spent in drawn) / num_samples


def _processes(pipeline: DiffusionPipeline) -> PartialState:
    """The processes that were launched. Unless told so, accelerate does not see those of torchrun without a GPU."""
    shared = int(os.environ.get("WORLD_SIZE", 1)) > 1
    return PartialState(cpu=shared and pipeline.device.type == "cpu")


def _call(
    pipeline: DiffusionPipeline, indices: range, labels: Sequence[str] | None, seed: int, options: dict[str, Any]
) -> np.ndarray:
    what: dict[str, Any] = (
        {"batch_size": len(indices)} if labels is None else {"class_labels": [labels[index] for index in indices]}
    )
    try:
        images = pipeline(
            **what, **options, generator=image_generators(seed, indices), output_type="np", return_dict=False
        )[0]
    except ValueError as error:
        raise SpriteError(f"{type(pipeline).__name__} cannot draw this: {str(error).splitlines()[0]}") from error
    images = np.asarray(images, np.float32)
    if images.shape[-1] == 1:
        images = images.repeat(3, axis=-1)
    if not np.isfinite(images).all():
        raise SpriteError(
            f"the images that the {type(pipeline).__name__} draws are not numbers (NaN): its training diverged, or "
            "its precision is too low; train it again with a lower --learning_rate, or load it in float32."
        )
    return np.floor(images * 255 + 0.5).astype(np.uint8)


def _check_shape(images: np.ndarray, shape: tuple[int, int, int]) -> None:
    if images.shape[1:] != shape:
        raise SpriteError(
            f"the pipeline draws {describe_shape(images.shape[1:])} sprites, but the reference has "
            f"{describe_shape(shape)} ones: load the data with the --image_size and --mode that the model was trained at."
        )


def describe_shape(shape: Sequence[int]) -> str:
    """(H, W, C) as "16x16 RGBA"."""
    mode = {3: "RGB", 4: "RGBA"}.get(shape[2], f"{shape[2]}-channel")
    return f"{shape[1]}x{shape[0]} {mode}"


@contextlib.contextmanager
def _without_progress_bar(pipeline: DiffusionPipeline) -> Iterator[None]:
    """Hides the bar of denoising steps, which would come once per batch."""
    previous = getattr(pipeline, "_progress_bar_config", {})
    pipeline.set_progress_bar_config(**{**previous, "disable": True})
    try:
        yield
    finally:
        pipeline.set_progress_bar_config(**previous)
