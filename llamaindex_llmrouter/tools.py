"""Tools: each provider prepares them in its own way, so the routing comes first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
)
from llama_index.core.chat_engine.types import AgentChatResponse
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.tools import BaseTool

from knnrouter.serving import KEY

from .conversations import as_said, conversation
from .prompts import PromptingLLM
from .routing import Call
from .watched import Broken, Watch, unbroken

__all__ = ["ToolCallingLLM"]

Message = str | ChatMessage

_FAILURES: tuple[type[Exception], ...] = (Exception,)
"""What LLMs and tools raise is anybody's code."""


class ToolCallingLLM(PromptingLLM):
    """Hands tools to the chosen LLM, and its answers back to it to be read."""

    def chat_with_tools(
        self,
        tools: Sequence[BaseTool],
        user_msg: Message | None = None,
        chat_history: list[ChatMessage] | None = None,
        verbose: bool = False,
        allow_parallel_tool_calls: bool = False,
        tool_required: bool = False,
        **kwargs: Any,
    ) -> ChatResponse:
        """`chat_with_tools` of the chosen LLM, which has tools; without tools, `chat`."""
        if not tools:
            return self.chat(conversation(user_msg, chat_history), **kwargs)
        flags = _flags(verbose, allow_parallel_tool_calls, tool_required=tool_required)
        call = self._tooled(tools, user_msg, chat_history, flags | kwargs)
        return self._dispatch.answered(call, lambda llm, rest: llm.chat_with_tools(**rest))

    async def achat_with_tools(
        self,
        tools: Sequence[BaseTool],
        user_msg: Message | None = None,
        chat_history: list[ChatMessage] | None = None,
        verbose: bool = False,
        allow_parallel_tool_calls: bool = False,
        tool_required: bool = False,
        **kwargs: Any,
    ) -> ChatResponse:
        """`achat_with_tools` of the chosen LLM, which has tools; without tools, `achat`."""
        if not tools:
            return await self.achat(conversation(user_msg, chat_history), **kwargs)
        flags = _flags(verbose, allow_parallel_tool_calls, tool_required=tool_required)
        call = self._tooled(tools, user_msg, chat_history, flags | kwargs)
        return await self._dispatch.aanswered(call, lambda llm, rest: llm.achat_with_tools(**rest))

    def stream_chat_with_tools(
        self,
        tools: Sequence[BaseTool],
        user_msg: Message | None = None,
        chat_history: list[ChatMessage] | None = None,
        verbose: bool = False,
        allow_parallel_tool_calls: bool = False,
        tool_required: bool = False,
        **kwargs: Any,
    ) -> ChatResponseGen:
        """`stream_chat_with_tools` of the chosen LLM, which has tools; without, `stream_chat`."""
        if not tools:
            return self.stream_chat(conversation(user_msg, chat_history), **kwargs)
        flags = _flags(verbose, allow_parallel_tool_calls, tool_required=tool_required)
        call = self._tooled(tools, user_msg, chat_history, flags | kwargs)
        return self._dispatch.streamed(call, lambda llm, rest: llm.stream_chat_with_tools(**rest))

    async def astream_chat_with_tools(
        self,
        tools: Sequence[BaseTool],
        user_msg: Message | None = None,
        chat_history: list[ChatMessage] | None = None,
        verbose: bool = False,
        allow_parallel_tool_calls: bool = False,
        tool_required: bool = False,
        **kwargs: Any,
    ) -> ChatResponseAsyncGen:
        """`astream_chat_with_tools` of the chosen LLM, which has tools; without, `astream_chat`."""
        if not tools:
            return await self.astream_chat(conversation(user_msg, chat_history), **kwargs)
        flags = _flags(verbose, allow_parallel_tool_calls, tool_required=tool_required)
        call = self._tooled(tools, user_msg, chat_history, flags | kwargs)
        return await self._dispatch.astreamed(
            call, lambda llm, rest: llm.astream_chat_with_tools(**rest)
        )

    def predict_and_call(
        self,
        tools: Sequence[BaseTool],
        user_msg: Message | None = None,
        chat_history: list[ChatMessage] | None = None,
        verbose: bool = False,
        allow_parallel_tool_calls: bool = False,
        error_on_no_tool_call: bool = True,
        error_on_tool_error: bool = False,
        **kwargs: Any,
    ) -> AgentChatResponse:
        """`predict_and_call` of the chosen LLM, which has tools."""
        flags = _flags(
            verbose, allow_parallel_tool_calls, error_on_no_tool_call=error_on_no_tool_call
        )
        needs = ("tools",) if tools else ()
        call = self._tooled(tools, user_msg, chat_history, flags | kwargs, needs=needs)
        answer = unbroken(self._dispatch.answered(call, _predicted))
        return _checked(answer) if error_on_tool_error else answer

    async def apredict_and_call(
        self,
        tools: Sequence[BaseTool],
        user_msg: Message | None = None,
        chat_history: list[ChatMessage] | None = None,
        verbose: bool = False,
        allow_parallel_tool_calls: bool = False,
        error_on_no_tool_call: bool = True,
        error_on_tool_error: bool = False,
        **kwargs: Any,
    ) -> AgentChatResponse:
        """`apredict_and_call` of the chosen LLM, which has tools."""
        flags = _flags(
            verbose, allow_parallel_tool_calls, error_on_no_tool_call=error_on_no_tool_call
        )
        needs = ("tools",) if tools else ()
        call = self._tooled(tools, user_msg, chat_history, flags | kwargs, needs=needs)
        answer = unbroken(await self._dispatch.aanswered(call, _apredicted))
        return _checked(answer) if error_on_tool_error else answer

    def get_tool_calls_from_response(
        self, response: ChatResponse, error_on_no_tool_call: bool = True, **kwargs: Any
    ) -> list[ToolSelection]:
        """The tool calls of an answer, as the LLM that gave it reads them.

        Raises:
            ValueError: The answer does not say who gave it; or it calls no tool, and that is asked
                to be an error.
        """
        told = response.additional_kwargs.get(KEY)
        name = told.get("answered_by") if isinstance(told, dict) else None
        llm = self._llm(name) if isinstance(name, str) and name in self._models else None
        if isinstance(llm, FunctionCallingLLM):
            return llm.get_tool_calls_from_response(
                response, error_on_no_tool_call=error_on_no_tool_call, **kwargs
            )
        # An LLM without tools calls none, and so does what agents put for a stream of no chunk.
        if llm is None and (told is not None or response.message.blocks):
            raise ValueError(
                f"the answer says that {name!r} gave it, which is no model of the pool; hand on "
                "answers of this LLM as they are, with their additional_kwargs"
            )
        if error_on_no_tool_call:
            raise ValueError("the answer calls no tool; ask again, or allow answers without one")
        return []

    def _prepare_chat_with_tools(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        raise NotImplementedError(
            "tools are prepared by the LLM that is chosen; call one of the *_with_tools methods"
        )

    def _tooled(
        self,
        tools: Sequence[BaseTool],
        user_msg: Message | None,
        chat_history: list[ChatMessage] | None,
        arguments: Mapping[str, Any],
        *,
        needs: tuple[str, ...] = ("tools",),
    ) -> Call:
        given = {"tools": tools, "user_msg": user_msg, "chat_history": chat_history}
        read = conversation(user_msg, chat_history)
        return Call.of(as_said(read), {**arguments, **given}, prompt=read, needs=needs)


def _predicted(llm: FunctionCallingLLM, rest: dict[str, Any]) -> AgentChatResponse | Broken:
    """The answer of one LLM; another is asked only where no tool was called."""
    watch = Watch()
    try:
        return llm.predict_and_call(**{**rest, "tools": watch.over(rest["tools"])})
    except _FAILURES as error:
        return watch.judged(error)


async def _apredicted(llm: FunctionCallingLLM, rest: dict[str, Any]) -> AgentChatResponse | Broken:
    """`_predicted`, awaited."""
    watch = Watch()
    try:
        return await llm.apredict_and_call(**{**rest, "tools": watch.over(rest["tools"])})
    except _FAILURES as error:
        return watch.judged(error)


def _flags(verbose: bool, allow_parallel_tool_calls: bool, **more: bool) -> dict[str, Any]:
    """The flags that differ from LlamaIndex's defaults; older LLMs do not know all of them."""
    flags = {"verbose": verbose, "allow_parallel_tool_calls": allow_parallel_tool_calls, **more}
    return {name: flag for name, flag in flags.items() if flag != (name in _ON)}


_ON = ("error_on_no_tool_call",)
"""The flags that are set unless they are given."""


def _checked(answer: AgentChatResponse) -> AgentChatResponse:
    """The answer, unless a tool failed.

    The chosen LLM does not check this itself: else the next LLM would call the tools once more.
    """
    if any(output.is_error for output in answer.sources):
        raise ValueError("\n\n".join(output.content for output in answer.sources))
    return answer
