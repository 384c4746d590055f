"""Adversarial training: what a run leaves, that a resumed run is exact, each stabiliser, and how a failed run ends."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from sprite_diffusers.errors import SpriteError
from sprite_diffusers.hub import load_pipeline
from sprite_diffusers.pipelines import SpriteGANPipeline
from sprite_diffusers.trainers.gan.gan_trainer import fit_gan
from sprite_diffusers.trainers.gan.settings import GANConfig, GeneratorConfig
from sprite_diffusers.trainers.gan.snapshots import list_snapshots

from .parts import settings, trainer_for


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "generator" / "diffusion_pytorch_model.safetensors")


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(tensor, second[name]) for name, tensor in first.items())


def test_a_run_leaves_a_pipeline_snapshots_curves_and_the_best(in_tmp_path):
    network = {"snapshot_steps": 3}
    result = fit_gan(settings(in_tmp_path, network=network, validation_steps=3, data={"image_mode": "RGB"}))
    folder = result.output_dir
    assert isinstance(load_pipeline(folder), SpriteGANPipeline)
    assert load_pipeline(folder / "best")(batch_size=2).images[0].size == (8, 8)
    assert [snapshot.name for snapshot in list_snapshots(folder)] == ["step-000003", "step-000006"]
    assert load_pipeline(folder / "snapshots" / "step-000003").sprite_size == 8
    assert not same(weights(folder / "snapshots" / "step-000003"), weights(folder))
    with Image.open(folder / "snapshots.gif") as animation:
        assert animation.n_frames == 2
    assert (folder / "curves.png").is_file()
    history = json.loads((folder / "history.json").read_text())["history"]
    assert [row["step"] for row in history] == [1, 2, 3, 4, 5, 6]
    assert {"discriminator_loss", "generator_loss", "accuracy_real", "accuracy_fake", "sample_spread"} <= set(
        history[0]
    )
    run = mlflow.MlflowClient().search_runs([mlflow.MlflowClient().get_experiment_by_name("gan").experiment_id])[0]
    assert run.data.metrics["train/discriminator_loss"] == pytest.approx(history[-1]["discriminator_loss"])
    card = (folder / "README.md").read_text()
    assert "SpriteGANPipeline.from_pretrained" in card
    assert "Adversarial loss: non-saturating" in card


def test_a_resumed_run_is_the_uninterrupted_one(in_tmp_path):
    options = {"checkpointing_steps": 3, "logging_steps": 2, "gan": {"spectral_norm": True, "r1_weight": 1.0}}
    whole = trainer_for(settings(in_tmp_path, "whole", **options))
    whole.fit()
    part = in_tmp_path / "part"
    shutil.copytree(in_tmp_path / "whole" / "checkpoint-3", part / "checkpoint-3")
    again = trainer_for(settings(in_tmp_path, "part", resume_from_checkpoint="latest", **options))
    again.fit()
    assert same(weights(in_tmp_path / "whole"), weights(part))
    assert same(whole.discriminator.state_dict(), again.discriminator.state_dict())
    assert whole.history == again.history
    assert whole.monitor == again.monitor
    moments = [next(iter(trainer.discriminator_optimizer.state.values()))["exp_avg"] for trainer in (whole, again)]
    assert torch.equal(*moments)


def test_other_stabilisers_are_another_run(in_tmp_path):
    fit_gan(settings(in_tmp_path))
    with pytest.raises(SpriteError, match=r"cannot be resumed with other settings: gan"):
        fit_gan(settings(in_tmp_path, gan={"spectral_norm": True}, resume_from_checkpoint="latest"))


@pytest.mark.parametrize(
    "gan",
    [
        {"spectral_norm": True, "discriminator_batch_norm": False},
        {"r1_weight": 1.0, "r1_interval": 2},
        {"adversarial_loss": "hinge"},
        {"adversarial_loss": "relativistic"},
        {"diff_augment": ["color", "translation", "cutout"]},
        {"conditional": True},
    ],
    ids=lambda gan: "-".join(gan),
)
def test_each_choice_trains_both_networks(in_tmp_path, gan):
    trainer = trainer_for(settings(in_tmp_path, gan=gan, max_train_steps=2))
    before = [[tensor.clone() for tensor in net.parameters()] for net in (trainer.generator, trainer.discriminator)]
    trainer.fit()
    for network, tensors in zip((trainer.generator, trainer.discriminator), before, strict=True):
        assert any(not torch.equal(now, then) for now, then in zip(network.parameters(), tensors, strict=True))
    assert trainer.state.nonfinite == 0
    assert load_pipeline(trainer.output_dir).is_conditional == gan.get("conditional", False)


def test_the_average_has_batch_norm_statistics_of_its_own(in_tmp_path):
    trainer = trainer_for(settings(in_tmp_path, max_train_steps=3))
    trainer.fit()
    norm = trainer.generator.blocks[0]
    live = norm.running_mean.clone()
    with trainer.ema_weights():
        averaged = norm.running_mean.clone()
        trainer.generator.eval()
        labels = trainer.noise(256, torch.Generator().manual_seed(5))
        hidden = trainer.generator.project(labels).unflatten(1, trainer.generator.map_shape)
    assert torch.equal(norm.running_mean, live)
    assert torch.allclose(averaged, hidden.mean(dim=(0, 2, 3)), atol=0.02)


def test_snapshots_at_epochs(in_tmp_path):
    network = {"snapshot_epochs": [1, 2]}  # 270 images in batches of 90
    trainer = trainer_for(settings(in_tmp_path, network=network, train_batch_size=90))
    trainer.fit()
    found = list_snapshots(trainer.output_dir)
    assert [(snapshot.name, snapshot.step, snapshot.images) for snapshot in found] == [
        ("epoch-001", 3, 270),
        ("epoch-002", 6, 540),
    ]


@pytest.mark.parametrize(
    ("gan", "message"),
    [
        ({"max_pinned_steps": 2}, "right about every image in 2 steps in a row"),
        ({"min_sample_spread": 100.0, "max_collapsed_steps": 4}, "nearly the same in 4 steps in a row"),
    ],
)
def test_a_failed_run_ends_with_the_reason_and_keeps_the_best(in_tmp_path, monkeypatch, gan, message):
    trainer = trainer_for(settings(in_tmp_path, gan=gan, validation_steps=1))
    if "max_pinned_steps" in gan:
        right = (torch.tensor(1.0), torch.tensor(1.0))
        wrong = (torch.tensor(0.0), torch.tensor(0.0))
        said = iter([wrong, wrong, right, right])
        monkeypatch.setattr("sprite_diffusers.trainers.gan.gan_trainer.discriminator_accuracy", lambda *_: next(said))
    with pytest.raises(SpriteError, match=message) as error:
        trainer.fit()
    assert "Training diverged at step 3" in str(error.value)
    assert "the best generator before that" in str(error.value)
    assert load_pipeline(trainer.output_dir / "best")(batch_size=1).images
    assert (trainer.output_dir / "curves.png").is_file()
    client = mlflow.MlflowClient()
    assert client.get_run(trainer.run.run_id).info.status == "FAILED"


def test_nan_in_the_discriminator_is_skipped_and_then_ends_the_run(in_tmp_path):
    trainer = trainer_for(settings(in_tmp_path, max_nonfinite_steps=3))
    trainer.discriminator.to_logit.weight.data.fill_(float("nan"))
    before = trainer.discriminator.blocks[0].weight.clone()
    with pytest.raises(SpriteError, match="NaN or infinite in 3 steps in a row") as error:
        trainer.fit()
    assert torch.equal(trainer.discriminator.blocks[0].weight, before)
    assert "there is none before that" in str(error.value)


def save_noise(path: Path, channels: int) -> dict:
    """300 images without classes; what `DataConfig` says of them."""
    shape = (300, 8, 8, 3) if channels == 3 else (300, 8, 8)
    np.save(path, np.random.default_rng(0).integers(0, 255, shape, np.uint8))
    return {"dataset": str(path), "class_names": None}


def test_classes_asked_of_data_without_them(in_tmp_path):
    config = settings(in_tmp_path, gan={"conditional": True}, data=save_noise(in_tmp_path / "plain.npy", 3))
    with pytest.raises(SpriteError, match="has no classes to draw by: leave --conditional out"):
        trainer_for(config)


def test_colour_where_grey_is_asked_for(in_tmp_path):
    grey = settings(
        in_tmp_path, data={**save_noise(in_tmp_path / "grey.npy", 1), "image_mode": "L"}, max_train_steps=1
    )
    result = fit_gan(grey)
    assert load_pipeline(result.output_dir)().images[0].mode == "L"
    colour = settings(in_tmp_path, data={**save_noise(in_tmp_path / "colour.npy", 3), "image_mode": "L"})
    with pytest.raises(SpriteError, match=r"300 of 300 images are not grey .* pass --image_mode RGB"):
        trainer_for(colour)


def test_too_few_images_to_measure(in_tmp_path):
    with pytest.raises(
        SpriteError, match=r"has 6 held-out images, but a distance of 20 principal components needs 22"
    ):
        trainer_for(settings(in_tmp_path, data={"validation_split": 0.02}))


@pytest.mark.parametrize(
    ("build", "options", "message"),
    [
        (
            GANConfig,
            {"diff_augment": ["blur"]},
            "--diff_augment has 'blur', but allowed are color, translation, cutout",
        ),
        (GANConfig, {"r1_weight": -1.0}, "--r1_weight is -1.0, but must be 0 or more"),
        (GANConfig, {"r1_interval": 0}, "--r1_interval is 0, but must be above 0"),
        (GANConfig, {"discriminator_channels": []}, "--discriminator_channels is []"),
        (GeneratorConfig, {"latent_dim": 0}, "--latent_dim is 0, but must be above 0"),
        (GeneratorConfig, {"snapshot_epochs": [0, 1]}, "epochs are counted from 1"),
    ],
)
def test_settings_that_cannot_be(build, options, message):
    with pytest.raises(SpriteError) as error:
        build(**options)
    assert message in str(error.value)
