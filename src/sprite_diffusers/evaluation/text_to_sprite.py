"""The protocol for models that draw by prompts: the same figures, and whether a sprite fits its caption."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from diffusers import DiffusionPipeline
from PIL import Image
from tqdm import tqdm

from ..data import make_grid
from ..errors import SpriteError
from .intervals import frechet_interval, share_interval
from .memorisation import nearest
from .pixel_stats import palette_metrics, rgb_histograms
from .plots import save_evaluation
from .protocol import NUM_CLOSEST, PROTOCOL_VERSION, ScoredImages, distances
from .reference import check_count, project
from .retrieval import retrieval
from .sampling import image_generators, sampling_facts
from .scores import Scores
from .text_reference import TextReference, image_features

GROUP = 16  # captions that the right one is looked for among
PAIR_ROWS, PAIRS_PER_ROW = 8, 4


def evaluate_text(
    pipeline: DiffusionPipeline,
    reference: TextReference,
    *,
    num_samples: int | None = None,
    seed: int = 0,
    batch_size: int = 8,
    num_inference_steps: int | None = None,
    guidance_scale: float | None = None,
    progress: bool = False,
) -> Scores:
    """Draws a sprite for each held-out caption and measures it against the held-out sprites and the training sprites.

    Args:
        pipeline: draws by prompts, on the device where it is to run.
        reference: the real sprites, and the CLIP whose features distances and retrieval are measured in.
        num_samples: captions to draw for, the first ones; by default all that are held out.
        seed: of the noise (image i has a generator seeded by (seed, i)), the floor's subset and the bootstrap.
        batch_size: prompts per call.
        num_inference_steps, guidance_scale: by default those of the pipeline.
        progress: shows a bar.

    Returns:
        Scores with, besides the figures of `evaluate`, ``retrieval_r1`` and ``retrieval_r5``: how often the caption of
        a sprite is the nearest, or among the five nearest, of 16; their floor is that of the real held-out sprites.

    Raises:
        SpriteError: a pipeline of another size, or too few samples for the features.
    """
    if pipeline.sprite_size != reference.image_size:
        raise SpriteError(
            f"the pipeline draws {pipeline.sprite_size}x{pipeline.sprite_size} sprites, but the reference has "
            f"{reference.image_size}x{reference.image_size} ones: load the data at that size."
        )
    available = len(reference.validation_captions)
    count = available if num_samples is None else num_samples
    if count > available:
        raise SpriteError(f"num_samples {count} asks for more than the {available} held-out captions: lower it.")
    check_count(count, reference.caption_features.shape[1], "the evaluation", "raise --num_samples")
    options: dict[str, Any] = {"num_inference_steps": num_inference_steps, "guidance_scale": guidance_scale}
    given = {name: value for name, value in options.items() if value is not None}
    captions = reference.validation_captions[:count]
    pixels, seconds = draw_prompts(
        pipeline, captions, seed=seed, batch_size=batch_size, options=given, progress=progress
    )
    return _score(pixels, reference, seed, sampling_facts(pipeline, **options), seconds)


def draw_prompts(
    pipeline: DiffusionPipeline,
    prompts: list[str],
    *,
    seed: int,
    batch_size: int,
    options: dict[str, Any],
    progress: bool = False,
) -> tuple[np.ndarray, float]:
    """uint8 (N, S, S, 3), a sprite per prompt, and the seconds that each took."""
    pipeline.set_progress_bar_config(disable=True)
    images: list[np.ndarray] = []
    began = time.perf_counter()
    for start in tqdm(range(0, len(prompts), batch_size), disable=not progress, desc="drawing"):
        batch = prompts[start : start + batch_size]
        generator = image_generators(seed, range(start, start + len(batch)))
        images += [np.asarray(image) for image in pipeline(batch, generator=generator, **options).images]
    return np.stack(images), (time.perf_counter() - began) / len(prompts)


def _score(
    pixels: np.ndarray, reference: TextReference, seed: int, sampling: dict[str, Any], seconds: float
) -> Scores:
    count, copies = len(pixels), nearest(pixels, reference.train_pixels)
    features, components = image_features(reference.clip, pixels), project(reference.pca, pixels)
    chosen = np.random.default_rng([seed, count]).permutation(len(reference.train_pixels))[:count]
    real_sprites = (reference.train_pixels, reference.train_features, reference.train_components)
    metrics, floors = (
        distances(ScoredImages(images, None, *rest), reference, seed)
        for images, *rest in ((pixels, features, components), tuple(part[chosen] for part in real_sprites))
    )
    intervals = {
        "fd_pca20": frechet_interval(components, reference.validation_components, metrics["fd_pca20"], seed),
        "memorised": share_interval(copies.memorised, seed),
        "near_copies": share_interval(copies.near_copies, seed),
    }
    own = slice(0, count)
    found = retrieval(features, reference.caption_features[own], GROUP, seed, texts=reference.validation_captions[own])
    real = retrieval(
        reference.validation_features, reference.caption_features, GROUP, seed, texts=reference.validation_captions
    )
    for rank in (1, 5):
        name, error = f"retrieval_r{rank}", 1.96 * found[f"r@{rank}_se"]
        metrics[name], floors[name] = found[f"r@{rank}"], real[f"r@{rank}"]
        intervals[name] = [max(metrics[name] - error, 0.0), min(metrics[name] + error, 1.0)]
    for figures, near in ((metrics, copies), (floors, reference.validation_nearest)):
        figures["memorised"] = float(near.memorised.mean())
        figures["near_copies"] = float(near.near_copies.mean())
    metrics |= palette_metrics(pixels) | {"seconds_per_image": seconds}
    floors |= palette_metrics(reference.validation_pixels)
    histograms = {"real": rgb_histograms(reference.validation_pixels), "samples": rgb_histograms(pixels)}
    facts = {
        "protocol": PROTOCOL_VERSION,
        "num_samples": count,
        "num_reference": len(reference.validation_pixels),
        "num_train": len(reference.train_pixels),
        "num_floor": len(chosen),
        "seed": seed,
        "class_names": None,
        "image_size": reference.image_size,
        "mode": reference.mode,
        "data_fingerprint": reference.fingerprint,
        "extractor": {
            "identity": reference.clip.fingerprint,
            "data_fingerprint": reference.clip.facts.get("data_fingerprint"),
            "accuracy": None,
            "feature_dim": features.shape[1],
        },
        "retrieval": {"group": GROUP, "chance_r1": 1 / GROUP, "chance_r5": 5 / GROUP},
        "sampling": sampling,
        "rgb_histograms": {name: histogram.tolist() for name, histogram in histograms.items()},
    }
    return Scores(
        metrics=metrics,
        floors=floors,
        intervals=intervals,
        per_class={},
        confusion=None,
        facts=facts,
        samples=pixels,
        closest=copies.closest(NUM_CLOSEST),
    )


def save_text_evaluation(scores: Scores, reference: TextReference, directory: str | Path) -> list[Path]:
    """`save_evaluation`, and captions.png: the real sprite of a caption, what was drawn, and the nearest training sprite."""
    files = save_evaluation(scores, reference, directory)
    path = Path(directory) / "captions.png"
    caption_grid(scores, reference).save(path)
    return [*files, path]


def caption_grid(scores: Scores, reference: TextReference) -> Image.Image:
    """Held-out captions: real sprite, drawn sprite, nearest training sprite, side by side, for the first captions."""
    assert scores.samples is not None
    few = scores.samples[: PAIR_ROWS * PAIRS_PER_ROW]
    index = nearest(few, reference.train_pixels).index
    cells: list[Image.Image | np.ndarray] = []
    for row, drawn in enumerate(few):
        cells += [reference.validation_pixels[row], drawn, reference.train_pixels[index[row]]]
    scale = max(1, 64 // reference.image_size)
    labels = [f"{1 + PAIRS_PER_ROW * row}" for row in range(-(-len(few) // PAIRS_PER_ROW))]
    return make_grid(cells, 3 * PAIRS_PER_ROW, scale, background=reference.background, row_labels=labels)
