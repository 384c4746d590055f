import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler

from sprite_diffusers.errors import SpriteError
from sprite_diffusers.evaluation import evaluate
from sprite_diffusers.evaluation.sampling import draw, image_generators

from .tiny import tiny_evaluation, tiny_pipeline

SHAPE = (8, 8, 4)


def test_each_image_has_a_generator_of_its_own():
    first, again, other_image, other_seed = (
        torch.randn(4, generator=generator).tolist()
        for generator in (*image_generators(0, [3]), *image_generators(0, [3, 4]), *image_generators(1, [3]))
    )
    assert first == again
    assert first != other_image
    assert first != other_seed


@pytest.mark.parametrize("scheduler", [None, DDPMScheduler])
def test_samples_do_not_depend_on_the_batch_size(unconditional, scheduler):
    if scheduler is not None:  # draws noise at every step
        unconditional.scheduler = scheduler.from_config(unconditional.scheduler.config)
    drawn = [
        draw(unconditional, 9, None, (8, 8, 3), seed=0, batch_size=size, options={"num_inference_steps": 3})[0]
        for size in (1, 3, 8)
    ]
    assert drawn[0].shape == (9, 8, 8, 3)
    assert len({image.tobytes() for image in drawn[0]}) == 9
    for other in drawn[1:]:
        difference = np.abs(drawn[0].astype(int) - other)
        assert difference.max() <= 1
        assert (difference > 0).mean() < 0.01


def test_labels_are_drawn_by_name_and_time_is_measured(class_cond):
    labels = ["spell", "human", "food", "spell"]
    pixels, seconds = draw(class_cond, 4, labels, SHAPE, seed=0, batch_size=2, options={})
    generators = image_generators(0, range(4))
    array = class_cond([2, 0, 1, 2], generator=generators, output_type="np").images
    np.testing.assert_array_equal(pixels, np.floor(array * 255 + 0.5))
    assert 0 < seconds < 10


def test_the_progress_bar_of_the_pipeline_is_as_before(class_cond):
    class_cond.set_progress_bar_config(leave=False)
    draw(class_cond, 2, ["food", "food"], SHAPE, seed=0, batch_size=2, options={})
    assert class_cond._progress_bar_config == {"leave": False}


def test_class_labels_follow_the_held_out_balance_in_the_order_of_the_reference(class_cond, tiny):
    scores = tiny_evaluation(class_cond, tiny)
    assert scores.facts["class_names"] == ["food", "spell", "human"]
    assert np.bincount(scores.sample_labels).tolist() == [14, 24, 22]  # of 24, 40 and 36 held out
    foods = np.flatnonzero(scores.sample_labels == 0)[:2]
    expected = class_cond(["food", "food"], 2, generator=image_generators(0, foods.tolist()), output_type="np").images
    difference = np.abs(scores.samples[foods] - expected * 255.0)
    assert difference.max() <= 1.5
    assert scores.facts["sampling"] == {
        "scheduler": "DPMSolverMultistepScheduler",
        "num_inference_steps": 2,
        "guidance_scale": 1.0,
    }
    assert scores.metrics["seconds_per_image"] > 0


def test_diverged_weights_are_one_line(unconditional):
    with torch.no_grad():
        unconditional.unet.conv_out.bias.fill_(torch.nan)
    with pytest.raises(SpriteError, match="draws are not numbers"):
        draw(unconditional, 2, None, (8, 8, 3), seed=0, batch_size=2, options={})


def test_what_does_not_fit_the_pipeline_is_one_line(class_cond, unconditional, tiny, reference):
    cases = [
        (
            lambda: evaluate(unconditional, tiny, guidance_scale=2.0),
            "guidance_scale 2.0 was given, but .* unconditional",
        ),
        (lambda: evaluate(unconditional, tiny), "draws 8x8 RGB sprites, but the reference has 8x8 RGBA ones"),
        (
            lambda: evaluate(class_cond, reference),
            "draws the classes human, food, spell, but the reference has human,",
        ),
        (lambda: evaluate(class_cond, tiny, num_samples=3), "the evaluation has 3 images, but .* 24 dimensions"),
        (lambda: evaluate(class_cond, tiny, num_samples=0), "the evaluation has 0 images"),
        (lambda: evaluate(class_cond, tiny, labels=[0]), "labels were given with a pipeline"),
        (lambda: evaluate(class_cond, tiny, num_inference_steps=-1), "cannot draw this: `num_inference_steps` is -1"),
        (lambda: evaluate(class_cond, tiny, seed=-1), "seed -1"),
        (lambda: evaluate(class_cond, tiny, batch_size=0), "batch size 0"),
    ]
    for call, message in cases:
        with pytest.raises(SpriteError, match=message) as error:
            call()
        assert "\n" not in str(error.value)


def test_two_processes_give_the_scores_of_one(tmp_path, tiny):
    """Starts two processes: the slowest test of this folder."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2",
               "-m", "tests.evaluation.tiny", str(tmp_path / "scores")]  # fmt: skip
    finished = subprocess.run(
        command, cwd=Path(__file__).parents[2], env={**os.environ, "CUDA_VISIBLE_DEVICES": ""}, capture_output=True
    )
    assert finished.returncode == 0, finished.stderr.decode()
    alone = json.loads(tiny_evaluation(tiny_pipeline(), tiny).to_json())
    del alone["metrics"]["seconds_per_image"]
    for process in range(2):
        shared = json.loads((tmp_path / f"scores.{process}").read_text())
        del shared["metrics"]["seconds_per_image"]
        assert shared == alone
