"""The settings at the left of the page, which all tabs share."""

from __future__ import annotations

import random
from typing import Any

import gradio as gr

from ..editing import ANY_COLORS, OWN_COLORS, OWN_FILE, PALETTES, choose_palette
from ..files import LARGEST_SCALE
from ..models import Model
from ..sprites import EVERY_CLASS, LARGEST_SEED, MOST_GUIDANCE, MOST_SPRITES, MOST_STEPS, Request
from .events import DRAWING, Demo, on

PALETTE_FILES = [".gpl", ".hex", ".pal", ".json", ".png", ".gif", ".webp", ".bmp"]


class Controls:
    """The components, and the request that their values amount to."""

    def __init__(self, demo: Demo):
        self._demo = demo
        names = demo.shelf.names
        model = demo.shelf.open(names[0]) if names else None
        self.model = gr.Dropdown(names, value=names[0] if names else None, label="Model", elem_id="model")
        self.facts = gr.Markdown(model.summary if model else "No model yet: train one in the tab Train.")
        fitting = _fitting(model)
        self.kind = gr.Dropdown(label="Class", elem_id="kind", **fitting["kind"])
        self.prompt = gr.Textbox(label="Description", lines=2, elem_id="prompt", **fitting["prompt"])
        with gr.Row():
            self.count = gr.Slider(1, MOST_SPRITES, 16, step=1, label="How many", elem_id="count")
        with gr.Row():
            self.seed = gr.Number(0, precision=0, label="Seed", elem_id="seed", min_width=120)
            self.is_new = gr.Checkbox(
                False, label="New seed each time", info="off: locked", elem_id="new-seed", min_width=120
            )
        self.steps = gr.Slider(1, MOST_STEPS, step=1, label="Steps", elem_id="steps", **fitting["steps"])
        self.guidance = gr.Slider(
            0, MOST_GUIDANCE, step=0.1, label="Guidance", info="pull towards what is asked for; 1 is none",
            elem_id="guidance", **fitting["guidance"],
        )  # fmt: skip
        self.transparent = gr.Checkbox(False, label="Without background", **fitting["transparent"])
        with gr.Accordion("Colours", open=True):
            self._add_colors(fitting)
        self.scale = gr.Slider(
            1, LARGEST_SCALE, 8, step=1, label="Scale", info="of files, by whole pixels", elem_id="scale"
        )
        settings = [self.facts, self.kind, self.prompt, self.steps, self.guidance, self.transparent, self.lead]
        on(self.model.change, self._on_model, self.model, settings, concurrency_id=DRAWING, show_progress="minimal")

    def _add_colors(self, fitting: dict[str, Any]) -> None:
        self.palette = gr.Dropdown(list(PALETTES), value=ANY_COLORS, label="Palette", elem_id="palette")
        self.swatches = gr.HTML(visible=False)
        self.typed = gr.Textbox(
            label="Colours", placeholder="#1d2b53 #ff004d #fff1e8", visible=False, elem_id="own-colours"
        )
        self.upload = gr.File(
            label="GIMP .gpl, .hex, JASC .pal, .json, or a picture",
            file_types=PALETTE_FILES,
            elem_id="palette-file",
            height=100,
            visible=False,
        )
        self.lead = gr.Slider(
            0, 1, 1, step=0.1, label="Palette guidance", info="0 snaps at the end; 1 draws with the palette in mind",
            **fitting["lead"],
        )  # fmt: skip
        self.num_colors = gr.Slider(0, 64, 0, step=1, label="Colours per sprite", info="at most; 0 is any number")
        fields = [self.palette, self.typed, self.upload]
        for event in (self.palette.change, self.typed.submit, self.typed.blur, self.upload.change):
            on(event, _on_palette, fields, [self.typed, self.upload, self.swatches], show_progress="hidden")

    @property
    def inputs(self) -> set[Any]:
        """Components that `request` reads."""
        return {
            self.model, self.kind, self.prompt, self.count, self.seed, self.is_new, self.steps, self.guidance,
            self.transparent, self.palette, self.typed, self.upload, self.lead, self.num_colors, self.scale,
        }  # fmt: skip

    def request(self, values: dict[Any, Any], **more: Any) -> tuple[Model, Request]:
        """The model that is chosen and what is asked of it.

        Args:
            values: of `inputs`.
            more: fields of the request in place of what the page says.

        Raises:
            SpriteError: no model, or a palette that is none.
        """
        model = self._demo.shelf.open(values[self.model])
        palette = choose_palette(values[self.palette], values[self.typed], values[self.upload])
        seed = random.randrange(LARGEST_SEED - MOST_SPRITES) if values[self.is_new] else values[self.seed]
        fields = {
            "what": values[self.prompt] if model.draws == "prompt" else values[self.kind],
            "count": values[self.count],
            "seed": seed,
            "steps": values[self.steps],
            "guidance": values[self.guidance],
            "palette": None if palette is None else tuple(palette.hex),
            "num_colors": values[self.num_colors] or None,
            "palette_guidance": values[self.lead],
            "transparent": bool(values[self.transparent]),
        }
        return model, Request(**fields | more)

    def _on_model(self, name: str) -> list[Any]:
        model = self._demo.shelf.open(name)
        fitting = _fitting(model)
        return [
            gr.Markdown(model.summary),
            gr.Dropdown(**fitting["kind"]),
            gr.Textbox(**fitting["prompt"]),
            gr.Slider(**fitting["steps"]),
            gr.Slider(**fitting["guidance"]),
            gr.Checkbox(**fitting["transparent"]),
            gr.Slider(**fitting["lead"]),
        ]


def _fitting(model: Model | None) -> dict[str, dict[str, Any]]:
    """Which settings a model has, and what they are set to."""
    draws = model.draws if model else "number"
    classes = [EVERY_CLASS, *model.classes] if model and draws == "class" else [EVERY_CLASS]
    steps, guidance = (model.steps, model.guidance) if model else (None, None)
    return {
        "kind": {"choices": classes, "value": classes[0], "visible": draws == "class"},
        "prompt": {"visible": draws == "prompt"},
        "steps": {"value": steps or 1, "visible": steps is not None},
        "guidance": {"value": 1.0 if guidance is None else guidance, "visible": guidance is not None},
        "transparent": {"visible": model is not None and model.takes("transparent")},
        "lead": {"visible": model is not None and model.guides_to_palettes},
    }


def _on_palette(name: str, typed: str, upload: str | None) -> list[Any]:
    """Shows the fields of a palette of one's own, and the colours."""
    waits = (name == OWN_COLORS and not (typed or "").strip()) or (name == OWN_FILE and upload is None)
    palette = None if waits else choose_palette(name, typed, upload)
    spans = "".join(f'<span style="background:{color}"></span>' for color in (palette.hex if palette else []))
    return [
        gr.Textbox(visible=name == OWN_COLORS),
        gr.File(visible=name == OWN_FILE),
        gr.HTML(f'<div class="swatches">{spans}</div>', visible=palette is not None),
    ]
