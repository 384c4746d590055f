"""Pipeline folders: export, model cards, loading by what the folder says, upload."""

from __future__ import annotations

import math
import os
import re
import shutil
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffusers import DiffusionPipeline, ModelMixin
from huggingface_hub import EvalResult, HfApi, ModelCard, ModelCardData
from huggingface_hub.utils import filter_repo_objects

from . import pipelines
from .errors import SpriteError
from .tracking import RUN_FILE

if TYPE_CHECKING:
    from transformers import Pipeline

PUBLISHED_CLASSES = {
    "UnCLIPPipeline": "SpriteUnCLIPPipeline"
}  # in folders of others (Karlo), and what loads them here
MODEL_FILES = (
    "model_index.json",
    "config.json",
    "pytorch_lora_weights.safetensors",
)  # one of them is in a folder that can be published: of a pipeline, a model, a LoRA
# Working files of a training and of evaluations (which show training images): not part of the published model.
NOT_PUBLISHED = (
    "checkpoint-*", "best/*", "previews/*", "tensorboard/*", "evaluation/*", "analysis/*", "sweeps/*",
    "snapshots/*", "stage?/*", "clip/*", "clip-judge/*", "text/*", ".*", RUN_FILE,
)  # fmt: skip


def export(
    pipeline: DiffusionPipeline | ModelMixin | Pipeline, directory: str | Path, card: ModelCard | None = None
) -> Path:
    """Writes the folder of a pipeline, which loads anywhere (see `SpritePipelineMixin`), or of a model, with a model card.

    It is written beside its place and moved there part by part, the index last, so that a failure while writing
    leaves what was there. Other files in the folder stay.

    Args:
        card: saved as README.md.
    """
    directory = Path(directory)
    partial = directory / ".export"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        pipeline.save_pretrained(partial)
        if card is not None:
            card.save(partial / "README.md")
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    index = getattr(pipeline, "config_name", "config.json")  # a pipeline of transformers has none of its own
    for part in sorted(partial.iterdir(), key=lambda path: path.name == index):
        target = directory / part.name
        if target.is_dir():
            shutil.rmtree(target)
        os.replace(part, target)
    partial.rmdir()
    return directory


def model_card(
    template: str,
    model_name: str,
    dataset: str,
    results: dict[str, float],
    tags: list[str],
    **facts: Any,
) -> ModelCard:
    """A model card from a template of ``hub_cards/``.

    Args:
        template: its name without ``.md``.
        model_name: title, and the name in the ``model-index``.
        dataset: name of the training data.
        results: measured figures for the ``model-index``, e.g. ``{"validation_loss": 0.12}``.
        tags: besides ``diffusers`` and ``pixel-art``.
        facts: what the template asks for.
    """
    data = ModelCardData(
        library_name="diffusers",
        pipeline_tag="unconditional-image-generation",
        tags=["pixel-art", "sprites", "sprite-diffusers", *tags],
        model_name=model_name,
        eval_results=_eval_results(dataset, results),
    )
    text = resources.files("sprite_diffusers.hub_cards").joinpath(f"{template}.md").read_text(encoding="utf-8")
    return ModelCard.from_template(data, template_str=text, model_name=model_name, dataset=dataset, **facts)


def _eval_results(dataset: str, results: dict[str, float]) -> list[EvalResult]:
    return [
        EvalResult(
            task_type="unconditional-image-generation",
            dataset_type=dataset,
            dataset_name=dataset,
            metric_type=name,
            metric_value=value,
        )
        for name, value in results.items()
    ]


def add_results(directory: str | Path, dataset: str, results: dict[str, float], table: str) -> None:
    """Puts measured figures into the model card of a pipeline folder: its ``model-index``, and a section *Evaluation*.

    Figures of the same names and an earlier section are replaced; the rest of the card stays.

    Args:
        dataset: name of the data the figures were measured on.
        results: by name; what is not a number is left out.
        table: Markdown.

    Raises:
        SpriteError: there is no card, or one without metadata.
    """
    path = Path(directory) / "README.md"
    try:
        card = ModelCard.load(path)
        model_name = card.data.model_name or Path(directory).resolve().name
    except (OSError, ValueError, AttributeError) as error:
        raise SpriteError(
            f"{path} cannot be read as a model card ({type(error).__name__}): export the model again."
        ) from None
    finite = {name: value for name, value in results.items() if math.isfinite(value)}
    kept = [entry for entry in card.data.eval_results or [] if entry.metric_type not in finite]
    card.data.model_name = model_name
    card.data.eval_results = kept + _eval_results(dataset, finite)
    text = re.sub(r"\n## Evaluation\n.*?(?=\n## |\Z)", "", card.text, flags=re.DOTALL)
    partial = path.with_name(".README.md")
    header = f"---\n{card.data.to_yaml()}\n---\n"
    partial.write_text(f"{header}{text.rstrip()}\n\n## Evaluation\n\n{table.strip()}\n", encoding="utf-8")
    os.replace(partial, path)


def load_pipeline(source: str | Path, **options: Any) -> DiffusionPipeline:
    """Loads a folder or Hub repository with the installed class that it names; `options` are those of `from_pretrained`.

    Raises:
        SpriteError: no pipeline there, or one of a class that is not ours (load that with diffusers).
    """
    try:
        index = DiffusionPipeline.load_config(str(source))
    except OSError:
        raise SpriteError(f"{source} holds no pipeline: give a folder with a model_index.json, or a Hub id.") from None
    declared = index["_class_name"]
    declared = declared[1] if isinstance(declared, list) else declared
    name = PUBLISHED_CLASSES.get(declared, declared)
    if name not in pipelines.__all__:
        raise SpriteError(f"{source} holds a {name}, but these can be used here: {', '.join(pipelines.__all__)}.")
    return getattr(pipelines, name).from_pretrained(str(source), **options)


def published_files(directory: str | Path) -> list[Path]:
    """Files of a pipeline folder that belong to the model: no checkpoints, no previews."""
    files = [path.relative_to(directory).as_posix() for path in Path(directory).rglob("*") if path.is_file()]
    return [Path(directory) / name for name in filter_repo_objects(sorted(files), ignore_patterns=list(NOT_PUBLISHED))]


def push(directory: str | Path, repo_id: str, private: bool = False) -> str:
    """Uploads the folder of a pipeline, a model or a LoRA, without checkpoints and previews, and returns its address.

    Raises:
        SpriteError: the folder holds none of them.
    """
    if not any((Path(directory) / name).is_file() for name in MODEL_FILES):
        raise SpriteError(f"{directory} holds no pipeline to upload (no {' or '.join(MODEL_FILES)}).")
    api = HfApi()
    repo_id = api.create_repo(repo_id, exist_ok=True, private=private).repo_id
    return api.upload_folder(folder_path=directory, repo_id=repo_id, ignore_patterns=list(NOT_PUBLISHED)).commit_url
