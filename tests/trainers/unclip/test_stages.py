"""The stages alone: what they learn from, what they leave out, and that they can be resumed."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from sprite_diffusers.errors import SpriteError
from sprite_diffusers.pipelines import SpriteUnCLIPPipeline
from sprite_diffusers.trainers.unclip.data import build_data, load_clip_parts, load_unclip_data
from sprite_diffusers.trainers.unclip.objective import UnclipObjective
from sprite_diffusers.trainers.unclip.prior_stage import PriorStageTrainer, build_prior, start_standardised
from sprite_diffusers.trainers.unclip.run import _Run, fit_unclip
from sprite_diffusers.trainers.unclip.settings import (
    DecoderStageConfig,
    PriorStageConfig,
    SuperResStageConfig,
    UnclipDataConfig,
)

from .parts import TOKENS, WIDTH, save_tiny_clip, settings


@pytest.fixture
def run(data, in_tmp_path):
    """A run that is ready for its stages."""

    def prepare(**changes) -> _Run:
        chosen = settings(data, in_tmp_path / "out", **changes)
        made = _Run(chosen, load_unclip_data(chosen.data, 0))
        made.prepare()
        return made

    return prepare


# ---- data -----------------------------------------------------------------------------------------------------------


def test_embeddings_are_those_that_the_pipeline_would_make(run):
    made = run()
    split, pipe = made.data.train, SpriteUnCLIPPipeline(None, None, None, **made.parts.components)
    assert (len(split), split.arrays.pixels.shape[1:], made.data.size) == (96, (16, 16, 3), 15)
    rows = np.array([3, 40])
    expected = pipe.encode_prompt([split.arrays.texts[row] for row in rows])
    for found, wanted in zip(split.text(rows, torch.device("cpu")), expected, strict=True):
        torch.testing.assert_close(found, wanted, atol=2e-3, rtol=2e-3)  # kept in half precision
    dropped = split.text(rows, torch.device("cpu"), torch.tensor([True, False]))
    empty = pipe.encode_prompt("")
    torch.testing.assert_close(dropped.pooled_prompt_embeds[:1], empty.pooled_prompt_embeds, atol=2e-3, rtol=2e-3)
    assert torch.equal(dropped.prompt_attention_mask[0], empty.prompt_attention_mask[0])
    assert split.captions.prompt_embeds.shape[1:] == (TOKENS, WIDTH)
    unpadded = load_unclip_data(made.settings.data, 0)["train"][3]["image"]
    torch.testing.assert_close(split.image_embeds[3], pipe.encode_image(unpadded)[0], atol=0.02, rtol=0.02)


def test_small_images_are_the_means_of_blocks(in_tmp_path):
    config = UnclipDataConfig(dataset="synthetic", num_samples=40, image_size=16, super_res_size=32, validation_split=0.4,
                              clip="none")  # fmt: skip
    config = replace(config, clip=str(save_tiny_clip(in_tmp_path / "clip", config)))
    dataset = load_unclip_data(config, 0)
    made = build_data(dataset, config, load_clip_parts(config.clip, dataset.report.fingerprint, "cpu"), 2, "cpu")
    split = made.validation
    assert split.large is not None
    assert (made.channels, made.size, made.drawn_size) == (4, 32, 16)
    large, small = split.large.batch(np.arange(4))[0], split.arrays.batch(np.arange(4))[0]
    torch.testing.assert_close(torch.nn.functional.avg_pool2d(large, 2), small, atol=1.1 / 127.5, rtol=0)
    with pytest.raises(SpriteError, match="--image_size is 16, but with super-resolution it must be a multiple of 32"):
        build_data(dataset, config, load_clip_parts(config.clip, dataset.report.fingerprint, "cpu"), 32, "cpu")


# ---- objective ------------------------------------------------------------------------------------------------------


def test_training_and_sampling_have_one_schedule():
    objective = UnclipObjective("sample", variance_type="learned_range")
    sampler = objective.sampling_scheduler()
    assert torch.equal(objective.noise_scheduler.alphas_cumprod, sampler.alphas_cumprod)
    assert (sampler.config.prediction_type, sampler.config.variance_type) == ("sample", "learned_range")


def test_weights_are_those_of_a_velocity_up_to_a_limit():
    clean = torch.zeros(400, 1, 2, 2)
    corrupted = UnclipObjective("sample", max_weight=5.0).corrupt(clean, torch.Generator().manual_seed(0))
    product = UnclipObjective("sample").sampling_scheduler().alphas_cumprod[corrupted.timesteps]
    torch.testing.assert_close(corrupted.weight, (1 / (1 - product)).clamp(max=5.0))
    assert UnclipObjective("epsilon").corrupt(clean, torch.Generator().manual_seed(0)).weight.unique().tolist() == [1]


# ---- prior ----------------------------------------------------------------------------------------------------------


def test_the_prior_knows_the_embeddings_from_the_start_and_learns_them(run):
    made = run(stage1_epochs=None, stage1_minutes=5.0, stage1_learning_rate=3e-3, max_train_steps=60)
    trainer = made._prior()
    embeds = made.data.train.image_embeds
    torch.testing.assert_close(trainer.prior.clip_mean[0], embeds.mean(0))
    torch.testing.assert_close(trainer.prior.clip_std[0], embeds.std(0))
    before = trainer.validate()
    assert trainer.fit().status == "finished"
    after = trainer.validate()
    assert after["loss"] < 0.7 * before["loss"]
    assert after["cosine"] > before["cosine"]
    torch.testing.assert_close(trainer.prior.clip_std[0], embeds.std(0))  # statistics are not trained


def test_a_layer_begins_as_that_of_standardised_inputs():
    torch.manual_seed(0)
    layer, inputs = torch.nn.Linear(4, 6), 0.01 * torch.randn(500, 4) + 3
    standard = (inputs - inputs.mean(0)) / inputs.std(0)
    expected = layer(standard).detach()
    start_standardised(layer, inputs)
    torch.testing.assert_close(layer(inputs), expected, atol=1e-2, rtol=0)


# ---- decoder --------------------------------------------------------------------------------------------------------


@pytest.fixture
def decoder(run, in_tmp_path):
    """The trainer of stage 2, after a prior that was hardly trained."""

    def build(**changes):
        made = run(**{"max_train_steps": 2, **changes})
        if not (in_tmp_path / "out" / "stage1").exists():
            assert made._prior().fit().status == "finished"
        return made._decoder()

    return build


@pytest.mark.parametrize("prediction_type", ["epsilon", "sample"])
def test_the_bound_moves_the_variance_alone(decoder, prediction_type):
    trainer = decoder(decoder_prediction_type=prediction_type)
    nothing = torch.zeros(8, dtype=torch.bool)
    images, _ = trainer.train.arrays.batch(np.arange(8))
    parts = trainer.raw_model(*trainer._inputs(trainer.train, np.arange(8), images, nothing, nothing, 0))
    (gradient,) = torch.autograd.grad(
        parts["bits_per_value"], trainer.pipeline.decoder.conv_out.bias, retain_graph=True
    )
    assert gradient[:3].abs().max() == 0
    assert gradient[3:].abs().min() > 0
    (gradient,) = torch.autograd.grad(parts["simple"], trainer.pipeline.decoder.conv_out.bias)
    assert gradient[3:].abs().max() == 0
    total = parts["simple"] + 1e-3 * parts["bits_per_value"] + parts["variance_outside"]
    assert float(parts["loss"]) == pytest.approx(float(total))


def test_a_variance_outside_of_its_range_is_drawn_back(decoder):
    trainer = decoder()
    nothing, (images, _) = torch.zeros(8, dtype=torch.bool), trainer.train.arrays.batch(np.arange(8))
    bias = trainer.pipeline.decoder.conv_out.bias
    with torch.no_grad():
        bias[3:] = 9.0
    parts = trainer.raw_model(*trainer._inputs(trainer.train, np.arange(8), images, nothing, nothing, 0))
    (gradient,) = torch.autograd.grad(parts["bits_per_value"], bias, retain_graph=True)
    assert gradient.abs().max() == 0
    (gradient,) = torch.autograd.grad(parts["loss"], bias)
    assert gradient[3:].min() > 1  # 2 (9 - 1) / 3, but for what the rest of the network adds
    assert float(parts["variance_outside"]) == pytest.approx(64, rel=0.3)


def test_what_is_dropped_does_not_matter(decoder):
    trainer = decoder()
    rows, images = np.arange(8), trainer.train.arrays.batch(np.arange(8))[0]
    every, none = torch.ones(8, dtype=torch.bool), torch.zeros(8, dtype=torch.bool)

    def loss(without_image: torch.Tensor, without_text: torch.Tensor, which: np.ndarray) -> float:
        inputs = list(trainer._inputs(trainer.train, which, images, without_image, without_text, 0))
        return float(trainer.raw_model(*inputs)["loss"])

    others = rows + 20
    assert loss(every, every, rows) == loss(every, every, others)
    assert loss(none, every, rows) != loss(none, every, others)
    assert loss(every, none, rows) != loss(every, none, others)


def test_the_decoder_learns_and_its_projection_with_it(decoder):
    trainer = decoder(max_train_steps=40, stage2_epochs=None, stage2_minutes=5.0, stage2_learning_rate=3e-3)
    before = trainer.validate()
    start = {name: tensor.clone() for name, tensor in trainer.pipeline.text_proj.named_parameters()}
    frozen = {name: tensor.clone() for name, tensor in trainer.pipeline.prior.named_parameters()}
    assert trainer.fit().status == "finished"
    after = trainer.validate()
    assert after["simple"] < 0.8 * before["simple"]
    assert after["bits_per_value"] < before["bits_per_value"]
    assert all(not torch.equal(start[name], tensor) for name, tensor in trainer.pipeline.text_proj.named_parameters())
    assert all(torch.equal(frozen[name], tensor) for name, tensor in trainer.pipeline.prior.named_parameters())


def test_a_resumed_stage_is_the_uninterrupted_one(data, in_tmp_path):
    steps = {"max_train_steps": 6, "checkpointing_steps": 3, "use_ema": True}
    whole = fit_unclip(settings(data, in_tmp_path / "whole", **steps))
    part = fit_unclip(settings(data, in_tmp_path / "part", **steps))
    assert whole
    assert part
    for name in ("stage1", "stage2"):
        folder = part / name
        (folder / "stage.json").unlink()  # as if it had been killed after step 3
        (folder / ("config.json" if name == "stage1" else "model_index.json")).unlink()
        for file in sorted((folder / "checkpoint-6").rglob("*"), reverse=True):
            file.rmdir() if file.is_dir() else file.unlink()
        (folder / "checkpoint-6").rmdir()
    fit_unclip(settings(data, in_tmp_path / "part", resume=True, **steps))
    for name in ("prior", "decoder", "text_proj"):
        first, second = (load_file(folder / name / "diffusion_pytorch_model.safetensors") for folder in (whole, part))
        assert all(torch.equal(first[key], second[key]) for key in first), name
    assert json.loads((part / "stage2" / "stage.json").read_text())["stage"] == 2


# ---- settings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (PriorStageConfig, {"prior_num_layers": 0}, "--prior_num_layers is 0, but must be 1 or more"),
        (PriorStageConfig, {"prior_text_dropout": 1.0}, "--prior_text_dropout is 1.0, but must be at least 0"),
        (PriorStageConfig, {"prior_clip_sample_range": 0.0}, "--prior_clip_sample_range is 0.0"),
        (DecoderStageConfig, {"decoder_block_out_channels": [12]}, r"--decoder_block_out_channels is \[12\]"),
        (DecoderStageConfig, {"decoder_attention_levels": [3]}, "but the levels are 0 to"),
        (DecoderStageConfig, {"condition_dropout": -0.1}, "--condition_dropout is -0.1"),
        (DecoderStageConfig, {"decoder_max_weight": 0.5}, "--decoder_max_weight is 0.5, but must be 1 or more"),
        (DecoderStageConfig, {"vlb_weight": -1.0}, "--vlb_weight is -1.0, but must be 0 or more"),
        (SuperResStageConfig, {"super_res_block_out_channels": []}, r"--super_res_block_out_channels is \[\]"),
        (SuperResStageConfig, {"super_res_noise": -1.0}, "--super_res_noise is -1.0"),
    ],
)
def test_settings_that_cannot_be(kind, options, message):
    with pytest.raises(SpriteError, match=message):
        kind(**options)


def test_the_first_bound_is_of_the_order_of_a_prior_guess(decoder):
    """An untrained decoder's bound in bits per value is finite and large: nothing in it overflows at any timestep."""
    trainer = decoder()
    bits = trainer.validate()["bits_per_value"]
    assert math.isfinite(bits)
    assert bits > 1


def test_trainer_and_builder_agree_on_tokens(run):
    made = run()
    prior = build_prior(made.settings.stage1, made.data.train, made.parts.tokens)
    assert prior.config.num_embeddings == TOKENS
    assert isinstance(made._prior(), PriorStageTrainer)
