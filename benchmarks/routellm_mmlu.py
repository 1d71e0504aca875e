"""RouteLLM's two models on MMLU: how much of their gap is won at which share of strong calls.

    python benchmarks/routellm_mmlu.py

MMLU without the prompts that the paper calls contaminated. First 1,500 random labeled questions to
learn from and all others to test on; then five folds, with all labels. APGR is computed as
RouteLLM's code does, by trapezoid over eleven quantile thresholds (arXiv 2406.18665). The intervals
draw the questions again, the same ones for all routers.

The paper's own routers learned from Arena battles and 1,500 MMLU validation questions and embed
with a large remote model: their row stands beside ours for orientation, the protocols differ.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import recipes
from bench import Embedded, Floats, Options, estimates, header, held_out, options, table
from numpy.typing import NDArray
from recipes import Queries

from knnrouter import read_records
from knnrouter.estimators import KNN, Blend, Estimates
from knnrouter.evaluation import (
    Curve,
    Interval,
    Split,
    apgr,
    bootstrap,
    cpt,
    draw,
    k_fold,
    strong_fraction_curve,
)

LEARN = 1500
STRONG, WEAK = "gpt-4-1106-preview", "mistralai/Mixtral-8x7B-Instruct-v0.1"
OURS = "knnrouter, defaults"


def main() -> None:
    asked = options(__doc__, draws=300)
    known = pair(asked)
    learn = min(LEARN, len(known.records) // 2)
    runs = [run(known, draw(known.records, learn, seed=seed), seed) for seed in asked.seeds]
    header(f"MMLU, {len(known.records):,} questions, {learn:,} labeled at random", asked)
    report(known, runs, asked)
    runs = [
        run(known, split, seed)
        for seed in asked.seeds
        for split in k_fold(known.records, seed=seed)
    ]
    header(f"MMLU, {len(known.records):,} questions, 5 folds: all labels but those tested", asked)
    report(known, runs, asked)
    print("\nNot comparable: the best trained router in RouteLLM's paper reaches an APGR of 0.603;")
    print("it learned from Arena battles and 1,500 MMLU validation questions.")


def pair(asked: Options, name: str = "mmlu") -> Embedded:
    """The two models' answers on MMLU or GSM8K; contaminated prompts are left out."""
    folder = asked.file(f"routellm/{name}")
    records = read_records(folder)
    lines = (folder / "contaminated_prompts.jsonl").read_text("utf-8").splitlines()
    contaminated = {json.loads(line)["eval_prompt"] for line in lines}
    kept = [row for row, text in enumerate(records.queries) if text not in contaminated]
    return Embedded.of(records.select(kept))


@dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """One split, and how much each router prefers the strong model on the tested questions."""

    test: NDArray[np.int64]
    preferences: dict[str, Floats]


def run(known: Embedded, split: Split, seed: int) -> Run:
    """Ask every router."""
    plain = KNN(k=min(100, len(split.train)), weights="uniform", shrinkage=0.0)
    evidence, queries = known.evidence(split.train), known.select(split.test)
    pair = [known.records.models.index(name) for name in (WEAK, STRONG)]
    length = recipes.by_length(known.select(split.train), seed)
    return Run(
        test=split.test,
        preferences={
            OURS: gain(held_out(known, split, seed=seed)),
            "blend": gain(held_out(known, split, seed=seed, estimator=Blend())),
            "untuned vote of 100": gain(estimates(evidence, queries, seed=seed, estimator=plain)),
            "prompt length": length.gain(Queries.of(queries), *pair),
            "random": np.random.default_rng(seed).random(len(split.test)),
        },
    )


def gain(found: Estimates) -> Floats:
    """How much better the strong model is expected to be."""
    strong, weak = (found.models.index(name) for name in (STRONG, WEAK))
    return found.scores[:, strong] - found.scores[:, weak]


def outcomes(known: Embedded) -> tuple[Floats, Floats]:
    """What the weak and the strong model scored."""
    weak, strong = (known.records.models.index(name) for name in (WEAK, STRONG))
    return known.scores[:, weak], known.scores[:, strong]


def report(known: Embedded, runs: Sequence[Run], asked: Options) -> None:
    """Print the routers' APGR and CPT, means over the runs."""
    rows = []
    for name in runs[0].preferences:
        curves = [curve(known, each, name) for each in runs]
        figures = np.array([[apgr(each), cpt(each, 0.5), cpt(each, 0.8)] for each in curves])
        spread = float(figures[:, 0].std(ddof=1)) if len(runs) > 1 else float("nan")
        behind = "" if name == OURS else interval(known, runs, OURS, name, asked)
        means = figures.mean(axis=0).tolist()
        rows.append([name, interval(known, runs, name, None, asked), spread, *means[1:], behind])
    table(["router", "APGR", "sd of runs", "CPT 50 %", "CPT 80 %", "ours is ahead by"], rows)


def curve(known: Embedded, each: Run, name: str) -> Curve:
    weak, strong = outcomes(known)
    return strong_fraction_curve(each.preferences[name], weak[each.test], strong[each.test])


def interval(
    known: Embedded, runs: Sequence[Run], name: str, less: str | None, asked: Options
) -> Interval:
    """The mean APGR over the runs, less another router's, with the questions drawn again."""
    weak, strong = outcomes(known)
    place = np.full((len(runs), len(weak)), -1)
    for number, each in enumerate(runs):
        place[number, each.test] = np.arange(len(each.test))

    def mean(rows: NDArray[np.int64]) -> float:
        total = 0.0
        for number, each in enumerate(runs):
            drawn = place[number, rows]
            tested = drawn >= 0
            measured = weak[rows[tested]], strong[rows[tested]]
            for router, sign in ((name, 1), (less, -1)):
                if router is not None:
                    preference = each.preferences[router][drawn[tested]]
                    total += sign * apgr(strong_fraction_curve(preference, *measured))
        return total / len(runs)

    return bootstrap(mean, len(weak), draws=asked.draws)


if __name__ == "__main__":
    main()
