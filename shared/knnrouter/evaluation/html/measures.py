"""All measures as numbers, what was left out, and how all of it was computed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from knnrouter.evaluation.figures.amounts import decimal, percent, signed
from knnrouter.evaluation.verdicts import MARGIN

from .elements import Markup, fold, table, told, words
from .sections import section

if TYPE_CHECKING:
    from knnrouter.evaluation.report import Report

__all__ = ["all_measures", "method", "notes"]


def all_measures(report: Report) -> Markup:
    """Every other figure of the report."""
    measures = table(
        "Quality in relation to references, and how the router chooses",
        ("measure", "value", "what it is"),
        [(name, value, about) for name, value, about in _measures(report)],
        name="measures",
    )
    recall = table(
        "Queries that just so many models solve, and how often the chosen model is one of them",
        ("models that solve it", "queries", "chosen model does"),
        [
            (f"{each.solvers:,}", f"{each.queries:,}", percent(each.recall))
            for each in report.behavior.recall
        ],
    )
    content = [fold("Measures", measures)]
    if report.behavior.recall:
        content.append(fold("By how many models solve a query", recall))
    return section("measures", "All measures", *content)


def _measures(report: Report) -> Iterator[tuple[str, str, str]]:
    found = report.ratios
    yield "Macro quality", decimal(report.macro_quality), "mean over tasks of the mean score"
    yield "Ratio to best", decimal(found.ratio_to_best), "quality over each task's best model's"
    yield "Gain at best", signed(found.gain_at_best), "quality over the best single's, less 1"
    yield "Gain at random", signed(found.gain_at_random), "quality over a random model's, less 1"
    yield "Gap at oracle", decimal(found.gap_at_oracle), "1 less quality over the oracle's, by task"
    yield (
        "Oracle gap closed",
        decimal(found.oracle_gap_closed),
        "part of the way from the best single model to the query oracle",
    )
    yield "RouterArena score", decimal(found.arena_score), "of quality and cost"
    yield (
        "Optimal selection",
        percent(found.optimal_selection, 1),
        "the cheapest right model chosen",
    )
    yield "Optimal cost", decimal(found.optimal_cost), "cost of the cheapest right models over paid"
    yield "Optimal accuracy", decimal(found.optimal_accuracy), "quality over the query oracle's"
    yield "Average rank", decimal(report.behavior.average_rank, 2), "of the chosen model; 1 is best"
    yield "Entropy", f"{decimal(report.behavior.entropy, 2)} bits", "of the shares of queries"
    if report.curve is not None:
        curve = report.curve
        yield "AIQ", decimal(curve.aiq), "of the router's hull, over the range of the models' costs"
        yield "AIQ of single models", decimal(curve.aiq_of_singles), "the same of the Zero router"
        yield (
            "Cost saved",
            percent(curve.cost_save),
            "at no less quality than the best single model",
        )
    if report.pair is not None:
        yield "PGR", decimal(report.pair.pgr), "performance gap recovered by the choices"
        yield "APGR", decimal(report.pair.apgr), "its average over all shares of strong calls"
    if report.overhead is not None:
        spent = report.overhead
        about = f"median of a decision; 95 % within {decimal(spent.p95, 2)} ms"
        yield "Overhead", f"{decimal(spent.p50, 2)} ms", about
    if report.reliability is not None:
        yield "Log loss", decimal(report.reliability.log_loss), "of expected scores, in nats"
        yield "Pearson", decimal(report.reliability.pearson), "expected and measured scores"
        yield "Pearson by task", decimal(report.reliability.task_pearson), "of means over models"
        yield "Spearman by task", decimal(report.reliability.task_spearman), "of their ranks"


def notes(report: Report) -> Markup:
    """What the reader should know."""
    if not report.notes:
        return Markup("")
    items = "".join(f"<li>{told(note)}</li>" for note in report.notes)
    return section("notes", "Notes", Markup(f"<ul>{items}</ul>"))


def method(report: Report, *, date: str | None) -> Markup:
    """How all of it was computed."""
    facts = "".join(
        f"<dt>{words(name)}</dt><dd>{told(value)}</dd>" for name, value in _facts(report)
    )
    when = f"<dt>Date</dt><dd>{told(date)}</dd>" if date else ""
    return section(
        "method",
        "How this was computed",
        Markup(f'<dl class="facts">{facts}{when}</dl>'),
    )


def _facts(report: Report) -> Iterator[tuple[str, str]]:
    from knnrouter import __version__

    level = percent(report.confidence)
    drawn = "whole groups of queries are" if report.clustered else "each query is"
    where = (
        "what taught the router" if report.basis == "train" else "these very queries, in hindsight"
    )
    better = f"the {level} interval of the difference to the best single model lies above 0"
    if report.cost is None:
        rule = f"Routing pays if {better}. Costs are not known."
    else:
        less = signed(-MARGIN, 2)
        rule = f"Routing pays if {better} at no more cost, or above {less} at lower cost."
    yield "Verdict", rule
    yield (
        "Intervals",
        f"{level}, by paired bootstrap: {drawn} drawn again with replacement, "
        f"{report.draws:,} times, from seed {report.seed}",
    )
    yield "Best single model", f"{report.best_single.name}, chosen on {where}"
    yield "Quality", "mean measured score over the queries, between 0 and 1"
    yield "Version", f"knnrouter {__version__}"
