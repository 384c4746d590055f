"""How the page's events run: mistakes become one line on the page, and models are used by one event at a time."""

from __future__ import annotations

import functools
import html
from collections.abc import Callable
from typing import Any

import gradio as gr

from ...errors import SpriteError
from ..files import Workspace
from ..models import Shelf
from ..training import Training

DRAWING = "drawing"  # events of this name wait for each other: a pipeline draws one thing at a time
LONGEST_QUEUE = 20


class Demo:
    """What every part of the page shares.

    Args:
        shelf: the models.
        workspace: where downloads are written.
        training: offered on the page if there is one.
    """

    def __init__(self, shelf: Shelf, workspace: Workspace, training: Training | None = None):
        self.shelf = shelf
        self.workspace = workspace
        self.training = training


def on(
    event: Callable[..., Any], function: Callable[..., Any], inputs: Any = None, outputs: Any = None, **options: Any
) -> Any:
    """Registers what happens on an event, without an address for programs.

    Args:
        event: such as ``button.click``.
        function: its `SpriteError` is shown as one line.
        inputs, outputs: components; a set of inputs is handed over as a dictionary.
        options: of the event; `concurrency_id=DRAWING` for what uses a model.
    """
    limit = {"concurrency_limit": 1} if options.get("concurrency_id") == DRAWING else {}
    return event(one_line_errors(function), inputs, outputs, api_visibility="private", **limit, **options)


def one_line_errors(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, whose `SpriteError` is shown while everything else on the page stays as it was."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except SpriteError as error:
            gr.Warning(html.escape(str(error), quote=False), title="That cannot be done")
            return gr.skip()

    return call
