import math

import numpy as np
import pytest

from knnrouter.errors import EvaluationError, EvaluationWarning
from knnrouter.evaluation import (
    cost_save,
    gain_at_best,
    gain_at_random,
    gap_at_oracle,
    oracle_gap_closed,
    perf_gain,
    ratio_to_best,
    task_means,
)


class TestTaskMeans:
    def test_of_one_number_a_query(self):
        names, means = task_means([1, 0, 0.5, 1], ["b", "a", "b", None])
        assert names == ("b", "a", None)
        assert means.tolist() == [0.75, 0.0, 1.0]

    def test_of_a_row_a_query(self):
        names, means = task_means([[1, 0], [0, 0], [0, 1]], ["a", "b", "a"])
        assert names == ("a", "b")
        assert means.tolist() == [[0.5, 0.5], [0.0, 0.0]]

    def test_tasks_of_other_queries(self):
        with pytest.raises(EvaluationError, match="there are 2 tasks for 3 queries; give the task"):
            task_means([1, 0, 1], ["a", "b"])
        with pytest.raises(EvaluationError, match="1 of 2 values of values are not finite"):
            task_means([1, np.nan], ["a", "b"])


def test_ratio_to_best_is_a_mean_of_ratios():
    # 0.5 / 1, 0.4 / 0.5 and 0.6 / 0.6; the ratio of the means would be 1.5 / 2.1.
    assert ratio_to_best([0.5, 0.4, 0.6], [1.0, 0.5, 0.6]) == pytest.approx((0.5 + 0.8 + 1) / 3)


def test_gap_at_oracle():
    assert gap_at_oracle([0.5, 0.4, 0.6], [1.0, 0.5, 0.6]) == pytest.approx((0.5 + 0.2) / 3)
    assert gap_at_oracle([0.5], [0.5]) == 0.0


def test_tasks_that_nobody_solves_have_no_ratio():
    with pytest.warns(
        EvaluationWarning, match="is a mean over 1 of 2 tasks: on the others the ref"
    ):
        assert ratio_to_best([0.0, 0.4], [0.0, 0.5]) == pytest.approx(0.8)
    with pytest.warns(EvaluationWarning, match="gap to the oracle is a mean over 1 of 2 tasks"):
        assert gap_at_oracle([0.0, 0.4], [0.0, 0.5]) == pytest.approx(0.2)
    with pytest.warns(EvaluationWarning, match="the reference scores 0 on every task; it is NaN"):
        assert math.isnan(ratio_to_best([0.0], [0.0]))
    with pytest.warns(EvaluationWarning, match="the reference scores 0 on every task"):
        assert math.isnan(gap_at_oracle([0.0], [0.0]))


def test_gains():
    # LLMRouterBench, table 7: Avengers 71.94, random 48.79, best per data set 73.10.
    assert gain_at_random(71.94, 48.79) == pytest.approx(0.474, abs=5e-4)
    assert gain_at_best(71.94, 73.10) == pytest.approx(-0.016, abs=5e-4)
    assert gap_at_oracle([71.94], [91.64]) == pytest.approx(0.215, abs=5e-4)


def test_gains_over_nothing():
    with pytest.warns(EvaluationWarning, match="best single model cannot be had: the reference sc"):
        assert math.isnan(gain_at_best(0.5, 0.0))
    with pytest.warns(EvaluationWarning, match="gain over a random model"):
        assert math.isnan(gain_at_random(0.5, 0.0))
    with pytest.warns(EvaluationWarning, match="gain of the best setting"):
        assert math.isnan(perf_gain([0.5], 0.0))


def test_oracle_gap_closed():
    # CARROT's kNN on SPROUT: 0.8648 between 0.8482 and 0.9791.
    assert oracle_gap_closed(0.8648, best=0.8482, oracle=0.9791) == pytest.approx(0.127, abs=5e-4)
    assert oracle_gap_closed(0.4, best=0.5, oracle=1.0) == pytest.approx(-0.2)
    with pytest.warns(EvaluationWarning, match=r"single model is as good as the oracle, 0\.75"):
        assert math.isnan(oracle_gap_closed(0.75, best=0.75, oracle=0.75))
    with pytest.warns(EvaluationWarning, match="as good as the oracle"):
        assert math.isnan(oracle_gap_closed(0.25, best=0.1 + 0.2, oracle=0.3))  # 4e-17 apart


def test_perf_gain_takes_the_best_setting():
    assert perf_gain([0.55, 0.66, 0.6], 0.6) == pytest.approx(0.1)
    assert perf_gain([0.3], 0.6) == pytest.approx(-0.5)


class TestCostSave:
    def test_the_cheapest_that_is_as_good(self):
        costs, quality = [9.0, 2.0, 3.0, 1.0], [0.9, 0.8, 0.8, 0.7]
        assert cost_save(costs, quality, best_cost=8.0, best_quality=0.8) == 0.75
        assert cost_save(costs, quality, best_cost=8.0, best_quality=0.85) == -0.125
        assert math.isnan(cost_save(costs, quality, best_cost=8.0, best_quality=0.95))

    def test_sums_that_end_a_little_beside(self):
        assert cost_save([1.0], [0.1 + 0.7], best_cost=2.0, best_quality=0.8) == 0.5

    def test_nothing_to_save(self):
        with pytest.warns(EvaluationWarning, match="the best single model costs nothing"):
            assert math.isnan(cost_save([1.0], [0.8], best_cost=0.0, best_quality=0.8))

    def test_as_avengers_pro_publishes(self):
        # Its readme: GPT-5-medium 62.25 at $47.96; 62.66 at $35.05 is 27 % less, 66.66 is 7.1 % up.
        costs, quality = [9.69, 17.81, 35.05, 44.65, 47.13], [51.56, 56.24, 62.66, 65.46, 66.66]
        assert cost_save(costs, quality, best_cost=47.96, best_quality=62.25) == pytest.approx(
            0.27, abs=5e-3
        )
        assert perf_gain(quality, 62.25) == pytest.approx(0.071, abs=5e-4)
