"""Distillation: where a known flow leads, a student that learns to jump there, what a run leaves, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from diffusers import ConfigMixin, DDIMScheduler, ModelMixin, UNet2DModel
from diffusers.configuration_utils import register_to_config
from safetensors.torch import load_file

from sprite_diffusers.errors import SpriteError
from sprite_diffusers.pipelines import ClassCondPipeline, SpriteDDPMPipeline
from sprite_diffusers.trainers.config import DataConfig
from sprite_diffusers.trainers.data_parts import load_data
from sprite_diffusers.trainers.distillation import trainer as distillation
from sprite_diffusers.trainers.distillation.adversary import adversarial_factor
from sprite_diffusers.trainers.distillation.settings import DistillationSettings, DistillConfig
from sprite_diffusers.trainers.distillation.student import build_student
from sprite_diffusers.trainers.distillation.teacher import GuidedTeacher
from sprite_diffusers.trainers.distillation.trainer import DistillationTrainer, fit_distillation, pseudo_huber
from sprite_diffusers.trainers.distillation.trajectories import Trajectories

from ..conftest import flow_scheduler, tiny_unet
from .tiny import CLASSES, loop, save_sprites

MEANS, SPREAD = (0.5, -0.5, 0.0), 0.2


class GaussianFlow(ModelMixin, ConfigMixin):
    """The flow to sprites whose values are normal with a mean per class, the last of which is the null class.

    With the variance ``V = (1 - s)^2 SPREAD^2 + s^2`` at noise level ``s``, the conditional mean of ``noise - sample`` is
    ``(s - (1 - s) SPREAD^2) / V * (x - (1 - s) mean) - mean``; `slope` is what a student can change: the guess of a jump
    from ``s`` moves by ``slope * s`` times the noise.
    """

    @register_to_config
    def __init__(self, sample_size: int = 8, in_channels: int = 3, num_class_embeds: int = 3):
        super().__init__()
        self.means = torch.nn.Parameter(torch.tensor(MEANS))
        self.slope = torch.nn.Parameter(torch.zeros(()))

    def forward(self, sample, timestep, class_labels, return_dict=True):
        sigma = (timestep / 1000).expand(len(sample)).view(-1, 1, 1, 1)
        mean = self.means[class_labels].view(-1, 1, 1, 1)
        centered = sample - (1 - sigma) * mean
        variance = (1 - sigma) ** 2 * SPREAD**2 + sigma**2
        velocity = (sigma - (1 - sigma) * SPREAD**2) / variance * centered - mean
        return (velocity - self.slope * centered,)


def pipeline_of(unet: torch.nn.Module, names: tuple[str, ...] = CLASSES, **options) -> ClassCondPipeline:
    id2label = {str(index): name for index, name in enumerate(names)}
    return ClassCondPipeline(unet, flow_scheduler(), id2label, **options)


def settings(folder: Path, teacher: str = "teacher", distill: dict | None = None, data: dict | None = None, **options):
    options = {"overwrite_output_dir": True, **options}
    return DistillationSettings(
        loop(folder / "student", **options),
        DataConfig(**{"dataset": save_sprites(folder / "sprites.npz"), "class_names": list(CLASSES), "validation_split": 0.2}
                   | (data or {})),
        DistillConfig(**{"teacher": teacher, "teacher_steps": 4, "num_trajectories": 32} | (distill or {})),
    )  # fmt: skip


@pytest.fixture
def teacher(in_tmp_path: Path) -> str:
    """Folder of an untrained flow of two classes and the null class, 8x8 RGB, guidance 2."""
    pipeline_of(tiny_unet(3, 3), default_guidance_scale=2.0).save_pretrained(in_tmp_path / "teacher")
    return str(in_tmp_path / "teacher")


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "unet" / "diffusion_pytorch_model.safetensors")


@pytest.mark.parametrize(("scale", "mean"), [(1.0, MEANS[0]), (2.0, 2 * MEANS[0])])
def test_a_trajectory_ends_where_the_guided_flow_leads(scale, mean):
    noise = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    teacher = GuidedTeacher(GaussianFlow(), scale, null_class=2)
    drawn = teacher.draw(noise, torch.zeros(4, dtype=torch.long), 64)
    # each value keeps its place in the normal distribution: mean + SPREAD * noise
    torch.testing.assert_close(drawn, mean + SPREAD * noise, atol=0.02, rtol=0)


def test_guidance_can_be_limited_to_some_of_the_steps():
    noise, labels = torch.zeros(1, 3, 8, 8), torch.zeros(1, dtype=torch.long)

    def drawn(scale: float, *interval: float) -> float:
        return float(GuidedTeacher(GaussianFlow(), scale, 2, interval).draw(noise, labels, 4).mean())

    plain, guided = drawn(1.0, 0.0, 1.0), drawn(2.0, 0.0, 1.0)
    assert drawn(2.0, 0.0, 0.1) == plain
    assert drawn(2.0, 0.5, 1.0) not in (plain, guided)


def test_trajectories_are_drawn_by_class():
    labels = torch.tensor([0, 1, 1, 0, 1])
    noise = torch.randn(5, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    teacher = GuidedTeacher(GaussianFlow(), 1.0, 2)
    found = Trajectories.integrate(teacher, noise, labels, 8, batch_size=3)
    assert torch.equal(found.noise, noise)
    torch.testing.assert_close(found.ends, teacher.draw(noise, labels, 8))
    wanted = torch.tensor([1, 0] * 50)
    begun, end = found.draw(wanted, torch.Generator().manual_seed(0))
    rows = [int((noise == point).flatten(1).all(1).nonzero()[0]) for point in begun]
    assert torch.equal(labels[rows], wanted)
    assert torch.equal(found.ends[rows], end)
    assert set(rows) == {0, 1, 2, 3, 4}


def test_the_discriminator_has_more_to_say_the_later_it_is(teacher, in_tmp_path, monkeypatch):
    assert [adversarial_factor(progress) for progress in (0, 0.3, 0.65, 1)] == pytest.approx([0.1, 0.1, 0.55, 1])
    config = settings(in_tmp_path, teacher, {"adversarial_weight": 2.0}, max_train_steps=4, train_batch_size=4)
    trainer = DistillationTrainer(config, load_data(config.data))
    assert trainer.adversary is not None
    monkeypatch.setattr(trainer.adversary, "loss", lambda *arguments: torch.tensor(1.0, requires_grad=True))
    monkeypatch.setattr(distillation, "pseudo_huber", lambda *arguments: torch.tensor(0.5, requires_grad=True))
    trainer.trajectories = trainer._integrate_trajectories()
    losses = [trainer._optimizer_step(progress)[0] for progress in (0.0, 0.65, 1.0)]
    assert losses == pytest.approx([0.7, 1.6, 2.5])


def test_trajectories_take_time_from_the_training_but_none_of_its_schedule(teacher, in_tmp_path, monkeypatch):
    config = settings(in_tmp_path, teacher, max_train_steps=None, max_train_minutes=1.0)
    trainer = DistillationTrainer(config, load_data(config.data))
    shares: list[float] = []

    def step(progress: float) -> tuple[float, float, float]:
        shares.append(progress)
        trainer.state.step, trainer.state.images = trainer.state.step + 1, trainer.state.images + 16
        trainer.state.seconds = {1: 50.0}.get(trainer.state.step, 60.0)
        return 0.5, 1.0, 0.0

    monkeypatch.setattr(trainer, "_optimizer_step", step)
    monkeypatch.setattr(distillation, "time", SimpleNamespace(perf_counter=iter([0.0, 40.0]).__next__))
    metrics = trainer.fit().metrics
    assert shares == [0.0, pytest.approx(0.5, abs=0.01)]
    assert metrics["train_seconds"] == pytest.approx(60, abs=1)
    assert metrics["images_per_second"] == pytest.approx(32 / 20, rel=0.05)


def test_trajectories_that_take_all_of_the_time_are_an_error(teacher, in_tmp_path, monkeypatch):
    config = settings(in_tmp_path, teacher, max_train_steps=None, max_train_minutes=1.0)
    trainer = DistillationTrainer(config, load_data(config.data))
    monkeypatch.setattr(distillation, "time", SimpleNamespace(perf_counter=iter([0.0, 90.0]).__next__))
    with pytest.raises(SpriteError, match=r"alone took 1\.5 of the 1 minutes of --max_train_minutes.*now 32"):
        trainer.fit()
    assert not list((in_tmp_path / "student").glob("checkpoint-*"))


def test_one_step_of_the_student_lands_where_the_teachers_ode_ends(in_tmp_path, monkeypatch):
    monkeypatch.setattr(distillation, "load_teacher", lambda source: pipeline_of(GaussianFlow().requires_grad_(False)))
    options = {"student_steps": 1, "teacher_steps": 32, "num_trajectories": 64, "adversarial_weight": 0.0}
    config = settings(
        in_tmp_path, distill=options, lr_scheduler="cosine", max_train_steps=60, learning_rate=0.03, logging_steps=100
    )
    trainer = DistillationTrainer(config, load_data(config.data))
    noise = torch.randn(8, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    wanted = torch.tensor([MEANS[0]] * 4 + [MEANS[1]] * 4).view(-1, 1, 1, 1) + SPREAD * noise

    def error() -> float:
        drawn = trainer.pipeline()([0] * 4 + [1] * 4, latents=noise, output_type="latent").images
        return float((drawn - wanted).square().mean().sqrt())

    assert error() == pytest.approx(SPREAD, abs=0.02)  # one step of the teacher draws the mean
    trainer.fit()
    assert error() < 0.02
    assert trainer.unet.slope.item() == pytest.approx(SPREAD, abs=0.02)


def test_training_draws_as_the_pipeline_does(teacher, in_tmp_path):
    trainer = DistillationTrainer(config := settings(in_tmp_path, teacher), load_data(config.data))
    noise, labels = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1])
    with torch.no_grad():
        guesses = trainer._guesses(noise, labels, 2)
        (alone,) = trainer._guesses(noise, labels, 1)
    assert len(guesses) == 2
    assert torch.equal(alone, guesses[0])
    for steps, guess in ((1, guesses[0]), (2, guesses[1])):
        drawn = trainer.pipeline()(labels, latents=noise, num_inference_steps=steps, output_type="latent").images
        torch.testing.assert_close(drawn, guess)


@pytest.mark.parametrize(
    ("share", "steps"),
    [(1.0, [2, 2, 2, 2, 2]), (0.5, [2, 1, 2, 1, 2]), (0.4, [2, 1, 1, 2, 1]), (0.01, [2, 1, 1, 1, 1])],
)
def test_a_share_of_the_updates_draws_in_all_steps(teacher, in_tmp_path, monkeypatch, share, steps):
    config = settings(in_tmp_path, teacher, {"all_steps_share": share, "adversarial_weight": 0.0}, train_batch_size=4)
    trainer = DistillationTrainer(config, load_data(config.data))
    trainer.trajectories = trainer._integrate_trajectories()
    drawn: list[int] = []
    guesses = trainer._guesses
    monkeypatch.setattr(
        trainer, "_guesses", lambda noise, labels, count: drawn.append(count) or guesses(noise, labels, count)
    )
    for number in range(5):
        trainer.training_step(number)
    assert drawn == steps


def test_a_student_without_a_limit_is_the_teacher():
    teacher = tiny_unet(3, 3)
    for limit in (None, 1000):
        student = build_student(teacher, limit)
        assert all(torch.equal(*pair) for pair in zip(student.parameters(), teacher.parameters(), strict=True))
        assert all(parameter.requires_grad for parameter in student.parameters())


@pytest.mark.parametrize("shift", ["default", "scale_shift"])
def test_a_narrow_student_keeps_the_first_channels_of_what_each_layer_reads_and_writes(shift):
    teacher = UNet2DModel(
        8, 3, 3, block_out_channels=(8, 16, 24), layers_per_block=2, norm_num_groups=4, resnet_time_scale_shift=shift,
        down_block_types=["DownBlock2D", "AttnDownBlock2D", "DownBlock2D"], attention_head_dim=4,
        up_block_types=["UpBlock2D", "AttnUpBlock2D", "UpBlock2D"], num_class_embeds=3,
    )  # fmt: skip
    for parameter in teacher.parameters():  # each value says from which place of which dimension it comes
        places = torch.meshgrid(*(torch.arange(size) for size in parameter.shape), indexing="ij")
        parameter.data = sum(100**power * place for power, place in enumerate(places[:2])).float()
    student = build_student(teacher, 8)
    assert student.config.block_out_channels == [8, 8, 8]
    widened = student.up_blocks[1].resnets[0]  # reads 24 channels from below and 16 from the way down in the teacher
    from_teacher = [*range(8), *range(24, 32)]
    torch.testing.assert_close(widened.norm1.weight.data, torch.tensor(from_teacher).float())
    kernel = teacher.up_blocks[1].resnets[0].conv1.weight[:8, from_teacher] * (40 / 16) ** 0.5
    torch.testing.assert_close(widened.conv1.weight.data, kernel.data)
    last = student.up_blocks[1].resnets[2]  # 16 of its own, 8 from the first resolution
    torch.testing.assert_close(last.norm1.weight.data, torch.tensor([*range(8), *range(16, 24)]).float())
    projected = student.down_blocks[2].resnets[1].time_emb_proj.bias.data
    rows = [*range(8), *range(24, 32)] if shift == "scale_shift" else range(8)
    torch.testing.assert_close(projected, torch.tensor([*rows]).float())
    drawn = student(torch.randn(2, 3, 8, 8), 500, torch.tensor([0, 1]), return_dict=False)[0]
    assert drawn.shape == (2, 3, 8, 8)


@pytest.mark.parametrize("limit", [None, 8])
def test_a_student_without_attention_keeps_the_rest(limit):
    teacher = UNet2DModel(8, block_out_channels=(8, 16), down_block_types=["DownBlock2D"] * 2, attention_head_dim=4,
                          up_block_types=["UpBlock2D"] * 2, norm_num_groups=4)  # fmt: skip
    student = build_student(teacher, limit, mid_attention=False)
    assert student.mid_block.attentions[0] is None
    assert not [name for name in student.state_dict() if "attentions" in name]
    width = limit or 16
    kernel = teacher.down_blocks[0].resnets[0].conv1.weight
    torch.testing.assert_close(student.down_blocks[0].resnets[0].conv1.weight, kernel)
    assert student.mid_block.resnets[0].conv1.weight.shape == (width, width, 3, 3)


def test_a_narrow_student_is_trained_and_published(teacher, in_tmp_path):
    config = settings(
        in_tmp_path, teacher, {"student_max_channels": 8, "student_mid_attention": False}, max_train_steps=2
    )
    fit_distillation(config)
    student = ClassCondPipeline.from_pretrained(in_tmp_path / "student")
    assert max(student.unet.config.block_out_channels) == 8
    assert not student.unet.config.add_attention
    assert student("food").images[0].size == (8, 8)


def test_channels_that_cannot_be_are_refused():
    with pytest.raises(
        SpriteError, match="--student_max_channels 8 was given, but the teacher's network is a GaussianFlow"
    ):
        build_student(GaussianFlow(), 8)
    with pytest.raises(SpriteError, match="--no_student_mid_attention was given, but the"):
        build_student(GaussianFlow(), None, mid_attention=False)
    with pytest.raises(SpriteError, match="is 6, but must be a multiple of 4, the teacher's norm_num_groups"):
        build_student(UNet2DModel(8, block_out_channels=(8, 16), down_block_types=["DownBlock2D"] * 2, norm_num_groups=4,
                                  up_block_types=["UpBlock2D"] * 2), 6)  # fmt: skip
    with pytest.raises(SpriteError, match="--student_max_channels is 0"):
        DistillConfig(teacher="teacher", student_max_channels=0)


def test_pseudo_huber_is_square_near_and_linear_far():
    zero = torch.zeros(1, 3, 8, 8)
    assert float(pseudo_huber(zero, zero + 1e-3, 0.1)) == pytest.approx(1e-6 / 0.2, rel=1e-2)
    assert float(pseudo_huber(zero, zero + 10, 0.1)) == pytest.approx(9.9, rel=1e-3)


def test_a_run_leaves_a_pipeline_of_the_same_class_that_draws_in_one_and_two_steps(teacher, in_tmp_path):
    result = fit_distillation(settings(in_tmp_path, teacher))
    student = ClassCondPipeline.from_pretrained(result.output_dir)
    assert student.config.default_num_inference_steps == 2
    assert student.config.default_guidance_scale == 1.0
    assert type(student.scheduler).__name__ == "FlowMatchEulerDiscreteScheduler"
    assert list(student.labels) == list(CLASSES)
    for steps in (1, 2):
        generator = torch.Generator().manual_seed(0)
        drawn = student("food", num_inference_steps=steps, generator=generator, output_type="latent").images
        assert student.num_timesteps == steps
        noise = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
        if steps == 1:
            velocity = student.unet(noise, torch.tensor(1000.0), torch.tensor([0])).sample
            torch.testing.assert_close(drawn, noise - velocity)
    assert not torch.equal(weights(result.output_dir)["conv_in.weight"], weights(Path(teacher))["conv_in.weight"])
    card = (result.output_dir / "README.md").read_text()
    assert "guidance 2, 32 trajectories of 4 steps" in card
    assert "fd_pca20" in card
    assert result.metrics["validation_loss"] > 0


def test_a_teacher_that_sees_patches(in_tmp_path):
    options = {"patch_size": 2, "image_size": 8, "default_guidance_scale": 2.0}
    pipeline_of(tiny_unet(12, 3), **options).save_pretrained(in_tmp_path / "teacher")
    trainer = DistillationTrainer(
        config := settings(in_tmp_path, str(in_tmp_path / "teacher")), load_data(config.data)
    )
    assert trainer.train_data.pixels.shape[1:] == (16, 16, 3)
    assert trainer.adversary.network.config.sample_size == 16
    trainer.fit()
    student = ClassCondPipeline.from_pretrained(in_tmp_path / "student")
    assert (student.patch_size, student.latent_shape) == (2, (12, 8, 8))
    assert student("food").images[0].size == (8, 8)


def test_a_resumed_run_is_the_uninterrupted_one(teacher, in_tmp_path, monkeypatch):
    options = {"checkpointing_steps": 4, "use_ema": True, "run_name": "whole"}
    whole = fit_distillation(settings(in_tmp_path, teacher, **options))
    before = weights(whole.output_dir)
    train = DistillationTrainer.training_step

    def killed(self, micro_step):
        if micro_step == 5:
            raise RuntimeError("killed")
        return train(self, micro_step)

    first = settings(in_tmp_path, teacher, **options | {"run_name": "parts"})
    monkeypatch.setattr(DistillationTrainer, "training_step", killed)
    with pytest.raises(RuntimeError, match="killed"):
        fit_distillation(first)
    monkeypatch.setattr(DistillationTrainer, "training_step", train)
    second = settings(in_tmp_path, teacher, **options | {"run_name": "parts"})
    second = replace(second, trainer=replace(second.trainer, resume_from_checkpoint="latest"))
    after = weights(fit_distillation(second).output_dir)
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())


def test_the_adversary_learns_and_pulls_the_student(teacher, in_tmp_path):
    config = settings(in_tmp_path, teacher, distill={"diff_augment": []})
    trainer = DistillationTrainer(config, load_data(config.data))
    adversary = trainer.adversary
    rng = torch.Generator().manual_seed(0)
    labels = torch.tensor([0, 1] * 8)
    real, fake = torch.full((16, 3, 8, 8), 0.5), torch.full((16, 3, 8, 8), -0.5, requires_grad=True)
    figures = [adversary.update(number, 1.0, real, fake, labels, rng) for number in range(20)]
    assert fake.grad is None
    assert figures[-1]["discriminator_loss"] < 0.5 * figures[0]["discriminator_loss"]
    assert figures[-1]["discriminator_accuracy"] == 1.0
    loss = adversary.loss(real, fake, labels, rng)
    loss.backward()
    assert float(fake.grad.mean()) < 0  # brighter sprites, like the real ones, lower the loss
    assert all(parameter.grad is None for parameter in adversary.network.parameters())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"teacher": ""}, "--teacher is missing"),
        ({"student_steps": 0}, "--student_steps is 0, but must be above 0"),
        ({"all_steps_share": 0.0}, "--all_steps_share is 0.0, but must be above 0 and at most 1"),
        ({"adversarial_weight": -1.0}, "--adversarial_weight is -1.0, but must be 0 or more"),
        ({"teacher_guidance_scale": 0.5}, "--teacher_guidance_scale is 0.5, but must be 1"),
        ({"diff_augment": ["blur"]}, "--diff_augment has 'blur'"),
    ],
)
def test_settings_that_cannot_be(options, message):
    with pytest.raises(SpriteError, match=message):
        DistillConfig(**{"teacher": "teacher"} | options)


def test_teachers_that_cannot_be_distilled(in_tmp_path):
    folder = in_tmp_path / "other"
    with pytest.raises(SpriteError, match="holds no pipeline"):
        distillation.load_teacher(str(folder))
    SpriteDDPMPipeline(tiny_unet(3), DDIMScheduler()).save_pretrained(folder)
    with pytest.raises(SpriteError, match="is a SpriteDDPMPipeline, but only a ClassCondPipeline"):
        distillation.load_teacher(str(folder))
    noise = ClassCondPipeline(tiny_unet(3, 3), DDIMScheduler(), {"0": "food", "1": "side-facing"})
    noise.save_pretrained(in_tmp_path / "noise")
    with pytest.raises(SpriteError, match="predicts 'epsilon', but only a flow"):
        distillation.load_teacher(str(in_tmp_path / "noise"))


def test_data_and_guidance_that_do_not_fit_the_teacher(teacher, in_tmp_path):
    report = SimpleNamespace(image_size=8, mode="RGB", class_names=list(CLASSES))
    known = distillation.load_teacher(teacher)
    for change, message in (
        ({"image_size": 16}, "draws 8x8 RGB sprites, but those of --dataset mine are 16x16 RGB"),
        ({"mode": "RGBA"}, "are 8x8 RGBA"),
        ({"class_names": ["food"]}, "draws the classes food, side-facing, but --dataset mine has food"),
        ({"class_names": None}, "--dataset mine has none"),
    ):
        other = SimpleNamespace(**vars(report) | change)
        with pytest.raises(SpriteError, match=message):
            distillation.check_data(known, teacher, other, "mine")
    distillation.check_data(known, teacher, report, "mine")
    with pytest.raises(SpriteError, match="--teacher_guidance_scale is 2, but the teacher was trained without a null"):
        GuidedTeacher(known.unet, 2.0, None)
    config = settings(in_tmp_path, teacher, distill={"num_trajectories": 1})
    with pytest.raises(SpriteError, match="--num_trajectories is 1, but the teacher has 2 classes"):
        DistillationTrainer(config, load_data(config.data)).fit()
