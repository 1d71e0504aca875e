"""The sections with a figure: each says what it shows, draws it, and has its numbers in a table."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from knnrouter.evaluation import figures
from knnrouter.evaluation.figures.amounts import UNKNOWN, decimal, percent, signed
from knnrouter.evaluation.figures.heatmap import LARGEST

from .drawings import drawing
from .elements import Markup, costs, fold, paragraph, spread, table, words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from knnrouter.evaluation.report import Report

__all__ = [
    "by_similarity",
    "models",
    "plane",
    "references",
    "reliable",
    "section",
    "tasks",
    "threshold",
]


_COST = "cost per 1,000"
"""Heads the last column of a table, which goes where costs are not known."""


def _priced(
    report: Report, caption: str, heads: Sequence[str], rows: Sequence[Sequence[str]]
) -> Markup:
    """A table with costs in its last column, or without it where they are not known."""
    last = len(heads) - (report.cost is None)
    return table(caption, heads[:last], [row[:last] for row in rows])


def section(name: str, heading: str, *content: Markup) -> Markup:
    """A part of the page.

    Args:
        name: The id of its heading.
        heading: What it is about.
        content: What follows.
    """
    return Markup(
        f'<section aria-labelledby="{name}"><h2 id="{name}">{words(heading)}</h2>'
        f"{''.join(content)}</section>"
    )


def _shown(
    draw: Callable[[Report], Figure], report: Report, *, title: str, about: str, caption: str = ""
) -> Markup:
    """A figure and what is said of it."""
    svg = drawing(draw(report), name=draw.__name__.replace("_", "-"), title=title, about=about)
    if 'class="wide"' in svg:
        label = words(title)
        svg = Markup(
            f'<div class="scrolls" role="region" tabindex="0" aria-label="{label}">{svg}</div>'
        )
    below = f"<figcaption>{words(caption)}</figcaption>" if caption else ""
    return Markup(f"<figure>{svg}{below}</figure>")


def plane(report: Report) -> Markup:
    """Quality by cost."""
    best = report.best_single
    rows = [
        (each.name, decimal(each.quality), percent(each.share), costs(each.cost))
        for each in report.singles
    ]
    heads = ("model", "quality", "share of queries", _COST)
    numbers = fold("Numbers", _priced(report, "Models alone", heads, rows))
    about = f"Routing has a quality of {spread(report.quality)}"
    if report.cost is None:
        heading, caption = "Quality", "Costs are not known, so qualities stand alone."
    else:
        heading = "Quality and cost"
        about += f" at {costs(report.cost)} per 1,000 queries"
        caption = (
            "Up and to the left is better. Below the dashed line, sending queries to models at "
            "random does as well for the same cost."
        )
    about += f"; {best.name}, the best single model, {decimal(best.quality)}"
    about += "" if report.cost is None else f" at {costs(best.cost)}"
    figure = _shown(figures.cost_quality, report, title=heading, about=f"{about}.", caption=caption)
    return section("plane", heading, figure, numbers, _prices(report))


def _prices(report: Report) -> Markup:
    if report.curve is None:
        return Markup("")
    rows = [
        (
            _weight(each.cost_weight),
            decimal(each.quality),
            costs(each.cost),
            decimal(each.regret, 4),
            decimal(each.single_regret, 4),
        )
        for each in report.curve.points
    ]
    heads = ("score points a dollar is worth", "quality", _COST)
    return fold(
        "Routing at all prices",
        table(
            "The router's choices as a dollar weighs more and more; regret is what is lost against "
            "the best choice for each query, in score points",
            (*heads, "regret", "regret of the best single model"),
            rows,
        ),
    )


def _weight(value: float) -> str:
    if math.isnan(value):
        return UNKNOWN
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def references(report: Report) -> Markup:
    """What routing is compared with."""
    heading = "Routing beside its references"
    found = [each for each in report.references if math.isfinite(each.ahead.estimate)]
    rows = [
        (each.name, spread(each.ahead, sign=True), decimal(each.quality), costs(each.cost))
        for each in report.references
    ]
    level = percent(report.confidence)
    heads = ("reference", "routing is ahead by", "quality", _COST)
    caption = f"By how much routing is ahead, with {level} intervals"
    numbers = _priced(report, caption, heads, rows)
    if not found:
        return section("references", heading, numbers)
    figure = _shown(
        figures.advantages,
        report,
        title=heading,
        about="; ".join(f"{each.name}: {spread(each.ahead, sign=True)}" for each in found) + ".",
        caption=f"Lines are {level} intervals; right of zero, routing is better. References in "
        "hindsight look at the test scores, so that nobody could have had them.",
    )
    return section("references", heading, figure, fold("Numbers", numbers))


def tasks(report: Report) -> Markup:
    """Who is good at what."""
    models = [each.name for each in report.singles]
    heads = ("task", "queries", "routing", "best single", "oracle")
    rows = [
        (
            task.task or "(no task)",
            f"{task.n:,}",
            *(decimal(value) for value in (task.quality, task.single, task.oracle)),
            *(decimal(task.scores.get(name, math.nan)) for name in models),
            costs(task.cost),
        )
        for task in report.tasks
    ]
    ahead = sum(task.quality > task.single for task in report.tasks)
    behind = sum(task.quality < task.single for task in report.tasks)
    every = "1 task" if len(report.tasks) == 1 else f"{len(report.tasks):,} tasks"
    said = (
        f"Routing scores more than the best single model on {ahead:,} of {every}, less on "
        f"{behind:,}."
    )
    left = len(report.tasks) - LARGEST
    caption = (
        "Blue: better than the best single model; orange: worse; the full color is 0.15 away. "
        "Framed: the model that got most of the task's queries. In parentheses: queries."
    )
    if left > 0:
        caption += f" The {LARGEST} largest tasks; {left:,} more stand in the table."
    figure = _shown(
        figures.task_heatmap, report, title="Mean scores by task", about=said, caption=caption
    )
    numbers = fold(
        "Numbers", _priced(report, "Mean scores by task and model", (*heads, *models, _COST), rows)
    )
    return section("tasks", "By task", paragraph(said), figure, numbers)


def models(report: Report) -> Markup:
    """Who gets the queries."""
    shares = sorted(report.behavior.shares.items(), key=lambda each: -each[1])
    figure = _shown(
        figures.selection_shares,
        report,
        title="Share of the queries by model",
        about="; ".join(f"{name}: {percent(share)}" for name, share in shares if share) + ".",
    )
    said = (
        f"{percent(report.behavior.single_share)} of the queries go to the best single model; the "
        f"choices have {decimal(report.behavior.entropy, 2)} bits of entropy."
    )
    rows = [(name, percent(share, 1)) for name, share in shares]
    numbers = fold("Numbers", table("Shares of queries", ("model", "share"), rows))
    return section("models", "Who gets the queries", paragraph(said), figure, numbers)


def reliable(report: Report) -> Markup:
    """Whether expected scores can be believed."""
    heading, found = "Can expected scores be believed?", report.reliability
    if found is None:
        missing = "Expected scores are not known: only choices were evaluated."
        return section("reliability", heading, paragraph(missing, "about"))
    said = (
        f"On average, expected scores are {decimal(found.ece)} off (ECE); Brier score "
        f"{decimal(found.brier)}, ROC-AUC {decimal(found.roc_auc)}, Spearman's correlation over "
        f"models and queries {decimal(found.spearman, 2)}."
    )
    pairs = "; ".join(
        f"{decimal(each.expected, 2)}: {decimal(each.measured, 2)}" for each in found.bins
    )
    figure = _shown(
        figures.reliability,
        report,
        title="Measured by expected score",
        about=f"Expected and measured: {pairs}.",
        caption="On the dashed line, what was expected is what was measured.",
    )
    rows = [
        (decimal(each.expected), decimal(each.measured), f"{each.count:,}") for each in found.bins
    ]
    numbers = fold(
        "Numbers",
        table("Ten bins of cells", ("expected", "measured", "cells"), rows, texts=0),
    )
    return section("reliability", heading, paragraph(said), figure, numbers)


def by_similarity(report: Report) -> Markup:
    """Whether routing is worse where nothing similar was measured."""
    heading = "Regret by similarity"
    if not any(math.isfinite(each.low) for each in report.by_similarity):
        missing = "Similarities are not known: no router was evaluated."
        return section("similarity", heading, paragraph(missing, "about"))
    rows = [
        (
            f"{decimal(each.low)} to {decimal(each.high)}",
            f"{each.n:,}",
            decimal(each.regret),
            signed(each.ahead),
        )
        for each in report.by_similarity
    ]
    far = report.by_similarity[0]
    figure = _shown(
        figures.regret_by_similarity,
        report,
        title=heading,
        about=f"Where the nearest neighbor is least similar, {decimal(far.regret)} is lost and "
        f"{signed(far.ahead)} won.",
        caption="Each part holds as many queries, the least similar ones on the left.",
    )
    heads = (
        "similarity",
        "queries",
        "lost against the best of each query",
        "won over the best single",
    )
    numbers = fold("Numbers", table("Parts of the queries", heads, rows))
    return section("similarity", heading, figure, numbers)


def threshold(report: Report) -> Markup:
    """Two models and a threshold between them."""
    pair = report.pair
    if pair is None:
        return Markup("")
    needed = ", ".join(f"{percent(value)} for {part} %" for part, value in sorted(pair.cpt.items()))
    said = (
        f"{pair.strong} or {pair.weak}: APGR {decimal(pair.apgr)}, where chance has 0.5. Calls to "
        f"{pair.strong} that recover a part of the gap between the two: {needed}."
    )
    figure = _shown(
        figures.pair_curve,
        report,
        title=f"Quality by the share of calls to {pair.strong}",
        about=said,
        caption="Above the dashed line, the router knows which queries need the strong model.",
    )
    rows = [
        (percent(share), decimal(quality))
        for share, quality in zip(pair.shares, pair.quality, strict=True)
    ]
    numbers = fold(
        "Numbers", table("Quality by share", (f"calls to {pair.strong}", "quality"), rows)
    )
    return section("pair", "Two models", paragraph(said), figure, numbers)
