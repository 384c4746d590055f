"""Rewards without a network: each against its definition on sprites where the value is plain, and on random ones."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
import torch
from PIL import Image

from sprite_diffusers.errors import SpriteError
from sprite_diffusers.evaluation import palette_metrics
from sprite_diffusers.models import SpriteClassifier
from sprite_diffusers.rewards import (
    ClassProbabilityReward,
    CompressibilityReward,
    HardEdgesReward,
    NumColorsReward,
    OrphanPixelsReward,
    PaletteFitReward,
    SymmetryReward,
)
from sprite_diffusers.rewards.pixels import own_palette

NAMES = {"0": "human", "1": "food", "2": "spell"}


def tensor(pixels: np.ndarray) -> torch.Tensor:
    """``(1, C, H, W)`` in ``[0, 1]`` of uint8 ``(H, W, C)``."""
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255


def random_pixels(channels: int = 3, colors: int = 6, size: tuple[int, int] = (9, 12)) -> np.ndarray:
    rng = np.random.default_rng(0)
    palette = rng.integers(0, 256, (colors, channels), dtype=np.uint8)
    if channels == 4:
        palette[:, 3] = np.where(np.arange(colors) % 3 == 0, 0, 255)
    return palette[rng.integers(0, colors, size)]


def test_palette_fit_is_the_distance_to_the_nearest_colour():
    pixels, palette = random_pixels(), [(255, 0, 0), (0, 0, 0), (40, 200, 90)]
    distances = [
        min(math.dist(color, entry) for entry in palette) / (255 * math.sqrt(3))
        for color in pixels.reshape(-1, 3).tolist()
    ]
    reward = PaletteFitReward(["red", "#000000", (40, 200, 90)])
    assert reward(images=tensor(pixels)) == [pytest.approx(1 - sum(distances) / len(distances), abs=1e-5)]
    assert reward(images=[Image.fromarray(np.array([[[255, 0, 0], [0, 0, 0]]], np.uint8))]) == [1.0]
    assert reward.version == "1 ff0000 000000 28c85a"


def test_palette_fit_sees_only_what_is_visible_and_points_to_the_palette():
    pixels = np.zeros((2, 2, 4), np.uint8)
    pixels[0] = [255, 255, 255, 0]
    pixels[1] = [200, 0, 0, 255]
    reward = PaletteFitReward(["red"])
    assert reward(images=tensor(pixels)) == [pytest.approx(1 - 55 / 255 / math.sqrt(3), abs=1e-5)]
    images = tensor(pixels).requires_grad_()
    reward.score(images).sum().backward()
    assert (images.grad[0, 0, 1] > 0).all()  # more red
    assert images.grad[0, :, 0].abs().max() == images.grad[0, 3].abs().max() == 0
    exact = torch.tensor([1.0, 0, 0])[None, :, None, None].repeat(1, 1, 2, 2).requires_grad_()
    reward.score(exact).sum().backward()
    assert exact.grad.abs().max() == 0  # and not NaN
    assert reward.score(torch.zeros(1, 4, 2, 2)).tolist() == [0.0]  # an empty sprite fits no palette


def test_own_palette_of_few_colours_is_exact_and_of_clusters_their_means():
    assert PaletteFitReward(num_colors=6)(images=tensor(random_pixels(colors=6))) == [1.0]
    rng = np.random.default_rng(1)
    centres = np.array([[30, 30, 30], [220, 40, 60], [60, 220, 200]])
    near = centres[rng.integers(0, 3, 400)] + rng.integers(-9, 10, (400, 3))
    pixels = torch.tensor(near, dtype=torch.float32) / 255
    palette = own_palette(pixels, torch.ones(400), 3)
    for centre in centres:
        members = near[np.abs(near - centre).max(axis=1) < 10]
        expected = torch.tensor(members.mean(axis=0) / 255, dtype=torch.float32)
        assert (palette - expected).abs().amax(dim=1).min() < 1e-5
    image = pixels.T.reshape(1, 3, 20, 20)
    fits = [PaletteFitReward(num_colors=count)(images=image)[0] for count in (1, 2, 3, 400)]
    assert fits == sorted(fits)
    assert fits[2] > 0.97
    assert fits[3] == 1.0


def test_number_of_colours_counts_doublings():
    pixels = random_pixels(4, colors=9)  # of which six are visible
    assert palette_metrics(pixels[None])["unique_colors"] == 6
    values = [NumColorsReward(count)(images=tensor(pixels))[0] for count in (3, 6, 16)]
    assert values == [-1.0, 0.0, 0.0]


def test_orphans_are_those_of_the_evaluation():
    pixels = np.zeros((4, 4, 3), np.uint8)
    pixels[1, 1] = 255
    assert OrphanPixelsReward()(images=tensor(pixels)) == [1 - 1 / 16]
    for channels in (3, 4):
        pixels = random_pixels(channels)
        expected = 1 - palette_metrics(pixels[None])["orphan_pixels"]
        assert OrphanPixelsReward()(images=tensor(pixels)) == [pytest.approx(expected)]


def test_hard_edges():
    drawn = np.zeros((1, 4, 3), np.uint8)
    drawn[:, 2:] = 200
    blurred = drawn.copy()
    blurred[0, :, :] = np.array([0, 20, 40, 200])[:, None]
    faint = np.dstack([drawn, np.array([[255, 255, 128, 255]], np.uint8)])
    cut = np.dstack([blurred, np.array([[0, 0, 255, 255]], np.uint8)])  # colour that is not seen makes no step
    values = [HardEdgesReward()(images=tensor(pixels))[0] for pixels in (drawn, blurred, faint, cut)]
    assert values == pytest.approx([1, 1 - 2 / 3, 1 - 2 / 3, 1])


def test_hard_edges_fall_when_a_sprite_is_blurred():
    sprite = Image.fromarray(random_pixels(size=(8, 8))).resize((32, 32), Image.Resampling.NEAREST)
    blurred = sprite.resize((64, 64), Image.Resampling.BICUBIC).resize((32, 32), Image.Resampling.BILINEAR)
    sharp, soft = HardEdgesReward()(images=[sprite, blurred])
    assert sharp > 0.97
    assert soft < sharp - 0.1


def test_symmetry():
    half = random_pixels()
    mirrored = np.concatenate([half, half[:, ::-1]], axis=1)
    assert SymmetryReward()(images=tensor(mirrored)) == [1.0]
    across = SymmetryReward("horizontal")(images=tensor(mirrored))[0]
    expected = 1 - np.abs(mirrored.astype(float) - mirrored[::-1]).mean() / 255
    assert across == pytest.approx(expected, abs=1e-6)
    clear = np.dstack([random_pixels(), np.zeros((9, 12), np.uint8)])
    clear[0, [0, -1], 3] = 255
    clear[0, -1] = clear[0, 0]
    assert SymmetryReward()(images=tensor(clear)) == [1.0]  # invisible colours do not count
    images = tensor(half).requires_grad_()
    SymmetryReward().score(images).sum().backward()
    assert images.grad.abs().max() > 0


@pytest.mark.parametrize(
    ("file_format", "options"), [("png", {"optimize": True}), ("jpeg", {"quality": 95})], ids=["png", "jpeg"]
)
def test_compressibility_is_ddpos(file_format, options):
    pixels = random_pixels(colors=40, size=(32, 48))
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, file_format, **options)
    reward = CompressibilityReward(file_format)
    assert reward(images=tensor(pixels)) == [-file.tell() / 1000]
    flat, noisy = reward(images=[Image.new("RGB", (48, 32)), Image.fromarray(pixels)])
    assert flat > noisy


def test_compressibility_of_transparent_sprites():
    pixels = random_pixels(4)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png", optimize=True)
    assert CompressibilityReward()(images=tensor(pixels)) == [-file.tell() / 1000]
    with pytest.raises(SpriteError, match="does not see transparency"):
        CompressibilityReward("jpeg")(images=tensor(pixels))
    assert CompressibilityReward("jpeg", background="white")(images=tensor(pixels))[0] < 0


def test_what_is_empty_has_no_score():
    empty = torch.zeros(1, 4, 6, 6)
    for reward in (
        PaletteFitReward(["red"]), PaletteFitReward(num_colors=2), NumColorsReward(), OrphanPixelsReward(),
        HardEdgesReward(), SymmetryReward(), CompressibilityReward(),
    ):  # fmt: skip
        assert reward(images=empty) == [None]
        assert len(reward(images=torch.rand(3, 3, 6, 6))) == 3


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: PaletteFitReward(), "needs a palette"),
        (lambda: PaletteFitReward(["red"], 4), "needs a palette"),
        (lambda: PaletteFitReward(["nocolor"]), "'nocolor'"),
        (lambda: PaletteFitReward([(1, 2, 256)]), "is no colour"),
        (lambda: PaletteFitReward(num_colors=0), "num_colors=0"),
        (lambda: NumColorsReward(0), "max_colors=0"),
        (lambda: SymmetryReward("x"), "axis 'x'"),
        (lambda: CompressibilityReward("gif"), "file_format 'gif'"),
        (lambda: SymmetryReward(batch_size=0), "batch_size 0"),
    ],
)
def test_settings_that_are_wrong(build, message):
    with pytest.raises(SpriteError, match=message):
        build()


def classifier(channels: int = 3) -> SpriteClassifier:
    torch.manual_seed(0)
    mode = {3: "RGB", 4: "RGBA"}[channels]
    model = SpriteClassifier(
        channels, 8, NAMES, (8, 16), norm_num_groups=4, mode=mode, background="black", temperature=0.05
    )
    return model.eval()


@torch.no_grad()
def test_class_probability_is_the_softmax_of_what_was_asked_for():
    model, images = classifier(), torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    probabilities = model(images * 2 - 1).logits.softmax(dim=1)
    assert probabilities.std() > 0.01
    reward = ClassProbabilityReward(model)
    by_label = reward(images=images, class_labels=[0, "spell", torch.tensor(1), None], prompts=[None] * 4)
    assert by_label == [pytest.approx(value, abs=1e-5) for value in probabilities[[0, 1, 2], [0, 2, 1]].tolist()] + [
        None
    ]
    by_prompt = reward(images=images, prompts=["food", "a castle", "spell", None])
    assert by_prompt == [
        pytest.approx(probabilities[0, 1].item(), abs=1e-5), None, pytest.approx(probabilities[2, 2].item(), abs=1e-5), None,
    ]  # fmt: skip
    fixed = ClassProbabilityReward(model, "spell")(images=images, prompts=["food"] * 4)
    assert fixed == pytest.approx(probabilities[:, 2].tolist(), abs=1e-5)


@pytest.mark.parametrize("channels", [3, 4])
def test_class_probability_of_transparent_sprites_is_that_of_what_the_classifier_was_trained_on(channels):
    from sprite_diffusers.data import to_tensor

    pixels = np.stack([random_pixels(4, size=(8, 8)), np.rot90(random_pixels(4, size=(8, 8)))])
    model = classifier(channels)
    with torch.no_grad():
        inputs = to_tensor(pixels, None if channels == 4 else "black")
        expected = model(inputs).logits.softmax(dim=1)[:, 1]
    found = ClassProbabilityReward(model, 1)(images=[Image.fromarray(array) for array in pixels])
    assert found == pytest.approx(expected.tolist(), abs=1e-5)


def test_class_probability_has_a_gradient_and_refuses_what_it_cannot_judge():
    reward = ClassProbabilityReward(classifier())
    images = torch.rand(2, 3, 8, 8).requires_grad_()
    reward.score(images, class_labels=[0, 1]).sum().backward()
    assert images.grad.abs().max() > 0
    with pytest.raises(SpriteError, match="no class for image 1"):
        reward.score(images, ["food", "castle"])
    with pytest.raises(SpriteError, match="no class 'castle'"):
        reward(images=images.detach(), class_labels=["castle", "food"])
    with pytest.raises(SpriteError, match="no class 3"):
        ClassProbabilityReward(classifier(), 3)
    with pytest.raises(SpriteError, match="sprites of 8x8, but got 16x16"):
        reward(images=torch.rand(1, 3, 16, 16), class_labels=[0])
