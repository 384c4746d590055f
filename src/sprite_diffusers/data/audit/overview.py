"""The counts of a collection: splits, classes, sizes, alpha, palettes, colours and borders."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from ..pixels import premultiply, unpremultiply
from .collection import Collection
from .pixel_facts import FEW_COLORS, MANY_COLORS, PixelFacts, content

ALPHA_KINDS = ("opaque", "binary alpha", "soft alpha")
LIST_LIMIT = 32  # indices kept of images of one kind, to name and show


@dataclass(frozen=True)
class ClassFacts:
    """One class (or all images, without classes).

    Attributes:
        name: of the class.
        num_images: with copies, over all splits.
        num_distinct: without copies.
        rgb_mean, rgb_sd: of red, green and blue over the visible pixels of all images, 0 to 255.
        margins: median number of background rows and columns at the top, right, bottom and left, in pixels.
        occupancy: mean share of the canvas that shows something, 0 to 1.
    """

    name: str
    num_images: int
    num_distinct: int
    rgb_mean: list[float]
    rgb_sd: list[float]
    margins: list[float]
    occupancy: float


@dataclass(frozen=True)
class Overview:
    """The counts of a collection.

    Attributes:
        num_images: that were audited.
        num_found: that could be decoded.
        num_bad, bad_names: that could not, and their names as far as they can be told.
        split_counts: split to class to number of images; the single class "all images" without classes.
        sizes: "width x height" to number of images, the commonest first.
        alpha: opaque, binary alpha, soft alpha: numbers of images.
        soft_pixels: share of all visible pixels that are partly transparent.
        soft_examples, color_examples: up to 32 indices of distinct images with soft alpha, and with most colours.
        colors_median, colors_max: palette sizes, of distinct images.
        num_over_32, num_over_256: images with more visible colours than that.
        num_constant, constant: images of a single colour or none, and up to 32 indices of distinct ones.
        num_blank: how many of those show nothing.
        common_margin: the width of the background border that every image that is not constant has on all four sides.
        classes: one entry per class that has images.
        has_classes: whether the images are labelled.
        empty_classes: names of classes without any image.
        imbalance: distinct images of the largest class over those of the smallest; 1 without classes.
    """

    num_images: int
    num_found: int
    num_bad: int
    bad_names: list[str]
    split_counts: dict[str, dict[str, int]]
    sizes: dict[str, int]
    alpha: dict[str, int]
    soft_pixels: float
    soft_examples: list[int]
    color_examples: list[int]
    colors_median: float
    colors_max: int
    num_over_32: int
    num_over_256: int
    num_constant: int
    num_blank: int
    constant: list[int]
    common_margin: int
    classes: list[ClassFacts] = field(default_factory=list)
    has_classes: bool = False
    empty_classes: list[str] = field(default_factory=list)
    imbalance: float = 1.0


@dataclass(frozen=True)
class ClassPictures:
    """The mean image uint8 (S, S, 4) and the share of images that show something at each place (S, S), 0 to 1."""

    name: str
    mean: np.ndarray
    heat: np.ndarray


def make_overview(collection: Collection, facts: PixelFacts) -> Overview:
    """Counts what `measure_pixels` measured."""
    distinct = collection.distinct
    classes = [_class_facts(name, mask, collection, facts) for name, mask in collection.groups]
    counts = [entry.num_distinct for entry in classes]
    names = collection.class_names or ()
    labels = [] if collection.labels is None else np.unique(collection.labels).tolist()
    shows = ~facts.constant
    soft = distinct[facts.alpha[distinct] == 2]
    colorful = distinct[np.argsort(-facts.colors[distinct], kind="stable")]
    constant = distinct[facts.constant[distinct]]
    sizes = Counter(f"{width} x {height}" for height, width in collection.sizes)
    return Overview(
        num_images=len(collection),
        num_found=collection.num_found,
        num_bad=collection.num_bad,
        bad_names=collection.bad_names,
        split_counts={
            split: {name: int((mask & (collection.splits == place)).sum()) for name, mask in collection.groups}
            for place, split in enumerate(collection.split_names)
        },
        sizes=dict(sizes.most_common()),
        alpha={kind: int((facts.alpha == place).sum()) for place, kind in enumerate(ALPHA_KINDS)},
        soft_pixels=float((facts.soft_share * facts.visible).sum() / max(facts.visible.sum(), 1)),
        soft_examples=soft[:LIST_LIMIT].tolist(),
        color_examples=colorful[:LIST_LIMIT].tolist(),
        colors_median=float(np.median(facts.colors[distinct])),
        colors_max=int(facts.colors.max()),
        num_over_32=int((facts.colors > FEW_COLORS).sum()),
        num_over_256=int((facts.colors > MANY_COLORS).sum()),
        num_constant=int(facts.constant.sum()),
        num_blank=int(facts.blank.sum()),
        constant=constant[:LIST_LIMIT].tolist(),
        common_margin=int(facts.margins[shows].min()) if shows.any() else 0,
        classes=classes,
        has_classes=bool(names),
        empty_classes=[name for label, name in enumerate(names) if label not in labels],
        imbalance=max(counts) / max(min(counts), 1) if names else 1.0,
    )


def _class_facts(name: str, mask: np.ndarray, collection: Collection, facts: PixelFacts) -> ClassFacts:
    (sums, squares), visible = facts.color_sums[mask].sum(axis=0), max(int(facts.visible[mask].sum()), 1)
    mean = sums / visible
    sd = np.sqrt(np.maximum(squares / visible - mean**2, 0.0))
    return ClassFacts(
        name=name,
        num_images=int(mask.sum()),
        num_distinct=len(np.unique(collection.first[mask])),
        rgb_mean=mean.round(2).tolist(),
        rgb_sd=sd.round(2).tolist(),
        margins=np.median(facts.margins[mask], axis=0).tolist(),
        occupancy=float(facts.occupancy[mask].mean()),
    )


def draw_classes(
    indices: np.ndarray, thumbnails: np.ndarray, groups: list[tuple[str, np.ndarray]]
) -> list[ClassPictures]:
    """Mean image and heat map of each class.

    Args:
        indices: (M,) positions of distinct images in the collection.
        thumbnails: uint8 (M, S, S, 4).
        groups: name of each class and mask (N,) over the collection.
    """
    pictures = []
    for name, mask in groups:
        members = thumbnails[mask[indices]]
        if len(members):
            total = sum(
                premultiply(members[start : start + 1024]).sum(axis=0) for start in range(0, len(members), 1024)
            )
            pictures.append(ClassPictures(name, unpremultiply(total / len(members)), content(members).mean(axis=0)))
    return pictures
