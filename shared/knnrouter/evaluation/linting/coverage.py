"""What was measured at all: rows, cells, ids, scores that vary, prices."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from knnrouter.ingest.wording import counted

from .finding import Finding, listed, percent
from .subject import Subject

__all__ = ["BAND", "FEW", "check_cells", "check_prices", "check_rows", "check_spread"]

FEW = 200
"""Below so many rows the mean of right and wrong answers has an interval of 0.07 and more to each
side (1.96 standard errors of at most 0.5 / sqrt(n)), as wide as most differences between models."""

BAND = 0.1
"""Scores that all lie in so narrow a band cannot differ by more than that: a range was not mapped
onto [0, 1], or a grader gives everybody the same marks."""

_COPY = re.compile(r"(.+)#([2-9]|[1-9]\d+)")
"""How readers tell the second and later rows of one id apart."""


def check_rows(subject: Subject) -> Iterator[Finding]:
    """Few rows, one model, ids that repeat."""
    records = subject.records
    if len(records) < FEW:
        half = 1.96 * 0.5 / float(np.sqrt(len(records)))
        yield Finding(
            code="few_rows",
            value=len(records),
            why=(
                f"There are {len(records):,} rows, below {FEW}: neighbors are far off, and a mean "
                f"of right and wrong answers is known to within {half:.2f} at best."
            ),
            todo="Score more queries before you trust a comparison, or state its interval.",
        )
    if len(records.models) == 1:
        yield Finding(
            code="one_model",
            value=1,
            why=f"There is one model, {records.models[0]}: nothing is left to route.",
            todo="Add the scores of at least one more model on the same queries.",
        )
    yield from _repeated_ids(records.ids)


def _repeated_ids(ids: tuple[str, ...]) -> Iterator[Finding]:
    known = set(ids)
    matches = (_COPY.fullmatch(name) for name in ids)
    copies = [match[1] for match in matches if match and match[1] in known]
    if copies:
        yield Finding(
            code="repeated_ids",
            value=len(copies),
            why=(
                f"The id of an earlier row stands on {counted(len(copies), 'row')}, such as "
                f"{copies[0]}: "
                "joined by id, results would stand beside the wrong query, or count twice."
            ),
            todo="Look whether they are the same query; merge them, or give each its own id.",
        )


def check_cells(subject: Subject) -> Iterator[Finding]:
    """Cells without a score."""
    missing = np.isnan(subject.scores).mean(axis=0).tolist()
    if not any(missing):
        return
    shares = {
        model: share
        for model, share in zip(subject.records.models, missing, strict=True)
        if share > 0
    }
    worst = max(shares, key=lambda model: shares[model])
    cells = int(np.isnan(subject.scores).sum())
    yield Finding(
        code="missing_cells",
        value=shares,
        why=(
            f"Not measured: {counted(cells, 'score')} of {counted(len(shares), 'model')}, most of "
            f"{worst} ({percent(shares[worst])} of its rows). Means over different rows do not "
            "compare, "
            "and a tool that reads them as 0 calls the model bad."
        ),
        todo=(
            "Measure them, or find out why they are missing (refusals and timeouts are failures: "
            "score them 0); compare models on rows that all of them have."
        ),
    )


def check_spread(subject: Subject) -> Iterator[Finding]:
    """Models with one score throughout; scores within a narrow band."""
    low, high = _range(subject)
    constant = {
        model: float(low[column])
        for column, model in enumerate(subject.records.models)
        if low[column] == high[column] and (~np.isnan(subject.scores[:, column])).sum() > 1
    }
    if constant:
        yield Finding(
            code="constant_models",
            value=constant,
            why=(
                f"{listed(list(constant))} scored the same on every query: there is nothing to "
                "learn of where it is good, and a failed run or a wrong column looks like this."
            ),
            todo="Check the column and its grader; leave the model out if it was not really run.",
        )
    bottom, top = float(np.nanmin(low)), float(np.nanmax(high))
    if 0.0 < top - bottom < BAND:
        yield Finding(
            code="collapsed_scale",
            value={"low": bottom, "high": top},
            why=(
                f"All scores lie between {bottom:.3f} and {top:.3f}: differences between models "
                "are at most that small, and limits such as min_score mean nothing."
            ),
            todo="Give the scores' own range with scale=(low, high), on the command line --scale.",
        )


def _range(subject: Subject) -> tuple[np.ndarray, np.ndarray]:
    """The least and the greatest score of each model, shape (m,); NaN where never measured."""
    unknown = np.isnan(subject.scores)
    low = np.where(unknown, np.inf, subject.scores).min(axis=0)
    high = np.where(unknown, -np.inf, subject.scores).max(axis=0)
    return np.where(low > high, np.nan, low), np.where(low > high, np.nan, high)


def check_prices(subject: Subject) -> Iterator[Finding]:
    """Models of which neither a cost nor a price is known."""
    unpriced = _unpriced(subject)
    if unpriced:
        yield Finding(
            code="unpriced_models",
            value=len(unpriced),
            why=(
                f"No cost and no price is known of {listed(unpriced)}: policies that weigh costs "
                "refuse them, and nobody can say what routing saves."
            ),
            todo=(
                "Add measured costs (columns <model>|cost), or a price and expected_output_tokens "
                "for each in pool.yaml, and lint with --pool."
            ),
        )


def _unpriced(subject: Subject) -> list[str]:
    records, pool = subject.records, subject.pool
    measured = np.asarray((~np.isnan(records.costs)).any(axis=0))
    priced = {
        model
        for model, known in zip(records.models, measured.tolist(), strict=True)
        if known or model in records.prices
    }
    if pool is None:
        return [model for model in records.models if model not in priced]
    columns = pool.columns(records.models).columns
    return [
        spec.name
        for spec, column in zip(pool.models, columns, strict=True)
        if spec.enabled
        and spec.price is None
        and (column is None or records.models[column] not in priced)
    ]
