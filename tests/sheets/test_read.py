"""Sheets that others wrote: what their formats allow, and what is wrong with them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from sprite_diffusers.errors import SpriteError
from sprite_diffusers.sheets import SpriteSheet, Tag, read_sheet, write_sheet

from .conftest import sprites

GODOT = """[gd_resource type="SpriteFrames" load_steps=5 format=3 uid="uid://cecaux1sm7mo0"]

; saved by hand
[ext_resource type="Texture2D" uid="uid://b2x" path="res://art/sheet.png" id="1_abc"]
[ext_resource type="Texture2D" path="single.png" id="2_def"]

[sub_resource type="AtlasTexture" id="AtlasTexture_1"]
atlas = ExtResource("1_abc")
region = Rect2(8, 0, 4, 4)
margin = Rect2(2, 1, 4, 2)

[resource]
animations = [{
"frames": [{
"duration": 1.0,
"texture": SubResource("AtlasTexture_1")
}, {
"duration": 2.0,
"texture": ExtResource("2_def")
}],
"loop": true,
"name": &"idle",
"speed": 5.0
}, {
"frames": [],
"loop": false,
"name": &"default",
"speed": 5.0
}]
"""


@pytest.fixture
def sheet(tmp_path):
    """A folder with a sheet of 16x8 pixels, two frames of 8x8, and the JSON of Aseprite."""
    write_sheet(SpriteSheet(sprites(2, 8, 8), ("a", "b")), tmp_path / "sheet.png")
    return tmp_path


def change(folder, **changes):
    """Rewrites sheet.json with other fields in its first frame ("frame_..."), its meta ("meta_...") or itself."""
    content = json.loads((folder / "sheet.json").read_text())
    for name, value in changes.items():
        place, _, field = name.partition("_")
        target = {"frame": content["frames"]["a"], "meta": content["meta"]}[place] if field else content
        target[field or place] = value
    (folder / "sheet.json").write_text(json.dumps(content))
    return folder / "sheet.json"


def refused(source, **options) -> str:
    with pytest.raises(SpriteError) as error:
        read_sheet(source, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_trimmed_and_rotated_frames(sheet):
    pixels = sprites(1, 3, 5, seed=4)[0]
    picture = np.zeros((8, 16, 4), np.uint8)
    picture[1:4, 2:7] = np.rot90(pixels, -1)  # TexturePacker turns clockwise
    Image.fromarray(picture).save(sheet / "sheet.png")
    place = {"frame": {"x": 2, "y": 1, "w": 3, "h": 5}, "rotated": True, "trimmed": True}
    size = {"spriteSourceSize": {"x": 2, "y": 1, "w": 3, "h": 5}, "sourceSize": {"w": 8, "h": 8}}
    change(sheet, **{f"frame_{name}": value for name, value in (place | size).items()})
    frame = read_sheet(sheet / "sheet.json").frames[0]
    np.testing.assert_array_equal(frame[1:6, 2:5], pixels)
    assert frame[..., 3].sum() == pixels[..., 3].sum()


def test_an_older_export_without_tags_slices_and_durations(sheet):
    content = json.loads((sheet / "sheet.json").read_text())
    for entry in content["frames"].values():
        del entry["duration"], entry["sourceSize"], entry["spriteSourceSize"], entry["trimmed"], entry["rotated"]
    content["meta"] = {"image": "sheet.png"}
    (sheet / "sheet.json").write_text("\ufeff" + json.dumps(content))
    back = read_sheet(sheet / "sheet.json")
    assert (back.durations, back.tags, back.pivot) == ((100, 100), (), None)
    np.testing.assert_array_equal(back.frames, sprites(2, 8, 8))


def test_json_elsewhere_and_plain_grids(sheet, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    moved = (sheet / "sheet.json").rename(tmp_path / "elsewhere" / "other.json")
    np.testing.assert_array_equal(read_sheet(sheet / "sheet.png", sheet_json=moved).frames, sprites(2, 8, 8))
    grid = read_sheet(sheet / "sheet.png", frame_size=8)
    assert grid.names == ("sheet 0", "sheet 1")
    np.testing.assert_array_equal(grid.frames, sprites(2, 8, 8))
    assert read_sheet(sheet / "sheet.png", frame_size=(4, 2)).frames.shape == (16, 2, 4, 4)


def test_empty_cells_at_the_end_are_no_frames(tmp_path):
    picture = np.zeros((8, 12, 4), np.uint8)
    picture[:4, 8:] = 255
    Image.fromarray(picture).save(tmp_path / "grid.png")
    assert len(read_sheet(tmp_path / "grid.png", frame_size=4)) == 3


def test_animations_by_name_that_are_no_runs(sheet):
    path = change(sheet, animations={"there": ["a", "b"], "back and forth": ["a", "b", "a"]})
    back = read_sheet(path)
    assert back.names == ("a", "b", "a (2)", "b (2)", "a (3)")
    assert back.tags == (Tag("there", 0, 1), Tag("back and forth", 2, 4))
    np.testing.assert_array_equal(back.frames, back.frames[[0, 1, 0, 1, 0]])


def test_godot_with_margins_whole_pictures_and_a_project_path(tmp_path):
    atlas, single = sprites(1, 16, 4)[0], sprites(1, 8, 6, seed=2)[0]
    Image.fromarray(atlas).save(tmp_path / "sheet.png")
    Image.fromarray(single).save(tmp_path / "single.png")
    (tmp_path / "idle.tres").write_text(GODOT)
    back = read_sheet(tmp_path / "idle.tres")
    assert back.frame_size == (8, 6)
    np.testing.assert_array_equal(back.frames[0, 1:5, 2:6], atlas[:, 8:12])
    np.testing.assert_array_equal(back.frames[1], single)
    assert (back.durations, back.tags) == ((200, 400), (Tag("idle", 0, 1),))
    assert back.names == ("frame 0", "single.png")


@pytest.mark.parametrize(
    "name",
    [
        "../sheet.png",
        "/etc/passwd",
        "sub/sheet.png",
        "..\\sheet.png",
        "C:\\sheet.png",
        "C:sheet.png",
        "..",
        "",
        "./sheet.png",
    ],
)
def test_a_sheet_may_not_point_elsewhere(sheet, name):
    (sheet / "sub").mkdir()
    (sheet / "sub" / "sheet.png").write_bytes((sheet / "sheet.png").read_bytes())
    message = refused(change(sheet, meta_image=name))
    assert repr(name) in message
    assert "in the same folder" in message
    if name.startswith("res://") or not name:
        return
    (sheet / "s.tres").write_text(GODOT.replace("res://art/sheet.png", name.replace("\\", "\\\\")))
    assert "in the same folder" in refused(sheet / "s.tres")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frame_frame": {"x": 9, "y": 0, "w": 8, "h": 8}}, "at 9,0 with 8x8 pixels, outside the sheet of 16x8"),
        ({"frame_frame": {"x": -1, "y": 0, "w": 8, "h": 8}}, "outside the sheet"),
        ({"frame_frame": {"x": 0, "y": 0, "w": 0, "h": 8}, "frame_sourceSize": None}, "is 0x8 pixels"),
        ({"frame_frame": {"x": 0, "y": 0, "w": 8.5, "h": 8}}, "allowed are whole numbers x, y, w, h"),
        ({"frame_frame": {"x": 0, "y": 0, "w": 8}}, "'frame' is"),
        ({"frame_frame": "0,0,8,8"}, "'frame' is \"0,0,8,8\""),
        ({"frame_sourceSize": {"w": 4, "h": 4}}, "of a sprite of 4x4; allowed is inside it"),
        ({"frame_sourceSize": {"w": 99999, "h": 99999}}, "more than 268,435,456 pixels"),
        ({"frame_duration": "fast"}, "'duration' is"),
        ({"frame_duration": 0}, "'a' lasts 0 ms"),
        ({"meta_size": {"w": 32, "h": 8}}, "a sheet of 32x8 pixels, but the image has 16x8"),
        ({"meta_size": {"w": 0, "h": 0}}, "a sheet of 0x0 pixels"),
        ({"meta_image": "gone.png"}, "'gone.png' as its image, which is not beside it"),
        ({"meta_image": 5}, "the 'image' of 'meta' is 5"),
        ({"meta_frameTags": [{"name": "x", "from": 0, "to": 2}]}, "'x' goes from frame 0 to 2"),
        ({"meta_frameTags": [{"name": "x", "from": 0}]}, "the tag 'x'"),
        ({"meta_frameTags": {}}, "'frameTags' is"),
        ({"meta_slices": [{"keys": [{"pivot": {"x": 1, "y": 1}}]}]}, "'slices' is null"),
        ({"frames": {}}, "has no frames"),
        ({"frames": 5}, "is not the JSON of a sheet"),
        ({"frames": [5]}, "frame 0 of"),
        ({"frames": [{"frame": {"x": 0, "y": 0, "w": 8, "h": 8}}]}, "with a 'filename'"),
        ({"meta": []}, "is not the JSON of a sheet"),
        ({"animations": {"run": ["a", "c"]}}, "'run' of"),
        ({"animations": [1]}, "'animations' is malformed"),
    ],
)
def test_what_is_wrong_is_named(sheet, changes, message):
    assert message in refused(change(sheet, **changes))


def test_names_that_come_twice(sheet):
    content = json.loads((sheet / "sheet.json").read_text())
    entry = content["frames"]["a"]
    (sheet / "sheet.json").write_text(json.dumps(content).replace('"b": {', '"a": {'))
    assert "has the name 'a' twice" in refused(sheet / "sheet.json")
    content["frames"] = [entry | {"filename": "a"}, entry | {"filename": "a"}]
    (sheet / "sheet.json").write_text(json.dumps(content))
    assert "has two frames named 'a'" in refused(sheet / "sheet.json")


@pytest.mark.parametrize("text", ["", "{", '{"frames": ', "[1, 2]", "null", "\x00", "[" * 100_000])
def test_malformed_json(sheet, text):
    (sheet / "sheet.json").write_text(text)
    message = refused(sheet / "sheet.json")
    assert "is not valid JSON" in message or "is not the JSON of a sheet" in message


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[gd_resource", "gd_resource", "line 1 of"),
        ("SpriteFrames", "Theme", "is a resource of type 'Theme'"),
        ('"speed": 5.0\n}]', '"speed": 5.0\n}', "is no Godot text resource"),
        ("region = Rect2(8, 0, 4, 4)", "region = Rect2(8, 0, 4", "is no Godot text resource"),
        ("region = Rect2(8, 0, 4, 4)", "region = Rect2(8, 0, 4)", "no Rect2 of four whole numbers"),
        ("region = Rect2(8, 0, 4, 4)", "region = Rect2(8, 2, 4, 4)", "outside the sheet of 16x4"),
        ("Rect2(2, 1, 4, 2)", "Rect2(2, 1, 4000000, 4000000)", "more than 268,435,456 pixels"),
        ('ExtResource("2_def")', 'ExtResource("3")', "the texture '3', which it does not have"),
        ('ExtResource("2_def")', "null", "a frame without a texture"),
        ('&"default"', '&"idle"', "an animation named 'idle' twice"),
        ("animations = [{", "animation = [{", "no list of animations"),
        ("animations = [{", "animations = " + "[" * 1000 + "{", "is no Godot text resource"),
        ("; saved", "saved", "is no Godot text resource"),
    ],
)
def test_malformed_godot_resources(tmp_path, old, new, message):
    Image.fromarray(sprites(1, 16, 4)[0]).save(tmp_path / "sheet.png")
    Image.fromarray(sprites(1, 8, 6)[0]).save(tmp_path / "single.png")
    assert old in GODOT
    (tmp_path / "idle.tres").write_text(GODOT.replace(old, new, 1))
    assert message in refused(tmp_path / "idle.tres")


def test_grids_that_do_not_fit_and_other_mistakes(sheet):
    assert "16x8 pixels, which frames of 5x5 do not divide" in refused(sheet / "sheet.png", frame_size=5)
    assert "frames of 0x0" in refused(sheet / "sheet.png", frame_size=0)
    Image.new("RGBA", (8, 8)).save(sheet / "empty.png")
    assert "is empty" in refused(sheet / "empty.png", frame_size=4)
    assert "does not say where its frames are" in refused(sheet / "empty.png")
    both = {"frame_size": 8, "sheet_json": sheet / "sheet.json"}
    assert "leave --sheet_json or --frame_size out" in refused(sheet / "sheet.png", **both)
    assert "frame_size belongs to a sheet that is an image" in refused(sheet / "sheet.json", frame_size=8)
    assert "there is no sheet" in refused(sheet / "gone.png")
    assert "is no sheet" in refused(sheet / "sheet.psd")
    for name in ("broken.gif", "broken.webp"):
        (sheet / name).write_bytes(b"GIF89a")
        assert "cannot decode the animation" in refused(sheet / name)
    (sheet / "sheet.png").write_bytes(b"no image")
    assert "cannot decode the image" in refused(sheet / "sheet.json")
