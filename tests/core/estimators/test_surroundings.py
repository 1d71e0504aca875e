import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from knnrouter.errors import EstimatorError
from knnrouter.estimators import Evidence
from knnrouter.estimators.surroundings import NEIGHBORS, Surroundings
from knnrouter.estimators.texts import routing_texts
from knnrouter.index import ExactIndex
from knnrouter.neighbors import Neighbors
from knnrouter.records import RecordSet

NAN = float("nan")
cell = st.one_of(st.just(NAN), st.sampled_from([0.0, 0.25, 0.5, 1.0]))


def slow(values, measured_by, weights, rows, column):
    """The weighted mean, and the effective number of measurements, a number at a time."""
    known = [
        (weights[row], values[row][column]) for row in rows if not math.isnan(values[row][column])
    ]
    votes = [weights[row] for row in rows if not math.isnan(measured_by[row][column])]
    mean = sum(w * v for w, v in known) / sum(w for w, _ in known) if known else NAN
    support = sum(votes) ** 2 / sum(w * w for w in votes) if votes else 0.0
    return mean, support


@given(
    scores=arrays(float, (6, 2), elements=cell),
    costs=arrays(float, (6, 2), elements=cell),
    weights=arrays(float, 6, elements=st.sampled_from([1.0, 2.0, 5.0])),
    rows=st.permutations(range(6)),
    k=st.integers(1, 6),
)
def test_equal_to_the_slow_twin(scores, costs, weights, rows, k):
    scores[0, 0] = 1.0
    records = RecordSet(
        ids="abcdef",
        models=("s", "t"),
        scores=scores,
        costs=costs,
        weights=weights,
        latency_ms=costs,
    )
    near = Neighbors(rows=np.array([rows[:k]]), similarities=np.linspace(0.9, 0.1, k)[None])
    found = Surroundings(records=records).estimates(np.array([[0.5, NAN]]), near)
    for column in range(2):
        cost, support = slow(costs, scores, weights, rows[:k], column)
        assert found.costs[0, column] == pytest.approx(cost, nan_ok=True)
        assert found.support[0, column] == pytest.approx(support)
    if found.latency_ms is not None:
        np.testing.assert_array_equal(found.latency_ms, found.costs)
    np.testing.assert_array_equal(found.scores, [[0.5, NAN]])
    assert np.isnan(found.stderr).all()
    assert found.similarity.tolist() == [0.9]
    assert found.input_tokens is None


def test_only_the_nearest_are_asked():
    costs = np.where(np.arange(40) < NEIGHBORS, 1.0, 99.0)[:, None]
    records = RecordSet(
        ids=[str(row) for row in range(40)], models=("m",), scores=np.ones((40, 1)), costs=costs
    )
    near = Neighbors(rows=np.arange(40)[None], similarities=np.linspace(1, 0, 40)[None])
    around = Surroundings(records=records)
    assert around.neighbors == NEIGHBORS
    assert around.estimates(np.ones((1, 1)), near).costs.tolist() == [[1.0]]


def test_costs_that_nobody_measured_are_nan():
    records = RecordSet(ids="ab", models=("m",), scores=[[1], [0]])
    near = Neighbors(rows=np.array([[0, 1]]), similarities=np.array([[0.5, 0.4]]))
    around = Surroundings(records=records)
    assert around.neighbors == 2
    assert np.isnan(around.estimates(np.ones((1, 1)), near).costs).all()


def test_a_query_of_unknown_words_has_no_neighborhood():
    records = RecordSet(ids="ab", models=("m",), scores=[[1], [0]], costs=[[1], [2]])
    near = Neighbors(rows=np.array([[0, 1]] * 2), similarities=np.array([[0.0, 0.0], [0.1, 0.0]]))
    found = Surroundings(records=records).estimates(np.ones((2, 1)), near)
    assert found.support.tolist() == [[0.0], [2.0]]
    np.testing.assert_array_equal(found.costs, [[NAN], [1.5]])


def test_texts_are_read_as_live_queries_are():
    rows = np.eye(2, dtype=np.float32)
    records = RecordSet(ids="ab", models=("m",), scores=[[1], [0]], queries=["  Why?\n", None])
    evidence = Evidence(records=records, vectors=rows, index=ExactIndex(rows))
    with pytest.raises(
        EstimatorError, match=r"1 of 2 rows keep no text, the first is 'b'; .* mine"
    ):
        routing_texts(evidence, "mine")
    one = Evidence(records=records.select([0]), vectors=rows[:1], index=ExactIndex(rows[:1]))
    assert routing_texts(one, "mine") == ["Why?"]
