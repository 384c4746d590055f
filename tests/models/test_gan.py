"""Generator, discriminator and autoencoder: shapes, classes, norms, and that they are saved and loaded whole."""

from __future__ import annotations

import pytest
import torch

from sprite_diffusers.models import ConvVAE, DCGANDiscriminator, DCGANGenerator
from sprite_diffusers.models.conv_vae import ConvVAEOutput, divergence_from_prior
from sprite_diffusers.trainers.gan.settings import default_channels


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("size", "channels", "lowest"), [(28, 1, 7), (64, 3, 4), (32, 4, 4), (16, 3, 4)])
def test_sizes_and_channels(size, channels, lowest):
    widths = [8] * len(default_channels(size))
    generator = DCGANGenerator(10, channels, size, widths).eval()
    assert generator.map_shape == (8, lowest, lowest)
    drawn = generator(noise(2, 10)).sample
    assert drawn.shape == (2, channels, size, size)
    assert drawn.abs().max() <= 1
    assert DCGANDiscriminator(channels, size, widths).eval()(drawn).logits.shape == (2,)


def test_default_widths_are_those_of_dcgan():
    assert default_channels(64) == [64, 128, 256, 512]
    assert default_channels(28) == [64, 128]
    assert default_channels(7) == [64]


@pytest.mark.parametrize("build", [DCGANGenerator, DCGANDiscriminator, ConvVAE])
def test_a_size_that_cannot_be_halved_is_refused(build):
    with pytest.raises(ValueError, match="`sample_size` is 28, but must be a multiple of 8"):
        build(sample_size=28, block_out_channels=[8, 8, 8])
    with pytest.raises(ValueError, match="one or more"):
        build(sample_size=28, block_out_channels=[])


def test_classes_matter_and_the_discriminator_begins_without_them():
    generator = DCGANGenerator(6, 3, 8, [8], num_class_embeds=3).eval()
    first, second = (generator(noise(1, 6), torch.tensor([label])).sample for label in (0, 1))
    assert (first - second).abs().max() > 1e-3
    discriminator = DCGANDiscriminator(3, 8, [8], num_class_embeds=3).eval()
    logits = [discriminator(first, torch.tensor([label])).logits for label in (0, 1)]
    assert torch.equal(*logits)
    discriminator.class_embedding.weight.data[1] = 1
    assert not torch.equal(logits[0], discriminator(first, torch.tensor([1])).logits)


def test_spectral_norm_bounds_every_layer():
    torch.manual_seed(0)
    network = DCGANDiscriminator(3, 16, [8, 16], batch_norm=False, spectral_norm=True)
    for _ in range(100):  # power iterations, one per pass
        network(noise(2, 3, 16, 16))
    network.eval()
    layers = [module for module in network.modules() if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear))]
    assert len(layers) == 3
    for layer in layers:
        assert float(torch.linalg.matrix_norm(layer.weight.flatten(1), 2)) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(
    "model",
    [
        lambda: DCGANGenerator(6, 1, 8, [8], num_class_embeds=2),
        lambda: DCGANDiscriminator(1, 8, [8], batch_norm=False, spectral_norm=True, num_class_embeds=2),
    ],
)
def test_saved_and_loaded_is_the_same(model, tmp_path):
    torch.manual_seed(0)
    made = model().eval()
    made.save_pretrained(tmp_path)
    loaded = type(made).from_pretrained(tmp_path).eval()
    inputs = noise(2, 6) if isinstance(made, DCGANGenerator) else noise(2, 1, 8, 8)
    labels = torch.tensor([0, 1])
    assert torch.equal(made(inputs, labels, return_dict=False)[0], loaded(inputs, labels, return_dict=False)[0])


def test_autoencoder_gives_the_mean_without_noise_and_a_draw_with_it():
    torch.manual_seed(0)
    vae = ConvVAE(5, 3, 8, [8]).eval()
    images, draws = noise(2, 3, 8, 8).clamp(-1, 1), noise(2, 5, seed=1)
    plain, posterior = vae(images)
    assert torch.equal(plain, vae.decode(posterior.mean))
    drawn, _ = vae(images, draws)
    assert torch.allclose(drawn, vae.decode(posterior.mean + draws * (posterior.log_variance / 2).exp()))


def test_divergence_from_the_prior_is_that_of_normal_distributions():
    mean, log_variance = noise(4, 3), noise(4, 3, seed=1)
    mine = torch.distributions.Normal(mean, (log_variance / 2).exp())
    exact = torch.distributions.kl_divergence(mine, torch.distributions.Normal(0.0, 1.0)).sum(1)
    assert torch.allclose(divergence_from_prior(ConvVAEOutput(mean, log_variance)), exact, atol=1e-5)


def test_the_fitted_generator_draws_from_where_latents_are():
    torch.manual_seed(0)
    vae = ConvVAE(latent_dim=3, channels=1, sample_size=8, block_out_channels=[4])
    images = noise(64, 1, 8, 8)
    fitted = vae.fit_generator(images.split(20))
    assert vae.training
    posterior = vae.eval().encode(images)
    latents = posterior.mean.repeat(200, 1) + noise(12_800, 3) * (0.5 * posterior.log_variance).exp().repeat(200, 1)

    def projected(generator, of):
        return generator.project(of).detach()

    drawn, wanted = projected(fitted, noise(12_800, 3, seed=1)), projected(vae.decoder, latents)
    assert torch.allclose(drawn.mean(0), wanted.mean(0), atol=4e-3)
    assert torch.allclose(torch.cov(drawn.T), torch.cov(wanted.T), atol=2e-3)
    spread = torch.linalg.cholesky(torch.cov(posterior.mean.T) + posterior.log_variance.exp().mean(0).diag())
    latents = noise(2, 3) @ spread.T + posterior.mean.mean(0)
    assert torch.allclose(fitted.eval()(noise(2, 3)).sample, vae.decode(latents), atol=1e-5)
    with pytest.raises(ValueError, match="`batches` has one image"):
        vae.fit_generator([images[:1]])
