"""What a finished unCLIP draws for held-out captions: pictures, and how well they fit by the CLIP that it was built on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from ...data import composite, make_grid
from ...errors import SpriteError
from ...evaluation.retrieval import retrieval
from ...evaluation.text_reference import image_features, text_features
from ...evaluation.text_to_sprite import draw_prompts
from ...models.clip import LoadedClip
from ...pipelines import SpriteUnCLIPPipeline
from .data import UnclipSplit

FIGURES_FILE = "unclip.json"
SAMPLES_FILE = "samples.png"
MAX_CAPTIONS = 96
COLUMNS = 12


def measure(
    pipeline: SpriteUnCLIPPipeline, split: UnclipSplit, clip: LoadedClip, background: str
) -> tuple[dict[str, dict[str, float]], np.ndarray]:
    """Similarity and retrieval of sprites for held-out captions, real and drawn, and what was drawn.

    The judge is the CLIP whose embeddings the model was trained to draw: the figures compare runs, but flatter all.

    Args:
        pipeline: finished.
        split: held out; `MAX_CAPTIONS` different captions of it at most.
        clip: the pipeline's own.
        background: behind transparent sprites.
    """
    arrays = split.drawn_by(pipeline)
    captions = list(dict.fromkeys(arrays.texts))
    captions = [
        captions[index] for index in np.linspace(0, len(captions) - 1, min(MAX_CAPTIONS, len(captions))).astype(int)
    ]
    real = np.stack([arrays.pixels[arrays.texts.index(caption)] for caption in captions])
    drawn, seconds = draw_prompts(pipeline, captions, seed=0, batch_size=32, options={}, progress=False)
    texts = text_features(clip, captions)
    figures = {}
    for name, pixels in (("real", real), ("drawn", drawn)):
        opaque = composite(pixels, background) if pixels.shape[-1] == 4 else pixels
        features = image_features(clip, opaque)
        cosine = F.cosine_similarity(torch.from_numpy(features), torch.from_numpy(texts)).mean()
        figures[name] = {"similarity": float(cosine), **_retrieval(features, texts)}
    figures["drawn"]["seconds_per_image"] = seconds
    figures["captions"] = {"count": float(len(captions))}
    return figures, drawn


def _retrieval(features: np.ndarray, texts: np.ndarray) -> dict[str, float]:
    """Share of sprites whose caption is the nearest of 16; nothing where there are fewer."""
    try:
        found = retrieval(features, texts)
    except SpriteError:
        return {}
    return {name: found[name] for name in ("r@1", "r@1_se", "r@1_chance", "r@5")}


def write_figures(figures: dict[str, dict[str, float]], drawn: np.ndarray, folder: Path) -> None:
    """Writes and prints the figures, and the drawn sprites as a sheet."""
    (folder / FIGURES_FILE).write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    background = "checker" if drawn.shape[-1] == 4 else "white"
    make_grid(list(drawn), COLUMNS, max(1, 64 // drawn.shape[1]), background=background).save(folder / SAMPLES_FILE)
    for name in ("real", "drawn"):
        values = figures[name]
        found = (
            f", R@1 {values['r@1']:.3f} ± {values['r@1_se']:.3f}, R@5 {values['r@5']:.3f} of 16"
            if "r@1" in values
            else ""
        )
        print(f"{name}: similarity to the caption {values['similarity']:.3f}{found}")
