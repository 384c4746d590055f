import numpy as np
import pytest
import torch

from sprite_diffusers.data import Augmentation
from sprite_diffusers.errors import SpriteError


def sprites(count: int, channels: int, size: int = 8) -> torch.Tensor:
    pixels = np.random.default_rng(0).integers(0, 256, (count, size, size, channels), np.uint8)
    if channels == 4:
        pixels[..., 3] = np.where(pixels[..., 3] > 127, 255, 0)
    return torch.from_numpy(pixels)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_everything_is_off_by_default() -> None:
    batch = sprites(8, 4)
    assert torch.equal(Augmentation()(batch, None, seeded()), batch)


@pytest.mark.parametrize("channels", [3, 4])
def test_the_generator_alone_decides(channels: int) -> None:
    augmentation = Augmentation(horizontal_flip=True, max_shift=2, palette_swap=0.5)
    batch = sprites(32, channels)
    before = batch.clone()
    first = augmentation(batch, None, seeded(1))
    assert torch.equal(first, augmentation(batch, None, seeded(1)))
    assert not torch.equal(first, augmentation(batch, None, seeded(2)))
    assert torch.equal(batch, before)
    assert first.dtype == torch.uint8
    assert first.shape == batch.shape


def test_flip_mirrors_half_and_never_the_skipped_classes() -> None:
    batch = sprites(400, 4)
    labels = torch.arange(400) % 5
    flipped = Augmentation(horizontal_flip=True, skip_classes=(4,))(batch, labels, seeded())
    mirrored = (flipped == batch.flip(2)).flatten(1).all(1)
    same = (flipped == batch).flatten(1).all(1)
    assert (mirrored | same).all()
    assert same[labels == 4].all()
    assert 130 < mirrored[labels != 4].sum() < 190  # of 320
    with pytest.raises(SpriteError, match=r"skip_classes=\(4,\) needs labels"):
        Augmentation(horizontal_flip=True, skip_classes=(4,))(batch, None, seeded())


@pytest.mark.parametrize(("channels", "fill"), [(3, (255, 255, 255)), (3, (1, 2, 3)), (4, (0, 0, 0, 0))])
def test_shift_moves_whole_pixels_and_uncovers_the_fill(channels: int, fill: tuple[int, ...]) -> None:
    batch = sprites(200, channels)
    shifted = Augmentation(max_shift=2, fill=fill[:3])(batch, None, seeded())
    offsets = set()
    for before, after in zip(batch, shifted, strict=True):
        for down in range(-2, 3):
            for right in range(-2, 3):
                expected = torch.tensor(fill, dtype=torch.uint8).repeat(8, 8, 1)
                expected[max(down, 0) : 8 + min(down, 0), max(right, 0) : 8 + min(right, 0)] = before[
                    max(-down, 0) : 8 - max(down, 0), max(-right, 0) : 8 - max(right, 0)
                ]
                if torch.equal(expected, after):
                    offsets.add((down, right))
    assert len(offsets) == 25  # every shift within reach occurs, and each image is one of them
    matches = sum(torch.equal(a, b) for a, b in zip(batch, shifted, strict=True))
    assert matches < 25


def test_palette_swap_keeps_alpha_greys_and_the_number_of_colours() -> None:
    rng = np.random.default_rng(0)
    palette = rng.integers(0, 256, (6, 3), np.uint8)
    palette[0] = 128
    indices = rng.integers(0, 6, (64, 8, 8))
    alpha = np.where(rng.random((64, 8, 8, 1)) < 0.5, 255, 0).astype(np.uint8)
    batch = torch.from_numpy(np.concatenate([palette[indices], alpha], axis=-1))
    swapped = Augmentation(palette_swap=1.0)(batch, None, seeded())
    assert torch.equal(swapped[..., 3], batch[..., 3])
    assert (swapped[torch.from_numpy(indices == 0)][:, :3] == 128).all()
    for before, after in zip(batch[..., :3], swapped[..., :3], strict=True):
        assert not torch.equal(before, after)
        assert len(before.reshape(-1, 3).unique(dim=0)) == len(after.reshape(-1, 3).unique(dim=0))
        assert torch.equal(before.sort(dim=-1).values, after.sort(dim=-1).values)  # the same channels, reordered


def test_palette_swap_has_its_probability_and_leaves_a_coloured_background() -> None:
    batch = torch.tensor([[10, 20, 30], [255, 0, 255]], dtype=torch.uint8).reshape(1, 1, 2, 3).repeat(1000, 1, 1, 1)
    swapped = Augmentation(palette_swap=0.3, fill=(255, 0, 255))(batch, None, seeded())
    changed = (swapped[:, 0, 0] != batch[:, 0, 0]).any(-1)
    assert 250 < changed.sum() < 350
    assert torch.equal(swapped[:, 0, 1], batch[:, 0, 1])


def test_impossible_settings_are_named() -> None:
    with pytest.raises(SpriteError, match="max_shift -1"):
        Augmentation(max_shift=-1)
    with pytest.raises(SpriteError, match=r"palette_swap 1\.5"):
        Augmentation(palette_swap=1.5)
    with pytest.raises(SpriteError, match="max_shift 8 empties an image of 8x8; allowed is up to 7"):
        Augmentation(max_shift=8)(sprites(2, 3), None, seeded())
