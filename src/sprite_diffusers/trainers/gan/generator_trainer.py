"""What trainings of generators of one pass share: data, samples from fixed noise, snapshots, curves, the best by distance."""

from __future__ import annotations

import contextlib
import json
import math
import shutil
import time
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import ModelMixin
from huggingface_hub import ModelCard
from PIL import Image

from ... import hub
from ...data import EpochSampler, SpriteArrays, SpriteDataset, from_tensor, make_grid
from ...errors import SpriteError
from ...evaluation.reference import NUM_COMPONENTS
from ...models import DCGANGenerator
from ...pipelines import SpriteGANPipeline
from ..base import FitResult, Trainer
from ..data_parts import build_augmentation, pad_sprites
from ..principal_distance import PrincipalDistance
from .curves import save_curves
from .settings import GANSettings, VAESettings, default_channels
from .snapshots import FOLDER, Snapshot, add_snapshot, save_animation, snapshot_picture

PREVIEW_COLUMNS, MAX_PREVIEW_ROWS, PREVIEW_ROWS = 10, 12, 6
CALIBRATION_BATCHES = 8
MAX_PCA_IMAGES = 2000
HISTORY_FILE = "history.json"
"""In a run's folder: the curves, and what else `GeneratorTrainer.progress_facts` tells."""


class GeneratorTrainer(Trainer):
    """A `Trainer` whose result is a `SpriteGANPipeline`.

    A family supplies `build_networks`, `calibration_pass`, `family_facts`, `training_step` and, if it has one, the
    `optimize` of a second network. The model of the smallest Fréchet distance of 20 principal components, from samples
    to held-out images, is kept in ``<output_dir>/best``.

    Args:
        settings: all settings.
        dataset: from `load_sprites`.

    Raises:
        SpriteError: too few images to measure a distance, and as `Trainer`.
    """

    card_tag = "gan"

    def __init__(self, settings: GANSettings | VAESettings, dataset: SpriteDataset):
        self.settings, self.report = settings, dataset.report
        self.class_names = list(self.report.class_names or []) if self.is_conditional else []
        self.train_data = SpriteArrays.from_dataset(dataset["train"])
        self.validation_data = SpriteArrays.from_dataset(dataset["validation"])
        self._check_counts()
        channels, self.widths, side = self._plan_networks()
        torch.manual_seed(settings.trainer.seed)
        model, self.generator = self.build_networks(channels, side)
        for data in (self.train_data, self.validation_data):
            data.pixels = pad_sprites(data.pixels, side)
        config = replace(settings.trainer, keep_best=True)
        self.history: list[dict[str, float]] = []
        self._window: dict[str, float] = {}
        self._steps_in_window = 0
        self.optimizing_seconds = 0.0
        super().__init__(config, model, len(self.train_data))
        self._say(self.report.summary())
        processes = self.accelerator.process_index, self.accelerator.num_processes
        self.sampler = EpochSampler(len(self.train_data), config.train_batch_size, config.seed, *processes)
        self.augmentation = build_augmentation(settings.data, list(self.report.class_names or []))
        self._prepare_distance()

    # ---- what a family supplies ---------------------------------------------------------------------------------

    @abstractmethod
    def build_networks(self, channels: int, side: int) -> tuple[ModelMixin, DCGANGenerator]:
        """The model to train, and the generator in it, for images of `side` pixels."""

    @abstractmethod
    def calibration_pass(self, number: int) -> None:
        """Forward pass number `number`, of images or noise as in training, after which batch norms know their statistics."""

    @abstractmethod
    def family_facts(self) -> dict[str, Any]:
        """What makes the run what it is, besides data, network and seed (JSON-safe)."""

    def further_pictures(self) -> dict[str, Image.Image]:
        """What a snapshot shows besides samples, by name."""
        return {}

    @property
    def is_conditional(self) -> bool:
        """Whether it draws by class."""
        return False

    def drawing_generator(self) -> DCGANGenerator:
        """What draws from standard normal noise, of the weights as they are now: what is sampled and saved."""
        return self.generator

    def optimize(self, progress: float) -> tuple[float, float, float]:
        """One step of all networks, see `Trainer._optimizer_step`."""
        return super()._optimizer_step(progress)

    # ---- what the loop asks for ---------------------------------------------------------------------------------

    def fit(self) -> FitResult:
        """As `Trainer.fit`; leaves curves and the animation of the snapshots also when training fails."""
        if self.accelerator.is_main_process and not self.config.resume_from_checkpoint:
            for stale in (self.output_dir / FOLDER, self.output_dir / "best"):  # only there to be overwritten
                shutil.rmtree(stale, ignore_errors=True)
        try:
            return super().fit()
        finally:
            if self.accelerator.is_main_process and self.run:
                (self.output_dir / HISTORY_FILE).write_text(json.dumps(self.progress_facts()), encoding="utf-8")
                files = [save_curves(self.history, self.output_dir / "curves.png"), save_animation(self.output_dir)]
                for file in (self.output_dir / HISTORY_FILE, *files):
                    if file is not None:
                        self.run.log_file(file)

    def _optimizer_step(self, progress: float) -> tuple[float, float, float]:
        began = time.perf_counter()
        result = self.optimize(progress)
        self.optimizing_seconds += time.perf_counter() - began
        self._close_window()
        for snapshot in self._due_snapshots():
            self._take(snapshot)
        return result

    def validate(self) -> dict[str, float]:
        samples = self.draw(self.num_validation, seed=self.config.seed)
        distance = self._distance(samples)
        return {"loss": distance, "fd_pca20": distance}

    def preview(self) -> Image.Image:
        names = self.class_names[:MAX_PREVIEW_ROWS]
        labels = torch.arange(len(names)).repeat_interleave(PREVIEW_COLUMNS) if names else None
        count = len(labels) if labels is not None else PREVIEW_ROWS * PREVIEW_COLUMNS
        latents = self.noise(count, torch.Generator().manual_seed(self.config.seed))
        background = "checker" if self.report.mode == "RGBA" else self.report.background
        scale = max(1, 64 // self.report.image_size)
        images = self._from_latents(latents, labels)
        return make_grid(list(images), PREVIEW_COLUMNS, scale, background=background, row_labels=names or None)

    def save(self, directory: Path) -> None:
        hub.export(self.pipeline(), directory, self._card())

    def facts(self) -> dict[str, Any]:
        network = {**self.generator.config}
        return {
            "data_fingerprint": self.report.fingerprint,
            "generator": {key: value for key, value in network.items() if not key.startswith("_")},
            **self.family_facts(),
            "seed": self.config.seed,
            "images_per_step": self.images_per_step,
        }

    def params(self) -> dict[str, Any]:
        return {key: value for group in asdict(self.settings).values() for key, value in group.items()}

    def summary(self) -> dict[str, float]:
        return {**super().summary(), "optimizing_seconds": self.optimizing_seconds}

    def save_progress(self, directory: Path) -> None:
        if self.accelerator.is_main_process:
            (directory / HISTORY_FILE).write_text(json.dumps(self.progress_facts()), encoding="utf-8")

    def load_progress(self, directory: Path) -> None:
        self.restore_progress(json.loads((directory / HISTORY_FILE).read_text(encoding="utf-8")))

    def progress_facts(self) -> dict[str, Any]:
        """What a checkpoint must remember besides weights and optimizers (JSON-safe)."""
        return {
            "history": self.history,
            "window": self._window,
            "steps_in_window": self._steps_in_window,
            "optimizing_seconds": self.optimizing_seconds,
        }

    def restore_progress(self, facts: dict[str, Any]) -> None:
        """Takes over what `progress_facts` gave."""
        self.history, self._window = facts["history"], facts["window"]
        self._steps_in_window, self.optimizing_seconds = facts["steps_in_window"], facts["optimizing_seconds"]

    @contextlib.contextmanager
    def ema_weights(self) -> Iterator[None]:
        """As in `Trainer`; batch norms have the statistics of the averaged weights, not those of the last ones."""
        with super().ema_weights():
            if self.ema is None:
                yield
                return
            norms = [module for module in self.raw_model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
            kept = [[buffer.clone() for buffer in norm.buffers()] for norm in norms]
            self._calibrate(norms)
            try:
                yield
            finally:
                for norm, buffers in zip(norms, kept, strict=True):
                    for buffer, before in zip(norm.buffers(), buffers, strict=True):
                        buffer.copy_(before)

    # ---- drawing ------------------------------------------------------------------------------------------------

    def pipeline(self) -> SpriteGANPipeline:
        """The pipeline around the generator as it is now."""
        side = self.generator.config.sample_size
        return SpriteGANPipeline(
            self.drawing_generator(),
            id2label={str(index): name for index, name in enumerate(self.class_names)},
            image_size=None if side == self.report.image_size else self.report.image_size,
            binary_alpha=self.report.binary_alpha,
        )

    def draw(self, count: int, seed: int) -> np.ndarray:
        """uint8 ``(count, H, W, C)`` of the generator as it is now; classes in turn."""
        latents = self.noise(count, torch.Generator().manual_seed(seed))
        labels = torch.arange(count) % len(self.class_names) if self.class_names else None
        return self._from_latents(latents, labels)

    @torch.no_grad()
    def _from_latents(self, latents: torch.Tensor, labels: torch.Tensor | None) -> np.ndarray:
        device, drawn = self.accelerator.device, []
        generator = self.drawing_generator()
        for start in range(0, len(latents), 256):
            part = slice(start, start + 256)
            classes = None if labels is None else labels[part].to(device)
            drawn.append(generator(latents[part], classes, return_dict=False)[0].float().cpu())
        margin = self.generator.config.sample_size - self.report.image_size
        before, stop = margin // 2, margin // 2 + self.report.image_size
        return from_tensor(torch.cat(drawn)[:, :, before:stop, before:stop], self.report.binary_alpha)

    # ---- figures of each step -----------------------------------------------------------------------------------

    def record(self, figures: dict[str, float]) -> None:
        """Adds figures of the running step, to be logged as means over ``--logging_steps``."""
        for name, value in figures.items():
            self._window[name] = self._window.get(name, 0.0) + value

    def _close_window(self) -> None:
        self._steps_in_window += 1
        if self.state.step % self.config.logging_steps:
            return
        means = {name: value / self._steps_in_window for name, value in self._window.items()}
        self.history.append({"step": self.state.step, **means})
        self._log({f"train/{name}": value for name, value in means.items() if math.isfinite(value)})
        self._window, self._steps_in_window = {}, 0

    # ---- snapshots ----------------------------------------------------------------------------------------------

    def _due_snapshots(self) -> list[Snapshot]:
        """Those that the step just made completes."""
        config, step = self.settings.generator, self.state.step
        now, before = (number * self.images_per_step for number in (step, step - 1))
        epoch = now / len(self.train_data)
        names = [
            f"epoch-{wanted:03d}" for wanted in config.snapshot_epochs if before < wanted * len(self.train_data) <= now
        ]
        if config.snapshot_steps and step % config.snapshot_steps == 0:
            names.append(f"step-{step:06d}")
        return [Snapshot(name, step, epoch, now) for name in names]

    def _take(self, snapshot: Snapshot) -> None:
        if not self.accelerator.is_main_process:
            return
        folder = add_snapshot(self.output_dir, snapshot)
        with self.ema_weights():
            self.raw_model.eval()
            self.pipeline().save_pretrained(folder)
            self.preview().save(snapshot_picture(self.output_dir, snapshot))
            for name, picture in self.further_pictures().items():
                picture.save(folder.with_name(f"{snapshot.name}-{name}.png"))
            self.raw_model.train()
        if self.run:
            self.run.log_file(snapshot_picture(self.output_dir, snapshot), FOLDER)

    # ---- parts --------------------------------------------------------------------------------------------------

    def batch(self, micro_step: int) -> tuple[torch.Tensor, torch.Tensor | None, torch.Generator]:
        """Training images and labels of a micro-batch on the device, and what all its other draws come from."""
        position = micro_step * self.accelerator.num_processes + self.accelerator.process_index
        rng = torch.Generator().manual_seed((self.config.seed << 40) + position)
        images, labels = self.train_data.batch(self.sampler.indices(micro_step), self.augmentation, rng)
        device = self.accelerator.device
        return images.to(device), labels.to(device) if labels is not None and self.is_conditional else None, rng

    def noise(self, count: int, rng: torch.Generator) -> torch.Tensor:
        """Latents ``(count, latent_dim)``, standard normal, on the device."""
        return torch.randn(count, self.generator.config.latent_dim, generator=rng).to(self.accelerator.device)

    def _check_counts(self) -> None:
        needed = NUM_COMPONENTS + 2
        for split, data in (("training", self.train_data), ("held-out", self.validation_data)):
            if len(data) < needed:
                raise SpriteError(
                    f"--dataset {self.settings.data.dataset} has {len(data)} {split} images, but a distance of "
                    f"{NUM_COMPONENTS} principal components needs {needed}: add images, or change --validation_split."
                )

    def _plan_networks(self) -> tuple[int, list[int], int]:
        """Channels of the images, widths of the generator, and the side in pixels, rounded up to what it can halve."""
        widths = self.settings.generator.generator_channels or default_channels(self.report.image_size)
        factor = 2 ** len(widths)
        return self.train_data.pixels.shape[-1], widths, math.ceil(self.report.image_size / factor) * factor

    def _prepare_distance(self) -> None:
        """What validation compares with: what is inside of padding."""
        rng = np.random.default_rng(0)
        margin = self.generator.config.sample_size - self.report.image_size
        inside = slice(margin // 2, margin // 2 + self.report.image_size)
        limit = max(self.settings.generator.max_validation_images, NUM_COMPONENTS + 2)
        train = rng.permutation(len(self.train_data))[:MAX_PCA_IMAGES]
        held_out = rng.permutation(len(self.validation_data))[:limit]
        self.num_validation = len(held_out)
        self._distance = PrincipalDistance(
            self.train_data.pixels[train][:, inside, inside],
            self.validation_data.pixels[held_out][:, inside, inside],
        )

    @torch.no_grad()
    def _calibrate(self, norms: list[torch.nn.BatchNorm2d]) -> None:
        """Statistics of `norms` anew, as plain means over a few batches."""
        was_training = self.raw_model.training
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None
        self.raw_model.train()
        for number in range(CALIBRATION_BATCHES):
            self.calibration_pass(number)
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        self.raw_model.train(was_training)

    def _card(self) -> ModelCard:
        name = self.config.hub_model_id or self.output_dir.resolve().name
        report, figures, distance = self.report, self.summary(), self.state.best_loss
        classes = f" of the classes {', '.join(self.class_names)}" if self.class_names else ""
        return hub.model_card(
            "sprite_gan",
            model_name=name.split("/")[-1],
            dataset=Path(self.settings.data.dataset).name,
            results={"fd_pca20": distance} if math.isfinite(distance) else {},
            tags=[self.card_tag, "class-conditional" if classes else "unconditional", report.mode.lower()],
            repo_id=name,
            image_size=report.image_size,
            image_mode={"L": "grey"}.get(report.mode, report.mode),
            classes=classes,
            example_call=repr(self.class_names[0]) if classes else "batch_size=4",
            network=f"a `{type(self.generator).__name__}`",
            parameters=f"{sum(p.numel() for p in self.generator.parameters()) / 1e6:.1f} million",
            training_facts=self._training_facts(figures),
        )

    def _training_facts(self, figures: dict[str, float]) -> str:
        return "\n".join([
            "## Training",
            "",
            f"- Data: `{Path(self.settings.data.dataset).name}`, {self.report.split_sizes['train']:,} images after "
            f"{self.report.num_duplicates:,} exact duplicates were removed; fingerprint `{self.report.fingerprint[:16]}`.",
            f"- {self.describe()}",
            f"- {figures['steps']:,.0f} steps, {figures['images']:,.0f} images in {figures['train_seconds'] / 60:.1f} minutes "
            f"({self.accelerator.device.type}); seed {self.config.seed}.",
        ])  # fmt: skip

    @abstractmethod
    def describe(self) -> str:
        """How it was trained, in a sentence, for the model card."""
