"""The scale of rewards: mean and standard deviation on the base model's samples, measured once and kept as a file.

Tuned models are judged on that scale, and never on that of their own batch: on that, every model's mean would be 0.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import SpriteError
from .base import Values
from .gather import reward_names

FORMAT = 1


@dataclass(frozen=True)
class Scale:
    """Of one reward on the base model's samples.

    Attributes:
        mean, sd: of the values, the deviation with Bessel's correction.
        count: values that there were, without `None`.
        version: of the reward, see `Reward`; empty if it has none.
    """

    mean: float
    sd: float
    count: int
    version: str = ""


@dataclass(frozen=True)
class Calibration:
    """Scales of rewards by name, and what they were measured on.

    Attributes:
        scales: by the rewards' names.
        facts: what the caller wants to remember: base model, number of samples, seed. JSON-safe.
    """

    scales: dict[str, Scale]
    facts: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def measure(
        cls,
        values: Mapping[str, Values],
        rewards: Sequence[Callable] | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> Calibration:
        """From what `gather_rewards` returned for the base model's samples.

        Args:
            values: by name; at least two of each reward that are not `None`.
            rewards: those that gave the values, for their versions.
            facts: to remember.

        Raises:
            SpriteError: too few values, or all the same, of a reward: it has no scale.
        """
        versions = _versions(rewards or [])
        scales = {}
        for name, column in values.items():
            found = np.array([value for value in column if value is not None], np.float64)
            if len(found) < 2 or not np.isfinite(found).all():
                raise SpriteError(
                    f"the reward {name!r} has {len(found)} finite values to calibrate it by; it needs 2 or more."
                )
            mean, sd = float(found.mean()), float(found.std(ddof=1))
            if sd <= 1e-9 * max(abs(mean), 1e-3):
                raise SpriteError(
                    f"the reward {name!r} is {found[0]:.6g} for every sample of the base model: it cannot be calibrated and "
                    "would teach nothing; leave it out, or set it up differently."
                )
            scales[name] = Scale(mean, sd, len(found), versions.get(name, ""))
        return cls(scales, dict(facts or {}))

    def normalize(self, values: Mapping[str, Values]) -> dict[str, Values]:
        """In standard deviations from the base model's mean; `None` stays.

        Raises:
            SpriteError: a reward that is not calibrated.
        """
        return {
            name: [None if value is None else (value - scale.mean) / scale.sd for value in column]
            for name, column, scale in ((name, column, self.scale(name)) for name, column in values.items())
        }

    def scale(self, name: str) -> Scale:
        """That of a reward.

        Raises:
            SpriteError: it is not calibrated.
        """
        if name not in self.scales:
            raise SpriteError(
                f"the reward {name!r} is not calibrated ({', '.join(self.scales)} are): calibrate again."
            )
        return self.scales[name]

    def check(self, rewards: Sequence[Callable]) -> None:
        """Refuses rewards that are not calibrated, or were with another version.

        Raises:
            SpriteError: so it is.
        """
        for name, version in _versions(rewards).items():
            known = self.scale(name).version
            if known and version and known != version:
                raise SpriteError(
                    f"the reward {name!r} is of version {version!r}, but was calibrated as {known!r}: calibrate again."
                )

    def save(self, path: str | Path) -> None:
        """Writes the file."""
        path = Path(path)
        content = {
            "format": FORMAT,
            "rewards": {name: asdict(scale) for name, scale in self.scales.items()},
            "facts": self.facts,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}")
        partial.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        os.replace(partial, path)

    @classmethod
    def load(cls, path: str | Path) -> Calibration:
        """Reads the file.

        Raises:
            SpriteError: there is none, or it is another kind of file.
        """
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
            scales = {name: Scale(**scale) for name, scale in content["rewards"].items()}
            facts, known = dict(content["facts"]), content["format"] == FORMAT
            known = known and all(math.isfinite(scale.mean) and scale.sd > 0 for scale in scales.values())
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise SpriteError(f"{path} is no calibration of rewards ({type(error).__name__}: {error}).") from None
        if not known:
            raise SpriteError(f"{path} is a calibration that this version does not read: calibrate again.")
        return cls(scales, facts)


def _versions(rewards: Sequence[Callable]) -> dict[str, str]:
    if not rewards:
        return {}
    return {
        name: str(getattr(reward, "version", "")) for name, reward in zip(reward_names(rewards), rewards, strict=True)
    }
