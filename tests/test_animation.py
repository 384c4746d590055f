"""Animations out of pipelines."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler, EulerDiscreteScheduler, FlowMatchEulerDiscreteScheduler

from sprite_diffusers.animation import denoising_frames, interpolation_frames, slerp
from sprite_diffusers.errors import SpriteError

from .pipelines import ldm, pokemon, unclip


def seeded(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def uint8(images: list) -> np.ndarray:
    return np.stack([np.asarray(image) for image in images])


def test_denoising_ends_with_the_sprite(class_cond):
    call = {"class_labels": ["food", "human"], "num_inference_steps": 5}
    frames = denoising_frames(class_cond, **call, generator=seeded(1, 2))
    assert frames.shape == (2, 5, 8, 8, 4)
    assert frames.dtype == np.uint8
    np.testing.assert_array_equal(frames[:, -1], uint8(class_cond(**call, generator=seeded(1, 2)).images))
    assert (frames[:, 0] != frames[:, -1]).any()
    few = denoising_frames(class_cond, 2, **call, generator=seeded(1, 2))
    np.testing.assert_array_equal(few, frames[:, [1, 4]])
    assert not {"scheduler_step", "postprocess"} & set(vars(class_cond))
    with pytest.raises(SpriteError, match="0 frames cannot be made"):
        denoising_frames(class_cond, 0, **call)


def test_a_clean_estimate_is_what_the_network_says(class_cond):
    """A network that knows the sprite shows it from the first step on."""
    target = torch.full((1, 4, 8, 8), 0.5)
    target[:, 3] = 1
    class_cond.unet.forward = lambda x, t, class_labels=None, return_dict=False: ((x - target) / (t / 1000),)
    class_cond.scheduler = FlowMatchEulerDiscreteScheduler.from_config(class_cond.scheduler.config)
    frames = denoising_frames(class_cond, class_labels="food", num_inference_steps=4, generator=seeded(0))
    assert np.ptp(frames.astype(int), axis=1).max() <= 1
    assert frames[0, 0, 0, 0].tolist() == [191, 191, 191, 255]


@pytest.mark.parametrize("prediction", ["epsilon", "sample", "v_prediction"])
@pytest.mark.parametrize("scheduler", [DDIMScheduler, DDPMScheduler, EulerDiscreteScheduler])
def test_a_clean_estimate_of_every_prediction(unconditional, scheduler, prediction):
    """Of noise that was added to a picture, with a network that knows the noise."""
    unconditional.scheduler = scheduler.from_config(unconditional.scheduler.config, prediction_type=prediction)
    products = DDIMScheduler().alphas_cumprod.double()
    sigmas = ((1 - products) / products) ** 0.5

    def predict(x, t, return_dict=False):
        sigma = float(np.interp(float(t), np.arange(1000), sigmas.numpy()))
        signal, noise = 1 / (1 + sigma**2) ** 0.5, sigma / (1 + sigma**2) ** 0.5
        epsilon = (x - signal * 0.5) / noise
        return (
            {"epsilon": epsilon, "sample": torch.full_like(x, 0.5), "v_prediction": signal * epsilon - noise * 0.5}[
                prediction
            ],
        )

    unconditional.unet.forward = predict
    frames = denoising_frames(unconditional, batch_size=1, num_inference_steps=6, generator=seeded(0))
    assert abs(frames.astype(int) - 191).max() <= 1


def test_denoising_of_latents_text_and_stages():
    for pipeline, call in [
        (ldm.pipeline("kl"), {"class_labels": "food"}),
        (ldm.pipeline("vector"), {"class_labels": "food"}),
        (pokemon.pipeline(), {"prompt": "a red lizard", "transparent": True}),
        (unclip.pipeline(), {"prompt": "a red lizard"}),
    ]:
        pipeline.set_progress_bar_config(disable=True)
        frames = denoising_frames(pipeline, 2, **call, generator=seeded(3))
        assert frames.shape[:2] == (1, 2)
        np.testing.assert_array_equal(frames[0, -1], np.asarray(pipeline(**call, generator=seeded(3)).images[0]))


def test_interpolation_passes_through_what_is_sampled(class_cond):
    classes = ["food", "human", "human"]
    options = {"num_inference_steps": 4, "guidance_scale": 2.0}
    frames = interpolation_frames(class_cond, [5, 6, 7], classes, frames_between=4, batch_size=5, **options)
    assert frames.shape == (12, 8, 8, 4)
    sampled = uint8(class_cond(classes, generator=seeded(5, 6, 7), **options).images)
    assert abs(frames[::4].astype(int) - sampled).max() <= 1  # of another batch
    assert all((frames[index] != frames[index + 1]).any() for index in range(11))
    line = interpolation_frames(class_cond, [5, 6], classes[:2], frames_between=4, loop=False, **options)
    assert len(line) == 5
    assert abs(line.astype(int) - frames[:5]).max() <= 1


def test_the_class_changes_along_with_the_noise(class_cond):
    """With one seed, only the class does: the middle is neither of the two."""
    frames = interpolation_frames(class_cond, [1, 1], ["food", "human"], frames_between=2, loop=False)
    assert (frames[0] != frames[1]).any()
    assert (frames[2] != frames[1]).any()
    assert not class_cond.unet.class_embedding._forward_hooks


def test_interpolation_of_the_others(unconditional):
    assert interpolation_frames(unconditional, [1, 2], frames_between=2).shape == (4, 8, 8, 3)
    for pipeline, what in [
        (ldm.pipeline("kl"), ["food", "human"]),
        (ldm.pipeline("vector"), ["food", "human"]),
        (pokemon.pipeline(), ["a red lizard", "a blue turtle of the sea"]),
        (unclip.pipeline(), ["a red lizard", "a blue turtle of the sea"]),
    ]:
        pipeline.set_progress_bar_config(disable=True)
        frames = interpolation_frames(pipeline, [1, 2], what, frames_between=2)
        assert len(frames) == 4
        assert (frames[0] != frames[2]).any()


@pytest.mark.parametrize(
    ("seeds", "what", "options", "message"),
    [
        ([1], None, {}, "1 sprites by 8 frames"),
        ([1, 2], None, {"frames_between": 0}, "2 sprites by 0 frames"),
        ([1, 2], ["food"], {}, "1 classes or prompts were given for 2 seeds"),
    ],
)
def test_interpolations_that_cannot_be(class_cond, seeds, what, options, message):
    with pytest.raises(SpriteError, match=message):
        interpolation_frames(class_cond, seeds, what, **options)


def test_slerp_keeps_the_length_and_meets_both_ends():
    start, stop = torch.randn((2, 3, 4, 4, 4), generator=seeded(0)[0]).unbind()
    start, stop = (x / x.flatten(1).norm(dim=1).view(-1, 1, 1, 1) for x in (start, stop))
    middle = slerp(start, stop, torch.tensor([0.0, 0.5, 1.0]))
    torch.testing.assert_close(middle.flatten(1).norm(dim=1), torch.ones(3))
    torch.testing.assert_close(middle[0], start[0])
    torch.testing.assert_close(middle[2], stop[2])
    torch.testing.assert_close(slerp(start, start, torch.full((3,), 0.3)), start)
