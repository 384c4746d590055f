"""The policy's Gaussian against the schedulers' own steps, finite differences and torch.distributions."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    FlowMatchEulerDiscreteScheduler,
    PNDMScheduler,
    UnCLIPScheduler,
    UniPCMultistepScheduler,
)
from torch.distributions import Independent, Normal, kl_divergence

from sprite_diffusers.errors import SpriteError
from sprite_diffusers.trainers.rl.steps import predicted_clean
from sprite_diffusers.trainers.rl.transitions import (
    Transition,
    kl,
    log_prob,
    noise_weight,
    stochastic_steps,
    transition,
)

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}
SHAPE = (2, 3, 2, 2)


@pytest.fixture(params=[torch.float32, torch.float64], ids=["float32", "float64"])
def dtype(request) -> torch.dtype:
    return request.param


def draw(seed: int, dtype: torch.dtype, learned: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    """Model output and sample; predicted variances within the range."""
    generator = torch.Generator().manual_seed(seed)
    output = torch.randn(SHAPE, generator=generator, dtype=dtype)
    sample = torch.randn(SHAPE, generator=generator, dtype=dtype)
    if learned:
        output = torch.cat([output, torch.rand(SHAPE, generator=generator, dtype=dtype) * 2 - 1], dim=1)
    return output, sample


def assert_steps_agree(scheduler, t, prev_t, output, sample, tolerance, options=None, **arguments) -> None:
    """``mean + std * noise`` is the scheduler's sample, drawn with the same generator."""
    stepped = scheduler.step(output, t, sample, generator=torch.Generator().manual_seed(7), **arguments).prev_sample
    policy = transition(scheduler, output, t, prev_t, sample, **(options or {}))
    noise = torch.randn(sample.shape, generator=torch.Generator().manual_seed(7), dtype=sample.dtype)
    assert policy.mean.dtype == policy.std.dtype == sample.dtype
    torch.testing.assert_close(policy.mean + policy.std * noise, stepped, rtol=0, atol=tolerance)
    drawn = policy.sample(torch.Generator().manual_seed(7))
    torch.testing.assert_close(drawn, stepped, rtol=0, atol=max(tolerance, 1e-9))  # 1e-10 of noise is dropped


@pytest.mark.parametrize("variance_type", ["learned_range", "fixed_small_log"])
@pytest.mark.parametrize("prediction_type", ["epsilon", "sample"])
def test_unclip_steps_agree_at_every_t(variance_type, prediction_type, dtype):
    scheduler = UnCLIPScheduler(variance_type=variance_type, prediction_type=prediction_type)
    for t in range(1000):
        output, sample = draw(t % 5, dtype, variance_type == "learned_range")
        assert_steps_agree(scheduler, t, None, output, sample, TOLERANCE[dtype])


@pytest.mark.parametrize("variance_type", ["learned_range", "fixed_small_log"])
@pytest.mark.parametrize("clip_sample", [True, False])
def test_unclip_steps_agree_between_distant_timesteps(variance_type, clip_sample, dtype):
    scheduler = UnCLIPScheduler(variance_type=variance_type, clip_sample=clip_sample, clip_sample_range=0.8)
    scheduler.set_timesteps(13)
    for t, prev_t in zip(scheduler.timesteps, [*scheduler.timesteps[1:], None], strict=True):
        output, sample = draw(int(t), dtype, variance_type == "learned_range")
        step_to = None if prev_t is None else int(prev_t)
        assert_steps_agree(scheduler, int(t), step_to, output, sample, TOLERANCE[dtype], prev_timestep=step_to)


@pytest.mark.parametrize(
    "variance_type", ["fixed_small", "fixed_small_log", "fixed_large", "learned_range", "learned"]
)
@pytest.mark.parametrize("prediction_type", ["epsilon", "sample", "v_prediction"])
@pytest.mark.parametrize("steps", [100, 7])
def test_ddpm_steps_agree_at_every_t(variance_type, prediction_type, steps, dtype):
    scheduler = DDPMScheduler(
        100,
        beta_schedule="squaredcos_cap_v2",
        variance_type=variance_type,
        prediction_type=prediction_type,
        timestep_spacing="trailing",
    )
    scheduler.set_timesteps(steps)
    for t in scheduler.timesteps:
        output, sample = draw(int(t), dtype, variance_type.startswith("learned"))
        if variance_type == "learned":  # a variance, not a share of a range
            output[:, 3:] = output[:, 3:].abs() + 0.01
        assert_steps_agree(scheduler, int(t), None, output, sample, TOLERANCE[dtype])


def test_ddpm_thresholding_agrees(dtype):
    scheduler = DDPMScheduler(20, thresholding=True, sample_max_value=1.5)
    for t in range(20):
        assert_steps_agree(scheduler, t, None, *draw(t, dtype), TOLERANCE[dtype])


@pytest.mark.parametrize("prediction_type", ["epsilon", "sample", "v_prediction"])
@pytest.mark.parametrize("eta", [0.3, 1.0])
def test_ddim_steps_agree_at_every_t(prediction_type, eta, dtype):
    scheduler = DDIMScheduler(100, prediction_type=prediction_type, clip_sample_range=0.9)
    scheduler.set_timesteps(20)
    for t in range(100):
        assert_steps_agree(scheduler, t, None, *draw(t, dtype), TOLERANCE[dtype], {"eta": eta}, eta=eta)


def test_a_batch_of_timesteps_is_each_of_them():
    for scheduler in (
        UnCLIPScheduler(variance_type="learned_range"),
        DDPMScheduler(variance_type="learned_range"),
        DDIMScheduler(),
    ):
        scheduler.set_timesteps(1000)
        output, sample = draw(0, torch.float64, not isinstance(scheduler, DDIMScheduler))
        times, previous = torch.tensor([640, 0]), torch.tensor([611, -1])
        together = transition(scheduler, output, times, previous, sample)
        for row in range(2):
            alone = transition(
                scheduler, output[row : row + 1], int(times[row]), int(previous[row]), sample[row : row + 1]
            )
            torch.testing.assert_close(together.mean[row], alone.mean[0], rtol=1e-6, atol=1e-6)
            std = together.std.expand(SHAPE)[row]
            torch.testing.assert_close(std, alone.std.expand(1, *SHAPE[1:])[0], rtol=1e-5, atol=1e-7)
        assert together.deterministic.tolist() == [False, True]


def flow_scheduler(name: str):
    if name == "euler":
        return FlowMatchEulerDiscreteScheduler(shift=2.0)
    solver = {"dpm": DPMSolverMultistepScheduler, "unipc": UniPCMultistepScheduler}[name]
    return solver(prediction_type="flow_prediction", use_flow_sigmas=True)


@pytest.mark.parametrize("name", ["euler", "dpm", "unipc"])
def test_flow_steps_are_those_of_the_paper(name):
    """Flow-GRPO, eq. 9, written out with plain numbers; and the last step without noise."""
    scheduler = flow_scheduler(name)
    scheduler.set_timesteps(6)
    sigmas = scheduler.sigmas.double().tolist()
    velocity, sample = draw(3, torch.float64)
    for index, t in enumerate(scheduler.timesteps):
        policy = transition(scheduler, velocity, t, None, sample, noise_level=0.7)
        sigma, dt = sigmas[index], sigmas[index] - sigmas[index + 1]
        diffusion = 0.7 * math.sqrt(sigma / (1 - min(sigma, sigmas[1]))) if index < 5 else 0.0
        drift = velocity + diffusion**2 / (2 * sigma) * (sample + (1 - sigma) * velocity)
        torch.testing.assert_close(policy.mean, sample - drift * dt, rtol=1e-5, atol=1e-6)
        assert float(policy.std) == pytest.approx(diffusion * math.sqrt(dt), rel=1e-5)
        assert bool(policy.deterministic) == (index == 5)
        following = scheduler.timesteps[index + 1] if index < 5 else -1
        named = transition(scheduler, velocity, t, following, sample, noise_level=0.7)
        assert torch.equal(named.mean, policy.mean)


@pytest.mark.parametrize("stochastic", [True, False])
def test_flow_steps_agree_with_the_scheduler(stochastic):
    """Plain Euler is noise level 0; diffusers' own stochastic sampling is followed where it is switched on."""
    scheduler = FlowMatchEulerDiscreteScheduler(stochastic_sampling=stochastic)
    scheduler.set_timesteps(8)
    velocity, sample = draw(4, torch.float32)
    for t in scheduler.timesteps:
        assert_steps_agree(scheduler, t, None, velocity, sample, 1e-5, {"noise_level": 0.0})


def test_flow_noise_keeps_the_distribution():
    """For Gaussian data the velocity is known, and the SDE must keep every marginal of the deterministic flow."""
    data_sd, steps = 0.5, 1000
    scheduler = FlowMatchEulerDiscreteScheduler()
    scheduler.set_timesteps(sigmas=torch.linspace(0.9, 0.01, steps).tolist())
    sigmas = scheduler.sigmas.double()

    def marginal(sigma: float) -> float:
        return (1 - sigma) ** 2 * data_sd**2 + sigma**2

    variance = marginal(0.9)
    one = torch.ones(1, 1, 1, 1, dtype=torch.float64)
    for index in range(steps - 1):
        sigma = float(sigmas[index])
        velocity = one * (sigma - (1 - sigma) * data_sd**2) / marginal(sigma)  # E[noise - clean | x = 1]
        policy = transition(scheduler, velocity, scheduler.timesteps[index], None, one, noise_level=0.7)
        variance = float(policy.mean) ** 2 * variance + float(policy.std) ** 2
        assert variance == pytest.approx(marginal(float(sigmas[index + 1])), rel=0.01)


@pytest.mark.parametrize("kind", ["unclip", "ddpm", "ddim", "flow"])
def test_gradients_agree_with_finite_differences(kind):
    scheduler, t = {
        "unclip": (UnCLIPScheduler(variance_type="learned_range", clip_sample=False), 400),
        "ddpm": (DDPMScheduler(variance_type="learned_range", clip_sample=False), 400),
        "ddim": (DDIMScheduler(clip_sample=False), 400),
        "flow": (flow_scheduler("euler"), None),
    }[kind]
    scheduler.set_timesteps(10)
    t = scheduler.timesteps[3] if kind == "flow" else t
    output, sample = draw(1, torch.float64, kind in ("unclip", "ddpm"))
    reference = transition(scheduler, output * 0.9, t, None if kind != "ddpm" else 300, sample)
    prev_sample = reference.sample(torch.Generator().manual_seed(2))

    def policy(values: torch.Tensor) -> Transition:
        return transition(scheduler, values, t, None if kind != "ddpm" else 300, sample)

    output.requires_grad_()
    for function in (
        lambda values: log_prob(policy(values), prev_sample),
        lambda values: log_prob(policy(values), prev_sample, "sum"),
        lambda values: kl(policy(values), reference),
        lambda values: kl(reference, policy(values)),
    ):
        assert torch.autograd.gradcheck(function, (output,), eps=1e-7, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("learned", [True, False])
def test_log_prob_and_kl_agree_with_torch_distributions(learned):
    scheduler = UnCLIPScheduler(variance_type="learned_range" if learned else "fixed_small_log")
    output, sample = draw(5, torch.float64, learned)
    policy = transition(scheduler, output, 500, 460, sample)
    other = transition(scheduler, output * 0.8, 500, 460, sample)
    prev_sample = policy.sample(torch.Generator().manual_seed(0))
    normal, other_normal = (Independent(Normal(one.mean, one.std.expand(SHAPE)), 3) for one in (policy, other))
    dimensions = math.prod(SHAPE[1:])
    expected, divergence = normal.log_prob(prev_sample), kl_divergence(normal, other_normal)
    torch.testing.assert_close(log_prob(policy, prev_sample, "sum"), expected, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(log_prob(policy, prev_sample), expected / dimensions, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(kl(policy, other, "sum"), divergence, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(kl(policy, other), divergence / dimensions, rtol=1e-10, atol=1e-10)
    assert kl(policy, policy).tolist() == [0.0, 0.0]
    if not learned:  # the closed form of Flow-GRPO
        closed = ((policy.mean - other.mean) ** 2 / (2 * policy.std**2)).flatten(1).sum(1)
        torch.testing.assert_close(kl(policy, other, "sum"), closed)


def test_fixed_std_leaves_the_variance_without_gradient():
    scheduler = UnCLIPScheduler(variance_type="learned_range")
    output, sample = draw(6, torch.float64, learned=True)
    output = (output * 0.01).requires_grad_()
    policy = transition(scheduler, output, 100, None, sample * 0.01)
    log_prob(policy.with_fixed_std(), sample * 0.01).sum().backward()
    assert output.grad is not None
    assert float(output.grad[:, 3:].abs().max()) == 0
    assert float(output.grad[:, :3].abs().min()) > 0


@pytest.mark.parametrize("scheduler", [UnCLIPScheduler(variance_type="learned_range"), UnCLIPScheduler()])
@pytest.mark.parametrize(("t", "prev_t"), [(0, None), (0, -1), (30, -1)])
def test_the_last_step_is_sampled_but_has_no_log_prob(scheduler, t, prev_t):
    output, sample = draw(7, torch.float64, scheduler.config.variance_type == "learned_range")
    output.requires_grad_()
    last = transition(scheduler, output, t, prev_t, sample)
    assert bool(last.deterministic)
    assert torch.equal(last.sample(torch.Generator().manual_seed(0)), last.mean)
    (last.mean.sum() + last.std.sum()).backward()
    assert output.grad is not None
    assert bool(output.grad.isfinite().all())
    usual = transition(scheduler, output.detach(), 30, 20, sample)
    for call in (lambda: log_prob(last, sample), lambda: kl(last, usual), lambda: kl(usual, last)):
        with pytest.raises(SpriteError, match="adds no noise"):
            call()


def test_stochastic_steps_are_those_with_noise():
    unclip = UnCLIPScheduler(100, variance_type="learned_range")
    unclip.set_timesteps(4)
    assert stochastic_steps(unclip) == [(99, 66), (66, 33), (33, 0)]
    ddpm = DDPMScheduler(100, timestep_spacing="trailing")
    ddpm.set_timesteps(4)
    assert stochastic_steps(ddpm) == [(99, 74), (74, 49), (49, 24)]
    ddim = DDIMScheduler(100)
    ddim.set_timesteps(4)
    assert stochastic_steps(ddim, eta=0.5) == [(75, 50), (50, 25), (25, 0)]
    assert stochastic_steps(ddim, eta=0.0) == []
    flow = flow_scheduler("dpm")
    flow.set_timesteps(4)
    times = flow.timesteps.tolist()
    assert stochastic_steps(flow) == list(pairwise(times))
    assert stochastic_steps(flow, noise_level=0.0) == []


def test_noise_weight_is_the_mean_std_of_each_example():
    learned = UnCLIPScheduler(variance_type="learned_range")
    output, sample = draw(3, torch.float64, learned=True)
    policy = transition(learned, output.requires_grad_(), torch.tensor([700, 20]), None, sample)
    assert noise_weight(policy).tolist() == pytest.approx([float(std.mean()) for std in policy.std.detach()])
    assert not noise_weight(policy).requires_grad
    fixed = transition(DDPMScheduler(), output[:, :3], 500, None, sample)
    assert noise_weight(fixed).tolist() == pytest.approx([float(fixed.std)] * 2)


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(half):
    scheduler = UnCLIPScheduler(variance_type="learned_range")
    output, sample = (tensor.to(half) for tensor in draw(8, torch.float32, learned=True))
    policy = transition(scheduler, output, 300, None, sample)
    full = transition(scheduler, output.float(), 300, None, sample.float())
    assert policy.mean.dtype == policy.std.dtype == torch.float32
    assert torch.equal(policy.mean, full.mean)
    assert torch.equal(log_prob(policy, sample), log_prob(full, sample.float()))


def test_a_prediction_leads_back_to_the_clean_sample():
    noise, clean = draw(9, torch.float64)
    product = torch.tensor(0.3, dtype=torch.float64)
    signal, sigma = product.sqrt(), (1 - product).sqrt()
    noisy = signal * clean + sigma * noise
    predictions = {"epsilon": noise, "sample": clean, "v_prediction": signal * noise - sigma * clean}
    for prediction_type, prediction in predictions.items():
        torch.testing.assert_close(predicted_clean(prediction_type, prediction, noisy, signal, sigma), clean)
    flowing = 0.4 * clean + 0.6 * noise
    weights = torch.tensor(0.4, dtype=torch.float64), torch.tensor(0.6, dtype=torch.float64)
    torch.testing.assert_close(predicted_clean("flow_prediction", noise - clean, flowing, *weights), clean)
    with pytest.raises(SpriteError, match="prediction_type 'noise'"):
        predicted_clean("noise", noise, noisy, signal, sigma)


def test_what_has_no_gaussian_step_is_refused():
    output, sample = draw(0, torch.float32)
    with pytest.raises(SpriteError, match="PNDMScheduler has no step"):
        transition(PNDMScheduler(), output, 5, None, sample)
    with pytest.raises(SpriteError, match="DPMSolverMultistepScheduler has no step"):
        transition(DPMSolverMultistepScheduler(), output, 5, None, sample)
    with pytest.raises(SpriteError, match="3 channels for a sample of 3"):
        transition(UnCLIPScheduler(variance_type="learned_range"), output, 5, None, sample)
    with pytest.raises(SpriteError, match="6 channels for a sample of 3"):
        transition(DDPMScheduler(), torch.cat([output, output], dim=1), 5, None, sample)
    with pytest.raises(SpriteError, match="fixed_large_log"):
        transition(DDPMScheduler(variance_type="fixed_large_log"), output, 5, None, sample)
    with pytest.raises(SpriteError, match=r"--eta 1\.5"):
        transition(DDIMScheduler(), output, 5, 0, sample, eta=1.5)
    with pytest.raises(SpriteError, match="--noise_level -1"):
        transition(flow_scheduler("euler"), output, 5, 0, sample, noise_level=-1)
    flow = flow_scheduler("euler")
    flow.set_timesteps(4)
    with pytest.raises(SpriteError, match=r"Timestep 123\.0 is not among the 4"):
        transition(flow, output, 123.0, None, sample)
    with pytest.raises(SpriteError, match="reduction 'max'"):
        log_prob(transition(DDPMScheduler(), output, 5, None, sample), sample, "max")
