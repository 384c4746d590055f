"""Weights of scorers: where they are found, and what identifies them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from ..errors import SpriteError


def find_file(source: str | Path, names: Sequence[str]) -> Path:
    """A file of weights: itself, one of `names` in a folder, or downloaded from the Hub.

    Args:
        source: a file; a folder; ``owner/repository``; or ``owner/repository/file``.
        names: of the file, in the order of preference, where `source` does not name it.

    Raises:
        SpriteError: it cannot be had (no such file, not downloaded and no network).
    """
    path = Path(source)
    if path.is_file():
        return path
    if path.is_dir():
        for name in names:
            if (path / name).is_file():
                return path / name
        raise SpriteError(f"the folder {path} holds none of {', '.join(names)}: give the file of the weights.")
    parts = str(source).split("/")
    if len(parts) < 2 or not all(parts):
        raise SpriteError(f"{str(source)!r} is no file, no folder and no Hub id (owner/repository, or with /file).")
    return _download("/".join(parts[:2]), ["/".join(parts[2:])] if len(parts) > 2 else names)


def _download(repo_id: str, names: Sequence[str]) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, HFValidationError, LocalEntryNotFoundError

    reason: Exception | None = None
    for name in names:
        try:
            return Path(hf_hub_download(repo_id, name))
        except LocalEntryNotFoundError as error:  # not downloaded, and no network: another name would not be either
            reason = error
            break
        except EntryNotFoundError as error:
            reason = error
        except (OSError, HFValidationError) as error:
            reason = error
            break
    text = " ".join(str(reason).split())[:160]
    raise SpriteError(
        f"{', '.join(names)} cannot be had from {repo_id!r} ({type(reason).__name__}: {text}): give a file or a folder."
    ) from reason


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """The state dict in a ``.safetensors`` file or in a torch file, which is read without running code of it.

    One under the key ``state_dict``, as checkpoints of trainings have it, is taken from there.

    Raises:
        SpriteError: it cannot be read, or holds something else.
    """
    from safetensors.torch import load_file

    try:
        state = load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
    except Exception as error:  # of what kind depends on the byte at which a file that is none goes wrong
        reason = " ".join(str(error).split())[:160]
        raise SpriteError(f"{path} cannot be read as weights ({type(error).__name__}: {reason}).") from error
    state = state.get("state_dict", state) if isinstance(state, Mapping) else state
    if not isinstance(state, Mapping) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise SpriteError(f"{path} holds no state dict of tensors: give the file of the published weights.")
    return dict(state)


def weights_version(*modules: torch.nn.Module) -> str:
    """12 hex digits of the sha256 of weights in half precision, so that the precision they are loaded in does not matter."""
    digest = hashlib.sha256()
    for module in modules:
        for name, tensor in sorted(module.state_dict().items()):
            digest.update(name.encode() + tensor.detach().half().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]
