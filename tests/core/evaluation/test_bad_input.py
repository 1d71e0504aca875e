"""What cannot be evaluated is refused, or NaN with a warning; never a wrong number."""

import math

import numpy as np
import pytest

from knnrouter import RecordSet
from knnrouter.errors import EvaluationError, EvaluationWarning, RecordsError
from knnrouter.evaluation import by_folds, evaluate


def records(scores, cost=None):
    """Rows of two models with these scores."""
    costs = {} if cost is None else {"a|cost": cost, "b|cost": 2 * cost}
    return RecordSet.from_rows(
        [{"query": f"ask {row}", "a": a, "b": b} | costs for row, (a, b) in enumerate(scores)]
    )


def report(scores, *, expected=(0.5, 0.6), cost=None, **options):
    """What is found of a router that expects the same of every query."""
    found = records(scores, cost)
    with pytest.warns(EvaluationWarning) as told:
        made = evaluate(np.tile(expected, (len(scores), 1)), found, draws=50, **options)
    return made, [str(each.message) for each in told]


MIXED = [(row % 2, 1 - row % 2) for row in range(20)]


@pytest.mark.parametrize(("score", "kind"), [(1, "right"), (0, "wrong")])
def test_one_class_has_no_roc(score, kind):
    found, told = report([(score, score)] * 20)
    assert math.isnan(found.reliability.roc_auc)
    assert f"the ROC-AUC cannot be had: all 40 answers are {kind}; it is NaN" in told
    assert found.reliability.brier == pytest.approx(
        np.mean([(0.5 - score) ** 2, (0.6 - score) ** 2])
    )
    assert math.isnan(found.ratios.oracle_gap_closed)
    assert math.isnan(found.ratios.gain_at_best) is (score == 0)
    assert found.verdict.answer == "cannot tell"
    assert found.quality.estimate == found.best_single.quality == score


def test_strong_equal_to_weak_recovers_no_gap():
    found, told = report([(row % 2, row % 2) for row in range(20)], pair=("a", "b"))
    assert math.isnan(found.pair.pgr)
    assert math.isnan(found.pair.apgr)
    assert all(math.isnan(found.pair.cpt[percent]) for percent in (20, 50, 80, 95))
    assert "the performance gap recovered cannot be had: both models score 0.5; it is NaN" in told
    assert math.isnan(found.ratios.oracle_gap_closed)
    assert found.reliability.roc_auc == pytest.approx(0.5)


def test_two_equal_models_are_no_pair_of_themselves():
    found, _ = report([(row % 2, row % 2) for row in range(20)])
    assert found.pair is None


def test_constant_expectations_correlate_with_nothing():
    found, told = report(MIXED, expected=(0.5, 0.5))
    assert math.isnan(found.reliability.pearson)
    assert math.isnan(found.reliability.spearman)
    assert (
        sum("correlation cannot be had: all 40 values of one array" in each for each in told) == 2
    )
    assert (found.reliability.brier, found.reliability.roc_auc) == (0.25, 0.5)


def test_no_costs_are_not_free():
    found, _ = report(MIXED)
    assert (found.cost, found.curve, found.against_mixture, found.verdict.cost) == (None,) * 4
    ratios = found.ratios
    assert np.isnan([ratios.arena_score, ratios.optimal_selection, ratios.optimal_cost]).all()
    assert all(math.isnan(each.cost) for each in (*found.singles, *found.references))
    assert "costs unknown" in found.verdict.text


def test_costs_of_nothing_make_no_curve():
    found, _ = report(MIXED, cost=0)
    assert found.cost.estimate == 0
    assert found.curve is None


def test_a_column_of_nothing_is_no_model():
    found, told = report([(row % 2, math.nan) for row in range(20)], expected=(0.5, math.nan))
    assert [each.name for each in found.singles] == ["a"]
    assert "left out, never measured: b" in told
    with pytest.raises(RecordsError, match="not one is measured"):
        records([(math.nan, math.nan)] * 4)


def test_fewer_rows_than_folds():
    with pytest.raises(EvaluationError, match="folds is 5, of 4 rows"):
        by_folds(records(MIXED[:4]), 5)
    with pytest.raises(EvaluationError, match=r"folds is 2, of 1 rows .* give more records"):
        by_folds(records(MIXED[:1]), 2)


def test_records_of_other_models():
    with pytest.raises(EvaluationError, match=r"not measured in these records: 'c' \(20\)"):
        evaluate(["c"] * 20, records(MIXED))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_expectations_that_are_no_numbers(bad):
    with pytest.raises(EvaluationError, match=r"20 of 20|40 of 40"):
        evaluate(np.full((20, 2), bad), records(MIXED))
