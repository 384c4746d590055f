"""Whether stage 3 helped: the text encoder whose sprites match their captions better is the one that is published."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ...data import SpriteArrays
from ...evaluation.retrieval import retrieval
from ...evaluation.text_reference import image_features, text_features
from ...evaluation.text_to_sprite import draw_prompts
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
    texts = text_features(judge, arrays.texts)
    figures = {"real sprites": retrieval(image_features(judge, arrays.pixels), texts)}
    for name, source in (("without stage 3", without), ("with stage 3", with_tuning)):
        pipeline = PokemonLDMPipeline.from_pretrained(str(source)).to(judge.model.device)
        drawn, _ = draw_prompts(pipeline, arrays.texts, seed=0, batch_size=16, options={}, progress=True)
        figures[name] = retrieval(image_features(judge, drawn), texts)
    worse = figures["with stage 3"]["r@1"] < figures["without stage 3"]["r@1"]
    better = without if worse else with_tuning
    result = {"captions": len(arrays), "retrieval among 16": figures, "published": better.name}
    (folder / ALIGNMENT_FILE).write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    for name, values in figures.items():
        print(f"{name}: R@1 {values['r@1']:.3f}, R@5 {values['r@5']:.3f} of 16")
    print(f"stage 3 {'made the match worse: stage 2' if worse else 'did not make the match worse: it'} is published.")
    return better
