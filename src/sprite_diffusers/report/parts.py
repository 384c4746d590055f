"""Into which parts the page falls, and what each of them is called."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from .page import escape
from .selection import ANALYSIS_TAGS, Group, group_autoencoders, group_runs
from .store import Run
from .texts import Texts


@dataclass(frozen=True)
class Part:
    """Results on one data set at one image size.

    Attributes:
        dataset: name of the data set.
        image_size: width and height, empty if its runs do not say.
        slug: begins the names of its pictures.
        group: the generators, whose scores are comparable; None if there are only autoencoders.
        autoencoders: analysed on the same data, image size and mode; oldest first.
        same_size: how many parts there are of this data set and image size.
        other_sizes: whether there are parts of this data set with another image size.
    """

    dataset: str
    image_size: str
    slug: str
    group: Group | None
    autoencoders: list[Run] = field(default_factory=list)
    same_size: int = 1
    other_sizes: bool = False

    @property
    def name(self) -> str:
        """The data set, with the image size if there is more than one."""
        name, size = escape(self.dataset), escape(self.image_size)
        return f"{name}, {size}\N{MULTIPLICATION SIGN}{size}" if self.other_sizes and size else name

    def title(self, t: Texts) -> str:
        """The heading of the part, which no other part has."""
        if self.group is not None and self.group.others:
            total = len(self.group.others) + 1
            return t("section_part", dataset=self.name, number=self.group.number, total=total)
        if self.group is None and self.same_size > 1:
            fingerprint, _, mode = (self.autoencoders[0].tags[tag] for tag in ANALYSIS_TAGS)
            return t("section_other_data", dataset=self.name, mode=escape(mode), fingerprint=escape(fingerprint[:12]))
        return t("section", dataset=self.name)


def page_parts(runs: list[Run]) -> list[Part]:
    """The parts in their order: by data set, then by image size; those with only autoencoders last."""
    groups, autoencoders = group_runs(runs), group_autoencoders(runs)
    found: list[tuple[str, str, Group | None, list[Run]]] = []
    for group in groups:
        key = (group.dataset, group.fingerprint, group.image_size, group.mode)
        found.append((group.dataset, group.image_size, group, autoencoders.pop(key, [])))
    found += [(dataset, size, None, members) for (dataset, _, size, _), members in autoencoders.items()]
    found.sort(key=lambda part: (part[0], _number(part[1]), part[2] is None))  # else as they came
    places = [part[:2] for part in found]
    parts: list[Part] = []
    for dataset, size, member, trained in found:
        other_sizes = len({place[1] for place in places if place[0] == dataset}) > 1
        slug = _slug(dataset, size if other_sizes else "", member, [part.slug for part in parts])
        parts.append(Part(dataset, size, slug, member, trained, places.count((dataset, size)), other_sizes))
    return parts


def _slug(dataset: str, size: str, group: Group | None, used: list[str]) -> str:
    """The data set in the name of a file; names that differ in case or signs only get a number."""
    slug = re.sub(r"[^A-Za-z0-9]+", "-", f"{dataset}-{size}").strip("-").lower() or "data"
    slug = f"{slug}-{group.number}" if group is not None and group.others else slug
    return slug if slug not in used else f"{slug}-x{len(used)}"


def _number(size: str) -> int:
    return int(size) if size.isdecimal() else 0
