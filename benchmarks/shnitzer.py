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
from dataclasses import replace

import numpy as np
from bench import Floats, Options, header, interval, options, table
from new_tasks import (
    BEST,
    LEADER,
    ORACLE,
    S1,
    S2,
    S3,
    TRUE_P,
    Ranked,
    Study,
    collections,
)
from query_by_query import by_query

from knnrouter import evaluation
from knnrouter.evaluation import paired_bootstrap

REPETITIONS = 10
MOST_LABELLED = 50
ALPHAS = tuple(step / 50 for step in range(15))
SIGMAS = (0.01, 0.03, 0.09, 0.3, 99.0)
"""The last one is so wide that all tasks count alike."""

FEW = "best on the labelled rows"


def main() -> None:
    asked = options(__doc__, seeds=3)
    for name, known in collections(asked):
        study = Study.of(known)
        counts = f"{len(study.benchmark.tasks)} tasks × {len(known.records.models)} models"
        title = f"{name}, {counts}, {len(known.records):,} rows"
        announce(title, asked)
        first_table(study, asked)
        announce(f"{name}: how p is smoothed", asked)
        by_width(study, asked)
        announce(f"{name}: a few labelled queries of the new task", asked)
        sweep(study, asked)
        if not name.startswith("RouterDC"):
            once = replace(asked, seeds=asked.seeds[:1])
            header(f"{name}: query by query", once)
            by_query(known, once)


def announce(title: str, asked: Options) -> None:
    header(title, asked, intervals=False)
    print(f"Intervals hold 95 % of {asked.draws:,} draws of the tasks.\n")


def first_table(study: Study, asked: Options) -> None:
    """Print the paper's table 1, and whether the paper's order of the scores holds."""
    pairs = [study.pairs(task) for task in study.tasks]
    runs = [
        [study.choices(task, pairs[task], seed) for task in study.tasks] for seed in asked.seeds
    ]
    rows = []
    accuracy = {name: per_task(runs, name) for name in runs[0][0]}
    for name, values in accuracy.items():
        every = [choices[name] for run in runs for choices in run]
        rows.append(
            [
                name,
                interval(values, asked.draws),
                "" if name == BEST else paired(accuracy, name, BEST, asked),
                mean([each.ratio for each in every]),
                mean([each.correlation(evaluation.pearson) for each in every]),
                mean([each.correlation(evaluation.spearman) for each in every]),
                mean([float(each.model == each.best) for each in every]),
                mean([float(each.rank) for each in every]),
            ]
        )
    columns = ["accuracy", "ahead of best on average", "ratio to best", "Pearson", "Spearman"]
    table(["choice", *columns, "best on average chosen", "rank"], rows)
    print(ordering(accuracy, asked))
    print(sureness([choices[LEADER] for run in runs for choices in run], len(runs)))


def sureness(leaders: Sequence[Ranked], runs: int) -> str:
    """What was promised of leaders that are not the best on average, and what came of it."""
    others = [each for each in leaders if each.model != each.best]
    if not others:
        return "The leader by S3 is the best on average on every task."
    promised = mean([each.confidence for each in others])
    better = mean([float(each.truth[each.model] > each.truth[each.best]) for each in others])
    return (
        f"On {len(others) / runs:.3g} of {len(leaders) // runs} tasks the leader by S3 is not the "
        f"best on average. Its mean confidence to beat it: {promised:.2f}; "
        f"it does on {better:.0%} of them."
    )


def paired(
    accuracy: Mapping[str, Floats], one: str, other: str, asked: Options
) -> evaluation.Interval:
    """How far one choice is ahead of another; the tasks are drawn."""
    return paired_bootstrap(accuracy[one], accuracy[other], draws=asked.draws)


def per_task(runs: Sequence[Sequence[Mapping[str, Ranked]]], name: str) -> Floats:
    """The accuracy on each task, mean over the runs."""
    values = [[choices[name].accuracy for choices in run] for run in runs]
    return np.asarray(np.mean(values, axis=0))


def mean(values: Sequence[float]) -> float:
    """Of what is known."""
    known = [value for value in values if value == value]
    return float(np.mean(known)) if known else float("nan")


def ordering(accuracy: Mapping[str, Floats], asked: Options) -> str:
    """Whether the paper's order holds here, and by how much."""
    means = {name: float(values.mean()) for name, values in accuracy.items()}
    above = [name for name in (S1, S2, S3) if means[name] > means[BEST] + 1e-12]
    first = means[TRUE_P] >= means[S3] - 1e-12
    second = means[S3] >= max(means[S1], means[S2]) - 1e-12
    gaps = [
        f"{one} less {other}: {paired(accuracy, one, other, asked)}."
        for one, other in ((TRUE_P, S3), (S3, S1), (S3, S2))
    ]
    return (
        f"\nS3 with true p >= S3: {yes(first)}. S3 >= S1 and S2: {yes(second)}. Above the best "
        f"on average: {', '.join(above) or 'none of S1, S2, S3'}.\n{' '.join(gaps)}"
    )


def yes(holds: bool) -> str:
    """In words."""
    return "holds" if holds else "does not hold"


def by_width(study: Study, asked: Options) -> None:
    """Print how well p is foretold, and what S3 comes to, by the width of the kernel."""
    pairs = [study.pairs(task) for task in study.tasks]
    rows = []
    for sigma in SIGMAS:
        narrow = replace(study, settings=replace(study.settings, sigma=sigma))
        runs = [
            [narrow.choices(task, pairs[task], seed) for task in study.tasks]
            for seed in asked.seeds
        ]
        off = np.array([each[S3].off for each in runs[0]])
        accuracy = {name: per_task(runs, name) for name in (S3, BEST)}
        lead = paired(accuracy, S3, BEST, asked)
        value = float(accuracy[S3].mean())
        rows.append([f"{sigma:g}", interval(off, asked.draws), value, lead])
    table(["sigma", "error of p", "S3", "ahead of best on average"], rows)
    seen = [study.benchmark.predictions(task, study.right, study.settings) for task in study.tasks]
    truth = np.array([found.accuracy(study.right[tested]) for found, tested in seen])
    u = [found.u for found, _ in seen]
    print(f"\nMean p: {np.nanmean(truth):.4f}. Distances u: {min(u):.2f} to {max(u):.2f}.")


def sweep(study: Study, asked: Options) -> None:
    """Print the accuracy by the share of the task's rows that is labelled."""
    repetitions = 2 if asked.quick else REPETITIONS
    names = (S1, S2, S3, TRUE_P, FEW, BEST, ORACLE)
    alphas = ALPHAS[::7] if asked.quick else ALPHAS
    accuracy = np.empty((len(alphas), len(names), len(study.tasks)))
    off, counts = np.empty((2, len(alphas), len(study.tasks)))
    for task in study.tasks:
        alone = study.without(task)
        for place, alpha in enumerate(alphas):
            count = min(int(alpha * len(study.benchmark.rows[task])), MOST_LABELLED)
            found = [*repeated(alone, task, count, repetitions if count else len(asked.seeds))]
            counts[place, task] = count
            accuracy[place, :, task] = [mean([each[n].accuracy for each in found]) for n in names]
            off[place, task] = mean([each[S3].off for each in found])
    rows = []
    for place, alpha in enumerate(alphas):
        values = accuracy[place]
        lead = paired_bootstrap(values[0], values[names.index(FEW)], draws=asked.draws)
        figures = [*values.mean(axis=1).tolist(), float(off[place].mean())]
        rows.append([f"{alpha:.2f}", f"{counts[place].mean():.1f}", *figures, lead])
    columns = [S1, S2, S3, TRUE_P, FEW, BEST, "in hindsight", "error of p"]
    table(["alpha", "labelled", *columns, "S1 ahead of labelled alone"], rows)


def repeated(study: Study, task: int, count: int, repetitions: int) -> Iterator[dict[str, Ranked]]:
    """What is chosen with so many labelled rows, which are drawn again each time."""
    pairs = study.pairs(task, count)
    averages = study.benchmark.averages(without=task)
    for seed in range(repetitions):
        labelled = study.benchmark.drawn(task, count, seed=seed)
        found = study.choices(task, pairs, seed, labelled)
        seen = study.truth(labelled).round(9) if count else np.zeros(len(averages))
        few = int(np.argmax(seen + 1e-6 * averages))  # of several, the best on average
        yield found | {FEW: replace(found[BEST], model=few)}


if __name__ == "__main__":
    main()
