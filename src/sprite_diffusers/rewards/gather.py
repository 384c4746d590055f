"""Several rewards of the same images: checked, and those that wait for something awaited together."""

from __future__ import annotations

import asyncio
import inspect
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from numbers import Real
from typing import Any

from ..errors import SpriteError
from .base import Images, Values


def reward_names(rewards: Sequence[Callable]) -> list[str]:
    """Names of rewards; of a plain function, its own.

    Raises:
        SpriteError: none, or two of one name.
    """
    names = [
        str(getattr(reward, "name", None) or getattr(reward, "__name__", type(reward).__name__)) for reward in rewards
    ]
    twice = sorted({name for name in names if names.count(name) > 1})
    if not names or twice:
        found = f"{', '.join(map(repr, twice))} more than once" if twice else "none"
        raise SpriteError(f"the rewards need names of their own, but there is {found}: give name=... to one of them.")
    return names


def gather_rewards(
    rewards: Sequence[Callable], images: Images, prompts: Sequence[str | None] | None = None, **metadata: Any
) -> dict[str, Values]:
    """What each reward says of the images, by name.

    Rewards that are ``async`` (a scorer on another machine) are awaited together, while the others run one after the
    other. It works within a running event loop (a notebook), too.

    Args:
        rewards: see `Reward`; plain functions of the same arguments are welcome.
        images, prompts, metadata: as of one reward.

    Raises:
        SpriteError: a reward that raises (its error is the cause), returns another number of values than there are images,
            or a value that is neither `None` nor a finite number.
    """
    names = reward_names(rewards)
    arguments = {"images": images, "prompts": prompts, **metadata}
    if not any(_is_async(reward) for reward in rewards):
        return {name: _call(name, reward, arguments, len(images)) for name, reward in zip(names, rewards, strict=True)}
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(_gather(names, rewards, arguments))
    with ThreadPoolExecutor(1) as pool:  # a loop is running in this thread, and it cannot run a second
        return pool.submit(asyncio.run, _gather(names, rewards, arguments)).result()


async def _gather(names: list[str], rewards: Sequence[Callable], arguments: dict[str, Any]) -> dict[str, Values]:
    count = len(arguments["images"])
    named = list(zip(names, rewards, strict=True))

    async def one(name: str, reward: Callable) -> Values:
        try:
            values = await reward(**arguments)
        except Exception as error:
            raise _failure(name, error) from error
        return checked_values(name, values, count)

    async def others() -> dict[str, Values]:
        return {
            name: await asyncio.to_thread(_call, name, reward, arguments, count)
            for name, reward in named
            if not _is_async(reward)
        }

    waiting = [(name, reward) for name, reward in named if _is_async(reward)]
    together = asyncio.gather(*(one(name, reward) for name, reward in waiting))
    computed, awaited = await asyncio.gather(others(), together)
    found = {**computed, **dict(zip([name for name, _ in waiting], awaited, strict=True))}
    return {name: found[name] for name in names}


def _is_async(reward: Callable) -> bool:
    return inspect.iscoroutinefunction(reward) or inspect.iscoroutinefunction(type(reward).__call__)


def _call(name: str, reward: Callable, arguments: dict[str, Any], count: int) -> Values:
    try:
        values = reward(**arguments)
    except Exception as error:
        raise _failure(name, error) from error
    return checked_values(name, values, count)


def _failure(name: str, error: Exception) -> SpriteError:
    if isinstance(error, SpriteError):
        return error
    reason = " ".join(str(error).split())[:200]
    return SpriteError(f"the reward {name!r} failed ({type(error).__name__}: {reason}): mend it or leave it out.")


def checked_values(name: str, values: Any, count: int) -> Values:
    """The values of a reward as floats and `None`.

    Raises:
        SpriteError: not `count` of them, or one that is neither `None` nor a finite number.
    """
    values = values.tolist() if hasattr(values, "tolist") else values
    if not isinstance(values, (list, tuple)) or len(values) != count:
        found = f"{len(values)} values" if isinstance(values, (list, tuple)) else f"a {type(values).__name__}"
        raise SpriteError(
            f"the reward {name!r} returned {found} for {count} images: it must return a list of {count}."
        )
    values = [value.item() if hasattr(value, "item") else value for value in values]
    for index, value in enumerate(values):
        if value is not None and not (isinstance(value, Real) and math.isfinite(value)):
            raise SpriteError(
                f"the reward {name!r} returned {value!r} for image {index}: a reward is a finite number, or None where it "
                "does not apply."
            )
    return [None if value is None else float(value) for value in values]
