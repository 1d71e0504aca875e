"""Prompts that begin or end alike: how much of the text it is, and what routing text leaves of it.

A shared start is what a prompt has in common, from its first character on, with nearly all prompts
of its task or of the whole file; a shared end likewise.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from knnrouter.text import read_query

from .finding import Finding, percent
from .subject import Subject

__all__ = ["FEWEST_TEXTS", "PROMPTS", "REMAINS", "SHARED", "check_boilerplate", "shared_lengths"]

SHARED = 0.9
"""A template is in nearly all prompts of a task; habits of speech ("What is") are not."""

PROMPTS = 0.5
"""From this share of prompts on, a template is the rule in the file."""

REMAINS = 0.1
"""From this share of the routing text on, a template moves vectors enough to be cut by hand."""

FEWEST_TEXTS = 20
"""Among fewer texts, a start in common is chance."""

_FEWEST_CHARACTERS = 3
"""Less is a mark at the end of a sentence; a short template, in Chinese, has three."""


def shared_lengths(texts: Sequence[str], tasks: Sequence[str | None]) -> NDArray[np.int64]:
    r"""How many characters of each text are a shared start or end.

    Args:
        texts: `n` texts that differ.
        tasks: The task of each.

    Returns:
        Shape (n,); at most the length of the text.

    Example:
        >>> texts = [f"{number}?\nAnswer:" for number in range(10, 30)]
        >>> shared_lengths(texts, ["sums"] * 20).tolist() == [9] * 20
        True
    """
    groups: dict[str | None, list[int]] = {}
    for row, task in enumerate(tasks):
        groups.setdefault(task, []).append(row)
    starts, ends = (np.zeros(len(texts), dtype=np.int64) for _ in range(2))
    backward = [text[::-1] for text in texts]
    for rows in (list(range(len(texts))), *groups.values()):
        if len(rows) >= FEWEST_TEXTS:
            for lengths, read in ((starts, texts), (ends, backward)):
                lengths[rows] = np.maximum(lengths[rows], _starts([read[row] for row in rows]))
    return np.asarray(np.minimum(starts + ends, [len(text) for text in texts]))


def _starts(texts: Sequence[str]) -> NDArray[np.int64]:
    """How long a start each text has in common with `SHARED` of all; shape (n,).

    In alphabetical order the texts with a common start stand together, and what the first and the
    last of a stretch have in common, all of it have.
    """
    order = sorted(range(len(texts)), key=texts.__getitem__)
    span = math.ceil(SHARED * len(texts))
    longest = np.zeros(len(texts), dtype=np.int64)
    for first in range(len(texts) - span + 1):
        stretch = slice(first, first + span)
        common = _common_start(texts[order[first]], texts[order[first + span - 1]])
        if _is_text(common):
            np.maximum(longest[stretch], len(common), out=longest[stretch])
    return longest[np.argsort(order)]


def _is_text(common: str) -> bool:
    """Whether it is more than a mark, such as the quotes around all docstrings."""
    return len(common.strip()) >= _FEWEST_CHARACTERS and any(map(str.isalpha, common))


def _common_start(one: str, other: str) -> str:
    differ = (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return one[: next(differ, min(len(one), len(other)))]


def check_boilerplate(subject: Subject) -> Iterator[Finding]:
    """Templates, over the different texts that are kept."""
    tasks: dict[str, str | None] = {}
    for query, task in zip(subject.records.queries, subject.records.tasks, strict=True):
        if query:
            tasks.setdefault(query, task)
    raw = list(tasks)
    lengths = shared_lengths(raw, list(tasks.values()))
    prompts = float((lengths > 0).mean()) if raw else 0.0
    if prompts < PROMPTS:
        return
    routed = [read_query(text).text for text in raw]
    left = shared_lengths(routed, list(tasks.values()))
    yield _finding(prompts, _part(lengths, raw), _part(left, routed))


def _part(lengths: NDArray[np.int64], texts: Sequence[str]) -> float:
    """The share of all characters."""
    return float(lengths.sum() / max(1, sum(map(len, texts))))


def _finding(prompts: float, raw: float, left: float) -> Finding:
    todo = (
        "Cut the shared text, worked examples too, from the prompts before you build, so that "
        "neighbors are alike in what they ask; live queries do not have it."
        if left >= REMAINS
        else "Nothing more for this library, whose routing text leaves it out or keeps little; "
        "where you embed prompts yourself, cut it first."
    )
    return Finding(
        code="shared_boilerplate",
        value={"prompts": prompts, "characters": raw, "routed_characters": left},
        why=(
            f"{percent(prompts)} of the prompts start or end with the text of a template, "
            f"{percent(raw)} of all characters; in the routing text it is {percent(left)}. It "
            "makes unlike questions look alike, and live queries, which lack it, look far off."
        ),
        todo=todo,
    )
