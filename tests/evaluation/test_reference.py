import numpy as np
import pytest
import torch

from sprite_diffusers.data import to_tensor
from sprite_diffusers.errors import SpriteError
from sprite_diffusers.evaluation import Reference
from sprite_diffusers.evaluation.reference import balanced_sequence, extract

from .tiny import CLASS_NAMES, tiny_classifier, tiny_dataset


@pytest.mark.parametrize("counts", [[168, 110, 112, 40, 49, 221], [1, 1, 1], [5], [0, 3, 997]])
def test_balanced_labels_are_balanced_at_every_length_and_start_alike(counts):
    counts = np.array(counts)
    total = counts.sum()
    labels = balanced_sequence(counts, 3 * total)
    given = np.cumsum(labels[:, None] == np.arange(len(counts)), axis=0)
    quota = np.arange(1, 3 * total + 1)[:, None] * counts / total
    assert np.abs(given - quota).max() < 1
    assert given[total - 1].tolist() == counts.tolist()
    assert balanced_sequence(counts, total // 2).tolist() == labels[: total // 2].tolist()


def test_training_subsets_have_the_balance_of_the_held_out_images(tiny):
    chosen = tiny.training_subset(50, seed=0)
    assert np.bincount(tiny.train_labels[chosen]).tolist() == [12, 20, 18]
    assert len(set(chosen.tolist())) == 50
    assert chosen.tolist() == tiny.training_subset(50, seed=0).tolist()
    assert chosen.tolist() != tiny.training_subset(50, seed=1).tolist()
    assert len(tiny.training_subset(10_000, seed=0)) == len(tiny.train_pixels)  # all there are


def test_features_do_not_depend_on_the_batch_size(tiny):
    whole = extract(tiny.classifier, tiny.train_pixels, tiny.class_names, 256)[0]
    for batch_size in (1, 7):
        parts = extract(tiny.classifier, tiny.train_pixels, tiny.class_names, batch_size)[0]
        np.testing.assert_allclose(parts, whole, rtol=1e-5, atol=1e-6)


def test_dropout_is_off(sprites, classifier):
    classifier.train()
    try:
        assert classifier.config.dropout > 0
        pixels = np.array(sprites["validation"][0]["image"])[None]
        first, second = (extract(classifier, pixels, None, 8)[0] for _ in range(2))
        assert np.array_equal(first, second)
    finally:
        classifier.eval()


def test_components_are_those_of_an_exact_decomposition(tiny):
    rows = to_tensor(tiny.train_pixels).flatten(1).double().numpy()
    singular = np.linalg.svd(rows - rows.mean(0), compute_uv=False)[:20]
    np.testing.assert_allclose(tiny.pca.singular_values_, singular, rtol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(tiny.train_components, axis=0), singular, rtol=1e-9)


def test_classes_are_matched_by_name(tiny):
    other_order = tiny_classifier(class_names=("human", "food", "spell"))
    other_order.load_state_dict(tiny.classifier.state_dict())
    there = extract(tiny.classifier, tiny.validation_pixels, list(CLASS_NAMES), 64)[1]
    here = extract(other_order, tiny.validation_pixels, list(CLASS_NAMES), 64)[1]
    names = np.array(CLASS_NAMES)
    own = np.array(("human", "food", "spell"))
    with torch.no_grad():
        recognised = other_order(to_tensor(tiny.validation_pixels)).logits.argmax(1).numpy()
    assert names[here].tolist() == own[recognised].tolist()
    assert here.tolist() != there.tolist()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_size": 16}, "the classifier is for 16x16 RGBA sprites, but .* has 8x8 RGBA ones"),
        ({"in_channels": 3, "mode": "RGB"}, "the classifier is for 8x8 RGB sprites, but .* has 8x8 RGBA ones"),
        ({"class_names": ("food", "spell")}, "knows the classes food, spell, but .* has food, spell, human"),
        ({"feature_dim": 300}, "validation split has 100 images, but the features have 300 dim|train split has 150"),
    ],
)
def test_a_classifier_that_does_not_fit_is_one_line(options, message):
    with pytest.raises(SpriteError, match=message) as error:
        Reference.from_dataset(tiny_dataset(), tiny_classifier(**options))
    assert "\n" not in str(error.value)


def test_a_classifier_of_another_background_is_one_line():
    with pytest.raises(SpriteError, match=r"sprites on black, but those of .* are on white"):
        Reference.from_dataset(tiny_dataset(3), tiny_classifier(in_channels=3, mode="RGB", background="black"))
