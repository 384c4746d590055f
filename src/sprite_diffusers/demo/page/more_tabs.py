"""The tabs that export, compare and show what a training left."""

from __future__ import annotations

from typing import Any

import gradio as gr
from PIL import Image

from ...errors import SpriteError
from ...sheets import FORMATS
from ..sprites import draw
from .controls import Controls
from .draw_tab import Drawn, as_gallery, sprite_gallery
from .events import DRAWING, Demo, on

MOST_COMPARED = 16


class SheetTab:
    """A sheet of the sprites drawn last, for game engines."""

    def __init__(self, demo: Demo, drawn: gr.State):
        self._demo = demo
        gr.Markdown("A sheet of the sprites drawn last (also of those on the tab *Change*), for game engines.")
        with gr.Row():
            formats = gr.CheckboxGroup(
                list(FORMATS), value=["aseprite-hash"], label="Files beside it", elem_id="formats"
            )
        with gr.Row():
            columns = gr.Slider(0, 32, 0, step=1, label="Sprites per row", info="0: by itself")
            padding = gr.Slider(0, 16, 0, step=1, label="Empty pixels round each")
            scale = gr.Slider(1, 16, 1, step=1, label="Scale", info="of the sheet, by whole pixels")
        button = gr.Button("Make the sheet", variant="primary", elem_id="make-sheet")
        said = gr.Markdown()
        archive = gr.File(label="All files", interactive=False, elem_id="sheet-file", height=70)
        picture = gr.Image(label="Sheet", interactive=False, format="png", image_mode="RGBA", elem_classes="sprites", height=420, buttons=["download", "fullscreen"])  # fmt: skip
        on(button.click, self._export, [drawn, formats, columns, padding, scale], [said, archive, picture])

    def _export(self, drawn: Drawn | None, formats: list[str], columns: int, padding: int, scale: int) -> list[Any]:
        if drawn is None:
            raise SpriteError("there are no sprites yet: draw some first.")
        archive, sheet, said = self._demo.workspace.save_sheet(
            drawn[2], formats, columns=columns or None, padding=padding, scale=scale
        )
        return [said, str(archive), str(sheet)]


class CompareTab:
    """Two models by the same seeds, such as a model before and after it was tuned by rewards."""

    def __init__(self, demo: Demo, controls: Controls, tab: gr.Tab):
        self._demo, self._controls = demo, controls
        before, after = demo.shelf.pair()
        gr.Markdown(
            "The same seeds and settings with two models, such as one before and after it was tuned by rewards."
        )
        with gr.Row():
            self.before = gr.Dropdown(demo.shelf.names, value=before, label="Before", elem_id="before")
            self.after = gr.Dropdown(demo.shelf.names, value=after, label="After", elem_id="after")
        button = gr.Button("Draw with both", variant="primary", elem_id="compare")
        above = sprite_gallery("Before", "before-grid")
        below = sprite_gallery("After", "after-grid")
        inputs = {*controls.inputs, self.before, self.after}
        on(tab.select, self._list, None, [self.before, self.after], show_progress="hidden")
        on(button.click, self._compare, inputs, [above, below, controls.seed], concurrency_id=DRAWING)

    def _list(self) -> list[Any]:
        """Models that were trained while the page was open are there, too."""
        return [gr.Dropdown(choices=self._demo.shelf.names) for _ in range(2)]

    def _compare(self, values: dict[Any, Any], progress: gr.Progress = gr.Progress()) -> list[Any]:  # noqa: B008
        models = [self._demo.shelf.open(values[name]) for name in (self.before, self.after)]
        if models[0].draws != models[1].draws:
            kinds = ", ".join(f"{model.name} by {model.draws}" for model in models)
            raise SpriteError(f"these models are told in different ways what to draw ({kinds}): choose two of a kind.")
        count = min(values[self._controls.count], MOST_COMPARED)
        values = {**values, self._controls.model: models[0].name}
        _, request = self._controls.request(values, count=count)
        scale = values[self._controls.scale]
        both = [as_gallery(self._demo, draw(model, request, progress), scale) for model in models]
        return [*both, request.seed]


class PreviewsTab:
    """Pictures that the training of the chosen model left."""

    def __init__(self, demo: Demo, controls: Controls, tab: gr.Tab):
        self._demo = demo
        self._said = gr.Markdown()
        gallery = sprite_gallery("Previews of the training, oldest first", "previews", columns=2)
        for event in (tab.select, controls.model.change):
            on(event, self._show, controls.model, [self._said, gallery], show_progress="hidden")

    def _show(self, name: str | None) -> tuple[str, list[tuple[Image.Image, str]]]:
        found = self._demo.shelf.previews(name) if name else []
        return ("" if found else "The training of this model left no pictures in its folder."), found
