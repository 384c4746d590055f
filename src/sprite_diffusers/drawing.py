"""What the commands that draw with a model share: the model on its device, what it is asked for, and the sprites."""

from __future__ import annotations

import argparse
from typing import Any

from .errors import SpriteError


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
    return argument, names, options


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
