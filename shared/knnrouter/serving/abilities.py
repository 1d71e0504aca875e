"""What the models of a pool can do, where the pool leaves it open."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from knnrouter.pool import ModelPool, ModelSpec

__all__ = ["completed"]


def completed(
    pool: ModelPool,
    *,
    capabilities: Callable[[ModelSpec], Iterable[str]],
    context_window: Callable[[ModelSpec], int | None],
) -> ModelPool:
    """The pool, with what it leaves open filled in.

    Where any model of the pool lists capabilities, the lists hold: not listed is not had.

    Args:
        pool: The pool.
        capabilities: Tells what a model has; asked where no model of the pool lists any.
        context_window: Tells the window of a model, in tokens; asked where the pool states none.

    Returns:
        A pool of the same models.

    Example:
        >>> pool = ModelPool(models=[ModelSpec(name="small")])
        >>> made = completed(
        ...     pool, capabilities=lambda spec: ["tools"], context_window=lambda spec: 8000
        ... )
        >>> made.spec("small").capabilities, made.spec("small").context_window
        (('tools',), 8000)
    """
    listed = any("capabilities" in spec.model_fields_set for spec in pool.models)
    specs = []
    for spec in pool.models:
        update: dict[str, Any] = {}
        if not listed:
            update["capabilities"] = tuple(capabilities(spec))
        if spec.context_window is None and (window := context_window(spec)) is not None:
            update["context_window"] = window
        specs.append(spec.model_copy(update=update))
    made = ModelPool(version=pool.version, router=pool.router, models=specs)
    return made if pool.path is None else made.at(pool.path)
