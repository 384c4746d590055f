"""Turns a class-conditional flow into one that draws in one or two steps: its trajectories learnt, then real sprites."""

from __future__ import annotations

import math
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import FlowMatchEulerDiscreteScheduler
from huggingface_hub import ModelCard
from PIL import Image

from ... import hub
from ...data import EpochSampler, SpriteArrays, SpriteDataset, make_grid
from ...errors import SpriteError
from ...evaluation.reference import NUM_COMPONENTS
from ...objectives import FLOW_SHIFT
from ...pipelines import ClassCondPipeline
from ...pipelines.sprite_ldm import autoencoder_fingerprint
from ..base import FitResult, Trainer
from ..data_parts import build_augmentation, load_data, pad_sprites
from ..principal_distance import PrincipalDistance
from ..schedule import learning_rate_factor
from .adversary import Adversary, adversarial_factor
from .settings import DistillationSettings
from .student import build_student
from .teacher import GuidedTeacher, check_data, load_teacher
from .trajectories import Trajectories

PREVIEWS_PER_ROW, MAX_PREVIEW_CLASSES = 10, 6
MAX_VALIDATION_IMAGES, VALIDATION_BATCH = 700, 128
PATHS_AT_A_TIME = 64


def fit_distillation(settings: DistillationSettings) -> FitResult:
    """Loads teacher and data, distils, and (if asked) uploads: all that the launch script needs.

    Raises:
        SpriteError: bad settings, teacher or data; nothing has been written then.
    """
    trainer = DistillationTrainer(settings, load_data(settings.data))
    result = trainer.fit()
    if trainer.accelerator.is_main_process and result.status == "finished":
        print(f"pipeline: {result.output_dir}")
        print(f"samples:  {result.samples}")
        if trainer.run:
            print(f"MLflow:   {trainer.run.describe()}")
        if settings.trainer.push_to_hub:
            repo_id = str(settings.trainer.hub_model_id)
            print(f"uploaded: {hub.push(result.output_dir, repo_id, settings.trainer.hub_private)}")
    return result


class DistillationTrainer(Trainer):
    """Trains a copy of the teacher's network to jump from each noise level of its few steps to the sprite.

    ``f(x_s, s) = x_s - s v(x_s, s)`` is the student's guess of the sprite to which noise leads. In training it draws as it
    will later, by Euler's steps: the next one begins from ``(1 - s) f + s noise``, the guess mixed with the noise of the
    path, from which it can be corrected; in a share of the updates it draws in one step alone. Two losses of every guess are
    added: the pseudo-Huber distance from where the guided teacher's trajectory ends, which was integrated once, before
    training (https://arxiv.org/abs/2101.02388); and what a discriminator makes of it beside real sprites of the class
    (https://arxiv.org/abs/2405.05967), whose weight grows with `adversarial_factor`.

    Validation draws in ``student_steps``; its loss is the Fréchet distance of 20 principal components to held-out sprites.

    Args:
        settings: all settings.
        dataset: from `load_sprites`, the data that the teacher was trained on.

    Raises:
        SpriteError: a teacher that cannot be distilled, other data than the teacher's, too few held-out sprites, and as
            `Trainer`.
    """

    name = "distilled"

    def __init__(self, settings: DistillationSettings, dataset: SpriteDataset):
        self.settings, self.options, self.report = settings, settings.distill, dataset.report
        self.original = load_teacher(self.options.teacher)
        check_data(self.original, self.options.teacher, self.report, settings.data.dataset)
        self.class_names = list(self.original.labels)
        self.train_data = SpriteArrays.from_dataset(dataset["train"])
        self._prepare_distance(SpriteArrays.from_dataset(dataset["validation"]))
        self.drawn_size = self.original.unet.config.sample_size * self.original.patch_size
        self.train_data.pixels = pad_sprites(self.train_data.pixels, self.drawn_size)
        self.guidance_scale = self.options.teacher_guidance_scale
        if self.guidance_scale is None:
            self.guidance_scale = self.original.config.default_guidance_scale
        self.teacher = GuidedTeacher(
            self.original.unet,
            self.guidance_scale,
            self.original.null_class,
            self.original.config.default_guidance_interval,
            self.original.scheduler.config.num_train_timesteps,
        )
        self.unet = build_student(
            self.original.unet, self.options.student_max_channels, self.options.student_mid_attention
        )
        super().__init__(settings.trainer, self.unet, len(self.train_data))
        self._say(self.report.summary())
        self.original.unet.to(self.accelerator.device)
        self.teacher.autocast = self.accelerator.autocast
        torch.manual_seed(settings.trainer.seed)  # of the discriminator's first weights
        self.adversary = self._build_adversary()
        processes = self.accelerator.process_index, self.accelerator.num_processes
        self.sampler = EpochSampler(
            len(self.train_data), settings.trainer.train_batch_size, settings.trainer.seed, *processes
        )
        self.augmentation = build_augmentation(settings.data, self.class_names)
        self._figures: dict[str, list[float]] = {}

    # ---- what the loop asks for ---------------------------------------------------------------------------------

    def fit(self) -> FitResult:
        """As `Trainer.fit`; integrates the teacher's trajectories first, which counts as training time.

        Raises:
            SpriteError: they took all of it; and as `Trainer.fit`.
        """
        began = time.perf_counter()
        self.trajectories = self._integrate_trajectories()
        spent = torch.tensor(time.perf_counter() - began, device=self.accelerator.device)
        self.state.seconds = self.state.seconds_before = float(self.accelerator.reduce(spent, "mean"))
        limit = self.budget.max_seconds
        if limit is not None and self.state.seconds >= limit and not self.config.resume_from_checkpoint:
            raise SpriteError(
                f"The teacher's trajectories alone took {self.state.seconds / 60:.3g} of the {limit / 60:.3g} minutes of "
                "--max_train_minutes: give more minutes, or lower --num_trajectories (now "
                f"{self.options.num_trajectories:,}) or --teacher_steps (now {self.options.teacher_steps})."
            )
        return super().fit()

    def _optimizer_step(self, progress: float) -> tuple[float, float, float]:
        config = self.config
        self._rate_factor = learning_rate_factor(
            config.lr_scheduler, progress, self.state.step, config.lr_warmup_steps
        )
        self._adversarial_weight = self.options.adversarial_weight * adversarial_factor(progress)
        result = super()._optimizer_step(progress)
        if self.state.step % config.logging_steps == 0:
            self._log({f"train/{name}": sum(values) / len(values) for name, values in self._figures.items()})
            self._figures = {}
        return result

    def training_step(self, micro_step: int) -> torch.Tensor:
        position = micro_step * self.accelerator.num_processes + self.accelerator.process_index
        rng = torch.Generator().manual_seed((self.config.seed << 40) + position)
        device = self.accelerator.device
        real, labels = self.train_data.batch(self.sampler.indices(micro_step), self.augmentation, rng)
        assert labels is not None  # checked against the teacher's classes
        noise, end = (tensor.to(device) for tensor in self.trajectories.draw(labels, rng))
        real, labels = real.to(device), labels.to(device)
        step = micro_step // self.config.gradient_accumulation_steps
        share = self.options.all_steps_share
        in_all = math.floor(step * share) > math.floor((step - 1) * share)
        guesses = self._guesses(noise, labels, self.options.student_steps if in_all else 1)
        drawn = torch.cat(guesses)
        loss = pseudo_huber(drawn, end.repeat(len(guesses), 1, 1, 1), self.options.huber_constant)
        self._record({"distance_to_teacher": float(loss.detach())})
        if self.adversary is None:
            return loss
        drawn = F.pixel_shuffle(drawn, self.original.patch_size)
        real, labels = real.repeat(len(guesses), 1, 1, 1), labels.repeat(len(guesses))
        self._record(self.adversary.update(step, self._rate_factor, real, drawn, labels, rng))
        adversarial = self.adversary.loss(real, drawn, labels, rng)
        self._record({"adversarial_loss": float(adversarial.detach())})
        return loss + self._adversarial_weight * adversarial

    def validate(self) -> dict[str, float]:
        generator = torch.Generator().manual_seed(self.config.seed)
        labels = self._held_out_labels
        pipeline = self.pipeline()
        pipeline.set_progress_bar_config(disable=True)
        drawn = [
            pipeline(part, generator=generator, output_type="np").images for part in labels.split(VALIDATION_BATCH)
        ]
        pixels = (np.concatenate(drawn) * 255).round().astype(np.uint8)
        distance = self._distance(pixels)
        return {"loss": distance, "fd_pca20": distance}

    def preview(self) -> Image.Image:
        """A row of each class for one step, and one for all steps of the student if those are more."""
        pipeline = self.pipeline()
        pipeline.set_progress_bar_config(disable=True)
        images, rows = [], []
        for steps in sorted({1, self.options.student_steps}):
            generator = torch.Generator().manual_seed(self.config.seed)
            for name in self.class_names[:MAX_PREVIEW_CLASSES]:
                options = {"num_inference_steps": steps, "num_images_per_prompt": PREVIEWS_PER_ROW}
                images += pipeline(name, generator=generator, **options).images
                rows.append(f"{name}, {steps} step{'s' if steps > 1 else ''}")
        background = "checker" if self.report.mode == "RGBA" else self.report.background
        scale = max(1, 64 // self.report.image_size)
        return make_grid(images, PREVIEWS_PER_ROW, scale, background=background, row_labels=rows)

    def save(self, directory: Path) -> None:
        hub.export(self.pipeline(), directory, self._card())

    def facts(self) -> dict[str, Any]:
        options = {name: value for name, value in asdict(self.options).items() if name != "teacher"}
        return {
            "data_fingerprint": self.report.fingerprint,
            "teacher": autoencoder_fingerprint(self.original.unet),
            "distill": options | {"teacher_guidance_scale": self.guidance_scale},
            "seed": self.config.seed,
            "images_per_step": self.images_per_step,
        }

    def params(self) -> dict[str, Any]:
        return {key: value for group in asdict(self.settings).values() for key, value in group.items()}

    # ---- parts --------------------------------------------------------------------------------------------------

    def pipeline(self) -> ClassCondPipeline:
        """The student as it is now, in the teacher's class; guidance off, as it is baked in."""
        config = self.original.config
        return ClassCondPipeline(
            self.unet,
            self._scheduler(),
            id2label=config.id2label,
            default_num_inference_steps=self.options.student_steps,
            default_guidance_scale=1.0,
            image_size=config.image_size,
            binary_alpha=config.binary_alpha,
            patch_size=self.original.patch_size,
        )

    def _scheduler(self) -> FlowMatchEulerDiscreteScheduler:
        return FlowMatchEulerDiscreteScheduler(num_train_timesteps=self.teacher.num_train_timesteps, shift=FLOW_SHIFT)

    def _guesses(self, noise: torch.Tensor, labels: torch.Tensor, count: int) -> list[torch.Tensor]:
        """The sprites ``(batch, *latent_shape)`` that the student guesses at each of `count` steps from `noise`."""
        scheduler = self._scheduler()
        scheduler.set_timesteps(sigmas=np.linspace(1, 1 / count, count).tolist())  # as the pipelines do
        guesses: list[torch.Tensor] = []
        for sigma in scheduler.sigmas[:-1].tolist():
            sample = (1 - sigma) * guesses[-1].detach() + sigma * noise if guesses else noise
            timesteps = torch.full((len(noise),), sigma * self.teacher.num_train_timesteps, device=noise.device)
            velocity = self.model(sample, timesteps, labels, return_dict=False)[0]
            guesses.append(sample - sigma * velocity.float())
        return guesses

    def _integrate_trajectories(self) -> Trajectories:
        count, classes = self.options.num_trajectories, len(self.class_names)
        if count < classes:
            raise SpriteError(f"--num_trajectories is {count}, but the teacher has {classes} classes: give more.")
        rng = torch.Generator().manual_seed((self.config.seed << 8) + self.accelerator.process_index)
        assert self.train_data.labels is not None
        balance = self.train_data.labels[torch.randint(len(self.train_data), (count - classes,), generator=rng)]
        noise = torch.randn(count, *self.original.latent_shape, generator=rng)
        self._say(f"Drawing {count:,} trajectories of the teacher, {self.options.teacher_steps} steps each.")
        return Trajectories.integrate(
            self.teacher,
            noise,
            torch.cat([torch.arange(classes), balance]),  # each class, however rare
            self.options.teacher_steps,
            PATHS_AT_A_TIME,
            self.accelerator.device,
            progress=self.accelerator.is_main_process,
        )

    def _build_adversary(self) -> Adversary | None:
        options = self.options
        if not options.adversarial_weight:
            return None
        return Adversary(
            self.accelerator,
            self.original.sprite_channels,
            self.drawn_size,
            len(self.class_names),
            options.discriminator_learning_rate,
            options.r1_weight,
            options.diff_augment,
        )

    def _record(self, figures: dict[str, float]) -> None:
        """Adds figures of a micro-step, to be logged as means over ``--logging_steps``."""
        for name, value in figures.items():
            self._figures.setdefault(name, []).append(value)

    def _prepare_distance(self, validation: SpriteArrays) -> None:
        """What validation compares with."""
        count, needed = len(validation), NUM_COMPONENTS + 2
        if min(count, len(self.train_data)) < needed:
            raise SpriteError(
                f"--dataset {self.settings.data.dataset} has {count} held-out sprites, but a distance of {NUM_COMPONENTS} "
                f"principal components needs {needed}: add sprites, or change --validation_split."
            )
        chosen = np.random.default_rng(0).permutation(count)[:MAX_VALIDATION_IMAGES]
        assert validation.labels is not None
        self._held_out_labels = validation.labels[torch.from_numpy(chosen)]
        self._distance = PrincipalDistance(self.train_data.pixels, validation.pixels[chosen])

    def _card(self) -> ModelCard:
        name = self.config.hub_model_id or self.output_dir.resolve().name
        report, figures = self.report, self.summary()
        distance = figures.get("validation_loss")
        return hub.model_card(
            "distilled",
            model_name=name.split("/")[-1],
            dataset=Path(self.settings.data.dataset).name,
            results={} if distance is None else {"fd_pca20": distance},
            tags=["class-conditional", "distillation", report.mode.lower()],
            repo_id=name,
            image_size=report.image_size,
            image_mode=report.mode,
            classes=", ".join(self.class_names),
            example_class=repr(self.class_names[0]),
            network=type(self.unet).__name__,
            parameters=f"{figures['parameters'] / 1e6:.1f} million",
            student_steps=self.options.student_steps,
            guidance_scale=f"{self.guidance_scale:g}",
            training_facts=self._training_facts(figures),
        )

    def _training_facts(self, figures: dict[str, float]) -> str:
        options = self.options
        adversarial = f", adversarial loss of weight {options.adversarial_weight:g}" if self.adversary else ""
        return "\n".join([
            "## Training",
            "",
            f"- Teacher: `{Path(options.teacher).name}`, guidance {self.guidance_scale:g}, {options.num_trajectories:,} "
            f"trajectories of {options.teacher_steps} steps.",
            f"- Data: `{Path(self.settings.data.dataset).name}`, {self.report.split_sizes['train']:,} sprites after "
            f"{self.report.num_duplicates:,} exact duplicates were removed; fingerprint `{self.report.fingerprint[:16]}`.",
            f"- Distance to the teacher: pseudo-Huber{adversarial}.",
            f"- {figures['steps']:,.0f} steps, {figures['images']:,.0f} images in {figures['train_seconds'] / 60:.1f} minutes, "
            f"the teacher's trajectories included ({self.accelerator.device.type}); seed {self.config.seed}.",
        ])  # fmt: skip


def pseudo_huber(drawn: torch.Tensor, wanted: torch.Tensor, constant: float) -> torch.Tensor:
    """Mean over the batch of ``sqrt(mse + c^2) - c`` (https://arxiv.org/abs/2310.14189, eq. 7), a scalar.

    Args:
        drawn, wanted: ``(batch, channels, H, W)``.
        constant: ``c``, where the distance turns from square to linear.
    """
    error = (drawn - wanted).square().flatten(1).mean(1)
    return ((error + constant**2).sqrt() - constant).mean()
