"""A slow, obvious twin of the vote: the formulas of the docstrings, a number at a time."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from knnrouter.estimators import Evidence
from knnrouter.index import ExactIndex
from knnrouter.records import RecordSet

NAN = float("nan")
PRIOR = 20.0  # measurements that the mean above counts for
VARIANCE = 10.0  # measurements that a model's overall variance counts for


def plain(values):
    """Single precision back to the decimals that were given, as nested lists."""
    return [[float(f"{value:.7f}") for value in row] for row in np.asarray(values).tolist()]


def task_means(scores, weights, task_of, without=()):
    """Means by task, each shrunk toward the model's level plus the task's effect on all models.

    Levels are shrunk toward the mean over all models, effects toward zero; each step counts for
    twenty measurements.
    """
    models = range(len(scores[0]))
    cells = [
        (task_of[i], a, weights[i], scores[i][a])
        for i in range(len(scores))
        for a in models
        if not math.isnan(scores[i][a])
    ]
    first = [weighted_mean([(w, s) for _, b, w, s in cells if b == a]) for a in models]
    effects = {}
    for task in set(task_of):
        own = [(w, s - first[a]) for t, a, w, s in cells if t == task]
        effects[task] = sum(w * d for w, d in own) / (sum(w for w, _ in own) + PRIOR)
    overall = [min(max(x, 0.0), 1.0) for x in _levels(cells, models, effects)]
    means, doubts = {}, {}
    for task in set(task_of):
        kept = [i for i in range(len(scores)) if task_of[i] == task and i not in without]
        for a in models:
            own = [(weights[i], scores[i][a]) for i in kept if not math.isnan(scores[i][a])]
            total = sum(w for w, _ in own)
            expected = min(max(overall[a] + effects[task], 0.0), 1.0)
            means[task, a] = (sum(w * s for w, s in own) + PRIOR * expected) / (total + PRIOR)
            doubts[task, a] = 1 / (total + PRIOR)
    return SimpleNamespace(means=means, doubts=doubts, overall=overall, effects=effects)


def _levels(cells, models, effects):
    """Each model's mean without the tasks' effects; NaN for a model that was never measured."""
    grand = sum(w * (s - effects[t]) for t, _, w, s in cells) / sum(w for _, _, w, _ in cells)
    levels = []
    for a in models:
        own = [(w, s - effects[t]) for t, b, w, s in cells if b == a]
        total = sum(w for w, _ in own)
        levels.append((sum(w * s for w, s in own) + PRIOR * grand) / (total + PRIOR))
        if not own:
            levels[a] = NAN
    return levels


def kernel(similarities, knn):
    if knn.weights == "uniform":
        return [1.0 for _ in similarities]
    if knn.weights == "similarity":
        return [max(s, 0.0) for s in similarities]
    return [math.exp((s - similarities[0]) / knn.temperature) for s in similarities]


def weighted_mean(pairs):
    total = sum(w for w, _ in pairs)
    return sum(w * v for w, v in pairs) / total if total > 0 else NAN


def vote(records, task_of, near, knn, means=None, strays=None):
    """The estimate of one query from its neighbors: `near` holds (similarity, row).

    Without `strays`, the prior variance of each model, there is no standard error.
    """
    scores, weights = plain(records.scores), records.weights.tolist()
    means = means or task_means(scores, weights, task_of)
    k = kernel([s for s, _ in near], knn)
    votes = [(weights[row] * k[i], k[i], row) for i, (_, row) in enumerate(near)]
    found = [
        _one(records, scores, weights, task_of, votes, knn, means, a) for a in _models(records)
    ]
    for one, stray in zip(found, strays or [NAN] * len(found), strict=True):
        one.stderr = _stderr(one, stray, knn.shrinkage)
    return found


def _stderr(one, stray, s):
    if one.support + s == 0:
        return NAN
    # The estimate is vote * mean + rest * prior. By chance alone the mean varies by v / support,
    # the prior by v * doubt, and so do both together: the neighbors are part of their tasks.
    vote, rest = one.support / (one.support + s), s / (one.support + s)
    chance = 2 * vote * rest * one.doubt + rest**2 * one.doubt
    if one.support > 0:
        chance += vote**2 / one.support
    return math.sqrt(one.variance * chance + rest**2 * stray)


def prior_variance(records, vectors, task_of, knn):
    """How far the truth strays from each model's prior: what chance leaves of their distances."""
    models, s = _models(records), knn.shrinkage
    scores, weights = plain(records.scores), records.weights.tolist()
    everything = [_variance(scores, weights, a) for a in models]
    apart = [[(PRIOR, variance / s if s else 0.0)] for variance in everything]
    for row in range(len(records)) if s else ():
        near, means = left_out(records, vectors, task_of, row, knn)
        for a, one in enumerate(vote(records, task_of, near, knn, means)):
            if one.support > 0:
                chance = one.variance * (1 / one.support - one.doubt)
                apart[a].append((weights[row], (one.mean - one.prior) ** 2 - chance))
    found = [weighted_mean(each) for each in apart]
    return [NAN if math.isnan(each) else max(each, 0.0) for each in found]


def left_out(records, vectors, task_of, row, knn):
    """The neighbors of a row, without all rows of its text, and the tasks' means.

    The approximation that `tuning` states: the row's own task is averaged without these rows, the
    means over all tasks, and other tasks, with them.
    """
    text = records.queries[row]
    same = {
        other
        for other, its in enumerate(records.queries)
        if other == row or (text is not None and its == text)
    }
    scores, weights = plain(records.scores), records.weights.tolist()
    means = task_means(scores, weights, task_of)
    left = task_means(scores, weights, task_of, without=same)
    means.means.update({k: mean for k, mean in left.means.items() if k[0] == task_of[row]})
    return nearest(vectors, vectors[row], knn.k, without=same), means


def _models(records):
    return range(len(records.models))


def _one(records, scores, weights, task_of, votes, knn, means, a):
    measured = [(w, k, row) for w, k, row in votes if not math.isnan(scores[row][a])]
    total = sum(w for w, _, _ in measured)
    squares = sum(w * k for w, k, _ in measured)
    support = total * total / squares if total > 0 else 0.0
    mean = weighted_mean([(w, scores[row][a]) for w, _, row in measured]) if total > 0 else 0.0
    square = [(w, _square(scores[row][a], weights[row])) for w, _, row in measured]
    spread = (weighted_mean(square) if total > 0 else 0.0) - mean**2
    everything = sum(w for w, _, _ in votes)
    prior, doubt = means.overall[a], 1 / PRIOR
    if everything > 0:
        prior = weighted_mean([(w, means.means[task_of[row], a]) for w, _, row in votes])
        doubt = weighted_mean([(w, means.doubts[task_of[row], a]) for w, _, row in votes])
    s = knn.shrinkage
    score = NAN if support + s == 0 else (support * mean + (s * prior if s else 0)) / (support + s)
    variance = (support * spread + VARIANCE * _variance(scores, weights, a)) / (support + VARIANCE)
    return SimpleNamespace(
        score=score,
        support=support,
        mean=mean,
        prior=prior,
        doubt=doubt,
        variance=max(variance, 0.0) if variance == variance else NAN,
        costs=_side(records.costs, votes, a),
        input_tokens=_side(records.input_tokens, votes, a),
        output_tokens=_side(records.output_tokens, votes, a),
        latency_ms=_side(records.latency_ms, votes, a),
    )


def _square(score, weight):
    """Of several measurements only the mean is known: taken to be of 0/1 scores."""
    return score if weight > 1 else score * score


def _variance(scores, weights, a):
    rows = [i for i in range(len(scores)) if not math.isnan(scores[i][a])]
    mean = weighted_mean([(weights[i], scores[i][a]) for i in rows])
    square = weighted_mean([(weights[i], _square(scores[i][a], weights[i])) for i in rows])
    return square - mean * mean if mean * mean < square else (NAN if math.isnan(mean) else 0.0)


def _side(values, votes, a):
    if values is None:
        return None
    found = [(w, float(values[row, a])) for w, _, row in votes]
    return weighted_mean([(w, value) for w, value in found if not math.isnan(value)])


def nearest(vectors, query, k, without=()):
    """(similarity, row), nearest first, ties by row."""
    pairs = []
    for row, vector in enumerate(vectors.tolist()):
        if row not in without:
            product = sum(a * b for a, b in zip(vector, query.tolist(), strict=True))
            pairs.append((-round(min(max(product, -1.0), 1.0), 6), row))
    return [(-similarity, row) for similarity, row in sorted(pairs)[:k]]


def unit(rows):
    rows = np.asarray(rows, dtype=np.float64)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(norms == 0, 1, norms)).astype(np.float32)


def evidence(records, vectors):
    return Evidence(records=records, vectors=vectors, index=ExactIndex(vectors))


def random_records(rng, *, n, m, missing=0.3, tasks=("s", "t", None), binary=False, **more):
    scores = rng.integers(0, 2, (n, m)) if binary else rng.integers(0, 11, (n, m)) / 10
    scores = np.where(rng.random((n, m)) < missing, NAN, scores)
    if np.isnan(scores).all():
        scores[0, 0] = 1.0
    named = [tasks[place] for place in rng.integers(0, len(tasks), n)]
    given = {"ids": [str(row) for row in range(n)], "tasks": named, "scores": scores}
    given["models"] = [f"m{place}" for place in range(m)]
    given["queries"] = [f"text {row}" for row in range(n)]
    return RecordSet(**given | more)


@pytest.fixture(scope="session")
def twin():
    return SimpleNamespace(
        evidence=evidence,
        kernel=kernel,
        left_out=left_out,
        nearest=nearest,
        plain=plain,
        prior_variance=prior_variance,
        random_records=random_records,
        task_means=task_means,
        unit=unit,
        vote=vote,
    )
