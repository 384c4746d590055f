"""The bound against `torch.distributions` and what it must be in cases that are known."""

from __future__ import annotations

import math

import pytest
import torch
from diffusers import UnCLIPScheduler
from torch.distributions import Normal, kl_divergence

from sprite_diffusers.trainers.unclip.variational_bound import variational_bound


def noisy(scheduler: UnCLIPScheduler, timesteps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Clean values within [-1, 1], noise and their mixture, float64 ``(batch, 2, 4, 4)``."""
    generator = torch.Generator().manual_seed(0)
    shape = (len(timesteps), 2, 4, 4)
    clean = (2 * torch.rand(shape, generator=generator, dtype=torch.float64) - 1).mul(127.5).round() / 127.5
    noise = torch.randn(shape, generator=generator, dtype=torch.float64)
    return clean, noise, scheduler.add_noise(clean, noise, timesteps)


def single(scheduler: UnCLIPScheduler, step: int) -> tuple[float, float, float, float]:
    """Factors of clean and noisy sample in the posterior's mean, its log-variance, and the largest log-variance."""
    product = float(scheduler.alphas_cumprod[step])
    previous, beta = float(scheduler.alphas_cumprod[step - 1]), float(scheduler.betas[step])
    clean = math.sqrt(previous) * beta / (1 - product)
    sample = math.sqrt(1 - beta) * (1 - previous) / (1 - product)
    return clean, sample, math.log((1 - previous) / (1 - product) * beta), math.log(beta)


@pytest.mark.parametrize("prediction_type", ["epsilon", "sample"])
def test_it_is_the_divergence_of_two_normal_distributions(prediction_type):
    scheduler = UnCLIPScheduler(variance_type="learned_range", prediction_type=prediction_type)
    timesteps = torch.tensor([1, 2, 50, 400, 900])
    clean, noise, sample = noisy(scheduler, timesteps)
    target = noise if prediction_type == "epsilon" else clean
    fraction = torch.linspace(-1, 1, clean.numel(), dtype=torch.float64).view_as(clean)
    # near enough for the guess of the clean sample not to be cut, which the formula below does not do
    scale = 1e-3 if prediction_type == "epsilon" else 0.1
    clean, sample, target = 0.9 * clean, sample - 0.1 * scheduler.add_noise(clean, 0 * noise, timesteps), target
    target = 0.9 * target if prediction_type == "sample" else target
    guess = target + scale * torch.cos(torch.arange(clean.numel(), dtype=torch.float64)).view_as(clean)
    bound = variational_bound(scheduler, torch.cat([guess, fraction], dim=1), sample, clean, timesteps)
    for row, step in enumerate(timesteps.tolist()):
        of_clean, of_sample, low, high = single(scheduler, step)
        product = float(scheduler.alphas_cumprod[step])
        predicted = guess[row]
        if prediction_type == "epsilon":
            predicted = (sample[row] - math.sqrt(1 - product) * guess[row]) / math.sqrt(product)
        predicted = predicted.clamp(-1, 1)
        share = (fraction[row] + 1) / 2
        model = Normal(
            of_clean * predicted + of_sample * sample[row], (0.5 * (share * high + (1 - share) * low)).exp()
        )
        posterior = Normal(of_clean * clean[row] + of_sample * sample[row], math.exp(0.5 * low))
        expected = kl_divergence(posterior, model).mean() / math.log(2)
        torch.testing.assert_close(bound[row], expected, rtol=1e-4, atol=1e-8)


def test_a_perfect_model_diverges_by_nothing():
    scheduler = UnCLIPScheduler(variance_type="learned_range", prediction_type="sample")
    timesteps = torch.tensor([1, 10, 500])
    clean, _, sample = noisy(scheduler, timesteps)
    output = torch.cat([clean, -torch.ones_like(clean)], dim=1)  # the posterior's own variance
    bound = variational_bound(scheduler, output, sample, clean, timesteps)
    torch.testing.assert_close(bound, torch.zeros(3, dtype=torch.float64), atol=1e-6, rtol=0)


def test_the_last_step_is_the_likelihood_of_levels_of_colour():
    scheduler = UnCLIPScheduler(variance_type="learned_range", prediction_type="sample")
    timesteps = torch.zeros(1, dtype=torch.long)
    levels = (torch.arange(256, dtype=torch.float64) / 127.5 - 1).view(1, 1, 16, 16)
    guess = torch.full_like(levels, levels[0, 0, 5, 5].item())
    for variance in (-1.0, 0.3, 1.0):
        output = torch.cat([guess, torch.full_like(guess, variance)], dim=1)
        bits = [
            float(variational_bound(scheduler, output, guess, torch.full_like(guess, level), timesteps))
            for level in levels.flatten().tolist()[60:110]  # those that are at all likely
        ]
        assert sum(2**-bit for bit in bits) == pytest.approx(1, abs=1e-6)  # probabilities of all levels
        assert min(bits) == bits[85 - 60]


def test_it_teaches_the_variance_that_the_errors_have():
    """Where the model errs, its best variance is larger: gradient descent finds the exact minimum."""
    scheduler = UnCLIPScheduler(variance_type="learned_range", prediction_type="sample")
    step = 3
    timesteps = torch.full((1,), step)
    clean, _, sample = noisy(scheduler, timesteps)
    error = torch.linspace(0, 0.02, clean.numel(), dtype=torch.float64).view_as(clean)
    clean = clean.clamp(-0.9, 0.9)
    fraction = torch.zeros_like(clean, requires_grad=True)
    optimizer = torch.optim.Adam([fraction], lr=0.02)
    for _ in range(400):
        optimizer.zero_grad()
        variational_bound(
            scheduler, torch.cat([clean + error, fraction], 1), sample, clean, timesteps
        ).sum().backward()
        optimizer.step()
    of_clean, _, low, high = single(scheduler, step)
    best = (((math.exp(low) + (of_clean * error) ** 2).log() - low) / (high - low)) * 2 - 1
    inside = best < 1
    torch.testing.assert_close(fraction.detach()[inside], best[inside], atol=0.02, rtol=0)
    assert inside.float().mean() > 0.1
