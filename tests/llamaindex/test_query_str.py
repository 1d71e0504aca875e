"""What the user asked is routed, not the documents that an engine puts around it."""

import pytest
from llama_index.core import Document, SummaryIndex
from llama_index.core.llms import CompletionResponse, CustomLLM, LLMMetadata
from llama_index.core.llms.callbacks import llm_completion_callback

from knnrouter import RecordSet, Router
from llamaindex_llmrouter import KNNRouterLLM

CODE = "Sort an array in C. Reverse a linked list in C. " * 20


class Says(CustomLLM):
    """Answers always the same."""

    text: str

    @property
    def metadata(self):
        return LLMMetadata()

    @llm_completion_callback()
    def complete(self, prompt, formatted=False, **kwargs):
        return CompletionResponse(text=self.text)

    @llm_completion_callback()
    def stream_complete(self, prompt, formatted=False, **kwargs):
        yield CompletionResponse(text=self.text, delta=self.text)


@pytest.fixture
def llm():
    records = RecordSet.from_rows(
        [
            {"query": "Reverse a linked list in C.", "coder": 1, "poet": 0},
            {"query": "Sort an array in C.", "coder": 1, "poet": 0},
            {"query": "Write a sonnet on the sea.", "coder": 0, "poet": 1},
            {"query": "Write a haiku on the moon.", "coder": 0, "poet": 1},
        ]
    )
    models = {name: Says(text=name) for name in ("coder", "poet")}
    return KNNRouterLLM(router=Router.fit(records), models=models)


@pytest.fixture
def index():
    return SummaryIndex.from_documents([Document(text=CODE)])


@pytest.mark.parametrize("mode", ["compact", "refine", "tree_summarize", "simple_summarize"])
async def test_an_engine_is_routed_by_its_query(llm, index, mode):
    engine = index.as_query_engine(llm=llm, response_mode=mode)
    assert str(engine.query("Write a sonnet on the moon.")) == "poet"
    assert str(await engine.aquery("Write a sonnet on the moon.")) == "poet"


def test_a_streaming_engine_is_routed_by_its_query(llm, index):
    engine = index.as_query_engine(llm=llm, streaming=True)
    assert "".join(engine.query("Write a sonnet on the moon.").response_gen) == "poet"
