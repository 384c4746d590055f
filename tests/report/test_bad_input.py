"""What cannot be reported on is one line, and leaves the report that was there as it was."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from sprite_diffusers.errors import SpriteError
from sprite_diffusers.report import build, build_report, sections
from sprite_diffusers.report import store as store_module
from sprite_diffusers.report.page import Picture

from .conftest import execute

GOOD = {"results.md": b"# good", "results.html": b"<p>good", "results/a.png": b"picture", "results/b.png": b"another"}


@pytest.fixture
def good_report(store: Path) -> Path:
    """A report that a failure must leave alone."""
    docs = store / "docs"
    (docs / "results").mkdir(parents=True)
    for name, content in GOOD.items():
        (docs / name).write_bytes(content)
    return docs


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(docs: Path, match: str, **options) -> None:
    with pytest.raises(SpriteError, match=match) as error:
        build_report(docs / "results.md", **options)
    assert "\n" not in str(error.value)
    assert content(docs) == GOOD
    assert [path for path in docs.iterdir() if path.name.startswith(".")] == []


def test_a_missing_store_is_not_created(good_report, store):
    (store / "mlflow.db").unlink()
    refused(good_report, r"There is no MLflow store mlflow\.db: .*MLFLOW_TRACKING_URI")
    assert not (store / "mlflow.db").exists()


@pytest.mark.parametrize("text", [b"", b"this is no database"])
def test_a_file_that_is_no_database(good_report, store, text):
    (store / "mlflow.db").write_bytes(text)
    refused(good_report, r"mlflow\.db is not an SQLite database")
    assert (store / "mlflow.db").read_bytes() == text


def test_a_corrupt_store(good_report, store):
    damaged = bytearray((store / "mlflow.db").read_bytes())
    damaged[8192:-8192] = b"\x07" * len(damaged[8192:-8192])
    (store / "mlflow.db").write_bytes(damaged)
    refused(good_report, r"mlflow\.db (is corrupt|cannot be read \(.*\)): restore a backup")
    assert (store / "mlflow.db").read_bytes() == damaged


def test_a_database_of_something_else(good_report, store):
    (store / "mlflow.db").unlink()
    execute(store / "mlflow.db", "CREATE TABLE recipes (name TEXT)")
    before = (store / "mlflow.db").read_bytes()
    refused(good_report, r"mlflow\.db is an SQLite database, but not of MLflow")
    assert (store / "mlflow.db").read_bytes() == before


def test_a_locked_store(good_report, store, monkeypatch):
    monkeypatch.setattr(store_module, "LOCK_SECONDS", 0.2)
    other = sqlite3.connect(store / "mlflow.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        refused(good_report, r"mlflow\.db is locked by another process")
    finally:
        other.close()


def test_a_store_of_an_older_schema(good_report, store):
    execute(store / "mlflow.db", "UPDATE alembic_version SET version_num = 'cc1f77228345'")
    before = (store / "mlflow.db").read_bytes()
    refused(good_report, r"was written by another version of MLflow .* mlflow db upgrade sqlite:///mlflow\.db")
    assert (store / "mlflow.db").read_bytes() == before


def test_an_unknown_experiment(good_report):
    refused(
        good_report,
        r"has no experiment 'AD7'; it has AD6, Classifier, Default, Exp2-DDPM-PixelSpace, .*--experiments",
        experiments=["AD6", "AD7"],
    )


def test_a_store_without_an_evaluation(good_report):
    refused(
        good_report, r"no finished run of Classifier with an evaluation \(1 runs without\)", experiments=["Classifier"]
    )


def test_an_unknown_language(good_report):
    refused(good_report, r"--lang is 'fr', but there are only en and es", lang="fr")


def test_a_place_that_is_no_markdown_file(good_report):
    with pytest.raises(SpriteError, match=r"--out is .*results\.txt, but must be a Markdown file"):
        build_report(good_report / "results.txt")


def test_a_folder_of_pictures_that_holds_something_else(good_report):
    (good_report / "results" / "notes.txt").write_text("mine")
    with pytest.raises(SpriteError, match=r"would be replaced by the pictures of the report, but holds notes\.txt"):
        build_report(good_report / "results.md")
    assert content(good_report) == {**GOOD, "results/notes.txt": b"mine"}


@pytest.mark.parametrize("uri", ["sqlite://", "sqlite:///:memory:"])
def test_a_uri_without_a_file(good_report, uri):
    refused(good_report, "must name a file: sqlite:///mlflow.db", tracking_uri=uri)


def test_a_folder_that_is_not_there(good_report):
    refused(good_report, "There is no MLflow store runs", tracking_uri="runs")
    assert not Path("runs").exists()


def test_a_failure_half_way_puts_the_old_files_back(good_report, monkeypatch):
    monkeypatch.setattr(
        build,
        "results_page",
        lambda store, experiments, folder, texts, training_images: ([sections.Heading(1, "new")], []),
    )
    replace = Path.replace

    def fail_at_the_page(path: Path, target: Path) -> Path:
        if path.name == "results.md" and path.parent.name == "new":
            raise OSError(28, "No space left on device")
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", fail_at_the_page)
    refused(good_report, r"cannot be written \(No space left on device\)")


def test_a_good_report_replaces_all_of_the_old_one(good_report, monkeypatch):
    def page(store, experiments, folder, texts, training_images):
        shutil.copy(good_report / "results" / "a.png", folder / "new.png")
        return [sections.Heading(1, "new"), Picture("results/new.png", "new")], []

    monkeypatch.setattr(build, "results_page", page)
    result = build_report(good_report / "results.md")
    assert sorted(content(good_report)) == ["results.html", "results.md", "results/new.png"]
    assert result.markdown.read_text() == "# new\n\n![new](results/new.png)\n"
