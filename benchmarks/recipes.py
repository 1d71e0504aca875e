"""What the bake-off compares: this router, and other routers' recipes, written anew.

Each is given the same training rows with their vectors, and then the texts and vectors of the same
queries. The recipes follow the other projects' code; hyperparameters are their own, the embedder is
not. Where one leaves open what to do, a comment says what was done here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from bench import Embedded, Floats, static_embedder
from numpy.typing import NDArray

from knnrouter import RecordSet, Router, evaluation
from knnrouter.estimators.base import asked
from knnrouter.policies import BestScore, Policy, ScoreMinusCost
from knnrouter.text import read_query

Columns = NDArray[np.int64]
"""The column of the model that was chosen for each query; shape (n,)."""

OURS = "knnrouter, defaults"
SINGLE = "best single model, chosen in training"

WEIGHT = 20.0
"""Score points a USD, where costs are weighed at one setting."""

COST_WEIGHTS = (0.0, *np.logspace(0, 5, 41).tolist())
"""Score points a USD, from cost that does not matter to cost alone."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Queries:
    """All that a router sees of `n` queries."""

    texts: Sequence[str]
    vectors: NDArray[np.float32]
    """Unit rows; shape (n, d)."""

    @classmethod
    def of(cls, known: Embedded) -> Queries:
        """The queries of records, without what was measured on them."""
        return cls(texts=[query or "" for query in known.records.queries], vectors=known.vectors)

    def select(self, rows: NDArray[np.int64]) -> Queries:
        """These of them."""
        return Queries(texts=[self.texts[row] for row in rows.tolist()], vectors=self.vectors[rows])

    @property
    def lengths(self) -> Floats:
        """Characters of each text; shape (n,)."""
        return np.array([len(text) for text in self.texts], dtype=np.float64)


@dataclass(frozen=True, kw_only=True, eq=False)
class Fitted:
    """A recipe that has seen its training rows."""

    choose: Callable[[Queries], Columns]
    gain: Callable[[Queries, int, int], Floats]
    """How much better a second model is expected to be than a first one, by their columns; (n,)."""

    sweep: Callable[[Queries], Sequence[Columns]] | None = None
    """Its choices at each setting of its own knob between quality and cost, if it has one."""


Recipe = Callable[[Embedded, int], Fitted]
"""Learns from training rows, with a seed."""


def recipes() -> dict[str, Recipe]:
    """All of them, by the names that they have in tables."""
    return {
        OURS: knnrouter(),
        "RouterBench kNN, k = 40": routerbench(40),
        "ulab LLMRouter kNN, models in file order": ulab("file"),
        "ulab LLMRouter kNN, reversed order": ulab("reversed"),
        "ulab LLMRouter kNN, best-average-first order": ulab("best-average-first"),
        "EmbedLLM kNN, k = 131": embedllm(131),
        "Avengers k-means, 32 clusters": avengers(32),
        "prompt length alone": by_length,
        SINGLE: best_single,
    }


def priced_recipes() -> dict[str, Recipe]:
    """Those that weigh costs, at one setting: a score point is worth five cents."""
    return {
        f"knnrouter, score_minus_cost:cost_weight={WEIGHT:g}": knnrouter(
            ScoreMinusCost(cost_weight=WEIGHT)
        ),
        f"RouterBench kNN, willingness to pay {1 / WEIGHT:g}": routerbench(40, cost_weight=WEIGHT),
    }


def controls() -> dict[str, Recipe]:
    """This router where there is nothing to learn: it must come to the best single model."""
    return {
        "control: knnrouter, labels shuffled": shuffled_labels(knnrouter()),
        "control: knnrouter, queries shuffled": shuffled_queries(knnrouter()),
    }


def knnrouter(policy: Policy | None = None) -> Recipe:
    """This router, with all settings at their defaults; None: the policy `BestScore`."""

    def fit(known: Embedded, seed: int) -> Fitted:
        router = Router.fit(
            known.with_vectors,
            embedder=static_embedder(),
            policy=policy or BestScore(),
            seed=seed,
        )
        column = {name: place for place, name in enumerate(known.records.models)}

        def choose(queries: Queries, other: Policy | None = None) -> Columns:
            found = router.route_many(queries.texts, vectors=queries.vectors, policy=other)
            return np.array([column[decision.model] for decision in found])

        def gain(queries: Queries, weak: int, strong: int) -> Floats:
            fitted, texts = router.estimator, [read_query(text).text for text in queries.texts]
            near = router.evidence.index.search(queries.vectors, fitted.neighbors)
            scores = asked(fitted, texts, queries.vectors, near).scores
            return np.asarray(scores[:, strong] - scores[:, weak])

        def sweep(queries: Queries) -> list[Columns]:
            return [choose(queries, ScoreMinusCost(cost_weight=each)) for each in COST_WEIGHTS]

        return Fitted(choose=choose, gain=gain, sweep=None if policy else sweep)

    return fit


def shuffled_labels(recipe: Recipe) -> Recipe:
    """The recipe, taught what was measured on other queries: scores and costs change rows."""

    def fit(known: Embedded, seed: int) -> Fitted:
        records = known.records
        rows = np.random.default_rng(seed).permutation(len(records))
        dealt = {"scores": records.scores[rows], "costs": records.costs[rows]}
        mixed = RecordSet(**(records.as_dict() | dealt))
        return recipe(Embedded(records=mixed, vectors=known.vectors), seed)

    return fit


def shuffled_queries(recipe: Recipe) -> Recipe:
    """The recipe, taught that other queries stand here: texts and vectors change rows."""

    def fit(known: Embedded, seed: int) -> Fitted:
        records = known.records
        rows = np.random.default_rng(seed).permutation(len(records))
        dealt = {"queries": tuple(records.queries[row] for row in rows.tolist())}
        mixed = RecordSet(**(records.as_dict() | dealt))
        return recipe(Embedded(records=mixed, vectors=known.vectors[rows]), seed)

    return fit


def routerbench(k: int, *, cost_weight: float = 0.0) -> Recipe:
    """RouterBench: the mean score of the k nearest by cosine, the first model of equals.

    Its knob is a willingness to pay: the mean times it, less a price of the model that is the same
    for all queries. Its price list is not part of the data, so a model's price is its mean cost in
    training.

    Args:
        k: How many neighbors.
        cost_weight: Score points a USD, the inverse of the willingness to pay; 0 for unlimited.
    """

    def fit(known: Embedded, seed: int) -> Fitted:
        import pandas as pd
        from sklearn.neighbors import NearestNeighbors

        size = min(k, len(known.records))
        neighbors = NearestNeighbors(n_neighbors=size, metric="cosine").fit(known.vectors)
        measured = pd.DataFrame(known.records.scores)
        prices = known.records.costs.mean(axis=0)

        def means(queries: Queries) -> pd.DataFrame:
            _, rows = neighbors.kneighbors(queries.vectors)
            votes = measured.iloc[rows.ravel()]
            return votes.groupby(np.repeat(np.arange(len(rows)), size)).mean()

        def choose(queries: Queries) -> Columns:
            found = means(queries)
            worth = found - cost_weight * prices if cost_weight else found
            return np.asarray(worth.idxmax(axis=1))

        def sweep(queries: Queries) -> list[Columns]:
            found = means(queries)
            return [np.asarray((found - each * prices).idxmax(axis=1)) for each in COST_WEIGHTS]

        return Fitted(
            choose=choose,
            gain=by_estimates(lambda queries: means(queries).to_numpy()),
            sweep=None if cost_weight else sweep,
        )

    return fit


def ulab(order: str, *, at_once: int | None = None) -> Recipe:
    """LLMRouter of ulab: each query's best model is its label, and five neighbors classify.

    Args:
        order: Of the models, of which the first one takes a label that ties; see `tie_orders`.
        at_once: How many queries are predicted in one call; None: all.
    """

    def fit(known: Embedded, seed: int) -> Fitted:
        from sklearn.neighbors import KNeighborsClassifier

        columns, models = tie_orders(known.scores)[order], np.array(known.records.models)
        # Best of the measured ones; a query that nobody was measured on stops their code, and here
        # counts as won by the first.
        measured = np.nan_to_num(known.scores[:, columns], nan=-1.0)
        labels = models[columns[measured.argmax(axis=1)]]
        size = min(5, len(labels))
        classifier = KNeighborsClassifier(n_neighbors=size).fit(known.vectors, labels)
        column = {name: place for place, name in enumerate(known.records.models)}

        def choose(queries: Queries) -> Columns:
            step = at_once or max(len(queries.vectors), 1)
            starts = range(0, len(queries.vectors), step)
            found = [classifier.predict(queries.vectors[start : start + step]) for start in starts]
            return np.array([column[name] for name in np.concatenate(found)])

        return Fitted(choose=choose, gain=by_choice(choose))

    return fit


def tie_orders(train: Floats) -> dict[str, Columns]:
    """Orders of the models, of which the first takes a label that ties."""
    given = np.arange(train.shape[1])
    best_first = np.argsort(-np.nanmean(train, axis=0), kind="stable")
    return {"file": given, "reversed": given[::-1], "best-average-first": best_first}


def embedllm(k: int) -> Recipe:
    """EmbedLLM: for each model a classifier of right and wrong, k neighbors; the surest is chosen.

    It forecasts and does not route; its forecasts are used as a router's here. What was not
    measured counts as wrong, as in its code; scores between 0 and 1 count as right from one half.
    """

    def fit(known: Embedded, seed: int) -> Fitted:
        from sklearn.neighbors import KNeighborsClassifier

        right = np.nan_to_num(known.scores, nan=0.0) >= 0.5
        size = min(k, len(right))
        classifiers = [
            KNeighborsClassifier(n_neighbors=size).fit(known.vectors, column) for column in right.T
        ]

        def forecasts(queries: Queries) -> Floats:
            return np.stack(
                [
                    each.predict_proba(queries.vectors) @ each.classes_.astype(float)
                    for each in classifiers
                ],
                axis=1,
            )

        return Fitted(
            choose=lambda queries: forecasts(queries).argmax(axis=1), gain=by_estimates(forecasts)
        )

    return fit


def avengers(clusters: int) -> Recipe:
    """Avengers: k-means, and the model with the best mean in the cluster nearest to the query.

    Its knob is that of Avengers-Pro: between each cluster's scores and its costs, both scaled to
    their range in the cluster. A row with a score missing is left out, as in its code; ties go to
    the first model.
    """

    def fit(known: Embedded, seed: int) -> Fitted:
        from sklearn.cluster import KMeans

        whole = np.flatnonzero(~np.isnan(known.scores).any(axis=1))
        size = min(clusters, len(whole))
        nearest = KMeans(size, n_init=10, random_state=seed).fit(known.vectors[whole])
        members = [whole[nearest.labels_ == each] for each in range(size)]
        means = np.array([known.scores[rows].mean(axis=0) for rows in members])

        def estimates(queries: Queries) -> Floats:
            return np.asarray(means[nearest.predict(queries.vectors)])

        def sweep(queries: Queries) -> list[Columns]:
            costs = np.array([known.records.costs[rows].mean(axis=0) for rows in members])
            cheap = 1 - costs / costs.max(axis=1, keepdims=True)
            good, place = within_range(means), nearest.predict(queries.vectors)
            weights = np.linspace(0.0, 1.0, len(COST_WEIGHTS))
            return [(each * good + (1 - each) * cheap).argmax(axis=1)[place] for each in weights]

        return Fitted(
            choose=lambda queries: estimates(queries).argmax(axis=1),
            gain=by_estimates(estimates),
            sweep=sweep,
        )

    return fit


def by_length(known: Embedded, seed: int) -> Fitted:
    """In each of ten classes of prompt length, the model with the best mean in training.

    Of two models it prefers the stronger on longer prompts, or on shorter ones, as training says.
    """

    def choose(queries: Queries) -> Columns:
        # What "model 3 scored" is 3 on every query, so what the choices scored are the columns.
        shape = len(queries.texts), len(known.records.models)
        numbers = np.broadcast_to(np.arange(float(shape[1])), shape)
        found = evaluation.by_length(known.lengths, known.scores, queries.lengths, numbers)
        return found.astype(np.int64)

    def gain(queries: Queries, weak: int, strong: int) -> Floats:
        difference = known.scores[:, strong] - known.scores[:, weak]
        slope = np.cov(np.log1p(known.lengths), difference)[0, 1]
        return np.asarray(np.log1p(queries.lengths) * np.sign(slope))

    return Fitted(choose=choose, gain=gain)


def best_single(known: Embedded, seed: int) -> Fitted:
    """The model with the best mean in training answers everything."""
    best = int(np.nanmean(known.scores, axis=0).argmax())

    def choose(queries: Queries) -> Columns:
        return np.full(len(queries.texts), best)

    return Fitted(choose=choose, gain=by_choice(choose))


def by_estimates(estimates: Callable[[Queries], Floats]) -> Callable[[Queries, int, int], Floats]:
    """The difference of what is expected of the two models."""

    def gain(queries: Queries, weak: int, strong: int) -> Floats:
        found = estimates(queries)
        return np.asarray(found[:, strong] - found[:, weak])

    return gain


def by_choice(choose: Callable[[Queries], Columns]) -> Callable[[Queries, int, int], Floats]:
    """1 where the strong model is chosen, of a recipe that says no more than that."""
    return lambda queries, weak, strong: (choose(queries) == strong).astype(np.float64)


def within_range(values: Floats) -> Floats:
    """Each row from 0 for its least to 1 for its greatest value; 1 where all are equal."""
    low = values.min(axis=1, keepdims=True)
    width = values.max(axis=1, keepdims=True) - low
    return np.asarray(np.divide(values - low, width, out=np.ones_like(values), where=width > 0))
