"""What routing costs inside LangChain: a call through ChatKNNRouter against the model alone.

    python benchmarks/langchain_overhead.py

All models are one stub that answers at once, so that everything above its own call is overhead. The
overhead is split: embedding the query, searching its neighbors, the vote (the rest of
`Router.route`) and the framework (the rest of `invoke`: LangChain's runs and this library's
adapter). All sides take turns on the same queries, with one thread in the numeric libraries; ratios
are of the same turn. Times are of the processor, so that what else the machine does matters little.

The peer is `langchain-model-router`, with the same stubs: with this very router as its strategy,
which compares the frameworks' parts alone; with its own embedding strategy on the same vectors and
twenty examples a model, for it compares with each example in Python; and with its rules, which
embed nothing.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
from bench import Floats, header, options, table
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # has no types

from knnrouter import Router, read_records
from knnrouter.embedders import Embedder, StaticEmbedder
from knnrouter.text import read_query
from langchain_llmrouter import ChatKNNRouter

QUERIES = 192
BATCH = 64
TURNS = 15
EXAMPLES = 20  # of each model, for the peer's embedding strategy
PEER = "langchain_model_router"
UNWANTED = ("torch", "pandas", "sklearn", "langchain", "langgraph", "transformers", "openai")

IMPORT = """
import sys, time
from langchain_core.language_models import BaseChatModel
known = set(sys.modules)
start = time.perf_counter()
from {package} import {name}
took = time.perf_counter() - start
import json
print(json.dumps([took, sorted({{each.split(".")[0] for each in set(sys.modules) - known}})]))
"""

Runs = Mapping[str, Floats]
"""By side: microseconds a query, of each turn."""


class Stub(BaseChatModel):
    """A model that answers at once."""

    @property
    def _llm_type(self) -> str:
        return "stub"

    def _generate(self, *args: object, **kwargs: object) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage("Fine."))])

    async def _agenerate(self, *args: object, **kwargs: object) -> ChatResult:
        return self._generate()


def main() -> None:
    asked = options(__doc__, seeds=1)
    turns = 3 if asked.quick else TURNS
    records = read_records(asked.file("llmrouter/routing_train.json"))
    chosen = np.random.default_rng(0).permutation(len(records))
    texts = [records.queries[row] or "" for row in chosen]
    count = BATCH if asked.quick else QUERIES
    title = f"Overhead in LangChain, {count} queries, medians of {turns} turns"
    header(title, asked, intervals=False)
    print(f"Python {platform.python_version()}, {', '.join(map(versioned, packages()))}.")
    print("Brackets hold the least and the most of the turns.\n")
    with threadpool_limits(1):
        runs = timed(sides(texts[:count], examples=texts[count:]), turns, count)
    table(["of one call", "µs", "times the model's own call"], parts(runs))
    print()
    table(["what", "ours", "theirs", "ours / theirs"], ratios(runs))
    imports(turns)


def sides(texts: Sequence[str], *, examples: Sequence[str]) -> dict[str, Callable[[], object]]:
    """What takes turns, by name; each on all texts once."""
    router, stub = Router.starter(), Stub()
    models = dict.fromkeys(router.pool.names, stub)
    chat = ChatKNNRouter(router=router, models=models)
    embedder, k = router.embedder, router.estimator.neighbors
    clipped = [embeddable(embedder, text) for text in texts]
    vectors = [embedder.embed([text]) for text in clipped]
    return {
        "embed": each(lambda text: embedder.embed([text]), clipped),
        "search": each(lambda vector: router.evidence.index.search(vector, k), vectors),
        "route": each(router.route, texts),
        **calls("model", stub, texts),
        **calls("ours", chat, texts),
        **peers(router, models, texts, examples),
    }


def embeddable(embedder: Embedder, text: str) -> str:
    """What the router has embedded of a text."""
    asked = read_query(text).text
    clip: Callable[[str], str] | None = getattr(embedder, "clip", None)
    return asked if clip is None else clip(asked)


def each(do: Callable[[Any], object], given: Sequence[Any]) -> Callable[[], None]:
    def run() -> None:
        for one in given:
            do(one)

    return run


def calls(name: str, model: BaseChatModel, texts: Sequence[str]) -> dict[str, Callable[[], object]]:
    """The ways to call a chat model."""
    starts = range(0, len(texts), BATCH)
    batches: list[list[LanguageModelInput]] = [[*texts[at : at + BATCH]] for at in starts]

    async def ainvoke() -> None:
        for text in texts:
            await model.ainvoke(text)

    async def abatch() -> None:
        for batch in batches:
            await model.abatch(batch)

    return {
        f"{name}, invoke": each(model.invoke, texts),
        f"{name}, batch": each(model.batch, batches),
        f"{name}, ainvoke": awaited(ainvoke),
        f"{name}, abatch": awaited(abatch),
    }


def awaited(run: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    return lambda: asyncio.run(run())


class Static(Embeddings):
    """The bundled vectors in LangChain's form, for the peer."""

    def __init__(self) -> None:
        self.embedder = StaticEmbedder()

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """A row a text."""
        found: list[list[float]] = self.embedder.embed(texts).tolist()
        return found

    def embed_query(self, text: str) -> list[float]:
        """The row of one."""
        return self.embed_documents([text])[0]


def peers(
    router: Router,
    models: Mapping[str, BaseChatModel],
    texts: Sequence[str],
    examples: Sequence[str],
) -> dict[str, Callable[[], object]]:
    """The peer's ways, where it is installed."""
    if importlib.util.find_spec(PEER) is None:
        print(f"{PEER} is not installed, so its rows are left out.\n")
        return {}
    from langchain_model_router import (
        ChatRouter,
        EmbeddingStrategy,
        HeuristicStrategy,
        RoutingCallable,
        RoutingRequest,
        RoutingStrategy,
    )

    names = list(models)

    def of_this_router(request: RoutingRequest) -> str:
        return router.route(request.text).model

    shown = {name: examples[place :: len(names)][:EXAMPLES] for place, name in enumerate(names)}
    by_examples = EmbeddingStrategy(Static(), shown, threshold=-1.0)
    by_rules = HeuristicStrategy(names[0], names[1])

    def peer(strategy: RoutingStrategy | RoutingCallable) -> ChatRouter:
        return ChatRouter(routes=dict(models), default_route=names[0], strategy=strategy)

    return {
        **calls("peer", peer(of_this_router), texts),
        "peer by examples, invoke": each(peer(by_examples).invoke, texts),
        "peer by rules, invoke": each(peer(by_rules).invoke, texts),
    }


def timed(sides: Mapping[str, Callable[[], object]], turns: int, queries: int) -> Runs:
    """Microseconds a query of each turn, all sides in turn, after one turn to warm up."""
    took: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(turns + 1):
        order = list(sides) if turn % 2 else list(sides)[::-1]
        for name in order:
            start = time.process_time()
            sides[name]()
            took[name].append(1e6 * (time.process_time() - start) / queries)
    return {name: np.array(values[1:]) for name, values in took.items()}


def parts(runs: Runs) -> list[tuple[object, ...]]:
    """Where the time of one call goes."""
    model, route = runs["model, invoke"], runs["route"]
    split = {
        "the model's own call": model,
        "embedding": runs["embed"],
        "search": runs["search"],
        "vote, and the rest of `Router.route`": route - runs["embed"] - runs["search"],
        "framework": runs["ours, invoke"] - route - model,
        "all of `ChatKNNRouter.invoke`": runs["ours, invoke"],
    }
    return [(name, f"{np.median(took):.0f}", spread(took / model)) for name, took in split.items()]


def ratios(runs: Runs) -> list[tuple[object, ...]]:
    ours = {way: runs[f"ours, {way}"] for way in ("invoke", "batch", "ainvoke", "abatch")}
    overhead = ours["invoke"] - runs["model, invoke"]
    rows = [
        ratio("invoke without the model's own / Router.route", overhead, runs["route"]),
        ratio("invoke / the model's own", ours["invoke"], runs["model, invoke"]),
        ratio("ainvoke / the model's own", ours["ainvoke"], runs["model, ainvoke"]),
        ratio(f"batch of {BATCH} / {BATCH} times invoke", ours["batch"], ours["invoke"]),
        ratio(f"abatch of {BATCH} / {BATCH} times ainvoke", ours["abatch"], ours["ainvoke"]),
        ratio(f"batch of {BATCH} / the model's own", ours["batch"], runs["model, batch"]),
    ]
    theirs = [(f"peer, {way}", way) for way in ours]
    theirs += [(f"{name}, invoke", "invoke") for name in ("peer by examples", "peer by rules")]
    return rows + [
        ratio(f"{way} / {LABELS[name.split(',')[0]]}", ours[way], runs[name])
        for name, way in theirs
        if name in runs
    ]


LABELS = {
    "peer": "langchain-model-router with this router as its strategy",
    "peer by examples": f"langchain-model-router's EmbeddingStrategy, {EXAMPLES} examples a model",
    "peer by rules": "langchain-model-router's HeuristicStrategy",
}


def ratio(what: str, ours: Floats, theirs: Floats) -> tuple[object, ...]:
    return (
        what,
        f"{np.median(ours):.0f} µs",
        f"{np.median(theirs):.0f} µs",
        spread(ours / theirs),
    )


def spread(values: Floats) -> str:
    return f"{np.median(values):.2f} [{values.min():.2f}, {values.max():.2f}]"


def imports(turns: int) -> None:
    """Imports beyond what langchain-core needs for a chat model, in processes of their own."""
    print()
    for package, name in (("langchain_llmrouter", "ChatKNNRouter"), (PEER, "ChatRouter")):
        if importlib.util.find_spec(package) is None:
            continue
        ran = [fresh(package, name) for _ in range(min(turns, 7))]
        best = min(seconds for seconds, _ in ran)
        found = sorted(set(UNWANTED).intersection(*(loaded for _, loaded in ran))) or ["none"]
        print(f"Importing {package}.{name} takes {best:.2f} s beyond langchain-core's chat models,")
        print(f"at best of {len(ran)}. Of {', '.join(UNWANTED)} it loads: {', '.join(found)}.")


def fresh(package: str, name: str) -> tuple[float, Sequence[str]]:
    """How many seconds an import took, and which packages came with it."""
    code = IMPORT.format(package=package, name=name)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    took, modules = json.loads(done.stdout)
    return took, modules


def packages() -> list[str]:
    peer = [PEER] if importlib.util.find_spec(PEER) else []
    return ["langchain-core", "knnrouter", *(name.replace("_", "-") for name in peer)]


def versioned(package: str) -> str:
    return f"{package} {version(package)}"


if __name__ == "__main__":
    main()
