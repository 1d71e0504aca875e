"""A pool.yaml against itself, and against a saved router: all errors and warnings at once."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from knnrouter import ModelPool, RecordSet, store
from knnrouter.decision import as_json
from knnrouter.errors import KnnRouterError, PoolWarning, StoreError
from knnrouter.lineup import Lineup
from knnrouter.making import check_estimator, stated_estimator
from knnrouter.pool.reading import validate_pool

__all__ = ["PoolCheck", "check_pool"]


@dataclass(frozen=True, kw_only=True)
class PoolCheck:
    """What is to say about a pool.yaml."""

    pool: str
    """The path, as given."""
    errors: tuple[str, ...] = ()
    """What makes it unusable, a sentence each, with line and column where there is one."""
    warnings: tuple[str, ...] = ()
    """What is allowed, and perhaps not meant."""
    models: tuple[str, ...] = ()
    """The names of its models, enabled or not."""
    router: str | None = None
    """The saved router that it was compared with; None where there is none."""
    without_records: tuple[str, ...] = ()
    """Its models that the saved router has no records of."""
    not_in_pool: tuple[str, ...] = ()
    """The models of the saved router that it does not name."""

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values for JSON, and whether the pool can be used, as `ok`."""
        return {"ok": not self.errors, **as_json(self)}


def check_pool(path: Path, router: Path | None) -> PoolCheck:
    """Check a pool, and compare it with a saved router: the one given, else the one that it names.

    Raises:
        StoreError: The saved router that is given cannot be used. One that the pool names, and
            that cannot be used, is a warning.
    """
    found = validate_pool(path)
    if found.pool is None:
        return PoolCheck(pool=str(path), errors=found.errors)
    pool = found.pool
    check = PoolCheck(pool=str(path), models=pool.names, warnings=found.warnings)
    check = _with_errors(check, lambda: stated_estimator(pool))
    folder = router or pool.index_path
    if folder is None:
        return _with_policy(check, pool, _any_records(pool))
    try:
        saved = store.load(folder, verify="fast")
    except StoreError as error:
        if router is not None:
            raise
        check = replace(check, warnings=(*check.warnings, f"{path}: router.index: {error}"))
        return _with_policy(check, pool, _any_records(pool))
    if not check.errors:
        check = _with_errors(check, lambda: check_estimator(saved.settings, pool, folder))
    return _compared(replace(check, router=str(folder)), pool, saved.records)


def _compared(check: PoolCheck, pool: ModelPool, records: RecordSet) -> PoolCheck:
    check = _with_policy(check, pool, records)
    if check.errors:
        return check
    columns = pool.columns(records.models)
    check = replace(check, without_records=columns.without_records, not_in_pool=columns.not_in_pool)
    unmeasured = [name for name in columns.without_records if name in pool.enabled_names]
    if unmeasured:
        warning = (
            f"{check.pool}: {len(unmeasured)} model(s) without records in {check.router}: "
            f"{', '.join(unmeasured)}; no vote will choose them: add records, an alias under which "
            "they were measured, or `enabled: false`"
        )
        check = replace(check, warnings=(*check.warnings, warning))
    return check


def _with_policy(check: PoolCheck, pool: ModelPool, records: RecordSet) -> PoolCheck:
    """Whether a router of these records takes the pool, with its policy and its columns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PoolWarning)  # they are told in words of our own
        return _with_errors(check, lambda: Lineup.of(records, pool))


def _with_errors(check: PoolCheck, trial: Callable[[], object]) -> PoolCheck:
    """The check with what a trial finds wrong."""
    try:
        trial()
    except KnnRouterError as error:
        problems = getattr(error, "problems", (str(error),))
        found = tuple(f"{check.pool}: {text}" for text in problems)
        return replace(check, errors=(*check.errors, *found))
    return check


def _any_records(pool: ModelPool) -> RecordSet:
    """Records that measure every model of a pool, for want of others."""
    return RecordSet(
        ids=("any",), models=pool.names, scores=np.zeros((1, len(pool.names)), np.float32)
    )
