"""Near duplicates: different images that a person would call the same drawing.

Four kinds, each with an exact definition, between distinct images A and B of one size (H, W):

- flip: B is A mirrored left to right, or top to bottom.
- shift: B is A moved by one pixel, straight or diagonally: the (H - |dy|, W - |dx|) pixels that both show, with dy and
  dx of -1, 0 or 1, are equal and not all of one colour. What enters at the edge may be anything.
- change: at least one pixel differs, but at most 5 % (and at most 64, and always 1) of the pixels that show something in
  A or in B (see `pixel_facts.content`).
- recolour: B is A with its colours exchanged one for one, transparent pixels staying transparent. Only drawings of at
  least two colours that have no more of them than 256 or a quarter of their pixels count; a photograph has no palette.

Flips, shifts and recolourings are found by hashing, all of them. Changes are found in two steps: a sketch of 64 numbers
per image whose squared distance estimates how many pixels differ (Alon, Matias and Szegedy, "The space complexity of
approximating the frequency moments", 1996), then a comparison of all pixels of the pairs it lets through: those whose
estimate is at most twice the allowance, which passes five standard errors.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from .collection import Collection
from .pixel_facts import content, digest

KINDS = ("flip", "shift", "change", "recolour")
CHANGED_SHARE = 0.05
MAX_CHANGED = 64
MAX_IMAGES = 20_000  # of distinct images that are compared; the comparison of all pairs grows with its square
MAX_CANDIDATES = 500_000  # pairs compared in full; where there are more, the counts are lower bounds

NUM_EXAMPLES = 6  # pairs to show of each kind

_BITS = 64
_SHIFTS = ((1, 0), (0, 1), (1, 1), (1, -1))


@dataclass(frozen=True)
class NearDuplicates:
    """How many distinct images have a near duplicate, and of which kind.

    Attributes:
        num_compared: distinct images that were compared.
        num_images: of these, how many have a near duplicate of any kind.
        share: num_images over num_compared.
        images: kind to how many images have one of that kind.
        pairs: kind to how many pairs there are.
        examples: kind to up to `NUM_EXAMPLES` pairs of indices.
        num_across_splits: images of one given split with a near duplicate in another.
        complete: False where too many pairs are alike to compare them all, so that the counts of "change" are lower
            bounds.
        scale: the whole factor by which the images were reduced first, since all of them are enlarged by it.
    """

    num_compared: int
    num_images: int
    share: float
    images: dict[str, int]
    pairs: dict[str, int]
    examples: dict[str, list[list[int]]]
    num_across_splits: int
    complete: bool
    scale: int


@dataclass
class _Found:
    """Pairs of one kind: who is in one, how many there are, which to show, and which connect two splits."""

    splits: np.ndarray
    members: set[int] = field(default_factory=set)
    across: set[int] = field(default_factory=set)
    pairs: int = 0
    examples: list[list[int]] = field(default_factory=list)

    def add_pair(self, a: int, b: int) -> None:
        self.pairs += 1
        self._note([a, b])

    def add_group(self, group: list[int]) -> None:
        """All pairs within a group."""
        self.pairs += len(group) * (len(group) - 1) // 2
        self._note(group)

    def _note(self, group: list[int]) -> None:
        self.members.update(group)
        if len(set(self.splits[group].tolist())) > 1:
            self.across.update(group)
        if len(self.examples) < NUM_EXAMPLES:
            self.examples.append(group[:2])


def find_near_duplicates(
    collection: Collection, patterns: list[bytes | None], scale: int = 1, seed: int = 0
) -> NearDuplicates:
    """Compares the distinct images with one another.

    Args:
        collection: what was read.
        patterns: of each image, see `pixel_facts.color_pattern`.
        scale: the whole factor by which all images are enlarged from the corner; they are compared without it.
        seed: of the sketch, and of the choice of `MAX_IMAGES` where there are more.
    """
    rng = np.random.default_rng(seed)
    chosen = collection.distinct
    if len(chosen) > MAX_IMAGES:
        chosen = np.sort(rng.permutation(chosen)[:MAX_IMAGES])
    found = {kind: _Found(collection.splits) for kind in KINDS}
    _find_recolourings(chosen, patterns, found["recolour"])
    complete = True
    by_size: dict[tuple[int, int], list[int]] = defaultdict(list)
    for index in chosen.tolist():
        by_size[collection.sizes[index]].append(index)
    for members in by_size.values():
        if len(members) > 1:
            images = [np.ascontiguousarray(_seen(collection.pixels[index][::scale, ::scale])) for index in members]
            _find_flips(members, images, found["flip"])
            _find_shifts(members, images, found["shift"])
            complete &= _find_changes(members, images, found["change"], rng)
    everyone = set().union(*(kind.members for kind in found.values()))
    return NearDuplicates(
        num_compared=len(chosen),
        num_images=len(everyone),
        share=len(everyone) / len(chosen),
        images={kind: len(found[kind].members) for kind in KINDS},
        pairs={kind: found[kind].pairs for kind in KINDS},
        examples={kind: found[kind].examples for kind in KINDS},
        num_across_splits=len(set().union(*(kind.across for kind in found.values()))),
        complete=bool(complete),
        scale=scale,
    )


def _seen(image: np.ndarray) -> np.ndarray:
    return np.where(image[..., 3:] > 0, image, np.uint8(0))


def _grouped(digests: Iterable[bytes | None]) -> dict[bytes, list[int]]:
    groups: dict[bytes, list[int]] = defaultdict(list)
    for position, key in enumerate(digests):
        if key is not None:
            groups[key].append(position)
    return groups


def _find_recolourings(chosen: np.ndarray, patterns: list[bytes | None], found: _Found) -> None:
    for group in _grouped(patterns[index] for index in chosen).values():
        if len(group) > 1:
            found.add_group(chosen[group].tolist())


def _find_flips(members: list[int], images: list[np.ndarray], found: _Found) -> None:
    place = {digest(image.tobytes(), image.shape[:2]): position for position, image in enumerate(images)}
    pairs: set[tuple[int, int]] = set()
    for position, image in enumerate(images):
        for mirrored in (image[:, ::-1], image[::-1]):
            other = place.get(digest(mirrored.tobytes(), image.shape[:2]), position)
            if other != position:
                pairs.add((min(position, other), max(position, other)))
    for a, b in sorted(pairs):
        found.add_pair(members[a], members[b])


def _find_shifts(members: list[int], images: list[np.ndarray], found: _Found) -> None:
    pairs: set[tuple[int, int]] = set()
    for dy, dx in _SHIFTS:
        before = _grouped(digest(_part(image, -dy, -dx).tobytes(), image.shape[:2]) for image in images)
        after = _grouped(digest(_part(image, dy, dx).tobytes(), image.shape[:2]) for image in images)
        for key in before.keys() & after.keys():
            shared = _part(images[before[key][0]], -dy, -dx)
            if shared.size and (shared != shared[0, 0]).any():
                pairs.update((min(a, b), max(a, b)) for a in before[key] for b in after[key] if a != b)
    for a, b in sorted(pairs):
        found.add_pair(members[a], members[b])


def _part(image: np.ndarray, dy: int, dx: int) -> np.ndarray:
    """The image without its first (dy, dx of 1) or last (-1) row and column."""
    part = image[max(dy, 0) : image.shape[0] + min(dy, 0), max(dx, 0) : image.shape[1] + min(dx, 0)]
    return part


def _find_changes(members: list[int], images: list[np.ndarray], found: _Found, rng: np.random.Generator) -> bool:
    """Adds the pairs that differ in few pixels; False if there were too many candidates to look at all of them."""
    sketches = _sketch(images, rng)
    shown = np.array([content(image[None]).sum() for image in images])
    allowed = _allowance(shown / (1 - CHANGED_SHARE) + 1)  # what A or B shows is at most what A shows and what changed
    norms = (sketches**2).sum(axis=1)
    looked_at = 0
    for start in range(0, len(images), 1024):
        rows = slice(start, start + 1024)
        distance = norms[rows, None] + norms - 2.0 * (sketches[rows] @ sketches.T)
        close = np.argwhere(distance <= 2 * 2 * _BITS * allowed[rows, None] + 0.5)
        for a, b in (close + np.array([start, 0])).tolist():
            if a >= b:
                continue
            looked_at += 1
            if looked_at > MAX_CANDIDATES:
                return False
            differs = (images[a] != images[b]).any(axis=-1)
            count = int(differs.sum())
            if 1 <= count <= MAX_CHANGED:
                union = (content(images[a][None]) | content(images[b][None])).sum()
                if count <= _allowance(union):
                    found.add_pair(members[a], members[b])
    return True


def _allowance(shown: np.ndarray | int) -> np.ndarray:
    """How many pixels may differ where `shown` pixels show something."""
    return np.clip((CHANGED_SHARE * np.asarray(shown)).astype(np.int64), 1, MAX_CHANGED)


def _sketch(images: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """float32 (N, 64): sums over the pixels of +1 and -1, drawn for each place and colour.

    Two images that differ in m pixels have sketches whose squared distance is 2 * 64 * m on average, with a relative
    standard error of sqrt(2 / 64). Images larger than 64 pixels are cut into at most 64 x 64 tiles that count as pixels:
    no more tiles than pixels can differ.
    """
    height, width = images[0].shape[:2]
    tile = -(-max(height, width) // 64)
    rows, columns = np.arange(0, height, tile), np.arange(0, width, tile)
    salt = rng.integers(0, 2**63, (height, width), dtype=np.uint64)
    result = np.empty((len(images), _BITS), np.float32)
    step = max(1, (1 << 18) // (height * width))
    for start in range(0, len(images), step):
        codes = np.stack([image.view("<u4")[..., 0] for image in images[start : start + step]])
        hashes = _mix(codes.astype(np.uint64) + salt)
        if tile > 1:
            hashes = _mix(np.add.reduceat(np.add.reduceat(hashes, rows, axis=1), columns, axis=2))
        hashes = hashes.reshape(len(codes), -1)
        bits = np.unpackbits(hashes.view(np.uint8), axis=-1).reshape(*hashes.shape, _BITS)
        result[start : start + step] = 2.0 * bits.sum(axis=1, dtype=np.int32) - hashes.shape[1]
    return result


def _mix(values: np.ndarray) -> np.ndarray:
    """The finaliser of splitmix64: 64 bits that each depend on every bit of `values`."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
