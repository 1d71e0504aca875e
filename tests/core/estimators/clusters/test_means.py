"""Means by cluster against their formulas, a number at a time."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knnrouter.estimators.clusters.means import ClusterMeans
from knnrouter.records import RecordSet

NAN = float("nan")


def slow(twin, records, cluster_of, clusters, shrinkage):
    """(expected score, standard error) of each model in each cluster."""
    scores, weights = twin.plain(records.scores), records.weights.tolist()
    models, rows = range(len(records.models)), range(len(records))
    overall = [_mean([(weights[i], scores[i][a]) for i in rows]) for a in models]
    hard = []
    for c in range(clusters):
        apart = []
        for i in rows:
            own = [scores[i][a] - overall[a] for a in models if not math.isnan(scores[i][a])]
            if cluster_of[i] == c and own:
                apart.append((weights[i], sum(own) / len(own)))
        hard.append(sum(w * v for w, v in apart) / (sum(w for w, _ in apart) + 20))
    found = []
    for c in range(clusters):
        for a in models:
            measured = [i for i in rows if not math.isnan(scores[i][a])]
            usual = _mean([(weights[i], hard[cluster_of[i]]) for i in measured])
            prior = overall[a] - usual + hard[c]
            here = [(weights[i], scores[i][a]) for i in measured if cluster_of[i] == c]
            n = sum(w for w, _ in here)
            if shrinkage > 0:
                p = (sum(w * v for w, v in here) + shrinkage * prior) / (n + shrinkage)
                p = NAN if math.isnan(p) else min(max(p, 0.0), 1.0)
            else:
                p = _mean(here) if here else overall[a]
            found.append((p, math.sqrt(p * (1 - p) / (n + shrinkage + 1))))
    return np.array(found).reshape(clusters, len(records.models), 2)


def _mean(pairs):
    known = [(w, v) for w, v in pairs if not math.isnan(v)]
    return sum(w * v for w, v in known) / sum(w for w, _ in known) if known else NAN


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 20),
    st.integers(1, 4),
    st.integers(1, 5),
    st.sampled_from([0.0, 0.3, 0.8]),
    st.sampled_from([0.0, 2.0, 50.0]),
)
def test_the_formulas(twin, seed, n, m, clusters, missing, shrinkage):
    rng = np.random.default_rng(seed)
    weights = rng.choice([1.0, 2.0, 5.0], n)
    records = twin.random_records(rng, n=n, m=m, missing=missing, weights=weights)
    cluster_of = rng.integers(0, clusters, n)
    means = ClusterMeans.of(records, cluster_of, clusters)
    expected = slow(twin, records, cluster_of.tolist(), clusters, shrinkage)
    np.testing.assert_allclose(means.expected(shrinkage), expected[:, :, 0], atol=1e-12)
    np.testing.assert_allclose(means.stderr(shrinkage), expected[:, :, 1], atol=1e-7)
    never = np.isnan(records.scores).all(axis=0)
    np.testing.assert_array_equal(np.isnan(means.expected(shrinkage)).all(axis=0), never)


def test_by_hand():
    scores = np.array([[1, 0], [1, 0], [0, 0], [0, 1]], dtype=float)
    records = RecordSet(ids=list("abcd"), models=("x", "y"), scores=scores)
    means = ClusterMeans.of(records, np.array([0, 0, 1, 1]), 3)
    assert means.overall.tolist() == [0.5, 0.25]
    assert means.expected(0.0).tolist() == [[1.0, 0.0], [0.0, 0.5], [0.5, 0.25]]
    # The rows are (1 + 0 - 0.75) / 2 = 1/8 above the models' means in the first cluster.
    assert means.difficulty == pytest.approx([0.25 / 22, -0.25 / 22, 0.0])
    hard = 0.25 / 22
    assert means.expected(2.0)[0] == pytest.approx([(2 + 1 + 2 * hard) / 4, (0.5 + 2 * hard) / 4])


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1.0, 8.0, 1000.0]))
def test_difficulty_changes_no_choice_where_all_is_measured(twin, seed, shrinkage):
    rng = np.random.default_rng(seed)
    records = twin.random_records(rng, n=30, m=3, missing=0.0)
    cluster_of = rng.integers(0, 4, 30)
    flat = ClusterMeans.of(records, cluster_of, 4, np.zeros(4)).expected(shrinkage)
    found = ClusterMeans.of(records, cluster_of, 4).expected(shrinkage)
    inside = (found > 0) & (found < 1)
    apart = np.where(inside.all(axis=1, keepdims=True), found - flat, 0.0)
    np.testing.assert_allclose(apart, np.broadcast_to(apart[:, :1], apart.shape), atol=1e-12)


def test_few_labels_do_not_make_a_model_look_good_where_all_do_badly():
    """A newcomer as good as the old model, measured on five rows of each of two clusters."""
    old = np.repeat([0.9, 0.1], 100)
    scores = np.column_stack((old, np.full(200, NAN)))
    few = [*range(5), *range(100, 105)]
    scores[few, 1] = old[few]
    records = RecordSet(ids=[str(i) for i in range(200)], models=("old", "new"), scores=scores)
    cluster_of = np.repeat([0, 1], 100)
    gap = np.diff(ClusterMeans.of(records, cluster_of, 2).expected(20.0), axis=1)[:, 0]
    flat = np.diff(ClusterMeans.of(records, cluster_of, 2, np.zeros(2)).expected(20.0), axis=1)
    assert flat[1, 0] > 0.2  # toward the newcomer's mean, one half, in the hard cluster
    assert np.abs(gap).max() < 0.06


def test_an_expected_score_stays_within_its_range():
    """A newcomer that was right once, where all others fail, would be above 1 elsewhere."""
    scores = np.array([[1, NAN], [1, NAN], [0, 1], [0, NAN]])
    records = RecordSet(ids=list("abcd"), models=("old", "new"), scores=scores)
    means = ClusterMeans.of(records, np.array([0, 0, 1, 1]), 2)
    assert means.prior[0, 1] > 1
    assert means.expected(3.0)[:, 1].tolist() == [1.0, 1.0]
    assert means.stderr(3.0)[0, 1] == 0.0
