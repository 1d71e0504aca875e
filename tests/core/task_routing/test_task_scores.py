import math

import numpy as np
import pytest
import task_twin
from hypothesis import given, settings
from hypothesis import strategies as st

from knnrouter.errors import NoEvidenceError
from knnrouter.neighbors import Neighbors
from knnrouter.task_routing import (
    Draws,
    Pairs,
    Predictions,
    TaskScores,
    TaskSettings,
    chosen,
    s3,
    simulated,
    smoothed,
)

NAN = float("nan")
PLAIN = TaskSettings()


def predictions(g, settings=PLAIN, u=0.3):
    g = np.asarray(g, dtype=float)
    positive = np.where(np.isnan(g), NAN, g > settings.above)
    return Predictions(g=g, positive=positive, weights=np.ones(len(g)), u=u)


def scored(g, p, *, seed=0):
    return TaskScores.of(predictions(g), np.asarray(p, dtype=float), PLAIN, seed=seed)


def pick(scores, score="s3", *, averages, costs=None, models=None, settings=PLAIN):
    averages = np.asarray(averages, dtype=float)
    costs = np.full(len(averages), NAN) if costs is None else np.asarray(costs, dtype=float)
    models = range(len(averages)) if models is None else models
    return chosen(scores, score, averages, costs, settings, models=models)


unit = st.floats(0, 1)


@settings(max_examples=80, deadline=None)
@given(
    u=st.lists(unit, min_size=1, max_size=6),
    seed=st.integers(0, 9999),
    at=st.floats(0, 3),
    sigma=st.sampled_from([0.001, 0.02, 0.09, 0.5]),
)
def test_smoothing_as_the_twin_has_it(u, seed, at, sigma):
    rng = np.random.default_rng(seed)
    p = rng.random((len(u), 3))
    p[rng.random(p.shape) < 0.3] = NAN
    found = smoothed(Pairs(u=np.array(u), p=p), at, sigma=sigma)
    wanted = task_twin.smoothed(list(zip(u, p.tolist(), strict=True)), at, sigma)
    np.testing.assert_allclose(found[0], wanted[0], atol=1e-9)
    np.testing.assert_allclose(found[1], wanted[1], atol=1e-7)


def test_beyond_all_tasks_the_mean_of_p_stands_in():
    pairs = Pairs(u=np.array([0.1, 0.2]), p=np.array([[0.9, NAN], [0.5, 0.7]]))
    p, spread = smoothed(pairs, 1e6, sigma=0.09)
    assert p.tolist() == pytest.approx([0.7, 0.7])
    assert spread.tolist() == pytest.approx([0.2, 0.0])
    # Where the weights vanish for one model's tasks alone, too.
    apart = Pairs(u=np.array([0.1, 50.0]), p=np.array([[0.9, NAN], [NAN, 0.6]]))
    assert smoothed(apart, 0.1, sigma=0.09)[0].tolist() == pytest.approx([0.9, 0.6])


def test_the_three_scores_by_hand():
    found = predictions([[0.6, 0.5, NAN], [0.8, 1.0, NAN], [0.4, NAN, NAN]])
    assert found.s1[:2] == pytest.approx([0.6, 0.75])
    assert found.s2[:2] == pytest.approx([2 / 3, 0.5])  # one half is not above one half
    assert np.isnan(found.s1[2])
    assert np.isnan(found.s2[2])
    assert found.counted.tolist() == [3, 2, 0]
    assert found.positives.tolist() == [2, 1, 0]
    assert s3(found.s2, np.array([0.9, 0.9, 0.9]))[0] == pytest.approx(2 / 3 * 0.9 + 1 / 3 * 0.1)
    right = np.array([[1.0, 1.0, 1.0], [NAN, 1.0, 1.0], [1.0, 1.0, 1.0]])
    assert found.accuracy(right)[:2] == pytest.approx([0.5, 0.5])
    assert np.isnan(found.accuracy(right)[2])


def test_the_distance_counts_at_least_a_little():
    near = Neighbors(rows=np.array([[0, 1], [1, 0]]), similarities=np.array([[1.0, 0.5], [1, 1]]))
    found = Predictions.of(near, np.ones((2, 1)), np.ones(2), PLAIN, blank=np.array([False, False]))
    assert found.u == pytest.approx(((1e-7 + 0.5) / 2 + 1e-7) / 2, rel=1e-9)


def test_a_correct_s3_is_the_accuracy_that_symmetric_errors_leave():
    """If each prediction is wrong with probability 1 - p, whatever it is, S3 is the accuracy."""
    rng = np.random.default_rng(0)
    predicted = rng.random(200_000) < 0.7
    truth = np.where(rng.random(200_000) < 0.8, predicted, ~predicted)
    s2 = np.array([predicted.mean()])
    assert s3(s2, np.array([0.8]))[0] == pytest.approx(truth.mean(), abs=0.005)


def exact_chance(positives, n, p):
    """The distribution of how many answers are right, by convolution."""

    def binomial(count, chance):
        return [
            math.comb(count, k) * chance**k * (1 - chance) ** (count - k) for k in range(count + 1)
        ]

    return np.convolve(binomial(positives, p), binomial(n - positives, 1 - p))


@pytest.mark.parametrize(
    ("a", "b"), [((7, 10, 0.8), (5, 10, 0.6)), ((3, 5, 0.5), (3, 5, 0.5)), ((9, 9, 1), (0, 9, 0.9))]
)
def test_draws_have_the_chances_of_the_exact_distributions(a, b):
    positives, counted, p = (np.array(each) for each in zip(a, b, strict=True))
    draws = Draws.of(positives, counted, p.astype(float), draws=20_000, seed=1)
    one, other = exact_chance(*a), exact_chance(*b)
    above = sum(one[k] * other[:k].sum() for k in range(len(one)))
    assert draws.above(0, 1) == pytest.approx(above, abs=4 * math.sqrt(0.25 / 20_000))
    ties = sum(one[k] * other[k] for k in range(len(one)))
    best = draws.best(np.array([0, 1]))
    assert best[0] == pytest.approx(above + ties / 2, abs=0.015)
    assert best.sum() == pytest.approx(1.0)


def test_a_model_against_itself_is_ahead_in_less_than_half():
    draws = Draws.of(np.array([5]), np.array([10]), np.array([0.7]), draws=4000, seed=0)
    one = exact_chance(5, 10, 0.7)
    assert draws.above(0, 0) == pytest.approx((1 - (one**2).sum()) / 2, abs=0.03)


def test_different_counts_are_compared_by_their_share():
    """A model with predictions on few queries is not behind for that."""
    drawn = simulated(
        np.array([2, 90]),
        np.array([2, 100]),
        np.array([1.0, 1.0]),
        draws=3,
        rng=np.random.default_rng(0),
    )
    assert drawn.tolist() == [[1.0, 0.9]] * 3


def test_the_leader_is_taken_where_it_is_likely_to_be_ahead():
    g = [[1.0, 0.0]] * 20
    found = pick(scored(g, [0.9, 0.9]), averages=[0.4, 0.6])
    assert (found.ranking, found.why, found.fallback) == ((0, 1), "leads", False)
    assert found.confidence == 1.0
    assert found.best_on_average == 1


def test_in_doubt_the_best_on_average_is_taken():
    g = [[1.0, 0.0]] * 20
    found = pick(scored(g, [0.51, 0.5]), averages=[0.4, 0.6])
    assert found.leader == 0
    assert found.confidence < 0.6
    assert (found.ranking, found.why, found.fallback) == ((1, 0), "doubted", True)
    bold = pick(scored(g, [0.51, 0.5]), averages=[0.4, 0.6], settings=TaskSettings(certainty=0.01))
    assert (bold.ranking, bold.fallback) == ((0, 1), False)


@pytest.mark.parametrize("score", ["s1", "s2"])
def test_the_first_two_scores_never_fall_back(score):
    found = pick(scored([[1.0, 0.0]] * 20, [0.5, 0.5]), score, averages=[0.4, 0.6])
    assert (found.ranking, found.why, found.fallback) == ((0, 1), "leads", False)
    assert 0.2 < found.confidence < 0.6


def test_a_leader_that_is_best_on_average_needs_no_certainty():
    found = pick(scored([[0.0, 1.0]] * 3, [0.5, 0.6]), averages=[0.4, 0.6])
    assert (found.ranking, found.why, found.fallback) == ((1, 0), "agrees", False)


def test_ties_go_to_the_higher_average_then_the_cheaper_then_the_order():
    g = [[1.0] * 4] * 5
    p = [0.8] * 4
    scores = scored(g, p)
    found = pick(scores, averages=[0.4, 0.5, 0.5, 0.5], costs=[1.0, 2.0, 1.0, 1.0])
    assert found.ranking == (2, 3, 1, 0)
    assert found.why == "agrees"
    for score in ("s1", "s2", "s3"):
        assert pick(scores, score, averages=[0.5] * 4).ranking == (0, 1, 2, 3)
    assert pick(scores, averages=[0.5] * 4, models=[3, 1]).ranking == (3, 1)


def test_what_is_not_known_ranks_last_and_is_not_drawn():
    g = [[NAN, 0.2, 1.0]] * 6
    scores = scored(g, [0.9, 0.9, NAN])
    found = pick(scores, averages=[0.3, 0.4, 0.2])
    assert found.ranking == (1, 0, 2)
    best = scores.draws.best(np.arange(3))
    assert np.isnan(best).tolist() == [True, False, True]
    assert best[1] == 1.0


def test_a_best_on_average_of_which_nothing_is_known_here_is_still_the_fallback():
    found = pick(scored([[NAN, 1.0]] * 6, [0.9, 0.9]), averages=[0.8, 0.4])
    assert np.isnan(found.confidence)
    assert (found.ranking, found.fallback) == ((0, 1), True)
    by_s1 = pick(scored([[NAN, 1.0]] * 6, [0.9, 0.9]), "s1", averages=[0.8, 0.4])
    assert (by_s1.ranking, by_s1.fallback) == ((1, 0), False)


def test_where_nothing_is_known_the_best_on_average_answers():
    for score in ("s1", "s2", "s3"):
        found = pick(scored([[NAN, NAN]] * 2, [0.9, 0.9]), score, averages=[0.3, 0.4])
        assert (found.ranking, found.why, found.fallback) == ((1, 0), "unknown", True)


def test_models_that_no_task_measured_are_refused():
    scores = scored([[0.5, 1.0]], [0.9, 0.9])
    with pytest.raises(NoEvidenceError, match="no task of the records measured any of the models"):
        pick(scores, averages=[NAN, 0.4], models=[0])
    with pytest.raises(NoEvidenceError):
        pick(scores, averages=[0.3, 0.4], models=[])


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 9999), allowed=st.lists(st.integers(0, 3), min_size=1, unique=True))
def test_draws_of_a_model_do_not_depend_on_who_else_may_answer(seed, allowed):
    g = np.random.default_rng(seed).random((7, 4))
    scores = scored(g, [0.7, 0.6, 0.8, 0.5], seed=seed)
    averages = [0.4, 0.5, 0.3, 0.6]
    some = pick(scores, averages=averages, models=allowed)
    assert set(some.ranking) == set(allowed)
    assert some.best_on_average == max(allowed, key=lambda model: averages[model])
    everyone = pick(scores, averages=averages)
    if {everyone.leader, everyone.best_on_average} <= set(allowed):
        assert some.leader == everyone.leader
        assert some.confidence == everyone.confidence
