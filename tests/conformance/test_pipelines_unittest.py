"""diffusers' unittest-style pipeline mixins (``tests/pipelines/test_pipelines_common.py``) on all pipelines.

DIFFUSERS_SOURCE=/path/to/diffusers python -m pytest tests/conformance

That file imports diffusers' model tests, which need ``parameterized`` and ``requests-mock``.
"""

import unittest
from importlib import import_module
from importlib.util import find_spec

import dummies
import pytest

pytest.importorskip("diffusers_tests", reason=dummies.NEEDS_SOURCE)
pytest.importorskip("parameterized")
pytest.importorskip("requests_mock")

mixins = import_module("diffusers_tests.pipelines.test_pipelines_common")
sets = import_module("diffusers_tests.pipelines.pipeline_params")

needs_all_schedulers = unittest.skipUnless(
    find_spec("scipy") and find_spec("torchsde"), "LMSDiscreteScheduler needs scipy, DPMSolverSDEScheduler torchsde"
)


class Pipeline(mixins.PipelineTesterMixin, mixins.PipelineLatentTesterMixin):
    test_layerwise_casting = True
    test_group_offloading = True
    image_params = frozenset()
    image_latents_params = frozenset()
    test_multi_vae = dummies.left_out("there is no VAE: the network works on pixels")


class Sprite(dummies.Sprite):
    params = sets.UNCONDITIONAL_IMAGE_GENERATION_PARAMS
    batch_params = sets.UNCONDITIONAL_IMAGE_GENERATION_BATCH_PARAMS
    output_type = "np"


class ClassCond(dummies.ClassCond):
    params = sets.CLASS_CONDITIONED_IMAGE_GENERATION_PARAMS | {"guidance_scale"}
    batch_params = sets.CLASS_CONDITIONED_IMAGE_GENERATION_BATCH_PARAMS
    output_type = "np"


class LDM(dummies.LDM):
    params = ClassCond.params
    batch_params = ClassCond.batch_params
    output_type = "np"


class Pokemon(dummies.Pokemon):
    params = sets.TEXT_TO_IMAGE_PARAMS - {"height", "width"}
    batch_params = sets.TEXT_TO_IMAGE_BATCH_PARAMS
    output_type = "np"


class PokemonImage(dummies.PokemonImage):
    params = sets.TEXT_GUIDED_IMAGE_VARIATION_PARAMS - {"height", "width"}
    batch_params = sets.TEXT_GUIDED_IMAGE_VARIATION_BATCH_PARAMS
    output_type = "np"


class Unclip(dummies.Unclip):
    params = sets.TEXT_TO_IMAGE_PARAMS - {"height", "width"}
    batch_params = sets.TEXT_TO_IMAGE_BATCH_PARAMS
    output_type = "np"


class GAN(dummies.GAN):
    params = Sprite.params
    batch_params = Sprite.batch_params
    output_type = "np"


class SpriteTests(dummies.BatchSize, Sprite, Pipeline, unittest.TestCase):
    pass


class SpriteFlowTests(dummies.Flow, SpriteTests):
    pass


@needs_all_schedulers
class SpriteKarrasTests(Sprite, mixins.PipelineKarrasSchedulerTesterMixin, unittest.TestCase):
    pass


class ClassCondTests(dummies.Id2Label, ClassCond, Pipeline, unittest.TestCase):
    pass


class ClassCondFlowTests(dummies.Flow, ClassCondTests):
    pass


@needs_all_schedulers
class ClassCondKarrasTests(ClassCond, mixins.PipelineKarrasSchedulerTesterMixin, unittest.TestCase):
    pass


class LDMTests(dummies.Id2Label, LDM, Pipeline, unittest.TestCase):
    test_multi_vae = dummies.left_out("its VAE is the one that the denoiser was trained on, of a class that it knows")


class LDMFlowTests(dummies.Flow, LDMTests):
    pass


@needs_all_schedulers
class LDMKarrasTests(LDM, mixins.PipelineKarrasSchedulerTesterMixin, unittest.TestCase):
    pass


class PokemonTests(dummies.EncodePrompt, Pokemon, Pipeline, unittest.TestCase):
    test_multi_vae = dummies.left_out("its VAE reads the text, which those of diffusers do not")


class PokemonFlowTests(dummies.Flow, PokemonTests):
    pass


@needs_all_schedulers
class PokemonKarrasTests(Pokemon, mixins.PipelineKarrasSchedulerTesterMixin, unittest.TestCase):
    pass


class PokemonImageTests(PokemonImage, PokemonTests):
    image_params = frozenset({"image"})


class PokemonImageFlowTests(dummies.Flow, PokemonImageTests):
    pass


@needs_all_schedulers
class PokemonImageKarrasTests(PokemonImage, mixins.PipelineKarrasSchedulerTesterMixin, unittest.TestCase):
    pass


class UnclipTests(dummies.OptionalText, Unclip, Pipeline, unittest.TestCase):
    test_encode_prompt_works_in_isolation = dummies.left_out("a text is hidden states and an embedding; see README.md")


class GANTests(dummies.BatchSize, GAN, Pipeline, unittest.TestCase):
    test_layerwise_casting = False  # of a denoiser
    test_cfg = dummies.left_out("there is one pass without guidance: a guidance_scale other than 1 is refused")
