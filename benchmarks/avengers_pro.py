"""Avengers-Pro: the policy on expected quality and cost, beside the ranks of the paper's own code.

    python benchmarks/avengers_pro.py

`AvengersPro` expects the weighted mean of the nearest clusters, and `performance_efficiency` trades
quality against cost over the models. The paper's code trades within each cluster, ranks the models
there, and adds up weight / (rank + 1). With one cluster the two choose alike; these tables show how
often they do not with three, and what that is worth. RouterDC and ulab LLMRouter hold no costs, so
alpha is 1 there: quality only. On RouterBench ARC-Challenge, the costs are those on record.

A query's outcome is its mean over the seeds, and intervals draw the queries again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from bench import Embedded, Floats, Options, header, interval, options, table
from numpy.typing import NDArray
from routerdc import BEYOND, TRAIN, WITHIN, read

from knnrouter import RecordSet, read_records
from knnrouter.estimators import AvengersPro, Estimates
from knnrouter.evaluation import Interval, k_fold, paired_bootstrap, scored
from knnrouter.policies import Candidates, PerformanceEfficiency, ranked

TOP_P = (1, 3)
ALPHAS = (0.0, 0.25, 0.53, 0.8, 1.0)
COLUMNS = ("settings", "other choice", "policy", "ranks", "ranks are ahead by")
PRICES = ("policy, USD per 1,000", "ranks, USD per 1,000")


@dataclass(frozen=True, kw_only=True, eq=False)
class Parts:
    """What is learned from, and what is tested on."""

    train: Embedded
    test: Embedded
    rows: NDArray[np.int64]
    """Where the tested queries stand among all that are tested in a round."""

    @classmethod
    def of(cls, train: Embedded, test: Embedded) -> Parts:
        """All that is tested at once."""
        return cls(train=train, test=test, rows=np.arange(len(test.records)))


def main() -> None:
    asked = options(__doc__, seeds=3)
    known = read(asked, TRAIN)
    for title, files in (("in", WITHIN), ("out of", BEYOND)):
        tested = read(asked, files)
        header(f"RouterDC {title} distribution, {len(tested):,} rows to test on", asked)
        both = Parts.of(Embedded.of(known), Embedded.of(tested))
        report({seed: [both] for seed in asked.seeds}, asked)
    queries = Embedded.of(read_records(asked.file("llmrouter/routing_train.json")))
    header(f"ulab LLMRouter, {queries.records!r}, 5 folds", asked)
    report({seed: list(folds(queries, seed)) for seed in asked.seeds}, asked)
    arc = Parts.of(*(Embedded.of(arc_challenge(asked, part)) for part in ("train", "test")))
    header(f"RouterBench ARC-Challenge, {len(arc.test.records):,} rows to test on", asked)
    report({seed: [arc] for seed in asked.seeds}, asked, alphas=ALPHAS)


def arc_challenge(asked: Options, part: str) -> RecordSet:
    """Rows that every model was measured on."""
    records = read_records(asked.file(f"routerbench/arc_challenge_{part}.csv"))
    return records.select(~np.isnan(records.scores).any(axis=1))


def folds(queries: Embedded, seed: int) -> Iterator[Parts]:
    for split in k_fold(queries.records, seed=seed):
        train, test = queries.select(split.train), queries.select(split.test)
        yield Parts(train=train, test=test, rows=split.test)


def report(
    parts: dict[int, list[Parts]], asked: Options, alphas: tuple[float, ...] = (1.0,)
) -> None:
    """Print a row for each number of clusters and each alpha."""
    priced = len(alphas) > 1
    rows: list[list[object]] = []
    for top_p in TOP_P:
        for alpha in alphas:
            runs = [one_round(each, top_p, alpha, seed) for seed, each in parts.items()]
            policy, ranks, differ, *costs = np.mean(runs, axis=0)
            ahead: Interval | str = paired_bootstrap(ranks, policy, draws=asked.draws)
            cells = [f"top_p={top_p}, alpha={alpha:g}", f"{100 * differ.mean():.1f} %"]
            quality = [interval(policy, asked.draws), f"{ranks.mean():.4f}", ahead]
            prices = [f"{1000 * each.mean():.4f}" for each in costs]
            rows.append([*cells, *quality, *(prices if priced else [])])
    table([*COLUMNS, *(PRICES if priced else ())], rows)


def one_round(parts: list[Parts], top_p: int, alpha: float, seed: int) -> Floats:
    """Of each tested query, what both rules score, whether they differ, and what they cost.

    Shape (5, q): the policy's score, the ranks', 1 where they differ, both costs.
    """
    found = np.empty((5, sum(len(part.rows) for part in parts)))
    for part in parts:
        found[:, part.rows] = compared(part, top_p, alpha, seed)
    return found


def compared(part: Parts, top_p: int, alpha: float, seed: int) -> Floats:
    """As `one_round`, of one part."""
    evidence = part.train.evidence(np.arange(len(part.train.records)))
    fitted = AvengersPro(top_p=top_p).fit(evidence, seed=seed)
    vectors = part.test.vectors
    near = evidence.index.search(vectors, fitted.neighbors)
    means = tuple(np.nanmean(part.train.scores, axis=0).tolist())
    ours = by_policy(fitted.estimate(vectors, near), means, alpha)
    theirs = by_ranks(fitted.rank_sums(vectors, alpha=alpha), means, part.test.records.models)
    scores, costs = part.test.scores, part.test.records.costs
    rows = [scored(scores, ours), scored(scores, theirs), ours != theirs]
    return np.stack([*rows, scored(costs, ours), scored(costs, theirs)])


def by_policy(found: Estimates, means: tuple[float, ...], alpha: float) -> NDArray[np.int64]:
    """The columns that the policy takes; shape (q,)."""
    policy = PerformanceEfficiency(alpha=alpha)
    return np.array(
        [
            found.models.index(
                policy(
                    Candidates(models=found.models, scores=scores, costs=costs, means=means)
                ).ranking[0]
            )
            for scores, costs in zip(found.scores.tolist(), found.costs.tolist(), strict=True)
        ]
    )


def by_ranks(sums: Floats, means: tuple[float, ...], models: tuple[str, ...]) -> NDArray[np.int64]:
    """The columns with the highest sums; ties go to the higher mean; shape (q,)."""
    unpriced = [float("nan")] * len(models)
    return np.array(
        [
            models.index(
                ranked(Candidates(models=models, scores=each, costs=unpriced, means=means), each)[0]
            )
            for each in sums.tolist()
        ]
    )


if __name__ == "__main__":
    main()
