"""What users write against the library; `mypy --strict` accepts all of it, or the types are wrong.

Where a line is marked with `type: ignore`, mypy must refuse it: an ignore that is not needed is an
error itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

from knnrouter import (
    Decision,
    Estimates,
    ModelPool,
    ModelSpec,
    RecordSet,
    Router,
    embedders,
    errors,
    estimators,
    policies,
    read_records,
    text,
)
from knnrouter.decision import Neighbor
from knnrouter.explain import Explanation, Flip
from knnrouter.index import ExactIndex, FaissIndex, NeighborIndex
from knnrouter.neighbors import Neighbors
from knnrouter.records import Price
from knnrouter.serving import (
    Answer,
    Attempts,
    Decider,
    Failure,
    Lazy,
    LazyRouter,
    RouteOptions,
    loaded,
)


class LengthEmbedder:
    """An embedder of one's own: three names, no base class."""

    id = "length-1"
    dim = 1

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One number a text."""
        return np.array([[1.0] if text else [0.0] for text in texts], dtype=np.float32)


class Always:
    """An estimator of one's own, fitted from the start."""

    neighbors = 1
    settings: Mapping[str, estimators.Setting] = {"kind": "always"}
    arrays: Mapping[str, NDArray[np.generic]] = {}

    def __init__(self, models: tuple[str, ...] = ()) -> None:
        self.models = models

    def fit(self, evidence: estimators.Evidence, *, seed: int = 0) -> Always:
        """Note the models."""
        return Always(evidence.records.models)

    def restore(
        self, evidence: estimators.Evidence, arrays: Mapping[str, NDArray[np.generic]]
    ) -> Always:
        """Note the models."""
        return self.fit(evidence)

    def estimate(self, vectors: NDArray[np.float32], neighbors: Neighbors) -> Estimates:
        """Expect one half of everybody."""
        half = np.full((len(vectors), len(self.models)), 0.5)
        nearest = neighbors.similarities[:, 0]
        return Estimates(
            models=self.models,
            scores=half,
            costs=half,
            stderr=half,
            support=half,
            similarity=nearest,
        )


def alphabetical(candidates: policies.Candidates) -> policies.Choice:
    """A policy of one's own."""
    ranking = tuple(sorted(candidates.models))
    return policies.Choice(ranking=ranking, reason="by name", reason_code="alphabetical")


def build(path: Path) -> Router:
    """From a file of outcomes to a router."""
    records = read_records(path, format="auto")
    assert_type(records, RecordSet)
    assert_type(records.scores, NDArray[np.float32])
    assert_type(records.tasks, tuple[str | None, ...])
    more = RecordSet.from_rows([{"query": "2 + 2?", "small": 1, "large": True}], ignore=["x"])
    both = RecordSet.concat([records, more]).drop_duplicates().select([0, 1])
    pool = ModelPool(
        models=[
            ModelSpec(name="small", price=Price(0.25, 2.0), capabilities=["tools"]),
            ModelSpec(name="large", price=Price(input=1.0, output=8), tags=["eu"]),
        ]
    )
    knn = estimators.KNN(k=40, weights="softmax", temperature=0.05, shrinkage="auto")
    router = Router.fit(both, pool=pool, estimator=knn, policy=policies.BestScore(), seed=1)
    router.save(path.with_suffix(".router"), keep_queries=False)
    return Router.load(str(path.with_suffix(".router")), pool=pool, verify="fast")


def of_ones_own(records: RecordSet, index: NeighborIndex) -> Router:
    """Parts of one's own fit in without a base class."""
    Router.fit(records, embedder=LengthEmbedder(), estimator=Always(), policy=alphabetical)
    wrapped = embedders.FunctionEmbedder(lambda texts: [[1.0]] * len(texts), dim=1, id="one")
    protocol: embedders.Embedder = LengthEmbedder()
    any_index: Sequence[NeighborIndex] = [index, *map(ExactIndex, []), *map(FaissIndex, [])]
    assert protocol.dim == wrapped.dim
    assert len(any_index) == 1
    return Router.fit(records, embedder=wrapped, progress=lambda stage, done, total: None)


def route(router: Router, history: list[dict[str, str]]) -> str:
    """Decisions and what they say."""
    decision = router.route("What is 2 + 2?", policy="score_minus_cost:cost_weight=20")
    assert_type(decision, Decision)
    assert_type(decision.model, str)
    assert_type(decision.ranking, tuple[str, ...])
    assert_type(decision.scores["small"], float)
    assert_type(decision.neighbors, tuple[Neighbor, ...])
    assert_type(decision.neighbors[0].task, str | None)
    assert_type(decision.to_dict(), dict[str, Any])
    many = router.route_many(
        [history, "text"],
        policy=policies.Guarded(
            policy=policies.ScoreMinusCost(cost_weight=1.5), min_similarity=0.3, fallback="small"
        ),
        allow={"small", "large"},
        require=["tools"],
        tags=("eu",),
    )
    assert_type(many, list[Decision])
    estimates = router.estimate(["text"])
    assert_type(estimates.scores, NDArray[np.float64])
    assert_type(estimates.latency_ms, NDArray[np.float64] | None)
    explained = router.explain(history, policy=alphabetical)
    assert_type(explained, Explanation)
    assert_type(explained.flips, tuple[Flip, ...])
    assert_type(explained.runner_up, str | None)
    assert_type(decision.summary(), dict[str, Any])
    assert_type(Decision.from_summary(decision.summary()), Decision)
    part = text.routed_part(history, "thread")
    assert_type(part, object)
    assert_type(router.route(part, prompt=history), Decision)
    assert_type(router.route_many([part], prompts=(each for each in [history])), list[Decision])
    able = router.with_abilities(router.pool, count_tokens=lambda prompt: 7)
    assert_type(able, Router)
    cheaper = router.with_pool(ModelPool.from_yaml("pool.yaml"), count_tokens=lambda query: 7)
    return cheaper.route(history).model


def serve(path: Path, asked: Sequence[object]) -> str:
    """What an adapter to a framework is made of."""
    lazy = LazyRouter(path, embedder=LengthEmbedder())
    assert_type(lazy.pool, ModelPool)
    assert_type(lazy.get(), Router)
    assert_type(loaded(lazy), Router)
    assert_type(loaded(Lazy(lambda: 7)), int)
    decider = Decider(router=lazy.get, pool=lazy.pool, sticky=lazy.pool.router.sticky)
    options = RouteOptions(policy=alphabetical, allow={"small"}, require=("tools",))
    decision = decider.decide("What is 2 + 2?", options.needing("vision"))
    assert_type(decision, Decision)
    many = decider.decide_many(asked, [options] * len(asked))
    assert_type(many, list[Decision | Exception])
    attempts = Attempts(fallback_on=(TimeoutError,), let_through=lambda error: False)
    answer = attempts.ask(decider.order(decision), len)
    assert_type(answer, Answer[int])
    assert_type(answer.failures, tuple[Failure, ...])
    return answer.model


async def served(attempts: Attempts) -> bytes:
    """The same, awaited."""

    async def ask(name: str) -> bytes:
        return name.encode()

    return (await attempts.aask(["small"], ask)).value


def refused(router: Router, records: RecordSet) -> None:
    """What mypy must not let pass."""
    router.route("text", policy=20)  # type: ignore[arg-type]
    router.route("text", allow=[1])  # type: ignore[list-item]
    router.route_many(["text"], prompts=7)  # type: ignore[arg-type]
    router.with_abilities(None)  # type: ignore[arg-type]
    text.routed_part("text", "forever")  # type: ignore[arg-type]
    RouteOptions("small")  # type: ignore[call-arg]
    Attempts(fallback_on=TimeoutError)  # type: ignore[arg-type]
    router.route("text", polcy="best_score")  # type: ignore[call-arg]
    Router.fit("records.csv")  # type: ignore[arg-type]
    Router.fit(records, index="hnsw")  # type: ignore[arg-type]
    Router.fit(records, embedder=len)  # type: ignore[arg-type]
    Router.fit(records, estimator=estimators.KNN(weights="gauss"))  # type: ignore[arg-type]
    router.embedder = LengthEmbedder()  # type: ignore[misc]
    policies.CheapestAbove()  # type: ignore[call-arg]
    policies.CheapestAbove(0.5)  # type: ignore[call-arg]
    records.scores = np.zeros((1, 1), np.float32)  # type: ignore[misc]


def fail(error: errors.KnnRouterError) -> str:
    """What errors tell beside their message."""
    if isinstance(error, errors.PoolError | errors.RecordsError):
        assert_type(error.problems, tuple[str, ...])
    if isinstance(error, errors.UnpricedError):
        assert_type(error.models, tuple[str, ...])
    if isinstance(error, errors.NoTextError):
        assert_type(error.kind, str)
    if isinstance(error, errors.MissingExtraError):
        assert_type(error.extra, str)
    return str(error)
