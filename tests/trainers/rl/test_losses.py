"""Losses and their gradients against formulas written out, and each estimator raising a toy reward."""

from __future__ import annotations

import math

import pytest
import torch
from diffusers import DDPMScheduler

from sprite_diffusers.errors import SpriteError
from sprite_diffusers.trainers.rl.advantages import group_relative, leave_one_out, optimality
from sprite_diffusers.trainers.rl.losses import (
    diffusion_nft,
    draft_k,
    group_relative_policy,
    importance_ratio,
    ppo_clip,
    reinforce,
)
from sprite_diffusers.trainers.rl.transitions import kl, log_prob, stochastic_steps, transition


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def randn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


def test_ppo_clip_is_the_published_formula():
    old, advantages = randn(8, seed=1), randn(8, seed=2)
    new = (old + 0.2 * randn(8, seed=3)).requires_grad_()
    loss = ppo_clip(new, old, advantages, clip_range=0.1)
    loss.backward()
    expected, gradients = 0.0, []
    for log_new, log_old, advantage in zip(new.tolist(), old.tolist(), advantages.tolist(), strict=True):
        ratio = math.exp(log_new - log_old)
        expected += -min(ratio * advantage, min(max(ratio, 0.9), 1.1) * advantage) / 8
        passes = ratio <= 1.1 if advantage > 0 else ratio >= 0.9
        gradients.append(-advantage * ratio / 8 if passes else 0.0)
    assert loss.item() == pytest.approx(expected)
    assert new.grad.tolist() == pytest.approx(gradients)
    assert 0 < sum(gradient == 0 for gradient in gradients) < 8


def test_first_pass_has_ratio_one_and_the_policy_gradient():
    old, advantages = randn(6, seed=1), randn(6, seed=2)
    assert torch.equal(importance_ratio(old, old), torch.ones(6, dtype=torch.float64))
    gradients = []
    for loss in (lambda new: ppo_clip(new, old, advantages), lambda new: reinforce(new, advantages)):
        new = old.clone().requires_grad_()
        gradients.append(torch.autograd.grad(loss(new), new)[0])
    torch.testing.assert_close(gradients[0], -advantages / 6)
    torch.testing.assert_close(gradients[1], -advantages / 6)


def test_group_relative_policy_adds_the_divergence():
    old, advantages, divergence = randn(6, seed=1), randn(6, seed=2), randn(6, seed=3).abs()
    new = old + 0.01
    total = group_relative_policy(new, old, advantages, divergence, clip_range=0.2, kl_weight=0.5)
    expected = ppo_clip(new, old, advantages, 0.2) + 0.5 * sum(divergence.tolist()) / 6
    assert float(total) == pytest.approx(float(expected))


def test_reinforce_with_leave_one_out_is_unbiased():
    """The expected gradient, over all outcomes of two draws of a coin, is that of the expected reward."""
    logit = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    rewards = {0: 1.0, 1: 3.0}
    log_probs = {1: torch.nn.functional.logsigmoid(logit), 0: torch.nn.functional.logsigmoid(-logit)}
    expected = torch.zeros((), dtype=torch.float64)
    for first in (0, 1):
        for second in (0, 1):
            probability = (log_probs[first] + log_probs[second]).exp().detach()
            advantages = leave_one_out([rewards[first], rewards[second]], ["coin", "coin"]).values
            loss = reinforce(torch.stack([log_probs[first], log_probs[second]]), advantages)
            expected = expected + probability * loss
    (gradient,) = torch.autograd.grad(expected, logit)
    chance = 1 / (1 + math.exp(-0.3))
    assert -gradient.item() == pytest.approx((3.0 - 1.0) * chance * (1 - chance))


@pytest.mark.parametrize("adaptive", [True, False])
@pytest.mark.parametrize("beta", [1.0, 0.3])
def test_diffusion_nft_is_equation_5(beta, adaptive):
    new, old, clean = randn(4, 3, 2, seed=1), randn(4, 3, 2, seed=2), randn(4, 3, 2, seed=3)
    good, weight = torch.tensor([0.0, 0.2, 0.5, 1.0], dtype=torch.float64), randn(4, seed=4).abs()
    loss = diffusion_nft(new, old, clean, good, beta, None if adaptive else weight)
    expected = 0.0
    for row in range(4):
        policies = ((1 - beta) * old[row] + beta * new[row], (1 + beta) * old[row] - beta * new[row])
        for share, policy in zip((float(good[row]), 1 - float(good[row])), policies, strict=True):
            error = (policy - clean[row]).flatten().tolist()
            scale = 1 / (sum(map(abs, error)) / 6) if adaptive else float(weight[row])
            expected += share * scale * sum(e * e for e in error) / 6 / 4
    assert loss.item() == pytest.approx(expected)


def test_diffusion_nft_moves_along_the_improvement_direction():
    """Equation 6: the minimum is ``old + 2 / beta * alpha (v+ - old)``, for one noisy sample of many clean ones."""
    clean, good, beta = randn(50, 2, seed=1), torch.rand(50, generator=seeded(2), dtype=torch.float64), 0.7
    old = clean.mean(0)
    positive = (good[:, None] * clean).sum(0) / good.sum()
    best = (old + 2 / beta * good.mean() * (positive - old)).requires_grad_()
    loss = diffusion_nft(best.expand(50, 2), old.expand(50, 2), clean, good, beta, torch.ones(50))
    (gradient,) = torch.autograd.grad(loss, best)
    assert float(gradient.abs().max()) < 1e-12


def test_diffusion_nft_rests_where_nothing_is_better():
    old = randn(4, 3, seed=1).requires_grad_()
    loss = diffusion_nft(old, old, randn(4, 3, seed=2), torch.full((4,), 0.5), 0.5)
    assert float(torch.autograd.grad(loss, old)[0].abs().max()) < 1e-15


@pytest.mark.parametrize("last_k", [1, 3, 5])
def test_draft_k_reaches_the_last_steps_only(last_k):
    """Five steps ``x <- a x``: of the derivative ``5 a^4 x``, truncation leaves ``k a^4 x``."""
    factor = torch.tensor(1.1, dtype=torch.float64, requires_grad=True)
    start = randn(3, 2).requires_grad_()
    seen = []

    def step(latents: torch.Tensor, index: int) -> torch.Tensor:
        seen.append(index)
        return factor * latents

    final = draft_k(step, start, num_steps=5, last_k=last_k)
    torch.testing.assert_close(final, 1.1**5 * start)
    assert seen == [0, 1, 2, 3, 4]
    final.sum().backward()
    assert float(factor.grad) == pytest.approx(last_k * 1.1**4 * float(start.detach().sum()))
    assert start.grad is None


def test_values_outside_their_range_are_refused():
    values = torch.zeros(2)
    for last_k in (0, 6):
        with pytest.raises(SpriteError, match=f"--draft_k {last_k} must be from 1 to --num_inference_steps 5"):
            draft_k(lambda latents, index: latents, values, 5, last_k)
    with pytest.raises(SpriteError, match="--clip_range 0"):
        ppo_clip(values, values, values, 0)
    with pytest.raises(SpriteError, match="--nft_beta -1"):
        diffusion_nft(values, values, values, values, beta=-1)


BATCH = 64
PROMPTS = ["up", "down"] * (BATCH // 2)


class Toy:
    """A sampler whose exact chain draws standard normal pixels, moved by one learned offset; the reward is nearness to 1."""

    def __init__(self) -> None:
        self.scheduler = DDPMScheduler(100, prediction_type="sample", clip_sample=False, timestep_spacing="trailing")
        self.scheduler.set_timesteps(5)
        self.offset = torch.zeros((), requires_grad=True)
        self.generator = seeded(0)

    def clean(self, sample: torch.Tensor, t: int, offset: torch.Tensor) -> torch.Tensor:
        return self.scheduler.alphas_cumprod[t] ** 0.5 * sample + offset

    def policy(self, sample: torch.Tensor, t: int, prev_t: int, offset: torch.Tensor):
        return transition(self.scheduler, self.clean(sample, t, offset), t, prev_t, sample)

    def noise(self) -> torch.Tensor:
        return torch.randn(BATCH, 1, 2, 2, generator=self.generator)

    def rollout(self) -> tuple[torch.Tensor, list]:
        times = [int(t) for t in self.scheduler.timesteps]
        sample, stored = self.noise(), []
        with torch.no_grad():
            for t, prev_t in zip(times, [*times[1:], -1], strict=True):
                policy = self.policy(sample, t, prev_t, self.offset)
                drawn = policy.sample(self.generator)
                stored.append((sample, t, prev_t, drawn))
                sample = drawn
        trained = stochastic_steps(self.scheduler)
        return sample, [step for step in stored if step[1:3] in trained]


def reward(sample: torch.Tensor) -> torch.Tensor:
    return -(sample - 1).square().flatten(1).mean(1)


def policy_gradient_loss(toy: Toy, estimator: str) -> torch.Tensor:
    sample, steps = toy.rollout()
    estimate = leave_one_out if estimator == "leave_one_out" else group_relative
    advantages = estimate(reward(sample), PROMPTS).values
    losses = []
    for state, t, prev_t, drawn in steps:
        policy = toy.policy(state, t, prev_t, toy.offset)
        new = log_prob(policy, drawn)
        old = new.detach()
        if estimator == "ddpo":
            losses.append(ppo_clip(new, old, advantages))
        elif estimator == "group_relative":
            reference = toy.policy(state, t, prev_t, torch.zeros(()))
            losses.append(group_relative_policy(new, old, advantages, kl(policy, reference), kl_weight=0.001))
        else:
            losses.append(reinforce(new, advantages))
    return torch.stack(losses).mean()


def forward_process_loss(toy: Toy) -> torch.Tensor:
    clean, _ = toy.rollout()
    good = optimality(group_relative(reward(clean), PROMPTS).values, scale=2.0)
    t = int(torch.randint(100, (), generator=toy.generator))
    noisy = toy.scheduler.add_noise(clean, toy.noise(), torch.full((BATCH,), t))
    return diffusion_nft(toy.clean(noisy, t, toy.offset), toy.clean(noisy, t, toy.offset.detach()), clean, good)


def differentiable_loss(toy: Toy) -> torch.Tensor:
    times = [int(t) for t in toy.scheduler.timesteps]

    def step(sample: torch.Tensor, index: int) -> torch.Tensor:
        prev_t = times[index + 1] if index + 1 < len(times) else -1
        return toy.policy(sample, times[index], prev_t, toy.offset).sample(toy.generator)

    return -reward(draft_k(step, toy.noise(), len(times), last_k=2)).mean()


@pytest.mark.parametrize("estimator", ["ddpo", "group_relative", "leave_one_out", "diffusion_nft", "draft"])
def test_every_estimator_raises_a_toy_reward(estimator):
    toy = Toy()
    before = float(reward(toy.rollout()[0]).mean())
    optimizer = torch.optim.Adam([toy.offset], lr=0.03)
    for _ in range(20):
        optimizer.zero_grad()
        if estimator == "diffusion_nft":
            loss = forward_process_loss(toy)
        elif estimator == "draft":
            loss = differentiable_loss(toy)
        else:
            loss = policy_gradient_loss(toy, estimator)
        loss.backward()
        optimizer.step()
    after = float(reward(toy.rollout()[0]).mean())
    assert 0.3 < float(toy.offset.detach()) < 0.5  # the best is near 0.4: every step adds its share of the offset
    assert after > before + 0.5
