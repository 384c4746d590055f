"""Whether stage 3 helped: the text encoder whose sprites match their captions better is the one that is published."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from ...data import SpriteArrays
from ...evaluation.retrieval import retrieval
from ...models.clip import LoadedClip
from ...pipelines import PokemonLDMPipeline

ALIGNMENT_FILE = "alignment.json"
MAX_CAPTIONS = 128


def choose_text_encoder(without: Path, with_tuning: Path, judge: LoadedClip, held_out: Any, folder: Path) -> Path:
    """The folder of the two whose sprites for held-out captions are matched to them more often; the figures are written.

    Args:
        without: pipeline of stage 2.
        with_tuning: pipeline of stage 3.
        judge: a CLIP that tuned neither, and saw no held-out sprite.
        held_out: split with captions and real sprites.
        folder: ``alignment.json`` goes there.
    """
    arrays = SpriteArrays.from_dataset(held_out.select(range(min(len(held_out), MAX_CAPTIONS))))
    with torch.no_grad():
        texts = judge.text_features(arrays.texts)
        real = judge.image_features(torch.from_numpy(arrays.pixels[..., :3]).permute(0, 3, 1, 2).float() / 255)
    figures = {"real sprites": retrieval(real, texts)}
    for name, source in (("without stage 3", without), ("with stage 3", with_tuning)):
        figures[name] = retrieval(_drawn_features(source, arrays.texts, judge), texts)
    worse = figures["with stage 3"]["r@1"] < figures["without stage 3"]["r@1"]
    better = without if worse else with_tuning
    result = {"captions": len(arrays), "retrieval among 16": figures, "published": better.name}
    (folder / ALIGNMENT_FILE).write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    for name, values in figures.items():
        print(f"{name}: R@1 {values['r@1']:.3f}, R@5 {values['r@5']:.3f} of 16")
    print(f"stage 3 {'made the match worse: stage 2' if worse else 'did not make the match worse: it'} is published.")
    return better


@torch.no_grad()
def _drawn_features(source: Path, prompts: list[str], judge: LoadedClip, batch_size: int = 16) -> torch.Tensor:
    pipeline = PokemonLDMPipeline.from_pretrained(str(source))
    pipeline.set_progress_bar_config(disable=True)
    features = []
    for start in range(0, len(prompts), batch_size):
        batch = prompts[start : start + batch_size]
        generators = [torch.Generator().manual_seed(start + index) for index in range(len(batch))]
        features.append(judge.image_features(pipeline(batch, generator=generators, output_type="pt").images))
    return torch.cat(features)
