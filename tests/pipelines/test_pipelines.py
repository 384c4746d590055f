"""The call contract of the pipelines, and pixels in and out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    FlowMatchEulerDiscreteScheduler,
    FlowMatchHeunDiscreteScheduler,
    UniPCMultistepScheduler,
)

from sprite_diffusers.pipelines import ClassCondPipeline, SpriteDDPMPipeline
from sprite_diffusers.pipelines.sprite_io import classifier_free_guidance, unpremultiply

from ..conftest import tiny_unet


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_names_and_ids_draw_the_same(class_cond):
    by_name = class_cond(["food", "human"], generator=seeded(), output_type="np").images
    by_id = class_cond(torch.tensor([1, 0]), generator=seeded(), output_type="np").images
    assert by_name.shape == (2, 8, 8, 4)
    np.testing.assert_array_equal(by_name, by_id)


def test_class_matters(class_cond):
    images = [class_cond(name, generator=seeded(), output_type="latent").images for name in ("food", "human")]
    assert (images[0] - images[1]).abs().max() > 1e-4


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("fod", "Did you mean 'food'"),
        ("zzz", "Known classes: human, food, spell"),
        (3, "classes 0 to 2"),
        (-1, "classes 0 to 2"),
        ([], "at least one"),
    ],
)
def test_unknown_classes_are_refused(class_cond, label, message):
    with pytest.raises(ValueError, match=message):
        class_cond(label)


def test_outputs_agree_between_types(class_cond):
    outputs = {kind: class_cond("food", generator=seeded(), output_type=kind).images for kind in ("pil", "np", "pt")}
    np.testing.assert_allclose(outputs["np"], outputs["pt"].permute(0, 2, 3, 1).numpy())
    assert outputs["pil"][0].mode == "RGBA"
    np.testing.assert_array_equal(np.asarray(outputs["pil"][0]), (outputs["np"][0] * 255).round().astype(np.uint8))


def test_alpha_is_binary_and_transparent_pixels_are_empty(class_cond):
    image = class_cond("food", num_images_per_prompt=4, generator=seeded(), output_type="np").images
    assert set(np.unique(image[..., 3])) == {0.0, 1.0}
    assert image[image[..., 3] == 0].max() == 0


def test_unpremultiply_restores_colour():
    premultiplied = torch.tensor([0.4, 0.2, 0.0, 0.8]).view(1, 4, 1, 1)
    soft = unpremultiply(premultiplied, binary_alpha=False).flatten().tolist()
    assert soft == pytest.approx([0.5, 0.25, 0.0, 0.8])
    assert unpremultiply(premultiplied, binary_alpha=True).flatten().tolist() == pytest.approx([0.5, 0.25, 0.0, 1.0])


def test_rgb_output(unconditional):
    images = unconditional(batch_size=3, generator=seeded()).images
    assert [image.mode for image in images] == ["RGB"] * 3
    assert images[0].size == (8, 8)


def test_scale_repeats_pixels(unconditional):
    small = unconditional(generator=seeded(), output_type="np").images
    large = unconditional(generator=seeded(), output_type="np", scale=3).images
    np.testing.assert_array_equal(large, small.repeat(3, axis=1).repeat(3, axis=2))


def test_padding_is_cut_off():
    pipeline = SpriteDDPMPipeline(tiny_unet(3), DDIMScheduler(), image_size=7, default_num_inference_steps=2)
    pipeline.set_progress_bar_config(disable=True)
    assert pipeline(output_type="pt").images.shape == (1, 3, 7, 7)


def test_latents_reproduce_the_generator(class_cond):
    noise = torch.randn((1, 4, 8, 8), generator=seeded())
    from_latents = class_cond("food", latents=noise, output_type="pt").images
    from_generator = class_cond("food", generator=seeded(), output_type="pt").images
    torch.testing.assert_close(from_latents, from_generator, rtol=0, atol=0)


def test_one_image_does_not_depend_on_its_batch(class_cond):
    batch = class_cond(["food", "spell"], generator=[seeded(1), seeded(2)], output_type="latent").images
    alone = class_cond("spell", generator=seeded(2), output_type="latent").images
    torch.testing.assert_close(batch[1:], alone, rtol=1e-4, atol=1e-5)


def test_guidance_formula():
    output = torch.tensor([[1.0], [3.0]])
    assert classifier_free_guidance(output, 1.0).item() == 3.0
    assert classifier_free_guidance(output, 2.5).item() == 6.0


def test_guidance_interval(class_cond):
    def draw(**options):
        return class_cond("food", generator=seeded(), output_type="latent", **options).images

    none = draw(guidance_scale=1.0)
    torch.testing.assert_close(draw(guidance_scale=3.0, guidance_interval=(0.0, 0.0)), none, rtol=0, atol=0)
    everywhere, late = draw(guidance_scale=3.0), draw(guidance_scale=3.0, guidance_interval=(0.5, 1.0))
    assert (everywhere - none).abs().max() > (late - none).abs().max() > 0


def test_guidance_needs_a_null_class():
    pipeline = ClassCondPipeline(tiny_unet(3, 2), DDIMScheduler(), {"0": "a", "1": "b"})
    with pytest.raises(ValueError, match="without a null class"):
        pipeline("a", guidance_scale=2.0)


def test_names_must_fit_the_network():
    with pytest.raises(ValueError, match="names 2 classes, but the U-Net has num_class_embeds=7"):
        ClassCondPipeline(tiny_unet(3, 7), DDIMScheduler(), {"0": "a", "1": "b"})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_inference_steps": 0}, "num_inference_steps"),
        ({"output_type": "jpeg"}, "output_type"),
        ({"scale": 0}, "scale"),
        ({"scale": 1.5}, "scale"),
        ({"latents": torch.zeros(1, 3, 8, 8)}, "latents"),
        ({"generator": [seeded(), seeded()]}, "2 generators were passed for 1 images"),
        ({"guidance_interval": (0.7, 0.2)}, "guidance_interval"),
        ({"callback_on_step_end_tensor_inputs": ["noise"]}, "noise"),
    ],
)
def test_bad_arguments_are_named(class_cond, options, message):
    with pytest.raises(ValueError, match=message):
        class_cond("food", **options)


@pytest.mark.parametrize("steps", [1, 2, 10])
@pytest.mark.parametrize(
    "scheduler",
    [
        FlowMatchEulerDiscreteScheduler,
        FlowMatchHeunDiscreteScheduler,
        DPMSolverMultistepScheduler,
        UniPCMultistepScheduler,
    ],
)
def test_flow_schedulers_swap_in(class_cond, scheduler, steps):
    class_cond.scheduler = scheduler.from_config(class_cond.scheduler.config)
    images = class_cond("food", num_inference_steps=steps, generator=seeded(), output_type="latent").images
    assert images.isfinite().all()


@pytest.mark.parametrize("scheduler", [DDPMScheduler, DDIMScheduler])
def test_diffusion_schedulers_refuse_a_flow(class_cond, scheduler):
    class_cond.scheduler = scheduler.from_config(class_cond.scheduler.config)
    with pytest.raises(ValueError, match="predicts a flow"):
        class_cond("food")


@pytest.mark.parametrize(
    "scheduler", [DDPMScheduler, DDIMScheduler, DPMSolverMultistepScheduler, UniPCMultistepScheduler]
)
def test_diffusion_schedulers_swap_in(unconditional, scheduler):
    unconditional.scheduler = scheduler.from_config(unconditional.scheduler.config)
    images = unconditional(num_inference_steps=5, generator=seeded(), output_type="latent").images
    assert images.isfinite().all()


def test_flow_schedulers_refuse_noise_prediction(unconditional):
    unconditional.scheduler = FlowMatchEulerDiscreteScheduler.from_config(unconditional.scheduler.config)
    with pytest.raises(ValueError, match="predicts 'epsilon'"):
        unconditional()


def test_flow_steps_integrate_a_straight_path_exactly(class_cond):
    """The flow ``noise - x0`` towards one point is straight: any number of Euler steps must end at that point."""
    target = torch.full((1, 4, 8, 8), 0.25)

    def velocity(sample, timestep, class_labels=None, return_dict=False):
        sigma = timestep / 1000
        return ((sample - target) / sigma,)

    class_cond.unet.forward = velocity
    class_cond.scheduler = FlowMatchEulerDiscreteScheduler.from_config(class_cond.scheduler.config)
    for steps in (1, 3, 10):
        images = class_cond("food", num_inference_steps=steps, generator=seeded(), output_type="latent").images
        torch.testing.assert_close(images, target, rtol=0, atol=1e-5)


def test_callback_sees_and_replaces_latents(class_cond):
    seen = []

    def zero_last(pipeline, step, timestep, tensors):
        seen.append((step, float(timestep)))
        if step == pipeline.num_timesteps - 1:
            tensors["latents"] = torch.zeros_like(tensors["latents"])
        return tensors

    images = class_cond("food", output_type="latent", callback_on_step_end=zero_last).images
    assert [step for step, _ in seen] == [0, 1, 2, 3]
    assert seen[0][1] > seen[-1][1]
    assert images.abs().max() == 0


def test_tuple_output(class_cond):
    (images,) = class_cond("food", generator=seeded(), output_type="pt", return_dict=False)
    torch.testing.assert_close(images, class_cond("food", generator=seeded(), output_type="pt").images)
