"""A router whose decisions can be read off the words of a query, and that counts its embeddings."""

import threading

from knnrouter import ModelPool, ModelSpec, RecordSet, Router
from knnrouter.embedders import FunctionEmbedder
from knnrouter.estimators import KNN
from knnrouter.pool import RouterSettings

WORDS = ("code", "sea", "sum")
ROWS = [
    {"query": f"evidence {place}: {word}", **scores, "task": word}
    for place in range(3)
    for word, scores in {
        "code": {"coder": 1.0, "poet": 0.0, "all": 0.5},
        "sea": {"coder": 0.0, "poet": 1.0, "all": 0.5},
        "sum": {"coder": 0.5, "poet": 0.0, "all": 1.0},
    }.items()
]
RANKINGS = {
    "code": ("coder", "all", "poet"),
    "sea": ("poet", "all", "coder"),
    "sum": ("all", "coder", "poet"),
}
"""Who is best at what, and who then."""


class CountingEmbedder(FunctionEmbedder):
    """Counts the words of `WORDS`; `calls` has the texts of each call, `threads` who called."""

    def __init__(self, id="words-3"):
        self.calls, self.threads, self.fails = [], [], None
        super().__init__(self._count, dim=len(WORDS), id=id)

    def _count(self, texts):
        self.calls.append(list(texts))
        self.threads.append(threading.current_thread())
        if self.fails is not None:
            raise self.fails
        return [[text.lower().count(word) for word in WORDS] for text in texts]


def keyword_pool(*, default=None, **fields):
    """The three models; `fields` are more of theirs, by name."""
    names = ("coder", "poet", "all")
    models = [ModelSpec(name=name, **fields.get(name, {})) for name in names]
    return ModelPool(router=RouterSettings(default=default), models=models)


def keyword_router(embedder=None, pool=None):
    """The router; without a pool, one of the records."""
    router = Router.fit(
        RecordSet.from_rows(ROWS),
        pool=pool,
        embedder=embedder or CountingEmbedder(),
        estimator=KNN(k=3, weights="uniform", shrinkage=0.0),
    )
    router.embedder.calls.clear()  # those of the evidence
    router.embedder.threads.clear()
    return router


def write_pool(folder):
    """A pool.yaml of the three models whose router shall be saved in `folder / "saved"`."""
    path = folder / "pool.yaml"
    path.write_text(
        "version: 1\nrouter: {index: ./saved}\n"
        "models:\n  - name: coder\n  - name: poet\n  - name: all\n"
    )
    return path
