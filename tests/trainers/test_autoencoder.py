"""Training of the four autoencoders: what is minimised, that it falls, that a resumed run is exact, what is left behind."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, VQModel
from huggingface_hub import ModelCard
from PIL import Image
from safetensors.torch import load_file

from sprite_diffusers.errors import SpriteError
from sprite_diffusers.models import SpriteAutoencoder, SpriteClassifier, load_autoencoder
from sprite_diffusers.models.autoencoders import FACTS_FILE
from sprite_diffusers.pipelines.sprite_ldm import encode_sprites
from sprite_diffusers.trainers.autoencoder import (
    AutoencoderLoss,
    AutoencoderSettings,
    AutoencoderTrainer,
    build_autoencoder,
    fit_autoencoder,
)
from sprite_diffusers.trainers.config import AutoencoderConfig, DataConfig
from sprite_diffusers.trainers.data_parts import load_data

from .tiny import CLASSES, loop, save_sprites

KINDS = {
    "ae": {"autoencoder": "ae", "latent_dim": 6},
    "dae": {"autoencoder": "ae", "latent_dim": 6, "input_noise": "gaussian", "block_type": "resnet"},
    "vae": {"autoencoder": "vae", "kl_warmup": 0.5},
    "vq": {"autoencoder": "vq", "num_vq_embeddings": 12, "revive_steps": 2},
}


def config_of(kind: str, **options) -> AutoencoderConfig:
    shared = {"block_out_channels": [8, 8], "norm_num_groups": 4, "latent_channels": 2}
    return AutoencoderConfig(**{**shared, **KINDS[kind], **options})


def settings(
    root: Path, kind: str, output_dir: str = "out", data: dict | None = None, network: dict | None = None, **options
) -> AutoencoderSettings:
    file = root / "sprites.npz"
    dataset = str(file) if file.exists() else save_sprites(file)
    return AutoencoderSettings(
        loop(root / output_dir, **options),
        DataConfig(**{"dataset": dataset, "class_names": list(CLASSES), **(data or {})}),
        config_of(kind, **(network or {})),
    )


def trainer_for(config: AutoencoderSettings) -> AutoencoderTrainer:
    return AutoencoderTrainer(config, load_data(config.data))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "diffusion_pytorch_model.safetensors")


# ---- whole runs -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(KINDS))
def test_it_learns(in_tmp_path, kind):
    trainer = trainer_for(settings(in_tmp_path, kind, max_train_steps=40))
    assert trainer.kind == kind
    trainer.raw_model.eval()
    before = trainer.validate()
    assert before == trainer.validate()
    result = trainer.fit()
    trainer.raw_model.eval()
    after = trainer.validate()
    assert result.metrics["validation_loss"] == pytest.approx(after["loss"])
    assert after["reconstruction"] < 0.5 * before["reconstruction"]
    assert after["psnr"] > before["psnr"] + 3
    assert {"vae": "kl", "vq": "commitment"}.get(kind, "psnr") in after


def test_a_run_leaves_model_facts_analysis_card_and_figures(in_tmp_path, capsys):
    result = fit_autoencoder(settings(in_tmp_path, "dae", max_train_steps=30, data={"random_flip": True}))
    folder = result.output_dir
    assert type(load_autoencoder(folder)) is SpriteAutoencoder
    facts = json.loads((folder / FACTS_FILE).read_text())
    assert (facts["kind"], facts["latent_floats"], facts["image_size"], facts["images"]) == ("dae", 6, 8, 480)
    assert (facts["mode"], facts["background"]) == ("RGB", "white")
    assert facts["train_seconds"] > 0

    run = mlflow.search_runs(experiment_names=["autoencoder"]).iloc[0]
    assert run["status"] == "FINISHED"
    assert run["metrics.latents/psnr"] == pytest.approx(facts["psnr"])
    assert run["metrics.latents/ssim"] == pytest.approx(facts["ssim"])
    assert run["metrics.validation/reconstruction"] > 0
    assert run["tags.data_fingerprint"] == run["tags.latents.data_fingerprint"] == facts["data_fingerprint"]
    assert (run["tags.latents.kind"], run["tags.latents.image_size"], run["tags.latents.mode"]) == ("dae", "8", "RGB")
    assert run["tags.latents.num_validation"] == "20"
    assert (run["params.autoencoder"], run["params.input_noise"]) == ("ae", "gaussian")
    artifacts = {file.path for file in mlflow.MlflowClient().list_artifacts(run["run_id"], "analysis")}
    files = {f"analysis/{path.name}" for path in (folder / "analysis").iterdir()}
    assert "analysis/latents.json" in files
    assert artifacts == files

    card = ModelCard.load(folder / "README.md")
    figures = {entry.metric_type: entry.metric_value for entry in card.data.eval_results}
    assert figures["psnr"] == pytest.approx(facts["psnr"])
    assert figures["validation_loss"] == pytest.approx(result.metrics["validation_loss"])
    assert "| psnr |" in card.text
    assert "{{" not in card.text
    # what is denoised is shown between the sprites and the output
    assert Image.open(result.samples).height > 3 * 64
    printed = capsys.readouterr()
    assert f"held-out PSNR {facts['psnr']:.2f} dB" in printed.out
    assert " left, step " in printed.err


def test_codes_are_counted(in_tmp_path):
    result = fit_autoencoder(settings(in_tmp_path, "vq", max_train_steps=20))
    run = mlflow.search_runs(experiment_names=["autoencoder"]).iloc[0]
    assert 0 < run["metrics.latents/codebook_use"] <= 1
    assert run["tags.latents.kind"] == "vq"
    card = ModelCard.load(result.output_dir / "README.md")
    figures = {entry.metric_type: entry.metric_value for entry in card.data.eval_results}
    assert figures["codebook_use"] == pytest.approx(run["metrics.latents/codebook_use"])
    assert figures["latent_bits"] == pytest.approx(4 * 4 * np.log2(12), rel=1e-3)


@pytest.mark.parametrize("kind", ["dae", "vae", "vq"])
def test_resumed_training_is_the_uninterrupted_one(in_tmp_path, kind):
    options = {"checkpointing_steps": 3, "use_ema": kind == "vae"}
    trainer_for(settings(in_tmp_path, kind, "whole", **options)).fit()
    # as if killed after step 3, in the warm-up and before codes are revived again at step 4
    shutil.copytree(in_tmp_path / "whole" / "checkpoint-3", in_tmp_path / "parts" / "checkpoint-3")
    again = trainer_for(settings(in_tmp_path, kind, "parts", resume_from_checkpoint="latest", **options))
    steps, original = [], again.training_step
    again.training_step = lambda micro: steps.append(micro) or original(micro)
    again.fit()
    assert steps == [3, 4, 5]
    whole, parts = weights(in_tmp_path / "whole"), weights(in_tmp_path / "parts")
    assert [name for name, tensor in whole.items() if not torch.equal(tensor, parts[name])] == []


def test_checkpoints_of_another_network_are_not_resumed(in_tmp_path):
    trainer_for(settings(in_tmp_path, "ae", max_train_steps=1)).fit()
    other = settings(in_tmp_path, "ae", resume_from_checkpoint="latest", network={"latent_dim": 5})
    with pytest.raises(SpriteError, match="cannot be resumed with other settings: autoencoder"):
        trainer_for(other).fit()


# ---- what is minimised ----------------------------------------------------------------------------------------------


def images(count: int = 5) -> torch.Tensor:
    return torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1


def losses(kind: str, kl_scale: float = 1.0, noise: torch.Generator | None = None, **options) -> dict[str, float]:
    config = config_of(kind, **options)
    torch.manual_seed(0)
    loss = AutoencoderLoss(build_autoencoder(config, 3, 8), config).eval()
    with torch.no_grad():
        return {name: float(value) for name, value in loss(images(), images(), kl_scale, noise).items()}


@torch.no_grad()
def test_l1_and_l2():
    config = config_of("ae")
    torch.manual_seed(0)
    model = build_autoencoder(config, 3, 8).eval()
    difference = model(images()).sample - images()
    squared, absolute = losses("ae"), losses("ae", reconstruction_loss="l1")
    assert squared["loss"] == squared["reconstruction"] == pytest.approx(float(difference.square().mean()))
    assert absolute["loss"] == pytest.approx(float(difference.abs().mean()))
    # as of values in [0, 1], whatever is minimised
    assert squared["mse"] == absolute["mse"] == pytest.approx(squared["loss"] / 4, rel=0.05)


@torch.no_grad()
def test_kl_divergence_its_weight_and_free_bits():
    config = config_of("vae", kl_weight=0.5)
    torch.manual_seed(0)
    posterior = build_autoencoder(config, 3, 8).eval().encode(images()).latent_dist
    pixels, latents = 3 * 8 * 8, 2 * 4 * 4
    expected = float(posterior.kl().mean()) / pixels
    found = losses("vae", kl_weight=0.5)
    assert found["kl"] == pytest.approx(expected, rel=1e-5)
    assert found["loss"] - found["reconstruction"] == pytest.approx(0.5 * expected, rel=1e-3)
    halfway = losses("vae", 0.5, kl_weight=0.5)
    assert halfway["loss"] - halfway["reconstruction"] == pytest.approx(0.25 * expected, rel=1e-3)
    assert losses("vae", 0.0, kl_weight=0.5)["loss"] == found["reconstruction"]
    # far more than any number has is free: what remains is a constant, and the divergence itself is still reported
    free = losses("vae", kl_weight=0.5, free_bits=100.0)
    assert free["loss"] - free["reconstruction"] == pytest.approx(0.5 * 100.0 * latents / pixels, rel=1e-4)
    assert free["kl"] == found["kl"]


def test_a_vae_is_trained_on_draws_and_judged_by_the_mode():
    draws = [losses("vae", noise=torch.Generator().manual_seed(seed))["reconstruction"] for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]
    assert losses("vae")["reconstruction"] == losses("vae")["reconstruction"]


def test_the_commitment_loss_moves_codes_at_full_weight():
    light, heavy = losses("vq", commitment_weight=0.25), losses("vq", commitment_weight=1.0)
    # codebook term and commitment have the same value, and 1 + beta times it is what counts
    assert heavy["commitment"] / light["commitment"] == pytest.approx(2.0 / 1.25, rel=1e-4)
    assert light["loss"] == pytest.approx(light["reconstruction"] + light["commitment"])


def test_the_kl_divergence_warms_up(in_tmp_path):
    trainer = trainer_for(settings(in_tmp_path, "vae"))  # 6 steps, warm-up over half of them
    scales = []
    trainer.model = lambda inputs, targets, kl_scale, noise: scales.append(kl_scale) or {"loss": torch.zeros(())}
    for step in range(6):
        trainer.state.step = step
        trainer.training_step(step)
    assert scales == pytest.approx([0, 1 / 3, 2 / 3, 1, 1, 1])
    at_once = trainer_for(settings(in_tmp_path, "vae", "other", network={"kl_warmup": 0.0}))
    at_once.model = trainer.model
    at_once.training_step(0)
    assert scales[-1] == 1


@pytest.mark.parametrize(("kind", "noisy"), [("ae", False), ("dae", True)])
def test_the_input_is_corrupted_and_the_target_is_not(in_tmp_path, kind, noisy):
    trainer = trainer_for(settings(in_tmp_path, kind))
    seen = []
    trainer.model = lambda inputs, targets, *_: seen.append((inputs, targets)) or {"loss": torch.zeros(())}
    for micro in (0, 0, 1):
        trainer.training_step(micro)
    (inputs, targets), again, other = seen
    assert torch.equal(targets, trainer.train_data.batch(trainer.sampler.indices(0))[0])
    assert torch.equal(inputs, targets) != noisy
    assert torch.equal(inputs, again[0])
    assert not torch.equal(inputs, other[0])
    if noisy:
        assert (inputs - targets).std() == pytest.approx(2 * 0.15, rel=0.15)  # of [-1, 1]; a little is clipped


# ---- codes ----------------------------------------------------------------------------------------------------------


def encoder_outputs(trainer: AutoencoderTrainer) -> torch.Tensor:
    sprites, _ = trainer.train_data.batch(np.arange(len(trainer.train_data)))
    with torch.no_grad():
        return encode_sprites(trainer.autoencoder, sprites).movedim(1, -1).flatten(0, -2)


def distance_to_nearest(codes: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
    return (codes[:, None] - vectors).square().sum(-1).sqrt().min(1).values


def test_codes_begin_as_encoder_outputs_and_dead_ones_become_some(in_tmp_path):
    trainer = trainer_for(settings(in_tmp_path, "vq"))
    codes, vectors = trainer.autoencoder.quantize.embedding.weight.data, encoder_outputs(trainer)
    assert distance_to_nearest(codes, vectors).max() > 1e-2
    trainer._revive_codes(0)
    assert distance_to_nearest(codes, vectors).max() < 1e-5
    assert len(codes.unique(dim=0)) > 1

    codes[:3] = 50.0  # where no encoder output is
    codes[3] += 1e-3  # used, and not quite an encoder output
    used = torch.cdist(vectors, codes).argmin(1).unique()
    assert 3 in used
    assert set(used.tolist()).isdisjoint({0, 1, 2})
    before = codes.clone()
    trainer._revive_codes(2)
    assert torch.equal(codes[used], before[used])
    dead = [number for number in range(len(codes)) if number not in used]
    assert distance_to_nearest(codes[dead], vectors).max() < 1e-5

    first = codes.clone()
    codes[:3] = 50.0
    trainer._revive_codes(2)
    assert torch.equal(codes, first)  # depends on the step alone


def test_when_codes_are_revived(in_tmp_path):
    config = settings(in_tmp_path, "vq", gradient_accumulation_steps=2, network={"revive_steps": 3})
    trainer = trainer_for(config)
    revived = []
    trainer._revive_codes = revived.append
    for micro in range(14):
        trainer.training_step(micro)
    assert revived == [0, 6, 12]  # every 3 steps of 2 micro-batches


# ---- networks and what does not fit ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "size", "sample_size", "network"),
    [("ae", 8, 8, SpriteAutoencoder), ("ae", 9, 12, SpriteAutoencoder), ("vae", 9, 10, AutoencoderKL),
     ("vq", 8, 8, VQModel)],
)  # fmt: skip
def test_networks_and_their_sizes(kind, size, sample_size, network):
    model = build_autoencoder(config_of(kind), 4, size)
    assert type(model) is network
    assert (model.config.sample_size, model.config.in_channels) == (sample_size, 4)
    if kind == "vq":
        assert (model.quantize.legacy, model.quantize.beta) == (False, 0.25)


def test_the_last_map_can_be_the_latent():
    model = build_autoencoder(config_of("ae", latent_dim=0), 3, 8)
    assert model.latent_size == 8 * 2 * 2


def test_sprites_that_do_not_halve_are_padded(in_tmp_path):
    data = {"dataset": save_sprites(in_tmp_path / "odd.npz", size=7)}
    trainer = trainer_for(settings(in_tmp_path, "vae", data=data, max_train_steps=1))
    assert trainer.train_data.pixels.shape[1:] == (8, 8, 3)
    assert json.loads((trainer.fit().output_dir / FACTS_FILE).read_text())["image_size"] == 7


def save_classifier(folder: Path, channels: int) -> SpriteClassifier:
    torch.manual_seed(0)
    names = {str(index): name for index, name in enumerate(CLASSES)}
    classifier = SpriteClassifier(channels, image_size=8, id2label=names, block_out_channels=(8, 8))
    classifier.save_pretrained(folder)
    return classifier


def test_the_perceptual_term_is_named_and_counts(in_tmp_path):
    classifier = save_classifier(in_tmp_path / "classifier", 3)
    network = {"perceptual": "classifier", "perceptual_model": str(in_tmp_path / "classifier")}
    trainer = trainer_for(settings(in_tmp_path, "vae", network={**network, "perceptual_weight": 2.0}))
    assert trainer.facts()["perceptual_network"] == f"classifier {classifier.identity()[:16]}"
    before = {name for name, _ in trainer.raw_model.named_parameters()}
    assert not any("classifier" in name for name in before)  # neither trained nor saved
    trainer.fit()
    trainer.raw_model.eval()
    found = trainer.validate()
    expected = found["reconstruction"] + 1e-4 * found["kl"] + 2.0 * found["perceptual"]
    assert found["loss"] == pytest.approx(expected, rel=1e-4)
    run = mlflow.search_runs(experiment_names=["autoencoder"]).iloc[0]
    assert run["tags.perceptual_network"] == trainer.perceptual_name
    assert trainer_for(settings(in_tmp_path, "vae", "other")).facts()["perceptual_network"] is None


def test_a_perceptual_network_of_other_sprites_is_refused_before_the_first_step(in_tmp_path):
    save_classifier(in_tmp_path / "classifier", 4)
    network = {"perceptual": "classifier", "perceptual_model": str(in_tmp_path / "classifier")}
    with pytest.raises(SpriteError, match=r"does not take 8x8 sprites of 3 channels") as error:
        trainer_for(settings(in_tmp_path, "vae", network=network))
    assert "\n" not in str(error.value)
    assert not (in_tmp_path / "out").exists()
