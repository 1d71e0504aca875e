"""All commands under one name, and the start of the process."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from typing import Annotated, TextIO

import typer

from .building import build
from .bundles import unbundled
from .calibrating import calibrate
from .checking import formats, inspect, validate
from .comparing import compare
from .demo import demo
from .evaluating import evaluation, report
from .failing import with_exit_codes
from .joining import add_model
from .linting import lint
from .routing import explain, route
from .task_routing import route_task

__all__ = ["app", "main"]

app = typer.Typer(
    name="knnrouter",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,  # help and usage errors as plain text, the same on and off a terminal
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_COMMANDS: dict[str, Callable[..., None]] = {
    "demo": demo,
    "build": build,
    "route": route,
    "route-task": route_task,
    "explain": explain,
    "validate": validate,
    "inspect": inspect,
    "formats": formats,
    "eval": evaluation,  # a function called eval would hide Python's
    "lint": lint,
    "calibrate": calibrate,
    "report": report,
    "compare": compare,
    "add-model": add_model,
}
for _name, _command in _COMMANDS.items():
    app.command(name=_name)(with_exit_codes(unbundled(_command)))


def _show_version(asked: bool) -> None:
    if asked:
        from knnrouter import __version__

        typer.echo(f"knnrouter {__version__}")
        raise typer.Exit


@app.callback()
def knnrouter(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Pick the language model for a query from measured evidence.

    Results go to standard output, all else to standard error. Exit code 0: fine; 1: findings, or
    a run that failed; 2: bad usage or bad input.
    """


def main() -> None:
    """Run the command of `sys.argv`, and end the process with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal may know few characters
    try:
        app(prog_name="knnrouter")
    finally:
        _let_go(sys.stdout)


def _let_go(stream: TextIO) -> None:
    """Drop what cannot be written any more, so that Python does not try again, and complain."""
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
