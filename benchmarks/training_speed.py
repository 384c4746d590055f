"""Images per second of our training loop beside that of diffusers' ``examples/unconditional_image_generation``.

Both train the same network on the same sprites with the same batch size and precision, in alternating blocks of steps,
so that the noise of the machine hits both alike. The peer's loop is rebuilt here step by step from its script
(``train_unconditional.py``: a DataLoader with torchvision transforms, AdamW, EMA, gradient clipping, epsilon-MSE), with
its defaults. Needs torchvision.

    python benchmarks/training_speed.py --rounds 5 --steps 20
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from diffusers import DDPMScheduler
from diffusers.optimization import get_scheduler
from diffusers.training_utils import EMAModel
from torchvision import transforms

from sprite_diffusers.pipelines import ClassCondPipeline
from sprite_diffusers.trainers.config import (
    ClassCondConfig,
    DataConfig,
    ObjectiveConfig,
    TrainerConfig,
    UNetConfig,
    parse_config,
)
from sprite_diffusers.trainers.data_parts import load_data
from sprite_diffusers.trainers.diffusion import DiffusionConfig, DiffusionTrainer, build_unet

CONFIGS = Path(__file__).parents[1] / "training" / "configs"


def ours(config: DiffusionConfig) -> tuple[Iterator[None], DiffusionTrainer]:
    """Our loop's steps, one at a time."""
    trainer = DiffusionTrainer(config, load_data(config.data))
    trainer.model.train()

    def steps() -> Iterator[None]:
        while True:
            trainer._optimizer_step(0.0)
            yield

    return steps(), trainer


def theirs(config: DiffusionConfig) -> Iterator[None]:
    """The steps of ``train_unconditional.py`` on the same network, one at a time."""
    data = load_data(config.data)
    size, batch = data.report.image_size, config.trainer.train_batch_size
    augment = transforms.Compose([
        transforms.Resize(size, interpolation=transforms.InterpolationMode.BILINEAR),
        transforms.CenterCrop(size),
        transforms.ToTensor(),
        transforms.Normalize([0.5], [0.5]),
    ])  # fmt: skip
    dataset = data["train"].with_transform(
        lambda rows: {"input": [augment(image.convert("RGB")) for image in rows["image"]]}
    )
    loader = torch.utils.data.DataLoader(dataset, batch_size=batch, shuffle=True)
    model = build_unet(config.unet, 3, size, None)
    ema = EMAModel(model.parameters(), decay=0.9999, use_ema_warmup=True, inv_gamma=1.0, power=0.75)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.95, 0.999), weight_decay=1e-6, eps=1e-8)
    schedule = get_scheduler("cosine", optimizer=optimizer, num_warmup_steps=500, num_training_steps=100_000)
    noise_scheduler = DDPMScheduler(num_train_timesteps=1000, beta_schedule="linear")
    accelerator = Accelerator()
    model, optimizer, loader, schedule = accelerator.prepare(model, optimizer, loader, schedule)
    while True:
        for rows in loader:
            clean = rows["input"]
            noise = torch.randn(clean.shape)
            timesteps = torch.randint(0, 1000, (len(clean),)).long()
            noisy = noise_scheduler.add_noise(clean, noise, timesteps)
            with accelerator.accumulate(model):
                loss = F.mse_loss(model(noisy, timesteps).sample.float(), noise.float())
                accelerator.backward(loss)
                accelerator.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                schedule.step()
                optimizer.zero_grad()
            ema.step(model.parameters())
            loss.detach().item()
            yield


def seconds_for(steps: Iterator[None], count: int) -> float:
    started = time.perf_counter()
    for _ in range(count):
        next(steps)
    return time.perf_counter() - started


def sampling_speed(trainer: DiffusionTrainer, num_inference_steps: int, batch: int = 64) -> float:
    """Images per second of the trained pipeline with its default guidance."""
    pipeline = trainer.pipeline()
    pipeline.set_progress_bar_config(disable=True)
    trainer.unet.eval()
    what = {"class_labels": [0] * batch} if isinstance(pipeline, ClassCondPipeline) else {"batch_size": batch}
    started = time.perf_counter()
    pipeline(**what, num_inference_steps=num_inference_steps)
    return batch / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="synthetic")
    parser.add_argument("--image_size", type=int, default=16)
    parser.add_argument("--train_batch_size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5, help="alternations")
    parser.add_argument("--steps", type=int, default=20, help="steps per block")
    args = parser.parse_args()

    flags = ["--dataset", args.dataset, "--image_size", str(args.image_size), "--image_mode", "RGB",
             "--train_batch_size", str(args.train_batch_size), "--output_dir", tempfile.mkdtemp()]  # fmt: skip
    types = [TrainerConfig, DataConfig, UNetConfig, ObjectiveConfig, ClassCondConfig]
    config = DiffusionConfig(*parse_config(types, CONFIGS, "default.yaml", args=flags))
    our_steps, trainer = ours(config)
    their_steps = theirs(config)
    seconds_for(our_steps, 3)
    seconds_for(their_steps, 3)

    images = args.steps * args.train_batch_size
    speeds: list[tuple[float, float]] = []
    for number in range(args.rounds):
        speeds.append((images / seconds_for(our_steps, args.steps), images / seconds_for(their_steps, args.steps)))
        print(
            f"round {number}: ours {speeds[-1][0]:.0f}, train_unconditional {speeds[-1][1]:.0f} images/s", flush=True
        )
    ratio = statistics.median(mine / peer for mine, peer in speeds)
    print(f"median ratio, ours to theirs: {ratio:.2f}")
    print(f"memory: {psutil.Process().memory_info().rss / 2**30:.2f} GiB (both loops in one process)")
    for steps in (10, 50):
        print(f"sampling at {steps} steps, guided: {sampling_speed(trainer, steps):.1f} images/s")


if __name__ == "__main__":
    main()
