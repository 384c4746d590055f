"""The stages one after the other, on a few made-up sprites with captions."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sprite_diffusers.errors import SpriteError
from sprite_diffusers.pipelines import PokemonLDMPipeline
from sprite_diffusers.trainers.config import ObjectiveConfig, TrainerConfig
from sprite_diffusers.trainers.stages import StagesConfig
from sprite_diffusers.trainers.text_to_sprite.run import PokemonSettings, fit_pokemon
from sprite_diffusers.trainers.text_to_sprite.settings import (
    AlignmentStageConfig,
    CaptionDataConfig,
    DiffusionStageConfig,
    TextConfig,
    VAEStageConfig,
)

from ...captioned import SIZE, save_squares


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_squares(tmp_path_factory.mktemp("captioned"), 160)


def settings(folder: Path, output: Path, stage: str = "all", **changes) -> PokemonSettings:
    """A few steps of each stage; `changes` are of `StagesConfig`."""
    return PokemonSettings(
        trainer=TrainerConfig(
            output_dir=str(output),
            max_train_steps=6,
            checkpointing_steps=4,
            validation_steps=100,
            preview_steps=100,
            num_cpu_threads=1,
            use_ema=False,
            experiment_name="Pokemon",
        ),
        data=CaptionDataConfig(dataset=str(folder), max_rotation=0.0, color_jitter=0.0),
        text=TextConfig(max_length=16, text_hidden_size=64, text_num_layers=1),
        stage1=VAEStageConfig(
            stage1_epochs=0.5,
            stage1_batch_size=8,
            stage1_learning_rate=1e-3,
            vae_block_out_channels=[16, 16],
            vae_patch_size=2,
            vae_latent_channels=4,
            perceptual="laplacian",
        ),
        stage2=DiffusionStageConfig(
            stage2_epochs=0.5,
            stage2_batch_size=8,
            stage2_learning_rate=1e-3,
            unet_block_out_channels=[16, 16],
            unet_layers_per_block=1,
            unet_attention_levels=[1],
        ),
        objective=ObjectiveConfig(prediction_type="v_prediction", noise_schedule="cosine", num_inference_steps=2),
        stage3=AlignmentStageConfig(stage3_epochs=0.5, stage3_batch_size=8, clip_minutes=0.03),
        stages=StagesConfig(stage=stage, **changes),
    )


@pytest.fixture(scope="module")
def trained(folder, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("run") / "pokemon"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(output.parent)
        assert fit_pokemon(settings(folder, output)) == output
    return output


def test_all_stages_leave_a_pipeline_that_answers_prompts(trained):
    image = PokemonLDMPipeline.from_pretrained(trained)("red square on the left").images[0]
    assert image.size == (SIZE, SIZE)
    assert "red square" not in (trained / "README.md").read_text()
    assert [json.loads((trained / f"stage{number}" / "stage.json").read_text())["stage"] for number in (1, 2, 3)] == [
        1,
        2,
        3,
    ]
    splits = json.loads((trained / "splits.json").read_text())
    assert not set(splits["train"]) & (set(splits["validation"]) | set(splits["test"]))


def test_the_better_text_encoder_is_published(trained):
    figures = json.loads((trained / "alignment.json").read_text())
    recall = {name: values["r@1"] for name, values in figures["retrieval among 16"].items()}
    better = "stage3" if recall["with stage 3"] >= recall["without stage 3"] else "stage2"
    assert figures["published"] == better
    name = "text_encoder/model.safetensors"
    assert (trained / name).read_bytes() == (trained / better / name).read_bytes()


def test_stage_3_changes_the_text_encoder_alone(trained):
    def weights(stage: str, name: str) -> bytes:
        return next((trained / stage / name).glob("*.safetensors")).read_bytes()

    assert weights("stage2", "text_encoder") != weights("stage3", "text_encoder")
    for part in ("unet", "vae"):
        assert weights("stage2", part) == weights("stage3", part)


def test_resuming_passes_over_what_is_finished_and_nothing_is_replaced_unasked(trained, folder, capsys, in_tmp_path):
    before = (trained / "stage1" / "diffusion_pytorch_model.safetensors").stat().st_mtime_ns
    with pytest.raises(SpriteError, match="stage1 already holds a stage: go on by --resume"):
        fit_pokemon(settings(folder, trained))
    fit_pokemon(settings(folder, trained, resume=True))
    assert capsys.readouterr().out.count("is finished: passed over") == 3
    assert (trained / "stage1" / "diffusion_pytorch_model.safetensors").stat().st_mtime_ns == before


def test_a_stage_finds_its_predecessor_elsewhere_or_says_what_is_wrong(trained, folder, in_tmp_path):
    with pytest.raises(
        SpriteError, match=r"does not hold stage 1: train it first \(--stage 1\), or give --stage1_model"
    ):
        fit_pokemon(settings(folder, in_tmp_path / "out", "2"))
    with pytest.raises(SpriteError, match="holds stage 2, but --stage1_model must be one of stage 1"):
        fit_pokemon(settings(folder, in_tmp_path / "out", "2", stage1_model=str(trained / "stage2")))
    other = settings(folder, in_tmp_path / "out", "2", stage1_model=str(trained / "stage1"))
    seed = replace(other, trainer=replace(other.trainer, seed=1))
    with pytest.raises(SpriteError, match="was trained on other data or another split"):
        fit_pokemon(seed)
    text = replace(other, text=replace(other.text, max_length=12))
    with pytest.raises(SpriteError, match="was trained with another text encoder"):
        fit_pokemon(text)


def test_a_stage_without_a_limit_is_refused(folder, in_tmp_path):
    plain = settings(folder, in_tmp_path / "out", "1")
    with pytest.raises(SpriteError, match="stage 1 has no limit: give --stage1_epochs, --stage1_minutes, or both"):
        fit_pokemon(replace(plain, stage1=replace(plain.stage1, stage1_epochs=None)))


def test_the_data_is_described_without_training(folder, capsys, in_tmp_path):
    plain = settings(folder, in_tmp_path / "out")
    assert fit_pokemon(replace(plain, data=replace(plain.data, data_stats=True))) is None
    assert "160" in capsys.readouterr().out
    assert not (in_tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "stage", "message"),
    [
        ({"max_train_minutes": 3.0}, "all", "--max_train_minutes 3.0: each stage has its own; give --stage1_minutes"),
        ({"train_batch_size": 7}, "all", "--train_batch_size 7: each stage has its own"),
        ({"resume_from_checkpoint": "latest"}, "all", "give --resume, for the stage that was interrupted"),
        ({"push_to_hub": True, "hub_model_id": "user/repo"}, "1", "--push_to_hub with --stage 1"),
    ],
)
def test_settings_that_would_do_nothing_are_refused(folder, in_tmp_path, changes, stage, message):
    plain = settings(folder, in_tmp_path / "out", stage)
    with pytest.raises(SpriteError, match=message):
        fit_pokemon(replace(plain, trainer=replace(plain.trainer, **changes)))
