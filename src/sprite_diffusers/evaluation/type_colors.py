"""Does the text matter? The colour of sprites whose prompts differ in one word: fire, water or grass."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from diffusers import DiffusionPipeline

from .intervals import share_interval
from .text_to_sprite import draw_prompts

TYPE_CHANNELS = {"fire": 0, "grass": 1, "water": 2}
"""Which of red, green and blue a type's sprites have more of than those of the others."""

BODIES = ("small lizard", "round bird", "large serpent", "four-legged beast", "tiny mouse", "winged insect", "tall guardian",
          "floating spirit", "armored turtle", "young fox")  # fmt: skip
LOOKS = (
    "with big, round eyes and a playful smile",
    "with sharp claws and a long tail",
    "with a broad chest and a fierce gaze",
    "with short legs and smooth skin",
    "with a crest on its head and a calm look",
)
PROMPTS = tuple(f"A {body} {look}. primary type is {{type}}." for look in LOOKS for body in BODIES)
"""50 prompts in the manner of the captions, without a word for a colour or an element but the type itself."""

FOREGROUND_DISTANCE = 24  # of 255: what differs more from the background in some channel is the creature


@dataclass(frozen=True)
class TypeColors:
    """What `type_colors` measured.

    Attributes:
        shares: by type, of the prompts whose sprite of that type has more of the type's channel than the mean of the
            other two types' sprites from the same noise; ``"mean"`` of all. Chance is 0.5.
        intervals: 95 % of each, bootstrap over prompts.
        shifts: by type, by how much more, mean over prompts, from -1 to 1 of the value range.
        images: uint8 ``(prompts, types, S, S, 3)``, types in the order of `TYPE_CHANNELS`.
    """

    shares: dict[str, float]
    intervals: dict[str, list[float]]
    shifts: dict[str, float]
    images: np.ndarray


def type_colors(
    pipeline: DiffusionPipeline,
    prompts: tuple[str, ...] = PROMPTS,
    *,
    background: tuple[int, int, int] = (255, 255, 255),
    seed: int = 0,
    batch_size: int = 8,
    num_inference_steps: int | None = None,
    guidance_scale: float | None = None,
    progress: bool = False,
) -> TypeColors:
    """Draws every prompt once per type, from the same noise, and compares the colours of the creatures.

    A type's channel is its own of red, green and blue less the mean of the other two, over the foreground.

    Args:
        pipeline: draws by prompts.
        prompts: with ``{type}`` in them.
        background: the colour that is no foreground.
        seed: of the noise; prompt i has a generator seeded by (seed, i), whatever its type.
        batch_size: prompts per call.
        num_inference_steps, guidance_scale: by default those of the pipeline.
        progress: shows bars.
    """
    given = {"num_inference_steps": num_inference_steps, "guidance_scale": guidance_scale}
    options = {name: value for name, value in given.items() if value is not None}
    drawn = []
    for name in TYPE_CHANNELS:
        texts = [prompt.format(type=name) for prompt in prompts]
        drawn.append(
            draw_prompts(pipeline, texts, seed=seed, batch_size=batch_size, options=options, progress=progress)[0]
        )
    images = np.stack(drawn, axis=1)
    colors = np.array([[foreground_color(image, background) for image in row] for row in images])
    excess = 1.5 * (colors - colors.mean(axis=-1, keepdims=True))  # a channel less the mean of the other two
    shares, shifts, hits = {}, {}, []
    for place, (name, channel) in enumerate(TYPE_CHANNELS.items()):
        others = np.delete(excess[:, :, channel], place, axis=1).mean(axis=1)
        shift = excess[:, place, channel] - others
        hits.append(shift > 0)
        shares[name], shifts[name] = float(hits[-1].mean()), float(shift.mean())
    intervals = {name: share_interval(hit, seed) for name, hit in zip(TYPE_CHANNELS, hits, strict=True)}
    return TypeColors(
        shares=shares | {"mean": float(np.mean(hits))},
        intervals=intervals | {"mean": share_interval(np.concatenate(hits), seed)},
        shifts=shifts,
        images=images,
    )


def foreground_color(image: np.ndarray, background: tuple[int, int, int]) -> np.ndarray:
    """Mean colour, float64 ``(3,)`` from 0 to 1, of uint8 ``(S, S, 3)`` where it is not background; grey if all is."""
    visible = (np.abs(image.astype(int) - np.array(background)) > FOREGROUND_DISTANCE).any(axis=-1)
    return image[visible].mean(axis=0) / 255 if visible.any() else np.full(3, 0.5)
