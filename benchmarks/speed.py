"""How fast routing is, as ratios to what it is made of and to other routers, in one run.

    python benchmarks/speed.py

Both sides of a ratio take turns, on the same queries, in one thread; a ratio is the median over the
turns. Times are of the processor, so that what else the machine does matters little. The floor of a
decision is the shipped model2vec object's own `encode` and a bare FAISS search with the same k:
that cannot be saved. The blend, the other estimator without torch that leads somewhere, is timed
against the vote, both having learned from the queries that are not asked.

Other routers' recipes get the vectors ready-made, and so does this one, through an embedder that
looks them up. RouterBench's runs with this router's k and with its own; its frame holds the scores
alone, not the answers and prices that its own drags along. ulab LLMRouter's predicts one query at a
time, as its batch does, and also, which it does not, all at once.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial

import faiss
import numpy as np
import recipes
from bench import Embedded, Floats, header, options, table
from numpy.typing import NDArray
from recipes import Queries
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # has no types

from knnrouter import Router, read_records
from knnrouter.embedders import FunctionEmbedder, StaticEmbedder
from knnrouter.text import read_query

QUERIES = 1000
TURNS = 15
UNWANTED = ("torch", "pandas", "sklearn", "langchain_core", "llama_index", "transformers")

START = """
import sys, time
start = time.perf_counter()
import knnrouter
router = knnrouter.Router.starter()
router.route("Which planet is the largest?")
took = time.perf_counter() - start
import json
print(json.dumps([took, sorted({name.split(".")[0] for name in sys.modules})]))
"""


def main() -> None:
    asked = options(__doc__, seeds=1)
    turns = 3 if asked.quick else TURNS
    known = Embedded.of(read_records(asked.file("llmrouter/routing_train.json")))
    count = min(QUERIES, len(known.records) // 2)
    tested = np.random.default_rng(0).permutation(len(known.records))[:count]
    header(f"Speed, {len(tested):,} queries, medians of {turns} turns", asked, intervals=False)
    with threadpool_limits(1):
        rows = [
            *against_floor(known, tested, turns),
            *of_estimators(known, tested, turns),
            *against_recipes(known, tested, turns),
        ]
    table(["what", "ours", "theirs", "ours / theirs", "aim"], rows)
    cold_start(turns)


def against_floor(
    known: Embedded, tested: NDArray[np.int64], turns: int
) -> list[tuple[object, ...]]:
    """The starter against encoding and searching alone."""
    router = Router.starter()
    texts = [known.records.queries[row] or "" for row in tested]
    model, k = StaticEmbedder().model, router.estimator.neighbors
    index = faiss.IndexFlatIP(router.evidence.vectors.shape[1])
    index.add(np.ascontiguousarray(router.evidence.vectors))

    def floor(some: list[str]) -> None:
        index.search(np.ascontiguousarray(model.encode(some), dtype=np.float32), k)

    one_by_one = each(router.route, texts), each(lambda text: floor([text]), texts)
    return [
        row(
            "route on the starter / model2vec and FAISS, a query",
            *turn_about(*one_by_one, turns, len(texts)),
            "≤ 1.5",
        ),
        row(
            f"route_many on the starter / the same, {len(texts):,} at once",
            *turn_about(lambda: router.route_many(texts), lambda: floor(texts), turns, len(texts)),
            "≤ 1.2",
        ),
    ]


def each(do: Callable[[str], object], texts: Sequence[str]) -> Callable[[], None]:
    """Does it with one text after the other."""

    def run() -> None:
        for text in texts:
            do(text)

    return run


def of_estimators(
    known: Embedded, tested: NDArray[np.int64], turns: int
) -> list[tuple[object, ...]]:
    """The blend against the vote, both with embedding, search, policy and reasons."""
    rest = np.setdiff1d(np.arange(len(known.records)), tested)
    texts = [known.records.queries[row] or "" for row in tested]
    blend, vote = (
        Router.fit(known.select(rest).with_vectors, embedder=StaticEmbedder(), estimator=kind)
        for kind in ("blend", "knn")
    )
    singly = each(blend.route, texts), each(vote.route, texts)
    at_once = partial(blend.route_many, texts), partial(vote.route_many, texts)
    named = f"route_many with the blend / with the vote, {len(texts):,} at once"
    return [
        row("route with the blend / with the vote", *turn_about(*singly, turns, len(texts)), "–"),
        row(named, *turn_about(*at_once, turns, len(texts)), "–"),
    ]


def against_recipes(
    known: Embedded, tested: NDArray[np.int64], turns: int
) -> list[tuple[object, ...]]:
    """Everything after embedding, against what other routers do with the same vectors."""
    rest = np.setdiff1d(np.arange(len(known.records)), tested)
    texts = [known.records.queries[row] or "" for row in tested]
    place = {read_query(query).text: row for row, query in enumerate(known.records.queries)}
    embedder = FunctionEmbedder(
        lambda some: known.vectors[[place[text] for text in some]],
        dim=known.vectors.shape[1],
        id="looked up",
    )
    router = Router.fit(known.records.select(rest), embedder=embedder)
    k, asked = router.estimator.neighbors, Queries.of(known.select(tested))
    others = {
        f"RouterBench's recipe, k = {k}": recipes.routerbench(k),
        "RouterBench's recipe, k = 50": recipes.routerbench(50),
        "ulab LLMRouter's recipe": recipes.ulab("file", at_once=1),
        "ulab LLMRouter's recipe, all at once": recipes.ulab("file"),
    }
    learned = {name: recipe(known.select(rest), 0) for name, recipe in others.items()}
    return [
        row(
            f"route_many without embedding / {name}",
            *turn_about(
                lambda: router.route_many(texts), partial(theirs.choose, asked), turns, len(texts)
            ),
            "< 1",
        )
        for name, theirs in learned.items()
    ]


def turn_about(
    ours: Callable[[], object], theirs: Callable[[], object], turns: int, queries: int
) -> tuple[Floats, Floats]:
    """Microseconds a query of each turn, both sides in turn, after one turn to warm up."""
    took = np.array([(seconds(ours), seconds(theirs)) for _ in range(turns + 1)])[1:]
    microseconds = 1e6 * took / queries
    return microseconds[:, 0], microseconds[:, 1]


def seconds(run: Callable[[], object]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def row(what: str, ours: Floats, theirs: Floats, aim: str) -> tuple[object, ...]:
    ratio = f"{np.median(ours / theirs):.2f}"
    return what, f"{np.median(ours):.0f} µs", f"{np.median(theirs):.0f} µs", ratio, aim


def cold_start(turns: int) -> None:
    """Import, load the starter and route once, in processes of their own."""
    ran = [fresh() for _ in range(min(turns, 5))]
    took = sorted(seconds for seconds, _ in ran)
    found = sorted(set(UNWANTED).intersection(*(modules for _, modules in ran)))
    print(f"\nImport, starter and first decision in a fresh process: {took[0]:.2f} s at best,")
    print(f"{took[len(took) // 2]:.2f} s in the middle of {len(took)} (aim: below 0.8 s).")
    print(f"Of {', '.join(UNWANTED)} it loads: {', '.join(found) or 'none'}.")


def fresh() -> tuple[float, Sequence[str]]:
    """How many seconds it took, and which packages were loaded."""
    done = subprocess.run([sys.executable, "-c", START], capture_output=True, text=True, check=True)
    took, modules = json.loads(done.stdout)
    return took, modules


if __name__ == "__main__":
    main()
