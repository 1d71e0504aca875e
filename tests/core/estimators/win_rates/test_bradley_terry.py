import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knnrouter.estimators.win_rates.bradley_terry import (
    PRIOR,
    mean_win_rates,
    strengths,
    win_rate,
)

NAN = float("nan")


def rates(found):
    return win_rate(found[:, None], found[None, :])


def some_wins(rng, players, *, sparse=0.0, high=100.0):
    """Wins of everybody over anybody; some pairs never meet, some never lose."""
    wins = rng.uniform(1.0, high, (players, players)) * (rng.random((players, players)) >= sparse)
    np.fill_diagonal(wins, 0.0)
    wins[0, 1] += 1.0
    return wins


def logistic_regression(wins):
    """Every win a sample of its own: the slow, obvious twin."""
    linear = pytest.importorskip("sklearn.linear_model", reason="the twin is scikit-learn's")
    rows, labels, weights = [], [], []
    for (winner, loser), weight in np.ndenumerate(wins):
        if weight > 0:
            one = np.zeros(len(wins))
            one[winner], one[loser] = 1.0, -1.0
            rows += [one, -one]  # seen from both sides, for there must be two classes
            labels += [1, 0]
            weights += [weight, weight]
    model = linear.LogisticRegression(fit_intercept=False, C=np.inf, tol=1e-12, max_iter=100_000)
    return model.fit(np.array(rows), labels, sample_weight=np.array(weights)).coef_[0]


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(2, 6))
def test_the_fit_is_a_logistic_regression_over_all_battles(seed, players):
    wins = some_wins(np.random.default_rng(seed), players)
    (found,) = strengths(wins[None], battles=float((wins > 0).sum()))
    np.testing.assert_allclose(rates(found), rates(logistic_regression(wins)), atol=1e-4)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 8), st.sampled_from([0.0, 0.5, 0.9]))
def test_everybody_wins_as_often_as_the_fit_expects(seed, players, sparse):
    rng = np.random.default_rng(seed)
    wins = np.array([some_wins(rng, players, sparse=sparse, high=1e4) for _ in range(3)])
    battles = 50.0
    for its, found in zip(wins, strengths(wins, battles=battles), strict=True):
        with_ties = its + PRIOR / 2 * its.sum() / battles
        np.fill_diagonal(with_ties, 0.0)
        expected = ((with_ties + with_ties.T) * rates(found)).sum(axis=1)
        np.testing.assert_allclose(expected, with_ties.sum(axis=1), rtol=1e-7)
        assert found.sum() == pytest.approx(0.0, abs=1e-9)


def test_a_stronger_player_wins_more_often():
    # The paper prints the probability with its sign the other way round.
    wins = np.array([[[0.0, 9.0], [1.0, 0.0]]])
    (found,) = strengths(wins, battles=10.0)
    assert win_rate(found[0], found[1]) == pytest.approx(0.9, abs=1e-4)
    assert win_rate(found[1], found[0]) == pytest.approx(0.1, abs=1e-4)


@pytest.mark.parametrize("count", [1.0, 55_000.0, 1e9])
def test_a_player_that_never_loses_is_strong_but_not_infinitely(count):
    wins = np.array([[[0.0, count], [0.0, 0.0]]])
    (found,) = strengths(wins, battles=count)
    assert np.isfinite(found).all()
    losing = PRIOR / 2 / (count + PRIOR)
    assert win_rate(found[1], found[0]) == pytest.approx(losing, rel=1e-6)


def test_steps_are_cut_short_where_newtons_would_leap_away():
    """Uncut, the steps on these wins end in strengths that no computer can hold."""
    wins = np.zeros((1, 6, 6))
    wins[0, 0, [1, 3]] = 131.4, 0.6
    wins[0, 1, 5] = 78842.4
    wins[0, 2, [0, 1]] = 14678.1, 614.6
    wins[0, 4, [0, 1]] = 67574.2, 449.0
    wins[0, 5, [0, 3, 4]] = 258.9, 233.8, 62619.9
    (found,) = strengths(wins, battles=10.0)
    with_ties = wins[0] + PRIOR / 2 * wins.sum() / 10.0
    np.fill_diagonal(with_ties, 0.0)
    expected = ((with_ties + with_ties.T) * rates(found)).sum(axis=1)
    np.testing.assert_allclose(expected, with_ties.sum(axis=1), rtol=1e-6)


def test_groups_that_never_met_are_taken_to_be_alike():
    wins = np.zeros((1, 4, 4))
    wins[0, 0, 1], wins[0, 1, 0] = 3.0, 1.0
    wins[0, 2, 3], wins[0, 3, 2] = 3.0, 1.0
    (found,) = strengths(wins, battles=8.0)
    assert found == pytest.approx(np.log([3, 1, 3, 1]) - np.log(3) / 2, abs=1e-3)


@given(st.integers(0, 2**32 - 1))
def test_neither_the_scale_nor_the_company_matters(seed):
    rng = np.random.default_rng(seed)
    wins = np.array([some_wins(rng, 4, sparse=0.6) for _ in range(3)])
    found = strengths(wins, battles=9.0)
    moved = strengths(1e-3 * wins, battles=9.0)
    np.testing.assert_allclose(moved, found, atol=1e-8)
    alone = [strengths(its[None], battles=9.0)[0] for its in wins]
    np.testing.assert_allclose(alone, found, atol=1e-8)


def test_mean_win_rates_are_over_the_others_that_are_known():
    found = mean_win_rates(np.array([[1.0, 0.0, NAN, -2.0], [NAN, NAN, 3.0, NAN]]))
    one, two, three = win_rate(np.array([1.0, 1.0, 0.0]), np.array([0.0, -2.0, -2.0]))
    expected = [(one + two) / 2, (1 - one + three) / 2, NAN, (1 - two + 1 - three) / 2]
    np.testing.assert_allclose(found[0], expected)
    assert np.isnan(found[1]).all()


def test_of_two_models_the_scores_are_the_win_rates():
    found = mean_win_rates(np.array([[2.0, 0.5]]))
    assert found[0].tolist() == pytest.approx([1 / (1 + np.exp(-1.5)), 1 / (1 + np.exp(1.5))])


def test_win_rates_keep_their_digits_however_far_apart_the_players_are():
    assert win_rate(np.array(-40.0), np.array(0.0)) == pytest.approx(np.exp(-40.0), rel=1e-12)
    assert win_rate(np.array(1e4), np.array(-1e4)) == 1.0
