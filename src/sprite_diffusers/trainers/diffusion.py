"""Diffusion and flow models in pixel space, unconditional and class-conditional."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import DiffusionPipeline, ModelMixin, UNet2DModel
from huggingface_hub import ModelCard
from PIL import Image

from .. import hub
from ..data import EpochSampler, SpriteArrays, SpriteDataset, make_grid
from ..errors import SpriteError
from ..objectives import Objective, build_objective
from ..pipelines import ClassCondPipeline, SpriteDDPMPipeline
from ..pipelines.sprite_palette import encode_bits, nearest_codes, num_bits
from ..pixels import quantize
from .base import FitResult, Trainer
from .config import ClassCondConfig, DataConfig, ObjectiveConfig, PaletteConfig, TrainerConfig, UNetConfig
from .copies import CopyMonitor
from .data_parts import build_augmentation, load_data
from .palette import choose_palette

PREVIEWS_PER_ROW = 10
MAX_PREVIEW_ROWS = 12
MAX_VALIDATION_IMAGES = 1024
EARLY_GUIDANCE, LATE_GUIDANCE, MANY_IMAGES = 1.5, 1.25, 200_000
"""Measured on game tiles of 16x16, see docs/recipe.md."""


@dataclass(frozen=True)
class DiffusionConfig:
    """All settings of one training; `condition` is `None` for an unconditional model, `palette` is of a model of pixels."""

    trainer: TrainerConfig
    data: DataConfig
    unet: UNetConfig
    objective: ObjectiveConfig
    condition: ClassCondConfig | None = None
    palette: PaletteConfig = field(default_factory=PaletteConfig, kw_only=True)


def fit_diffusion(config: DiffusionConfig) -> FitResult:
    """Loads the data, builds the network, trains, and (if asked) uploads: all that a launch script needs.

    Raises:
        SpriteError: bad settings or data; nothing has been written then.
    """
    return fit(DiffusionTrainer(config, load_data(config.data)))


def fit(trainer: DiffusionTrainer) -> FitResult:
    """Trains, says where everything is, and (if asked) uploads."""
    result, config = trainer.fit(), trainer.settings
    if trainer.accelerator.is_main_process and result.status == "finished":
        print(f"pipeline: {result.output_dir}")
        print(f"samples:  {result.samples}")
        if trainer.run:
            print(f"MLflow:   {trainer.run.describe()}")
        if config.trainer.push_to_hub:
            repo_id = str(config.trainer.hub_model_id)
            print(f"uploaded: {hub.push(result.output_dir, repo_id, config.trainer.hub_private)}")
    return result


def default_channels(image_size: int, patch_size: int = 1) -> list[int]:
    """Channels per resolution: 32, 64, 128 from 16 pixels down; half the width in front for each doubling of the size.

    At full resolution a level costs in proportion to pixels times width squared, so that each level costs the same.
    Patches leave out the levels that they are in place of.
    """
    channels, size = [32, 64, 128], 16
    while image_size >= 2 * size:
        channels, size = [max(16, channels[0] // 2), *channels], 2 * size
    return channels[int(math.log2(patch_size)) :] or channels[-1:]


def build_unet(
    config: UNetConfig, channels: int, image_size: int, num_class_embeds: int | None, out_channels: int | None = None
) -> UNet2DModel:
    """A `UNet2DModel` for sprites of `image_size`, which is rounded up to what the network can halve.

    Raises:
        SpriteError: settings that do not make a network.
    """
    channels_per_level = config.block_out_channels or default_channels(image_size, config.patch_size)
    levels = len(channels_per_level)
    narrow = [width for width in channels_per_level if width % config.norm_num_groups]
    if narrow:
        raise SpriteError(
            f"--block_out_channels has {narrow[0]}, which --norm_num_groups {config.norm_num_groups} does not divide: "
            "change one of them."
        )
    if any(not 0 <= level < levels for level in config.attention_levels):
        raise SpriteError(f"--attention_levels is {config.attention_levels}, but the levels are 0 to {levels - 1}.")
    attention = [level in config.attention_levels for level in range(levels)]
    factor = 2 ** (levels - 1)
    return UNet2DModel(
        sample_size=math.ceil(image_size / config.patch_size / factor) * factor,
        in_channels=channels * config.patch_size**2,
        out_channels=(out_channels or channels) * config.patch_size**2,
        block_out_channels=tuple(channels_per_level),
        layers_per_block=config.layers_per_block,
        down_block_types=tuple("AttnDownBlock2D" if attend else "DownBlock2D" for attend in attention),
        up_block_types=tuple("AttnUpBlock2D" if attend else "UpBlock2D" for attend in reversed(attention)),
        add_attention=config.mid_attention,
        resnet_time_scale_shift=config.resnet_time_scale_shift,
        norm_num_groups=config.norm_num_groups,
        dropout=config.dropout,
        num_class_embeds=num_class_embeds,
    )


class DiffusionTrainer(Trainer):
    """Trains a U-Net to undo noise; with labels if ``config.condition`` is given.

    Args:
        config: all settings.
        dataset: from `load_sprites`.

    Raises:
        SpriteError: class-conditional training on data without classes, and as `Trainer`.
    """

    without_classes = "training/train_ddpm.py"

    def __init__(self, config: DiffusionConfig, dataset: SpriteDataset):
        self.settings, self.report = config, dataset.report
        conditional = config.condition is not None
        self.name, self.card_template = ("class-cond", "class_cond") if conditional else ("sprite-ddpm", "sprite_ddpm")
        self.class_names = list(self.report.class_names or [])
        if config.condition is not None and not self.class_names:
            raise SpriteError(
                f"--dataset {config.data.dataset} has no classes: train without them ({self.without_classes}), or give "
                "labels (one folder per class, a label column, or --labels)."
            )
        self.train_data = SpriteArrays.from_dataset(dataset["train"])
        self.validation_data = SpriteArrays.from_dataset(dataset["validation"])
        self.augmentation = build_augmentation(config.data, self.class_names)
        self.palette = choose_palette(config.palette.palette, self.train_data.pixels)
        if self.palette is not None and config.objective.prediction_type != "flow":
            raise SpriteError(
                f"--palette needs --prediction_type flow, and not {config.objective.prediction_type}: indices are drawn by a flow."
            )
        self.copies = CopyMonitor.of(self.train_data.pixels, self.validation_data.pixels, self._as_drawn)
        torch.manual_seed(config.trainer.seed)
        self.unet = self._build_network()
        self.objective = self._build_objective()
        super().__init__(config.trainer, self.unet, len(self.train_data))
        self._say(self.report.summary())
        self.sampler = EpochSampler(
            len(self.train_data),
            config.trainer.train_batch_size,
            config.trainer.seed,
            self.accelerator.process_index,
            self.accelerator.num_processes,
        )

    # ---- what the loop asks for ---------------------------------------------------------------------------------

    def training_step(self, micro_step: int) -> torch.Tensor:
        # seeded per process and micro-batch, so that a resumed run draws what the interrupted one would have drawn;
        # even seeds for augmentation and dropout, odd ones for noise, which must not depend on each other
        position = micro_step * self.accelerator.num_processes + self.accelerator.process_index
        seed = (self.config.seed << 40) + 2 * position
        generator = torch.Generator().manual_seed(seed)
        clean, labels = self._training_batch(self.sampler.indices(micro_step), generator)
        if labels is not None and self.settings.condition is not None:
            dropped = torch.rand(len(labels), generator=generator) < self.settings.condition.class_dropout
            labels = torch.where(dropped, len(self.class_names), labels)
        return self._loss(clean, labels, seed + 1)

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        total, count = 0.0, min(len(self.validation_data), MAX_VALIDATION_IMAGES)
        for start in range(0, count, 256):
            rows = np.arange(start, min(start + 256, count))
            clean, labels = self._validation_batch(rows)
            total += float(self._loss(clean, labels, seed=start, model=self.unet)) * len(rows)
        return {"loss": total / count}

    def preview(self) -> Image.Image:
        pipeline = self.pipeline()
        pipeline.set_progress_bar_config(disable=True)
        generator = torch.Generator().manual_seed(self.config.seed)
        background = "checker" if self.report.mode == "RGBA" else self.report.background
        scale = max(1, 64 // self.report.image_size)
        if pipeline.is_conditional:
            names = self.class_names[:MAX_PREVIEW_ROWS]
            images = pipeline(names, num_images_per_prompt=PREVIEWS_PER_ROW, generator=generator).images
        else:
            names = None
            images = pipeline(batch_size=6 * PREVIEWS_PER_ROW, generator=generator).images
        if self.copies is not None:
            self._log({"validation/copies": self.copies.look(images)})
        return make_grid(images, PREVIEWS_PER_ROW, scale, background=background, row_labels=names)

    def should_stop(self) -> bool:
        if self.copies is None or not self.copies.alarming:
            return False
        self._say(
            f"{self.copies.share:.0%} of the preview are copies of training images, {self.copies.floor:.0%} of held-out ones: "
            "the model begins to memorise its images."
        )
        return True

    def save(self, directory: Path) -> None:
        hub.export(self.pipeline(), directory, self._card())

    def facts(self) -> dict[str, Any]:
        return {
            "data_fingerprint": self.report.fingerprint,
            "palette": None if self.palette is None else self.palette.hex,
            "unet": self._network_facts(),
            "objective": asdict(self.settings.objective),
            "condition": None if self.settings.condition is None else asdict(self.settings.condition),
            "seed": self.config.seed,
            "images_per_step": self.images_per_step,
        }

    def _network_facts(self) -> dict[str, Any]:
        return {**asdict(self.settings.unet), "block_out_channels": list(self.unet.config.block_out_channels)}

    def summary(self) -> dict[str, float]:
        figures = super().summary()
        if self.copies is not None and self.copies.share is not None:
            figures |= {"copies": self.copies.share, "copies_held_out": self.copies.floor}
        return figures if self.settings.condition is None else figures | {"guidance_scale": self.guidance_scale}

    def params(self) -> dict[str, Any]:
        settings = asdict(self.settings)
        return {key: value for group in settings.values() if group for key, value in group.items()}

    # ---- parts --------------------------------------------------------------------------------------------------

    def pipeline(self) -> DiffusionPipeline:
        """The pipeline around the network as it is now."""
        build = SpriteDDPMPipeline if self.settings.condition is None else ClassCondPipeline
        options = self._pipeline_options(self._drawn_size())
        return build(
            self.unet,
            self.objective.sampling_scheduler(),
            patch_size=self.settings.unet.patch_size,
            index_palette=None if self.palette is None else self.palette.hex,
            **options,
        )

    @property
    def guidance_scale(self) -> float:
        """What the pipeline is told, as it is now: the longer a model has been trained, the less guidance it needs."""
        condition = self.settings.condition
        if condition is None or not condition.class_dropout:
            return 1.0
        if condition.guidance_scale is not None:
            return condition.guidance_scale
        return EARLY_GUIDANCE if self.state.images < MANY_IMAGES else LATE_GUIDANCE

    def _pipeline_options(self, drawn_size: int) -> dict[str, Any]:
        """What every pipeline is told; `drawn_size` is the side of what comes out of the networks, before it is cut."""
        options: dict[str, Any] = {
            "default_num_inference_steps": self.settings.objective.num_inference_steps,
            "image_size": self.report.image_size if self.report.image_size != drawn_size else None,
            "binary_alpha": self.report.binary_alpha,
        }
        if self.settings.condition is not None:
            options["id2label"] = {str(index): name for index, name in enumerate(self.class_names)}
            options["default_guidance_scale"] = self.guidance_scale
        return options

    def _build_network(self) -> ModelMixin:
        channels = self.train_data.pixels.shape[-1]
        out_channels = None
        if self.palette is not None:
            transparent, colors = channels - 3, len(self.palette)
            channels, out_channels = num_bits(colors) + transparent, colors + transparent
        return build_unet(self.settings.unet, channels, self.report.image_size, self._num_class_embeds(), out_channels)

    def _training_batch(
        self, indices: np.ndarray, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """What the network learns to draw, as it sees it, and labels ``(batch,)``."""
        sprites, labels = self.train_data.batch(indices, self.augmentation, generator)
        return self._as_seen(sprites), labels

    def _validation_batch(self, indices: np.ndarray) -> tuple[torch.Tensor, torch.Tensor | None]:
        """As `_training_batch`, of held-out sprites."""
        sprites, labels = self.validation_data.batch(indices)
        return self._as_seen(sprites), labels

    def _as_drawn(self, pixels: np.ndarray) -> np.ndarray:
        """Sprites, uint8, in the colours that the model knows."""
        return pixels if self.palette is None else quantize(pixels, self.palette)

    def _as_seen(self, sprites: torch.Tensor) -> torch.Tensor:
        """Sprites up to the size that the network can halve, as it sees them."""
        if self.palette is not None:
            sprites = encode_bits(sprites, self.palette.tensor)
        margin = self._drawn_size() - self.report.image_size
        before = margin // 2
        padded = F.pad(sprites, (before, margin - before, before, margin - before), mode="replicate")
        return F.pixel_unshuffle(padded, self.settings.unet.patch_size)

    def _drawn_size(self) -> int:
        """Side in pixels of what the network draws."""
        return self.unet.config.sample_size * self.settings.unet.patch_size

    def _loss(
        self,
        clean: torch.Tensor,
        labels: torch.Tensor | None,
        seed: int,
        model: torch.nn.Module | None = None,
    ) -> torch.Tensor:
        """Loss of ``(batch, channels, ...)`` under the noise of `seed`.

        Labels are left out of unconditional training.
        """
        device = self.accelerator.device
        corrupted = self.objective.corrupt(clean.to(device), torch.Generator(device).manual_seed(seed))
        condition = {} if self.settings.condition is None else {"class_labels": labels.to(device)}  # type: ignore[union-attr]
        prediction = (model or self.model)(corrupted.sample, corrupted.timesteps, return_dict=False, **condition)[0]
        if self.palette is not None:
            return self._index_loss(prediction, clean.to(device), corrupted.weight)
        return self.objective.loss(prediction, corrupted)

    def _index_loss(self, logits: torch.Tensor, clean: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """Cross-entropy of the palette indices of a batch, weighted by example; nats per pixel."""
        assert self.palette is not None
        patch = self.settings.unet.patch_size
        indices = nearest_codes(F.pixel_shuffle(clean, patch), len(self.palette))
        error = F.cross_entropy(F.pixel_shuffle(logits.float(), patch), indices, reduction="none")
        return (error.flatten(1).mean(1) * weight).mean()

    def _build_objective(self, **extra: Any) -> Objective:
        options = asdict(self.settings.objective)
        options.pop("num_inference_steps")
        return build_objective(**options, **extra)

    def _num_class_embeds(self) -> int | None:
        if self.settings.condition is None:
            return None
        return len(self.class_names) + (self.settings.condition.class_dropout > 0)

    def _card(self) -> ModelCard:
        name = self.config.hub_model_id or self.output_dir.resolve().name
        report, figures = self.report, self.summary()
        loss = figures.get("validation_loss")
        return hub.model_card(
            self.card_template,
            model_name=name.split("/")[-1],
            dataset=Path(self.settings.data.dataset).name,
            results={} if loss is None else {"validation_loss": loss},
            tags=["unconditional" if self.settings.condition is None else "class-conditional", report.mode.lower()],
            repo_id=name,
            image_size=report.image_size,
            image_mode=report.mode,
            classes=", ".join(self.class_names),
            example_class=repr(self.class_names[0]) if self.class_names else "",
            parameters=f"{figures['parameters'] / 1e6:.1f} million",
            training_facts=self._training_facts(),
        )

    def _training_facts(self) -> str:
        objective, figures = self.settings.objective, self.summary()
        lines = [
            "## Training",
            "",
            f"- Data: `{Path(self.settings.data.dataset).name}`, {self.report.split_sizes['train']:,} sprites after "
            f"{self.report.num_duplicates:,} exact duplicates were removed; fingerprint `{self.report.fingerprint[:16]}`.",
            f"- Objective: {objective.prediction_type}, {objective.loss_type if self.palette is None else 'cross-entropy'}.",
            *self._palette_facts(),
            f"- {figures['steps']:,.0f} steps, {figures['images']:,.0f} images in {figures['train_seconds'] / 60:.1f} minutes "
            f"({figures['images_per_second']:.0f} images/s on {self.accelerator.device.type}); seed {self.config.seed}.",
        ]
        if "copies" in figures:
            lines.append(
                f"- Copies of training images: {figures['copies']:.1%} of the samples above, {figures['copies_held_out']:.1%} of "
                "held-out sprites."
            )
        return "\n".join(lines)

    def _palette_facts(self) -> list[str]:
        if self.palette is None:
            return []
        return [
            f"- Palette: {len(self.palette)} colours ({self.palette.name}), of which it draws indices: "
            f"{' '.join(f'`{color}`' for color in self.palette.hex)}."
        ]
