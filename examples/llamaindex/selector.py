"""`KNNSelector`: engines over different data, selected by what a log says of each.

Run it with `python examples/llamaindex/selector.py`. Fakes answer, offline. For a real LLM set
OPENAI_API_KEY, and install `llama-index-llms-openai`.

Offline it prints:

    orders: It is on its way.
    handbook: You have 25 days.
    orders: best expected score
"""

from __future__ import annotations

import os

from llama_index.core import Document, SummaryIndex
from llama_index.core.llms import (
    LLM,
    CompletionResponse,
    CompletionResponseGen,
    CustomLLM,
    LLMMetadata,
)
from llama_index.core.llms.callbacks import llm_completion_callback
from llama_index.core.query_engine import RouterQueryEngine
from llama_index.core.tools import QueryEngineTool

from knnrouter import RecordSet, Router
from llamaindex_llmrouter import KNNSelector

LOG = [
    {"query": "Where is my parcel?", "model": "orders", "score": 1},
    {"query": "Where is my parcel?", "model": "handbook", "score": 0},
    {"query": "When does my order arrive?", "model": "orders", "score": 1},
    {"query": "Has my parcel been sent yet?", "model": "handbook", "score": 0},
    {"query": "How many days off do I have?", "model": "handbook", "score": 1},
    {"query": "May I take a day off in May?", "model": "handbook", "score": 1},
    {"query": "Who signs for days off?", "model": "orders", "score": 0},
]
"""Which engine got a question, and whether its answer was any good."""


class Fake(CustomLLM):
    """Answers always the same."""

    text: str

    @property
    def metadata(self) -> LLMMetadata:
        """Nothing to tell."""
        return LLMMetadata()

    @llm_completion_callback()
    def complete(
        self, prompt: str, formatted: bool = False, **kwargs: object
    ) -> CompletionResponse:
        """Answer."""
        return CompletionResponse(text=self.text)

    @llm_completion_callback()
    def stream_complete(
        self, prompt: str, formatted: bool = False, **kwargs: object
    ) -> CompletionResponseGen:
        """Answer in one chunk."""
        yield CompletionResponse(text=self.text, delta=self.text)


def llm(text: str) -> LLM:
    """OpenAI's where OPENAI_API_KEY is set, else a fake that answers the text."""
    if not os.environ.get("OPENAI_API_KEY"):
        return Fake(text=text)
    from llama_index.llms.openai import OpenAI

    return OpenAI(model="gpt-5-mini")


def tool(name: str, document: str, answer: str) -> QueryEngineTool:
    """An engine over one document."""
    index = SummaryIndex.from_documents([Document(text=document)])
    engine = index.as_query_engine(llm=llm(answer))
    return QueryEngineTool.from_defaults(engine, name=name, description=f"The {name}.")


def main() -> None:
    """Ask two engines through one."""
    tools = [
        tool("handbook", "Everybody has 25 days off.", "You have 25 days."),
        tool("orders", "Parcel 7 left the depot today.", "It is on its way."),
    ]
    selector = KNNSelector(Router.fit(RecordSet.from_rows(LOG)))
    engine = RouterQueryEngine(selector=selector, query_engine_tools=tools, llm=llm("Both."))
    for question in ("Is my parcel on its way?", "How do I ask for a day off?"):
        response = engine.query(question)
        selected = tools[(response.metadata or {})["selector_result"].ind]
        print(f"{selected.metadata.name}: {response}")

    result = selector.select([each.metadata for each in tools], "When does the parcel arrive?")
    print(result.reason.partition(" [")[0])


if __name__ == "__main__":
    main()
