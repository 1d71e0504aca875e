"""The few shapes that the page is made of. What they are given is text, and is escaped here."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence

from knnrouter.evaluation import Interval
from knnrouter.evaluation.figures.amounts import UNKNOWN, decimal, dollars, signed

__all__ = ["Markup", "costs", "fold", "paragraph", "span", "spread", "table", "told", "words"]


class Markup(str):
    """HTML as it goes into the page; any other string is text."""

    __slots__ = ()


def words(text: str) -> Markup:
    r"""A text for the page, whatever it holds.

    Characters that HTML cannot hold, such as half of a pair, are replaced; so are those that would
    turn the text around them.

    Example:
        >>> words("<b> & \x00")
        '&lt;b&gt; &amp; \ufffd'
    """
    kept = (each if each.isprintable() or each in "\n\t" else _instead(each) for each in text)
    return Markup(html.escape("".join(kept)))


def _instead(character: str) -> str:
    if character.isspace():
        return " "
    return (
        "" if character in "\u200b\u200c\u200d\u200e\u200f\ufeff" else "\N{REPLACEMENT CHARACTER}"
    )


def told(value: str) -> Markup:
    """Markup as it is, text escaped and kept apart from what is around it, in its own direction."""
    return value if isinstance(value, Markup) else Markup(f"<bdi>{words(value)}</bdi>")


def span(name: str, text: str) -> Markup:
    """Words of a class."""
    return Markup(f'<span class="{name}">{told(text)}</span>')


def paragraph(text: str, name: str = "") -> Markup:
    """A paragraph, of a class if need be."""
    kind = f' class="{name}"' if name else ""
    return Markup(f"<p{kind}>{told(text)}</p>")


def table(
    caption: str,
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    texts: int = 1,
    name: str = "",
) -> Markup:
    """A table in a box of its own, which scrolls where it is too narrow.

    Args:
        caption: What it shows.
        heads: The heads of its columns.
        rows: Its cells; the first of each row is the row's head.
        texts: So many columns from the left hold words; the others hold numbers.
        name: A class.
    """
    kinds = ["" if place < texts else ' class="number"' for place in range(len(heads))]
    top = "".join(
        f'<th scope="col"{kind}>{told(head)}</th>' for head, kind in zip(heads, kinds, strict=True)
    )
    body = "".join(_row(row, kinds) for row in rows)
    return Markup(
        f'<div class="scrolls {name}" role="region" tabindex="0" aria-label="{words(caption)}">'
        f"<table><caption><span>{words(caption)}</span></caption><thead><tr>{top}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )


def _row(row: Sequence[str], kinds: Sequence[str]) -> str:
    head, *rest = row
    cells = "".join(
        f"<td{kind}>{told(cell)}</td>" for cell, kind in zip(rest, kinds[1:], strict=True)
    )
    return f'<tr><th scope="row">{told(head)}</th>{cells}</tr>'


def fold(summary: str, content: str) -> Markup:
    """What is shown when it is asked for."""
    return Markup(f"<details><summary>{told(summary)}</summary>{told(content)}</details>")


def spread(found: Interval, *, sign: bool = False) -> str:
    """A score and its interval; a difference has its sign, and one digit more.

    Example:
        >>> spread(Interval(0.03, 0.02, 0.04)), spread(Interval(0.03, 0.02, 0.04), sign=True)
        ('0.030 [0.020, 0.040]', '+0.0300 [+0.0200, +0.0400]')
    """
    if math.isnan(found.estimate):
        return UNKNOWN
    ends = (found.estimate, found.low, found.high)
    middle, low, high = (signed(each, 4) if sign else decimal(each) for each in ends)
    return f"{middle} [{low}, {high}]"


def costs(found: Interval | float) -> str:
    """A cost per query, or its interval, as dollars per 1,000 queries.

    Example:
        >>> costs(0.001), costs(Interval(0.001, 0.0005, 0.002))
        ('$1.00', '$1.00 [$0.50, $2.00]')
    """
    if isinstance(found, Interval):
        if math.isnan(found.estimate):
            return UNKNOWN
        return f"{costs(found.estimate)} [{costs(found.low)}, {costs(found.high)}]"
    return dollars(1000 * found)
