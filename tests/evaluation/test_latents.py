import json
import math

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, ConfigMixin, ModelMixin, VQModel
from diffusers.configuration_utils import register_to_config
from diffusers.models.autoencoders.vae import DecoderOutput
from PIL import Image

from sprite_diffusers.data import SpriteArrays, corrupt
from sprite_diffusers.errors import SpriteError
from sprite_diffusers.evaluation import analyse, save_analysis
from sprite_diffusers.evaluation.latent_metrics import codebook_metrics, components_for, rounded, silhouettes
from sprite_diffusers.models.sprite_autoencoder import SpriteAutoencoder, SpriteAutoencoderOutput

NAMES = ["food", "spell", "human"]


class Fake(ModelMixin, ConfigMixin):
    """Latents are the pixels; images come back `factor` as bright (in [-1, 1])."""

    @register_to_config
    def __init__(self, in_channels: int = 4, factor: float = 1.0):
        super().__init__()
        self.gain = torch.nn.Parameter(torch.tensor(factor))

    def encode(self, x):
        return SpriteAutoencoderOutput(x.flatten(1))

    def decode(self, z):
        return DecoderOutput(self.gain * z.unflatten(1, (self.config.in_channels, 16, -1)))


def sprites(count: int, seed: int, channels: int = 4, classes: int | None = 3) -> SpriteArrays:
    """Noise round one picture per class."""
    means = np.random.default_rng(9).integers(60, 196, (3, 16, 16, channels))
    labels = np.arange(count) % (classes or 3)
    noise = np.random.default_rng(seed).integers(-40, 41, (count, 16, 16, channels))
    pixels = (means[labels] + noise).astype(np.uint8)
    if channels == 4:
        pixels[..., 3] = 255
    return SpriteArrays(pixels, None if classes is None else torch.from_numpy(labels), [""] * count)


TRAIN, VALIDATION = sprites(50, 0), sprites(40, 1)
MAP_OPTIONS = {
    "in_channels": 4,
    "out_channels": 4,
    "down_block_types": ("DownEncoderBlock2D",) * 3,
    "up_block_types": ("UpDecoderBlock2D",) * 3,
    "block_out_channels": (8, 8, 8),
    "norm_num_groups": 4,
    "latent_channels": 2,
    "sample_size": 16,
}


def vector() -> SpriteAutoencoder:
    torch.manual_seed(0)
    return SpriteAutoencoder(4, 16, 8, (4, 8))


def kl() -> AutoencoderKL:
    torch.manual_seed(0)
    return AutoencoderKL(**MAP_OPTIONS)


def vq() -> VQModel:
    torch.manual_seed(0)
    model = VQModel(num_vq_embeddings=16, **MAP_OPTIONS)
    torch.nn.init.normal_(model.quantize.embedding.weight)
    return model


def test_a_perfect_copy_has_finite_figures():
    analysis = analyse(Fake(), TRAIN, VALIDATION, NAMES)
    metrics = analysis.metrics
    assert (metrics["mse"], metrics["l1"], metrics["psnr"], metrics["psnr_image_mean"]) == (0, 0, 100, 60)
    assert (metrics["train_mse"], metrics["train_psnr"]) == (0, 100)
    assert metrics["ssim"] == pytest.approx(1)
    assert metrics["denoising_gain"] == 0
    assert metrics["noisy_psnr"] == metrics["denoised_psnr"]
    assert (metrics["latent_floats"], metrics["latent_bits"]) == (1024, 8192)
    assert all(math.isfinite(value) for value in metrics.values())
    assert np.array_equal(analysis.originals, analysis.reconstructions)


def test_errors_are_of_values_between_0_and_1():
    grey = SpriteArrays(np.full((12, 16, 16, 3), 255, np.uint8), None, [""] * 12)
    metrics = analyse(Fake(3, 0.8), grey, grey, None).metrics  # white comes back as 0.9
    assert metrics["mse"] == metrics["train_mse"] == pytest.approx(0.01)
    assert metrics["l1"] == pytest.approx(0.1)
    assert metrics["psnr"] == metrics["psnr_image_mean"] == pytest.approx(20)
    assert metrics["ssim"] == pytest.approx((2 * 0.9 + 1e-4) / (1 + 0.81 + 1e-4))
    assert (metrics["latent_mean_abs"], metrics["latent_std"], metrics["pca95_latents"]) == (1, 0, 0)


def test_outputs_are_clamped_and_alpha_counts():
    assert analyse(Fake(4, 9.0), TRAIN, VALIDATION, NAMES).metrics["mse"] < 1
    half = analyse(Fake(4, 0.0), TRAIN, VALIDATION, NAMES).metrics["mse"]  # 0.5 everywhere, alpha is 1
    colours = VALIDATION.pixels[..., :3] / 255
    assert half == pytest.approx((3 * np.square(colours - 0.5).mean() + 0.25) / 4)


def test_pooled_psnr_differs_from_the_mean_over_images():
    metrics = analyse(vector(), TRAIN, VALIDATION, NAMES).metrics
    assert metrics["psnr"] == pytest.approx(10 * math.log10(1 / metrics["mse"]))
    assert metrics["psnr_image_mean"] > metrics["psnr"]  # Jensen


@pytest.mark.parametrize("noise_type", ["gaussian", "masking", "salt_and_pepper"])
def test_the_noise_is_that_of_corrupt(noise_type):
    clean = VALIDATION.batch(np.arange(40))[0]
    noisy = corrupt(clean, noise_type, 0.2, torch.Generator().manual_seed(3))
    mse = ((noisy - clean) / 2).double().square().mean()
    analysis = analyse(Fake(), TRAIN, VALIDATION, NAMES, noise_type=noise_type, noise_strength=0.2, seed=3)
    assert analysis.metrics["noisy_psnr"] == pytest.approx(-10 * float(mse.log10()), abs=1e-4)
    assert (analysis.facts["noise_type"], analysis.facts["noise_strength"]) == (noise_type, 0.2)


def test_without_noise_in_training_the_default_is_measured():
    plain = analyse(vector(), TRAIN, VALIDATION, NAMES, noise_type="none", noise_strength=0.7)
    assert (plain.facts["noise_type"], plain.facts["noise_strength"]) == ("gaussian", 0.15)
    assert plain.metrics == analyse(vector(), TRAIN, VALIDATION, NAMES).metrics


@pytest.mark.parametrize("make", [vector, kl, vq])
def test_the_batch_size_changes_nothing(make):
    large, small = (analyse(make(), TRAIN, VALIDATION, NAMES, batch_size=size) for size in (256, 7))
    assert large.metrics == pytest.approx(small.metrics, rel=1e-4)
    assert large.facts == small.facts
    assert np.array_equal(large.originals, small.originals)
    np.testing.assert_allclose(large.strips, small.strips, atol=1)


def test_the_same_seed_gives_the_same_figures_and_the_model_is_left_as_it_was():
    model = vector().train()
    first, second = (analyse(model, TRAIN, VALIDATION, NAMES, seed=5) for _ in range(2))
    assert model.training
    assert first.metrics == second.metrics
    assert np.array_equal(first.strips, second.strips)
    other = analyse(model, TRAIN, VALIDATION, NAMES, seed=6)
    assert other.metrics["noisy_psnr"] != first.metrics["noisy_psnr"]
    assert other.metrics["mse"] == first.metrics["mse"]


@pytest.mark.parametrize(
    ("make", "kind", "shape", "floats", "bits"),
    [(vector, "vector", [8], 8, 64), (kl, "kl", [2, 4, 4], 32, 256), (vq, "vq", [2, 4, 4], 32, 16 * 4)],
)
def test_the_size_of_each_kind(make, kind, shape, floats, bits):
    analysis = analyse(make(), TRAIN, VALIDATION, NAMES)
    assert (analysis.facts["kind"], analysis.facts["latent_shape"]) == (kind, shape)
    assert (analysis.metrics["latent_floats"], analysis.metrics["latent_bits"]) == (floats, bits)
    assert ("psnr_8bit" in analysis.metrics) == (kind != "vq")
    assert ("codebook_use" in analysis.metrics) == (analysis.code_counts is not None) == (kind == "vq")


def test_bytes_are_nearly_enough_for_latents():
    metrics = analyse(kl(), TRAIN, VALIDATION, NAMES).metrics
    assert metrics["psnr_8bit"] == pytest.approx(metrics["psnr"], abs=0.1)
    low, high = torch.tensor([0.0, 2.0]), torch.tensor([255.0, 2.0])
    latents = torch.tensor([[3.4, 2.0], [-9.0, 2.0], [300.0, 5.0]])
    assert rounded(latents, low, high).tolist() == [[3, 2], [0, 2], [255, 2]]


def test_codes_are_counted():
    model = vq()
    analysis = analyse(model, TRAIN, VALIDATION, NAMES)
    with torch.no_grad():
        _, _, (_, _, indices) = model.quantize(model.encode(VALIDATION.batch(np.arange(40))[0]).latents)
    assert analysis.code_counts.tolist() == indices.bincount(minlength=16).tolist()
    assert analysis.code_counts.sum() == 40 * 16
    assert analysis.metrics["codebook_use"] == len(indices.unique()) / 16
    figures = codebook_metrics(torch.tensor([5, 5, 0, 0]), torch.tensor([1, 1, 1, 0]))
    assert figures == {"codebook_use": 0.5, "codebook_use_train": 0.75, "codebook_perplexity": pytest.approx(2)}


def test_components_that_hold_the_variance():
    rng = torch.Generator().manual_seed(0)
    rows = torch.randn(200, 3, generator=rng, dtype=torch.float64) @ torch.randn(3, 20, generator=rng).double()
    assert components_for(rows, 1 - 1e-9) == components_for(rows[:10], 1 - 1e-9) == 3
    axes = torch.tensor([[3.0, 0], [-3, 0], [0, 1], [0, -1]], dtype=torch.float64)  # 90 % and 10 %
    assert (components_for(axes, 0.89), components_for(axes, 0.95)) == (1, 2)


def test_silhouettes_see_classes():
    metrics = analyse(Fake(), TRAIN, VALIDATION, NAMES).metrics
    assert metrics["silhouette_latents"] == pytest.approx(metrics["silhouette_pixels"], abs=1e-6)  # they are the same
    assert metrics["silhouette_pixels"] > 0.2
    rows = np.array([[0.0], [1.0], [9.0], [10.0], [5.0]], np.float32)
    alone = silhouettes(rows, rows, np.array([0, 0, 1, 1, 2]))
    assert alone == silhouettes(rows[:4], rows[:4], np.array([0, 0, 1, 1]))
    assert silhouettes(rows, rows, np.array([0, 0, 0, 0, 1])) == silhouettes(rows, rows, None) == {}


def test_strips_go_from_one_reconstruction_to_another():
    analysis = analyse(Fake(), TRAIN, VALIDATION, NAMES)
    assert analysis.strips.shape == (6, 10, 16, 16, 4)
    for strip in analysis.strips:
        for end in (strip[0], strip[-1]):
            assert (VALIDATION.pixels == end).all(axis=(1, 2, 3)).sum() == 1
        halfway = (strip[0].astype(int) + strip[-1]) / 2
        np.testing.assert_allclose((strip[4].astype(int) + strip[5]) / 2, halfway, atol=1)
    within, across = ([name.split(" to ") for name in names] for names in np.split(np.array(analysis.strip_names), 2))
    assert {first for first, last in within if first == last} == set(NAMES)
    assert all(first != last for first, last in across)


def test_shown_images_are_spread_over_the_classes():
    labels = [0] * 30 + [1] * 8 + [2] * 2
    arrays = SpriteArrays(VALIDATION.pixels.copy(), torch.tensor(labels), [""] * 40)
    arrays.pixels[..., 0] = np.array(labels)[:, None, None] * 50
    shown = analyse(Fake(), TRAIN, arrays, NAMES).originals[:, 0, 0, 0] // 50
    assert shown.tolist() == [0] * 7 + [1] * 7 + [2] * 2


@pytest.mark.parametrize("classes", [None, 1])
def test_without_classes(classes, tmp_path):
    train, validation = sprites(12, 0, 3, classes), sprites(12, 1, 3, classes)
    analysis = analyse(Fake(3), train, validation, None if classes is None else NAMES[:1])
    assert "silhouette_latents" not in analysis.metrics
    assert len(analysis.originals) == 12
    assert len(save_analysis(analysis, tmp_path)) == 4


def test_a_class_per_image():
    validation = SpriteArrays(VALIDATION.pixels[:10], torch.arange(10), [""] * 10)
    analysis = analyse(Fake(), TRAIN, validation, [f"c{label}" for label in range(10)])
    assert "silhouette_latents" not in analysis.metrics
    assert all(name.split(" to ")[0] != name.split(" to ")[1] for name in analysis.strip_names)


def test_everything_is_written_and_nothing_is_left_of_before(tmp_path):
    with_codes = save_analysis(analyse(vq(), TRAIN, VALIDATION, NAMES), tmp_path / "latents")
    assert {path.name for path in with_codes} == {
        "latents.json", "reconstructions.png", "latents.png", "interpolation.png", "codebook.png"
    }  # fmt: skip
    assert np.asarray(Image.open(tmp_path / "latents" / "codebook.png").convert("L")).std() > 5
    analysis = analyse(vector(), TRAIN, VALIDATION, NAMES)
    paths = save_analysis(analysis, tmp_path / "latents")
    assert sorted(paths) == sorted((tmp_path / "latents").iterdir())
    written = json.loads((tmp_path / "latents" / "latents.json").read_text())
    assert written == {"metrics": analysis.metrics, "facts": analysis.facts}
    grid = Image.open(tmp_path / "latents" / "reconstructions.png")
    assert grid.height == 4 * (4 * 17) + 4
    for name in ("reconstructions", "latents", "interpolation"):
        assert np.asarray(Image.open(tmp_path / "latents" / f"{name}.png").convert("L")).std() > 5


def test_collapsed_latents_can_be_drawn(tmp_path):
    model = vector()
    for parameter in model.parameters():
        torch.nn.init.zeros_(parameter)
    analysis = analyse(model, TRAIN, VALIDATION, NAMES)
    assert (analysis.metrics["latent_std"], analysis.metrics["pca95_latents"]) == (0, 0)
    assert analysis.metrics["psnr_8bit"] == analysis.metrics["psnr"]
    assert len(save_analysis(analysis, tmp_path)) == 4


def test_mistakes_are_named():
    with pytest.raises(SpriteError, match="50 training and 4 held-out images are too few"):
        analyse(Fake(), TRAIN, sprites(4, 1), NAMES)
    with pytest.raises(SpriteError, match="images have 4 channels and the autoencoder is for 3"):
        analyse(Fake(3), TRAIN, VALIDATION, NAMES)
    with pytest.raises(SpriteError, match="--input_noise"):
        analyse(Fake(), TRAIN, VALIDATION, NAMES, noise_type="blur")
