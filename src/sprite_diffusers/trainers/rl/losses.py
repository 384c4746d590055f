"""What each estimator minimises: small functions of log-probabilities, predictions or rewards.

They return a scalar, the mean over the batch. Advantages are those of `advantages`, log-probabilities those of
`transitions`, of one timestep per example.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from ...errors import SpriteError


def importance_ratio(log_prob: torch.Tensor, old_log_prob: torch.Tensor) -> torch.Tensor:
    """How much likelier the step has become since it was sampled, ``(batch,)``; exactly 1 before the first update."""
    return (log_prob - old_log_prob).exp()


def ppo_clip(
    log_prob: torch.Tensor, old_log_prob: torch.Tensor, advantages: torch.Tensor, clip_range: float = 1e-4
) -> torch.Tensor:
    """PPO's clipped objective on denoising steps: DDPO with importance sampling.

    https://arxiv.org/abs/2305.13301, section 4.3 (estimator DDPO_IS) with the clipping of
    https://arxiv.org/abs/1707.06347, eq. 7.

    Args:
        log_prob: of the stored steps under the weights being trained, ``(batch,)``, averaged over dimensions.
        old_log_prob: under the weights that sampled them, ``(batch,)``, no gradient.
        advantages: ``(batch,)``; times a weight of the timestep, if any (`transitions.noise_weight`).
        clip_range: the ratio earns nothing beyond 1 plus or minus this; 1e-4 in the paper's appendix D, for averaged
            log-probabilities.

    Raises:
        SpriteError: a clip range that is not positive.
    """
    if clip_range <= 0:
        raise SpriteError(f"--clip_range {clip_range} must be positive: 1e-4 is DDPO's.")
    ratio = importance_ratio(log_prob, old_log_prob)
    clipped = ratio.clamp(1 - clip_range, 1 + clip_range)
    return -torch.minimum(ratio * advantages, clipped * advantages).mean()


def group_relative_policy(
    log_prob: torch.Tensor,
    old_log_prob: torch.Tensor,
    advantages: torch.Tensor,
    divergence: torch.Tensor,
    clip_range: float = 1e-4,
    kl_weight: float = 0.04,
) -> torch.Tensor:
    """`ppo_clip` plus a penalty on leaving the reference model: Flow-GRPO, https://arxiv.org/abs/2505.05470, eq. 5.

    Args:
        log_prob: ``(batch,)``, see `ppo_clip`.
        old_log_prob: ``(batch,)``, see `ppo_clip`.
        advantages: ``(batch,)``, of `advantages.group_relative`.
        divergence: ``(batch,)``, `transitions.kl` of the step to that of the reference, the same model with its adapters
            off.
        clip_range: see `ppo_clip`.
        kl_weight: the beta of eq. 5.

    Raises:
        SpriteError: a clip range that is not positive.
    """
    return ppo_clip(log_prob, old_log_prob, advantages, clip_range) + kl_weight * divergence.mean()


def reinforce(log_prob: torch.Tensor, advantages: torch.Tensor) -> torch.Tensor:
    """The plain score-function estimator; with `advantages.leave_one_out`, RLOO (https://arxiv.org/abs/2402.14740).

    Valid for one update per rollout. For several, give those advantages to `ppo_clip`: that is LOOP
    (https://arxiv.org/abs/2503.00897).

    Args:
        log_prob: of the stored steps under the weights being trained, ``(batch,)``.
        advantages: ``(batch,)``, as in `ppo_clip`.
    """
    return -(log_prob * advantages.detach()).mean()


def diffusion_nft(
    clean_prediction: torch.Tensor,
    old_prediction: torch.Tensor,
    clean: torch.Tensor,
    optimality: torch.Tensor,
    beta: float = 1.0,
    weight: torch.Tensor | None = None,
) -> torch.Tensor:
    """DiffusionNFT: towards good samples and away from bad ones, on the forward process; no steps need be stored.

    https://arxiv.org/abs/2509.16117, eq. 5: ``r |v+ - v|^2 + (1 - r) |v- - v|^2`` with the implicit policies
    ``v+ = (1 - beta) v_old + beta v`` and ``v- = (1 + beta) v_old - beta v``; its minimum moves the velocity by
    ``2 / beta`` times the improvement direction (eq. 6). Given the noisy sample, noise, velocity and flow are affine in
    the clean sample, so that mixing their predictions is mixing those of the clean sample: this loss takes the latter
    and fits every prediction type.

    Args:
        clean_prediction: `steps.predicted_clean` of the model being trained, ``(batch, ...)``.
        old_prediction: of the weights that sampled, for the same noisy sample, ``(batch, ...)``, no gradient.
        clean: the samples that were rated, ``(batch, ...)``.
        optimality: ``(batch,)`` in [0, 1], of `advantages.optimality`.
        beta: small moves further per rollout.
        weight: ``(batch,)``, multiplies the mean squared error of the clean sample; `None` divides each error by its own
            mean absolute value (section 3.3, adaptive loss weighting).

    Raises:
        SpriteError: a beta that is not positive.
    """
    if beta <= 0:
        raise SpriteError(f"--nft_beta {beta} must be positive: 1 is a good start, less moves further.")
    old_prediction = old_prediction.detach()
    positive = (1 - beta) * old_prediction + beta * clean_prediction
    negative = (1 + beta) * old_prediction - beta * clean_prediction
    errors = [_regression(policy, clean, weight) for policy in (positive, negative)]
    return (optimality * errors[0] + (1 - optimality) * errors[1]).mean()


def _regression(prediction: torch.Tensor, clean: torch.Tensor, weight: torch.Tensor | None) -> torch.Tensor:
    error = (prediction - clean).flatten(1)
    if weight is None:
        weight = 1 / error.detach().abs().mean(1).clamp(min=1e-5)
    return weight * error.square().mean(1)


def draft_k(
    step: Callable[[torch.Tensor, int], torch.Tensor], latents: torch.Tensor, num_steps: int, last_k: int
) -> torch.Tensor:
    """Samples with a graph through the last steps only: DRaFT-K, https://arxiv.org/abs/2309.17400, section 3.

    The loss is ``-reward(draft_k(...)).mean()`` for a differentiable reward.

    Args:
        step: ``step(latents, index)`` gives the latents after step number `index` of `num_steps`, model call included.
        latents: the noise, ``(batch, ...)``.
        num_steps: of sampling.
        last_k: steps that gradients reach; 1 is often enough, `num_steps` is plain DRaFT.

    Raises:
        SpriteError: a `last_k` outside 1 to `num_steps`.
    """
    if not 1 <= last_k <= num_steps:
        raise SpriteError(f"--draft_k {last_k} must be from 1 to --num_inference_steps {num_steps}.")
    with torch.no_grad():
        for index in range(num_steps - last_k):
            latents = step(latents, index)
    latents = latents.detach()
    for index in range(num_steps - last_k, num_steps):
        latents = step(latents, index)
    return latents
