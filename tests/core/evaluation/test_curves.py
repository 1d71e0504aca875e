import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knnrouter.errors import EvaluationError, EvaluationWarning
from knnrouter.evaluation import Curve, apgr, cpt, pgr, strong_fraction_curve
from knnrouter.evaluation.curves import cost_saving_ratio


def routellm(preference, weak, strong, points=11):
    """RouteLLM's own way: a mask for each threshold, the last one strict, then the trapezoids."""
    edges = np.quantile(preference, np.linspace(0, 1, points))
    calls = [preference >= edge for edge in edges[:-1]] + [preference > edges[-1]]
    shares = [float(call.mean()) for call in calls]
    quality = [float(np.where(call, strong, weak).mean()) for call in calls]
    area = sum(
        (shares[i] - shares[i + 1]) * (quality[i] + quality[i + 1]) / 2 for i in range(points - 1)
    )
    return shares[::-1], quality[::-1], area


CASES = st.integers(2, 60).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(-3, 12), min_size=n, max_size=n),  # few values: many ties
        st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=n, max_size=n),
        st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=n, max_size=n),
    )
)


@settings(deadline=None)
@given(CASES, st.sampled_from([2, 3, 11]))
def test_the_curve_is_that_of_the_thresholds(case, points):
    preference, weak, strong = (np.array(each) for each in case)
    shares, quality, area = routellm(preference, weak, strong, points)
    curve = strong_fraction_curve(preference, weak, strong, points=points)
    np.testing.assert_allclose(curve.shares, shares, atol=1e-12)
    np.testing.assert_allclose(curve.quality, quality, atol=1e-12)
    if abs(strong.mean() - weak.mean()) > 1e-9:
        expected = (area - weak.mean()) / (strong.mean() - weak.mean())
        assert apgr(curve) == pytest.approx(expected, abs=1e-9)


def test_hand_worked():
    # Weak is right on the first two of four, strong on the first three; they differ on the third.
    weak, strong = [1, 1, 0, 0], [1, 1, 1, 0]
    curve = strong_fraction_curve([0.1, 0.2, 0.9, 0.5], weak, strong, points=5)
    assert curve.shares.tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert curve.quality.tolist() == [0.5, 0.75, 0.75, 0.75, 0.75]
    assert (curve.weak, curve.strong) == (0.5, 0.75)
    assert apgr(curve) == pytest.approx(0.875)  # a quarter at half height, the rest full
    assert cpt(curve, 0.5) == pytest.approx(0.125)
    assert cpt(curve, 1.0) == pytest.approx(0.25)
    assert cpt(curve, 0.0) == 0.0


def test_a_router_that_knows_nothing_has_one_half():
    rng = np.random.default_rng(0)
    weak = rng.integers(0, 2, 4000)
    strong = np.maximum(weak, rng.integers(0, 2, 4000))
    found = [
        apgr(strong_fraction_curve(np.random.default_rng(seed).random(4000), weak, strong))
        for seed in range(40)
    ]
    assert np.mean(found) == pytest.approx(0.5, abs=3 * np.std(found) / math.sqrt(40))
    assert apgr(strong_fraction_curve(np.zeros(4000), weak, strong)) == pytest.approx(0.5)


def test_ties_are_passed_in_a_straight_line():
    tied = strong_fraction_curve([1, 1, 1, 0], [0, 0, 0, 0], [1, 0, 1, 0])
    assert tied.shares.tolist()[-1] == 1.0
    assert set(tied.shares.tolist()) == {0.0, 0.75, 1.0}
    assert cpt(tied, 0.5) == pytest.approx(0.375)


def test_no_gap_is_nan():
    same = strong_fraction_curve([0.1, 0.2], [1, 0], [0, 1])
    with pytest.warns(
        EvaluationWarning, match=r"gap recovered cannot be had: both models score 0\.5"
    ):
        assert math.isnan(apgr(same))
    with pytest.warns(EvaluationWarning, match=r"threshold cannot be had: both models score 0\.5"):
        assert math.isnan(cpt(same, 0.5))
    with pytest.warns(EvaluationWarning, match="it is NaN"):
        assert math.isnan(pgr(0.5, weak=0.5, strong=0.5))


def test_a_gap_of_rounding_alone_is_none():
    weak, strong = [0.7, 0.7, 0.1, 0.2], [0.1, 0.2, 0.7, 0.7]
    curve = strong_fraction_curve([0.0, 0.1, 0.3, 0.2], weak, strong)
    assert 0 < abs(curve.strong - curve.weak) < 1e-15
    with pytest.warns(EvaluationWarning, match="gap recovered cannot be had"):
        assert math.isnan(apgr(curve))
    with pytest.warns(EvaluationWarning, match="threshold cannot be had"):
        assert math.isnan(cpt(curve, 0.5))
    with pytest.warns(EvaluationWarning, match="both models score 0.3"):
        assert math.isnan(pgr(0.4, weak=0.1 + 0.2, strong=0.3))


def test_pgr_of_always_weak_and_always_strong():
    assert pgr(0.6, weak=0.6, strong=0.9) == 0.0
    assert pgr(0.9, weak=0.6, strong=0.9) == 1.0


def test_a_curve_that_dips_reaches_its_target_the_first_time():
    curve = Curve(shares=np.array([0, 0.25, 0.5, 1.0]), quality=np.array([0.0, 0.8, 0.2, 1.0]))
    assert cpt(curve, 0.4) == pytest.approx(0.125)
    assert cpt(curve, 0.9) == pytest.approx(0.5 + 0.5 * 0.7 / 0.8)


def test_a_strong_model_that_is_worse_still_has_a_gap():
    curve = strong_fraction_curve([0.9, 0.1], [1, 1], [0, 1], points=3)
    assert apgr(curve) == pytest.approx(0.75)  # all of the loss comes with the first half
    assert cpt(curve, 1.0) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        (([0.1], [1, 0], [1, 1]), r"shapes \(1,\), \(2,\), \(2,\); give vectors of one length"),
        (([], [], []), r"shapes \(0,\), \(0,\), \(0,\)"),
        (([0.1, np.nan], [1, 0], [1, 1]), "1 of 2 values of preference are not finite, .*leave"),
        (([0.1, 0.2], [1, 0], [1, np.nan]), "1 of 2 values of strong are not finite"),
        # Quantiles between infinite preferences are no numbers, and would be the wrong thresholds.
        (([-np.inf, 0, 1, np.inf], [0] * 4, [1] * 4), "2 of 4 values of preference are not finite"),
    ],
)
def test_bad_arrays(given_, message):
    with pytest.raises(EvaluationError, match=message):
        strong_fraction_curve(*given_)


def test_bad_points():
    with pytest.raises(EvaluationError, match="points is 1; a curve has at least 2: give 11"):
        strong_fraction_curve([0.1, 0.2], [0, 0], [1, 1], points=1)


@pytest.mark.parametrize("recovered", [-0.1, 1.5, np.nan])
def test_more_than_the_gap_cannot_be_recovered(recovered):
    curve = strong_fraction_curve([0.1, 0.9], weak=[1, 0], strong=[1, 1], points=3)
    with pytest.raises(EvaluationError, match=f"recovered is {recovered}; give a part of the gap"):
        cpt(curve, recovered)


def test_cpt_near_the_strong_model():
    curve = Curve(shares=np.array([0, 0.5, 1.0]), quality=np.array([0.0, 0.9, 1.0]))
    assert cpt(curve, 0.95) == pytest.approx(0.75)
    nothing = strong_fraction_curve(np.zeros(8), np.zeros(8), np.ones(8))
    assert [cpt(nothing, part) for part in (0.2, 0.5, 0.8, 0.95)] == [0.2, 0.5, 0.8, 0.95]


@pytest.mark.parametrize(
    ("at_random", "needed", "published"),
    # RouteLLM's tables 1 to 3: random and the best router, at 50 % and at 80 % of the gap.
    [
        (49.03, 13.40, 3.66),
        (78.08, 31.31, 2.49),
        (50.07, 35.40, 1.41),
        (79.93, 70.31, 1.14),
        (50.00, 33.64, 1.49),
        (80.08, 63.26, 1.27),
    ],
)
def test_published_savings(at_random, needed, published):
    assert cost_saving_ratio(needed, at_random) == pytest.approx(published, abs=0.005)


def test_saving_without_a_strong_call():
    assert cost_saving_ratio(0.0, 0.5) == math.inf
    assert math.isnan(cost_saving_ratio(math.nan, 0.5))
    with pytest.warns(EvaluationWarning, match="neither router needs a strong call"):
        assert math.isnan(cost_saving_ratio(0.0, 0.0))
