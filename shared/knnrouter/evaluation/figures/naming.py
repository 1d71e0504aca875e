"""Names that fit into a figure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from .canvas import LETTERS

__all__ = ["labels", "short", "width_of"]

_FINE = 10
"""Letters are measured so many times as large, for sizes in whole pixels are coarse."""


def short(text: str, most: int = 24) -> str:
    r"""A name that fits: on one line, its middle left out where it is long.

    Example:
        >>> short("meta-llama/Llama-3.1-70B-Instruct-Turbo", 20)
        'meta-llama…uct-Turbo'
        >>> short("two\nlines")
        'two lines'
    """
    line = " ".join(text.split())
    line = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in line)
    if len(line) <= most:
        return line
    head = most // 2
    return f"{line[:head]}…{line[head + 1 - most :]}"


def labels(names: Sequence[str], most: int = 22) -> list[str]:
    """Short names that stay apart; without the part before a slash, where that changes nothing.

    Example:
        >>> labels(["meta/llama-2-70b-chat", "mistralai/mistral-7b-chat"])
        ['llama-2-70b-chat', 'mistral-7b-chat']
        >>> labels(["one/chat", "other/chat"])
        ['one/chat', 'other/chat']
        >>> labels(["a model of 7b, chat", "a model of 9b, chat"], most=9)
        ['1: a m…at', '2: a m…at']
    """
    tails = [name.rpartition("/")[2] or name for name in names]
    full = tails if len(set(tails)) == len(tails) else names
    shown = [short(name, most) for name in full]
    count = Counter(shown)
    return [
        label if count[label] == 1 else f"{number}: {short(name, most - len(f'{number}: '))}"
        for number, (name, label) in enumerate(zip(full, shown, strict=True), start=1)
    ]


def width_of(text: str, *, size: float = LETTERS) -> float:
    """How wide a text is, in inches, in matplotlib's own font, which is a wide one."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    font = get_font(findfont(FontProperties()))
    font.set_size(size * _FINE, 72)
    font.set_text(text, 0.0)
    return float(font.get_width_height()[0]) / 64 / 72 / _FINE
