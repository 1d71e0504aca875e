"""Queries that are there twice: within the file, or in the file to test on as well."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from knnrouter.evaluation.near import NEAR, nearest_in
from knnrouter.ingest.wording import counted
from knnrouter.records import RecordSet
from knnrouter.records.sets import group_by_text

from .finding import Finding, percent
from .subject import Subject, vectors_of

__all__ = ["NEAR_SHARE", "check_duplicates", "check_leakage"]

NEAR_SHARE = 0.01
"""From this share of rows with a near twin on, a random split tells more than one point of what it
measures from what it has seen, as much as the margin that routers are judged by."""


def check_duplicates(subject: Subject) -> Iterator[Finding]:
    """The same text, and nearly the same text, in two rows of one file."""
    first, group = group_by_text(subject.records.queries)
    again = len(group) - len(first)
    if again:
        yield Finding(
            code="duplicate_queries",
            value=again,
            why=(
                f"The text of an earlier row stands on {counted(again, 'row')} "
                f"({percent(again / len(group))} of all): split at random, a test would ask what "
                "was learned by heart, and the text votes several times."
            ),
            todo=(
                "Merge them with drop_duplicates(), or split with k_fold, which keeps them on one "
                "side."
            ),
        )
        yield from _conflicts(subject.records, group)
    yield from _near(subject)


def _conflicts(records: RecordSet, group: np.ndarray) -> Iterator[Finding]:
    """Texts with two measured scores of one model that differ."""
    shape = (int(group.max()) + 1, len(records.models))
    unknown = np.isnan(records.scores)
    low, high = np.full(shape, np.inf), np.full(shape, -np.inf)
    np.minimum.at(low, group, np.where(unknown, np.inf, records.scores))
    np.maximum.at(high, group, np.where(unknown, -np.inf, records.scores))
    count = int((low < high).any(axis=1).sum())
    if count:
        yield Finding(
            code="conflicting_duplicates",
            value=count,
            why=(
                f"For {counted(count, 'text')} that the file repeats, a model has different "
                "scores: graders or answers vary, and so does what one score is worth; or two "
                "questions differ in a part that the file left out, such as a picture or options."
            ),
            todo=(
                "If it is the same question, merge the rows: their mean is the better score; if "
                "not, put the missing part into the text."
            ),
        )


def _near(subject: Subject) -> Iterator[Finding]:
    if len(subject.placed) < 2:
        return
    close = (subject.neighbors.similarities >= NEAR) & subject.of_another_text
    share = float(close.any(axis=1).mean())
    if share >= NEAR_SHARE:
        yield Finding(
            code="near_duplicate_queries",
            value=share,
            why=(
                f"{percent(share)} of the rows have a near twin, another text with a cosine of "
                f"{NEAR} or more: split at random, a test finds its own questions in the evidence, "
                "and looks better than live traffic will."
            ),
            todo=(
                "Split with k_fold and near=embedder, or name the rows that belong together in a "
                "column `group`; where a template makes them alike, cut it from the prompts."
            ),
        )


def check_leakage(subject: Subject) -> Iterator[Finding]:
    """Rows of the validation file whose text, or nearly so, is in the file to learn from."""
    other = subject.other
    if other is None or not len(other):
        return
    known = set(subject.texts)
    exact = np.array([query is not None and query in known for query in other.queries])
    if exact.any():
        yield _leak("leaked_queries", exact, len(other), "have their very text in the first file")
    if not len(subject.placed) or not _comparable(subject.records, other):
        return
    left = [query for query in other.queries if query is not None and query not in known]
    asked = vectors_of(left, subject.embedder) if other.vectors is None else other.vectors
    if not len(asked):
        return
    near = nearest_in(asked, subject.vectors).similarities >= NEAR
    if near.any():
        what = f"have a near twin (cosine {NEAR} or more, another text) in the first file"
        yield _leak("near_leaked_queries", near, len(other), what)


def _comparable(records: RecordSet, other: RecordSet) -> bool:
    """Whether vectors of the two come from one embedder."""
    return records.embedder == other.embedder


def _leak(code: str, found: np.ndarray, rows: int, what: str) -> Finding:
    count = int(found.sum())
    return Finding(
        code=code,
        value={"rows": count, "share": count / rows},
        why=(
            f"{count:,} of the {rows:,} rows of the second file ({percent(count / rows)}) {what}: "
            "tested on them, a router recalls what it should predict."
        ),
        todo="Leave these rows out of the test, or out of what the router learns from.",
    )
