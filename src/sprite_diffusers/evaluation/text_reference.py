"""Captioned sprites that text-to-sprite models are measured against: what `Reference` is to the other generators."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from diffusers import DiffusionPipeline

from ..data import SpriteArrays
from ..data.captions import CaptionedDataset, load_captioned
from ..errors import SpriteError
from ..models.clip import LoadedClip, load_clip
from .memorisation import Nearest, nearest
from .reference import check_count, fit_pca, project

if TYPE_CHECKING:
    from sklearn.decomposition import PCA

JUDGE_FOLDER = "clip-judge"  # beside a pipeline, where training leaves the CLIP that tuned nothing
SPLITS_FILE = "splits.json"  # beside a pipeline, where training notes what was held out
SPLITS = ("train", "validation", "test")


@dataclass(eq=False, repr=False)
class TextReference:
    """Training and held-out sprites with their captions and the features of a CLIP.

    Attributes:
        train_pixels, validation_pixels: uint8 (N, S, S, 3). Held out are the validation and the test split together.
        train_captions, validation_captions: as many texts.
        train_features, validation_features: float64 (N, D) of the images, by the CLIP.
        caption_features: float64 (N, D) of the held-out captions.
        train_components, validation_components: float64 (N, 20), principal components.
        pca: fitted to the training images.
        clip: the judge; it must not have seen the held-out sprites.
        image_size: side of the images, in pixels.
        background: the colour behind them.
        fingerprint: of the training split.
    """

    train_pixels: np.ndarray
    validation_pixels: np.ndarray
    train_captions: list[str]
    validation_captions: list[str]
    train_features: np.ndarray
    validation_features: np.ndarray
    caption_features: np.ndarray
    train_components: np.ndarray
    validation_components: np.ndarray
    pca: PCA
    clip: LoadedClip
    image_size: int
    background: str
    fingerprint: str

    mode = "RGB"
    class_names = None

    @classmethod
    def from_dataset(cls, dataset: CaptionedDataset, clip: LoadedClip) -> TextReference:
        """Computes features and components.

        Args:
            dataset: from `load_captioned`, RGB.
            clip: its features are those that distances and retrieval are measured in.

        Raises:
            SpriteError: a CLIP that was trained here on another split, or too few images for a distance.
        """
        clip.check_split(dataset.report.fingerprint)
        arrays = {name: SpriteArrays.from_dataset(dataset[name]) for name in SPLITS if name in dataset}
        train = arrays.pop("train")
        pixels = np.concatenate([part.pixels for part in arrays.values()])
        captions = [text for part in arrays.values() for text in part.texts]
        caption_features = text_features(clip, captions)
        for what, count in (("the training split", len(train)), ("what is held out", len(pixels))):
            check_count(count, caption_features.shape[1], what, "load more sprites")
        pca = fit_pca(train.pixels)
        return cls(
            train_pixels=train.pixels,
            validation_pixels=pixels,
            train_captions=train.texts,
            validation_captions=captions,
            train_features=image_features(clip, train.pixels),
            validation_features=image_features(clip, pixels),
            caption_features=caption_features,
            train_components=project(pca, train.pixels),
            validation_components=project(pca, pixels),
            pca=pca,
            clip=clip,
            image_size=dataset.report.image_size,
            background=dataset.report.background,
            fingerprint=dataset.report.fingerprint,
        )

    @classmethod
    def for_pipeline(
        cls, pipeline: DiffusionPipeline, source: str, clip: str | Path | None = None, **options: Any
    ) -> TextReference:
        """The captioned sprites of `source`, in the size that `pipeline` draws.

        Args:
            pipeline: that draws by prompts, of this package.
            source: the data that it was trained on, for `load_captioned`.
            clip: folder or Hub id of the judge; by default what training left beside the pipeline.
            options: of `load_captioned`, as for the training; the seed of the split is noted beside the pipeline.

        Raises:
            SpriteError: no judge, and see `load_captioned`, `load_clip` and `from_dataset`.
        """
        folder = Path(pipeline.config._name_or_path)
        if (folder / SPLITS_FILE).is_file():
            options.setdefault("seed", json.loads((folder / SPLITS_FILE).read_text(encoding="utf-8"))["seed"])
        if clip is None:
            clip = folder / JUDGE_FOLDER
            if not clip.is_dir():
                raise SpriteError(
                    f"there is no CLIP to judge by in {clip}: train one with training/train_clip.py --config clip_pokemon on "
                    "the same data, size and seed, and give its folder by --clip."
                )
        dataset = load_captioned(source, image_size=pipeline.sprite_size, **options)
        return cls.from_dataset(dataset, load_clip(clip, pipeline.device))

    @cached_property
    def validation_nearest(self) -> Nearest:
        """The training images nearest to the held-out ones: what a model that does not copy is compared with."""
        return nearest(self.validation_pixels, self.train_pixels)


@torch.no_grad()
def image_features(clip: LoadedClip, pixels: np.ndarray, batch_size: int = 64) -> np.ndarray:
    """float64 (N, D) of uint8 (N, S, S, 3)."""
    parts = []
    for start in range(0, len(pixels), batch_size):
        part = torch.from_numpy(np.ascontiguousarray(pixels[start : start + batch_size]))
        parts.append(clip.image_features(part.permute(0, 3, 1, 2).float() / 255).double().cpu().numpy())
    return np.concatenate(parts)


@torch.no_grad()
def text_features(clip: LoadedClip, texts: list[str], batch_size: int = 64) -> np.ndarray:
    """float64 (N, D) of texts."""
    parts = [
        clip.text_features(texts[start : start + batch_size]).double().cpu().numpy()
        for start in range(0, len(texts), batch_size)
    ]
    return np.concatenate(parts)
