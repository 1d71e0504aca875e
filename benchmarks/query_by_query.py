"""Choosing for each query by correctness predictors, beside the default vote."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from bench import Embedded, Floats, Options, best_scores, estimates, interval, table
from new_tasks import Rows
from numpy.typing import NDArray

from knnrouter import evaluation
from knnrouter.estimators import KNN, CorrectnessKNN, Estimator
from knnrouter.evaluation import k_fold, paired_bootstrap, scored

SMALL = "correctness of 5 neighbors"

MOST_TASKS = 20
"""The default vote is fitted anew for each task that is left out; with more it takes too long."""


def by_query(known: Embedded, asked: Options) -> None:
    """Print what choosing for each query comes to, of known tasks and of new ones."""
    ways: dict[str, Estimator] = {
        f"{SMALL}, ties to the higher mean": CorrectnessKNN(),
        "correctness of 100 neighbors": CorrectnessKNN(k=100),
        "knnrouter's vote, defaults": KNN(),
    }
    single = "best single model, chosen in training"
    found: dict[str, list[Floats]] = {}
    for seed in asked.seeds:
        for name, values in folds(known, ways, seed).items():
            found.setdefault(name, []).append(values)
    means = {name: np.mean(values, axis=0) for name, values in found.items()}
    tasks = np.array(known.records.tasks)
    few = len(np.unique(tasks)) <= MOST_TASKS
    fresh = new_tasks(known, ways, asked.seeds[0]) if few else {}
    rows = []
    for name, values in means.items():
        lead = "" if name == single else paired_bootstrap(values, means[single], draws=asked.draws)
        new = by_task(fresh[name], tasks) if few else float("nan")
        rows.append([name, interval(values, asked.draws), lead, new])
    table(["choice", "mean score, 5 folds", "ahead of best single", "new tasks"], rows)


def by_task(values: Floats, tasks: NDArray[np.str_]) -> float:
    """The mean over tasks of their means."""
    return float(np.mean([values[tasks == task].mean() for task in np.unique(tasks)]))


def folds(known: Embedded, ways: Mapping[str, Estimator], seed: int) -> dict[str, Floats]:
    """What each way scored on each query, tested by what the other folds teach."""
    found: dict[str, Floats] = {}
    for split in k_fold(known.records, seed=seed):
        chosen_by = on_rows(known, ways, split.train, split.test, seed)
        for name, values in chosen_by.items():
            found.setdefault(name, np.empty(len(known.records)))[split.test] = values
    return found


def new_tasks(known: Embedded, ways: Mapping[str, Estimator], seed: int) -> dict[str, Floats]:
    """The same, tested by what the other tasks teach."""
    found: dict[str, Floats] = {}
    tasks = np.array(known.records.tasks)
    for task in np.unique(tasks):
        train, test = np.flatnonzero(tasks != task), np.flatnonzero(tasks == task)
        for name, values in on_rows(known, ways, train, test, seed).items():
            found.setdefault(name, np.empty(len(tasks)))[test] = values
    return found


def on_rows(
    known: Embedded, ways: Mapping[str, Estimator], train: Rows, test: Rows, seed: int
) -> dict[str, Floats]:
    """What each way's choices scored on the tested rows."""
    evidence, queries = known.evidence(train), known.select(test)
    taught, scores = known.scores[train], known.scores[test]
    found = {}
    for name, way in ways.items():
        told = estimates(evidence, queries, seed=seed, estimator=way)
        found[name] = scored(scores, best_scores(told, taught))
        if name.startswith(SMALL):
            first = np.argmax(np.nan_to_num(told.scores, nan=-1.0), axis=1)
            found[f"{SMALL}, ties to the first in the file"] = scored(scores, first)
    found["best single model, chosen in training"] = evaluation.best_single(taught, scores)
    return found
