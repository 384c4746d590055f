"""A small CLIP, trained on sprites and their captions (Radford et al. 2021, https://arxiv.org/abs/2103.00020)."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from ..data import EpochSampler, SpriteDataset, make_grid
from ..data.captions import CaptionedDataset
from ..errors import SpriteError
from ..evaluation.retrieval import retrieval
from ..models.autoencoders import FACTS_FILE, read_facts
from ..models.clip import LoadedClip, build_clip, save_clip
from ..models.text_training import start_from_company, train_wordpiece
from .base import FitResult, Trainer
from .checkpoints import list_checkpoints
from .clip_data import ClipDataConfig, ClipSplit, PairAugmentation, clip_splits, load_clip_data
from .config import TrainerConfig

if TYPE_CHECKING:
    from .text_to_sprite.run import PokemonSettings

TRAIN = "train"
GROUP = 16  # captions that the right one is looked for among
MAX_HELD_OUT = 1024  # images of a split that are measured on
MAX_LOGIT_SCALE = math.log(100)  # section 2.5 of the paper
PREVIEW_CAPTIONS, PREVIEW_IMAGES = 8, 8

# For a few hundred sprites with long captions, where a CLIP soon learns pairs by heart: configs/clip_pokemon.yaml.
FEW_PAIRS: dict[str, dict[str, Any]] = {
    "trainer": {
        "train_batch_size": 64,
        "learning_rate": 2e-3,
        "lr_scheduler": "cosine",
        "lr_warmup_steps": 50,
        "adam_beta2": 0.98,
        "adam_weight_decay": 0.5,
        "validation_steps": 50,
        "preview_steps": 1000,
        "early_stopping_patience": 8,
    },
    "data": {
        "max_rotation": 15,
        "random_scale": 0.25,
        "random_shift": 5,
        "color_jitter": 0.05,
        "max_sentences": 9,
        "word_dropout": 0.2,
    },
    "clip": {
        "clip_image_size": 32,
        "vision_patch_size": 2,
        "vision_channels": [64, 128],
        "text_hidden_size": 256,
    },
}


@dataclass
class ClipConfig:
    """The CLIP."""

    architecture: Literal["dual_encoder", "clip"] = field(
        default="dual_encoder",
        metadata={
            "help": "'dual_encoder' has a ConvNeXt for images, 'clip' a vision transformer: the layout CLIPModel, "
            "which unCLIP and published scorers read."
        },
    )
    clip_image_size: int | None = field(
        default=None, metadata={"help": "Side of the images that it takes; the data's, or 64 if that is less."}
    )
    vision_patch_size: int = field(default=4, metadata={"help": "Side of the squares that become features."})
    vision_channels: list[int] = field(
        default_factory=lambda: [32, 64, 128],
        metadata={"help": "Channels per resolution; of 'clip' the last is its width, a multiple of 32."},
    )
    vision_layers_per_block: int = field(default=1, metadata={"help": "Blocks per resolution."})
    text_hidden_size: int = field(default=128, metadata={"help": "Width of the text encoder, a multiple of 32."})
    text_num_layers: int = field(default=1, metadata={"help": "Layers of the text encoder."})
    vocab_size: int = field(default=4000, metadata={"help": "Most pieces of words that it knows."})
    max_length: int = field(default=128, metadata={"help": "Tokens of a caption that it reads."})
    projection_dim: int = field(default=128, metadata={"help": "Length of the features."})
    clip_dropout: float = field(
        default=0.1, metadata={"help": "Dropout of attention; stochastic depth of the ConvNeXt."}
    )

    def __post_init__(self) -> None:
        sizes = ("vision_patch_size", "vision_layers_per_block", "text_num_layers", "vocab_size", "projection_dim")
        for name in (*sizes, "clip_image_size"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise SpriteError(f"--{name} is {getattr(self, name)}, but must be 1 or more.")
        if self.max_length < 3:
            raise SpriteError(f"--max_length is {self.max_length}, but must be 3 or more: start, end and a word.")
        if self.text_hidden_size < 32 or self.text_hidden_size % 32:
            raise SpriteError(f"--text_hidden_size is {self.text_hidden_size}, but must be a multiple of 32.")
        widths = self.vision_channels
        if not widths or min(widths) < 1 or (self.architecture == "clip" and widths[-1] % 32):
            raise SpriteError(
                f"--vision_channels is {widths}, but needs one or more widths, of 'clip' multiples of 32."
            )
        if not 0 <= self.clip_dropout < 1:
            raise SpriteError(f"--clip_dropout is {self.clip_dropout}, but must be at least 0 and below 1.")


@dataclass(frozen=True)
class ClipSettings:
    """All settings of one training."""

    trainer: TrainerConfig
    data: ClipDataConfig
    clip: ClipConfig


def fit_clip(settings: ClipSettings, dataset: CaptionedDataset | SpriteDataset | None = None) -> FitResult:
    """Loads the data and trains: all that the launch script needs.

    Args:
        settings: all of them.
        dataset: the data, if it is loaded; `load_clip_data` otherwise.

    Raises:
        SpriteError: bad settings or data; nothing has been written then.
    """
    if dataset is None:
        dataset = load_clip_data(settings.data, settings.trainer.seed)
    trainer = ClipTrainer(settings, dataset)
    result = trainer.fit()
    if trainer.accelerator.is_main_process and result.status == "finished":
        print(f"clip: {result.output_dir}")
        for split, figures in trainer.held_out_figures().items():
            print(
                f"{split}: R@1 {figures['r@1']:.3f} ± {figures['r@1_se']:.3f}, R@5 {figures['r@5']:.3f} ± "
                f"{figures['r@5_se']:.3f} among {figures['group']:.0f} (chance {figures['r@1_chance']:.3f})"
            )
        if settings.trainer.push_to_hub:
            repository, private = str(settings.trainer.hub_model_id), settings.trainer.hub_private
            trainer.clip.model.push_to_hub(repository, private=private)
            trainer.clip.tokenizer.push_to_hub(repository, private=private)
    return result


class ClipTrainer(Trainer):
    """Trains image and text encoder to find each other, by the symmetric InfoNCE loss with a learned temperature.

    Among the captions of a batch those equal to an image's own are not its negatives (captions of classes repeat). With
    several processes the negatives are those of one process.

    Early stopping goes by held-out retrieval: the validation "loss" is 1 - R@1 among `GROUP` captions.

    Args:
        settings: all settings.
        dataset: from `load_captioned` or `load_sprites`.

    Raises:
        SpriteError: data without captions, and as `Trainer`.
    """

    name = "clip"

    def __init__(self, settings: ClipSettings, dataset: CaptionedDataset | SpriteDataset):
        self.settings, self.report = settings, dataset.report
        options = settings.clip
        self.image_size = options.clip_image_size or min(64, self.report.image_size)
        self.splits = clip_splits(dataset, self.image_size, settings.data.background)
        torch.manual_seed(settings.trainer.seed)
        self.clip = _build(options, self.image_size, self.splits["train"].texts)
        super().__init__(settings.trainer, self.clip.model, len(self.splits["train"]))
        self._say(self.report.summary())
        self.augmentation = PairAugmentation(settings.data)
        self.sampler = EpochSampler(
            len(self.splits["train"]),
            self.config.train_batch_size,
            self.config.seed,
            self.accelerator.process_index,
            self.accelerator.num_processes,
        )

    def training_step(self, micro_step: int) -> torch.Tensor:
        position = micro_step * self.accelerator.num_processes + self.accelerator.process_index
        seed = (self.config.seed << 40) + 2 * position
        generator, rng = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
        torch.manual_seed(seed + 1)  # of dropout
        train, rows, device = self.splits["train"], self.sampler.indices(micro_step), self.accelerator.device
        pixels = self.augmentation.images(train.pixels[torch.from_numpy(rows)], generator)
        tokens = self.clip.tokenize([self.augmentation.caption(train.texts[row], rng) for row in rows])
        with torch.no_grad():
            self.clip.model.logit_scale.clamp_(max=MAX_LOGIT_SCALE)
        output = self.model(
            input_ids=tokens["input_ids"].to(device),
            attention_mask=tokens["attention_mask"].to(device),
            pixel_values=self.clip.preprocessing(_to_unit(pixels).to(device)),
        )
        return contrastive_loss(output.logits_per_text.float(), [train.texts[row] for row in rows])

    def validate(self) -> dict[str, float]:
        figures = self.measure(self.splits["validation"])
        return {
            "loss": 1 - figures["r@1"],
            "recall_at_1": figures["r@1"],
            "recall_at_5": figures["r@5"],
            "logit_scale": float(self.clip.model.logit_scale.detach().exp()),
        }

    def measure(self, split: ClipSplit) -> dict[str, float]:
        """`retrieval` in a split, with ``group``: `GROUP` captions, or as many different ones as there are."""
        images, texts, captions = self._features(split)
        group = min(GROUP, len(set(captions)))
        if group < 2:
            raise SpriteError(
                f"{self.report.source} has one caption for all held-out images: there is nothing to tell apart."
            )
        figures = retrieval(images, texts, group, texts=captions)
        return figures | {"group": float(group), "images": float(len(captions))}

    def held_out_figures(self) -> dict[str, dict[str, float]]:
        """`measure` of every split that was not trained on; early stopping looked at "validation" alone."""
        self.clip.model.eval()
        held_out = {name: split for name, split in self.splits.items() if name != "train"}
        return {name: self.measure(split) for name, split in held_out.items() if len(set(split.texts)) > 1}

    def preview(self) -> Image.Image:
        """A row per held-out caption: its own sprite, then the held-out sprites that are nearest to it."""
        split = self.splits["validation"]
        images, texts, captions = self._features(split)
        rows = np.linspace(0, len(captions) - 1, min(PREVIEW_CAPTIONS, len(captions))).astype(int)
        cells = []
        for row in rows:
            nearest = (images @ texts[row]).argsort(descending=True)[:PREVIEW_IMAGES].tolist()
            blank = [np.full((self.image_size, self.image_size, 3), 255, np.uint8)]
            cells += [split.pixels[index].numpy() for index in (row, *nearest)] + blank * (
                PREVIEW_IMAGES - len(nearest)
            )
        labels = [captions[row][:30] for row in rows]
        return make_grid(cells, PREVIEW_IMAGES + 1, max(1, 64 // self.image_size), row_labels=labels)

    def save(self, directory: Path) -> None:
        save_clip(self.clip, directory)
        facts = {
            "data_fingerprint": self.report.fingerprint,
            "dataset": Path(self.settings.data.dataset).name,
            "images": {name: len(split) for name, split in self.splits.items()},
            "image_size": self.report.image_size,
            "seed": self.config.seed,
            "step": self.state.step,
            "retrieval": self.held_out_figures(),
        }
        (directory / FACTS_FILE).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")

    def facts(self) -> dict[str, Any]:
        return {
            "data_fingerprint": self.report.fingerprint,
            "clip": asdict(self.settings.clip),
            "seed": self.config.seed,
            "images_per_step": self.images_per_step,
        }

    def params(self) -> dict[str, Any]:
        return {key: value for group in asdict(self.settings).values() for key, value in group.items()}

    @torch.no_grad()
    def _features(self, split: ClipSplit) -> tuple[torch.Tensor, torch.Tensor, list[str]]:
        """Features ``(N, D)`` of images and of captions, on the CPU, and those captions; of `MAX_HELD_OUT` at most."""
        rows = np.unique(np.linspace(0, len(split) - 1, min(len(split), MAX_HELD_OUT)).astype(int))
        captions = [split.texts[row] for row in rows]
        images, texts = [], []
        for part in np.array_split(np.arange(len(rows)), math.ceil(len(rows) / 64)):
            pixels = split.pixels[torch.from_numpy(rows[part])]
            images.append(self.clip.image_features(_to_unit(pixels)).cpu())
            texts.append(self.clip.text_features([captions[index] for index in part]).cpu())
        return torch.cat(images), torch.cat(texts), captions


def contrastive_loss(logits: torch.Tensor, captions: list[str]) -> torch.Tensor:
    """Mean of the cross-entropies of finding the image of a caption, and the caption of an image (figure 3 of the paper).

    Args:
        logits: ``(N, N)``, similarity of caption (row) and image (column) over the temperature.
        captions: of the images; one that equals another is not a negative of its image.
    """
    number = {caption: index for index, caption in enumerate(captions)}
    names = torch.tensor([number[caption] for caption in captions], device=logits.device)
    own = torch.eye(len(captions), dtype=torch.bool, device=logits.device)
    logits = logits.masked_fill((names[:, None] == names) & ~own, float("-inf"))
    target = torch.arange(len(captions), device=logits.device)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def fit_stage_clip(
    source: str,
    minutes: float,
    dataset: CaptionedDataset,
    settings: PokemonSettings,
    folder: Path,
    judge: bool = False,
) -> str:
    """The folder or Hub id of the CLIP that stage 3 of text to sprite needs; a small one is trained, if not yet there.

    Args:
        source: ``"train"``, or what to take instead; a judge is trained in any case, so that it is not what tuned.
        minutes: of training.
        dataset: loaded; its training split is trained on.
        settings: of the three stages.
        folder: where one that is trained goes.
        judge: another seed, and another architecture.

    Raises:
        SpriteError: a signal stopped its training.
    """
    if source != TRAIN and not judge:
        return source
    if read_facts(folder).get("data_fingerprint") == dataset.report.fingerprint:
        return str(folder)
    resume = "latest" if settings.stages.resume and list_checkpoints(folder) else None
    trainer = TrainerConfig(
        output_dir=str(folder),
        overwrite_output_dir=settings.trainer.overwrite_output_dir,
        run_name=folder.name,
        experiment_name=settings.trainer.experiment_name,
        seed=settings.trainer.seed + judge,
        max_train_minutes=minutes,
        resume_from_checkpoint=resume,
        num_cpu_threads=settings.trainer.num_cpu_threads,
        mixed_precision=settings.trainer.mixed_precision,
        **FEW_PAIRS["trainer"],
    )
    data = ClipDataConfig(
        settings.data.dataset,
        background=settings.data.background,
        random_flip=settings.data.random_flip,
        **FEW_PAIRS["data"],
    )
    clip = ClipConfig(**FEW_PAIRS["clip"])
    if judge:
        clip = replace(clip, text_hidden_size=192, vision_channels=[48, 96, 192])
    result = fit_clip(ClipSettings(trainer, data, clip), dataset)
    if result.status == "interrupted":
        raise SpriteError(f"the training of the CLIP in {folder} was interrupted: go on with --resume.")
    return str(folder)


def _build(options: ClipConfig, image_size: int, captions: list[str]) -> LoadedClip:
    """A CLIP that knows nothing yet but which words of the captions keep company."""
    tokenizer = train_wordpiece(captions, options.vocab_size, options.max_length)
    clip = build_clip(
        tokenizer,
        architecture=options.architecture,
        image_size=image_size,
        patch_size=options.vision_patch_size,
        block_out_channels=options.vision_channels,
        layers_per_block=options.vision_layers_per_block,
        text_hidden_size=options.text_hidden_size,
        text_num_layers=options.text_num_layers,
        max_length=options.max_length,
        projection_dim=options.projection_dim,
        dropout=options.clip_dropout,
    )
    tokens = tokenizer(captions, add_special_tokens=False, verbose=False).input_ids
    start_from_company(clip.model.text_model.embeddings.token_embedding.weight, tokens)
    start_from_mean(clip.model.text_model.encoder.layers[0].self_attn)
    return clip


@torch.no_grad()
def start_from_mean(attention: Any) -> None:
    """Makes attention begin as the mean of what it sees, so that a text begins as the mean of its word vectors.

    On the captions of 718 sprites that mean, matched to colour histograms by regression, finds far more held-out pairs
    than random attention does.
    """
    for part in (attention.v_proj, attention.out_proj):
        torch.nn.init.eye_(part.weight)
        torch.nn.init.zeros_(part.bias)
    attention.q_proj.weight.mul_(0.1)  # equal attention, but not a saddle point


def _to_unit(pixels: torch.Tensor) -> torch.Tensor:
    """uint8 ``(N, H, W, 3)`` to float ``(N, 3, H, W)`` in ``[0, 1]``."""
    return pixels.permute(0, 3, 1, 2).float() / 255
