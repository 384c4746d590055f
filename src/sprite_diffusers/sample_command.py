"""``sprite-diffusers sample``: sprites of a trained model in one picture, each with a seed of its own."""

from __future__ import annotations

import argparse
import json
import math
import re
import shlex
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image, PngImagePlugin

from .drawing import draw, interpolate, open_pipeline, what_to_draw
from .errors import SpriteError
from .pixels_command import color_options, finish

SAMPLE_EXAMPLES = """examples:
  sprite-diffusers sample outputs/my-model --num 16
  sprite-diffusers sample outputs/my-model --class food --num 16 --scale 8 --seed 0 --out food.png
  sprite-diffusers sample outputs/my-model --class food --palette pico-8 --out pico8.png
  sprite-diffusers sample outputs/my-model --class food --image apple.png --strength 0.5 --out apples.png
  sprite-diffusers sample outputs/my-model --class food --image apple.png --mask stem.png --out stems.png
  sprite-diffusers sample outputs/my-model --class food spell --num 1 --interpolate 8 --out food_to_spell.png
  sprite-diffusers sample user/repo --class food spell --num 4 --guidance_scale 2 --separate sprites/
  sprite-diffusers sample outputs/pokemon --prompt "a small green creature with a bulb on its back" --num 4 --scale 1
"""


def add_sample_arguments(parser: argparse.ArgumentParser, positive: Callable[[str], int]) -> None:
    """The arguments of the command, but for those that ``sheet`` has too.

    Args:
        positive: reads whole numbers of 1 or more.
    """
    parser.add_argument("model", metavar="DIR", help="pipeline folder, a checkpoint's pipeline folder, or Hub id")
    parser.add_argument("--num", type=positive, default=16, help="sprites per class or prompt (default: %(default)s)")
    parser.add_argument(
        "--interpolate", type=positive, metavar="N",
        help="N steps from each sprite to the next, along their noise and their classes or prompts; a row for each pair",
    )  # fmt: skip
    parser.add_argument("--scale", type=positive, default=4, help="enlargement by whole pixels (default: %(default)s)")
    parser.add_argument("--columns", type=positive, help="sprites per row of the sheet (default: a row per class)")
    parser.add_argument("--out", type=Path, default=Path("grid.png"), help="the sheet (default: %(default)s)")
    parser.add_argument(
        "--separate",
        type=Path,
        metavar="DIR",
        help="also save every sprite as a file of its own here, named by its seed",
    )


def run_sample(args: argparse.Namespace) -> None:
    """``sprite-diffusers sample``: draws ``args.num`` sprites of each class and saves a sheet."""
    from .data import make_grid

    if args.out.suffix.lower() not in (".png", ".webp", ".gif"):
        raise SpriteError(f"--out {args.out}: pixel art needs a lossless format, .png, .webp or .gif.")
    colors = color_options(args)
    pipeline = open_pipeline(args)
    argument, names, options = what_to_draw(pipeline, args)
    options |= colors
    labels = [name for name in names for _ in range(args.num)]

    started = time.perf_counter()
    if args.interpolate:
        images = finish(interpolate(pipeline, labels, options, args, args.interpolate, loop=False), args)
    else:
        images = finish(draw(pipeline, argument, labels, options, args), args)
    seconds = time.perf_counter() - started

    if args.interpolate:  # a row begins with the sprite that the row before it ended with
        starts = range(0, len(images) - 1, args.interpolate)
        cells = [image for start in starts for image in images[start : start + args.interpolate + 1]]
        columns = args.interpolate + 1
    else:  # a row per class, or a square of one kind
        cells, columns = images, min(args.num if len(names) > 1 else math.ceil(math.sqrt(args.num)), 16)
    recipes = _recipes(labels, args)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    _save(make_grid(cells, args.columns or columns, args.scale), args.out, recipes)
    print(f"{len(images)} sprites in {seconds:.1f} s ({len(images) / seconds:.1f} images/s): {args.out}")
    print(_seeds(labels, args))
    if args.separate:
        _save_each(images, labels, recipes, args)


def _recipes(labels: Sequence[Any], args: argparse.Namespace) -> list[dict[str, Any]]:
    """Class or prompt and seed of each sprite."""
    kind = "prompt" if args.prompt else "class"
    return [
        {"seed": args.seed + index} if label is None else {kind: label, "seed": args.seed + index}
        for index, label in enumerate(labels)
    ]


def _seeds(labels: Sequence[Any], args: argparse.Namespace) -> str:
    """Which seeds were used, and how one sprite is drawn again."""
    if len(labels) == 1:
        return f"seed {args.seed}"
    last = args.seed + len(labels) - 1
    what = "" if labels[-1] is None else f"{'--prompt' if args.prompt else '--class'} {shlex.quote(str(labels[-1]))} "
    return f"seeds {args.seed} to {last}, row by row; the last sprite again: {what}--num 1 --seed {last}"


def _save(image: Image.Image, path: Path, recipes: list[dict[str, Any]]) -> None:
    """Saves a picture; in a ``.png``, the text ``sprites`` says how each was drawn."""
    options: dict[str, Any] = {}
    if path.suffix.lower() == ".png":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_text("sprites", json.dumps(recipes))
    image.save(path, **options)


def _save_each(
    images: Sequence[Image.Image], labels: Sequence[Any], recipes: list[dict[str, Any]], args: argparse.Namespace
) -> None:
    """A file for each picture, named by class or prompt and seed; steps between sprites by their number."""
    args.separate.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(images):
        large = image.resize((image.width * args.scale, image.height * args.scale), Image.Resampling.NEAREST)
        if args.interpolate:
            _save(large, args.separate / f"{number:04d}.png", recipes)
            continue
        name = f"{args.seed + number:04d}"
        if labels[number] is not None:
            name = f"{_file_name(labels[number])}-{name}"
        _save(large, args.separate / f"{name}.png", [recipes[number]])
    print(f"one file each: {args.separate}")


def _file_name(label: str | int) -> str:
    """The start of a class name or prompt, of characters that every file system takes."""
    return re.sub(r"[^\w\- ]", "_", str(label))[:40]
