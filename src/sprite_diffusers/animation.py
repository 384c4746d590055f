"""Animations out of a pipeline: how a sprite appears step by step, and how one sprite becomes another."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch

from .errors import SpriteError
from .pipelines.sprite_io import resolve_class_labels
from .pipelines.sprite_modes import clean_sample

NOT_PIXELS = ("prior",)  # stages whose samples are embeddings


@torch.no_grad()
def denoising_frames(pipeline: Any, num_frames: int | None = None, **call: Any) -> np.ndarray:
    """What a pipeline believes the sprites to be, at each step of drawing them.

    A frame is the clean sample that the network's prediction amounts to, decoded; the last one is the sprite itself.

    Args:
        pipeline: any of ours.
        num_frames: as many, evenly over the steps, the last among them; a frame per step if not given.
        call: of the pipeline: what to draw, `generator`, `num_inference_steps` and so on, but not `output_type`.

    Returns:
        uint8 (sprites, frames, H, W, 3 or 4), straight alpha.

    Raises:
        SpriteError: fewer than 1 frame.
        ValueError: what the pipeline refuses.
    """
    if num_frames is not None and num_frames < 1:
        raise SpriteError(f"an animation of {num_frames} frames cannot be made; allowed is 1 or more: change --frames")
    with _recorded(pipeline, "scheduler_step", "decode", "postprocess") as calls:
        sprites = pipeline(**call, output_type="np", return_dict=False)[0]
    steps = [arguments for arguments, _ in calls["scheduler_step"] if arguments[4:] not in [(s,) for s in NOT_PIXELS]]
    count = len(steps) if num_frames is None else min(num_frames, len(steps))
    chosen = np.linspace(len(steps) / count, len(steps), count).round().astype(int) - 1
    size = steps[-1][2].shape[2:]
    frames = []
    for index in chosen[:-1]:
        output, timestep, sample, _, *stage = steps[index]
        scheduler = pipeline.stage_scheduler(*stage) if stage else pipeline.scheduler
        clean = clean_sample(scheduler, output, timestep, sample)
        if clean.shape[2:] != size:  # a stage that draws smaller pictures than the last
            clean = torch.nn.functional.interpolate(clean, size, mode="nearest")
        if calls["decode"]:
            clean = pipeline.decode(clean, *calls["decode"][-1][0][1:])
        if call.get("transparent"):
            clean = pipeline.without_background(clean)
        arguments, options = calls["postprocess"][-1]
        frames.append(pipeline.postprocess(clean, *arguments[1:], **options))
    return _to_uint8(np.stack([*frames, sprites], axis=1))


@contextlib.contextmanager
def _recorded(pipeline: Any, *names: str) -> Iterator[dict[str, list[tuple[tuple, dict]]]]:
    """The arguments of every call of a pipeline's methods while it draws; those that it lacks are never called."""
    calls: dict[str, list[tuple[tuple, dict]]] = {name: [] for name in names}

    def recording(name: str, method: Callable) -> Callable:
        def call(*args: Any, **kwargs: Any) -> Any:
            calls[name].append((args, kwargs))
            return method(*args, **kwargs)

        return call

    own = [name for name in names if hasattr(pipeline, name)]
    for name in own:
        setattr(pipeline, name, recording(name, getattr(pipeline, name)))
    try:
        yield calls
    finally:
        for name in own:
            delattr(pipeline, name)


@torch.no_grad()
def interpolation_frames(
    pipeline: Any,
    seeds: Sequence[int],
    what: Sequence[int | str] | None = None,
    *,
    frames_between: int = 8,
    loop: bool = True,
    batch_size: int = 64,
    **options: Any,
) -> np.ndarray:
    """Sprites that become each other: the noise goes along the sphere from one seed to the next, and so does the class
    or prompt along a line.

    With a deterministic sampler, as is every flow's, each sprite that is given appears as the pipeline draws it by its
    seed; samplers that draw noise on their way are given the same noise for each frame.

    Args:
        pipeline: any of ours.
        seeds: of the sprites, 2 or more.
        what: a class (name or id) or prompt per seed; None for a model without.
        frames_between: frames from one sprite up to the next, which begins the next part.
        loop: goes back to the first sprite at the end.
        batch_size: sprites drawn at a time.
        options: further arguments of the pipeline's call.

    Returns:
        uint8 (frames, H, W, 3 or 4): ``frames_between`` for each part, and the last sprite if there is no loop.

    Raises:
        SpriteError: fewer than 2 seeds or 1 frame, or classes of a model that has no embedding to mix.
        ValueError: what the pipeline refuses.
    """
    if len(seeds) < 2 or frames_between < 1:
        raise SpriteError(
            f"an interpolation of {len(seeds)} sprites by {frames_between} frames cannot be made; allowed are 2 or more "
            "sprites and 1 or more frames: change --num or --frames"
        )
    if what is not None and len(what) != len(seeds):
        raise SpriteError(f"{len(what)} classes or prompts were given for {len(seeds)} seeds; give one for each")
    parts = len(seeds) if loop else len(seeds) - 1
    position = np.arange(parts * frames_between + (not loop)) / frames_between
    start = np.minimum(position.astype(int), parts - 1)
    stop = (start + 1) % len(seeds)
    weight = torch.from_numpy(position - start).float()

    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    mix = _conditions(pipeline, what, generators)
    noise = torch.cat([torch.randn((1, *pipeline.latent_shape), generator=generator) for generator in generators])
    images = []
    for first in range(0, len(position), batch_size):
        part = slice(first, first + batch_size)
        a, b, w = start[part], stop[part], weight[part]
        same = [torch.Generator().manual_seed(seeds[0]) for _ in a]
        with mix(a, b, w) as condition:
            images.append(
                pipeline(
                    **condition,
                    **options,
                    latents=slerp(noise[a], noise[b], w),
                    generator=same,
                    output_type="np",
                    return_dict=False,
                )[0]
            )
    return _to_uint8(np.concatenate(images))


def slerp(start: torch.Tensor, stop: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Along the great circle (Shoemake 1985), so that noise keeps the length that a network expects.

    Args:
        start, stop: (batch, ...).
        weight: (batch,), 0 is `start` and 1 is `stop`.
    """
    flat_start, flat_stop = start.flatten(1), stop.flatten(1)
    cosine = torch.nn.functional.cosine_similarity(flat_start, flat_stop, dim=1).clamp(-1, 1)
    angle = torch.acos(cosine)
    sine = torch.sin(angle)
    weight = weight.to(start)
    near = sine < 1e-4  # parallel: a line
    of_start = torch.where(near, 1 - weight, torch.sin((1 - weight) * angle) / sine.clamp(min=1e-4))
    of_stop = torch.where(near, weight, torch.sin(weight * angle) / sine.clamp(min=1e-4))
    shape = (-1, *[1] * (start.ndim - 1))
    return of_start.view(shape) * start + of_stop.view(shape) * stop


Mix = Callable[[np.ndarray, np.ndarray, torch.Tensor], contextlib.AbstractContextManager[dict[str, Any]]]


def _conditions(pipeline: Any, what: Sequence[int | str] | None, generators: list[torch.Generator]) -> Mix:
    """What makes the arguments of a call that draws sprites between the conditions `a` and `b`, by weight."""
    arguments = inspect.signature(type(pipeline).__call__).parameters
    if what is None:
        return lambda a, b, weight: contextlib.nullcontext({"batch_size": len(a)})
    if "prompt" in arguments:
        embeds = _prompt_embeds(pipeline, list(map(str, what)), generators)
        return lambda a, b, weight: contextlib.nullcontext(_mixed(embeds, a, b, weight))
    names = pipeline.config.id2label
    ids = resolve_class_labels(list(what), names, len(names))
    embedding = getattr(getattr(pipeline, "unet", None), "class_embedding", None)
    if not isinstance(embedding, torch.nn.Embedding) and len(set(ids.tolist())) > 1:
        raise SpriteError("the network has no class embedding to mix; give one class: change --class")
    return lambda a, b, weight: _mixed_classes(embedding, ids[a], ids[b], weight)


@contextlib.contextmanager
def _mixed_classes(
    embedding: Any, start: torch.Tensor, stop: torch.Tensor, weight: torch.Tensor
) -> Iterator[dict[str, Any]]:
    """Draws the classes `start`, whose embeddings are mixed with those of `stop` on their way into the network."""

    def mix(module: Any, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> torch.Tensor:
        drawn = len(start)  # with guidance, the null class of as many sprites stands before them
        other = torch.nn.functional.embedding(stop.to(inputs[0].device), module.weight)
        conditional = torch.lerp(output[-drawn:], other, weight.to(output)[:, None])
        return torch.cat([output[:-drawn], conditional])

    hook = embedding.register_forward_hook(mix) if isinstance(embedding, torch.nn.Embedding) else None
    try:
        yield {"class_labels": start}
    finally:
        if hook is not None:
            hook.remove()


def _prompt_embeds(pipeline: Any, prompts: list[str], generators: list[torch.Generator]) -> dict[str, torch.Tensor]:
    """What the pipeline makes of prompts, under the names by which its call takes it."""
    encoded = pipeline.encode_prompt(prompts, 1)
    names = ("prompt_embeds", "prompt_attention_mask", "pooled_prompt_embeds")
    embeds = dict(zip(names, encoded, strict=False))
    if hasattr(pipeline, "sample_prior"):
        embeds["image_embeds"] = pipeline.sample_prior(prompts, generator=generators)
    return embeds


def _mixed(
    embeds: dict[str, torch.Tensor], start: np.ndarray, stop: np.ndarray, weight: torch.Tensor
) -> dict[str, torch.Tensor]:
    mixed = {}
    for name, rows in embeds.items():
        a, b = rows[start], rows[stop]
        if name == "prompt_attention_mask":
            mixed[name] = torch.maximum(a, b)  # words of either count
        elif name == "image_embeds":
            mixed[name] = slerp(a, b, weight)  # as in https://arxiv.org/abs/2204.06125, section 3.2
        else:
            mixed[name] = torch.lerp(a, b, weight.to(a).view(-1, *[1] * (a.ndim - 1)))
    return mixed


def _to_uint8(images: np.ndarray) -> np.ndarray:
    return np.floor(np.asarray(images, np.float32) * 255 + 0.5).astype(np.uint8)
