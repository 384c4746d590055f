"""The demo's background training as it really runs: previews while it learns, stopped early, and drawn with."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from sprite_diffusers.demo.models import Shelf
from sprite_diffusers.demo.sprites import Request, draw
from sprite_diffusers.demo.training import Status, Training

PATIENCE = 400


def until(training: Training, reached: Callable[[Status], bool]) -> Status:
    began = time.monotonic()
    while not reached(status := training.status()):
        assert time.monotonic() - began < PATIENCE, status
        time.sleep(0.2)
    return status


def test_a_training_is_watched_stopped_and_drawn_with(in_tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 3), np.uint8)
    np.savez("sprites.npz", images=images, labels=np.arange(60) % 3)
    training = Training("sprites.npz")
    training.start(20)
    try:
        status = until(training, lambda status: bool(status.previews) or not status.is_running)
        assert status.state == "running", status
        training.stop()
        status = until(training, lambda status: not status.is_running)
    finally:
        training.close()
    assert status.state == "stopped", status
    shelf = Shelf()
    name = shelf.add(status.model, training.title)
    sprites = draw(shelf.open(name), Request("1", count=2, seed=3))
    assert sprites.images[0].shape == (8, 8, 3)
    assert sprites.titles == ("1", "1")
