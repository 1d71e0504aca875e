"""An explanation as tables."""

from __future__ import annotations

import math

from knnrouter import Decision
from knnrouter.explain import Explanation, Flip

from . import output

__all__ = ["show_explanation"]


def show_explanation(explanation: Explanation, *, neighbors: int) -> None:
    """Show the models, the margin, what would flip the decision, and the nearest neighbors."""
    decision = explanation.decision
    output.show(output.one_line(str(decision)), style="bold")
    output.show()
    _show_models(decision)
    for note in decision.notes:
        output.show(f"note: {output.one_line(note)}")
    if not math.isnan(explanation.margin):
        output.show(f"It leads {explanation.runner_up} by {explanation.margin:.4f}.")
    _show_flips(explanation.flips)
    if decision.neighbors and neighbors:
        output.show()
        _show_neighbors(decision, neighbors)


def _show_models(decision: Decision) -> None:
    made = output.table(
        "#", "model", "score", "±", "USD", "support", right=("#", "score", "±", "USD", "support")
    )
    for rank, name in enumerate(decision.ranking, start=1):
        made.add_row(
            str(rank),
            output.one_line(name),
            output.number(decision.scores[name]),
            output.number(decision.stderr[name]),
            output.usd(decision.costs[name]),
            output.number(decision.support[name], ".1f"),
        )
    output.show_table(made)


def _show_flips(flips: tuple[Flip, ...]) -> None:
    if flips:
        output.show("What would flip it, all else as it is:")
    for flip in flips:
        output.show(output.one_line(str(flip)), indent=2)


def _show_neighbors(decision: Decision, most: int) -> None:
    """What each model, by its rank, scored on the benchmark queries that are nearest."""
    shown = decision.neighbors[:most]
    ranks = [str(rank) for rank in range(1, len(decision.ranking) + 1)]
    output.show(
        f"The nearest {len(shown)} of {len(decision.neighbors)} benchmark queries found, and "
        "what the models of the table scored on them, in percent:"
    )
    made = output.table("cosine", "task", "id", *ranks, right=("cosine", *ranks), dense=True)
    for near in shown:
        made.add_row(
            f"{near.similarity:.3f}",
            output.one_line(near.task or "–"),
            output.one_line(near.id),
            *(
                output.number(100 * near.scores.get(name, math.nan), "3.0f")
                for name in decision.ranking
            ),
        )
    output.show_table(made)
