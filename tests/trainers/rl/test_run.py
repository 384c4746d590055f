"""One tuning from settings to a folder that loads."""

from __future__ import annotations

import pytest

from sprite_diffusers.errors import SpriteError
from sprite_diffusers.pipelines import ClassCondPipeline
from sprite_diffusers.trainers.rl.run import PromptConfig, RLSettings, fit_rl
from sprite_diffusers.trainers.rl.settings import RewardConfig, RLConfig
from tests.pipelines import pokemon
from tests.trainers.tiny import loop


def settings(pipeline, output_dir, rewards: dict | None = None, prompts: str | None = None) -> RLSettings:
    tuning = {"prompts_per_rollout": 3, "num_images_per_prompt": 4, "updates_per_rollout": 1, "lora_rank": 2,
              "eval_images_per_prompt": 2}  # fmt: skip
    chosen = {"rewards": ["palette_fit"], "untrained_reward": "compressibility", "num_colors": 4, **(rewards or {})}
    source = PromptConfig(pipeline=str(pipeline), prompts=prompts)
    return RLSettings(
        loop(output_dir, max_train_steps=2, validation_steps=1), RLConfig(**tuning), RewardConfig(**chosen), source
    )


def test_classes_are_the_prompts_of_a_class_conditional_pipeline(tmp_path, class_cond, capsys):
    class_cond.save_pretrained(tmp_path / "base")
    result = fit_rl(settings(tmp_path / "base", tmp_path / "run"))
    assert result.metrics["reward_queries"] == 2 * 12
    assert f"LoRA:    {tmp_path / 'run'}" in capsys.readouterr().out
    card = (tmp_path / "run" / "README.md").read_text(encoding="utf-8")
    assert "the 3 classes that early stopping looked at" in card
    assert "pipe('human', num_images_per_prompt=4)" in card
    assert "compressibility (untrained)" in card
    pipeline = ClassCondPipeline.from_pretrained(tmp_path / "base")
    pipeline.load_lora_weights(tmp_path / "run")
    assert len(pipeline("food").images) == 1


def test_texts_are_needed_where_there_are_no_classes(tmp_path):
    pokemon.pipeline().save_pretrained(tmp_path / "base")
    with pytest.raises(SpriteError, match="--prompts is missing: a PokemonLDMPipeline is tuned on texts"):
        fit_rl(settings(tmp_path / "base", tmp_path / "run"))
    assert not (tmp_path / "run").exists()
    with pytest.raises(SpriteError, match="--pipeline is missing"):
        PromptConfig()


def test_only_our_pipelines_are_tuned(tmp_path):
    with pytest.raises(SpriteError, match="holds no pipeline"):
        fit_rl(settings(tmp_path / "nothing", tmp_path / "run"))
