"""The router: puts the stages together, from a query to a decision."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Any, Literal

from knnrouter.pool import ModelPool
from knnrouter.records import RecordSet

from . import embedders, growing, making, routing, store
from .decision import Decision
from .embedders import Embedder
from .estimators import Estimates, Estimator, Evidence, FittedEstimator
from .estimators.correctness import Eta
from .explain import Explanation
from .lineup import CountTokens, Lineup
from .policies import Policy
from .state import State
from .task_routing.asking import task_decision
from .task_routing.choosing import known_score
from .task_routing.decision import TaskDecision
from .task_routing.routing import TaskQuestion
from .task_routing.settings import TaskSettings
from .vectors import Progress, Row

__all__ = ["Router"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Router:
    """Chooses a model for a query from the evidence. Made by `fit`, `load`, `from_yaml`, `starter`.

    Any number of threads may share one. Only its evidence can change, and as a whole: a call that
    runs while `add_records`, `remove_records` or `add_model` does its work sees the old evidence or
    the new, never a mix.

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

    embedder: Embedder
    """What embedded the evidence, and embeds queries."""

    state: State
    """What it knows at the moment; replaced as a whole when the evidence changes."""

    _writing: Lock = field(default_factory=Lock, init=False, repr=False)
    """Held while the evidence changes, so that no change is lost to another."""

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
                "clusters:k=60"; None: the pool's, else `estimators.default()`.
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
        making.check_fit(records, index)
        told = progress or _silent
        embedder = embedders.resolve(embedder)
        lineup = Lineup.of(records, pool)
        if policy is not None:
            lineup = replace(lineup, policy=lineup.guarded(policy))
        evidence = making.embedded(records, embedder, told)
        chosen = making.estimator_of(estimator, pool)
        fitted = making.fitted(chosen, evidence, seed=seed, told=told)
        state = State(evidence=evidence, estimator=fitted, lineup=lineup)
        return cls(embedder=embedder, state=state)

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
        making.check_estimator(saved.settings, pool, folder)
        evidence, fitted = making.restored(saved, folder)
        lineup = Lineup.of(saved.records, pool)
        state = State(evidence=evidence, estimator=fitted, lineup=lineup)
        return cls(embedder=chosen, state=state)

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

        The policy is the new pool's, and `count_tokens` is stated anew. What this router learns
        later does not reach the new one.

        Args:
            pool: As for `fit`.
            count_tokens: Counts the tokens of a query as it is given to `route`, for context
                windows and prices; None estimates them from the bytes.
        """
        state = self.state
        lineup = Lineup.of(state.evidence.records, pool, count_tokens=count_tokens)
        return replace(self, state=replace(state, lineup=lineup))

    def with_abilities(self, pool: ModelPool, *, count_tokens: CountTokens | None = None) -> Router:
        """The same router, but what the models can do and take in is told anew.

        Evidence, prices, policy and default stay; only who may answer a query can change. What
        this router learns later does not reach the new one.

        Args:
            pool: The models of this router's pool, in the same order, with other capabilities,
                context windows or tags; nothing else is taken from it. What is not listed in it is
                not had.
            count_tokens: As for `with_pool`; None keeps the router's.

        Raises:
            PoolError: The pool has other models.
            TypeError: `pool` is no `ModelPool`.
        """
        state = self.state
        lineup = state.lineup.with_abilities(pool, count_tokens=count_tokens)
        return replace(self, state=replace(state, lineup=lineup))

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
        saved = making.saved(self.state, self.embedder)
        store.save(Path(folder), saved, keep_queries=keep_queries)

    def add_records(self, records: RecordSet) -> Router:
        """Add benchmark outcomes to the evidence, in place.

        The estimator keeps its settings and learns from all rows; nothing is chosen anew. The
        router then says what one would that was fitted with these settings, and seed 0, on the same
        rows. Some estimators keep more: clusters and matrix factorization the structure that they
        learned, fine-tuned transformers all of it, and the rows tell them only what queries cost.
        A folder that the router was loaded from stays as it is until `save`.

        Args:
            records: Rows with new ids; models that the evidence does not know become columns of it.
                A pool that was stated keeps its models.

        Returns:
            This router.

        Raises:
            RecordsError: Ids are in the evidence already, or rows hold neither text nor vectors.
            EmbedderMismatchError: Rows without text hold vectors of another embedder.
            EstimatorError: The estimator cannot take other evidence: fit a router anew.
            PoolError: The pool does not fit the models that are new.
        """
        with self._writing:
            self._become(growing.with_records(self.state, records, self.embedder))
        return self

    def remove_records(self, ids: Iterable[str]) -> Router:
        """Take rows out of the evidence, in place; see `add_records`.

        Args:
            ids: Of rows of the evidence.

        Returns:
            This router.

        Raises:
            RecordsError: Ids are not in the evidence, or no row, or no score, would be left.
            EstimatorError: The estimator cannot take other evidence: fit a router anew.
        """
        with self._writing:
            self._become(growing.without_records(self.state, ids))
        return self

    def add_model(self, name: str, records: RecordSet) -> Router:
        """Add a model to the evidence, in place, by its outcomes on some of the rows.

        On all other rows it is not measured, and what it did in their tasks and on the whole stands
        in. See `add_records` for the estimator, and `onboarding.propose` for which rows to measure.

        Args:
            name: The model's column, a new one; a pool that was stated must name it, or it is never
                chosen.
            records: Its outcomes, in a column of this name; other columns are not looked at. A row
                belongs to the row of the evidence that has its id, unless their texts differ; else
                to that which has its text. Rows of it that were not measured are left out.

        Returns:
            This router.

        Raises:
            RecordsError: The model is in the evidence already; or rows belong to none of the
                evidence, or two to one. All such rows are named.
            EstimatorError: The estimator cannot take other evidence: fit a router anew.
            PoolError: The pool does not fit the new column.
        """
        with self._writing:
            self._become(growing.with_model(self.state, name, records, self.embedder))
        return self

    def _become(self, state: State) -> None:
        object.__setattr__(
            self, "state", state
        )  # one step: calls that run keep the state they took

    def __getstate__(self) -> dict[str, object]:
        return {"embedder": self.embedder, "state": self.state}

    def __setstate__(self, parts: dict[str, object]) -> None:
        vars(self).update(parts, _writing=Lock())  # locks do not travel

    @property
    def evidence(self) -> Evidence:
        """The outcomes, their vectors, and the index over these, at the moment."""
        return self.state.evidence

    @property
    def estimator(self) -> FittedEstimator:
        """What was learned from the evidence, at the moment."""
        return self.state.estimator

    @property
    def lineup(self) -> Lineup:
        """The pool against the evidence, at the moment."""
        return self.state.lineup

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
        (decision,) = routing.decisions(
            self.state,
            self.embedder,
            (query,),
            prompts,
            (vector,),
            policy,
            allow=allow,
            require=require,
            tags=tags,
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
        return routing.decisions(
            self.state,
            self.embedder,
            given,
            routing.one_each("prompts", prompts, given),
            routing.one_each("vectors", vectors, given) or (None,) * len(given),
            policy,
            allow=allow,
            require=require,
            tags=tags,
        )

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
        return task_decision(
            self.state,
            self.embedder,
            tuple(queries),
            question,
            labelled,
            allow=allow,
            require=require,
            tags=tags,
        )

    def estimate(self, queries: Iterable[object]) -> Estimates:
        """What to expect of every model, of the records and of the pool, on each query.

        Raises:
            NoTextError: A query holds no text.
        """
        if isinstance(queries, str):
            raise TypeError("estimate takes several queries; give a list, also for one text")
        return routing.estimates(self.state, self.embedder, tuple(queries))

    def explain(self, query: object, *, policy: str | Policy | None = None) -> Explanation:
        """The decision with its margin, its neighbors, and what would flip it.

        Args:
            query: As for `route`.
            policy: As for `route`.
        """
        return routing.explanation(self.state, self.embedder, query, policy)


def _silent(stage: str, done: int, total: int) -> None:
    """Tells nobody."""
