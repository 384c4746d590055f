"""``sprite-diffusers sheet``: sheets and animations for game engines, of files or of what a model draws."""

from __future__ import annotations

import argparse
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from .errors import SpriteError
from .pixels_command import color_options, finish
from .sheets import FORMATS, SpriteSheet, Tag, write_sheet
from .sheets.sheet import ANCHORS, DIRECTIONS, unique_names

ANIMATIONS = ("denoising", "interpolation")
SPRITES_PER_CLASS = 8
FRAMES_BETWEEN = 8

SHEET_EXAMPLES = """examples:
  sprite-diffusers sheet my_sprites --out hero.png --formats aseprite-hash godot-frames gif
  sprite-diffusers sheet walk.gif --out walk.png --tags walk:0-7 --duration 120
  sprite-diffusers sheet tiles.png --frame_size 16 --out padded.png --padding 1 --formats unity
  sprite-diffusers sheet --model outputs/my-model --class food spell --num 8 --out drawn.png
  sprite-diffusers sheet --model outputs/my-model --class food --num 3 --animate interpolation --formats webp
"""


def add_sheet_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command, but for those that ``sample`` has too."""
    parser.add_argument(
        "source", nargs="?", metavar="SOURCE",
        help="what to make a sheet of: a folder of images, a data set, a sheet (.png, .json, .tres), a .gif or .webp",
    )  # fmt: skip
    parser.add_argument("--model", metavar="DIR", help="instead of SOURCE, draw with this pipeline folder or Hub id")
    parser.add_argument("--out", type=Path, default=Path("sheet.png"), help="the sheet (default: %(default)s)")
    parser.add_argument(
        "--formats", nargs="+", default=["aseprite-hash"], metavar="FORMAT",
        help=f"what to write beside it: {', '.join(FORMATS)} (default: aseprite-hash)",
    )  # fmt: skip
    parser.add_argument("--columns", type=int, help="frames per row (default: a row per animation, or a square)")
    parser.add_argument("--padding", type=int, default=0, help="empty pixels round each frame (default: %(default)s)")
    parser.add_argument(
        "--power_of_two", action="store_true", help="make both sides of the sheet a power of two, for old hardware"
    )
    parser.add_argument(
        "--frame_size", type=_size, metavar="N or WxH",
        help="size of a frame: how a plain sheet is cut, and the canvas that smaller images are put on",
    )  # fmt: skip
    parser.add_argument("--sheet_json", metavar="FILE", help="where the frames of a sheet's image are")
    parser.add_argument(
        "--pivot", type=_pivot, metavar="PIVOT",
        help=f"the point that frames share: {', '.join(ANCHORS)} or X,Y in pixels (default: the source's, or center)",
    )  # fmt: skip
    parser.add_argument("--duration", type=int, metavar="MS", help="of every frame (default: the source's, or 100)")
    parser.add_argument(
        "--tags", nargs="+", type=_tag, metavar="NAME:FIRST-LAST[:HOW]",
        help=f"animations, instead of the source's; HOW is {', '.join(DIRECTIONS)}",
    )  # fmt: skip
    parser.add_argument("--scale", type=int, default=1, help="enlargement by whole pixels (default: %(default)s)")
    parser.add_argument(
        "--num",
        type=int,
        help=f"sprites per class or prompt (default: {SPRITES_PER_CLASS}), or frames of SOURCE at most",
    )
    parser.add_argument(
        "--animate", choices=ANIMATIONS,
        help="with --model: how each sprite appears, or how each becomes the next",
    )  # fmt: skip
    parser.add_argument(
        "--frames", type=int,
        help=f"of each denoising (default: every step), or between two sprites (default: {FRAMES_BETWEEN})",
    )  # fmt: skip


def run_sheet(args: argparse.Namespace) -> None:
    """``sprite-diffusers sheet``: writes ``args.out`` and the files of ``args.formats`` beside it, all or none."""
    _check(args)
    sheet = _draw(args) if args.model else _load(args)
    if args.duration is not None:
        sheet = replace(sheet, durations=(args.duration,) * len(sheet))
    if args.tags:
        sheet = replace(sheet, tags=tuple(args.tags))
    if args.scale > 1:
        sheet = sheet.enlarged(args.scale)
    written = write_sheet(
        sheet,
        args.out,
        args.formats,
        columns=args.columns,
        padding=args.padding,
        power_of_two=args.power_of_two,
    )
    width, height = sheet.frame_size
    print(f"{len(sheet)} frames of {width}x{height} in a sheet of {written.size[0]}x{written.size[1]}: {args.out}")
    if sheet.tags:
        print(f"animations: {', '.join(f'{tag.name} {tag.start}-{tag.stop}' for tag in sheet.tags)}")
    for file in written.files[1:4]:
        print(f"beside it: {file}")
    if len(written.files) > 4:
        print(f"beside it: {len(written.files) - 4} more, {written.files[-1].name} the last")
    for note in written.notes:
        print(f"note: {note}; webp keeps all")


def _check(args: argparse.Namespace) -> None:
    """Refuses flags that do not fit each other, before a model is loaded."""
    if bool(args.source) == bool(args.model):
        raise SpriteError("give either SOURCE or --model, and not both, to say what the sheet is made of.")
    if args.source:
        drawing = {
            "--class": args.classes, "--prompt": args.prompt, "--transparent": args.transparent or None,
            "--animate": args.animate, "--num_inference_steps": args.num_inference_steps,
            "--guidance_scale": args.guidance_scale, "--palette": args.palette, "--num_colors": args.num_colors,
            "--image": args.image, "--mask": args.mask, "--strength": args.strength,
            "--palette_guidance": args.palette_guidance, "--background": args.background, "--outline": args.outline, "--clean": args.clean or None,
        }  # fmt: skip
        for flag, value in drawing.items():
            if value is not None:
                raise SpriteError(f"{flag} {value}: belongs to --model; leave it out for {args.source}.")
    elif args.sheet_json:
        raise SpriteError(f"--sheet_json {args.sheet_json}: belongs to SOURCE; leave it out with --model.")
    if args.frames is not None and not args.animate:
        raise SpriteError(f"--frames {args.frames}: belongs to --animate; leave it out.")
    for flag, number in (("--num", args.num), ("--scale", args.scale), ("--frames", args.frames)):
        if number is not None and number < 1:
            raise SpriteError(f"{flag} {number} is too few; allowed is 1 or more.")
    if args.out.suffix.lower() != ".png":
        raise SpriteError(f"--out {args.out}: a sheet is a .png file, which every engine loads; change the name.")
    unknown = [name for name in args.formats if name not in FORMATS]
    if unknown:
        raise SpriteError(f"--formats {unknown[0]}: allowed are {', '.join(FORMATS)}.")


def _load(args: argparse.Namespace) -> SpriteSheet:
    from .data.frames import load_frames

    return load_frames(
        args.source,
        sheet_json=args.sheet_json,
        frame_size=args.frame_size,
        pivot=args.pivot,
        num=args.num,
        seed=args.seed,
    )


def _draw(args: argparse.Namespace) -> SpriteSheet:
    """The sheet that a model draws: the sprites that ``sample`` draws by the same flags, or what animates them."""
    from .drawing import draw, open_pipeline, what_to_draw

    colors = color_options(args)
    pipeline = open_pipeline(args)
    argument, values, options = what_to_draw(pipeline, args)
    options |= colors
    labels = [value for value in values for _ in range(args.num or SPRITES_PER_CLASS)]
    titles = [_title(pipeline, label) for label in labels]
    if args.animate:
        if args.animate == "interpolation":
            return _interpolation(pipeline, labels, options, args)
        try:
            return _denoising(pipeline, argument, labels, titles, options, args)
        except ValueError as error:
            raise SpriteError(str(error)) from None
    images = [np.asarray(image) for image in draw(pipeline, argument, labels, options, args)]
    count = len(labels) // len(values)
    tags = [] if values == [None] else [Tag(titles[i], i, i + count - 1) for i in range(0, len(labels), count)]
    names = [f"{title} {index}" for index, title in enumerate(titles)]
    return _on_canvas(images, names, tags, args)


def _title(pipeline: Any, label: Any) -> str:
    """What a sprite is called: its class by name, its prompt, or "sprite"."""
    if isinstance(label, int):
        return str(pipeline.config.id2label.get(str(label), label))
    return "sprite" if label is None else str(label)


def _denoising(
    pipeline: Any, argument: str, labels: list, titles: list[str], options: dict[str, Any], args: argparse.Namespace
) -> SpriteSheet:
    """An animation for each sprite."""
    import torch

    from .animation import denoising_frames

    animations: list[np.ndarray] = []
    for start in range(0, len(labels), args.batch_size):
        batch = labels[start : start + args.batch_size]
        generators = [torch.Generator().manual_seed(args.seed + start + i) for i in range(len(batch))]
        what = {argument: len(batch) if argument == "batch_size" else batch}
        animations.extend(denoising_frames(pipeline, args.frames, **what, **options, generator=generators))
    length = len(animations[0])
    names = unique_names([f"{title} {index}" for index, title in enumerate(titles)])
    return _on_canvas(
        [frame for animation in animations for frame in animation],
        [f"{name} step {step}" for name in names for step in range(length)],
        [Tag(name, index * length, (index + 1) * length - 1) for index, name in enumerate(names)],
        args,
    )


def _interpolation(pipeline: Any, labels: list, options: dict[str, Any], args: argparse.Namespace) -> SpriteSheet:
    """One animation through all sprites and back to the first."""
    from .drawing import interpolate

    frames = interpolate(pipeline, labels, options, args, args.frames or FRAMES_BETWEEN, loop=True)
    names = [f"interpolation {index}" for index in range(len(frames))]
    return _on_canvas([np.asarray(frame) for frame in frames], names, [Tag("interpolation", 0, len(frames) - 1)], args)


def _on_canvas(images: list[np.ndarray], names: list[str], tags: list[Tag], args: argparse.Namespace) -> SpriteSheet:
    finished = [np.asarray(image) for image in finish([Image.fromarray(image) for image in images], args)]
    return SpriteSheet.from_images(finished, args.pivot or "center", args.frame_size, names=names, tags=tags)


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)(?:x(\d+))?", text)
    if match is None or 0 in (size := (int(match[1]), int(match[2] or match[1]))):
        raise argparse.ArgumentTypeError(f"{text!r} is no size; allowed are N and WxH, in pixels of 1 or more")
    return size


def _pivot(text: str) -> str | tuple[int, int]:
    match = re.fullmatch(r"(\d+),(\d+)", text)
    if match is not None:
        return int(match[1]), int(match[2])
    if text not in ANCHORS:
        raise argparse.ArgumentTypeError(f"{text!r} is no pivot; allowed are {', '.join(ANCHORS)} and X,Y in pixels")
    return text


def _tag(text: str) -> Tag:
    match = re.fullmatch(r"(.+?):(\d+)(?:-(\d+))?(?::(\w+))?", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no animation; allowed is NAME:FIRST-LAST, such as walk:0-7")
    return Tag(match[1], int(match[2]), int(match[3] or match[2]), match[4] or "forward")
