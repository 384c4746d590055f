"""Flags for colours of what is drawn, and ``sprite-diffusers pixelate``: pictures made into clean pixel art."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageColor, UnidentifiedImageError

from .errors import SpriteError

if TYPE_CHECKING:
    from .pixels import Palette

PIXELATE_EXAMPLES = """examples:
  sprite-diffusers pixelate screenshot.png --out sprites/
  sprite-diffusers pixelate enlarged/*.jpg --out sprites/ --num_colors 16
  sprite-diffusers pixelate hero.png --out sprites/ --palette pico-8 --outline black --clean
"""


def add_color_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of every command that makes sprites."""
    parser.add_argument(
        "--palette", nargs="+", metavar="NAME",
        help="the only colours: a built-in palette (pico-8, gameboy, db32 ...), a file (.gpl, .hex, .pal, .json, a picture), "
        "or colours as #rrggbb",
    )  # fmt: skip
    parser.add_argument("--num_colors", type=int, metavar="N", help="at most so many colours in each sprite")
    parser.add_argument("--background", metavar="COLOR", help="colour behind transparent pixels (default: none)")
    parser.add_argument("--outline", metavar="COLOR", help="line round transparent sprites")
    parser.add_argument("--clean", action="store_true", help="take out stray pixels")


def color_options(args: argparse.Namespace) -> dict[str, Any]:
    """Arguments for the call of a pipeline, after a check of all flags of `add_color_arguments`.

    Raises:
        SpriteError: a palette, a number of colours or a colour that is none.
    """
    palette = _palette(args)
    _color(args.outline, "--outline", palette)
    background = _color(args.background, "--background", palette)
    options = {
        "palette": None if palette is None else palette.hex,
        "num_colors": args.num_colors,
        "background": None if args.outline else background,  # `finish` puts the line round the sprite first
    }
    return {name: value for name, value in options.items() if value is not None}


def finish(images: Sequence[Image.Image], args: argparse.Namespace) -> list[Image.Image]:
    """What the flags ask for after drawing: stray pixels out, an outline, what is still transparent on a background.

    Outline and background take the nearest colour of a palette, so that no other is in the picture.

    Raises:
        SpriteError: an outline of pictures without alpha.
    """
    from .pixels import outline, remove_orphans

    palette = _palette(args)
    line = _color(args.outline, "--outline", palette)
    background = _color(args.background, "--background", palette)
    result = []
    for image in images:
        pixels = np.asarray(image)
        if args.clean:
            pixels = remove_orphans(pixels)
        if line is not None:
            if pixels.shape[-1] != 4:
                raise SpriteError(f"--outline {args.outline}: the sprites have no transparency; leave the flag out.")
            pixels = outline(pixels, line)
        image = Image.fromarray(pixels)
        if background is not None and image.mode == "RGBA":
            image = Image.alpha_composite(Image.new("RGBA", image.size, background), image).convert("RGB")
        result.append(image)
    return result


def _palette(args: argparse.Namespace) -> Palette | None:
    """The palette of the flags, with a check of the number of colours."""
    from .pipelines.sprite_palette import check_num_colors
    from .pixels import load_palette

    if args.num_colors is not None:
        try:
            check_num_colors(args.num_colors, "--num_colors is")
        except ValueError as error:
            raise SpriteError(str(error)) from None
    if args.palette is None:
        return None
    return load_palette(args.palette[0] if len(args.palette) == 1 else args.palette)


def _color(text: str | None, flag: str, palette: Palette | None) -> str | None:
    """``"#rrggbb"`` of a colour in any form that Pillow knows, or of the nearest one of the palette."""
    from .pixels import quantize

    if text is None:
        return None
    try:
        rgb = ImageColor.getrgb(text)[:3]
    except ValueError:
        raise SpriteError(f"{flag} {text!r} is no colour; allowed are names ('black') and '#rrggbb'.") from None
    if palette is not None:
        rgb = tuple(quantize(np.array([[rgb]], np.uint8), palette)[0, 0].tolist())
    return "#" + bytes(rgb).hex()


def add_pixelate_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``pixelate``, but for those of `add_color_arguments`."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="pictures")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the sprites, as .png")
    parser.add_argument(
        "--factor", type=int, metavar="K", help="how often they are enlarged (default: found by itself)"
    )
    parser.add_argument("--dither", action="store_true", help="with --palette: mix its colours in an ordered pattern")


def run_pixelate(args: argparse.Namespace) -> None:
    """``sprite-diffusers pixelate``: each picture at its own size, with few colours and hard alpha."""
    from .pixels.batches import color_codes

    color_options(args)  # refuses bad flags before a picture is read
    palette = _palette(args)
    if args.factor is not None and args.factor < 1:
        raise SpriteError(f"--factor {args.factor} is too small; allowed is 1 or more.")
    targets = [args.out / f"{path.stem}.png" for path in args.files]
    for path, target in zip(args.files, targets, strict=True):
        if targets.count(target) > 1:
            raise SpriteError(f"{path}: another picture is called {path.stem} too; run the command once for each.")
        if path.resolve() == target.resolve():
            raise SpriteError(f"--out {args.out}: {path} would be overwritten; give another folder.")
    pictures = [_read(path) for path in args.files]
    args.out.mkdir(parents=True, exist_ok=True)
    for path, target, pixels in zip(args.files, targets, pictures, strict=True):
        sprite, scale = _pixelated(pixels, palette, args)
        (image,) = finish([Image.fromarray(sprite)], args)
        image.save(target)
        size = f"{pixels.shape[1]}x{pixels.shape[0]}"
        found = f"{size} is enlarged {scale} times, now" if scale > 1 else "no grid of enlarged pixels, still"
        codes = np.unique(color_codes(np.asarray(image)))
        print(f"{path}: {found} {image.width}x{image.height}, {(codes >= 0).sum()} colours: {target}")


def _pixelated(pixels: np.ndarray, palette: Palette | None, args: argparse.Namespace) -> tuple[np.ndarray, int]:
    """The sprite, and the factor by which `pixels` were enlarged."""
    from .pixels import GridEstimate, binary_alpha, detect_scale, quantize, reduce_to_grid

    grid = GridEstimate(args.factor) if args.factor else detect_scale(pixels)
    sprite = reduce_to_grid(pixels, grid)
    if sprite.shape[-1] == 4:
        sprite = binary_alpha(sprite)
    if palette is not None or args.num_colors is not None:
        sprite = quantize(sprite, palette, args.num_colors, dither=args.dither)
    elif args.dither:
        raise SpriteError("--dither mixes the colours of a palette: give --palette.")
    return sprite, grid.scale


def _read(path: Path) -> np.ndarray:
    """uint8 ``(H, W, 3 | 4)``; alpha only if something is transparent."""
    try:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGBA"))
    except (UnidentifiedImageError, OSError) as error:
        raise SpriteError(f"{path} cannot be read as a picture ({type(error).__name__}).") from None
    return pixels if (pixels[..., 3] < 255).any() else pixels[..., :3]
