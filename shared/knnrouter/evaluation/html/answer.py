"""What is read first: the verdict, and the few figures that carry it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from knnrouter.evaluation.figures.amounts import decimal, dollars, percent, signed

from .elements import Markup, costs, paragraph, spread, told, words

if TYPE_CHECKING:
    from knnrouter.evaluation.report import Report

__all__ = ["answer", "key_figures"]

_ANSWERS = {
    "pays": ("pays", "✓", "Routing pays"),
    "does not pay": ("no", "✕", "Routing does not pay"),
    "cannot tell": ("open", "?", "Cannot tell yet"),
}
"""Class, sign and words of each answer."""

_SAME = 1e-6
"""Costs that differ by less, in parts of them, differ by how they were summed."""


def answer(report: Report, *, title: str, date: str | None) -> Markup:
    """The verdict, and why."""
    kind, sign, said = _ANSWERS[report.verdict.answer]
    why = report.verdict.text
    basis = [f"{report.n:,} queries", f"{len(report.singles):,} models"]
    if len(report.tasks) > 1:
        basis.append(f"{len(report.tasks):,} tasks")
    if date:
        basis.append(date)
    return Markup(
        f'<header class="{kind}">'
        f'<h1><span class="title">{told(title)}</span>'
        f'<span class="answer"><span class="sign" aria-hidden="true">{sign}</span> '
        f"{words(said)}</span></h1>"
        f"{paragraph(why[:1].upper() + why[1:] + '.', 'why')}"
        f"{paragraph(' · '.join(basis), 'quiet')}</header>"
    )


def key_figures(report: Report) -> Markup:
    """The figures that the verdict stands on."""
    cells = "".join(
        f'<div><dt>{words(name)}</dt><dd class="big">{told(value)}</dd><dd>{told(about)}</dd></div>'
        for name, value, about in _figures(report)
    )
    alarms = Markup("").join(
        paragraph(f"{caution[0].upper()}{caution[1:]}.", "alarm") for caution in report.cautions
    )
    return Markup(
        '<section aria-labelledby="key"><h2 id="key">Key figures</h2>'
        f'<dl class="figures">{cells}</dl>{alarms}</section>'
    )


def _figures(report: Report) -> Iterator[tuple[str, str, str]]:
    """Name, value and a line about it."""
    level = percent(report.confidence)
    best, ahead = report.best_single, report.verdict.quality
    yield (
        "Quality",
        decimal(report.quality.estimate),
        f"{level} interval {_ends(report.quality.low, report.quality.high)}",
    )
    yield (
        "Ahead of the best single model",
        signed(ahead.estimate, 4),
        f"{level} interval {_ends(ahead.low, ahead.high, sign=True)}; {best.name} alone has "
        f"{decimal(best.quality)}",
    )
    if report.cost is not None:
        yield "Cost per 1,000 queries", costs(report.cost.estimate), _saved(report)
    if report.against_mixture is not None:
        yield (
            "Ahead of a random mixture",
            signed(report.against_mixture.estimate, 4),
            f"of single models at the same cost; {spread(report.against_mixture, sign=True)}",
        )
    if report.ratios.oracle_gap_closed >= 0:
        yield (
            "Gap to the oracle closed",
            percent(report.ratios.oracle_gap_closed),
            "from the best single model to the best model of each query",
        )
    name, share = max(report.behavior.shares.items(), key=lambda each: each[1])
    yield "Most chosen model", percent(share), f"of the queries go to {name}"


def _ends(low: float, high: float, *, sign: bool = False) -> str:
    if sign:
        return f"{signed(low, 4)} to {signed(high, 4)}"
    return f"{decimal(low)} to {decimal(high)}"


def _saved(report: Report) -> str:
    """What the best single model costs beside routing."""
    single, cost = report.best_single.cost, report.cost
    if cost is None or math.isnan(cost.estimate) or math.isnan(single):
        return "the best single model's cost is not known"
    if single == 0:
        return f"{report.best_single.name} alone is free"
    change = cost.estimate / single - 1
    how = f"{percent(abs(change))} {'less' if change < 0 else 'more'} than"
    if abs(change) < _SAME:
        how = "as much as"
    return f"{how} {report.best_single.name} alone ({dollars(1000 * single)})"
