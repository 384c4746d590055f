"""Tuning by rewards on the results page: estimators side by side, as a table and as curves over reward queries."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import chain

from . import figures
from .artifacts import untrained_reward_of_base
from .page import MISSING, Block, Footnotes, Heading, Paragraph, Table, escape
from .pictures import Pictures
from .reward_curves import BASE, PUBLISHED, Curve, EstimatorResult, Evaluation, by_estimator, lines_to_beat
from .selection import group_tunings
from .store import Run, Store
from .tables import best_index, code, experiment_label, minutes
from .texts import Texts

Text = Callable[[float], str]
MEASURED = ("gain", "diversity", "untrained")  # in MLflow below ``validation/``


def tuning_section(runs: list[Run], store: Store, pictures: Pictures, t: Texts) -> list[Block]:
    """The section of the page; empty if no run was tuned by rewards.

    Args:
        runs: all of the page; those that tune are picked.
        store: has their curves.
        pictures: takes the plots.
        t: the language.
    """
    blocks: list[Block] = []
    titles: Counter[str] = Counter()
    for number, ((experiment, _, names), members) in enumerate(group_tunings(runs).items(), 1):
        rewards = t.listed([code(name) for name in names]) if names else MISSING
        title = t("tuning_of", experiment=experiment_label(experiment), base=code(members[0].base), rewards=rewards)
        titles[title] += 1
        if titles[title] > 1:  # folders of the same name
            title = f"{title} ({titles[title]})"
        blocks += [Heading(3, title), *_group(members, f"rewards-{number}", store, pictures, t)]
    return [Heading(2, t("tuning")), Paragraph(t("tuning_intro")), *blocks] if blocks else []


def _group(runs: list[Run], picture: str, store: Store, pictures: Pictures, t: Texts) -> list[Block]:
    """One base tuned for the same rewards."""
    curves = [curve_of(run, store) for run in runs]
    facts = [_weights(runs, t)]
    setups = {(run.params.get("lora_rank"), run.params.get("sampling_steps")) for run in runs}
    if len(setups) == 1:
        rank, steps = (escape(value or MISSING) for value in setups.pop())
        facts.append(t("tuning_setup", rank=rank, steps=steps))
    figures.tuning_plot(curves, pictures.path(picture), t)
    shown = pictures.show(picture, t("alt_tuning", base=escape(runs[0].base)), t("caption_tuning"))
    blocks: list[Block] = [Paragraph(" ".join(facts)), tuning_table(curves, t), shown]
    if lines_to_beat(curves):
        blocks[1:1] = [Paragraph(" ".join([t("tuning_line"), *tuning_verdict(curves, t)]))]
    return blocks


def _weights(runs: list[Run], t: Texts) -> str:
    if any(run.reward_weights != runs[0].reward_weights for run in runs):
        return t("tuning_weights_differ")
    weights = ", ".join(f"{code(name)} {escape(weight)}" for name, weight in runs[0].reward_weights.items())
    return t("tuning_weights", weights=weights or MISSING)


def curve_of(run: Run, store: Store) -> Curve:
    """The curve of a finished run that was tuned by rewards."""
    per_step = int(run.tags["images_per_step"])
    found: dict[int, Evaluation] = {0: dict(BASE)}
    base = untrained_reward_of_base(store, run)
    if base is not None:
        found[0]["untrained"] = base
    for name in MEASURED:
        for step, value in store.history(run, f"validation/{name}"):
            found.setdefault(step, {"step": step, "queries": step * per_step})[name] = value
    evaluations = [row for _, row in sorted(found.items()) if "gain" in row]
    terms = (*(f"{name}={weight}" for name, weight in run.reward_weights.items()), run.tags.get("eval_prompts", ""))
    seconds = run.metrics.get("run/train_seconds")
    return Curve(run.params["estimator"], run.params.get("seed", MISSING), evaluations, seconds, terms)


def tuning_table(curves: Sequence[Curve], t: Texts) -> Table:
    """One row per estimator: what it gains, and at which cost; against DDPO only if there is a run of it."""
    results, notes = by_estimator(curves), Footnotes()
    header = [t("col_estimator"), t("col_seeds")]
    rows = [[escape(figures.estimator_label(result.estimator)), _seeds(result.curves)] for result in results]

    def column(name: str, cells: list[str], better: str = "high", values: Sequence[float | None] = ()) -> None:
        """`values` are what the best of the column is chosen by, if it has one."""
        header.append(t(f"col_{name}"))
        best = best_index(values, better)
        for index, (row, cell) in enumerate(zip(rows, cells, strict=True)):
            row.append(f"<b>{cell}</b>" if index in best else cell)

    def means(values: list[list[float | None]], text: Text, spread: Text, why: str) -> list[str]:
        known = [[value for value in of_estimator if value is not None] for of_estimator in values]
        return [_spread(found, text, spread) if found else notes.missing(t(why)) for found in known]

    def of_runs(value: Callable[[Curve], float | None]) -> list[list[float | None]]:
        return [[value(curve) for curve in result.curves] for result in results]

    gains = [[curve.best["gain"] for curve in result.curves] for result in results]
    column("best_gain", [_spread(gain, _three, _three) for gain in gains], "high", [statistics.mean(g) for g in gains])
    diversity = of_runs(lambda curve: curve.best.get("diversity"))
    column("diversity", means(diversity, _three, _three, "note_no_diversity"))
    changes = of_runs(lambda curve: curve.untrained_change)
    if any(change is not None for change in chain(*changes)):
        column("untrained", means(changes, _signed, _three, "note_no_untrained"))
    queries = [[curve.queries for curve in result.curves] for result in results]
    column("queries", [_spread(of_estimator, _whole, _whole) for of_estimator in queries])
    if any(result.estimator == PUBLISHED for result in results):
        needed = [_mean(result, [value for value in result.reached if value is not None]) for result in results]
        column("queries_to_line", [_reached(result, notes, t) for result in results], "low", needed)
        times = [_mean(result, result.times_fewer) for result in results]
        column("times_fewer", [_times_fewer(result, notes, t) for result in results], "high", times)
    seconds = of_runs(lambda curve: curve.seconds)
    if any(value is not None for value in chain(*seconds)):
        column("minutes", means(seconds, minutes, minutes, "note_unrecorded"))
    return Table(header, rows, left=2, reference_rows=int(results[0].estimator == PUBLISHED), notes=notes.lines())


def tuning_verdict(curves: Sequence[Curve], t: Texts) -> list[str]:
    """The sentences on which estimator beats DDPO, and on whether DDPO was done; none without a comparable other."""
    results = by_estimator(curves)
    others = [result for result in results if result.estimator != PUBLISHED and result.reached]
    if not others:
        return []
    best = max(others, key=lambda result: _mean(result, result.times_fewer) or 0.0)
    times = _mean(best, best.times_fewer)
    if times is None or times <= 1:
        sentences = [t("tuning_lost")]
    else:
        label = escape(figures.estimator_label(best.estimator))
        sentences = [t("tuning_won", estimator=label, times=_two(times), runs=len(best.reached))]
    published = results[0].curves  # there is one, or nothing could be compared with it
    rising = sum(curve.best is curve.evaluations[-1] for curve in published)
    return sentences + ([t("tuning_rising", rising=rising, runs=len(published))] if rising else [])


def _mean(result: EstimatorResult, values: list[float]) -> float | None:
    """Of what is to be compared: an estimator that misses DDPO's best with some seed is not among the best."""
    return statistics.mean(values) if result.always_reaches else None


def _reached(result: EstimatorResult, notes: Footnotes, t: Texts) -> str:
    if not result.reached:
        return notes.missing(t("note_no_line"))
    found = [value for value in result.reached if value is not None]
    missed = len(result.reached) - len(found)
    parts = [_spread(found, _whole, _whole)] if found else []
    return "; ".join(parts + ([t("not_reached", missed=missed, runs=len(result.reached))] if missed else []))


def _times_fewer(result: EstimatorResult, notes: Footnotes, t: Texts) -> str:
    if result.times_fewer:
        return _spread(result.times_fewer, _two, _two)
    return notes.missing(t("note_never_reached" if result.reached else "note_no_line"))


def _seeds(curves: Sequence[Curve]) -> str:
    """Each seed, and how many runs had it if more than one."""
    runs = Counter(curve.seed for curve in curves)
    return ", ".join(
        escape(seed) + (f" \N{MULTIPLICATION SIGN}{count}" if count > 1 else "") for seed, count in runs.items()
    )


def _spread(values: Sequence[float], text: Text, spread: Text) -> str:
    """Mean ± standard deviation over runs; of a single run its value."""
    mean = text(statistics.mean(values))
    return mean if len(values) < 2 else f"{mean} ±&nbsp;{spread(statistics.stdev(values))}"


def _whole(value: float) -> str:
    return f"{value:,.0f}"


def _two(value: float) -> str:
    return f"{value:.2f}"


def _three(value: float) -> str:
    return f"{value:.3f}"


def _signed(value: float) -> str:
    return f"{value:+.3f}"
