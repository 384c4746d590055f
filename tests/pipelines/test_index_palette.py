"""Pipelines whose network draws indices of a palette (``index_palette``)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline, UNet2DModel
from PIL import Image

from sprite_diffusers.pipelines import ClassCondPipeline, SpriteDDPMPipeline
from sprite_diffusers.pipelines.sprite_palette import (
    decode_bits,
    encode_bits,
    flow_of_logits,
    nearest_codes,
    num_bits,
    palette_codes,
    palette_indices,
)
from sprite_diffusers.pixels import load_palette, quantize

from ..conftest import CLASS_NAMES, flow_scheduler, tiny_unet

PALETTE = load_palette("pico-8")
SIX = PALETTE.hex[:6]


def unet(
    palette: list[str], transparent: bool, num_class_embeds: int | None = None, patch_size: int = 1
) -> UNet2DModel:
    """Sees bits, and says how likely indices are."""
    number = len(palette)
    config = dict(tiny_unet((num_bits(number) + transparent) * patch_size**2, num_class_embeds).config)
    torch.manual_seed(0)
    return UNet2DModel.from_config(config | {"out_channels": (number + transparent) * patch_size**2})


def pipeline(
    transparent: bool = True, palette: list[str] = PALETTE.hex, patch_size: int = 2, **options
) -> ClassCondPipeline:
    """Of 16 colours and transparency, if nothing else is asked for."""
    pipe = ClassCondPipeline(
        unet(palette, transparent, 4, patch_size),
        flow_scheduler(),
        {str(index): name for index, name in enumerate(CLASS_NAMES)},
        default_num_inference_steps=3,
        patch_size=patch_size,
        **{"index_palette": palette, **options},
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def levels_of(images: list[Image.Image]) -> np.ndarray:
    return np.stack([np.asarray(image) for image in images])


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize(("number", "bits"), [(2, 1), (3, 2), (4, 2), (5, 3), (32, 5), (33, 6), (256, 8)])
def test_each_index_has_its_own_bits(number, bits):
    codes = palette_codes(number)
    assert codes.shape == (number, bits)
    assert num_bits(number) == bits
    assert set(codes.unique().tolist()) == {-1.0, 1.0}
    assert torch.equal(((codes > 0) * 2 ** torch.arange(bits)).sum(1), torch.arange(number))
    more = palette_codes(number, transparent=True)
    assert torch.equal(more[:-1], torch.cat([codes, torch.ones(number, 1)], dim=1))
    assert more[-1].tolist() == [0.0] * bits + [-1.0]
    assert torch.equal(nearest_codes(more.T[None, :, None], number)[0, 0], torch.arange(number + 1))


@pytest.mark.parametrize("channels", [3, 4])
def test_bits_become_the_colours_that_they_were_made_of(channels):
    palette = load_palette(SIX).tensor
    generator = seeded()
    index = torch.randint(6, (3, 8, 8), generator=generator)
    images = palette[index].movedim(-1, 1)
    if channels == 4:
        visible = torch.rand((3, 1, 8, 8), generator=generator).round()
        images = torch.cat([images * visible, visible], dim=1)
    bits = encode_bits(images * 2 - 1, palette)  # colours of 0 where alpha is, which is premultiplied
    assert bits.shape == (3, channels, 8, 8)  # three bits, and one for transparency
    expected = index if channels == 3 else index.masked_fill(visible[:, 0] == 0, 6)
    assert torch.equal(palette_indices(images * 2 - 1, palette), expected)
    assert torch.equal(decode_bits(bits, palette), images)


def test_each_bit_is_rounded():
    palette = load_palette(PALETTE.hex[:8]).tensor
    images = palette[torch.randint(8, (3, 8, 8), generator=seeded())].movedim(-1, 1)
    bits = encode_bits(images * 2 - 1, palette)
    noise = 0.9 * (torch.rand(bits.shape, generator=seeded()) * 2 - 1)
    assert torch.equal(decode_bits(bits + noise, palette), images)


def test_soft_edges_keep_their_colour():
    palette = load_palette(["#000000", "#ff0000"]).tensor
    edge = torch.tensor([0.6, 0.0, 0.0, 0.6]).view(1, 4, 1, 1)  # red of alpha 0.6
    assert encode_bits(edge * 2 - 1, palette).flatten().tolist() == [1.0, 1.0]
    assert encode_bits(edge * 0.5 * 2 - 1, palette).flatten().tolist() == [0.0, -1.0]


def test_bits_that_no_colour_has_become_the_nearest_that_one_has():
    palette = load_palette(SIX).tensor  # indices 0 to 5: bits 110 and 111 are of none
    for bits, index in (((-1.0, 0.2, 0.9), 4), ((0.9, 0.1, 0.8), 5), ((0.9, 0.8, 0.1), 3)):
        found = decode_bits(torch.tensor(bits).view(1, 3, 1, 1), palette)
        assert torch.equal(found.flatten(), palette[index])


@pytest.mark.parametrize("transparent", [False, True])
def test_likely_indices_become_the_flow_that_leads_to_their_bits(transparent):
    generator = seeded()
    codes = palette_codes(6, transparent)
    index = torch.randint(len(codes), (2, 8, 8), generator=generator)
    clean = torch.nn.functional.pixel_unshuffle(codes[index].movedim(-1, 1), 2)
    noise, sigma = torch.randn(clean.shape, generator=generator), torch.tensor([0.3, 0.8])
    sample = torch.lerp(clean, noise, sigma.view(2, 1, 1, 1))
    logits = 50 * torch.nn.functional.one_hot(index, len(codes)).movedim(-1, 1).float()
    found = flow_of_logits(torch.nn.functional.pixel_unshuffle(logits, 2), sample, sigma, 6, 2)
    torch.testing.assert_close(found, noise - clean)
    unsure = flow_of_logits(torch.zeros(2, len(codes) * 4, 4, 4), sample, 0.5, 6, 2)
    middle = codes.mean(0).repeat_interleave(4).view(1, -1, 1, 1)
    torch.testing.assert_close(unsure, (sample - middle) / 0.5)


@pytest.mark.parametrize("palette", [PALETTE.hex, load_palette("gameboy").hex, load_palette("db32").hex])
@pytest.mark.parametrize("transparent", [False, True])
def test_sprites_have_its_colours_and_binary_alpha_and_nothing_else(tmp_path, palette, transparent):
    pipe = pipeline(transparent, palette)
    assert (pipe.sprite_size, pipe.sprite_channels) == (16, 3 + transparent)
    pipe.save_pretrained(tmp_path)
    pipe = ClassCondPipeline.from_pretrained(tmp_path)
    pipe.set_progress_bar_config(disable=True)
    levels = levels_of(pipe("food", num_images_per_prompt=90, generator=seeded()).images)
    found = set(map(tuple, np.unique(levels.reshape(-1, 3 + transparent), axis=0).tolist()))
    allowed = {(*color, *[255] * transparent) for color in load_palette(palette).colors}
    assert found <= allowed | {(0, 0, 0, 0)}
    assert len(found) > 1


def test_it_loads_and_draws_the_same_where_the_package_is_not_installed(tmp_path):
    pipe = pipeline()
    pipe.save_pretrained(tmp_path)
    remote = DiffusionPipeline.from_pretrained(tmp_path, trust_remote_code=True)
    expected = levels_of(pipe(["food", "spell"], generator=seeded()).images)
    np.testing.assert_array_equal(levels_of(remote(["food", "spell"], generator=seeded()).images), expected)


def test_it_can_be_snapped_to_another_palette_limited_and_put_on_a_background():
    pipe, options = pipeline(), {"num_images_per_prompt": 6}
    plain = levels_of(pipe("food", **options, generator=seeded()).images)
    snapped = levels_of(pipe("food", **options, generator=seeded(), palette=load_palette("gameboy").hex).images)
    np.testing.assert_array_equal(snapped, quantize(plain, "gameboy"))
    few = levels_of(pipe("food", **options, generator=seeded(), num_colors=2).images)
    np.testing.assert_array_equal(few, quantize(plain, num_colors=2))
    on_red = levels_of(pipe("food", **options, generator=seeded(), background="#ff0000").images)
    np.testing.assert_array_equal(on_red[plain[..., 3] == 0], [[255, 0, 0]] * (plain[..., 3] == 0).sum())


def test_a_model_without_classes_may_have_one():
    pipe = SpriteDDPMPipeline(unet(SIX, False), flow_scheduler(), default_num_inference_steps=2, index_palette=SIX)
    pipe.set_progress_bar_config(disable=True)
    levels = levels_of(pipe(batch_size=20, generator=seeded()).images)
    assert set(map(tuple, levels.reshape(-1, 3).tolist())) <= set(load_palette(SIX).colors)


def test_variations_and_inpainting_begin_with_the_indices_of_an_image():
    pipe = pipeline()
    given = pipe("food", generator=seeded()).images[0]
    start = pipe.prepare_modes(1, given).image
    np.testing.assert_array_equal(levels_of(pipe.postprocess(start, "pil"))[0], np.asarray(given))
    assert pipe("food", generator=seeded(), image=given, strength=0.5).images[0].size == given.size
    mask = np.zeros((16, 16), np.uint8)
    mask[4:8, 4:8] = 255
    inpainted = np.asarray(pipe("food", generator=seeded(), image=given, mask_image=mask).images[0])
    np.testing.assert_array_equal(inpainted[mask == 0], np.asarray(given)[mask == 0])
    assert (inpainted[mask == 255] != np.asarray(given)[mask == 255]).any()


def test_what_it_cannot_do_is_refused_in_one_line():
    cases = (
        (
            lambda: pipeline(index_palette=["#ff0000", (255, 0, 0)]),
            "`palette` has 1 different colours, but must be 2 to",
        ),
        (
            lambda: pipeline(index_palette=SIX),
            "has 6 colours, but the U-Net has 5 channels in and 17 out: it must have 3 and 6",
        ),
        (
            lambda: pipeline()("food", palette=SIX, palette_guidance=0.5),
            "draws indices of its own palette and no colours",
        ),
    )
    for call, message in cases:
        with pytest.raises(ValueError, match=message) as error:
            call()
        assert "\n" not in str(error.value)
