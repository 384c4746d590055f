"""Frames of one size with names, durations, animations and a pivot: what every sheet format is written from and read into."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import SpriteError

DIRECTIONS = ("forward", "reverse", "pingpong", "pingpong_reverse")
DEFAULT_DURATION = 100
LONGEST_DURATION = 65535
ANCHORS = ("center", "bottom", "top-left")
UNTAGGED = "untagged"
MOST_PIXELS = 2**28  # 1 GiB decoded; a small file can claim frames of any size

Pivot = tuple[int, int]

_FILE_ENDING = re.compile(r"\.(?:aseprite|ase|png|gif|webp|bmp|psd|tga|jpe?g)(?=$|\s)", re.IGNORECASE)
_NUMBER_AT_END = re.compile(r"[\s_.#(-]*\d+\)?\s*$")


@dataclass(frozen=True)
class Tag:
    """An animation: the frames `start` to `stop`, both included, and the order they are played in.

    Attributes:
        name: unique within a sheet; the class of its frames where a sheet is read as a data set.
        start, stop: indices of frames.
        direction: one of "forward", "reverse", "pingpong", "pingpong_reverse", as in Aseprite.
    """

    name: str
    start: int
    stop: int
    direction: str = "forward"

    def order(self) -> list[int]:
        """Indices of frames as one turn plays them; the ends of a ping-pong are shown once."""
        forward = list(range(self.start, self.stop + 1))
        if self.direction in ("reverse", "pingpong_reverse"):
            forward.reverse()
        return forward + (forward[-2:0:-1] if self.direction.startswith("pingpong") else [])


@dataclass(frozen=True)
class SpriteSheet:
    """Frames and what is known of them.

    The colour of fully transparent pixels is set to 0, so that no hidden colour bleeds into a game's filtered edges.

    Attributes:
        frames: uint8 (N, H, W, 4), straight alpha; (N, H, W, 3) is taken as opaque.
        names: a distinct name per frame; "frame 0", "frame 1", ... if none are given.
        durations: milliseconds per frame, 1 to 65535; 100 each if none are given.
        tags: the animations.
        pivot: (x, y) in pixels from the top left corner of a frame, 0 to W and 0 to H; unknown if None.

    Raises:
        SpriteError: no frames or empty ones, numbers that do not fit, a name twice, a tag outside the frames.
    """

    frames: np.ndarray
    names: tuple[str, ...] = ()
    durations: tuple[int, ...] = ()
    tags: tuple[Tag, ...] = ()
    pivot: Pivot | None = None

    def __post_init__(self) -> None:
        frames = np.asarray(self.frames)
        if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] not in (3, 4) or 0 in frames.shape:
            raise SpriteError(
                f"frames are {frames.dtype} of shape {frames.shape}; allowed is uint8 (N, H, W, 3 or 4) without a 0"
            )
        if frames.shape[-1] == 3:
            frames = np.concatenate([frames, np.full((*frames.shape[:3], 1), 255, np.uint8)], axis=-1)
        set_field = object.__setattr__
        set_field(self, "frames", np.where(frames[..., 3:] > 0, frames, np.uint8(0)))
        set_field(self, "names", tuple(self.names) or tuple(f"frame {index}" for index in range(len(frames))))
        set_field(self, "durations", tuple(self.durations) or (DEFAULT_DURATION,) * len(frames))
        set_field(self, "tags", tuple(self.tags))
        self._check()

    def _check(self) -> None:
        count, (width, height) = len(self.frames), self.frame_size
        for what, values in (("names", self.names), ("durations", self.durations)):
            if len(values) != count:
                raise SpriteError(f"{len(values)} {what} were given for {count} frames; allowed is one per frame")
        for what, names in (("frames", self.names), ("animations", tuple(tag.name for tag in self.tags))):
            if "" in names:
                raise SpriteError(f"one of the {what} has no name; allowed are distinct names: give it one")
            if repeated := first_repeated(names):
                raise SpriteError(f"two {what} are named {repeated!r}; allowed are distinct names: rename one")
        for name, duration in zip(self.names, self.durations, strict=True):
            if not 1 <= duration <= LONGEST_DURATION:
                raise SpriteError(
                    f"the frame {name!r} lasts {duration} ms; allowed is 1 to {LONGEST_DURATION}: change its duration"
                )
        for tag in self.tags:
            if not 0 <= tag.start <= tag.stop < count:
                raise SpriteError(
                    f"the animation {tag.name!r} goes from frame {tag.start} to {tag.stop}; allowed is 0 to {count - 1}, "
                    "the first not after the last"
                )
            if tag.direction not in DIRECTIONS:
                raise SpriteError(
                    f"the animation {tag.name!r} is played {tag.direction!r}; allowed are {', '.join(DIRECTIONS)}"
                )
        if self.pivot is not None and not (0 <= self.pivot[0] <= width and 0 <= self.pivot[1] <= height):
            raise SpriteError(
                f"the pivot {self.pivot} is outside the frames of {width}x{height}; allowed is 0,0 to {width},{height}"
            )

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def frame_size(self) -> tuple[int, int]:
        """Width and height of a frame, in pixels."""
        return self.frames.shape[2], self.frames.shape[1]

    @classmethod
    def from_images(
        cls,
        images: Sequence[np.ndarray],
        pivot: str | Pivot = "center",
        frame_size: tuple[int, int] | None = None,
        **fields: Any,
    ) -> SpriteSheet:
        """Frames of images that may differ in size: all are put on one transparent canvas, with the pivots on one point.

        Args:
            images: uint8 (H, W, 3 or 4) each.
            pivot: "center", "bottom" (the middle of the lower edge), "top-left", or the pixel (x, y) in each image.
            frame_size: width and height of the canvas; as large as the images need if not given.
            fields: `names`, `durations` and `tags`.

        Raises:
            SpriteError: a canvas that is too small, a pivot outside an image, or what `SpriteSheet` refuses.
        """
        if not len(images):
            raise SpriteError("there are no images to make frames of; allowed is 1 or more")
        pivots = [anchor(pivot, (image.shape[1], image.shape[0])) for image in images]
        left, top = (max(point[axis] for point in pivots) for axis in (0, 1))
        right = max(image.shape[1] - x for image, (x, _) in zip(images, pivots, strict=True))
        bottom = max(image.shape[0] - y for image, (_, y) in zip(images, pivots, strict=True))
        width, height = left + right, top + bottom
        if frame_size is not None:
            x, y = anchor(pivot, frame_size) if isinstance(pivot, str) else (left, top)
            if x < left or y < top or frame_size[0] - x < right or frame_size[1] - y < bottom:
                raise SpriteError(
                    f"frames of {frame_size[0]}x{frame_size[1]} are too small for images that need {width}x{height} "
                    f"round their pivot; allowed is {width}x{height} or more: change --frame_size"
                )
            (left, top), (width, height) = (x, y), frame_size
        check_area(len(images), width, height)
        frames = np.zeros((len(images), height, width, 4), np.uint8)
        for frame, image, (x, y) in zip(frames, images, pivots, strict=True):
            part = frame[top - y : top - y + image.shape[0], left - x : left - x + image.shape[1]]
            part[..., : image.shape[2]] = image
            if image.shape[2] == 3:
                part[..., 3] = 255
        return cls(frames, pivot=(left, top), **fields)

    def enlarged(self, scale: int) -> SpriteSheet:
        """Every pixel repeated `scale` times in both directions.

        Raises:
            SpriteError: frames that are too large in all.
        """
        check_area(len(self), self.frame_size[0] * scale, self.frame_size[1] * scale)
        frames = self.frames.repeat(scale, axis=1).repeat(scale, axis=2)
        pivot = None if self.pivot is None else (self.pivot[0] * scale, self.pivot[1] * scale)
        return replace(self, frames=frames, pivot=pivot)

    def labels(self) -> tuple[np.ndarray, tuple[str, ...]] | None:
        """The animation of each frame, int64 (N,), and the names; None without animations.

        A frame of several animations belongs to the first; frames of none are "untagged".
        """
        if not self.tags:
            return None
        labels = np.full(len(self), len(self.tags), np.int64)
        for index in reversed(range(len(self.tags))):
            labels[self.tags[index].start : self.tags[index].stop + 1] = index
        used, labels = np.unique(labels, return_inverse=True)
        names = [*(tag.name for tag in self.tags), UNTAGGED]
        return labels.astype(np.int64), tuple(names[index] for index in used)

    def texts(self) -> list[str]:
        """Captions from the names: "a_red_fox 03.png" says "a red fox"; empty for the names that none were given for."""
        texts = [
            _NUMBER_AT_END.sub("", _FILE_ENDING.sub("", name)).replace("_", " ").strip(" #") for name in self.names
        ]
        return ["" if text == "frame" else text for text in texts]


def check_area(count: int, width: int, height: int) -> None:
    """Refuses frames that would fill the memory.

    Raises:
        SpriteError: more than 2**28 pixels in all.
    """
    if count * width * height > MOST_PIXELS:
        raise SpriteError(
            f"{count} frames of {width}x{height} have more than {MOST_PIXELS:,} pixels in all; make several sheets, or "
            "smaller ones"
        )


def anchor(pivot: str | Pivot, size: tuple[int, int]) -> Pivot:
    """A pivot in pixels, of an image of `size` (width, height).

    Raises:
        SpriteError: an unknown name, or a point outside.
    """
    width, height = size
    named = {"center": (width // 2, height // 2), "bottom": (width // 2, height), "top-left": (0, 0)}
    if isinstance(pivot, str):
        if pivot not in named:
            raise SpriteError(f"pivot {pivot!r} is unknown; allowed are {', '.join(ANCHORS)} and X,Y: change --pivot")
        return named[pivot]
    if not (0 <= pivot[0] <= width and 0 <= pivot[1] <= height):
        raise SpriteError(
            f"the pivot {pivot[0]},{pivot[1]} is outside an image of {width}x{height}; allowed is 0,0 to "
            f"{width},{height}: change --pivot"
        )
    return pivot


def runs(sequences: dict[str, list[int]], count: int) -> tuple[list[int], list[Tag]]:
    """Animations that are lists of frames, as formats other than Aseprite's have them, as runs of frames.

    An animation that is no run in any direction is given copies of its frames, after the others.

    Args:
        sequences: indices of frames by the name of the animation, in the order they are played.
        count: frames there are.

    Returns:
        The frame that each frame of the new sheet is, and the animations of that sheet. One called "default" that plays
        every frame, which Godot always has, is none.
    """
    order, tags = list(range(count)), []
    for name, played in sequences.items():
        if not played or (name == "default" and played == list(range(count))):
            continue
        start, stop = min(played), max(played)
        found = next((d for d in DIRECTIONS if Tag(name, start, stop, d).order() == played), None)
        if found is None:
            start, stop, found = len(order), len(order) + len(played) - 1, "forward"
            order += played
        tags.append(Tag(name, start, stop, found))
    return order, sorted(tags, key=lambda tag: tag.start)


def unique_names(names: Sequence[str]) -> list[str]:
    """`names` with " (2)", " (3)" ... after those that came before."""
    result: list[str] = []
    numbers: dict[str, int] = {}
    for name in names:
        free = name
        while free in numbers:
            numbers[name] += 1
            free = f"{name} ({numbers[name]})"
        numbers[free] = 1
        result.append(free)
    return result


def first_repeated(names: Sequence[str]) -> str | None:
    """The first name that comes twice."""
    return next((name for name, number in Counter(names).items() if number > 1), None)
