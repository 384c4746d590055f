"""The parts of the page that need no store."""

from __future__ import annotations

import io
import re
import string
from dataclasses import replace

import pytest
from PIL import Image

from sprite_diffusers.report.artifacts import MAX_BYTES, small_picture
from sprite_diffusers.report.page import Footnotes, Table, escape, to_markdown
from sprite_diffusers.report.parts import page_parts
from sprite_diffusers.report.selection import COMPARABLE_TAGS, EXP5, Group, group_runs, primary_metric, why_incomplete
from sprite_diffusers.report.store import Run, _label
from sprite_diffusers.report.tables import best_index, number
from sprite_diffusers.report.texts import LANGUAGES, TEXTS, Texts

from .conftest import FACTS, noise_png

SAME_IN_BOTH = {
    "col_fd_pca20",
    "metric_fd_pca20",
    "ablation_corner",
    "col_timesteps",
    "total",
    "caption_run",
    "col_mse",
    "col_psnr",
    "col_ssim",
    "incomplete_run",
    "space_psnr",
}


def run(experiment: str = "AD6", name: str = "a", **metrics: float) -> Run:
    scores = {f"eval/{key}": value for key, value in metrics.items()}
    return Run(name, name, experiment, "FINISHED", {"dataset": "x/tiles/"}, dict(FACTS), scores)


def test_every_text_is_in_every_language():
    for key, texts in TEXTS.items():
        assert len(texts) == len(LANGUAGES), key
        assert all(texts), key
        assert (texts[0] == texts[1]) == (key in SAME_IN_BOTH), key
        fields = [{name for _, name, _, _ in string.Formatter().parse(text) if name} for text in texts]
        assert fields[0] == fields[1], key
        marks = [sorted(re.findall(r"</?(?:b|code)>", text)) for text in texts]
        assert marks[0] == marks[1], key
    assert Texts("en").listed(["a", "b", "c"]) == "a, b and c"
    assert Texts("es").listed(["a", "b"]) == "a y b"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1234.5, "1,234"), (153.94, "153.9"), (21.85, "21.85"), (4.0, "4.000"), (0.76, "0.760"), (0.0123, "0.0123"),
     (0.00001, "0.0000"), (-0.002, "-0.0020")],
)  # fmt: skip
def test_numbers_have_about_four_digits(value, text):
    assert number(value) == text


def test_the_best_of_a_column():
    assert best_index([3.0, None, 1.0, 1.0], "low") == {2, 3}
    assert best_index([3.0, None, 1.0], "high") == {0}
    assert best_index([8.0, 11.0, 20.0], "floor", 12.0) == {1}
    assert best_index([8.0, 11.0], "floor", None) == set()
    assert best_index([2.0, 2.0], "low") == set()  # nothing to choose between
    assert best_index([None, 2.0], "low") == set()


def test_best_runs_are_chosen_by_the_primary_metric():
    runs = [
        run(name="a", fd_pca20=1.0, fd_pca20_class_mean=9.0),
        run(name="b", fd_pca20=5.0, fd_pca20_class_mean=8.0),
        run("Exp2-DDPM-PixelSpace", "c", fd_pca20=3.0, fd_feature=1.0),
        run("Exp2-DDPM-PixelSpace", "d", fd_pca20=2.0, fd_feature=2.0),
        run("other", "e", fd_pca20=2.0, fd_feature=1.0),
        run("other", "f", fd_pca20=1.0, fd_feature=2.0),
    ]
    (group,) = group_runs(runs)
    assert group.dataset == "tiles"
    assert [best.name for best in group.best()] == ["d", "b", "e"]
    assert primary_metric(EXP5, [run(EXP5, fd_pca20=1.0)]) == "fd_pca20"
    assert primary_metric(EXP5, [run(EXP5, fd_pca20=1.0), run(EXP5, fd_pca20_class_mean=1.0)]) == "fd_pca20_class_mean"


@pytest.mark.parametrize("tag", COMPARABLE_TAGS)
def test_each_fact_separates_tables(tag):
    other = run(name="b", fd_pca20_class_mean=1.0)
    other = replace(other, tags={**other.tags, tag: "7"})
    groups = group_runs([run(fd_pca20_class_mean=2.0), other])
    assert sorted(member.name for group in groups for member in group.runs) == ["a", "b"]
    assert [len(group.others) for group in groups] == [1, 1]
    assert isinstance(groups[0], Group)


def test_why_a_run_is_no_result():
    good = run(fd_pca20_class_mean=1.0)
    assert why_incomplete(good) is None
    assert why_incomplete(replace(good, status="FAILED")) == "status_failed"
    assert why_incomplete(replace(good, status="KILLED")) == "status_killed"
    assert why_incomplete(replace(good, status="RUNNING")) == "status_unfinished"
    assert why_incomplete(replace(good, metrics={})) == "status_not_evaluated"
    assert why_incomplete(replace(good, tags={})) == "status_without_facts"
    assert why_incomplete(replace(good, tags={**FACTS, "eval.num_samples": "many"})) == "status_without_facts"
    assert why_incomplete(run(fd_pca20=1.0)) == "status_without_primary"


def test_names_cannot_break_a_table():
    assert escape("a|b\n*c* <i> `d` snake_case _x") == "a&#124;b &#42;c&#42; &lt;i&gt; &#96;d&#96; snake_case &#95;x"
    notes = Footnotes()
    cells = [notes.missing("one"), notes.missing("two"), notes.missing("one")]
    text = to_markdown([Table(["", "b", "c", "d"], [[escape("a|b"), *cells]], notes=notes.lines())])
    assert "| a&#124;b | —<sup>1</sup> | —<sup>2</sup> | —<sup>1</sup> |" in text
    assert "<sub><sup>1</sup> one<br><sup>2</sup> two</sub>" in text


@pytest.mark.parametrize(
    ("uri", "label"),
    [("sqlite:////home/someone/mlflow.db", "mlflow.db"), ("sqlite:///mlflow.db", "mlflow.db"), ("/home/someone/mlruns", "mlruns"),
     ("https://someone:secret@tracking.example:5000/path", "tracking.example")],
)  # fmt: skip
def test_a_store_is_named_without_path_or_password(uri, label):
    assert _label(uri) == label


def test_pictures_are_made_small_without_smoothing(tmp_path):
    (tmp_path / "large.png").write_bytes(noise_png(600))
    assert (tmp_path / "large.png").stat().st_size > MAX_BYTES
    assert small_picture(tmp_path / "large.png", tmp_path / "small.png")
    assert (tmp_path / "small.png").stat().st_size <= MAX_BYTES
    assert Image.open(tmp_path / "small.png").width == 600

    (tmp_path / "tiny.png").write_bytes(noise_png(64))
    assert small_picture(tmp_path / "tiny.png", tmp_path / "enlarged.png")
    tiny, enlarged = (Image.open(io.BytesIO((tmp_path / name).read_bytes())) for name in ("tiny.png", "enlarged.png"))
    assert enlarged.size == (320, 320)
    assert enlarged.resize((64, 64), Image.Resampling.NEAREST).tobytes() == tiny.tobytes()

    (tmp_path / "broken.png").write_bytes(b"no picture")
    assert not small_picture(tmp_path / "broken.png", tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()


def test_data_sets_of_nearly_the_same_name_get_pictures_of_their_own():
    runs = [replace(run(fd_pca20_class_mean=1.0), params={"dataset": name}) for name in ("My Set", "my-set", "my_set")]
    parts = page_parts(runs)
    assert [part.dataset for part in parts] == ["My Set", "my-set", "my_set"]
    assert [part.slug for part in parts] == ["my-set", "my-set-x1", "my-set-x2"]
