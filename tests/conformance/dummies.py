"""Tiny pipelines and their inputs for diffusers' mixins: RGBA without classes, RGB with classes or a text, in pixels, latents, by way of a CLIP and in one pass."""

from itertools import product
from unittest.mock import patch

import diffusers
import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler, DPMSolverMultistepScheduler, UNet2DModel

from sprite_diffusers.models import DCGANGenerator
from sprite_diffusers.pipelines import (
    ClassCondPipeline,
    PokemonLDMPipeline,
    SpriteDDPMPipeline,
    SpriteGANPipeline,
    SpriteLDMPipeline,
    SpriteUnCLIPPipeline,
)
from tests.pipelines import pokemon, unclip

NEEDS_SOURCE = "set DIFFUSERS_SOURCE to the root of a diffusers checkout (tests/conformance/README.md)"
SIZE = 8


def unet(channels, num_class_embeds=None, size=SIZE):
    torch.manual_seed(0)
    return UNet2DModel(
        sample_size=size,
        in_channels=channels,
        out_channels=channels,
        layers_per_block=1,
        block_out_channels=(8, 16),
        norm_num_groups=4,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        num_class_embeds=num_class_embeds,
    ).eval()


def vae(channels):
    torch.manual_seed(0)
    return AutoencoderKL(
        in_channels=channels,
        out_channels=channels,
        down_block_types=("DownEncoderBlock2D", "DownEncoderBlock2D"),
        up_block_types=("UpDecoderBlock2D", "UpDecoderBlock2D"),
        block_out_channels=(8, 16),
        norm_num_groups=4,
        latent_channels=4,
        sample_size=SIZE,
    ).eval()


class Dummy:
    """What both generations of mixins ask for; only the old one passes `device` and `seed`."""

    output_type = "pt"

    def scheduler(self):
        return DDIMScheduler()

    def get_dummy_inputs(self, device="cpu", seed=0):
        generator = torch.Generator("cpu").manual_seed(seed)
        return {"generator": generator, "num_inference_steps": 2, "output_type": self.output_type}


class Sprite(Dummy):
    pipeline_class = SpriteDDPMPipeline
    output_shape = (4, SIZE, SIZE)

    def get_dummy_components(self):
        return {"unet": unet(4), "scheduler": self.scheduler()}

    def get_dummy_inputs(self, device="cpu", seed=0):
        return {**super().get_dummy_inputs(device, seed), "batch_size": 1}


class ClassCond(Dummy):
    pipeline_class = ClassCondPipeline
    output_shape = (3, SIZE, SIZE)

    def get_dummy_components(self):
        id2label = {"0": "human", "1": "monster", "2": "spell"}
        return {"unet": unet(3, num_class_embeds=4), "scheduler": self.scheduler(), "id2label": id2label}

    def get_dummy_inputs(self, device="cpu", seed=0):
        return {**super().get_dummy_inputs(device, seed), "class_labels": "monster", "guidance_scale": 2.0}


class LDM(ClassCond):
    pipeline_class = SpriteLDMPipeline

    def get_dummy_components(self):
        id2label = {"0": "human", "1": "monster", "2": "spell"}
        denoiser = unet(4, num_class_embeds=4, size=SIZE // 2)
        return {"vae": vae(3), "unet": denoiser, "scheduler": self.scheduler(), "id2label": id2label}


class Pokemon(Dummy):
    pipeline_class = PokemonLDMPipeline
    output_shape = (3, 16, 16)

    def get_dummy_components(self):
        tokenizer, text_encoder = pokemon.text_encoder()
        parts = {"vae": pokemon.vae(), "unet": pokemon.unet(), "text_encoder": text_encoder, "tokenizer": tokenizer}
        return {**parts, "scheduler": self.scheduler()}

    def get_dummy_inputs(self, device="cpu", seed=0):
        text = {"prompt": pokemon.CAPTIONS[0], "negative_prompt": pokemon.CAPTIONS[1], "guidance_scale": 2.0}
        return {**super().get_dummy_inputs(device, seed), **text}


class PokemonImage(Pokemon):
    """From a picture instead of from noise."""

    def get_dummy_inputs(self, device="cpu", seed=0):
        image = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(seed))
        picture = {"image": image.to(device), "strength": 0.5, "num_inference_steps": 4}
        return {**super().get_dummy_inputs(device, seed), **picture}


class Unclip(Dummy):
    """The decoder alone, as the mixins know of one scheduler, one number of steps and one network."""

    pipeline_class = SpriteUnCLIPPipeline
    output_shape = (3, 8, 8)

    def get_dummy_components(self):
        return {**unclip.parts(), **unclip.vision_parts(), "super_res_first": None, "super_res_last": None}

    def get_dummy_inputs(self, device="cpu", seed=0):
        text = {"prompt": "a red lizard", "negative_prompt": "a blue turtle", "guidance_scale": 2.0}
        picture = {"image_embeds": torch.ones(1, unclip.WIDTH, device=device)}
        return {**super().get_dummy_inputs(device, seed), **text, **picture}


class GAN(Dummy):
    """One pass: no scheduler, and one step."""

    pipeline_class = SpriteGANPipeline
    output_shape = (4, SIZE, SIZE)

    def get_dummy_components(self):
        torch.manual_seed(0)
        return {"generator": DCGANGenerator(6, 4, SIZE, (8, 16)).eval()}

    def get_dummy_inputs(self, device="cpu", seed=0):
        return {**super().get_dummy_inputs(device, seed), "batch_size": 1, "num_inference_steps": 1}


class Flow:
    def scheduler(self):
        return DPMSolverMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True)


class BatchSize:
    def test_num_images_per_prompt(self):
        """The mixin's assertion. Its own batch is a list of prompts, which an unconditional pipeline does not take."""
        pipe = self.pipeline_class(**self.get_dummy_components())
        for batch_size, num_images in product([1, 2], [1, 2]):
            inputs = {**self.get_dummy_inputs(), "batch_size": batch_size}
            assert pipe(**inputs, num_images_per_prompt=num_images)[0].shape[0] == batch_size * num_images


class Id2Label:
    def test_components_function(self):
        """The mixin's, which knows arguments that are no components only as str, int and float: without `id2label`."""
        components = self.get_dummy_components()
        del components["id2label"]
        with patch.object(self, "get_dummy_components", return_value=components):
            super().test_components_function()


class EncodePrompt:
    def test_encode_prompt_works_in_isolation(self):
        """The mixin's, which looks in diffusers for the class, and to `encode_prompt` for all texts of a call: unguided."""
        cls, guided = self.pipeline_class, self.get_dummy_inputs
        with (
            patch.object(diffusers.pipelines, cls.__name__, cls, create=True),
            patch.object(self, "get_dummy_inputs", lambda *device: {**guided(*device), "guidance_scale": 1.0}),
        ):
            super().test_encode_prompt_works_in_isolation()


class OptionalText:
    @pytest.fixture(autouse=True)
    def embeddings_for_prompts(self, request, monkeypatch):
        """In the mixin's check of optional components: what encodes prompts is one of them."""
        prompted = self.get_dummy_inputs

        def embedded(*device):
            inputs = {name: value for name, value in prompted(*device).items() if not name.endswith("prompt")}
            states, pooled = torch.ones(1, unclip.TOKENS, unclip.WIDTH), torch.ones(1, unclip.WIDTH)
            return {**inputs, "prompt_embeds": states, "pooled_prompt_embeds": pooled, "guidance_scale": 1.0}

        if request.node.name == "test_save_load_optional_components":
            monkeypatch.setattr(self, "get_dummy_inputs", embedded)


def left_out(reason):
    """Takes the place of a mixin's check that does not apply; see README.md."""

    @pytest.mark.skip(reason=reason)
    def test(self):
        pass

    return test
