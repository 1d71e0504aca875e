import math

import numpy as np
import pytest

from knnrouter.errors import EvaluationError
from knnrouter.evaluation.risk import betting_p_value, certified, rows_needed, wilson


def slow_p_value(values, mean, level=0.05):
    """The formula of the docstring, value by value; values in [0, 1]."""
    capital = best = 1.0
    total, spread = 0.5, 0.25
    for t, x in enumerate(values):
        variance = spread / (t + 1)
        bet = min(math.sqrt(2 * math.log(1 / level) / (len(values) * variance)), 0.75 / mean)
        capital *= 1 + bet * (x - mean)
        best = max(best, capital)
        total += x
        spread += (x - total / (t + 2)) ** 2
    return 1 / best


class TestBetting:
    @pytest.mark.parametrize("n", [1, 2, 17, 400])
    def test_it_is_the_formula(self, n):
        draws = np.random.default_rng(n)
        for mean in (0.2, 0.5, 0.9):
            values = draws.beta(2, 2, size=n)
            assert betting_p_value(values, mean) == pytest.approx(slow_p_value(values, mean))

    def test_a_range_is_mapped_onto_zero_and_one(self):
        values = np.random.default_rng(0).random(50)
        stretched = betting_p_value(3 * values - 1, 0.2, low=-1, high=2)
        assert stretched == pytest.approx(slow_p_value(values, 0.4))

    @pytest.mark.parametrize("mean", [0.1, 0.5, 0.95])
    @pytest.mark.parametrize("level", [0.05, 0.2])
    def test_a_true_hypothesis_is_rejected_no_more_often_than_stated(self, mean, level):
        draws = np.random.default_rng(1)
        runs = 1500
        samples = draws.random((runs, 200)) < mean
        wrong = sum(betting_p_value(row, mean, level=level) <= level for row in samples)
        assert wrong <= level * runs + 3 * math.sqrt(level * (1 - level) * runs)

    def test_a_false_one_is_rejected_once_there_are_enough_rows(self):
        draws = np.random.default_rng(2)
        need = rows_needed(0.05, 0.5, width=1)
        rejected = {
            n: np.mean([betting_p_value(draws.random(n) < 0.55, 0.5) <= 0.05 for _ in range(300)])
            for n in (round(need / 8), round(need))
        }
        few, enough = rejected.values()
        assert few < 0.4
        assert 0.7 < enough < 0.97  # four times in five, or a little more often

    def test_little_spread_needs_few_rows(self):
        draws = np.random.default_rng(3)
        need = round(rows_needed(0.02, 0.01, width=1))
        values = np.clip(0.52 + 0.01 * draws.standard_normal((200, need)), 0, 1)
        assert need == 200  # by the largest bets: ln 20 / (0.75 · 0.02)
        assert np.mean([betting_p_value(row, 0.5) <= 0.05 for row in values]) > 0.7

    def test_no_values_prove_nothing(self):
        assert betting_p_value([], 0.5) == 1.0
        assert betting_p_value([0.5] * 1000, 0.5) == 1.0

    @pytest.mark.parametrize(
        ("values", "mean", "message"),
        [
            ([0.5, 1.1], 0.5, r"values of shape \(2,\) are to lie in \[0, 1\]"),
            ([0.5, math.nan], 0.5, "some do not"),
            ([0.5], 1.0, "mean is 1; give a number between 0 and 1"),
        ],
    )
    def test_what_is_out_of_range_is_refused(self, values, mean, message):
        with pytest.raises(EvaluationError, match=message):
            betting_p_value(values, mean)


def test_fixed_sequence_testing_stops_at_the_first_that_stands():
    assert certified([], 0.05) == 0
    assert certified([0.05, 0.0, 0.050001, 0.0], 0.05) == 2
    assert certified([0.2, 0.0], 0.05) == 0


def test_no_rows_help_where_there_is_no_lead():
    assert rows_needed(0.0, 0.5, width=1) == math.inf
    assert rows_needed(-0.1, 0.5, width=1) == math.inf


@pytest.mark.parametrize(("hits", "n"), [(0, 7), (7, 7), (3, 10), (300, 1000), (1, 1)])
@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_wilson_equals_scipy(hits, n, confidence):
    from scipy.stats import binomtest

    found = wilson(hits, n, confidence=confidence)
    other = binomtest(hits, n).proportion_ci(confidence, method="wilson")
    assert found.estimate == hits / n
    assert (found.low, found.high) == pytest.approx((other.low, other.high), abs=1e-12)


@pytest.mark.parametrize("level", [0, 1, -1, 2, float("nan")])
def test_levels_out_of_range(level):
    with pytest.raises(EvaluationError, match=f"level is {level}; give a p-value above 0"):
        betting_p_value([1.0, 0.0], 0.5, level=level)
