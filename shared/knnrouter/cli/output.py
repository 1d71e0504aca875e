"""What is written, and where: data to standard output, talk to standard error.

Off a terminal no line is wrapped or cut and nothing is colored, so that output can be read by
programs; on a terminal tables fold to its width.
"""

from __future__ import annotations

import json
import math
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from typing import TextIO

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from knnrouter.decision import as_json

__all__ = [
    "complain",
    "console",
    "flush",
    "number",
    "one_line",
    "say",
    "settings",
    "show",
    "show_json",
    "show_table",
    "table",
    "usd",
    "warn",
]

_UNCUT = 100_000
"""The width, in characters, of a page that is read by programs."""


def show(text: str = "", *, style: str = "", indent: int = 0) -> None:
    """Write a line of data; on a terminal also what is wrapped is indented."""
    _write(sys.stdout, Text(text, style=style), indent=indent)


def show_json(value: object, *, indent: int | None = 2) -> None:
    """Write a value as JSON; NaN is null. Without `indent`, on one line."""
    json.dump(as_json(value), sys.stdout, ensure_ascii=False, allow_nan=False, indent=indent)
    sys.stdout.write("\n")


def table(*columns: str, right: Sequence[str] = (), dense: bool = False) -> Table:
    """An empty table; numbers, the columns in `right`, stay whole, and text folds."""
    padding = (0, 0) if dense else (0, 1, 0, 0)
    made = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=padding)
    for name in columns:
        number = name in right
        made.add_column(
            Text(name), justify="right" if number else "left", no_wrap=number, overflow="fold"
        )
    return made


def show_table(made: Table) -> None:
    """Write a table of `table`; its cells are Text or plain words without markup."""
    page = console(sys.stdout)
    if not page.is_terminal:
        made.box = None  # a rule would be as long as the longest line
        made.padding = (0, 1, 0, 0)  # columns that the box kept apart
    _print(page, made)


def flush() -> None:
    """Let whoever reads have what is written so far."""
    sys.stdout.flush()


def say(text: str) -> None:
    """Write a line of talk."""
    _write(sys.stderr, Text(one_line(text)))


def warn(text: str) -> None:
    """Write a warning, on one line."""
    _write(sys.stderr, Text.assemble(("warning: ", "yellow"), one_line(text)))


def complain(text: str) -> None:
    """Write what went wrong; lines stay lines."""
    lines = "\n".join(map(_visible, text.split("\n")))
    _write(sys.stderr, Text.assemble(("error: ", "bold red"), lines))


def one_line(text: str) -> str:
    r"""A text of somebody else on one line, without characters that steer a terminal.

    Example:
        >>> one_line("two\nlines \x1b[31m")
        'two lines �[31m'
    """
    return _visible(" ".join(text.split()))


def number(value: float, form: str = ".3f") -> str:
    """A number for a table; a dash where it is not known.

    Example:
        >>> number(0.25), number(float("nan"))
        ('0.250', '–')
    """
    return "–" if math.isnan(value) else format(value, form)


def settings(values: Mapping[str, object]) -> str:
    """The settings of an estimator as words, numbers with four digits.

    Example:
        >>> settings({"kind": "knn", "k": 40, "temperature": 0.123456})
        'kind knn, k 40, temperature 0.1235'
    """
    return ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in values.items()
    )


def usd(value: float) -> str:
    """An amount of USD with its sign; three digits where it is tiny; a dash where it is not known.

    Example:
        >>> usd(0.0123), usd(1.5e-7), usd(float("nan"))
        ('$0.012300', '$1.5e-07', '–')
    """
    if math.isnan(value):
        return "–"
    return f"${value:.3g}" if 0 < value < 1e-5 else f"${value:.6f}"


def console(file: TextIO) -> Console:
    """Where to write to a stream: as wide as its terminal, or as wide as it takes."""
    page = Console(file=file, highlight=False, markup=False, emoji=False)
    if not page.is_terminal:
        page.width = _UNCUT
    return page


def _write(file: TextIO, text: Text, *, indent: int = 0) -> None:
    page = console(file)
    if page.is_terminal:
        _print(page, Padding(text, (0, 0, 0, indent)))
    else:
        file.write(f"{' ' * indent}{text.plain}\n")


def _print(page: Console, shown: Table | Padding) -> None:
    """Print without the spaces that fill the lines up."""
    with page.capture() as captured:
        page.print(shown)
    page.file.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


def _visible(text: str) -> str:
    """The text with its control characters, which a terminal would obey, replaced."""
    if text.isprintable():
        return text
    return "".join("�" if unicodedata.category(char) == "Cc" else char for char in text)
