"""Errors and warnings as one message each on standard error; and the exit codes."""

from __future__ import annotations

import functools
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TextIO

import typer

from knnrouter.errors import KnnRouterError

from . import output

__all__ = ["BAD_INPUT", "FINDINGS", "with_exit_codes"]

FINDINGS = 1
"""The exit code of a check that found something, and of a run that failed in part."""

BAD_INPUT = 2
"""The exit code of bad usage and of input that cannot be used."""

_INTERRUPTED = 130  # 128 and the number of SIGINT, as shells have it
_BROKEN_PIPE = 141  # 128 and the number of SIGPIPE

_FOR_DEVELOPERS = (
    DeprecationWarning,
    PendingDeprecationWarning,
    ImportWarning,
    ResourceWarning,
)

_P = ParamSpec("_P")


def with_exit_codes(command: Callable[_P, None]) -> Callable[_P, None]:
    """A command that ends with a message and an exit code where it meets a user's mistake.

    Faults of this library are let through, with their traceback.
    """

    @functools.wraps(command)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> None:
        with _short_warnings():
            try:
                command(*args, **kwargs)
                sys.stdout.flush()
            except KeyboardInterrupt:
                output.complain("interrupted")
                raise typer.Exit(_INTERRUPTED) from None
            except BrokenPipeError:  # the reader, such as `head`, has seen enough
                raise typer.Exit(_BROKEN_PIPE) from None
            except (KnnRouterError, OSError, UnicodeError) as error:
                output.complain(_message(error))
                raise typer.Exit(BAD_INPUT) from error

    return run


def _message(error: Exception) -> str:
    if isinstance(error, OSError) and not isinstance(error, KnnRouterError):
        place = "" if error.filename is None else f"{error.filename}: "
        return f"{place}{error.strerror or error}; check that it is there, and who may use it"
    return str(error)


@contextmanager
def _short_warnings() -> Iterator[None]:
    """Show a warning as one line, without the line of code that it comes from."""

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        output.warn(str(message))

    with warnings.catch_warnings():
        warnings.simplefilter("default")
        for category in _FOR_DEVELOPERS:
            warnings.simplefilter("ignore", category)
        warnings.showwarning = show
        yield
