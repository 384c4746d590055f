"""Models as the demo has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from sprite_diffusers import hub
from sprite_diffusers.demo.files import Workspace
from sprite_diffusers.demo.models import Model


@pytest.fixture
def model(class_cond) -> Model:
    """Of three classes, 8x8 RGBA."""
    return Model("tiny", class_cond)


@pytest.fixture
def folder(class_cond, tmp_path) -> Path:
    """The same as a folder."""
    return hub.export(class_cond, tmp_path / "tiny")


@pytest.fixture
def workspace():
    workspace = Workspace()
    yield workspace
    workspace.close()
