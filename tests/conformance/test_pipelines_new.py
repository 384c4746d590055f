"""diffusers' pytest-style pipeline mixins (``tests/pipelines/testing_utils``) on both pipelines, unchanged.

    DIFFUSERS_SOURCE=/path/to/diffusers python -m pytest tests/conformance

diffusers has such mixins for models and schedulers too; this package owns neither yet. See README.md for what is left
out.
"""

from importlib import import_module

import dummies
import pytest
from sprite_diffusers.pipelines import ClassCondPipeline, SpriteDDPMPipeline
from sprite_diffusers.pipelines.sprite_io import enable_adapters_on

pytest.importorskip("diffusers_tests", reason=dummies.NEEDS_SOURCE)

mixins = import_module("diffusers_tests.pipelines.testing_utils")
pipeline_params = import_module("diffusers_tests.pipelines.pipeline_params")


class SpriteConfig(mixins.BasePipelineTesterConfig):
    pipeline_class = SpriteDDPMPipeline
    required_input_params_in_call_signature = pipeline_params.UNCONDITIONAL_IMAGE_GENERATION_PARAMS
    batch_input_params = pipeline_params.UNCONDITIONAL_IMAGE_GENERATION_BATCH_PARAMS
    output_shape = (4, dummies.SIZE, dummies.SIZE)
    objective = "epsilon"

    def get_dummy_components(self):
        return dummies.sprite_components(self.objective)

    def get_dummy_inputs(self):
        return dummies.inputs(batch_size=1, output_type="pt")


class ClassCondConfig(mixins.BasePipelineTesterConfig):
    pipeline_class = ClassCondPipeline
    required_input_params_in_call_signature = pipeline_params.CLASS_CONDITIONED_IMAGE_GENERATION_PARAMS | {
        "guidance_scale"
    }
    batch_input_params = pipeline_params.CLASS_CONDITIONED_IMAGE_GENERATION_BATCH_PARAMS
    output_shape = (3, dummies.SIZE, dummies.SIZE)
    objective = "epsilon"

    def get_dummy_components(self):
        return dummies.class_cond_components(self.objective)

    def get_dummy_inputs(self):
        return dummies.inputs(class_labels="monster", guidance_scale=2.0, output_type="pt")


class TestSprite(SpriteConfig, mixins.PipelineTesterMixin):
    pass


class TestSpriteFlow(TestSprite):
    objective = "flow"


class TestClassCond(ClassCondConfig, mixins.PipelineTesterMixin):
    pass


class TestClassCondFlow(TestClassCond):
    objective = "flow"


class MemoryMixins(
    mixins.PipelineOffloadTesterMixin, mixins.GroupOffloadTesterMixin, mixins.LayerwiseCastingTesterMixin
):
    """diffusers' own umbrella, `MemoryTesterMixin`, skips also those that run on a CPU."""


class TestSpriteMemory(SpriteConfig, MemoryMixins):
    pass


class TestClassCondMemory(ClassCondConfig, MemoryMixins):
    pass


class LoraMixins(mixins.LoraTesterMixin, mixins.LoraMemoryTesterMixin):
    def get_dummy_components(self):
        components = super().get_dummy_components()
        enable_adapters_on(components["unet"])
        return components


class TestSpriteLora(LoraMixins, SpriteConfig):
    pass


class TestClassCondLora(LoraMixins, ClassCondConfig):
    pass
