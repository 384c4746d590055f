"""The results page, from its title to the runs that are no results."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime
from pathlib import Path

from ..errors import SpriteError
from .autoencoders import AutoencoderSection
from .group_section import GroupSection
from .page import Block, Bullets, Heading, Paragraph, escape
from .parts import Part, page_parts
from .pictures import Pictures
from .selection import ANALYSIS_TAGS, DEFAULT_PRIMARY_METRIC, PRIMARY_METRICS, experiment_order, why_incomplete
from .store import Run, Store
from .tables import cost_table, experiment_label
from .texts import Texts
from .tuning import tuning_section


def results_page(
    store: Store, experiments: list[str] | None, folder: Path, t: Texts, training_images: bool
) -> tuple[list[Block], list[str]]:
    """The whole page, and what was left out of it as plain text; its pictures are written to `folder`.

    Args:
        training_images: whether pictures that show real images of the data set are shown.

    Raises:
        SpriteError: an unknown experiment; no run with an evaluation.
    """
    runs = store.runs(experiments)
    parts = page_parts(runs)
    tuned = tuning_section(runs, store, Pictures(store, folder, "tuning", t), t)
    if not parts and not tuned:
        where = f" of {', '.join(experiments)}" if experiments else ""
        raise SpriteError(
            f"{store.label} holds no finished run{where} with an evaluation ({len(runs)} runs without): "
            "run sprite-diffusers evaluate DIR --dataset DATASET first."
        )
    blocks = _head(store, t)
    missing: list[str] = []
    for part in parts:
        pictures = Pictures(store, folder, part.slug, t)
        blocks += _part(part, runs, store, pictures, t, training_images)
        missing += pictures.missing_files()
    incomplete = _incomplete(runs, t)
    blocks += [*tuned, Heading(2, t("cost")), Paragraph(t("cost_intro")), cost_table(runs, t)]
    blocks.append(Heading(2, t("incomplete")))
    if not incomplete and not missing:
        blocks.append(Paragraph(t("incomplete_none")))
    else:
        blocks.append(Paragraph(t("incomplete_intro")))
        for experiment, lines in incomplete.items():
            blocks += [Heading(3, experiment_label(experiment)), Bullets(lines)]
        if missing:
            blocks += [Heading(3, t("missing_files")), Bullets(missing)]
    left_out = [_plain(line) for line in [*(line for lines in incomplete.values() for line in lines), *missing]]
    return blocks, left_out


def _part(
    part: Part, runs: list[Run], store: Store, pictures: Pictures, t: Texts, training_images: bool
) -> list[Block]:
    """Generators first, then the autoencoders of the same data."""
    blocks: list[Block] = []
    if part.group is None:
        fingerprint, size, mode = (escape(part.autoencoders[0].tags[tag]) for tag in ANALYSIS_TAGS)
        facts = t("autoencoders_facts", fingerprint=fingerprint[:12], size=size, mode=mode)
        blocks += [Heading(2, part.title(t)), Paragraph(facts)]
    else:
        section = GroupSection(part.group, part.title(t), part.name, runs, store, pictures, t)
        blocks += [*section.blocks(), *(section.closest() if training_images else [])]
    if part.autoencoders:
        blocks += AutoencoderSection(part.autoencoders, store, pictures, t).blocks(training_images)
    return blocks


def _head(store: Store, t: Texts) -> list[Block]:
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    named: dict[str, list[str]] = {}
    for experiment, metrics in PRIMARY_METRICS.items():
        named.setdefault(metrics[0], []).append(experiment_label(experiment))
    primary = [
        t("primary_item", metric=t(f"metric_{metric}"), experiments=t.listed(names)) for metric, names in named.items()
    ]
    primary.append(t("primary_other", metric=t(f"metric_{DEFAULT_PRIMARY_METRIC[0]}")))
    lines = [
        t("read_floor"),
        t("read_better"),
        t("read_accuracy"),
        t("read_best", metrics="; ".join(primary)),
        t("read_tables"),
    ]
    return [
        Heading(1, t("title")),
        Paragraph(t("built", date=now, store=escape(store.label))),
        Heading(2, t("how_to_read")),
        Bullets(lines),
    ]


def _incomplete(runs: list[Run], t: Texts) -> dict[str, list[str]]:
    """Experiment to the lines of its runs that are no results. A finished classifier is no generator to evaluate."""
    found: dict[str, list[str]] = {}
    for run in sorted(runs, key=lambda run: (experiment_order(run.experiment), run.started)):
        why = why_incomplete(run)
        if why and not (run.is_classifier and run.status == "FINISHED"):
            subject = run.base if run.is_tuning else run.dataset
            line = t("incomplete_run", run=escape(run.name), dataset=escape(subject), why=t(why))
            found.setdefault(run.experiment, []).append(line)
    return found


def _plain(line: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", line))
