"""Captioned sprites with a CLIP that claims to know them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sprite_diffusers.trainers.unclip.settings import UnclipDataConfig

from ...captioned import save_squares
from .parts import save_tiny_clip


@pytest.fixture(scope="package")
def data(tmp_path_factory: pytest.TempPathFactory) -> UnclipDataConfig:
    """Squares of 15x15 on white, with their CLIP."""
    folder = tmp_path_factory.mktemp("data")
    plain = UnclipDataConfig(dataset=str(save_squares(folder / "squares", 120)), clip="none")
    return replace(plain, clip=str(save_tiny_clip(folder / "clip", plain)))
