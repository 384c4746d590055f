"""Tuning by rewards on the results page."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from sprite_diffusers.errors import SpriteError
from sprite_diffusers.report import ReportResult, build_report
from sprite_diffusers.report.page import to_markdown
from sprite_diffusers.report.reward_curves import BASE, Curve
from sprite_diffusers.report.selection import group_runs, group_tunings, why_incomplete
from sprite_diffusers.report.store import Run
from sprite_diffusers.report.texts import Texts
from sprite_diffusers.report.texts_tuning import TUNING_TEXTS
from sprite_diffusers.report.tuning import tuning_table, tuning_verdict

from .conftest import StoreBuilder
from .test_report import rows, section

PARAMS = {
    "base": "/somewhere/else/small", "weight_palette_fit": "0.5", "weight_class_probability": "0.5", "lora_rank": "4",
    "sampling_steps": "10",
}  # fmt: skip
HEADING = "### RL-Estimators: <code>small</code> tuned for <code>class_probability</code> and <code>palette_fit</code>"


def tune(
    builder: StoreBuilder, estimator: str, seed: int, gains: list[float], base: float | None = 0.8, **settings
) -> None:
    """A run of which the gain is measured every 50 steps of 4 images, and all else follows from it."""
    from mlflow.entities import Metric

    params = {"estimator": estimator, "seed": str(seed), **PARAMS, **settings.pop("params", {})}
    settings = {"tags": {"images_per_step": "4", "eval_prompts": "a"}, **settings}
    run = builder.run(settings.pop("experiment", "RL-Estimators"), f"{estimator}-{seed}", params=params, **settings)
    metrics = []
    for number, gain in enumerate(gains, 1):
        row = {"gain": gain, "diversity": 1 - gain / 10, "untrained": 0.8 - gain / 100}
        metrics += [Metric(f"validation/{name}", value, 0, 50 * number) for name, value in row.items()]
    builder.client.log_batch(run, metrics=metrics)
    if base is not None:
        builder.client.log_text(run, f"step,queries,gain,untrained\n0,0,0.0,{base}\n", "pipeline/evaluations.csv")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    builder = StoreBuilder(tmp_path_factory.mktemp("tuning"))
    builder.run("AD6", "generator", 8.0)
    tune(builder, "rloo", 0, [1.0, 1.25], base=None)
    tune(builder, "rloo", 1, [0.5, 0.75], base=None)
    for seed, high in enumerate((1.0, 1.5)):
        tune(builder, "ddpo", seed, [0.25, 0.5, 0.75, high])
        tune(builder, "grpo", seed, [high, high + 0.5, high])
    tune(builder, "ddpo", 2, [9.0], status="FAILED")
    tune(builder, "ddpo", 5, [0.5], status="FAILED", experiment="Failed")
    tune(builder, "nft", 0, [0.5], params={"base": "other/small"})
    tune(builder, "nft", 1, [0.5], params={"weight_palette_fit": "2.0", "base": "other/small"}, base=None)
    tune(builder, "grpo", 3, [], status="FINISHED")
    tune(builder, "grpo", 4, [0.5], tags={"images_per_step": "?"})
    return builder.folder


@pytest.fixture(scope="module")
def report(folder: Path, tmp_path_factory) -> ReportResult:
    out = tmp_path_factory.mktemp("page") / "results.md"
    return build_report(out, tracking_uri=f"sqlite:///{folder}/mlflow.db")


@pytest.fixture(scope="module")
def page(report: ReportResult) -> str:
    return report.markdown.read_text(encoding="utf-8")


def test_estimators_stand_in_a_table_with_ddpo_first(page):
    table = rows(section(page, HEADING))
    head = table.pop("estimator")
    table.pop(":--")
    assert list(table) == ["DDPO", "GRPO", "RLOO"]
    column = {name: [row[index] for row in table.values()] for index, name in enumerate(head)}
    assert column == {
        "seeds": ["0, 1"] * 3,
        "best gain (sd)": ["1.250 ± 0.354", "**1.750 ± 0.354**", "1.000 ± 0.354"],
        "diversity there": ["0.875 ± 0.035", "0.825 ± 0.035", "0.900 ± 0.035"],
        "untrained reward, change": ["-0.013 ± 0.004", "-0.018 ± 0.004", "—<sup>1</sup>"],
        "reward queries": ["800 ± 0", "600 ± 0", "400 ± 0"],
        "queries to DDPO's best": ["800 ± 0", "**200 ± 0**", "200; not reached (1 of 2)"],
        "times fewer than DDPO": ["1.00 ± 0.00", "**4.00 ± 0.00**", "4.00"],
        "train minutes": ["10.0 ± 0.0"] * 3,
    }


def test_the_words_beside_the_table(page):
    part = section(page, "## Tuning by rewards")
    assert (
        "Weights of the rewards: <code>class_probability</code> 0.5, <code>palette_fit</code> 0.5. LoRA of rank 4, 10"
        in part
    )
    assert (
        "**GRPO** gets to DDPO's best gain in the fewest reward queries: **4.00 times fewer**, and in every run that can be "
        "compared (2 of 2). In 2 of 2 DDPO runs the last evaluation is the best: that line is one of its budget"
    ) in part
    assert "<sup>1</sup> unknown: there is no untrained reward, or its value on the base was not recorded." in part
    assert "![Gain and diversity over reward queries, small](results/tuning-rewards-1.png)" in part
    assert "/somewhere" not in page


def test_another_base_of_the_same_name_is_apart_and_without_ddpo_nothing_is_compared(page, report):
    part = section(page, f"{HEADING} (2)")
    assert rows(part)["estimator"] == [
        "seeds", "best gain (sd)", "diversity there", "untrained reward, change", "reward queries", "train minutes",
    ]  # fmt: skip
    assert rows(part)["DiffusionNFT"][:2] == ["0, 1", "0.500 ± 0.000"]
    assert "The weights of the rewards are not the same in all runs" in part
    assert "The line to beat" not in part
    plots = [path for path in report.pictures if path.name.startswith("tuning-")]
    assert [path.name for path in plots] == ["tuning-rewards-1.png", "tuning-rewards-2.png"]
    assert all(5_000 < path.stat().st_size < 200_000 for path in plots)


def test_tunings_are_no_generators_and_those_without_a_result_are_named(page):
    evidence = section(page, "## Incomplete evidence")
    assert "- <code>ddpo-2</code> (small): FAILED, ended by an error" in evidence
    assert "- <code>grpo-3</code> (small): finished, but without an evaluation" in evidence
    assert (
        "- <code>grpo-4</code> (small): evaluated, but without saying how many reward queries a step takes" in evidence
    )
    assert evidence.count("without an evaluation") == 1
    results = page[: page.index("## Incomplete evidence")]
    assert not [name for name in ("ddpo-2", "grpo-3", "grpo-4", "9.000") if name in results]
    assert "RL-Estimators" not in page[: page.index("## Tuning by rewards")]


def test_the_page_is_the_same_in_spanish_and_of_tunings_alone(folder, tmp_path):
    result = build_report(
        tmp_path / "r.md", tracking_uri=f"sqlite:///{folder}/mlflow.db", experiments=["RL-Estimators"], lang="es"
    )
    spanish = result.markdown.read_text(encoding="utf-8")
    assert "## Ajuste por recompensas" in spanish
    assert (
        "**GRPO** llega a la mejor ganancia de DDPO con menos consultas que los demás: **4.00 veces menos**" in spanish
    )
    for key, (english, other) in TUNING_TEXTS.items():
        pieces = [piece.strip() for piece in re.split(r"<[^>]+>|\{\w+\}", english) if len(piece.strip()) > 8]
        assert english == other or not [piece for piece in pieces if piece in spanish], key
    again = build_report(
        tmp_path / "s.md", tracking_uri=f"sqlite:///{folder}/mlflow.db", experiments=["RL-Estimators"], lang="es"
    )
    assert [path.read_bytes() for path in result.pictures] == [path.read_bytes() for path in again.pictures]


def test_a_tuning_that_failed_makes_no_page(folder, tmp_path):
    with pytest.raises(SpriteError, match=r"no finished run of Failed with an evaluation \(1 runs without\)"):
        build_report(tmp_path / "r.md", tracking_uri=f"sqlite:///{folder}/mlflow.db", experiments=["Failed"])


def test_what_makes_a_run_a_tuning():
    params, metrics = {"estimator": "grpo", "base": "a/b/", "weight_b": "1", "weight_a": "2"}, {"validation/gain": 0.5}
    made = Run("1", "a", "Any", "FINISHED", params, {"images_per_step": "8"}, metrics)
    assert made.is_tuning
    assert made.base == "b"
    assert made.reward_weights == {"a": "2", "b": "1"}
    assert why_incomplete(made) is None
    assert why_incomplete(replace(made, status="KILLED")) == "status_killed"
    assert group_runs([made]) == []
    assert group_tunings([made]) == {("Any", "a/b/", ("a", "b")): [made]}
    assert not replace(made, metrics={"eval/fd_pca20": 1.0}).is_tuning
    assert not replace(made, params={}).is_tuning


def made_curve(estimator: str, seed: str, *gains: float) -> Curve:
    rows = [{"step": n, "queries": 10 * n, "gain": gain} for n, gain in enumerate(gains, 1)]
    return Curve(estimator, seed, [dict(BASE, untrained=0.5), *rows])


def test_a_table_of_curves_without_diversity_untrained_reward_and_minutes():
    t = Texts("en")
    curves = [made_curve("ddpo", "0", 1.0, 0.5), made_curve("mine|", "0", 0.5), made_curve("mine|", "0", 0.5, 0.75)]
    table = tuning_table(curves, t)
    assert table.header == [
        "estimator", "seeds", "best gain (sd)", "diver&shy;sity there", "reward queries", "queries to DDPO's best",
        "times fewer than DDPO",
    ]  # fmt: skip
    assert table.reference_rows == 1
    assert table.rows[1] == [
        "mine&#124;", "0 \N{MULTIPLICATION SIGN}2", "0.625 ±&nbsp;0.177", "—<sup>1</sup>", "15 ±&nbsp;7", "not reached (2 of 2)", "—<sup>2</sup>",
    ]  # fmt: skip
    assert "was never reached" in to_markdown([table])
    assert tuning_verdict(curves, t) == [
        "No other estimator gets to DDPO's best gain in fewer reward queries in every run that can be compared."
    ]
    assert tuning_verdict(curves[:1], t) == []
    assert tuning_verdict([*curves[:1], made_curve("grpo", "1", 2.0)], t) == []
