import numpy as np
import pytest

from sprite_diffusers.data import to_tensor
from sprite_diffusers.evaluation import memorisation
from sprite_diffusers.evaluation.memorisation import nearest


def noise(count: int, seed: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 8, 8, channels), np.uint8)


def test_copies_and_mirrored_copies_are_found_and_strangers_are_not():
    train = noise(50, 0)
    found = nearest(np.concatenate([train[[7, 3]], train[[5]][:, :, ::-1], noise(2, 1)]), train)
    assert found.index[:3].tolist() == [7, 3, 5]
    assert found.first[:3].tolist() == [0, 0, 0]
    assert found.ratio[:3].tolist() == [0, 0, 0]
    assert found.memorised.tolist() == [True, True, True, False, False]
    assert found.near_copies.tolist() == [True, True, True, False, False]


def test_a_copy_of_an_image_with_variants_is_a_near_copy_though_its_ratio_is_high():
    train = noise(50, 0)
    train[1] = train[0]
    train[1, 0, 0] ^= 1
    changed = train[:1].copy()
    changed[0, 5, 5] ^= 1
    found = nearest(changed, train)
    assert found.ratio[0] > 1 / 3
    assert not found.memorised[0]
    assert found.near_copies[0]
    equal = nearest(train[:1], np.concatenate([train[:1], train[:1], train[2:]]))  # d1 = d2 = 0
    assert equal.memorised[0]
    assert equal.near_copies[0]


@pytest.mark.parametrize("chunk", [1, 1 << 24])
@pytest.mark.parametrize("channels", [3, 4])
def test_distances_agree_with_their_definition(chunk, channels, monkeypatch):
    monkeypatch.setattr(memorisation, "_CHUNK", chunk)
    samples, train = noise(20, 1, channels), noise(30, 2, channels)
    x, y = to_tensor(samples).double().numpy(), to_tensor(train).double().numpy()
    views = np.stack([x, x[..., ::-1]])
    rms = np.sqrt(((views[:, :, None] - y) ** 2).mean(axis=(3, 4, 5))).min(axis=0) / 2
    found = nearest(samples, train)
    assert found.index.tolist() == rms.argmin(1).tolist()
    np.testing.assert_allclose(found.first, np.sort(rms, axis=1)[:, 0], rtol=1e-12)
    np.testing.assert_allclose(found.second, np.sort(rms, axis=1)[:, 1], rtol=1e-12)


def test_closest_lists_near_copies_before_low_ratios():
    train = np.zeros((4, 8, 8, 3), np.uint8)
    train[1, :, :4] = 255
    train[2, :4] = 255
    train[3] = train[2]
    train[3, 7, 7] = 4
    samples = np.stack([train[1] // 2, train[1] - train[1] // 16, train[2]])
    samples[2, 7, 7] = 2  # between two variants: near, though its ratio is 1
    assert [entry[0] for entry in nearest(samples, train).closest(2)] == [2, 1]


def test_the_invisible_colour_of_transparent_pixels_does_not_hide_a_copy():
    train = noise(10, 0, 4)
    train[..., 3] = np.where(train[..., 3] > 127, 255, 0)
    sample = train[:1].copy()
    sample[..., :3] = np.where(sample[..., 3:] > 0, sample[..., :3], 99)
    assert nearest(sample, train).first[0] == 0
