"""The tab that trains a model in the background, with previews while it learns."""

from __future__ import annotations

from typing import Any

import gradio as gr

from ..models import read_pictures
from ..training import MOST_MINUTES, Status, Training
from .controls import Controls
from .draw_tab import sprite_gallery
from .events import Demo, on

SECONDS_BETWEEN_LOOKS = 3


class TrainTab:
    """Starts and stops the one training that the demo runs, and puts what it made into the list of models."""

    def __init__(self, demo: Demo, controls: Controls, training: Training, page: gr.Blocks):
        self._demo, self._training = demo, training
        gr.Markdown(
            f"Trains the default model on `{training.dataset}`, class-conditional, on this machine. It can be stopped at any "
            "time; what it has learned by then can be drawn with."
        )
        with gr.Row():
            minutes = gr.Number(5, label="Minutes", minimum=0.1, maximum=MOST_MINUTES, elem_id="minutes")
            start = gr.Button("Train", variant="primary", elem_id="train")
            stop = gr.Button("Stop", variant="stop", elem_id="stop")
        self._said = gr.Markdown(elem_id="training")
        previews = sprite_gallery("Previews, newest first", "live-previews", columns=2)
        timer = gr.Timer(SECONDS_BETWEEN_LOOKS, active=training.status().is_running)
        shown = gr.State(None)
        outputs = [self._said, previews, shown, timer, controls.model]
        on(start.click, self._start, [minutes, shown], outputs)
        on(stop.click, self._stop, shown, outputs)
        for event in (timer.tick, page.load):
            on(event, self._look, shown, outputs, show_progress="hidden")

    def _start(self, minutes: float, shown: Any) -> list[Any]:
        self._training.start(minutes)
        return self._look(shown)

    def _stop(self, shown: Any) -> list[Any]:
        self._training.stop()
        return self._look(shown)

    def _look(self, shown: Any) -> list[Any]:
        """What has become of the training; pictures only if there are new ones."""
        status = self._training.status()
        names = [str(path) for path in status.previews]
        pictures = gr.skip() if names == shown else read_pictures(status.previews[::-1])
        return [_said(status), pictures, names, gr.Timer(active=status.is_running), self._model(status)]

    def _model(self, status: Status) -> Any:
        """The list of models, with a new one chosen when a training has ended."""
        if status.model is None:
            return gr.skip()
        if self._training.title not in self._demo.shelf.names:
            self._demo.shelf.add(status.model, self._training.title)
        return gr.Dropdown(choices=self._demo.shelf.names, value=self._training.title)


def _said(status: Status) -> str:
    return f"{status.text} ({status.share:.0%} of the time)" if status.state == "running" else status.text
