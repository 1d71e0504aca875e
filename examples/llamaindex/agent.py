"""`KNNRouterLLM` in an agent with a tool: the LLM is chosen for each user turn.

Run it with `python examples/llamaindex/agent.py`. Fakes answer, offline. For real LLMs set
OPENAI_API_KEY, and install `llama-index-llms-openai`.

Offline it prints:

    poet chosen, by decision 1
    weather({'city': 'Oslo'}): Rain in Oslo.
    poet chosen, by decision 1
    Rain falls on Oslo.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import Any

from llama_index.core.agent.workflow import FunctionAgent, ToolCallResult
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events import BaseEvent
from llama_index.core.llms import (
    LLM,
    ChatMessage,
    ChatResponse,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseGen,
    CustomLLM,
    LLMMetadata,
)
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import ToolSelection
from llama_index_instrumentation import get_dispatcher
from pydantic import Field

from knnrouter import RecordSet, Router
from llamaindex_llmrouter import KNNRouterLLM, RouteDecisionEvent

ROWS = [
    {"query": "Reverse a linked list in C.", "task": "code", "coder": 1, "poet": 0},
    {"query": "Sort an array in C.", "task": "code", "coder": 1, "poet": 0},
    {"query": "Write a sonnet on the sea.", "task": "verse", "coder": 0, "poet": 1},
    {"query": "Write a haiku on the moon.", "task": "verse", "coder": 0, "poet": 1},
]


class Fake(CustomLLM, FunctionCallingLLM):
    """Calls the tool that it is told to, then answers."""

    call: ToolSelection
    text: str

    @property
    def metadata(self) -> LLMMetadata:
        """It has tools."""
        return LLMMetadata(is_function_calling_model=True, is_chat_model=True)

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """Answer a text."""
        return CompletionResponse(text=self.text)

    @llm_completion_callback()
    def stream_complete(
        self, prompt: str, formatted: bool = False, **kwargs: Any
    ) -> CompletionResponseGen:
        """Answer a text in one chunk."""
        yield CompletionResponse(text=self.text, delta=self.text)

    @llm_chat_callback()
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        """Answer messages: the user's with a call of the tool, the tool's with the text."""
        done = messages[-1].role.value == "tool"
        calls, said = ([], self.text) if done else ([self.call], "")
        message = ChatMessage(said, role="assistant", additional_kwargs={"tool_calls": calls})
        yield ChatResponse(message=message, delta=said)

    def _prepare_chat_with_tools(
        self, tools: Any, user_msg: Any = None, chat_history: Any = None, *args: Any, **kwargs: Any
    ) -> dict[str, Any]:
        return {"messages": chat_history}

    def get_tool_calls_from_response(
        self, response: ChatResponse, error_on_no_tool_call: bool = True, **kwargs: Any
    ) -> list[ToolSelection]:
        """The calls of an answer."""
        return list(response.message.additional_kwargs["tool_calls"])


class Printer(BaseEventHandler):
    """Prints each decision, numbered as it comes."""

    known: list[str] = Field(default_factory=list)

    def handle(self, event: BaseEvent, **kwargs: Any) -> None:
        """Print a decision."""
        if isinstance(event, RouteDecisionEvent):
            if event.decision_id not in self.known:
                self.known.append(event.decision_id)
            number = 1 + self.known.index(event.decision_id)
            print(f"{event.model} chosen, by decision {number}")


def weather(city: str) -> str:
    """Tell the weather in a city."""
    return f"Rain in {city}."


def llms() -> dict[str, LLM]:
    """The LLMs by their names: OpenAI's where OPENAI_API_KEY is set, else fakes."""
    if not os.environ.get("OPENAI_API_KEY"):
        call = ToolSelection(tool_id="call-1", tool_name="weather", tool_kwargs={"city": "Oslo"})
        return {
            "coder": Fake(call=call, text="int rain = 1;"),
            "poet": Fake(call=call, text="Rain falls on Oslo."),
        }
    from llama_index.llms.openai import OpenAI

    return {"coder": OpenAI(model="gpt-5"), "poet": OpenAI(model="gpt-5-mini")}


async def ask() -> None:
    """Ask for a verse that needs a tool."""
    llm = KNNRouterLLM(router=Router.fit(RecordSet.from_rows(ROWS)), models=llms())
    agent = FunctionAgent(tools=[weather], llm=llm)
    running = agent.run("Write a verse on the weather in Oslo.")
    async for event in running.stream_events():
        if isinstance(event, ToolCallResult):
            print(f"{event.tool_name}({event.tool_kwargs}): {event.tool_output.content}")
    print(await running)


def main() -> None:
    """Listen to the decisions of an agent."""
    printer = Printer()
    get_dispatcher().add_event_handler(printer)
    try:
        asyncio.run(ask())
    finally:
        get_dispatcher().event_handlers.remove(printer)


if __name__ == "__main__":
    main()
