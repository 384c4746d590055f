"""The stages one after the other, on a few made-up sprites with captions."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sprite_diffusers.errors import SpriteError
from sprite_diffusers.pipelines import SpriteUnCLIPPipeline
from sprite_diffusers.trainers.unclip.run import fit_unclip
from sprite_diffusers.trainers.unclip.settings import UnclipDataConfig

from ...captioned import SIZE
from .parts import save_tiny_clip, settings


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("run") / "unclip"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(output.parent)
        assert fit_unclip(settings(data, output)) == output
    return output


def test_both_stages_leave_a_pipeline_that_answers_prompts_and_varies_pictures(trained):
    pipe = SpriteUnCLIPPipeline.from_pretrained(trained)
    first, second = pipe("red square on the left", num_images_per_prompt=2).images
    assert first.size == second.size == (SIZE, SIZE)  # cut from 16
    assert pipe(image=first).images[0].size == (SIZE, SIZE)
    assert pipe.config.default_num_inference_steps == 2
    assert [json.loads((trained / f"stage{number}" / "stage.json").read_text())["stage"] for number in (1, 2)] == [
        1,
        2,
    ]
    assert not (trained / "stage3").exists()
    with Image.open(trained / "samples.png") as sheet:
        assert sheet.width > SIZE
    card = (trained / "README.md").read_text()
    assert f"{SIZE}\u00d7{SIZE} RGB" in card
    assert "red square on the left number" not in card.split("## Training")[1]


def test_the_figures_of_drawn_sprites_stand_beside_those_of_real_ones(trained):
    figures = json.loads((trained / "unclip.json").read_text())
    assert figures["captions"]["count"] == 18  # 15 % of 120
    assert figures["drawn"]["r@1_chance"] == 1 / 16
    assert -1 <= figures["drawn"]["similarity"] <= 1
    assert figures["drawn"]["similarity"] != figures["real"]["similarity"]


def test_prior_and_clip_of_the_pipeline_are_those_of_stage_1(trained, data):
    pipe = SpriteUnCLIPPipeline.from_pretrained(trained)
    prior = type(pipe.prior).from_pretrained(trained / "stage1")
    for name, tensor in prior.state_dict().items():
        assert torch.equal(tensor, pipe.prior.state_dict()[name]), name
    picture = Image.fromarray(np.full((15, 15, 3), 200, np.uint8))
    other = type(pipe.image_encoder).from_pretrained(data.clip)
    pixels = pipe.feature_extractor(picture, return_tensors="pt").pixel_values
    torch.testing.assert_close(pipe.encode_image(picture), other(pixels).image_embeds)


def test_resuming_passes_over_what_is_finished_and_nothing_is_replaced_unasked(trained, data, capsys, in_tmp_path):
    with pytest.raises(SpriteError, match="stage1 already holds a stage: go on by --resume"):
        fit_unclip(settings(data, trained))
    assert fit_unclip(settings(data, trained, resume=True)) == trained
    assert capsys.readouterr().out.count("is finished: passed over") == 2


def test_a_stage_finds_its_predecessor_elsewhere_or_says_what_is_wrong(trained, data, in_tmp_path):
    with pytest.raises(
        SpriteError, match=r"does not hold stage 1: train it first \(--stage 1\), or give --stage1_model"
    ):
        fit_unclip(settings(data, in_tmp_path / "out", "2"))
    with pytest.raises(SpriteError, match="holds stage 2, but --stage1_model must be one of stage 1"):
        fit_unclip(settings(data, in_tmp_path / "out", "2", stage1_model=str(trained / "stage2")))
    clip = save_tiny_clip(in_tmp_path / "clip", data)
    weights = clip / "model.safetensors"
    renamed = replace(data, clip=str(clip))
    assert fit_unclip(
        settings(renamed, in_tmp_path / "same", "2", stage1_model=str(trained / "stage1"), max_train_steps=1)
    )
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 0x80]))  # the last weight with another sign
    with pytest.raises(SpriteError, match="was trained with another CLIP"):
        fit_unclip(settings(renamed, in_tmp_path / "out", "2", stage1_model=str(trained / "stage1")))


def test_super_resolution_and_transparency(in_tmp_path):
    data = UnclipDataConfig(
        dataset="synthetic", num_samples=60, image_size=16, super_res_size=32, validation_split=0.4, clip="none"
    )
    data = replace(data, clip=str(save_tiny_clip(in_tmp_path / "clip", data)))
    assert fit_unclip(settings(data, in_tmp_path / "out", max_train_steps=2)) == in_tmp_path / "out"
    pipe = SpriteUnCLIPPipeline.from_pretrained(in_tmp_path / "out")
    image = pipe("a red potion").images[0]
    assert (image.size, image.mode) == ((32, 32), "RGBA")
    assert pipe.decoder.config.sample_size == 16
    assert set(np.unique(np.asarray(image)[..., 3])) <= {0, 255}


def test_transparent_sprites_on_a_colour(in_tmp_path):
    data = UnclipDataConfig(dataset="synthetic", num_samples=60, image_mode="RGB", background="navy", clip="none")
    data = replace(data, clip=str(save_tiny_clip(in_tmp_path / "clip", data)))
    fit_unclip(settings(data, in_tmp_path / "out", max_train_steps=1))
    pipe = SpriteUnCLIPPipeline.from_pretrained(in_tmp_path / "out")
    assert pipe("a cow").images[0].mode == "RGB"
    assert pipe.config.background == [0, 0, 128]


@pytest.mark.parametrize(
    ("changes", "stage", "message"),
    [
        ({"learning_rate": 1.0}, "all", "--learning_rate 1.0: each stage has its own; give --stage1_learning_rate"),
        ({"resume_from_checkpoint": "latest"}, "all", "give --resume, for the stage that was interrupted"),
        ({"push_to_hub": True, "hub_model_id": "user/repo"}, "1", "--push_to_hub with --stage 1"),
        ({"stage1_epochs": None}, "1", "stage 1 has no limit: give --stage1_epochs, --stage1_minutes, or both"),
        ({}, "3", "--stage 3 is super-resolution, which needs --super_res_size"),
    ],
)
def test_settings_that_would_do_nothing_are_refused(data, in_tmp_path, changes, stage, message):
    with pytest.raises(SpriteError, match=message):
        fit_unclip(settings(data, in_tmp_path / "out", stage, **changes))
    assert not (in_tmp_path / "out").exists()


def test_a_clip_that_does_not_fit_is_refused(data, in_tmp_path):
    dual = save_tiny_clip(in_tmp_path / "dual", data, "dual_encoder")
    with pytest.raises(SpriteError, match=r"is a 'vision-text-dual-encoder'.*--architecture clip"):
        fit_unclip(settings(replace(data, clip=str(dual)), in_tmp_path / "out"))
    wide = save_tiny_clip(in_tmp_path / "wide", data, width=24)
    with pytest.raises(SpriteError, match="width 24 and a text encoder of width 32"):
        fit_unclip(settings(replace(data, clip=str(wide)), in_tmp_path / "out"))
    other = save_tiny_clip(in_tmp_path / "other", replace(data, splits=[0.5, 0.4, 0.1]))
    with pytest.raises(SpriteError, match="the CLIP was trained on the split"):
        fit_unclip(settings(replace(data, clip=str(other)), in_tmp_path / "out"))
    with pytest.raises(SpriteError, match="cannot be loaded"):
        fit_unclip(settings(replace(data, clip="nowhere"), in_tmp_path / "out"))
    assert not (in_tmp_path / "out").exists()


def test_data_that_does_not_fit_is_refused(data, in_tmp_path):
    with pytest.raises(SpriteError, match=r"--image_mode RGBA: no sprite of .* is transparent"):
        fit_unclip(settings(replace(data, image_mode="RGBA"), in_tmp_path / "out"))
    (in_tmp_path / "plain").mkdir()
    for index in range(30):
        Image.fromarray(np.full((16, 16, 3), 8 * index, np.uint8)).save(in_tmp_path / "plain" / f"{index}.png")
    without = UnclipDataConfig(dataset=str(in_tmp_path / "plain"), clip=data.clip)
    clip = in_tmp_path / "clip"
    clip.mkdir()
    for file in Path(data.clip).iterdir():
        if file.name != "training_facts.json":  # as a published CLIP, which knows of no split
            (clip / file.name).write_bytes(file.read_bytes())
    with pytest.raises(SpriteError, match="0 images with captions in its train split"):
        fit_unclip(settings(replace(without, clip=str(clip)), in_tmp_path / "out"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "--clip is missing: train one with training/train_clip.py"),
        ({"clip": "c", "super_res_size": 32}, "--super_res_size is 32, but must be a multiple of --image_size"),
        ({"clip": "c", "image_size": 16, "super_res_size": 24}, "--super_res_size is 24"),
        ({"clip": "c", "image_size": 16, "super_res_size": 16}, "--super_res_size is 16"),
    ],
)
def test_data_settings_that_cannot_be(options, message):
    with pytest.raises(SpriteError, match=message):
        UnclipDataConfig(**options)
