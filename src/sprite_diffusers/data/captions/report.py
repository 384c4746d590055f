"""What `load_captioned` read, left out and made, for people and for the record of a training."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")
_MOST_NAMES = 10
_LONGEST = 3


@dataclass(frozen=True)
class CaptionStatistics:
    """Lengths in words, over all splits.

    Attributes:
        shortest, median, mean, longest: words per text.
        vocabulary_size: distinct words, without regard to case.
        longest_names: the names of the longest texts with their number of words, longest first.
    """

    shortest: int
    median: float
    mean: float
    longest: int
    vocabulary_size: int
    longest_names: tuple[tuple[str, int], ...]

    @classmethod
    def of(cls, texts: Sequence[str], names: Sequence[str]) -> CaptionStatistics:
        """Statistics of one text or more."""
        words = [_WORD.findall(text.casefold()) for text in texts]
        lengths = sorted(map(len, words))
        middle = lengths[(len(lengths) - 1) // 2] + lengths[len(lengths) // 2]
        ranked = sorted(zip(names, map(len, words), strict=True), key=lambda pair: -pair[1])
        return cls(
            shortest=lengths[0],
            median=middle / 2,
            mean=sum(lengths) / len(lengths),
            longest=lengths[-1],
            vocabulary_size=len({word for text in words for word in text}),
            longest_names=tuple(ranked[:_LONGEST]),
        )


@dataclass(frozen=True)
class CaptionReport:
    """What `load_captioned` did. Lists of names hold the first ten.

    Attributes:
        source: as given.
        tables: the names of the files that the texts and attributes came from.
        num_images: pairs of an image and a text, in all splits.
        num_missing_images: rows whose image is not there; with `missing_images`, their names.
        num_missing_descriptions: images without a row, or with a row that has neither a text nor attributes; with
            `missing_descriptions`, their names or file names.
        num_bad_images: files that could not be decoded and were left out on request; with `bad_images`, their names.
        num_attribute_texts: texts made of attributes, because no description was there.
        num_resized: images that were not `image_size` square; with `resized`, their names and sizes.
        num_duplicates: images with the pixels of another before them; they are kept, in one family with it.
        num_transparent: images with pixels that are not opaque.
        num_soft: images with pixels that are partly transparent.
        num_families: groups that were kept whole by the splits.
        splits: the shares asked for: train, validation, test.
        seed: of the splits.
        split_sizes: images per split.
        image_size: the side of every image, in pixels.
        mode: "RGB" or "RGBA".
        background: the colour under RGB images, and of their padding.
        captions: lengths of the texts.
        type_counts: images per type in each split, most frequent first; an image of two types counts in both.
        notes: what had to be assumed in reading the tables.
        fingerprint: sha256 over the pixels and texts of the train split, independent of their order.
    """

    source: str
    tables: tuple[str, ...]
    num_images: int
    num_missing_images: int
    missing_images: tuple[str, ...]
    num_missing_descriptions: int
    missing_descriptions: tuple[str, ...]
    num_bad_images: int
    bad_images: tuple[str, ...]
    num_attribute_texts: int
    num_resized: int
    resized: tuple[str, ...]
    num_duplicates: int
    num_transparent: int
    num_soft: int
    num_families: int
    splits: tuple[float, float, float]
    seed: int
    split_sizes: dict[str, int]
    image_size: int
    mode: str
    background: str
    captions: CaptionStatistics
    type_counts: dict[str, dict[str, int]]
    notes: tuple[str, ...]
    fingerprint: str

    def summary(self) -> str:
        """The report in a few lines for people."""
        lines = [
            f"{self.source}: {self.num_images:,} images with texts from {' and '.join(self.tables)}",
            *_named("left out, no image", self.num_missing_images, self.missing_images),
            *_named("left out, no description", self.num_missing_descriptions, self.missing_descriptions),
            *_named("left out, unreadable", self.num_bad_images, self.bad_images),
            f"splits: {', '.join(f'{size:,} {split}' for split, size in self.split_sizes.items())} of "
            f"{self.num_families:,} families, none in two splits (seed {self.seed})",
            f"pixels: {self.image_size}x{self.image_size} {self.mode}"
            + (f" on {self.background}" if self.mode == "RGB" else "")
            + f"; {self.num_transparent:,} images have transparency, {self.num_soft:,} have soft edges",
            *_named("resized (nearest neighbour)", self.num_resized, self.resized),
            *([f"duplicates: {self.num_duplicates:,}, in one family with their first"] if self.num_duplicates else []),
            *self._caption_lines(),
            *self._type_lines(),
            *(f"note: {note}" for note in self.notes),
            f"fingerprint: {self.fingerprint[:16]}",
        ]
        return "\n".join(lines)

    def _caption_lines(self) -> list[str]:
        texts = self.captions
        made = f", {self.num_attribute_texts:,} texts made of attributes" if self.num_attribute_texts else ""
        return [
            f"words per text: {texts.shortest} to {texts.longest}, median {texts.median:g}, mean {texts.mean:.1f}; "
            f"vocabulary {texts.vocabulary_size:,}{made}",
            f"longest texts: {', '.join(f'{name} {length}' for name, length in texts.longest_names)}",
        ]

    def _type_lines(self) -> list[str]:
        """A table: a row per type, a column per split."""
        total: Counter[str] = Counter()
        for counts in self.type_counts.values():
            total.update(counts)
        if not total:
            return ["types: none known"]
        width = max(map(len, [*total, "types"]))
        head = f"{'types':<{width}}" + "".join(f"{split:>12}" for split in self.type_counts)
        rows = [
            f"{type_:<{width}}" + "".join(f"{counts.get(type_, 0):>12,}" for counts in self.type_counts.values())
            for type_, _ in total.most_common()
        ]
        return [head, *rows]


def first_names(names: Sequence[str]) -> tuple[str, ...]:
    """As many names as a report holds."""
    return tuple(names[:_MOST_NAMES])


def count_types(types: Sequence[Sequence[str]]) -> dict[str, int]:
    """Images per type, most frequent first."""
    return dict(Counter(type_ for of_image in types for type_ in of_image).most_common())


def _named(what: str, count: int, names: Sequence[str]) -> list[str]:
    if not count:
        return []
    return [f"{what}: {count:,} ({', '.join(names)}{' …' if count > len(names) else ''})"]
