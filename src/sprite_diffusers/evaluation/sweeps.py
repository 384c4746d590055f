"""Quality by how a model is sampled: by strength of guidance, and by steps of each scheduler, from the same noise."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import diffusers
from diffusers import DiffusionPipeline, SchedulerMixin
from tqdm import tqdm

from ..errors import SpriteError
from .protocol import evaluate
from .reference import Reference
from .sampling import is_conditional
from .scores import Scores

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Short name -> class in diffusers and settings, as far as they are not those of the model's own scheduler.
DIFFUSION_SCHEDULERS: dict[str, tuple[str, dict[str, Any]]] = {
    "ddpm": ("DDPMScheduler", {}),
    "ddim": ("DDIMScheduler", {}),
    "dpmsolver++": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++"}),
    "unipc": ("UniPCMultistepScheduler", {}),
    "euler": ("EulerDiscreteScheduler", {}),
}
FLOW_SCHEDULERS: dict[str, tuple[str, dict[str, Any]]] = {
    "dpmsolver++": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++"}),
    "unipc": ("UniPCMultistepScheduler", {}),
    "flow-euler": ("FlowMatchEulerDiscreteScheduler", {}),
    "flow-heun": ("FlowMatchHeunDiscreteScheduler", {}),
}
SHORT_NAMES = {name: short for short, (name, _) in (DIFFUSION_SCHEDULERS | FLOW_SCHEDULERS).items()}


@dataclass(frozen=True)
class Sweep:
    """What a sweep measured.

    Attributes:
        rows: a point each: guidance_scale (`None` for an unconditional model), num_inference_steps, scheduler (its
            class) and metrics, named as in `Scores`.
        facts: of all points: kind (``"guidance"`` or ``"schedulers"``), floors (by metric), and those facts of `Scores`
            without which figures do not compare.
    """

    rows: list[dict[str, Any]]
    facts: dict[str, Any]

    def to_json(self) -> str:
        """``{"rows": [...], "facts": {...}}``; what is not a number is null."""
        return json.dumps(_plain({"rows": self.rows, "facts": self.facts}), indent=2, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Sweep:
        """The inverse of `to_json`, with null for what was not a number.

        Raises:
            SpriteError: not JSON, or not of a sweep.
        """
        try:
            content = json.loads(text)
            return cls(content["rows"], content["facts"])
        except (ValueError, KeyError, TypeError) as error:
            raise SpriteError(
                f"these are not the figures of a sweep ({error!r}): run training/sweep.py again."
            ) from None

    def save(self, directory: str | Path, name: str) -> list[Path]:
        """Writes ``<name>.json`` and ``<name>.png``; an earlier pair is only replaced by a whole one."""
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        picture, figures = directory / f"{name}.png", directory / f"{name}.json"
        partial = [file.with_name(f".{file.name}") for file in (figures, picture)]
        partial[0].write_text(self.to_json(), encoding="utf-8")
        self.plot(partial[1])
        for source, target in zip(partial, (figures, picture), strict=True):
            os.replace(source, target)
        return [figures, picture]

    def plot(self, path: str | Path) -> Path:
        """Draws FD-PCA20, and accuracy where classes were asked for, with the floor as a dashed line; returns `path`."""
        from matplotlib.figure import Figure

        panels = [("fd_pca20", "FD-PCA20 (lower is better)")]
        if all(row["metrics"].get("accuracy") is not None for row in self.rows):
            panels.append(("accuracy", "accuracy of the classifier"))
        figure = Figure(figsize=(4.8 * len(panels), 3.6), layout="constrained")
        axes = figure.subplots(1, len(panels), squeeze=False)[0]
        for axis, (metric, title) in zip(axes, panels, strict=True):
            if self.facts["kind"] == "guidance":
                self._plot_guidance(axis, metric)
            else:
                self._plot_schedulers(axis, metric)
            floor = self.facts["floors"].get(metric)
            if floor is not None:
                axis.axhline(floor, color="0.4", linestyle="--", linewidth=1, label="real sprites")
            if metric == "fd_pca20":
                axis.set_ylim(bottom=0)
            axis.set_title(title, fontsize=10)
            axis.grid(alpha=0.25)
            axis.spines[["top", "right"]].set_visible(False)
        axes[0].legend(fontsize=8, frameon=False)
        figure.savefig(path, dpi=120, format="png")
        return Path(path)

    def _plot_guidance(self, axis: Axes, metric: str) -> None:
        scales = [row["guidance_scale"] for row in self.rows]
        axis.plot(scales, [row["metrics"][metric] for row in self.rows], marker="o", markersize=4, label="samples")
        axis.set_xlabel("guidance scale (1 is none)")

    def _plot_schedulers(self, axis: Axes, metric: str) -> None:
        for scheduler in dict.fromkeys(row["scheduler"] for row in self.rows):
            rows = [row for row in self.rows if row["scheduler"] == scheduler]
            steps = [row["num_inference_steps"] for row in rows]
            values = [row["metrics"][metric] for row in rows]
            axis.plot(steps, values, marker="o", markersize=4, label=SHORT_NAMES.get(scheduler, scheduler))
        axis.set_xscale("log")
        ticks = sorted({row["num_inference_steps"] for row in self.rows})
        axis.set_xticks(ticks, [str(tick) for tick in ticks])
        axis.minorticks_off()
        axis.set_xlabel("denoising steps")


def guidance_sweep(
    pipeline: DiffusionPipeline,
    reference: Reference,
    scales: Sequence[float],
    *,
    num_samples: int | None = None,
    seed: int = 0,
    batch_size: int = 64,
    num_inference_steps: int | None = None,
    progress: bool = False,
) -> Sweep:
    """Scores a class-conditional model at each strength of guidance, from the same noise and labels.

    Args:
        scales: 1 is no guidance.
        num_samples: sprites per point; the protocol's number if not given.
        seed: of the noise.
        batch_size: sprites at a time.
        num_inference_steps: the model's own if not given.
        progress: shows a bar over the points.

    Raises:
        SpriteError: an unconditional model, or one without a null class; a scale below 1; what `evaluate` refuses.
    """
    check_guidance(pipeline, scales)
    options: dict[str, Any] = {"num_samples": num_samples, "seed": seed, "batch_size": batch_size}
    options["num_inference_steps"] = num_inference_steps
    points = _bar(list(dict.fromkeys(scales)), progress)
    scores = [evaluate(pipeline, reference, guidance_scale=scale, **options) for scale in points]
    return _sweep("guidance", scores)


def scheduler_sweep(
    pipeline: DiffusionPipeline,
    reference: Reference,
    schedulers: Sequence[str],
    steps: Sequence[int],
    *,
    num_samples: int | None = None,
    seed: int = 0,
    batch_size: int = 64,
    guidance_scale: float | None = None,
    progress: bool = False,
) -> Sweep:
    """Scores a model at each number of steps with each scheduler, from the same noise and labels.

    The pipeline has its own scheduler again afterwards, whatever happens.

    Args:
        schedulers: keys of `DIFFUSION_SCHEDULERS`, or of `FLOW_SCHEDULERS` for a model of a flow.
        steps: denoising steps; a step of flow-heun asks the network twice.
        num_samples: sprites per point; the protocol's number if not given.
        seed: of the noise.
        batch_size: sprites at a time.
        guidance_scale: the model's own if not given.
        progress: shows a bar over the points.

    Raises:
        SpriteError: an unknown scheduler, or one that does not fit what the model predicts; a number of steps that is
            not positive or above what the model was trained with; what `evaluate` refuses.
    """
    built = {name: build_scheduler(pipeline, name) for name in dict.fromkeys(schedulers)}
    check_steps(pipeline, steps)
    options: dict[str, Any] = {
        "num_samples": num_samples,
        "seed": seed,
        "batch_size": batch_size,
        "guidance_scale": guidance_scale,
    }
    points = [(scheduler, count) for scheduler in built.values() for count in dict.fromkeys(steps)]
    scores = []
    with _own_scheduler_afterwards(pipeline):
        for scheduler, count in _bar(points, progress):
            pipeline.scheduler = scheduler
            scores.append(evaluate(pipeline, reference, num_inference_steps=count, **options))
    return _sweep("schedulers", scores)


def build_scheduler(pipeline: DiffusionPipeline, name: str) -> SchedulerMixin:
    """The scheduler of that short name, with the noise schedule of the pipeline's own.

    Raises:
        SpriteError: an unknown name, or one that does not fit what the model predicts.
    """
    if name not in DIFFUSION_SCHEDULERS | FLOW_SCHEDULERS:
        known = ", ".join(DIFFUSION_SCHEDULERS | FLOW_SCHEDULERS)
        raise SpriteError(f"--schedulers has {name!r}, which is unknown: choose from {known}.")
    flow = _predicts_flow(pipeline)
    fitting = FLOW_SCHEDULERS if flow else DIFFUSION_SCHEDULERS
    if name not in fitting:
        predicted = "a flow" if flow else f"{pipeline.scheduler.config.get('prediction_type')!r}"
        raise SpriteError(
            f"--schedulers has {name!r}, but the model predicts {predicted}, for which there are: {', '.join(fitting)}."
        )
    class_name, settings = fitting[name]
    return getattr(diffusers, class_name).from_config({**pipeline.scheduler.config}, **settings)


def check(
    pipeline: DiffusionPipeline,
    scales: Sequence[float] | None,
    schedulers: Sequence[str] | None,
    steps: Sequence[int],
) -> None:
    """Checks both sweeps before the first point of either is drawn; `None` is not swept.

    Raises:
        SpriteError: see `guidance_sweep` and `scheduler_sweep`.
    """
    if scales:
        check_guidance(pipeline, scales)
    if schedulers:
        for name in schedulers:
            build_scheduler(pipeline, name)
        check_steps(pipeline, steps)


def check_guidance(pipeline: DiffusionPipeline, scales: Sequence[float]) -> None:
    """Refuses guidance that this pipeline cannot have.

    Raises:
        SpriteError: see `guidance_sweep`.
    """
    if not is_conditional(pipeline):
        raise SpriteError(
            f"--guidance_scale needs a class-conditional model, and this is a {type(pipeline).__name__}: leave it out."
        )
    for scale in scales:
        if not (math.isfinite(scale) and scale >= 1):
            raise SpriteError(f"--guidance_scale has {scale:g}, but all must be 1 (no guidance) or more.")
    if getattr(pipeline, "null_class", None) is None and max(scales) > 1:
        raise SpriteError(
            f"--guidance_scale has {max(scales):g}, but the model was trained without a null class (--class_dropout 0): "
            "only 1 is possible."
        )


def check_steps(pipeline: DiffusionPipeline, steps: Sequence[int]) -> None:
    """Refuses numbers of steps that this pipeline cannot take.

    Raises:
        SpriteError: see `scheduler_sweep`.
    """
    if min(steps) < 1:
        raise SpriteError(f"--num_inference_steps has {min(steps)}, but all must be 1 or more.")
    most = pipeline.scheduler.config.num_train_timesteps
    if max(steps) > most and not _predicts_flow(pipeline):
        raise SpriteError(
            f"--num_inference_steps has {max(steps)}, but the model was trained with {most} timesteps: no more are possible."
        )


def _predicts_flow(pipeline: DiffusionPipeline) -> bool:
    """The trainer records it in the scheduler; schedulers of flow matching alone have no field for it."""
    scheduler = pipeline.scheduler
    matching = type(scheduler).__name__.startswith("FlowMatch")
    return scheduler.config.get("prediction_type", "flow_prediction" if matching else None) == "flow_prediction"


@contextmanager
def _own_scheduler_afterwards(pipeline: DiffusionPipeline) -> Iterator[None]:
    own = pipeline.scheduler
    try:
        yield
    finally:
        pipeline.scheduler = own


def _bar(points: list, progress: bool) -> tqdm:
    return tqdm(points, desc="sweep", unit="point", disable=not progress)


def _sweep(kind: str, scores: list[Scores]) -> Sweep:
    """Each point's figures, and once what is the same for all."""
    names = ("guidance_scale", "num_inference_steps", "scheduler")
    rows = [{**{name: one.facts["sampling"][name] for name in names}, "metrics": one.metrics} for one in scores]
    facts = {name: value for name, value in scores[0].facts.items() if name not in ("sampling", "rgb_histograms")}
    return Sweep(rows, {"kind": kind, "floors": scores[0].floors, **facts})


def _plain(value: Any) -> Any:
    """JSON has no NaN."""
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
