"""Which column of the evidence belongs to which model of the pool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from knnrouter.errors import PoolError

if TYPE_CHECKING:
    from knnrouter.pool.spec import ModelSpec

__all__ = ["PoolColumns", "match_columns"]


@dataclass(frozen=True, kw_only=True, slots=True)
class PoolColumns:
    """The models of a pool beside the columns of a RecordSet."""

    columns: tuple[int | None, ...]
    """For each model of the pool, in its order, the number of its column in the records; None for
    a model without records, whose estimates are NaN."""
    without_records: tuple[str, ...]
    """The models of the pool without a column, enabled or not; never chosen by vote."""
    not_in_pool: tuple[str, ...]
    """The models of the records that the pool does not name; kept, and never chosen."""


def match_columns(specs: Sequence[ModelSpec], models: Sequence[str]) -> PoolColumns:
    """Find each model's column: the one called by its name, its `model` or an alias.

    Args:
        specs: The models of the pool.
        models: The models of the records, unique, in the order of their columns.

    Returns:
        The columns, and what has no partner on either side.

    Raises:
        PoolError: A pool model matches two columns, or two pool models match one; all such cases.

    Example:
        >>> from knnrouter.pool import ModelSpec
        >>> specs = [ModelSpec(name="small", aliases=["gpt-5-mini"]), ModelSpec(name="new")]
        >>> match_columns(specs, ["gpt-5", "gpt-5-mini"])
        PoolColumns(columns=(1, None), without_records=('new',), not_in_pool=('gpt-5',))
    """
    places = {name: column for column, name in enumerate(models)}
    matches = [_matches(spec, places) for spec in specs]
    problems = [*_two_columns(specs, matches), *_two_models(specs, matches)]
    if problems:
        raise PoolError(problems)
    columns = tuple(next((places[name] for name in names), None) for names in matches)
    return PoolColumns(
        columns=columns,
        without_records=tuple(
            spec.name for spec, column in zip(specs, columns, strict=True) if column is None
        ),
        not_in_pool=tuple(name for name, column in places.items() if column not in columns),
    )


def _matches(spec: ModelSpec, places: Mapping[str, int]) -> list[str]:
    """The columns that a model's names name, each once."""
    names = dict.fromkeys((spec.name, spec.model, *spec.aliases))
    return [name for name in names if name in places]


def _two_columns(specs: Sequence[ModelSpec], matches: list[list[str]]) -> list[str]:
    return [
        f"the pool's model {spec.name!r} matches {len(names)} columns of the records, "
        f"{' and '.join(map(repr, names))}, by its name, its `model` and its aliases; a model has "
        "one column: remove the alias that is not its own, or merge the columns"
        for spec, names in zip(specs, matches, strict=True)
        if len(names) > 1
    ]


def _two_models(specs: Sequence[ModelSpec], matches: list[list[str]]) -> list[str]:
    claims: dict[str, list[str]] = {}
    for spec, names in zip(specs, matches, strict=True):
        for name in names:
            claims.setdefault(name, []).append(spec.name)
    return [
        f"the column {column!r} of the records is claimed by {len(names)} models of the pool, "
        f"{' and '.join(map(repr, names))}; a column belongs to one model: keep it in the name, "
        "the `model` or the aliases of one of them"
        for column, names in claims.items()
        if len(names) > 1
    ]
