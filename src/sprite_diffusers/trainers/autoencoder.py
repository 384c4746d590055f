"""Autoencoders: plain, denoising, variational and vector-quantised, in one trainer."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, ModelMixin, VQModel
from huggingface_hub import ModelCard
from PIL import Image

from .. import hub, tracking
from ..data import EpochSampler, SpriteArrays, SpriteDataset, corrupt, from_tensor, make_grid
from ..errors import SpriteError
from ..evaluation import analyse, save_analysis
from ..models import SpriteAutoencoder, load_autoencoder
from ..models.autoencoders import FACTS_FILE
from ..models.perceptual import LaplacianPyramidLoss, PerceptualLoss, build_perceptual
from ..pipelines.sprite_ldm import encode_sprites, latent_shape
from .base import FitResult, Trainer
from .config import AutoencoderConfig, DataConfig, TrainerConfig
from .data_parts import build_augmentation, load_data, pad_sprites

PREVIEW_IMAGES = 12
MAX_VALIDATION_IMAGES = 1024
REVIVAL_IMAGES = 1024  # training images that say which codes are in use


@dataclass(frozen=True)
class AutoencoderSettings:
    """All settings of one training."""

    trainer: TrainerConfig
    data: DataConfig
    autoencoder: AutoencoderConfig


def fit_autoencoder(settings: AutoencoderSettings) -> FitResult:
    """Loads the data, trains, analyses the latents, and (if asked) uploads: all that the launch script needs.

    Raises:
        SpriteError: bad settings or data; nothing has been written then.
    """
    trainer = AutoencoderTrainer(settings, load_data(settings.data))
    result = trainer.fit()
    if trainer.accelerator.is_main_process and result.status == "finished":
        print(f"autoencoder: {result.output_dir}")
        _analyse(trainer, result.output_dir)
        if settings.trainer.push_to_hub:
            load_autoencoder(result.output_dir).push_to_hub(
                str(settings.trainer.hub_model_id), private=settings.trainer.hub_private
            )
    return result


def _analyse(trainer: AutoencoderTrainer, folder: Path) -> None:
    """Analyses what was trained, and keeps figures and pictures where the model and its run are."""
    config = trainer.settings.autoencoder
    analysis = analyse(
        load_autoencoder(folder).to(trainer.accelerator.device),
        trainer.train_data,
        trainer.validation_data,
        list(trainer.report.class_names or []) or None,
        noise_type="gaussian" if config.input_noise == "none" else config.input_noise,
        noise_strength=config.noise_strength,
        seed=trainer.config.seed,
    )
    files = save_analysis(analysis, folder / "analysis")
    figures = analysis.metrics
    facts_file = folder / FACTS_FILE
    facts = json.loads(facts_file.read_text(encoding="utf-8")) | {"psnr": figures["psnr"], "ssim": figures["ssim"]}
    facts_file.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    names = ("psnr", "ssim", "denoising_gain", "latent_floats", "latent_bits", "codebook_use")
    table = "\n".join(
        ["| | held-out sprites |", "|:--|--:|"] + [f"| {n} | {figures[n]:.4g} |" for n in names if n in figures]
    )
    hub.add_results(
        folder, Path(trainer.settings.data.dataset).name, {n: figures[n] for n in names if n in figures}, table
    )
    where = tracking.log_files(
        folder,
        files,
        "analysis",
        metrics={f"latents/{name}": value for name, value in figures.items()},
        tags={
            "latents.kind": trainer.kind,
            "latents.data_fingerprint": trainer.report.fingerprint,
            "latents.image_size": str(trainer.report.image_size),
            "latents.mode": trainer.report.mode,
            "latents.num_validation": str(len(trainer.validation_data)),
        },
    )
    print(
        f"held-out PSNR {figures['psnr']:.2f} dB, SSIM {figures['ssim']:.4f}; with noise {figures['noisy_psnr']:.2f} dB in, "
        f"{figures['denoised_psnr']:.2f} dB out"
    )
    print(f"analysis:    {folder / 'analysis'}")
    print(f"MLflow:      {where}")


def build_autoencoder(config: AutoencoderConfig, channels: int, image_size: int) -> ModelMixin:
    """The network of `config` for sprites of `image_size`, which is rounded up to what it can halve."""
    widths = config.block_out_channels
    factor = 2 ** (len(widths) - (config.autoencoder != "ae"))
    size = math.ceil(image_size / factor) * factor
    if config.autoencoder == "ae":
        return SpriteAutoencoder(
            in_channels=channels,
            sample_size=size,
            latent_dim=config.latent_dim or None,
            block_out_channels=widths,
            layers_per_block=config.layers_per_block,
            block_type=config.block_type,
            hidden_size=config.hidden_size,
        )
    shared: dict[str, Any] = {
        "in_channels": channels,
        "out_channels": channels,
        "down_block_types": ("DownEncoderBlock2D",) * len(widths),
        "up_block_types": ("UpDecoderBlock2D",) * len(widths),
        "block_out_channels": tuple(widths),
        "layers_per_block": config.layers_per_block,
        "latent_channels": config.latent_channels,
        "norm_num_groups": config.norm_num_groups,
        "sample_size": size,
        "mid_block_add_attention": False,
        "force_upcast": False,
    }
    if config.autoencoder == "vae":
        return AutoencoderKL(**shared)
    model = VQModel(num_vq_embeddings=config.num_vq_embeddings, **shared)
    # as published (https://arxiv.org/abs/1711.00937, eq. 3): the codes move to the encoder's outputs at full weight
    model.quantize.legacy, model.quantize.beta = False, config.commitment_weight
    return model


class AutoencoderLoss(torch.nn.Module):
    """An autoencoder with its loss, as one module, so that it can be wrapped for several processes.

    Args:
        model: `SpriteAutoencoder`, `AutoencoderKL` or `VQModel`.
        config: the weights of the parts.
        perceptual: compares by features as well, if given.
    """

    def __init__(
        self,
        model: ModelMixin,
        config: AutoencoderConfig,
        perceptual: PerceptualLoss | LaplacianPyramidLoss | None = None,
    ):
        super().__init__()
        self.model, self.config = model, config
        self._perceptual = [perceptual]  # in a list, so that its weights are neither trained, averaged nor saved

    def forward(
        self, inputs: torch.Tensor, targets: torch.Tensor, kl_scale: float, noise: torch.Generator | None = None
    ) -> dict[str, torch.Tensor]:
        """Losses, scalars, by name; ``"loss"`` is their weighted sum.

        Args:
            inputs: what is encoded, ``(batch, channels, H, W)`` in ``[-1, 1]``.
            targets: what should come out.
            kl_scale: 0 to 1, of the warm-up.
            noise: draws a VAE's latents from their distributions; their mode without it.
        """
        config, parts = self.config, {}
        if isinstance(self.model, AutoencoderKL):
            posterior = self.model.encode(inputs).latent_dist
            latents = posterior.mode() if noise is None else posterior.sample(noise)
            output = self.model.decode(latents).sample
            # per latent number (https://arxiv.org/abs/1312.6114, appendix B), mean over the batch before the free bits
            # (https://arxiv.org/abs/1606.04934, appendix C.8); divided by the pixel values as the error is
            divergence = 0.5 * (posterior.mean.square() + posterior.var - 1 - posterior.logvar).mean(0)
            parts["kl"] = divergence.sum() / targets[0].numel()
            charged = divergence.clamp(min=config.free_bits).sum() / targets[0].numel()
            total = config.kl_weight * kl_scale * charged
        elif isinstance(self.model, VQModel):
            decoded = self.model(inputs)
            output, parts["commitment"] = decoded.sample, decoded.commit_loss
            total = parts["commitment"]
        else:
            output, total = self.model(inputs).sample, torch.zeros((), device=inputs.device)
        error = output.float() - targets
        parts["reconstruction"] = error.abs().mean() if config.reconstruction_loss == "l1" else error.square().mean()
        total = total + parts["reconstruction"]
        if self._perceptual[0] is not None:
            parts["perceptual"] = self._perceptual[0](output.float(), targets)
            total = total + config.perceptual_weight * parts["perceptual"]
        return {"loss": total, "mse": ((output.float().clamp(-1, 1) - targets) / 2).square().mean(), **parts}


class AutoencoderTrainer(Trainer):
    """Trains an autoencoder; on corrupted images if ``config.input_noise`` says so.

    Args:
        settings: all settings.
        dataset: from `load_sprites`.

    Raises:
        SpriteError: settings that exclude each other, a perceptual network that cannot be had, and as `Trainer`.
    """

    name = "autoencoder"

    def __init__(self, settings: AutoencoderSettings, dataset: SpriteDataset):
        self.settings, self.report = settings, dataset.report
        self.train_data = SpriteArrays.from_dataset(dataset["train"])
        self.validation_data = SpriteArrays.from_dataset(dataset["validation"])
        config = settings.autoencoder
        if config.autoencoder == "ae" and config.block_type == "resnet" and settings.trainer.use_ema:
            raise SpriteError(
                "--block_type resnet has batch norms, whose statistics do not belong to an average of the weights: pass "
                "--no_use_ema, or --block_type conv."
            )
        torch.manual_seed(settings.trainer.seed)
        self.autoencoder = build_autoencoder(config, self.train_data.pixels.shape[-1], self.report.image_size)
        for data in (self.train_data, self.validation_data):
            data.pixels = pad_sprites(data.pixels, self.autoencoder.config.sample_size)
        perceptual = build_perceptual(config.perceptual, config.perceptual_model)
        if perceptual is not None:
            _try_perceptual(perceptual, self.train_data)
        self.perceptual_name = None if perceptual is None else perceptual.name
        super().__init__(settings.trainer, AutoencoderLoss(self.autoencoder, config, perceptual), len(self.train_data))
        if perceptual is not None:
            perceptual.to(self.accelerator.device)
        self._say(self.report.summary())
        self.sampler = EpochSampler(
            len(self.train_data),
            self.config.train_batch_size,
            self.config.seed,
            self.accelerator.process_index,
            self.accelerator.num_processes,
        )
        self.augmentation = build_augmentation(settings.data, list(self.report.class_names or []))

    @property
    def kind(self) -> str:
        """``"ae"``, ``"dae"``, ``"vae"`` or ``"vq"``."""
        config = self.settings.autoencoder
        return "dae" if config.autoencoder == "ae" and config.input_noise != "none" else config.autoencoder

    # ---- what the loop asks for ---------------------------------------------------------------------------------

    def training_step(self, micro_step: int) -> torch.Tensor:
        config, accumulation = self.settings.autoencoder, self.config.gradient_accumulation_steps
        if config.autoencoder == "vq" and micro_step % (config.revive_steps * accumulation) == 0:
            self._revive_codes(micro_step)
        # even seeds for augmentation, odd ones for noise, as in all trainers
        position = micro_step * self.accelerator.num_processes + self.accelerator.process_index
        seed = (self.config.seed << 40) + 2 * position
        generator = torch.Generator().manual_seed(seed)
        clean, _ = self.train_data.batch(self.sampler.indices(micro_step), self.augmentation, generator)
        generator.manual_seed(seed + 1)
        device = self.accelerator.device
        noisy = corrupt(clean, config.input_noise, config.noise_strength, generator).to(device)
        noise = torch.Generator(device).manual_seed(seed + 1)
        progress = self.progress()
        kl_scale = 1.0 if config.kl_warmup == 0 else min(1.0, progress / config.kl_warmup)
        return self.model(noisy, clean.to(device), kl_scale, noise)["loss"]

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        config, totals = self.settings.autoencoder, dict[str, float]()
        count = min(len(self.validation_data), MAX_VALIDATION_IMAGES)
        for start in range(0, count, 256):
            rows = np.arange(start, min(start + 256, count))
            clean, _ = self.validation_data.batch(rows)
            noisy = corrupt(clean, config.input_noise, config.noise_strength, torch.Generator().manual_seed(start))
            device = self.accelerator.device
            for name, value in self.raw_model(noisy.to(device), clean.to(device), 1.0).items():
                totals[name] = totals.get(name, 0.0) + float(value) * len(rows) / count
        totals["psnr"] = -10 * math.log10(max(totals.pop("mse"), 1e-10))
        return totals

    @torch.no_grad()
    def preview(self) -> Image.Image:
        """Held-out sprites, what is encoded if that is corrupted, and what comes out, in rows."""
        config = self.settings.autoencoder
        rows = np.linspace(0, len(self.validation_data) - 1, PREVIEW_IMAGES).astype(int)
        clean, _ = self.validation_data.batch(rows)
        noisy = corrupt(clean, config.input_noise, config.noise_strength, torch.Generator().manual_seed(0))
        output = self.autoencoder(noisy.to(self.accelerator.device)).sample.float().cpu()
        images = [clean, output] if config.input_noise == "none" else [clean, noisy, output]
        labels = ["sprite", "output"] if config.input_noise == "none" else ["sprite", "input", "output"]
        scale = max(1, 64 // self.report.image_size)
        background = "checker" if self.report.mode == "RGBA" else self.report.background
        pixels = [sprite for part in images for sprite in from_tensor(part.clamp(-1, 1))]
        return make_grid(pixels, PREVIEW_IMAGES, scale, background=background, row_labels=labels)

    def save(self, directory: Path) -> None:
        hub.export(self.autoencoder, directory, self._card())
        (directory / FACTS_FILE).write_text(json.dumps(self._training_facts(), indent=2) + "\n", encoding="utf-8")

    def facts(self) -> dict[str, Any]:
        return {
            "data_fingerprint": self.report.fingerprint,
            "autoencoder": asdict(self.settings.autoencoder),
            "perceptual_network": self.perceptual_name,
            "seed": self.config.seed,
            "images_per_step": self.images_per_step,
        }

    def params(self) -> dict[str, Any]:
        return {key: value for group in asdict(self.settings).values() for key, value in group.items()}

    # ---- parts --------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def _revive_codes(self, micro_step: int) -> None:
        """Moves codes that no latent of a random part of the training set is nearest to onto random ones of these latents.

        At step 0 that places the whole codebook (https://arxiv.org/abs/2005.00341, section 3.1). Every process draws
        the same, so that the codebooks stay equal.
        """
        generator = np.random.default_rng([self.config.seed, micro_step])
        rows = generator.permutation(len(self.train_data))[:REVIVAL_IMAGES]
        latents = []
        for part in np.array_split(rows, max(1, len(rows) // 256)):
            sprites, _ = self.train_data.batch(part)
            latents.append(encode_sprites(self.autoencoder, sprites.to(self.accelerator.device)).float())
        vectors = torch.cat(latents).movedim(1, -1).flatten(0, -2)
        codes = self.autoencoder.quantize.embedding.weight
        nearest = torch.cat([torch.cdist(part, codes).argmin(1) for part in vectors.split(8192)])
        dead = torch.bincount(nearest, minlength=len(codes)) == 0
        if micro_step == 0:
            dead[:] = True
        chosen = generator.integers(len(vectors), size=int(dead.sum()))
        codes.data[dead] = vectors[torch.from_numpy(chosen).to(vectors.device)]

    def _training_facts(self) -> dict[str, Any]:
        figures = self.summary()
        return {
            "kind": self.kind,
            "data_fingerprint": self.report.fingerprint,
            "image_size": self.report.image_size,
            "mode": self.report.mode,
            "background": self.report.background,
            "latent_floats": math.prod(latent_shape(self.autoencoder)),
            "train_seconds": figures["train_seconds"],
            "images": figures["images"],
        }

    def _card(self) -> ModelCard:
        name = self.config.hub_model_id or self.output_dir.resolve().name
        report, figures = self.report, self.summary()
        loss = figures.get("validation_loss")
        return hub.model_card(
            "autoencoder",
            model_name=name.split("/")[-1],
            dataset=Path(self.settings.data.dataset).name,
            results={} if loss is None else {"validation_loss": loss},
            tags=["autoencoder", self.kind, report.mode.lower()],
            repo_id=name,
            image_size=report.image_size,
            image_mode=report.mode,
            network=type(self.autoencoder).__name__,
            latents=" x ".join(map(str, latent_shape(self.autoencoder))),
            parameters=f"{figures['parameters'] / 1e6:.1f} million",
            num_train=f"{report.split_sizes['train']:,}",
            fingerprint=report.fingerprint[:16],
            steps=f"{figures['steps']:,.0f}",
            images=f"{figures['images']:,.0f}",
            minutes=f"{figures['train_seconds'] / 60:.1f}",
        )


def _try_perceptual(perceptual: PerceptualLoss | LaplacianPyramidLoss, data: SpriteArrays) -> None:
    """Finds out now, not at the first step, that the network does not take these sprites."""
    sprites, _ = data.batch(np.arange(1))
    try:
        perceptual(sprites, sprites)
    except RuntimeError as error:
        raise SpriteError(
            f"the network of --perceptual ({perceptual.name}) does not take {data.pixels.shape[2]}x{data.pixels.shape[1]} "
            f"sprites of {data.pixels.shape[3]} channels: {str(error).splitlines()[0]}. Train one on this data, size and "
            "mode, or choose another."
        ) from error
