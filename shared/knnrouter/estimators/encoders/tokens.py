"""Texts as the numbers of their tokens, cut to a length and padded to a rectangle."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from knnrouter.embedders.base import head_and_tail

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["LONGEST_TOKEN", "by_length", "cut", "padded", "token_ids"]

LONGEST_TOKEN = 40
"""Characters a token; beyond this many for each token that is read, a text is cut unread."""


def token_ids(tokenizer: Tokenizer, texts: Sequence[str], max_length: int) -> list[list[int]]:
    """The tokens of each text, with the special ones that the tokenizer puts around it.

    Args:
        tokenizer: Without padding and truncation of its own.
        texts: `q` texts.
        max_length: How many tokens of a text are kept, special ones included: of a longer text the
            head and the tail, half of the room each.
    """
    short = [head_and_tail(text, max_length * LONGEST_TOKEN) for text in texts]
    found = []
    for encoding in tokenizer.encode_batch(short):
        special = encoding.special_tokens_mask
        before = special.index(0) if 0 in special else len(special)
        after = special[::-1].index(0) if 0 in special else 0
        found.append(cut(encoding.ids, max_length, before=before, after=after))
    return found


def cut(ids: Sequence[int], length: int, *, before: int = 0, after: int = 0) -> list[int]:
    """At most `length` tokens: the head and the tail, and all of the first and the last few.

    Args:
        ids: Tokens.
        length: How many are kept.
        before: How many at the start always stay.
        after: How many at the end always stay.

    Example:
        >>> cut([101, 1, 2, 3, 4, 5, 102], 5, before=1, after=1)
        [101, 1, 2, 5, 102]
    """
    if len(ids) <= length:
        return list(ids)
    room = max(length - before - after, 0)
    head, tail = before + room - room // 2, after + room // 2
    return [*ids[:head], *ids[len(ids) - tail :]][:length]


def padded(ids: Sequence[Sequence[int]], pad: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The tokens side by side, shorter rows filled up at their ends.

    Args:
        ids: The tokens of each of `b` texts.
        pad: What fills up.

    Returns:
        The tokens, and a mask that is 1 on those of the text; both of shape (b, longest).

    Example:
        >>> tokens, mask = padded([[7, 8], [9]], pad=0)
        >>> tokens.tolist(), mask.tolist()
        ([[7, 8], [9, 0]], [[1, 1], [1, 0]])
    """
    longest = max(1, *map(len, ids))
    tokens = np.full((len(ids), longest), pad, dtype=np.int64)
    mask = np.zeros_like(tokens)
    for row, each in enumerate(ids):
        tokens[row, : len(each)] = each
        mask[row, : len(each)] = 1
    return tokens, mask


def by_length(ids: Sequence[Sequence[int]], size: int) -> Iterator[NDArray[np.int64]]:
    """The places of texts in batches of `size`, the shortest first, so that little is padding.

    Example:
        >>> [batch.tolist() for batch in by_length([[1, 2, 3], [1], [1, 2]], 2)]
        [[1, 2], [0]]
    """
    order = np.argsort([len(each) for each in ids], kind="stable")
    for start in range(0, len(order), size):
        yield order[start : start + size]
