"""A whole study on an unCLIP of random weights: search, folds, test, what it leaves, and what it refuses."""

from __future__ import annotations

import csv
import json

import pytest

from sprite_diffusers.errors import SpriteError
from sprite_diffusers.pipelines import SpriteUnCLIPPipeline
from sprite_diffusers.trainers.rl.run import PromptConfig
from sprite_diffusers.trainers.rl.settings import RewardConfig, RLConfig
from sprite_diffusers.trainers.rl.study.run import Study, StudyConfig, StudySettings
from tests.pipelines import unclip
from tests.trainers.tiny import loop

REWARDS = {"rewards": ["symmetry", "palette_fit"], "reward_weights": [0.7, 0.3], "untrained_reward": "compressibility"}
THINGS = (
    "lizard",
    "turtle",
    "sword",
    "castle",
    "apple",
    "ghost",
    "dragon",
    "potion",
    "wizard",
    "lantern",
    "bridge",
    "drum",
)


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("unclip")
    no_super_res = {"super_res_first": None, "super_res_last": None, "super_res_scheduler": None}
    unclip.pipeline(**no_super_res).save_pretrained(folder / "base")
    prompts = "\n".join(f"{color} {thing}" for color, thing in zip(("red", "blue", "old") * 4, THINGS, strict=True))
    (folder / "prompts.txt").write_text(prompts + "\n", encoding="utf-8")
    return str(folder)


def settings(
    base: str, output_dir, rl: dict | None = None, rewards: dict | None = None, study: dict | None = None, **trainer
):
    steps = {"max_train_steps": 2, "validation_steps": 2, "train_batch_size": 64, "checkpointing_steps": 1}
    tuning = {"prompts_per_rollout": 2, "num_images_per_prompt": 4, "updates_per_rollout": 1, "lora_rank": 2,
              "eval_images_per_prompt": 2, "prior_images_per_prompt": 2, "lora_target_modules": ["to_q", "conv1"]}  # fmt: skip
    return StudySettings(
        loop(output_dir, **{**steps, **trainer}),
        RLConfig(**{**tuning, **(rl or {})}),
        RewardConfig(**{**REWARDS, **(rewards or {})}),
        PromptConfig(pipeline=f"{base}/base", prompts=f"{base}/prompts.txt"),
        StudyConfig(**{"folds": 2, "num_trials": 2, **(study or {})}),
    )


def test_a_study_leaves_everything(base, tmp_path):
    folder = tmp_path / "study"
    study = Study(settings(base, folder))
    prompts = [prompt for fold in study.split.folds for prompt in fold]
    assert len(study.split.test) == 1
    assert not set(study.split.test) & set(prompts)
    assert study.run() == folder / "final"
    assert {path.name for path in folder.iterdir()} == {
        "trial_000", "trial_001", "fold-0", "fold-1", "final", "calibration.json", "search.json", "search.png",
        "curves.png", "fold-0.csv", "fold-1.csv", "test.csv", "results.md", "study.json",
    }  # fmt: skip
    with (folder / "fold-1.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["prompt"] for row in rows] == [prompt for prompt in study.split.folds[1] for _ in range(2)]
    found = json.loads((folder / "study.json").read_text(encoding="utf-8"))
    by_prompt = {prompt: [float(row["composite_tuned"]) - float(row["composite_base"]) for row in rows if row["prompt"] == prompt]
                 for prompt in study.split.folds[1]}  # fmt: skip
    mean = sum(sum(values) / len(values) for values in by_prompt.values()) / len(by_prompt)
    assert found["folds"][1]["composite"]["mean"] == pytest.approx(mean)
    trials = json.loads((folder / "search.json").read_text(encoding="utf-8"))["trials"]
    assert trials[0]["settings"]["reward_weights"] == {"symmetry": 0.7, "palette_fit": 0.3}
    assert trials[0]["settings"] != trials[1]["settings"]
    card = (folder / "final" / "README.md").read_text(encoding="utf-8")
    assert "load_lora_weights" in card
    assert "| symmetry |" in card
    pipeline = SpriteUnCLIPPipeline.from_pretrained(f"{base}/base")
    pipeline.load_lora_weights(folder / "final")
    assert pipeline.get_active_adapters()


def test_a_study_goes_on_where_it_was(base, tmp_path, monkeypatch):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    alone = {"num_trials": 1}
    Study(settings(base, whole, study=alone)).run()
    killed = Study(settings(base, cut, study=alone))
    compare = killed._compare

    def die_in_the_second_fold(folder, prompts, seed):
        if folder.name == "fold-1":
            raise KeyboardInterrupt
        return compare(folder, prompts, seed)

    monkeypatch.setattr(killed, "_compare", die_in_the_second_fold)
    with pytest.raises(KeyboardInterrupt):
        killed.run()
    with pytest.raises(SpriteError, match="already holds a study: go on by --resume"):
        Study(settings(base, cut, study=alone))
    Study(settings(base, cut, study={**alone, "resume": True})).run()
    assert (cut / "study.json").read_text() == (whole / "study.json").read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"study": {"folds": 12}}, "--folds 12 takes 13 prompts that differ"),
        ({"rewards": {"reward_weights": [1.0]}}, r"1 reward weights \(1.0\) for 2 rewards"),
        ({"rewards": {"rewards": ["beauty"], "reward_weights": None}}, "the reward 'beauty' is unknown"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_written(base, tmp_path, options, message):
    with pytest.raises(SpriteError, match=message):
        Study(settings(base, tmp_path / "study", **options))
    assert not (tmp_path / "study").exists()


def test_one_prompt_is_too_few(base, tmp_path):
    one = tmp_path / "one.txt"
    one.write_text("a red lizard\n", encoding="utf-8")
    given = settings(base, tmp_path / "study")
    source = PromptConfig(pipeline=f"{base}/base", prompts=str(one))
    with pytest.raises(SpriteError, match="1 prompts in 1 groups"):
        Study(StudySettings(given.trainer, given.rl, given.rewards, source, given.study))
