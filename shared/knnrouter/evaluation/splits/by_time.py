"""A split by time: learn from the past, test on what came after."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

import numpy as np

from knnrouter.errors import EvaluationError
from knnrouter.evaluation.near import NEAR
from knnrouter.records import RecordSet

from .base import Split
from .kin import Near, kinship

__all__ = ["temporal"]

_FORM = re.compile(r"(\d{4}-\d\d-\d\d|\d{8}|\d{4}-?W\d\d(-?\d)?)([T ]\d\d.*)?", re.IGNORECASE)
"""A date, and a time after T or a blank. A bare number, such as seconds since 1970, is none."""


def temporal(
    records: RecordSet,
    share: float | None = None,
    *,
    at: str | datetime | None = None,
    near: Near = None,
    at_least: float = NEAR,
) -> Split:
    """Learn from rows strictly before a moment, test on all others.

    Rows of one moment stay together. A row that belongs with a tested one is not learnt from,
    although it is older.

    Args:
        records: `n` rows with timestamps in ISO 8601: all with a time zone, or all without.
        share: Which share of the rows is tested, the newest ones, as nearly as it can be; in
            (0, 1). 0.2 where neither is given.
        at: The moment itself, instead of a share.
        near: Finds near-duplicates; see `kinship`.
        at_least: From which cosine on two rows are near-duplicates.

    Raises:
        EvaluationError: Rows have no timestamp or none in ISO 8601, only some have a time zone,
            both `share` and `at` are given, or one of the sides is left without a row.

    Example:
        >>> times = ("2026-03-02T08:30Z", "2026-03-02T09:00+02:00")
        >>> rows = [{"query": time, "timestamp": time, "small": 1} for time in times]
        >>> split = temporal(RecordSet.from_rows(rows), 0.5)
        >>> split.train.tolist(), split.test.tolist()  # nine in Helsinki is seven in Greenwich
        ([1], [0])
    """
    if share is not None and at is not None:
        raise EvaluationError(f"share is {share!r} and at is {at!r}; give one of the two")
    times = _times(records)
    cut = _newest(times, 0.2 if share is None else share) if at is None else _moment(at, times)
    late = np.array([time >= cut for time in times], dtype=bool)
    kin = kinship(records, near=near, at_least=at_least)
    split = Split(np.flatnonzero(~np.isin(kin, kin[late])), np.flatnonzero(late))
    if not (split.train.size and split.test.size):
        older = len(times) - len(split.test)
        raise EvaluationError(
            f"{older} of {len(times)} rows are older than {cut.isoformat()}, and "
            f"{len(split.train)} of them belong with no newer one; to learn and to test takes one "
            f"row each at least: rows are from {min(times).isoformat()} to "
            f"{max(times).isoformat()}, give another moment or more records"
        )
    return split


def _newest(times: Sequence[datetime], share: float) -> datetime:
    """The moment from which on the rows are as nearly this share of all as can be."""
    if not 0.0 < share < 1.0:
        raise EvaluationError(f"share is {share!r}; give a share above 0 and below 1, such as 0.2")
    rows_of = sorted(Counter(times).items())
    if len(rows_of) < 2:
        raise EvaluationError(
            f"all {len(times)} rows are of {times[0].isoformat()}, so none is older than another; "
            "give records of two moments or more, or use k_fold"
        )
    older = np.cumsum([rows for _, rows in rows_of])[:-1]
    nearest = int(np.abs(len(times) - older - share * len(times)).argmin())
    return rows_of[nearest + 1][0]


def _times(records: RecordSet) -> list[datetime]:
    """When each row was measured; an error that names the rows of which that cannot be said."""
    stamps = records.timestamps or (None,) * len(records)
    read = [None if stamp is None else _read(stamp) for stamp in stamps]
    pairs = list(zip(records.ids, stamps, read, strict=True))
    without = [name for name, stamp, _ in pairs if stamp is None]
    unread = [f"{name} ({stamp!r})" for name, stamp, time in pairs if stamp and time is None]
    zoned = [name for name, _, time in pairs if time is not None and time.tzinfo]
    bare = [name for name, _, time in pairs if time is not None and not time.tzinfo]
    wrong = []
    if without:
        wrong.append(
            f"{_named(without, len(pairs))} have no timestamp; leave them out, or use k_fold"
        )
    if unread:
        wrong.append(
            f"{_named(unread, len(pairs))} have a timestamp that is not ISO 8601; write it as "
            "2026-03-02T09:00:00+02:00, or as 2026-03-02"
        )
    if zoned and bare:
        wrong.append(
            f"{_named(bare, len(pairs))} state no time zone, and others do, such as {zoned[0]}; "
            "state it everywhere, Z for Greenwich, or nowhere"
        )
    if wrong or not pairs:
        raise EvaluationError(wrong or "there are no records, so nothing to part; give some")
    return [time for time in read if time is not None]


def _read(stamp: str) -> datetime | None:
    """The moment; None where this is no timestamp."""
    if not _FORM.fullmatch(stamp.strip()):
        return None
    try:
        return datetime.fromisoformat(stamp.strip().upper())
    except ValueError:
        return None


def _moment(at: str | datetime, times: Sequence[datetime]) -> datetime:
    moment = at if isinstance(at, datetime) else _read(str(at))
    if moment is None:
        raise EvaluationError(
            f"at is {at!r}, which is not ISO 8601; give a moment such as 2026-03-02T09:00:00+02:00"
        )
    if (moment.tzinfo is None) != (times[0].tzinfo is None):
        has, have = ("no", "do") if moment.tzinfo is None else ("a", "do not")
        raise EvaluationError(
            f"at is {moment.isoformat()}, with {has} time zone, and the timestamps of the records "
            f"{have} state theirs; give a moment as they are given"
        )
    return moment


def _named(rows: Sequence[str], count: int) -> str:
    more = ", ..." if len(rows) > 5 else ""
    return f"{len(rows)} of {count} rows ({', '.join(rows[:5])}{more})"
