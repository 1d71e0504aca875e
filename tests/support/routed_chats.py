"""Chat models behind a router whose choices are known: code goes to one, poems to another."""

import functools

from chat_stubs import StubChat

from knnrouter import ModelPool, RecordSet, Router
from langchain_llmrouter import ChatKNNRouter

NAMES = ("coder", "clerk", "poet")
CODE = "Sort a list of numbers in C."
POEM = "Write a funny limerick on the sun."
CODE_RANKING = ("coder", "clerk", "poet")
POEM_RANKING = ("poet", "clerk", "coder")

RECORDS = RecordSet.from_rows(
    [
        {"query": "Reverse a linked list in C.", "coder": 1.0, "clerk": 0.5, "poet": 0.0},
        {"query": "Sort an array of integers in C.", "coder": 1.0, "clerk": 0.5, "poet": 0.0},
        {"query": "Write a sonnet on the sea.", "coder": 0.0, "clerk": 0.5, "poet": 1.0},
        {"query": "Write a haiku on the moon.", "coder": 0.0, "clerk": 0.5, "poet": 1.0},
    ]
)


@functools.cache
def evidence():
    """The router of the records, without a pool."""
    return Router.fit(RECORDS)


def pool_of(router=None, **specs):
    """A pool of the three models; `specs` holds what a model's entry has more."""
    models = [{"name": name, **specs.get(name, {})} for name in NAMES]
    return ModelPool(models=models, router=router or {})


def stubs(kind=StubChat, **fields):
    """A stub for each model; `fields` holds the fields of some of them, by name."""
    return {name: kind(model=name, **fields.get(name, {})) for name in NAMES}


def routed(models=None, pool=None, **fields):
    """The chat model that routes among stubs."""
    router = evidence() if pool is None else evidence().with_pool(pool)
    return ChatKNNRouter(router=router, models=models or stubs(), **fields)


def stamp_of(message):
    return message.response_metadata["knnrouter"]


def told(stamp):
    """A stamp without what is new in each decision."""
    return {key: value for key, value in stamp.items() if key not in ("id", "elapsed_ms")}


class CountingEmbedder:
    """An embedder that keeps the texts of each call."""

    def __init__(self, inner):
        self.inner, self.calls = inner, []
        self.id, self.dim = inner.id, inner.dim

    def embed(self, texts):
        self.calls.append(list(texts))
        return self.inner.embed(texts)
