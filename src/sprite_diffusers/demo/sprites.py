"""Sprites as the page asks for them: drawn, drawn again from a picture, animated; each has a seed of its own."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image

from ..animation import denoising_frames
from ..errors import SpriteError
from .models import Model

EVERY_CLASS = "every class"
MOST_SPRITES = 64
MOST_STEPS = 250
MOST_GUIDANCE = 20.0
LARGEST_SEED = 2**31 - 1
LONGEST_PROMPT = 1000
BATCH_SIZE = 16


@dataclass(frozen=True)
class Request:
    """What to draw. Settings that a model does not have are left out of its call.

    Attributes:
        what: a class by name, `EVERY_CLASS` by turns, or a prompt.
        count: sprites.
        seed: of the first one; the next has the next seed.
        steps, guidance: the model's own if not given.
        palette: the only colours, ``"#rrggbb"``.
        num_colors: at most so many in each sprite.
        palette_guidance: how much the palette leads the drawing, 0 (it is snapped to at the end) to 1.
        transparent: without background (text-to-sprite models).
        image: uint8 (H, W, 3 or 4), to draw variations of, or to draw parts of anew.
        strength: how much of it is drawn anew, above 0 and up to 1.
        mask: bool (H, W), True where `image` is drawn anew; everywhere if not given.
    """

    what: str | None = None
    count: int = 16
    seed: int = 0
    steps: int | None = None
    guidance: float | None = None
    palette: tuple[str, ...] | None = None
    num_colors: int | None = None
    palette_guidance: float = 1.0
    transparent: bool = False
    image: np.ndarray | None = None
    strength: float = 0.6
    mask: np.ndarray | None = None

    @property
    def seeds(self) -> range:
        """One per sprite."""
        return range(self.seed, self.seed + self.count)


@dataclass(frozen=True)
class Sprites:
    """What was drawn.

    Attributes:
        images: uint8 (H, W, 3 or 4) each.
        seeds: of each.
        titles: class or prompt of each; ``"sprite"`` without.
    """

    images: tuple[np.ndarray, ...]
    seeds: tuple[int, ...]
    titles: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.images)


Progress = Callable[[float], Any]


def draw(model: Model, request: Request, progress: Progress = lambda share: None) -> Sprites:
    """Draws what is asked for; the same seed gives the same sprite whatever the number drawn beside it.

    Args:
        progress: is told the share that is done.

    Raises:
        SpriteError: a request that the model cannot fulfil.
    """
    check(model, request)
    images: list[np.ndarray] = []
    for start in range(0, request.count, BATCH_SIZE):
        progress(start / request.count)
        indices = range(start, min(start + BATCH_SIZE, request.count))
        try:
            drawn = model.pipeline(**_call(model, request, indices)).images
        except ValueError as error:
            raise SpriteError(str(error).splitlines()[0]) from None
        images += [np.asarray(image if image.mode in ("RGB", "RGBA") else image.convert("RGB")) for image in drawn]
    return Sprites(tuple(images), tuple(request.seeds), tuple(_titles(model, request)))


def animate(model: Model, request: Request, num_frames: int) -> list[np.ndarray]:
    """How each sprite of a request appears: uint8 (frames, H, W, 3 or 4) each, the sprite itself at the end.

    Raises:
        SpriteError: a request that the model cannot fulfil, or a model that draws in one pass.
    """
    check(model, request)
    if model.steps is None:
        raise SpriteError(f"{model.name} draws in one pass: there are no steps to show.")
    animations: list[np.ndarray] = []
    for start in range(0, request.count, BATCH_SIZE):
        indices = range(start, min(start + BATCH_SIZE, request.count))
        try:
            animations += list(denoising_frames(model.pipeline, num_frames, **_call(model, request, indices)))
        except ValueError as error:
            raise SpriteError(str(error).splitlines()[0]) from None
    return animations


def check(model: Model, request: Request) -> None:
    """Refuses what cannot be drawn, before any work is done.

    Raises:
        SpriteError: in one line, what is wrong and what is allowed.
    """
    _within("sprites", request.count, 1, MOST_SPRITES, int)
    _within("the seed", request.seed, 0, LARGEST_SEED - MOST_SPRITES, int)
    if request.steps is not None:
        _within("steps", request.steps, 1, MOST_STEPS, int)
    if request.guidance is not None:
        _within("guidance", request.guidance, 0, MOST_GUIDANCE)
    _within("palette guidance", request.palette_guidance, 0, 1)
    what = request.what or ""
    if model.draws == "prompt" and not 1 <= len(what.strip()) <= LONGEST_PROMPT:
        found = f"of {len(what)} characters" if what.strip() else "missing"
        raise SpriteError(f"the description is {found}: write what to draw, in at most {LONGEST_PROMPT} characters.")
    if model.draws == "class" and what not in (*model.classes, EVERY_CLASS):
        raise SpriteError(f"{what!r} is no class of {model.name}; allowed are {', '.join(model.classes)}.")
    if request.image is not None:
        _check_image(model, request)


def _check_image(model: Model, request: Request) -> None:
    wanted = "mask_image" if request.mask is not None else "strength"
    if not model.takes(wanted):
        able = "redraw a part of a picture" if request.mask is not None else "draw variations of a picture"
        raise SpriteError(f"{model.name} cannot {able}: choose another model.")
    _within("how much changes", request.strength, 0, 1)
    if request.strength == 0:
        raise SpriteError("nothing changes at 0: move 'how much changes' up.")
    if request.mask is not None and not request.mask.any():
        raise SpriteError("nothing is painted: paint over what is to be drawn anew.")


def _within(name: str, value: Any, low: float, high: float, kinds: Any = (int, float)) -> None:
    if not isinstance(value, kinds) or not math.isfinite(value) or not low <= value <= high:
        whole = "a whole number of " if kinds is int else ""
        raise SpriteError(f"{name}: {value} is not possible; allowed is {whole}{low} to {high}.")


def _titles(model: Model, request: Request) -> list[str]:
    if model.draws == "number":
        return ["sprite"] * request.count
    if request.what == EVERY_CLASS:
        return [model.classes[seed % len(model.classes)] for seed in request.seeds]
    return [str(request.what).strip()] * request.count


def _call(model: Model, request: Request, indices: range) -> dict[str, Any]:
    """The arguments of the pipeline's call for some of the sprites of a request."""
    titles = [_titles(model, request)[index] for index in indices]
    argument = {"prompt": "prompt", "class": "class_labels", "number": "batch_size"}[model.draws]
    call: dict[str, Any] = {
        argument: len(indices) if model.draws == "number" else titles,
        "generator": [torch.Generator().manual_seed(request.seeds[index]) for index in indices],
        "palette": list(request.palette) if request.palette else None,
        "num_colors": request.num_colors,
    }
    if model.steps is not None:
        call["num_inference_steps"] = request.steps
    if model.guidance is not None:
        call["guidance_scale"] = request.guidance
    if model.takes("transparent"):
        call["transparent"] = request.transparent
    if model.guides_to_palettes and request.palette:
        call["palette_guidance"] = float(request.palette_guidance)
    if request.image is not None:
        call |= {"image": Image.fromarray(request.image), "strength": float(request.strength)}
        if request.mask is not None:
            call["mask_image"] = Image.fromarray(np.where(request.mask, np.uint8(255), np.uint8(0)))
    return call
