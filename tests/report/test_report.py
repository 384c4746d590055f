"""The results page that comes from a store: which numbers stand where, and in which language."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sprite_diffusers.report import ReportResult, build_report
from sprite_diffusers.report.texts import TEXTS


def section(page: str, heading: str) -> str:
    """From a heading to the next one of its level or a higher one."""
    start = page.index(f"\n{heading}\n")
    level = len(heading.split(" ")[0])
    end = re.search(rf"^#{{1,{level}}} ", page[start + len(heading) + 1 :], re.MULTILINE)
    return page[start : start + len(heading) + 1 + end.start()] if end else page[start:]


def rows(text: str) -> dict[str, list[str]]:
    """Rows of the first table, by their first cell."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return {row[0]: row[1:] for row in cells}


@pytest.fixture(scope="module")
def report(full_store: Path, tmp_path_factory) -> ReportResult:
    out = tmp_path_factory.mktemp("page") / "docs" / "results.md"
    return build_report(out, tracking_uri=f"sqlite:///{full_store}/mlflow.db")


@pytest.fixture(scope="module")
def page(report: ReportResult) -> str:
    return report.markdown.read_text(encoding="utf-8")


def test_the_comparison_has_the_best_finished_run_of_each_experiment(page):
    table = rows(section(section(page, "## Data set rltiles, scores 1 of 3"), "### All experiments"))
    head = table.pop("experiment")
    table.pop(":--")
    assert list(table) == [
        "floor (real images)", "Exp2-DDPM-PixelSpace", "Exp3-DDPM-Conditional (AD3)", "AD6", "Exp5-Ablation", "My &lt;b&gt;own",
    ]  # fmt: skip
    assert len(head) == 17
    column = {name: [row[index] for row in table.values()] for index, name in enumerate(head)}
    assert column["run"][1:3] == ["<code>exp2-a</code>", "<code>ad3-best</code>"]
    assert column["run"][4] == "<code>t200-c64</code>"
    assert column["images trained"][1:] == ["200,000"] * 5
    assert column["train minutes"][1:] == ["10.0"] * 5
    assert column["parameters"][1:] == ["123,456"] * 5
    assert column["FD-PCA20"] == ["2.000", "30.00", "40.00", "**8.000**", "30.00", "20.00"]
    assert column["FD feature"] == ["0.500", "7.500", "10.00", "2.000", "7.500", "**1.250**"]
    assert column["per-class FD mean"] == ["5.000", "—<sup>2</sup>", "80.00", "**16.00**", "60.00", "—<sup>2</sup>"]
    assert column["KID ± s.e."][3] == "**0.0080 ± 0.0010**"
    assert column["accuracy"] == ["0.800", "—<sup>2</sup>", "0.760", "0.760", "0.760", "—<sup>2</sup>"]
    assert column["colours"] == ["12.00", "13.00", "14.00", "10.80", "13.00", "**12.00**"]  # best is nearest the floor
    assert "<sup>2</sup> does not apply: the model is unconditional" in page
    assert "pending" not in page


def test_other_classifiers_and_other_numbers_of_samples_get_tables_of_their_own(page):
    assert page.count("they differ in the classifier that extracts the features and the number of samples") == 3
    second = section(page, "## Data set rltiles, scores 2 of 3")
    third = section(page, "## Data set rltiles, scores 3 of 3")
    assert rows(second)["AD6"][:6] == ["<code>ad6-more-samples</code>", "200,000", "10.0", "123,456", "3.500", "0.875"]
    assert "2,000 samples per run" in second
    assert rows(third)["AD6"][0] == "<code>ad6-other-judge</code>"
    assert "classifier <code>bbbbbbbbbbbb</code>" in third
    assert "ad6-synthetic" in section(page, "## Data set synthetic")


def test_how_the_samples_were_drawn(page):
    text = section(section(page, "## Data set rltiles, scores 1 of 3"), "### All experiments")
    assert "Samples drawn by: Exp2-DDPM-PixelSpace DDPMScheduler, 25 steps; " in text
    assert "; AD6 DDPMScheduler, 25 steps, guidance 1.5" in text


def test_ad3_against_ad6_by_class(page):
    part = section(page, "### AD3 against AD6, class by class")
    table = rows(part)
    assert table["human"] == ["5.000", "80.00", "**16.00**", "0.200", "0.800", "0.700", "0.700"]
    assert table["spell"] == ["5.000", "82.00", "**18.00**", "0.220", "0.800", "0.720", "0.720"]
    assert table["<i>mean (accuracy: of all samples)</i>"] == [
        "5.000",
        "80.00",
        "**16.00**",
        "0.200",
        "0.800",
        "0.760",
        "0.760",
    ]
    assert "not comparable with the table:** mean per-class FD 153.9 (AD3) → 38.3 (AD6)" in part
    assert "No table: it needs a finished and evaluated run of Exp3-DDPM-Conditional (AD3)." in page


def test_the_ablation_names_the_cell_that_failed(page):
    part = section(page, "### Ablation: timesteps T and base channels")
    table = rows(part)
    assert table["T"] == ["16 channels", "32 channels", "64 channels"]
    assert table["T = 50"] == ["120.0 (0.760)", "100.0 (0.760)", "—<sup>1</sup>"]
    assert table["T = 200"] == ["100.0 (0.760)", "80.00 (0.760)", "**60.00** (0.760)"]
    assert "<sup>1</sup> the run <code>t50-c64</code> is no result: FAILED" in part
    assert table["<code>t100-c32</code>"][:6] == ["100", "32", "123,456", "200,000", "10.0", "45.00"]


def test_sweeps_show_the_floor_only_where_it_compares(page):
    guidance = rows(section(page, "### Guidance sweep: <code>ad6&#95;&#42;best&#42;</code> (AD6)"))
    assert guidance["floor (real images)"] == ["—", "—", "5.000", "0.950", "0.800"]
    assert guidance["2.0"] == ["DDIMScheduler", "25", "**20.00**", "0.700", "0.700"]
    steps = section(page, "### Steps against quality, by scheduler: <code>ad6&#95;&#42;best&#42;</code> (AD6)")
    assert "200 samples per row, so these rows compare with one another and not with the tables above." in steps
    assert "floor (real images)" not in steps
    assert "| DPMSolverMultistepScheduler | 50 | **16.00** | 0.700 | 0.0500 |" in steps


def test_the_verdict_follows_from_the_numbers(page):
    words = section(section(page, "## Data set rltiles, scores 1 of 3"), "### In words")
    assert (
        "By FD-PCA20, **AD6** is best: 8.000, 4.0 times the floor of 2.000; next is My &lt;b&gt;own with 20.00."
        in words
    )
    assert (
        "from 80.00 to 16.00, a ratio of **0.20**, against a floor of 5.000. Both were trained on 200,000 images."
        in words
    )
    assert "AD6 draws the class that was asked for in 0.760 of its samples: **95 %**" in words
    assert "T = 200 with 64 base channels is best" in words
    assert words.count("copies its training images") == 1
    assert "**AD6 copies its training images** beyond the floor: memorised 0.200 (floor 0.0200)." in words
    assert "Nothing here copies more" in section(page, "## Data set synthetic")


def test_runs_that_are_no_results_are_named_and_nowhere_else(page, report):
    evidence = section(page, "## Incomplete evidence")
    for line in (
        "<code>ad3-killed</code> (rltiles): KILLED, stopped before its end",
        "<code>ad3-without</code> (rltiles): finished, but without an evaluation",
        "<code>ad6-failed</code> (rltiles): FAILED, ended by an error",
        "<code>ad6-running</code> (rltiles): unfinished, still marked as running",
        "<code>t50-c64</code> (rltiles): FAILED, ended by an error",
        "<code>mine</code> (rltiles): <code>evaluation/scores.json</code>, <code>evaluation/grid.png</code> and",
    ):
        assert f"- {line}" in evidence
    assert "<code>judge</code>" not in evidence  # a finished classifier needs no evaluation
    results = page[: page.index("## Incomplete evidence")]
    assert not [name for name in ("ad3-killed", "ad3-without", "ad6-failed", "ad6-running") if name in results]
    assert "ad6-failed (rltiles): FAILED, ended by an error" in report.left_out


def test_training_cost_is_the_sum_per_experiment(page):
    table = rows(section(page, "## Training cost"))
    assert table["Exp3-DDPM-Conditional (AD3)"][:4] == ["3", "600,000", "30.0", "1"]
    assert table["Exp5-Ablation"][:4] == ["8", "1,600,000", "80.0", "1"]
    assert table["**total**"][:4] == ["18", "3,600,000", "180.0", "4"]


def test_pictures_are_there_and_small_and_the_html_holds_them_all(page, report):
    linked = re.findall(r'(?:\]\(|src=")(results/[^)"]+\.png)', page)
    assert sorted(linked) == sorted(f"results/{path.name}" for path in report.pictures)
    assert len(report.pictures) == 15
    assert all(0 < path.stat().st_size < 200_000 for path in report.pictures)
    html = report.html.read_text(encoding="utf-8")
    assert html.count("data:image/png;base64,") == len(linked)
    assert 'src="results' not in html
    assert "My <b>own" not in html
    assert "My &lt;b&gt;own" in html


def test_no_path_of_the_machine_is_printed(page, report, full_store):
    for text in (page, report.html.read_text(encoding="utf-8")):
        assert str(full_store) not in text
        assert "/somewhere/else" not in text
    assert "from the MLflow store <code>mlflow.db</code>" in page


def test_the_spanish_page_has_no_english_sentence_left(store):
    result = build_report(Path("docs/resultados.md"), lang="es", experiments=["Exp3-DDPM-Conditional", "AD6"])
    spanish = result.markdown.read_text(encoding="utf-8")
    assert "## Cómo leerlo" in spanish
    assert "| suelo (imágenes reales) |" in spanish
    assert "AD6 reduce la FD-PCA20 media por clase de AD3 de 80.00 a 16.00" in spanish
    assert "<code>ad6-running</code> (rltiles): sin terminar" in spanish
    assert "<code>mine</code>" not in spanish  # of an experiment that was not asked for
    assert '<html lang="es">' in result.html.read_text(encoding="utf-8")
    for key, (english, other) in TEXTS.items():
        if english != other:
            words = re.sub(
                r"<code>.*?</code>|<[^>]+>|\{\w+\}", "\n", english.replace("&shy;", "").replace("&nbsp;", " ")
            )
            pieces = [piece.strip() for piece in words.split("\n") if len(piece.strip()) > 8]
            assert not [piece for piece in pieces if re.search(rf"\b{re.escape(piece)}(?!\w)", spanish)], key


def test_the_store_is_only_read_and_gives_the_same_pictures_again(store):
    before = (store / "mlflow.db").read_bytes()
    first, second = (build_report(Path(name, "results.md"), experiments=["Exp5-Ablation"]) for name in ("a", "b"))
    assert [path.name for path in first.pictures] == ["rltiles-ablation.png", "rltiles-curves.png"]
    assert [path.read_bytes() for path in first.pictures] == [path.read_bytes() for path in second.pictures]
    assert (store / "mlflow.db").read_bytes() == before
    assert sorted(path.name for path in store.iterdir()) == ["a", "b", "mlflow.db"]
    assert sorted(path.name for path in (store / "a").iterdir()) == ["results", "results.html", "results.md"]


def test_a_page_without_training_images(store):
    made = build_report(store / "docs" / "results.md", training_images=False)
    assert not [path for path in made.pictures if "closest" in path.name]
    assert "Closest pairs" not in made.markdown.read_text(encoding="utf-8")
