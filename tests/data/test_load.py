import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from sprite_diffusers.data import SpriteArrays, load_sprites, sources
from sprite_diffusers.errors import SpriteError

DATA = Path(os.environ.get("SPRITE_DIFFUSERS_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
RLTILES = DATA / "rltiles"
needs_rltiles = pytest.mark.skipif(not RLTILES.is_dir(), reason=f"no {RLTILES}; set SPRITE_DIFFUSERS_TEST_DATA")


def noise(count: int, size: int = 8, channels: int = 4, seed: int = 0) -> np.ndarray:
    """Distinct opaque or (half of the pixels) transparent images."""
    pixels = np.random.default_rng(seed).integers(0, 256, (count, size, size, channels), np.uint8)
    if channels == 4:
        pixels[..., 3] = np.where(pixels[..., 3] > 127, 255, 0)
        pixels[..., :3] *= pixels[..., 3:] > 0
    return pixels


def write_images(folder: Path, pixels: np.ndarray, suffix: str = ".png") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for index, image in enumerate(pixels):
        options = {"lossless": True} if suffix == ".webp" else {}
        Image.fromarray(image).save(folder / f"{index:03d}{suffix}", **options)
    return folder


def two_classes(folder: Path, **kwargs: Any) -> Path:
    write_images(folder / "food", noise(10, seed=1), **kwargs)
    write_images(folder / "spell", noise(20, seed=2), **kwargs)
    return folder


def decoded(split: datasets.Dataset) -> np.ndarray:
    return SpriteArrays.from_dataset(split).pixels


def keys(split: datasets.Dataset) -> set[bytes]:
    return {image.tobytes() for image in decoded(split)}


def one_line(error: pytest.ExceptionInfo[SpriteError]) -> str:
    message = str(error.value)
    assert "\n" not in message
    return message


class TestFolders:
    def test_class_folders_become_labels_captions_and_a_stratified_split(self, tmp_path: Path) -> None:
        data = load_sprites(two_classes(tmp_path / "set"), validation_split=0.2)
        assert list(data) == ["train", "validation"]
        assert data["train"].column_names == ["image", "label", "text"]
        assert data["train"].features["label"].names == ["food", "spell"]
        assert data["train"].features["image"].mode == "RGBA"
        assert np.bincount(data["validation"]["label"]).tolist() == [2, 4]
        assert data["train"][0]["text"] == "a food"
        assert data["train"][0]["image"].size == (8, 8)
        everything = keys(data["train"]) | keys(data["validation"])
        assert everything == {image.tobytes() for image in np.concatenate([noise(10, seed=1), noise(20, seed=2)])}
        report = data.report
        assert (report.num_read, report.num_duplicates, report.num_leaks, report.num_bad) == (30, 0, 0, 0)
        assert report.split_sizes == {"train": 24, "validation": 6}
        assert report.class_counts == {"food": 8, "spell": 16}
        assert report.class_names == ("food", "spell")
        assert (report.image_size, report.mode, report.binary_alpha) == (8, "RGBA", True)

    def test_a_flat_folder_has_no_labels(self, tmp_path: Path) -> None:
        data = load_sprites(write_images(tmp_path / "set", noise(20, channels=3)))
        assert data["train"].column_names == ["image", "text"]
        assert data["train"]["text"][:] == [""] * 18
        assert data.report.mode == "RGB"
        assert data.report.class_names is None
        assert data.report.class_counts is None

    @pytest.mark.parametrize("suffix", [".png", ".gif", ".webp", ".bmp", ".jpg"])
    def test_image_formats(self, tmp_path: Path, suffix: str) -> None:
        pixels = np.arange(10, dtype=np.uint8).reshape(10, 1, 1, 1).repeat(8, 1).repeat(8, 2).repeat(3, 3) * 20
        data = load_sprites(write_images(tmp_path / "set", pixels, suffix))
        assert data.report.num_read == 10
        assert sorted(
            decoded(data["train"])[:, 0, 0, 0].tolist() + decoded(data["validation"])[:, 0, 0, 0].tolist()
        ) == [value * 20 for value in range(10)]

    def test_the_first_frame_of_an_animation_is_read(self, tmp_path: Path) -> None:
        folder = write_images(tmp_path / "set", noise(3, channels=3))
        frames = [Image.new("RGB", (8, 8), color) for color in ("#ff0000", "#00ff00")]
        frames[0].save(folder / "walk.gif", save_all=True, append_images=frames[1:])
        data = load_sprites(folder)
        red = np.full((8, 8, 3), (255, 0, 0), np.uint8).tobytes()
        assert red in keys(data["train"]) | keys(data["validation"])

    def test_16_bit_grey_is_scaled_not_clipped(self, tmp_path: Path) -> None:
        folder = write_images(tmp_path / "set", noise(3, channels=3))
        Image.fromarray(np.full((8, 8), 0x80FF, np.uint16)).save(folder / "deep.png")
        data = load_sprites(folder)
        assert np.full((8, 8, 3), 0x80, np.uint8).tobytes() in keys(data["train"]) | keys(data["validation"])

    def test_given_splits_are_kept_and_leaks_leave_train(self, tmp_path: Path) -> None:
        train, validation = noise(10, seed=1), noise(4, seed=2)
        write_images(tmp_path / "train" / "food", np.concatenate([train, validation[:2]]))
        write_images(tmp_path / "val" / "food", np.concatenate([validation, validation[:1]]))
        data = load_sprites(tmp_path)
        assert data.report.split_sizes == {"train": 10, "validation": 4}
        assert data.report.num_leaks == 2
        assert data.report.num_duplicates == 1
        assert keys(data["validation"]) == {image.tobytes() for image in validation}
        assert not keys(data["train"]) & keys(data["validation"])

    def test_classes_of_the_splits_are_united(self, tmp_path: Path) -> None:
        write_images(tmp_path / "train" / "a", noise(3, seed=1))
        write_images(tmp_path / "train" / "c", noise(3, seed=2))
        write_images(tmp_path / "validation" / "b", noise(3, seed=3))
        write_images(tmp_path / "validation" / "c", noise(3, seed=4))
        data = load_sprites(tmp_path)
        assert data.report.class_names == ("a", "c", "b")
        assert data["validation"]["label"][:] == [2, 2, 2, 1, 1, 1]

    def test_class_names_choose_the_order(self, tmp_path: Path) -> None:
        data = load_sprites(two_classes(tmp_path), class_names=["spell", "food"])
        assert data["train"].features["label"].names == ["spell", "food"]
        assert data["train"][0]["text"] == "a food"
        assert data["train"][0]["label"] == 1


class TestDuplicatesAndSplits:
    def test_duplicates_go_before_the_split_and_are_counted(self, tmp_path: Path) -> None:
        pixels = noise(20, channels=3)
        np.save(tmp_path / "x.npy", pixels[np.arange(1000) % 20])
        data = load_sprites(tmp_path / "x.npy", validation_split=0.25)
        assert data.report.num_read == 1000
        assert data.report.num_duplicates == 980
        assert data.report.split_sizes == {"train": 15, "validation": 5}
        assert not keys(data["train"]) & keys(data["validation"])

    def test_invisible_colour_does_not_make_images_differ(self, tmp_path: Path) -> None:
        pixels = noise(10)
        hidden = pixels.copy()
        hidden[..., :3] += (hidden[..., 3:] == 0).astype(np.uint8) * 77
        assert not np.array_equal(pixels, hidden)
        np.save(tmp_path / "x.npy", np.concatenate([pixels, hidden]))
        data = load_sprites(tmp_path / "x.npy")
        assert data.report.num_duplicates == 10
        stored = decoded(data["train"])
        assert (stored[stored[..., 3] == 0] == 0).all()

    def test_conflicting_labels_keep_the_first_and_are_counted(self, tmp_path: Path) -> None:
        pixels = noise(10, channels=3)
        np.save(tmp_path / "x.npy", np.concatenate([pixels, pixels[:3]]))
        np.save(tmp_path / "labels.npy", np.array([0, 1] * 5 + [1, 1, 1]))
        data = load_sprites(tmp_path / "x.npy")
        assert data.report.num_duplicates == 3
        assert data.report.num_label_conflicts == 2
        assert data.report.class_counts == {"0": 4, "1": 4}

    def test_images_that_become_equal_when_shrunk_are_one(self, tmp_path: Path) -> None:
        pixels = noise(12, size=4, channels=3)
        swapped = pixels.copy()
        swapped[:, :2, :2] = swapped[:, 1::-1, :2]  # another image, the same means
        np.save(tmp_path / "x.npy", np.concatenate([pixels, swapped]))
        assert load_sprites(tmp_path / "x.npy").report.num_merged == 0
        report = load_sprites(tmp_path / "x.npy", image_size=2).report
        assert (report.num_duplicates, report.num_merged) == (0, 12)
        assert sum(report.split_sizes.values()) == 12
        assert "12 images that became equal at 2x2 RGB" in report.summary()

    def test_kept_duplicates_stay_on_one_side(self, tmp_path: Path) -> None:
        np.save(tmp_path / "x.npy", noise(20, channels=3)[np.arange(200) % 20])
        data = load_sprites(tmp_path / "x.npy", deduplicate=False)
        assert data.report.num_duplicates == 0
        assert data.report.split_sizes == {"train": 180, "validation": 20}
        assert not keys(data["train"]) & keys(data["validation"])

    def test_the_split_is_seeded_and_every_class_is_validated(self, tmp_path: Path) -> None:
        np.save(tmp_path / "x.npy", noise(60, channels=3))
        np.save(tmp_path / "labels.npy", np.repeat([0, 1, 2], [50, 8, 2]))
        first, same, other = (load_sprites(tmp_path / "x.npy", seed=seed) for seed in (0, 0, 1))
        assert np.bincount(first["validation"]["label"]).tolist() == [5, 1, 1]
        assert keys(first["validation"]) == keys(same["validation"])
        assert keys(first["validation"]) != keys(other["validation"])
        assert first.report.fingerprint == same.report.fingerprint != other.report.fingerprint

    def test_the_fingerprint_ignores_order_but_not_labels(self, tmp_path: Path) -> None:
        pixels, labels = noise(20, channels=3), np.arange(20) % 2
        held_out = noise(4, channels=3, seed=9)

        def fingerprint(name: str, order: np.ndarray, labels: np.ndarray) -> str:
            for split, images, classes in (
                ("train", pixels[order], labels),
                ("validation", held_out, np.arange(4) % 2),
            ):
                for value in (0, 1):
                    write_images(tmp_path / name / split / str(value), images[classes == value])
            return load_sprites(tmp_path / name).report.fingerprint

        reverse = np.arange(20)[::-1]
        assert fingerprint("a", np.arange(20), labels) == fingerprint("b", reverse, labels[::-1])
        assert fingerprint("c", np.arange(20), 1 - labels) != fingerprint("d", np.arange(20), labels)

    def test_num_samples_keeps_every_class_splittable(self, tmp_path: Path) -> None:
        np.save(tmp_path / "x.npy", noise(500, channels=3))
        np.save(tmp_path / "labels.npy", np.repeat([0, 1, 2], [490, 8, 2]))
        data = load_sprites(tmp_path / "x.npy", num_samples=20)
        assert sum(data.report.split_sizes.values()) == 20
        assert np.bincount(data["validation"]["label"], minlength=3).min() == 1
        with pytest.raises(SpriteError, match=r"num_samples 5 is too few .* 3 classes; allowed is 6 or more"):
            load_sprites(tmp_path / "x.npy", num_samples=5)


class TestArrays:
    @pytest.mark.parametrize(
        "convert",
        [
            lambda x: x,
            lambda x: x.astype(np.int64),
            lambda x: x.astype(np.float32) / 255,
            lambda x: x.astype(np.float64) / 127.5 - 1,
        ],
        ids=["uint8", "int64", "unit", "signed"],
    )
    def test_number_types(self, tmp_path: Path, convert: Callable[[np.ndarray], np.ndarray]) -> None:
        pixels = noise(10, channels=3)
        np.save(tmp_path / "x.npy", convert(pixels))
        data = load_sprites(tmp_path / "x.npy")
        assert keys(data["train"]) | keys(data["validation"]) == {image.tobytes() for image in pixels}

    def test_grey_becomes_rgb(self, tmp_path: Path) -> None:
        grey = noise(10, channels=1)[..., 0]
        np.save(tmp_path / "x.npy", grey)
        data = load_sprites(tmp_path / "x.npy")
        assert data.report.mode == "RGB"
        assert keys(data["train"]) | keys(data["validation"]) == {
            np.stack([image] * 3, -1).tobytes() for image in grey
        }

    @pytest.mark.parametrize("name", ["sprites_labels.npy", "labels.npy", "elsewhere/y.npy"])
    @pytest.mark.parametrize("one_hot", [True, False])
    def test_labels_beside_or_given(self, tmp_path: Path, name: str, one_hot: bool) -> None:
        (tmp_path / "elsewhere").mkdir()
        labels = np.arange(20) % 5
        np.save(tmp_path / "sprites.npy", noise(20, channels=3))
        np.save(tmp_path / name, np.eye(5)[labels] if one_hot else labels)
        given = tmp_path / name if "elsewhere" in name else None
        names = ["human", "non-human", "food", "spell", "side-facing"]
        data = load_sprites(tmp_path / "sprites.npy", labels=given, class_names=names)
        assert data["train"].features["label"].names == names
        by_key = {image.tobytes(): label for image, label in zip(noise(20, channels=3), labels, strict=True)}
        found = zip(decoded(data["train"]), data["train"]["label"], strict=True)
        assert all(by_key[image.tobytes()] == label for image, label in found)

    def test_npz_with_captions(self, tmp_path: Path) -> None:
        captions = np.array([f"sprite {index}" for index in range(10)])
        np.savez(tmp_path / "x.npz", images=noise(10, channels=3), labels=np.arange(10) % 2, captions=captions)
        data = load_sprites(tmp_path / "x.npz")
        texts = data["train"]["text"][:] + data["validation"]["text"][:]
        assert sorted(texts) == sorted(captions)
        np.savez(tmp_path / "y.npz", noise(10, channels=3))
        assert load_sprites(tmp_path / "y.npz").report.num_read == 10


class TestTables:
    def table(self, path: Path, count: int = 10, seed: int = 0, **columns: Any) -> Path:
        images = [Image.fromarray(image) for image in noise(count, seed=seed)]
        data = datasets.Dataset.from_dict({"img": images, **columns}).cast_column("img", datasets.Image())
        if "class" in columns:
            data = data.cast_column("class", datasets.ClassLabel(names=["orc", "elf"]))
        path.parent.mkdir(exist_ok=True)
        data.to_parquet(path)
        return path

    def test_one_parquet_file_with_other_column_names(self, tmp_path: Path) -> None:
        captions = [None, *(f"creature {index}" for index in range(1, 10))]
        path = self.table(tmp_path / "x.parquet", **{"class": [0, 1] * 5, "prompt": captions, "hp": list(range(10))})
        data = load_sprites(path)
        assert data["train"].column_names == ["image", "label", "text", "hp"]
        assert data["train"].features["label"].names == ["orc", "elf"]
        rows = [*data["train"], *data["validation"]]
        assert {row["hp"]: row["text"] for row in rows} == {0: "a orc"} | {
            index: f"creature {index}" for index in range(1, 10)
        }
        assert all(row["label"] == row["hp"] % 2 for row in rows)
        assert {row["hp"]: np.asarray(row["image"]).tobytes() for row in rows} == {
            index: image.tobytes() for index, image in enumerate(noise(10))
        }

    def test_hub_style_shards_and_string_labels(self, tmp_path: Path) -> None:
        folder = tmp_path / "data"
        self.table(folder / "train-00000-of-00002.parquet", seed=1, label=["orc", "elf"] * 5)
        self.table(folder / "train-00001-of-00002.parquet", seed=2, label=["elf", "orc"] * 5)
        self.table(folder / "test-00000-of-00001.parquet", seed=3, label=["orc"] * 10)
        data = load_sprites(tmp_path)
        assert data.report.split_sizes == {"train": 18, "validation": 2, "test": 10}
        assert data.report.class_names == ("elf", "orc")
        assert set(data["test"]["label"]) == {1}

    def test_a_hub_data_set(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        part = datasets.Dataset.from_parquet(
            str(self.table(tmp_path / "x.parquet", **{"class": [0, 1] * 5})), cache_dir=str(tmp_path / "cache")
        )
        asked = []

        def load_dataset(name: str) -> datasets.DatasetDict:
            asked.append(name)
            return datasets.DatasetDict({"train": part})

        monkeypatch.setattr(sources, "load_dataset", load_dataset)
        data = load_sprites("somebody/sprites")
        assert asked == ["somebody/sprites"]
        assert data.report.split_sizes == {"train": 8, "validation": 2}
        assert data.report.class_names == ("orc", "elf")

    @needs_rltiles
    def test_rltiles_as_they_are(self) -> None:
        data = load_sprites(RLTILES)
        assert data.report.split_sizes == {"train": 5603, "validation": 700}
        assert data.report.class_names == ("monster", "player", "item", "spell", "effect", "dungeon")
        assert (data.report.num_duplicates, data.report.num_leaks) == (0, 0)
        assert (data.report.image_size, data.report.mode) == (32, "RGBA")
        assert data["train"].column_names == ["image", "label", "text", "category"]
        original = datasets.Dataset.from_parquet(str(RLTILES / "validation.parquet"))
        for mine, theirs in zip(data["validation"].select(range(50)), original, strict=False):
            assert (mine["label"], mine["text"]) == (theirs["label"], theirs["text"])
            pixels = np.asarray(theirs["image"].convert("RGBA"))
            assert np.array_equal(np.asarray(mine["image"]), np.where(pixels[..., 3:] > 0, pixels, 0))

    @needs_rltiles
    def test_rltiles_shrunk_to_16_rgb_do_not_leak(self) -> None:
        data = load_sprites(RLTILES, image_size=16, mode="RGB")
        assert data["train"].features["image"].mode == "RGB"
        assert decoded(data["train"]).shape[1:] == (16, 16, 3)
        assert len(keys(data["train"])) == len(data["train"])
        assert not keys(data["train"]) & keys(data["validation"])
        assert (data.report.num_merged, data.report.num_leaks) == (2, 1)


class TestSizesAndModes:
    def test_modes(self, tmp_path: Path) -> None:
        np.save(tmp_path / "clear.npy", noise(10))
        np.save(tmp_path / "opaque.npy", noise(10, channels=3))
        assert load_sprites(tmp_path / "clear.npy").report.mode == "RGBA"
        assert load_sprites(tmp_path / "opaque.npy").report.mode == "RGB"
        forced = load_sprites(tmp_path / "opaque.npy", mode="RGBA")
        assert (decoded(forced["train"])[..., 3] == 255).all()
        on_pink = load_sprites(tmp_path / "clear.npy", mode="RGB", background="#ff00ff")
        clear = noise(10)[..., 3] == 0
        pink = (decoded(on_pink["train"]) == (255, 0, 255)).all(-1)
        assert pink.sum(axis=(1, 2)).max() <= clear.sum(axis=(1, 2)).max()
        assert pink.sum() > 0

    def test_shrinking_makes_alpha_soft(self, tmp_path: Path) -> None:
        np.save(tmp_path / "x.npy", noise(10))
        assert load_sprites(tmp_path / "x.npy").report.binary_alpha
        shrunk = load_sprites(tmp_path / "x.npy", image_size=4).report
        assert not shrunk.binary_alpha
        assert "4x4 RGBA, soft alpha" in shrunk.summary()

    def test_mixed_sizes_are_brought_to_one(self, tmp_path: Path) -> None:
        write_images(tmp_path / "a", noise(5, size=8))
        write_images(tmp_path / "b", noise(5, size=16))
        write_images(tmp_path / "c", noise(5, size=12))
        data = load_sprites(tmp_path, image_size=16)
        pixels, labels = decoded(data["train"]), np.array(data["train"]["label"])
        assert pixels.shape == (12, 16, 16, 4)
        assert np.array_equal(pixels[labels == 0][:, ::2, ::2], pixels[labels == 0][:, 1::2, 1::2])
        assert (pixels[labels == 2][:, :2] == 0).all()  # 12 padded by 2 on each side


class TestSynthetic:
    def test_the_default_is_16_and_captioned(self) -> None:
        data = load_sprites("synthetic", num_samples=200)
        assert data.report.image_size == 16
        assert data.report.mode == "RGBA"
        assert data.report.binary_alpha
        assert data.report.num_read == 200
        assert data.report.class_names == ("human", "non-human", "food", "spell", "side-facing")
        assert data["train"].column_names == ["image", "label", "text", "colors", "parts", "palette", "kind"]
        assert isinstance(data["train"][0]["colors"], list)
        assert all(data["train"]["text"])

    def test_the_seed_decides(self) -> None:
        first, same, other = (load_sprites("synthetic", num_samples=50, seed=seed).report for seed in (0, 0, 1))
        assert first.fingerprint == same.fingerprint != other.fingerprint

    @pytest.mark.parametrize(("size", "native"), [(32, 32), (64, 32), (48, 16), (8, 16)])
    def test_other_sizes_come_from_the_nearest_native_one(self, size: int, native: int) -> None:
        data = load_sprites("synthetic", num_samples=20, image_size=size)
        pixels = decoded(data["train"])
        assert pixels.shape[1:] == (size, size, 4)
        if size > native:
            factor = size // native
            small = pixels[:, ::factor, ::factor]
            assert np.array_equal(small.repeat(factor, 1).repeat(factor, 2), pixels)
            assert np.abs(np.diff(small.astype(int), axis=2)).max() > 0

    def test_a_size_that_would_blur_is_refused(self) -> None:
        with pytest.raises(SpriteError, match="16 or 32 pixels and cannot be brought to 20") as error:
            load_sprites("synthetic", image_size=20)
        assert "--image_size" in one_line(error)


def make_bad_source(kind: str, folder: Path) -> tuple[Path, dict[str, Any]]:
    """Writes one kind of bad data and gives the arguments that load it."""
    images, labels = folder / "x.npy", folder / "labels.npy"
    rgb = noise(6, channels=3)
    arrays: dict[str, tuple[np.ndarray, np.ndarray | None]] = {
        "label count": (rgb, np.zeros(5, np.int64)),
        "negative label": (rgb, np.array([0, 1, -1, 0, 1, 0])),
        "fractional label": (rgb, np.array([0, 1, 0.5, 0, 1, 0])),
        "label range": (rgb, np.array([0, 1, 2, 0, 1, 2])),
        "one-hot": (rgb, np.array([[1, 0]] * 5 + [[1, 1]])),
        "pickle": (np.array([{"a": 1}], dtype=object), None),
        "float range": (rgb.astype(np.float32), None),
        "nan": (np.full((2, 4, 4, 3), np.nan), None),
        "int range": (rgb.astype(np.int32) * 2, None),
        "complex": (rgb.astype(np.complex64), None),
        "shape": (rgb[0, 0], None),
        "channels": (np.zeros((4, 8, 8, 5), np.uint8), None),
        "no images": (rgb[:0], None),
        "zero size": (rgb[:, :0], None),
        "not square": (rgb[:, :4], None),
        "one image": (rgb[:1], None),
    }
    if kind in arrays:
        np.save(images, arrays[kind][0])
        if arrays[kind][1] is not None:
            np.save(labels, arrays[kind][1])
        return images, {"class_names": ["a", "b"]} if kind == "label range" else {}
    if kind == "empty folder":
        return folder, {}
    if kind == "folder of arrays":
        np.save(images, rgb)
        return folder, {}
    if kind == "empty class":
        (two_classes(folder) / "ghost").mkdir()
    if kind == "single image":
        write_images(two_classes(folder) / "boss", noise(1, seed=3))
    if kind == "single distinct image":
        write_images(two_classes(folder) / "boss", noise(1, seed=3).repeat(4, axis=0))
    if kind == "stray image":
        write_images(two_classes(folder), rgb[:1])
    if kind == "unknown split":
        two_classes(folder / "train")
        two_classes(folder / "extra")
    if kind == "all leaked":
        two_classes(folder / "train")
        two_classes(folder / "test")
    if kind == "corrupt":
        (two_classes(folder) / "food" / "003.png").write_bytes(b"\x89PNG but not really")
    if kind == "truncated":
        path = two_classes(folder) / "food" / "004.png"
        path.write_bytes(path.read_bytes()[:90])
    if kind == "sizes":
        write_images(folder, rgb[:2])
        Image.new("RGB", (24, 16)).save(folder / "big.png")
    if kind == "no image column":
        pq.write_table(pa.table({"picture": [b"x"], "label": [0]}), folder / "x.parquet")
    if kind == "no rows":
        pq.write_table(pa.table({"image": pa.array([], pa.binary())}), folder / "x.parquet")
    if kind == "bad parquet":
        (folder / "x.parquet").write_bytes(b"no parquet")
    if kind == "bad npy":
        images.write_bytes(b"no numpy")
        return images, {}
    if kind == "other file":
        (folder / "x.zip").write_bytes(b"zip")
        return folder / "x.zip", {}
    if kind == "class names":
        return two_classes(folder), {"class_names": ["food", "weapon"]}
    if kind == "class names without labels":
        return write_images(folder, rgb), {"class_names": ["food", "weapon"]}
    if kind == "labels of a folder":
        return two_classes(folder), {"labels": "labels.npy"}
    if kind == "missing labels":
        np.save(images, rgb)
        return images, {"labels": folder / "nowhere.npy"}
    return folder, {}


# What each message must name: the value, what is allowed, and what to change.
BAD_SOURCES = {
    "label count": ["5 labels", "6 images", "--labels"],
    "negative label": ["label -1 in row 2", "whole numbers from 0"],
    "fractional label": ["label 0.5 in row 2", "whole numbers from 0"],
    "label range": ["label 2 of", "2 classes", "a, b", "0 to 1", "--class_names"],
    "one-hot": ["row 5 is [1, 1]", "a single 1"],
    "pickle": ["x.npy", "pickled objects", "np.stack"],
    "float range": ["float32 values from 0.0 to 255.0", "0 to 1 or -1 to 1"],
    "nan": ["from nan to nan", "0 to 1 or -1 to 1"],
    "int range": ["int32 values from 0 to 510", "0 to 255"],
    "complex": ["complex64", "uint8"],
    "shape": ["(8, 3)", "(N, H, W, 3)"],
    "channels": ["(4, 8, 8, 5)", "(N, H, W, 4)"],
    "no images": ["(0, 8, 8, 3)", "1 or more images"],
    "zero size": ["(6, 0, 8, 3)", "1 or more pixels"],
    "not square": ["8x4, not square", "--image_size 8"],
    "one image": ["single distinct image", "x.npy[0]"],
    "empty folder": ["no images in", ".png", "add images"],
    "folder of arrays": ["it has 'x.npy': give that file"],
    "empty class": ["ghost", "remove the folder"],
    "single image": ["class 'boss'", "single distinct image", "000.png", "add images, remove the class"],
    "single distinct image": ["class 'boss'", "single distinct image"],
    "stray image": ["1 images ('000.png'", "class folders ('food'", "move them"],
    "unknown split": ["'extra' beside 'train'", "validation and test", "move it"],
    "all leaked": ["'train' is also in another split"],
    "corrupt": ["food/003.png", "--skip_bad_images"],
    "truncated": ["food/004.png", "--skip_bad_images"],
    "sizes": ["000.png' is 8x8", "big.png' is 24x16", "--image_size 8"],
    "no image column": ["picture, label", "image, img, pixels", "rename"],
    "no rows": ["no rows"],
    "bad parquet": ["x.parquet", "parquet"],
    "bad npy": ["x.npy", "damaged", "np.save"],
    "other file": [".zip file", ".parquet, .npz, .npy"],
    "class names": ["['food', 'weapon'] lacks 'spell'", "food, spell", "--class_names"],
    "class names without labels": ["['food', 'weapon']", "no labels", "--class_names"],
    "labels of a folder": ["labels='labels.npy'", "leave --labels out"],
    "missing labels": ["nowhere.npy", "--labels"],
}


class TestErrors:
    @pytest.mark.parametrize("kind", BAD_SOURCES)
    def test_bad_data_is_named_in_one_line(self, kind: str, tmp_path: Path) -> None:
        source, arguments = make_bad_source(kind, tmp_path)
        with pytest.raises(SpriteError) as error:
            load_sprites(source, **arguments)
        message = one_line(error)
        assert [part for part in BAD_SOURCES[kind] if part not in message] == []
        print(f"{kind}: {message}")

    @pytest.mark.parametrize(
        ("arguments", "named"),
        [
            ({"image_size": 0}, "image_size 0 is not positive; change --image_size"),
            ({"mode": "CMYK"}, "mode 'CMYK' is unknown; allowed are RGB, RGBA, L: change --image_mode"),
            ({"background": "sky"}, "background 'sky' is not an opaque colour; .*'#rrggbb'.*change --background"),
            ({"validation_split": 1.0}, "validation_split 1.0 .*more than 0 and less than 1"),
            ({"num_samples": 1}, "num_samples 1 .*2 or more"),
            ({"class_names": ["a", "a"]}, r"class_names \['a', 'a'\] .*distinct"),
        ],
    )
    def test_bad_arguments_are_named(self, arguments: dict[str, Any], named: str) -> None:
        with pytest.raises(SpriteError, match=named) as error:
            load_sprites("synthetic", **arguments)
        one_line(error)

    def test_a_missing_source_suggests_near_names(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        two_classes(tmp_path / "dungeon")
        monkeypatch.chdir(tmp_path)
        for source, suggestion in (
            ("synthetik", "'synthetic'"),
            ("dungeons", "'dungeon'"),
            (tmp_path / "dungeo", "dungeon'"),
        ):
            with pytest.raises(SpriteError, match=re.escape("did you mean ")) as error:
                load_sprites(source)
            assert suggestion in one_line(error)
        with pytest.raises(SpriteError, match="no data at 'dungeon/level1'; check the path"):
            load_sprites("dungeon/level1")  # its first part is a folder here, so it is not asked for on the Hub

    def test_a_hub_id_that_cannot_be_reached(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def load_dataset(name: str) -> None:
            raise ConnectionError(f"Couldn't reach '{name}' on the Hub\nwith a second line")

        monkeypatch.setattr(sources, "load_dataset", load_dataset)
        with pytest.raises(SpriteError, match=r"'nobody/nothing' is no file or folder here.*Couldn't reach") as error:
            load_sprites("nobody/nothing")
        assert "HF_HUB_OFFLINE" in one_line(error)

    def test_bad_images_are_skipped_on_request(self, tmp_path: Path) -> None:
        source, _ = make_bad_source("corrupt", tmp_path)
        data = load_sprites(source, skip_bad_images=True)
        assert (data.report.num_read, data.report.num_bad) == (29, 1)
        assert data.report.class_counts == {"food": 8, "spell": 18}
        assert "removed 1 unreadable file" in data.report.summary()

    def test_nothing_readable_is_still_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").write_bytes(b"nothing")
        with pytest.raises(SpriteError, match="none of 1 images could be decoded"):
            load_sprites(tmp_path, skip_bad_images=True)


def test_the_summary_says_what_was_done(tmp_path: Path) -> None:
    train, held_out = noise(10, seed=1), noise(3, seed=2)
    write_images(tmp_path / "train" / "food", np.concatenate([train, train[:2], held_out[:1]]))
    write_images(tmp_path / "validation" / "food", held_out)
    lines = load_sprites(tmp_path).report.summary().split("\n")
    assert lines[0] == f"{tmp_path}: read 16 images, removed 2 exact duplicates, 1 leak between splits"
    assert lines[1:4] == ["splits: 10 train, 3 validation", "pixels: 8x8 RGBA, binary alpha", "classes: food 10"]


class TestGrey:
    def test_grey_images_have_one_channel(self, tmp_path: Path) -> None:
        pixels = np.random.default_rng(0).integers(0, 256, (20, 8, 8), np.uint8)
        np.save(tmp_path / "grey.npy", pixels)
        data = load_sprites(tmp_path / "grey.npy", mode="L")
        assert data["train"].features["image"].mode == "L"
        assert data["train"][0]["image"].mode == "L"
        assert data.report.mode == "L"
        arrays = SpriteArrays.from_dataset(data["train"])
        assert arrays.pixels.shape == (18, 8, 8, 1)
        assert {image.tobytes() for image in arrays.pixels} <= {image.tobytes() for image in pixels}
        assert arrays.batch(np.arange(2))[0].shape == (2, 1, 8, 8)
        assert load_sprites(tmp_path / "grey.npy").report.mode == "RGB"

    def test_colour_is_refused(self, tmp_path: Path) -> None:
        np.save(tmp_path / "colour.npy", noise(20, channels=3))
        with pytest.raises(SpriteError) as error:
            load_sprites(tmp_path / "colour.npy", mode="L")
        assert "20 of 20 images are not grey" in one_line(error)
        assert "pass --image_mode RGB" in one_line(error)
