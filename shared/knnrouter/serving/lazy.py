"""A value that is made when it is first asked for, once, whoever asks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar, overload

from knnrouter.embedders import Embedder
from knnrouter.pool import ModelPool
from knnrouter.router import Router

__all__ = ["Lazy", "LazyRouter", "loaded"]

T = TypeVar("T")


class Lazy(Generic[T]):
    """Makes a value at the first `get`, under a lock, and keeps it.

    A failure is not kept: the next `get` tries again. The value stands in no `repr`.

    Example:
        >>> made = []
        >>> lazy = Lazy(lambda: made.append("once") or 7)
        >>> made, lazy.get(), lazy.get(), made
        (['once'], 7, 7, ['once'])
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made: tuple[T] | None = None

    def get(self) -> T:
        """The value."""
        made = self._made
        if made is None:
            with self._lock:
                made = self._made
                if made is None:
                    made = self._made = (self._make(),)
        return made[0]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({'not made yet' if self._made is None else 'made'})"


class LazyRouter(Lazy[Router]):
    """The router of a pool.yaml: the pool is read at once, the saved folder when it is needed.

    Args:
        path: The pool.yaml; it must state `router.index`.
        embedder: As for `Router.load`.

    Raises:
        PoolError: The file cannot be used, or names no index.
    """

    pool: ModelPool

    def __init__(self, path: str | Path, *, embedder: str | Embedder | None = None) -> None:
        self.pool = ModelPool.from_yaml(path)
        folder = self.pool.stated_index_path()
        super().__init__(lambda: Router.load(folder, pool=self.pool, embedder=embedder))


@overload
def loaded(thing: Lazy[T]) -> T: ...


@overload
def loaded(thing: T) -> T: ...


def loaded(thing: object) -> object:
    """The value of a lazy one; anything else as it is.

    Example:
        >>> loaded(Lazy(lambda: 7)), loaded(8)
        (7, 8)
    """
    return thing.get() if isinstance(thing, Lazy) else thing
