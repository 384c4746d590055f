"""A reference and a pipeline that take no time; run as a script, it evaluates them and writes the scores.

``python -m torch.distributed.run --nproc_per_node 2 -m tests.evaluation.tiny scores.json``
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from sprite_diffusers.data import load_sprites
from sprite_diffusers.evaluation import Reference, Scores, evaluate
from sprite_diffusers.models import SpriteClassifier
from sprite_diffusers.pipelines import ClassCondPipeline

from ..conftest import flow_scheduler, tiny_unet

CLASS_NAMES = ("food", "spell", "human")


def tiny_classifier(**options) -> SpriteClassifier:
    torch.manual_seed(0)
    id2label = {str(index): name for index, name in enumerate(options.pop("class_names", CLASS_NAMES))}
    options = {"in_channels": 4, "image_size": 8, "feature_dim": 24, "mode": "RGBA", **options}
    return SpriteClassifier(id2label=id2label, block_out_channels=(8, 16), **options).eval()


def tiny_dataset(channels: int = 4, counts: tuple[int, ...] = (60, 100, 90)):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (sum(counts), 8, 8, channels), np.uint8)
    if channels == 4:
        images[..., 3] = np.where(images[..., 3] > 90, 255, 0)
    labels = np.repeat(np.arange(len(counts)), counts)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sprites.npz"
        np.savez(path, images=images, labels=labels)
        return load_sprites(path, class_names=CLASS_NAMES[: len(counts)], validation_split=0.4)


def tiny_reference() -> Reference:
    return Reference.from_dataset(tiny_dataset(), tiny_classifier())


def tiny_evaluation(pipeline: ClassCondPipeline, reference: Reference, batch_size: int = 8) -> Scores:
    return evaluate(pipeline, reference, num_samples=60, batch_size=batch_size, num_inference_steps=2)


def tiny_pipeline() -> ClassCondPipeline:
    """As the fixture `class_cond`."""
    id2label = {"0": "human", "1": "food", "2": "spell"}
    return ClassCondPipeline(tiny_unet(4, 4), flow_scheduler(), id2label, default_num_inference_steps=4)


def main() -> None:
    from accelerate import PartialState

    torch.set_num_threads(1)
    scores = tiny_evaluation(tiny_pipeline(), tiny_reference())
    state = PartialState()
    assert state.num_processes == 2
    Path(f"{sys.argv[1]}.{state.process_index}").write_text(scores.to_json(), encoding="utf-8")
    state.wait_for_everyone()
    state.destroy_process_group()


if __name__ == "__main__":
    main()
