"""Stages 1 and 2 on a few made-up sprites with captions."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from sprite_diffusers.errors import SpriteError
from sprite_diffusers.models.perceptual import LaplacianPyramidLoss
from sprite_diffusers.models.text_vae import TextConditionedVAE
from sprite_diffusers.pipelines import PokemonLDMPipeline
from sprite_diffusers.pipelines.sprite_io import text_direction
from sprite_diffusers.trainers.clip_data import load_captions
from sprite_diffusers.trainers.config import ObjectiveConfig, TrainerConfig, parse_config
from sprite_diffusers.trainers.stages import StagesConfig
from sprite_diffusers.trainers.text_to_sprite.data import build_image_augmentation, captioned_split
from sprite_diffusers.trainers.text_to_sprite.diffusion_stage import DiffusionStageTrainer, build_text_unet
from sprite_diffusers.trainers.text_to_sprite.settings import (
    AlignmentStageConfig,
    CaptionDataConfig,
    DiffusionStageConfig,
    TextConfig,
    VAEStageConfig,
)
from sprite_diffusers.trainers.text_to_sprite.vae_stage import TextVAELoss, VAEStageTrainer

from ...captioned import SIZE, save_squares
from ...pipelines import pokemon
from ..tiny import loop

CONFIGS = Path(__file__).parents[3] / "training" / "configs"


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> CaptionDataConfig:
    return CaptionDataConfig(dataset=str(save_squares(tmp_path_factory.mktemp("captioned"), 60)), max_rotation=0.0)


@pytest.fixture(scope="module")
def dataset(data):
    return load_captions(data, 0)


@pytest.fixture(scope="module")
def parts(dataset) -> dict:
    tokenizer, encoder = pokemon.text_encoder()
    train, validation = (
        captioned_split(dataset, split, tokenizer, encoder, 16, 16, "cpu") for split in ("train", "validation")
    )
    return {"train": train, "validation": validation, "report": dataset.report}


def vae_trainer(folder: Path, parts: dict, data: CaptionDataConfig, stage: VAEStageConfig | None = None, **options):
    stage = stage or VAEStageConfig(perceptual="laplacian", kl_weight=0.01)
    perceptual = LaplacianPyramidLoss() if stage.perceptual == "laplacian" else None
    config = loop(folder, **{"train_batch_size": 8, "checkpointing_steps": 3, **options})
    return VAEStageTrainer(stage, perceptual, vae=pokemon.vae(), config=config, settings={"stage1": vars(stage)},
                           augmentation=build_image_augmentation(data), **parts)  # fmt: skip


def diffusion_trainer(folder: Path, parts: dict, **options) -> DiffusionStageTrainer:
    tokenizer, encoder = pokemon.text_encoder()
    stage = DiffusionStageConfig(unet_block_out_channels=[16, 16], unet_layers_per_block=1, unet_attention_levels=[1])
    objective = ObjectiveConfig(prediction_type="v_prediction", noise_schedule="cosine", num_inference_steps=2)
    return DiffusionStageTrainer(
        stage, objective, pokemon.vae(), build_text_unet(stage, 4, 4, 16), tokenizer, encoder, 16, SIZE, "white", True,
        config=loop(folder, train_batch_size=8, checkpointing_steps=3, **options), settings={"stage2": vars(stage)}, **parts,
    )  # fmt: skip


def test_stage_1_learns_and_leaves_an_autoencoder(in_tmp_path, parts, data):
    trainer = vae_trainer(in_tmp_path / "stage1", parts, data, max_train_steps=40)
    before = trainer.validate()
    result = trainer.fit()
    after = trainer.validate()
    assert after["loss"] < 0.8 * before["loss"]
    assert after["psnr"] > before["psnr"] + 3
    assert {f"kl_channel/{index}" for index in range(4)} <= set(after)
    loaded = TextConditionedVAE.from_pretrained(result.output_dir)
    assert loaded.config.latent_channels == 4
    facts = json.loads((result.output_dir / "stage.json").read_text())
    assert (facts["stage"], facts["data_fingerprint"]) == (1, parts["report"].fingerprint)


def test_stage_1_resumes_exactly(in_tmp_path, parts, data):
    stage = VAEStageConfig(perceptual="laplacian", kl_warmup=0.0)  # which goes by the share of the whole stage
    whole = vae_trainer(in_tmp_path / "whole", parts, data, stage).fit().output_dir
    vae_trainer(in_tmp_path / "halves", parts, data, stage, max_train_steps=3).fit()
    trainer = vae_trainer(in_tmp_path / "halves", parts, data, stage, resume_from_checkpoint="latest")
    halves = trainer.fit().output_dir
    for name, tensor in load_file(whole / "diffusion_pytorch_model.safetensors").items():
        torch.testing.assert_close(tensor, load_file(halves / "diffusion_pytorch_model.safetensors")[name], msg=name)


def test_free_bits_cost_nothing_and_annealing_scales_the_rest(parts):
    images, _ = parts["train"].arrays.batch(np.arange(4))
    text = parts["train"].text(np.arange(4), torch.device("cpu"))
    without = torch.zeros(4, dtype=torch.bool)

    def loss(kl_scale: float, **options) -> dict[str, torch.Tensor]:
        stage = VAEStageConfig(perceptual="none", kl_weight=0.1, **options)
        return TextVAELoss(pokemon.vae(), stage)(images, *text, without, kl_scale)

    plain, scaled, free = loss(1.0, free_bits=0.0), loss(0.5, free_bits=0.0), loss(1.0, free_bits=1e3)
    assert plain["channel_kl"].shape == (4,)
    kl = float(plain["kl"].detach()) * 4 * 4 * 4 / (3 * 16 * 16)  # of the latents, per value of the image
    assert float(plain["loss"] - plain["l1"]) == pytest.approx(0.1 * kl, rel=1e-3)
    assert float(scaled["loss"] - scaled["l1"]) == pytest.approx(0.05 * kl, rel=1e-3)
    # all of it the floor, without a gradient
    assert float(free["loss"] - free["l1"]) == pytest.approx(100 / 12, rel=1e-4)


def test_without_its_text_an_image_is_decoded_by_the_stand_in(parts):
    images, _ = parts["train"].arrays.batch(np.arange(2))
    embeds, mask = parts["train"].text(np.arange(2), torch.device("cpu"))
    loss = TextVAELoss(pokemon.vae(), VAEStageConfig(perceptual="none"))
    gone = torch.tensor([True, True])
    assert float(loss(images, embeds, mask, gone, 1.0)["l1"]) == pytest.approx(
        float(loss(images, embeds * 0 + 7, mask, gone, 1.0)["l1"])
    )


def test_stage_2_learns_and_leaves_a_pipeline(in_tmp_path, parts):
    trainer = diffusion_trainer(in_tmp_path / "stage2", parts, max_train_steps=40)
    latents = trainer.train_latents[0].movedim(1, -1).flatten(0, -2)
    assert latents.mean(0).abs().max() < 0.05
    assert latents.abs().max() <= 3.0
    before = trainer.validate()["loss"]
    result = trainer.fit()
    assert trainer.validate()["loss"] < before
    pipeline = PokemonLDMPipeline.from_pretrained(result.output_dir)
    image = pipeline("a red square", num_inference_steps=2).images[0]
    assert image.size == (SIZE, SIZE)
    assert result.samples.is_file()


def test_dropped_captions_are_those_of_no_text(in_tmp_path, parts):
    trainer = diffusion_trainer(in_tmp_path / "stage2", parts)
    embeds, mask = trainer._text(trainer.train, np.arange(2), torch.tensor([True, False]))
    torch.testing.assert_close(embeds[:1], trainer.no_text[0].float())
    assert torch.equal(mask[:1], trainer.no_text[1])
    torch.testing.assert_close(embeds[1:], trainer.train.text(np.arange(1, 2), torch.device("cpu"))[0])


def test_a_corrupted_batch_is_skipped_and_counted(in_tmp_path, parts):
    trainer = diffusion_trainer(in_tmp_path / "stage2", parts)
    trainer.train_latents[:, trainer.sampler.indices(2)[0]] = math.nan
    metrics = trainer.fit().metrics
    assert metrics["nonfinite_steps"] >= 1
    assert math.isfinite(metrics["validation_loss"])


def test_levels_of_attention_that_do_not_exist_are_refused():
    with pytest.raises(SpriteError, match=r"--unet_attention_levels is \[2\], but the levels are 0 to 1"):
        build_text_unet(DiffusionStageConfig(unet_block_out_channels=[16, 16], unet_attention_levels=[2]), 4, 4, 16)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"dataset": ""}, "--dataset is missing"), ({"dataset": "x", "splits": [0.9, 0.2, 0.1]}, "--splits is")],
)
def test_bad_settings_are_refused(options, message):
    with pytest.raises(SpriteError, match=message):
        CaptionDataConfig(**options)


def test_versions_of_captions_are_some_of_their_sentences(dataset):
    tokenizer, encoder = pokemon.text_encoder()
    arguments = (dataset, "validation", tokenizer, encoder, 16, 16, "cpu")
    plain, varied = captioned_split(*arguments), captioned_split(*arguments, versions=3)
    assert (len(plain.embeds), len(varied.embeds)) == (1, 4)
    assert torch.equal(plain.embeds[0], varied.embeds[0])
    rows, device = np.arange(3), torch.device("cpu")
    torch.testing.assert_close(varied.text(rows, device)[0], plain.embeds[0, :3].float())
    draws = [varied.text(rows, device, torch.Generator().manual_seed(seed))[0] for seed in (0, 0, 1)]
    torch.testing.assert_close(draws[0], draws[1])


def test_the_denoiser_reads_the_text_as_one_vector_too(in_tmp_path, parts):
    trainer = diffusion_trainer(in_tmp_path / "stage2", parts)
    embeds, mask = trainer.train.text(np.arange(len(trainer.train)), torch.device("cpu"))
    directions = text_direction(embeds, mask, trainer.text_mean, trainer.text_std)
    torch.testing.assert_close(directions.norm(dim=1), torch.full((len(directions),), 4.0))  # sqrt(16)
    pipeline = trainer.pipeline()
    assert pipeline.config.text_mean == trainer.text_mean
    tensors = {"prompt_embeds": embeds[:2], "negative_prompt_embeds": embeds[:0]}
    pipeline._guidance_scale = 1.0
    sample = torch.randn(2, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        ours = pipeline.predict(sample, torch.tensor(500), tensors, mask[:2], mask[:0])
        expected = trainer.unet(sample, 500, embeds[:2], class_labels=directions[:2], encoder_attention_mask=mask[:2])
    torch.testing.assert_close(ours, expected.sample)


@pytest.mark.parametrize("name", ["pokemon", "pokemon_fast", "pokemon_cpu"])
def test_networks_of_the_configs_fit_215_pixels(name):
    parts = [TrainerConfig, CaptionDataConfig, TextConfig, VAEStageConfig, DiffusionStageConfig, ObjectiveConfig,
             AlignmentStageConfig, StagesConfig]  # fmt: skip
    args = ["--config", name, "--dataset", "sprites"]
    settings = dict(zip(parts, parse_config(parts, CONFIGS, args=args), strict=True))
    stage1, stage2 = settings[VAEStageConfig], settings[DiffusionStageConfig]
    with torch.device("meta"):
        vae = TextConditionedVAE(
            sample_size=216,
            block_out_channels=stage1.vae_block_out_channels,
            latent_channels=stage1.vae_latent_channels,
            patch_size=stage1.vae_patch_size,
        )
        latents = vae.encode(torch.zeros(1, 3, 216, 216)).latent_dist.mean
        assert latents.shape == (1, 8, 27, 27)  # those of the original
        assert vae.decode(latents).sample.shape == (1, 3, 216, 216)
        unet = build_text_unet(stage2, 8, 27, 256)
        text, vector = torch.zeros(1, 128, 256), torch.zeros(1, 256)
        assert unet(latents, torch.zeros(1), text, class_labels=vector).sample.shape == latents.shape
