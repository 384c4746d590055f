"""Paths, targets and weights against their formulas."""

from __future__ import annotations

import pytest
import torch

from sprite_diffusers.errors import SpriteError
from sprite_diffusers.objectives import DiffusionObjective, FlowObjective, build_objective, min_snr_weight


@pytest.fixture
def clean() -> torch.Tensor:
    return torch.randn(512, 3, 4, 4, generator=torch.Generator().manual_seed(1)).clamp(-1, 1)


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_flow_target_leads_back_to_the_image(clean):
    corrupted = FlowObjective().corrupt(clean, seeded())
    sigma = (corrupted.timesteps / 1000).view(-1, 1, 1, 1)
    torch.testing.assert_close(corrupted.sample - sigma * corrupted.target, clean, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("prediction_type", ["epsilon", "sample", "v_prediction"])
@pytest.mark.parametrize("noise_schedule", ["linear", "cosine"])
def test_diffusion_target_leads_back_to_the_image(clean, prediction_type, noise_schedule):
    objective = DiffusionObjective(prediction_type, noise_schedule, num_train_timesteps=300)
    corrupted = objective.corrupt(clean, seeded())
    product = objective.noise_scheduler.alphas_cumprod[corrupted.timesteps].view(-1, 1, 1, 1)
    restored = {
        "epsilon": lambda: (corrupted.sample - (1 - product).sqrt() * corrupted.target) / product.sqrt(),
        "sample": lambda: corrupted.target,
        "v_prediction": lambda: product.sqrt() * corrupted.sample - (1 - product).sqrt() * corrupted.target,
    }[prediction_type]()
    usable = (product > 1e-4).flatten()  # dividing by less loses the digits
    torch.testing.assert_close(restored[usable], clean[usable], rtol=1e-2, atol=2e-3)


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction", "sample", "flow"])
def test_min_snr_weighs_the_error_of_the_sample(prediction_type):
    """Whatever is predicted, an error that moves the predicted sample by one must cost ``min(SNR, gamma)``."""
    snr = torch.tensor([0.01, 1.0, 4.0, 100.0])
    alpha, sigma = (snr / (1 + snr)).sqrt(), (1 / (1 + snr)).sqrt()
    if prediction_type == "flow":
        sigma = 1 / (1 + snr.sqrt())
    per_unit = {"epsilon": alpha / sigma, "v_prediction": 1 / sigma, "sample": torch.ones(4), "flow": 1 / sigma}
    cost = min_snr_weight(snr, 5.0, prediction_type) * per_unit[prediction_type] ** 2
    torch.testing.assert_close(cost, snr.clamp(max=5.0))


def test_zero_terminal_snr_ends_in_noise(clean):
    objective = DiffusionObjective("v_prediction", "cosine", rescale_betas_zero_snr=True, num_train_timesteps=100)
    assert float(objective.noise_scheduler.alphas_cumprod[-1]) < 1e-6
    scheduler = objective.sampling_scheduler()
    scheduler.set_timesteps(10)
    assert int(scheduler.timesteps[0]) == 99
    with pytest.raises(SpriteError, match="rescale_betas_zero_snr"):
        DiffusionObjective("epsilon", rescale_betas_zero_snr=True)


def test_timesteps_cover_the_path(clean):
    uniform = FlowObjective("uniform").corrupt(clean, seeded()).timesteps / 1000
    counts = torch.histc(uniform, bins=8, min=0, max=1)
    assert counts.min() >= 63
    assert counts.max() <= 65  # stratified: 64 of 512 in each eighth
    middle = FlowObjective("logit_normal").corrupt(clean, seeded()).timesteps / 1000
    assert ((middle > 0.25) & (middle < 0.75)).float().mean() == pytest.approx(0.728, abs=0.06)


def test_loss_types(clean):
    corrupted = FlowObjective().corrupt(clean, seeded())
    zero = torch.zeros_like(clean)
    mse = FlowObjective(loss_type="mse").loss(zero, corrupted)
    assert float(mse) == pytest.approx(float(corrupted.target.square().mean()), rel=1e-5)
    huber = FlowObjective(loss_type="huber", huber_delta=0.1).loss(zero, corrupted)
    expected = torch.nn.functional.huber_loss(zero, corrupted.target, delta=0.1)
    assert float(huber) == pytest.approx(float(expected), rel=1e-5)


def test_the_seed_decides(clean):
    first, second = (FlowObjective().corrupt(clean, seeded()) for _ in range(2))
    assert torch.equal(first.sample, second.sample)
    assert torch.equal(first.timesteps, second.timesteps)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prediction_type": "score"}, "prediction_type is 'score'"),
        ({"noise_schedule": "sqrt"}, "noise_schedule is 'sqrt'"),
        ({"loss_type": "l3"}, "loss_type is 'l3'"),
        ({"prediction_type": "flow", "timestep_sampling": "beta"}, "timestep_sampling is 'beta'"),
    ],
)
def test_unknown_values_are_named(change, message):
    options = {
        "prediction_type": "epsilon",
        "timestep_sampling": "uniform",
        "noise_schedule": "linear",
        "rescale_betas_zero_snr": False,
        **change,
    }
    with pytest.raises(SpriteError, match=message):
        build_objective(**options)
