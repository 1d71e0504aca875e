import dataclasses

import numpy as np
import pytest

from knnrouter.neighbors import Neighbors

NEAR = Neighbors(
    rows=np.array([[4, 1, 7], [0, 2, 3]]),
    similarities=np.array([[0.9, 0.3, 0.1], [1.0, 1.0, -0.5]]),
)


def test_first_takes_the_nearest():
    two = NEAR.first(2)
    assert two.rows.tolist() == [[4, 1], [0, 2]]
    assert two.similarities.tolist() == [[0.9, 0.3], [1.0, 1.0]]
    assert (NEAR.k, two.k, NEAR.first(1).k) == (3, 2, 1)


def test_first_of_more_than_there_are_is_all():
    assert NEAR.first(3) is NEAR
    assert NEAR.first(50) is NEAR


def test_no_filler_leaves_an_index():
    with pytest.raises(ValueError, match="row -1 is no row; rows count from 0"):
        Neighbors(rows=np.array([[3, -1]]), similarities=np.array([[0.5, 0.1]]))


@pytest.mark.parametrize(
    ("rows", "similarities"), [((2, 3), (3, 2)), ((2, 3), (2, 2)), ((3,), (3,)), ((0, 2), (0, 1))]
)
def test_shapes_must_agree(rows, similarities):
    with pytest.raises(ValueError, match=r"must have one shape \(q, k\)"):
        Neighbors(rows=np.zeros(rows, np.int64), similarities=np.zeros(similarities))


def test_no_queries_and_no_neighbors():
    assert Neighbors(rows=np.zeros((0, 3), np.int64), similarities=np.zeros((0, 3))).k == 3
    assert Neighbors(rows=np.zeros((2, 0), np.int64), similarities=np.zeros((2, 0))).k == 0


def test_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        NEAR.rows = np.zeros((1, 1), np.int64)
