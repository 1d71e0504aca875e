"""A selector that chooses by evidence, where LlamaIndex's own ask an LLM."""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any, Literal, cast, get_args

import numpy as np
from llama_index.core.base.base_selector import BaseSelector
from llama_index.core.prompts.mixin import PromptDictType
from llama_index.core.schema import QueryBundle
from llama_index.core.tools.types import ToolMetadata
from numpy.typing import NDArray

from knnrouter import Decision, Router
from knnrouter.embedders import Embedder
from knnrouter.policies import Policy
from knnrouter.pool import ModelPool
from knnrouter.serving import (
    MISTAKES,
    Decider,
    Gathering,
    LazyRouter,
    RouteOptions,
    checked_policy,
    checked_router,
    is_stated,
)
from knnrouter.text import read_query

from .abilities import with_abilities
from .choices import Places, choice_of
from .embedder import LlamaIndexEmbedder
from .events import tell
from .selections import KNNSelectorResult, Strangers, by_default, by_evidence

__all__ = ["KNNSelector", "KNNSelectorResult"]

logger = logging.getLogger(__name__)

Unknown = Literal["error", "ignore", "prior"]
"""What becomes of choices that are no models of the pool."""

_FAILURES: tuple[type[Exception], ...] = (Exception,)
"""Loading a router and measuring an embedding can fail in any way; deciding tells it properly."""


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """One selection that is asked for."""

    places: Places
    query: QueryBundle


class KNNSelector(BaseSelector):
    """Selects among choices that are named as models of the pool, or as its aliases.

    For `RouterQueryEngine`, `RouterRetriever` and all else that takes a selector. No LLM is called,
    and nothing of a call is kept, so any number of threads and event loops may share one. The
    choices need not be models: a router whose records hold outcomes by the names of tools selects
    tools.

    Where routing fails, the pool's default is selected if it is among the choices, else
    `default_index`, and a warning is logged; without either the error is raised. It is always
    raised where a name, the pool or the policy is wrong, or no choice may be selected.

    Args:
        router: A `knnrouter.Router`; `from_yaml` makes a selector of a file.
        top_n: How many choices are selected at most (>= 1), best first.
        unknown: What becomes of choices that are not in the pool. "error": they are an error.
            "ignore": they are never selected. "prior": each counts with the mean of the known
            choices' mean scores over all records, and stands before the first of the ranking whose
            expected score is lower. A policy that weighs cost does not see them; where a default
            answers they come last; and they pass no `allow`, `require` or `require_tags`.
        default_index: What to select (>= 0) where no choice is in the pool, where routing fails,
            and in shadow; None: those are errors.
        policy: A policy or its text, instead of the pool's.
        allow: Names of the models that may be selected; None: all that are enabled.
        require: Capabilities that the model must have.
        require_tags: Tags that the model must have.
        shadow: Decide and tell, but select `default_index`.
        reuse_embedding: Whether a query's own `QueryBundle.embedding` is used instead of embedding
            it again, where the router embeds with a `LlamaIndexEmbedder` that makes such rows; see
            `LlamaIndexEmbedder.row`. Turn it off where another model of the same dimension makes
            the embeddings of your queries: they do not tell which one did.

    Raises:
        ValueError: A setting is out of its range.
        UnknownModelError: `allow` names a model that is not in the pool.
        PolicyError: `policy` is none.
        TypeError: `router` is none.

    Example:
        >>> from knnrouter import RecordSet
        >>> rows = [
        ...     {"query": "Reverse a linked list in C.", "coder": 1, "poet": 0},
        ...     {"query": "Write a sonnet on the sea.", "coder": 0, "poet": 1},
        ... ]
        >>> selector = KNNSelector(Router.fit(RecordSet.from_rows(rows)))
        >>> selector.select(selector.choices(), "Write a poem on the waves of the sea.").ind
        1
    """

    def __init__(
        self,
        router: Router | LazyRouter,
        *,
        top_n: int = 1,
        unknown: Unknown = "error",
        default_index: int | None = None,
        policy: str | Policy | None = None,
        allow: Collection[str] | None = None,
        require: Collection[str] = (),
        require_tags: Collection[str] = (),
        shadow: bool = False,
        reuse_embedding: bool = True,
    ) -> None:
        source = checked_router(router)
        _check(top_n=top_n, unknown=unknown, default_index=default_index, shadow=shadow)
        self._options = RouteOptions.of(
            {
                "policy": checked_policy(policy),
                "allow": allow,
                "require": require,
                "tags": require_tags,
            }
        )
        stated = is_stated(source)
        self._decider = Decider.of(source, with_abilities(source.pool, {}, stated=stated))
        names = self._options.allow
        self._allowed = None if names is None else {self.pool.spec(name).name for name in names}
        self._top_n = top_n
        self._unknown = unknown
        self._default_index = default_index
        self._shadow = shadow
        self._reuse_embedding = reuse_embedding
        self._gathering = Gathering(self._decided)

    @classmethod
    def from_yaml(
        cls, path: str | Path, *, embedder: str | Embedder | None = None, **settings: Any
    ) -> KNNSelector:
        """The selector of a pool.yaml, whose router is loaded when it is first needed.

        Args:
            path: The file; it names the saved router.
            embedder: What embedded the evidence; None: the one that comes with the library.
            **settings: Other arguments, such as `top_n=2`.

        Raises:
            PoolError: The file is wrong, or names no index.
        """
        return cls(LazyRouter(path, embedder=embedder), **settings)

    @property
    def pool(self) -> ModelPool:
        """The pool; known before the router is loaded."""
        return self._decider.pool

    def choices(self) -> list[ToolMetadata]:
        """The enabled models of the pool as choices; the descriptions say what the pool says."""
        return [choice_of(spec) for spec in self.pool.enabled]

    def warmup(self) -> None:
        """Load the router now, instead of at the first call.

        Raises:
            KnnRouterError: It cannot be loaded.
        """
        self._decider.warm_up()

    def select(
        self, choices: Sequence[str | ToolMetadata], query: str | QueryBundle
    ) -> KNNSelectorResult:
        """Select among choices.

        Args:
            choices: At least one; a bare text is a name.
            query: The query; its `query_str` is routed.

        Returns:
            The places of the selected choices, best first, each with its reason; and the evidence.

        Raises:
            ValueError: There is no choice, or none at `default_index`.
            UnknownModelError: Choices are not in the pool, and `unknown` or the lack of a
                `default_index` makes that an error.
            EmptyPoolError: No choice may be selected.
            KnnRouterError: Routing failed, and no default is among the choices.
        """
        return cast("KNNSelectorResult", super().select(choices, query))

    async def aselect(
        self, choices: Sequence[str | ToolMetadata], query: str | QueryBundle
    ) -> KNNSelectorResult:
        """`select`, awaited; what comes at the same time is embedded and searched together."""
        return cast("KNNSelectorResult", await super().aselect(choices, query))

    def _select(self, choices: Sequence[ToolMetadata], query: QueryBundle) -> KNNSelectorResult:
        places = self._places(choices)
        if not places.known:
            return self._without_models(places)
        (decided,) = self._decided((_Asked(places=places, query=query),))
        return self._result(places, decided)

    async def _aselect(
        self, choices: Sequence[ToolMetadata], query: QueryBundle
    ) -> KNNSelectorResult:
        places = self._places(choices)
        if not places.known:
            return self._without_models(places)
        decided = await self._gathering.of(_Asked(places=places, query=query))
        return self._result(places, decided)

    def _get_prompts(self) -> PromptDictType:
        return {}

    def _update_prompts(self, prompts_dict: PromptDictType) -> None:
        """There is none."""

    # What is asked.

    def _places(self, choices: Sequence[ToolMetadata]) -> Places:
        places = Places.of(choices, self.pool)
        if self._default_index is not None and self._default_index >= len(choices):
            raise ValueError(
                f"default_index is {self._default_index}, but there are {len(choices)} choices; "
                f"give a place from 0 to {len(choices) - 1}"
            )
        if places.unknown and places.known and self._unknown == "error":
            raise places.strangers(self.pool)
        return places

    def _without_models(self, places: Places) -> KNNSelectorResult:
        """What is selected where no choice is a model.

        Raises:
            UnknownModelError: There is no default.
        """
        if self._default_index is None:
            raise places.strangers(self.pool)
        logger.warning(
            "no choice is a model of the pool (%s); default_index %d is selected",
            ", ".join(self.pool.enabled_names),
            self._default_index,
        )
        return by_default(self._default_index, "no choice is a model of the pool")

    def _decided(self, asked: Sequence[_Asked]) -> list[Decision | Exception]:
        """For each the decision, or the error that routing it raises."""
        return self._decider.decide_many(
            [each.query.query_str for each in asked],
            [replace(self._options, allow=self._allow(each.places)) for each in asked],
            vectors=[self._vector(each.query) for each in asked],
        )

    def _allow(self, places: Places) -> tuple[str, ...]:
        allowed = self._allowed
        return tuple(name for name in places.known if allowed is None or name in allowed)

    def _vector(self, query: QueryBundle) -> NDArray[np.float32] | None:
        """The row of the query, where its own embedding is that of the text that is routed."""
        known = query.embedding
        if known is None or query.image_path or not self._reuse_embedding:
            return None
        try:
            embedder = self._decider.router().embedder
            same_text = query.embedding_strs == [read_query(query.query_str).text]
            if isinstance(embedder, LlamaIndexEmbedder) and same_text:
                return embedder.row(known)
        except _FAILURES:
            return None  # routing meets the same, and tells it
        return None

    # What is answered.

    def _result(self, places: Places, decided: Decision | Exception) -> KNNSelectorResult:
        default = self._default_index
        if isinstance(decided, Exception):
            if default is None or isinstance(decided, MISTAKES):
                raise decided
            return self._despite(type(decided).__name__, default)
        if default is not None and self._stands_in(decided):
            return self._despite(decided.reason, default)
        tell(decided, shadow=self._shadow)
        if default is not None and self._shadow:
            return by_default(default, f"only recorded: {decided}", decision=decided)
        strangers = self._strangers(places, decided)
        return by_evidence(decided, places.known, strangers, top_n=self._top_n)

    def _stands_in(self, decision: Decision) -> bool:
        """Whether some model stands in for the pool's default, which is not among the choices."""
        failed = decision.reason_code == "routing_failed"
        return failed and decision.model != self.pool.router.default

    def _despite(self, why: str, default: int) -> KNNSelectorResult:
        """What is selected although routing failed."""
        logger.warning("routing failed (%s); default_index %d is selected", why, default)
        return by_default(default, f"routing failed ({why})")

    def _strangers(self, places: Places, decision: Decision) -> Strangers:
        """The choices outside the pool that may be selected."""
        limits = self._options.require or self._options.tags or self._allowed is not None
        if not places.unknown or self._unknown != "prior" or limits:
            return Strangers()
        prior = None if decision.fallback else self._mean(decision.ranking)
        return Strangers(places=places.unknown, prior=prior)

    def _mean(self, names: Sequence[str]) -> float | None:
        """The mean of models' mean scores over all records; None where nothing is known."""
        lineup = self._decider.router().lineup
        means = [lineup.means[lineup.place[name]] for name in names]
        known = [mean for mean in means if not math.isnan(mean)]
        return fmean(known) if known else None


def _check(*, top_n: object, unknown: object, default_index: object, shadow: bool) -> None:
    """Refuse settings that are out of their range, all at once."""
    problems = []
    if not isinstance(top_n, int) or isinstance(top_n, bool) or top_n < 1:
        problems.append(f"top_n is {top_n!r}; give how many to select, a whole number >= 1")
    if unknown not in get_args(Unknown):
        problems.append(f"unknown is {unknown!r}; give one of {', '.join(get_args(Unknown))}")
    if default_index is None:
        if shadow:
            problems.append(
                "shadow is set, but default_index is not; give the place of the choice that is "
                "selected while decisions are only recorded"
            )
    elif not isinstance(default_index, int) or isinstance(default_index, bool) or default_index < 0:
        problems.append(
            f"default_index is {default_index!r}; give the place of a choice, a whole number >= 0"
        )
    if problems:
        raise ValueError("; ".join(problems))
