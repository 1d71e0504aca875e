import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knnrouter.errors import EvaluationError, EvaluationWarning
from knnrouter.evaluation import arena_score, optimal_accuracy, optimal_cost, optimal_selection


@pytest.mark.parametrize(
    ("quality", "usd", "published"),
    [
        (0.6688, 0.15, 66.89),
        (0.6809, 0.54, 66.66),
        (0.6634, 0.21, 66.12),
        (0.7396, 10.02, 64.32),
    ],
)
def test_the_leaderboard(quality, usd, published):
    assert 100 * arena_score(quality, usd) == pytest.approx(published, abs=0.015)


def test_by_hand():
    # Half of the way in logarithms: thrift 1/2. (1 + 1) * 0.5 * 0.5 / (0.5 + 0.5).
    assert arena_score(0.5, 2.0, beta=1.0, cheapest=1.0, dearest=4.0) == pytest.approx(0.5)
    assert arena_score(1.0, 1.0, cheapest=1.0, dearest=4.0) == pytest.approx(1.0)
    assert arena_score(1.0, 4.0, cheapest=1.0, dearest=4.0) == 0.0
    assert arena_score(0.0, 1.0) == 0.0
    assert arena_score(0.0, 200.0) == 0.0


def test_costs_beyond_the_range_count_as_its_ends():
    assert arena_score(0.7, 0.0) == arena_score(0.7, 0.0044) == pytest.approx(1.1 * 0.7 / 1.07)
    assert arena_score(0.7, 1000.0) == 0.0


@given(st.floats(0, 1), st.floats(0, 300), st.floats(0, 300))
def test_it_lies_in_0_1_and_falls_with_the_cost(quality, one, other):
    cheap, dear = sorted((one, other))
    assert 0 <= arena_score(quality, dear) <= arena_score(quality, cheap) + 1e-12 <= 1 + 1e-9


def test_bad_values_all_at_once():
    with pytest.raises(EvaluationError) as caught:
        arena_score(66.88, -1.0, beta=0.0, cheapest=5.0, dearest=1.0)
    assert caught.value.problems == (
        "quality is 66.88; it is a mean score: give a number in [0, 1]",
        "usd_per_1000 is -1.0; give USD per 1,000 queries, 0 or more",
        "beta is 0.0; give a weight above 0, such as RouterArena's 0.1",
        "cheapest is 5.0 and dearest 1.0; give two costs above 0, the lower first",
    )
    with pytest.raises(EvaluationError, match="quality is nan"):
        arena_score(math.nan, 1.0)


class TestOptimality:
    """Three models at 1, 2 and 4 dollars; nobody solves the last query."""

    COSTS = np.tile([1.0, 2.0, 4.0], (5, 1))
    SCORES = np.array([[1, 1, 1], [0, 1, 1], [0, 0, 1], [0, 1, 0], [0, 0, 0]])

    def test_by_hand(self):
        chosen = [0, 2, 2, 0, 1]  # optimal, right but dear, optimal, wrong, hopeless
        assert optimal_selection(self.SCORES, self.COSTS, chosen) == 0.5
        assert optimal_accuracy(self.SCORES, chosen) == 0.75
        assert optimal_cost(self.SCORES, self.COSTS, chosen) == pytest.approx(7 / 9)

    def test_the_oracle_has_one_of_each(self):
        chosen = [0, 1, 2, 1, 0]
        assert optimal_selection(self.SCORES, self.COSTS, chosen) == 1.0
        assert optimal_accuracy(self.SCORES, chosen) == 1.0
        assert optimal_cost(self.SCORES, self.COSTS, chosen) == 1.0

    def test_equally_cheap_models_are_both_optimal(self):
        assert optimal_selection([[1, 1]], [[2.0, 2.0]], [1]) == 1.0

    def test_what_counts_as_right(self):
        scores = [[0.6, 0.4]]
        assert optimal_accuracy(scores, [1], right=0.3) == 1.0
        assert optimal_accuracy(scores, [1]) == 0.0
        with pytest.warns(EvaluationWarning, match="no model gets any query right"):
            assert math.isnan(optimal_accuracy(scores, [0], right=0.6))

    def test_nothing_is_solved(self):
        with pytest.warns(EvaluationWarning, match="no model gets any query right; it is NaN"):
            assert math.isnan(optimal_selection([[0, 0]], [[1.0, 2.0]], [0]))
        with pytest.warns(EvaluationWarning, match="the right choices cost nothing at all"):
            assert math.isnan(optimal_cost([[0, 0]], [[1.0, 2.0]], [0]))
        with pytest.warns(EvaluationWarning, match="the right choices cost nothing at all"):
            assert math.isnan(optimal_cost([[1, 0]], [[0.0, 2.0]], [0]))

    def test_bad_arrays(self):
        with pytest.raises(EvaluationError, match=r"costs has shape \(1, 2\), not \(5, 3\)"):
            optimal_cost(self.SCORES, [[1.0, 2.0]], [0] * 5)
        with pytest.raises(
            EvaluationError, match=r"chosen holds 3 \(1 such\); columns go from 0 t"
        ):
            optimal_accuracy(self.SCORES, [0, 1, 2, 3, 0])
        with pytest.raises(EvaluationError, match=r"chosen holds -1 \(1 such\)"):
            optimal_accuracy(self.SCORES, [0, 1, 2, -1, 0])
        with pytest.raises(EvaluationError, match=r"chosen has shape \(5,\) and type float64"):
            optimal_accuracy(self.SCORES, np.zeros(5))
        with pytest.raises(
            EvaluationError, match=r"1 of 2 values of costs are not finite, .* 0, 1;"
        ):
            optimal_cost([[1, 0]], [[1.0, np.nan]], [0])


def test_costs_of_a_tenth_of_a_cent_tell_the_cheapest():
    scores, costs = [[1, 1], [1, 1]], [[0.001, 0.002], [0.002, 0.002]]
    assert optimal_selection(scores, costs, [1, 1]) == 0.5
