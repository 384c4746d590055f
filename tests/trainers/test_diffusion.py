"""The loop with a real family: trainings of a few steps that can be compared number by number."""

from __future__ import annotations

import json
import math
import os
import signal
from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from sprite_diffusers.errors import SpriteError
from sprite_diffusers.pipelines import ClassCondPipeline, SpriteDDPMPipeline
from sprite_diffusers.trainers.config import ClassCondConfig, DataConfig, ObjectiveConfig, TrainerConfig, UNetConfig
from sprite_diffusers.trainers.copies import CopyMonitor
from sprite_diffusers.trainers.data_parts import load_data
from sprite_diffusers.trainers.diffusion import (
    DiffusionConfig,
    DiffusionTrainer,
    build_unet,
    default_channels,
    fit_diffusion,
)


def settings(output_dir: Path, conditional: bool = True, data: DataConfig | None = None, **loop) -> DiffusionConfig:
    options = {"max_train_steps": 6, "train_batch_size": 8, "logging_steps": 1, "checkpointing_steps": 2,
               "validation_steps": 3, "preview_steps": 100, "learning_rate": 1e-3, "num_cpu_threads": 1}  # fmt: skip
    return DiffusionConfig(
        TrainerConfig(output_dir=str(output_dir), **{**options, **loop}),
        data or DataConfig(num_samples=120, image_mode="RGBA"),
        UNetConfig(block_out_channels=[8, 16], norm_num_groups=4, dropout=0.1),
        ObjectiveConfig(prediction_type="flow", num_inference_steps=2),
        ClassCondConfig() if conditional else None,
    )


def trainer_for(config: DiffusionConfig) -> DiffusionTrainer:
    return DiffusionTrainer(config, load_data(config.data))


def losses(trainer: DiffusionTrainer) -> list[float]:
    """The logged losses, the last one of each step."""
    history = mlflow.MlflowClient().get_metric_history(trainer.run.run_id, "train/loss")
    by_step = {metric.step: metric.value for metric in history}
    return [by_step[step] for step in sorted(by_step)]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "unet" / "diffusion_pytorch_model.safetensors")


def test_a_run_leaves_a_pipeline_samples_card_and_mlflow_run(in_tmp_path):
    result = fit_diffusion(settings(in_tmp_path / "out"))
    assert result.status == "finished"
    assert (result.metrics["steps"], result.metrics["images"]) == (6, 48)
    pipeline = ClassCondPipeline.from_pretrained(result.output_dir)
    assert list(pipeline.labels) == ["human", "non-human", "food", "spell", "side-facing"]
    assert pipeline("food", scale=2).images[0].size == (32, 32)
    assert Image.open(result.samples).width > 10 * 16
    card = (result.output_dir / "README.md").read_text()
    assert "model-index" in card
    assert "validation_loss" in card
    run = mlflow.search_runs(experiment_names=["class-cond"]).iloc[0]
    assert run["status"] == "FINISHED"
    assert run["params.learning_rate"] == "0.001"
    assert len(run["tags.data_fingerprint"]) == 64
    assert {path.name for path in result.output_dir.glob("checkpoint-*")} == {"checkpoint-4", "checkpoint-6"}


def test_unconditional_training_of_images_that_do_not_halve(in_tmp_path):
    folder = in_tmp_path / "sprites"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(20):
        Image.fromarray(rng.integers(0, 256, (9, 9, 3), np.uint8)).save(folder / f"{number}.png")
    config = settings(in_tmp_path / "out", False, DataConfig(dataset=str(folder)), max_train_steps=2)
    result = fit_diffusion(config)
    pipeline = SpriteDDPMPipeline.from_pretrained(result.output_dir)
    assert pipeline.unet.config.sample_size == 10
    assert pipeline().images[0].size == (9, 9)


def test_resumed_training_is_bit_for_bit_the_uninterrupted_one(in_tmp_path):
    whole = trainer_for(settings(in_tmp_path / "whole", run_name="whole"))
    whole.fit()
    # as if killed after step 4: what came later is lost, the checkpoint is not
    first = trainer_for(settings(in_tmp_path / "parts", max_train_steps=4, run_name="parts"))
    first.fit()
    second = trainer_for(settings(in_tmp_path / "parts", resume_from_checkpoint="latest", run_name="parts"))
    second.fit()
    assert second.run.run_id == first.run.run_id
    assert losses(second) == losses(whole)
    for name, tensor in weights(in_tmp_path / "whole").items():
        assert torch.equal(tensor, weights(in_tmp_path / "parts")[name]), name


def test_a_truncated_checkpoint_is_passed_over(in_tmp_path, caplog):
    trainer_for(settings(in_tmp_path / "out", max_train_steps=4)).fit()
    file = in_tmp_path / "out" / "checkpoint-4" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-10])
    again = trainer_for(settings(in_tmp_path / "out", max_train_steps=4, resume_from_checkpoint="latest"))
    again._resume()
    assert again.state.step == 2
    assert "model.safetensors" in caplog.text


def test_checkpoints_of_other_settings_are_not_resumed(in_tmp_path):
    trainer_for(settings(in_tmp_path / "out", max_train_steps=2)).fit()
    other = settings(in_tmp_path / "out", resume_from_checkpoint="latest", seed=1)
    with pytest.raises(SpriteError, match=r"cannot be resumed with other settings: .*seed \(then 0, now 1\)"):
        trainer_for(other).fit()


def test_accumulated_gradients_count_as_one_step(in_tmp_path):
    config = settings(in_tmp_path / "out", max_train_steps=3, gradient_accumulation_steps=4)
    trainer = trainer_for(config)
    micro_steps = []
    original = trainer.training_step
    trainer.training_step = lambda micro: micro_steps.append(micro) or original(micro)
    result = trainer.fit()
    assert micro_steps == list(range(12))
    assert (result.metrics["steps"], result.metrics["images"]) == (3, 96)


def test_a_model_in_the_output_folder_is_not_overwritten(in_tmp_path):
    fit_diffusion(settings(in_tmp_path / "out", max_train_steps=1))
    before = weights(in_tmp_path / "out")
    with pytest.raises(SpriteError, match="already holds a model"):
        fit_diffusion(settings(in_tmp_path / "out", conditional=False))
    assert all(torch.equal(before[name], tensor) for name, tensor in weights(in_tmp_path / "out").items())
    result = fit_diffusion(settings(in_tmp_path / "out", max_train_steps=1, seed=1, overwrite_output_dir=True))
    assert not torch.equal(before["conv_in.weight"], weights(result.output_dir)["conv_in.weight"])


def test_a_nan_is_skipped_and_counted(in_tmp_path):
    trainer = trainer_for(settings(in_tmp_path / "out"))
    original = trainer.training_step
    trainer.training_step = lambda micro: original(micro) * (math.nan if micro in (1, 3) else 1.0)
    result = trainer.fit()
    assert result.metrics["nonfinite_steps"] == 2
    assert all(tensor.isfinite().all() for tensor in weights(result.output_dir).values())


def test_an_exploding_gradient_is_skipped_and_counted(in_tmp_path):
    trainer = trainer_for(settings(in_tmp_path / "out", max_train_steps=26, max_grad_spike=20.0, use_ema=False))
    original, before = trainer.training_step, {}

    def step(micro: int) -> torch.Tensor:
        if micro in (23, 24):
            before[micro] = [parameter.detach().clone() for parameter in trainer.unet.parameters()]
        return original(micro) * (1e4 if micro == 23 else 1.0)

    trainer.training_step = step
    assert trainer.fit().metrics["spike_steps"] == 1
    assert all(torch.equal(a, b) for a, b in zip(before[23], before[24], strict=True))


def test_gradients_are_clipped_to_a_multiple_of_their_median(in_tmp_path):
    trainer = trainer_for(settings(in_tmp_path / "out", adaptive_grad_clip=2.0, max_grad_norm=100.0))
    assert trainer._clip_norm() == 100.0
    trainer.state.grad_norms = [0.5] * 19 + [9.0] * 2
    assert trainer._clip_norm() == 1.0


def test_the_best_model_is_kept(in_tmp_path):
    trainer = trainer_for(
        settings(in_tmp_path / "out", keep_best=True, use_ema=False, max_train_steps=4, validation_steps=1)
    )
    values, seen = iter([0.3, 0.1, 0.2, 0.4]), {}

    def validate() -> dict[str, float]:
        seen[trainer.state.step] = trainer.unet.conv_in.weight.detach().clone()
        return {"loss": next(values)}

    trainer.validate = validate
    trainer.fit()
    assert torch.equal(weights(in_tmp_path / "out" / "best")["conv_in.weight"], seen[2])


def test_lasting_nans_end_the_run_and_name_the_last_good_checkpoint(in_tmp_path):
    trainer = trainer_for(settings(in_tmp_path / "out", max_train_steps=20, max_nonfinite_steps=3))
    original = trainer.training_step
    trainer.training_step = lambda micro: original(micro) * (math.nan if micro >= 3 else 1.0)
    with pytest.raises(SpriteError, match=r"3 steps in a row, up to step 5: .*checkpoint-4"):
        trainer.fit()
    run = mlflow.search_runs(experiment_names=["class-cond"]).iloc[0]
    assert run["status"] == "FAILED"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_writes_a_checkpoint_and_ends_cleanly(in_tmp_path, number):
    trainer = trainer_for(settings(in_tmp_path / "out", max_train_steps=50, checkpointing_steps=40))
    original = trainer.training_step

    def step(micro):
        if micro == 2:
            os.kill(os.getpid(), number)
        return original(micro)

    trainer.training_step = step
    before = signal.getsignal(number)
    result = trainer.fit()
    assert result.status == "interrupted"
    assert signal.getsignal(number) is before
    state = json.loads((in_tmp_path / "out" / "checkpoint-3" / "trainer_state.json").read_text())
    assert state["step"] == 3
    assert mlflow.search_runs(experiment_names=["class-cond"]).iloc[0]["status"] == "KILLED"


def test_a_model_that_copies_its_images_is_stopped(in_tmp_path, capsys):
    data = DataConfig(num_samples=120, image_mode="RGB")
    trainer = trainer_for(settings(in_tmp_path / "out", data=data, preview_steps=2, early_stopping_patience=9))
    assert trainer.copies.floor < 0.1
    pixels = trainer.train_data.pixels
    trainer.copies.look([Image.fromarray(image) for image in trainer.validation_data.pixels[:10]])
    assert not trainer.should_stop()
    honest = [Image.fromarray(image) for image in np.random.default_rng(0).integers(0, 256, (45, 16, 16, 3), np.uint8)]
    drawn, look = [*honest, *map(Image.fromarray, pixels[:5])], trainer.copies.look
    trainer.copies.look = lambda images: look(drawn)
    result = trainer.fit()
    assert result.metrics["steps"] == 2
    assert result.metrics["copies"] == 0.1
    assert "10% of the preview are copies of training images" in capsys.readouterr().out


def test_copies_of_grey_images_are_found():
    pixels = np.random.default_rng(0).integers(0, 256, (12, 16, 16, 1), np.uint8)
    monitor = CopyMonitor.of(pixels[:6], pixels[6:], lambda images: images)
    assert monitor.look([Image.fromarray(image[..., 0]) for image in (*pixels[:1], *pixels[6:9])]) == 0.25


def test_early_stopping_keeps_the_best_weights(in_tmp_path):
    config = settings(
        in_tmp_path / "out", max_train_steps=50, validation_steps=1, early_stopping_patience=2, use_ema=False
    )
    trainer = trainer_for(config)
    figures = iter([3.0, 2.0, 1.0, 1.5, 1.2, 9.0])
    seen = []

    def validate():
        seen.append({name: tensor.clone() for name, tensor in trainer.unet.state_dict().items()})
        return {"loss": next(figures)}

    trainer.validate = validate
    result = trainer.fit()
    assert result.metrics["steps"] == 5
    assert result.metrics["validation_loss"] == 1.0
    assert torch.equal(weights(result.output_dir)["conv_in.weight"], seen[2]["conv_in.weight"])


def test_ema_follows_its_formula(in_tmp_path):
    trainer = trainer_for(settings(in_tmp_path / "out", max_train_steps=3))
    expected = None
    original = trainer.ema.step

    def step(parameters):
        nonlocal expected
        parameters = list(parameters)
        number = trainer.ema.optimization_step
        decay = 0.0 if number == 0 else min(1 - (1 + number) ** -0.75, 0.9999)
        value = parameters[0].detach()
        expected = value.clone() if expected is None else decay * expected + (1 - decay) * value
        original(parameters)

    trainer.ema.step = step
    trainer.fit()
    torch.testing.assert_close(trainer.ema.shadow_params[0], expected, rtol=1e-4, atol=1e-7)


def test_the_null_class_is_trained(in_tmp_path):
    trainer = trainer_for(settings(in_tmp_path / "out"))
    seen = []
    trainer._loss = lambda clean, labels, seed: seen.append(labels) or torch.zeros(())
    for micro in range(200):
        trainer.training_step(micro)
    assert (torch.cat(seen) == 5).float().mean() == pytest.approx(0.1, abs=0.03)


def test_which_labels_are_dropped_does_not_depend_on_the_time(in_tmp_path):
    trainer = trainer_for(settings(in_tmp_path / "out", train_batch_size=32))
    times, dropped = [], []

    class Spy(torch.nn.Module):
        def forward(self, sample, timesteps, class_labels, return_dict):
            times.append(timesteps / 1000)
            dropped.append(class_labels == 5)
            return (sample,)

    trainer.model = Spy()
    for micro in range(200):
        trainer.training_step(micro)
    times, dropped = torch.cat(times), torch.cat(dropped)
    assert times[dropped].mean() == pytest.approx(0.5, abs=0.04)
    assert times[dropped].std() == pytest.approx(float(times[~dropped].std()), abs=0.02)


def test_validation_is_the_same_each_time(in_tmp_path):
    trainer = trainer_for(settings(in_tmp_path / "out"))
    trainer.unet.eval()
    assert trainer.validate() == trainer.validate()


def test_the_network_grows_with_the_sprites():
    assert default_channels(9) == default_channels(16) == default_channels(28) == [32, 64, 128]
    assert default_channels(32) == [16, 32, 64, 128]
    assert default_channels(64) == [16, 16, 32, 64, 128]
    assert default_channels(16, patch_size=2) == [64, 128]
    assert default_channels(16, patch_size=8) == [128]
    unet = build_unet(UNetConfig(), 4, 32, None)
    assert unet.config.block_out_channels == (16, 32, 64, 128)
    assert unet(torch.zeros(1, 4, 32, 32), 0).sample.shape == (1, 4, 32, 32)


@pytest.mark.parametrize("conditional", [True, False])
def test_patches_of_pixels_are_put_together_again(in_tmp_path, conditional):
    """A network that says what the noise was: the pipeline must give back the sprite that the trainer showed it."""
    config = settings(
        in_tmp_path / "out", conditional, DataConfig(num_samples=120, image_mode="RGB"), max_train_steps=2
    )
    trainer = trainer_for(
        replace(config, unet=UNetConfig(patch_size=2, block_out_channels=[8, 16], norm_num_groups=4))
    )
    trainer.fit()
    assert trainer.unet.config.in_channels == 12
    pipeline = (ClassCondPipeline if conditional else SpriteDDPMPipeline).from_pretrained(in_tmp_path / "out")
    assert (pipeline.sprite_size, pipeline.sprite_channels, pipeline.latent_shape) == (16, 3, (12, 8, 8))
    seen, _ = trainer._validation_batch(np.arange(4))
    shown = pipeline.postprocess(seen, "np")
    assert np.allclose(shown, trainer.validation_data.pixels[:4] / 255, atol=1e-6)
    images = pipeline(*(["food"] if conditional else [])).images
    assert images[0].size == (16, 16)


def test_networks_that_cannot_be_are_refused():
    with pytest.raises(SpriteError, match="--patch_size is 3, but must be one of 1, 2, 4, 8"):
        UNetConfig(patch_size=3)
    with pytest.raises(SpriteError, match="--block_out_channels has 20, which --norm_num_groups 8 does not divide"):
        build_unet(UNetConfig(block_out_channels=[20, 32]), 3, 16, None)
    with pytest.raises(SpriteError, match="levels are 0 to 2"):
        build_unet(UNetConfig(attention_levels=[3]), 3, 16, None)


def test_conditional_training_needs_classes(in_tmp_path):
    folder = in_tmp_path / "flat"
    folder.mkdir()
    for number in range(6):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(folder / f"{number}.png")
    with pytest.raises(SpriteError, match=r"has no classes: train without them \(training/train_ddpm.py\)"):
        fit_diffusion(settings(in_tmp_path / "out", data=DataConfig(dataset=str(folder))))
    assert not (in_tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("condition", "images", "expected"),
    [
        (ClassCondConfig(), 199_999, 1.5),
        (ClassCondConfig(), 200_000, 1.25),
        (ClassCondConfig(guidance_scale=3.0), 200_000, 3.0),
        (ClassCondConfig(class_dropout=0.0), 0, 1.0),
    ],
)
def test_a_long_training_needs_less_guidance(in_tmp_path, condition, images, expected):
    trainer = trainer_for(replace(settings(in_tmp_path / "out"), condition=condition))
    trainer.state.images = images
    assert trainer.pipeline().config.default_guidance_scale == expected
    assert trainer.summary()["guidance_scale"] == expected
