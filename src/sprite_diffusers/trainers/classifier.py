"""The auxiliary classifier, which evaluation needs: accuracy of conditional samples, and features to compare in."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from ..data import EpochSampler, SpriteArrays, SpriteDataset, make_grid
from ..errors import SpriteError
from ..models.classifier import SpriteClassifier, default_classifier_folder, load_classifier
from .base import FitResult, Trainer
from .config import ClassifierConfig, DataConfig, TrainerConfig
from .data_parts import build_augmentation, load_data

MISTAKES_PER_CLASS = 10


@dataclass(frozen=True)
class ClassifierSettings:
    """All settings of one training."""

    trainer: TrainerConfig
    data: DataConfig
    classifier: ClassifierConfig


def fit_classifier(settings: ClassifierSettings) -> FitResult:
    """Loads the data and trains: all that the launch script needs.

    Raises:
        SpriteError: bad settings or data; nothing has been written then.
    """
    trainer = ClassifierTrainer(settings, load_data(settings.data))
    result = trainer.fit()
    if trainer.accelerator.is_main_process and result.status == "finished":
        config = trainer.classifier.config
        print(f"classifier: {result.output_dir}")
        print(f"held-out accuracy {config.accuracy:.4f}, calibration error {config.calibration_error:.4f}")
        print(f"identity:   {load_classifier(result.output_dir).identity()[:16]}")
        if settings.trainer.push_to_hub:
            load_classifier(result.output_dir).push_to_hub(
                str(settings.trainer.hub_model_id), private=settings.trainer.hub_private
            )
    return result


class ClassifierTrainer(Trainer):
    """Trains a `SpriteClassifier` and calibrates it.

    Args:
        settings: all settings.
        dataset: from `load_sprites`, with classes.

    Raises:
        SpriteError: data without classes, and as `Trainer`.
    """

    name = "classifier"

    def __init__(self, settings: ClassifierSettings, dataset: SpriteDataset):
        self.settings, self.report = settings, dataset.report
        if not self.report.class_names:
            raise SpriteError(
                f"--dataset {settings.data.dataset} has no classes to tell apart: give labels (one folder per class, a "
                "label column, or --labels)."
            )
        self.train_data = SpriteArrays.from_dataset(dataset["train"])
        self.validation_data = SpriteArrays.from_dataset(dataset["validation"])
        options = asdict(settings.classifier)
        self.label_smoothing = options.pop("label_smoothing")
        torch.manual_seed(settings.trainer.seed)
        self.classifier = SpriteClassifier(
            in_channels=self.train_data.pixels.shape[-1],
            image_size=self.report.image_size,
            id2label={str(index): name for index, name in enumerate(self.report.class_names)},
            mode=self.report.mode,
            background=self.report.background,
            data_fingerprint=self.report.fingerprint,
            **options,
        )
        config = settings.trainer
        if config.output_dir is None and config.run_name is None:
            config = replace(config, output_dir=str(default_classifier_folder(self.report.fingerprint)))
        super().__init__(config, self.classifier, len(self.train_data))
        self._say(self.report.summary())
        self.sampler = EpochSampler(
            len(self.train_data),
            config.train_batch_size,
            config.seed,
            self.accelerator.process_index,
            self.accelerator.num_processes,
        )
        self.augmentation = build_augmentation(settings.data, list(self.report.class_names))

    def training_step(self, micro_step: int) -> torch.Tensor:
        position = micro_step * self.accelerator.num_processes + self.accelerator.process_index
        seed = (self.config.seed << 40) + 2 * position
        torch.manual_seed(seed + 1)  # of dropout
        sprites, labels = self.train_data.batch(
            self.sampler.indices(micro_step), self.augmentation, torch.Generator().manual_seed(seed)
        )
        device = self.accelerator.device
        logits = self.model(sprites.to(device), return_dict=False)[0]
        return F.cross_entropy(logits.float(), labels.to(device), label_smoothing=self.label_smoothing)  # type: ignore[union-attr]

    def validate(self) -> dict[str, float]:
        logits, labels = self._held_out()
        return {
            "loss": float(F.cross_entropy(logits, labels)),
            "accuracy": float((logits.argmax(1) == labels).float().mean()),
        }

    def preview(self) -> Image.Image:
        """A row per class: the held-out sprites of it that are given the least probability."""
        logits, labels = self._held_out()
        own = logits.softmax(1)[torch.arange(len(labels)), labels]
        rows = []
        for index in range(len(self.classifier.class_names)):
            members = torch.nonzero(labels == index)[:, 0]
            worst = members[own[members].argsort()][:MISTAKES_PER_CLASS].tolist()
            blank = np.full_like(self.validation_data.pixels[0], 255)
            rows += [self.validation_data.pixels[i] for i in worst] + [blank] * (MISTAKES_PER_CLASS - len(worst))
        scale = max(1, 64 // self.report.image_size)
        return make_grid(rows, MISTAKES_PER_CLASS, scale, row_labels=self.classifier.class_names)

    def save(self, directory: Path) -> None:
        logits, labels = self._held_out()
        temperature, error = calibrate(logits * self.classifier.config.temperature, labels, self.config.seed)
        accuracy = float((logits.argmax(1) == labels).float().mean())
        self.classifier.register_to_config(temperature=temperature, accuracy=accuracy, calibration_error=error)
        self.classifier.save_pretrained(directory)

    def facts(self) -> dict[str, Any]:
        return {
            "data_fingerprint": self.report.fingerprint,
            "classifier": asdict(self.settings.classifier),
            "seed": self.config.seed,
            "images_per_step": self.images_per_step,
        }

    def params(self) -> dict[str, Any]:
        return {key: value for group in asdict(self.settings).values() for key, value in group.items()}

    @torch.no_grad()
    def _held_out(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits ``(N, classes)`` and labels ``(N,)`` of the held-out sprites, on the CPU."""
        logits = []
        for rows in np.array_split(np.arange(len(self.validation_data)), max(1, len(self.validation_data) // 256)):
            sprites, _ = self.validation_data.batch(rows)
            logits.append(self.classifier(sprites.to(self.accelerator.device), return_dict=False)[0].float().cpu())
        assert self.validation_data.labels is not None
        return torch.cat(logits), self.validation_data.labels


def calibrate(logits: torch.Tensor, labels: torch.Tensor, seed: int) -> tuple[float, float]:
    """Temperature scaling (https://arxiv.org/abs/1706.04599), fitted on a random half and measured on the other.

    Args:
        logits: ``(N, classes)``, not scaled.
        labels: ``(N,)``.

    Returns:
        The temperature of the least cross-entropy between 0.1 and 10, and the expected calibration error with it.
    """
    from torchmetrics.functional.classification import multiclass_calibration_error

    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    fit, measure = order[: (len(order) + 1) // 2], order[(len(order) + 1) // 2 :]
    temperatures = torch.logspace(-1, 1, 401)
    losses = torch.stack([F.cross_entropy(logits[fit] / t, labels[fit]) for t in temperatures])
    temperature = float(temperatures[losses.argmin()])
    if not len(measure):
        measure = fit
    probabilities = (logits[measure] / temperature).softmax(1)
    error = multiclass_calibration_error(probabilities, labels[measure], num_classes=logits.shape[1], n_bins=15)
    return temperature, float(error)
