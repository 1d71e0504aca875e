"""Nine open models on ulab LLMRouter's queries: what the models that are chosen score.

    python benchmarks/ulab.py

Five folds, each query tested once a seed by what the other folds teach; the policy is best score.
A query's outcome is its mean over the seeds, and intervals draw the queries again. "In hindsight"
marks rows that look at the test scores: they bound what could be reached.

ulab LLMRouter's own recipe takes the best model of each training query as its label, the first one
where several are best (which they are on nine queries of ten), and classifies by five neighbors
(KNeighborsClassifier); it runs here on the same vectors, with the models in three orders.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import recipes
from bench import (
    Embedded,
    Floats,
    Options,
    best_scores,
    estimates,
    header,
    held_out,
    interval,
    options,
    table,
)
from recipes import Queries, tie_orders

from knnrouter import evaluation, read_records
from knnrouter.embedders import StaticEmbedder
from knnrouter.estimators import KNN, Blend, Evidence
from knnrouter.evaluation import Split, k_fold, paired_bootstrap, scored
from knnrouter.index import FaissIndex

CLUSTERS = 2900 / 5608
"""Clusters a row, as the starter is built (`scripts/build_starter.py`); of at least two queries."""

OURS = "knnrouter, defaults"
CONDENSED = "knnrouter, condensed evidence"
SINGLE = "best single model, chosen in training"


def main() -> None:
    asked = options(__doc__)
    known = Embedded.of(read_records(asked.file("llmrouter/routing_train.json")))
    outcomes = mean_outcomes(known, asked)
    header(f"ulab LLMRouter, {known.records!r}, 5 folds", asked)
    single = outcomes[SINGLE]
    rows = [
        [name, interval(values, asked.draws), ahead(values, single, asked)]
        for name, values in outcomes.items()
    ]
    table(["choice", "mean score", "ahead of the best single model"], rows)
    lost = paired_bootstrap(outcomes[OURS], outcomes[CONDENSED], draws=asked.draws)
    kept = len(condense(known, k_fold(known.records)[0], 0).records)
    print(f"\nCondensing each fold's evidence, in the first to {kept:,} rows, costs {lost}.")


def ahead(values: Floats, single: Floats, asked: Options) -> object:
    """How far ahead of the best single model; nothing for that model itself."""
    return "" if values is single else paired_bootstrap(values, single, draws=asked.draws)


def mean_outcomes(known: Embedded, asked: Options) -> dict[str, Floats]:
    """What each choice scored on each query, mean over the seeds."""
    runs = [by_choice(known, seed) for seed in asked.seeds]
    return {name: np.mean([each[name] for each in runs], axis=0) for name in runs[0]}


def by_choice(known: Embedded, seed: int) -> dict[str, Floats]:
    """What each choice scored on each query, in one round of folds."""
    found: dict[str, Floats] = {}
    for split in k_fold(known.records, seed=seed):
        for name, values in choices(known, split, seed):
            found.setdefault(name, np.empty(len(known.records)))[split.test] = values
    scores = known.scores
    found["best single model, in hindsight"] = evaluation.best_single(scores, scores)
    found["best model of each task, in hindsight"] = evaluation.task_oracle(
        scores, known.records.tasks
    )
    found["best model of each query, in hindsight"] = evaluation.query_oracle(scores)
    return found


def choices(known: Embedded, split: Split, seed: int) -> Iterator[tuple[str, Floats]]:
    """What each choice scored on the tested queries."""
    train, test = known.scores[split.train], known.scores[split.test]
    queries, evidence = known.select(split.test), known.evidence(split.train)
    condensed = condense(known, split, seed)
    plain = KNN(k=min(200, len(train)), weights="uniform", shrinkage=0.0)
    voted = estimates(evidence, queries, seed=seed, estimator=plain)
    few = estimates(condensed, queries, seed=seed)
    yield OURS, scored(test, best_scores(held_out(known, split, seed=seed), train))
    yield CONDENSED, scored(test, best_scores(few, condensed.records.scores.astype(float)))
    blended = held_out(known, split, seed=seed, estimator=Blend())
    yield "blend", scored(test, best_scores(blended, train))
    yield "untuned vote of 200", scored(test, best_scores(voted, train))
    learned, asked = known.select(split.train), Queries.of(queries)
    for order in tie_orders(train):
        chosen = recipes.ulab(order)(learned, seed).choose(asked)
        yield f"ulab LLMRouter's recipe, models in {order} order", scored(test, chosen)
    yield "prompt length alone", scored(test, recipes.by_length(learned, seed).choose(asked))
    yield "random model", evaluation.random(test)
    yield SINGLE, evaluation.best_single(train, test)


def condense(known: Embedded, split: Split, seed: int) -> Evidence:
    """The training evidence as averages over clusters, as the starter ships it."""
    records = known.records.select(split.train).condense(
        StaticEmbedder(), rows=max(1, round(CLUSTERS * len(split.train))), smallest=2, seed=seed
    )
    assert records.vectors is not None
    return Evidence(records=records, vectors=records.vectors, index=FaissIndex(records.vectors))


if __name__ == "__main__":
    main()
