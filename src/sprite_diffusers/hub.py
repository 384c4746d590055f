"""Pipeline folders: export, model cards, loading by what the folder says, upload."""

from __future__ import annotations

import os
import shutil
from importlib import resources
from pathlib import Path
from typing import Any

from diffusers import DiffusionPipeline
from huggingface_hub import EvalResult, HfApi, ModelCard, ModelCardData
from huggingface_hub.utils import filter_repo_objects

from . import pipelines
from .errors import SpriteError
from .tracking import RUN_FILE

# Working files of a training, which are not part of the published model.
NOT_PUBLISHED = ("checkpoint-*", "previews/*", ".*", RUN_FILE)


def export(pipeline: DiffusionPipeline, directory: str | Path, card: ModelCard | None = None) -> Path:
    """Writes a folder that loads anywhere (see `SpritePipelineMixin`), with a model card.

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
    for part in sorted(partial.iterdir(), key=lambda path: path.name == pipeline.config_name):
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
        eval_results=[
            EvalResult(
                task_type="unconditional-image-generation",
                dataset_type=dataset,
                dataset_name=dataset,
                metric_type=name,
                metric_value=value,
            )
            for name, value in results.items()
        ],
    )
    text = resources.files("sprite_diffusers.hub_cards").joinpath(f"{template}.md").read_text(encoding="utf-8")
    return ModelCard.from_template(data, template_str=text, model_name=model_name, dataset=dataset, **facts)


def load_pipeline(source: str | Path) -> DiffusionPipeline:
    """Loads a folder or Hub repository with the installed class that it names.

    Raises:
        SpriteError: no pipeline there, or one of a class that is not ours (load that with diffusers).
    """
    try:
        index = DiffusionPipeline.load_config(str(source))
    except OSError:
        raise SpriteError(f"{source} holds no pipeline: give a folder with a model_index.json, or a Hub id.") from None
    declared = index["_class_name"]
    name = declared[1] if isinstance(declared, list) else declared
    if name not in pipelines.__all__:
        raise SpriteError(f"{source} holds a {name}, but these can be used here: {', '.join(pipelines.__all__)}.")
    return getattr(pipelines, name).from_pretrained(str(source))


def published_files(directory: str | Path) -> list[Path]:
    """Files of a pipeline folder that belong to the model: no checkpoints, no previews."""
    files = [path.relative_to(directory).as_posix() for path in Path(directory).rglob("*") if path.is_file()]
    return [Path(directory) / name for name in filter_repo_objects(sorted(files), ignore_patterns=list(NOT_PUBLISHED))]


def push(directory: str | Path, repo_id: str, private: bool = False) -> str:
    """Uploads a pipeline folder, without checkpoints and previews, and returns its address.

    Raises:
        SpriteError: the folder holds no pipeline.
    """
    if not (Path(directory) / "model_index.json").is_file():
        raise SpriteError(f"{directory} holds no pipeline to upload (no model_index.json).")
    api = HfApi()
    repo_id = api.create_repo(repo_id, exist_ok=True, private=private).repo_id
    return api.upload_folder(folder_path=directory, repo_id=repo_id, ignore_patterns=list(NOT_PUBLISHED)).commit_url
