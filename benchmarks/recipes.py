"""Trainings that benchmarks advance step by step: ours, and those of two well-known packages as they document them.

The peers have the same channels per resolution (32, 64, 128 for sprites of 16 pixels). Needs torchvision and, for
`DenoisingDiffusionPytorch`, ``pip install denoising-diffusion-pytorch==2.3.4``: nothing else here uses it.
"""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import DDPMPipeline, DDPMScheduler, DiffusionPipeline, UNet2DModel
from diffusers.optimization import get_scheduler
from diffusers.training_utils import EMAModel
from safetensors.torch import load_file, save_file

from sprite_diffusers import hub
from sprite_diffusers.data import SpriteDataset
from sprite_diffusers.errors import SpriteError
from sprite_diffusers.trainers.config import (
    ClassCondConfig,
    DataConfig,
    ObjectiveConfig,
    TrainerConfig,
    UNetConfig,
    parse_config,
)
from sprite_diffusers.trainers.diffusion import DiffusionConfig, DiffusionTrainer, default_channels

CONFIGS = Path(__file__).parents[1] / "training" / "configs"
CONFIG_TYPES = (TrainerConfig, DataConfig, UNetConfig, ObjectiveConfig, ClassCondConfig)
SAMPLING_BATCH = 64


def our_config(flags: Sequence[str]) -> DiffusionConfig:
    """The settings of ``training/train_cond.py`` with these flags."""
    return DiffusionConfig(*parse_config(CONFIG_TYPES, CONFIGS, "default.yaml", args=flags))


class Recipe(ABC):
    """A training that goes on for as long as it is asked to, and can be saved at any step.

    Attributes:
        planned: whether the learning rate depends on the budget, so that each budget needs a training of its own.
        batch_size: images per optimizer step.
        parameters: how many numbers the network has.
    """

    planned = False
    batch_size: int
    parameters: int

    @abstractmethod
    def step(self, progress: float) -> None:
        """One optimizer step; `progress` is the share of the budget that is used, from 0 to 1."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Writes what `samples` needs to an empty folder: the averaged weights where the recipe has them."""

    @staticmethod
    @abstractmethod
    def samples(folder: Path, count: int, most_steps: int) -> tuple[DiffusionPipeline | np.ndarray, int]:
        """A pipeline, or `count` images, uint8 (count, H, W, 3), and the steps: those that the recipe documents, or `most_steps`."""


class Ours(Recipe):
    """A training of this package: the steps of its loop, without validation, previews and checkpoints.

    Raises:
        SpriteError: settings or data that cannot be.
    """

    def __init__(self, config: DiffusionConfig, data: SpriteDataset):
        self.planned = config.trainer.lr_scheduler != "constant"
        self.trainer = DiffusionTrainer(config, data)
        self.trainer.model.train()
        self.batch_size = self.trainer.images_per_step
        self.parameters = self.trainer.unet.num_parameters()

    def step(self, progress: float = 0.0) -> None:
        self.trainer._optimizer_step(progress)

    def save(self, folder: Path) -> None:
        with self.trainer.ema_weights():
            self.trainer.save(folder)

    @staticmethod
    def samples(folder: Path, count: int, most_steps: int) -> tuple[DiffusionPipeline, int]:
        pipeline = hub.load_pipeline(folder)
        return pipeline, min(pipeline.config.default_num_inference_steps, most_steps)


class TrainUnconditional(Recipe):
    """diffusers' ``examples/unconditional_image_generation/train_unconditional.py``, rebuilt step by step.

    What its README passes, and its defaults for the rest: a DataLoader with torchvision transforms in the same process,
    batches of 16, flips, AdamW at 1e-4, a cosine schedule over 100 epochs with 500 steps of warm-up, noise prediction on
    the linear schedule of 1,000 steps, an average of the weights that warms up to 0.9999; sampled by `DDPMPipeline` in its
    1,000 steps. The README passes ``--mixed_precision=no``; with bf16 it gets through more images. What Accelerate does on one
    CPU is written out, as a process can have only one of its precisions, and the recipes run in turns.

    Args:
        unet: the network.
        data: from `load_sprites`, RGB.
        mixed_precision: ``"no"`` or ``"bf16"``.
        batch_size: images per step.
    """

    def __init__(self, unet: UNet2DModel, data: SpriteDataset, mixed_precision: str, batch_size: int = 16):
        self.batch_size, self.parameters = batch_size, unet.num_parameters()
        self._unet = unet
        self._ema = EMAModel(unet.parameters(), decay=0.9999, use_ema_warmup=True, inv_gamma=1.0, power=0.75)
        self._noise_scheduler = DDPMScheduler(num_train_timesteps=1000, beta_schedule="linear")
        self._steps = self._train(_transformed(data), mixed_precision)

    def step(self, progress: float = 0.0) -> None:
        next(self._steps)

    def save(self, folder: Path) -> None:
        averaged = UNet2DModel.from_config(self._unet.config)
        self._ema.copy_to(averaged.parameters())
        DDPMPipeline(averaged, self._noise_scheduler).save_pretrained(folder)

    @staticmethod
    def samples(folder: Path, count: int, most_steps: int) -> tuple[DDPMPipeline, int]:
        return DDPMPipeline.from_pretrained(folder), min(1000, most_steps)

    def _train(self, dataset: torch.utils.data.Dataset, mixed_precision: str) -> Iterator[None]:
        loader = torch.utils.data.DataLoader(dataset, batch_size=self.batch_size, shuffle=True)
        optimizer = torch.optim.AdamW(
            self._unet.parameters(), lr=1e-4, betas=(0.95, 0.999), weight_decay=1e-6, eps=1e-8
        )
        schedule = get_scheduler(
            "cosine", optimizer=optimizer, num_warmup_steps=500, num_training_steps=100 * len(loader)
        )
        self._unet.train()
        for rows in chain.from_iterable(repeat(loader)):
            clean = rows["input"]
            noise = torch.randn(clean.shape)
            timesteps = torch.randint(0, 1000, (len(clean),)).long()
            noisy = self._noise_scheduler.add_noise(clean, noise, timesteps)
            with torch.autocast("cpu", torch.bfloat16, enabled=mixed_precision == "bf16"):
                predicted = self._unet(noisy, timesteps).sample
            loss = F.mse_loss(predicted.float(), noise.float())
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self._unet.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            self._ema.step(self._unet.parameters())
            loss.detach().item()
            yield


class DenoisingDiffusionPytorch(Recipe):
    """denoising-diffusion-pytorch's own `Trainer`, asked for one step after another, with the settings of its README.

    Its U-Net with the same channels; v-prediction on the sigmoid schedule of 1,000 steps; two batches of 32 per step,
    flips, Adam at 8e-5, an average of the weights of decay 0.995; sampled by DDIM in 250 steps. ``amp=True`` is documented
    with fp16, which a CPU cannot do: bf16. The loader's workers, whose time no clock of this process would see,
    are replaced by loading in the process itself.

    Args:
        data: from `load_sprites`, RGB; written to a folder of PNGs, which is what it reads.
        mixed_precision: ``"no"`` or ``"bf16"``.

    Raises:
        SpriteError: the package is not installed.
    """

    def __init__(self, data: SpriteDataset, mixed_precision: str):
        diffusion = _gaussian_diffusion(data.report.image_size)
        from denoising_diffusion_pytorch.denoising_diffusion_pytorch import Trainer, cycle

        self._folder = tempfile.TemporaryDirectory()
        for number, image in enumerate(data["train"]["image"]):
            image.convert("RGB").save(Path(self._folder.name, f"{number:06d}.png"))
        self._trainer = Trainer(
            diffusion,
            self._folder.name,
            train_batch_size=32,
            train_lr=8e-5,
            train_num_steps=0,
            gradient_accumulate_every=2,
            ema_decay=0.995,
            amp=mixed_precision != "no",
            mixed_precision_type=mixed_precision,
            save_and_sample_every=10**9,
            results_folder=self._folder.name,
            calculate_fid=False,
        )
        self._trainer.dl = cycle(torch.utils.data.DataLoader(self._trainer.ds, batch_size=32, shuffle=True))
        self.batch_size = 64
        self.parameters = sum(parameter.numel() for parameter in diffusion.parameters())

    def step(self, progress: float) -> None:
        self._trainer.train_num_steps += 1
        with _silence():
            self._trainer.train()

    def save(self, folder: Path) -> None:
        diffusion = self._trainer.ema.ema_model
        save_file(diffusion.state_dict(), folder / "diffusion.safetensors")
        (folder / "diffusion.json").write_text(json.dumps({"image_size": diffusion.image_size[0]}), encoding="utf-8")

    @staticmethod
    def samples(folder: Path, count: int, most_steps: int) -> tuple[np.ndarray, int]:
        facts = json.loads((folder / "diffusion.json").read_text(encoding="utf-8"))
        diffusion = _gaussian_diffusion(**facts, sampling_timesteps=min(250, most_steps))
        diffusion.load_state_dict(load_file(folder / "diffusion.safetensors"))
        sizes = [min(SAMPLING_BATCH, count - start) for start in range(0, count, SAMPLING_BATCH)]
        torch.manual_seed(0)
        with _silence():
            images = torch.cat([diffusion.eval().sample(batch_size=size) for size in sizes])
        pixels = (images.float().clamp(0, 1) * 255 + 0.5).to(torch.uint8).permute(0, 2, 3, 1).numpy()
        return pixels, diffusion.sampling_timesteps


PEERS: dict[str, type[Recipe]] = {
    "diffusers": TrainUnconditional,
    "denoising-diffusion-pytorch": DenoisingDiffusionPytorch,
}
"""As they are documented."""
IMPROVED_PEERS: dict[str, type[Recipe]] = {"diffusers-bf16": TrainUnconditional}
"""With what their documentation leaves out."""


def _gaussian_diffusion(image_size: int, sampling_timesteps: int = 250) -> Any:
    """The README's `GaussianDiffusion` around a U-Net of our channels."""
    try:
        from denoising_diffusion_pytorch import GaussianDiffusion, Unet
    except ImportError as error:
        raise SpriteError(
            "the recipe denoising-diffusion-pytorch needs its package: pip install denoising-diffusion-pytorch==2.3.4."
        ) from error
    channels = default_channels(image_size)
    unet = Unet(dim=channels[0], dim_mults=tuple(width // channels[0] for width in channels), flash_attn=True)
    return GaussianDiffusion(unet, image_size=image_size, timesteps=1000, sampling_timesteps=sampling_timesteps)


def _transformed(data: SpriteDataset) -> torch.utils.data.Dataset:
    """The training images as the script of diffusers sees them: decoded and transformed each time."""
    from torchvision import transforms

    size = data.report.image_size
    augment = transforms.Compose([
        transforms.Resize(size, interpolation=transforms.InterpolationMode.BILINEAR),
        transforms.CenterCrop(size),
        transforms.RandomHorizontalFlip(),
        transforms.ToTensor(),
        transforms.Normalize([0.5], [0.5]),
    ])  # fmt: skip
    return data["train"].with_transform(
        lambda rows: {"input": [augment(image.convert("RGB")) for image in rows["image"]]}
    )


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Swallows bars and lines, which would come once per step."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield
