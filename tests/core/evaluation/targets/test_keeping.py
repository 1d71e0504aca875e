import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from knnrouter.errors import EvaluationError
from knnrouter.evaluation import Quality
from knnrouter.evaluation.targets.keeping import GRID, Labeled, kept_weight, usable
from knnrouter.evaluation.targets.search import Search

NAN = float("nan")

TYPES = 12
"""Kinds of queries, drawn alike: what is expected of each and what is true, of two models."""

EXPECTED = np.stack([np.linspace(0.3, 0.7, TYPES), np.full(TYPES, 0.75)], axis=1)
TRUTH = np.stack([np.linspace(0.2, 0.8, TYPES), np.full(TYPES, 0.8)], axis=1)
COSTS = [0.001, 0.011]


def truth_at(asked_of, weight, of_best):
    """The true mean of score - of_best · score of the large model, at a weight."""
    chosen = asked_of(EXPECTED, COSTS).columns_at(weight)
    return float((TRUTH[np.arange(TYPES), chosen] - of_best * TRUTH[:, 1]).mean())


def drawn(asked_of, n, draws):
    kinds = draws.integers(TYPES, size=n)
    scores = (draws.random((n, 2)) < TRUTH[kinds]).astype(float)
    labeled = Labeled(scores=scores, kin=np.arange(n), single=1)
    return asked_of(EXPECTED[kinds], COSTS), labeled


def test_the_grid_is_fixed_and_rises():
    assert GRID[:4] == (0.0, 0.001, 0.00125, 0.0016)
    assert list(GRID) == sorted(set(GRID))
    assert GRID[-1] == 8e8
    assert max(after / before for before, after in pairwise(GRID[1:])) < 1.3


@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_promises_fail_no_more_often_than_stated(asked_of, confidence):
    """300 calibrations on 300 queries; from a weight of 20 on the goal fails, there by a hair."""
    goal = Quality(of_best=0.9435, confidence=confidence)
    assert -0.001 < truth_at(asked_of, 20.0, goal.of_best) < 0
    draws, level, runs = np.random.default_rng(0), 1 - confidence, 300
    broken = given = 0
    for seed in range(runs):
        try:
            weight = kept_weight(*drawn(asked_of, 300, draws), goal, seed=seed)
        except EvaluationError:
            continue
        given += 1
        broken += truth_at(asked_of, weight, goal.of_best) < 0
    assert broken <= level * runs + 2 * math.sqrt(level * (1 - level) * runs)
    assert broken > 0.2 * level * runs  # or the bound gives more away than it must
    assert given > 0.9 * runs


def test_a_file_that_is_sorted_by_score_proves_no_more(asked_of):
    """The goal fails by far; best rows first, a gambler who goes by the file's order is rich."""
    scores = np.array([[1.0, 0.5]] * 80 + [[0.0, 0.5]] * 120)
    asked = asked_of([[0.9, 0.5]] * 200, COSTS)
    labeled = Labeled(scores=scores, kin=np.arange(200), single=1)
    for seed in range(20):
        with pytest.raises(EvaluationError, match="cannot promise it"):
            kept_weight(asked, labeled, Quality(of_best=1.0), seed=seed)


def test_with_many_queries_the_greatest_weight_that_holds_is_found(asked_of):
    goal = Quality(of_best=0.9, confidence=0.95)
    held = [weight for weight in GRID if truth_at(asked_of, weight, goal.of_best) > 0.005]
    fails = [weight for weight in GRID if truth_at(asked_of, weight, goal.of_best) < 0]
    asked, labeled = drawn(asked_of, 40_000, np.random.default_rng(1))
    found = kept_weight(asked, labeled, goal, seed=0)
    columns = asked.columns_at(found)
    assert found < min(fails)
    np.testing.assert_array_equal(columns, asked.columns_at(max(held)))
    assert 0 < columns.mean() < 1


def test_a_boundary_case_is_promised_at_the_level(asked_of):
    """Both models are equally good: `of_best` = 1 is exactly true, and only luck promises it."""
    goal, draws = Quality(of_best=1.0, confidence=0.8), np.random.default_rng(2)
    scores, runs, given = np.full((300, 2), 0.5), 300, 0
    for seed in range(runs):
        labeled = Labeled(
            scores=(draws.random((300, 2)) < 0.5).astype(float), kin=np.arange(300), single=1
        )
        asked = asked_of(scores, COSTS, means=[0.6, 0.5])  # at a tie, the small one
        try:
            kept_weight(asked, labeled, goal, seed=seed)
            given += 1
        except EvaluationError:
            pass
    assert 0.02 * runs < given <= 0.2 * runs + 2 * math.sqrt(0.16 * runs)


def test_a_refusal_says_how_many_might_do(asked_of):
    asked, labeled = drawn(asked_of, 100, np.random.default_rng(3))
    with pytest.raises(EvaluationError) as caught:
        kept_weight(asked, labeled, Quality(of_best=0.99), seed=0)
    message = str(caught.value)
    assert message.startswith(
        "at least 99 % of the best model's quality, with a confidence of 95 %"
    )
    assert "100 labeled queries cannot promise it" in message
    assert "reaches 100 % of b on them" in message  # the best score is the large one alone
    number = int(message.partition("about ")[2].partition(" like")[0].replace(",", ""))
    assert 400 < number < 2000
    asked, labeled = drawn(asked_of, 2 * number, np.random.default_rng(4))
    assert kept_weight(asked, labeled, Quality(of_best=0.99), seed=0) >= 0


def test_where_more_queries_would_not_help_it_says_so(asked_of):
    labeled = Labeled(scores=np.tile([0.0, 1.0], (500, 1)), kin=np.arange(500), single=1)
    asked = asked_of(np.tile([0.9, 0.1], (500, 1)), COSTS)
    with pytest.raises(
        EvaluationError, match="reaches 0 % of b on them; more of them will not help"
    ):
        kept_weight(asked, labeled, Quality(of_best=0.5), seed=0)


def test_queries_that_belong_together_count_once(asked_of):
    """Ten queries, each a hundred times, prove no more than ten."""
    scores = np.tile(np.ones((10, 2)), (100, 1))
    asked = asked_of(np.full((1000, 2), 0.5), COSTS)
    goal = Quality(of_best=0.9)
    alone = Labeled(scores=scores, kin=np.arange(1000), single=1)
    assert kept_weight(asked, alone, goal, seed=0) >= 0
    together = Labeled(scores=scores, kin=np.tile(np.arange(10), 100), single=1)
    with pytest.raises(EvaluationError, match="10 labeled queries cannot promise it"):
        kept_weight(asked, together, goal, seed=0)


def test_kin_weigh_alike_whatever_their_number(asked_of):
    labeled = Labeled(
        scores=np.array([[1.0, 1.0], [1.0, 0.0], [0.0, 1.0]]), kin=np.array([0, 0, 1]), single=1
    )
    asked = asked_of(np.tile([0.9, 0.1], (3, 1)), COSTS)
    gains = labeled.gains(asked, asked.columns_at(0), 0.5)
    assert gains.tolist() == [0.75, -0.5]  # the mean of 0.5 and 1; and -0.5


def test_rows_are_usable_where_all_that_may_be_chosen_was_measured(asked_of):
    """`c` is never chosen, so it need not be measured; `a` is, at a high weight."""
    expected = np.tile([0.5, 0.9, 0.1], (4, 1))
    scores = np.array([[1, 1, NAN], [NAN, 1, 1], [1, NAN, 1], [1, 1, 1]])
    asked = asked_of(expected, [0.001, 0.01, 0.02])
    assert usable(asked, scores, 1).tolist() == [True, False, False, True]


def test_a_part_of_nothing(asked_of):
    labeled = Labeled(scores=np.zeros((9, 2)), kin=np.arange(9), single=1)
    with pytest.raises(EvaluationError, match=r"b, the best by .* scores 0 on all 9 labeled quer"):
        kept_weight(asked_of([[0.5, 0.6]] * 9, COSTS), labeled, Quality(of_best=0.9), seed=0)


def test_the_best_of_equal_single_models_is_the_cheaper(asked_of):
    asked = replace(asked_of([[0.5, 0.5]] * 2, [0.02, 0.01]), means=np.array([0.5, 0.5]))
    unpriced = replace(asked, costs=np.full((2, 2), NAN))
    bare = {"router": None, "goal": None, "traffic": None, "notes": []}
    assert Search(asked=asked, **bare).single == 1
    assert Search(asked=unpriced, **bare).single == 0
