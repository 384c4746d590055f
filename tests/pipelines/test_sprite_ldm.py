"""Latent diffusion: the call, the scale of the latents, and what belongs together."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler, ModelMixin, UNet2DModel, VQModel

from sprite_diffusers.models import LatentMLP, SpriteAutoencoder
from sprite_diffusers.pipelines import SpriteLDMPipeline
from sprite_diffusers.pipelines.sprite_ldm import (
    autoencoder_fingerprint,
    check_latents,
    encode_sprites,
    latent_shape,
    normalize_latents,
)

from .ldm import KINDS, autoencoder, denoiser, pipeline


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def sprites(count: int = 4, channels: int = 3) -> torch.Tensor:
    return torch.rand(count, channels, 8, 8, generator=seeded(5)) * 2 - 1


# ---- the call -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channels", [3, 4])
def test_by_class_and_without(kind, channels):
    by_class = pipeline(kind, channels)
    images = by_class(["food", "human", "food"], num_images_per_prompt=2, generator=seeded()).images
    assert len(images) == 6
    assert {(image.size, image.mode) for image in images} == {((8, 8), "RGB" if channels == 3 else "RGBA")}
    without = pipeline(kind, channels, classes=0)
    array = without(batch_size=2, num_images_per_prompt=2, generator=seeded(), output_type="np").images
    assert array.shape == (4, 8, 8, channels)
    assert (array.min() >= 0, array.max() <= 1) == (True, True)
    assert array[0].tolist() != array[1].tolist()
    assert (by_class.is_conditional, without.is_conditional) == (True, False)
    assert (by_class.sprite_size, by_class.sprite_channels) == (8, channels)


@pytest.mark.parametrize("kind", KINDS)
def test_names_and_ids_draw_the_same(kind):
    pipe = pipeline(kind)
    by_name = pipe(["food", "human"], generator=seeded(), output_type="np").images
    by_id = pipe(torch.tensor([1, 0]), generator=seeded(), output_type="np").images
    np.testing.assert_array_equal(by_name, by_id)
    assert pipe.labels == {"human": 0, "food": 1, "spell": 2}
    assert (by_name - pipe(["human", "food"], generator=seeded(), output_type="np").images).__abs__().max() > 1e-4


def test_classes_without_names_are_their_ids():
    pipe = pipeline("vector")
    unnamed = SpriteLDMPipeline(pipe.vae, pipe.unet, pipe.scheduler)
    assert list(unnamed.labels) == ["0", "1", "2", "3"]
    assert unnamed.null_class is None
    with pytest.raises(ValueError, match="names 2 classes"):
        SpriteLDMPipeline(pipe.vae, pipe.unet, pipe.scheduler, id2label={"0": "a", "1": "b"})


@pytest.mark.parametrize("kind", KINDS)
def test_guidance_changes_the_image_as_its_formula_says(kind):
    pipe = pipeline(kind)

    def draw(scale):
        options = {"num_inference_steps": 1, "output_type": "latent", "generator": seeded()}
        return pipe("food", guidance_scale=scale, **options).images

    # one step is linear in the prediction: equal steps of guidance move the result equally
    plain, twice, thrice = draw(1.0), draw(2.0), draw(3.0)
    assert (twice - plain).abs().max() > 1e-3
    torch.testing.assert_close(thrice - twice, twice - plain, rtol=1e-3, atol=1e-4)


def test_the_interval_limits_guidance():
    pipe = pipeline("vector")

    def draw(**options):
        return pipe("food", generator=seeded(), output_type="latent", **options).images

    assert torch.equal(draw(guidance_scale=3.0, guidance_interval=(0.0, 0.0)), draw(guidance_scale=1.0))
    assert not torch.equal(draw(guidance_scale=3.0, guidance_interval=(0.5, 1.0)), draw(guidance_scale=1.0))


@pytest.mark.parametrize("kind", KINDS)
def test_given_noise_reproduces_the_generator(kind):
    pipe = pipeline(kind)
    noise = torch.randn((2, *pipe.latent_shape), generator=seeded())
    given = pipe(["food", "spell"], latents=noise, output_type="pt").images
    torch.testing.assert_close(
        given, pipe(["food", "spell"], generator=seeded(), output_type="pt").images, rtol=0, atol=0
    )


@pytest.mark.parametrize("kind", KINDS)
def test_latents_decode_to_the_images(kind):
    pipe = pipeline(kind, 4)
    drawn = {name: pipe("food", generator=seeded(), output_type=name).images for name in ("latent", "pt", "np", "pil")}
    assert drawn["latent"].shape == (1, *pipe.latent_shape)
    with torch.no_grad():
        decoded = pipe.postprocess(pipe.decode(drawn["latent"]), "pt", 1)
    torch.testing.assert_close(decoded, drawn["pt"], rtol=0, atol=0)
    np.testing.assert_array_equal(drawn["np"], drawn["pt"].permute(0, 2, 3, 1).numpy())
    np.testing.assert_array_equal(np.asarray(drawn["pil"][0]), (drawn["np"][0] * 255).round().astype(np.uint8))
    assert set(np.unique(drawn["np"][..., 3])) <= {0.0, 1.0}


@pytest.mark.parametrize("kind", KINDS)
def test_sprites_are_cut_to_their_size(kind):
    whole, cut = pipeline(kind), pipeline(kind, image_size=7)
    assert cut.sprite_size == 7
    large = whole("food", generator=seeded(), output_type="pt").images
    small = cut("food", generator=seeded(), output_type="pt").images
    torch.testing.assert_close(small, large[:, :, :7, :7], rtol=0, atol=0)
    assert cut("food", scale=3).images[0].size == (21, 21)


def test_the_callback_replaces_latents():
    pipe = pipeline("vector")

    def zero(pipe, step, timestep, tensors):
        return {"latents": torch.zeros_like(tensors["latents"])} if step == 2 else tensors

    options = {"num_inference_steps": 3, "callback_on_step_end": zero}
    assert pipe("food", output_type="latent", **options).images.abs().max() == 0
    (image,) = pipe("food", output_type="pt", return_dict=False, **options)
    mean = torch.tensor([pipe.config.latent_mean])
    expected = (pipe.vae.decode(mean).sample / 2 + 0.5).clamp(0, 1)
    torch.testing.assert_close(image, expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "draws by class: pass some of human, food, spell"),
        ({"class_labels": "fod"}, "Did you mean 'food'"),
        ({"class_labels": 3}, "classes 0 to 2"),
        ({"class_labels": "food", "latents": torch.zeros(1, 2, 4, 4)}, r"shape \(1, 2, 4, 4\), .* needs \(1, 6\)"),
        ({"class_labels": "food", "output_type": "jpeg"}, "output_type"),
        ({"class_labels": "food", "num_inference_steps": 0}, "num_inference_steps"),
        ({"class_labels": "food", "guidance_interval": (0.7, 0.2)}, "guidance_interval"),
    ],
)
def test_bad_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        pipeline("vector")(**options)


def test_classes_and_guidance_where_there_are_none():
    without = pipeline("vector", classes=0)
    with pytest.raises(ValueError, match="`class_labels` is 'food', but this model has no classes"):
        without("food")
    with pytest.raises(ValueError, match="without a null class"):
        without(guidance_scale=2.0)
    unguided = SpriteLDMPipeline(
        autoencoder("vector"), denoiser("vector", classes=3, null_class=False), DDIMScheduler()
    )
    with pytest.raises(ValueError, match="without a null class"):
        unguided("1", guidance_scale=2.0)


# ---- the scale of the latents ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_encode_and_decode_undo_each_others_scale(kind):
    pipe, images = pipeline(kind), sprites()
    raw, latents = encode_sprites(pipe.vae, images), pipe.encode(images)
    assert latents.shape == raw.shape == (4, *pipe.latent_shape)
    shape = (1, -1, *[1] * (latents.ndim - 2))
    mean, std = (torch.tensor(pipe.config[name]).view(shape) for name in ("latent_mean", "latent_std"))
    assert (latents - raw).abs().max() > 0.1
    torch.testing.assert_close(latents * std + mean, raw)
    torch.testing.assert_close(pipe.decode(latents), pipe.vae.decode(raw).sample, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_which_latents_are_diffused():
    images = sprites()
    kl, vq = autoencoder("kl"), autoencoder("vq")
    torch.testing.assert_close(encode_sprites(kl, images), kl.encode(images).latent_dist.mean)
    before = encode_sprites(vq, images)
    assert torch.equal(before, vq.encode(images).latents)
    assert not torch.allclose(before, vq.quantize(before)[0])


def test_one_number_or_one_per_channel():
    latents = torch.stack([torch.full((2, 2), 3.0), torch.full((2, 2), 5.0)])[None]
    assert normalize_latents(latents, [1.0], [2.0]).unique().tolist() == [1.0, 2.0]
    assert normalize_latents(latents, [3.0, 1.0], [1.0, 2.0])[0, :, 0, 0].tolist() == [0.0, 2.0]
    assert normalize_latents(torch.tensor([[3.0, 5.0]]), [3.0, 1.0], [1.0, 2.0]).tolist() == [[0.0, 2.0]]


def test_without_a_scale_latents_stay_as_they_are():
    pipe = SpriteLDMPipeline(autoencoder("kl"), denoiser("kl", classes=0), DDIMScheduler())
    assert (pipe.config.latent_mean, pipe.config.latent_std) == ([0.0], [1.0])
    with torch.no_grad():
        torch.testing.assert_close(pipe.encode(sprites()), encode_sprites(pipe.vae, sprites()))


# ---- what belongs together ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "shape"), [("vector", (6,)), ("kl", (2, 4, 4)), ("vq", (2, 4, 4))])
@torch.no_grad()
def test_latent_shapes(kind, shape):
    vae = autoencoder(kind)
    assert latent_shape(vae) == shape == tuple(encode_sprites(vae, sprites(1)).shape[1:])


def test_another_autoencoder_is_refused_and_both_are_named():
    unet, scheduler = denoiser("vector"), DDIMScheduler()
    own, other = autoencoder("vector"), autoencoder("vector", seed=1)
    fingerprint = autoencoder_fingerprint(own)
    SpriteLDMPipeline(own, unet, scheduler, vae_fingerprint=fingerprint)
    SpriteLDMPipeline(other, unet, scheduler)  # nothing to compare with
    with pytest.raises(ValueError, match="was trained on the latents of the autoencoder") as error:
        SpriteLDMPipeline(other, unet, scheduler, vae_fingerprint=fingerprint)
    assert fingerprint[:16] in str(error.value)
    assert autoencoder_fingerprint(other)[:16] in str(error.value)


@pytest.mark.parametrize("kind", KINDS)
def test_the_fingerprint_is_of_the_weights_in_any_precision(kind, tmp_path):
    vae = autoencoder(kind)
    expected = autoencoder_fingerprint(vae)
    assert len(bytes.fromhex(expected)) == 32
    vae.save_pretrained(tmp_path)
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        assert autoencoder_fingerprint(type(vae).from_pretrained(tmp_path, dtype=dtype)) == expected
    assert autoencoder_fingerprint(autoencoder(kind, seed=1)) != expected
    first = next(vae.parameters())
    first.data.view(-1)[0] *= -1
    assert autoencoder_fingerprint(vae) != expected


def misfit(vae: ModelMixin, unet: ModelMixin, mean=(0.0,), std=(1.0,)) -> str:
    with pytest.raises(ValueError, match=r"latent") as error:
        check_latents(vae, unet, list(mean), list(std))
    return str(error.value)


def test_an_autoencoder_of_other_latents_is_refused():
    assert "latents of the shape (6,), but the denoiser takes (5,)" in misfit(
        autoencoder("vector"), LatentMLP(in_channels=5, hidden_size=8, num_layers=1)
    )
    assert "the shape (2, 4, 4), but the denoiser takes (6,)" in misfit(autoencoder("kl"), denoiser("vector"))
    assert "the shape (6,), but the denoiser takes (2, 4, 4)" in misfit(autoencoder("vector"), denoiser("kl"))
    larger = AutoencoderKL(**{**autoencoder("kl").config, "sample_size": 16})
    assert "the shape (2, 8, 8), but the denoiser takes (2, 4, 4)" in misfit(larger, denoiser("kl"))
    with pytest.raises(ValueError, match="the denoiser takes"):
        SpriteLDMPipeline(larger, denoiser("kl"), DDIMScheduler())


@pytest.mark.parametrize(
    ("mean", "std", "message"),
    [
        ([0.0] * 3, [1.0], "`latent_mean` has 3 numbers, but must have 1 or one for each of 2 channels"),
        ([0.0] * 2, [1.0] * 5, "`latent_std` has 5 numbers"),
        ([0.0], [0.0], "`latent_std` has 0.0, but must be above 0"),
        ([0.0], [1.0, -2.0], "`latent_std` has -2.0, but must be above 0"),
        ([0.0], [1.0, float("nan")], "`latent_std` has nan, but must be above 0"),
    ],
)
def test_a_scale_that_cannot_be(mean, std, message):
    assert message in misfit(autoencoder("kl"), denoiser("kl"), mean, std)


def test_the_kinds_are_what_they_are_called():
    assert [type(autoencoder(kind)) for kind in KINDS] == [SpriteAutoencoder, AutoencoderKL, VQModel]
    assert [type(denoiser(kind)) for kind in KINDS] == [LatentMLP, UNet2DModel, UNet2DModel]
