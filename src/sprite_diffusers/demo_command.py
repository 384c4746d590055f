"""``sprite-diffusers demo``: models to be tried in a browser."""

from __future__ import annotations

import argparse
import importlib.util
import signal
import sys
from pathlib import Path

from .errors import SpriteError

DEMO_EXAMPLES = """examples:
  sprite-diffusers demo outputs/my-model
  sprite-diffusers demo outputs/my-model outputs/text user/repo
  sprite-diffusers demo outputs/my-model outputs/pico8      # a LoRA follows the model it changes: before and after
  sprite-diffusers demo                                     # offers to train the default model first
  sprite-diffusers demo --dataset my_sprites                # offers to train it on sprites of yours
"""


def add_demo_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.add_argument(
        "models",
        nargs="*",
        metavar="DIR",
        help="pipeline folders, Hub ids, and LoRAs, each after the model it changes",
    )
    parser.add_argument(
        "--dataset",
        help="sprites that a model can be trained on from the page (default: synthetic if there is no DIR)",
    )
    parser.add_argument("--device", help="cpu, cuda, mps ... (default: a GPU if there is one)")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: %(default)s, this machine alone)"
    )
    parser.add_argument("--port", type=int, help="(default: the first free one from 7860 on)")
    parser.add_argument("--open", action="store_true", help="open the page in a browser")


def run_demo(args: argparse.Namespace) -> None:
    """``sprite-diffusers demo``: serves the page until Ctrl-C.

    Raises:
        SpriteError: Gradio is missing, a model that is none, or a port that is taken.
    """
    if importlib.util.find_spec("gradio") is None:
        raise SpriteError('the demo needs Gradio, which is not installed: pip install "sprite-diffusers[demo]".')
    if args.port is not None and not 1 <= args.port <= 65535:
        raise SpriteError(f"--port {args.port} is none; allowed is 1 to 65535.")

    from .demo.files import Workspace
    from .demo.models import Shelf
    from .demo.page.app import serve
    from .demo.page.events import Demo
    from .demo.training import Training

    shelf = Shelf(args.models, args.device)
    dataset = args.dataset or (None if args.models else "synthetic")
    training = None if dataset is None else Training(dataset, Path("outputs"))
    workspace = Workspace()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))  # ends as Ctrl-C does: nothing is left behind
    try:
        serve(Demo(shelf, workspace, training), args.host, args.port, args.open)
    finally:
        if training is not None:
            training.close()
        workspace.close()
