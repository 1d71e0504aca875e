import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knnrouter.errors import EvaluationError
from knnrouter.evaluation import Mixture, aiq, hull, pareto, pareto_distance

# Few different values: many ties, points in line and points on top of each other.
POINTS = st.lists(
    st.tuples(st.integers(0, 8).map(float), st.integers(0, 10).map(lambda tenths: tenths / 10)),
    min_size=1,
    max_size=12,
).map(lambda pairs: tuple(np.array(each) for each in zip(*pairs, strict=True)))


def four():
    """Vertices at 1, 3 and 7 dollars; the fourth point lies below the hull."""
    return hull([3.0, 1.0, 7.0, 2.0], [0.7, 0.5, 0.8, 0.55])


def by_mixing(costs, quality, cost):
    """The slow twin: the best random mixture of any two points that costs no more than this."""
    best = -math.inf
    for low in range(len(costs)):
        for high in range(len(costs)):
            for share in mixing_shares(costs[low], costs[high], cost):
                best = max(best, (1 - share) * quality[low] + share * quality[high])
    return best


def mixing_shares(low, high, cost):
    affordable = [share for share, spent in ((0.0, low), (1.0, high)) if spent <= cost]
    if min(low, high) < cost < max(low, high):
        affordable.append((cost - low) / (high - low))
    return affordable


def test_hand_worked():
    found = four()
    assert found.columns.tolist() == [1, 0, 2]
    assert found.costs.tolist() == [1.0, 3.0, 7.0]
    assert found.quality.tolist() == [0.5, 0.7, 0.8]
    assert found.quality_at(2.0) == pytest.approx(0.6)
    assert found.quality_at(5.0) == pytest.approx(0.75)
    assert found.quality_at(100.0) == 0.8
    assert math.isnan(found.quality_at(0.99))
    assert found.cost_at(0.6) == pytest.approx(2.0)
    assert found.cost_at(0.75) == pytest.approx(5.0)
    assert found.cost_at(0.3) == 1.0  # even the cheapest is better
    assert math.isnan(found.cost_at(0.81))


def test_sums_that_end_a_little_beside_a_vertex():
    found = hull([0.1 + 0.2, 0.5], [0.5, 0.1 + 0.7])
    assert found.quality_at(0.3) == 0.5  # 0.1 + 0.2 is 0.30000000000000004
    assert found.cost_at(0.8) == pytest.approx(0.5)  # 0.1 + 0.7 is 0.7999999999999999
    assert found.mixture_at(0.3) == Mixture(0, 0, 1.0)


def test_of_equal_points_the_first_is_named():
    assert hull([1, 1, 1, 2, 2], [0.5, 0.6, 0.6, 0.9, 0.9]).columns.tolist() == [1, 3]


def test_a_point_on_the_line_is_no_vertex():
    assert hull([1, 2, 3], [0.25, 0.5, 0.75]).columns.tolist() == [0, 2]


def test_dearer_and_no_better_is_left_out():
    assert hull([1, 2, 3], [0.5, 0.5, 0.4]).columns.tolist() == [0]


def test_many_vertices():
    costs = np.array([0, 1, 2, 3, 4, 5, 6, 7])
    quality = np.array([0, 0.375, 0.3, 0.6875, 0.8125, 0.9375, 0.9, 1.0])
    found = hull(costs, quality)
    assert found.columns.tolist() == [
        0,
        1,
        3,
        5,
        7,
    ]  # (4, 0.8125) lies on the line of its neighbors
    assert hull(costs[::-1], quality[::-1]).columns.tolist() == [7, 6, 4, 2, 0]


@given(POINTS)
def test_the_hull_dominates_is_concave_and_rises(points):
    costs, quality = points
    found = hull(costs, quality)
    assert all(
        found.quality_at(cost) >= reached - 1e-12
        for cost, reached in zip(costs, quality, strict=True)
    )
    assert (np.diff(found.costs) > 0).all()
    assert (np.diff(found.quality) > 0).all()
    slopes = np.diff(found.quality) / np.diff(found.costs)
    assert (np.diff(slopes) <= 1e-9).all()
    assert (costs[found.columns] == found.costs).all()
    assert (quality[found.columns] == found.quality).all()


@given(POINTS, st.integers(0, 36).map(lambda quarters: quarters / 4))
def test_the_hull_is_what_mixtures_of_two_reach(points, cost):
    costs, quality = points
    found, expected = hull(costs, quality), by_mixing(costs, quality, cost)
    if expected == -math.inf:
        assert math.isnan(found.quality_at(cost))
        assert found.mixture_at(cost) is None
        return
    assert found.quality_at(cost) == pytest.approx(expected, abs=1e-9)
    mixture = found.mixture_at(cost)
    assert mixture.expected([quality])[0] == pytest.approx(expected, abs=1e-9)
    assert mixture.expected([costs])[0] <= cost + 1e-9
    reached = found.cost_at(found.quality_at(cost))
    assert reached <= cost + 1e-9
    assert found.quality_at(reached) == pytest.approx(found.quality_at(cost))


def test_mixtures():
    found = four()
    assert found.mixture_at(4.0) == Mixture(low=0, high=2, share_high=0.25)
    assert found.mixture_at(1.0) == Mixture(low=1, high=0, share_high=0.0)
    assert found.mixture_at(7.0) == Mixture(low=2, high=2, share_high=1.0)
    assert found.mixture_at(8.0) == Mixture(low=2, high=2, share_high=1.0)
    assert found.mixture_at(0.5) is None


def test_a_mixture_asks_nothing_of_whom_it_does_not_draw():
    scores = [[np.nan, 0.5, 1.0], [0.0, np.nan, 1.0]]
    assert Mixture(0, 2, 1.0).expected(scores).tolist() == [1.0, 1.0]
    np.testing.assert_array_equal(Mixture(1, 2, 0.0).expected(scores), [0.5, np.nan])
    np.testing.assert_array_equal(Mixture(0, 2, 0.25).expected(scores), [np.nan, 0.25])


class TestAiq:
    def test_by_range(self):
        # 2 dollars at 0.6 on average, then 4 at 0.75: 4.2 over 6.
        assert aiq(four()) == pytest.approx(0.7)
        assert aiq(four(), low=3.0) == pytest.approx(0.75)
        assert aiq(four(), high=3.0) == pytest.approx(0.6)
        assert aiq(four(), low=2.0, high=5.0) == pytest.approx((0.65 + 2 * 0.725) / 3)

    def test_it_goes_on_flat(self):
        assert aiq(four(), high=11.0) == pytest.approx((4.2 + 4 * 0.8) / 10)
        assert aiq(four(), low=9.0, high=11.0) == pytest.approx(0.8)

    def test_below_the_cheapest_there_is_nothing(self):
        assert aiq(four(), low=0.0) == pytest.approx(4.2 / 7)
        assert aiq(four(), low=0.0, high=0.5) == 0.0
        assert aiq(four(), low=0.5, high=0.5) == 0.0

    def test_as_routerbench_divides(self):
        assert aiq(four(), normalization="max") == pytest.approx(4.2 / 7)
        assert aiq(four(), high=11.0, normalization="max") == pytest.approx(7.4 / 11)

    def test_one_point_is_as_good_as_it_is(self):
        assert aiq(hull([2.0], [0.6])) == 0.6
        assert aiq(hull([2.0], [0.6]), high=4.0) == pytest.approx(0.6)
        assert aiq(hull([2.0], [0.6]), high=4.0, normalization="max") == pytest.approx(0.3)
        assert aiq(hull([0.0], [0.6]), normalization="max") == 0.6

    @given(POINTS, st.floats(0, 9), st.floats(0, 9))
    def test_it_lies_between_the_least_and_the_most(self, points, one, other):
        found = hull(*points)
        assert found.quality[0] - 1e-12 <= aiq(found) <= found.quality[-1] + 1e-12
        low, high = sorted((one, other))
        assert 0 <= aiq(found, low=low, high=high) <= found.quality[-1] + 1e-12

    @given(POINTS, st.floats(0, 8), st.floats(0.1, 5))
    def test_it_is_the_mean_height(self, points, low, width):
        found, high = hull(*points), low + width
        steps = np.linspace(low, high, 4001)
        heights = np.nan_to_num([found.quality_at(cost) for cost in steps])
        assert aiq(found, low=low, high=high) == pytest.approx(heights.mean(), abs=2e-3)

    def test_bad_ranges(self):
        with pytest.raises(EvaluationError, match="low is 4 and high is 3; low must not be above"):
            aiq(four(), low=4.0, high=3.0)
        with pytest.raises(EvaluationError, match="low is 1 with normalization='max', which start"):
            aiq(four(), low=1.0, normalization="max")
        with pytest.raises(
            EvaluationError, match="normalization is 'both'; it is 'range' or 'max'"
        ):
            aiq(four(), normalization="both")
        with pytest.raises(EvaluationError, match="low is nan"):
            aiq(four(), low=math.nan)


def beaten(costs, quality, point):
    return any(
        cost <= costs[point]
        and reached >= quality[point]
        and (cost, reached) != (costs[point], quality[point])
        for cost, reached in zip(costs, quality, strict=True)
    )


@given(POINTS)
def test_the_pareto_set_is_who_is_not_beaten(points):
    found = pareto(*points)
    assert found.tolist() == [not beaten(*points, point) for point in range(len(found))]


@given(POINTS)
def test_only_the_pareto_set_has_no_distance(points):
    distance = pareto_distance(*points)
    assert ((distance == 0) == pareto(*points)).all()
    assert (distance <= math.sqrt(2) + 1e-12).all()


def test_distances_by_hand():
    # The set is (0, 0), (1, 0.5) and (4, 1). (2, 0.25) costs a quarter more than the second and
    # lacks a quarter; it costs half more than the first and lacks nothing.
    found = pareto_distance([0, 1, 4, 2], [0, 0.5, 1, 0.25])
    assert found.tolist() == pytest.approx([0, 0, 0, math.hypot(0.25, 0.25)])


def test_distances_where_all_cost_or_score_the_same():
    assert pareto_distance([2, 2], [0.25, 0.75]).tolist() == [1.0, 0.0]
    assert pareto_distance([1, 3], [0.5, 0.5]).tolist() == [0.0, 1.0]


@pytest.mark.parametrize("measure", [hull, pareto, pareto_distance])
def test_points_without_cost_or_quality(measure):
    with pytest.raises(EvaluationError, match=r"costs and quality have shapes \(2,\), \(1,\)"):
        measure([1.0, 2.0], [0.5])
    with pytest.raises(EvaluationError, match=r"shapes \(0,\), \(0,\); give vectors"):
        measure([], [])
    with pytest.raises(EvaluationError) as caught:
        measure([1.0, np.nan, np.inf], [np.nan, 0.5, 0.5])
    assert caught.value.problems == (
        "2 of 3 values of costs are not finite, the first at 1; every value must be measured: "
        "leave out what is not",
        "1 of 3 values of quality are not finite, the first at 0; every value must be measured: "
        "leave out what is not",
    )
