import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from knnrouter.errors import EvaluationError
from knnrouter.evaluation import cost_weight_grid, first_choice, regret_curve, utilities
from knnrouter.policies import Candidates, ScoreMinusCost, ranked

NAN = float("nan")
SHAPES = st.tuples(st.integers(1, 8), st.integers(1, 4))
SCORE = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])  # few values: many ties
COST = st.sampled_from([0.0, 0.01, 0.02, 0.05])
WEIGHTS = [0.0, 5.0, 25.0, 50.0]  # 25 * 0.01 is the step between two scores: ties again


def cells(shape, values):
    return arrays(np.float64, shape, elements=values)


CASES = SHAPES.flatmap(
    lambda shape: st.tuples(
        cells(shape, SCORE),
        cells(shape, COST),
        cells(shape, SCORE),
        cells(shape, COST),
        cells(shape[1], SCORE),
    )
)


def by_policy(expected, prices, means, weight):
    """The slow twin: one policy, one query at a time."""
    names = [str(column) for column in range(expected.shape[1])]
    policy = ScoreMinusCost(cost_weight=weight)
    return [
        int(
            policy(
                Candidates(
                    models=tuple(names),
                    scores=row.tolist(),
                    costs=paid.tolist(),
                    means=means.tolist(),
                )
            ).ranking[0]
        )
        for row, paid in zip(expected, prices, strict=True)
    ]


@settings(deadline=None)
@given(CASES)
def test_choices_are_those_of_the_policy(case):
    expected, prices, scores, costs, means = case
    curve = regret_curve(expected, prices, scores, costs, WEIGHTS, train_means=means)
    rows = np.arange(len(scores))
    for place, weight in enumerate(WEIGHTS):
        chosen = by_policy(expected, prices, means, weight)
        gained = scores - weight * costs
        lost = gained.max(axis=1) - gained[rows, chosen]
        assert curve.quality[place] == pytest.approx(scores[rows, chosen].mean())
        assert curve.cost[place] == pytest.approx(costs[rows, chosen].mean())
        assert curve.regret[place] == pytest.approx(lost.mean(), abs=1e-9)


@given(CASES)
def test_no_regret_for_who_knows_all(case):
    _, _, scores, costs, means = case
    curve = regret_curve(scores, costs, scores, costs, WEIGHTS, train_means=means)
    np.testing.assert_allclose(curve.regret, 0.0, atol=1e-8)
    assert (curve.single_regret >= 0).all()


@given(CASES)
def test_in_hindsight_no_single_model_has_less(case):
    expected, prices, scores, costs, _ = case
    curve = regret_curve(expected, prices, scores, costs, WEIGHTS)
    assert curve.in_hindsight
    for place, weight in enumerate(WEIGHTS):
        gained = scores - weight * costs
        lost = (gained.max(axis=1, keepdims=True) - gained).mean(axis=0)
        assert curve.single_regret[place] == pytest.approx(lost.min(), abs=1e-8)
        assert curve.single_regret[place] == pytest.approx(lost[curve.single[place]], abs=1e-12)


def test_hand_worked():
    # A cent for the second model. On the first query both are right, on the second it alone.
    scores, costs = [[1, 1], [0, 1]], [[0.0, 0.01]] * 2
    expected = [[0.8, 0.8], [0.4, 0.6]]  # of a lead of 1 the router sees 0.2
    curve = regret_curve(expected, costs, scores, costs, [0, 10, 50, 200], train_means=[0.5, 0.9])
    # Weight 0: the tie goes to the better in training. 10 a dollar, 0.1 a cent: the first query
    # goes to the first model. 50: 0.5 a cent, more than 0.2, less than 1. 200: 2 a cent.
    assert curve.quality.tolist() == [1.0, 1.0, 0.5, 0.5]
    assert curve.cost.tolist() == [0.01, 0.005, 0.0, 0.0]
    assert curve.regret.tolist() == pytest.approx([0.0, 0.0, 0.25, 0.0])
    # By training means 0.5 and 0.9 and a cent, the single model changes beyond 40 a dollar.
    assert curve.single.tolist() == [1, 1, 0, 0]
    assert curve.single_regret.tolist() == pytest.approx([0.0, 0.05, 0.25, 0.0])
    assert not curve.in_hindsight
    assert curve.area == pytest.approx(0.0625)


def test_the_single_model_of_training_costs_what_it_cost_there():
    scores, costs = [[0.5, 1.0]], [[0.0, 0.01]]
    curve = regret_curve(
        scores, costs, scores, costs, [10.0], train_means=[0.5, 0.6], train_costs=[0.0, 0.02]
    )
    assert curve.single.tolist() == [0]  # 0.5 against 0.6 - 0.2
    assert curve.single_regret.tolist() == pytest.approx([0.4])


def test_a_model_without_a_price_is_chosen_where_it_costs_nothing_only():
    expected, prices = [[0.5, 0.9]], [[0.01, NAN]]
    curve = regret_curve(expected, prices, [[0.0, 1.0]], [[0.01, 0.01]], [0.0, 1.0])
    assert curve.quality.tolist() == [1.0, 0.0]


def test_bad_arrays():
    good = [[0.5, 0.9]], [[0.01, 0.02]], [[0.0, 1.0]], [[0.01, 0.01]]
    for place, name in ((0, "estimated_scores"), (1, "estimated_costs")):
        bad = [[[0.5]] if number == place else each for number, each in enumerate(good)]
        with pytest.raises(EvaluationError, match=rf"{name} has shape \(1, 1\), and scores \(1, 2"):
            regret_curve(*bad, [0.0])
    with pytest.raises(EvaluationError, match="1 of 2 values of costs are not finite"):
        regret_curve(*good[:3], [[0.01, NAN]], [0.0])
    with pytest.raises(
        EvaluationError, match=r"weights hold -1; what a dollar is worth is 0 or mo"
    ):
        regret_curve(*good, [0.0, -1.0])
    with pytest.raises(EvaluationError, match="nothing is known of any model on 1 of 1 queries"):
        regret_curve([[NAN, NAN]], *good[1:], [0.0])
    with pytest.raises(EvaluationError, match=r"weights has shape \(0,\)"):
        regret_curve(*good, [])


def test_utilities():
    assert utilities([[1.0, 0.5]], [[0.02, 0.0]], 25).tolist() == [[0.5, 0.5]]
    scores = np.array([[1.0]])
    assert utilities(scores, [[NAN]], 0) is not scores


class TestGrid:
    def test_by_hand(self):
        # Mean costs 0.01 and 0.03, scores in 0.25 to 0.75: a span of 0.02 and a range of 0.5.
        costs = [[0.0, 0.02], [0.02, 0.04]]
        found = cost_weight_grid(costs, [[0.25, 0.75], [0.5, 0.5]], points=6)
        assert found.tolist() == pytest.approx([0, 0.025, 0.25, 2.5, 25, 250])
        assert cost_weight_grid([0.01, 0.03], points=6).tolist() == pytest.approx(2 * found)

    def test_at_the_greatest_the_cheaper_of_any_two_wins(self):
        # A span of 0.1 and a least difference of 0.001: 100 times as far as it would need else.
        assert cost_weight_grid([0.0, 0.001, 0.1])[-1] == pytest.approx(1000)
        assert cost_weight_grid([0.0, 0.1, 0.1 + 1e-12])[-1] == pytest.approx(1e7)
        assert cost_weight_grid([0.0, 0.1, 0.1])[-1] == pytest.approx(100)

    def test_it_goes_from_the_best_to_the_cheapest(self):
        random = np.random.default_rng(0)
        scores = random.random((50, 5))
        costs = np.tile(random.random(5) * 0.01, (50, 1))
        curve = regret_curve(scores, costs, scores, costs, cost_weight_grid(costs, scores))
        assert len(curve.weights) == 30
        assert curve.quality[0] == pytest.approx(scores.max(axis=1).mean())
        assert curve.quality[1] == pytest.approx(curve.quality[0], abs=1e-3)
        assert (np.diff(curve.cost) <= 1e-12).all()
        assert curve.cost[-1] == pytest.approx(costs[0].min())

    def test_no_costs(self):
        with pytest.raises(
            EvaluationError, match="no cost is known of 1 of 2 models, the first in c"
        ):
            cost_weight_grid([[0.1, NAN], [NAN, NAN]])
        with pytest.raises(
            EvaluationError, match="no cost is known of 0 of 0 models; a cost weight"
        ):
            cost_weight_grid([])

    def test_equal_costs(self):
        assert cost_weight_grid([[0.1, 0.1]]).tolist() == [0.0]
        assert cost_weight_grid([0.0, 0.01], [[0.5, 0.5]], points=3).tolist() == [0.0, 0.1, 1000.0]

    def test_bad_points(self):
        with pytest.raises(EvaluationError, match="points is 1; give 2 or more: 0 is one of them"):
            cost_weight_grid([0.1, 0.2], points=1)


class TestFirstChoice:
    @given(
        SHAPES.flatmap(
            lambda shape: st.tuples(
                cells(shape, st.one_of(SCORE, st.just(NAN), st.just(0.5 + 1e-11))),
                cells(shape[1], st.one_of(SCORE, st.just(NAN))),
                cells(shape, st.one_of(COST, st.just(NAN))),
            )
        )
    )
    def test_it_is_the_first_of_the_ranking_of_the_policies(self, case):
        utility, means, costs = case
        known = ~np.isnan(utility).all(axis=1)
        if not known.all():
            with pytest.raises(EvaluationError, match=f"on {(~known).sum()} of {len(known)} quer"):
                first_choice(utility, means=means, costs=costs)
            return
        names = tuple(str(column) for column in range(len(means)))
        expected = [
            ranked(Candidates(models=names, scores=row, costs=paid, means=means.tolist()), row)[0]
            for row, paid in zip(utility.tolist(), costs.tolist(), strict=True)
        ]
        assert [str(each) for each in first_choice(utility, means=means, costs=costs)] == expected

    def test_each_criterion_in_its_turn(self):
        tied, means, costs = [[0.5, 0.5, 0.5, 0.4]], [0.1, 0.2, 0.2, 0.9], [1.0, 3.0, 2.0, 0.0]
        for with_means, with_costs in itertools.product((False, True), repeat=2):
            found = first_choice(
                tied, means=means if with_means else None, costs=costs if with_costs else None
            )
            assert found.tolist() == [(2 if with_costs else 1) if with_means else 0]

    def test_alike_in_nine_decimals(self):
        assert first_choice([[0.5, 0.5 + 4e-10]], costs=[1.0, 2.0]).tolist() == [0]
        assert first_choice([[0.5, 0.5 + 2e-9]], costs=[1.0, 2.0]).tolist() == [1]
        assert first_choice([[0, 0]], means=[0.5, 0.5 + 4e-10], costs=[1.0, 2.0]).tolist() == [0]

    def test_bad_shapes(self):
        with pytest.raises(EvaluationError, match=r"utility has shape \(2,\), not \(n, m\)"):
            first_choice([0.1, 0.2])
        with pytest.raises(
            EvaluationError, match=r"means has shape \(1,\), not \(2,\); give one nu"
        ):
            first_choice([[0.1, 0.2]], means=[0.5])
        with pytest.raises(EvaluationError, match=r"costs has shape \(\), not \(2,\) or \(1, 2\);"):
            first_choice([[0.1, 0.2]], costs=0.5)


def test_costs_that_differ_by_rounding_are_the_same():
    assert cost_weight_grid([0.1 + 0.2, 0.3]).tolist() == [0.0]
    assert cost_weight_grid([0.0, 0.0]).tolist() == [0.0]
    assert len(cost_weight_grid([1e-12, 2e-12])) == 30


def test_no_grid_of_what_is_no_number():
    with pytest.raises(EvaluationError, match="1 of 2 values of costs are not finite"):
        cost_weight_grid([math.inf, 0.3])
    with pytest.raises(EvaluationError, match=r"scores has shape \(0,\)"):
        cost_weight_grid([1.0, 0.3], [[math.nan]])
