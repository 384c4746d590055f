"""The RL trainer on networks of random weights: it learns a toy reward, resumes exactly, and says why it cannot go on."""

from __future__ import annotations

import csv
import math

import pytest
import torch
from diffusers import DDIMScheduler

from sprite_diffusers.errors import SpriteError
from sprite_diffusers.pipelines import ClassCondPipeline, SpriteDDPMPipeline
from sprite_diffusers.rewards import Calibration, DifferentiableReward
from sprite_diffusers.trainers.rl.lora import without_lora
from sprite_diffusers.trainers.rl.settings import RewardConfig, RLConfig, build_rewards
from sprite_diffusers.trainers.rl.trainer import RLTask, RLTrainer
from tests.conftest import tiny_unet
from tests.pipelines import pokemon, test_index_palette, unclip
from tests.trainers.tiny import loop

PROMPTS = ["human", "food", "spell"]


class Brightness(DifferentiableReward):
    """Mean of red, green and blue."""

    def compute(self, images, prompts, **metadata):
        return images[:, :3].mean(dim=(1, 2, 3))


class Darkness(Brightness):
    """What brightness lacks."""

    def compute(self, images, prompts, **metadata):
        return 1 - super().compute(images, prompts, **metadata)


def redness(images, prompts, **columns):
    return [float(image[0].mean()) for image in images]


def sprites() -> ClassCondPipeline:
    """An RGB noise-prediction model of three classes and the null class."""
    id2label = {str(index): name for index, name in enumerate(PROMPTS)}
    scheduler = DDIMScheduler(prediction_type="v_prediction", beta_schedule="squaredcos_cap_v2")
    return ClassCondPipeline(tiny_unet(3, 4), scheduler, id2label, default_num_inference_steps=4)


def task(pipeline=None, rewards=None, **options) -> RLTask:
    rewards = [Brightness("brightness", background="white")] if rewards is None else rewards
    defaults = {"weights": None, "untrained": None, "train_prompts": PROMPTS, "eval_prompts": PROMPTS}
    return RLTask(pipeline or sprites(), rewards, **{**defaults, **options})


def settings(estimator: str = "nft", **options) -> RLConfig:
    defaults = {"prompts_per_rollout": 3, "num_images_per_prompt": 16, "timestep_fraction": 1.0, "lora_rank": 4, "eval_images_per_prompt": 4,
                "per_prompt_min_count": 4, "per_prompt_buffer_size": 32, "clip_range": 0.1}  # fmt: skip
    return RLConfig(estimator=estimator, **{**defaults, **options})


def trainer(tmp_path, estimator: str = "nft", rl: dict | None = None, the_task: RLTask | None = None, **options):
    defaults = {"learning_rate": 1e-2, "max_train_steps": 12, "validation_steps": 4, "train_batch_size": 32}
    return RLTrainer(
        loop(tmp_path / "run", **{**defaults, **options}), settings(estimator, **(rl or {})), the_task or task()
    )


@pytest.mark.parametrize("estimator", ["ddpo", "grpo", "rloo", "nft", "draft"])
def test_every_estimator_raises_a_toy_reward(tmp_path, estimator):
    tuner = trainer(tmp_path, estimator, {"kl_weight": 1e-3} if estimator in ("grpo", "draft") else None)
    result = tuner.fit()
    assert result.status == "finished"
    assert tuner.history[-1]["gain"] > 0.2  # standard deviations of the base
    assert result.metrics["reward_queries"] == 12 * 24
    assert {file.name for file in (tmp_path / "run").iterdir()} >= {
        "pytorch_lora_weights.safetensors", "calibration.json", "evaluations.csv", "rl.json", "samples.png",
    }  # fmt: skip
    with (tmp_path / "run" / "evaluations.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["queries"]) for row in rows] == [0, 96, 192, 288]


def test_a_new_lora_is_the_base_and_a_tuned_one_can_be_turned_off(tmp_path):
    tuner = trainer(tmp_path)
    base = tuner.base_evaluation.images
    tuner.fit()
    assert not torch.equal(tuner._evaluate().images, base)
    with without_lora(tuner.policy.network):
        assert torch.equal(tuner._evaluate().images, base)


def test_the_lora_loads_into_a_plain_pipeline(tmp_path):
    tuner = trainer(tmp_path)
    tuner.fit()
    labels = torch.arange(3)
    sample, time = torch.ones(3, 3, 8, 8), torch.tensor(500)
    tuned = tuner.policy(sample, time, {"labels": labels})
    plain = sprites()
    plain.load_lora_weights(tmp_path / "run")
    torch.testing.assert_close(plain.predict(sample, time, labels, False), tuned)


@pytest.mark.parametrize("estimator", ["ddpo", "nft", "draft"])
@pytest.mark.parametrize("killed_at", [3, 4])  # within a rollout, and between two
def test_a_killed_run_resumes_to_the_same_curve(tmp_path, estimator, killed_at):
    small = {"num_images_per_prompt": 4, "eval_images_per_prompt": 2}
    options = {"max_train_steps": 6, "validation_steps": 2, "checkpointing_steps": killed_at}
    whole = trainer(tmp_path / "whole", estimator, small, **options)
    whole.fit()
    trainer(tmp_path, estimator, small, **{**options, "max_train_steps": killed_at}).fit()
    torch.rand(5)  # another place in the global random numbers
    resumed = trainer(tmp_path, estimator, small, **options, resume_from_checkpoint="latest")
    resumed.fit()
    before = [row for row in resumed.history if row["step"] != killed_at or killed_at % 2 == 0]
    assert before == whole.history
    assert all(torch.equal(one, other) for one, other in zip(resumed.trained, whole.trained, strict=True))


def test_checkpoints_hold_the_lora_alone(tmp_path):
    tuner = trainer(tmp_path, checkpointing_steps=6)
    tuner.fit()
    stored = {file.name for file in (tmp_path / "run" / "checkpoint-6").iterdir() if file.is_file()}
    assert "lora.safetensors" in stored
    assert not any(name.startswith(("model", "pytorch_model")) for name in stored)


def test_a_run_that_never_gets_better_keeps_the_base(tmp_path):
    tuner = trainer(tmp_path, early_stopping_patience=2)
    tuner.is_better = lambda figures: False
    tuner.fit()
    assert torch.equal(tuner._evaluate().images, tuner.base_evaluation.images)


def test_a_better_evaluation_must_be_better_than_its_noise(tmp_path):
    tuner = trainer(tmp_path, early_stopping_patience=3)
    tuner.evaluation = tuner.base_evaluation
    assert not tuner.is_better({"loss": -math.inf})
    values = tuner.base_evaluation.rewards["brightness"]
    noisy = [value + (1.0 if index < 4 else -0.45) for index, value in enumerate(values)]
    tuner.base_evaluation.rewards["brightness"] = noisy
    assert not tuner.is_better({})  # a mean of +0.03, with one prompt up and two down
    tuner.base_evaluation.rewards["brightness"] = [value + 0.1 for value in values]
    assert tuner.is_better({})


def test_unclip_and_text_to_sprite_are_policies(tmp_path):
    captions = unclip.CAPTIONS[:2]
    for number, pipeline in enumerate((unclip.pipeline(), pokemon.pipeline())):
        tuner = trainer(
            tmp_path / str(number),
            "grpo",
            {
                "prompts_per_rollout": 2,
                "kl_weight": 0.1,
                "timestep_fraction": 1.0,
                "lora_target_modules": ["to_q", "conv1"],
            },
            task(pipeline, train_prompts=captions, eval_prompts=captions),
            max_train_steps=2,
        )
        start = [tensor.clone() for tensor in tuner.trained]
        tuner.fit()
        assert any(not torch.equal(one, other) for one, other in zip(start, tuner.trained, strict=True))
        assert tuner.num_steps == len(tuner.policy.scheduler.timesteps) - 1


def test_flow_and_unconditional_models_are_policies(tmp_path, class_cond):
    tuner = trainer(tmp_path / "flow", "grpo", the_task=task(class_cond), max_train_steps=2)
    assert tuner.policy.scheduler.__class__.__name__ == "FlowMatchEulerDiscreteScheduler"
    tuner.fit()
    plain = SpriteDDPMPipeline(tiny_unet(3), DDIMScheduler(), default_num_inference_steps=4)
    trainer(
        tmp_path / "plain", "rloo", the_task=task(plain, train_prompts=[""], eval_prompts=[""]), max_train_steps=2
    ).fit()


def test_models_of_indices_are_policies(tmp_path):
    pipe = test_index_palette.pipeline()
    prompts = list(pipe.labels)[:3]
    tuner = trainer(tmp_path / "classes", the_task=task(pipe, train_prompts=prompts, eval_prompts=prompts))
    tuner.fit()
    assert tuner.history[-1]["gain"] > 0.2
    palette = test_index_palette.PALETTE.hex
    unet = test_index_palette.unet(palette, True, patch_size=2)
    plain = SpriteDDPMPipeline(unet, pipe.scheduler, 3, patch_size=2, index_palette=palette)
    the_task = task(plain, train_prompts=[""], eval_prompts=[""])
    trainer(tmp_path / "plain", "rloo", the_task=the_task, max_train_steps=2).fit()


# ---- runs that cannot learn -----------------------------------------------------------------------------------------


def test_a_frozen_lora_ends_the_run(tmp_path):
    tuner = trainer(tmp_path)
    for parameter in tuner.trained:
        parameter.register_hook(torch.zeros_like)
    with pytest.raises(SpriteError, match="No gradient reaches the"):
        tuner.fit()


def test_weights_that_do_not_move_end_the_run(tmp_path):
    tuner = trainer(tmp_path)
    tuner.optimizer.step = lambda: None
    with pytest.raises(SpriteError, match=r"After 10 updates all .* raise --learning_rate"):
        tuner.fit()


def test_a_constant_reward_is_refused_before_training(tmp_path):
    def constant(images, prompts, **columns):
        return [1.0] * len(images)

    with pytest.raises(SpriteError, match=r"'constant' is 1 for every sample .* would teach nothing"):
        trainer(tmp_path, the_task=task(rewards=[constant]))


def test_a_reward_that_turns_constant_ends_the_run(tmp_path):
    class Tiring:
        name, version, calls = "tiring", "1", 0

        def __call__(self, images, prompts, **columns):
            self.calls += 1
            return [float(index) if self.calls < 3 else 1.0 for index in range(len(images))]

    with pytest.raises(SpriteError, match="equal rewards in each of 3 rollouts"):
        trainer(tmp_path, the_task=task(rewards=[Tiring()]), validation_steps=100).fit()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda images: [math.nan] * len(images), "returned nan for image 0"),
        (lambda images: 1 / 0, "'broken' failed .ZeroDivisionError"),
        (lambda images: [1.0], "returned 1 values for 12 images"),
    ],
)
def test_a_broken_scorer_is_named(tmp_path, answer, message):
    def broken(images, prompts, **columns):
        return answer(images)

    with pytest.raises(SpriteError, match=message):
        trainer(tmp_path, the_task=task(rewards=[broken]))


def test_balanced_rewards_are_not_bought_with_each_other(tmp_path):
    """Brightness, of three quarters of the weight, against darkness: their sum is for one, their soft minimum for neither."""

    def gain(balance: float) -> float:
        brightness = Brightness("brightness", background="white")
        darkness = Darkness("darkness", background="white")
        rewards = task(rewards=[brightness, darkness], weights=[0.75, 0.25])
        tuner = trainer(tmp_path / str(balance), "nft", {"reward_balance": balance}, rewards, validation_steps=2)
        tuner.fit()
        return tuner.history[-1]["rewards/brightness"] - tuner.history[0]["rewards/brightness"]

    plain, balanced = gain(0.0), gain(10.0)
    assert plain > 1.0
    assert abs(balanced) < 0.3 * plain


def test_weights_must_be_as_many_as_rewards(tmp_path):
    with pytest.raises(SpriteError, match=r"2 reward weights \(1.0, 2.0\) for 1 rewards \(brightness\)"):
        trainer(tmp_path, the_task=task(weights=[1.0, 2.0]))


def test_gaming_the_reward_ends_the_run(tmp_path):
    """Brightness rises, darkness falls, and all images become white."""

    def darkness(images, prompts, **columns):
        return [1 - float(image[:3].mean()) for image in images]

    the_task = task(untrained=darkness)
    with pytest.raises(SpriteError, match="the model is gaming the reward"):
        trainer(
            tmp_path, "draft", {"min_diversity": 0.9, "max_held_out_drop": 0.2}, the_task, max_train_steps=60,
            validation_steps=2,
        ).fit()  # fmt: skip


def test_draft_needs_gradients_of_reward_and_images(tmp_path):
    with pytest.raises(SpriteError, match="redness has none"):
        trainer(tmp_path, "draft", the_task=task(rewards=[redness]))
    with pytest.raises(SpriteError, match="indices of a palette, which have none: give --estimator nft"):
        trainer(tmp_path, "draft", the_task=task(test_index_palette.pipeline()))


def test_unknown_classes_and_empty_prompts_are_refused(tmp_path):
    with pytest.raises(SpriteError, match="'dragon' is no class of the model: give human, food, spell"):
        trainer(tmp_path, the_task=task(train_prompts=["dragon"]))
    with pytest.raises(SpriteError, match="0 prompts to train on"):
        trainer(tmp_path, the_task=task(train_prompts=[]))


def test_another_calibration_is_refused(tmp_path):
    known = Calibration.measure({"redness": [0.1, 0.2, 0.4]}, [redness])
    with pytest.raises(SpriteError, match="'brightness' is not calibrated"):
        trainer(tmp_path, the_task=task(calibration=known))


def test_a_model_that_diverges_ends_the_run(tmp_path):
    with pytest.raises(SpriteError, match=r"draws NaN .* lower --learning_rate"):
        trainer(tmp_path, "rloo", learning_rate=1e30, max_grad_norm=1e9).fit()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_images_per_prompt": 1}, "--num_images_per_prompt 1 with --estimator nft"),
        ({"estimator": "ddpo", "lora_dropout": 0.1}, "--lora_dropout 0.1 with --estimator ddpo"),
        ({"updates_per_rollout": 7}, "--updates_per_rollout 7 does not divide the 128 images"),
        ({"timestep_fraction": 0.0}, "--timestep_fraction is 0.0"),
        ({"lora_rank": 0}, "--lora_rank is 0"),
        ({"nft_beta": 0}, "--nft_beta is 0"),
    ],
)
def test_settings_that_cannot_be(options, message):
    with pytest.raises(SpriteError, match=message):
        RLConfig(**options)


def test_layers_that_are_not_there_are_listed(tmp_path):
    with pytest.raises(SpriteError, match=r"--lora_target_modules nowhere: .* it has .*conv1, conv2"):
        trainer(tmp_path, rl={"lora_target_modules": ["nowhere"]})


def test_rewards_from_settings():
    config = RewardConfig(
        rewards=["palette_fit", "symmetry"], palette=["#ff0000", "#000000"], untrained_reward="hard_edges"
    )
    trained, watching = build_rewards(config, "cpu")
    assert [reward.name for reward in trained] == ["palette_fit", "symmetry"]
    assert watching.name == "hard_edges"
    assert build_rewards(RewardConfig(rewards=["symmetry"], untrained_reward="none"), "cpu")[1] is None
    for options, message in (
        ({"rewards": ["beauty"]}, "the reward 'beauty' is unknown: give aesthetic"),
        ({"rewards": []}, "--rewards is empty"),
        ({"rewards": ["symmetry"], "untrained_reward": "symmetry"}, "is one of --rewards"),
        ({"rewards": ["class_probability"]}, "needs --reward_classifier"),
    ):
        with pytest.raises(SpriteError, match=message):
            build_rewards(RewardConfig(**options), "cpu")
