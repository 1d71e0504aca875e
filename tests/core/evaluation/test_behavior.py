import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from knnrouter.errors import EvaluationError
from knnrouter.evaluation import (
    average_rank,
    best_on_average_share,
    collapsed,
    entropy_bits,
    model_recall,
    query_entropy,
    selection_shares,
)

TABLES = st.tuples(st.integers(1, 12), st.integers(1, 5)).flatmap(
    lambda shape: st.tuples(
        arrays(np.float64, shape, elements=st.sampled_from([0.0, 0.5, 1.0])),
        arrays(np.int64, shape[0], elements=st.integers(0, shape[1] - 1)),
    )
)


def test_shares_and_their_entropy():
    shares = selection_shares([3, 3, 0, 1], 4)
    assert shares.tolist() == [0.25, 0.25, 0.0, 0.5]
    assert entropy_bits(shares) == 1.5
    assert entropy_bits([0.2] * 5) == pytest.approx(math.log2(5))
    assert str(entropy_bits([0, 1])) == "0.0"  # and not -0.0


def test_collapse():
    assert collapsed(selection_shares([1] * 96 + [0] * 4, 2))
    assert not collapsed(selection_shares([1] * 95 + [0] * 5, 2))
    assert collapsed([0.6, 0.4], most=0.5)
    assert not collapsed([0.5, 0.5], most=0.5)
    assert collapsed([1.0])  # a pool of one routes nothing


def test_no_shares():
    with pytest.raises(EvaluationError, match="there is no query; shares need at least 1"):
        selection_shares([], 2)
    with pytest.raises(EvaluationError, match=r"chosen holds 2 \(2 such\); columns go from 0 to 1"):
        selection_shares([2, 0, 2], 2)
    with pytest.raises(EvaluationError, match=r"shares sum to 1\.25, and the least is 0\.25;"):
        entropy_bits([0.25, 1.0])
    with pytest.raises(EvaluationError, match=r"shares sum to 1, and the least is -0\.5;"):
        collapsed([1.5, -0.5])


class TestQueryEntropy:
    def test_by_hand(self):
        # The softmax of (log 3, 0) is (3/4, 1/4); the second query is as undecided as can be.
        first = -(0.75 * math.log2(0.75) + 0.25 * math.log2(0.25))
        assert query_entropy([[math.log(3), 0.0]]) == pytest.approx(first)
        assert query_entropy([[math.log(3), 0.0], [0.3, 0.3]]) == pytest.approx((first + 1) / 2)

    def test_scores_are_close_together_for_a_softmax(self):
        from scipy.special import softmax
        from scipy.stats import entropy

        # RouterEval: about 1.55 of at most log2 3 = 1.585 for its kNN over three models.
        found = query_entropy([[0.2, 0.6, 0.8]])
        assert found == pytest.approx(entropy(softmax([0.2, 0.6, 0.8]), base=2))
        assert 1.5 < found < 1.585

    def test_large_numbers_do_not_overflow(self):
        assert query_entropy([[1e4, 0.0]]) == 0.0

    def test_what_is_not_known_has_no_part(self):
        assert query_entropy([[0.5, np.nan, 0.5]]) == pytest.approx(1.0)
        with pytest.raises(
            EvaluationError, match="1 of 2 values of the best estimated score are n"
        ):
            query_entropy([[0.5, 0.5], [np.nan, np.nan]])
        with pytest.raises(
            EvaluationError, match=r"estimated_scores has shape \(2,\), not \(n, m\)"
        ):
            query_entropy([0.5, 0.5])


class TestModelRecall:
    def test_by_hand(self):
        scores = np.array(
            [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 1, 1], [1, 1, 1], [0, 0, 0]]
        )
        found = model_recall(scores, [0, 0, 2, 0, 0, 1, 1])
        assert found.solvers.tolist() == [1, 2, 3]
        assert found.queries.tolist() == [3, 2, 1]
        assert found.recall.tolist() == pytest.approx([2 / 3, 1 / 2, 1.0])

    def test_kinds_of_queries_that_there_are_none_of(self):
        found = model_recall([[0.6, 0.5], [0.4, 0.9]], [1, 1])
        assert found.queries.tolist() == [2, 0]
        np.testing.assert_array_equal(found.recall, [0.5, np.nan])

    def test_what_counts_as_right(self):
        assert model_recall([[0.6, 0.5]], [1], right=0.45).recall[1] == 1.0

    def test_a_random_choice_has_the_recall_of_the_solvers(self):
        random = np.random.default_rng(0)
        scores = (random.random((30_000, 4)) < 0.4).astype(float)
        found = model_recall(scores, random.integers(4, size=30_000))
        np.testing.assert_allclose(found.recall, [0.25, 0.5, 0.75, 1.0], atol=0.015)

    @given(TABLES)
    def test_together_they_are_the_accuracy(self, case):
        scores, chosen = case
        found = model_recall(scores, chosen)
        right = scores[np.arange(len(scores)), chosen] > 0.5
        assert np.nansum(found.recall * found.queries) == pytest.approx(right.sum())
        assert found.queries.sum() == (scores > 0.5).any(axis=1).sum()


class TestAverageRank:
    def test_by_hand(self):
        scores = [[0.9, 0.1, 0.5], [0.2, 0.2, 0.8], [0.4, 0.4, 0.4]]
        assert average_rank(scores, [0, 0, 1]) == pytest.approx((1 + 2.5 + 2) / 3)

    @given(TABLES)
    def test_as_scipy_ranks(self, case):
        from scipy.stats import rankdata

        scores, chosen = case
        places = rankdata(-scores, axis=1)[np.arange(len(scores)), chosen]
        assert average_rank(scores, chosen) == pytest.approx(places.mean())


def test_how_often_it_is_the_best_on_average():
    assert best_on_average_share([2, 2, 1, 0], [0.1, 0.8, 0.8]) == 0.25  # the first of the best
    assert best_on_average_share([2, 2, 1, 0], [0.1, 0.7, 0.8]) == 0.5
