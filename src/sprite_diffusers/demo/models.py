"""The models a demo was started with: what each of them draws and can be asked for, loaded when it is needed."""

from __future__ import annotations

import inspect
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from ..errors import SpriteError
from ..evaluation.sampling import takes_prompts
from ..hub import load_pipeline
from ..sheets.sheet import unique_names

LORA_FILE = "pytorch_lora_weights.safetensors"
LOADED_AT_ONCE = 3  # the rest is loaded again when it is chosen
MOST_PREVIEWS = 60


@dataclass(frozen=True)
class Model:
    """A pipeline, and what its call takes.

    Attributes:
        name: as the list of models shows it.
        pipeline: any of ours.
    """

    name: str
    pipeline: Any

    @property
    def draws(self) -> str:
        """What says what to draw: ``"prompt"``, ``"class"``, or ``"number"`` for a model that is told nothing."""
        if takes_prompts(self.pipeline):
            return "prompt"
        return "class" if self.pipeline.is_conditional else "number"

    @property
    def classes(self) -> list[str]:
        """Names, in the order of their ids; empty for models without."""
        return list(self.pipeline.config.id2label.values()) if self.draws == "class" else []

    @property
    def size(self) -> int:
        """Side of a sprite, in pixels."""
        return self.pipeline.sprite_size

    @property
    def steps(self) -> int | None:
        """Denoising steps it is best drawn with; `None` if it draws in one pass."""
        return self.pipeline.config.get("default_num_inference_steps") if self._schedulers else None

    @property
    def guidance(self) -> float | None:
        """Guidance it is best drawn with; `None` if it cannot be guided."""
        if not self.takes("guidance_scale") or not self._schedulers:
            return None
        if self.draws == "class" and self.pipeline.null_class is None:
            return None
        return self.pipeline.config.get("default_guidance_scale")

    @property
    def guides_to_palettes(self) -> bool:
        """Whether a palette can lead the drawing; latents and indices have no colours before the end."""
        return self.takes("palette_guidance") and getattr(self.pipeline, "draws_colors", True)

    def takes(self, argument: str) -> bool:
        """Whether the pipeline's call has an argument of this name."""
        return argument in inspect.signature(type(self.pipeline).__call__).parameters

    @property
    def summary(self) -> str:
        """A line for people."""
        modules = [part for part in self.pipeline.components.values() if hasattr(part, "parameters")]
        millions = sum(parameter.numel() for part in modules for parameter in part.parameters()) / 1e6
        told = {"prompt": "by descriptions", "class": "by class", "number": "without classes"}[self.draws]
        pace = "in one pass" if self.steps is None else f"in {self.steps} steps"
        mode = "RGBA" if self.pipeline.sprite_channels == 4 else "RGB"
        return f"{self.size}x{self.size} {mode}, {told}, {pace}, {millions:.1f} million parameters"

    @property
    def _schedulers(self) -> list[str]:
        return [name for name, part in self.pipeline.components.items() if "scheduler" in name and part is not None]


@dataclass(frozen=True)
class _Source:
    """Folder or Hub id of a pipeline, and of the LoRA that is put on it."""

    pipeline: str
    lora: str | None = None

    @property
    def title(self) -> str:
        name = _short(self.lora or self.pipeline)
        return f"{name} (LoRA on {_short(self.pipeline)})" if self.lora else name

    @property
    def folder(self) -> Path:
        return Path(self.lora or self.pipeline)


class Shelf:
    """The models to choose from: those given at the start, and what is trained while the demo runs.

    Args:
        sources: folders or Hub ids of pipelines, and of LoRAs, each of which is put on the pipeline named before it.
        device: to draw on; a GPU if there is one, else the CPU, if not given.

    Raises:
        SpriteError: a source that is neither, or a LoRA before any pipeline.
    """

    def __init__(self, sources: Sequence[str | Path] = (), device: str | None = None):
        self._device = device
        self._sources: dict[str, _Source] = {}
        self._loaded: OrderedDict[str, Model] = OrderedDict()
        base = None
        for source in map(str, sources):
            if not _is_lora(source):
                base = source
                self._put(_Source(source))
            elif base is None:
                raise SpriteError(f"{source} holds a LoRA, which changes another model: name that one before it.")
            else:
                self._put(_Source(base, source))

    @property
    def names(self) -> list[str]:
        """Of all models, in the order they were given."""
        return list(self._sources)

    def add(self, folder: str | Path, title: str) -> str:
        """Puts a trained pipeline folder on the shelf and returns the name it is found under."""
        return self._put(_Source(str(folder)), title)

    def open(self, name: str | None) -> Model:
        """The model of a name, loaded.

        Raises:
            SpriteError: no such name, or a folder that cannot be loaded.
        """
        source = self._source(name)
        name = str(name)
        if name not in self._loaded:
            self._loaded[name] = Model(name, self._load(source))
        self._loaded.move_to_end(name)
        while len(self._loaded) > LOADED_AT_ONCE:
            self._loaded.popitem(last=False)
        return self._loaded[name]

    def previews(self, name: str | None) -> list[tuple[Image.Image, str]]:
        """Pictures that the training of a model left in its folder, oldest first, with what they show."""
        folder = self._source(name).folder
        return read_pictures([*sorted(folder.glob("previews/*.png")), *folder.glob("samples.png")][-MOST_PREVIEWS:])

    def pair(self) -> tuple[str | None, str | None]:
        """Two models to be compared: the first LoRA and its base, or the first two."""
        for name, source in self._sources.items():
            if source.lora:
                bases = (other for other, given in self._sources.items() if given == _Source(source.pipeline))
                return next(bases, None), name
        first, second = [*self.names, None, None][:2]
        return first, second

    def _source(self, name: str | None) -> _Source:
        if name not in self._sources:
            known = f"choose one of {', '.join(self.names)}" if self._sources else "train one first, in the tab Train"
            raise SpriteError(f"there is no model {name!r}: {known}." if name else f"no model is chosen: {known}.")
        return self._sources[name]

    def _put(self, source: _Source, title: str | None = None) -> str:
        title = title or source.title
        name = unique_names([*self._sources, title])[-1]
        self._sources[name] = source
        return name

    def _load(self, source: _Source) -> Any:
        import torch

        pipeline = load_pipeline(source.pipeline)
        if source.lora:
            try:
                pipeline.load_lora_weights(source.lora)
            except (ValueError, RuntimeError, AttributeError) as error:
                raise SpriteError(
                    f"the LoRA {source.lora} does not fit {source.pipeline} ({_first_line(error)}): name its base before it."
                ) from None
        pipeline.to(self._device or ("cuda" if torch.cuda.is_available() else "cpu"))
        pipeline.set_progress_bar_config(disable=True)
        return pipeline


def read_pictures(files: Sequence[Path]) -> list[tuple[Image.Image, str]]:
    """Pictures that a training left, each under the name of its file."""
    found = []
    for file in files:
        try:
            with Image.open(file) as image:
                found.append((image.convert("RGBA"), file.stem.replace("-", " ")))
        except (UnidentifiedImageError, OSError):  # being written, or no picture
            continue
    return found


def _is_lora(source: str) -> bool:
    """False for a pipeline.

    Raises:
        SpriteError: neither.
    """
    from diffusers import DiffusionPipeline

    folder = Path(source)
    if folder.is_dir():
        if (folder / DiffusionPipeline.config_name).is_file():
            return False
        if (folder / LORA_FILE).is_file():
            return True
        raise SpriteError(
            f"{source} holds neither a pipeline ({DiffusionPipeline.config_name}) nor a LoRA ({LORA_FILE})."
        )
    try:
        DiffusionPipeline.load_config(source)
    except (OSError, ValueError):
        if _is_on_hub(source):
            return True
        raise SpriteError(f"{source} is no model: give a pipeline folder, a LoRA's folder, or a Hub id.") from None
    return False


def _is_on_hub(source: str) -> bool:
    from huggingface_hub import hf_hub_download

    try:
        hf_hub_download(source, LORA_FILE)
    except (OSError, ValueError):  # those of the Hub and of requests derive from them
        return False
    return True


def _short(source: str) -> str:
    return Path(source).resolve().name if Path(source).is_dir() else source


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
