"""Avengers-Pro against its formulas, and against the choice of its own code."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knnrouter.errors import UnpricedError
from knnrouter.estimators import AvengersPro, Evidence
from knnrouter.index import ExactIndex
from knnrouter.policies import Candidates, PerformanceEfficiency
from knnrouter.records import RecordSet

NAN = float("nan")


def random_evidence(twin, rng, *, n=40, m=3, missing=0.0, priced=True):
    costs = rng.uniform(0.0, 0.4, (n, m))
    costs[rng.random(costs.shape) < missing] = NAN
    records = twin.random_records(rng, n=n, m=m, missing=missing, costs=costs if priced else None)
    vectors = twin.unit(rng.normal(size=(n, 4)))
    return Evidence(records=records, vectors=vectors, index=ExactIndex(vectors))


def asked(fitted, known, rows):
    return fitted.estimate(rows, known.index.search(rows, fitted.neighbors))


def clusters_near(fitted, row, top_p, beta):
    """(cluster, weight), nearest first."""
    far = []
    for place, centre in enumerate(fitted.partition.centers.tolist()):
        near = sum(a * b for a, b in zip(row.tolist(), centre, strict=True))
        far.append((1 - round(near, 6), place))
    nearest = sorted(far)[:top_p]
    total = sum(math.exp(-beta * distance) for distance, _ in nearest)
    return [(place, math.exp(-beta * distance) / total) for distance, place in nearest]


def table(fitted, values):
    """The mean of each model in each cluster; NaN where there is none."""
    weights, found = fitted.records.weights.tolist(), {}
    for cluster in range(len(fitted.partition)):
        for a in range(len(fitted.records.models)):
            here = [
                (weights[i], values[i][a])
                for i, its in enumerate(fitted.cluster_of.tolist())
                if its == cluster and not math.isnan(values[i][a])
            ]
            total = sum(w for w, _ in here)
            found[cluster, a] = sum(w * v for w, v in here) / total if total else NAN
    return found


def filled_in(fitted, values):
    """Means by cluster; those over all rows where a model was not measured in it."""
    found = table(fitted, values)
    for (cluster, a), mean in found.items():
        if math.isnan(mean):
            known = [row[a] for row in values if not math.isnan(row[a])]
            found[cluster, a] = sum(known) / len(known) if known else NAN
    return found


def quality_and_costs(twin, fitted):
    records = fitted.records
    scores, costs = twin.plain(records.scores), records.costs.tolist()
    return filled_in(fitted, scores), filled_in(fitted, costs)


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.0, 0.4]),
    st.integers(1, 8),
    st.integers(1, 9),
    st.sampled_from([0.0, 9.0, 200.0]),
)
def test_the_formulas(twin, seed, missing, k, top_p, beta):
    rng = np.random.default_rng(seed)
    known = random_evidence(twin, rng, missing=missing)
    fitted = AvengersPro(k=k, top_p=top_p, beta=beta).fit(known)
    rows = twin.unit(rng.normal(size=(5, 4)))
    found = asked(fitted, known, rows)
    means, costs = quality_and_costs(twin, fitted)
    for place, row in enumerate(rows):
        near = clusters_near(fitted, row, top_p, beta)
        for a in range(3):
            expected = sum(w * means[c, a] for c, w in near)
            assert found.scores[place, a] == pytest.approx(expected, abs=1e-9, nan_ok=True)
            cost = sum(w * costs[c, a] for c, w in near)
            assert found.costs[place, a] == pytest.approx(cost, abs=1e-9, nan_ok=True)


def slow_rank_sums(twin, fitted, row, alpha, top_p, beta):
    """What the paper's code adds up: in each cluster a rank of the traded scores."""
    models = range(len(fitted.records.models))
    means, costs = quality_and_costs(twin, fitted)
    overall = fitted.means.overall.tolist()
    sums = [0.0 for _ in models]
    for c, weight in clusters_near(fitted, row, top_p, beta):
        low, high = min(means[c, a] for a in models), max(means[c, a] for a in models)
        dear = max(costs[c, a] for a in models)
        utility = []
        for a in models:
            better = (means[c, a] - low) / (high - low) if high > low else 1.0
            utility.append(alpha * better + (1 - alpha) * (1 - costs[c, a] / dear))
        order = sorted(models, key=lambda a: (-round(utility[a], 9), -overall[a], a))
        for rank, a in enumerate(order):
            sums[a] += weight / (rank + 1)
    return sums


def fitted_on(twin, rng, k, top_p):
    """Evidence with gaps, in which every model was measured somewhere."""
    known = random_evidence(twin, rng, n=50, missing=0.2)
    return known, AvengersPro(k=k, top_p=top_p).fit(known)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.3, 0.8]), st.integers(1, 4))
def test_rank_sums_are_those_of_the_code(twin, seed, alpha, top_p):
    rng = np.random.default_rng(seed)
    _, fitted = fitted_on(twin, rng, 6, top_p)
    rows = twin.unit(rng.normal(size=(6, 4)))
    found = fitted.rank_sums(rows, alpha=alpha)
    for place, row in enumerate(rows):
        expected = slow_rank_sums(twin, fitted, row, alpha, top_p, 9.0)
        assert found[place] == pytest.approx(expected, abs=1e-9)


def choices(fitted, known, rows, alpha):
    """What the policy takes, and what the paper's code takes; ties are left out."""
    found, sums = asked(fitted, known, rows), fitted.rank_sums(rows, alpha=alpha)
    policy, means = PerformanceEfficiency(alpha=alpha), fitted.means.overall.tolist()
    pairs = []
    for place in range(len(rows)):
        candidates = Candidates(
            models=found.models,
            scores=found.scores[place].tolist(),
            costs=found.costs[place].tolist(),
            means=means,
        )
        first = policy(candidates).ranking[0]
        pairs.append((first, found.models[int(sums[place].argmax())]))
    return pairs


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.25, 0.53, 0.8]))
def test_with_one_cluster_policy_and_code_choose_alike(twin, seed, alpha):
    rng = np.random.default_rng(seed)
    known, fitted = fitted_on(twin, rng, 6, top_p=1)
    rows = twin.unit(rng.normal(size=(20, 4)))
    assert all(ours == theirs for ours, theirs in choices(fitted, known, rows, alpha))


def test_with_more_clusters_they_need_not():
    """One cluster knows a small lead, another a large one the other way; ranks forget which."""
    rows = np.array([[1, 0], [1, 0], [0.8, 0.6], [0.8, 0.6]], np.float32)
    scores = np.array([[0.6, 0.5], [0.6, 0.5], [0.0, 1.0], [0.0, 1.0]])
    costs = np.full((4, 2), 0.1)
    records = RecordSet(ids=list("abcd"), models=("x", "y"), scores=scores, costs=costs)
    known = Evidence(records=records, vectors=rows, index=ExactIndex(rows))
    fitted = AvengersPro(k=2, top_p=2).fit(known)
    asked_for = np.array([[0.96, 0.28]], np.float32)  # nearer to the first
    assert choices(fitted, known, asked_for, 1.0) == [("y", "x")]


def test_ranks_need_costs_unless_only_quality_counts(twin):
    known = random_evidence(twin, np.random.default_rng(0), priced=False)
    fitted = AvengersPro(k=4).fit(known)
    assert fitted.rank_sums(known.vectors[:3]).shape == (3, 3)
    with pytest.raises(UnpricedError, match="rank_sums") as error:
        fitted.rank_sums(known.vectors[:3], alpha=0.9)
    assert error.value.models == ("m0", "m1", "m2")
    assert np.isnan(asked(fitted, known, known.vectors[:3]).costs).all()


def test_a_large_beta_is_the_nearest_cluster_alone(twin):
    rng = np.random.default_rng(1)
    known = random_evidence(twin, rng)
    sharp, one = (
        AvengersPro(k=5, top_p=p, beta=b, shrinkage=2.0).fit(known) for p, b in ((5, 1e5), (1, 9.0))
    )
    rows = twin.unit(rng.normal(size=(8, 4)))
    sharp_found, one_found = asked(sharp, known, rows), asked(one, known, rows)
    np.testing.assert_allclose(sharp_found.scores, one_found.scores, atol=1e-9)
    np.testing.assert_allclose(sharp_found.stderr, one_found.stderr, atol=1e-9)


def test_without_distance_all_clusters_count_alike(twin):
    rng = np.random.default_rng(2)
    known = random_evidence(twin, rng)
    fitted = AvengersPro(k=5, top_p=5, beta=0).fit(known)
    found = asked(fitted, known, twin.unit(rng.normal(size=(3, 4))))
    means, error = fitted.means.expected(0.0), fitted.means.stderr(0.0)
    np.testing.assert_allclose(found.scores, np.tile(means.mean(axis=0), (3, 1)), atol=1e-12)
    of_sum = np.sqrt((error**2).sum(axis=0)) / 5
    np.testing.assert_allclose(found.stderr, np.tile(of_sum, (3, 1)), atol=1e-12)
