"""Autoencoders and the denoiser of vectors: shapes, saving, and finding a trained one again."""

from __future__ import annotations

import json

import pytest
import torch
from diffusers import AutoencoderKL, VQModel

from sprite_diffusers.errors import SpriteError
from sprite_diffusers.models import LatentMLP, SpriteAutoencoder, SpriteClassifier, load_autoencoder
from sprite_diffusers.models.autoencoders import FACTS_FILE, read_facts

VARIANTS = [
    {"block_type": "conv", "latent_dim": 6},
    {"block_type": "conv", "latent_dim": None, "layers_per_block": 2},
    {"block_type": "conv", "latent_dim": 6, "hidden_size": 10},
    {"block_type": "resnet", "latent_dim": 6},
    {"block_type": "resnet", "latent_dim": None},
    {"block_type": "resnet", "latent_dim": 6, "hidden_size": 10, "in_channels": 4, "layers_per_block": 2},
]


def sprites(count: int = 3, channels: int = 3, size: int = 8) -> torch.Tensor:
    return torch.rand(count, channels, size, size, generator=torch.Generator().manual_seed(1)) * 2 - 1


def vector_autoencoder(**options) -> SpriteAutoencoder:
    torch.manual_seed(0)
    return SpriteAutoencoder(**{"sample_size": 8, "latent_dim": 6, "block_out_channels": (8, 12), **options}).eval()


def map_autoencoder(kind: type = AutoencoderKL):
    torch.manual_seed(0)
    extra = {"num_vq_embeddings": 8} if kind is VQModel else {}
    return kind(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=2,
        norm_num_groups=4,
        sample_size=8,
        mid_block_add_attention=False,
        **extra,
    ).eval()


def denoiser(num_class_embeds: int | None = None) -> LatentMLP:
    torch.manual_seed(0)
    return LatentMLP(in_channels=6, hidden_size=16, num_layers=2, num_class_embeds=num_class_embeds).eval()


def perturbed(model: torch.nn.Module) -> torch.nn.Module:
    """With all weights moved off where they begin, so that no part is still the identity or zero."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    return model


# ---- SpriteAutoencoder ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", VARIANTS, ids=lambda options: "-".join(map(str, options.values())))
def test_shapes(options):
    model = vector_autoencoder(**options)
    images = sprites(channels=options.get("in_channels", 3))
    latents = model.encode(images).latents
    # without a vector, the last map: 12 channels of 2x2
    assert latents.shape == (3, model.latent_size) == (3, options["latent_dim"] or 48)
    assert model.decode(latents).sample.shape == images.shape


def test_in_evaluation_it_is_deterministic_and_each_sprite_is_for_itself():
    model = perturbed(vector_autoencoder(block_type="resnet"))
    images = sprites(4)
    latents, again = model.encode(images).latents, model.encode(images).latents
    assert torch.equal(latents, again)
    assert torch.equal(model.decode(latents).sample, model.decode(latents).sample)
    torch.testing.assert_close(model.encode(images[:1]).latents, latents[:1])
    torch.testing.assert_close(model(images).sample, model.decode(latents).sample)
    assert latents.std(0).min() > 0


def test_results_as_tuples():
    model, images = vector_autoencoder(), sprites()
    (latents,) = model.encode(images, return_dict=False)
    (decoded,) = model.decode(latents, return_dict=False)
    assert torch.equal(model(images, return_dict=False)[0], decoded)


def test_residual_blocks_begin_as_the_identity():
    model = vector_autoencoder(block_type="resnet", layers_per_block=3)
    residuals = [module for module in model.modules() if type(module).__name__ == "_Residual"]
    assert len(residuals) == 2 * 2 * 3  # encoder and decoder, two levels
    hidden = torch.randn(2, 8, 4, 4)
    torch.testing.assert_close(residuals[0](hidden), hidden, rtol=0, atol=0.12)  # but for a bias
    residuals[0].layers[-1].bias.data.zero_()
    assert torch.equal(residuals[0](hidden), hidden)


@pytest.mark.parametrize("options", VARIANTS, ids=lambda options: "-".join(map(str, options.values())))
def test_saved_and_loaded_it_gives_the_same(options, tmp_path):
    model = perturbed(vector_autoencoder(**options))
    images = sprites(8, options.get("in_channels", 3))
    model.train()(images)  # moves the statistics of batch norms, which must be saved as well
    model.eval().save_pretrained(tmp_path)
    loaded = SpriteAutoencoder.from_pretrained(tmp_path)
    assert loaded.latent_size == model.latent_size
    torch.testing.assert_close(loaded(images).sample, model(images).sample, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sample_size": 9}, "`sample_size` is 9, but must be a multiple of 4"),
        ({"sample_size": 10}, "`sample_size` is 10, but must be a multiple of 4 .* 2 `block_out_channels`"),
        ({"sample_size": 8, "block_out_channels": (8,) * 4}, "multiple of 16"),
        ({"block_type": "unet"}, "`block_type` is 'unet', but must be 'conv' or 'resnet'"),
    ],
)
def test_what_cannot_be_built_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        vector_autoencoder(**options)


# ---- LatentMLP ------------------------------------------------------------------------------------------------------


def test_the_denoiser_begins_as_nothing():
    model = denoiser()
    output = model(torch.randn(3, 6), 10).sample
    assert torch.equal(output, model.proj_out.bias.expand(3, 6))  # its weights are zero


def test_scalar_and_batched_timesteps_agree():
    model, noisy = perturbed(denoiser()), torch.randn(3, 6)
    expected = model(noisy, torch.tensor([7, 7, 7])).sample
    for timestep in (7, 7.0, torch.tensor(7), torch.tensor([7])):
        assert torch.equal(model(noisy, timestep).sample, expected)
    mixed = model(noisy, torch.tensor([7, 500, 7])).sample
    torch.testing.assert_close(mixed[[0, 2]], expected[[0, 2]])
    assert (mixed[1] - expected[1]).abs().max() > 1e-3
    assert torch.equal(model(noisy, 7, return_dict=False)[0], expected)


def test_class_and_dropout_matter():
    model, noisy = perturbed(denoiser(3)), torch.randn(2, 6)
    outputs = [model(noisy, 5, class_labels=torch.tensor([label, label])).sample for label in (0, 2)]
    assert (outputs[0] - outputs[1]).abs().max() > 1e-3
    dropping = perturbed(LatentMLP(in_channels=6, hidden_size=16, num_layers=2, dropout=0.5)).train()
    assert not torch.equal(dropping(noisy, 5).sample, dropping(noisy, 5).sample)
    assert torch.equal(dropping.eval()(noisy, 5).sample, dropping(noisy, 5).sample)


def test_class_labels_go_to_conditional_networks_only():
    labels = torch.zeros(2, dtype=torch.long)
    with pytest.raises(ValueError, match="must be given to a class-conditional network"):
        denoiser(3)(torch.randn(2, 6), 5)
    with pytest.raises(ValueError, match="and to no other"):
        denoiser()(torch.randn(2, 6), 5, class_labels=labels)


def test_the_denoiser_saved_and_loaded(tmp_path):
    model = perturbed(denoiser(3))
    model.save_pretrained(tmp_path)
    loaded = LatentMLP.from_pretrained(tmp_path)
    noisy, labels = torch.randn(2, 6), torch.tensor([0, 2])
    torch.testing.assert_close(loaded(noisy, 5, labels).sample, model(noisy, 5, labels).sample)
    assert loaded.config.num_class_embeds == 3


# ---- finding a trained one ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [AutoencoderKL, VQModel, SpriteAutoencoder])
@pytest.mark.parametrize("subfolder", ["", "vae"], ids=["own folder", "pipeline folder"])
def test_each_kind_is_found_in_its_folder_and_in_a_pipeline(kind, subfolder, tmp_path):
    model = vector_autoencoder() if kind is SpriteAutoencoder else map_autoencoder(kind)
    model.save_pretrained(tmp_path / subfolder)
    loaded = load_autoencoder(tmp_path)
    assert type(loaded) is kind
    assert not loaded.training
    images = sprites()
    torch.testing.assert_close(loaded(images).sample, model(images).sample, rtol=1e-5, atol=1e-6)


def test_other_models_and_empty_folders_are_no_autoencoders(tmp_path):
    classifier = SpriteClassifier(
        in_channels=3, image_size=8, id2label={"0": "a", "1": "b"}, block_out_channels=(8, 8)
    )
    classifier.save_pretrained(tmp_path / "classifier")
    with pytest.raises(SpriteError, match="holds a SpriteClassifier, but an autoencoder is needed: AutoencoderKL"):
        load_autoencoder(tmp_path / "classifier")
    denoiser().save_pretrained(tmp_path / "pipeline" / "vae")
    with pytest.raises(SpriteError, match="holds a LatentMLP"):
        load_autoencoder(tmp_path / "pipeline")
    for nowhere in (tmp_path, tmp_path / "none"):
        with pytest.raises(SpriteError, match=r"holds no autoencoder: train one with training/train_autoencoder.py"):
            load_autoencoder(nowhere)


def test_facts_are_read_from_either_folder(tmp_path):
    assert read_facts(tmp_path) == {}
    assert read_facts("user/on-the-hub") == {}
    (tmp_path / "vae").mkdir()
    (tmp_path / "vae" / FACTS_FILE).write_text(json.dumps({"kind": "vq", "psnr": 24.5}))
    assert read_facts(tmp_path) == {"kind": "vq", "psnr": 24.5}
    assert read_facts(tmp_path / "vae") == read_facts(str(tmp_path))
