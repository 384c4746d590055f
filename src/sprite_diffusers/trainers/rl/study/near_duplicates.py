"""Which prompts say the same in nearly the same words: they must not be on both sides of a split.

Compared are content words, and pairs of neighbours among them (the ends of a phrase included) at half the weight, by their
Jaccard similarity |shared| / |all|. At the threshold of 0.8 it takes a prompt of 7 content words to be a near-duplicate of
the same with one more, and one of 12 to be one of the same with another word somewhere. So captions from templates ("a red
lizard facing left", "a red wizard facing left") stay apart, and variants that somebody tried of a long prompt do not.

The n-grams of characters that are often used for this cannot tell a typo from another word, and chain such captions into
one group.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import chain, count, pairwise

import numpy as np

from ....errors import SpriteError

_PAIR = 0.5  # weight of neighbours, where a word's is 1
_SLACK = 1e-9
_UNSPACED = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3"  # scripts whose characters count as words
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+")
_BREAK = re.compile(r"[,;:.!?|()\[\]{}]+")  # words on its two sides are no neighbours, so that tags may be reordered
_FILLERS = {
    "a", "an", "and", "are", "as", "at", "be", "by", "for", "from", "has", "have", "in", "into", "is", "it", "its", "of",
    "on", "or", "that", "the", "their", "this", "to", "was", "with",
}  # fmt: skip

Token = tuple[str, int]


def group_prompts(prompts: Sequence[str], threshold: float = 0.8) -> np.ndarray:
    """int64 ``(N,)``: the group of each prompt, numbered from 0 in the order of appearance.

    Groups are the connected components of near-duplicates (see above): prompts of different groups are none. Case,
    punctuation, fillers ("a", "with") and plurals do not matter. Exact, and fast because pairs that cannot be similar are
    never compared (prefix filtering, Bayardo et al. 2007, https://doi.org/10.1145/1242572.1242591).

    Args:
        prompts: in any language.
        threshold: the similarity from which on prompts are near-duplicates, above 0 to 1.

    Raises:
        SpriteError: another threshold.
    """
    if not 0 < threshold <= 1:
        raise SpriteError(
            f"--group_threshold {threshold} is not above 0 and at most 1: give 0.8, or more to group less."
        )
    phrases = [_phrases(prompt) for prompt in prompts]
    documents = [frozenset(_tokens(content)) for content in phrases]
    distinct = sorted(set(documents), key=lambda tokens: (_weight(tokens), sorted(tokens)))
    number_of = {tokens: number for number, tokens in enumerate(distinct)}
    parents = list(range(len(distinct)))
    first: dict[tuple[str, ...], int] = {}
    for content, tokens in zip(
        phrases, documents, strict=True
    ):  # the same words, whatever the punctuation between them
        number = number_of[tokens]
        parents[_root(parents, number)] = _root(parents, first.setdefault(tuple(chain(*content)), number))
    for one, other in _similar(distinct, threshold):
        parents[_root(parents, one)] = _root(parents, other)
    roots = {tokens: _root(parents, number) for tokens, number in number_of.items()}
    numbers: defaultdict[int, int] = defaultdict(count().__next__)
    return np.array([numbers[roots[tokens]] for tokens in documents], np.int64)


def _phrases(prompt: str) -> list[list[str]]:
    """Content words of each part between punctuation; all words of a prompt that has no others."""
    text = unicodedata.normalize("NFKC", prompt).casefold()
    phrases = [_WORD.findall(phrase) for phrase in _BREAK.split(text)]
    content = [[_singular(word) for word in phrase if word not in _FILLERS] for phrase in phrases]
    found = [phrase for phrase in content if phrase] or [phrase for phrase in phrases if phrase]
    return found or [["".join(text.split())]]


def _tokens(phrases: list[list[str]]) -> Iterator[Token]:
    """Words (a single string) and neighbours (two, by a space), each with which occurrence of it this is."""
    seen: Counter[str] = Counter()
    for phrase in phrases:
        for token in (*phrase, *map(" ".join, pairwise(["", *phrase, ""]))):
            yield token, seen[token]
            seen[token] += 1


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def _weight(tokens: frozenset[Token]) -> float:
    pairs = sum(" " in token for token, _ in tokens)
    return len(tokens) - pairs + _PAIR * pairs


def _similar(documents: list[frozenset[Token]], threshold: float) -> Iterator[tuple[int, int]]:
    """Pairs of near-duplicates among documents that are sorted by weight."""
    frequency = Counter(token for tokens in documents for token in tokens)
    weights = [_weight(tokens) for tokens in documents]
    index: defaultdict[Token, list[int]] = defaultdict(list)
    for number, tokens in enumerate(documents):
        prefix = _prefix(sorted(tokens, key=lambda token: (frequency[token], token)), weights[number], threshold)
        for other in sorted({other for token in prefix for other in index[token]}):
            if weights[other] < threshold * weights[number] - _SLACK:
                continue
            shared = _weight(tokens & documents[other])
            if shared >= threshold * (weights[number] + weights[other] - shared) - _SLACK:
                yield number, other
        for token in prefix:
            index[token].append(number)


def _prefix(tokens: list[Token], weight: float, threshold: float) -> list[Token]:
    """The rarest tokens, one of which every near-duplicate shares: what follows them is too light without them."""
    left = weight
    for position, (token, _) in enumerate(tokens):
        if left < threshold * weight - _SLACK:
            return tokens[:position]
        left -= _PAIR if " " in token else 1
    return tokens


def _root(parents: list[int], index: int) -> int:
    while parents[index] != index:
        parents[index] = parents[parents[index]]
        index = parents[index]
    return index
