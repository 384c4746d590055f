"""Checkpoints on disk: written whole or not at all, verified before they are used, limited in number."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from pathlib import Path
from typing import Any

from ..errors import SpriteError

logger = logging.getLogger(__name__)

PREFIX = "checkpoint-"
MANIFEST = "manifest.json"


def list_checkpoints(output_dir: Path) -> list[Path]:
    """Checkpoint folders of a run, oldest first."""
    found = [path for path in output_dir.glob(f"{PREFIX}*") if path.name.removeprefix(PREFIX).isdigit()]
    return sorted(found, key=lambda path: int(path.name.removeprefix(PREFIX)))


def begin_checkpoint(output_dir: Path, step: int) -> Path:
    """An empty folder to write checkpoint number `step` into; see `commit_checkpoint`."""
    partial = output_dir / f".{PREFIX}{step}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    return partial


def commit_checkpoint(partial: Path, facts: dict[str, Any], limit: int) -> Path:
    """Records size and SHA-256 of every file, renames the folder into place, and removes the oldest beyond `limit`.

    Args:
        facts: what the run was (JSON-safe), for `read_facts`.
    """
    files = {
        path.relative_to(partial).as_posix(): {"size": path.stat().st_size, "sha256": _sha256(path)}
        for path in sorted(partial.rglob("*"))
        if path.is_file()
    }
    (partial / MANIFEST).write_text(json.dumps({"facts": facts, "files": files}, indent=2), encoding="utf-8")
    for path in partial.rglob("*"):
        if path.is_file():
            _sync(path)
    final = partial.with_name(partial.name.removeprefix(".").removesuffix(".partial"))
    if final.exists():
        shutil.rmtree(final)
    os.replace(partial, final)
    for old in list_checkpoints(final.parent)[:-limit]:
        shutil.rmtree(old)
    return final


def verify_checkpoint(path: Path) -> None:
    """Compares every file with the manifest.

    Raises:
        SpriteError: no manifest, or a file that is missing, of another size or with other content.
    """
    try:
        files = json.loads((path / MANIFEST).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError):
        raise SpriteError(f"{path} is not a whole checkpoint: its {MANIFEST} is missing or unreadable.") from None
    for name, expected in files.items():
        file = path / name
        if not file.is_file():
            raise SpriteError(f"{path} is damaged: {name} is missing.")
        if file.stat().st_size != expected["size"]:
            raise SpriteError(
                f"{path} is damaged: {name} has {file.stat().st_size} bytes instead of {expected['size']}."
            )
        if _sha256(file) != expected["sha256"]:
            raise SpriteError(f"{path} is damaged: the content of {name} has changed.")


def read_facts(path: Path) -> dict[str, Any]:
    """The `facts` given to `commit_checkpoint`."""
    return json.loads((path / MANIFEST).read_text(encoding="utf-8"))["facts"]


def find_checkpoint(output_dir: Path, which: str) -> Path:
    """The checkpoint to resume from.

    Args:
        which: ``"latest"``, the newest whole one of `output_dir` (damaged ones are reported and passed over), or the
            path of one.

    Raises:
        SpriteError: there is none, or the one named is damaged.
    """
    if which != "latest":
        path = Path(which)
        if not path.is_dir():
            raise SpriteError(
                f"--resume_from_checkpoint {which}: no such folder; pass 'latest' or a checkpoint's path."
            )
        try:
            verify_checkpoint(path)
        except SpriteError as error:
            raise SpriteError(f"{error} Pass --resume_from_checkpoint latest to use the newest whole one.") from None
        return path
    for path in reversed(list_checkpoints(output_dir)):
        try:
            verify_checkpoint(path)
        except SpriteError as error:
            logger.warning("%s Using the checkpoint before it.", error)
            continue
        return path
    raise SpriteError(f"--resume_from_checkpoint latest: {output_dir} holds no whole checkpoint.")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
