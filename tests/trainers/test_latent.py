"""Diffusion in the latent space of an autoencoder: what it learns from, that a resumed run is exact, what does not fit."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch
from diffusers import UNet2DModel
from huggingface_hub import ModelCard
from safetensors.torch import load_file

from sprite_diffusers import hub
from sprite_diffusers.errors import SpriteError
from sprite_diffusers.models import LatentMLP
from sprite_diffusers.models.autoencoders import FACTS_FILE
from sprite_diffusers.pipelines import SpriteLDMPipeline
from sprite_diffusers.pipelines.sprite_ldm import autoencoder_fingerprint
from sprite_diffusers.trainers.config import ClassCondConfig, DataConfig, LatentConfig, ObjectiveConfig, UNetConfig
from sprite_diffusers.trainers.data_parts import load_data
from sprite_diffusers.trainers.latent import (
    MIN_STD,
    LatentDiffusionConfig,
    LatentDiffusionTrainer,
    fit_latent_diffusion,
)

from ..pipelines.ldm import KINDS, autoencoder
from .tiny import CLASSES, loop, save_sprites

FACTS = {"kind": "dae", "psnr": 21.23456, "train_seconds": 12.5, "background": "white"}


def save_autoencoder(folder: Path, kind: str, channels: int = 3, seed: int = 0, **facts) -> str:
    autoencoder(kind, channels, seed).save_pretrained(folder)
    (folder / FACTS_FILE).write_text(json.dumps({**FACTS, **facts}))
    return str(folder)


def settings(
    root: Path,
    kind: str = "vector",
    conditional: bool = True,
    output_dir: str = "out",
    data: dict | None = None,
    latent: dict | None = None,
    unet: dict | None = None,
    objective: dict | None = None,
    **options,
) -> LatentDiffusionConfig:
    file, folder = root / "sprites.npz", root / f"autoencoder-{kind}"
    dataset = str(file) if file.exists() else save_sprites(file)
    if not folder.exists():
        save_autoencoder(folder, kind)
    return LatentDiffusionConfig(
        loop(root / output_dir, **options),
        DataConfig(**{"dataset": dataset, "class_names": list(CLASSES), **(data or {})}),
        UNetConfig(**{"block_out_channels": [8, 16], "norm_num_groups": 4, **(unet or {})}),
        ObjectiveConfig(**{"prediction_type": "v_prediction", "num_inference_steps": 2, **(objective or {})}),
        ClassCondConfig() if conditional else None,
        LatentConfig(**{"pretrained_autoencoder": str(folder), "hidden_size": 16, "num_layers": 2, **(latent or {})}),
    )


def trainer_for(config: LatentDiffusionConfig) -> LatentDiffusionTrainer:
    return LatentDiffusionTrainer(config, load_data(config.data))


def all_rows(trainer: LatentDiffusionTrainer) -> np.ndarray:
    return np.arange(len(trainer.train_data))


# ---- whole runs -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "conditional"), [("vector", True), ("kl", False), ("vq", True)])
def test_a_run_leaves_a_pipeline_that_samples(in_tmp_path, kind, conditional):
    result = fit_latent_diffusion(settings(in_tmp_path, kind, conditional))
    assert result.status == "finished"
    assert result.metrics["autoencoder_seconds"] == 12.5
    pipe = hub.load_pipeline(result.output_dir)
    assert type(pipe) is SpriteLDMPipeline
    assert isinstance(pipe.unet, LatentMLP if kind == "vector" else UNet2DModel)
    assert list(pipe.labels) == (list(CLASSES) if conditional else [])
    assert pipe.config.vae_fingerprint == autoencoder_fingerprint(autoencoder(kind))
    images = pipe(["food", "side-facing"]).images if conditional else pipe(batch_size=2).images
    assert [image.size for image in images] == [(8, 8)] * 2
    run = mlflow.search_runs(experiment_names=["sprite-ldm"]).iloc[0]
    assert run["status"] == "FINISHED"
    assert run["metrics.run/autoencoder_seconds"] == 12.5
    assert (run["tags.autoencoder.kind"], run["tags.autoencoder.psnr"]) == ("dae", "21.235")
    assert run["tags.autoencoder.latent_floats"] == ("6" if kind == "vector" else "32")
    assert run["params.pretrained_autoencoder"].endswith(f"autoencoder-{kind}")
    card = ModelCard.load(result.output_dir / "README.md")
    assert ("class-conditional" if conditional else "unconditional") in card.data.tags
    assert "{{" not in card.text


@pytest.mark.parametrize("kind", ["vector", "kl"])
def test_the_loss_falls(in_tmp_path, kind):
    trainer = trainer_for(settings(in_tmp_path, kind, max_train_steps=40, learning_rate=1e-2))
    trainer.unet.eval()
    before = trainer.validate()["loss"]
    assert trainer.fit().metrics["validation_loss"] < 0.9 * before


def test_resumed_training_is_the_uninterrupted_one(in_tmp_path):
    options = {"checkpointing_steps": 3, "data": {"random_flip": True}, "unet": {"dropout": 0.1}}
    trainer_for(settings(in_tmp_path, output_dir="whole", **options)).fit()
    shutil.copytree(in_tmp_path / "whole" / "checkpoint-3", in_tmp_path / "parts" / "checkpoint-3")
    again = settings(in_tmp_path, output_dir="parts", resume_from_checkpoint="latest", **options)
    trainer_for(again).fit()
    whole, parts = (
        load_file(in_tmp_path / name / "unet" / "diffusion_pytorch_model.safetensors") for name in ("whole", "parts")
    )
    assert [name for name, tensor in whole.items() if not torch.equal(tensor, parts[name])] == []


def test_another_autoencoder_is_not_resumed_with(in_tmp_path):
    trainer_for(settings(in_tmp_path, max_train_steps=1)).fit()
    other = save_autoencoder(in_tmp_path / "other", "vector", seed=1)
    config = settings(in_tmp_path, resume_from_checkpoint="latest", latent={"pretrained_autoencoder": other})
    with pytest.raises(SpriteError, match="cannot be resumed with other settings") as error:
        trainer_for(config).fit()
    for seed in (0, 1):
        assert autoencoder_fingerprint(autoencoder("vector", seed=seed)) in str(error.value)


# ---- latents --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_latents_of_the_training_sprites_have_mean_0_and_deviation_1(in_tmp_path, kind):
    trainer = trainer_for(settings(in_tmp_path, kind))
    (latents,) = trainer.train_latents
    channels = latents.movedim(1, -1).flatten(0, -2)
    assert channels.shape[1] == {"vector": 6, "kl": 2, "vq": 2}[kind]
    assert len(trainer.latent_mean) == len(trainer.latent_std) == channels.shape[1]
    torch.testing.assert_close(channels.mean(0), torch.zeros(channels.shape[1]), rtol=0, atol=1e-4)
    torch.testing.assert_close(channels.std(0), torch.ones(channels.shape[1]), rtol=1e-3, atol=0)
    # and they are those of the pipeline that is published
    sprites, _ = trainer.train_data.batch(all_rows(trainer))
    torch.testing.assert_close(trainer.pipeline().encode(sprites), latents, rtol=1e-3, atol=1e-4)
    held_out, labels = trainer._validation_batch(np.arange(5))
    sprites, expected = trainer.validation_data.batch(np.arange(5))
    torch.testing.assert_close(trainer.pipeline().encode(sprites), held_out, rtol=1e-3, atol=1e-4)
    assert torch.equal(labels, expected)


def test_a_latent_that_never_changes_is_not_blown_up(in_tmp_path):
    model = autoencoder("vector")
    last = model.to_latent[-1]
    with torch.no_grad():
        last.weight[2], last.bias[2] = 0, 3.0
    model.save_pretrained(in_tmp_path / "dead")
    trainer = trainer_for(settings(in_tmp_path, latent={"pretrained_autoencoder": str(in_tmp_path / "dead")}))
    assert trainer.latent_std[2] == MIN_STD
    assert trainer.latent_mean[2] == pytest.approx(3.0)
    assert trainer.train_latents[:, :, 2].abs().max() < 1e-3


@torch.no_grad()
def test_flips_are_a_second_version_but_not_of_side_facing_sprites(in_tmp_path):
    trainer = trainer_for(settings(in_tmp_path, data={"random_flip": True}))
    plain, flipped = trainer.train_latents
    pixels, labels = trainer.train_data.batch(all_rows(trainer))
    torch.testing.assert_close(trainer.pipeline().encode(pixels.flip(-1)), flipped, rtol=1e-3, atol=1e-4)
    assert (plain - flipped).abs().amax(1).min() > 1e-2

    found = [trainer._training_batch(all_rows(trainer), torch.Generator().manual_seed(seed)) for seed in range(20)]
    assert all(torch.equal(given, labels) for _, given in found)
    is_plain = torch.stack([(latents == plain).all(1) for latents, _ in found])
    is_flipped = torch.stack([(latents == flipped).all(1) for latents, _ in found])
    assert (is_plain | is_flipped).all()
    food = labels == CLASSES.index("food")
    assert is_plain[:, ~food].all()
    assert is_plain[:, food].float().mean() == pytest.approx(0.5, abs=0.05)


def test_without_classes_no_sprite_is_left_out_of_flips(in_tmp_path):
    np.savez("plain.npz", images=np.random.default_rng(0).integers(0, 255, (60, 8, 8, 3), dtype=np.uint8))
    data = {"dataset": "plain.npz", "class_names": None, "random_flip": True}
    trainer = trainer_for(settings(in_tmp_path, conditional=False, data=data))
    latents, labels = trainer._training_batch(all_rows(trainer), torch.Generator().manual_seed(0))
    assert labels is None
    share = (latents == trainer.train_latents[1]).all(1).float().mean()
    assert share == pytest.approx(0.5, abs=0.2)


def test_samplers_stay_in_the_range_of_the_latents(in_tmp_path):
    trainer = trainer_for(settings(in_tmp_path))
    config = trainer.pipeline().scheduler.config
    assert config.clip_sample
    assert config.clip_sample_range == pytest.approx(float(trainer.train_latents.abs().max()))
    assert config.clip_sample_range > 1.5


def test_sprites_that_do_not_halve(in_tmp_path):
    data = {"dataset": save_sprites(in_tmp_path / "odd.npz", size=7)}
    pipe = trainer_for(settings(in_tmp_path, "kl", data=data)).pipeline()
    assert (pipe.vae.config.sample_size, pipe.sprite_size) == (8, 7)
    assert pipe("food").images[0].size == (7, 7)


# ---- what does not fit ----------------------------------------------------------------------------------------------


def refused(config: LatentDiffusionConfig) -> str:
    with pytest.raises(SpriteError) as error:
        fit_latent_diffusion(config)
    assert "\n" not in str(error.value)
    assert not Path(config.trainer.output_dir).exists()
    return str(error.value)


def test_sprites_of_another_size_mode_or_background(in_tmp_path):
    large = save_sprites(in_tmp_path / "large.npz", size=12)
    message = refused(settings(in_tmp_path, data={"dataset": large}))
    assert "is for 8x8 RGB sprites, but those of" in message
    assert "are 12x12 RGB: change --image_size and --image_mode" in message
    rgba = save_sprites(in_tmp_path / "rgba.npz", channels=4)
    assert "are 8x8 RGBA" in refused(settings(in_tmp_path, data={"dataset": rgba}))
    four = save_autoencoder(in_tmp_path / "four", "vector", channels=4)
    assert "is for 8x8 RGBA sprites" in refused(settings(in_tmp_path, latent={"pretrained_autoencoder": four}))
    black = save_autoencoder(in_tmp_path / "black", "vector", background="black")
    message = refused(settings(in_tmp_path, latent={"pretrained_autoencoder": black}))
    assert "is for sprites on black, but --background is white: give them the same" in message
    # behind RGBA there is nothing
    trainer_for(
        settings(
            in_tmp_path,
            data={"dataset": rgba},
            latent={"pretrained_autoencoder": save_autoencoder(in_tmp_path / "b4", "vector", 4, background="black")},
        )
    )


def test_denoisers_of_other_latents(in_tmp_path):
    message = refused(settings(in_tmp_path, "vector", latent={"denoiser": "unet"}))
    assert "--denoiser unet does not take latents of the shape (6,)" in message
    assert "use --denoiser mlp" in message
    message = refused(settings(in_tmp_path, "kl", latent={"denoiser": "mlp"}))
    assert "--denoiser mlp does not take latents of the shape (2, 4, 4)" in message
    assert "use --denoiser unet" in message
    message = refused(settings(in_tmp_path, "kl", unet={"block_out_channels": [8, 8, 8, 8]}))
    assert "--block_out_channels has 4 levels, which halve 3 times, but the latents are 4x4: give fewer" in message


@pytest.mark.parametrize("data", [{"random_shift": 1}, {"palette_swap": 0.5}])
def test_augmentation_of_pixels_is_refused(in_tmp_path, data):
    message = refused(settings(in_tmp_path, data=data))
    assert "--random_shift and --palette_swap cannot be used with latents" in message


def test_classes_where_there_are_none(in_tmp_path):
    np.savez("plain.npz", images=np.random.default_rng(0).integers(0, 255, (60, 8, 8, 3), dtype=np.uint8))
    message = refused(settings(in_tmp_path, data={"dataset": "plain.npz", "class_names": None}))
    assert "plain.npz has no classes: train without them (--no_conditional)" in message


def test_no_autoencoder_there(in_tmp_path, unconditional):
    message = refused(settings(in_tmp_path, latent={"pretrained_autoencoder": "nowhere"}))
    assert "nowhere holds no autoencoder: train one with training/train_autoencoder.py" in message
    unconditional.unet.save_pretrained(in_tmp_path / "unet")
    message = refused(settings(in_tmp_path, latent={"pretrained_autoencoder": str(in_tmp_path / "unet")}))
    assert "holds a UNet2DModel, but an autoencoder is needed" in message
