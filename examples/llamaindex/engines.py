"""`query_engine_per_model`: one index, an engine for each LLM, led by a `KNNSelector`.

Run it with `python examples/llamaindex/engines.py`. Fakes answer, offline. For real LLMs set
OPENAI_API_KEY, and install `llama-index-llms-openai`.

Offline it prints:

    coder: int main;
    poet: O sun!
"""

from __future__ import annotations

import os
from typing import Any

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

from knnrouter import RecordSet, Router
from llamaindex_llmrouter import KNNSelector, query_engine_per_model

ROWS = [
    {"query": "Reverse a linked list in C.", "task": "code", "coder": 1, "poet": 0},
    {"query": "Sort an array in C.", "task": "code", "coder": 1, "poet": 0},
    {"query": "Write a sonnet on the sea.", "task": "verse", "coder": 0, "poet": 1},
    {"query": "Write a haiku on the moon.", "task": "verse", "coder": 0, "poet": 1},
]


class Fake(CustomLLM):
    """Answers always the same."""

    text: str

    @property
    def metadata(self) -> LLMMetadata:
        """Nothing to tell."""
        return LLMMetadata()

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """Answer."""
        return CompletionResponse(text=self.text)

    @llm_completion_callback()
    def stream_complete(
        self, prompt: str, formatted: bool = False, **kwargs: Any
    ) -> CompletionResponseGen:
        """Answer in one chunk."""
        yield CompletionResponse(text=self.text, delta=self.text)


def llms() -> dict[str, LLM]:
    """The LLMs by their names: OpenAI's where OPENAI_API_KEY is set, else fakes."""
    if not os.environ.get("OPENAI_API_KEY"):
        return {"coder": Fake(text="int main;"), "poet": Fake(text="O sun!")}
    from llama_index.llms.openai import OpenAI

    return {"coder": OpenAI(model="gpt-5"), "poet": OpenAI(model="gpt-5-mini")}


def main() -> None:
    """Ask engines over one index, each with an LLM of its own."""
    models = llms()
    index = SummaryIndex.from_documents([Document(text="The sun is a star.")])
    selector = KNNSelector(Router.fit(RecordSet.from_rows(ROWS)))
    tools = query_engine_per_model(index, models)
    engine = RouterQueryEngine(selector=selector, query_engine_tools=tools, llm=models["coder"])

    for question in ("How do I sort a list in C?", "Write a limerick on the sun."):
        response = engine.query(question)
        result = (response.metadata or {})["selector_result"]
        print(f"{result.decision['model']}: {response}")


if __name__ == "__main__":
    main()
