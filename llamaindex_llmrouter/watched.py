"""Tools that tell whether they were called: what they did must not be done once more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Event
from typing import Any, TypeVar, cast

from llama_index.core.tools import BaseTool

__all__ = ["Broken", "Watch", "unbroken"]

T = TypeVar("T")


@dataclass(frozen=True)
class Broken:
    """An error after a tool was called; for the caller, as no other LLM may try."""

    error: Exception


def unbroken(answer: T | Broken) -> T:
    """The answer, if it is one.

    Raises:
        Exception: What broke it.
    """
    if isinstance(answer, Broken):
        raise answer.error
    return answer


@dataclass(frozen=True)
class Watch:
    """Sees whether any of the tools is called.

    Example:
        >>> from llama_index.core.tools import FunctionTool
        >>> watch = Watch()
        >>> (tool,) = watch.over([FunctionTool.from_defaults(len)])
        >>> isinstance(tool, FunctionTool), watch.called.is_set()
        (True, False)
        >>> tool([1, 2]).raw_output, watch.called.is_set()
        (2, True)
    """

    called: Event = field(default_factory=Event)
    """Set once a tool is called."""

    def over(self, tools: Sequence[BaseTool]) -> list[BaseTool]:
        """The tools, watched; the tools that are given stay as they are."""
        return [cast("BaseTool", _Watched(tool, self.called)) for tool in tools]

    def judged(self, error: Exception) -> Broken:
        """What an error is once a tool was called; before that, it is raised again."""
        if not self.called.is_set():
            raise error
        return Broken(error)


class _Watched:
    """A tool in all respects; LlamaIndex looks at its class, too."""

    def __init__(self, tool: BaseTool, called: Event) -> None:
        self._tool = tool
        self._called = called

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return type(self._tool)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tool, name)

    def __eq__(self, other: object) -> bool:
        return self is other or self._tool == other

    def __hash__(self) -> int:
        return hash(self._tool)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self._called.set()
        return self._tool(*args, **kwargs)

    def call(self, *args: Any, **kwargs: Any) -> Any:
        self._called.set()
        return cast("Any", self._tool).call(*args, **kwargs)

    async def acall(self, *args: Any, **kwargs: Any) -> Any:
        self._called.set()
        return await cast("Any", self._tool).acall(*args, **kwargs)
