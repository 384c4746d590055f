import numpy as np
import pytest
from PIL import Image

from sprite_diffusers.errors import SpriteError
from sprite_diffusers.evaluation import Scores, evaluate, sample_grid, save_evaluation


def test_everything_is_written_and_can_be_read(tiny, tmp_path):
    scores = evaluate(tiny.validation_pixels, tiny, labels=tiny.validation_labels)
    paths = save_evaluation(scores, tiny, tmp_path / "evaluation")
    assert {path.name for path in paths} == {
        "scores.json", "metrics.md", "grid.png", "histograms.png", "confusion.png", "closest.png"
    }  # fmt: skip
    assert sorted(paths) == sorted((tmp_path / "evaluation").iterdir())
    assert Scores.from_json((tmp_path / "evaluation" / "scores.json").read_text()).metrics == scores.metrics
    assert (tmp_path / "evaluation" / "metrics.md").read_text() == scores.table()
    for name in ("grid", "histograms", "confusion", "closest"):
        picture = np.asarray(Image.open(tmp_path / "evaluation" / f"{name}.png").convert("RGB"))
        assert picture.std() > 5


def test_a_row_per_class_of_its_first_samples(tiny):
    labels = np.sort(tiny.validation_labels)
    labels[labels == 2] = 1  # nothing drawn for the last class
    pixels = tiny.validation_pixels.copy()
    pixels[labels == 0] = (255, 0, 0, 255)
    pixels[labels == 1] = (0, 0, 255, 255)
    grid = np.asarray(sample_grid(evaluate(pixels, tiny, labels=labels), tiny))
    red, blue = ((grid == np.array(color)).all(axis=-1) for color in ((255, 0, 0), (0, 0, 255)))
    assert red.sum() == blue.sum() == 10 * 64 * 64
    assert np.flatnonzero(red.any(axis=1)).max() < np.flatnonzero(blue.any(axis=1)).min()


def test_an_earlier_confusion_does_not_stay_beside_scores_without_labels(tiny, tmp_path):
    save_evaluation(evaluate(tiny.validation_pixels, tiny, labels=tiny.validation_labels), tiny, tmp_path)
    save_evaluation(evaluate(tiny.validation_pixels, tiny), tiny, tmp_path)
    assert not (tmp_path / "confusion.png").exists()
    assert Image.open(tmp_path / "grid.png").size == (10 * 9 * 8 + 8, 6 * 9 * 8 + 8)


def test_scores_from_a_file_cannot_be_drawn_and_replace_nothing(tiny, tmp_path):
    scores = evaluate(tiny.validation_pixels, tiny)
    save_evaluation(scores, tiny, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(SpriteError, match="holds no samples to draw"):
        save_evaluation(Scores.from_json(scores.to_json()), tiny, tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
