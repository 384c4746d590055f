"""The tab that goes on from a sprite: variations of all of it, and parts drawn anew where it is painted over."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gradio as gr
import numpy as np

from ...errors import SpriteError
from ..editing import CANVAS, on_canvas, painted_mask, read_picture
from ..sprites import EVERY_CLASS
from .controls import Controls
from .draw_tab import Drawn, DrawTab, drawn_by, sprite_gallery
from .events import DRAWING, Demo, on

PAINT = "#ff2bd6"
PICTURES = [".png", ".gif", ".webp", ".bmp", ".jpg", ".jpeg"]
NAME = "change"
Source = tuple[np.ndarray, str | None]  # a sprite, and its class or prompt if that is known


class EditTab:
    """Shows a sprite large to be painted over, and beside it what became of it."""

    def __init__(self, demo: Demo, controls: Controls, drawing: DrawTab, tabs: gr.Tabs):
        self._demo, self._controls = demo, controls
        self.source, picked = gr.State(None), gr.State(0)
        with gr.Row():
            with gr.Column(scale=2, min_width=CANVAS + 60):
                self.editor = gr.ImageEditor(
                    label="Paint over what is to be drawn anew", elem_id="editor", elem_classes="sprites", type="pil",
                    sources=(), transforms=(), layers=False, canvas_size=(CANVAS, CANVAS), fixed_canvas=True,
                    height=CANVAS + 110, brush=gr.Brush(CANVAS // 16, [PAINT], PAINT, "fixed"),
                    eraser=gr.Eraser(CANVAS // 16), format="png",
                )  # fmt: skip
            with gr.Column(scale=2, min_width=280):
                upload = gr.UploadButton(
                    "Use a picture of mine", file_types=PICTURES, size="sm", elem_id="own-picture"
                )
                self.strength = gr.Slider(
                    0.05, 1, 0.6, step=0.05, label="How much variations change", elem_id="strength"
                )
                with gr.Row():
                    vary = gr.Button("Variations", variant="primary", elem_id="vary")
                    repaint = gr.Button("Draw the painted part anew", variant="primary", elem_id="repaint")
                said = gr.Markdown(
                    "Number, seed and colours are those at the left; the class too, but *every class* keeps the sprite's own."
                )
                results = sprite_gallery("Results", "results", columns=4)
                again = gr.Button("Go on with the chosen result", size="sm", elem_id="again")
        outputs = [results, said, drawing.drawn, picked, controls.seed]
        for button, function in ((vary, self._vary), (repaint, self._repaint)):
            inputs = {*controls.inputs, self.editor, self.source, self.strength}
            on(button.click, function, inputs, outputs, concurrency_id=DRAWING)
        on(upload.upload, self._read, [upload, controls.model], [self.source, self.editor], concurrency_id=DRAWING)
        on(results.select, _picked, None, picked, show_progress="hidden")
        for button, chosen in ((again, picked), (drawing.edit, drawing.chosen)):
            on(button.click, _take, [drawing.drawn, chosen], [self.source, self.editor, tabs])

    def _vary(self, values: dict[Any, Any], progress: gr.Progress = gr.Progress()) -> list[Any]:  # noqa: B008
        return self._change(values, None, values[self.strength], progress)

    def _repaint(self, values: dict[Any, Any], progress: gr.Progress = gr.Progress()) -> list[Any]:  # noqa: B008
        sprite, _ = _given(values[self.source])
        return self._change(values, painted_mask(values[self.editor]["layers"], sprite.shape[:2]), 1.0, progress)

    def _change(self, values: dict[Any, Any], mask: np.ndarray | None, strength: float, progress: Any) -> list[Any]:
        sprite, title = _given(values[self.source])
        model, request = self._controls.request(values, image=sprite, mask=mask, strength=strength)
        if request.what == EVERY_CLASS and title in model.classes:
            request = replace(request, what=title)
        shown = drawn_by(self._demo, model, request, values[self._controls.scale], progress)
        return [*shown, 0, request.seed]

    def _read(self, upload: str, name: str) -> list[Any]:
        picture = read_picture(upload, self._demo.shelf.open(name).size)
        return [(picture, None), _in_editor(picture)]


def _given(source: Source | None) -> Source:
    if source is None:
        raise SpriteError("there is no sprite to change: draw some and choose one, or upload a picture.")
    return source


def _take(drawn: Drawn | None, index: int) -> list[Any]:
    if drawn is None:
        raise SpriteError("there are no sprites yet: draw some first.")
    sprites = drawn[2]
    index = index if index < len(sprites) else 0
    return [(sprites.images[index], sprites.titles[index]), _in_editor(sprites.images[index]), gr.Tabs(selected=NAME)]


def _in_editor(sprite: np.ndarray) -> dict[str, Any]:
    picture = on_canvas(sprite)
    return {"background": picture, "layers": [], "composite": picture}


def _picked(event: gr.SelectData) -> int:
    return int(event.index)
