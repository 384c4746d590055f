"""Palettes of pixel art: nearest colours, colours taken from pictures, pictures snapped to colours.

This file travels with every published model, beside ``sprite_io.py``, so it depends on nothing but torch and numpy.

Distances are taken in Oklab (Björn Ottosson, "A perceptual color space for image processing", 2020,
https://bottosson.github.io/posts/oklab/), where equal steps look equally large.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

Color = str | Sequence[int]
Colors = Sequence[Color] | torch.Tensor | np.ndarray

MIN_COLORS, MAX_COLORS = 2, 256
_ITERATIONS = 25  # of k-means, which on sprites stands still after about ten
_MAX_DISTINCT = 1 << 15  # colours that k-means is given; those of larger pictures are gathered in bins first
_CHUNK = 1 << 16  # pixels whose distances to all colours are held at a time
_BAYER = ((0, 8, 2, 10), (12, 4, 14, 6), (3, 11, 1, 9), (15, 7, 13, 5))

# Ottosson 2020: linear sRGB to the cone responses, and those, after a cube root, to lightness and two opponent axes.
_TO_CONES = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
_TO_LAB = (
    (0.2104542553, 0.7936177850, -0.0040720468),
    (1.9779984951, -2.4285922050, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.8086757660),
)


# ---- colours as arguments -------------------------------------------------------------------------------------------


def parse_color(color: Color, name: str = "color") -> tuple[int, int, int]:
    """Red, green and blue of 0 to 255, from ``"#rrggbb"`` or three whole numbers.

    Raises:
        ValueError: anything else; the message names the argument `name`.
    """
    if isinstance(color, str):
        digits = color.removeprefix("#")
        if len(digits) == 6 and all(digit in "0123456789abcdefABCDEF" for digit in digits):
            red, green, blue = bytes.fromhex(digits)
            return red, green, blue
    elif isinstance(color, (Sequence, torch.Tensor, np.ndarray)) and len(color) == 3:
        red, green, blue = (_whole_number(value) for value in color)
        if min(red, green, blue) >= 0 and max(red, green, blue) <= 255:
            return red, green, blue
    raise ValueError(f"`{name}` has the colour {color!r}, but must be '#rrggbb' or three whole numbers from 0 to 255.")


def _whole_number(value: Any) -> int:
    """`value` as an integer, or -1 if it is none."""
    number = value.item() if isinstance(value, (torch.Tensor, np.generic)) else value
    return number if isinstance(number, int) and not isinstance(number, bool) else -1


def parse_palette(palette: Colors) -> torch.Tensor:
    """Colours ``(n, 3)`` in ``[0, 1]``, each a multiple of 1/255 and there once, in the order given.

    Raises:
        ValueError: no sequence of colours (see `parse_color`), or other than 2 to 256 different ones.
    """
    if isinstance(palette, str) or not isinstance(palette, (Sequence, torch.Tensor, np.ndarray)):
        raise ValueError(
            f"`palette` is {palette!r}, but must be a sequence of colours, '#rrggbb' or (red, green, blue); "
            "sprite_diffusers.pixels.load_palette makes one of a file or a name."
        )
    colors = list(dict.fromkeys(parse_color(color, "palette") for color in palette))
    check_num_colors(len(colors), "`palette` has", "different colours")
    return torch.tensor(colors, dtype=torch.float32) / 255


def check_num_colors(number: int, subject: str = "`num_colors` is", unit: str = "") -> None:
    """Refuses numbers of colours outside 2 to 256.

    Raises:
        ValueError: such a number, or something else than an integer.
    """
    if isinstance(number, bool) or not isinstance(number, int) or not MIN_COLORS <= number <= MAX_COLORS:
        given = f"{number!r} {unit}".strip()
        raise ValueError(f"{subject} {given}, but must be {MIN_COLORS} to {MAX_COLORS}.")


# ---- Oklab ----------------------------------------------------------------------------------------------------------


def srgb_to_oklab(colors: torch.Tensor) -> torch.Tensor:
    """``(..., 3)`` sRGB in ``[0, 1]`` to Oklab: lightness in ``[0, 1]``, green to red, blue to yellow (about ±0.4)."""
    linear = torch.where(colors <= 0.04045, colors / 12.92, ((colors.clamp(min=0) + 0.055) / 1.055) ** 2.4)
    cones = linear @ linear.new_tensor(_TO_CONES).T
    return cones.clamp(min=0) ** (1 / 3) @ linear.new_tensor(_TO_LAB).T


def oklab_to_srgb(lab: torch.Tensor) -> torch.Tensor:
    """The inverse of `srgb_to_oklab`; colours that no screen shows are clipped to ``[0, 1]``."""
    inverse = [torch.linalg.inv(torch.tensor(matrix, dtype=torch.float64)) for matrix in (_TO_LAB, _TO_CONES)]
    to_cones, to_rgb = (matrix.to(lab) for matrix in inverse)
    linear = ((lab @ to_cones.T) ** 3 @ to_rgb.T).clamp(0, 1)
    return torch.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear.clamp(min=1e-9) ** (1 / 2.4) - 0.055)


def _distances(points: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """``(n, m)``; by differences, as products of matrices lose the small ones."""
    return torch.cdist(points, others, compute_mode="donot_use_mm_for_euclid_dist")


def nearest_colors(colors: torch.Tensor, palette: torch.Tensor) -> torch.Tensor:
    """Index ``(...)`` of the colour of `palette` ``(n, 3)`` that looks nearest to each of `colors` ``(..., 3)``, sRGB."""
    lab = srgb_to_oklab(palette.to(colors))
    parts = srgb_to_oklab(colors).reshape(-1, 3).split(_CHUNK)
    return torch.cat([_distances(part, lab).argmin(dim=1) for part in parts]).reshape(colors.shape[:-1])


# ---- palettes of pictures -------------------------------------------------------------------------------------------


def extract_palette(images: torch.Tensor, num_colors: int) -> torch.Tensor:
    """The colours of a batch of pictures: its own if there are few enough, otherwise as few that are near all of them.

    Weighted k-means in Oklab over the distinct colours in 256 levels, without randomness: it starts at the commonest
    colour, and again and again at the colour that is commonest and farthest from those taken (weight times squared
    distance).

    Args:
        images: ``(batch, 3 | 4, height, width)`` in ``[0, 1]``; pixels with alpha below 0.5 do not count.
        num_colors: at most, 2 to 256.

    Returns:
        ``(n, 3)`` in ``[0, 1]``, multiples of 1/255, from dark to light; n is 0 if no pixel is visible.
    """
    check_num_colors(num_colors)
    pixels = images.detach().to("cpu", torch.float64).movedim(1, -1)
    if pixels.shape[-1] == 4:
        pixels = pixels[pixels[..., 3] >= 0.5]
    levels = (pixels[..., :3].reshape(-1, 3).clamp(0, 1) * 255).round().long()
    codes, weights = torch.unique(levels @ torch.tensor([1 << 16, 1 << 8, 1]), return_counts=True)
    colors = torch.stack([codes >> 16, (codes >> 8) & 255, codes & 255], dim=1).double() / 255
    if len(colors) > num_colors:
        centres = oklab_to_srgb(_k_means(*_gather(srgb_to_oklab(colors), codes, weights.double()), num_colors))
        colors = torch.unique((centres * 255).round(), dim=0) / 255
    order = srgb_to_oklab(colors)[:, 0].argsort(stable=True)
    return colors[order].to(torch.float32)


def _gather(points: torch.Tensor, codes: torch.Tensor, weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """`points` and `weights`; if they are many, the mean of those whose `codes` share the first five bits per channel."""
    if len(points) <= _MAX_DISTINCT:
        return points, weights
    bins, index = torch.unique(codes & 0xF8F8F8, return_inverse=True)
    return _weighted_means(points, weights, index, len(bins))


def _weighted_means(
    points: torch.Tensor, weights: torch.Tensor, index: torch.Tensor, number: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Means ``(number, 3)`` and total weights ``(number,)`` of groups of points; 0 where a group is empty."""
    total = weights.new_zeros(number).index_add_(0, index, weights)
    sums = points.new_zeros(number, 3).index_add_(0, index, weights[:, None] * points)
    return sums / total[:, None].clamp(min=1e-12), total


def _k_means(points: torch.Tensor, weights: torch.Tensor, number: int) -> torch.Tensor:
    """Centres ``(number, 3)`` of weighted `points` ``(n, 3)``."""
    chosen = [int(weights.argmax())]
    distance = (points - points[chosen[0]]).square().sum(dim=1)
    while len(chosen) < number:
        chosen.append(int((weights * distance).argmax()))
        distance = torch.minimum(distance, (points - points[chosen[-1]]).square().sum(dim=1))
    centres = points[chosen]
    for _ in range(_ITERATIONS):
        moved, total = _weighted_means(points, weights, _distances(points, centres).argmin(dim=1), number)
        moved = torch.where(total[:, None] > 0, moved, centres)
        if torch.equal(moved, centres):
            break
        centres = moved
    return centres


# ---- palettes that a network knows ----------------------------------------------------------------------------------
# It sees the indices of colours as analog bits (https://arxiv.org/abs/2208.04202), and says how likely each index is
# (https://arxiv.org/abs/2211.15089): the clean bits are then the mean of those of all indices.


def num_bits(num_colors: int) -> int:
    """Of the indices of so many colours."""
    return max(1, (num_colors - 1).bit_length())


def palette_codes(num_colors: int, transparent: bool = False) -> torch.Tensor:
    """Indices as a network sees them: -1 and 1, ``(num_colors, bits)``, the lowest bit first.

    Args:
        transparent: one channel more, and one index more, for pixels without a colour: the channel is -1 there and 1 elsewhere,
            and the bits are 0, as far from those of each colour as from those of every other.
    """
    codes = ((torch.arange(num_colors)[:, None] >> torch.arange(num_bits(num_colors))) & 1).float() * 2 - 1
    if not transparent:
        return codes
    codes = torch.cat([codes, torch.zeros(1, codes.shape[1])])
    visible = torch.ones(num_colors + 1, 1)
    visible[-1] = -1
    return torch.cat([codes, visible], dim=1)


def palette_indices(images: torch.Tensor, palette: torch.Tensor) -> torch.Tensor:
    """Indices ``(batch, height, width)`` of the colours that look nearest; `n` is a pixel of alpha below 0.5.

    Args:
        images: as a network of colours sees them, ``(batch, 3 | 4, height, width)`` in ``[-1, 1]``, RGBA premultiplied.
        palette: ``(n, 3)`` in ``[0, 1]``.
    """
    pixels = images / 2 + 0.5
    if pixels.shape[1] == 3:
        return nearest_colors(pixels.movedim(1, -1), palette)
    alpha = pixels[:, 3:]
    index = nearest_colors((pixels[:, :3] / alpha.clamp(min=0.5)).clamp(0, 1).movedim(1, -1), palette)
    return index.masked_fill(alpha[:, 0] < 0.5, len(palette))


def encode_bits(images: torch.Tensor, palette: torch.Tensor) -> torch.Tensor:
    """Codes ``(batch, bits, height, width)`` of pictures, which are given as to `palette_indices`."""
    codes = palette_codes(len(palette), transparent=images.shape[1] == 4).to(images)
    return codes[palette_indices(images, palette)].movedim(-1, 1)


def decode_bits(bits: torch.Tensor, palette: torch.Tensor) -> torch.Tensor:
    """The pictures whose codes are nearest to `bits` ``(batch, bits, height, width)``, any numbers.

    Returns:
        ``(batch, 3 | 4, height, width)`` in ``[0, 1]``, alpha 0 or 1; where it is 0, so are the colours.
    """
    index = nearest_codes(bits, len(palette))
    if bits.shape[1] == num_bits(len(palette)):
        return palette.to(bits)[index].movedim(-1, 1)
    opaque = torch.nn.functional.pad(palette.to(bits), (0, 1), value=1.0)
    return torch.cat([opaque, opaque.new_zeros(1, 4)])[index].movedim(-1, 1)


def nearest_codes(bits: torch.Tensor, num_colors: int) -> torch.Tensor:
    """Indices ``(batch, height, width)`` of the codes that are nearest to `bits` ``(batch, bits, height, width)``."""
    codes = palette_codes(num_colors, transparent=bits.shape[1] > num_bits(num_colors)).to(bits)
    lengths = codes.square().sum(1) / 2
    parts = bits.movedim(1, -1).reshape(-1, bits.shape[1]).split(_CHUNK)
    return torch.cat([(part @ codes.T - lengths).argmax(dim=1) for part in parts]).reshape(bits[:, 0].shape)


def flow_of_logits(
    logits: torch.Tensor, sample: torch.Tensor, sigma: torch.Tensor | float, num_colors: int, patch_size: int = 1
) -> torch.Tensor:
    """The velocity ``noise - clean`` of a rectified flow whose network says how likely each index is.

    Args:
        logits: ``(batch, indices * patch_size**2, height, width)``.
        sample: ``(1 - sigma) clean + sigma noise``, ``(batch, bits * patch_size**2, height, width)``.
        sigma: above 0 and up to 1, one number or one per sample.
    """
    codes = palette_codes(num_colors, logits.shape[1] // patch_size**2 > num_colors).to(logits.device)
    shares = torch.nn.functional.pixel_shuffle(logits.float(), patch_size).softmax(dim=1)
    clean = torch.nn.functional.pixel_unshuffle((shares.movedim(1, -1) @ codes).movedim(-1, 1), patch_size)
    level = torch.as_tensor(sigma, dtype=torch.float32, device=sample.device).reshape(-1, 1, 1, 1)
    return ((sample.float() - clean) / level).to(sample.dtype)


# ---- pictures of a palette ------------------------------------------------------------------------------------------


def snap_to_palette(images: torch.Tensor, palette: torch.Tensor, dither: bool = False) -> torch.Tensor:
    """Pictures whose visible pixels have colours of the palette only, and whose alpha is 0 or 1.

    Args:
        images: ``(batch, 3 | 4, height, width)`` in ``[0, 1]``, straight alpha.
        palette: ``(n, 3)`` in ``[0, 1]``.
        dither: mixes two colours in the pattern of a Bayer matrix where none is near, instead of taking the nearest.

    Returns:
        Of the shape of `images`; where alpha is 0, so are the colours.
    """
    palette = palette.to(images)
    pixels = images[:, :3].movedim(1, -1)
    index = _dithered(pixels, palette) if dither else nearest_colors(pixels, palette)
    snapped = palette[index].movedim(-1, 1)
    if images.shape[1] == 3:
        return snapped
    visible = (images[:, 3:] >= 0.5).to(images.dtype)
    return torch.cat([snapped * visible, visible], dim=1)


def _dithered(pixels: torch.Tensor, palette: torch.Tensor) -> torch.Tensor:
    """Index ``(batch, H, W)``: of the nearest colour, or of the one on the other side of the pixel's colour.

    The share of pixels that the other colour gets is how far the pixel lies on the way from the one to the other, so
    that a colour of the palette is never dithered.
    """
    lab, points = srgb_to_oklab(palette), srgb_to_oklab(pixels)
    near = nearest_colors(pixels, palette)
    mirrored = 2 * points - lab[near]
    other = torch.cat([_distances(part, lab).argmin(dim=1) for part in mirrored.reshape(-1, 3).split(_CHUNK)])
    other = other.reshape(near.shape)
    way = lab[other] - lab[near]
    share = ((points - lab[near]) * way).sum(-1) / way.square().sum(-1).clamp(min=1e-9)
    height, width = near.shape[1:]
    matrix = (torch.tensor(_BAYER, dtype=points.dtype, device=points.device) + 0.5) / 16
    threshold = matrix.repeat(-(-height // 4), -(-width // 4))[:height, :width]
    return torch.where(share > threshold, other, near)


def limit_colors(images: torch.Tensor, palette: torch.Tensor | None, num_colors: int | None) -> torch.Tensor:
    """Snaps each picture to `palette`, to at most `num_colors` colours of its own, or to so many of the palette.

    A picture's colours do not depend on those drawn beside it.

    Args:
        images: ``(batch, 3 | 4, height, width)`` in ``[0, 1]``, straight alpha.
        palette: from `parse_palette`.
        num_colors: 2 to 256, for each picture.
    """
    if num_colors is None:
        return images if palette is None else snap_to_palette(images, palette)
    result = []
    for image in images.split(1):
        colors = extract_palette(image, num_colors).to(images)
        if palette is not None:
            colors = palette.to(images)[nearest_colors(colors, palette).unique()]
        # without a visible pixel there is no colour: any will do
        result.append(snap_to_palette(image, colors if len(colors) else images.new_zeros(1, 3)))
    return torch.cat(result)


def put_on_background(images: torch.Tensor, background: Color) -> torch.Tensor:
    """RGBA ``(batch, 4, height, width)`` in ``[0, 1]``, straight alpha, over a colour: ``(batch, 3, height, width)``."""
    color = images.new_tensor(parse_color(background, "background")).view(1, 3, 1, 1) / 255
    alpha = images[:, 3:]
    return images[:, :3] * alpha + color * (1 - alpha)
