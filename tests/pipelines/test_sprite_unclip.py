"""The unCLIP pipeline: Karlo's folders and ours, its stages, what stands in for their parts, and LoRA."""

from __future__ import annotations

import json
import logging
import subprocess
import sys

import numpy as np
import pytest
import torch
from diffusers import (
    AutoModel,
    DDIMScheduler,
    DiffusionPipeline,
    PriorTransformer,
    UnCLIPImageVariationPipeline,
    UnCLIPPipeline,
    UnCLIPScheduler,
    UNet2DConditionModel,
    UNet2DModel,
)
from diffusers.pipelines.deprecated.unclip.text_proj import UnCLIPTextProjModel
from diffusers.pipelines.pipeline_loading_utils import LOADABLE_CLASSES
from peft import LoraConfig, get_peft_model_state_dict
from PIL import Image
from transformers import AutoTokenizer, CLIPTextModelWithProjection

from sprite_diffusers import hub
from sprite_diffusers.models.unclip_text_projection import UnCLIPTextProjection
from sprite_diffusers.pipelines import SpriteUnCLIPPipeline
from sprite_diffusers.pipelines.sprite_unclip import images_to_pil

from . import unclip

PROMPTS = ["a red lizard", "a blue turtle"]
STEPS = {"prior_num_inference_steps": 3, "super_res_num_inference_steps": 3}


WITHOUT_THE_PACKAGE = """
import sys
sys.modules["sprite_diffusers"] = None  # importing it fails, as where it is not installed
import numpy as np, torch
from diffusers import DiffusionPipeline
pipe = DiffusionPipeline.from_pretrained(sys.argv[1], trust_remote_code=True)
pipe.set_progress_bar_config(disable=True)
np.save(sys.argv[2], pipe("a red lizard", generator=torch.Generator().manual_seed(0), output_type="np").images)
"""


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def pipe() -> SpriteUnCLIPPipeline:
    return unclip.pipeline()


@pytest.fixture(scope="module")
def karlo() -> UnCLIPPipeline:
    """The same weights in diffusers' own classes."""
    parts = unclip.parts()
    own = parts["text_proj"]
    settings = {name: value for name, value in own.config.items() if not name.startswith("_")}
    parts["text_proj"] = UnCLIPTextProjModel(**settings).eval()
    parts["text_proj"].load_state_dict(own.state_dict())
    return quiet(UnCLIPPipeline(**parts))


@pytest.fixture(scope="module")
def folder(pipe, tmp_path_factory):
    return hub.export(pipe, tmp_path_factory.mktemp("unclip"))


def quiet(pipeline):
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def draw(pipe, prompt="a red lizard", **options) -> torch.Tensor:
    return pipe(prompt, **{"generator": seeded(), "output_type": "pt", **options}).images


# ---- against diffusers' pipelines ---------------------------------------------------------------------------------


@pytest.mark.parametrize("library", ["diffusers", "unclip", "diffusers.pipelines.unclip.text_proj"])
def test_karlos_folder_draws_what_diffusers_draws(karlo, tmp_path, library):
    karlo.save_pretrained(tmp_path)
    index = json.loads((tmp_path / "model_index.json").read_text())
    index["text_proj"][0] = library  # "unclip" in the published one, "diffusers" in that of today
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    config = SpriteUnCLIPPipeline._dict_from_json_file(tmp_path / "model_index.json")
    assert config["text_proj"][0] in LOADABLE_CLASSES  # what a download from the Hub asks for
    ours = quiet(SpriteUnCLIPPipeline.from_pretrained(tmp_path))
    assert type(ours.text_proj) is UnCLIPTextProjection
    options = {"prompt": PROMPTS, "num_images_per_prompt": 2, "output_type": "np", **STEPS}
    expected = karlo(generator=seeded(), decoder_num_inference_steps=5, **options).images
    found = ours(generator=seeded(), num_inference_steps=5, **options).images
    assert expected.std() > 0.1
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert np.abs(expected - ours(generator=seeded(1), num_inference_steps=5, **options).images).max() > 0.1


@pytest.mark.parametrize(("prior", "decoder"), [(1.0, 3.0), (3.0, 1.0), (2.0, 3.0)])
def test_guidance_is_that_of_diffusers(pipe, karlo, prior, decoder):
    options = {"prior_guidance_scale": prior, "output_type": "np", **STEPS}
    expected = karlo("a seed", generator=seeded(), decoder_num_inference_steps=4, decoder_guidance_scale=decoder,
                     **options).images  # fmt: skip
    found = draw(pipe, "a seed", num_inference_steps=4, guidance_scale=decoder, **options)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_without_guidance_it_has_nothing_to_lead_away_from(pipe):
    options = {"guidance_scale": 1.0, "prior_guidance_scale": 1.0}
    expected = draw(pipe, **options)
    assert torch.equal(draw(pipe, negative_prompt="a seed", **options), expected)
    assert (draw(pipe, guidance_scale=3.0, prior_guidance_scale=1.0) - expected).abs().max() > 1e-3


def test_a_variation_is_that_of_diffusers(pipe, karlo):
    parts = {name: part for name, part in karlo.components.items() if not name.startswith("prior")}
    theirs = quiet(UnCLIPImageVariationPipeline(**parts, **unclip.vision_parts()))
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8))
    options = {"num_images_per_prompt": 2, "super_res_num_inference_steps": 3, "output_type": "np"}
    expected = theirs(image, generator=seeded(), decoder_num_inference_steps=4, **options).images
    found = pipe(image=image, generator=seeded(), num_inference_steps=4, **options).images
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert np.abs(pipe(image=Image.new("RGB", (20, 30)), generator=seeded(), **options).images - found).max() > 0.01


def test_the_projection_is_karlos(karlo):
    own = UnCLIPTextProjection.from_config(karlo.text_proj.config)
    own.load_state_dict(karlo.text_proj.state_dict())
    inputs = {
        "image_embeddings": torch.randn(2, unclip.WIDTH, generator=seeded()),
        "prompt_embeds": torch.randn(4, unclip.WIDTH, generator=seeded(1)),
        "text_encoder_hidden_states": torch.randn(4, 7, unclip.WIDTH, generator=seeded(2)),
        "do_classifier_free_guidance": True,
    }
    for found, expected in zip(own(**inputs), karlo.text_proj(**inputs), strict=True):
        torch.testing.assert_close(found, expected)
    with pytest.raises(ValueError, match="2 image embeddings, 4 text embeddings"):
        own(**{**inputs, "do_classifier_free_guidance": False})


# ---- seeds, steps, callbacks --------------------------------------------------------------------------------------


def test_a_sprite_depends_on_its_seed_and_not_on_the_batch(pipe):
    prompts = ["a red lizard", "a blue turtle", "a green seed with leaves"]
    together = draw(pipe, prompts, generator=[seeded(seed) for seed in range(3)])
    assert together.shape == (3, 3, 16, 16)
    for index, prompt in enumerate(prompts):
        torch.testing.assert_close(draw(pipe, prompt, generator=seeded(index))[0], together[index], atol=1e-4, rtol=0)
    assert torch.equal(draw(pipe), draw(pipe))
    assert (together[0] - draw(pipe, generator=seeded(9))[0]).abs().max() > 0.1
    assert (draw(pipe, "a blue turtle") - draw(pipe)).abs().max() > 1e-3


@pytest.mark.parametrize("counts", [(1, 1, 1), (1, 2, 3), (2, 1, 1), (3, 7, 1)])
def test_any_number_of_steps(pipe, counts):
    prior, decoder, super_res = counts
    seen = []
    images = draw(
        pipe,
        prior_num_inference_steps=prior,
        num_inference_steps=decoder,
        super_res_num_inference_steps=super_res,
        callback_on_step_end=lambda pipe, step, timestep, tensors: seen.append((pipe.stage, step)) or {},
    )
    assert images.isfinite().all()
    assert images.std() > 0.01
    assert [step for _, step in seen] == list(range(sum(counts)))
    assert tuple([stage for stage, _ in seen].count(name) for name in ("prior", "decoder", "super_res")) == counts
    assert pipe.num_timesteps == sum(counts)
    assert pipe.stage is None


def test_one_step_leads_to_the_clean_picture(pipe):
    (timestep,) = pipe.prepare_timesteps(1)
    assert timestep == 999
    clean, noise = torch.rand(1, 3, 8, 8, generator=seeded()) - 0.5, torch.randn(1, 3, 8, 8, generator=seeded(1))
    noisy = pipe.decoder_scheduler.add_noise(clean, noise, timestep[None])
    found = pipe.scheduler_step(torch.cat([noise, noise], dim=1), timestep, noisy, seeded())
    alpha = pipe.decoder_scheduler.alphas_cumprod[-1]
    expected = ((noisy - (1 - alpha) ** 0.5 * noise) / alpha**0.5).clamp(-1, 1)
    torch.testing.assert_close(found, expected)
    assert found.std() > 0.1


def test_a_callback_replaces_what_a_stage_drew(pipe):
    def zero_at_the_end(pipe, step, timestep, tensors):
        return {"latents": torch.zeros_like(tensors["latents"])} if step == pipe.num_timesteps - 1 else {}

    latents = draw(pipe, output_type="latent", callback_on_step_end=zero_at_the_end)
    assert latents.shape == (1, 3, 16, 16)
    assert not latents.any()


def test_given_noise_takes_the_place_of_the_generators(pipe):
    shapes = {"prior_latents": (2, unclip.WIDTH), "latents": (2, 3, 8, 8), "super_res_latents": (2, 3, 16, 16)}
    noise = {name: torch.randn(shape, generator=seeded(3)) for name, shape in shapes.items()}
    one_step = {f"{stage}num_inference_steps": 1 for stage in ("", "prior_", "super_res_")}
    expected = draw(pipe, PROMPTS, **noise, **one_step)
    # one step adds no noise that matters, so the seed is of no effect
    torch.testing.assert_close(draw(pipe, PROMPTS, generator=seeded(7), **noise, **one_step), expected)
    for name, tensor in noise.items():
        assert (draw(pipe, PROMPTS, **{**noise, name: -tensor}, **one_step) - expected).abs().max() > 1e-3, name


def test_output_types(pipe):
    tensor = draw(pipe, PROMPTS)
    array = draw(pipe, PROMPTS, output_type="np")
    pictures = draw(pipe, PROMPTS, output_type="pil", scale=2)
    assert array.shape == (2, 16, 16, 3)
    np.testing.assert_array_equal(array, tensor.permute(0, 2, 3, 1).numpy())
    assert [picture.size for picture in pictures] == [(32, 32)] * 2
    np.testing.assert_array_equal(np.asarray(pictures[1])[::2, ::2], (array[1] * 255).round().astype(np.uint8))
    assert torch.equal(pipe(PROMPTS, generator=seeded(), output_type="pt", return_dict=False)[0], tensor)


# ---- what stands for parts ----------------------------------------------------------------------------------------


def test_embeddings_stand_for_prompts(pipe):
    text, negative = pipe.encode_prompt(PROMPTS), pipe.encode_prompt(["a seed", "a seed"])
    negative = {f"negative_{name}": tensor for name, tensor in negative._asdict().items()}
    options = {"num_images_per_prompt": 2, "guidance_scale": 3.0}
    expected = draw(pipe, PROMPTS, negative_prompt="a seed", **options)
    reader_free = unclip.pipeline(tokenizer=None, text_encoder=None)
    torch.testing.assert_close(draw(reader_free, None, **text._asdict(), **negative, **options), expected)
    assert (expected - draw(pipe, PROMPTS, **options)).abs().max() > 1e-4


def test_cached_image_embeddings_stand_for_the_prior(pipe):
    image_embeds = pipe.sample_prior(PROMPTS, num_images_per_prompt=2, generator=seeded())
    assert image_embeds.shape == (4, unclip.WIDTH)
    assert not image_embeds.requires_grad
    generator = seeded()
    expected = draw(pipe, PROMPTS, num_images_per_prompt=2, generator=generator)
    generator = seeded()
    again = pipe.sample_prior(PROMPTS, num_images_per_prompt=2, generator=generator)
    assert torch.equal(again, image_embeds)
    prior_free = unclip.pipeline(prior=None, prior_scheduler=None)
    found = draw(prior_free, PROMPTS, num_images_per_prompt=2, generator=generator, image_embeds=image_embeds)
    torch.testing.assert_close(found, expected)
    # one per prompt is that of all its sprites, and one that of all
    for rows in ([0, 0, 2, 2], [0, 0, 0, 0]):
        few = image_embeds[sorted(set(rows))]
        options = {"num_images_per_prompt": 2}
        torch.testing.assert_close(
            draw(pipe, PROMPTS, image_embeds=few, **options),
            draw(pipe, PROMPTS, image_embeds=image_embeds[rows], **options),
        )


def test_the_prior_and_the_text_model_work_alone(folder, pipe):
    reader = quiet(SpriteUnCLIPPipeline.from_pretrained(folder, decoder=None, super_res_first=None, text_proj=None))
    torch.testing.assert_close(
        reader.sample_prior(PROMPTS, generator=seeded()), pipe.sample_prior(PROMPTS, generator=seeded())
    )


def test_pictures_come_in_any_form(pipe):
    pixels = np.random.default_rng(0).integers(0, 256, (2, 20, 20, 3), np.uint8)
    pictures = [Image.fromarray(picture) for picture in pixels]
    array = pixels.astype(np.float32) / 255
    tensor = torch.from_numpy(array).permute(0, 3, 1, 2)
    expected = pipe.encode_image(pictures)
    assert expected.shape == (2, unclip.WIDTH)
    for form in (pixels, array, tensor, list(array), list(tensor)):
        torch.testing.assert_close(pipe.encode_image(form), expected)
    clear = Image.new("RGBA", (20, 20), (255, 0, 0, 0))
    assert images_to_pil(clear, [1, 2, 3])[0].getpixel((0, 0)) == (1, 2, 3)
    assert torch.equal(draw(pipe, PROMPTS, image=pictures), draw(pipe, PROMPTS, image_embeds=expected))


def test_without_super_resolution_the_decoders_picture_is_it(pipe):
    small = unclip.pipeline(super_res_first=None, super_res_last=None, super_res_scheduler=None)
    assert small.sprite_size == 8
    assert pipe.sprite_size == 16
    seen = []

    def keep(pipe, step, timestep, tensors):
        seen.append(tensors["latents"])
        return {}

    draw(pipe, callback_on_step_end=keep)
    assert torch.equal(draw(small), (seen[5].clamp(-1, 1) / 2 + 0.5))
    assert unclip.pipeline(image_size=14)("a seed").images[0].size == (14, 14)


def test_rgba_and_a_fixed_variance():
    scheduler = UnCLIPScheduler()
    pipe = unclip.pipeline(decoder=unclip.decoder(4, learned_variance=False), decoder_scheduler=scheduler,
                           super_res_first=unclip.super_res(5, 4), super_res_last=None)  # fmt: skip
    images = draw(pipe, guidance_scale=3.0)
    assert images.shape == (1, 4, 16, 16)
    assert set(images[:, 3].unique().tolist()) <= {0.0, 1.0}


# ---- stepping the decoder oneself ---------------------------------------------------------------------------------


def test_a_trainers_own_loop_draws_the_same(pipe):
    """The loop in the pipeline's documentation, with the conditioning of each image taken from a cache."""
    embeds = pipe.sample_prior(PROMPTS, generator=seeded(4))
    expected = draw(pipe, PROMPTS, image_embeds=embeds, guidance_scale=4.0, num_inference_steps=3)
    with torch.no_grad():
        cache = pipe.condition_decoder(embeds.flip(0), pipe.encode_prompt(PROMPTS[::-1]))
        conditioning = {name: tensor[[1, 0]] for name, tensor in cache.items()}
        negative = pipe.condition_decoder(None, pipe.encode_prompt(["", ""]))
        generator = seeded()
        latents = pipe.prepare_latents(2, generator, None)
        for timestep in pipe.prepare_timesteps(3):
            output = pipe.predict(latents, timestep, conditioning, negative, guidance_scale=4.0)
            assert output.shape == (2, 6, 8, 8)
            latents = pipe.scheduler_step(output, timestep, latents, generator)
        pictures = pipe.super_resolve(latents.clamp(-1, 1), generator=generator)
    torch.testing.assert_close(pipe.postprocess(pictures, "pt", 1), expected, atol=1e-5, rtol=1e-4)


def test_the_conditioning_is_the_decoders_call_and_lets_gradients_through(pipe):
    embeds = torch.randn(1, unclip.WIDTH, generator=seeded(), requires_grad=True)
    conditioning = pipe.condition_decoder(embeds, pipe.encode_prompt("a red lizard"))
    shapes = {name: tuple(tensor.shape) for name, tensor in conditioning.items()}
    tokens = 4 + unclip.TOKENS
    assert shapes == {"encoder_hidden_states": (1, tokens, unclip.CONTEXT), "encoder_attention_mask": (1, tokens),
                      "class_labels": (1, unclip.TIME)}  # fmt: skip
    sample = torch.randn(1, 3, 8, 8, generator=seeded())
    output = pipe.decoder(sample, 500, **conditioning).sample
    torch.testing.assert_close(output, pipe.predict(sample, torch.tensor(500), conditioning))
    output.square().mean().backward()
    assert embeds.grad.abs().max() > 0


def test_each_picture_may_be_at_its_own_time(pipe):
    text, nothing = pipe.encode_prompt(PROMPTS), pipe.encode_prompt(["", ""])
    conditioning = pipe.condition_decoder(torch.zeros(2, unclip.WIDTH), text)
    negative = pipe.condition_decoder(None, nothing)
    sample, timesteps = torch.randn(2, 3, 8, 8, generator=seeded()), torch.tensor([900, 10])
    together = pipe.predict(sample, timesteps, conditioning, negative, guidance_scale=3.0)
    for row in ([0], [1]):
        own, away = ({name: tensor[row] for name, tensor in part.items()} for part in (conditioning, negative))
        alone = pipe.predict(sample[row], timesteps[row[0]], own, away, guidance_scale=3.0)
        torch.testing.assert_close(alone, together[row], atol=1e-5, rtol=1e-4)


def test_timesteps_lead_to_each_other(pipe):
    timesteps = pipe.prepare_timesteps(4)
    assert [int(timestep) for timestep in timesteps] == [999, 666, 333, 0]
    assert [pipe.previous_timestep(timestep) for timestep in timesteps] == [666, 333, 0, None]


def test_as_many_tokens_as_pixels():
    """12 tokens of text and 4 of the image, where attention has 4 x 4 pixels: diffusers cannot tell them apart."""
    tokenizer, text_encoder = unclip.text_parts(12)
    pipe = unclip.pipeline(tokenizer=tokenizer, text_encoder=text_encoder, prior=unclip.prior(12))
    text = pipe.encode_prompt("a red lizard")
    conditioning = pipe.condition_decoder(torch.zeros(1, unclip.WIDTH), text)
    assert conditioning["encoder_attention_mask"].shape == (1, 17)
    assert draw(pipe).isfinite().all()
    # what does not count changes nothing
    sample, other = torch.randn(1, 3, 8, 8, generator=seeded()), dict(conditioning)
    hidden = (1 - conditioning["encoder_attention_mask"])[..., None] * 5.0
    other["encoder_hidden_states"] = conditioning["encoder_hidden_states"] + hidden
    timestep = torch.tensor(500)
    torch.testing.assert_close(pipe.predict(sample, timestep, other), pipe.predict(sample, timestep, conditioning))


# ---- mistakes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prompt": None}, "either `prompt` or `prompt_embeds`"),
        ({"prompt": []}, "must be a string or a list of one or more strings"),
        ({"prompt": 3}, "`prompt` is 3"),
        ({"prompt": None, "prompt_embeds": torch.zeros(1, 10, 16)}, "need `pooled_prompt_embeds`"),
        ({"negative_prompt_embeds": torch.zeros(1, 10, 16)}, "need `negative_pooled_prompt_embeds`"),
        ({"prompt": None, "prompt_embeds": torch.zeros(1, 7, 16), "pooled_prompt_embeds": torch.zeros(1, 16)},
         "7 tokens, but the prior reads 10"),
        ({"prompt": None, "prompt_embeds": torch.zeros(2, 10, 16), "pooled_prompt_embeds": torch.zeros(1, 16)},
         "must be one vector for each of the 2 texts"),
        ({"negative_prompt": ["a", "b"]}, "pass as many"),
        ({"num_inference_steps": 0}, "`num_inference_steps` is 0"),
        ({"prior_num_inference_steps": 1001}, "`prior_num_inference_steps` is 1001.* 1 to 1000"),
        ({"super_res_num_inference_steps": 2.5}, "`super_res_num_inference_steps` is 2.5"),
        ({"num_images_per_prompt": 0}, "`num_images_per_prompt` is 0"),
        ({"generator": [seeded()] * 2}, "2 generators were passed for 1 images"),
        ({"latents": torch.zeros(1, 3, 4, 4)}, r"`latents` has shape \(1, 3, 4, 4\)"),
        ({"prior_latents": torch.zeros(1, 4)}, "`prior_latents` has shape"),
        ({"super_res_latents": torch.zeros(1, 4)}, "`super_res_latents` has shape"),
        ({"image_embeds": torch.zeros(3, 16)}, "but for 1 images there must be 1"),
        ({"image_embeds": torch.zeros(1, 16), "image": Image.new("RGB", (8, 8))}, "either `image` or `image_embeds`"),
        ({"image_embeds": torch.zeros(1, 16), "prior_latents": torch.zeros(1, 16)}, "`prior_latents` are for the prior"),
        ({"image": np.zeros((1, 8, 8, 4), np.float32)}, "must be RGB images"),
        ({"image": []}, "`image` is empty"),
        ({"output_type": "jpg"}, "output_type"),
        ({"callback_on_step_end_tensor_inputs": ["image_embeds"]}, "callback_on_step_end_tensor_inputs"),
    ],
)  # fmt: skip
def test_bad_calls_are_refused(pipe, options, message):
    with pytest.raises(ValueError, match=message):
        pipe(**{"prompt": "a red lizard", **options})


def test_calls_for_parts_that_are_not_there_are_refused():
    pipe = unclip.pipeline(prior=None, image_encoder=None, tokenizer=None, super_res_first=None, super_res_last=None)
    with pytest.raises(ValueError, match="without its `prior` or `prior_scheduler`: pass `image` or `image_embeds`"):
        pipe("a seed")
    with pytest.raises(ValueError, match="without its `prior`"):
        pipe.sample_prior("a seed")
    with pytest.raises(ValueError, match=r"no `image_encoder`.* pass `image_embeds`"):
        pipe(image=Image.new("RGB", (8, 8)))
    embeds = torch.zeros(1, unclip.WIDTH)
    with pytest.raises(ValueError, match="no tokenizer or text encoder to read `prompt` with"):
        pipe("a seed", image_embeds=embeds)
    with pytest.raises(ValueError, match="which this pipeline does not have"):
        pipe("a seed", image_embeds=embeds, super_res_latents=torch.zeros(1, 3, 16, 16))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prior": PriorTransformer(2, 8, 1, embedding_dim=8, num_embeddings=10)}, "Widths of CLIP .*the prior 8"),
        ({"text_proj": UnCLIPTextProjection(4, 16, 32, 8)}, "Widths of the context .*text projection 8"),
        ({"text_proj": UnCLIPTextProjection(4, 16, 8, 24)}, "Widths of the time embedding .*text projection 8"),
        ({"decoder": unclip.decoder(learned_variance=False)}, "`decoder` has 3 channels in and 3 out, .*3 and 6"),
        ({"super_res_last": unclip.super_res(5, 4)}, "`super_res_last` has 8 channels in and 4 out"),
        ({"decoder_scheduler": DDIMScheduler()}, "`decoder_scheduler` is a DDIMScheduler"),
        ({"decoder": UNet2DConditionModel(block_out_channels=(32,), down_block_types=("DownBlock2D",),
                                          up_block_types=("UpBlock2D",), cross_attention_dim=24)},
         "class_embed_type=None"),
    ],
)  # fmt: skip
def test_parts_of_different_models_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        unclip.pipeline(**options)


def test_a_long_prompt_is_cut_with_a_warning_that_shows_what_is_lost(pipe, caplog):
    with caplog.at_level(logging.WARNING):
        pipe.encode_prompt("a red lizard " * 10 + "with a unicorn")
    assert "unicorn" in caplog.text


# ---- folders ------------------------------------------------------------------------------------------------------


def test_the_folder_loads_with_and_without_the_class(pipe, folder, tmp_path):
    expected = draw(pipe)
    index = json.loads((folder / "model_index.json").read_text())
    assert index["_class_name"] == ["pipeline", "SpriteUnCLIPPipeline"]
    assert index["text_proj"] == ["unclip_text_projection", "UnCLIPTextProjection"]
    source = (folder / "text_proj" / "unclip_text_projection.py").read_text().splitlines()
    assert not [line for line in source if line.startswith(("from .", "from sprite", "import sprite"))]
    remote = DiffusionPipeline.from_pretrained(folder, trust_remote_code=True)
    assert type(remote) is not SpriteUnCLIPPipeline
    remote.save_pretrained(tmp_path / "again")
    for loaded in (
        remote,
        SpriteUnCLIPPipeline.from_pretrained(folder),
        hub.load_pipeline(folder),
        SpriteUnCLIPPipeline.from_pretrained(tmp_path / "again"),
        DiffusionPipeline.from_pretrained(tmp_path / "again", trust_remote_code=True),
    ):
        torch.testing.assert_close(draw(quiet(loaded)), expected)


def test_the_folder_loads_where_the_package_is_not(pipe, folder, tmp_path):
    command = [sys.executable, "-c", WITHOUT_THE_PACKAGE, folder, tmp_path / "images.npy"]
    subprocess.run(command, check=True, capture_output=True)
    np.testing.assert_allclose(np.load(tmp_path / "images.npy"), draw(pipe, output_type="np"), atol=1e-5)


def test_plain_classes_load_the_components(pipe, folder):
    classes = {
        "prior": PriorTransformer,
        "decoder": UNet2DConditionModel,
        "super_res_first": UNet2DModel,
        "super_res_last": UNet2DModel,
        "prior_scheduler": UnCLIPScheduler,
        "decoder_scheduler": UnCLIPScheduler,
        "super_res_scheduler": UnCLIPScheduler,
        "text_encoder": CLIPTextModelWithProjection,
        "tokenizer": AutoTokenizer,
    }
    parts = {name: loader.from_pretrained(folder, subfolder=name) for name, loader in classes.items()}
    projection = AutoModel.from_pretrained(str(folder / "text_proj"), trust_remote_code=True)
    assert type(projection) is not UnCLIPTextProjection
    settings = {
        name: value
        for name, value in json.loads((folder / "model_index.json").read_text()).items()
        if name.startswith("default_")
    }
    built = quiet(SpriteUnCLIPPipeline(**parts, text_proj=projection.eval(), **settings))
    torch.testing.assert_close(draw(built), draw(pipe))


def test_settings_and_missing_stages_survive(tmp_path):
    made = unclip.pipeline(super_res_first=None, super_res_last=None, super_res_scheduler=None, image_size=7,
                           background=[0, 0, 0], binary_alpha=False, default_guidance_scale=1.5,
                           default_prior_guidance_scale=2.5)  # fmt: skip
    loaded = quiet(SpriteUnCLIPPipeline.from_pretrained(hub.export(made, tmp_path)))
    names = ("image_size", "background", "binary_alpha", *(name for name in made.config if name.startswith("default")))
    assert len(names) == 8
    assert {name: loaded.config[name] for name in names} == {name: made.config[name] for name in names}
    assert loaded.super_res_first is None
    torch.testing.assert_close(draw(loaded), draw(made))


def test_nothing_is_complained_of_when_loading(folder, caplog):
    library = logging.getLogger("diffusers")
    library.addHandler(caplog.handler)  # diffusers does not hand its messages on
    try:
        SpriteUnCLIPPipeline.from_pretrained(folder)
    finally:
        library.removeHandler(caplog.handler)
    assert caplog.text == ""


def test_half_precision(folder):
    half = quiet(SpriteUnCLIPPipeline.from_pretrained(folder, dtype=torch.bfloat16))
    assert half.decoder.dtype == half.text_proj.dtype == torch.bfloat16
    assert draw(half).isfinite().all()


# ---- LoRA ---------------------------------------------------------------------------------------------------------


def test_a_lora_of_the_decoder_is_saved_loaded_and_scaled(tmp_path):
    pipe = unclip.pipeline()
    plain = draw(pipe)
    targets = ["to_q", "to_k", "to_v", "add_k_proj", "add_v_proj", "to_out.0"]
    config = LoraConfig(r=2, lora_alpha=4, target_modules=targets, init_lora_weights=False)
    pipe.decoder.add_adapter(config, adapter_name="hats")
    tuned = draw(pipe)
    assert (tuned - plain).abs().max() > 1e-3
    layers = get_peft_model_state_dict(pipe.decoder, adapter_name="hats")
    assert {name.split(".lora_")[0].split(".attentions.")[1].split(".", 1)[1] for name in layers} == set(targets)
    pipe.save_lora_weights(tmp_path, unet_lora_layers=layers, unet_lora_adapter_metadata=config.to_dict())

    fresh = unclip.pipeline()
    fresh.load_lora_weights(tmp_path, adapter_name="hats")
    assert fresh.get_active_adapters() == ["hats"]
    torch.testing.assert_close(draw(fresh), tuned)
    torch.testing.assert_close(draw(fresh, cross_attention_kwargs={"scale": 0.0}), plain)
    fresh.set_adapters("hats", 0.5)
    assert (draw(fresh) - tuned).abs().max() > 1e-3
    fresh.set_adapters("hats", 1.0)
    fresh.fuse_lora()
    torch.testing.assert_close(draw(fresh), tuned, rtol=1e-3, atol=1e-4)
    fresh.unfuse_lora()
    fresh.unload_lora_weights()
    torch.testing.assert_close(draw(fresh), plain, rtol=1e-3, atol=1e-4)
