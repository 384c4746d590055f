"""Captions cut to some of their sentences."""

from __future__ import annotations

import numpy as np

from sprite_diffusers.data.captions import some_sentences

TEXT = "It is small. Does it bite? Yes! primary type is fire. abilities 0 is Blaze."


def test_some_sentences_in_their_order():
    rng = np.random.default_rng(0)
    drawn = {some_sentences(TEXT, 2, rng) for _ in range(300)}
    single = {"It is small.", "Does it bite?", "Yes!", "primary type is fire.", "abilities 0 is Blaze."}
    assert single < drawn
    assert all(text in TEXT or len(text.split(".")) > 1 for text in drawn)
    assert len(drawn) == 5 + 10
    assert "Does it bite? It is small." not in drawn


def test_a_text_without_an_end_is_one_sentence():
    assert some_sentences("a red square", 6, np.random.default_rng(0)) == "a red square"
