"""What is written is what the engines publish, and is read back as it was."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from PIL import Image

from sprite_diffusers.errors import SpriteError
from sprite_diffusers.sheets import FORMATS, SpriteSheet, Tag, read_sheet, write_sheet

from . import schemas
from .conftest import sprites


@pytest.fixture
def written(hero, tmp_path):
    write_sheet(hero, tmp_path / "hero.png", FORMATS, columns=3, padding=1)
    return tmp_path


def regions(sections) -> list[list[int]]:
    found = [properties["region"] for kind, _, properties in sections if "region" in properties]
    return [[int(number) for number in re.findall(r"\d+", region.removeprefix("Rect2"))] for region in found]


def test_the_picture(hero, written):
    with Image.open(written / "hero.png") as image:
        assert (image.mode, image.size) == ("RGBA", (3 * 9 + 1, 3 * 7 + 1))
        picture = np.asarray(image)
    for index, frame in enumerate(hero.frames):
        row, column = divmod(index, 3)
        x, y = 1 + column * 9, 1 + row * 7
        np.testing.assert_array_equal(picture[y : y + 6, x : x + 8], frame)
    assert picture[:, ::9].max() == 0
    assert picture[::7].max() == 0


@pytest.mark.parametrize("ending", ["json", "array.json"])
def test_aseprite_schema(written, ending):
    content = json.loads((written / f"hero.{ending}").read_text())
    assert set(content) == {"frames", "meta"}
    assert schemas.fits(content["meta"], schemas.ASEPRITE_META)
    frames = content["frames"]
    if ending == "json":
        assert list(frames) == [f"hero {index}" for index in range(7)]
        assert all(schemas.fits(entry, schemas.FRAME) for entry in frames.values())
        entries = list(frames.values())
    else:
        assert schemas.fits(frames, [{"filename": str} | schemas.FRAME])
        assert [entry["filename"] for entry in frames] == [f"hero {index}" for index in range(7)]
        entries = frames
    assert entries[4]["frame"] == {"x": 10, "y": 8, "w": 8, "h": 6}
    assert [entry["duration"] for entry in entries] == [100, 120, 100, 30, 50, 50, 50]
    meta = content["meta"]
    assert (meta["image"], meta["size"], meta["format"]) == ("hero.png", {"w": 28, "h": 22}, "RGBA8888")
    assert [(tag["name"], tag["from"], tag["to"], tag["direction"]) for tag in meta["frameTags"]] == [
        ("walk", 0, 3, "pingpong"),
        ('a "jump"', 4, 6, "reverse"),
    ]
    assert meta["slices"][0]["keys"][0]["pivot"] == {"x": 4, "y": 6}


def test_texture_packer_schema(written):
    content = json.loads((written / "hero.unity.json").read_text())
    assert schemas.fits(content, schemas.TEXTURE_PACKER)
    assert content["frames"][0]["pivot"] == {"x": 0.5, "y": 1.0}
    assert content["animations"]["walk"] == [f"hero {index}" for index in (0, 1, 2, 3, 2, 1)]
    assert content["animations"]['a "jump"'] == ["hero 6", "hero 5", "hero 4"]


def test_godot_sprite_frames(hero, written):
    sections = schemas.godot_sections((written / "hero.tres").read_text())
    kinds = [kind for kind, _, _ in sections]
    assert kinds == ["gd_resource", "ext_resource", *["sub_resource"] * 7, "resource"]
    assert sections[0][1] == {"type": "SpriteFrames", "load_steps": "9", "format": "3"}
    assert sections[1][1] == {"type": "Texture2D", "path": "hero.png", "id": "1_sheet"}
    assert [attributes["type"] for kind, attributes, _ in sections if kind == "sub_resource"] == ["AtlasTexture"] * 7
    assert regions(sections)[4] == [10, 8, 8, 6]
    assert all(p["atlas"] == 'ExtResource("1_sheet")' for k, _, p in sections if k == "sub_resource")
    properties = sections[-1][2]
    assert properties["metadata/pivot"] == "Vector2(4, 6)"
    # with Godot's own constructors out of the way, what remains of an Array of Dictionaries is JSON
    bare = re.sub(r'SubResource\("AtlasTexture_(\d+)"\)', r"\1", properties["animations"]).replace("&", "")
    animations = {animation["name"]: animation for animation in json.loads(bare)}
    assert list(animations) == sorted(animations) == ['a "jump"', "default", "walk"]
    assert [frame["texture"] for frame in animations["walk"]["frames"]] == [0, 1, 2, 3, 2, 1]
    assert [frame["texture"] for frame in animations["default"]["frames"]] == list(range(7))
    for animation in animations.values():
        assert set(animation) == {"frames", "loop", "name", "speed"}
        for frame in animation["frames"]:
            assert 1000 * frame["duration"] / animation["speed"] == pytest.approx(hero.durations[frame["texture"]])


def test_godot_atlas_textures(hero, written):
    files = sorted(written.glob("hero.hero*.tres"))
    assert [file.name for file in files] == [f"hero.hero {index}.tres" for index in range(7)]
    sections = schemas.godot_sections(files[4].read_text())
    assert [kind for kind, _, _ in sections] == ["gd_resource", "ext_resource", "resource"]
    assert sections[0][1] == {"type": "AtlasTexture", "load_steps": "2", "format": "3"}
    assert regions(sections) == [[10, 8, 8, 6]]
    np.testing.assert_array_equal(read_sheet(files[4]).frames[0], hero.frames[4])


@pytest.mark.parametrize("name", ["hero.json", "hero.array.json", "hero.unity.json", "hero.tres", "hero.png"])
def test_round_trip_of_everything(hero, written, name):
    back = read_sheet(written / name)
    np.testing.assert_array_equal(back.frames, hero.frames)
    assert (back.names, back.durations, back.tags) == (hero.names, hero.durations, hero.tags)
    assert back.pivot == hero.pivot


@pytest.mark.parametrize("ending", ["gif", "webp"])
def test_round_trip_of_animations(hero, written, ending):
    with Image.open(written / f"hero.{ending}") as image:
        assert image.n_frames == 7
        assert image.info["loop"] == 0
    back = read_sheet(written / f"hero.{ending}")
    np.testing.assert_array_equal(back.frames, hero.frames)
    assert back.durations == hero.durations


def test_webp_keeps_soft_alpha_and_any_number_of_colours(tmp_path):
    frames = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 4), np.uint8)
    sheet = SpriteSheet(frames)
    written = write_sheet(sheet, tmp_path / "noise.png", ["webp", "gif"])
    np.testing.assert_array_equal(read_sheet(tmp_path / "noise.webp").frames, sheet.frames)
    (note,) = written.notes
    assert note.startswith("noise.gif: soft alpha became binary, ")
    assert "colours became 255" in note
    reduced = read_sheet(tmp_path / "noise.gif").frames
    np.testing.assert_array_equal(reduced[..., 3] == 255, frames[..., 3] >= 128)
    assert len(np.unique(reduced[reduced[..., 3] > 0], axis=0)) <= 255


def test_a_gif_keeps_255_colours(tmp_path):
    frames = np.zeros((2, 16, 16, 4), np.uint8)
    frames[..., 3] = 255
    frames[..., 0] = np.minimum(np.arange(256), 254).reshape(16, 16)
    frames[1] = frames[0, ::-1]
    frames[1, 0, 0] = 0
    written = write_sheet(SpriteSheet(frames), tmp_path / "ramp.png", ["gif"])
    assert written.notes == []
    np.testing.assert_array_equal(read_sheet(tmp_path / "ramp.gif").frames, frames)


def test_a_gif_has_no_times_between_its_own(tmp_path):
    sheet = SpriteSheet(sprites(3), durations=(1, 33, 38))
    write_sheet(sheet, tmp_path / "fast.png", ["gif"])
    assert read_sheet(tmp_path / "fast.gif").durations == (20, 30, 40)


def test_power_of_two(hero, tmp_path):
    written = write_sheet(hero, tmp_path / "hero.png", columns=3, padding=1, power_of_two=True)
    assert written.size == (32, 32)
    np.testing.assert_array_equal(read_sheet(tmp_path / "hero.json").frames, hero.frames)


def test_a_row_per_animation_or_a_square(tmp_path):
    rows = SpriteSheet(sprites(6), tags=(Tag("a", 0, 1), Tag("b", 2, 3), Tag("c", 4, 5)))
    assert write_sheet(rows, tmp_path / "a.png").size == (16, 18)
    assert write_sheet(SpriteSheet(sprites(6)), tmp_path / "b.png").size == (24, 12)


def test_rgb_frames_are_opaque_and_hidden_colour_goes():
    assert SpriteSheet(np.full((2, 4, 4, 3), 7, np.uint8)).frames[0, 0, 0].tolist() == [7, 7, 7, 255]
    assert SpriteSheet(np.full((1, 4, 4, 4), [9, 9, 9, 0], np.uint8)).frames.max() == 0


@pytest.mark.parametrize(
    ("pivot", "size", "point", "corners"),
    [
        ("center", (7, 6), (3, 3), [(0, 0), (2, 2)]),
        ("bottom", (7, 6), (3, 6), [(0, 0), (2, 4)]),
        ("top-left", (7, 6), (0, 0), [(0, 0), (0, 0)]),
        ((1, 2), (7, 6), (1, 2), [(0, 0), (0, 0)]),
    ],
)
def test_frames_of_different_sizes_share_their_pivot(pivot, size, point, corners):
    images = [np.full((6, 7, 4), 255, np.uint8), np.full((2, 3, 4), 200, np.uint8)]
    sheet = SpriteSheet.from_images(images, pivot)
    assert sheet.frame_size == size
    assert sheet.pivot == point
    for frame, image, (x, y) in zip(sheet.frames, images, corners, strict=True):
        expected = np.zeros_like(frame)
        expected[y : y + image.shape[0], x : x + image.shape[1]] = image
        np.testing.assert_array_equal(frame, expected)


def test_a_larger_canvas(hero):
    sheet = SpriteSheet.from_images(list(hero.frames), "bottom", (16, 16))
    assert (sheet.frame_size, sheet.pivot) == ((16, 16), (8, 16))
    np.testing.assert_array_equal(sheet.frames[:, 10:, 4:12], hero.frames)
    with pytest.raises(SpriteError, match=r"7x6 are too small for images that need 8x6"):
        SpriteSheet.from_images(list(hero.frames), "bottom", (7, 6))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"frames": np.zeros((0, 4, 4, 4), np.uint8)}, r"shape \(0, 4, 4, 4\)"),
        ({"frames": np.zeros((1, 0, 4, 4), np.uint8)}, r"shape \(1, 0, 4, 4\)"),
        ({"names": ("a", "a")}, "two frames are named 'a'"),
        ({"names": ("a", "")}, "one of the frames has no name"),
        ({"names": ("a",)}, "1 names were given for 2 frames"),
        ({"durations": (0, 1)}, "'frame 0' lasts 0 ms"),
        ({"tags": (Tag("a", 0, 2),)}, "'a' goes from frame 0 to 2; allowed is 0 to 1"),
        ({"tags": (Tag("a", 1, 0),)}, "the first not after the last"),
        ({"tags": (Tag("a", 0, 0), Tag("a", 1, 1))}, "two animations are named 'a'"),
        ({"tags": (Tag("a", 0, 0, "sideways"),)}, "is played 'sideways'"),
        ({"pivot": (9, 0)}, r"the pivot \(9, 0\) is outside"),
    ],
)
def test_sheets_that_cannot_be(fields, message):
    with pytest.raises(SpriteError, match=message) as error:
        SpriteSheet(**{"frames": sprites(2, 4, 4)} | fields)
    assert "\n" not in str(error.value)


def test_memory_is_not_filled_by_a_claim(hero):
    with pytest.raises(SpriteError, match="7 frames of 80000x60000 have more than 268,435,456 pixels"):
        hero.enlarged(10_000)
    with pytest.raises(SpriteError, match="make several sheets"):
        SpriteSheet.from_images(list(hero.frames), frame_size=(99_999, 99_999))


def test_mistakes_write_nothing(hero, tmp_path):
    for out, options, message in [
        ("hero.jpg", {}, r"a sheet is a \.png file"),
        ("hero.png", {"formats": ["spine"]}, "format 'spine' is unknown"),
        ("hero.png", {"columns": 0}, "0 columns"),
        ("hero.png", {"padding": -1}, "padding of -1"),
        ("hero.png", {"padding": 9000}, "allowed is 16384 a side"),
    ]:
        with pytest.raises(SpriteError, match=message):
            write_sheet(hero, tmp_path / "new" / out, **options)
    assert list(tmp_path.iterdir()) == []


def test_a_set_is_replaced_whole_or_not_at_all(hero, tmp_path, monkeypatch):
    write_sheet(hero, tmp_path / "hero.png", FORMATS)
    (tmp_path / "hero.webp").unlink()
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    other = SpriteSheet(sprites(7, seed=1), hero.names)

    (tmp_path / "hero.webp").mkdir()
    with pytest.raises(SpriteError, match=r"cannot write .*hero\.webp"):
        write_sheet(other, tmp_path / "hero.png", FORMATS)
    (tmp_path / "hero.webp").rmdir()
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before

    import os

    moves = []
    real = os.replace

    def fail(source, target):
        moves.append(target)
        if len(moves) == 4:
            raise OSError(28, "No space left on device", str(target))
        real(source, target)

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(SpriteError, match="No space left on device"):
        write_sheet(other, tmp_path / "hero.png", FORMATS)
    monkeypatch.undo()
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
    write_sheet(other, tmp_path / "hero.png", FORMATS)
    np.testing.assert_array_equal(read_sheet(tmp_path / "hero.json").frames, other.frames)
    assert not list(tmp_path.glob(".sheet*"))


def test_texts_and_labels(hero):
    names = ("a_red_fox 03.png", "walk 0.aseprite", "hero #jump 2.aseprite", "side-facing 7", "frame 5", "12", "x (2)")
    sheet = SpriteSheet(hero.frames, names, tags=(Tag("b", 2, 3), Tag("a", 3, 5)))
    assert sheet.texts() == ["a red fox", "walk", "hero #jump", "side-facing", "", "", "x"]
    labels, classes = sheet.labels()
    assert [classes[label] for label in labels] == ["untagged", "untagged", "b", "b", "a", "a", "untagged"]
    assert classes == ("b", "a", "untagged")
    assert SpriteSheet(hero.frames).labels() is None
