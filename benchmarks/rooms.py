"""Drawn bedrooms in the layout of LSUN, where the photographs themselves are not at hand.

    python benchmarks/rooms.py outputs/rooms --num_images 3000

Each is a room in one-point perspective with a bed, a window, a picture and a lamp, in light of its own: unlike sprites, without
flat colours or an outline. One file in a hundred is cut short, as a download may be. What is compared on them is said in docs/gan.md.
"""

from __future__ import annotations

import argparse
import colorsys
import hashlib
import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from tqdm.auto import tqdm

from sprite_diffusers.errors import SpriteError
from sprite_diffusers.scripts import ArgumentParser, run_script

WIDTH, HEIGHT = 160, 128
BROKEN = 100
"""One of so many files is cut short."""

Point = tuple[float, float]


class Room:
    """A box whose far wall is the rectangle `far`; places in it are ``(x, y, depth)``, each 0 to 1."""

    def __init__(self, rng: np.random.Generator):
        self.rng = rng
        left, top = rng.uniform(0.12, 0.38), rng.uniform(0.08, 0.28)
        right, bottom = left + rng.uniform(0.38, 0.52), rng.uniform(0.55, 0.7)
        self.far = (left * WIDTH, top * HEIGHT, min(right, 0.95) * WIDTH, bottom * HEIGHT)
        self.picture = Image.new("RGB", (WIDTH, HEIGHT))
        self.draw = ImageDraw.Draw(self.picture)

    def place(self, x: float, y: float, depth: float) -> Point:
        """Where a point of the room is seen; depth 1 is the far wall."""
        left, top, right, bottom = self.far
        seen = (1 - depth) * x * WIDTH + depth * (left + x * (right - left))
        return seen, (1 - depth) * y * HEIGHT + depth * (top + y * (bottom - top))

    def quad(self, corners: list[tuple[float, float, float]], colour: np.ndarray, light: float = 1.0) -> None:
        """Fills four places with a colour of 0 to 1."""
        shade = tuple(int(255 * part) for part in np.clip(colour * light, 0, 1))
        self.draw.polygon([self.place(*corner) for corner in corners], fill=shade)

    def colour(self, saturation: tuple[float, float], value: tuple[float, float]) -> np.ndarray:
        rng = self.rng
        return np.array(colorsys.hsv_to_rgb(rng.uniform(), rng.uniform(*saturation), rng.uniform(*value)))

    def furnish(self) -> Image.Image:
        """The picture of the room."""
        wall, floor = self.colour((0.05, 0.4), (0.55, 0.95)), self.colour((0.2, 0.6), (0.3, 0.6))
        self.quad([(0, 0, 0), (1, 0, 0), (1, 0, 1), (0, 0, 1)], np.ones(3), 0.93)
        self.quad([(0, 1, 0), (1, 1, 0), (1, 1, 1), (0, 1, 1)], floor)
        self.quad([(0, 0, 0), (0, 0, 1), (0, 1, 1), (0, 1, 0)], wall, 0.8)
        self.quad([(1, 0, 0), (1, 0, 1), (1, 1, 1), (1, 1, 0)], wall, 0.7)
        self.quad([(0, 0, 1), (1, 0, 1), (1, 1, 1), (0, 1, 1)], wall)
        self._window()
        self._picture()
        self._bed()
        return self._lit()

    def _window(self) -> None:
        side, near = float(self.rng.integers(2)), self.rng.uniform(0.3, 0.6)
        sky = np.array([0.75, 0.87, 1.0]) * self.rng.uniform(0.35, 1.1)
        top, bottom, far = 0.2, 0.62, near + 0.25
        self.quad([(side, top, near), (side, top, far), (side, bottom, far), (side, bottom, near)], sky)

    def _picture(self) -> None:
        x, y, width = self.rng.uniform(0.1, 0.6), self.rng.uniform(0.12, 0.25), self.rng.uniform(0.15, 0.35)
        frame, inside = self.colour((0.2, 0.8), (0.1, 0.4)), self.colour((0.3, 0.9), (0.3, 1.0))
        for margin, colour in ((0.0, frame), (0.03, inside)):
            left, right, top, bottom = x + margin, x + width - margin, y + margin, y + 0.3 - margin
            self.quad([(left, top, 1), (right, top, 1), (right, bottom, 1), (left, bottom, 1)], colour)

    def _bed(self) -> None:
        rng = self.rng
        left, width, near, top = rng.uniform(0.05, 0.45), rng.uniform(0.35, 0.5), rng.uniform(0.05, 0.4), 0.78
        right, blanket = left + width, self.colour((0.2, 0.8), (0.3, 0.9))
        head, sheet = self.colour((0.3, 0.6), (0.2, 0.5)), np.full(3, 0.95)
        self.quad([(left, 0.55, 1), (right, 0.55, 1), (right, 1, 1), (left, 1, 1)], head)
        for side in (left, right):
            self.quad([(side, top, near), (side, top, 1), (side, 1, 1), (side, 1, near)], blanket, 0.55)
        self.quad([(left, top, near), (right, top, near), (right, 1, near), (left, 1, near)], blanket, 0.7)
        self.quad([(left, top, near), (right, top, near), (right, top, 1), (left, top, 1)], blanket)
        self.quad([(left, top, 0.75), (right, top, 0.75), (right, top, 1), (left, top, 1)], sheet, 0.9)
        for x in (left + 0.04, left + width / 2 + 0.02):
            end = x + width / 2 - 0.06
            self.quad([(x, top - 0.1, 0.96), (end, top - 0.1, 0.96), (end, top, 0.86), (x, top, 0.86)], sheet)

    def _lit(self) -> Image.Image:
        rng = self.rng
        pixels = np.asarray(self.picture.filter(ImageFilter.GaussianBlur(0.8)), np.float32) / 255
        rows, columns = np.mgrid[:HEIGHT, :WIDTH]
        x, y = rng.uniform(0.1, 0.9) * WIDTH, rng.uniform(0.2, 0.5) * HEIGHT
        lamp = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * rng.uniform(15, 45) ** 2))[..., None]
        warm = np.array([1.0, 0.9, 0.7]) * rng.uniform(0.1, 0.5)
        lit = pixels * (rng.uniform(0.55, 1.0) + lamp * warm) + rng.normal(0, 0.012, pixels.shape)
        return Image.fromarray((np.clip(lit, 0, 1) * 255).astype(np.uint8))


def main() -> None:
    parser = ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("folder", type=Path, help="where data0 is made; must not hold one yet")
    parser.add_argument("--num_images", type=int, default=3000, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    options = parser.parse_args()
    root = options.folder / "data0" / "lsun" / "bedroom"
    if root.exists():
        raise SpriteError(f"{root} exists already: choose another folder.")
    if options.num_images < 1:
        raise SpriteError(f"--num_images is {options.num_images}, but must be 1 or more.")
    rng = np.random.default_rng(options.seed)
    for number in tqdm(range(options.num_images), unit="image"):
        buffer = io.BytesIO()
        Room(rng).furnish().save(buffer, "JPEG", quality=90)
        data = buffer.getvalue()
        name = hashlib.sha1(data).hexdigest()
        if number % BROKEN == BROKEN - 1:
            data = data[: len(data) // 3]
        path = root / name[0] / name[1] / name[2] / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    print(f"{options.num_images:,} files in {options.folder}")


if __name__ == "__main__":
    run_script(main)
