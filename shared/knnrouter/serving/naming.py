"""The names under which models and chains are given, against those of the pool."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from knnrouter.errors import UnknownModelError
from knnrouter.pool import ModelPool

__all__ = ["by_pool_name"]

T = TypeVar("T")


def by_pool_name(pool: ModelPool, given: Mapping[str, T], *, what: str) -> dict[str, T]:
    """What was given for each enabled model of the pool, by its name there.

    Args:
        pool: The pool.
        given: By names or aliases of the pool.
        what: What to call the mapping in errors.

    Returns:
        The same, by names, in the order of the pool.

    Raises:
        UnknownModelError: A name is not in the pool, two mean one model, or an enabled model has
            nothing; all of it is told.

    Example:
        >>> from knnrouter import ModelPool, ModelSpec
        >>> pool = ModelPool(models=[ModelSpec(name="small", aliases=["s"])])
        >>> by_pool_name(pool, {"s": 7}, what="models")
        {'small': 7}
    """
    found: dict[str, T] = {}
    problems: list[str] = []
    for key, value in given.items():
        try:
            name = pool.spec(key).name
        except UnknownModelError as error:
            problems.append(f"{what}[{key!r}]: {error}")
            continue
        if name in found:
            problems.append(f"{what}[{key!r}] is {name} again; give each model once")
        found[name] = value
    missing = [name for name in pool.enabled_names if name not in found]
    if missing:
        problems.append(
            f"{what} has nothing for {', '.join(missing)}, which the pool may choose; add it, or "
            "leave the model out of the pool (`enabled: false`)"
        )
    if problems:
        raise UnknownModelError("; ".join(problems))
    return {name: found[name] for name in pool.names if name in found}
