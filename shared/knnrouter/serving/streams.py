"""Streams that are known to have begun: before the first chunk another model may still answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator, Sequence
from typing import TypeVar

__all__ = ["abegun", "begun"]

T = TypeVar("T")


def begun(chunks: Iterator[T]) -> Generator[T]:
    """The same chunks, once the first of them is there.

    Args:
        chunks: A stream; an empty one stays empty.

    Returns:
        All of its chunks. To close it closes the stream too.

    Raises:
        Exception: What the stream raised instead of its first chunk.

    Example:
        >>> list(begun(iter("abc")))
        ['a', 'b', 'c']
    """
    for chunk in chunks:
        return _chained([chunk], chunks)
    return _chained([], chunks)


async def abegun(chunks: AsyncIterator[T]) -> AsyncGenerator[T]:
    """`begun`, awaited."""
    async for chunk in chunks:
        return _achained([chunk], chunks)
    return _achained([], chunks)


def _chained(first: Sequence[T], rest: Iterator[T]) -> Generator[T]:
    try:
        yield from first
        yield from rest
    finally:
        if isinstance(rest, Generator):
            rest.close()


async def _achained(first: Sequence[T], rest: AsyncIterator[T]) -> AsyncGenerator[T]:
    try:
        for chunk in first:
            yield chunk
        async for chunk in rest:
            yield chunk
    finally:
        if isinstance(rest, AsyncGenerator):
            await rest.aclose()
