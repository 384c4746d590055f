"""diffusers' unittest-style pipeline mixins (``tests/pipelines/test_pipelines_common.py``) on both pipelines.

    DIFFUSERS_SOURCE=/path/to/diffusers python -m pytest tests/conformance

Needs ``parameterized`` and ``requests-mock`` too (that file imports diffusers' model tests). See README.md for what is
left out.
"""

import unittest
from importlib import import_module

import dummies
import pytest
from sprite_diffusers.pipelines import ClassCondPipeline, SpriteDDPMPipeline

pytest.importorskip("diffusers_tests", reason=dummies.NEEDS_SOURCE)
pytest.importorskip("parameterized")
pytest.importorskip("requests_mock")

mixins = import_module("diffusers_tests.pipelines.test_pipelines_common")
pipeline_params = import_module("diffusers_tests.pipelines.pipeline_params")


class PipelineMixins(mixins.PipelineTesterMixin, mixins.PipelineLatentTesterMixin):
    test_layerwise_casting = True
    test_group_offloading = True
    image_params = frozenset()
    image_latents_params = frozenset()

    @unittest.skip("no VAE: the network works on pixels")
    def test_multi_vae(self):
        pass


class SpriteTests(PipelineMixins, unittest.TestCase):
    pipeline_class = SpriteDDPMPipeline
    params = pipeline_params.UNCONDITIONAL_IMAGE_GENERATION_PARAMS
    batch_params = pipeline_params.UNCONDITIONAL_IMAGE_GENERATION_BATCH_PARAMS
    objective = "epsilon"

    def get_dummy_components(self):
        return dummies.sprite_components(self.objective)

    def get_dummy_inputs(self, device, seed=0):
        return dummies.inputs(batch_size=1, output_type="np")


class SpriteFlowTests(SpriteTests):
    objective = "flow"


class ClassCondTests(PipelineMixins, unittest.TestCase):
    pipeline_class = ClassCondPipeline
    params = pipeline_params.CLASS_CONDITIONED_IMAGE_GENERATION_PARAMS | {"guidance_scale"}
    batch_params = pipeline_params.CLASS_CONDITIONED_IMAGE_GENERATION_BATCH_PARAMS
    objective = "epsilon"

    def get_dummy_components(self):
        return dummies.class_cond_components(self.objective)

    def get_dummy_inputs(self, device, seed=0):
        return dummies.inputs(class_labels="monster", guidance_scale=2.0, output_type="np")


class ClassCondFlowTests(ClassCondTests):
    objective = "flow"


class SpriteKarrasTests(mixins.PipelineKarrasSchedulerTesterMixin, SpriteTests):
    pass


class ClassCondKarrasTests(mixins.PipelineKarrasSchedulerTesterMixin, ClassCondTests):
    pass
