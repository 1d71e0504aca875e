"""An evaluation as lines and tables."""

from __future__ import annotations

import math

from knnrouter.evaluation import Report

from . import output

__all__ = ["show_report"]


def show_report(report: Report) -> None:
    """Show the verdict, what routing is compared with, the models, and the tasks."""
    output.show(output.one_line(str(report.verdict)), style="bold")
    output.show()
    _show_references(report)
    if report.against_mixture is not None:
        output.show(
            "Ahead of the best random mixture of single models at the same cost: "
            f"{report.against_mixture}"
        )
    if report.pair is not None:
        pair = report.pair
        points = ", ".join(f"CPT({percent} %) {cpt:.4f}" for percent, cpt in pair.cpt.items())
        output.show(
            output.one_line(
                f"{pair.strong} against {pair.weak}: APGR {pair.apgr:.4f}, PGR {pair.pgr:.4f}, "
                f"{points}"
            )
        )
    if report.curve is not None:
        curve = report.curve
        output.show(
            f"AIQ {curve.aiq:.4f}, of the single models {curve.aiq_of_singles:.4f}; saved at no "
            f"less quality: {_percent(curve.cost_save)}"
        )
    output.show()
    _show_models(report)
    if len(report.tasks) > 1:
        output.show()
        _show_tasks(report)
    for caution in report.cautions:
        output.show(f"{caution[0].upper()}{caution[1:]}.")
    for note in report.notes:
        if note not in report.outcomes.left_out:  # which a warning has told
            output.say(f"note: {output.one_line(note)}")


def _show_references(report: Report) -> None:
    numbers = ("mean score", "USD per 1,000", "routing is ahead by")
    made = output.table("choice", *numbers, right=numbers)
    cost = math.nan if report.cost is None else report.cost.estimate
    made.add_row("routing", str(report.quality), _per_thousand(cost), "")
    for each in report.references:
        made.add_row(each.name, f"{each.quality:.4f}", _per_thousand(each.cost), str(each.ahead))
    output.show_table(made)


def _show_models(report: Report) -> None:
    numbers = ("mean score", "USD per 1,000", "share")
    made = output.table("model", *numbers, right=numbers)
    for each in report.singles:
        made.add_row(
            output.one_line(each.name),
            f"{each.quality:.4f}",
            _per_thousand(each.cost),
            _percent(each.share),
        )
    output.show_table(made)


def _show_tasks(report: Report) -> None:
    numbers = ("queries", "routing", "best single", "best of each query")
    made = output.table("task", *numbers, right=numbers)
    for each in report.tasks:
        made.add_row(
            output.one_line(each.task or "–"),
            f"{each.n:,}",
            f"{each.quality:.4f}",
            f"{each.single:.4f}",
            f"{each.oracle:.4f}",
        )
    output.show_table(made)


def _per_thousand(cost: float) -> str:
    return output.number(1000 * cost, ".4f")


def _percent(part: float) -> str:
    return output.number(round(100 * part, 1) + 0.0, ".1f") + ("" if math.isnan(part) else " %")
