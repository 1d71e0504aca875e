"""Traps in benchmark files, found before a router learns from them; a module for each kind.

Each check looks at the records and gives findings, or nothing. Their thresholds are named, with
their reasons, in its module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from knnrouter.embedders import Embedder, resolve
from knnrouter.errors import EvaluationError
from knnrouter.pool import ModelPool
from knnrouter.records import RecordSet

from .boilerplate import check_boilerplate
from .chance import check_chance
from .contamination import check_contamination
from .coverage import check_cells, check_prices, check_rows, check_spread
from .dominance import check_dominance
from .duplicates import check_duplicates, check_leakage
from .finding import Finding, LintReport
from .labels import check_labels
from .locality import check_locality
from .subject import Subject

__all__ = ["Finding", "LintReport", "lint"]

_Check = Callable[[Subject], Iterator[Finding]]

_CHECKS: tuple[_Check, ...] = (
    check_rows,
    check_spread,
    check_cells,
    check_prices,
    check_labels,
    check_dominance,
    check_duplicates,
    check_boilerplate,
    check_chance,
    check_locality,
    check_leakage,
    check_contamination,
)


def lint(
    records: RecordSet,
    other: RecordSet | None = None,
    *,
    pool: ModelPool | None = None,
    embedder: str | Embedder = "static",
    seed: int = 0,
) -> LintReport:
    """Look for what makes a router, or a figure about one, worse than it seems.

    Rows count alike, whatever their weights.

    Args:
        records: What a router is to learn from.
        other: What it is to be tested on: then leaks between the two, and scores that only hold on
            the first, are looked for as well.
        pool: The models that may answer, with their prices.
        embedder: Says which queries are near; `"static"` or an `Embedder`.
        seed: Where the shuffles of the control for locality come from.

    Returns:
        What was found; no findings for clean records.

    Raises:
        EvaluationError: One of the record sets has no row.
        EmbedderError: The embedder is unknown, or broke its protocol.
        PoolError: A model of the pool has several columns, or a column several models.

    Example:
        >>> rows = [{"query": f"{n} + {n}?", "small": 1, "large": 1} for n in range(5)]
        >>> lint(RecordSet.from_rows(rows)).codes[:3]
        ('few_rows', 'constant_models', 'unpriced_models')
    """
    empty = [name for name, each in (("records", records), ("other", other)) if _is_empty(each)]
    if empty:
        raise EvaluationError(
            f"{' and '.join(empty)}: 0 rows, and lint looks at rows; give records with at least one"
        )
    subject = Subject(
        records=records, other=other, pool=pool, embedder=resolve(embedder), seed=seed
    )
    findings = tuple(finding for check in _CHECKS for finding in check(subject))
    return LintReport(findings=findings, rows=len(records), skipped=tuple(_skipped(subject)))


def _is_empty(records: RecordSet | None) -> bool:
    return records is not None and not len(records)


def _skipped(subject: Subject) -> Iterator[str]:
    bare = len(subject.records) - len(subject.texts)
    if bare:
        yield (
            f"{bare:,} of {len(subject.records):,} rows keep no text: duplicates, boilerplate and "
            "multiple choice were looked for in the others only"
        )
    if subject.other is not None and subject.records.embedder != subject.other.embedder:
        yield (
            "the two record sets do not hold vectors of one embedder, so nearly equal queries "
            "were not looked for between them"
        )
