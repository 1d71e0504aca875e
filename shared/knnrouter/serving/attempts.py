"""Asking the chosen model, and the next in the ranking where it fails."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from knnrouter.errors import KnnRouterError

__all__ = ["Answer", "Attempts", "Failure"]

logger = logging.getLogger(__name__)

T = TypeVar("T")


def _nothing(error: BaseException) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Failure:
    """A model that was asked and failed. The error's text may quote the prompt, so it stays out."""

    model: str
    """Its name in the pool."""
    error: str
    """The error's type."""


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """What the first model that did not fail answered."""

    value: T
    model: str
    """Who answered, by its name in the pool."""
    failures: tuple[Failure, ...] = ()
    """Who failed before, in the order they were asked."""


@dataclass(frozen=True, kw_only=True)
class Attempts:
    """Which errors of a model let the next one answer.

    Errors of this library are mistakes in its setting and never do; what is no `Exception`, such
    as a cancellation, never does either.

    Example:
        >>> def ask(name):
        ...     if name == "small":
        ...         raise TimeoutError
        ...     return f"{name} answers"
        >>> answer = Attempts(fallback_on=(TimeoutError,)).ask(("small", "large"), ask)
        >>> answer.value, answer.model, answer.failures
        ('large answers', 'large', (Failure(model='small', error='TimeoutError'),))
    """

    fallback_on: tuple[type[Exception], ...] = (Exception,)
    """The types of the errors."""
    let_through: Callable[[BaseException], bool] = field(default=_nothing, repr=False)
    """Tells an error that is a framework's signal and no failure."""

    def ask(self, names: Sequence[str], ask: Callable[[str], T]) -> Answer[T]:
        """Ask the models in turn.

        Args:
            names: The models, the chosen one first; at least one.
            ask: Asks one of them.

        Returns:
            The first answer.

        Raises:
            Exception: What the last model raised, or the first error that lets no other answer.
        """
        failures: list[Failure] = []
        for name in names[:-1]:
            try:
                return Answer(ask(name), name, tuple(failures))
            except self.fallback_on as error:
                failures.append(self.failure(name, error))
        return Answer(ask(names[-1]), names[-1], tuple(failures))

    async def aask(self, names: Sequence[str], ask: Callable[[str], Awaitable[T]]) -> Answer[T]:
        """`ask`, of models that are awaited."""
        failures: list[Failure] = []
        for name in names[:-1]:
            try:
                return Answer(await ask(name), name, tuple(failures))
            except self.fallback_on as error:
                failures.append(self.failure(name, error))
        return Answer(await ask(names[-1]), names[-1], tuple(failures))

    def failure(self, name: str, error: Exception) -> Failure:
        """The failure of a model, once the next may answer; else the error is raised again.

        Args:
            name: The model.
            error: What it raised.
        """
        if isinstance(error, KnnRouterError) or self.let_through(error):
            raise error
        kind = type(error).__name__
        logger.warning("%s failed (%s); the next model in the ranking is asked", name, kind)
        return Failure(name, kind)
