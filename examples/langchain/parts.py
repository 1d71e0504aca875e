"""What the examples share: a router, and models that answer offline unless a key is set."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from langchain_core.language_models import (
    BaseChatModel,
    FakeMessagesListChatModel,
    LanguageModelInput,
)
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable

from knnrouter import ModelPool, RecordSet, Router

ROWS = [
    {"query": "Reverse a linked list in C.", "task": "code", "coder": 1, "poet": 0},
    {"query": "Sort an array in C.", "task": "code", "coder": 1, "poet": 0},
    {"query": "Write a sonnet on the sea.", "task": "verse", "coder": 0, "poet": 1},
    {"query": "Write a haiku on the moon.", "task": "verse", "coder": 0, "poet": 1},
]
POOL = """
router: {default: poet}
models:
  - {name: coder, price: {input: 1.25, output: 10}, expected_output_tokens: 400}
  - {name: poet, price: {input: 0.25, output: 2}, expected_output_tokens: 400}
"""


class Fake(FakeMessagesListChatModel):
    """Answers what it is told, in turn, and takes tools."""

    def bind_tools(
        self, tools: Sequence[Any], *, tool_choice: str | None = None, **kwargs: Any
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Take the tools, and leave them alone."""
        return self.bind(tools=list(tools), **kwargs)


def fitted() -> Router:
    """A router of four made-up measurements; for yours see `read_records` and `Router.fit`."""
    return Router.fit(RecordSet.from_rows(ROWS), pool=ModelPool.from_text(POOL))


def chat_models(**answers: Sequence[AIMessage]) -> dict[str, BaseChatModel]:
    """The models of the pool by name: OpenAI's where OPENAI_API_KEY is set, else fakes.

    Args:
        **answers: What each fake answers, in turn.
    """
    if not os.environ.get("OPENAI_API_KEY"):
        return {name: Fake(responses=list(said)) for name, said in answers.items()}
    from langchain.chat_models import init_chat_model

    return {
        "coder": init_chat_model("gpt-5", model_provider="openai"),
        "poet": init_chat_model("gpt-5-mini", model_provider="openai"),
    }
