"""What the numbers of an audit mean for a training, in words: each finding names its number and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath

from .grid import MOST, NEAR_TOLERANCE, SOME, Enlargement
from .near_duplicates import NearDuplicates
from .overview import Overview
from .pixel_facts import FEW_COLORS, MANY_COLORS
from .repeats import Repeats
from .variety import OUTLIER_RATIO, Variety

SEVERITIES = ("problem", "warning", "note")

FEW_IMAGES = 2_000  # below this, small diffusion models start to return their training images
SMALL_CLASS = 100
LARGE_IMBALANCE = 5.0
MANY_DUPLICATES = 0.2
MANY_BLANK = 0.01
MANY_NEAR = 0.02  # share of the distinct images from which near duplicates matter for a held-out score
PHOTOGRAPHIC = 0.05  # share of the images from which "no palette" is said of the set
MOSTLY_PHOTOGRAPHIC = 0.2
LARGE_MARGIN = 1 / 8  # of the side

_NEAR_WORDS = {
    "flip": "mirrored",
    "shift": "moved by one pixel",
    "change": "changed in a few pixels",
    "recolour": "recoloured",
}


@dataclass(frozen=True)
class Finding:
    """One piece of advice.

    Attributes:
        severity: "problem" (a training fails or its scores mean nothing), "warning" (it gets worse), or "note".
        topic: what it is about, the same word for the same kind of finding.
        text: what was found, with its number.
        advice: what to do.
    """

    severity: str
    topic: str
    text: str
    advice: str


def advise(
    overview: Overview, repeats: Repeats, near: NearDuplicates, enlargement: Enlargement, variety: Variety | None
) -> list[Finding]:
    """All findings, the gravest first."""
    findings = [
        *_about_files(overview),
        *_about_copies(overview, repeats),
        *_about_enlargement(overview, enlargement),
        *_about_classes(overview, variety),
        *_about_number(overview, repeats),
        *_about_near_duplicates(near),
        *_about_pixels(overview),
        *_about_canvas(overview, enlargement),
        *_about_outliers(variety),
    ]
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))


def _about_files(overview: Overview) -> Iterator[Finding]:
    if overview.num_bad:
        first = [PurePath(name).name for name in overview.bad_names[:5]]
        more = " …" if overview.num_bad > len(first) else ""
        yield Finding(
            "problem",
            "unreadable files",
            f"{_count(overview.num_bad, 'file')} cannot be decoded"
            + (f": {', '.join(first)}{more}." if first else "."),
            "Repair or remove them; a training refuses the set unless --skip_bad_images is given.",
        )
    if len(overview.sizes) > 1:
        (main, count), others = next(iter(overview.sizes.items())), len(overview.sizes) - 1
        side = max(map(int, main.split(" x ")))
        yield Finding(
            "problem",
            "sizes",
            f"{_count(overview.num_images - count, 'image')} of {overview.num_images:,} "
            f"{_have(overview.num_images - count)} another size than {main} ({_count(others, 'other size')}).",
            f"A training refuses them as they are: pass --image_size ({side} or what you want) to pad them and scale "
            "them by whole factors, or look whether the odd ones belong here.",
        )
    elif len(set(next(iter(overview.sizes)).split(" x "))) > 1:
        size = next(iter(overview.sizes))
        yield Finding(
            "problem", "sizes", f"All images are {size}, which is not square.",
            f"Pass --image_size {max(map(int, size.split(' x ')))} to pad them to a square.",
        )  # fmt: skip
    if overview.num_constant:
        yield Finding(
            "warning" if overview.num_constant >= MANY_BLANK * overview.num_images else "note",
            "blank images",
            f"{_count(overview.num_constant, 'image')} of {overview.num_images:,} {_have(overview.num_constant)} a single "
            f"colour, {overview.num_blank:,} of them nothing but transparent pixels.",
            "Remove them: a model spends its time on drawing nothing.",
        )


def _about_copies(overview: Overview, repeats: Repeats) -> Iterator[Finding]:
    if repeats.leaks:
        pairs = ", ".join(f"{count:,} in {pair}" for pair, count in repeats.leaks.items())
        yield Finding(
            "problem",
            "leaks",
            f"The given splits share images: {pairs}.",
            "load_sprites removes them from the split that is trained on, so scores stay honest; any other loader leaks.",
        )
    if repeats.num_duplicates:
        yield Finding(
            "problem" if repeats.share >= MANY_DUPLICATES else "warning",
            "exact duplicates",
            f"{percent(repeats.share)} of the images ({repeats.num_duplicates:,} of {overview.num_images:,}) are exact "
            f"duplicates: only {repeats.num_distinct:,} differ.",
            "load_sprites removes them before splitting, so nothing leaks; any other loader must do so too. The effective "
            f"size of this set is {repeats.num_distinct:,}.",
        )
    if repeats.num_conflicts:
        yield Finding(
            "problem",
            "label conflicts",
            f"{_count(repeats.num_conflicts, 'picture')} {_occur(repeats.num_conflicts)} with more than one label.",
            "Decide which is right: load_sprites keeps the label of the first copy.",
        )


def _about_enlargement(overview: Overview, enlargement: Enlargement) -> Iterator[Finding]:
    factor, total = enlargement.factor, overview.num_images
    width, height = map(int, next(iter(overview.sizes)).split(" x "))
    if factor > 1 and enlargement.aligned and width == height and len(overview.sizes) == 1:
        size = width // factor
        yield Finding(
            "problem",
            "enlarged images",
            f"{enlargement.num_enlarged:,} of {total:,} images are {size} x {size} drawings enlarged {factor} times to "
            f"{width} x {height}: all {factor} x {factor} blocks are constant.",
            f"Train with --image_size {size}: the same pictures, {factor * factor} times less work, and no chance of "
            "pixels that are off the grid.",
        )
    elif factor > 1:
        yield Finding(
            "problem",
            "enlarged images",
            f"{enlargement.num_enlarged:,} of {total:,} images are drawings enlarged {factor} times, on a grid that does "
            "not start at the corner or in images of several sizes.",
            f"Crop them to the grid, then reduce them {factor} times (--image_size after that).",
        )
    elif enlargement.num_decidable and enlargement.num_enlarged >= SOME * total:
        sizes = ", ".join(f"{count:,} of them {k} times" for k, count in enlargement.factors.items() if k > 1)
        yield Finding(
            "warning",
            "enlarged images",
            f"{enlargement.num_enlarged:,} of {total:,} images are enlarged drawings ({sizes}) and the others are not, so "
            "that pixels of several sizes mix.",
            "Reduce those to their own grid, or keep them apart.",
        )
    elif enlargement.near_factor > 1 or enlargement.num_nearly >= MOST * total:
        yield Finding(
            "warning",
            "nearly enlarged images",
            f"{enlargement.num_nearly:,} of {total:,} images look enlarged"
            + (f" {enlargement.near_factor} times" if enlargement.near_factor > 1 else "")
            + f" if differences of up to {NEAR_TOLERANCE} of 255 count as none, as after JPEG compression.",
            "Find the originals, or reduce the images to their grid by box averages (--image_size).",
        )


def _about_classes(overview: Overview, variety: Variety | None) -> Iterator[Finding]:
    if not overview.has_classes:
        return
    for name in overview.empty_classes:
        yield Finding(
            "warning", "empty class", f"The class {name!r} has no images.",
            "Remove the name: a model cannot learn it.",
        )  # fmt: skip
    classes = sorted(overview.classes, key=lambda entry: entry.num_distinct)
    smallest, largest = classes[0], classes[-1]
    if smallest.num_distinct == 1:
        yield Finding(
            "problem",
            "class size",
            f"The class {smallest.name!r} has a single distinct image.",
            "A training refuses it, as it cannot be both trained on and validated: add images or remove the class.",
        )
    small = [entry for entry in classes if entry.num_distinct < SMALL_CLASS]
    if overview.imbalance >= LARGE_IMBALANCE:
        yield Finding(
            "warning",
            "imbalance",
            f"The class {smallest.name!r} has {_count(smallest.num_distinct, 'distinct image')}, "
            f"{overview.imbalance:.1f} times fewer than {largest.name!r} ({largest.num_distinct:,}).",
            "Add images to the small classes, merge them, or judge each class by its own score: the mean hides them.",
        )
    if small and len(classes) > 1:
        shown = ", ".join(f"{entry.name!r} {entry.num_distinct:,}" for entry in small[:5])
        yield Finding(
            "warning",
            "small classes",
            f"{len(small)} of {len(classes)} classes have fewer than {SMALL_CLASS} distinct images ({shown}"
            f"{' …' if len(small) > 5 else ''}).",
            "A model will copy them rather than learn what they have in common: add images or merge classes.",
        )
    if variety is not None and variety.silhouette is not None and variety.silhouette < 0.05:
        yield Finding(
            "note",
            "class overlap",
            f"The classes overlap in pixel space (silhouette {variety.silhouette:+.3f} in 20 principal components).",
            "Usual for sprites: distances between pixels do not tell the classes apart, so measure class agreement with "
            "a trained classifier.",
        )


def _about_number(overview: Overview, repeats: Repeats) -> Iterator[Finding]:
    if repeats.num_distinct < FEW_IMAGES and overview.num_found == overview.num_images:
        yield Finding(
            "warning",
            "few images",
            f"Only {repeats.num_distinct:,} distinct images, fewer than about {FEW_IMAGES:,}: a model trained long enough "
            "will copy them.",
            "Use --random_flip (mind --no_flip_classes) and --random_shift, stop early (--early_stopping_patience 5), and "
            "check the memorisation figures of an evaluation.",
        )


def _about_near_duplicates(near: NearDuplicates) -> Iterator[Finding]:
    if near.num_across_splits:
        yield Finding(
            "warning",
            "near leaks",
            f"{_count(near.num_across_splits, 'image')} {_have(near.num_across_splits)} a near duplicate in another split.",
            "Held-out scores are a little too good; put near duplicates into one split.",
        )
    if near.num_images:
        kinds = ", ".join(f"{count:,} {_NEAR_WORDS[kind]}" for kind, count in near.images.items() if count)
        yield Finding(
            "warning" if near.share >= MANY_NEAR else "note",
            "near duplicates",
            f"{near.num_images:,} of {near.num_compared:,} distinct images ({percent(near.share)}) have a near duplicate: "
            f"{kinds}{'' if near.complete else ' (at least)'}.",
            "They are not removed. A random split puts some on both sides: remove them, or give splits of your own, "
            "before you trust small differences between held-out scores.",
        )


def _about_pixels(overview: Overview) -> Iterator[Finding]:
    total = overview.num_images
    if overview.num_over_256 >= PHOTOGRAPHIC * total:
        yield Finding(
            "warning" if overview.num_over_256 >= MOSTLY_PHOTOGRAPHIC * total else "note",
            "photographic",
            f"{overview.num_over_256:,} of {total:,} images have more than {MANY_COLORS} colours (up to "
            f"{overview.colors_max:,}; the median is {overview.colors_median:,.0f}): photographs, renderings or JPEG "
            "files, not palette pixel art.",
            "Palette measures and hard edges mean little here; if they are JPEG copies of sprites, find the originals.",
        )
    elif overview.num_over_32 >= PHOTOGRAPHIC * total:
        yield Finding(
            "note",
            "many colours",
            f"{overview.num_over_32:,} of {total:,} images have more than {FEW_COLORS} colours (up to "
            f"{overview.colors_max:,}; the median is {overview.colors_median:,.0f}): anti-aliasing, shading or JPEG.",
            "Fine if drawn so; if the images were resized with blur, find the originals.",
        )
    soft = overview.alpha["soft alpha"]
    if soft:
        yield Finding(
            "warning" if soft >= MANY_NEAR * total else "note",
            "soft alpha",
            f"{soft:,} of {total:,} images have partly transparent pixels ({percent(overview.soft_pixels)} of all visible "
            "pixels).",
            "A model of this set keeps soft edges. For hard ones, threshold the alpha first, or train with "
            "--image_mode RGB on a --background of your choice.",
        )


def _about_canvas(overview: Overview, enlargement: Enlargement) -> Iterator[Finding]:
    width, height = map(int, next(iter(overview.sizes)).split(" x "))
    margin = overview.common_margin
    if len(overview.sizes) == 1 and margin >= LARGE_MARGIN * min(width, height):
        yield Finding(
            "note",
            "empty border",
            f"Every image has at least {margin} empty pixels on each side of its {width} x {height}.",
            f"Crop to {width - 2 * margin} x {height - 2 * margin}: {percent(1 - _inside(width, height, margin))} of the "
            "pixels are always empty.",
        )
    if min(width, height) > 64 and enlargement.factor == 1:
        yield Finding(
            "note",
            "large images",
            f"Most images are {width} x {height}, large for pixel-space diffusion: a step costs "
            f"{width * height / 1024:,.0f} times that of 32 x 32.",
            "Try --image_size 64 or less first, or a latent model.",
        )


def _about_outliers(variety: Variety | None) -> Iterator[Finding]:
    if variety is not None and variety.num_outliers:
        yield Finding(
            "note",
            "outliers",
            f"{_count(variety.num_outliers, 'image')} {'lies' if variety.num_outliers == 1 else 'lie'} more than "
            f"{OUTLIER_RATIO:g} times as far from the nearest of {'its' if variety.num_outliers == 1 else 'their'} class "
            "as is usual there.",
            "Look at the picture of outliers: wrong class, wrong scale, or a damaged file?",
        )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _have(number: int) -> str:
    return "has" if number == 1 else "have"


def _occur(number: int) -> str:
    return "occurs" if number == 1 else "occur"


def _inside(width: int, height: int, margin: int) -> float:
    return (width - 2 * margin) * (height - 2 * margin) / (width * height)


def percent(share: float) -> str:
    """At most one decimal; never "100 %" or "0 %" of what is not all or nothing."""
    text = f"{100 * share:.1f}".removesuffix(".0")
    if text == "100" and share < 1:
        return "> 99.9 %"
    if text == "0" and share > 0:
        return "< 0.1 %"
    return f"{text} %"
