"""The pool against the evidence: which column is whose, what it costs, who may answer."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from knnrouter.pool import ModelPool, ModelSpec, count_tokens, eligible
from knnrouter.records import RecordSet
from knnrouter.text import Query

from . import policies
from .errors import PolicyError, PoolError, PoolWarning
from .estimators import Estimates
from .policies import Policy

__all__ = ["CountTokens", "Lineup"]

CountTokens = Callable[[object], int]
"""Counts the tokens of a query, as it was given to the router."""

_ABILITIES = ("capabilities", "context_window", "tags")
_BYTES_PER_TOKEN = 4
"""Of ordinary text; prices a prompt. Limits use a more careful number, see `pool`."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Lineup:
    """All models that the records or the pool know, in one order, ready to be asked for.

    The columns of the records come first, under their names in the pool; models that only the pool
    knows follow. There are `m` of them in all.
    """

    pool: ModelPool
    """Who may be chosen. Without a pool of the user's: all models of the records."""

    stated: bool
    """Whether the user stated the pool; else nothing is known of capabilities and prices."""

    names: tuple[str, ...]
    """The models; the first of them are the columns of the records."""

    place: Mapping[str, int]
    """Where each name stands."""

    means: tuple[float, ...]
    """Mean score over all records; NaN for a model without records."""

    mean_costs: NDArray[np.float64]
    """Mean cost over all records, USD per query; shape (m,); NaN where not measured."""

    prices: NDArray[np.float64]
    """USD per input token, USD per output token, expected output tokens; shape (3, m); NaN where
    not stated."""

    policy: Policy
    """The pool's policy, with its guard."""

    count_tokens: CountTokens | None
    """Counts tokens; None estimates them from the bytes."""

    @classmethod
    def of(
        cls, records: RecordSet, pool: ModelPool | None, *, count_tokens: CountTokens | None = None
    ) -> Lineup:
        """Match the pool with the columns of the records.

        Raises:
            PoolError: Two columns match one model, or two models one column; or the pool states a
                `min_similarity` without a `default` to answer below it.
            PolicyError: The pool's policy is unknown or wrongly set.
            TypeError: `pool` is something else, such as a path.
        """
        _check_is_pool(pool, or_none=True)
        made = cls._matched(records, pool, count_tokens)
        _warn(made.pool, made.names[len(records.models) :])
        return made

    @classmethod
    def _matched(
        cls, records: RecordSet, pool: ModelPool | None, count_tokens: CountTokens | None
    ) -> Lineup:
        stated = pool is not None
        if pool is None:
            pool = ModelPool(models=tuple(ModelSpec(name=name) for name in records.models))
        columns = pool.columns(records.models)
        owner = dict(zip(columns.columns, pool.names, strict=True))
        known = tuple(owner.get(place, name) for place, name in enumerate(records.models))
        names = known + columns.without_records
        return cls(
            pool=pool,
            stated=stated,
            names=names,
            place={name: place for place, name in enumerate(names)},
            means=tuple(_column_means(records.scores, records, len(names)).tolist()),
            mean_costs=_column_means(records.costs, records, len(names)),
            prices=_prices(pool, names),
            policy=_guarded(pool, _pool_policy(pool)),
            count_tokens=count_tokens,
        )

    def over(self, records: RecordSet) -> Lineup:
        """The same pool, policy and counter over other records, without saying anew what it lacks.

        Without a pool of the user's, it is all models of these records.

        Raises:
            PoolError: Two columns match one model, or two models one column.
        """
        pool = self.pool if self.stated else None
        made = self._matched(records, pool, self.count_tokens)
        return replace(made, policy=self.policy)

    def with_abilities(self, pool: ModelPool, *, count_tokens: CountTokens | None) -> Lineup:
        """The same lineup, but what the models can do and take in is told anew.

        Args:
            pool: The same models in the same order; their capabilities, context windows and tags
                are taken, and nothing else.
            count_tokens: None keeps the one that is there.

        Raises:
            PoolError: The pool has other models.
            TypeError: `pool` is something else, such as a path.
        """
        _check_is_pool(pool)
        if pool.names != self.pool.names:
            raise PoolError(
                f"the pool's models are {', '.join(pool.names)}, and the router's are "
                f"{', '.join(self.pool.names)}; give the same in this order, or use with_pool"
            )
        models = [
            mine.model_copy(update={name: getattr(told, name) for name in _ABILITIES})
            for mine, told in zip(self.pool.models, pool.models, strict=True)
        ]
        able = ModelPool(version=self.pool.version, router=self.pool.router, models=models)
        return replace(
            self,
            pool=able if self.pool.path is None else able.at(self.pool.path),
            stated=True,
            count_tokens=count_tokens or self.count_tokens,
        )

    def guarded(self, policy: str | Policy) -> Policy:
        """A policy or its text as a policy, under the pool's guard if it has none of its own.

        Raises:
            PolicyError: The policy is unknown or wrongly set.
            UnknownModelError: It names a model that is not in the pool.
        """
        if isinstance(policy, str | Mapping):
            policy = policies.parse(policy)
        if isinstance(policy, type) or not callable(policy):
            raise PolicyError(
                f"policy is {policy!r:.80}; give a policy such as policies.BestScore(), its text, "
                "or any function from Candidates to a Choice"
            )
        return _guarded(self.pool, policy)

    def eligible(
        self,
        query: Query,
        given: object,
        *,
        allow: Collection[str] | None,
        require: Collection[str],
        tags: Collection[str],
    ) -> tuple[str, ...]:
        """The names of the models that may answer, in the order of the pool.

        Raises:
            EmptyPoolError: None may; the message names what removed each.
            UnknownModelError: `allow` names a model that the pool does not have.
        """
        if not self.stated:
            return eligible(self.pool, allow=allow, require=require, tags=tags)
        needs = query.needs.union(require) if query.needs else require
        hook = self.count_tokens
        tokens = count_tokens(query.prompt_bytes) if hook is None else hook(given)
        return eligible(self.pool, allow=allow, require=needs, tags=tags, prompt_tokens=tokens)

    def prompt_tokens(self, query: Query, given: object) -> float:
        """How many tokens the query's prompt is priced at."""
        if self.count_tokens is not None:
            return float(self.count_tokens(given))
        return query.prompt_bytes / _BYTES_PER_TOKEN

    def costs(self, estimates: Estimates, prompt_tokens: Sequence[float]) -> NDArray[np.float64]:
        """What each model is expected to cost on each query, USD; shape (q, m).

        In this order, the first that is known: what the neighbors cost; the neighbors' tokens at
        the pool's price; the prompt's length and the pool's `expected_output_tokens` at its price;
        the model's mean cost over all records. NaN where none is: never the input alone.
        """
        assumed = self._assumed_costs(estimates, prompt_tokens)
        costs = self.widened(estimates.costs) if self.measured_costs else next(assumed)
        for other in assumed:
            unknown = np.isnan(costs)
            if not unknown.any():
                break
            costs = np.where(unknown, other, costs)
        return costs

    def _assumed_costs(
        self, estimates: Estimates, prompt_tokens: Sequence[float]
    ) -> Iterator[NDArray[np.float64]]:
        """What a model costs where no neighbor tells, the better guess first; (q, m) each."""
        input_price, output_price, _ = self.prices
        if estimates.input_tokens is not None and estimates.output_tokens is not None:
            tokens = self.widened(estimates.input_tokens) * input_price
            yield tokens + self.widened(estimates.output_tokens) * output_price
        prompts = np.asarray(prompt_tokens)[:, None]
        yield prompts * input_price + self.answer_costs
        if self.measured_costs:
            yield np.broadcast_to(self.mean_costs, (len(prompts), len(self.names)))

    @cached_property
    def measured_costs(self) -> bool:
        """Whether the records hold any cost."""
        return not bool(np.isnan(self.mean_costs).all())

    @cached_property
    def answer_costs(self) -> NDArray[np.float64]:
        """What the expected output costs, USD; shape (m,); NaN where not stated."""
        answers: NDArray[np.float64] = self.prices[1] * self.prices[2]
        return answers

    def follows_price(
        self, estimates: Estimates, prompt_tokens: Sequence[float]
    ) -> NDArray[np.bool_]:
        """Whether what a model is expected to cost follows from its price; shape (q, m)."""
        priced = list(self._assumed_costs(estimates, prompt_tokens))
        if self.measured_costs:
            priced.pop()  # the mean cost of what was measured follows no price
        follows = np.any([~np.isnan(costs) for costs in priced], axis=0)
        return np.asarray(follows & np.isnan(self.widened(estimates.costs)))

    def widened(self, values: NDArray[np.float64], fill: float = math.nan) -> NDArray[np.float64]:
        """Values by column of the records, (q, columns), with `fill` for the pool's others."""
        missing = len(self.names) - values.shape[1]
        if not missing:
            return values
        return np.pad(values, ((0, 0), (0, missing)), constant_values=fill)


def _check_is_pool(pool: object, *, or_none: bool = False) -> None:
    if isinstance(pool, ModelPool) or (or_none and pool is None):
        return
    raise TypeError(
        f"pool is {pool!r:.80}, of type {type(pool).__name__}; give a ModelPool: "
        "ModelPool.from_yaml(path) of a file, or ModelPool(models=...)"
    )


def _warn(pool: ModelPool, without_records: Sequence[str]) -> None:
    unmeasured = [name for name in pool.enabled_names if name in without_records]
    if unmeasured:
        warnings.warn(
            f"{', '.join(unmeasured)}: no records, so no vote will choose "
            f"{'it' if len(unmeasured) == 1 else 'them'}; add records, an alias under which they "
            "were measured, or `enabled: false`",
            PoolWarning,
            stacklevel=4,
        )
    if len(pool.enabled) == 1:
        warnings.warn(
            f"{pool.enabled_names[0]} is the only model that may answer, so there is nothing to "
            "choose; add another",
            PoolWarning,
            stacklevel=4,
        )


def _column_means(
    values: NDArray[np.floating], records: RecordSet, columns: int
) -> NDArray[np.float64]:
    """Weighted means of what was measured; shape (columns,); NaN where nothing was."""
    measured = ~np.isnan(values)
    weights = records.weights[:, None] * measured
    total = weights.sum(axis=0)
    means = np.full(columns, np.nan)
    sums = (weights * np.where(measured, values, 0.0)).sum(axis=0)
    np.divide(sums, total, out=means[: len(total)], where=total > 0)
    return means


def _prices(pool: ModelPool, names: Sequence[str]) -> NDArray[np.float64]:
    prices = np.full((3, len(names)), np.nan)
    specs = {spec.name: spec for spec in pool.models}
    for place, name in enumerate(names):
        spec = specs.get(name)
        if spec is None:
            continue
        if spec.price is not None:
            prices[:2, place] = spec.price.input / 1e6, spec.price.output / 1e6
        if spec.expected_output_tokens is not None:
            prices[2, place] = spec.expected_output_tokens
        if spec.price is not None and spec.price.input == spec.price.output == 0:
            prices[2, place] = 0  # free whatever it writes
    return prices


def _pool_policy(pool: ModelPool) -> Policy:
    named = pool.router.policy
    return policies.BestScore() if named is None else policies.parse(named)


def _guarded(pool: ModelPool, policy: Policy) -> Policy:
    for name in policies.named_models(policy):
        pool.spec(name)
    least, default = pool.router.min_similarity, pool.router.default
    if least is None or isinstance(policy, policies.Guarded):
        return policy
    if default is None:
        raise PoolError(
            f"router.min_similarity is {least:g}, but router.default is not set; name the model "
            "that answers when nothing in the evidence is like the query"
        )
    return policies.Guarded(policy=policy, min_similarity=least, fallback=default)
