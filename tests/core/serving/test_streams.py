"""Streams that have begun: an error before the first chunk comes at once; closing goes through."""

import asyncio

import pytest

from knnrouter.serving import abegun, begun


class Source:
    """Chunks; notes what was given, whether it failed at the place `fails`, and that it closed."""

    def __init__(self, *chunks, fails=None):
        self.chunks, self.fails, self.log = chunks, fails, []

    def stream(self):
        try:
            for place, chunk in enumerate(self.chunks):
                if place == self.fails:
                    raise ConnectionError(f"at {place}")
                self.log.append(chunk)
                yield chunk
        finally:
            self.log.append("closed")

    async def astream(self):
        try:
            for chunk in self.stream():
                await asyncio.sleep(0)
                yield chunk
        finally:
            self.log.append("aclosed")


def test_the_first_chunk_is_there_before_anybody_reads():
    source = Source(1, 2, 3)
    chunks = begun(source.stream())
    assert source.log == [1]
    assert list(chunks) == [1, 2, 3]
    assert source.log == [1, 2, 3, "closed"]


def test_an_empty_stream_stays_empty():
    assert list(begun(iter(()))) == []


def test_an_error_in_place_of_the_first_chunk_is_raised_at_once():
    with pytest.raises(ConnectionError, match="at 0"):
        begun(Source(1, fails=0).stream())


def test_a_later_error_is_the_readers():
    chunks = begun(Source(1, 2, fails=1).stream())
    assert next(chunks) == 1
    with pytest.raises(ConnectionError, match="at 1"):
        next(chunks)


def test_closing_closes_the_stream():
    source = Source(1, 2, 3)
    stream = source.stream()  # held, so that nobody else closes it
    chunks = begun(stream)
    assert next(chunks) == 1
    chunks.close()
    assert source.log == [1, "closed"]
    assert list(stream) == []


async def test_awaited_chunks():
    source = Source(1, 2)
    chunks = await abegun(source.astream())
    assert source.log == [1]
    assert [chunk async for chunk in chunks] == [1, 2]
    assert source.log == [1, 2, "closed", "aclosed"]


async def test_an_awaited_error_in_place_of_the_first_chunk_is_raised_at_once():
    with pytest.raises(ConnectionError, match="at 0"):
        await abegun(Source(1, fails=0).astream())


async def test_a_later_awaited_error_is_the_readers():
    chunks = await abegun(Source(1, 2, fails=1).astream())
    assert await anext(chunks) == 1
    with pytest.raises(ConnectionError, match="at 1"):
        await anext(chunks)


async def test_an_empty_awaited_stream_stays_empty():
    assert [chunk async for chunk in await abegun(Source().astream())] == []


async def test_closing_closes_the_awaited_stream():
    source = Source(1, 2, 3)
    chunks = await abegun(source.astream())
    assert await anext(chunks) == 1
    await chunks.aclose()
    assert "aclosed" in source.log
    assert 2 not in source.log
