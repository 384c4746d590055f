"""Checkpoints: whole or not at all."""

from __future__ import annotations

import pytest

from sprite_diffusers.errors import SpriteError
from sprite_diffusers.trainers.checkpoints import (
    begin_checkpoint,
    commit_checkpoint,
    find_checkpoint,
    list_checkpoints,
    read_facts,
    verify_checkpoint,
)


def write(root, step, limit=3):
    partial = begin_checkpoint(root, step)
    (partial / "model").mkdir()
    (partial / "model" / "weights.bin").write_bytes(bytes([step]) * 100)
    return commit_checkpoint(partial, {"step": step}, limit)


def test_only_the_newest_are_kept_and_numbers_are_not_words(tmp_path):
    for step in (5, 10, 100, 20):
        write(tmp_path, step, limit=2)
    assert [path.name for path in list_checkpoints(tmp_path)] == ["checkpoint-20", "checkpoint-100"]
    assert read_facts(tmp_path / "checkpoint-20") == {"step": 20}


def test_an_unfinished_checkpoint_does_not_count(tmp_path):
    write(tmp_path, 1)
    (begin_checkpoint(tmp_path, 2) / "half").write_text("...")
    assert find_checkpoint(tmp_path, "latest").name == "checkpoint-1"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda file: file.write_bytes(file.read_bytes()[:50]), "has 50 bytes instead of 100"),
        (lambda file: file.write_bytes(b"x" * 100), "has changed"),
        (lambda file: file.unlink(), "is missing"),
    ],
)
def test_damage_is_refused_and_the_one_before_is_used(tmp_path, caplog, damage, message):
    write(tmp_path, 1)
    broken = write(tmp_path, 2)
    damage(broken / "model" / "weights.bin")
    with pytest.raises(SpriteError, match=message):
        verify_checkpoint(broken)
    with pytest.raises(SpriteError, match="--resume_from_checkpoint latest"):
        find_checkpoint(tmp_path, str(broken))
    assert find_checkpoint(tmp_path, "latest").name == "checkpoint-1"
    assert message in caplog.text
    assert "Using the checkpoint before it" in caplog.text


def test_nothing_to_resume(tmp_path):
    with pytest.raises(SpriteError, match="holds no whole checkpoint"):
        find_checkpoint(tmp_path, "latest")
    with pytest.raises(SpriteError, match="no such folder"):
        find_checkpoint(tmp_path, str(tmp_path / "checkpoint-9"))
