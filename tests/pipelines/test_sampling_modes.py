"""``image``, ``mask_image``, ``strength`` and ``palette_guidance`` of the pipelines that take steps."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    FlowMatchHeunDiscreteScheduler,
    UniPCMultistepScheduler,
)
from PIL import Image

from sprite_diffusers.animation import denoising_frames
from sprite_diffusers.pipelines import ClassCondPipeline, SpriteDDPMPipeline
from sprite_diffusers.pipelines.sprite_modes import clean_sample, noise_level, output_of_clean_sample
from sprite_diffusers.pixels import load_palette

from ..conftest import CLASS_NAMES, flow_scheduler, tiny_unet
from . import ldm, pokemon, unclip

PALETTE = load_palette("pico-8")
FLOW = {"prediction_type": "flow_prediction", "use_flow_sigmas": True, "flow_shift": 3.0}
SCHEDULERS = {
    "flow, Euler": FlowMatchEulerDiscreteScheduler(shift=3.0),
    "flow, Heun": FlowMatchHeunDiscreteScheduler(),
    "flow, DPM++": DPMSolverMultistepScheduler(**FLOW),
    "flow, UniPC": UniPCMultistepScheduler(**FLOW),
} | {
    f"{kind}, {name.__name__}": name(prediction_type=kind)
    for kind in ("epsilon", "v_prediction", "sample")
    for name in (
        DDPMScheduler,
        DDIMScheduler,
        DPMSolverMultistepScheduler,
        UniPCMultistepScheduler,
        EulerDiscreteScheduler,
        EulerAncestralDiscreteScheduler,
    )
    if (kind, name) != ("sample", EulerAncestralDiscreteScheduler)  # which that scheduler cannot
}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def quiet(pipe):
    pipe.set_progress_bar_config(disable=True)
    return pipe


def sprite(size: int = 8, mode: str = "RGBA", seed: int = 3) -> Image.Image:
    """Of any colours; of RGBA, some pixels are half transparent and some have a colour that is not seen."""
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (size, size, len(mode)), dtype=np.uint8), mode)


def mask(size: int = 8) -> Image.Image:
    """White in its right half."""
    pixels = np.zeros((size, size), np.uint8)
    pixels[:, size // 2 :] = 255
    return Image.fromarray(pixels)


def in_pixels(scheduler) -> SpriteDDPMPipeline:
    """RGB, with a network that is as wrong as one that knows nothing, and quick."""
    pipe = quiet(SpriteDDPMPipeline(tiny_unet(3), scheduler, default_num_inference_steps=6))
    pipe.unet.forward = lambda sample, timestep, return_dict: (torch.sin(3 * sample),)
    return pipe


def calls(class_cond):
    """A pipeline of each kind with the arguments that ask it for two sprites, and their size and mode."""
    captions = {"prompt": pokemon.CAPTIONS[:2]}
    patches = ClassCondPipeline(
        tiny_unet(16, 4, size=4), flow_scheduler(), dict(enumerate(CLASS_NAMES)), 4, image_size=7, patch_size=2
    )
    return {
        "class_cond": (class_cond, {"class_labels": ["food", "spell"]}, 8, "RGBA"),
        "class_cond, squares of pixels and a margin": (quiet(patches), {"class_labels": ["food", "food"]}, 7, "RGBA"),
        "sprite_ddpm": (in_pixels(DDIMScheduler()), {"batch_size": 2}, 8, "RGB"),
        "sprite_ldm": (ldm.pipeline("kl", 4), {"class_labels": ["food", "spell"]}, 8, "RGBA"),
        "sprite_ldm of codes": (ldm.pipeline("vq"), {"class_labels": ["food", "spell"]}, 8, "RGB"),
        "pokemon_ldm": (pokemon.pipeline(), captions, 16, "RGB"),
        "pokemon_ldm, transparent": (pokemon.pipeline(), {**captions, "transparent": True}, 16, "RGBA"),
    }


# ---- clean samples --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCHEDULERS)
def test_the_output_of_a_clean_sample_amounts_to_it(name):
    scheduler = SCHEDULERS[name]
    scheduler.set_timesteps(6)
    sample, clean, variance = torch.randn(3, 2, 3, 4, 4, generator=seeded())
    for timestep in scheduler.timesteps:
        output = output_of_clean_sample(scheduler, torch.cat([sample, variance], 1), timestep, sample, clean)
        torch.testing.assert_close(clean_sample(scheduler, output, timestep, sample), clean, atol=1e-3, rtol=1e-3)
        torch.testing.assert_close(output[:, 3:], variance)
    assert noise_level(scheduler, scheduler.timesteps[0]).noise > noise_level(scheduler, scheduler.timesteps[-1]).noise


@pytest.mark.parametrize("strength", [0.5, 1.0])
@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_scheduler_leads_to_the_clean_sample_that_is_kept(name, strength):
    """If all of the image is kept, the samples end there, whatever the network predicts."""
    pipe = in_pixels(SCHEDULERS[name])
    options = {"image": sprite(mode="RGB"), "mask_image": Image.new("L", (8, 8)), "strength": strength}
    latents = pipe(**options, generator=seeded(), output_type="latent").images
    expected = torch.from_numpy(np.array(sprite(mode="RGB"))).permute(2, 0, 1)[None] / 127.5 - 1
    # some schedulers stop just above no noise
    torch.testing.assert_close(latents, expected, atol=0.06, rtol=0)


# ---- variations -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCHEDULERS)
def test_strength_is_the_share_of_the_steps(name):
    pipe = in_pixels(SCHEDULERS[name])
    images = {}
    for strength in (0.01, 0.5, 1.0):
        images[strength] = pipe(
            image=sprite(mode="RGB"), strength=strength, generator=seeded(), num_inference_steps=10, output_type="np"
        ).images
        calls_of_network = pipe.num_timesteps
        steps = max(1, round(10 * strength))
        assert calls_of_network == (2 * steps - 1 if "Heun" in name else steps)
    plain = pipe(generator=seeded(), num_inference_steps=10, output_type="np").images
    np.testing.assert_array_equal(images[1.0], plain)  # nothing of the image is left
    assert (images[0.5] != plain).any()


def test_a_variation_begins_at_the_image_with_as_much_noise_as_belongs_to_its_first_step(class_cond):
    class_cond.scheduler = FlowMatchEulerDiscreteScheduler()
    image = sprite(mode="RGB")
    noise = torch.randn(1, 4, 8, 8, generator=seeded())
    modes = class_cond.prepare_modes(1, image, strength=0.3)
    timesteps, latents = modes.start(class_cond.prepare_timesteps(10), noise)
    assert timesteps.tolist() == pytest.approx([300, 200, 100])
    opaque = torch.cat([torch.from_numpy(np.array(image)).permute(2, 0, 1) / 127.5 - 1, torch.ones(1, 8, 8)])
    torch.testing.assert_close(latents[0], 0.7 * opaque + 0.3 * noise[0])


def test_the_weaker_the_nearer_to_the_image(class_cond):
    image = np.asarray(sprite(mode="RGB"), np.float32) / 255
    options = {"num_inference_steps": 10, "output_type": "np", "num_images_per_prompt": 8}
    drawn = [
        class_cond("food", image=image, strength=strength, generator=seeded(), **options).images
        for strength in (0.1, 0.4, 0.7, 1.0)
    ]
    far = [float(np.abs(pictures[..., :3] - image).mean()) for pictures in drawn]
    assert far == sorted(far)
    assert far[0] < far[-1] / 2


def test_images_come_in_any_form(class_cond):
    pixels = np.stack([np.asarray(sprite(seed=seed)) for seed in (0, 1)])
    floats = pixels.astype(np.float32) / 255
    tensor = torch.from_numpy(floats).permute(0, 3, 1, 2)

    def draw(image):
        return class_cond(["food", "spell"], image=image, generator=seeded(), output_type="np").images

    expected = draw([Image.fromarray(picture) for picture in pixels])
    for form in (pixels, floats, tensor, list(floats), list(tensor), torch.from_numpy(pixels).permute(0, 3, 1, 2)):
        np.testing.assert_allclose(draw(form), expected, atol=1e-6)
    np.testing.assert_array_equal(draw(Image.fromarray(pixels[0]))[0], expected[0])  # one for both


def test_opaque_images_and_transparent_ones_fit_every_model(class_cond):
    rgb = sprite(mode="RGB")
    opaque = rgb.convert("RGBA")
    draw = {"generator": seeded(), "output_type": "np", "strength": 0.3}
    first = class_cond("food", image=rgb, **draw).images
    np.testing.assert_array_equal(class_cond("food", image=opaque, **{**draw, "generator": seeded()}).images, first)
    on_white = Image.alpha_composite(Image.new("RGBA", (8, 8), "white"), sprite()).convert("RGB")
    pipe = in_pixels(DDIMScheduler())
    draw["generator"] = seeded()
    first = pipe(image=sprite(), **draw).images
    np.testing.assert_allclose(pipe(image=on_white, **{**draw, "generator": seeded()}).images, first, atol=0.02)


def test_a_palette_image_with_transparency_is_read_as_rgba(class_cond):
    indexed = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8) % 4, "P")
    indexed.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9])
    indexed.info["transparency"] = 0
    kept = {"mask_image": Image.new("L", (8, 8)), "generator": seeded()}
    (image,) = class_cond("food", image=indexed, **kept).images
    np.testing.assert_array_equal(np.asarray(image), np.asarray(indexed.convert("RGBA")))


def test_guidance_intervals_are_of_all_steps(class_cond):
    """The second half of the steps is what a strength of a half takes."""
    options = {"image": sprite(), "strength": 0.5, "output_type": "latent", "guidance_scale": 3.0}
    late, early = (
        class_cond("food", generator=seeded(), guidance_interval=interval, **options).images
        for interval in ((0.5, 1.0), (0.0, 0.5))
    )
    whole = class_cond("food", generator=seeded(), **options).images
    torch.testing.assert_close(late, whole)
    assert (early - whole).abs().max() > 1e-5


# ---- inpainting -----------------------------------------------------------------------------------------------------


def test_kept_pixels_are_exactly_those_of_the_image(class_cond):
    for name, (pipe, what, size, mode) in calls(class_cond).items():
        image = sprite(size, mode)
        keep = np.asarray(mask(size)) == 0
        draws = [
            np.stack([np.asarray(drawn) for drawn in
                      pipe(**what, image=image, mask_image=mask(size), generator=seeded(seed)).images])
            for seed in (0, 1)
        ]  # fmt: skip
        for drawn in draws:
            assert drawn.shape == (2, size, size, len(mode)), name
            np.testing.assert_array_equal(drawn[:, keep], np.asarray(image)[keep][None].repeat(2, 0), err_msg=name)
        assert (draws[0][:, ~keep] != draws[1][:, ~keep]).any(), name


def test_kept_pixels_are_exact_in_half_precision(class_cond):
    class_cond.to(torch.bfloat16)
    options = {"image": sprite(), "mask_image": mask(), "generator": seeded()}
    (drawn,) = class_cond("food", **options).images
    np.testing.assert_array_equal(np.asarray(drawn)[:, :4], np.asarray(sprite())[:, :4])
    guided = class_cond("food", palette=PALETTE.hex, palette_guidance=1.0, output_type="latent", **options).images
    assert guided.dtype == torch.bfloat16
    assert guided.isfinite().all()


def test_each_sprite_may_have_its_own_image_and_mask(class_cond):
    images = [sprite(seed=seed) for seed in (0, 1)]
    masks = np.stack([np.asarray(mask()), 255 - np.asarray(mask())])
    for form in ([Image.fromarray(m) for m in masks], masks, masks / 255, masks > 0, torch.from_numpy(masks > 0)):
        drawn = class_cond(["food", "spell"], image=images, mask_image=form, generator=seeded()).images
        for image, pixels, own in zip(drawn, images, masks, strict=True):
            np.testing.assert_array_equal(np.asarray(image)[own == 0], np.asarray(pixels)[own == 0])
            assert (np.asarray(image)[own > 0] != np.asarray(pixels)[own > 0]).any()


def test_a_palette_holds_for_kept_pixels_too(class_cond):
    drawn = class_cond("food", image=sprite(), mask_image=mask(), palette=PALETTE.hex, generator=seeded()).images[0]
    pixels = np.asarray(drawn)
    assert set(map(tuple, pixels[pixels[..., 3] > 0][:, :3].tolist())) <= set(PALETTE.colors)


def test_a_part_of_an_image_is_redrawn_weakly(class_cond):
    class_cond("food", image=sprite(), mask_image=mask(), strength=0.25, num_inference_steps=8, generator=seeded())
    assert class_cond.num_timesteps == 2


def test_places_of_latents_are_kept_if_all_their_pixels_are():
    pipe = ldm.pipeline("kl")
    pixels = np.zeros((8, 8), np.uint8)
    pixels[3, 3] = 255  # within the latent place (1, 1) of 4x4
    modes = pipe.prepare_modes(1, sprite(mode="RGB"), Image.fromarray(pixels))
    expected = torch.ones(1, 1, 4, 4, dtype=torch.bool)
    expected[..., 1, 1] = False
    assert torch.equal(modes.keep, expected)


def test_the_kept_part_is_in_every_frame_of_an_animation(class_cond):
    frames = denoising_frames(class_cond, class_labels="food", image=sprite(), mask_image=mask(), generator=seeded())
    assert frames.shape == (1, 4, 8, 8, 4)
    np.testing.assert_array_equal(frames[0, :, :, :4], np.asarray(sprite())[None, :, :4].repeat(4, 0))


# ---- palette guidance -----------------------------------------------------------------------------------------------


def off_palette(latents: torch.Tensor, patch_size: int = 1) -> float:
    """Mean largest difference of a channel from the nearest colour, of opaque pixels in ``[-1, 1]``."""
    pixels = torch.nn.functional.pixel_shuffle(latents, patch_size) / 2 + 0.5
    colors = torch.from_numpy(PALETTE.array).float() / 255
    flat = pixels[:, :3].movedim(1, -1).reshape(-1, 1, 3)
    return float((flat - colors).abs().amax(-1).amin(1).mean())


@pytest.mark.parametrize("name", SCHEDULERS)
def test_full_guidance_ends_on_the_palette(name):
    pipe = in_pixels(SCHEDULERS[name])
    draw = {"palette": PALETTE.hex, "batch_size": 4, "output_type": "latent"}
    far = {weight: off_palette(pipe(generator=seeded(), palette_guidance=weight, **draw).images) for weight in (0, 1)}
    assert far[1] < 0.04 < far[0]


def test_guidance_is_gradual_and_whole_unless_it_is_turned_down(class_cond):
    draw = {"palette": PALETTE.hex, "num_images_per_prompt": 8, "output_type": "latent"}
    plain = class_cond("food", generator=seeded(), num_images_per_prompt=8, output_type="latent").images
    whole = class_cond("food", generator=seeded(), palette_guidance=1, **draw).images
    for weight, expected in ((0, plain), (None, whole)):
        drawn = class_cond("food", generator=seeded(), palette_guidance=weight, **draw).images
        torch.testing.assert_close(drawn, expected, rtol=0, atol=0)
    distances = []
    for weight in (0.0, 0.3, 0.7, 1.0):
        latents = class_cond("food", generator=seeded(), palette_guidance=weight, **draw).images
        alpha = latents[:, 3] / 2 + 0.5
        distances.append(float(torch.minimum(alpha.abs(), (1 - alpha).abs()).mean()))
    assert distances == sorted(distances, reverse=True)
    assert distances[-1] < 1e-5  # alpha is pulled to 0 and 1 too


def test_guidance_of_squares_of_pixels_and_beside_a_mask(class_cond):
    pipe, what, size, mode = calls(class_cond)["class_cond, squares of pixels and a margin"]
    image = sprite(size, mode)
    drawn = pipe(**what, image=image, mask_image=mask(size), palette=PALETTE.hex, palette_guidance=1).images
    assert set(map(tuple, np.unique(np.asarray(drawn[0]).reshape(-1, 4), axis=0)[1:, :3].tolist())) <= set(
        PALETTE.colors
    )
    opaque = in_pixels(DDIMScheduler())
    latents = opaque(palette=PALETTE.hex, palette_guidance=1.0, output_type="latent", generator=seeded()).images
    assert off_palette(latents) < 0.01


@pytest.mark.parametrize("super_resolution", [True, False])
def test_the_last_stage_of_unclip_is_guided(super_resolution):
    options = {} if super_resolution else {"super_res_first": None, "super_res_last": None}
    pipe = unclip.pipeline(**options)
    draw = {"palette": PALETTE.hex, "output_type": "latent"}
    far = {
        weight: off_palette(pipe(pokemon.CAPTIONS[0], generator=seeded(), palette_guidance=weight, **draw).images)
        for weight in (0, 1)
    }
    assert far[1] < 0.02 < far[0]


# ---- mistakes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image": sprite(16)}, "`image` is 16x16 pixels, but this model draws 8x8"),
        ({"image": Image.new("RGB", (8, 9))}, "`image` is 8x9 pixels, but this model draws 8x8"),
        ({"image": [sprite(), sprite(16)]}, "must be one or more images of one size"),
        ({"image": [sprite()] * 2}, "`image` has 2 images for 1 sprites"),
        ({"image": "sprite.png"}, "`image` is str, but must be one or more images"),
        ({"image": []}, "`image` is empty, but must be one or more images"),
        ({"image": np.zeros((8, 8, 2))}, "`image` has 2 channels"),
        ({"image": np.full((8, 8, 3), -1.0)}, "`image` has values outside 0 to 1"),
        ({"image": np.full((8, 8, 3), math.nan)}, "`image` has values outside 0 to 1"),
        ({"image": sprite(), "mask_image": mask(16)}, "`mask_image` is 16x16 pixels, but must be 8x8, as `image` is"),
        ({"image": sprite(), "mask_image": [mask()] * 3}, "`mask_image` has 3 images for 1 sprites"),
        ({"mask_image": mask()}, "`mask_image` was passed, but there is no image"),
        ({"strength": 0.5}, "`strength` is 0.5, but there is no image"),
        ({"image": sprite(), "strength": 0}, "`strength` is 0, but must be above 0 and up to 1"),
        ({"image": sprite(), "strength": 1.01}, "`strength` is 1.01"),
        ({"image": sprite(), "strength": math.nan}, "`strength` is nan"),
        ({"image": sprite(), "strength": "much"}, "`strength` is 'much'"),
        ({"palette_guidance": 0.5}, "`palette_guidance` is 0.5, but there is no palette to guide towards"),
        ({"palette_guidance": 0.5, "num_colors": 4}, "pass `palette`"),
        ({"palette_guidance": 1.5, "palette": PALETTE.hex}, "`palette_guidance` is 1.5, but must be from 0"),
        ({"palette_guidance": math.nan, "palette": PALETTE.hex}, "`palette_guidance` is nan"),
    ],
)
def test_mistakes_are_named_before_anything_is_drawn(class_cond, options, message):
    class_cond.unet.forward = None  # not reached
    with pytest.raises(ValueError, match=message) as error:
        class_cond("food", **options)
    assert "\n" not in str(error.value)


def test_what_latents_cannot():
    for pipe, what in ((ldm.pipeline("kl"), "food"), (pokemon.pipeline(), pokemon.CAPTIONS[0])):
        with pytest.raises(ValueError, match="draws latents, which have no colours until the end"):
            pipe(what, palette=PALETTE.hex, palette_guidance=0.5)
    with pytest.raises(ValueError, match="one vector without places"):
        ldm.pipeline("vector")("food", image=sprite(mode="RGB"), mask_image=mask())
    assert ldm.pipeline("vector")("food", image=sprite(mode="RGB"), strength=0.5).images[0].size == (8, 8)
