"""What the label "which model is best" is worth: ties, rows that tell nothing, order of columns."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .finding import Finding, percent
from .subject import Subject

__all__ = ["EQUAL", "ORDER", "TIED", "ZERO", "check_labels"]

TIED = 0.5
"""From this share on, most rows do not say which model is better."""

EQUAL = 0.1
"""From this share on, so many rows tell models apart not at all that means over all rows hide it:
a tenth of dead rows makes every difference between models look a tenth smaller."""

ZERO = 0.1
"""As `EQUAL`: a tenth of rows that no model solves caps what any router can reach at 0.9."""

ORDER = 0.1
"""From this share on, two runs that list the models in different orders train on labels that differ
by more than the few points which routers are compared by."""


def check_labels(subject: Subject) -> Iterator[Finding]:
    """Ties, over the rows on which at least two models were measured."""
    scores = subject.comparable
    if not len(scores):
        return
    best = np.nanmax(scores, axis=1)
    ways = (scores == best[:, None]).sum(axis=1)
    equal, zero = best == np.nanmin(scores, axis=1), best == 0.0
    yield from _tied(float((ways > 1).mean()))
    yield from _order(float((ways > 1).mean()), float((1.0 - 1.0 / ways).mean()))
    yield from _equal(float(equal.mean()))
    yield from _zero(float(zero.mean()))


def _tied(share: float) -> Iterator[Finding]:
    if share >= TIED:
        yield Finding(
            code="tied_best",
            value=share,
            why=(
                f"On {percent(share)} of the rows two or more models tie for the best score: "
                "these rows do not say which of them to choose, and accuracy of the label "
                '"best model" measures how ties were broken.'
            ),
            todo=(
                "Judge a router by the score of the model that it chose, not by whether it named "
                "the labeled one; let price decide among models that tie."
            ),
        )


def _order(share: float, shuffled: float) -> Iterator[Finding]:
    if share >= ORDER:
        yield Finding(
            code="order_sensitive_labels",
            value={"depend_on_order": share, "change_when_shuffled": shuffled},
            why=(
                f'The first best column is the label "best model" in many recipes: for '
                f"{percent(share)} of the rows it depends on the order of the columns, and "
                f"{percent(shuffled)} of the labels change, on average, when columns are shuffled."
            ),
            todo=(
                "Learn from scores, as this library does, not from one label a row; where a "
                "recipe needs a label, give ties to the cheapest model, and say so."
            ),
        )


def _equal(share: float) -> Iterator[Finding]:
    if share >= EQUAL:
        yield Finding(
            code="all_equal_rows",
            value=share,
            why=(
                f"On {percent(share)} of the rows all models that were measured score the same: "
                "whatever a router chooses there, its score is the same, so that all routers look "
                "alike."
            ),
            todo=(
                "Add queries on which models differ; count these rows when you say how large "
                "the data is, and keep them where price is to decide."
            ),
        )


def _zero(share: float) -> Iterator[Finding]:
    if share >= ZERO:
        yield Finding(
            code="all_zero_rows",
            value=share,
            why=(
                f"On {percent(share)} of the rows no model scores above 0: no router can score "
                f"above {1.0 - share:.3f}, and a failed run or a broken grader looks the same."
            ),
            todo=(
                "Read some of these rows: leave out what is broken, add a stronger model for "
                "what is hard."
            ),
        )
