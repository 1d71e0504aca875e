"""Do 90 % intervals from `stderr` hold what held-out neighborhoods really scored?

    python benchmarks/coverage.py

A neighborhood is a held-out query and the r - 1 held-out queries nearest to it. What its queries
were expected to score, on average, is compared with what they did score. Two things keep these
apart: the estimates' error, which `stderr` states, and which is one and the same for queries as
near as this, since the same evidence speaks for all of them; and the chance in the outcomes of
only r queries. So the interval is

    mean estimate ± 1.645 * sqrt(mean stderr² + v / r)

with v the variance of one outcome, as seen in the neighborhood (the variance over all held-out
queries counts for ten outcomes more, lest r equal outcomes pass for certainty). The larger r, the
more hangs on `stderr`: the last column shows how much would be covered without it. Each held-out
query is the center of one neighborhood; figures are shares of all of these, models and runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import routellm_mmlu
import routerdc
from bench import Embedded, Floats, Options, estimates, header, held_out, options, table

from knnrouter import read_records
from knnrouter.estimators import Estimates
from knnrouter.evaluation import draw, k_fold
from knnrouter.index import FaissIndex

SIZES = (10, 25, 50, 100)
REACH = 1.6449
"""Standard errors on either side that hold 90 % of a normal distribution."""
OVERALL = 10.0
"""How many outcomes the overall variance counts for, next to those of the neighborhood."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Tested:
    """Estimates on held-out queries, their unit rows, and what was measured on them."""

    found: Estimates
    vectors: np.ndarray
    scores: Floats


def main() -> None:
    asked = options(__doc__, seeds=2)
    header("Coverage of 90 % intervals", asked, intervals=False)
    rows = []
    for name, runs in (
        ("ulab LLMRouter, 5 folds", list(ulab(asked))),
        ("RouteLLM MMLU, 1,500 labels", list(mmlu(asked))),
        ("RouteLLM MMLU, 5 folds", list(mmlu_folds(asked))),
        ("RouterDC, in distribution", list(routerdc_within(asked))),
    ):
        rows += [summary(name, runs, size) for size in SIZES]
    table(["data", "r", "covered", "least model", "most model", "without stderr"], rows)


def ulab(asked: Options) -> Iterator[Tested]:
    known = Embedded.of(read_records(asked.file("llmrouter/routing_train.json")))
    for seed in asked.seeds:
        for split in k_fold(known.records, seed=seed):
            yield tested(known, held_out(known, split, seed=seed), split.test)


def mmlu(asked: Options) -> Iterator[Tested]:
    known = routellm_mmlu.pair(asked)
    learn = min(routellm_mmlu.LEARN, len(known.records) // 2)
    for seed in asked.seeds:
        split = draw(known.records, learn, seed=seed)
        yield tested(known, held_out(known, split, seed=seed), split.test)


def mmlu_folds(asked: Options) -> Iterator[Tested]:
    known = routellm_mmlu.pair(asked)
    for split in k_fold(known.records, seed=asked.seeds[0]):
        yield tested(known, held_out(known, split, seed=asked.seeds[0]), split.test)


def routerdc_within(asked: Options) -> Iterator[Tested]:
    known = Embedded.of(routerdc.read(asked, routerdc.TRAIN))
    test = Embedded.of(routerdc.read(asked, routerdc.WITHIN))
    evidence = known.evidence(np.arange(len(known.records)))
    found = estimates(evidence, test, seed=asked.seeds[0])
    yield tested(test, found, np.arange(len(test.records)))


def tested(known: Embedded, found: Estimates, rows: np.ndarray) -> Tested:
    return Tested(found=found, vectors=known.vectors[rows], scores=known.scores[rows])


def summary(name: str, runs: Sequence[Tested], size: int) -> list[object]:
    """One row of the table: which share of the neighborhoods of this size is covered."""
    covered = np.concatenate([is_covered(run, size) for run in runs]).mean(axis=0)
    bare = np.concatenate([is_covered(run, size, stderr=False) for run in runs]).mean()
    shares = [covered.mean(), covered.min(), covered.max(), bare]
    return [name, size, *(f"{100 * share:.1f} %" for share in shares)]


def is_covered(run: Tested, size: int, *, stderr: bool = True) -> np.ndarray:
    """Whether the interval holds what the neighborhood of each query scored; shape (q, m)."""
    near = FaissIndex(run.vectors).search(run.vectors, size).rows
    outcomes = run.scores[near]
    count = near.shape[1]
    overall = run.scores.var(axis=0)
    variance = (count * outcomes.var(axis=1, ddof=1) + OVERALL * overall) / (count + OVERALL)
    doubt = (run.found.stderr[near] ** 2).mean(axis=1) if stderr else 0.0
    error = run.found.scores[near].mean(axis=1) - outcomes.mean(axis=1)
    return np.asarray(np.abs(error) <= REACH * np.sqrt(doubt + variance / count))


if __name__ == "__main__":
    main()
