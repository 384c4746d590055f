"""A variational autoencoder and a GAN on the same images, with the same number of them: trained, measured, shown."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from ....data import SpriteDataset
from ....errors import SpriteError
from ....hub import load_pipeline
from ....models import SpriteClassifier, default_classifier_folder, load_classifier
from ....tracking import TrackedRun
from ...config import DataConfig, TrainerConfig
from ...data_parts import load_data
from ..gan_trainer import GANTrainer
from ..generator_trainer import HISTORY_FILE, GeneratorTrainer
from ..settings import GANConfig, GANSettings, GeneratorConfig, VAEConfig, VAESettings
from ..snapshots import FOLDER, Snapshot, list_snapshots
from ..vae_trainer import VAETrainer
from .measures import RealImages, epoch_sensitivity, loss_spread, measure_generator

KINDS = ("vae", "gan")
LOSSES = {"vae": ("negative_log_likelihood", "kl"), "gan": ("discriminator_loss", "generator_loss")}


@dataclass
class CompareConfig:
    """How often both are trained, and on what they are measured."""

    num_seeds: int = field(default=3, metadata={"help": "Trainings of each kind, with the seeds from --seed on."})
    vae_learning_rate: float = field(default=1e-3, metadata={"help": "Peak learning rate of the autoencoder."})
    classifier: str | None = field(
        default=None,
        metadata={
            "help": "Folder of the auxiliary classifier, for distances of features; what train_classifier.py left in outputs/ "
            "for this data if not given, else principal components."
        },
    )
    num_measured: int = field(default=1000, metadata={"help": "Images drawn, and held-out ones read, to measure."})

    def __post_init__(self) -> None:
        for name in ("num_seeds", "vae_learning_rate"):
            if not getattr(self, name) > 0:
                raise SpriteError(f"--{name} is {getattr(self, name)}, but must be above 0.")
        if self.num_measured < 100:
            raise SpriteError(f"--num_measured is {self.num_measured}, but must be 100 or more to measure a distance.")


@dataclass(frozen=True)
class CompareSettings:
    """All settings of a comparison."""

    trainer: TrainerConfig
    data: DataConfig
    generator: GeneratorConfig
    gan: GANConfig
    vae: VAEConfig
    compare: CompareConfig


@dataclass(frozen=True)
class Trained:
    """One training.

    Attributes:
        kind: ``"vae"`` or ``"gan"``.
        folder: of the run.
        error: why it stopped, if it diverged.
        figures: of the generator at the end (of the best before that, if it diverged), and of the training.
        distances: the Fréchet distance at each of `snapshots`.
        snapshots: kept on the way.
    """

    kind: str
    folder: Path
    error: str | None
    figures: dict[str, float]
    distances: list[float]
    snapshots: list[Snapshot]


@dataclass(frozen=True)
class Comparison:
    """Both kinds, all seeds.

    Attributes:
        trained: all trainings.
        floor: what real images score.
        distance: name of the distance that snapshots are compared by.
        images: that each training saw, unless it diverged.
        dataset: as given.
        image_size, mode: of the images.
    """

    trained: list[Trained]
    floor: dict[str, float]
    distance: str
    images: int
    dataset: str
    image_size: int
    mode: str

    def of(self, kind: str) -> list[Trained]:
        """The trainings of a kind."""
        return [run for run in self.trained if run.kind == kind]

    def diverged(self, kind: str) -> int:
        """How many of them diverged."""
        return sum(run.error is not None for run in self.of(kind))

    def mean(self, kind: str, name: str) -> tuple[float, float]:
        """Mean and deviation over the seeds of a figure; NaN where no training has it."""
        values = [run.figures[name] for run in self.of(kind) if math.isfinite(run.figures.get(name, math.nan))]
        if not values:
            return math.nan, math.nan
        return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


def compare_vae_gan(settings: CompareSettings) -> Path:
    """Trains both kinds with all seeds, measures them and writes ``comparison.md``, ``.html`` and ``.json``.

    Everything goes to ``--output_dir`` (``outputs/vae-gan`` if not given): a folder per training, the pictures, the page.
    Figures and files are also logged to a run of the MLflow experiment "VAE-GAN".

    Raises:
        SpriteError: bad settings or data, or a limit that does not make an equal number of images; nothing is trained then.
    """
    from .comparison_page import write_page

    _check_budget(settings.trainer)
    dataset = load_data(settings.data)
    classifier = _find_classifier(settings, dataset)
    real = RealImages.from_dataset(dataset, classifier, settings.compare.num_measured)
    folder = Path(settings.trainer.output_dir or "outputs/vae-gan")
    trained, images = [], 0
    for number in range(settings.compare.num_seeds):
        for kind in KINDS:
            trainer = _build(kind, settings, dataset, folder, settings.trainer.seed + number)
            error = _train(trainer)
            images = max(images, trainer.state.images)
            trained.append(_measure(kind, trainer, error, real, settings.compare.num_measured))
    comparison = Comparison(
        trained,
        real.floor(),
        "fd_pca20" if classifier is None else "fd_features",
        images,
        Path(settings.data.dataset).name,
        dataset.report.image_size,
        dataset.report.mode,
    )
    files = [_write_json(comparison, folder / "comparison.json"), *write_page(comparison, folder)]
    _log(comparison, settings, files)
    return folder / "comparison.md"


def _check_budget(config: TrainerConfig) -> None:
    if config.max_train_minutes is not None:
        raise SpriteError(
            f"--max_train_minutes is {config.max_train_minutes:g}, but both models shall see equally many images: give "
            "--num_train_epochs or --max_train_steps alone."
        )
    if config.resume_from_checkpoint:
        raise SpriteError("--resume_from_checkpoint is for a single training: leave it out.")


def _find_classifier(settings: CompareSettings, dataset: SpriteDataset) -> SpriteClassifier | None:
    if settings.compare.classifier is not None:
        return load_classifier(settings.compare.classifier)
    default = default_classifier_folder(dataset.report.fingerprint)
    return load_classifier(default) if default.is_dir() else None


def _build(kind: str, settings: CompareSettings, dataset: SpriteDataset, folder: Path, seed: int) -> GeneratorTrainer:
    name = f"{kind}-seed{seed}"
    config = replace(
        settings.trainer,
        seed=seed,
        output_dir=str(folder / name),
        run_name=name,
        experiment_name=settings.trainer.experiment_name or "VAE-GAN",
        push_to_hub=False,
    )
    if kind == "gan":
        return GANTrainer(GANSettings(config, settings.data, settings.generator, settings.gan), dataset)
    config = replace(config, learning_rate=settings.compare.vae_learning_rate)
    return VAETrainer(VAESettings(config, settings.data, settings.generator, settings.vae), dataset)


def _train(trainer: GeneratorTrainer) -> str | None:
    """Trains; why it diverged, if it did.

    Raises:
        SpriteError: it was interrupted.
    """
    print(f"training {trainer.output_dir.name}", flush=True)
    try:
        result = trainer.fit()
    except SpriteError as error:
        return str(error)
    if result.status == "interrupted":
        raise SpriteError("interrupted: a comparison of half a training would mean nothing; start it again.")
    return None


def _measure(kind: str, trainer: GeneratorTrainer, error: str | None, real: RealImages, count: int) -> Trained:
    folder = trainer.output_dir
    best = folder / "best"
    last = folder if error is None else best
    figures = dict(trainer.summary())
    count = min(count, len(real.held_out))
    if last.is_dir() and (last / "model_index.json").is_file():
        figures |= measure_generator(load_pipeline(last), real, count, trainer.config.seed)
    snapshots = list_snapshots(folder)
    name = "fd_pca20" if real.classifier is None else "fd_features"
    distances = [
        measure_generator(load_pipeline(folder / FOLDER / snapshot.name), real, count, trainer.config.seed)[name]
        for snapshot in snapshots
    ]
    if distances:
        figures |= epoch_sensitivity(distances)
    history = json.loads((folder / HISTORY_FILE).read_text(encoding="utf-8"))["history"]
    spreads = [loss_spread([row[loss] for row in history if loss in row]) for loss in LOSSES[kind]]
    figures["loss_spread"] = float(np.mean(spreads))
    figures["generator_parameters"] = sum(weight.numel() for weight in trainer.generator.parameters())
    return Trained(kind, folder, error, figures, distances, snapshots)


def _write_json(comparison: Comparison, path: Path) -> Path:
    content = {
        "floor": comparison.floor,
        "images": comparison.images,
        "distance": comparison.distance,
        "trainings": [
            {**asdict(run), "folder": run.folder.name, "figures": {k: v for k, v in run.figures.items() if math.isfinite(v)}}
            for run in comparison.trained
        ],
    }  # fmt: skip
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return path


def _log(comparison: Comparison, settings: CompareSettings, files: list[Path]) -> None:
    groups = asdict(settings)
    params = {key: value for group in groups.values() for key, value in group.items() if value is not None}
    run = TrackedRun("VAE-GAN", f"comparison-{comparison.dataset}", params, {"kind": "comparison"})
    names = sorted({name for trained in comparison.trained for name in trained.figures})
    metrics = {f"{kind}/{name}": comparison.mean(kind, name)[0] for kind in KINDS for name in names}
    metrics |= {f"{kind}/diverged": float(comparison.diverged(kind)) for kind in KINDS}
    metrics |= {f"floor/{name}": value for name, value in comparison.floor.items()}
    run.log({name: value for name, value in metrics.items() if math.isfinite(value)}, step=0)
    for file in files:
        run.log_file(file)
    run.finish("FINISHED")
    print(f"MLflow: {run.describe()}")
