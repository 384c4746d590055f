"""``palette``, ``num_colors`` and ``background`` of every pipeline: what is drawn has those colours and no other."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler
from PIL import Image

from sprite_diffusers.models.gan import DCGANGenerator
from sprite_diffusers.pipelines import SpriteDDPMPipeline, SpriteGANPipeline
from sprite_diffusers.pixels import load_palette

from ..conftest import tiny_unet
from . import ldm, pokemon, unclip

PALETTE = load_palette("pico-8").hex
COLORS = set(load_palette("pico-8").colors)
SAMPLES = 48  # of each pipeline: more than 500 over all


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def ddpm(channels: int) -> SpriteDDPMPipeline:
    pipe = SpriteDDPMPipeline(tiny_unet(channels), DDIMScheduler(), default_num_inference_steps=2, binary_alpha=False)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def gan(channels: int) -> SpriteGANPipeline:
    torch.manual_seed(0)
    return SpriteGANPipeline(DCGANGenerator(4, channels, 8, (8, 8)))


def calls(class_cond):
    """A pipeline of each kind and transparency, and the arguments that ask it for as many sprites as are wanted."""
    captions = {"prompt": pokemon.CAPTIONS[0], "num_images_per_prompt": SAMPLES}
    classes = {"class_labels": "food", "num_images_per_prompt": SAMPLES}
    number = {"batch_size": SAMPLES}
    rgba_unclip = {"decoder": unclip.decoder(4), "super_res_first": None, "super_res_last": None}
    return {
        "class_cond": (class_cond, classes),
        "sprite_ddpm, RGB": (ddpm(3), number),
        "sprite_ddpm, soft alpha": (ddpm(4), number),
        "sprite_ldm, RGB": (ldm.pipeline("vector"), classes),
        "sprite_ldm, RGBA": (ldm.pipeline("kl", 4), classes),
        "sprite_ldm without classes": (ldm.pipeline("vq", 4, classes=0), number),
        "pokemon_ldm": (pokemon.pipeline(), captions),
        "pokemon_ldm, transparent": (pokemon.pipeline(), {**captions, "transparent": True}),
        "sprite_unclip": (unclip.pipeline(), captions),
        "sprite_unclip, RGBA": (unclip.pipeline(**rgba_unclip), captions),
        "sprite_gan, grey": (gan(1), number),
        "sprite_gan, RGBA": (gan(4), number),
    }


def colors_of(levels: np.ndarray) -> set[tuple[int, ...]]:
    """Of visible pixels; those that are not must be empty, and alpha 0 or 255."""
    flat = np.unique(levels.reshape(-1, levels.shape[-1]), axis=0)
    if flat.shape[1] == 4:
        assert set(flat[:, 3].tolist()) <= {0, 255}
        assert not flat[flat[:, 3] == 0].any()
        flat = flat[flat[:, 3] == 255]
    return set(map(tuple, flat[:, :3].tolist()))


def levels_of(images, output_type: str) -> np.ndarray:
    if output_type == "pil":
        return np.stack([np.asarray(image) for image in images])
    images = images.permute(0, 2, 3, 1).numpy() if output_type == "pt" else images
    levels = np.round(images * 255)
    np.testing.assert_allclose(images * 255, levels, atol=1e-4)  # exactly one of 256 levels
    return levels.astype(np.uint8)


def test_samples_have_palette_colours_and_binary_alpha_and_nothing_else(class_cond):
    drawn = 0
    for index, (name, (pipe, what)) in enumerate(calls(class_cond).items()):
        output_type = ("pil", "np", "pt")[index % 3]
        images = pipe(**what, generator=seeded(), palette=PALETTE, output_type=output_type).images
        levels = levels_of(images, output_type)
        assert colors_of(levels) <= COLORS, name
        assert len(colors_of(levels)) > 1, name
        drawn += len(levels)
    assert drawn >= 500


@pytest.mark.parametrize("output_type", ["pil", "np", "pt"])
def test_output_types_are_the_same_pixels(class_cond, output_type):
    options = {"generator": seeded(), "palette": PALETTE, "num_images_per_prompt": 8}
    levels = levels_of(class_cond("food", output_type=output_type, **options).images, output_type)
    assert colors_of(levels) <= COLORS
    expected = class_cond("food", **{**options, "generator": seeded()}).images
    np.testing.assert_array_equal(levels, np.stack([np.asarray(image) for image in expected]))


def test_num_colors_is_of_each_sprite_and_does_not_depend_on_the_others(class_cond):
    generators = [seeded(seed) for seed in range(6)]
    images = class_cond(["food"] * 6, generator=generators, num_colors=4, palette=PALETTE).images
    assert all(len(colors_of(np.asarray(image))) <= 4 for image in images)
    assert set.union(*(colors_of(np.asarray(image)) for image in images)) <= COLORS
    (alone,) = class_cond("food", generator=seeded(3), num_colors=4, palette=PALETTE).images
    np.testing.assert_array_equal(np.asarray(alone), np.asarray(images[3]))


def test_a_background_takes_the_nearest_colour_of_the_palette(class_cond):
    options = {"generator": seeded(), "num_images_per_prompt": 8}
    plain = np.stack([np.asarray(i) for i in class_cond("food", **options).images])
    options["generator"] = seeded()
    images = class_cond("food", background="#fefefe", **options).images
    assert {image.mode for image in images} == {"RGB"}
    on_white = np.stack([np.asarray(image) for image in images])
    np.testing.assert_array_equal(on_white[plain[..., 3] == 0], 254)
    np.testing.assert_array_equal(on_white[plain[..., 3] == 255], plain[plain[..., 3] == 255][:, :3])
    options["generator"] = seeded()
    snapped = np.stack(
        [
            np.asarray(image)
            for image in class_cond(
                "food", background="#fefefe", palette=PALETTE, palette_guidance=0, **options
            ).images
        ]
    )
    assert colors_of(snapped) <= COLORS
    np.testing.assert_array_equal(snapped[plain[..., 3] == 0], [[255, 241, 232]] * (plain[..., 3] == 0).sum())


def test_soft_alpha_is_blended_without_a_palette():
    pipe = ddpm(4)
    soft = pipe(batch_size=2, generator=seeded(), output_type="pt").images
    images = pipe(batch_size=2, generator=seeded(), output_type="pt", background=(255, 0, 0)).images
    red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)
    torch.testing.assert_close(images, soft[:, :3] * soft[:, 3:] + red * (1 - soft[:, 3:]))


def test_scale_repeats_the_snapped_pixels(class_cond):
    small = class_cond("food", generator=seeded(), palette=PALETTE, output_type="np").images
    large = class_cond("food", generator=seeded(), palette=PALETTE, output_type="np", scale=3).images
    np.testing.assert_array_equal(large, small.repeat(3, axis=1).repeat(3, axis=2))


def test_a_palette_may_be_an_array_or_a_tensor(class_cond):
    expected = class_cond("food", generator=seeded(), palette=PALETTE, output_type="np").images
    array = load_palette("pico-8").array
    for palette in (array, torch.from_numpy(array), array.tolist()):
        found = class_cond("food", generator=seeded(), palette=palette, output_type="np").images
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"palette": []}, "`palette` has 0 different colours, but must be 2 to 256"),
        ({"palette": ["#ff0000", (255, 0, 0)]}, "`palette` has 1 different colours"),
        ({"palette": [(i, j, 0) for i in range(2) for j in range(129)]}, "258 different colours"),
        ({"palette": "pico-8"}, "sprite_diffusers.pixels.load_palette makes one of a file or a name"),
        ({"palette": 16}, "must be a sequence of colours"),
        ({"palette": ["red", "#ffffff"]}, "the colour 'red'"),
        ({"palette": [(0.1, 0.2, 0.3), (0, 0, 0)]}, r"the colour \(0.1, 0.2, 0.3\)"),
        ({"num_colors": 1}, "`num_colors` is 1, but must be 2 to 256"),
        ({"num_colors": 2.5}, "`num_colors` is 2.5"),
        ({"background": "white"}, "`background` has the colour 'white'"),
    ],
)
def test_what_is_no_palette_is_refused_before_anything_is_drawn(class_cond, options, message):
    class_cond.unet.forward = None  # not reached
    with pytest.raises(ValueError, match=message) as error:
        class_cond("food", **options)
    assert "\n" not in str(error.value)


def test_a_background_needs_transparency(unconditional):
    with pytest.raises(ValueError, match=r"draws no transparency: leave it out\."):
        unconditional(background="#ffffff")
    with pytest.raises(ValueError, match="or pass transparent=True"):
        pokemon.pipeline()(pokemon.CAPTIONS[0], background="#ffffff")
    (image,) = pokemon.pipeline()(pokemon.CAPTIONS[0], background="#ffffff", transparent=True).images
    assert isinstance(image, Image.Image)
    assert image.mode == "RGB"
