"""The tab that draws: a grid of sprites with their seeds, and how they appear step by step."""

from __future__ import annotations

import time
from typing import Any

import gradio as gr

from ...errors import SpriteError
from ..files import ANIMATIONS
from ..models import Model
from ..sprites import Request, Sprites, animate, draw
from .controls import Controls
from .events import DRAWING, Demo, on

COLUMNS = 8
Drawn = tuple[str, Request, Sprites]  # name of the model, what was asked for, and what came of it


class DrawTab:
    """Draws by the settings.

    Attributes:
        drawn: state: what was drawn last on any tab.
        chosen: state: number of the sprite that was clicked.
        edit: button to go on with that sprite.
    """

    def __init__(self, demo: Demo, controls: Controls):
        self._demo, self._controls = demo, controls
        self.drawn, self.chosen = gr.State(None), gr.State(0)
        with gr.Row():
            button = gr.Button("Draw", variant="primary", elem_id="draw")
            self.edit = gr.Button("Change the chosen sprite", elem_id="edit")
        self.said = gr.Markdown(
            "Choose at the left what to draw. A click on a sprite shows it large, with its download. Below it stands its seed."
        )
        self.grid = sprite_gallery("Sprites", "grid")
        on(
            button.click, self._draw, controls.inputs, [self.grid, self.said, self.drawn, self.chosen, controls.seed],
            concurrency_id=DRAWING,
        )  # fmt: skip
        on(self.grid.select, _index, None, self.chosen, show_progress="hidden")

    def _draw(self, values: dict[Any, Any], progress: gr.Progress = gr.Progress()) -> list[Any]:  # noqa: B008
        model, request = self._controls.request(values)
        return [*drawn_by(self._demo, model, request, values[self._controls.scale], progress), 0, request.seed]


class AnimateTab:
    """Shows how the sprites that were drawn last appear."""

    def __init__(self, demo: Demo, controls: Controls, drawn: gr.State):
        self._demo = demo
        gr.Markdown("What the model believes each of the sprites drawn last to be, from noise to the end.")
        with gr.Row():
            frames = gr.Slider(3, 24, 10, step=1, label="Frames")
            kind = gr.Radio(list(ANIMATIONS), value="WebP", label="File", info="WebP keeps soft transparency")
        button = gr.Button("Animate", variant="primary", elem_id="animate")
        gallery = sprite_gallery("Animations", "animations")
        on(
            button.click, self._animate, [drawn, frames, kind, controls.scale], gallery, concurrency_id=DRAWING
        )  # fmt: skip

    def _animate(self, drawn: Drawn | None, frames: int, kind: str, scale: int) -> list[tuple[str, str]]:
        if drawn is None:
            raise SpriteError("there are no sprites yet: draw some first.")
        name, request, sprites = drawn
        animations = animate(self._demo.shelf.open(name), request, frames)
        save = self._demo.workspace.save_animation
        return [
            (str(save(list(animation), f"{title}-seed-{seed}", kind, scale)), _caption(title, seed))
            for animation, title, seed in zip(animations, sprites.titles, sprites.seeds, strict=True)
        ]


def drawn_by(demo: Demo, model: Model, request: Request, scale: int, progress: Any) -> tuple[Any, str, Drawn]:
    """Draws: what the gallery shows, a line about it, and what the other tabs go on with."""
    started = time.perf_counter()
    sprites = draw(model, request, progress)
    seconds = time.perf_counter() - started
    seeds = f"seeds {sprites.seeds[0]} to {sprites.seeds[-1]}" if len(sprites) > 1 else f"seed {sprites.seeds[0]}"
    said = f"{len(sprites)} of {model.name} in {seconds:.1f} s, {seeds}. The same seed gives the same sprite."
    return as_gallery(demo, sprites, scale), said, (model.name, request, sprites)


def sprite_gallery(label: str, elem_id: str, columns: int = COLUMNS) -> gr.Gallery:
    """A gallery of sharp pixels, with captions below."""
    return gr.Gallery(
        label=label, elem_id=elem_id, elem_classes="sprites", columns=columns, object_fit="contain", format="png",
        height="auto", buttons=["download", "fullscreen"], interactive=False, fit_columns=False, show_label=False,
    )  # fmt: skip


def as_gallery(demo: Demo, sprites: Sprites, scale: int) -> list[tuple[str, str]]:
    """Files of sprites, each with its class or prompt and its seed."""
    files = demo.workspace.save_sprites(sprites, scale)
    names = zip(files, sprites.titles, sprites.seeds, strict=True)
    return [(str(file), _caption(title, seed)) for file, title, seed in names]


def _caption(title: str, seed: int) -> str:
    """The seed first: of a caption that is too long for a narrow gallery, the end is not shown."""
    return f"{seed} · {title[:30]}"


def _index(event: gr.SelectData) -> int:
    return int(event.index)
