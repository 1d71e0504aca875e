"""What is known of each model, by task; the formulas a number at a time."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knnrouter import RecordSet
from knnrouter.estimators.ballots import TaskMeans
from knnrouter.onboarding import standing

NAN = float("nan")
K = 20.0


def made(rng, rows, models, *, missing=0.3, tasks=("s", "t", "u")):
    scores = rng.integers(0, 2, (rows, models)).astype(float)
    scores[rng.random(scores.shape) < missing] = NAN
    scores[0] = 1.0
    return RecordSet(
        ids=[str(row) for row in range(rows)],
        models=[f"m{place}" for place in range(models)],
        tasks=[str(rng.choice(tasks)) for _ in range(rows)],
        scores=scores,
        weights=rng.integers(1, 3, rows),
    )


def slow(records):
    """Standard errors by (task, model) and by model over all, from the formulas of the module."""
    names = sorted(set(records.tasks))
    task_of = [names.index(task) for task in records.tasks]
    means = TaskMeans.of(records, np.array(task_of))
    weights, scores = records.weights.tolist(), records.scores.tolist()
    models, rows = range(len(records.models)), range(len(records))

    def cells(m, t=None):
        return [
            (weights[i], scores[i][m])
            for i in rows
            if not math.isnan(scores[i][m]) and t in (None, task_of[i])
        ]

    def squares(m):
        own = cells(m)
        mean = sum(w * s for w, s in own) / sum(w for w, _ in own)
        return sum(w * (s - mean) ** 2 for w, s in own), sum(w for w, _ in own)

    both = [squares(m) for m in models]
    pooled = sum(s for s, _ in both) / sum(n for _, n in both)
    v = [(s + K * pooled) / (n + K) for s, n in both]
    strays, counts = [], []
    for t in range(len(names)):
        for m in models:
            own = cells(m, t)
            n = sum(w for w, _ in own)
            if n:
                raw = sum(w * s for w, s in own) / n
                strays.append(n * ((raw - means.expected[t, m]) ** 2 - v[m] / n))
                counts.append(n)
    left = (1 - 1 / len(names)) * (1 - 1 / len(models))
    stray = max(sum(strays) / sum(counts) / left, 0.0) if left else sum(v) / len(v) / K
    spread = float(np.var(means.overall, ddof=1))
    shares = [sum(w for i, w in enumerate(weights) if task_of[i] == t) for t in range(len(names))]
    shares = [share / sum(shares) for share in shares]
    by_task, overall = {}, []
    for m in models:
        total = both[m][1]
        b = total / (total + K)
        level = b**2 * v[m] / total + (1 - b) ** 2 * spread
        alone, lent = 0.0, 0.0
        for t, name in enumerate(names):
            n = sum(w for w, _ in cells(m, t))
            a = n / (n + K)
            own = (a**2 * v[m] / n if n else 0.0) + (1 - a) ** 2 * stray
            by_task[name, m] = math.sqrt(own + (1 - a) ** 2 * level)
            alone += shares[t] ** 2 * own
            lent += shares[t] * (1 - a)
        overall.append(math.sqrt(alone + lent**2 * level))
    return by_task, overall, means, shares


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**16), rows=st.integers(3, 40))
def test_it_agrees_with_the_formulas(seed, rows):
    records = made(np.random.default_rng(seed), rows, 3)
    found = standing(records, confidence=0.9)
    by_task, overall, means, shares = slow(records)
    width = 1.6448536269514722
    for place, each in enumerate(found.tasks):
        for m in range(3):
            mean, half = means.means[place, m], width * by_task[each.task, m]
            assert each.means[m] == pytest.approx(mean)
            assert each.low[m] == pytest.approx(max(mean - half, 0.0), abs=1e-9)
            assert each.high[m] == pytest.approx(min(mean + half, 1.0), abs=1e-9)
    for m in range(3):
        mean = float(np.dot(shares, means.means[:, m]))
        assert found.overall.means[m] == pytest.approx(mean)
        assert found.overall.low[m] == pytest.approx(max(mean - width * overall[m], 0.0), abs=1e-9)
        assert found.overall.high[m] == pytest.approx(min(mean + width * overall[m], 1.0), abs=1e-9)


def test_intervals_hold_what_full_evaluation_finds():
    """A hundred models join with thirty outcomes each; 95 % intervals hold nine in ten or more."""
    rng = np.random.default_rng(0)
    tasks = np.arange(600) % 6
    hard = rng.normal(0, 0.15, 6)
    held, total = 0, 0
    for _ in range(100):
        chance = 0.55 + hard[:, None] + rng.normal(0, 0.1, (1, 6)) + rng.normal(0, 0.1, (6, 6))
        scores = (rng.random((600, 6)) < chance[tasks]).astype(float)
        kept = scores.copy()
        kept[rng.permutation(600)[30:], 5] = NAN
        records = RecordSet(
            ids=[str(row) for row in range(600)],
            models=[f"m{place}" for place in range(6)],
            tasks=[str(task) for task in tasks],
            scores=kept,
        )
        for place, each in enumerate(standing(records).tasks):
            truth = np.clip(chance[place, 5], 0, 1)
            held += each.low[5] <= truth <= each.high[5]
            total += 1
    assert 0.90 <= held / total <= 0.99


def test_more_measurements_narrow_the_interval():
    rng = np.random.default_rng(1)
    records = made(rng, 300, 3, missing=0.0)
    widths = []
    for count in (5, 20, 80, 300):
        fields = records.as_dict()
        fields["scores"] = records.scores.copy()
        fields["scores"][count:, 2] = NAN
        each = standing(RecordSet(**fields)).overall
        widths.append(each.high[2] - each.low[2])
        assert each.measured[2] == records.weights[:count].sum()
    assert widths == sorted(widths, reverse=True)


def test_a_model_that_was_never_measured():
    records = made(np.random.default_rng(2), 30, 2)
    fields = records.as_dict() | {"models": ("m0", "m1", "new")}
    fields["scores"] = np.hstack([records.scores, np.full((30, 1), NAN)])
    fields["costs"] = None
    found = standing(RecordSet(**fields))
    for each in (found.overall, *found.tasks):
        assert math.isnan(each.means[2])
        assert each.measured[2] == 0
        assert np.isfinite(each.low[:2] + each.high[:2]).all()


def test_without_tasks_there_is_only_the_whole():
    rows = [{"query": str(row), "a": row % 2, "b": 1} for row in range(10)]
    found = standing(RecordSet.from_rows(rows))
    assert found.tasks == ()
    assert found.overall.measured == (10.0, 10.0)
    assert found.to_dict()["models"]["b"]["tasks"] == {}


@pytest.mark.parametrize("confidence", [0, 1, 1.5, NAN])
def test_what_is_no_confidence(confidence):
    with pytest.raises(ValueError, match="give a number between 0 and 1"):
        standing(made(np.random.default_rng(3), 5, 2), confidence=confidence)
