"""Seven open models on RouterDC's sets: five to learn from, and three that are new to the router.

    python benchmarks/routerdc.py

Protocol of RouterDC (arXiv 2409.19886): learn from the train files of five sets, test on the test
files of the same five (in distribution) and on three others (out of distribution); a figure is the
mean of the sets' means, in percent. MMLU, CMMLU, ARC and C-Eval hold the probability of the right
option, and count as right above 0; the others hold the mean of ten attempts.

The evidence is fixed, so the seeds change what is random in fitting only. Intervals draw the
queries again within each set.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
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

from knnrouter import RecordSet, evaluation, read_records
from knnrouter.evaluation import paired_bootstrap, scored

TRAIN = {
    "MMLU": "mmlu_train",
    "GSM8K": "gsm8k-train",
    "CMMLU": "cmmlu_train",
    "ARC-C": "arc_challenge_train",
    "HumanEval": "humaneval_train",
}
WITHIN = {
    "MMLU": "mmlu_test",
    "GSM8K": "gsm8k-test",
    "CMMLU": "cmmlu_test",
    "ARC-C": "arc_challenge_test",
    "HumanEval": "humaneval_test",
}
BEYOND = {"PreAlgebra": "MATH_prealgebra", "MBPP": "mbpp", "C-Eval": "ceval"}
PROBABILITIES = {"MMLU", "CMMLU", "ARC-C", "C-Eval"}

OURS = "knnrouter, defaults"
SINGLE = "best single model, chosen in training"
HINDSIGHT = "best single model, in hindsight"


def main() -> None:
    asked = options(__doc__, seeds=3)
    known = Embedded.of(read(asked, TRAIN))
    for title, files in (("in distribution", WITHIN), ("out of distribution", BEYOND)):
        tested = Embedded.of(read(asked, files))
        counts = f"{len(known.records):,} rows to learn from, {len(tested.records):,} to test on"
        header(f"RouterDC {title}, {counts}", asked)
        report(outcomes(known, tested, asked), tested.records, asked)
    print(
        "\nRemembered, not checked: RouterDC itself reaches 58.54 in and 45.85 out of distribution,"
    )
    print("with a fine-tuned transformer, picked by its accuracy on the training sets.")


def read(asked: Options, files: Mapping[str, str]) -> RecordSet:
    """Put the sets together; each is a task."""
    parts = []
    for name, file in files.items():
        threshold = 0.0 if name in PROBABILITIES else None
        records = read_records(asked.file(f"routerdc/{file}.json"), threshold=threshold)
        fields = records.as_dict() | {
            "ids": tuple(f"{name}/{each}" for each in records.ids),
            "tasks": (name,) * len(records),
        }
        parts.append(RecordSet(**fields))
    return RecordSet.concat(parts)


def outcomes(known: Embedded, tested: Embedded, asked: Options) -> dict[str, Floats]:
    """What each choice scored on each tested query."""
    assert known.records.models == tested.records.models
    train, test = known.scores, tested.scores
    evidence = known.evidence(np.arange(len(known.records)))
    ours = [
        scored(test, best_scores(estimates(evidence, tested, seed=seed), train))
        for seed in asked.seeds
    ]
    return {
        OURS: np.mean(ours, axis=0),
        SINGLE: evaluation.best_single(train, test),
        "prompt length alone": evaluation.by_length(known.lengths, train, tested.lengths, test),
        "random model": evaluation.random(test),
        HINDSIGHT: scored(test, int(np.argmax(means_of_sets(test, tested.records)))),
        "best model of each set, in hindsight": evaluation.task_oracle(test, tested.records.tasks),
        "best model of each query, in hindsight": evaluation.query_oracle(test),
    }


def means_of_sets(scores: Floats, records: RecordSet) -> Floats:
    """The mean over the sets of each column's mean."""
    sets = np.array(records.tasks)
    means = [scores[sets == each].mean(axis=0) for each in np.unique(sets)]
    return np.asarray(np.mean(means, axis=0))


def report(found: Mapping[str, Floats], records: RecordSet, asked: Options) -> None:
    """Print each choice's percentages, and how far ours is ahead."""
    sets = np.array(records.tasks)
    names = list(dict.fromkeys(sets.tolist()))
    rows = []
    for choice, values in found.items():
        cells = [f"{100 * values[sets == name].mean():.2f}" for name in names]
        average = interval(100 * values, asked.draws, sets)
        behind = paired_bootstrap(100 * found[OURS], 100 * values, groups=sets, draws=asked.draws)
        rows.append([choice, *cells, percent(average), "" if choice == OURS else percent(behind)])
    table(["choice", *names, "average", "ours is ahead by"], rows)


def percent(found: evaluation.Interval) -> str:
    return f"{found.estimate:.2f} [{found.low:.2f}, {found.high:.2f}]"


if __name__ == "__main__":
    main()
