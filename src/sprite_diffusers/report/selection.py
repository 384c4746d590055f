"""Which runs are results, which may stand in one table, and which is the best of an experiment."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from .store import Run

EXP1, EXP2, EXP3 = "Exp1-Autoencoder", "Exp2-DDPM-PixelSpace", "Exp3-DDPM-Conditional"
EXP4, AD6, LDM, EXP5 = "Exp4-LatentDiffusion", "AD6", "LDM", "Exp5-Ablation"
ORDER = (EXP1, EXP2, EXP3, EXP4, AD6, LDM, EXP5)  # of rows; others follow by name
# The first of these that an evaluated run of the experiment has decides which run is best; lower is better.
PRIMARY_METRICS = {
    EXP2: ("fd_pca20",),
    EXP3: ("fd_pca20_class_mean",),
    EXP4: ("fd_pca20",),
    AD6: ("fd_pca20_class_mean",),
    LDM: ("fd_pca20_class_mean", "fd_pca20"),
    EXP5: ("fd_pca20_class_mean", "fd_pca20"),
}
DEFAULT_PRIMARY_METRIC = ("fd_feature",)
# Scores are comparable only if all of these tags are equal.
COMPARABLE_TAGS = ("eval.data_fingerprint", "eval.extractor", "eval.protocol", "eval.num_samples")
# What the analysis of an autoencoder was made on.
ANALYSIS_TAGS = ("latents.data_fingerprint", "latents.image_size", "latents.mode")


@dataclass(frozen=True)
class Group:
    """Runs whose scores may stand in one table.

    Attributes:
        dataset: name of the data set.
        facts: value of each of `COMPARABLE_TAGS`.
        runs: finished and evaluated, oldest first.
        number: counts the groups of this data set and image size from 1.
        others: the other groups of the same data set and image size, whose scores are not comparable with these.
    """

    dataset: str
    facts: dict[str, str]
    runs: list[Run]
    number: int
    others: list[dict[str, str]]

    @property
    def num_samples(self) -> int:
        return int(self.facts["eval.num_samples"])

    @property
    def extractor(self) -> str:
        return self.facts["eval.extractor"]

    @property
    def fingerprint(self) -> str:
        return self.facts["eval.data_fingerprint"]

    @property
    def image_size(self) -> str:
        """Width and height in pixels, empty if the runs do not say."""
        return self.runs[0].tags.get("eval.image_size", "") if self.runs else ""

    @property
    def mode(self) -> str:
        """``"RGB"`` or ``"RGBA"``, empty if the runs do not say."""
        return self.runs[0].tags.get("eval.mode", "") if self.runs else ""

    def of(self, experiment: str) -> list[Run]:
        """The runs of an experiment."""
        return [run for run in self.runs if run.experiment == experiment]

    def best(self) -> list[Run]:
        """The best run of each experiment, in the order of the tables."""
        names = sorted({run.experiment for run in self.runs}, key=experiment_order)
        best = []
        for name in names:
            runs = self.of(name)
            metric = primary_metric(name, runs)
            if metric is not None:
                best.append(min((run for run in runs if metric in _scores(run)), key=lambda run: _rank(run, metric)))
        return best

    def floor(self, name: str) -> float | None:
        """The floor of a metric: that of the first of the best runs that has one."""
        return next((value for run in self.best() if (value := run.floor(name)) is not None), None)


def _scores(run: Run) -> set[str]:
    return {key.removeprefix("eval/") for key in run.metrics if key.startswith("eval/")}


def _rank(run: Run, metric: str) -> tuple[float, int, str]:
    return run.metrics[f"eval/{metric}"], run.started, run.run_id


def experiment_order(name: str) -> tuple[int, str]:
    """Sorts experiments: those of the original study first."""
    return (ORDER.index(name) if name in ORDER else len(ORDER), name)


def primary_metric(experiment: str, runs: list[Run]) -> str | None:
    """The metric that ranks `runs` of `experiment`, None if no run has one."""
    candidates = PRIMARY_METRICS.get(experiment, DEFAULT_PRIMARY_METRIC)
    return next((metric for metric in candidates if any(metric in _scores(run) for run in runs)), None)


def why_incomplete(run: Run) -> str | None:
    """Key of the sentence that says why a run is no result, None if it is one."""
    if run.status != "FINISHED":
        return {"FAILED": "status_failed", "KILLED": "status_killed"}.get(run.status, "status_unfinished")
    if run.is_autoencoder:
        if run.latent("psnr") is None:
            return "status_not_analysed"
        return None if all(run.tags.get(tag) for tag in ANALYSIS_TAGS) else "status_analysis_without_facts"
    if run.is_tuning:
        if "validation/gain" not in run.metrics:
            return "status_not_evaluated"
        return None if run.tags.get("images_per_step", "").isdecimal() else "status_tuning_without_facts"
    if not _scores(run):
        return "status_not_evaluated"
    if not all(run.tags.get(tag) for tag in COMPARABLE_TAGS) or not run.tags["eval.num_samples"].isdecimal():
        return "status_without_facts"
    return None if primary_metric(run.experiment, [run]) else "status_without_primary"


def group_runs(runs: list[Run]) -> list[Group]:
    """The groups that scores fall into, by data set and image size; the largest group of both first."""
    by_key: dict[tuple[str, ...], list[Run]] = {}
    for run in runs:
        if why_incomplete(run) is None and not run.is_autoencoder and not run.is_tuning:
            key = (run.dataset, run.tags.get("eval.image_size", ""), *(run.tags[tag] for tag in COMPARABLE_TAGS))
            by_key.setdefault(key, []).append(run)
    by_place: dict[tuple[str, str], list[tuple[str, ...]]] = {}
    for key in sorted(by_key, key=lambda key: (*_place(*key[:2]), -len({run.experiment for run in by_key[key]}), key)):
        by_place.setdefault((key[0], key[1]), []).append(key)
    groups = []
    for (dataset, _), keys in by_place.items():
        facts = [dict(zip(COMPARABLE_TAGS, key[2:], strict=True)) for key in keys]
        for number, key in enumerate(keys):
            others = facts[:number] + facts[number + 1 :]
            groups.append(Group(dataset, facts[number], by_key[key], number + 1, others))
    return groups


def group_autoencoders(runs: list[Run]) -> dict[tuple[str, ...], list[Run]]:
    """(Data set, fingerprint, image size, mode) to the analysed autoencoders of it, by data set and image size."""
    found: dict[tuple[str, ...], list[Run]] = {}
    for run in runs:
        if run.is_autoencoder and why_incomplete(run) is None:
            found.setdefault((run.dataset, *(run.tags[tag] for tag in ANALYSIS_TAGS)), []).append(run)
    return dict(sorted(found.items(), key=lambda item: (*_place(item[0][0], item[0][2]), item[0])))


def group_tunings(runs: list[Run]) -> dict[tuple[str, str, tuple[str, ...]], list[Run]]:
    """(Experiment, base as it was given, names of the rewards) to the runs that tuned it by them, by experiment."""
    found: dict[tuple[str, str, tuple[str, ...]], list[Run]] = {}
    for run in runs:
        if run.is_tuning and why_incomplete(run) is None:
            key = (run.experiment, run.params.get("base", ""), tuple(run.reward_weights))
            found.setdefault(key, []).append(run)
    return dict(sorted(found.items(), key=lambda item: (experiment_order(item[0][0]), item[0])))


def _place(dataset: str, image_size: str) -> tuple[str, int, str]:
    """Sorts by data set, then by image size as a number."""
    return dataset, int(image_size) if image_size.isdecimal() else 0, image_size


def diffuses_latents(run: Run) -> bool:
    """Whether a generator works on the latents of an autoencoder, not on pixels."""
    return (
        run.autoencoder_seconds is not None or "autoencoder.latent_floats" in run.tags or run.experiment in (EXP4, LDM)
    )


def ablation_cell(run: Run) -> tuple[int, int] | None:
    """(timesteps T, base channels) of a run of the ablation, None if it does not say."""
    try:
        timesteps = run.tags.get("ablation.timesteps") or run.params["num_train_timesteps"]
        channels = run.tags.get("ablation.base_channels") or ast.literal_eval(run.params["block_out_channels"])[0]
        return int(timesteps), int(channels)
    except (KeyError, ValueError, SyntaxError, IndexError, TypeError):
        return None


def best_of_each_cell(runs: list[Run], metric: str) -> dict[tuple[int, int], Run]:
    """The best run of each cell of the ablation by `metric`, lower is better."""
    best: dict[tuple[int, int], Run] = {}
    for run in runs:
        cell = ablation_cell(run)
        if (
            cell
            and f"eval/{metric}" in run.metrics
            and (cell not in best or _rank(run, metric) < _rank(best[cell], metric))
        ):
            best[cell] = run
    return best
