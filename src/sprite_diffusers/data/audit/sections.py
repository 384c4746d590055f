"""The page of an audit, section by section, as blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .advice import percent
from .collection import Collection
from .gallery import gallery
from .near_duplicates import KINDS
from .overview import ClassPictures
from .page import Block, Heading, Notice, Paragraph, Picture, Table
from .pixel_facts import PixelFacts
from .plots import MAX_CLASSES, class_chart, class_pictures, color_chart, map_chart, variance_chart

if TYPE_CHECKING:
    from .report import AuditReport

MAX_ROWS = 60  # of a table or a list of names
_KIND_TITLES = {
    "flip": "mirrored left to right or top to bottom",
    "shift": "moved by one pixel",
    "change": "changed in at most 5 % of what they show",
    "recolour": "recoloured",
}


def build_page(
    report: AuditReport, collection: Collection, facts: PixelFacts, pictures: Sequence[ClassPictures]
) -> list[Block]:
    """All sections, with their charts and pictures drawn."""
    return [
        *_opening(report),
        *_images(report),
        *_classes(report, pictures),
        *_repeats(report, collection),
        *_near_duplicates(report, collection),
        *_pixels(report, collection, facts),
        *_enlargement(report, collection),
        *_variety(report, collection),
    ]


def _opening(report: AuditReport) -> Iterator[Block]:
    overview = report.overview
    yield Heading(f"Audit of {report.source}", 1)
    chosen = f", chosen at random from {overview.num_found:,}" if overview.num_found > overview.num_images else ""
    yield Paragraph(
        f"{overview.num_images:,} images{chosen}, {report.repeats.num_distinct:,} of them distinct; read before anything "
        "is removed, resized or split."
    )
    for finding in report.findings:
        yield Notice(finding.severity, finding.topic, f"{finding.text} {finding.advice}")
    if not report.findings:
        yield Notice("fine", "nothing found", "No duplicates, leaks, odd sizes, soft edges, or small classes.")


def _images(report: AuditReport) -> Iterator[Block]:
    overview = report.overview
    yield Heading("Images")
    totals = [[split, f"{sum(counts.values()):,}"] for split, counts in overview.split_counts.items()]
    yield Table(["split", "images"], totals)
    sizes = list(overview.sizes.items())
    rows = [[size, f"{count:,}", percent(count / overview.num_images)] for size, count in sizes[:MAX_ROWS]]
    yield Table(["size (width x height)", "images", "share"], rows)
    if len(sizes) > MAX_ROWS:
        yield Paragraph(f"{len(sizes) - MAX_ROWS:,} more sizes are in audit.json.")
    alpha = [[kind, f"{count:,}", percent(count / overview.num_images)] for kind, count in overview.alpha.items()]
    yield Table(["alpha", "images", "share"], alpha)
    if overview.num_bad:
        shown = overview.bad_names[:MAX_ROWS]
        rest = f" and {overview.num_bad - len(shown):,} more" if overview.num_bad > len(shown) else ""
        yield Paragraph(f"Cannot be decoded: {', '.join(shown)}{rest}.")


def _classes(report: AuditReport, pictures: Sequence[ClassPictures]) -> Iterator[Block]:
    overview = report.overview
    yield Heading("Classes" if overview.has_classes else "Colours and borders")
    if overview.has_classes:
        yield Paragraph(
            f"{len(overview.classes):,} classes; the largest has {overview.imbalance:.1f} times as many distinct images "
            "as the smallest."
        )
        rows = [
            [name, *(f"{counts[name]:,}" for counts in overview.split_counts.values()), f"{entry.num_distinct:,}"]
            for entry in overview.classes[:MAX_ROWS]
            for name in [entry.name]
        ]
        yield Table(["class", *overview.split_counts, "distinct"], rows)
        yield Picture("classes", class_chart(overview.classes), "Images per class, with copies and distinct.")
    yield Paragraph(
        "Red, green and blue are means and standard deviations over the visible pixels, 0 to 255. Borders are median "
        "numbers of empty rows and columns. Occupied is the mean share of the canvas that shows something."
    )
    rows = [
        [
            entry.name,
            *(f"{mean:.0f} ± {sd:.0f}" for mean, sd in zip(entry.rgb_mean, entry.rgb_sd, strict=True)),
            " / ".join(f"{margin:g}" for margin in entry.margins),
            percent(entry.occupancy),
        ]
        for entry in overview.classes[:MAX_ROWS]
    ]
    yield Table(["class", "red", "green", "blue", "border: top / right / bottom / left", "occupied"], rows)
    caption = "Mean image of the distinct images, and where they show something."
    if len(pictures) > MAX_CLASSES:
        caption += f" The first {MAX_CLASSES} of {len(pictures)} classes."
    yield Picture("means", class_pictures(pictures), caption)


def _repeats(report: AuditReport, collection: Collection) -> Iterator[Block]:
    repeats = report.repeats
    yield Heading("Exact duplicates")
    yield Paragraph(
        f"{repeats.num_duplicates:,} images ({percent(repeats.share)}) equal an earlier one of their split; "
        f"{repeats.num_groups:,} pictures occur more than once; {repeats.num_distinct:,} images are distinct. "
        f"{repeats.num_conflicts:,} pictures have more than one label."
    )
    if repeats.largest:
        images = [collection.pixels[index] for index, _ in repeats.largest]
        captions = [f"{count:,} times" for _, count in repeats.largest]
        yield Picture("duplicates", gallery(images, captions), "The images that occur most.", pixels=True)
    if repeats.conflicts:
        pairs = [index for pair in repeats.conflicts for index in pair]
        yield _gallery(collection, "conflicts", pairs, "Equal images with different labels, side by side.", _class_of)
    if repeats.leaks:
        yield Table(["splits", "shared images"], [[pair, f"{count:,}"] for pair, count in repeats.leaks.items()])
        yield _gallery(collection, "leaks", repeats.leaked, "Images that occur in more than one split.", _class_of)


def _near_duplicates(report: AuditReport, collection: Collection) -> Iterator[Block]:
    near = report.near_duplicates
    yield Heading("Near duplicates")
    reduced = f", reduced {near.scale} times to their own grid" if near.scale > 1 else ""
    yield Paragraph(
        f"{near.num_images:,} of {near.num_compared:,} distinct images ({percent(near.share)}) have a near duplicate"
        f"{reduced}."
        + ("" if near.complete else " Changed images are too many to count; the number is a lower bound.")
    )
    rows = [[_KIND_TITLES[kind], f"{near.images[kind]:,}", f"{near.pairs[kind]:,}"] for kind in KINDS]
    yield Table(["kind", "images", "pairs"], rows)
    for kind in KINDS:
        pairs = [index for pair in near.examples[kind] for index in pair]
        if pairs:
            caption = f"Pairs of images that are {_KIND_TITLES[kind]}, side by side."
            yield _gallery(collection, f"near-{kind}", pairs, caption, _name_of)


def _pixels(report: AuditReport, collection: Collection, facts: PixelFacts) -> Iterator[Block]:
    overview = report.overview
    yield Heading("Palettes and alpha")
    yield Paragraph(
        f"The median image shows {overview.colors_median:,.0f} colours, the richest {overview.colors_max:,}. "
        f"{overview.num_over_32:,} images show more than 32, {overview.num_over_256:,} more than 256. "
        f"{overview.alpha['soft alpha']:,} images have partly transparent pixels, which are "
        f"{percent(overview.soft_pixels)} of all visible pixels. {overview.num_constant:,} images are of a single colour, "
        f"{overview.num_blank:,} of them empty."
    )
    caption = "Visible colours per distinct image; broken lines mark 32 and 256 where there are so many."
    yield Picture("palettes", color_chart(facts.colors[collection.distinct]), caption)
    richest = overview.color_examples[:8]
    captions = [f"{facts.colors[index]:,} colours" for index in richest]
    images = [collection.pixels[index] for index in richest]
    yield Picture("richest", gallery(images, captions), "The images with most colours.", pixels=True)
    if overview.soft_examples:
        yield _gallery(collection, "soft-alpha", overview.soft_examples[:8], "Images with soft alpha.", _name_of)
    if overview.constant:
        yield _gallery(collection, "constant", overview.constant[:8], "Images of a single colour.", _name_of)


def _enlargement(report: AuditReport, collection: Collection) -> Iterator[Block]:
    found = report.enlargement
    yield Heading("Enlarged drawings")
    if found.factor > 1:
        start = "at the corner" if found.aligned else "not always at the corner"
        verdict = f"The set is enlarged {found.factor} times; the grid starts {start}."
    else:
        verdict = "The set as a whole is not enlarged."
    yield Paragraph(
        f"{verdict} {found.num_decidable:,} distinct images have enough detail to tell. Exactly enlarged: "
        f"{found.num_enlarged:,}; within a tolerance of 12 of 255, as after JPEG compression: {found.num_nearly:,} more."
    )
    rows = [[f"{factor} x {factor}", f"{count:,}"] for factor, count in list(found.factors.items())[:MAX_ROWS]]
    yield Table(["largest constant blocks", "images"], rows)
    if found.examples:
        yield _gallery(collection, "enlarged", found.examples, "Enlarged images.", _name_of)


def _variety(report: AuditReport, collection: Collection) -> Iterator[Block]:
    found = report.variety
    yield Heading("Variety")
    if found is None:
        yield Paragraph("Fewer than three distinct images: nothing to compare.")
        return
    yield Paragraph(
        f"Of {found.num_images:,} distinct images at {found.image_size} x {found.image_size}, in premultiplied alpha. "
        f"{found.components_90:,} principal components explain 90 % of the variance, {found.components_95:,} explain 95 % "
        f"(of {found.num_spectrum:,} images)."
    )
    yield Picture("variance", variance_chart(found.explained), "Variance explained by the first components.")
    names = [name for name, _ in collection.groups]
    labels = np.zeros(len(collection), np.int64)
    for label, (_, mask) in enumerate(collection.groups):
        labels[mask] = label
    shown = np.array(found.map_indices)
    caption = f"t-SNE map of {len(shown):,} images, from 50 principal components."
    yield Picture("map", map_chart(np.array(found.map_positions), labels[shown], names), caption)
    if found.silhouette is not None:
        yield Paragraph(
            f"Silhouette of the classes in 20 principal components: {found.silhouette:+.3f} (1: apart, 0: mixed, "
            "below: nearer to another class)."
        )
        rows = [[name, f"{value:+.3f}"] for name, value in list(found.class_silhouettes.items())[:MAX_ROWS]]
        yield Table(["class", "silhouette"], rows)
    if found.outliers:
        images = [collection.pixels[index] for index in found.outliers]
        captions = [f"{ratio:.1f}x {_class_of(collection, index)}" for index, ratio in found.outliers.items()]
        caption = "Farthest from the nearest images of their class, as a multiple of the median of the class."
        yield Picture("outliers", gallery(images, captions), caption, pixels=True)
    if found.unusual:
        images = [collection.pixels[index] for index in found.unusual]
        captions = [f"{percent(share)} {_class_of(collection, index)}" for index, share in found.unusual.items()]
        caption = "Worst explained by 50 principal components: the share of the image that is left over."
        yield Picture("unusual", gallery(images, captions), caption, pixels=True)


def _gallery(
    collection: Collection, name: str, indices: Sequence[int], caption: str, describe: Callable[[Collection, int], str]
) -> Picture:
    images = [collection.pixels[index] for index in indices]
    return Picture(name, gallery(images, [describe(collection, index) for index in indices]), caption, pixels=True)


def _class_of(collection: Collection, index: int) -> str:
    if collection.labels is None or collection.class_names is None:
        return _name_of(collection, index)
    return collection.class_names[collection.labels[index]]


def _name_of(collection: Collection, index: int) -> str:
    return collection.names[index].rpartition("/")[2].removesuffix(")")
