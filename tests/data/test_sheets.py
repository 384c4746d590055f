"""Sheets and animations as data sets, and data sets as sheets."""

from __future__ import annotations

import json
from pathlib import Path

import datasets
import numpy as np
import pytest
from PIL import Image

from sprite_diffusers import load_sprites
from sprite_diffusers.data.audit import audit
from sprite_diffusers.data.frames import load_frames
from sprite_diffusers.errors import SpriteError
from sprite_diffusers.sheets import SpriteSheet, Tag, read_sheet, write_sheet


def sprites(count: int, size: int = 8) -> np.ndarray:
    pixels = np.random.default_rng(0).integers(0, 256, (count, size, size, 4), np.uint8)
    pixels[..., 3] = np.where(pixels[..., 3] > 100, 255, 0)
    return pixels * (pixels[..., 3:] > 0)


@pytest.fixture
def hero() -> SpriteSheet:
    names = tuple(f"a {kind} {index}" for index, kind in enumerate(["red fox"] * 6 + ["blue bird"] * 6))
    return SpriteSheet(sprites(12), names, tuple(range(50, 62)), (Tag("fox", 0, 5), Tag("bird", 6, 11)))


def everything(data: datasets.DatasetDict) -> dict[int, np.ndarray]:
    return {row["frame"]: np.asarray(row["image"]) for split in data.values() for row in split}


@pytest.mark.parametrize("source", ["hero.json", "hero.array.json", "hero.unity.json", "hero.tres", "hero.png"])
def test_animations_are_classes_and_names_are_captions(hero, tmp_path, source):
    write_sheet(hero, tmp_path / "hero.png", ["aseprite-hash", "aseprite-array", "unity", "godot-frames"], padding=2)
    data = load_sprites(tmp_path / source)
    assert data.report.split_sizes == {"train": 10, "validation": 2}
    assert data.report.class_names == ("fox", "bird")
    assert data.report.mode == "RGBA"
    images = everything(data)
    for index in range(12):
        np.testing.assert_array_equal(images[index], hero.frames[index])
    for row in data["train"]:
        assert row["label"] == (row["frame"] > 5)
        assert row["text"] == ("a blue bird" if row["label"] else "a red fox")
        assert row["duration"] == 50 + row["frame"]


def test_an_image_with_its_json_or_the_size_of_its_frames(hero, tmp_path):
    write_sheet(hero, tmp_path / "hero.png", ["aseprite-hash"])
    moved = (tmp_path / "hero.json").rename(tmp_path / "other.json")
    assert load_sprites(tmp_path / "hero.png", sheet_json=moved).report.class_names == ("fox", "bird")
    plain = load_sprites(tmp_path / "hero.png", frame_size=8)
    assert plain.report.class_names is None
    assert plain.report.num_read == 12
    with pytest.raises(SpriteError, match="does not say where its frames are"):
        load_sprites(tmp_path / "hero.png")
    with pytest.raises(SpriteError, match="48x16 pixels, which frames of 9x9 do not divide"):
        load_sprites(tmp_path / "hero.png", frame_size=9)
    with pytest.raises(SpriteError, match="belongs to the image of a sheet, not to 'synthetic'"):
        load_sprites("synthetic", frame_size=9)
    with pytest.raises(SpriteError, match="did you mean"):
        load_sprites(tmp_path / "hro.png")


@pytest.mark.parametrize("ending", ["gif", "webp"])
def test_animations(hero, tmp_path, ending):
    few = SpriteSheet(hero.frames // 100 * 100 | hero.frames[..., 3:] // 255 * 255 * np.array([0, 0, 0, 1], np.uint8))
    write_sheet(few, tmp_path / "walk.png", [ending])
    data = load_sprites(tmp_path / f"walk.{ending}")
    assert data.report.class_names is None
    images = everything(data)
    for index in range(12):
        np.testing.assert_array_equal(images[index], few.frames[index])
    assert set(data["train"]["text"]) == {"walk"}


def test_repeated_frames_are_removed_as_ever(hero, tmp_path):
    write_sheet(SpriteSheet(np.concatenate([hero.frames, hero.frames[:3]])), tmp_path / "hero.png")
    report = load_sprites(tmp_path / "hero.json").report
    assert (report.num_read, report.num_duplicates) == (15, 3)


def test_sheet_to_data_set_to_sheet_is_the_same_picture(hero, tmp_path):
    first = write_sheet(hero, tmp_path / "first.png", ["aseprite-hash"], columns=5, padding=1)
    data = load_sprites(tmp_path / "first.json")
    for name, split in data.items():
        split.to_parquet(str(tmp_path / "set" / f"{name}.parquet"))
    back = load_frames(tmp_path / "set")
    second = write_sheet(back, tmp_path / "second.png", ["aseprite-hash"], columns=5, padding=1)
    with Image.open(first.files[0]) as a, Image.open(second.files[0]) as b:
        assert a.size == b.size
        assert a.tobytes() == b.tobytes()
    one, two = (json.loads(file.read_text()) for file in (first.files[1], second.files[1]))
    assert one["frames"] == two["frames"]
    assert one["meta"]["frameTags"] == two["meta"]["frameTags"]


def test_a_folder_of_classes_with_files_of_any_size(tmp_path):
    sizes = {"walk": [(8, 8), (6, 4)], "idle": [(5, 8)]}
    for kind, shapes in sizes.items():
        (tmp_path / "set" / kind).mkdir(parents=True)
        for index, (width, height) in enumerate(shapes):
            image = Image.new("RGBA", (width, height), (10 * index + 5, 0, 0, 255))
            image.save(tmp_path / "set" / kind / f"{kind} {9 + index}.png")
    sheet = load_frames(tmp_path / "set", pivot="bottom")
    assert sheet.names == ("idle 9", "walk 9", "walk 10")
    assert sheet.tags == (Tag("idle", 0, 0), Tag("walk", 1, 2))
    assert (sheet.frame_size, sheet.pivot) == ((8, 8), (4, 8))
    assert np.argwhere(sheet.frames[2, ..., 3]).min(axis=0).tolist() == [4, 1]
    assert load_frames(tmp_path / "set", num=2).tags == (Tag("idle", 0, 0), Tag("walk", 1, 1))


def test_sheets_as_frames(hero, tmp_path):
    write_sheet(SpriteSheet(hero.frames, hero.names, hero.durations, hero.tags, (4, 8)), tmp_path / "hero.png")
    few = load_frames(tmp_path / "hero.json", num=8)
    assert (len(few), few.tags, few.pivot) == (8, (Tag("fox", 0, 5), Tag("bird", 6, 7)), (4, 8))
    large = load_frames(tmp_path / "hero.json", frame_size=(12, 8))
    assert (large.frame_size, large.names) == ((12, 8), hero.names)
    np.testing.assert_array_equal(large.frames[..., :8, :], hero.frames)
    assert load_frames(tmp_path / "hero.json", pivot="center").pivot == (4, 4)
    assert len(load_frames(tmp_path / "hero.png", frame_size=(4, 4))) == 48


def test_synthetic_sprites(tmp_path):
    sheet = load_frames("synthetic", num=10, seed=1)
    assert [tag.name for tag in sheet.tags] == ["human", "non-human", "food", "spell", "side-facing"]
    write_sheet(sheet, tmp_path / "s.png", ["godot-frames"])
    np.testing.assert_array_equal(read_sheet(tmp_path / "s.tres").frames, sheet.frames)


def test_the_audit_reads_sheets(hero, tmp_path):
    write_sheet(hero, tmp_path / "hero.png")
    report = audit(str(tmp_path / "hero.json"), tmp_path / "audit")
    assert "12 train images, 2 classes" in report.summary()
    assert Path(tmp_path / "audit" / "audit.html").is_file()
