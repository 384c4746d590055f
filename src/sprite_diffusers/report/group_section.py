"""The part of the page that tells of one group of comparable scores, from its heading to its closest pairs."""

from __future__ import annotations

from typing import Any

from . import figures
from .artifacts import confusion, rgb_histograms, sweep
from .latent_space import latent_space
from .page import MISSING, Block, Bullets, Gallery, Heading, Paragraph, Table, escape
from .pictures import Pictures
from .selection import AD6, COMPARABLE_TAGS, EXP3, EXP5, Group, ablation_cell, experiment_order
from .store import Run, Store
from .tables import (
    SWEEP_METRICS,
    ablation_cells,
    ablation_list,
    ablation_matrix,
    comparison_table,
    experiment_label,
    number,
    per_class_table,
    sweep_table,
)
from .texts import Texts
from .verdict import verdict


class GroupSection:
    """One group of comparable scores.

    Args:
        group: the runs.
        title: the heading.
        name: the data set, as inline HTML.
        all_runs: results or not, for the cells of the ablation that failed.
        store: for curves and files.
        pictures: takes the pictures.
        t: the language.
    """

    def __init__(
        self, group: Group, title: str, name: str, all_runs: list[Run], store: Store, pictures: Pictures, t: Texts
    ):
        self.group, self.title, self.name, self.all_runs = group, title, name, all_runs
        self.store, self.pictures, self.t = store, pictures, t
        self.best = group.best()
        self.scores = {run.run_id: scores for run in self.best if (scores := self._scores(run)) is not None}

    def blocks(self) -> list[Block]:
        """The section, from the heading to the confusion matrices."""
        t = self.t
        return [
            *self._intro(),
            Heading(3, t("comparison")),
            comparison_table(self.group, t),
            *self._sampling(),
            *latent_space(self.group, t),
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
        blocks: list[Block] = [Heading(2, self.title)]
        if group.others:
            total = len(group.others) + 1
            differ = [
                tag for tag in COMPARABLE_TAGS if len({facts[tag] for facts in [group.facts, *group.others]}) > 1
            ]
            differences = t.listed([t(f"differs_{tag}") for tag in differ])
            blocks.append(Paragraph(t("why_separate", dataset=self.name, total=total, differences=differences)))
        blocks.append(
            Paragraph(
                t(
                    "facts", samples=f"{group.num_samples:,}", protocol=escape(group.facts["eval.protocol"]),
                    extractor=escape(group.extractor[:12]), fingerprint=escape(group.fingerprint[:12]),
                    size=escape(group.image_size or MISSING), mode=escape(group.mode or MISSING),
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
        figures.ablation_heat_map(self.group, metric, best, missing, self.pictures.path("ablation"), t)
        floors = [self.group.floor(name) for name in (metric, "accuracy")]
        floor, accuracy = (MISSING if value is None else number(value) for value in floors)
        return [
            Heading(3, t("ablation")),
            Paragraph(t("ablation_intro", metric=t(f"metric_{metric}"), floor=floor, accuracy=accuracy)),
            matrix,
            self.pictures.show("ablation", t("alt_heat"), t("caption_heat")),
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
        plot(rows, floors, self.pictures.path(file), t)
        first = ("guidance_scale", "scheduler", "num_inference_steps")
        if name == "schedulers":
            first = ("scheduler", "num_inference_steps")  # type: ignore[assignment]
        return [*blocks, self.pictures.show(file, t(f"alt_{name}")), sweep_table(rows, floors, first, t)]

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
        captions = [
            (run, self.t("caption_run", experiment=experiment_label(run.experiment), run=escape(run.name)))
            for run in self.best
        ]
        return self.pictures.gallery(captions, f"evaluation/{name}.png", f"alt_{name}")

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
        figures.loss_curves(curves, self.pictures.path("curves"), t)
        return [Heading(3, t("curves")), Paragraph(t("curves_intro")), self.pictures.show("curves", t("alt_curves"))]

    def _histograms(self) -> list[Block]:
        t = self.t
        found = {
            self._label(run): histograms
            for run in self.best
            if (histograms := rgb_histograms(self.scores.get(run.run_id, {}))) is not None
        }
        if not found:
            return []
        figures.histograms_plot(found, self.pictures.path("histograms"), t)
        picture = self.pictures.show("histograms", t("alt_histograms"))
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
        figures.confusions_plot(found, self.pictures.path("confusion"), t)
        picture = self.pictures.show("confusion", t("alt_confusions"))
        return [Heading(3, t("confusions")), Paragraph(t("confusions_intro")), picture]

    # ---- small things -------------------------------------------------------------------------------------------

    def _scores(self, run: Run) -> dict[str, Any] | None:
        scores = self.store.json(run, "evaluation/scores.json")
        if scores is None or not all(isinstance(scores.get(key, {}), dict) for key in ("facts", "intervals")):
            self.pictures.miss(run, "evaluation/scores.json")
            return None
        return scores

    def _label(self, run: Run) -> str:
        return f"{figures.short(run.experiment)}: {run.name}"


def _images_per_step(run: Run) -> float:
    """Images of one training step; 1 if the run does not say, so that the curve is over steps."""
    for value in (run.tags.get("images_per_step"), run.params.get("train_batch_size")):
        if value and value.isdecimal():
            return float(value)
    return 1.0
