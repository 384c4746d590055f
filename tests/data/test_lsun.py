"""Photographs in the layout of LSUN: walked as needed, broken files counted, other layouts named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sprite_diffusers.data import SpriteArrays, load_sprites
from sprite_diffusers.data.lsun import read_lsun, walk_lsun
from sprite_diffusers.errors import SpriteError


def save_photo(root: Path, number: int, category: str = "bedroom", size: tuple[int, int] = (40, 24)) -> Path:
    """A photo of one colour with a band at its left, which the crop to a square cuts off."""
    name = f"{number:03x}" + "0" * 37
    path = root / "data0" / "lsun" / category / name[0] / name[1] / name[2] / f"{name}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((size[1], size[0], 3), 10 + number % 200, np.uint8)
    pixels[:, : size[0] // 8] = 255
    Image.fromarray(pixels).save(path, quality=100)
    return path


def test_scaled_and_cropped_without_labels(tmp_path):
    for number in range(30):
        save_photo(tmp_path, 6 * number)
    data = load_sprites(tmp_path, image_size=8, validation_split=0.2)
    pixels = SpriteArrays.from_dataset(data["train"]).pixels
    assert pixels.shape == (24, 8, 8, 3)
    assert int(np.ptp(pixels, axis=(1, 2, 3)).max()) <= 10  # no band, but for what its edge leaves
    assert data.report.class_names is None
    assert load_sprites(tmp_path).report.image_size == 64


def test_broken_files_are_skipped_and_counted(tmp_path, caplog):
    paths = [save_photo(tmp_path, number) for number in range(10)]
    paths[3].write_bytes(b"no picture")
    paths[5].write_bytes(paths[5].read_bytes()[:100])
    report = load_sprites(tmp_path, image_size=8).report
    assert (report.num_read, report.num_bad) == (8, 2)
    assert "2 files" in caplog.text


def test_no_more_folders_are_opened_than_needed(tmp_path, monkeypatch):
    for number in range(0, 4096, 256):
        save_photo(tmp_path, number, size=(8, 8))
    opened = []
    walk = walk_lsun(tmp_path / "data0" / "lsun" / "bedroom")
    first = [next(walk) for _ in range(3)]
    assert [path.name[0] for path in first] == ["0", "1", "2"]
    monkeypatch.setattr("sprite_diffusers.data.lsun._square", lambda path, size: opened.append(path) or np.zeros((size, size, 4), np.uint8))  # fmt: skip
    assert len(read_lsun(tmp_path, 8, num_samples=3)) == 3
    assert opened == first


def test_several_categories_are_classes(tmp_path):
    for number in range(12):
        save_photo(tmp_path, number, "bedroom")
        save_photo(tmp_path, 100 + number, "church")
    report = load_sprites(tmp_path, image_size=8).report
    assert report.class_names == ("bedroom", "church")


def test_grey_photos_become_rgb(tmp_path):
    for number in range(4):
        path = save_photo(tmp_path, 20 * number)
        Image.open(path).convert("L").save(path)
    assert load_sprites(tmp_path, image_size=8).report.mode == "RGB"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["data0/bedroom/a/b/c/x.jpg"], "has no folder 'lsun' (it has bedroom)"),
        (["data0/lsun/readme.txt"], "has no category, such as 'bedroom'"),
        (["data0/lsun/bedroom/a/b/c/readme.txt"], "no images in"),
        (["data0/lsun/bedroom/x.jpg"], "is not three folders below 'bedroom'"),
        (["data0/lsun/bedroom/a/b/c/x.jpg"], "none of the 1 images"),
    ],
)
def test_other_layouts_are_named(tmp_path, files, message):
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"nothing")
    with pytest.raises(SpriteError) as error:
        load_sprites(tmp_path, image_size=8)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
