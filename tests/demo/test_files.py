"""What the page offers for download."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from sprite_diffusers.demo import files
from sprite_diffusers.demo.files import Workspace
from sprite_diffusers.demo.sprites import Sprites
from sprite_diffusers.errors import SpriteError
from sprite_diffusers.sheets import read_sheet


@pytest.fixture
def sprites() -> Sprites:
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 4), np.uint8)
    images[..., 3] = 255
    return Sprites(tuple(images), (4, 5, 6), ("food", "a ../../blue cat", "food"))


def test_each_sprite_is_a_file_with_its_seed(workspace, sprites):
    written = workspace.save_sprites(sprites, 4)
    assert [file.name for file in written] == ["food-seed-4.png", "a ______blue cat-seed-5.png", "food-seed-6.png"]
    with Image.open(written[0]) as image:
        np.testing.assert_array_equal(np.asarray(image)[::4, ::4], sprites.images[0])
        assert image.size == (32, 32)


def test_a_sheet_has_an_animation_per_class(workspace, sprites):
    archive, sheet, said = workspace.save_sheet(
        sprites, ["aseprite-hash", "godot-frames"], columns=2, padding=1, scale=2
    )
    assert sorted(zipfile.ZipFile(archive).namelist()) == ["sheet.json", "sheet.png", "sheet.tres"]
    assert said.startswith("3 frames of 16x16 in a sheet of")
    tags = json.loads(zipfile.ZipFile(archive).read("sheet.json"))["meta"]["frameTags"]
    assert [(tag["name"], tag["from"], tag["to"]) for tag in tags] == [("a ../../blue cat", 0, 0), ("food", 1, 2)]
    frames = read_sheet(sheet.with_suffix(".json")).frames[:, ::2, ::2]
    np.testing.assert_array_equal(frames, np.stack([sprites.images[index] for index in (1, 0, 2)]))


@pytest.mark.parametrize("kind", ["GIF", "WebP"])
def test_animations(workspace, sprites, kind):
    path = workspace.save_animation(sprites.images, "../food", kind, 3)
    assert path.parent.parent == workspace.folder
    with Image.open(path) as image:
        assert (image.n_frames, image.size) == (3, (24, 24))


def test_bad_values(workspace, sprites):
    with pytest.raises(SpriteError, match="the scale 0 is not possible"):
        workspace.save_sprites(sprites, 0)
    with pytest.raises(SpriteError, match="the scale 33"):
        workspace.save_animation(sprites.images, "a", "GIF", 33)
    with pytest.raises(SpriteError, match="no animation 'exe'"):
        workspace.save_animation(sprites.images, "a", "exe", 1)
    with pytest.raises(SpriteError, match="no sprites yet"):
        workspace.save_sheet(Sprites((), (), ()), [], columns=None, padding=0, scale=1)
    with pytest.raises(SpriteError, match="format 'exe' is unknown"):
        workspace.save_sheet(sprites, ["exe"], columns=None, padding=0, scale=1)


def test_old_files_are_deleted_and_all_at_the_end(monkeypatch, sprites):
    monkeypatch.setattr(files, "KEPT_FOLDERS", 2)
    workspace = Workspace()
    written = [workspace.save_sprites(sprites, 1)[0] for _ in range(4)]
    assert [file.exists() for file in written] == [False, False, True, True]
    workspace.close()
    assert not workspace.folder.exists()
