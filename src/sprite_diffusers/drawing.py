"""What the commands that draw with a model share: the model on its device, what it is asked for, and the sprites."""

from __future__ import annotations

import argparse
import inspect
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from .errors import SpriteError


def add_mode_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of every command that draws, for variations, inpainting and palette guidance."""
    parser.add_argument(
        "--image", type=Path, metavar="FILE",
        help="draw variations of this sprite, which has the size of those that the model draws",
    )  # fmt: skip
    parser.add_argument(
        "--strength", type=float,
        help="with --image: how much is redrawn, above 0 (hardly anything) to 1 (all) (default: 0.7, with --mask 1)",
    )  # fmt: skip
    parser.add_argument(
        "--mask", type=Path, metavar="FILE",
        help="with --image: draw only where this picture of the same size is white, and keep the pixels where it is black",
    )  # fmt: skip
    parser.add_argument(
        "--palette_guidance", type=float, metavar="W",
        help="with --palette: pull towards its colours at every step, 0 (snap at the end only) to 1 (default: 1 where the model "
        "draws colours, not latents or indices)",
    )  # fmt: skip


def open_pipeline(args: argparse.Namespace) -> Any:
    """The pipeline ``args.model`` on ``args.device``, or on a GPU if there is one.

    Raises:
        SpriteError: no pipeline there.
    """
    import torch

    from .hub import load_pipeline

    pipeline = load_pipeline(args.model)
    pipeline.to(args.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    pipeline.set_progress_bar_config(leave=False)
    return pipeline


def what_to_draw(pipeline: Any, args: argparse.Namespace) -> tuple[str, list[Any], dict[str, Any]]:
    """What the flags ask of a pipeline.

    Returns:
        The argument by which it is told what to draw, the different values of that (names of classes, prompts, or a
        single None), and the further arguments of its call.

    Raises:
        SpriteError: a flag that is not for this kind of model, or one that is missing.
    """
    from .evaluation.sampling import takes_prompts

    given = {"--class": args.classes, "--prompt": args.prompt, "--transparent": args.transparent or None}
    names: list[Any] = [None]
    own: set[str] = set()
    kind, argument = "an unconditional", "batch_size"
    if takes_prompts(pipeline):
        kind, argument, names, own = "a text-to-sprite", "prompt", args.prompt, {"--prompt", "--transparent"}
        if not names:
            raise SpriteError(f"{args.model} is a text-to-sprite model: say by --prompt what to draw.")
    elif pipeline.is_conditional:
        kind, argument, own = "a class-conditional", "class_labels", {"--class"}
        names = [int(name) if name.isdigit() else name for name in args.classes or pipeline.labels]
    if argument == "batch_size":
        given["--guidance_scale"] = args.guidance_scale
    for flag, value in given.items():
        if value is not None and flag not in own:
            raise SpriteError(f"{flag} {value}: {args.model} is {kind} model; leave the flag out.")
    options = {"num_inference_steps": args.num_inference_steps}
    if argument != "batch_size":
        options["guidance_scale"] = args.guidance_scale
    if args.transparent:
        options["transparent"] = True
    return argument, names, options | _modes(pipeline, args)


def _modes(pipeline: Any, args: argparse.Namespace) -> dict[str, Any]:
    """What the flags of `add_mode_arguments` ask of a pipeline's call.

    Raises:
        SpriteError: a flag that this pipeline has no use for, or one without that which it belongs to.
    """
    flags = {
        "--image": ("image", args.image),
        "--mask": ("mask_image", args.mask),
        "--strength": ("strength", args.strength),
        "--palette_guidance": ("palette_guidance", args.palette_guidance),
    }
    for flag, other in (("--mask", "--image"), ("--strength", "--image"), ("--palette_guidance", "--palette")):
        if flags[flag][1] is not None and getattr(args, other[2:]) is None:
            raise SpriteError(f"{flag} {flags[flag][1]}: belongs to {other}; give that too, or leave the flag out.")
    known = inspect.signature(type(pipeline).__call__).parameters
    options: dict[str, Any] = {}
    for flag, (name, value) in flags.items():
        if value is None:
            continue
        if name not in known:
            raise SpriteError(f"{flag} {value}: a {type(pipeline).__name__} cannot do that; leave the flag out.")
        options[name] = _read(flag, value) if isinstance(value, Path) else value
    return options


def _read(flag: str, path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            image.load()
            return image
    except (UnidentifiedImageError, OSError) as error:
        raise SpriteError(f"{flag} {path}: cannot be read as a picture ({type(error).__name__}).") from None


def draw(pipeline: Any, argument: str, labels: list[Any], options: dict[str, Any], args: argparse.Namespace) -> list:
    """A PIL image for each of `labels`, ``args.batch_size`` at a time; number i is drawn with the seed ``args.seed + i``.

    Raises:
        SpriteError: what the pipeline refuses.
    """
    import torch

    images: list = []
    for start in range(0, len(labels), args.batch_size):
        batch = labels[start : start + args.batch_size]
        # one generator per sprite: the same sprite whatever the batch size
        generators = [torch.Generator().manual_seed(args.seed + start + i) for i in range(len(batch))]
        what = len(batch) if argument == "batch_size" else batch
        try:
            images += pipeline(**{argument: what}, **options, generator=generators).images
        except ValueError as error:
            raise SpriteError(str(error)) from None
    return images


def interpolate(
    pipeline: Any,
    labels: list[Any],
    options: dict[str, Any],
    args: argparse.Namespace,
    frames_between: int,
    loop: bool,
) -> list[Image.Image]:
    """Pictures from each of the sprites that `draw` draws to the next, see `animation.interpolation_frames`.

    Raises:
        SpriteError: fewer than 2 sprites, or what the pipeline refuses.
    """
    from .animation import interpolation_frames

    try:
        frames = interpolation_frames(
            pipeline,
            range(args.seed, args.seed + len(labels)),
            None if labels[0] is None else labels,
            frames_between=frames_between,
            loop=loop,
            batch_size=args.batch_size,
            **options,
        )
    except ValueError as error:
        raise SpriteError(str(error)) from None
    return [Image.fromarray(frame) for frame in frames]
