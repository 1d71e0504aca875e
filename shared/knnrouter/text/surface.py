"""What the surface of a text says of how hard it is: how long, how many numbers, what is asked.

An embedding says what a text is about, and little of how much there is to do. Counts do: the length
alone orders grade-school problems by their difficulty better than the nearest neighbors do.

Counts enter as log(1 + count), so that a text twice as long is a step further, wherever it starts;
shares lie in [0, 1]. Words are English ones; in other languages those features are zero. Of a text
longer than `MOST` characters the beginning is read, and its whole length is counted.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

__all__ = ["MOST", "SURFACE", "surface"]

MOST = 20_000
"""How many characters of a text are read."""

_WORD = re.compile(r"[^\W\d_]+(?:['’][a-z]{1,3})?")
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
_LONG_WORD = 8

_PATTERNS: Mapping[str, re.Pattern[str]] = {
    "sentences": re.compile(r"[.!?。！？]+(?:\s|$)|\n+"),
    "symbols": re.compile(r"[^\w\s]"),
    "options": re.compile(r"^[ \t]{0,8}\(?[A-Ja-j1-9][.):]\s", re.MULTILINE),
    "names": re.compile(r"\b[A-Z][a-z]"),
    "acronyms": re.compile(r"\b[A-Z]{2,}\b"),
    "latex": re.compile(r"\\[a-zA-Z]+|\$"),
    "code": re.compile(
        r"```|\bdef \w|\breturn\b|\bimport \w|\(\)|\[\]|[{};]|->|==|\bfunction\b|\bclass \w"
    ),
    "blanks": re.compile(r"_{3,}"),
}
"""What is counted, by the name of its feature."""

_CHARACTERS: Mapping[str, str] = {
    "lines": "\n",
    "questions": "?？",
    "operators": "=+*/^<>|∑√≤≥±×÷",
    "quotes": "\"'“”‘’",
    "commas": ",、，",
}
"""Characters that are counted together."""

_RANGES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "digit_share": (("0", "9"),),
    "upper_share": (("A", "Z"),),
    "space_share": (("\t", "\r"), (" ", " ")),
    "other_script_share": (("\x80", "\U0010ffff"),),
    "cjk_share": (("぀", "ヿ"), ("㐀", "鿿"), ("가", "힯")),
}
"""From which character to which one lie those whose part of the text is taken."""

_WORDS: Mapping[str, str] = {
    "negations": "not no never none cannot except least without false incorrect",
    "conditions": "if suppose assume assuming unless given then when",
    "quantities": "half twice thrice once third thirds quarter quarters double triple fourth fifth "
    "percent two three four five six seven eight nine ten dozen times",
    "comparisons": "more less fewer than greater older younger longer shorter remaining left rest",
    "reckoning": "sqrt log sin cos mod times percent per each total every average ratio rate sum",
    "what": "what",
    "which": "which",
    "why": "why",
    "how": "how",
    "who": "who whom whose",
    "where": "where when",
    "explain": "prove show explain describe discuss",
    "write": "write implement function code program create generate",
    "true_or_false": "true false",
    "following": "following these",
}
"""Words that are counted together."""

_GROUPS = tuple(_WORDS)
_GROUPS_OF: Mapping[str, tuple[int, ...]] = {
    word: tuple(place for place, group in enumerate(_GROUPS) if word in _WORDS[group].split())
    for word in {word for words in _WORDS.values() for word in words.split()}
}
_PAIRS: Mapping[str, frozenset[tuple[str, str]]] = {
    "how_many": frozenset({("how", "many"), ("how", "much")}),
    "which_of": frozenset({("which", "of")}),
}
"""Pairs of words that stand beside each other."""

SURFACE: tuple[str, ...] = (
    *("characters", "words", "distinct_words", "numbers", "largest_number", "decimals"),
    *_PATTERNS,
    *_CHARACTERS,
    *_GROUPS,
    *_PAIRS,
    *("word_length", "words_a_sentence", "number_share", "distinct_share", "long_word_share"),
    *("symbol_share", "question_place", "ends_with_question", "option_length"),
    *_RANGES,
)
"""The names of the features, `f` in all."""


def surface(texts: Sequence[str]) -> NDArray[np.float64]:
    """The surface features of texts.

    Args:
        texts: `n` texts.

    Returns:
        Shape (n, f), finite, in the order of `SURFACE`.

    Example:
        >>> found = dict(zip(SURFACE, surface(["How many of 12 eggs are left?"])[0].tolist()))
        >>> round(np.expm1(found["numbers"])), round(np.expm1(found["how_many"]))
        (1, 1)
        >>> found["ends_with_question"], round(found["word_length"], 2)
        (1.0, 3.33)
    """
    if not texts:
        return np.empty((0, len(SURFACE)))
    return np.array([_features(text) for text in texts], dtype=np.float64)


def _features(whole: str) -> list[float]:
    text = whole[:MOST]
    words = [word.lower() for word in _WORD.findall(text)]
    numbers = _NUMBER.findall(text)
    found = {name: len(pattern.findall(text)) for name, pattern in _PATTERNS.items()}
    found |= {name: sum(map(text.count, each)) for name, each in _CHARACTERS.items()}
    groups, pairs = _counted(words)
    distinct = len(set(words))
    decimals = sum("." in number for number in numbers)
    counts = [len(whole), len(words), distinct, len(numbers), _largest(numbers), decimals]
    counted = [*counts, *found.values(), *groups, *pairs]
    return [*np.log1p(counted).tolist(), *_shares(text, words, numbers, found)]


def _counted(words: Sequence[str]) -> tuple[list[int], list[int]]:
    """How often each group of words, and each pair, occurs."""
    groups = [0] * len(_GROUPS)
    for word, count in Counter(words).items():
        for place in _GROUPS_OF.get(word, ()):
            groups[place] += count
        if word.endswith(("n't", "n’t")):
            groups[_GROUPS.index("negations")] += count
    beside = Counter(pairwise(words))
    return groups, [sum(beside[pair] for pair in pairs) for pairs in _PAIRS.values()]


def _shares(
    text: str, words: Sequence[str], numbers: Sequence[str], found: Mapping[str, int]
) -> Iterable[float]:
    """What of the text is of a kind, in the order of `SURFACE`."""
    characters, count = len(text) + 1, len(words) + 1
    question = max(text.rfind("?"), text.rfind("？"))
    options = [line for line in text.split("\n") if _PATTERNS["options"].match(line)]
    yield sum(map(len, words)) / max(len(words), 1)
    yield float(np.log1p(len(words) / max(found["sentences"], 1)))
    yield len(numbers) / count
    yield len(set(words)) / max(len(words), 1)
    yield sum(len(word) >= _LONG_WORD for word in words) / count
    yield found["symbols"] / characters
    yield (question + 1) / characters
    yield float(text.rstrip().endswith(("?", "？")))
    yield float(np.log1p(sum(map(len, options)) / len(options))) if options else 0.0
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    for ranges in _RANGES.values():
        yield sum(_between(codes, *ends) for ends in ranges) / characters


def _between(codes: NDArray[np.uint32], first: str, last: str) -> int:
    """How many characters lie in a range."""
    return int(np.count_nonzero((codes >= ord(first)) & (codes <= ord(last))))


def _largest(numbers: Sequence[str]) -> float:
    """The largest number, a billion at most."""
    return min(max((float(number.replace(",", "")) for number in numbers), default=0.0), 1e9)
