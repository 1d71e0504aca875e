"""Unknown tasks: what routing costs there, and whether similarity tells when.

    python benchmarks/guard.py

Each task is routed by a router with default settings that knows the other tasks only, and compared
with their best single model: regret is how much more that model scored, and negative where routing
won. A row of the tables covers the queries whose nearest neighbor has the similarity and more. The
bound of the regret holds for all rows together and for other tasks like these, with 95 %
confidence. Rows are cut where similarity covers 100, 90, 75, 50, 25 and 10 % of the queries.

The correlation is Spearman's, of similarity and regret: over all queries, and as the mean of those
within a task; where similarity warns of a bad choice it lies below zero.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from bench import Floats, Options, header, options, table
from routerdc import BEYOND, TRAIN, read

from knnrouter import RecordSet, read_records
from knnrouter.errors import EvaluationError
from knnrouter.evaluation import UnseenTasks, guard, unseen_tasks

COVERED = (1.0, 0.9, 0.75, 0.5, 0.25, 0.1)
TARGETS = (0.0, 0.01, 0.05)


def main() -> None:
    asked = options(__doc__, seeds=1, draws=2000)
    for name, records in data(asked):
        seen = unseen_tasks(records, seed=asked.seeds[0])
        header(f"{name}, {records!r}, each task unknown in turn", asked, intervals=False)
        try:
            curve(seen, asked)
        except EvaluationError as error:
            print(f"No curve: {error}.")
        correlations(seen)
        for target in TARGETS:
            print(f"- {found(seen, target, asked)}")
        print()
        by_task(seen)


def data(asked: Options) -> Iterator[tuple[str, RecordSet]]:
    """The sets of records that name their tasks."""
    yield "ulab LLMRouter", read_records(asked.file("llmrouter/routing_train.json"))
    yield "RouterDC", read(asked, TRAIN | BEYOND)
    yield "RouteLLM MMLU", read_records(asked.file("routellm/mmlu"))


def curve(seen: UnseenTasks, asked: Options) -> None:
    """The table of coverage and regret."""
    line = seen.curve(draws=asked.draws)
    places = [int(np.flatnonzero(line.coverages >= share)[-1]) for share in COVERED]
    table(
        ["similarity, at least", "coverage", "regret", "upper bound"],
        [
            [
                f"{line.thresholds[place]:.2f}",
                float(line.coverages[place]),
                float(line.risks[place]),
                float(line.bounds[place]),
            ]
            for place in dict.fromkeys(places)
        ],
    )


def correlations(seen: UnseenTasks) -> None:
    """Whether regret falls as similarity rises."""
    tasks = np.array(seen.tasks)
    within = [
        spearman(seen.similarity[tasks == task], seen.regret[tasks == task])
        for task in dict.fromkeys(seen.tasks)
    ]
    known = [each for each in within if not np.isnan(each)]
    mean = np.mean(known) if known else float("nan")
    print(
        f"\nCorrelation of similarity and regret: {spearman(seen.similarity, seen.regret):+.3f} "
        f"over all queries, {mean:+.3f} within tasks ({len(known)} of {len(within)})."
    )


def spearman(one: Floats, other: Floats) -> float:
    """NaN where one of the two is constant."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    return float(np.corrcoef(ranks(one), ranks(other))[0, 1])


def ranks(values: Floats) -> Floats:
    """Ties get the mean of their ranks."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((counts.cumsum() - (counts - 1) / 2)[place.reshape(-1)])


def found(seen: UnseenTasks, target: float, asked: Options) -> str:
    """The guard for a target, or why there is none."""
    try:
        return str(guard(seen, target=target, draws=asked.draws))
    except EvaluationError as error:
        return str(error)


def by_task(seen: UnseenTasks) -> None:
    """Where routing lost and won most."""
    tasks = np.array(seen.tasks)
    where = {task: tasks == task for task in dict.fromkeys(seen.tasks)}
    order = sorted(where, key=lambda task: -float(seen.regret[where[task]].mean()))
    shown = order if len(order) <= 16 else [*order[:5], *order[-5:]]
    table(
        ["task", "queries", "mean similarity", "regret"],
        [
            [
                task,
                int(where[task].sum()),
                float(seen.similarity[where[task]].mean()),
                float(seen.regret[where[task]].mean()),
            ]
            for task in shown
        ],
    )
    if len(shown) < len(order):
        print(f"\nThe {len(order) - len(shown)} tasks between the first and last five left out.")


if __name__ == "__main__":
    main()
