"""`audit`: looks at a data set as it is, and writes a page that says what is in it and what is wrong with it."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ...errors import SpriteError
from .advice import Finding, advise
from .collection import Collection, read_collection
from .grid import Enlargement, judge_enlargement, measure_grid
from .near_duplicates import NearDuplicates, find_near_duplicates
from .overview import Overview, draw_classes, make_overview
from .page import Block, Picture, render_html, render_markdown
from .pixel_facts import measure_pixels
from .repeats import Repeats, find_repeats
from .sections import build_page
from .variety import Variety, measure_variety

LARGEST_THUMBNAIL = 32  # classes, components and the map are made of images of at most this side
NAME = "audit"


@dataclass(frozen=True)
class AuditReport:
    """What an audit found. Images are named by their position among those that were read.

    Attributes:
        source: as given.
        findings: advice in words, the gravest first.
        overview, repeats, near_duplicates, enlargement, variety: the numbers behind it; see their classes. `variety` is
            None where fewer than three images differ.
        directory: where the page was written: audit.html, audit.md with its pictures in audit/, and audit.json.
    """

    source: str
    findings: list[Finding]
    overview: Overview
    repeats: Repeats
    near_duplicates: NearDuplicates
    enlargement: Enlargement
    variety: Variety | None
    directory: str

    def summary(self) -> str:
        """The report in a few lines for people."""
        overview = self.overview
        splits = ", ".join(f"{sum(counts.values()):,} {split}" for split, counts in overview.split_counts.items())
        sizes = ", ".join(list(overview.sizes)[:3]) + (" …" if len(overview.sizes) > 3 else "")
        classes = f", {len(overview.classes)} classes" if overview.has_classes else ""
        lines = [
            f"{self.source}: {splits} images{classes}, {sizes}; {self.repeats.num_distinct:,} distinct",
            *(f"{finding.severity}: {finding.text} {finding.advice}" for finding in self.findings),
        ]
        if not self.findings:
            lines.append("nothing wrong found")
        lines.append(f"page: {Path(self.directory) / f'{NAME}.html'}")
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """The report as dictionaries, lists, strings and finite numbers."""
        return asdict(self)


def audit(
    source: str | Path,
    out: str | Path,
    *,
    labels: str | Path | None = None,
    class_names: Sequence[str] | None = None,
    skip_bad_images: bool = True,
    max_images: int | None = None,
    seed: int = 0,
    progress: bool = True,
) -> AuditReport:
    """Looks at a data set before anything is removed, resized or split, and writes a page about it.

    The page is written beside its place and moved there part by part at the end, so that a failure leaves an earlier
    page as it was. The data set is only read; all of it is held in memory (4 bytes per pixel).

    Args:
        source: anything that `load_sprites` reads.
        out: the folder for audit.html, audit.md with its pictures in audit/, and audit.json; other files in it stay.
        labels: as for `load_sprites`.
        class_names: as for `load_sprites`.
        skip_bad_images: names files that cannot be decoded in the report, instead of raising.
        max_images: looks at this many images, chosen at random, instead of all.
        seed: of that choice and of the projections.
        progress: shows a bar.

    Raises:
        SpriteError: nothing or a single image to read, bad arguments, or an `out` that is a file or in the data set.
    """
    out = _check_out(source, Path(out).expanduser())
    with tqdm(total=7, desc=NAME, disable=not progress, leave=False) as bar:

        def step(what: str) -> None:
            bar.set_postfix_str(what)
            bar.update()

        step("reading")
        collection = read_collection(
            source,
            labels=labels,
            class_names=class_names,
            skip_bad_images=skip_bad_images,
            max_images=max_images,
            seed=seed,
        )
        step("pixels")
        facts = measure_pixels(collection)
        overview, repeats = make_overview(collection, facts), find_repeats(collection)
        step("enlargement")
        enlargement = judge_enlargement(collection, measure_grid(collection))
        step("near duplicates")
        scale = enlargement.factor if enlargement.aligned else 1
        near = find_near_duplicates(collection, facts.patterns, scale, seed)
        step("variety")
        thumbnails = collection.thumbnails(collection.distinct, _thumbnail_side(collection, scale))
        variety = measure_variety(collection.distinct, thumbnails, collection.groups, seed)
        step("pictures")
        report = AuditReport(
            source=str(source),
            findings=advise(overview, repeats, near, enlargement, variety),
            overview=overview,
            repeats=repeats,
            near_duplicates=near,
            enlargement=enlargement,
            variety=variety,
            directory=str(out),
        )
        pictures = draw_classes(collection.distinct, thumbnails, collection.groups)
        blocks = build_page(report, collection, facts, pictures)
        step("page")
        _write(report, blocks, out)
    return report


def _check_out(source: str | Path, out: Path) -> Path:
    blocking = next((path for path in (out, *out.parents) if path.exists() and not path.is_dir()), None)
    if blocking is not None:
        raise SpriteError(f"out {str(out)!r}: {str(blocking)!r} is a file; give a folder for the page: change --out")
    data = Path(source).expanduser().resolve()
    if data.is_dir() and out.resolve().is_relative_to(data):
        raise SpriteError(
            f"out {str(out)!r} lies in the data set {str(source)!r}, which is only read; give another: change --out"
        )
    return out


def _thumbnail_side(collection: Collection, scale: int) -> int:
    """The side at which images of most sizes are compared: their own, or one that divides it, up to 32 pixels."""
    side = max(max(collection.main_size) // scale, 1)
    if side <= LARGEST_THUMBNAIL:
        return side
    dividing = [small for small in range(LARGEST_THUMBNAIL // 2, LARGEST_THUMBNAIL + 1) if side % small == 0]
    return max(dividing, default=LARGEST_THUMBNAIL)


def _write(report: AuditReport, blocks: list[Block], out: Path) -> None:
    """Writes the four parts to a folder in `out` and moves them to their places, the page itself last."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{NAME}-", dir=out))
    except OSError as error:
        raise SpriteError(
            f"out {str(out)!r} cannot be written ({error.strerror}); give another folder: change --out"
        ) from error
    try:
        (partial / NAME).mkdir()
        for block in blocks:
            if isinstance(block, Picture):
                (partial / NAME / f"{block.name}.png").write_bytes(block.png)
        text = json.dumps(report.to_json(), indent=1, allow_nan=False)
        (partial / f"{NAME}.json").write_text(text + "\n", encoding="utf-8")
        (partial / f"{NAME}.md").write_text(render_markdown(blocks, NAME), encoding="utf-8")
        page = render_html(f"Audit of {report.source}", blocks)
        (partial / f"{NAME}.html").write_text(page, encoding="utf-8")
        if (out / NAME).exists():
            os.replace(out / NAME, partial / "replaced")
        for part in (NAME, f"{NAME}.json", f"{NAME}.md", f"{NAME}.html"):
            os.replace(partial / part, out / part)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
