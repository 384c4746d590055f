"""Groups of prompts that say the same in nearly the same words."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import numpy as np
import pytest

from sprite_diffusers.data import load_sprites
from sprite_diffusers.errors import SpriteError
from sprite_diffusers.trainers.rl.study.near_duplicates import _phrases, _tokens, _weight, group_prompts

DATA = Path(os.environ.get("SPRITE_DIFFUSERS_TEST_DATA", Path(__file__).parents[5] / "shared" / "data"))
PICKAPIC = DATA / "prompts" / "pickapic_train.txt"
LONG = "a portrait of an old wizard reading a dusty book in a candle lit tower at night, oil painting, highly detailed"


def same(one: str, other: str, threshold: float = 0.8) -> bool:
    groups = group_prompts([one, "something else", other], threshold)
    return bool(groups[0] == groups[2])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("A red lizard, facing left.", "red  lizards facing left"),
        ("pixel art, castle, night", "castle, night, pixel art"),
        ("the cat and the dog", "a cat, a dog"),
        (LONG, LONG.replace("old", "very old")),
        (LONG, LONG.replace("dusty", "golden")),
        ("\uff23\uff21\uff34 in a box", "cat in a box"),
        ("竜の絵", "竜 の 絵!"),
        ("???", " ? ??"),
        ("of the", "Of The"),
    ],
)
def test_near_duplicates(one, other):
    assert same(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a red lizard facing left", "a red lizard facing right"),
        ("a red lizard facing left", "a red wizard facing left"),
        ("a blue magic arrow with a white trail", "a white magic arrow with a blue trail"),
        ("a house", "a horse"),
        ("a man biting a dog", "a dog biting a man"),
        ("a princess with long white hair and an orange tiara", "a princess with long brown hair and an orange tiara"),
        ("竜の絵", "猫の絵"),
        ("???", "!!!"),
    ],
)
def test_another_content_word_is_another_prompt(one, other):
    assert not same(one, other)


def test_similarity_is_the_weighted_jaccard_of_words_and_neighbours():
    words = [f"word{index}x" for index in range(7)]
    longer = [*words[:3], "new", *words[3:]]
    # 7 words and 7 of 8 pairs are shared, of 8 words and 8 + 9 - 7 pairs
    similarity = (7 + 7 / 2) / (8 + 10 / 2)
    assert same(" ".join(words), " ".join(longer), similarity - 1e-6)
    assert not same(" ".join(words), " ".join(longer), similarity + 1e-6)


def test_groups_are_the_components_of_all_similar_pairs():
    rng = np.random.default_rng(0)
    vocabulary = [f"{letter}{letter}q" for letter in "abcdefghij"]
    prompts = [" ".join(rng.choice(vocabulary, rng.integers(2, 7))) for _ in range(150)]
    tokens = [frozenset(_tokens(_phrases(prompt))) for prompt in prompts]
    expected = np.arange(len(prompts))
    for one, other in itertools.combinations(range(len(prompts)), 2):
        if _weight(tokens[one] & tokens[other]) >= 0.6 * _weight(tokens[one] | tokens[other]):
            expected[expected == expected[other]] = expected[one]
    found = group_prompts(prompts, 0.6)
    assert 1 < found.max() + 1 < 150
    np.testing.assert_array_equal(found[:, None] == found, expected[:, None] == expected)


def test_numbered_in_the_order_of_appearance():
    assert group_prompts(["a dog", "a cat", "the dog", "a bird", "cats"]).tolist() == [0, 1, 0, 2, 1]
    assert group_prompts([]).tolist() == []


def test_captions_from_templates_do_not_chain():
    dataset = load_sprites("synthetic", num_samples=2000)
    captions = sorted({text for split in dataset.values() for text in split["text"]})
    sizes = np.bincount(group_prompts(captions))
    assert len(captions) > 1000
    assert sizes.max() <= 5
    assert len(sizes) > 0.95 * len(captions)


@pytest.mark.skipif(not PICKAPIC.is_file(), reason=f"no {PICKAPIC}; set SPRITE_DIFFUSERS_TEST_DATA")
def test_variants_of_real_prompts_are_found_without_a_giant_group():
    prompts = sorted(set(PICKAPIC.read_text(encoding="utf-8").split("\n")[:4000]))
    sizes = np.bincount(group_prompts(prompts))
    assert 0.8 * len(prompts) < len(sizes) < 0.98 * len(prompts)
    assert 5 < sizes.max() < 0.02 * len(prompts)


@pytest.mark.parametrize("threshold", [0.0, 1.1, float("nan")])
def test_a_threshold_out_of_range_is_refused(threshold):
    with pytest.raises(SpriteError, match=r"--group_threshold .* not above 0 and at most 1"):
        group_prompts(["a"], threshold)
