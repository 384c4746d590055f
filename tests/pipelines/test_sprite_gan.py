"""The pipeline of one pass: its call, its folder, and that evaluation and command draw with it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from sprite_diffusers import hub
from sprite_diffusers.evaluation.sampling import draw, sampling_facts
from sprite_diffusers.models import DCGANGenerator
from sprite_diffusers.pipelines import SpriteGANPipeline


def pipeline(channels: int = 3, classes: tuple[str, ...] = (), **options) -> SpriteGANPipeline:
    torch.manual_seed(0)
    generator = DCGANGenerator(6, channels, 8, [8], len(classes) or None).eval()
    id2label = {str(index): name for index, name in enumerate(classes)}
    return SpriteGANPipeline(generator, id2label=id2label or None, **options)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_latents_and_generators_draw_the_same():
    pipe = pipeline()
    drawn = pipe(batch_size=2, generator=seeded(), output_type="pt").images
    given = pipe(latents=torch.randn(2, 6, generator=seeded()), batch_size=2, output_type="pt").images
    assert drawn.shape == (2, 3, 8, 8)
    assert torch.equal(drawn, given)
    one_each = pipe(batch_size=2, generator=[seeded(1), seeded(2)], output_type="pt").images
    assert torch.allclose(one_each[1:], pipe(generator=seeded(2), output_type="pt").images, atol=1e-6)


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB"), (4, "RGBA")])
def test_modes(channels, mode):
    pipe = pipeline(channels)
    image = pipe(generator=seeded(), scale=2).images[0]
    assert (image.mode, image.size) == (mode, (16, 16))
    assert (pipe.sprite_channels, pipe.sprite_size, pipe.latent_shape) == (channels, 8, (6,))


def test_a_smaller_image_is_the_centre():
    whole = pipeline()(generator=seeded(), output_type="pt").images
    cut = pipeline(image_size=6)
    assert torch.equal(cut(generator=seeded(), output_type="pt").images, whole[..., 1:7, 1:7])
    assert cut.sprite_size == 6


def test_grey_images_take_colours_of_a_palette():
    image = pipeline(1)(generator=seeded(), palette=["#000000", "#ff0000"]).images[0]
    assert image.mode == "RGB"
    assert {color for _, color in image.getcolors()} <= {(0, 0, 0), (255, 0, 0)}


def test_classes_by_name_and_id():
    pipe = pipeline(classes=("food", "spell"))
    by_name = pipe(["spell", "food"], generator=seeded(), output_type="np").images
    by_id = pipe(torch.tensor([1, 0]), generator=seeded(), output_type="np").images
    np.testing.assert_array_equal(by_name, by_id)
    assert len(pipe("food", num_images_per_prompt=3, generator=seeded()).images) == 3
    assert pipe.labels == {"food": 0, "spell": 1}


@pytest.mark.parametrize(
    ("classes", "call", "message"),
    [
        ((), {"class_labels": "food"}, "has no classes"),
        (("food", "spell"), {}, "draws by class: pass some of food, spell"),
        (("food", "spell"), {"class_labels": "fod"}, "Did you mean 'food'"),
        ((), {"num_inference_steps": 20}, "`num_inference_steps` is 20, but a GAN draws in one pass"),
        ((), {"guidance_scale": 2.0}, "`guidance_scale` is 2.0"),
        ((), {"latents": torch.zeros(1, 7)}, r"shape \(1, 7\), but this call needs \(1, 6\)"),
        ((), {"batch_size": 2, "generator": [torch.Generator()]}, "1 generators were passed for 2 images"),
        ((), {"output_type": "jpg"}, "`output_type` is 'jpg'"),
        ((), {"background": "#ffffff"}, "draws no transparency"),
    ],
)
def test_calls_that_cannot_be(classes, call, message):
    with pytest.raises(ValueError, match=message):
        pipeline(classes=classes)(**call)


def test_names_of_another_number_are_refused():
    with pytest.raises(ValueError, match="names 1 classes, but the generator has num_class_embeds=0"):
        SpriteGANPipeline(DCGANGenerator(6, 3, 8, [8]), id2label={"0": "food"})


def test_the_folder_loads_by_name(tmp_path):
    pipe = pipeline(1, ("food", "spell"), image_size=6)
    pipe.save_pretrained(tmp_path)
    loaded = hub.load_pipeline(tmp_path)
    assert isinstance(loaded, SpriteGANPipeline)
    expected = pipe("spell", generator=seeded(), output_type="pt").images
    assert torch.equal(loaded("spell", generator=seeded(), output_type="pt").images, expected)


def test_the_folder_loads_without_the_package(tmp_path):
    pipeline(4).save_pretrained(tmp_path)
    code = (
        "import sys; sys.modules['sprite_diffusers'] = None; import torch; from diffusers import DiffusionPipeline; "
        f"pipe = DiffusionPipeline.from_pretrained({str(tmp_path)!r}, trust_remote_code=True); "
        "image = pipe(batch_size=2, generator=torch.Generator().manual_seed(0)).images[1]; print(type(pipe).__name__, image.mode)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["SpriteGANPipeline", "RGBA"], done.stderr[-500:]


def test_evaluation_draws_grey_images_as_rgb():
    pixels, _ = draw(pipeline(1), 5, None, (8, 8, 3), seed=0, batch_size=2, options={})
    assert pixels.shape == (5, 8, 8, 3)
    assert (pixels[..., 0] == pixels[..., 2]).all()
    assert sampling_facts(pipeline(), None, None) == {}
