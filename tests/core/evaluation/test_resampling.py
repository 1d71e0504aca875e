import numpy as np
import pytest

from knnrouter.errors import EvaluationError
from knnrouter.evaluation import (
    Interval,
    bootstrap,
    interval,
    paired_bootstrap,
    resampled_means,
)
from knnrouter.evaluation.resampling import widening


def test_the_interval_is_that_of_a_mean():
    values = np.random.default_rng(0).normal(0.3, 1.0, 900)
    found = paired_bootstrap(values, np.zeros(900), draws=4000)
    error = values.std() / 30
    assert found.estimate == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - 1.96 * error, abs=0.005)
    assert found.high == pytest.approx(values.mean() + 1.96 * error, abs=0.005)
    narrower = paired_bootstrap(values, np.zeros(900), draws=4000, confidence=0.5)
    assert narrower.high - narrower.low == pytest.approx(2 * 0.674 * error, abs=0.004)


def test_what_is_hard_for_both_cancels_out():
    hardness = np.random.default_rng(1).normal(size=400)
    found = paired_bootstrap(hardness + 0.01, hardness)
    assert (found.low, found.high) == pytest.approx((0.01, 0.01))
    assert found.excludes(0.0)


def test_it_covers_as_often_as_it_says():
    rng = np.random.default_rng(2)
    runs = [paired_bootstrap(rng.normal(size=60), np.zeros(60), draws=400) for _ in range(300)]
    covered = np.mean([not run.excludes(0.0) for run in runs])
    assert 0.90 <= covered <= 0.98


def test_groups_count_alike_whatever_their_size():
    ours, groups = [1.0] * 90 + [0.0] * 10, ["large"] * 90 + ["small"] * 10
    found = paired_bootstrap(ours, np.zeros(100), groups=groups)
    assert found == Interval(0.5, 0.5, 0.5)  # neither set varies within itself
    assert paired_bootstrap(ours, np.zeros(100)).estimate == pytest.approx(0.9)


def test_the_mean_of_drawn_clusters_is_over_their_queries():
    values, clusters = [[1.0], [1.0], [1.0], [0.0]], ["a", "a", "a", "b"]
    drawn = resampled_means(values, clusters=clusters, draws=400)[:, 0]
    # Two draws of two clusters: b and b, a and b, a and a: 0 of 2, 3 of 4, 6 of 6 are right.
    found, counts = np.unique(drawn, return_counts=True)
    assert found.tolist() == [0.0, 0.75, 1.0]
    assert (counts / 400).tolist() == pytest.approx([0.25, 0.5, 0.25], abs=0.08)


def test_any_figure():
    values = np.arange(50.0)
    found = bootstrap(lambda rows: float(np.median(values[rows])), 50, draws=300)
    assert found.estimate == 24.5
    assert 10 < found.low < 24.5 < found.high < 40
    as_mean = bootstrap(lambda rows: float(values[rows].mean()), 50, draws=300, seed=4)
    again = bootstrap(lambda rows: float(values[rows].mean()), 50, draws=300, seed=4)
    assert as_mean == again
    assert as_mean != bootstrap(lambda rows: float(values[rows].mean()), 50, draws=300, seed=5)


def test_excludes_is_about_both_ends():
    interval = Interval(0.2, 0.1, 0.3)
    assert [interval.excludes(value) for value in (0.05, 0.1, 0.2, 0.3, 0.35)] == [
        True,
        False,
        False,
        False,
        True,
    ]


@pytest.mark.parametrize(
    ("ours", "message"),
    [
        ([0.1, np.nan], "1 of the 2 queries have a NaN; both must be measured .*leave out"),
        ([[0.1, 0.2]], r"shapes \[\(1, 2\), \(2,\), \(1, 2\)\]; give one value a query"),
        ([0.1], r"shapes \[\(1,\), \(2,\), \(1,\)\]"),
    ],
)
def test_bad_outcomes(ours, message):
    with pytest.raises(EvaluationError, match=message):
        paired_bootstrap(ours, [0.0, 0.0])


def test_nothing_to_draw():
    with pytest.raises(EvaluationError, match=r"shapes \[\(0,\), "):
        paired_bootstrap([], [])


def test_groups_of_another_length():
    with pytest.raises(EvaluationError, match=r"shapes \[\(2,\), \(2,\), \(1,\)\]; give one value"):
        paired_bootstrap([0.1, 0.2], [0.0, 0.0], groups=["a"])


@pytest.mark.parametrize("confidence", [0, 1, 1.5, float("nan")])
def test_confidence_out_of_range(confidence):
    message = f"confidence is {confidence}; give a share above 0 and below 1"
    with pytest.raises(EvaluationError, match=message):
        paired_bootstrap([1, 0], [0, 0], confidence=confidence)
    with pytest.raises(EvaluationError, match=message):
        interval(0.5, [0.4, 0.6], confidence)


def test_no_draws_and_no_rows():
    for draws in (0, -1):
        with pytest.raises(EvaluationError, match=f"draws is {draws}; give how many times"):
            resampled_means([[1.0]], draws=draws)
    with pytest.raises(EvaluationError, match="draws is 0"):
        paired_bootstrap([1, 0], [0, 0], draws=0)
    with pytest.raises(EvaluationError, match="rows is 0; give how many queries"):
        bootstrap(len, 0)


@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.99])
@pytest.mark.parametrize("clusters", [2, 3, 4, 5, 6, 21, 1000])
def test_few_clusters_widen_as_students_t_does(clusters, confidence):
    from scipy import stats

    half = 0.5 + confidence / 2
    wanted = stats.t.ppf(half, clusters - 1) / stats.norm.ppf(half)
    wanted *= (clusters / (clusters - 1)) ** 0.5
    assert widening(clusters, confidence) == pytest.approx(wanted, rel=1e-9)
