"""The queries that went worst, each with the evidence that led to the choice."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import takewhile
from typing import TYPE_CHECKING

from knnrouter.evaluation.figures.amounts import decimal
from knnrouter.evaluation.figures.naming import short

from .elements import Markup, fold, paragraph, span, table, told, words
from .sections import section

if TYPE_CHECKING:
    from knnrouter.evaluation.report import Report
    from knnrouter.evaluation.report_parts import WorstQuery

__all__ = ["worst_queries"]

_BOILERPLATE = 40
"""From so many letters on, what all queries start with is left out where they are listed."""

_START = 110
"""So many letters of a query are shown before it is opened."""

_TEXT = 2000
"""And so many afterwards."""

_NAME = 40
"""Of a name, so many letters; it stands in full where the query is opened."""

_COLUMNS = 3
"""The best models of a query that have a column beside the chosen one, at most."""


def worst_queries(report: Report) -> Markup:
    """Where the choice lost most."""
    heading = "Worst routed queries"
    if not report.worst:
        none = "On no query did the choice score less than another model."
        return section("worst", heading, paragraph(none, "about"))
    said = f"The {len(report.worst):,} queries where the choice lost most, with its evidence."
    common = _common([each.query for each in report.worst if each.query])
    items = [Markup(f'<div class="worst">{_query(each, common)}</div>') for each in report.worst]
    return section("worst", heading, paragraph(said), Markup("".join(items)))


def _common(queries: list[str]) -> int:
    """How many letters of boilerplate all queries start with; it tells none from the others."""
    same = takewhile(lambda letters: len(set(letters)) == 1, zip(*queries, strict=False))
    start = "".join(letters[0] for letters in same) if len(queries) > 1 else ""
    whole = start.rfind(" ") + 1
    return whole if whole >= _BOILERPLATE else 0


def _query(found: WorstQuery, common: int) -> Markup:
    text = f"{found.id}, text not kept"
    if found.query:
        text = " ".join(found.query[common:].split())
    start = text if len(text) <= _START else f"{text[:_START].rstrip()}…"
    start = f"…{start}" if found.query and common else start
    chosen, best = told(short(found.model, _NAME)), told(_listed(found.best))
    outcome = Markup(
        f"{chosen} scored {decimal(found.score, 2)}, {best} {decimal(found.best_score, 2)}"
        f"{_task(found)}"
    )
    head = Markup(f"{told(start)} {span('outcome', outcome)}")
    return fold(head, Markup("".join(_evidence(found))))


def _listed(names: tuple[str, ...]) -> str:
    rest = f" and {len(names) - 2} more" if len(names) > 2 else ""
    return ", ".join(short(name, _NAME) for name in names[:2]) + rest


def _task(found: WorstQuery) -> str:
    return f" · {told(short(found.task, _NAME))}" if found.task else ""


def _evidence(found: WorstQuery) -> Iterator[Markup]:
    if found.query:
        rest = len(found.query) - _TEXT
        more = f"\n… and {rest:,} more characters" if rest > 0 else ""
        yield Markup(f'<blockquote dir="auto">{words(found.query[:_TEXT] + more)}</blockquote>')
    facts = [f"Query {found.id}."]
    if found.reason:
        facts.append(f"Why {found.model}: {' '.join(found.reason.split())}.")
    if not math.isnan(found.similarity):
        facts.append(f"Nearest neighbor: similarity {decimal(found.similarity, 2)}.")
    yield paragraph(" ".join(facts))
    if found.neighbors:
        yield _neighbors(found)


def _neighbors(found: WorstQuery) -> Markup:
    others = [name for name in found.best if name != found.model][:_COLUMNS]
    columns = (found.model, *others)
    rows = [
        (
            each.id,
            each.task or "",
            decimal(each.similarity, 2),
            *(decimal(each.scores.get(name, math.nan), 2) for name in columns),
        )
        for each in found.neighbors
    ]
    return table(
        "Its nearest neighbors and what was measured there",
        ("neighbor", "task", "similarity", *columns),
        rows,
        texts=2,
    )
