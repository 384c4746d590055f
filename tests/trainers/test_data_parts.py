"""What trainers make of `DataConfig`."""

from __future__ import annotations

import numpy as np

from sprite_diffusers.trainers.config import DataConfig
from sprite_diffusers.trainers.data_parts import build_augmentation, pad_sprites


def test_padding_repeats_the_edge_and_leaves_the_centre():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 5, 5, 3), dtype=np.uint8)
    padded = pad_sprites(pixels, 8)
    assert padded.shape == (2, 8, 8, 3)
    assert padded.dtype == np.uint8
    np.testing.assert_array_equal(padded[:, 1:6, 1:6], pixels)
    np.testing.assert_array_equal(padded[:, 0, 1:6], pixels[:, 0])
    np.testing.assert_array_equal(padded[:, 7, 7], pixels[:, 4, 4])
    assert pad_sprites(pixels, 5) is pixels


def test_augmentation_is_what_was_asked_for():
    assert build_augmentation(DataConfig(), ["food"]) is None
    flip = build_augmentation(DataConfig(random_flip=True), ["food", "side-facing"])
    assert (flip.horizontal_flip, flip.max_shift, flip.palette_swap, flip.skip_classes) == (True, 0, 0.0, (1,))
    shift = build_augmentation(DataConfig(random_shift=2, palette_swap=0.5, background="black"), [])
    assert (shift.horizontal_flip, shift.max_shift, shift.palette_swap) == (False, 2, 0.5)
    assert (shift.skip_classes, tuple(shift.fill)[:3]) == ((), (0, 0, 0))
