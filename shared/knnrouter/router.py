"""The router: puts the stages together, from a query to a decision."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from knnrouter.pool import ModelPool
from knnrouter.records import Price, RecordSet
from knnrouter.text import Query, read_query, routing_text

from . import embedders, estimators, store
from .choosing import Chooser, LookedUp
from .decision import Decision
from .embedders import Embedder
from .errors import DamagedStoreError, EstimatorError, PoolError
from .estimators import Estimates, Estimator, Evidence, FittedEstimator, Setting
from .estimators.base import asked
from .estimators.correctness import Eta
from .explain import Explanation, explain
from .index import FaissIndex
from .lineup import CountTokens, Lineup
from .policies import Policy
from .task_routing.choosing import known_score
from .task_routing.decision import TaskDecision
from .task_routing.new_task import (
    Labelled,
    NewTask,
    eligible_for_all,
    labelled_rows,
    without_labelled,
)
from .task_routing.routing import KeptBenchmark, TaskQuestion, route_task
from .task_routing.settings import TaskSettings
from .vectors import Progress, Row, query_vectors, rows_of

__all__ = ["Router"]

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, eq=False)
class Router:
    """Chooses a model for a query from the evidence. Made by `fit`, `load`, `from_yaml`, `starter`.

    A router never changes, so any number of threads may share one.

    Example:
        >>> rows = [
        ...     {"query": "Reverse a linked list in C.", "coder": 1, "poet": 0},
        ...     {"query": "Sort an array in C.", "coder": 1, "poet": 0},
        ...     {"query": "Write a sonnet on the sea.", "coder": 0, "poet": 1},
        ...     {"query": "Write a haiku on the moon.", "coder": 0, "poet": 1},
        ... ]
        >>> router = Router.fit(RecordSet.from_rows(rows))
        >>> router.route("Write a limerick on the sun.").model
        'poet'
    """

    evidence: Evidence
    embedder: Embedder
    estimator: FittedEstimator
    lineup: Lineup

    @classmethod
    def fit(
        cls,
        records: RecordSet,
        *,
        pool: ModelPool | None = None,
        embedder: str | Embedder = "static",
        estimator: str | Mapping[str, Any] | Estimator | None = None,
        policy: str | Policy | None = None,
        index: Literal["auto", "flat"] = "auto",
        seed: int = 0,
        progress: Progress | None = None,
    ) -> Router:
        """Make a router of benchmark outcomes.

        Args:
            records: The outcomes, `n` rows.
            pool: Which models may answer, and their prices; None: every model of the records, with
                no prices and no capability filters.
            embedder: "static", the one that comes with the library, or one of your own.
            estimator: What to expect of each model: an estimator, or its text, such as
                "clusters:k=60"; None: the pool's, else `estimators.KNN()`, chosen by leave-one-out.
            policy: Which model to take; None: the pool's, else `BestScore()`. It holds for this
                router only: `save` and `with_pool` take the policy from the pool.
            index: How neighbors are found; "auto" is flat, which is exact.
            seed: Where all randomness comes from.
            progress: Is told how far the work is.

        Raises:
            ValueError: `index` is neither.
            RecordsError: The records hold neither text nor vectors for some row.
            EmbedderMismatchError: The records hold vectors of another embedder.
            PoolError: The pool does not fit the records.
            EstimatorError: The estimator is unknown or wrongly set, or cannot learn from them.
            TypeError: `records` is no `RecordSet`, or `pool` no `ModelPool`.
        """
        if not isinstance(records, RecordSet):
            raise TypeError(
                f"records is {records!r:.80}, of type {type(records).__name__}; give a RecordSet: "
                "RecordSet.from_rows(rows) of rows in memory, read_records(path) of a file"
            )
        if index not in ("auto", "flat"):
            raise ValueError(f'index is {index!r}; give "auto" or "flat"')
        told = progress or _silent
        embedder = embedders.resolve(embedder)
        lineup = Lineup.of(records, pool)
        if policy is not None:
            lineup = replace(lineup, policy=lineup.guarded(policy))
        vectors = query_vectors(records, embedder, progress=progress)
        told("index", 0, 1)
        evidence = Evidence(records=records, vectors=vectors, index=FaissIndex(vectors))
        told("fit", 0, 1)
        fitted = _estimator(estimator, pool).fit(evidence, seed=seed)
        told("fit", 1, 1)
        return cls(evidence=evidence, embedder=embedder, estimator=fitted, lineup=lineup)

    @classmethod
    def load(
        cls,
        folder: str | Path,
        *,
        pool: ModelPool | None = None,
        embedder: str | Embedder | None = None,
        verify: Literal["auto", "full", "fast"] = "auto",
    ) -> Router:
        """Load what `save` wrote.

        Args:
            folder: The saved folder.
            pool: As for `fit`.
            embedder: What embedded the evidence; None: the one that comes with the library. Its
                id, its dimension and a few probe texts are checked.
            verify: "full" checks every byte, "fast" all but the contents of the data files; "auto"
                is full below 256 MB.

        Raises:
            StoreError: The folder cannot be used; see its kinds in `errors`.
            PoolError: The pool does not fit the records, or states another estimator.
        """
        saved = store.load(Path(folder), verify=verify)
        chosen = embedders.resolve("static" if embedder is None else embedder)
        store.check_probes(saved, chosen)
        evidence = Evidence(records=saved.records, vectors=saved.vectors, index=saved.index)
        estimator = estimators.from_settings(saved.settings)
        _check_estimator(saved.settings, pool, folder)
        try:
            fitted = estimator.restore(evidence, saved.arrays)
        except EstimatorError as error:
            raise DamagedStoreError(
                f"{folder} is damaged: {error}; put back a copy of the folder, or build the router "
                f"again: knnrouter build FILE --out {folder}"
            ) from error
        lineup = Lineup.of(saved.records, pool)
        return cls(evidence=evidence, embedder=chosen, estimator=fitted, lineup=lineup)

    @classmethod
    def from_yaml(cls, path: str | Path, *, embedder: str | Embedder | None = None) -> Router:
        """Load the pool of a pool.yaml and the saved folder that its `router.index` names.

        Raises:
            PoolError: The file cannot be used, or names no index.
            StoreError: The saved folder cannot be used.
        """
        pool = ModelPool.from_yaml(path)
        return cls.load(pool.stated_index_path(), pool=pool, embedder=embedder)

    @classmethod
    def starter(cls) -> Router:
        """The small router inside this package: nine open models, with their prices.

        Measured on 5,608 public benchmark queries in fourteen tasks, in English; see the notice in
        the folder `knnrouter/starter`. Good for trying things out; fit your own for real traffic.
        """
        return cls.from_yaml(Path(__file__).parent / "starter" / "pool.yaml")

    def with_pool(
        self, pool: ModelPool | None, *, count_tokens: CountTokens | None = None
    ) -> Router:
        """The same evidence for another pool, with new prices, limits, models or policy.

        The policy is the new pool's, and `count_tokens` is stated anew.

        Args:
            pool: As for `fit`.
            count_tokens: Counts the tokens of a query as it is given to `route`, for context
                windows and prices; None estimates them from the bytes.
        """
        lineup = Lineup.of(self.evidence.records, pool, count_tokens=count_tokens)
        return replace(self, lineup=lineup)

    def with_abilities(self, pool: ModelPool, *, count_tokens: CountTokens | None = None) -> Router:
        """The same router, but what the models can do and take in is told anew.

        Evidence, prices, policy and default stay; only who may answer a query can change.

        Args:
            pool: The models of this router's pool, in the same order, with other capabilities,
                context windows or tags; nothing else is taken from it. What is not listed in it is
                not had.
            count_tokens: As for `with_pool`; None keeps the router's.

        Raises:
            PoolError: The pool has other models.
            TypeError: `pool` is no `ModelPool`.
        """
        return replace(self, lineup=self.lineup.with_abilities(pool, count_tokens=count_tokens))

    def save(self, folder: str | Path, *, keep_queries: bool = True) -> None:
        """Write the router to a folder; the pool is not part of it.

        A crash at any moment leaves the old router or the new one.

        Args:
            folder: New, empty, or a saved router, which is replaced.
            keep_queries: Whether the text of the queries is written too; without it `explain` shows
                ids and tasks only.

        Raises:
            StoreError: The folder holds something else, or cannot be written.
        """
        saved = store.Saved(
            records=self.evidence.records,
            vectors=self.evidence.vectors,
            index=_flat(self.evidence),
            embedder=self.embedder.id,
            settings=self.estimator.settings,
            arrays=self.estimator.arrays,
            probes=self.embedder.embed(store.PROBE_TEXTS),
        )
        store.save(Path(folder), saved, keep_queries=keep_queries)

    @property
    def records(self) -> RecordSet:
        """The evidence's outcomes."""
        return self.evidence.records

    @property
    def pool(self) -> ModelPool:
        """The models that may be chosen."""
        return self.lineup.pool

    @property
    def policy(self) -> Policy:
        """What chooses when `route` is not told otherwise."""
        return self.lineup.policy

    def route(
        self,
        query: object,
        *,
        prompt: object = None,
        vector: Row | None = None,
        policy: str | Policy | None = None,
        allow: Collection[str] | None = None,
        require: Collection[str] = (),
        tags: Collection[str] = (),
    ) -> Decision:
        """Choose a model for a query.

        Args:
            query: A text, a chat history, or anything `text.routing_text` takes.
            prompt: All that the model will read, where that is more than the query: who may
                answer depends on it, the choice among them does not. None: the query.
            vector: The unit row that the embedder has for the query's routing text, shape (d,),
                where it is known already; None: it is embedded.
            policy: A policy or its text, instead of the router's; the pool's `min_similarity`
                holds for it too.
            allow: Names of the pool that may answer; None: all that are enabled.
            require: Capabilities that the model must have, such as "tools".
            tags: Tags that the model must have.

        Raises:
            EmptyPoolError: No model may answer.
            UnpricedError: The policy weighs costs, and a model that may answer has none.
            NoTextError: The query holds no text, and the pool names no default.
            NoEvidenceError: No model that may answer has evidence, and the pool names no default.
            QueryError: The query's shape is not understood.
            PolicyError: The policy is unknown, wrongly set, or cannot choose.
            UnknownModelError: `allow` or the policy names a model that is not in the pool.
            EmbedderError: `vector` is no unit row of the embedder's length.
        """
        prompts = None if prompt is None else (prompt,)
        (decision,) = self._decisions(
            (query,), prompts, (vector,), policy, allow=allow, require=require, tags=tags
        )
        return decision

    def route_many(
        self,
        queries: Iterable[object],
        *,
        prompts: Iterable[object] | None = None,
        vectors: Iterable[Row | None] | None = None,
        policy: str | Policy | None = None,
        allow: Collection[str] | None = None,
        require: Collection[str] = (),
        tags: Collection[str] = (),
    ) -> list[Decision]:
        """Choose a model for each query: `route`, with one embedding batch and one search.

        Args:
            queries: As for `route`, several.
            prompts: As for `route`, one for each query.
            vectors: As for `route`, one for each query; None for those that are to be embedded.
            policy: As for `route`.
            allow: As for `route`.
            require: As for `route`.
            tags: As for `route`.

        Raises:
            ValueError: There are more or fewer prompts or vectors than queries.
        """
        if isinstance(queries, str) or isinstance(prompts, str):
            raise TypeError("route_many takes several queries; for one text use route")
        given = tuple(queries)
        whole = _one_each("prompts", prompts, given)
        rows = _one_each("vectors", vectors, given) or (None,) * len(given)
        return self._decisions(given, whole, rows, policy, allow=allow, require=require, tags=tags)

    def route_task(
        self,
        queries: Iterable[object],
        *,
        score: str = "s3",
        labelled: RecordSet | None = None,
        eta: Eta = 0.5,
        p: Mapping[str, float] | None = None,
        settings: TaskSettings | None = None,
        seed: int = 0,
        allow: Collection[str] | None = None,
        require: Collection[str] = (),
        tags: Collection[str] = (),
    ) -> TaskDecision:
        """Choose one model for all queries of a new task, from how the evidence's tasks fared.

        The first call looks up the neighbors of all of the evidence; they are kept.

        Args:
            queries: Of the task, as for `route`; no outcome of them is needed.
            score: What models are ranked by: "s1", "s2" or "s3". With "s3" the best on average
                answers unless the first is likely to beat it; see `task_routing`.
            labelled: Outcomes of some queries of the task, where they are known.
            eta: A score above it is right, in [0, 1); one number, or one by task.
            p: The chance that a prediction for this task is right, by model, where that is known.
            settings: The numbers of task routing; None: those of the paper.
            seed: Where all randomness comes from.
            allow: As for `route`.
            require: As for `route`.
            tags: As for `route`.

        Raises:
            EstimatorError: The evidence names fewer than three tasks, or a setting is wrong.
            QueryError: There is no query that is not labelled.
            NoTextError: A query holds no text.
            EmptyPoolError: No model may answer all of the queries.
            NoEvidenceError: No task measured any of the models that may.
            RecordsError: The labelled queries measure no model of the evidence.
        """
        if isinstance(queries, str):
            raise TypeError("route_task takes several queries; give a list, also for one text")
        question = TaskQuestion(
            score=known_score(score), eta=eta, p=p, settings=settings or TaskSettings(), seed=seed
        )
        given = tuple(queries)
        read = _with_text(given)
        eligible = eligible_for_all(
            read, given, self.lineup, allow=allow, require=require, tags=tags
        )
        task = self._new_task(read, labelled)
        return route_task(
            self._tasks, self.evidence, self.lineup, task, question, eligible=eligible
        )

    def _new_task(self, read: Sequence[Query], labelled: RecordSet | None) -> NewTask:
        known: Labelled | None = None
        notes: tuple[str, ...] = ()
        if labelled is not None:
            known, strange = labelled_rows(labelled, self.records, self.lineup, self.embedder)
            kept, told = without_labelled(read, labelled)
            read, notes = [read[place] for place in kept], (*strange, *told)
        texts, _ = _clipped(read, self.embedder)
        return NewTask(vectors=rows_of(texts, self.embedder), labelled=known, notes=notes)

    @property
    def _tasks(self) -> KeptBenchmark:
        """Kept beside the fields; of several threads that ask first, one makes it."""
        kept: KeptBenchmark = vars(self).setdefault("_benchmark", KeptBenchmark(self.evidence))
        return kept

    def estimate(self, queries: Iterable[object]) -> Estimates:
        """What to expect of every model, of the records and of the pool, on each query.

        Raises:
            NoTextError: A query holds no text.
        """
        if isinstance(queries, str):
            raise TypeError("estimate takes several queries; give a list, also for one text")
        given = tuple(queries)
        read = _with_text(given)
        looked_up = self._look_up(read, given)
        found, widened = looked_up.estimates, self.lineup.widened
        return replace(
            found,
            models=self.lineup.names,
            scores=widened(found.scores),
            costs=looked_up.costs,
            stderr=widened(found.stderr),
            support=widened(found.support, fill=0.0),
            input_tokens=_each(found.input_tokens, widened),
            output_tokens=_each(found.output_tokens, widened),
            latency_ms=_each(found.latency_ms, widened),
        )

    def explain(self, query: object, *, policy: str | Policy | None = None) -> Explanation:
        """The decision with its margin, its neighbors, and what would flip it.

        Args:
            query: As for `route`.
            policy: As for `route`.
        """
        chooser = self._chooser(policy)
        read = read_query(query)
        eligible = self.lineup.eligible(read, query, allow=None, require=(), tags=())
        found = self._look_up((read,), (query,))
        return explain(
            chooser.decision(found, 0, eligible, math.nan),
            chooser.policy,
            chooser.candidates(found, 0, eligible),
            prices=self._followed_prices(found, self.lineup.prompt_tokens(read, query)),
        )

    def _followed_prices(self, found: LookedUp, prompt_tokens: float) -> dict[str, Price]:
        """The prices of the models whose costs on the one query that was found follow from them."""
        follows = self.lineup.follows_price(found.estimates, (prompt_tokens,))[0]
        prices = {spec.name: spec.price for spec in self.pool.models}
        return {
            name: price
            for name, does in zip(self.lineup.names, follows.tolist(), strict=True)
            if does and (price := prices[name]) is not None
        }

    def _decisions(
        self,
        given: Sequence[object],
        prompts: Sequence[object] | None,
        vectors: Sequence[Row | None],
        policy: str | Policy | None,
        *,
        allow: Collection[str] | None,
        require: Collection[str],
        tags: Collection[str],
    ) -> list[Decision]:
        start = time.perf_counter()
        chooser = self._chooser(policy)
        read = _read(given)
        prompts = given if prompts is None else prompts
        eligible = [
            self.lineup.eligible(
                query if prompt is one else read_query(prompt),
                prompt,
                allow=allow,
                require=require,
                tags=tags,
            )
            for query, one, prompt in zip(read, given, prompts, strict=True)
        ]
        looked_up = self._look_up(read, given, vectors)
        share = max(len(given), 1) / 1e3
        return [
            chooser.decision(looked_up, row, eligible[row], (time.perf_counter() - start) / share)
            for row in range(len(given))
        ]

    def _look_up(
        self,
        read: Sequence[Query],
        given: Sequence[object],
        vectors: Sequence[Row | None] = (),
    ) -> LookedUp:
        """One embedding batch and one search for all queries."""
        texts, notes = _clipped(read, self.embedder)
        rows = rows_of(texts, self.embedder, vectors)
        near = self.evidence.index.search(rows, self.estimator.neighbors)
        found = asked(self.estimator, [query.text for query in read], rows, near)
        pairs = zip(read, given, strict=True)
        tokens = [self.lineup.prompt_tokens(query, one) for query, one in pairs]
        return LookedUp(
            queries=read,
            notes=notes,
            estimates=found,
            costs=self.lineup.costs(found, tokens),
            neighbors=near,
            records=self.evidence.records,
        )

    @cached_property
    def _usual(self) -> Chooser:
        return Chooser(lineup=self.lineup, policy=self.lineup.policy)

    def _chooser(self, policy: str | Policy | None) -> Chooser:
        if policy is None:
            return self._usual
        return Chooser(lineup=self.lineup, policy=self.lineup.guarded(policy))


def _estimator(
    given: str | Mapping[str, Any] | Estimator | None, pool: ModelPool | None
) -> Estimator:
    """The estimator that was given, else the pool's, else the default."""
    if given is None and pool is not None:
        given = pool.router.estimator
    if given is None:
        return estimators.KNN()
    if isinstance(given, str | Mapping):
        return estimators.parse(given)
    if isinstance(given, type) or not isinstance(given, Estimator):
        raise TypeError(
            f"estimator is {given!r:.80}; give an estimator such as estimators.KNN(), its text, "
            "or any object with its methods fit and restore"
        )
    return given


def _check_estimator(
    saved: Mapping[str, Setting], pool: ModelPool | None, folder: str | Path
) -> None:
    """Refuse a saved router whose estimator is not the one that the pool states.

    Raises:
        PoolError: A setting that the pool states is another one.
        EstimatorError: The pool's estimator is unknown or wrongly set.
    """
    stated = None if pool is None else pool.router.estimator
    if stated is None:
        return
    wanted = estimators.settings_of(estimators.parse(stated))
    other = {
        name: (value, saved.get(name))
        for name, value in wanted.items()
        if value != "auto" and value != saved.get(name)
    }
    if other:
        listed = ", ".join(
            f"{name} is {there!r}, not {here!r}" for name, (here, there) in other.items()
        )
        raise PoolError(
            f"the pool's router.estimator is not what {folder} was built with: {listed}; build it "
            f"again with knnrouter build FILE --pool POOL --out {folder}, or take the line out"
        )


def _read(given: Sequence[object]) -> list[Query]:
    return [read_query(query) for query in given]


def _with_text(given: Sequence[object]) -> list[Query]:
    """The queries, each of which must hold text."""
    read = _read(given)
    for query, one in zip(read, given, strict=True):
        if query.kind != "text":
            routing_text(one)  # which says what is wrong
    return read


def _one_each(
    what: str, values: Iterable[T] | None, queries: Sequence[object]
) -> tuple[T, ...] | None:
    found = None if values is None else tuple(values)
    if found is not None and len(found) != len(queries):
        raise ValueError(
            f"{len(found)} {what} for {len(queries)} queries; give one for each, or none at all"
        )
    return found


def _clipped(read: Sequence[Query], embedder: Embedder) -> tuple[list[str], list[tuple[str, ...]]]:
    """The texts that the embedder will read, and what to note of each query."""
    clip = getattr(embedder, "clip", None)
    if clip is None:
        return [query.text for query in read], [query.notes for query in read]
    texts, notes = [], []
    for query in read:
        text = clip(query.text)
        texts.append(text)
        notes.append(query.notes if text is query.text else (*query.notes, _cut(query.text, text)))
    return texts, notes


def _cut(whole: str, part: str) -> str:
    return (
        f"of {len(whole):,} characters, head and tail were read, {len(part):,} in all; "
        "the embedder's window holds no more"
    )


def _flat(evidence: Evidence) -> FaissIndex:
    """The evidence's index in the one form that is saved."""
    index = evidence.index
    return index if isinstance(index, FaissIndex) else FaissIndex(evidence.vectors)


def _each(
    values: NDArray[np.float64] | None,
    change: Callable[[NDArray[np.float64]], NDArray[np.float64]],
) -> NDArray[np.float64] | None:
    return None if values is None else change(values)


def _silent(stage: str, done: int, total: int) -> None:
    """Tells nobody."""
