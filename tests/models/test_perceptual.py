"""Distances between features: what they are of, and what they are for."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from sprite_diffusers.errors import SpriteError
from sprite_diffusers.models import SpriteClassifier
from sprite_diffusers.models.perceptual import (
    VGG16_LAYERS,
    ClassifierPerceptualLoss,
    PerceptualLoss,
    VGG16PerceptualLoss,
    build_perceptual,
)

VGG16_WIDTHS = {0: (3, 64), 2: (64, 64), 5: (64, 128), 7: (128, 128), 10: (128, 256), 12: (256, 256), 14: (256, 256),
                17: (256, 512), 19: (512, 512), 21: (512, 512)}  # fmt: skip


def sprites(count: int = 4, channels: int = 4, size: int = 8) -> torch.Tensor:
    return torch.rand(count, channels, size, size, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.fixture
def classifier() -> SpriteClassifier:
    torch.manual_seed(0)
    return SpriteClassifier(in_channels=4, image_size=8, id2label={"0": "a", "1": "b"}, block_out_channels=(8, 16))


def needs_torchvision() -> None:
    pytest.importorskip("torchvision", reason="torchvision is an optional extra")


@pytest.fixture(scope="module")
def vgg_weights() -> dict[str, torch.Tensor]:
    """Random weights of the layers used, under torchvision's names."""
    needs_torchvision()
    generator = torch.Generator().manual_seed(0)
    weights = {}
    for index, (before, after) in VGG16_WIDTHS.items():
        weights[f"features.{index}.weight"] = torch.randn(after, before, 3, 3, generator=generator) / (3 * before**0.5)
        weights[f"features.{index}.bias"] = torch.zeros(after)
    return weights


def check_distance(loss: PerceptualLoss, images: torch.Tensor) -> None:
    """Zero for equal images, growing with noise, with a gradient for the image and none for the network."""
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(2))
    distances = [float(loss((images + strength * noise).clamp(-1, 1), images)) for strength in (0.0, 0.05, 0.2, 0.8)]
    assert distances[0] == pytest.approx(0, abs=1e-9)
    assert distances == sorted(set(distances))
    image = (images + 0.2 * noise).requires_grad_()
    loss(image, images).backward()
    assert image.grad.abs().max() > 0
    assert not any(parameter.requires_grad for parameter in loss.parameters())
    assert all(parameter.grad is None for parameter in loss.parameters())


def test_the_features_of_a_classifier(classifier):
    classifier.train()
    loss = ClassifierPerceptualLoss(classifier)
    check_distance(loss, sprites())
    assert not classifier.training
    assert loss.name == f"classifier {classifier.identity()[:16]}"
    first, last = loss.features(sprites())[0], loss.features(sprites())[-1]
    assert first.shape == (4, 8, 8, 8)
    assert last.shape == (4, 16, 4, 4)


def test_it_is_the_squared_distance_of_unit_vectors_summed_over_layers():
    class Two(PerceptualLoss):
        def features(self, images):
            return [images, 7 * images[:, :, :2]]

    images = torch.zeros(1, 2, 4, 4)
    images[:, 0] = 3.0
    targets = torch.zeros(1, 2, 4, 4)
    targets[:, 1] = 0.5
    # unit vectors along x and y are 2 apart, squared, at each position of both layers
    assert float(Two()(images, targets)) == pytest.approx(4.0)
    assert float(Two()(2 * targets, targets)) == pytest.approx(0.0)


def test_a_sprite_of_other_channels_does_not_fit_a_classifier(classifier):
    with pytest.raises(RuntimeError):
        ClassifierPerceptualLoss(classifier)(sprites(channels=3), sprites(channels=3))


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_vgg16_from_a_file(suffix, vgg_weights, tmp_path):
    path = tmp_path / f"vgg16{suffix}"
    if suffix == ".pth":
        torch.save(vgg_weights, path)
    else:
        save_file(vgg_weights, path)
    loss = build_perceptual("vgg16", str(path))
    assert loss.name == "vgg16"
    assert torch.equal(loss.layers[21].weight, vgg_weights["features.21.weight"])
    shapes = [tuple(part.shape[1:]) for part in loss.features(sprites(1, 3, 16))]
    assert shapes == [(64, 16, 16), (128, 8, 8), (256, 4, 4), (512, 2, 2)]
    if suffix == ".pth":
        check_distance(loss, sprites(2, 3, 16))
        rgba = sprites(2, 4, 16)
        assert float(loss(rgba, sprites(2, 4, 16).index_fill(1, torch.tensor([3]), 0.0))) == pytest.approx(0, abs=1e-9)


def one_line(error: pytest.ExceptionInfo) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_weights_that_are_none(suffix, tmp_path):
    needs_torchvision()
    missing, garbage, foreign = (tmp_path / f"{name}{suffix}" for name in ("missing", "garbage", "foreign"))
    garbage.write_bytes(b"this is no file of weights\n" * 20)
    state = {"conv.weight": torch.zeros(2)}
    if suffix == ".pth":
        torch.save(state, foreign)
    else:
        save_file(state, foreign)
    for path in (missing, garbage, foreign):
        with pytest.raises(SpriteError, match=f"the weights of VGG16 \\({path}\\) cannot be read") as error:
            VGG16PerceptualLoss(path)
        assert "--perceptual_model" in one_line(error)
        assert ("features.0.weight" in str(error.value)) == (path == foreign)


def test_weights_of_another_shape_or_without_a_layer(vgg_weights, tmp_path):
    wide = {**vgg_weights, "features.0.weight": torch.zeros(64, 1, 3, 3)}
    torch.save(wide, tmp_path / "wide.pth")
    with pytest.raises(SpriteError, match="cannot be read") as error:
        VGG16PerceptualLoss(tmp_path / "wide.pth")
    one_line(error)
    torch.save({name: tensor for name, tensor in vgg_weights.items() if name != "features.5.bias"}, tmp_path / "p.pth")
    with pytest.raises(SpriteError, match=r"it has no features.5.bias"):
        VGG16PerceptualLoss(tmp_path / "p.pth")


def test_kinds(classifier, tmp_path):
    assert build_perceptual("none", None) is None
    classifier.save_pretrained(tmp_path)
    loss = build_perceptual("classifier", str(tmp_path))
    assert loss.name == f"classifier {classifier.identity()[:16]}"
    with pytest.raises(SpriteError, match="holds no classifier"):
        build_perceptual("classifier", str(tmp_path / "none"))
    assert VGG16_LAYERS == (3, 8, 15, 22)
