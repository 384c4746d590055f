"""The card of a LoRA."""

from __future__ import annotations

import math

from sprite_diffusers.trainers.rl.card import lora_card


def test_card_of_a_lora():
    settings = {
        "estimator": "nft", "lora_rank": 8, "lora_alpha": 16, "learning_rate": 1e-3,
        "reward_weights": {"clip": 0.5, "hps": 0.25, "off": 0.0},
    }  # fmt: skip
    facts = {"judged_on": "120 prompts", "prompts": "1,080 prompts", "picture": "samples.png", "steps": 50, "queries": 12800,
             "curves": True}  # fmt: skip
    arguments = ("SpriteUnCLIPPipeline", "data/prompts.txt", "a 'red' cat", settings, {"clip": 0.5}, "| reward |\n")
    card = lora_card("me/my-lora", "kakaobrain/karlo-v1-alpha", *arguments, **facts)
    assert card.data.base_model == "kakaobrain/karlo-v1-alpha"
    assert card.data.library_name == "diffusers"
    assert card.data.pipeline_tag == "text-to-image"
    assert "lora" in card.data.tags
    assert card.data.eval_results[0].metric_value == 0.5
    assert "base_model: kakaobrain/karlo-v1-alpha" in card.content
    for text in ('load_lora_weights("me/my-lora")', "pipe(\"a 'red' cat\", num", "towards clip and hps.", "12,800 images",
                 "rank 8, alpha 16, learning rate 0.001; reward weights clip 0.5, hps 0.25", "| reward |", "curves.png", "On 120 prompts:",
                 "- Prompts: 1,080 prompts.", "(samples.png)"):  # fmt: skip
        assert text in card.content
    assert "{{" not in card.content
    local = lora_card("my-lora", "/models/unclip", *arguments, **{**facts, "curves": False})
    assert local.data.base_model is None
    assert "curves.png" not in local.content
    assert not math.isnan(local.data.eval_results[0].metric_value)
