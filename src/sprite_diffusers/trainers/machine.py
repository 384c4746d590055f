"""What a training asks of the machine: threads, fast number formats, and a word before it is stopped."""

from __future__ import annotations

import os
import signal
from types import TracebackType
from typing import Any

import psutil
import torch
from accelerate import PartialState
from accelerate.utils import parse_flag_from_env


def fast_precision() -> str:
    """``"bf16"`` where this machine has instructions for it (it halves the time of a convolution), else ``"no"``."""
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "no"
    capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()  # not in older releases of torch
    return "bf16" if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") else "no"


def set_cpu_threads(threads: int | None, num_processes: int) -> None:
    """Gives torch `threads`, or this process's share of the physical cores: `accelerate launch` leaves it a single one.

    Args:
        num_processes: that share the machine, where the launcher does not say (``LOCAL_WORLD_SIZE``).
    """
    cores = psutil.cpu_count(logical=False) or os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        cores = min(cores, len(os.sched_getaffinity(0)))
    local_processes = int(os.environ.get("LOCAL_WORLD_SIZE", num_processes))
    torch.set_num_threads(threads or max(1, cores // local_processes))


def launched_state() -> PartialState:
    """This process among those that were launched, also before there is an `Accelerator`.

    A plain `PartialState` takes each of several processes on a CPU for the only one.
    """
    return PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU"))


class StopSignals:
    """Inside this context the first SIGTERM or Ctrl-C is only noted, in `received`; a second one acts as always."""

    def __init__(self) -> None:
        self.received: str | None = None
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        for number in (signal.SIGTERM, signal.SIGINT):
            try:
                self._previous[number] = signal.signal(number, self._note)
            except ValueError:  # not the main thread: a notebook or a server keeps its own handlers
                break
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: Any) -> None:
        self.received = signal.Signals(number).name
        self.__exit__(None, None, None)
