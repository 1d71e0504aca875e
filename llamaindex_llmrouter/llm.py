"""An LLM that is many: each call goes to the one that the evidence favors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseAsyncGen,
    CompletionResponseGen,
)
from llama_index.core.llms.llm import LLM

from knnrouter import Router
from knnrouter.embedders import Embedder
from knnrouter.serving import LazyRouter

from .conversations import as_said
from .routing import Call
from .tools import ToolCallingLLM

__all__ = ["KNNRouterLLM"]


class KNNRouterLLM(ToolCallingLLM):
    """An LLM that routes each call, then lets the chosen LLM answer it by its own means.

    Only the chosen LLM fires LLM events, so tokens are counted once; a `RouteDecisionEvent` comes
    before them. Answers carry the decision in `additional_kwargs["knnrouter"]`. In any call,
    `model=name` names the LLM that must answer, and `knnrouter_policy`, `knnrouter_allow`,
    `knnrouter_require` and `knnrouter_tags` are what `Router.route` takes.

    Args:
        router: A `knnrouter.Router`; None: that of `path`.
        models: The LLMs by their names in the pool, one for each enabled model; None: built from
            the pool of `path`, each when it is first needed.
        path: A pool.yaml, instead of a router.
        embedder: What embedded the evidence, with `path`; None: the one of the library.
        count_tokens: Counts the tokens of a prompt, for context windows; None: the router's way.
        fallback_on: The errors of an LLM that let the next of the ranking answer.
        **fields: The fields below.

    Raises:
        PoolError: The file is wrong, or lacks something.
        UnknownModelError: The LLMs do not fit the pool.
        TypeError: There is neither a router nor a path, or an argument is of a wrong kind.

    Example:
        >>> from llama_index.core.llms import MockLLM
        >>> from knnrouter import RecordSet, Router
        >>> rows = [
        ...     {"query": "Reverse a linked list in C.", "coder": 1, "poet": 0},
        ...     {"query": "Write a sonnet on the sea.", "coder": 0, "poet": 1},
        ... ]
        >>> llm = KNNRouterLLM(
        ...     router=Router.fit(RecordSet.from_rows(rows)),
        ...     models={"coder": MockLLM(max_tokens=1), "poet": MockLLM(max_tokens=2)},
        ... )
        >>> answer = llm.complete("Write a poem on the waves of the sea.")
        >>> answer.additional_kwargs["knnrouter"]["model"]
        'poet'
    """

    def __init__(
        self,
        *,
        router: Router | LazyRouter | None = None,
        models: Mapping[str, LLM] | None = None,
        path: str | Path | None = None,
        **fields: Any,
    ) -> None:
        self._check_spelling(fields)
        super().__init__(path=None if path is None else str(path), **fields)
        self._set_up(router, models)

    @classmethod
    def from_yaml(
        cls, path: str | Path, *, embedder: str | Embedder | None = None, **fields: Any
    ) -> KNNRouterLLM:
        """The router and the LLMs of a pool.yaml, each loaded when it is first needed.

        Args:
            path: The file; it names the saved router, and a provider for each enabled model.
            embedder: What embedded the evidence; None: the one that comes with the library.
            **fields: Other arguments, such as `shadow=True`; `models=` instead of the file's.

        Raises:
            PoolError: The file is wrong, or lacks something.
        """
        return cls(path=path, embedder=embedder, **fields)

    @classmethod
    def class_name(cls) -> str:
        """The name in serialized form."""
        return "KNNRouterLLM"

    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """`chat` of the chosen LLM."""
        call = _said(messages, kwargs)
        return self._dispatch.answered(call, lambda llm, rest: llm.chat(messages, **rest))

    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """`achat` of the chosen LLM."""
        call = _said(messages, kwargs)
        return await self._dispatch.aanswered(call, lambda llm, rest: llm.achat(messages, **rest))

    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        """`stream_chat` of the chosen LLM; another is asked only before the first chunk."""
        call = _said(messages, kwargs)
        return self._dispatch.streamed(call, lambda llm, rest: llm.stream_chat(messages, **rest))

    async def astream_chat(
        self, messages: Sequence[ChatMessage], **kwargs: Any
    ) -> ChatResponseAsyncGen:
        """`astream_chat` of the chosen LLM; another is asked only before the first chunk."""
        call = _said(messages, kwargs)
        return await self._dispatch.astreamed(
            call, lambda llm, rest: llm.astream_chat(messages, **rest)
        )

    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """`complete` of the chosen LLM."""
        call = Call.of(prompt, kwargs)
        return self._dispatch.answered(
            call, lambda llm, rest: llm.complete(prompt, formatted, **rest)
        )

    async def acomplete(
        self, prompt: str, formatted: bool = False, **kwargs: Any
    ) -> CompletionResponse:
        """`acomplete` of the chosen LLM."""
        call = Call.of(prompt, kwargs)
        return await self._dispatch.aanswered(
            call, lambda llm, rest: llm.acomplete(prompt, formatted, **rest)
        )

    def stream_complete(
        self, prompt: str, formatted: bool = False, **kwargs: Any
    ) -> CompletionResponseGen:
        """`stream_complete` of the chosen LLM; another is asked only before the first chunk."""
        call = Call.of(prompt, kwargs)
        return self._dispatch.streamed(
            call, lambda llm, rest: llm.stream_complete(prompt, formatted, **rest)
        )

    async def astream_complete(
        self, prompt: str, formatted: bool = False, **kwargs: Any
    ) -> CompletionResponseAsyncGen:
        """`astream_complete` of the chosen LLM; another is asked only before the first chunk."""
        call = Call.of(prompt, kwargs)
        return await self._dispatch.astreamed(
            call, lambda llm, rest: llm.astream_complete(prompt, formatted, **rest)
        )


def _said(messages: Sequence[ChatMessage], arguments: dict[str, Any]) -> Call:
    return Call.of(as_said(messages), arguments, prompt=list(messages))
