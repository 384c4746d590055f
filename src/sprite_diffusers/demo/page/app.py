"""The page as a whole, and the server of it: local, with nothing readable but what the demo itself has written."""

from __future__ import annotations

import os
from typing import Any

import gradio as gr

from ...errors import SpriteError
from .controls import Controls
from .draw_tab import AnimateTab, DrawTab
from .edit_tab import NAME as CHANGE
from .edit_tab import EditTab
from .events import LONGEST_QUEUE, Demo
from .more_tabs import CompareTab, PreviewsTab, SheetTab
from .style import CSS, THEME
from .train_tab import TrainTab

LARGEST_UPLOAD = "8mb"
SECONDS_KEPT = 3600  # files that nobody looks at any more


def build_page(demo: Demo) -> gr.Blocks:
    """The page: settings at the left, and at the right a tab for each thing to do with them."""
    with gr.Blocks(
        title="sprite-diffusers", analytics_enabled=False, delete_cache=(SECONDS_KEPT, SECONDS_KEPT), fill_width=True
    ) as page:
        gr.Markdown("# sprite-diffusers")
        with gr.Row():
            with gr.Column(scale=1, min_width=300):
                controls = Controls(demo)
            with gr.Column(scale=3, min_width=480), gr.Tabs(selected=None if demo.shelf.names else "train") as tabs:
                if demo.training is not None:
                    with gr.Tab("Train", id="train"):
                        TrainTab(demo, controls, demo.training, page)
                with gr.Tab("Draw", id="draw"):
                    drawing = DrawTab(demo, controls)
                with gr.Tab("Change", id=CHANGE):
                    EditTab(demo, controls, drawing, tabs)
                with gr.Tab("Animate", id="animate"):
                    AnimateTab(demo, controls, drawing.drawn)
                with gr.Tab("Sheet", id="sheet"):
                    SheetTab(demo, drawing.drawn)
                with gr.Tab("Before / after", id="compare") as comparing:
                    CompareTab(demo, controls, comparing)
                with gr.Tab("Previews", id="previews") as looking:
                    PreviewsTab(demo, controls, looking)
    return page


def serve(demo: Demo, host: str, port: int | None, open_browser: bool = False, wait: bool = True) -> Any:
    """Serves the page until it is interrupted.

    Args:
        host: address to listen on; 127.0.0.1 is this machine alone.
        port: the first free one from 7860 on, if not given.
        open_browser: opens the page.
        wait: until Ctrl-C; returns the page while it is being served otherwise.

    Raises:
        SpriteError: no free port.
    """
    os.environ["GRADIO_TEMP_DIR"] = str(demo.workspace.folder / "served")  # uploads and downloads go away with it
    page = build_page(demo).queue(max_size=LONGEST_QUEUE, default_concurrency_limit=4)
    try:
        page.launch(
            server_name=host, server_port=port, inbrowser=open_browser, share=False, allowed_paths=[], quiet=True,
            prevent_thread_lock=True, max_file_size=LARGEST_UPLOAD, footer_links=[], ssr_mode=False, pwa=False,
            mcp_server=False, enable_monitoring=False, theme=THEME, css=CSS,
        )  # fmt: skip
    except OSError as error:
        raise SpriteError(f"the page cannot be served at {host}, port {port or '7860 and up'}: {error}") from None
    print(f"open {page.local_url}   (Ctrl-C ends it)", flush=True)
    if wait:
        page.block_thread()
    return page
