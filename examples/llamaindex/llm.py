"""`KNNRouterLLM`: an existing query engine, with a router in place of its LLM.

Run it with `python examples/llamaindex/llm.py`. Fakes answer, offline. For real LLMs set
OPENAI_API_KEY, and install `llama-index-llms-openai`.

Offline it prints:

    int main;
    O sun!
    poet leads ['poet', 'coder']: best expected score
    O sun!|
    coder answers, as it was told
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

from knnrouter import RecordSet, Router
from llamaindex_llmrouter import KNNRouterLLM

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
    """Ask an engine of two LLMs, and the router itself."""
    router = Router.fit(RecordSet.from_rows(ROWS))
    llm = KNNRouterLLM(router=router, models=llms())  # the line that changes

    index = SummaryIndex.from_documents([Document(text="The sun is a star.")])
    engine = index.as_query_engine(llm=llm)
    for question in ("How do I sort a list in C?", "Write a limerick on the sun."):
        print(engine.query(question))

    answer = llm.complete("Write a limerick on the sun.")
    decision = answer.additional_kwargs["knnrouter"]
    print(f"{decision['model']} leads {decision['ranking']}: {decision['reason']}")

    for chunk in llm.stream_complete("Write a limerick on the sun."):
        print(chunk.delta, end="|")
    print()

    answer = llm.complete("Write a limerick on the sun.", model="coder")
    print(answer.additional_kwargs["knnrouter"]["model"], "answers, as it was told")


if __name__ == "__main__":
    main()
