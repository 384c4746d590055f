import pytest
import torch

from sprite_diffusers.data import NOISE_TYPES, corrupt
from sprite_diffusers.errors import SpriteError


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def grey(count: int = 6, channels: int = 3, size: int = 16) -> torch.Tensor:
    return torch.zeros(count, channels, size, size)


def test_none_gives_the_images_back() -> None:
    images = grey()
    assert corrupt(images, "none", 0.3) is images


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("noise_type", NOISE_TYPES)
def test_the_generator_alone_decides_and_the_input_stays(noise_type: str, channels: int) -> None:
    images = torch.rand(6, channels, 16, 16, generator=seeded(9)) * 2 - 1
    before = images.clone()
    first = corrupt(images, noise_type, 0.3, seeded(1))
    torch.rand(5)  # moves the global state
    assert torch.equal(first, corrupt(images, noise_type, 0.3, seeded(1)))
    assert torch.equal(images, before)
    assert first.shape == images.shape
    assert first.dtype == images.dtype
    assert first.min() >= -1
    assert first.max() <= 1
    assert torch.equal(first, corrupt(images, noise_type, 0.3, seeded(2))) == (noise_type == "none")


def test_strength_is_the_standard_deviation_where_white_is_1() -> None:
    change = corrupt(grey(40), "gaussian", 0.1, seeded()) / 2
    assert change.std().item() == pytest.approx(0.1, rel=0.02)
    assert change.mean().item() == pytest.approx(0, abs=0.002)


def test_gaussian_noise_is_clipped() -> None:
    noisy = corrupt(torch.ones(8, 3, 16, 16), "gaussian", 0.15, seeded())
    assert noisy.max() == 1
    assert (noisy == 1).float().mean().item() == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("channels", [3, 4])
def test_masking_takes_the_same_number_of_whole_pixels_from_every_image(channels: int) -> None:
    masked = corrupt(grey(channels=channels), "masking", 0.25, seeded()) == -1
    assert torch.equal(masked.all(dim=1), masked.any(dim=1))
    assert masked.any(dim=1).sum(dim=(1, 2)).tolist() == [64] * 6
    assert not torch.equal(masked[0], masked[1])


def test_salt_and_pepper_are_equally_many() -> None:
    damaged = corrupt(grey(), "salt_and_pepper", 0.25, seeded())
    assert (damaged == 1).all(dim=1).sum(dim=(1, 2)).tolist() == [32] * 6
    assert (damaged == -1).all(dim=1).sum(dim=(1, 2)).tolist() == [32] * 6
    assert (damaged == 0).all(dim=1).sum(dim=(1, 2)).tolist() == [192] * 6


def test_salt_and_pepper_are_opaque() -> None:
    transparent = -torch.ones(6, 4, 16, 16)
    damaged = corrupt(transparent, "salt_and_pepper", 0.25, seeded())
    opaque = damaged[:, 3] == 1
    assert opaque.sum(dim=(1, 2)).tolist() == [64] * 6
    assert (damaged[:, :3] == 1).all(dim=1).sum(dim=(1, 2)).tolist() == [32] * 6
    assert (damaged[:, 3][~opaque] == -1).all()


def test_all_pixels_or_none() -> None:
    assert (corrupt(grey(), "masking", 1.0) == -1).all()
    for noise_type in NOISE_TYPES:
        assert torch.equal(corrupt(grey(), noise_type, 0.0), grey())


def test_mistakes_are_named() -> None:
    with pytest.raises(SpriteError, match=r"'blur' is unknown; allowed are none, gaussian.*--input_noise"):
        corrupt(grey(), "blur", 0.1)
    for strength in (-0.1, 1.5, float("nan")):
        with pytest.raises(
            SpriteError, match=rf"{strength} is out of range; allowed is 0 to 1; change --noise_strength"
        ):
            corrupt(grey(), "none", strength)
