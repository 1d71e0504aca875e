"""What comes at the same time, done together, in one thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

__all__ = ["Gathering"]

Given = TypeVar("Given")
Made = TypeVar("Made")

_FAILURES: tuple[type[BaseException], ...] = (BaseException,)
"""Whatever the work raises, even a panic of compiled code, is for those who wait for it: the thread
has nobody else to tell."""


class Gathering(Generic[Given, Made]):
    """Works for many callers at once: what comes while it works is done next, all together.

    However many ask, one thread works, so that an event loop beside it keeps its share of the
    processor, and an embedder gets few large batches. Any number of event loops may ask. The thread
    is of none of them, so that a loop may end while it works for the others.

    Args:
        work: Makes a result of each of the inputs; it sees no context variables of the callers.
        most: The most inputs (>= 1) that are worked on together. All who wait for them go on at
            the same moment, so many more would hold an event loop up.

    Example:
        >>> doubled = Gathering(lambda numbers: [2 * number for number in numbers])
        >>> asyncio.run(doubled.of(7))
        14
    """

    def __init__(
        self, work: Callable[[Sequence[Given]], Sequence[Made]], *, most: int = 16
    ) -> None:
        self._work = work
        self._most = most
        self._lock = threading.Lock()
        self._waiting: list[tuple[Given, Future[Made]]] = []
        self._working = False

    async def of(self, given: Given) -> Made:
        """The result of one input.

        Raises:
            Exception: What the work raised, for all that it did together.
        """
        made: Future[Made] = Future()
        with self._lock:
            if not self._working:
                threading.Thread(target=self._work_off, name="knnrouter").start()
                self._working = True
            self._waiting.append((given, made))
        return await asyncio.wrap_future(made)

    def _work_off(self) -> None:
        while True:
            with self._lock:
                taken, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
                self._working = bool(taken)
            if not taken:
                return
            # Those who stopped waiting are left out.
            self._answer([pair for pair in taken if pair[1].set_running_or_notify_cancel()])

    def _answer(self, pairs: Sequence[tuple[Given, Future[Made]]]) -> None:
        try:
            results = self._work([given for given, _ in pairs])
            answers = list(zip(pairs, results, strict=True))
        except _FAILURES as error:
            for _, future in pairs:
                future.set_exception(error)
        else:
            for (_, future), result in answers:
                future.set_result(result)
