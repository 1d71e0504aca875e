"""Bindings that wait for the model: what the caller bound is replayed on whichever is chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable

from knnrouter import Decision

__all__ = ["BIND", "Call", "DeferredSchema", "DeferredTools"]

BIND = "__knnrouter_bind__"
"""The keyword argument under which a binding travels; private, so that nobody reads it as tools."""


@dataclass(frozen=True)
class DeferredTools:
    """A call of `bind_tools`, with all its arguments."""

    tools: Sequence[Any]
    options: Mapping[str, Any]

    @property
    def needs(self) -> tuple[str, ...]:
        """The capabilities that a model must have for it."""
        native = ("structured_output",) if _native_format(self.options) else ()
        return (("tools",) if self.tools else ()) + native

    def on(self, model: BaseChatModel) -> Runnable[Any, Any]:
        """The model with the tools bound; with none, the model, which need not know of tools."""
        if not self.tools and not self.options:
            return model
        return model.bind_tools(self.tools, **self.options)


@dataclass(frozen=True)
class DeferredSchema:
    """A call of `with_structured_output`, with all its arguments."""

    schema: Any
    options: Mapping[str, Any]

    @property
    def needs(self) -> tuple[str, ...]:
        """The capabilities that a model must have for it."""
        called = self.options.get("method") == "function_calling" or self.options.get("tools")
        return ("tools",) if called else ("structured_output",)

    def on(self, model: BaseChatModel) -> Runnable[Any, Any]:
        """The model with its output structured."""
        return model.with_structured_output(self.schema, **self.options)


@dataclass(frozen=True, kw_only=True)
class Call:
    """The arguments of one call, sorted: what the router takes, and what the model gets."""

    forced: str | None
    """The name of the model that must answer."""
    binding: DeferredTools | DeferredSchema | None
    """What is replayed on the model."""
    arguments: Mapping[str, Any] = field(repr=False)
    """The rest, for the model."""
    planned: Decision | Exception | None = None
    """What a batch has decided already, or the error of deciding."""

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Call:
        """Sort the arguments of a call."""
        rest = dict(arguments)
        forced, binding = rest.pop("model", None), rest.pop(BIND, None)
        if rest.get("stop", ...) is None:
            del rest["stop"]  # not every runnable takes it
        return cls(forced=forced, binding=binding, arguments=rest)

    @property
    def needs(self) -> tuple[str, ...]:
        """The capabilities that a model must have for this call."""
        bound = self.binding.needs if self.binding else ()
        tools = ("tools",) if self.arguments.get("tools") else ()
        native = ("structured_output",) if _native_format(self.arguments) else ()
        return tuple(dict.fromkeys((*bound, *tools, *native)))

    def on(self, model: Any) -> Runnable[Any, Any]:
        """What answers, with everything bound that the caller bound."""
        target: Runnable[Any, Any] = model if self.binding is None else self.binding.on(model)
        return target


def _native_format(options: Mapping[str, Any]) -> bool:
    return options.get("response_format") is not None
