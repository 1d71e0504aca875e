"""The number of clusters and the shrinkage, against a real recount without each row."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knnrouter.estimators.clusters import choosing
from knnrouter.estimators.clusters.means import ClusterMeans
from knnrouter.records import RecordSet
from knnrouter.records.sets import group_by_text

NAN = float("nan")
AMOUNTS = (0.0, 3.0, 40.0)


def slow_losses(twin, records, cluster_of, shrinkage):
    """Every row in turn, its cluster summed up anew without the rows of its text."""
    scores, weights = twin.plain(records.scores), records.weights.tolist()
    means = ClusterMeans.of(records, cluster_of, int(cluster_of.max()) + 1)
    prior, overall = means.prior, means.overall
    comparing = any(sum(not math.isnan(s) for s in row) > 1 for row in scores)
    losses = []
    for row, its in enumerate(scores):
        text, c = records.queries[row], cluster_of[row]
        others = [
            i
            for i in range(len(scores))
            if cluster_of[i] == c and i != row and (text is None or records.queries[i] != text)
        ]
        errors = []
        for a, score in enumerate(its):
            if math.isnan(score):
                continue
            here = [(weights[i], scores[i][a]) for i in others if not math.isnan(scores[i][a])]
            n, total = sum(w for w, _ in here), sum(w * s for w, s in here)
            if shrinkage > 0:
                expected = (total + shrinkage * prior[c, a]) / (n + shrinkage)
                expected = min(max(expected, 0.0), 1.0)
            else:
                expected = total / n if n else overall[a]
            errors.append(expected - score)
        middle = sum(errors) / len(errors) if comparing and errors else 0.0
        losses.append(sum((e - middle) ** 2 for e in errors) / max(len(errors), 1))
    return losses


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 25),
    st.integers(1, 4),
    st.integers(1, 5),
    st.sampled_from([0.0, 0.4]),
)
def test_losses_are_those_without_the_row(twin, seed, n, m, clusters, missing):
    rng = np.random.default_rng(seed)
    texts = [None, *"abcdefghijk"]
    records = twin.random_records(
        rng,
        n=n,
        m=m,
        missing=missing,
        queries=[texts[place] for place in rng.integers(0, len(texts), n)],
        weights=rng.choice([1.0, 2.0, 5.0], n),
    )
    cluster_of = rng.integers(0, clusters, n)
    _, numbers = group_by_text(records.queries)
    found = choosing.left_out_losses(records, numbers, cluster_of, AMOUNTS)
    for losses, amount in zip(found, AMOUNTS, strict=True):
        expected = slow_losses(twin, records, cluster_of, amount)
        np.testing.assert_allclose(losses, expected, atol=1e-12)


def made(rng, *, n, groups, noise):
    """Rows of some groups; in each group one of three models is right more often."""
    group = np.arange(n) % groups
    rates = np.where(np.arange(3) == (group % 3)[:, None], 0.5 + noise, 0.5 - noise)
    scores = (rng.random((n, 3)) < rates).astype(float)
    ids = [str(row) for row in range(n)]
    return RecordSet(ids=ids, models=("a", "b", "c"), queries=ids, scores=scores), group


def chosen(records, group, k="auto", shrinkage="auto"):
    """Clusters that follow the groups: with fewer clusters than groups, several are one."""
    return choosing.choose(records, lambda k, seed: group % k, k=k, shrinkage=shrinkage, seed=0)


def test_as_many_clusters_as_there_are_kinds():
    rng = np.random.default_rng(5)
    records, group = made(rng, n=1600, groups=16, noise=0.4)
    found = chosen(records, group)
    assert found.k == 16
    assert found.shrinkage <= 16.0


def test_much_shrinkage_where_nothing_is_to_be_learned():
    rng = np.random.default_rng(6)
    records, group = made(rng, n=1600, groups=64, noise=0.0)
    assert chosen(records, group).shrinkage == 256.0
    assert chosen(records, group, k=4).shrinkage == 256.0


def test_what_is_stated_stays():
    rng = np.random.default_rng(7)
    records, group = made(rng, n=320, groups=16, noise=0.4)
    assert chosen(records, group, k=3, shrinkage=2) == choosing.Chosen(k=3, shrinkage=2.0)
    assert chosen(records, group, k=7).k == 7
    assert chosen(records, group, shrinkage=9.5).shrinkage == 9.5


@pytest.mark.parametrize(
    ("rows", "numbers"), [(1, [1]), (20, [2]), (100, [4, 8]), (600, [4, 8, 16, 32, 64])]
)
def test_a_cluster_has_at_least_eight_rows_on_average(rows, numbers):
    assert choosing._numbers(rows) == numbers
