"""Texts: where they are found, what is left out of them and counted, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest

from sprite_diffusers.errors import SpriteError
from sprite_diffusers.trainers.sentiment.data import load_texts
from sprite_diffusers.trainers.sentiment.settings import TextDataConfig

IMDB = Path(__file__).parents[4] / "shared" / "data" / "imdb"


def save(folder: Path, **splits: Sequence[tuple]) -> str:
    folder.mkdir(exist_ok=True)
    for name, rows in splits.items():
        pd.DataFrame(rows, columns=["text", "label"]).to_parquet(folder / f"{name}.parquet")
    return str(folder)


def reviews(count: int, start: int = 0) -> list[tuple[str, int]]:
    return [
        (f"review {number} is {('bad', 'good')[number % 2]}", number % 2) for number in range(start, start + count)
    ]


def load(source: str | Path, **options):
    return load_texts(TextDataConfig(dataset=str(source), **options), seed=0)


def test_leaks_duplicates_and_empty_texts_are_left_out_and_counted(tmp_path):
    train = [*reviews(20), ("review 3  is\ngood", 1), ("review 4 is bad", 1), ("", 0), ("  \n", 1), *reviews(2, 100)]
    test = [*reviews(6, 100), ("", 0), ("review 105 is good", 1)]
    splits = load(save(tmp_path, train=train, test=test), validation_split=0.25)
    report = splits.report
    assert (report.duplicates, report.conflicts, report.test_leaks) == (2, 1, 2)
    assert report.empty == {"train": 2, "test": 1}
    assert report.test_duplicates == 1
    assert report.split_sizes == {"train": 16, "validation": 4, "test": 8}
    assert report.class_counts["train"] == [8, 8]
    everything = [*splits.train.texts, *splits.validation.texts]
    assert len(everything) == len(set(everything)) == 20
    assert set(everything).isdisjoint(splits.test.texts)
    assert splits.test.texts[6] == ""
    assert "left out: 2 empty, 2 repeated (1 with another label), 2 also in the test" in report.summary()


def test_neighbours_are_held_out_together(tmp_path):
    source = save(tmp_path, train=reviews(80))
    for block, neighbours in ((5, 5), (1, 1)):
        splits = load(source, validation_split=0.25, validation_block=block)
        numbers = [int(text.split()[1]) for text in splits.validation.texts]
        assert len(numbers) == 20
        for label in (0, 1):
            own = [number // 2 for number in numbers if number % 2 == label]
            runs = [own[start : start + neighbours] for start in range(0, 10, neighbours)]
            assert all(run == list(range(run[0], run[0] + neighbours)) and run[0] % neighbours == 0 for run in runs)


def test_a_validation_split_of_the_data_is_used_and_leaks_into_it_removed(tmp_path):
    source = save(tmp_path, train=reviews(20), valid=[*reviews(4, 18), ("", 1)])
    splits = load(source)
    assert splits.report.split_sizes == {"train": 18, "validation": 4}
    assert splits.report.validation_leaks == 2
    assert splits.test is None


def test_the_split_is_of_the_seed_and_holds_out_a_share_of_each_class(tmp_path):
    source = save(tmp_path, train=[*reviews(40), *((f"another {number}", 0) for number in range(20))])
    splits = load(source)
    assert splits.report.class_counts == {"train": [32, 16], "validation": [8, 4]}
    assert load(source).report.fingerprint == splits.report.fingerprint
    assert load_texts(TextDataConfig(dataset=source), seed=1).report.fingerprint != splits.report.fingerprint
    assert load(source, num_samples=30).report.split_sizes == {"train": 24, "validation": 6}


def test_other_files_columns_and_names(tmp_path):
    rows = [(text, ("bad", "good")[label]) for text, label in reviews(20)]
    pd.DataFrame(rows, columns=["review", "sentiment"]).to_csv(tmp_path / "reviews.csv", index=False)
    by_csv = load(tmp_path / "reviews.csv")
    assert by_csv.report.class_names == ["bad", "good"]
    lines = [json.dumps({"said": text, "mood": label}) for text, label in reviews(20)]
    (tmp_path / "reviews.jsonl").write_text("\n".join(lines), encoding="utf-8")
    by_json = load(tmp_path / "reviews.jsonl", text_column="said", label_column="mood", class_names=["no", "yes"])
    assert by_json.report.class_names == ["no", "yes"]
    assert by_json.train.texts == by_csv.train.texts
    assert by_json.train.labels.tolist() == by_csv.train.labels.tolist()


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        ([(f"text {number}", 0) for number in range(9)], "one class"),
        (
            [*((f"text {number}", 1) for number in range(9)), ("", 0)],
            "one class (1) out of 2 (1 empty texts were found)",
        ),
        ([("", 0), (" ", 1)], "the train texts"),
        ([("a", 0), ("b", -1)], "row 1 of the train texts has no class"),
    ],
)
def test_what_cannot_be_told_apart_is_refused(rows, named, tmp_path):
    with pytest.raises(SpriteError) as error:
        load(save(tmp_path, train=rows))
    assert named in str(error.value)
    assert "\n" not in str(error.value)


def test_a_test_of_one_class_is_refused(tmp_path):
    with pytest.raises(SpriteError, match=r"the test texts of .* are of one class"):
        load(save(tmp_path, train=reviews(10), test=[("new", 0), ("newer", 0)]))


def test_wrong_columns_names_and_places_are_refused(tmp_path):
    source = save(tmp_path, train=reviews(10))
    with pytest.raises(SpriteError, match="have the columns text, label, not score: name one by --label_column"):
        load(source, label_column="score")
    with pytest.raises(SpriteError, match="--class_names has 3 names"):
        load(source, class_names=["a", "b", "c"])
    with pytest.raises(SpriteError, match="no such file or folder"):
        load(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SpriteError, match="has no files of texts"):
        load(tmp_path / "empty")
    (tmp_path / "broken.parquet").write_bytes(b"not parquet")
    with pytest.raises(SpriteError, match="cannot be read"):
        load(tmp_path / "broken.parquet")
    with pytest.raises(SpriteError, match="--dataset is missing"):
        TextDataConfig()


@pytest.mark.skipif(not IMDB.is_dir(), reason="the IMDb reviews are not here")
def test_what_imdb_repeats():
    report = load(IMDB).report
    assert (report.duplicates, report.test_duplicates, report.test_leaks) == (96, 199, 123)
    assert report.split_sizes["test"] == 25_000
    assert sum(report.split_sizes.values()) == 50_000 - 96 - 123
