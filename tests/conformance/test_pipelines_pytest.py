"""diffusers' pytest-style pipeline mixins (``tests/pipelines/testing_utils``) on all pipelines.

DIFFUSERS_SOURCE=/path/to/diffusers python -m pytest tests/conformance
"""

from importlib import import_module

import dummies
import pytest

pytest.importorskip("diffusers_tests", reason=dummies.NEEDS_SOURCE)

mixins = import_module("diffusers_tests.pipelines.testing_utils")
sets = import_module("diffusers_tests.pipelines.pipeline_params")

NO_ATTENTION_KWARGS = "UNet2DModel takes no attention kwargs: a LoRA is scaled with set_adapters"
TEXT_IS_TWO = "a text is hidden states and an embedding, which the mixin does not pass on by their names"
NOTHING_TO_GUIDE = "there is one pass without guidance: a guidance_scale other than 1 is refused"
NO_BLOCK_WEIGHTS = "diffusers splits LoRA weights by block for UNet2DConditionModel and UNetMotionModel only"


class Sprite(dummies.Sprite, mixins.BasePipelineTesterConfig):
    required_input_params_in_call_signature = sets.UNCONDITIONAL_IMAGE_GENERATION_PARAMS
    batch_input_params = sets.UNCONDITIONAL_IMAGE_GENERATION_BATCH_PARAMS


class ClassCond(dummies.ClassCond, mixins.BasePipelineTesterConfig):
    required_input_params_in_call_signature = sets.CLASS_CONDITIONED_IMAGE_GENERATION_PARAMS | {"guidance_scale"}
    batch_input_params = sets.CLASS_CONDITIONED_IMAGE_GENERATION_BATCH_PARAMS


class LDM(dummies.LDM, mixins.BasePipelineTesterConfig):
    required_input_params_in_call_signature = ClassCond.required_input_params_in_call_signature
    batch_input_params = ClassCond.batch_input_params


class Pokemon(dummies.Pokemon, mixins.BasePipelineTesterConfig):
    required_input_params_in_call_signature = sets.TEXT_TO_IMAGE_PARAMS - {"height", "width"}
    batch_input_params = sets.TEXT_TO_IMAGE_BATCH_PARAMS


class PokemonImage(dummies.PokemonImage, mixins.BasePipelineTesterConfig):
    required_input_params_in_call_signature = sets.TEXT_GUIDED_IMAGE_VARIATION_PARAMS - {"height", "width"}
    batch_input_params = sets.TEXT_GUIDED_IMAGE_VARIATION_BATCH_PARAMS


class Unclip(dummies.Unclip, mixins.BasePipelineTesterConfig):
    required_input_params_in_call_signature = sets.TEXT_TO_IMAGE_PARAMS - {"height", "width"}
    batch_input_params = sets.TEXT_TO_IMAGE_BATCH_PARAMS


class GAN(dummies.GAN, mixins.BasePipelineTesterConfig):
    required_input_params_in_call_signature = Sprite.required_input_params_in_call_signature
    batch_input_params = Sprite.batch_input_params


class Memory(mixins.PipelineOffloadTesterMixin, mixins.GroupOffloadTesterMixin, mixins.LayerwiseCastingTesterMixin):
    """Not `MemoryTesterMixin`, which without an accelerator skips even those of its checks that need none."""


class Lora(mixins.LoraTesterMixin, mixins.LoraMemoryTesterMixin, mixins.UNetLoraTesterMixin):
    test_simple_inference_with_text_denoiser_lora_and_scale = dummies.left_out(NO_ATTENTION_KWARGS)
    test_lora_scale_kwargs_match_fusion = dummies.left_out(NO_ATTENTION_KWARGS)
    test_set_adapters_match_attention_kwargs = dummies.left_out(NO_ATTENTION_KWARGS)
    test_simple_inference_with_text_denoiser_block_scale_for_all_dict_options = dummies.left_out(NO_BLOCK_WEIGHTS)


class TestSprite(dummies.BatchSize, Sprite, mixins.PipelineTesterMixin):
    pass


class TestSpriteFlow(dummies.Flow, TestSprite):
    pass


class TestSpriteMemory(Sprite, Memory):
    pass


class TestSpriteLora(Sprite, Lora):
    pass


class TestClassCond(dummies.Id2Label, ClassCond, mixins.PipelineTesterMixin):
    pass


class TestClassCondFlow(dummies.Flow, TestClassCond):
    pass


class TestClassCondMemory(ClassCond, Memory):
    pass


class TestClassCondLora(ClassCond, Lora):
    pass


class TestLDM(dummies.Id2Label, LDM, mixins.PipelineTesterMixin):
    pass


class TestLDMFlow(dummies.Flow, TestLDM):
    pass


class TestLDMMemory(LDM, Memory):
    pass


class TestLDMLora(LDM, Lora):
    pass


class TestPokemon(dummies.EncodePrompt, Pokemon, mixins.PipelineTesterMixin):
    pass


class TestPokemonFlow(dummies.Flow, TestPokemon):
    pass


class TestPokemonImage(dummies.EncodePrompt, PokemonImage, mixins.PipelineTesterMixin):
    pass


class TestPokemonImageFlow(dummies.Flow, TestPokemonImage):
    pass


class TestPokemonMemory(Pokemon, Memory):
    pass


class TestPokemonLora(Pokemon, mixins.LoraTesterMixin, mixins.LoraMemoryTesterMixin, mixins.UNetLoraTesterMixin):
    """All of it: `UNet2DConditionModel` takes attention kwargs and weights by block."""


class TestUnclip(dummies.OptionalText, Unclip, mixins.PipelineTesterMixin):
    test_encode_prompt_works_in_isolation = dummies.left_out(TEXT_IS_TWO)


class TestUnclipMemory(Unclip, Memory):
    pass


class TestUnclipLora(Unclip, mixins.LoraTesterMixin, mixins.LoraMemoryTesterMixin, mixins.UNetLoraTesterMixin):
    """All of it, on the decoder."""


class TestGAN(dummies.BatchSize, GAN, mixins.PipelineTesterMixin):
    test_cfg = dummies.left_out(NOTHING_TO_GUIDE)


class TestGANMemory(GAN, Memory):
    pass
