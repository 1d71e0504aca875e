import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knnrouter.errors import EmbedderError, EvaluationError
from knnrouter.evaluation import near_pairs, nearest_in


def rows_of(seed, count, dim=3, copies=0):
    """Unit rows around few directions, so that some are near one another; some are zero."""
    random = np.random.default_rng(seed)
    centers = random.normal(size=(4, dim))
    rows = centers[random.integers(4, size=count)] + random.normal(scale=0.2, size=(count, dim))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    rows[random.random(count) < 0.1] = 0.0
    return np.concatenate([rows, rows[:copies]]).astype(np.float32)


def cosines(one, other):
    """All of them in double precision, to six decimals."""
    return np.round(one.astype(float) @ other.astype(float).T, 6)


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 40), st.sampled_from([0.5, 0.9, 0.95, 1.0]))
def test_pairs_are_those_that_a_table_of_all_cosines_shows(seed, count, at_least):
    rows = rows_of(seed, count, copies=min(count, 4))
    table = cosines(rows, rows)
    wanted = [
        [one, other]
        for one in range(len(rows))
        for other in range(one + 1, len(rows))
        if table[one, other] >= at_least
    ]
    assert near_pairs(rows, at_least=at_least).tolist() == wanted


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 20), st.integers(1, 20))
def test_the_nearest_is_the_first_of_the_highest_cosine(seed, count, others):
    one, other = rows_of(seed, count), rows_of(seed + 1, others)
    table = cosines(one, other)
    found = nearest_in(one, other)
    assert found.similarities.tolist() == pytest.approx(table.max(axis=1).tolist(), abs=1.1e-6)
    assert found.rows.tolist() == table.argmax(axis=1).tolist()


def test_more_copies_than_are_fetched_at_first_and_than_a_batch_holds():
    rows = np.tile(np.eye(2, dtype=np.float32), (600, 1))
    pairs = near_pairs(rows)
    assert len(pairs) == 2 * (600 * 599 // 2)
    assert ((pairs[:, 1] - pairs[:, 0]) % 2 == 0).all()
    found = nearest_in(rows, rows)
    assert found.rows.tolist() == [0, 1] * 600
    assert (found.similarities == 1.0).all()


def test_rows_of_zeros_are_near_nothing():
    rows = [[0.0, 0.0], [1.0, 0.0], [0.0, 0.0]]
    assert near_pairs(rows, at_least=0.01).tolist() == []
    assert nearest_in(rows, [[1.0, 0.0]]).similarities.tolist() == [0.0, 1.0, 0.0]


def test_the_limit_itself_is_near():
    rows = [[1.0, 0.0], [0.95, np.sqrt(1 - 0.95**2)]]
    assert near_pairs(rows).tolist() == [[0, 1]]
    assert near_pairs(rows, at_least=0.950001).tolist() == []


def test_no_rows():
    assert near_pairs(np.empty((0, 2))).shape == (0, 2)
    assert nearest_in(np.empty((0, 2)), np.eye(2)).rows.tolist() == []
    with pytest.raises(EvaluationError, match="others has 0 rows, so none is the nearest; give at"):
        nearest_in(np.eye(2), np.empty((0, 2)))


@pytest.mark.parametrize("at_least", [0.0, -0.5, 1.01, float("nan")])
def test_bad_limits(at_least):
    with pytest.raises(EvaluationError, match=r"at_least is .*; give a cosine above 0 and up to 1"):
        near_pairs(np.eye(2), at_least=at_least)


def test_rows_that_are_no_unit_rows():
    with pytest.raises(EmbedderError, match=r"vectors: row 0 has norm 2"):
        near_pairs([[2.0, 0.0]])
    with pytest.raises(EmbedderError, match=r"dimension 2, the rows of the index have 3"):
        nearest_in(np.eye(2), np.eye(3))
    with pytest.raises(EvaluationError, match=r"others has shape \(2,\); give unit rows"):
        nearest_in(np.eye(2), [1.0, 0.0])
