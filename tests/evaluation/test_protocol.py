"""The protocol itself: does each defect of a generator move the figure that should show it?"""

import itertools
import math

import numpy as np
import pytest
from PIL import Image

from sprite_diffusers.data import to_tensor
from sprite_diffusers.errors import SpriteError
from sprite_diffusers.evaluation import Reference, Scores, evaluate

from .tiny import tiny_classifier, tiny_dataset


@pytest.fixture(scope="module")
def real(reference):
    """Training images the floor does not use, with the class balance of the held-out ones; what a perfect model draws."""
    unused = np.setdiff1d(np.arange(len(reference.train_pixels)), reference.training_subset(600, seed=0))
    return reference.train_pixels[unused[:600]], reference.train_labels[unused[:600]]


def score(reference: Reference, pixels: np.ndarray, labels: np.ndarray | None = None) -> Scores:
    return evaluate(pixels, reference, labels=labels)


def rising(values: list[float]) -> bool:
    return all(low < high for low, high in itertools.pairwise(values))


def test_real_images_give_the_floor(reference, real):
    scores = score(reference, *real)
    floors = scores.floors
    assert scores.metrics["fd_pca20"] == pytest.approx(floors["fd_pca20"], rel=0.35)
    spread = np.trace(np.cov(reference.validation_features, rowvar=False))
    assert max(scores.metrics["fd_feature"], floors["fd_feature"]) < 0.05 * spread
    assert scores.metrics["fd_pca20_class_mean"] == pytest.approx(floors["fd_pca20_class_mean"], rel=0.2)
    assert abs(scores.metrics["kid"]) < 3 * scores.metrics["kid_se"] + 3 * floors["kid_se"]
    for name in ("precision", "recall", "coverage", "pca_overlap", "accuracy"):
        assert scores.metrics[name] == pytest.approx(floors[name], abs=0.1)
    assert floors["coverage"] > 0.9
    assert floors["memorised"] < 0.05


def test_the_floor_itself_is_the_score_of_the_images_it_names(reference):
    chosen = reference.training_subset(600, seed=0)
    scores = score(reference, reference.train_pixels[chosen], reference.train_labels[chosen])
    for name in ("fd_pca20", "fd_feature", "fd_pca20_class_mean", "kid", "precision", "recall", "density", "coverage"):
        assert scores.metrics[name] == pytest.approx(scores.floors[name], rel=1e-6)
    held_out = score(reference, reference.validation_pixels, reference.validation_labels)
    assert held_out.metrics["fd_pca20"] < 1e-9
    for name in ("memorised", "near_copies", "accuracy", "unique_colors", "orphan_pixels", "partial_alpha"):
        assert held_out.metrics[name] == pytest.approx(held_out.floors[name], rel=1e-9)


def test_a_model_that_copies_has_a_low_distance_and_is_flagged(reference, real):
    scores = score(reference, *real)
    assert scores.metrics["fd_pca20"] < 0.05 * np.trace(np.cov(reference.validation_components, rowvar=False))
    assert scores.metrics["near_copies"] == 1
    assert scores.metrics["memorised"] == 1
    assert scores.intervals["near_copies"] == [1, 1]
    assert scores.floors["near_copies"] < 0.01
    sample, train, ratio, distance = scores.closest[0]
    assert np.array_equal(scores.samples[sample], reference.train_pixels[train])
    assert ratio == distance == 0


def test_noise_raises_the_distances(reference, real):
    pixels, labels = real
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(*pixels.shape[:3], 3))
    scores = []
    for sigma in (0, 45, 90, 180):
        noisy = pixels.copy()
        noisy[..., :3] = np.clip(pixels[..., :3] + sigma * noise, 0, 255) * (pixels[..., 3:] > 0)
        scores.append(score(reference, noisy, labels).metrics)
    for name in ("fd_feature", "fd_pca20", "kid", "rgb_histogram_distance"):
        assert rising([metrics[name] for metrics in scores]), name
    assert scores[0]["orphan_pixels"] < 0.1
    assert min(metrics["orphan_pixels"] for metrics in scores[1:]) > 0.9


def test_dropping_classes_lowers_recall_and_coverage(reference, real):
    pixels, labels = real
    scores = []
    for kept in (5, 4, 3, 2):
        rows = np.flatnonzero(labels < kept)
        rows = rows[np.arange(600) % len(rows)]  # as many samples, of fewer classes
        scores.append(score(reference, pixels[rows], labels[rows]))
    for name in ("recall", "coverage"):
        assert rising([-entry.metrics[name] for entry in scores]), name
    for name in ("fd_feature", "fd_pca20"):
        assert rising([entry.metrics[name] for entry in scores]), name
    assert math.isnan(scores[1].per_class["side-facing"]["fd_pca20"])
    assert math.isnan(scores[1].metrics["fd_pca20_class_mean"])
    assert not math.isnan(scores[1].per_class["human"]["fd_pca20"])
    assert "no class FD (-) where fewer than 21 images of a class are there: side-facing" in scores[1].table()


def test_swapping_classes_lowers_accuracy_and_raises_class_distances(reference, real):
    pixels, labels = real
    scores = []
    for share in (0, 0.3, 0.7):
        wrong = labels.copy()
        changed = np.arange(len(labels)) < share * len(labels)
        wrong[changed] = (labels[changed] + 1) % 5
        scores.append(score(reference, pixels, wrong).metrics)
    assert rising([-metrics["accuracy"] for metrics in scores])
    assert rising([metrics["fd_pca20_class_mean"] for metrics in scores])
    assert scores[0]["fd_pca20"] == scores[2]["fd_pca20"]  # blind to it


def test_blur_adds_colours_and_distance(reference, real):
    pixels, labels = real
    scores = []
    for size in (16, 12, 8, 4):
        blurred = [
            Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR).resize((16, 16), 2)
            for image in pixels
        ]
        scores.append(score(reference, np.stack([np.asarray(image) for image in blurred]), labels).metrics)
    for name in ("fd_feature", "fd_pca20"):
        assert rising([metrics[name] for metrics in scores]), name
    assert min(metrics["unique_colors"] for metrics in scores[1:]) > 2 * scores[0]["unique_colors"]
    assert min(metrics["partial_alpha"] for metrics in scores[1:]) > 0.1
    assert scores[0]["partial_alpha"] == 0


def test_collapse_lowers_recall_and_coverage(reference, real):
    pixels, labels = real
    scores = []
    for distinct in (600, 60, 8, 1):
        rows = np.arange(600) % distinct
        scores.append(score(reference, pixels[rows], labels[rows]).metrics)
    assert rising([-metrics["coverage"] for metrics in scores])
    assert scores[0]["recall"] > 0.9
    assert [metrics["recall"] for metrics in scores[1:]] == [0, 0, 0]  # repeated samples have no spread at all
    assert rising([metrics["fd_feature"] for metrics in scores])
    assert rising([-metrics["pca_overlap"] for metrics in scores])


def test_equal_input_gives_equal_scores(reference, real):
    assert score(reference, *real) == score(reference, *real)
    assert score(reference, *real).to_json() == score(reference, *real).to_json()


def test_scores_do_not_depend_on_the_batch_size(sprites, classifier, reference, real):
    other = score(Reference.from_dataset(sprites, classifier, batch_size=33), *real)
    scores = score(reference, *real)
    for name, value in scores.metrics.items():
        assert other.metrics[name] == pytest.approx(value, rel=1e-6, abs=1e-9), name


def test_without_labels_there_is_no_accuracy(reference, real):
    scores = score(reference, real[0])
    assert "accuracy" not in scores.metrics
    assert "fd_pca20_class_mean" not in scores.floors
    assert scores.confusion is None
    assert scores.per_class == {}
    assert "seconds_per_image" not in scores.metrics


def test_confusion_and_accuracy_agree(reference, real):
    scores = score(reference, *real)
    confusion = np.array(scores.confusion)
    assert confusion.sum() == 600
    assert confusion.sum(axis=1).tolist() == np.bincount(real[1]).tolist()
    assert scores.metrics["accuracy"] == pytest.approx(np.trace(confusion) / 600)
    assert scores.per_class["food"]["accuracy"] == pytest.approx(confusion[2, 2] / confusion[2].sum())
    low, high = scores.intervals["accuracy"]
    assert low < scores.metrics["accuracy"] < high


def test_json_keeps_figures_and_missing_ones(reference, real):
    pixels, labels = real
    scores = score(reference, pixels[labels < 4], labels[labels < 4])
    text = scores.to_json()
    assert "NaN" not in text
    restored = Scores.from_json(text)
    assert restored.to_json() == text
    assert math.isnan(restored.metrics["fd_pca20_class_mean"])
    assert restored.facts["extractor"]["identity"] == reference.classifier.identity()
    assert restored.table() == scores.table()
    for broken in ("", "{}", '{"metrics": {}}', "[]"):
        with pytest.raises(SpriteError, match="not the scores of an evaluation"):
            Scores.from_json(broken)


def test_the_table_prints_the_floor_beside_each_figure(reference, real):
    scores = score(reference, *real)
    row = next(line for line in scores.table().splitlines() if line.startswith("| fd_pca20 "))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1] == f"{scores.metrics['fd_pca20']:.4g}"
    assert cells[3] == f"{scores.floors['fd_pca20']:.4g}"
    assert "600 samples, 600 held-out and 1,798 training images, 16x16 RGBA" in scores.table()


def test_a_floor_of_fewer_images_says_so(tiny):
    pixels = np.tile(tiny.validation_pixels, (4, 1, 1, 1))
    scores = evaluate(pixels, tiny)
    assert scores.facts["num_samples"] == 400
    assert scores.facts["num_floor"] == len(tiny.train_pixels) == 150
    assert "150 training images for distances" in scores.table()


def test_the_number_of_samples_can_be_cut(tiny):
    scores = evaluate(tiny.validation_pixels, tiny, labels=tiny.validation_labels, num_samples=40)
    assert scores.facts["num_samples"] == 40
    assert np.array_equal(scores.samples, tiny.validation_pixels[:40])
    assert np.array_equal(scores.sample_labels, tiny.validation_labels[:40])


def test_data_without_classes_can_be_measured(tiny):
    dataset = tiny_dataset()
    dataset = type(dataset)({name: split.remove_columns("label") for name, split in dataset.items()})
    dataset.report = tiny_dataset().report.__class__(
        **{**vars(tiny_dataset().report), "class_names": None, "class_counts": None}
    )
    reference = Reference.from_dataset(dataset, tiny_classifier())
    scores = evaluate(tiny.validation_pixels, reference)
    assert scores.metrics["fd_pca20"] < 1e-9
    assert scores.facts["class_names"] is None
    with pytest.raises(SpriteError, match="the reference has no classes"):
        evaluate(tiny.validation_pixels, reference, labels=tiny.validation_labels)


def test_transparent_colour_is_not_measured(tiny):
    visible = tiny.validation_pixels
    coloured = visible.copy()
    coloured[..., :3] = np.where(visible[..., 3:] > 0, visible[..., :3], 200)
    assert np.array_equal(to_tensor(coloured), to_tensor(visible))
    assert evaluate(coloured, tiny).metrics == evaluate(visible, tiny).metrics


def test_bad_input_is_one_line(tiny):
    good, labels = tiny.validation_pixels, tiny.validation_labels
    cases = [
        ({"samples": good[:3]}, "the evaluation has 3 images, but the features have 24 dimensions: fewer than 25"),
        (
            {"samples": np.zeros((99, 16, 16, 4), np.uint8)},
            "the samples are 16x16 RGBA, but the reference is 8x8 RGBA",
        ),
        ({"samples": good[..., :3]}, "the samples are 8x8 RGB, but the reference is 8x8 RGBA"),
        ({"samples": good / 255.0}, "the samples are float64"),
        ({"samples": [good]}, "the samples are a list"),
        ({"samples": good, "labels": labels[:-1]}, "allowed is one integer for each of 100 images"),
        ({"samples": good, "labels": labels / 2}, "the labels are float64"),
        ({"samples": good, "labels": labels + 1}, "the label 3 is not a class of the reference; allowed is 0 to 2"),
        ({"samples": good, "num_samples": 101}, "num_samples 101 asks for more than the 100 images given"),
        ({"samples": good, "guidance_scale": 2.0}, "are for a pipeline"),
    ]
    for options, message in cases:
        with pytest.raises(SpriteError, match=message) as error:
            evaluate(**options, reference=tiny)
        assert "\n" not in str(error.value)
