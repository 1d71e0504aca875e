"""Reports of made-up evaluations: small, large, bare, and hostile to whoever shows them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np

from knnrouter import RecordSet
from knnrouter.decision import Neighbor
from knnrouter.evaluation import Outcomes, evaluate
from knnrouter.evaluation.report import Report
from knnrouter.evaluation.report_parts import WorstQuery

MODELS = (
    *("qwen2.5-7b-instruct", "codegemma-7b", "gemma-2-9b-it", "llama-3.1-8b-instruct"),
    *("meta/llama3-chatqa-1.5-8b", "mistralai/mistral-7b-instruct-v0.3"),
    *("llama-3.3-nemotron-super-49b-v1", "llama-3.1-nemotron-51b-instruct", "gpt-4-1106-preview"),
)

HOSTILE = (
    "<script>alert(1)</script>",
    "a\" onload='alert(2)' x=\"",
    "נתב שפה עברית",
    "语言模型路由器",
    "$x_1$ & $y^2$ {} \\frac",
    "_hidden\x00\n\u202eright-to-left",
    "a-model-name-that-is-much-longer-than-any-figure-can-show-beside-a-point/" + "v" * 80,
    "half \ud83d pair",
)
"""Names that break what does not expect them."""


def made(
    *,
    models: Sequence[str] = MODELS,
    tasks: int = 14,
    rows: int = 420,
    priced: bool = True,
    expected: bool = True,
    best: int = -1,
    seed: int = 0,
) -> Outcomes:
    """Outcomes among models that are good at different tasks, the last ones at more of them.

    Args:
        models: Their names.
        tasks: How many tasks.
        rows: How many queries.
        priced: Whether costs are known; from 0.0001 to 0.01 USD, dearer from one to the next.
        expected: Whether scores were expected, and chosen by.
        best: The column of the best single model in training.
        seed: Where all of it comes from.
    """
    random = np.random.default_rng(seed)
    count = len(models)
    task = np.arange(rows) % tasks
    skill = np.clip(random.normal(np.linspace(0.3, 0.65, count), 0.2, (tasks, count)), 0.02, 0.98)
    scores = (random.random((rows, count)) < skill[task]).astype(np.float64)
    guess = np.clip(skill[task] + random.normal(0, 0.08, (rows, count)), 0, 1)
    costs = 1e-4 * 100.0 ** np.linspace(0, 1, count) * random.uniform(0.8, 1.25, (rows, count))
    similarity = random.uniform(0.3, 1.0, rows)
    return Outcomes(
        ids=tuple(f"q{row}" for row in range(rows)),
        queries=tuple(f"What is the answer to number {row}, in words?" for row in range(rows)),
        tasks=tuple(f"task {number}" for number in task),
        models=tuple(models),
        scores=scores,
        costs=costs if priced else None,
        chosen=guess.argmax(axis=1) if expected else random.integers(count, size=rows),
        single=np.full(rows, best % count),
        estimated_scores=guess if expected else None,
        estimated_costs=costs if expected and priced else None,
        similarity=similarity if expected else None,
    )


def reported(outcomes: Outcomes, **options: Any) -> Report:
    """The report of these outcomes, with few draws."""
    rows = [{"id": name, "query": name, "a": 1, "b": 1} for name in outcomes.ids]
    return evaluate(outcomes, RecordSet.from_rows(rows), draws=100, **options)


def with_evidence(report: Report) -> Report:
    """The report with neighbors and a reason at each of its worst queries."""
    models = [each.name for each in report.singles]
    return replace(report, worst=tuple(_with_neighbors(each, models) for each in report.worst))


def _with_neighbors(query: WorstQuery, models: Sequence[str]) -> WorstQuery:
    neighbors = tuple(
        Neighbor(
            id=f"n{number}",
            task=query.task,
            similarity=0.9 - number / 10,
            scores=dict.fromkeys(models, math.nan) | {query.model: 1.0},
        )
        for number in range(3)
    )
    return replace(query, reason="highest expected score", neighbors=neighbors)


def small() -> Report:
    """Two models, one task, and no more than a few queries."""
    return reported(made(models=("small", "large"), tasks=1, rows=40))


def large() -> Report:
    """Fourteen tasks, nine models, twenty worst queries with evidence."""
    return with_evidence(reported(made()))


def bare() -> Report:
    """Choices alone: no costs, nothing expected, nothing similar."""
    return reported(made(models=("small", "large"), tasks=1, rows=30, priced=False, expected=False))


def hostile() -> Report:
    """Names, tasks and texts of all sorts."""
    plain = made(models=HOSTILE, tasks=len(HOSTILE), rows=160)
    rows = range(len(plain))
    texts = [HOSTILE[row % len(HOSTILE)] for row in rows]
    outcomes = replace(
        plain,
        tasks=tuple(texts),
        queries=tuple(f"{texts[row]} number {row}" for row in rows),
        notes=HOSTILE,
    )
    return with_evidence(reported(outcomes))


def many() -> Report:
    """More models and tasks than figures have room for."""
    return reported(made(models=[f"provider/model-{number}" for number in range(26)], tasks=35))


def unknown() -> Report:
    """A report where whatever can be NaN is NaN, but for the qualities of models."""
    report = large()
    kept = {
        "outcomes",
        "verdict",
        "singles",
        "best_single",
        "behavior",
        "n",
        "confidence",
        "draws",
        "seed",
    }
    return replace(
        report,
        **{
            each.name: _blank(getattr(report, each.name))
            for each in fields(report)
            if each.name not in kept
        },
    )


def _blank(value: Any) -> Any:
    if isinstance(value, float):
        return math.nan
    if isinstance(value, tuple):
        return tuple(map(_blank, value))
    if isinstance(value, dict):
        return {name: _blank(each) for name, each in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return type(value)(
            **{each.name: _blank(getattr(value, each.name)) for each in fields(value)}
        )
    return value


REPORTS = {
    "small": small,
    "large": large,
    "bare": bare,
    "hostile": hostile,
    "many": many,
    "unknown": unknown,
}
"""All of them, by name."""
