"""The ``sprite-diffusers`` command."""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from typing import NoReturn

from .errors import SpriteError
from .scripts import run_script

SAMPLE_EXAMPLES = """examples:
  sprite-diffusers sample outputs/my-model --num 16
  sprite-diffusers sample outputs/my-model --class food --num 16 --scale 8 --seed 0 --out food.png
  sprite-diffusers sample user/repo --class food spell --num 4 --guidance_scale 2 --separate sprites/
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise SpriteError(f"{message}; see {self.prog} --help.")


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments; each subcommand sets ``run``, a function of the parsed arguments."""
    parser = _Parser(
        prog="sprite-diffusers", description="Small pixel-art diffusion models: use what you have trained."
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    sample = commands.add_parser(
        "sample",
        help="draw sprites with a trained model",
        description="Draws sprites with a trained pipeline folder (or Hub id) and saves them as one sheet.",
        epilog=SAMPLE_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    sample.add_argument("model", metavar="DIR", help="pipeline folder, a checkpoint's pipeline folder, or Hub id")
    sample.add_argument(
        "--class", dest="classes", nargs="+", metavar="NAME",
        help="classes to draw, by name or id; all of them if not given (class-conditional models)",
    )  # fmt: skip
    sample.add_argument("--num", type=_positive, default=16, help="sprites per class (default: %(default)s)")
    sample.add_argument(
        "--scale", type=_positive, default=4, help="enlargement by whole pixels (default: %(default)s)"
    )
    sample.add_argument(
        "--seed", type=int, default=0, help="the same seed gives the same sprites (default: %(default)s)"
    )
    sample.add_argument("--num_inference_steps", type=_positive, help="denoising steps (default: the model's own)")
    sample.add_argument(
        "--guidance_scale", type=float, help="pull towards the class, 1 is none (default: the model's own)"
    )
    sample.add_argument("--batch_size", type=_positive, default=64, help="sprites at a time (default: %(default)s)")
    sample.add_argument("--columns", type=_positive, help="sprites per row of the sheet (default: a row per class)")
    sample.add_argument("--out", type=Path, default=Path("grid.png"), help="the sheet (default: %(default)s)")
    sample.add_argument(
        "--separate", type=Path, metavar="DIR", help="also save every sprite as a file of its own here"
    )
    sample.add_argument("--device", help="cpu, cuda, mps ... (default: a GPU if there is one)")
    sample.set_defaults(run=run_sample)
    return parser


def run_sample(args: argparse.Namespace) -> None:
    """``sprite-diffusers sample``: draws ``args.num`` sprites of each class and saves a sheet."""
    import torch

    from .data import make_grid
    from .hub import load_pipeline
    from .pipelines import ClassCondPipeline

    if args.out.suffix.lower() not in (".png", ".webp", ".gif"):
        raise SpriteError(f"--out {args.out}: pixel art needs a lossless format, .png, .webp or .gif.")
    pipeline = load_pipeline(args.model)
    pipeline.to(args.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    pipeline.set_progress_bar_config(leave=False)
    options = {"num_inference_steps": args.num_inference_steps}
    if isinstance(pipeline, ClassCondPipeline):
        names = [int(name) if name.isdigit() else name for name in args.classes or pipeline.labels]
        labels = [name for name in names for _ in range(args.num)]
        options["guidance_scale"] = args.guidance_scale
    else:
        for flag, value in (("--guidance_scale", args.guidance_scale), ("--class", args.classes)):
            if value is not None:
                raise SpriteError(f"{flag} {value}: {args.model} is an unconditional model; leave the flag out.")
        names, labels = [], [None] * args.num

    started, images = time.perf_counter(), []
    for start in range(0, len(labels), args.batch_size):
        batch = labels[start : start + args.batch_size]
        # one generator per sprite: the same sprite whatever the batch size
        generators = [torch.Generator().manual_seed(args.seed + start + i) for i in range(len(batch))]
        what = {"class_labels": batch} if names else {"batch_size": len(batch)}
        try:
            images += pipeline(**what, **options, generator=generators).images
        except ValueError as error:
            raise SpriteError(str(error)) from None
    seconds = time.perf_counter() - started

    # a row per class, or a square of one kind
    columns = args.columns or min(args.num if len(names) > 1 else math.ceil(math.sqrt(args.num)), 16)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    make_grid(images, columns, args.scale).save(args.out)
    print(f"{len(images)} sprites in {seconds:.1f} s ({len(images) / seconds:.1f} images/s): {args.out}")
    if args.separate:
        _save_each(images, labels, args)


def _save_each(images: list, labels: list, args: argparse.Namespace) -> None:
    args.separate.mkdir(parents=True, exist_ok=True)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        name = f"{number:04d}" if label is None else f"{label}-{number:04d}"
        image.resize((image.width * args.scale, image.height * args.scale), 0).save(args.separate / f"{name}.png")
    print(f"one file each: {args.separate}")


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return value


def main() -> None:
    """Entry point of ``sprite-diffusers``."""

    def run() -> None:
        args = build_parser().parse_args()
        args.run(args)

    run_script(run)


if __name__ == "__main__":
    main()
