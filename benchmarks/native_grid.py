"""How often the factor of enlarged pixel art is found, and how often pictures of their own resolution are left alone.

    python benchmarks/native_grid.py --rltiles path/to/rltiles

Game tiles (32x32, on white) are enlarged 2 to 12 times by nearest neighbour, and saved without loss or as JPEG of three
qualities. Right is the enlargement, or that times what the tile itself is: `detect_scale` says of a tile that is drawn in
blocks of 2 by 2 that it was enlarged twice, so that its threefold enlargement is one of six. A tile whose colour
changes in one row and column at most has no grid, and is left out.

Pictures that must be left alone (factor 1) go through the same files: the tiles themselves (unless they are drawn in blocks),
smooth gradients, blurred noise, digits enlarged smoothly, and, where they are given, drawings of 215x215.
"""

from __future__ import annotations

import io
from argparse import ArgumentDefaultsHelpFormatter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from sprite_diffusers.data.pixels import composite
from sprite_diffusers.data.sources import read_source
from sprite_diffusers.pixels import detect_scale
from sprite_diffusers.scripts import ArgumentParser, run_script

QUALITIES = (None, 95, 85, 75)  # of JPEG; None is without loss
SCALES = range(2, 13)


def as_file(pixels: np.ndarray, quality: int | None) -> np.ndarray:
    """RGB pixels as they come back from a file."""
    if quality is None:
        return pixels
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file).convert("RGB"))


def enlarged(pixels: np.ndarray, scale: int) -> np.ndarray:
    return pixels.repeat(scale, axis=0).repeat(scale, axis=1)


def own_factor(tile: np.ndarray) -> int:
    """The side of the blocks that a tile is drawn in, wherever they start; 0 if no two of its lines could tell."""
    distances = [0]
    for axis in (0, 1):
        changes = np.diff(tile.astype(np.int16), axis=axis).any(axis=(1 - axis, 2))
        distances.extend(np.diff(np.flatnonzero(changes)).tolist())
    return int(np.gcd.reduce(distances))


def print_detection(tiles: list[np.ndarray]) -> None:
    own = [own_factor(tile) for tile in tiles]
    print(f"| enlarged | {' | '.join(map(name, QUALITIES))} |\n{'|---' * (len(QUALITIES) + 1)}|")
    for scale in SCALES:
        cells = []
        for quality in QUALITIES:
            found = [detect_scale(as_file(enlarged(tile, scale), quality)).scale for tile in tiles]
            right = [
                factor % scale == 0 and of_tile % (factor // scale) == 0
                for factor, of_tile in zip(found, own, strict=True)
                if of_tile
            ]
            cells.append(f"{100 * np.mean(right):.1f} %")
        print(f"| {scale} times | {' | '.join(cells)} |", flush=True)


def name(quality: int | None) -> str:
    return "without loss" if quality is None else f"JPEG {quality}"


def own_resolution(tiles: list[np.ndarray], mnist: list[np.ndarray], drawings: list[np.ndarray], number: int) -> dict:
    """Pictures by kind, RGB, none of which was enlarged by repeating pixels."""
    random = np.random.default_rng(0)

    def gradient() -> np.ndarray:
        down, across = np.mgrid[:256, :256] / 255
        ends, direction = random.integers(0, 256, (2, 3)), random.uniform(-1, 1, 2)
        share = np.clip((direction[0] * across + direction[1] * down) / 2 + 0.5, 0, 1)[..., None]
        return (ends[0] * (1 - share) + ends[1] * share).round().astype(np.uint8)

    def blurred_noise(contrast: float) -> np.ndarray:
        noise = Image.fromarray(random.integers(0, 256, (256, 256, 3), np.uint8))
        blurred = noise.filter(ImageFilter.GaussianBlur(float(random.uniform(0.8, 4))))
        return np.clip((np.asarray(blurred, np.float32) - 128) * contrast + 128, 0, 255).astype(np.uint8)

    def smooth(digit: np.ndarray) -> np.ndarray:
        side = 28 * int(random.integers(2, 11))
        return np.asarray(Image.fromarray(digit).resize((side, side), Image.Resampling.BILINEAR))

    def some(make: Callable[[], np.ndarray]) -> list[np.ndarray]:
        return [make() for _ in range(number)]

    kinds = {
        "gradients": some(gradient),
        "blurred noise, faint": some(lambda: blurred_noise(1)),
        "blurred noise, strong": some(lambda: blurred_noise(6)),
        "digits, enlarged smoothly": [smooth(digit) for digit in mnist],
        "drawings of 215x215": drawings,
        "tiles as they are": [tile for tile in tiles if own_factor(tile) == 1],
    }
    return {kind: pictures for kind, pictures in kinds.items() if pictures}


def print_left_alone(kinds: dict[str, list[np.ndarray]]) -> None:
    print(f"| left alone | pictures | {' | '.join(map(name, QUALITIES))} |\n{'|---' * (len(QUALITIES) + 2)}|")
    for kind, pictures in kinds.items():
        alone = [np.mean([detect_scale(as_file(p, quality)).scale == 1 for p in pictures]) for quality in QUALITIES]
        shares = " | ".join(f"{100 * share:.1f} %" for share in alone)
        print(f"| {kind} | {len(pictures)} | {shares} |", flush=True)


def read_rgb(source: str | None, number: int) -> list[np.ndarray]:
    """Some pictures of a data set, drawn at random, on white; none without a data set."""
    if source is None:
        return []
    images = [pixels for part in read_source(source).values() for pixels in part.pixels]
    chosen = np.random.default_rng(0).permutation(len(images))[:number]
    return [composite(images[index][None], "white")[0] for index in chosen]


def main() -> None:
    parser = ArgumentParser(description=__doc__.splitlines()[0], formatter_class=ArgumentDefaultsHelpFormatter)
    parser.add_argument("--rltiles", required=True, help="data set of tiles")
    parser.add_argument("--mnist", help="data set of digits")
    parser.add_argument("--drawings", type=Path, help="folder of drawings that are not pixel art")
    parser.add_argument("--number", type=int, default=400, help="tiles; and a tenth of it of each other kind")
    args = parser.parse_args()
    tiles = read_rgb(args.rltiles, args.number)
    kinds = own_resolution(
        tiles, read_rgb(args.mnist, args.number // 10), read_rgb(args.drawings, args.number // 10), args.number // 10
    )
    print_left_alone(kinds)
    print()
    print_detection(tiles)


if __name__ == "__main__":
    run_script(main)
