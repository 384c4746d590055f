"""A small MLflow store with every kind of run that a report meets, made once for all tests of this folder."""

from __future__ import annotations

import io
import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

CLASSES = ("human", "food|drink", "spell")
FACTS = {
    "eval.protocol": "1",
    "eval.extractor": "a" * 64,
    "eval.data_fingerprint": "d" * 64,
    "eval.num_samples": "400",
}
FLOORS = {
    "fd_pca20": 2.0, "fd_pca20_class_mean": 5.0, "fd_feature": 0.5, "kid": 0.0, "kid_se": 0.001, "precision": 0.9, "recall": 0.9,
    "density": 1.0, "coverage": 0.95, "accuracy": 0.8, "memorised": 0.02, "near_copies": 0.01, "unique_colors": 12.0,
}  # fmt: skip


class StoreBuilder:
    """Writes runs as trainings and evaluations do."""

    def __init__(self, folder: Path):
        import mlflow

        self.folder = folder
        self.client = mlflow.MlflowClient(f"sqlite:///{folder}/mlflow.db")
        self.random = np.random.default_rng(0)

    def run(
        self,
        experiment: str,
        name: str,
        fd: float | None = None,
        *,
        dataset: str = "/somewhere/else/rltiles",
        conditional: bool = True,
        status: str | None = "FINISHED",
        params: dict[str, str] | None = None,
        facts: dict[str, str] | None = None,
        scores: dict[str, float] | None = None,
        measured: dict[str, float] | None = None,
        tags: dict[str, str] | None = None,
        files: bool = False,
    ) -> str:
        """One run; `fd` is its FD-PCA20, and everything else follows from it, except for the metrics `measured` and
        the `tags`. None: not evaluated.
        """
        from mlflow.entities import Metric, Param, RunTag

        existing = self.client.get_experiment_by_name(experiment)
        place = (
            existing.experiment_id
            if existing
            else self.client.create_experiment(experiment, str(self.folder / "files"))
        )
        run_id = self.client.create_run(place, run_name=name).info.run_id
        metrics = (
            {"run/images": 200_000.0, "run/train_seconds": 600.0, "run/parameters": 123_456.0}
            if status == "FINISHED"
            else {}
        )
        tags = {"images_per_step": "64", **(tags or {})}
        metrics |= measured or {}
        if fd is not None:
            metrics |= _evaluation(fd, conditional, scores or {})
            tags |= {**FACTS, "eval.seed": "0", "eval.image_size": "16", "eval.mode": "RGB", **(facts or {})}
        curve = [
            Metric("train/loss", 1 / (1 + step / 500), step, step) for step in range(0, 3000, 100 if files else 1000)
        ]
        curve += [Metric("validation/loss", 1 / (1 + step / 400), step, step) for step in range(500, 3000, 500)]
        self.client.log_batch(
            run_id,
            metrics=[Metric(key, value, 0, 0) for key, value in metrics.items()] + curve,
            params=[Param(key, value) for key, value in {"dataset": dataset, **(params or {})}.items()],
            tags=[RunTag(key, value) for key, value in tags.items()],
        )
        if files:
            self.files(run_id, conditional)
        if status is not None:
            self.client.set_terminated(run_id, status)
        return run_id

    def files(self, run_id: str, conditional: bool) -> None:
        histogram = self.random.dirichlet(np.ones(32), (2, 3))
        scores = {
            "metrics": {},
            "intervals": {"fd_pca20": [1.0, 100.0]},
            "confusion": [[30, 5, 1], [2, 28, 6], [0, 3, 33]] if conditional else None,
            "facts": {
                "class_names": list(CLASSES),
                "num_reference": 300,
                "sampling": {
                    "scheduler": "DDPMScheduler",
                    "num_inference_steps": 25,
                    "guidance_scale": 1.5 if conditional else None,
                },
                "rgb_histograms": {"real": histogram[0].tolist(), "samples": histogram[1].tolist()},
            },
        }
        self.client.log_text(run_id, json.dumps(scores), "evaluation/scores.json")
        for name in ("grid", "closest"):
            sprites = self.random.integers(0, 4, (8 * 16, 8 * 16, 3), np.uint8) * 60
            picture = Image.fromarray(sprites).resize((512, 512), Image.Resampling.NEAREST)
            self.bytes(run_id, picture, f"{name}.png")

    def autoencoder(
        self,
        kind: str,
        name: str,
        psnr: float | None,
        floats: int = 64,
        *,
        experiment: str = "Exp1-Autoencoder",
        fingerprint: str = FACTS["eval.data_fingerprint"],
        size: int = 16,
        files: bool = True,
        **settings: Any,
    ) -> str:
        """One autoencoder; its errors follow from `psnr`. None: not analysed."""
        trained = "ae" if kind == "dae" else kind
        params = {"autoencoder": trained, "input_noise": "gaussian" if kind == "dae" else "none"}
        if psnr is None:
            return self.run(experiment, name, params=params, **settings)
        measured = {
            "mse": 10 ** (-psnr / 10), "psnr": psnr, "psnr_image_mean": psnr + 1, "ssim": psnr / 30, "train_psnr": psnr + 2, "noisy_psnr": 17.0,
            "denoised_psnr": psnr - 3, "denoising_gain": psnr - 20, "latent_floats": floats, "latent_bits": 8 * floats,
            "silhouette_latents": psnr / 100, "silhouette_pixels": -0.05,
        }  # fmt: skip
        codes = {"codebook_use": 0.5, "codebook_use_train": 0.75}
        measured |= codes if kind == "vq" else {"psnr_8bit": psnr - 0.25}
        tags = {"data_fingerprint": fingerprint, "image_size": str(size), "mode": "RGB", "num_validation": "300"}
        run_id = self.run(
            experiment, name, params=params, measured={f"latents/{key}": value for key, value in measured.items()},
            tags={f"latents.{key}": value for key, value in {**tags, "kind": kind}.items()}, **settings,
        )  # fmt: skip
        if files:
            facts = {"noise_type": "gaussian", "noise_strength": 0.15}
            self.client.log_text(run_id, json.dumps({"metrics": {}, "facts": facts}), "analysis/latents.json")
            for picture in ("reconstructions", "latents", "interpolation", *(["codebook"] if kind == "vq" else [])):
                sprites = Image.fromarray(self.random.integers(0, 4, (64, 192, 3), np.uint8) * 60)
                self.bytes(run_id, sprites.resize((768, 256), Image.Resampling.NEAREST), f"{picture}.png", "analysis")
        return run_id

    def latent_diffusion(
        self, experiment: str, name: str, fd: float, *, seconds: float = 60.0, **settings: Any
    ) -> str:
        """One generator that diffuses the latents of an autoencoder that was trained for half a minute."""
        measured = {"run/autoencoder_seconds": 30.0, "run/train_seconds": seconds}
        tags = {"autoencoder.kind": "vae", "autoencoder.latent_floats": "64", "autoencoder.psnr": "27.5"}
        return self.run(experiment, name, fd, measured=measured, tags=tags, **settings)

    def bytes(self, run_id: str, picture: Image.Image, name: str, folder: str = "evaluation") -> None:
        path = self.folder / name
        picture.save(path)
        self.client.log_artifact(run_id, str(path), folder)
        path.unlink()

    def sweep(self, run_id: str, name: str, rows: list[dict], facts: dict) -> None:
        self.client.log_text(run_id, json.dumps({"rows": rows, "facts": facts}), f"sweeps/{name}.json")


def _evaluation(fd: float, conditional: bool, scores: dict[str, float]) -> dict[str, float]:
    values = {
        "fd_pca20": fd, "fd_feature": fd / 4, "kid": fd / 1000, "kid_se": 0.001, "precision": 0.7, "recall": 0.6, "density": 0.9,
        "coverage": 0.8, "memorised": 0.02, "near_copies": 0.0, "unique_colors": 10.0 + fd / 10, "seconds_per_image": 0.05,
    }  # fmt: skip
    floors = dict(FLOORS)
    if conditional:
        values |= {"fd_pca20_class_mean": 2 * fd, "accuracy": 0.76}
    else:
        del floors["fd_pca20_class_mean"], floors["accuracy"]
    metrics = {f"eval/{key}": value for key, value in {**values, **scores}.items()}
    metrics |= {f"eval_floor/{key}": value for key, value in floors.items()}
    for index, name in enumerate(CLASSES if conditional else ()):
        name = name.replace("|", " ")
        metrics[f"eval_class/{name}/fd_pca20"] = 2 * fd + index
        metrics[f"eval_class/{name}/fd_pca20_floor"] = 5.0
        metrics[f"eval_class/{name}/accuracy"] = 0.7 + index / 100
        metrics[f"eval_class/{name}/accuracy_floor"] = 0.8
    return metrics


def fill(builder: StoreBuilder) -> None:
    builder.run("Exp2-DDPM-PixelSpace", "exp2-a", 30.0, conditional=False, files=True)
    builder.run("Exp3-DDPM-Conditional", "ad3-worse", 50.0)
    builder.run("Exp3-DDPM-Conditional", "ad3-best", 40.0, files=True)
    builder.run("Exp3-DDPM-Conditional", "ad3-killed", 1.0, status="KILLED")
    builder.run("Exp3-DDPM-Conditional", "ad3-without", None)
    ad6 = builder.run("AD6", "ad6_*best*", 8.0, files=True, scores={"memorised": 0.2})
    builder.run("AD6", "ad6-failed", status="FAILED")
    builder.run("AD6", "ad6-running", 2.0, status=None)
    # lower, but judged by another classifier, or by more samples
    builder.run("AD6", "ad6-other-judge", 3.0, facts={"eval.extractor": "b" * 64})
    builder.run("AD6", "ad6-more-samples", 3.5, facts={"eval.num_samples": "2000"})
    builder.run("AD6", "ad6-synthetic", 6.0, dataset="synthetic")
    builder.run("My <b>own", "mine", 20.0, conditional=False, scores={"fd_feature": 1.25})
    builder.run("Classifier", "judge", params={"feature_dim": "64"})
    for row, timesteps in enumerate((50, 100, 200)):
        for column, channels in enumerate((16, 32, 64)):
            settings = {"num_train_timesteps": str(timesteps), "block_out_channels": f"[{channels}, {2 * channels}]"}
            broken = (row, column) == (0, 2)
            fd = None if broken else 60.0 - 10 * column - 5 * row
            name = f"t{timesteps}-c{channels}"
            builder.run("Exp5-Ablation", name, fd, params=settings, status="FAILED" if broken else "FINISHED")
    guidance = [
        {"guidance_scale": scale, "num_inference_steps": 25, "scheduler": "DDIMScheduler",
         "metrics": {"fd_pca20_class_mean": 20 + (scale - 2) ** 2, "accuracy": 0.5 + scale / 10, "coverage": 0.9 - scale / 10}}
        for scale in (1.0, 1.5, 2.0, 3.0)
    ]  # fmt: skip
    builder.sweep(ad6, "guidance", guidance, {"num_samples": 400, "extractor": {"identity": "a" * 64}})
    steps = [
        {"num_inference_steps": count, "scheduler": scheduler, "guidance_scale": 2.0,
         "metrics": {"fd_pca20_class_mean": offset + 100 / count, "accuracy": 0.7, "seconds_per_image": count / 1000}}
        for scheduler, offset in (("DDIMScheduler", 16), ("DPMSolverMultistepScheduler", 14)) for count in (5, 10, 25, 50)
    ]  # fmt: skip
    builder.sweep(ad6, "schedulers", steps, {"num_samples": 200})


@pytest.fixture(scope="session")
def full_store(tmp_path_factory) -> Path:
    """Folder with ``mlflow.db``; not to be written to."""
    folder = tmp_path_factory.mktemp("full")
    fill(StoreBuilder(folder))
    return folder


@pytest.fixture
def store(full_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The database of `full_store`, to change at will; its artifacts are where they were. The working directory."""
    shutil.copy(full_store / "mlflow.db", tmp_path / "mlflow.db")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    return tmp_path


def execute(database: Path, statement: str, *values: str) -> None:
    """Changes a store behind MLflow's back."""
    with sqlite3.connect(database) as connection:
        connection.execute(statement, values)
    connection.close()


def noise_png(side: int) -> bytes:
    """A PNG that does not compress."""
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()
