"""How a script starts and ends: all its processes run, and mistakes of the user are one line, not a traceback."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable
from typing import NoReturn

import psutil

from .errors import SpriteError


class ArgumentParser(argparse.ArgumentParser):
    """Flags that cannot be parsed are a `SpriteError`, for `run_script`."""

    def error(self, message: str) -> NoReturn:
        raise SpriteError(f"{message}; see {self.prog} --help.")


def run_script(main: Callable[[], object]) -> None:
    """Calls `main`; prints a `SpriteError` as one line and exits with code 2."""
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
    try:
        main()
    except SpriteError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


def run_training_script(main: Callable[[], object]) -> None:
    """`run_script` for what ``accelerate launch`` starts."""
    count = missing_cpu_processes()
    if count > 1:
        launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(count)]
        os.execv(sys.executable, [*launcher, *sys.argv])
    run_script(main)


def missing_cpu_processes() -> int:
    """How many processes ``accelerate launch --cpu --num_processes N`` was asked for, if it started only this one; else 0.

    Without an MPI host file accelerate (1.15) prepares such a run and then starts a single process
    (https://github.com/huggingface/accelerate/issues/2741), so `run_training_script` hands over to torch's launcher.
    """
    environment = os.environ
    started_by_accelerate = environment.get("ACCELERATE_USE_CPU", "").lower() in ("true", "1")
    prepared_for_several = "MASTER_ADDR" in environment
    one_of_several = any(
        name in environment for name in ("RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK")
    )
    if not started_by_accelerate or not prepared_for_several or one_of_several:
        return 0
    parent = psutil.Process().parent()
    command = parent.cmdline() if parent else []
    if sys.argv[0] not in command:
        return 0
    flags = command[: command.index(sys.argv[0])]  # what follows are the script's own
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--num_processes", "--num-processes", type=int, default=0)
    return parser.parse_known_args(flags)[0].num_processes
