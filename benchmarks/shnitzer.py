"""One model for a whole new task, after Shnitzer et al. 2023: does it beat the best on average?

    python benchmarks/shnitzer.py

Each task in turn is new: its outcomes are hidden, and the other tasks choose one model for it
(arXiv 2309.15789, table 1). The best on average, and the pairs of distance and accuracy that S3
learns its p from, come from the other tasks only; no neighbor is of the task that is tested. Equal
texts are one row. Settings are the paper's: k = 5, kappa = 19, sigma = 0.09, certainty 0.6; a score
above one half is right. Accuracy is the mean over tasks of the chosen model's mean score.

Then a few labelled queries of the new task (alpha), and routing query by query with the same
predictors, beside the default vote. Intervals draw the tasks again, and for routing by the query in
folds, the queries.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import routellm_mmlu
import routerdc
from bench import (
    Embedded,
    Floats,
    Options,
    best_scores,
    estimates,
    header,
    interval,
    options,
    table,
)
from numpy.typing import NDArray

from knnrouter import RecordSet, evaluation, read_records
from knnrouter.estimators import KNN, CorrectnessKNN, Estimator
from knnrouter.estimators.correctness import correctness
from knnrouter.evaluation import k_fold, paired_bootstrap, scored
from knnrouter.task_routing import (
    Pairs,
    Predictions,
    TaskBenchmark,
    TaskScores,
    TaskSettings,
    chosen,
    smoothed,
)

ETA = 0.5
REPETITIONS = 10
MOST_LABELLED = 50
ALPHAS = tuple(step / 50 for step in range(15))

S1, S2, S3, TRUE_P = "S1", "S2", "S3", "S3, true p"
LEADER = "S3, its leader whatever the odds"
BEST = "best on average"
ORACLE = "best model of each task, in hindsight"
SMALL = "correctness of 5 neighbors"

Rows = NDArray[np.int64]


def main() -> None:
    asked = options(__doc__, seeds=3)
    for name, known in collections(asked):
        study = Study(known=known, settings=TaskSettings())
        counts = f"{len(study.benchmark.tasks)} tasks × {len(known.records.models)} models"
        title = f"{name}, {counts}, {len(known.records):,} rows"
        announce(title, asked)
        leads = first_table(study, asked)
        print(ordering(leads))
        print(foresight(study))
        announce(f"{name}: a few labelled queries of the new task", asked)
        sweep(study, asked)
    for name, known in collections(asked):
        if name in ("ulab LLMRouter", "RouteLLM MMLU"):
            header(f"{name}: query by query", asked)
            by_query(known, asked)


def announce(title: str, asked: Options) -> None:
    header(title, asked, intervals=False)
    print(f"Intervals hold 95 % of {asked.draws:,} draws of the tasks.\n")


def collections(asked: Options) -> Iterator[tuple[str, Embedded]]:
    """The data by name; equal texts are merged."""
    ulab = read_records(asked.file("llmrouter/routing_train.json"))
    yield "ulab LLMRouter", Embedded.of(ulab.drop_duplicates())
    yield "RouteLLM MMLU", Embedded.of(routellm_mmlu.pair(asked).records.drop_duplicates())
    train = routerdc.read(asked, routerdc.TRAIN)
    rest = [named(train, "/train"), routerdc.read(asked, routerdc.WITHIN | routerdc.BEYOND)]
    sets = RecordSet.concat(rest).drop_duplicates()
    yield "RouterDC sets", Embedded.of(sets)
    files = RecordSet.concat([tasked(rest[0], " train"), rest[1]]).drop_duplicates()
    yield "RouterDC files", Embedded.of(files)


def named(records: RecordSet, mark: str) -> RecordSet:
    """The same rows under ids of their own."""
    return RecordSet(**records.as_dict() | {"ids": tuple(name + mark for name in records.ids)})


def tasked(records: RecordSet, mark: str) -> RecordSet:
    """The same rows, their tasks with a mark."""
    tasks = tuple(f"{task}{mark}" for task in records.tasks)
    return RecordSet(**records.as_dict() | {"tasks": tasks})


@dataclass(frozen=True, kw_only=True, eq=False)
class Ranked:
    """One choice on one task: the model, what it rests on, and the truth."""

    model: int
    vector: Floats
    """What the models were ranked by; shape (m,)."""
    truth: Floats
    """The mean score of each model on the tested rows; shape (m,)."""
    best: int
    """The best model on average over the other tasks."""

    @property
    def accuracy(self) -> float:
        """What the chosen model scored."""
        return float(self.truth[self.model])

    @property
    def ratio(self) -> float:
        """The same, of what the best model scored."""
        return self.accuracy / float(self.truth.max())

    @property
    def rank(self) -> int:
        """1 and how many models are better."""
        return 1 + int((self.truth > self.truth[self.model] + 1e-9).sum())

    def correlation(self, how: object) -> float:
        """Between ranking and truth over the models; NaN where either is constant."""
        assert callable(how)
        if np.ptp(self.vector) < 1e-12 or np.ptp(self.truth) < 1e-12:
            return float("nan")
        return float(how(self.vector, self.truth))


@dataclass(frozen=True, kw_only=True, eq=False)
class Study:
    """A collection whose tasks are left out in turn."""

    known: Embedded
    settings: TaskSettings

    @cached_property
    def benchmark(self) -> TaskBenchmark:
        """All of the data."""
        everything = np.arange(len(self.known.records))
        return TaskBenchmark.of(self.known.evidence(everything))

    @cached_property
    def right(self) -> Floats:
        """Which model was right on which row."""
        return correctness(self.known.records, ETA)

    @cached_property
    def tasks(self) -> range:
        """The places of the tasks."""
        return range(len(self.benchmark.tasks))

    def pairs(self, task: int, labelled: int = 0) -> Pairs:
        """What the other tasks tell of p, without a trace of this one."""
        return self.benchmark.pairs(self.right, self.settings, labelled=labelled, without=task)

    def truth(self, rows: Rows) -> Floats:
        """Each model's mean score on rows of a task."""
        return np.average(self.known.scores[rows], axis=0, weights=self.known.records.weights[rows])

    def choices(
        self, task: int, pairs: Pairs, seed: int, labelled: Rows | None = None
    ) -> dict[str, Ranked]:
        """What each rule chooses for a task that is new."""
        found, tested = self.benchmark.predictions(
            task, self.right, self.settings, labelled=labelled
        )
        guess, _ = smoothed(pairs, found.u, sigma=self.settings.sigma)
        truth, averages = self.truth(tested), self.benchmark.averages(without=task)
        scores = self.scores(found, guess, seed)
        true_p = self.scores(found, found.accuracy(self.right[tested]), seed)
        best = int(np.argmax(averages))

        def ranked(scores: TaskScores, name: str, settings: TaskSettings) -> Ranked:
            models = range(len(truth))
            costs = np.full(len(truth), np.nan)
            choice = chosen(scores, name, averages, costs, settings, models=models)  # type: ignore[arg-type]  # s1, s2 or s3
            vector = getattr(scores, name)
            return Ranked(model=choice.ranking[0], vector=vector, truth=truth, best=best)

        bold = replace(self.settings, certainty=1e-9)
        flat = Ranked(model=best, vector=averages, truth=truth, best=best)
        return {
            S1: ranked(scores, "s1", self.settings),
            S2: ranked(scores, "s2", self.settings),
            S3: ranked(scores, "s3", self.settings),
            LEADER: ranked(scores, "s3", bold),
            TRUE_P: ranked(true_p, "s3", self.settings),
            BEST: flat,
            ORACLE: replace(flat, model=int(np.argmax(truth)), vector=truth),
        }

    def scores(self, found: Predictions, p: Floats, seed: int) -> TaskScores:
        """The three scores of predictions that come true with probability p."""
        return TaskScores.of(found, p, self.settings, seed=seed)


def first_table(study: Study, asked: Options) -> dict[str, evaluation.Interval]:
    """Print the paper's table 1; how far each choice is ahead of the best on average."""
    pairs = [study.pairs(task) for task in study.tasks]
    runs = [
        [study.choices(task, pairs[task], seed) for task in study.tasks] for seed in asked.seeds
    ]
    rows, leads = [], {}
    base = per_task(runs, BEST)
    for name in runs[0][0]:
        values = per_task(runs, name)
        leads[name] = paired_bootstrap(values, base, draws=asked.draws)
        every = [choices[name] for run in runs for choices in run]
        rows.append(
            [
                name,
                interval(values, asked.draws),
                "" if name == BEST else leads[name],
                mean([each.ratio for each in every]),
                mean([each.correlation(evaluation.pearson) for each in every]),
                mean([each.correlation(evaluation.spearman) for each in every]),
                mean([float(each.model == each.best) for each in every]),
                mean([float(each.rank) for each in every]),
            ]
        )
    columns = ["accuracy", "ahead of best on average", "ratio to best", "Pearson", "Spearman"]
    table(["choice", *columns, "% best on average", "rank"], rows)
    return leads


def per_task(runs: Sequence[Sequence[Mapping[str, Ranked]]], name: str) -> Floats:
    """The accuracy on each task, mean over the runs."""
    values = [[choices[name].accuracy for choices in run] for run in runs]
    return np.asarray(np.mean(values, axis=0))


def mean(values: Sequence[float]) -> float:
    """Of what is known."""
    known = [value for value in values if value == value]
    return float(np.mean(known)) if known else float("nan")


def ordering(leads: Mapping[str, evaluation.Interval]) -> str:
    """Whether the paper's order holds here."""
    value = {name: lead.estimate for name, lead in leads.items()}
    above = [name for name in (S1, S2, S3) if value[name] > 1e-12]
    first = value[TRUE_P] >= value[S3] - 1e-12
    second = value[S3] >= max(value[S1], value[S2]) - 1e-12
    return (
        f"\nS3 with true p >= S3: {yes(first)}. S3 >= S1 and S2: {yes(second)}. "
        f"Above the best on average: {', '.join(above) or 'none of S1, S2, S3'}."
    )


def yes(holds: bool) -> str:
    return "holds" if holds else "does not hold"


def foresight(study: Study) -> str:
    """How well p is foretold, by the kernel and by the plain mean over the other tasks."""
    kernel, plain, truths, u = [], [], [], []
    for task in study.tasks:
        pairs = study.pairs(task)
        found, tested = study.benchmark.predictions(task, study.right, study.settings)
        truth = found.accuracy(study.right[tested])
        guess, _ = smoothed(pairs, found.u, sigma=study.settings.sigma)
        kernel.append(np.abs(guess - truth))
        plain.append(np.abs(np.nanmean(pairs.p, axis=0) - truth))
        truths.append(truth)
        u.append(found.u)
    return (
        f"Mean absolute error of p: {np.nanmean(kernel):.4f}; of the plain mean over the other "
        f"tasks: {np.nanmean(plain):.4f}. Mean p: {np.nanmean(truths):.4f}. "
        f"Distances u: {min(u):.2f} to {max(u):.2f}."
    )


def sweep(study: Study, asked: Options) -> None:
    """Print the accuracy by the share of the task's rows that is labelled."""
    alphas = ALPHAS[::7] if asked.quick else ALPHAS
    repetitions = 2 if asked.quick else REPETITIONS
    alone = "best on the labelled rows"
    rows = []
    for alpha in alphas:
        sums: dict[str, list[float]] = {}
        counts = []
        for task in study.tasks:
            own = study.benchmark.rows[task]
            count = min(int(alpha * len(own)), MOST_LABELLED)
            pairs = study.pairs(task, count)
            counts.append(count)
            for seed in range(repetitions if count else 1):
                labelled = study.benchmark.drawn(task, count, seed=seed)
                found = study.choices(task, pairs, seed, labelled)
                for name, each in found.items():
                    sums.setdefault(name, []).append(each.accuracy * weight(count, repetitions))
                few = alone_best(study, task, labelled)
                truth = found[BEST].truth
                value = truth[few] if count else found[BEST].accuracy
                sums.setdefault(alone, []).append(float(value) * weight(count, repetitions))
        means = {name: sum(values) / len(study.tasks) for name, values in sums.items()}
        wanted = (S1, S2, S3, TRUE_P, alone, BEST, ORACLE)
        rows.append([f"{alpha:.2f}", f"{np.mean(counts):.1f}", *(means[name] for name in wanted)])
    table(["alpha", "labelled", S1, S2, S3, TRUE_P, alone, BEST, "in hindsight"], rows)


def weight(count: int, repetitions: int) -> float:
    """What a repetition counts; without a label there is one only."""
    return 1.0 / repetitions if count else 1.0


def alone_best(study: Study, task: int, labelled: Rows) -> int:
    """The best model on the labelled rows, of several the best on average."""
    averages = study.benchmark.averages(without=task)
    if not len(labelled):
        return int(np.argmax(averages))
    return int(np.argmax(study.truth(labelled).round(9) + 1e-6 * averages))


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
    fresh = new_tasks(known, ways, asked.seeds[0])
    tasks = np.array(known.records.tasks)
    rows = []
    for name, values in means.items():
        lead = "" if name == single else paired_bootstrap(values, means[single], draws=asked.draws)
        rows.append([name, interval(values, asked.draws), lead, by_task(fresh[name], tasks)])
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
    evidence, queries = known.evidence(train), known.vectors[test]
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


if __name__ == "__main__":
    main()
