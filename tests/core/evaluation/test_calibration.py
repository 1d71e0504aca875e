import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knnrouter.errors import EvaluationError, EvaluationWarning
from knnrouter.evaluation import (
    brier,
    ece,
    log_loss,
    mae,
    pearson,
    r2,
    reliability_bins,
    roc_auc,
    spearman,
    task_correlations,
)

NAN = float("nan")
TENTHS = st.integers(0, 10).map(lambda tenths: tenths / 10)  # few values: many ties
BINARY = st.lists(st.tuples(TENTHS, st.integers(0, 1)), min_size=1, max_size=40).map(
    lambda pairs: tuple(np.array(each, dtype=float) for each in zip(*pairs, strict=True))
)
SCORES = st.lists(st.tuples(TENTHS, TENTHS), min_size=2, max_size=40).map(
    lambda pairs: tuple(np.array(each) for each in zip(*pairs, strict=True))
)
PAIRED = [brier, log_loss, ece, reliability_bins, roc_auc, r2, mae, pearson, spearman]


def test_by_hand():
    expected, measured = [0.9, 0.2, 0.6, 0.5], [1.0, 0.0, 0.0, 0.5]
    assert brier(expected, measured) == pytest.approx((0.01 + 0.04 + 0.36 + 0) / 4)
    assert mae(expected, measured) == pytest.approx((0.1 + 0.2 + 0.6 + 0) / 4)
    logs = math.log(0.9) + math.log(0.8) + math.log(0.4) + math.log(0.5)
    assert log_loss(expected, measured) == pytest.approx(-logs / 4)
    # Deviations from the mean 0.375: 0.390625 + 2 * 0.140625 + 0.015625 = 0.6875.
    assert r2(expected, measured) == pytest.approx(1 - 0.41 / 0.6875)
    assert roc_auc([0.9, 0.2, 0.6, 0.6], [1, 0, 0, 1]) == pytest.approx(3.5 / 4)
    assert pearson([1, 2, 3, 4], [1, 3, 2, 4]) == pytest.approx(0.8)
    assert spearman([1, 2, 3, 4], [1, 3, 2, 100]) == pytest.approx(0.8)


def test_a_certain_error_is_dear_but_not_infinite():
    assert log_loss([0.0], [1.0]) == pytest.approx(-math.log(1e-15))
    assert log_loss([1.0], [0.0], eps=1e-3) == pytest.approx(-math.log(1e-3))
    assert log_loss([1.0, 0.0], [1.0, 0.0]) == pytest.approx(0.0, abs=1e-14)
    for eps in (0.0, 0.5, NAN):
        with pytest.raises(EvaluationError, match=rf"eps is {eps}; it lies in \(0, 0\.5\)"):
            log_loss([0.5], [1.0], eps=eps)


@given(BINARY)
def test_brier_and_log_loss_are_those_of_sklearn(pairs):
    from sklearn import metrics

    expected, measured = pairs
    assert brier(expected, measured) == pytest.approx(
        np.mean((expected - measured) ** 2)
        if len(set(measured)) < 2
        else metrics.brier_score_loss(measured, expected)
    )
    clipped = np.clip(expected, 1e-15, 1 - 1e-15)
    assert log_loss(expected, measured) == pytest.approx(
        metrics.log_loss(measured, clipped, labels=[0, 1]), abs=1e-9
    )


@given(BINARY)
def test_roc_auc_is_that_of_sklearn(pairs):
    from sklearn import metrics

    expected, measured = pairs
    if len(set(measured)) < 2:
        with pytest.warns(EvaluationWarning, match="ROC-AUC cannot be had: all .* answers are"):
            assert math.isnan(roc_auc(expected, measured))
        return
    assert roc_auc(expected, measured) == pytest.approx(metrics.roc_auc_score(measured, expected))
    assert roc_auc(-expected, measured) == pytest.approx(1 - roc_auc(expected, measured))


@given(SCORES)
def test_correlations_are_those_of_scipy(pairs):
    from scipy import stats

    one, other = pairs
    if len(set(one)) < 2 or len(set(other)) < 2:
        for measure in (pearson, spearman):
            with pytest.warns(EvaluationWarning, match="values of one array are equal; it is NaN"):
                assert math.isnan(measure(one, other))
        return
    assert pearson(one, other) == pytest.approx(stats.pearsonr(one, other).statistic, abs=1e-9)
    assert spearman(one, other) == pytest.approx(stats.spearmanr(one, other).statistic, abs=1e-9)


@given(SCORES)
def test_r2_and_mae_are_those_of_sklearn(pairs):
    from sklearn import metrics

    expected, measured = pairs
    assert mae(expected, measured) == pytest.approx(metrics.mean_absolute_error(measured, expected))
    if len(set(measured)) < 2:
        with pytest.warns(EvaluationWarning, match="R squared cannot be had: all measured scores"):
            assert math.isnan(r2(expected, measured))
        return
    assert r2(expected, measured) == pytest.approx(metrics.r2_score(measured, expected), abs=1e-9)


class TestReliability:
    def test_bins_of_equal_width(self):
        found = reliability_bins([0.0, 0.24, 0.25, 0.99, 1.0], [0, 1, 1, 1, 0.5], bins=4)
        assert found.expected.tolist() == pytest.approx([0.12, 0.25, 0.995])
        assert found.measured.tolist() == pytest.approx([0.5, 1.0, 0.75])
        assert found.counts.tolist() == [2, 1, 2]

    def test_bins_of_equal_mass(self):
        expected = [0.01, 0.02, 0.03, 0.04, 0.5, 0.9]
        found = reliability_bins(expected, [0, 0, 1, 0, 1, 1], bins=3, kind="mass")
        assert found.counts.tolist() == [2, 2, 2]
        assert found.expected.tolist() == pytest.approx([0.015, 0.035, 0.7])
        assert found.measured.tolist() == pytest.approx([0.0, 0.5, 1.0])

    def test_equal_expectations_stay_together(self):
        found = reliability_bins([0.3] * 5 + [0.4], [0, 1, 0, 1, 0, 1], bins=3, kind="mass")
        assert found.counts.tolist() == [5, 1]
        assert reliability_bins([0.3] * 4, [0, 1, 0, 1], kind="mass").measured.tolist() == [0.5]

    def test_ece_by_hand(self):
        expected, measured = [0.1, 0.15, 0.9, 0.95], [0, 1, 1, 1]
        assert ece(expected, measured, bins=2) == pytest.approx(0.5 * 0.375 + 0.5 * 0.075)
        assert ece(expected, measured, bins=1) == pytest.approx(0.75 - 0.525)
        assert ece(expected, measured, bins=2, kind="mass") == pytest.approx(0.225)
        assert ece([1.0, 0.0], [0, 1]) == 1.0

    @given(SCORES, st.integers(1, 15), st.sampled_from(["width", "mass"]))
    def test_ece_lies_in_0_1(self, pairs, bins, kind):
        expected, measured = pairs
        found = reliability_bins(expected, measured, bins=bins, kind=kind)
        assert found.counts.sum() == len(expected)
        assert found.counts.min() > 0
        assert len(found.counts) <= bins
        assert (np.diff(found.expected) > 0).all()
        assert found.counts @ found.measured == pytest.approx(measured.sum())
        value = ece(expected, measured, bins=bins, kind=kind)
        assert 0 <= value <= 1
        assert value >= abs(expected.mean() - measured.mean()) - 1e-9
        assert ece(expected, expected, bins=bins, kind=kind) == 0.0

    def test_who_is_calibrated_has_little_error(self):
        random = np.random.default_rng(0)
        chances = random.random(40_000)
        truth = random.random(40_000) < chances
        assert ece(chances, truth) < 0.01
        assert ece(np.clip(2 * chances - 0.5, 0, 1), truth) > 0.1

    def test_bad_bins(self):
        with pytest.raises(EvaluationError, match="bins is 0 and kind 'width'; give 1 bin or more"):
            ece([0.5], [1.0], bins=0)
        with pytest.raises(EvaluationError, match="kind 'depth'"):
            reliability_bins([0.5], [1.0], kind="depth")


def test_what_is_right():
    assert roc_auc([0.1, 0.9], [0.3, 0.4], right=0.35) == 1.0
    with pytest.warns(EvaluationWarning, match="all 2 answers are wrong; it is NaN"):
        assert math.isnan(roc_auc([0.1, 0.9], [0.3, 0.4]))
    with pytest.warns(EvaluationWarning, match="all 2 answers are right; it is NaN"):
        assert math.isnan(roc_auc([0.1, 0.9], [1.0, 1.0]))


@pytest.mark.parametrize("measure", PAIRED)
def test_what_is_not_known_is_left_out(measure):
    expected, measured = np.array([[0.2, NAN], [0.7, 0.4]]), np.array([[0, 1.0], [1.0, NAN]])
    found, same = measure(expected, measured), measure([0.2, 0.7], [0, 1.0])
    if measure is reliability_bins:
        found, same = found.measured.tolist(), same.measured.tolist()
    assert found == same


@pytest.mark.parametrize("measure", PAIRED)
def test_arrays_that_do_not_fit(measure):
    with pytest.raises(EvaluationError, match=r"have shapes \(2,\) and \(1,\); give both for the"):
        measure([0.1, 0.2], [0.1])
    with pytest.raises(EvaluationError, match="of 2 cells, none has both an expected and a measur"):
        measure([0.1, NAN], [NAN, 0.5])
    with pytest.raises(EvaluationError, match="of 0 cells"):
        measure([], [])


@pytest.mark.parametrize("measure", [brier, log_loss, ece, reliability_bins])
def test_scores_out_of_range(measure):
    with pytest.raises(EvaluationError, match=r"scores go from 0 to 80; they lie in \[0, 1\]"):
        measure([80.0, 0.5], [1, 0])


class TestTaskCorrelations:
    def test_by_hand(self):
        expected = [[0.1, 0.2, 0.3], [0.3, 0.4, 0.5], [0.5, 0.4, 0.9]]
        scores = [[0, 1, 1], [0, 0, 1], [1, 0, 0]]
        # "a": means (.2, .3, .4) against (0, .5, 1): both 1. "b": deviations (-.1, -.2, .3) against
        # (2/3, -1/3, -1/3): -0.1 / sqrt(.14 * 2/3); ranks (2, 1, 3) against (3, 1.5, 1.5): 0.
        linear, ranks = task_correlations(expected, scores, ["a", "a", "b"])
        assert linear == pytest.approx((1 - 0.1 / math.sqrt(0.14 * 2 / 3)) / 2)
        assert ranks == pytest.approx((1 + 0) / 2)

    def test_tasks_without_a_correlation_do_not_count(self):
        expected = [[0.1, 0.2], [0.3, 0.9]]
        assert task_correlations(expected, [[1, 1], [0, 1]], ["a", "b"]) == pytest.approx((1, 1))
        with pytest.warns(EvaluationWarning, match="on every task all models are expected to be"):
            found = task_correlations(expected, [[1, 1], [0, 0]], ["a", "b"])
        assert [math.isnan(each) for each in found] == [True, True]

    def test_models_that_are_not_estimated_are_left_out(self):
        expected, scores = [[0.1, NAN, 0.2]], [[0.0, 1.0, 0.5]]
        assert task_correlations(expected, scores, ["a"]) == pytest.approx((1, 1))
        with pytest.raises(
            EvaluationError, match="each of the 2 models misses an estimate on some"
        ):
            task_correlations([[NAN, 0.1], [0.1, NAN]], [[0, 1], [0, 1]], ["a", "a"])
        with pytest.raises(EvaluationError, match=r"expected has shape \(1, 1\), not \(1, 2\)"):
            task_correlations([[0.1]], [[0, 1]], ["a"])


def test_a_border_belongs_above_whatever_its_product():
    assert 0.29 * 100 < 29
    found = reliability_bins([0.29, 0.295], [0.0, 1.0], bins=100)
    assert found.counts.tolist() == [2]


def test_correlations_of_awkward_numbers():
    assert pearson([1e-200, 2e-200, 3e-200], [3, 2, 1]) == pytest.approx(-1)
    with pytest.raises(EvaluationError, match="1 of 3 values of one are not finite"):
        pearson([1, math.inf, 2], [1, 2, 3])
    assert spearman([1, math.inf, 2], [1, 3, 2]) == pytest.approx(1)
