import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sprite_diffusers.data.audit import AuditReport, audit, report, variety
from sprite_diffusers.errors import SpriteError


@pytest.fixture(autouse=True)
def small_map(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variety, "MAX_MAP", 40)  # t-SNE of more would take most of the time


def sprites(count: int, size: int = 16, seed: int = 0) -> np.ndarray:
    """Distinct RGBA drawings of 6 colours with binary alpha and a transparent pixel in each, no two of them alike."""
    rng = np.random.default_rng(seed)
    palette = np.concatenate([rng.integers(0, 256, (6, 3)), np.full((6, 1), 255)], axis=1).astype(np.uint8)
    pixels = palette[rng.integers(0, 6, (count, size, size))]
    pixels[rng.random((count, size, size)) < 0.2] = 0
    pixels[:, 0, 0] = 0
    return pixels


def two_classes(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Drawings in the upper half and in the lower half, so that pixels tell the classes apart."""
    pixels = sprites(2 * count)
    pixels[:count, 8:], pixels[count:, :8] = 0, 0
    return pixels, np.repeat([0, 1], count)


def save(path: Path, pixels: np.ndarray, labels: np.ndarray | None = None) -> Path:
    np.savez(path, images=pixels, **({} if labels is None else {"labels": labels}))
    return path


def run(source: Path, out: Path, **options: object) -> AuditReport:
    return audit(source, out, progress=False, **options)  # type: ignore[arg-type]


def found(result: AuditReport) -> dict[str, str]:
    return {finding.topic: f"{finding.severity}: {finding.text} {finding.advice}" for finding in result.findings}


class TestFindings:
    def test_a_clean_set_raises_no_alarm(self, tmp_path: Path) -> None:
        pixels, labels = two_classes(1_050)
        result = run(save(tmp_path / "clean.npz", pixels, labels), tmp_path / "page")
        assert found(result) == {}
        assert result.overview.num_images == result.repeats.num_distinct == 2_100
        assert result.variety is not None
        assert result.variety.silhouette is not None
        assert result.variety.silhouette > 0.05
        assert "nothing wrong found" in result.summary()

    def test_exact_duplicates_and_label_conflicts_are_counted(self, tmp_path: Path) -> None:
        pixels = np.concatenate([sprites(20)] * 50)
        labels = np.tile(np.arange(20) % 2, 50)
        labels[-3:] = 1 - labels[-3:]  # a copy of each of three pictures gets the other label
        result = run(save(tmp_path / "set.npz", pixels, labels), tmp_path / "page")
        repeats = result.repeats
        assert (repeats.num_distinct, repeats.num_duplicates, repeats.num_groups) == (20, 980, 20)
        assert repeats.share == pytest.approx(0.98)
        assert repeats.largest[0] == [0, 50]
        assert repeats.num_conflicts == 3
        topics = found(result)
        assert topics["exact duplicates"].startswith("problem: 98 % of the images (980 of 1,000) are exact duplicates")
        assert "load_sprites removes them before splitting" in topics["exact duplicates"]
        assert topics["label conflicts"].startswith("problem: 3 pictures occur with more than one label.")
        assert topics["few images"].startswith("warning: Only 20 distinct images")
        assert result.findings[0].severity == "problem"

    def test_colour_under_transparency_does_not_make_images_distinct(self, tmp_path: Path) -> None:
        pixels = np.concatenate([sprites(5)] * 2)
        pixels[5:, 0, 0, :3] = 77
        assert run(save(tmp_path / "set.npz", pixels), tmp_path / "page").repeats.num_duplicates == 5

    def test_leaks_between_given_splits(self, tmp_path: Path) -> None:
        pixels = sprites(30)
        nearly = pixels[19].copy()
        nearly[5, 5] = (1, 2, 3, 255)
        for split, images in (("train", pixels[:20]), ("validation", [*pixels[16:30], nearly])):
            (tmp_path / "set" / split).mkdir(parents=True)
            for index, image in enumerate(images):
                Image.fromarray(image).save(tmp_path / "set" / split / f"{index}.png")
        result = run(tmp_path / "set", tmp_path / "page")
        assert result.repeats.leaks == {"train/validation": 4}
        assert result.repeats.num_duplicates == 0
        assert result.overview.split_counts == {"train": {"all images": 20}, "validation": {"all images": 15}}
        assert result.near_duplicates.num_across_splits == 2
        assert {"leaks", "near leaks"} <= set(found(result))

    def test_an_enlarged_set_names_the_size_to_train_at(self, tmp_path: Path) -> None:
        pixels = sprites(40).repeat(4, axis=1).repeat(4, axis=2)
        result = run(save(tmp_path / "set.npz", pixels), tmp_path / "page")
        assert (result.enlargement.factor, result.enlargement.num_enlarged) == (4, 40)
        assert result.enlargement.aligned
        text = found(result)["enlarged images"]
        assert "40 of 40 images are 16 x 16 drawings enlarged 4 times to 64 x 64" in text
        assert "--image_size 16" in text
        assert result.near_duplicates.scale == 4

    def test_some_enlarged_images_are_told_from_the_set(self, tmp_path: Path) -> None:
        pixels = np.concatenate([sprites(30), sprites(10, size=8, seed=1).repeat(2, axis=1).repeat(2, axis=2)])
        result = run(save(tmp_path / "set.npz", pixels), tmp_path / "page")
        assert (result.enlargement.factor, result.enlargement.factors) == (1, {1: 30, 2: 10})
        assert "10 of 40 images are enlarged drawings (10 of them 2 times)" in found(result)["enlarged images"]

    def test_soft_alpha(self, tmp_path: Path) -> None:
        pixels = sprites(40)
        pixels[:7, 3, 3] = (10, 20, 30, 128)
        result = run(save(tmp_path / "set.npz", pixels), tmp_path / "page")
        assert result.overview.alpha == {"opaque": 0, "binary alpha": 33, "soft alpha": 7}
        assert result.overview.soft_pixels == pytest.approx(7 / (pixels[..., 3] > 0).sum())
        assert found(result)["soft alpha"].startswith("warning: 7 of 40 images")

    def test_imbalance_and_small_classes(self, tmp_path: Path) -> None:
        labels = np.repeat([0, 1], [210, 10])
        path = save(tmp_path / "set.npz", sprites(220), labels)
        result = run(path, tmp_path / "page", class_names=["many", "few"])
        assert result.overview.imbalance == 21.0
        assert (
            "The class 'few' has 10 distinct images, 21.0 times fewer than 'many' (210)" in found(result)["imbalance"]
        )
        assert "1 of 2 classes have fewer than 100 distinct images ('few' 10)" in found(result)["small classes"]

    def test_photographs_sizes_blank_images_and_bad_files(self, tmp_path: Path) -> None:
        folder = tmp_path / "set"
        folder.mkdir()
        photos = np.random.default_rng(0).integers(0, 256, (12, 24, 24, 3), np.uint8)
        for index, photo in enumerate(photos):
            Image.fromarray(photo).save(folder / f"{index:02d}.png")
        Image.fromarray(photos[0, :16]).save(folder / "low.png")
        Image.new("RGBA", (24, 24)).save(folder / "blank.png")
        (folder / "broken.png").write_bytes(b"not a picture")
        result = run(folder, tmp_path / "page")
        overview = result.overview
        assert overview.sizes == {"24 x 24": 13, "24 x 16": 1}
        assert (overview.num_over_256, overview.num_over_32) == (13, 13)
        assert (overview.num_constant, overview.num_blank) == (1, 1)
        assert (overview.num_bad, overview.bad_names) == (1, ["broken.png"])
        topics = found(result)
        assert "broken.png" in topics["unreadable files"]
        assert "--skip_bad_images" in topics["unreadable files"]
        assert "1 image of 14 has another size than 24 x 24" in topics["sizes"]
        assert topics["photographic"].startswith("warning: 13 of 14 images")
        assert "1 image of 14 has a single colour, 1 of them nothing" in topics["blank images"]

    def test_an_empty_border_and_an_outlier(self, tmp_path: Path) -> None:
        rng = np.random.default_rng(0)
        pixels = np.zeros((41, 16, 16, 4), np.uint8)
        pixels[:, 3:13, 4:12] = (200, 100, 50, 255)
        pixels[:, 6, 4:12, :3] += rng.integers(0, 20, (41, 8, 3), np.uint8)
        pixels[40, 3:13, 4:12, :3] = rng.integers(0, 256, (10, 8, 3))
        result = run(save(tmp_path / "set.npz", pixels), tmp_path / "page")
        assert result.overview.common_margin == 3
        assert result.overview.classes[0].margins == [3.0, 4.0, 3.0, 4.0]
        assert result.overview.classes[0].occupancy == pytest.approx(80 / 256)
        assert "Crop to 10 x 10" in found(result)["empty border"]
        assert result.variety is not None
        assert next(iter(result.variety.outliers)) == 40
        assert "1 image lies more than 5 times as far" in found(result)["outliers"]

    def test_colours_are_of_visible_pixels(self, tmp_path: Path) -> None:
        pixels = np.zeros((3, 4, 4, 4), np.uint8)
        pixels[:, 0, 0], pixels[:, 0, 1] = (100, 0, 0, 255), (200, 0, 0, 255)
        pixels[1, 3, 3], pixels[2, 2, 2] = (150, 0, 0, 255), (150, 0, 0, 255)
        overview = run(save(tmp_path / "set.npz", pixels), tmp_path / "page").overview
        assert overview.classes[0].rgb_mean == [150.0, 0.0, 0.0]
        assert overview.classes[0].rgb_sd[0] == pytest.approx(np.sqrt(6 * 50**2 / 8), abs=0.01)
        assert (overview.colors_median, overview.colors_max) == (3.0, 3)

    def test_max_images_takes_a_random_part(self, tmp_path: Path) -> None:
        path = save(tmp_path / "set.npz", sprites(50))
        overview = run(path, tmp_path / "page", max_images=20).overview
        assert (overview.num_images, overview.num_found) == (20, 50)


class TestPage:
    def test_the_parts_and_that_names_are_escaped(self, tmp_path: Path) -> None:
        for name, pixels in (("<b>x", sprites(6)), ("a|b*$c", sprites(5, seed=1))):
            (tmp_path / "set" / name).mkdir(parents=True)
            for index, image in enumerate(pixels):
                Image.fromarray(image).save(tmp_path / "set" / name / f"<i>{index}.png")
        result = run(tmp_path / "set", tmp_path / "page")
        page = (tmp_path / "page" / "audit.html").read_text()
        markdown = (tmp_path / "page" / "audit.md").read_text()
        assert "<b>x" not in page + markdown
        assert "<i>" not in page + markdown
        assert "&lt;b&gt;x" in page
        assert "&lt;b&gt;x" in markdown
        assert r"a\|b\*\$c" in markdown
        assert not re.search(r'(?:src|href)="(?!data:)', page)
        pictures = re.findall(r"\]\((audit/[\w-]+\.png)\)", markdown)
        assert len(pictures) == 7
        for picture in pictures:
            Image.open(tmp_path / "page" / picture).verify()
        stored = json.loads((tmp_path / "page" / "audit.json").read_text())
        assert stored == json.loads(json.dumps(result.to_json()))
        assert stored["overview"]["classes"][0]["name"] == "<b>x"

    def test_a_failure_leaves_the_previous_page(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        out = tmp_path / "page"
        run(save(tmp_path / "one.npz", sprites(12)), out)
        (out / "mine.txt").write_text("kept")
        before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}

        def fail(*args: object) -> str:
            raise OSError("no space left")

        monkeypatch.setattr(report, "render_html", fail)
        with pytest.raises(OSError, match="no space left"):
            run(save(tmp_path / "two.npz", sprites(15, seed=1)), out)
        assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
        assert sorted(path.name for path in out.iterdir()) == [
            "audit",
            "audit.html",
            "audit.json",
            "audit.md",
            "mine.txt",
        ]

    def test_a_new_page_replaces_the_pictures_of_the_old(self, tmp_path: Path) -> None:
        out = tmp_path / "page"
        run(save(tmp_path / "one.npz", np.concatenate([sprites(6)] * 2)), out)
        assert (out / "audit" / "duplicates.png").is_file()
        run(save(tmp_path / "two.npz", sprites(12)), out)
        assert not (out / "audit" / "duplicates.png").exists()

    def test_the_data_set_is_only_read(self, tmp_path: Path) -> None:
        folder = tmp_path / "set"
        folder.mkdir()
        for index, image in enumerate(sprites(5)):
            Image.fromarray(image).save(folder / f"{index}.png")
        before = sorted(folder.iterdir())
        run(folder, tmp_path / "page")
        assert sorted(folder.iterdir()) == before
        with pytest.raises(SpriteError, match="lies in the data set"):
            run(folder, folder / "page")
        assert sorted(folder.iterdir()) == before


def _unknown(path: Path) -> Path:
    return path / "nothing"


def _empty(path: Path) -> Path:
    (path / "empty").mkdir()
    return path / "empty"


def _single(path: Path) -> Path:
    return save(path / "single.npz", sprites(1))


@pytest.mark.parametrize(
    ("source", "message"),
    [(_unknown, "no data at"), (_empty, "no images in"), (_single, "has a single image")],
)
def test_a_source_that_cannot_be_audited_is_one_line(
    tmp_path: Path, source: Callable[[Path], Path], message: str
) -> None:
    with pytest.raises(SpriteError, match=message) as error:
        run(source(tmp_path), tmp_path / "page")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "page").exists()


def test_an_out_that_is_a_file_is_refused_before_reading(tmp_path: Path) -> None:
    (tmp_path / "page").write_text("mine")
    for out in (tmp_path / "page", tmp_path / "page" / "deeper"):
        with pytest.raises(SpriteError, match="is a file"):
            run(tmp_path / "nothing", out)
    with pytest.raises(SpriteError, match="max_images 1"):
        run(save(tmp_path / "set.npz", sprites(5)), tmp_path / "out", max_images=1)


def test_two_images_that_hardly_vary_still_give_a_page(tmp_path: Path) -> None:
    result = run(save(tmp_path / "set.npz", np.zeros((2, 1, 1, 4), np.uint8)), tmp_path / "page")
    assert result.variety is None
    assert result.repeats.num_distinct == 1
    assert (tmp_path / "page" / "audit.html").is_file()
