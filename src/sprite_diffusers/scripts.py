"""How a launch script starts and ends: mistakes of the user are one line and exit code 2, not a traceback."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable

from .errors import SpriteError


def run_script(main: Callable[[], object]) -> None:
    """Calls `main`; prints a `SpriteError` as one line and exits with code 2."""
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
    try:
        main()
    except SpriteError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
