"""The model card of a LoRA that was tuned by rewards."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from huggingface_hub import ModelCard

from ... import hub

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def lora_card(
    repo_id: str,
    base: str,
    pipeline: str,
    dataset: str,
    prompt: str,
    settings: Mapping[str, Any],
    gains: Mapping[str, float],
    results: str,
    **facts: Any,
) -> ModelCard:
    """A card from ``hub_cards/lora.md``, with the base model in its metadata if that is on the Hub.

    Args:
        repo_id: of the LoRA, or the name of its folder.
        base: folder or Hub id of the pipeline it is for.
        pipeline: class of that pipeline.
        dataset: source of the prompts.
        prompt: an example.
        settings: of the training: ``estimator``, ``lora_rank``, ``lora_alpha``, ``learning_rate``, and ``reward_weights`` by
            reward.
        gains: on the test prompts, by reward, for the ``model-index``.
        results: Markdown, see `outputs.results_table`.
        facts: ``judged_on`` and ``prompts``, what was judged on and trained on, in words; ``picture``, a file; ``steps`` and
            ``queries``, as numbers; and ``curves``, whether there is a ``curves.png`` to show.
    """
    weights = {name: weight for name, weight in settings["reward_weights"].items() if weight}
    counts = {name: f"{facts[name]:,}" for name in ("steps", "queries")}
    words = {name: facts[name] for name in ("judged_on", "prompts", "picture")}
    card = hub.model_card(
        "lora",
        model_name=repo_id.rstrip("/").split("/")[-1],
        dataset=dataset.rstrip("/").split("/")[-1],
        results={f"gain_{name}": gain for name, gain in gains.items()},
        tags=["lora", "reinforcement-learning", str(settings["estimator"])],
        repo_id=repo_id,
        base=base,
        pipeline=pipeline,
        prompt=repr(prompt),
        estimator=settings["estimator"],
        rewards=_listed(list(weights)),
        reward_weights=", ".join(f"{name} {weight:g}" for name, weight in weights.items()),
        lora=f"rank {settings['lora_rank']}, alpha {settings['lora_alpha']:g}",
        learning_rate=f"{settings['learning_rate']:g}",
        results_table=results,
        curves="\n![Gains over reward queries, a line per fold](curves.png)\n" if facts.get("curves") else "",
        **counts,
        **words,
    )
    card.data["pipeline_tag"] = "text-to-image"
    if _HUB_ID.fullmatch(base):
        card.data["base_model"] = base
    return card


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
