"""Prompts of each kind of source, and what is said of those that cannot be read."""

from __future__ import annotations

import json

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from sprite_diffusers.errors import SpriteError
from sprite_diffusers.trainers.rl.study import prompt_sources
from sprite_diffusers.trainers.rl.study.prompt_sources import load_prompts


@pytest.fixture
def text_file(tmp_path):
    path = tmp_path / "prompts.txt"
    path.write_bytes("\ufeffa  cat\r\n\r\na\tdog\na cat \n   \n\u2028a bird\u2028at night\x0c\n".encode())
    return path


def test_lines_of_a_text_file(text_file):
    prompts = load_prompts(text_file)
    assert prompts == ["a cat", "a dog", "a bird at night"]
    assert (prompts.report.num_read, prompts.report.num_empty, prompts.report.num_duplicates) == (6, 2, 1)
    assert prompts.report.summary() == f"{text_file}: read 6 prompts, left out 2 empty and 1 repeated"


def test_a_random_choice_is_of_the_seed_and_otherwise_the_order_stays(tmp_path):
    path = tmp_path / "many.txt"
    every = [f"prompt {index}" for index in range(100)]
    path.write_text("\n".join(every), encoding="utf-8")
    assert load_prompts(path, max_prompts=100, seed=3) == every
    some = load_prompts(path, max_prompts=10, seed=3)
    assert some == load_prompts(path, max_prompts=20, seed=3)[:10]
    assert some != load_prompts(path, max_prompts=10, seed=4)
    assert len(set(some)) == 10
    assert set(some) < set(every)
    assert some.report.num_read == 100
    with pytest.raises(SpriteError, match="--max_prompts 0 must be 1 or more"):
        load_prompts(path, max_prompts=0)


def test_columns_of_tables(tmp_path):
    table = pa.table({"image_name": ["1", "2", "3"], "Prompt": ["a cat", None, "a dog"], "text": ["x", "y", "z"]})
    pq.write_table(table, tmp_path / "prompts.parquet")
    assert load_prompts(tmp_path / "prompts.parquet") == ["a cat", "a dog"]
    assert load_prompts(tmp_path / "prompts.parquet", column="TEXT") == ["x", "y", "z"]
    (tmp_path / "prompts.csv").write_text('id,caption\n1,"a cat, sitting"\n2,"two\nlines"\n3\n', encoding="utf-8")
    assert load_prompts(tmp_path / "prompts.csv") == ["a cat, sitting", "two lines"]
    (tmp_path / "prompts.tsv").write_text("id\ttext\n1\ta, b\n", encoding="utf-8")
    assert load_prompts(tmp_path / "prompts.tsv") == ["a, b"]
    lines = [json.dumps({"seed": 1}), "", json.dumps({"seed": 2, "prompt": "a cat"})]
    (tmp_path / "prompts.jsonl").write_text("\n".join(lines), encoding="utf-8")
    prompts = load_prompts(tmp_path / "prompts.jsonl")
    assert prompts == ["a cat"]
    assert prompts.report.num_empty == 1


def test_a_missing_column_is_named_with_those_there_are(tmp_path):
    pq.write_table(pa.table({"seed": [1], "words": ["a cat"]}), tmp_path / "prompts.parquet")
    with pytest.raises(SpriteError, match=r"no column prompt, text or caption; it has seed, words: .*--prompt_column"):
        load_prompts(tmp_path / "prompts.parquet")
    with pytest.raises(SpriteError, match="no column 'prompt'; it has seed, words"):
        load_prompts(tmp_path / "prompts.parquet", column="prompt")
    with pytest.raises(SpriteError, match=r"column 'seed' of .* holds '1', which is no text"):
        load_prompts(tmp_path / "prompts.parquet", column="seed")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.txt", b" \n\n", r"holds no prompts \(2 are empty\)"),
        ("latin.txt", "café".encode("latin-1"), r"not UTF-8 \(byte 3\)"),
        ("prompts.parquet", b"PAR1 no", "cannot be read as parquet"),
        ("prompts.jsonl", b'{"prompt": "a"}\n["b"]', "line 2 of .* is no JSON object"),
        ("prompts.csv", b'prompt\n"a" cat\n', "cannot be read as a table of separated values"),
        ("prompts.docx", b"a cat", r"is a \.docx file; allowed is a text file"),
    ],
)
def test_a_file_that_cannot_be_read(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SpriteError, match=message):
        load_prompts(tmp_path / name)


@pytest.mark.parametrize("source", ["nothing", "./no/file.txt", "/no/file.txt", "owner/", "no/where//file.txt"])
def test_nothing_there(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SpriteError, match=f"no prompts at {source!r}; allowed is a text file"):
        load_prompts(source)


def test_captions_of_sprites(tmp_path, monkeypatch):
    monkeypatch.setattr(prompt_sources, "_SYNTHETIC", 500)
    captions = load_prompts("synthetic", max_prompts=50, seed=1)
    assert len(captions) == 50
    assert 450 < captions.report.num_read <= 500
    assert captions.report.num_duplicates > 20
    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        for index, size in enumerate((16, 24, 32)):
            pixels = np.random.default_rng(size + len(label)).integers(0, 255, (size, size, 3), np.uint8)
            pixels[0, 0] = len(label) + (label == "cat")
            Image.fromarray(pixels).save(tmp_path / label / f"{index}.png")
    assert sorted(load_prompts(tmp_path)) == ["a cat", "a dog"]


def test_data_sets_of_the_hub(tmp_path, monkeypatch):
    pq.write_table(pa.table({"image_name": ["1"], "prompt": ["a cat"]}), tmp_path / "metadata.parquet")
    asked = []

    def download(repo_id, file, repo_type):
        asked.append((repo_id, file, repo_type))
        return str(tmp_path / file.split("/")[-1])

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    assert load_prompts("poloclub/diffusiondb") == ["a cat"]
    assert load_prompts("someone/prompts/data/metadata.parquet") == ["a cat"]
    assert asked == [
        ("poloclub/diffusiondb", "metadata.parquet", "dataset"),
        ("someone/prompts", "data/metadata.parquet", "dataset"),
    ]
    splits = {"test": ["a test"], "train": ["a dog", "a dog"]}
    dataset = datasets.DatasetDict({name: datasets.Dataset.from_dict({"text": rows}) for name, rows in splits.items()})
    monkeypatch.setattr("datasets.load_dataset", lambda repo_id: dataset)
    assert load_prompts("someone/prompts") == ["a dog"]


def test_a_data_set_that_cannot_be_had():
    with pytest.raises(SpriteError, match=r"metadata\.parquet cannot be had from the data set 'poloclub/diffusiondb'"):
        prompt_sources._download("poloclub/diffusiondb", "metadata.parquet")
    with pytest.raises(SpriteError, match="the data set 'someone/prompts' cannot be loaded"):
        load_prompts("someone/prompts")
