"""The assertions on many prompts at once: shares, flips, quality and cost."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from statistics import fmean, stdev

import numpy as np

from knnrouter.assertions.asking import Asked
from knnrouter.assertions.limits import Cost, FlipRate, Limits, Quality, Share
from knnrouter.assertions.outcome import Outcome
from knnrouter.assertions.wording import more, quoted, table
from knnrouter.decision import Decision
from knnrouter.errors import RoutingTestsError
from knnrouter.evaluation.stability import Robustness, robustness
from knnrouter.policies import Policy
from knnrouter.pool import ModelPool
from knnrouter.records.record_set import FloatMatrix
from knnrouter.router import Router

__all__ = ["cost", "flip_rate", "quality", "share"]

_SHOWN_FLIPS = 10
_SHOWN_ROWS = 5
_PER = 1000


def share(limits: Share, decisions: Sequence[Decision], pool: ModelPool) -> Outcome:
    """How many of the decisions are for one model."""
    model = pool.spec(limits.model).name
    counts = Counter(each.model for each in decisions)
    value = counts[model] / len(decisions)
    found = f"{value:.4g} of {len(decisions):,} prompts went to {model}"
    return _outcome(limits, value, found, _shares(counts))


def flip_rate(limits: FlipRate, prompts: Asked, router: Router, policy: Policy | None) -> Outcome:
    """How many decisions change when prompts are put in slightly other words."""
    found = robustness(
        router,
        prompts.texts,
        policy=policy,
        perturbations=limits.perturbations,
        seed=limits.seed,
        draws=1,
    )
    asked = found.n * len(found.perturbations)
    said = (
        f"{found.flip_rate:.4g} of the decisions changed, the mean over kinds of changes: "
        f"{len(found.flips):,} of {asked:,}"
    )
    return _outcome(limits, found.flip_rate, said, _flip_lines(found))


def _flip_lines(found: Robustness) -> list[str]:
    kinds = [("kind", "flip rate"), *((each.name, f"{each.flip_rate:.4g}") for each in found.kinds)]
    rows = [
        (f"{each.before} -> {each.after}", each.perturbation, quoted(each.perturbed))
        for each in found.flips[:_SHOWN_FLIPS]
    ]
    flips = ["", *table(rows)] if rows else []
    return [*table(kinds), *flips, *more(len(found.flips), _SHOWN_FLIPS)]


def quality(
    limits: Quality, prompts: Asked, decisions: Sequence[Decision], pool: ModelPool
) -> Outcome:
    """The mean score of the chosen models, as the test's file has it."""
    scores = _measured("scores", prompts, decisions, pool)
    value = fmean(scores)
    error = f" ± {stdev(scores) / math.sqrt(len(scores)):.4f}" if len(scores) > 1 else ""
    details = [
        *_by_model(decisions, "mean score", scores, ".4f"),
        *_worst(prompts, decisions, scores),
    ]
    found = f"mean score {value:.4f}{error} on {len(scores):,} rows"
    return _outcome(limits, value, found, details)


def cost(limits: Cost, prompts: Asked, decisions: Sequence[Decision], pool: ModelPool) -> Outcome:
    """What 1,000 prompts cost, as the test's file has it or as the router expects it."""
    if limits.expected:
        costs = _expected(decisions)
    else:
        costs = _measured("costs", prompts, decisions, pool)
    value = fmean(costs) * _PER
    kind = "expected" if limits.expected else "measured"
    found = f"{kind} cost ${value:.6g} per {_PER:,} prompts, mean of {len(costs):,}"
    per_thousand = [each * _PER for each in costs]
    details = _by_model(decisions, f"USD per {_PER:,}", per_thousand, ".6g")
    return _outcome(limits, value, found, details)


def _outcome(limits: Limits, value: float, found: str, details: Sequence[str]) -> Outcome:
    broken = limits.broken_by(value)
    wanted = f"; wanted {', '.join(broken)}" if broken else ""
    return Outcome(passed=not broken, summary=found + wanted, details=("", *details))


def _measured(
    name: str, prompts: Asked, decisions: Sequence[Decision], pool: ModelPool
) -> list[float]:
    """A figure of the chosen models on the rows of a file, all of which must be measured."""
    records = prompts.measured
    values: FloatMatrix = np.asarray(getattr(records, name), dtype=np.float64)
    columns = dict(zip(pool.names, pool.columns(records.models).columns, strict=True))
    found = [
        math.nan if (column := columns[each.model]) is None else float(values[row, column])
        for row, each in zip(prompts.rows, decisions, strict=True)
    ]
    missing = [
        f"{records.ids[row]} of {each.model}"
        for row, each, value in zip(prompts.rows, decisions, found, strict=True)
        if math.isnan(value)
    ]
    if missing:
        raise RoutingTestsError(
            f"{len(missing):,} of {len(found):,} {name} are not measured, those of models that "
            f"were chosen: {', '.join([*missing[:_SHOWN_ROWS], *more(len(missing), _SHOWN_ROWS)])}"
            "; what is not measured is neither zero nor free: measure them, or leave out the rows"
        )
    return found


def _expected(decisions: Sequence[Decision]) -> list[float]:
    """What the router expects its choices to cost."""
    found = [each.costs.get(each.model, math.nan) for each in decisions]
    pairs = zip(found, decisions, strict=True)
    unknown = Counter(each.model for value, each in pairs if math.isnan(value))
    if unknown:
        raise RoutingTestsError(
            f"no cost is known of {', '.join(unknown)}, chosen for {unknown.total():,} of "
            f"{len(found):,} prompts; add `price` and `expected_output_tokens` to the pool, or "
            "costs to the evidence"
        )
    return found


def _shares(counts: Counter[str]) -> list[str]:
    total = counts.total()
    rows = [(name, f"{count / total:.4g}", f"{count:,}") for name, count in counts.most_common()]
    return table([("model", "share", "prompts"), *rows])


def _by_model(
    decisions: Sequence[Decision], what: str, values: Sequence[float], form: str
) -> list[str]:
    """How often each model was chosen, and the mean of a figure there."""
    held: dict[str, list[float]] = {}
    for each, value in zip(decisions, values, strict=True):
        held.setdefault(each.model, []).append(value)
    most = sorted(held.items(), key=lambda pair: -len(pair[1]))
    rows = [(name, f"{len(each):,}", format(fmean(each), form)) for name, each in most]
    return table([("model", "prompts", what), *rows])


def _worst(prompts: Asked, decisions: Sequence[Decision], scores: Sequence[float]) -> list[str]:
    """The rows on which the choice scored furthest below the best of the models measured."""
    records = prompts.measured
    best = np.nanmax(records.scores[list(prompts.rows)], axis=1).astype(float).tolist()
    order = sorted(range(len(scores)), key=lambda place: scores[place] - best[place])
    lost = [place for place in order if scores[place] < best[place]]
    rows = [
        (
            decisions[place].model,
            f"{scores[place]:.2f}",
            f"{best[place]:.2f}",
            quoted(prompts.texts[place]),
        )
        for place in lost[:_SHOWN_ROWS]
    ]
    if not rows:
        return []
    head = ("chosen", "score", "best", "prompt")
    return ["", *table([head, *rows]), *more(len(lost), _SHOWN_ROWS)]
