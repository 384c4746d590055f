"""`load_captioned`: folders to pairs, splits and a report."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sprite_diffusers.data.captions import CaptionedDataset, load_captioned
from sprite_diffusers.errors import SpriteError

DATA = Path(os.environ.get("SPRITE_DIFFUSERS_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))
POKEMON = DATA / "pokemon"
EVEN = (0.5, 0.25, 0.25)


def write_images(folder: Path, names: list[str], size: int = 8, seed: int = 0) -> Path:
    """Opaque noise with a transparent corner of hidden colour."""
    rng = np.random.default_rng(seed)
    for name in names:
        pixels = rng.integers(0, 256, (size, size, 4), np.uint8)
        pixels[..., 3] = 255
        pixels[:2, :2, 3] = 0
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / name)
    return folder


def numbered(folder: Path, count: int = 8, **kwargs: int) -> Path:
    return write_images(folder, [f"images/{index + 1:03d}.png" for index in range(count)], **kwargs)


def pairs_table(folder: Path, count: int = 8) -> Path:
    path = folder / "texts.csv"
    path.write_text("".join(f"Sprite {'ABCDEFGHIJKLM'[i]}; Text {i}, long.\n" for i in range(count)), encoding="utf-8")
    return path


def columns(dataset: CaptionedDataset, column: str = "text") -> dict[str, str]:
    return {
        name: value for split in dataset.values() for name, value in zip(split["name"], split[column], strict=True)
    }


def pixels_of(dataset: CaptionedDataset) -> dict[str, np.ndarray]:
    return {row["name"]: np.asarray(row["image"]) for split in dataset.values() for row in split}


def refused(message: str, source: Path, **kwargs: object) -> None:
    with pytest.raises(SpriteError, match=message) as error:
        load_captioned(source, **kwargs)  # type: ignore[arg-type]
    assert "\n" not in str(error.value)


def test_a_table_of_pairs_describes_numbered_images(tmp_path: Path) -> None:
    pairs_table(numbered(tmp_path))
    dataset = load_captioned(tmp_path, splits=EVEN, seed=3)
    assert {split: len(part) for split, part in dataset.items()} == {"train": 4, "validation": 2, "test": 2}
    assert columns(dataset) == {f"Sprite {'ABCDEFGH'[i]}": f"Text {i}, long." for i in range(8)}
    original = np.asarray(Image.open(tmp_path / "images" / "003.png"))
    expected = original[..., :3].copy()
    expected[:2, :2] = 255
    assert np.array_equal(pixels_of(dataset)["Sprite C"], expected)
    assert dataset["train"][0]["types"] == []
    report = dataset.report
    assert (report.num_images, report.num_families, report.image_size, report.mode) == (8, 8, 8, "RGB")
    assert report.tables == ("texts.csv",)
    assert json.loads(json.dumps(dataclasses.asdict(report)))["split_sizes"] == {
        "train": 4,
        "validation": 2,
        "test": 2,
    }


def test_the_fingerprint_is_of_pixels_and_texts_of_the_train_split(tmp_path: Path) -> None:
    table = pairs_table(numbered(tmp_path))
    first = load_captioned(tmp_path, splits=EVEN).report
    assert load_captioned(tmp_path, splits=EVEN).report == first
    assert load_captioned(tmp_path, splits=EVEN, seed=1).report.fingerprint != first.fingerprint
    assert load_captioned(tmp_path, splits=EVEN, background="black").report.fingerprint != first.fingerprint
    table.write_text(table.read_text().replace("long", "short"))
    assert load_captioned(tmp_path, splits=EVEN).report.fingerprint != first.fingerprint


def test_missing_images_and_descriptions_are_left_out_and_named(tmp_path: Path) -> None:
    table = pairs_table(numbered(tmp_path, 10), 9)
    table.write_text(table.read_text().replace("Text 4, long.", ""))
    (tmp_path / "images" / "003.png").unlink()
    dataset = load_captioned(tmp_path, splits=EVEN)
    report = dataset.report
    assert (report.num_images, report.num_missing_images, report.missing_images) == (7, 1, ("Sprite C",))
    assert (report.num_missing_descriptions, report.missing_descriptions) == (2, ("Sprite E", "010.png"))
    assert columns(dataset)["Sprite D"] == "Text 3, long."
    assert "left out, no image: 1 (Sprite C)" in report.summary()
    assert "left out, no description: 2 (Sprite E, 010.png)" in report.summary()


def test_images_called_by_name_need_no_order(tmp_path: Path) -> None:
    pairs_table(write_images(tmp_path, [f"sprite_{letter}.png" for letter in "hgfedcb"]))
    dataset = load_captioned(tmp_path, splits=EVEN)
    assert columns(dataset)["Sprite B"] == "Text 1, long."
    assert dataset.report.missing_images == ("Sprite A",)


def test_other_names_go_by_natural_order_if_the_counts_agree(tmp_path: Path) -> None:
    names = [f"{i}_{'xyzuvwst'[i]}.png" for i in range(6)] + ["10_a.png", "20_b.png"]
    pairs_table(write_images(tmp_path, names))
    image = np.asarray(Image.open(tmp_path / "10_a.png"))[..., :3]
    loaded = pixels_of(load_captioned(tmp_path, splits=EVEN))["Sprite G"]
    assert np.array_equal(loaded[2:], image[2:])
    (tmp_path / "0_x.png").unlink()
    refused(r"has 8 rows for 7 images, whose names \('1_y.png' …\) are neither", tmp_path)


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_metadata_of_file_names(tmp_path: Path, kind: str) -> None:
    write_images(tmp_path, [f"sub/{letter}.png" for letter in "abcdef"])
    records = [{"file_name": f"sub/{letter}.png", "text": f"A {letter}."} for letter in "fedcbz"]
    for record, family in zip(records, "xxyyzz", strict=True):
        record["family"] = family
    lines = [json.dumps(record) for record in records]
    if kind == "csv":
        lines = ["file_name,text,family", *(",".join(record.values()) for record in records)]
    (tmp_path / f"metadata.{kind}").write_text("\n".join(lines))
    dataset = load_captioned(tmp_path, splits=EVEN)
    assert columns(dataset) == {f"sub/{letter}": f"A {letter}." for letter in "bcdef"}
    assert columns(dataset, "family")["sub/c"] == "y"
    assert dataset.report.missing_images == ("sub/z",)
    assert dataset.report.missing_descriptions == ("a.png",)
    assert dataset.report.num_families == 3


ATTRIBUTES = (
    "english_name\tprimary_type\tsecondary_type\tclassification\tevochain_0\tevochain_1\tevochain_2\tdescription\n"
    + "".join(
        f"Sprite {'ABCDEFGH'[i]}.\tfire\t{'ice' if i % 2 else ''}\tTest Sprite\tSprite {'AACCEEGG'[i]}.\tLevel\t"
        f"Sprite {'BBDDFFHH'[i]}.\tIt is {i}.\n"
        for i in range(8)
    )
)


def test_attributes_give_types_families_names_and_missing_texts(tmp_path: Path) -> None:
    table = pairs_table(numbered(tmp_path), 7)
    table.write_text(table.read_text().replace("Text 2, long.", ""))
    (tmp_path / "attributes.csv").write_text(ATTRIBUTES, encoding="utf-16")
    dataset = load_captioned(tmp_path, splits=EVEN)
    texts, families, types = (columns(dataset, column) for column in ("text", "family", "types"))
    assert texts["Sprite A."] == "Text 0, long."
    assert texts["Sprite C."] == "Sprite C., Test Sprite, fire type. It is 2."
    assert texts["Sprite H."] == "Sprite H., Test Sprite, fire and ice type. It is 7."
    assert families == {f"Sprite {'ABCDEFGH'[i]}.": f"Sprite {'AACCEEGG'[i]}." for i in range(8)}
    assert (types["Sprite A."], types["Sprite B."]) == (["fire"], ["fire", "ice"])
    assert {split: len(set(part["family"])) for split, part in dataset.items()} == {
        "train": 2,
        "validation": 1,
        "test": 1,
    }
    report = dataset.report
    assert report.num_attribute_texts == 2
    assert report.tables == ("texts.csv", "attributes.csv")
    assert report.type_counts["test"] == {"fire": 2, "ice": 1}
    assert report.notes == ("7 names are those of attributes.csv (such as 'Sprite A.' for 'Sprite A')",)


def test_an_attribute_table_alone_is_enough(tmp_path: Path) -> None:
    numbered(tmp_path / "pictures")
    (tmp_path / "elsewhere.csv").write_text(ATTRIBUTES)
    dataset = load_captioned(tmp_path / "pictures", attributes=tmp_path / "elsewhere.csv", splits=EVEN)
    assert dataset.report.num_attribute_texts == 8
    assert columns(dataset)["Sprite A."] == "Sprite A., Test Sprite, fire type. It is 0."
    table = pairs_table(tmp_path)
    chosen = load_captioned(tmp_path / "pictures", captions=table, attributes=tmp_path / "elsewhere.csv", splits=EVEN)
    assert columns(chosen)["Sprite A."] == "Text 0, long."
    refused("has no column of attributes", tmp_path / "pictures", attributes=table)


def test_other_sizes_are_scaled_with_their_aspect_and_centred(tmp_path: Path) -> None:
    pairs_table(numbered(tmp_path))
    wide = np.zeros((8, 16, 4), np.uint8)
    wide[:, :8] = (255, 0, 0, 255)
    wide[:, 8:] = (0, 0, 255, 128)
    Image.fromarray(wide).save(tmp_path / "images" / "002.png")
    dataset = load_captioned(tmp_path, splits=EVEN)
    picture = pixels_of(dataset)["Sprite B"]
    assert picture.shape == (8, 8, 3)
    assert (picture[:2] == 255).all()
    assert (picture[6:] == 255).all()
    assert (picture[2:6, :4] == (255, 0, 0)).all()
    assert (picture[2:6, 4:] == (127, 127, 255)).all()  # half-transparent blue on white
    assert dataset.report.resized == ("Sprite B 16x8",)
    assert (dataset.report.num_transparent, dataset.report.num_soft) == (8, 1)
    straight = pixels_of(load_captioned(tmp_path, splits=EVEN, mode="RGBA", image_size=16))
    assert (straight["Sprite B"][4:12, 8:] == (0, 0, 255, 128)).all()
    assert (straight["Sprite B"][:4] == 0).all()
    assert (straight["Sprite A"][:4, :4] == 0).all()  # the hidden colour is gone
    original = np.asarray(Image.open(tmp_path / "images" / "001.png"))
    assert np.array_equal(straight["Sprite A"][4::2, 4::2], original[2:, 2:])


def test_equal_images_are_one_family(tmp_path: Path) -> None:
    pairs_table(numbered(tmp_path))
    for copy in ("005", "008"):
        (tmp_path / "images" / f"{copy}.png").write_bytes((tmp_path / "images" / "001.png").read_bytes())
    dataset = load_captioned(tmp_path, splits=EVEN)
    families = columns(dataset, "family")
    assert {name for name, family in families.items() if family == "Sprite A"} == {"Sprite A", "Sprite E", "Sprite H"}
    assert (dataset.report.num_duplicates, dataset.report.num_families) == (2, 6)
    assert sorted(dataset.report.split_sizes.values()) == [2, 2, 4]


def test_damaged_images_raise_or_are_counted(tmp_path: Path) -> None:
    pairs_table(numbered(tmp_path))
    (tmp_path / "images" / "004.png").write_bytes(b"no image")
    refused(r"cannot decode the image '.*004.png' \(cannot identify image file", tmp_path)
    report = load_captioned(tmp_path, splits=EVEN, skip_bad_images=True).report
    assert (report.num_images, report.num_bad_images, report.bad_images) == (7, 1, ("004.png",))


def test_the_summary_is_for_people(tmp_path: Path) -> None:
    pairs_table(numbered(tmp_path))
    (tmp_path / "attributes.csv").write_text(ATTRIBUTES)
    summary = load_captioned(tmp_path, splits=EVEN).report.summary()
    for line in (
        "8 images with texts from texts.csv and attributes.csv",
        "splits: 4 train, 2 validation, 2 test of 4 families, none in two splits (seed 0)",
        "pixels: 8x8 RGB on white; 8 images have transparency, 0 have soft edges",
        "words per text: 2 to 2, median 2, mean 2.0; vocabulary 2",
        "types       train  validation        test",
        "fire            4           2           2",
        "ice             2           1           1",
    ):
        assert line in summary


def test_mistakes_are_named_in_one_line(tmp_path: Path) -> None:
    refused("no folder '.*nowhere'", tmp_path / "nowhere")
    refused(r"no images in .*; allowed are .png", tmp_path)
    numbered(tmp_path)
    refused(r"no table of captions in .*; allowed are metadata.csv", tmp_path)
    table = pairs_table(tmp_path)
    table.write_text(table.read_text().replace(";", "|"))
    refused(r"texts.csv' is no table of captions: no separator", tmp_path)
    table.write_text("file_name,text\nother.png,Red.\n")
    refused(
        r"none of the 8 images of .* \('001.png' …\) has a description in .*\(1 rows, the first 'other.png'", tmp_path
    )
    pairs_table(tmp_path)
    (tmp_path / "more.csv").write_text(table.read_text())
    refused(r"has 2 tables of captions \(more.csv, texts.csv\); choose one with --captions", tmp_path)
    refused("mode 'L' is unknown", tmp_path, mode="L")
    refused("image_size 0 is not positive", tmp_path, image_size=0)
    refused("background 'reddish' is not an opaque colour", tmp_path, background="reddish")
    refused(r"splits \(0.8, 0.3, 0.1\) are not shares", tmp_path, splits=(0.8, 0.3, 0.1))
    refused(r"splits \(0.5, 0.5\) are not shares", tmp_path, splits=(0.5, 0.5))


@pytest.mark.skipif(not POKEMON.is_dir(), reason=f"no {POKEMON}; set SPRITE_DIFFUSERS_TEST_DATA")
def test_the_real_sprites() -> None:
    dataset = load_captioned(POKEMON)
    report = dataset.report
    assert (report.num_images, report.image_size) == (898, 215)
    assert report.split_sizes == {"train": 718, "validation": 135, "test": 45}
    assert (report.num_missing_images, report.num_missing_descriptions, report.num_attribute_texts) == (0, 0, 0)
    assert report.resized == (
        "Naganadel 475x475",
        "Glastrier 500x500",
        "Spectrier 500x500",
        "Calyrex 500x500",
    )
    families, types = columns(dataset, "family"), columns(dataset, "types")
    assert report.num_families == 467
    of_split = [set(part["family"]) for part in dataset.values()]
    assert sum(map(len, of_split)) == report.num_families
    assert len(families) == 898  # every name once: those cut short in the table of texts are completed
    line = ("Eevee", "Vaporeon", "Jolteon", "Flareon", "Espeon", "Umbreon", "Leafeon", "Glaceon", "Sylveon")
    assert {name for name, family in families.items() if family == "Eevee"} == set(line)
    assert families["Mr. Mime"] == families["Mime Jr."]
    assert families["Nidoran♀"] != families["Nidoran♂"]
    assert families["Vaporeon"] != families["Starmie"]  # both evolve by a water stone
    assert types["Bulbasaur"] == ["grass", "poison"]
