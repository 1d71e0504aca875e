"""Queries from arguments, files and pipes."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple, cast

import typer

from knnrouter.errors import QueryError

__all__ = ["Line", "piped_lines", "query_of"]

_CHUNK = 1 << 16
"""How many bytes of standard input are read at a time, at most."""

_ADVICE = "give TEXT, or pipe it in: echo 'Why is the sky blue?' | knnrouter {command}"


class Line(NamedTuple):
    """A line of standard input."""

    number: int
    """Counted from 1."""
    text: str
    """Without its end."""
    problem: str = ""
    """Why it cannot be routed; then `text` is empty."""


def query_of(text: str | None, messages: str | None, *, command: str) -> object:
    """The query of a command: its TEXT, its `--messages`, or else standard input.

    Args:
        text: TEXT; None if it was not given.
        messages: The value of `--messages`; None if it was not given.
        command: The name of the command, for messages.

    Raises:
        QueryError: There is none, or it cannot be read.
    """
    if text is not None and messages is not None:
        raise typer.BadParameter("TEXT is given too; give one of the two", param_hint="--messages")
    if messages is not None:
        return _chat(messages, command)
    asked = _piped(command) if text is None else text
    if not asked.strip():
        advice = _ADVICE.format(command=command)
        raise QueryError(f"the text is blank, so there is nothing to route on; {advice}")
    return asked


def piped_lines() -> Iterator[list[Line]]:
    """The lines of standard input, as many at a time as are there.

    So a long file is routed in large batches, and a line that somebody types at once.
    """
    _check_piped("route --lines")
    number, rest = 0, b""
    stream = cast(BufferedReader, sys.stdin.buffer)
    while chunk := stream.read1(_CHUNK):
        *whole, rest = (rest + chunk).split(b"\n")
        if whole:
            yield [_line(number + place, raw) for place, raw in enumerate(whole, start=1)]
        number += len(whole)
    if rest:
        yield [_line(number + 1, rest)]


def _line(number: int, raw: bytes) -> Line:
    raw = raw.removesuffix(b"\r")
    try:
        text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        return Line(number, "", f"byte 0x{raw[error.start]:02x} is not UTF-8; write it as UTF-8")
    if not text.strip():
        return Line(number, "", "it is blank; leave blank lines out")
    return Line(number, text)


def _piped(command: str) -> str:
    _check_piped(command)
    return _decoded(sys.stdin.buffer.read(), "standard input").removesuffix("\n")


def _check_piped(command: str) -> None:
    if sys.stdin is None or sys.stdin.isatty():
        advice = _ADVICE.format(command=command)
        raise QueryError(f"there is no text to route on; {advice}")


def _decoded(raw: bytes, place: str) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise QueryError(
            f"{place}, line {line}: byte 0x{raw[error.start]:02x} is not UTF-8; write it as UTF-8"
        ) from error


def _chat(source: str, command: str) -> object:
    """A chat history from a file of JSON, or from standard input."""
    if source == "-":
        place = "standard input"
        text = _piped(command)
    else:
        place = source
        text = _decoded(Path(source).read_bytes(), place)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise QueryError(
            f"{place}:{error.lineno}:{error.colno}: this is no JSON ({error.msg}); give a chat "
            'history, such as [{"role": "user", "content": "Why is the sky blue?"}]'
        ) from error
    except RecursionError as error:
        raise QueryError(f"{place}: nested too deep; give a plain chat history") from error
    except ValueError as error:  # Python reads no integer of more than 4,300 digits
        raise QueryError(
            f"{place}: a number has thousands of digits; give a plain chat history"
        ) from error
