from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
from PIL import Image

from sprite_diffusers.data import Augmentation, EpochSampler, SpriteArrays, from_tensor, load_sprites, to_tensor
from sprite_diffusers.errors import SpriteError


def saved_sprites(folder: Path, count: int = 40, channels: int = 4) -> Path:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (count, 16, 16, channels), np.uint8)
    if channels == 4:
        pixels[..., 3] = np.where(pixels[..., 3] > 127, 255, 0)
    np.save(folder / "sprites.npy", pixels)
    np.save(folder / "labels.npy", np.arange(count) % 4)
    return folder / "sprites.npy"


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_arrays_hold_what_the_images_show(tmp_path: Path, mode: str) -> None:
    train = load_sprites(saved_sprites(tmp_path), mode=mode)["train"]
    arrays = SpriteArrays.from_dataset(train)
    expected = np.stack([np.asarray(image) for image in train["image"]])
    assert len(arrays) == len(train) == 36
    assert arrays.pixels.dtype == np.uint8
    assert np.array_equal(arrays.pixels, expected)
    assert arrays.labels is not None
    assert arrays.labels.tolist() == train["label"][:]
    assert arrays.texts == [f"a {label}" for label in train["label"]]


def test_batch_is_what_a_network_sees(tmp_path: Path) -> None:
    arrays = SpriteArrays.from_dataset(load_sprites(saved_sprites(tmp_path))["train"])
    rows = np.array([5, 0, 5, 30])
    x, labels = arrays.batch(rows)
    assert x.dtype == torch.float32
    assert x.shape == (4, 4, 16, 16)
    assert x.is_contiguous()
    assert torch.equal(x, to_tensor(arrays.pixels[rows]))
    assert np.array_equal(from_tensor(x), arrays.pixels[rows])
    assert labels is not None
    assert labels.tolist() == arrays.labels[[5, 0, 5, 30]].tolist()


def test_batch_augments_from_the_given_generator(tmp_path: Path) -> None:
    arrays = SpriteArrays.from_dataset(load_sprites(saved_sprites(tmp_path))["train"])
    rows, flip = np.arange(36), Augmentation(horizontal_flip=True, skip_classes=(0, 1, 2))
    x, labels = arrays.batch(rows, flip, torch.Generator().manual_seed(0))
    again, _ = arrays.batch(rows, flip, torch.Generator().manual_seed(0))
    plain, _ = arrays.batch(rows)
    assert torch.equal(x, again)
    changed = (x != plain).flatten(1).any(1)
    assert labels is not None
    assert set(labels[changed].tolist()) == {3}
    assert torch.equal(x[changed], plain[changed].flip(3))
    with pytest.raises(SpriteError, match="augmentation without a generator"):
        arrays.batch(rows, flip)


def test_without_classes_there_are_no_labels(tmp_path: Path) -> None:
    path = saved_sprites(tmp_path)
    (tmp_path / "labels.npy").unlink()
    arrays = SpriteArrays.from_dataset(load_sprites(path)["train"])
    assert arrays.labels is None
    assert arrays.batch(np.array([0, 1]))[1] is None
    assert arrays.texts == [""] * 36


def test_a_large_set_is_mapped_from_a_file_that_later_runs_reuse(tmp_path: Path) -> None:
    train = load_sprites(saved_sprites(tmp_path))["train"]
    cache = tmp_path / "cache"
    in_memory = SpriteArrays.from_dataset(train)
    mapped = SpriteArrays.from_dataset(train, memory_limit_bytes=1000, cache_dir=cache)
    assert isinstance(mapped.pixels, np.memmap)
    assert np.array_equal(mapped.pixels, in_memory.pixels)
    assert torch.equal(mapped.batch(np.array([3, 1]))[0], in_memory.batch(np.array([3, 1]))[0])
    (written,) = cache.iterdir()
    before = written.stat().st_mtime_ns
    again = load_sprites(tmp_path / "sprites.npy")["train"]
    SpriteArrays.from_dataset(again, memory_limit_bytes=1000, cache_dir=cache)
    assert [path.name for path in cache.iterdir()] == [written.name]
    assert written.stat().st_mtime_ns == before


def test_sets_that_are_no_sprites_are_named() -> None:
    with pytest.raises(SpriteError, match="2 rows with the columns text has no images"):
        SpriteArrays.from_dataset(datasets.Dataset.from_dict({"text": ["a", "b"]}))
    images = [Image.new("RGB", (8, 8)), Image.new("RGB", (8, 9))]
    ragged = datasets.Dataset.from_dict({"image": images}, features=datasets.Features({"image": datasets.Image()}))
    with pytest.raises(SpriteError, match="image 1 is 8x9 and image 0 is 8x8"):
        SpriteArrays.from_dataset(ragged)


def test_sampler_covers_every_example_once_per_epoch() -> None:
    sampler = EpochSampler(num_examples=103, batch_size=10, seed=0)
    stream = np.concatenate([sampler.indices(step) for step in range(103)])  # exactly 10 epochs
    for epoch in range(10):
        part = stream[epoch * 103 : (epoch + 1) * 103]
        assert np.array_equal(np.sort(part), np.arange(103))
    assert not np.array_equal(stream[:103], stream[103:206])


def test_sampler_addresses_any_step_directly() -> None:
    forward = EpochSampler(num_examples=50, batch_size=16, seed=3)
    steps = [forward.indices(step) for step in range(40)]
    for step in (39, 0, 17, 18, 3):
        assert np.array_equal(EpochSampler(50, 16, 3).indices(step), steps[step])
        assert np.array_equal(forward.indices(step), steps[step])
    assert not np.array_equal(EpochSampler(50, 16, 4).indices(0), steps[0])


def test_processes_share_a_global_batch_without_overlap() -> None:
    whole = EpochSampler(num_examples=96, batch_size=24, seed=0)
    shares = [EpochSampler(96, 8, 0, process_index=rank, num_processes=3) for rank in range(3)]
    for step in range(20):
        parts = [share.indices(step) for share in shares]
        assert np.array_equal(np.concatenate(parts), whole.indices(step))
        assert len(np.unique(np.concatenate(parts))) == 24


def test_a_set_smaller_than_a_batch_wraps_into_further_permutations() -> None:
    shares = [EpochSampler(5, 8, 0, process_index=rank, num_processes=2) for rank in range(2)]
    stream = np.concatenate([share.indices(step) for step in range(5) for share in shares])
    assert stream.shape == (80,)
    assert np.bincount(stream).tolist() == [16] * 5
    for epoch in range(16):
        assert sorted(stream[epoch * 5 : (epoch + 1) * 5]) == [0, 1, 2, 3, 4]


def test_sampler_refuses_what_it_cannot_sample() -> None:
    with pytest.raises(SpriteError, match="0 examples in batches of 8"):
        EpochSampler(0, 8, 0)
    with pytest.raises(SpriteError, match="process 2 of 2"):
        EpochSampler(10, 8, 0, process_index=2, num_processes=2)
