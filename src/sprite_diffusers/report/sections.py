"""The results page, section by section."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..errors import SpriteError
from . import figures
from .artifacts import confusion, rgb_histograms, small_picture, sweep
from .page import MISSING, Block, Bullets, Gallery, Heading, Paragraph, Picture, Table, escape
from .selection import (
    AD6,
    COMPARABLE_TAGS,
    DEFAULT_PRIMARY_METRIC,
    EXP3,
    EXP5,
    PRIMARY_METRICS,
    Group,
    ablation_cell,
    experiment_order,
    group_runs,
    why_incomplete,
)
from .store import Run, Store
from .tables import (
    SWEEP_METRICS,
    ablation_cells,
    ablation_list,
    ablation_matrix,
    comparison_table,
    cost_table,
    experiment_label,
    number,
    per_class_table,
    sweep_table,
)
from .texts import Texts
from .verdict import verdict


def results_page(
    store: Store, experiments: list[str] | None, folder: Path, t: Texts, training_images: bool
) -> tuple[list[Block], list[str]]:
    """The whole page, and what was left out of it as plain text; its pictures are written to `folder`.

    Args:
        training_images: whether pictures that show training images are shown.

    Raises:
        SpriteError: an unknown experiment; no run with an evaluation.
    """
    runs = store.runs(experiments)
    groups = group_runs(runs)
    if not groups:
        where = f" of {', '.join(experiments)}" if experiments else ""
        raise SpriteError(
            f"{store.label} holds no finished run{where} with an evaluation ({len(runs)} runs without): "
            "run sprite-diffusers evaluate DIR --dataset DATASET first."
        )
    blocks = _head(store, t)
    missing: list[str] = []
    slugs: list[str] = []
    for group in groups:
        slugs.append(_slug(group, slugs))
        section = Section(store, group, runs, folder, slugs[-1], t)
        blocks += [*section.blocks(), *(section.closest() if training_images else [])]
        missing += section.missing_files()
    incomplete = _incomplete(runs, t)
    blocks += [Heading(2, t("cost")), Paragraph(t("cost_intro")), cost_table(runs, t)]
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
            line = t("incomplete_run", run=escape(run.name), dataset=escape(run.dataset), why=t(why))
            found.setdefault(run.experiment, []).append(line)
    return found


def _slug(group: Group, used: list[str]) -> str:
    """The data set in the name of a file; names that differ in case or signs only get a number."""
    slug = re.sub(r"[^A-Za-z0-9]+", "-", group.dataset).strip("-").lower() or "data"
    slug = f"{slug}-{group.number}" if group.others else slug
    return slug if slug not in used else f"{slug}-x{len(used)}"


def _plain(line: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", line))


class Section:
    """One group of comparable scores.

    Args:
        store: for curves and files.
        group: the runs.
        all_runs: results or not, for the cells of the ablation that failed.
        folder: the pictures go there.
        slug: begins the names of the pictures; another for each section.
        t: the language.
    """

    def __init__(self, store: Store, group: Group, all_runs: list[Run], folder: Path, slug: str, t: Texts):
        self.store, self.group, self.all_runs, self.folder, self.t = store, group, all_runs, folder, t
        self._missed: dict[str, list[str]] = {}
        self.best = group.best()
        self.scores = {run.run_id: scores for run in self.best if (scores := self._scores(run)) is not None}
        self.slug = slug

    def blocks(self) -> list[Block]:
        """The section, from the heading to the confusion matrices."""
        t = self.t
        return [
            *self._intro(),
            Heading(3, t("comparison")),
            comparison_table(self.group, t),
            *self._sampling(),
            *self._per_class(),
            *self._ablation(),
            *self._sweeps(),
            *self._grids(),
            *self._curves(),
            *self._histograms(),
            *self._confusions(),
        ]

    # ---- words and tables ---------------------------------------------------------------------------------------

    def _intro(self) -> list[Block]:
        t, group = self.t, self.group
        name, total = escape(group.dataset), len(group.others) + 1
        if group.others:
            blocks: list[Block] = [Heading(2, t("section_part", dataset=name, number=group.number, total=total))]
            differ = [
                tag for tag in COMPARABLE_TAGS if len({facts[tag] for facts in [group.facts, *group.others]}) > 1
            ]
            differences = t.listed([t(f"differs_{tag}") for tag in differ])
            blocks.append(Paragraph(t("why_separate", total=total, differences=differences)))
        else:
            blocks = [Heading(2, t("section", dataset=name))]
        tags = self.best[0].tags
        blocks.append(
            Paragraph(
                t(
                    "facts", samples=f"{group.num_samples:,}", protocol=escape(group.facts["eval.protocol"]),
                    extractor=escape(group.extractor[:12]), fingerprint=escape(group.facts["eval.data_fingerprint"][:12]),
                    size=escape(tags.get("eval.image_size", MISSING)), mode=escape(tags.get("eval.mode", MISSING)),
                )
            )
        )  # fmt: skip
        sentences = verdict(group, self.scores, t)
        return [*blocks, Heading(3, t("in_words")), Bullets(sentences)] if sentences else blocks

    def _sampling(self) -> list[Block]:
        """How the samples of each row were drawn, where its scores say so."""
        t, items = self.t, []
        for run in self.best:
            sampling = self.scores.get(run.run_id, {}).get("facts", {}).get("sampling") or {}
            if "scheduler" in sampling and "num_inference_steps" in sampling:
                guidance = sampling.get("guidance_scale")
                items.append(
                    t(
                        "sampled_guided" if guidance is not None and guidance > 1 else "sampled_plain",
                        experiment=experiment_label(run.experiment), scheduler=escape(str(sampling["scheduler"])),
                        steps=sampling["num_inference_steps"], guidance=guidance,
                    )
                )  # fmt: skip
        return [Paragraph(t("sampled", items="; ".join(items)))] if items else []

    def _per_class(self) -> list[Block]:
        t = self.t
        if not {EXP3, AD6} & {run.experiment for run in self.best}:
            return []
        table = per_class_table(self.group, t)
        blocks: list[Block] = [Heading(3, t("per_class"))]
        if isinstance(table, Table):
            return [*blocks, Paragraph(t("per_class_intro")), table, Paragraph(t("reported"))]
        missing = t.listed([experiment_label(name) for name in table])
        return [*blocks, Paragraph(t("per_class_absent", missing=missing))]

    def _ablation(self) -> list[Block]:
        t, cells = self.t, ablation_cells(self.group)
        if cells is None:
            return []
        metric, best = cells
        matrix = ablation_matrix(self.group, self.all_runs, t)
        assert matrix is not None
        missing = {
            cell
            for run in self.all_runs
            if run.experiment == EXP5
            and run.dataset == self.group.dataset
            and (cell := ablation_cell(run))
            and cell not in best
        }
        figures.ablation_heat_map(self.group, metric, best, missing, self._new("ablation"), t)
        floors = [self.group.floor(name) for name in (metric, "accuracy")]
        floor, accuracy = (MISSING if value is None else number(value) for value in floors)
        return [
            Heading(3, t("ablation")),
            Paragraph(t("ablation_intro", metric=t(f"metric_{metric}"), floor=floor, accuracy=accuracy)),
            matrix,
            self._picture("ablation", t("alt_heat"), t("caption_heat")),
            ablation_list(self.group, t),
        ]

    def _sweeps(self) -> list[Block]:
        blocks: list[Block] = []
        for run in sorted(self.group.runs, key=lambda run: (experiment_order(run.experiment), run.started)):
            for name, plot in (("guidance", figures.guidance_plot), ("schedulers", figures.schedulers_plot)):
                found = sweep(self.store, run, name)
                if found is not None:
                    blocks += self._sweep(run, name, plot, *found)
        return blocks

    def _sweep(self, run: Run, name: str, plot: Any, rows: list[dict[str, Any]], facts: dict[str, Any]) -> list[Block]:
        t = self.t
        extractor = facts.get("extractor", self.group.extractor)
        extractor = str(extractor.get("identity", "?") if isinstance(extractor, dict) else extractor)
        samples = facts.get("num_samples", facts.get("samples"))
        comparable = extractor == self.group.extractor and samples in (
            self.group.num_samples,
            str(self.group.num_samples),
        )
        given = facts.get("floors") if isinstance(facts.get("floors"), dict) else None
        floors = {key: value for key, value in (given or {}).items() if isinstance(value, (int, float))}
        if comparable and not floors:
            floors = {key: value for key in SWEEP_METRICS if (value := run.floor(key)) is not None}
        blocks: list[Block] = [Heading(3, t(name, run=escape(run.name), experiment=experiment_label(run.experiment)))]
        if extractor != self.group.extractor:
            blocks.append(Paragraph(t("sweep_other_extractor", extractor=escape(extractor[:12]))))
        elif samples is not None:
            key = "sweep_same_facts" if comparable else "sweep_facts"
            blocks.append(
                Paragraph(t(key, samples=escape(f"{samples:,}" if isinstance(samples, int) else str(samples))))
            )
        file = f"{name}-{run.run_id[:8]}"
        plot(rows, floors, self._new(file), t)
        first = ("guidance_scale", "scheduler", "num_inference_steps")
        if name == "schedulers":
            first = ("scheduler", "num_inference_steps")  # type: ignore[assignment]
        return [*blocks, self._picture(file, t(f"alt_{name}")), sweep_table(rows, floors, first, t)]

    # ---- pictures -----------------------------------------------------------------------------------------------

    def _grids(self) -> list[Block]:
        t = self.t
        gallery = self._gallery("grid")
        seeds = sorted({run.tags.get("eval.seed", MISSING) for run in self.best})
        if len(seeds) == 1:
            intro = t("grids_same", seed=escape(seeds[0]))
        else:
            intro = t("grids_different", seeds=escape(", ".join(seeds)))
        return [Heading(3, t("grids")), Paragraph(intro), gallery] if gallery else []

    def closest(self) -> list[Block]:
        """Samples beside the training images that they are nearest to."""
        gallery = self._gallery("closest")
        return [Heading(3, self.t("closest")), Paragraph(self.t("closest_intro")), gallery] if gallery else []

    def _gallery(self, name: str) -> Gallery | None:
        """A picture of the evaluation of each of the best runs."""
        pictures = []
        for run in self.best:
            file, key = f"evaluation/{name}.png", f"{name}-{run.run_id[:8]}"
            source = self.store.file(run, file)
            if source is not None and small_picture(source, self._new(key)):
                caption = self.t("caption_run", experiment=experiment_label(run.experiment), run=escape(run.name))
                pictures.append(self._picture(key, self.t(f"alt_{name}", run=escape(run.name)), caption))
            else:
                self._miss(run, file)
        return Gallery(pictures) if pictures else None

    def _curves(self) -> list[Block]:
        t, curves = self.t, {}
        for run in self.best:
            per_step = _images_per_step(run)
            both = {
                kind: [(step * per_step, value) for step, value in self.store.history(run, f"{kind}/loss")]
                for kind in ("train", "validation")
            }
            if both["train"]:
                curves[self._label(run)] = both
        if not curves:
            return []
        figures.loss_curves(curves, self._new("curves"), t)
        return [Heading(3, t("curves")), Paragraph(t("curves_intro")), self._picture("curves", t("alt_curves"))]

    def _histograms(self) -> list[Block]:
        t = self.t
        found = {
            self._label(run): histograms
            for run in self.best
            if (histograms := rgb_histograms(self.scores.get(run.run_id, {}))) is not None
        }
        if not found:
            return []
        figures.histograms_plot(found, self._new("histograms"), t)
        picture = self._picture("histograms", t("alt_histograms"))
        return [Heading(3, t("histograms")), Paragraph(t("histograms_intro")), picture]

    def _confusions(self) -> list[Block]:
        t = self.t
        found = {
            self._label(run): matrix
            for run in self.best
            if (matrix := confusion(self.scores.get(run.run_id, {}))) is not None
        }
        if not found:
            return []
        figures.confusions_plot(found, self._new("confusion"), t)
        picture = self._picture("confusion", t("alt_confusions"))
        return [Heading(3, t("confusions")), Paragraph(t("confusions_intro")), picture]

    # ---- small things -------------------------------------------------------------------------------------------

    def _scores(self, run: Run) -> dict[str, Any] | None:
        scores = self.store.json(run, "evaluation/scores.json")
        if scores is None or not all(isinstance(scores.get(key, {}), dict) for key in ("facts", "intervals")):
            self._miss(run, "evaluation/scores.json")
            return None
        return scores

    def missing_files(self) -> list[str]:
        """A line for each run whose pictures or scores could not be had; known once the blocks are made."""
        return [
            self.t(
                "missing_file",
                run=escape(run.name),
                dataset=escape(run.dataset),
                files=self.t.listed([f"<code>{file}</code>" for file in self._missed[run.run_id]]),
            )
            for run in self.best
            if run.run_id in self._missed
        ]

    def _miss(self, run: Run, file: str) -> None:
        self._missed.setdefault(run.run_id, []).append(file)

    def _label(self, run: Run) -> str:
        return f"{figures.short(run.experiment)}: {run.name}"

    def _new(self, name: str) -> Path:
        return self.folder / f"{self.slug}-{name}.png"

    def _picture(self, name: str, alt: str, caption: str = "") -> Picture:
        return Picture(f"{self.folder.name}/{self._new(name).name}", alt, caption)


def _images_per_step(run: Run) -> float:
    """Images of one training step; 1 if the run does not say, so that the curve is over steps."""
    for value in (run.tags.get("images_per_step"), run.params.get("train_batch_size")):
        if value and value.isdecimal():
            return float(value)
    return 1.0
