import math

import numpy as np
import pytest

from knnrouter.errors import EvaluationError
from knnrouter.evaluation.targets.spending import _rounded_up, least_cost_weight
from knnrouter.policies import Candidates, ScoreMinusCost


def mean_cost(asked, weight):
    """The same by the policy itself, query by query."""
    policy = ScoreMinusCost(cost_weight=weight)
    total = 0.0
    for scores, costs in zip(asked.scores, asked.costs, strict=True):
        given = Candidates(
            models=asked.models,
            scores=scores.tolist(),
            costs=costs.tolist(),
            means=asked.means.tolist(),
        )
        total += costs[asked.models.index(policy(given).ranking[0])]
    return total / len(asked)


def slow_weight(asked, budget):
    """The least of all weights at which any two models of a query tie, that keeps to the budget."""
    ties = {0.0}
    for scores, costs in zip(asked.scores, asked.costs, strict=True):
        for one in range(len(scores)):
            for other in range(len(scores)):
                if costs[one] > costs[other] and scores[one] > scores[other]:
                    ties.add((scores[one] - scores[other]) / (costs[one] - costs[other]))
    for weight in sorted(ties):
        if mean_cost(asked, weight * (1 + 1e-6)) <= budget + 1e-12:
            return weight
    return math.inf


@pytest.mark.parametrize("seed", range(6))
def test_it_is_the_least_of_all_weights(seed, asked_of):
    draws = np.random.default_rng(seed)
    scores, costs = draws.random((15, 4)), draws.random((15, 4)) / 1000
    asked = asked_of(scores, costs)
    dear, cheap = mean_cost(asked, 0.0), costs.min(axis=1).mean()
    for part in (0.02, 0.3, 0.6, 0.95, 1.0):
        budget = dear + part * (cheap - dear)
        found = least_cost_weight(asked, budget)
        assert found == pytest.approx(slow_weight(asked, budget), rel=1e-4)
        assert mean_cost(asked, found) <= budget * (1 + 1e-9)


def test_spending_falls_with_the_budget_on_a_grid(asked_of):
    draws = np.random.default_rng(9)
    asked = asked_of(draws.random((200, 5)), draws.random((200, 5)) / 100)
    budgets = np.linspace(asked.costs.min(axis=1).mean(), mean_cost(asked, 0.0), 30)
    weights = [least_cost_weight(asked, budget) for budget in budgets]
    assert weights == sorted(weights, reverse=True)
    assert weights[-1] == 0.0
    for budget, weight in zip(budgets, weights, strict=True):
        assert mean_cost(asked, weight) <= budget * (1 + 1e-9)
        if weight:  # a little lower, and it no longer keeps to it
            assert mean_cost(asked, weight * (1 - 1e-4)) > budget


def test_what_the_best_score_keeps_to_needs_no_weight(asked_of):
    asked = asked_of([[0.5, 0.9]], [0.001, 0.002])
    assert least_cost_weight(asked, 0.002) == 0.0
    assert least_cost_weight(asked, 5) == 0.0


def test_ties_in_score_go_to_the_cheaper_at_any_weight_above_zero(asked_of):
    """At 0 the higher mean over all records wins the tie, and that model is the dearer one."""
    asked = asked_of([[0.5, 0.5]] * 3, [0.001, 0.002], means=[0.1, 0.9])
    assert mean_cost(asked, 0.0) == 0.002
    weight = least_cost_weight(asked, 0.001)
    assert 0 < weight < 1
    assert mean_cost(asked, weight) == 0.001


def test_a_model_without_evidence_is_not_the_cheapest(asked_of):
    asked = asked_of([[math.nan, 0.5, 0.9]], [0.0001, 0.001, 0.002])
    assert least_cost_weight(asked, 0.001) == pytest.approx(400, rel=1e-4)
    with pytest.raises(EvaluationError, match=r"\$1 on this traffic"):
        least_cost_weight(asked, 0.0005)


def test_what_nothing_keeps_to_names_the_least(asked_of):
    asked = asked_of([[0.5, 0.9]] * 2, [0.001, 0.003], fixed=[-1, 1])
    with pytest.raises(EvaluationError) as caught:
        least_cost_weight(asked, 0.0019)
    assert "the budget is $1.9 per 1,000 queries" in str(caught.value)
    assert "expected to cost $2 on this traffic" in str(caught.value)  # (1 + 3) / 2
    assert least_cost_weight(asked, 0.002) == pytest.approx(200, rel=1e-4)


def test_free_models(asked_of):
    assert least_cost_weight(asked_of([[0.5, 0.9]], [0.0, 0.001]), 0.0) == pytest.approx(
        400, rel=1e-4
    )
    assert least_cost_weight(asked_of([[0.5, 0.9]], [0.0, 0.0]), 0.0) == 0.0


@pytest.mark.parametrize(
    ("value", "digits", "rounded"),
    [
        (0.123412, 4, 0.1235),
        (1234.1, 2, 1300.0),
        (0.25, 6, 0.25),
        (9.999, 2, 10.0),
        (3e-7, 1, 3e-7),
    ],
)
def test_rounding_up(value, digits, rounded):
    assert _rounded_up(value, digits) == pytest.approx(rounded, rel=1e-12)
