"""The text-to-sprite pipeline: prompts, pictures to start from, backgrounds, folders."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline, DPMSolverMultistepScheduler, FlowMatchEulerDiscreteScheduler
from peft import LoraConfig
from PIL import Image

from sprite_diffusers.pipelines import PokemonLDMPipeline
from sprite_diffusers.pipelines.sprite_io import remove_background

from . import pokemon


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def pipe() -> PokemonLDMPipeline:
    return pokemon.pipeline()


def draw(pipe, prompt="a red lizard", **options) -> torch.Tensor:
    return pipe(prompt, **{"generator": seeded(), "output_type": "pt", **options}).images


def test_prompts_draw_sprites_that_depend_on_them(pipe):
    red, blue = draw(pipe), draw(pipe, "a blue turtle")
    assert red.shape == (1, 3, 16, 16)
    assert (red - blue).abs().max() > 1e-4
    assert torch.equal(red, draw(pipe))
    assert pipe(["a red lizard", "a seed"], num_images_per_prompt=2).images[3].size == (16, 16)


def test_guidance_leads_away_from_the_negative_prompt(pipe):
    plain, guided = draw(pipe, guidance_scale=1.0), draw(pipe, guidance_scale=4.0)
    negative = draw(pipe, guidance_scale=4.0, negative_prompt="a blue turtle")
    assert (plain - guided).abs().max() > 1e-4
    assert (negative - guided).abs().max() > 1e-5
    assert torch.equal(guided, draw(pipe, guidance_scale=4.0, negative_prompt=""))


def test_hidden_states_stand_for_a_prompt(pipe):
    embeds, mask = pipe.encode_prompt("a red lizard", 1)
    assert torch.equal(draw(pipe), draw(pipe, None, prompt_embeds=embeds, prompt_attention_mask=mask))


def test_the_text_encoder_works_alone_and_the_rest_without_it(pipe, tmp_path):
    pipe.save_pretrained(tmp_path)
    reader = PokemonLDMPipeline.from_pretrained(tmp_path, vae=None, unet=None)
    painter = PokemonLDMPipeline.from_pretrained(tmp_path, text_encoder=None, tokenizer=None)
    (prompt, prompt_mask), (negative, negative_mask) = (
        reader.encode_prompt(text, 1) for text in ("a red lizard", "a blue turtle")
    )
    options = {"prompt_embeds": prompt, "prompt_attention_mask": prompt_mask, "guidance_scale": 4.0}
    without = {"negative_prompt_embeds": negative, "negative_prompt_attention_mask": negative_mask}
    expected = draw(pipe, guidance_scale=4.0, negative_prompt="a blue turtle")
    torch.testing.assert_close(draw(painter, None, **options, **without), expected)
    with pytest.raises(ValueError, match="pass `negative_prompt_embeds`"):
        draw(painter, None, **options)


def test_a_lora_is_scaled_for_one_call():
    pipe = pokemon.pipeline(default_guidance_scale=2.0)
    options = {"output_type": "latent"}
    plain = draw(pipe, **options)
    pipe.unet.add_adapter(LoraConfig(r=2, target_modules=["to_q", "to_v"], init_lora_weights=False))
    whole = draw(pipe, **options)
    half = draw(pipe, cross_attention_kwargs={"scale": 0.5}, **options)
    assert (whole - plain).abs().max() > 1e-3
    assert (whole - half).abs().max() > 1e-3
    torch.testing.assert_close(draw(pipe, cross_attention_kwargs={"scale": 0.0}, **options), plain)
    torch.testing.assert_close(draw(pipe, **options), whole)


def test_a_long_prompt_is_cut_with_a_warning_that_shows_what_is_lost(pipe, caplog):
    with caplog.at_level(logging.WARNING):
        draw(pipe, "a red lizard " * 10 + "with a unicorn")
    assert "unicorn" in caplog.text


def test_a_picture_is_redrawn_by_strength(pipe):
    start = Image.new("RGB", (16, 16), (200, 30, 30))
    options = {"num_inference_steps": 10, "image": start}
    target = torch.tensor([200, 30, 30]).view(1, 3, 1, 1).expand(1, 3, 16, 16) / 255
    own = pipe.decode(pipe.encode(target * 2 - 1), *pipe.encode_prompt("a red lizard", 1))
    own = (own.detach() / 2 + 0.5).clamp(0, 1)
    far = {strength: float((draw(pipe, strength=strength, **options) - own).abs().mean()) for strength in (0.1, 0.9)}
    assert pipe.num_timesteps == 9
    assert far[0.1] < far[0.9]


def test_a_picture_per_prompt_comes_in_any_form(pipe):
    pixels = torch.randint(0, 256, (2, 16, 16, 3), dtype=torch.uint8, generator=seeded())
    array = pixels.numpy().astype(np.float32) / 255
    tensor = torch.from_numpy(array).permute(0, 3, 1, 2)
    forms = [array, tensor, list(array), list(tensor), list(array.reshape(2, 1, 16, 16, 3)), list(tensor.split(1))]
    pictures = [Image.fromarray(picture) for picture in pixels.numpy()]
    prompts = ["a red lizard", "a blue turtle"]
    expected = draw(pipe, prompts, image=pictures)
    assert (expected[0] - expected[1]).abs().max() > 1e-3
    for form in forms:
        torch.testing.assert_close(draw(pipe, prompts, image=form), expected)


@pytest.mark.parametrize(
    ("scheduler", "options"),
    [
        (DPMSolverMultistepScheduler(), {}),
        (FlowMatchEulerDiscreteScheduler(), {}),
        (DPMSolverMultistepScheduler(), {"image": Image.new("RGB", (16, 16)), "strength": 0.5}),
        (FlowMatchEulerDiscreteScheduler(), {"image": Image.new("RGB", (16, 16)), "strength": 0.5}),
    ],
)
def test_other_schedulers(scheduler, options):
    assert draw(pokemon.pipeline(scheduler=scheduler), num_inference_steps=4, **options).isfinite().all()


def test_transparent_output_is_rgba_without_the_background():
    pipe = pokemon.pipeline()
    picture = torch.ones(1, 3, 16, 16)
    picture[:, :, 4:12, 4:12] = torch.tensor([1.0, -1.0, -1.0]).view(1, 3, 1, 1)
    pipe.decode = lambda *_: picture
    image = np.asarray(pipe("a red lizard", transparent=True, generator=seeded()).images[0])
    assert image.shape == (16, 16, 4)
    assert (image[4:12, 4:12] == (255, 0, 0, 255)).all()
    image = image.copy()
    image[4:12, 4:12] = 0
    assert not image.any()


def test_an_edge_keeps_no_fringe_and_holes_of_the_sprite_stay():
    picture = torch.ones(1, 3, 20, 20)
    picture[:, :, 3:17, 3:17] = torch.tensor([0.0, 0.5, 0.0]).view(1, 3, 1, 1)
    picture[:, :, 3, 3:17] = torch.tensor([0.5, 0.75, 0.5]).view(1, 3, 1)  # half sprite, half background
    picture[:, :, 9:11, 9:11] = 1.0  # white eyes
    cut = remove_background(picture, [1.0, 1.0, 1.0])[0]
    assert cut[3, 3, 8] == pytest.approx(0.5, abs=0.02)
    torch.testing.assert_close(cut[:3, 3, 8], torch.tensor([0.0, 0.5, 0.0]), atol=0.02, rtol=0)
    assert (cut[:, 9:11, 9:11] == 1).all()
    assert not cut[:, :3].any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prompt": None}, "either `prompt` or `prompt_embeds`"),
        ({"strength": 1.5, "image": Image.new("RGB", (16, 16))}, "`strength` is 1.5"),
        ({"image": [Image.new("RGB", (16, 16))] * 2}, "`image` has 2 images for 1 sprites"),
        ({"negative_prompt": ["a", "b"], "guidance_scale": 2.0}, "pass as many"),
        ({"num_inference_steps": 0}, "num_inference_steps"),
    ],
)
def test_bad_calls_are_refused(pipe, options, message):
    with pytest.raises(ValueError, match=message):
        pipe(**{"prompt": "a red lizard", **options})


def test_parts_of_different_models_are_refused():
    with pytest.raises(ValueError, match="the decoder 32, the U-Net 16, the text encoder 16"):
        pokemon.pipeline(vae=pokemon.vae(width=32))


def test_the_folder_loads_with_and_without_the_class(pipe, tmp_path):
    pipe.save_pretrained(tmp_path)
    expected = draw(pipe)
    for loaded in (
        PokemonLDMPipeline.from_pretrained(tmp_path),
        DiffusionPipeline.from_pretrained(tmp_path, trust_remote_code=True),
    ):
        loaded.set_progress_bar_config(disable=True)
        torch.testing.assert_close(draw(loaded), expected)
    assert (tmp_path / "vae" / "text_vae.py").is_file()


def test_the_decoder_reads_only_the_tokens_that_count():
    vae = pokemon.vae()
    latents, text = torch.randn(1, 4, 4, 4, generator=seeded()), torch.randn(1, 6, 16, generator=seeded(1))
    mask = torch.tensor([[1, 1, 1, 0, 0, 0]])
    other = text.clone()
    other[:, 3:] = 5.0
    torch.testing.assert_close(vae.decode(latents, text, mask).sample, vae.decode(latents, other, mask).sample)
    assert (vae.decode(latents, text, mask).sample - vae.decode(latents).sample).abs().max() > 1e-4
    with pytest.raises(ValueError, match="must be a multiple of 4"):
        pokemon.vae(sample_size=18)
