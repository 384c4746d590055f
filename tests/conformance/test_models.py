"""diffusers' mixins for models (``tests/models/testing_utils``) on the models of this package.

DIFFUSERS_SOURCE=/path/to/diffusers python -m pytest tests/conformance
"""

from importlib import import_module

import dummies
import pytest
import torch

from sprite_diffusers.models import DCGANGenerator, LatentMLP, SpriteAutoencoder
from sprite_diffusers.models.text_vae import TextConditionedVAE

pytest.importorskip("diffusers_tests", reason=dummies.NEEDS_SOURCE)
mixins = import_module("diffusers_tests.models.testing_utils")
torch_device = import_module("diffusers_tests.testing_utils").torch_device


def random(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(torch_device)


class Autoencoder(mixins.BaseModelTesterConfig):
    model_class = SpriteAutoencoder
    output_shape = (3, 8, 8)
    main_input_name = "sample"

    def get_init_dict(self):
        return {"sample_size": 8, "latent_dim": 6, "block_out_channels": (8, 8), "block_type": "resnet"}

    def get_dummy_inputs(self):
        return {"sample": random(2, 3, 8, 8)}


class Denoiser(mixins.BaseModelTesterConfig):
    model_class = LatentMLP
    output_shape = (6,)
    main_input_name = "sample"

    def get_init_dict(self):
        return {"in_channels": 6, "hidden_size": 16, "num_layers": 2, "num_class_embeds": 3}

    def get_dummy_inputs(self):
        labels = torch.tensor([0, 2], device=torch_device)
        return {"sample": random(2, 6), "timestep": torch.tensor(10, device=torch_device), "class_labels": labels}


class TextConditioned(mixins.BaseModelTesterConfig):
    model_class = TextConditionedVAE
    output_shape = (3, 16, 16)
    main_input_name = "sample"

    def get_init_dict(self):
        return {
            "sample_size": 16,
            "block_out_channels": (8, 16),
            "latent_channels": 4,
            "patch_size": 2,
            "cross_attention_dim": 16,
            "num_attention_heads": 2,
            "norm_num_groups": 4,
        }

    def get_dummy_inputs(self):
        mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]], device=torch_device)
        text = {"encoder_hidden_states": random(2, 4, 16), "encoder_attention_mask": mask}
        return {"sample": random(2, 3, 16, 16), **text}


class Generator(mixins.BaseModelTesterConfig):
    model_class = DCGANGenerator
    output_shape = (3, 8, 8)
    main_input_name = "latents"

    def get_init_dict(self):
        return {"latent_dim": 6, "sample_size": 8, "block_out_channels": (8, 16), "num_class_embeds": 3}

    def get_dummy_inputs(self):
        return {"latents": random(2, 6), "class_labels": torch.tensor([0, 2], device=torch_device)}


class TestAutoencoder(Autoencoder, mixins.ModelTesterMixin):
    pass


class TestAutoencoderTraining(Autoencoder, mixins.TrainingTesterMixin):
    pass


class TestAutoencoderMemory(Autoencoder, mixins.MemoryTesterMixin):
    pass


class TestDenoiser(Denoiser, mixins.ModelTesterMixin):
    pass


class TestDenoiserTraining(Denoiser, mixins.TrainingTesterMixin):
    pass


class TestDenoiserMemory(Denoiser, mixins.MemoryTesterMixin):
    pass


class TestTextConditioned(TextConditioned, mixins.ModelTesterMixin):
    pass


class TestTextConditionedTraining(TextConditioned, mixins.TrainingTesterMixin):
    pass


class TestTextConditionedMemory(TextConditioned, mixins.MemoryTesterMixin):
    pass


class TestGenerator(Generator, mixins.ModelTesterMixin):
    pass


class TestGeneratorTraining(Generator, mixins.TrainingTesterMixin):
    pass


class TestGeneratorMemory(Generator, mixins.MemoryTesterMixin):
    pass
