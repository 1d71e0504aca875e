import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from knnrouter.errors import EvaluationError
from knnrouter.evaluation import (
    best_single,
    by_length,
    chance_corrected_oracle,
    matched_random,
    oracle_columns,
    oracle_costs,
    query_oracle,
    random,
    scored,
    task_oracle,
)

NAN = float("nan")
SCORES = st.tuples(st.integers(1, 20), st.integers(1, 4)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.sampled_from([0.0, 0.25, 1.0]))
)


@given(SCORES)
def test_each_reference_that_knows_more_scores_no_less(scores):
    tasks = [row % 3 for row in range(len(scores))]
    single, task, query = (
        float(values.mean())
        for values in (
            best_single(scores, scores),
            task_oracle(scores, tasks),
            query_oracle(scores),
        )
    )
    assert random(scores).mean() <= single + 1e-12
    assert single <= task + 1e-12
    assert task <= query + 1e-12
    assert single == pytest.approx(scores.mean(axis=0).max())


def test_the_best_single_model_is_the_one_of_training():
    train = np.array([[1.0, 0.0, NAN], [0.0, 0.0, NAN]])
    test = np.array([[0.25, 1.0, 1.0]])
    assert best_single(train, test).tolist() == [0.25]


def test_a_model_that_was_measured_once_is_judged_by_that():
    train = np.array([[0.5, NAN], [0.75, NAN], [NAN, 1.0]])
    assert best_single(train, np.array([[0.0, 1.0]])).tolist() == [1.0]


def test_ties_go_to_the_first_model():
    assert best_single(np.array([[0.5, 0.5]]), np.array([[0.0, 1.0]])).tolist() == [0.0]


def test_what_was_not_measured_is_not_known():
    scores = np.array([[NAN, 0.5], [0.0, NAN]])
    np.testing.assert_array_equal(scored(scores, [0, 0]), [NAN, 0.0])
    np.testing.assert_array_equal(scored(scores, 1), [0.5, NAN])
    assert random(scores).tolist() == [0.5, 0.0]
    assert query_oracle(scores).tolist() == [0.5, 0.0]


def test_each_task_has_its_own_best_model():
    scores = np.array([[1.0, 0.0], [1.0, 0.5], [0.0, 1.0], [1.0, 0.5]])
    # `None` is a task too: on it the second model is ahead, 1.5 to 1.
    assert task_oracle(scores, ["a", "a", None, None]).tolist() == [1.0, 1.0, 1.0, 0.5]


class TestByLength:
    """Short prompts: the first model is right. Long ones: the second. The middle: the third."""

    LENGTHS = np.arange(30)
    TRAIN = np.repeat(np.eye(3)[[0, 2, 1]], 10, axis=0)
    EVERYTHING = np.tile([0.1, 0.2, 0.3], (3, 1))

    def test_each_class_has_its_model(self):
        found = by_length(self.LENGTHS, self.TRAIN, [3, 15, 100], self.EVERYTHING, bins=3)
        assert found.tolist() == [0.1, 0.3, 0.2]

    def test_one_class_is_the_best_single_model(self):
        train = self.TRAIN * [1, 0.5, 0.5]
        found = by_length(self.LENGTHS, train, [3, 15, 100], self.EVERYTHING, bins=1)
        assert found.tolist() == [0.1, 0.1, 0.1]

    def test_a_class_without_queries_takes_the_best_of_all(self):
        # All training prompts are as long as each other: they fill one class of three.
        train, test = np.array([[0.0, 1.0], [1.0, 1.0]]), np.array([[0.1, 0.2]] * 3)
        assert by_length([5, 5], train, [1, 5, 9], test).tolist() == [0.2, 0.2, 0.2]


class TestOracle:
    MEASURED = np.array([[1.0, 1.0, 0.0], [0.5, 0.0, 1.0], [0.0, 0.0, 0.0]])
    COSTS = np.array([[3.0, 2.0, 1.0], [3.0, 2.0, 4.0], [3.0, 2.0, 2.5]])

    def test_the_cheapest_of_the_best(self):
        assert oracle_columns(self.MEASURED, self.COSTS).tolist() == [1, 2, 1]
        assert oracle_columns(self.MEASURED).tolist() == [0, 2, 0]
        assert oracle_columns(self.MEASURED, [1.0, 1.0, 0.5]).tolist() == [0, 2, 2]

    def test_what_it_spends(self):
        assert oracle_costs(self.MEASURED, self.COSTS).tolist() == [2.0, 4.0, 2.0]
        assert oracle_costs(self.MEASURED, self.COSTS, unsolved="free").tolist() == [2.0, 4.0, 0.0]

    def test_what_is_not_known(self):
        scores = np.array([[NAN, 0.5, 0.5]])
        assert oracle_columns(scores, [[0.0, NAN, 9.0]]).tolist() == [2]
        with pytest.raises(
            EvaluationError, match="nothing is known of any model on 1 of 1 queries"
        ):
            oracle_columns(np.array([[NAN, NAN]]))

    def test_bad_settings(self):
        with pytest.raises(EvaluationError, match="unsolved is 'none'; it is 'cheapest' or 'free'"):
            oracle_costs(self.MEASURED, self.COSTS, unsolved="none")
        with pytest.raises(EvaluationError, match=r"costs has shape \(3,\), and scores \(3, 3\)"):
            oracle_costs(self.MEASURED, [1.0, 2.0, 3.0])

    @given(SCORES)
    def test_it_scores_the_most_and_no_one_as_good_is_cheaper(self, scores):
        costs = np.random.default_rng(0).random(scores.shape)
        chosen = oracle_columns(scores, costs)
        assert scored(scores, chosen).tolist() == query_oracle(scores).tolist()
        as_good = scores == query_oracle(scores)[:, None]
        np.testing.assert_array_equal(
            oracle_costs(scores, costs), np.where(as_good, costs, np.inf).min(axis=1)
        )


class TestMatchedRandom:
    def test_by_hand(self):
        scores = np.array([[1.0, 0.0, NAN], [0.5, 1.0, NAN]])
        assert matched_random(scores, [0.25, 0.75, 0.0]).tolist() == [0.25, 0.875]

    @given(SCORES)
    def test_a_router_that_takes_one_model_matches_it(self, scores):
        shares = np.eye(scores.shape[1])[0]
        assert matched_random(scores, shares).tolist() == scores[:, 0].tolist()

    @given(SCORES)
    def test_of_equal_shares_it_is_a_random_model(self, scores):
        shares = np.full(scores.shape[1], 1 / scores.shape[1])
        np.testing.assert_allclose(matched_random(scores, shares), random(scores))

    @pytest.mark.parametrize("shares", [[0.5, 0.25], [1.0], [1.5, -0.5]])
    def test_no_shares(self, shares):
        with pytest.raises(EvaluationError, match=f"there are {len(shares)} shares, which sum to "):
            matched_random(np.ones((1, 2)), shares)


class TestChanceCorrectedOracle:
    def test_by_hand(self):
        # Two models, half luck: of those that nobody understands, 3 of 4 look solved. O = 0.9 means
        # that nobody understands 0.4, and a guess is right on half of those: 0.6 + 0.2.
        scores = np.zeros((10, 2))
        scores[:5, 0] = scores[4:9, 1] = 1
        assert chance_corrected_oracle(scores, 0.5) == pytest.approx(0.8)

    def test_without_luck_it_is_the_oracle(self):
        scores = np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
        assert chance_corrected_oracle(scores, 0.0) == pytest.approx(query_oracle(scores).mean())

    def test_queries_of_like_chance_are_corrected_together(self):
        # Two options, as above; and five free answers, three of them right.
        scores = np.zeros((15, 2))
        scores[:5, 0] = scores[4:9, 1] = scores[10:13, 0] = 1
        chance = [0.5] * 10 + [0.0] * 5
        assert chance_corrected_oracle(scores, chance) == pytest.approx((10 * 0.8 + 5 * 0.6) / 15)

    def test_what_one_model_reaches_was_no_luck(self):
        scores = np.array([[1.0, 0.0]] * 8 + [[0.0, 0.0]] * 2)
        assert chance_corrected_oracle(scores, 0.9) == pytest.approx(0.9)  # all guess: u = 0
        assert chance_corrected_oracle(scores, 0.5) == 0.8  # else 0.2 + 0.8 / 2

    @pytest.mark.parametrize(("models", "chance", "known"), [(2, 0.25, 0.3), (11, 0.25, 0.6)])
    def test_it_finds_what_is_known_in_simulated_guesses(self, models, chance, known):
        rng = np.random.default_rng(models)
        n = 40_000
        understood = rng.random(n) < known
        scores = rng.random((n, models)) < chance
        scores[np.arange(n), rng.integers(models, size=n)] |= understood
        truth = known + (1 - known) * chance
        # Of eleven guessers, all are wrong on one query in 24: four errors of that estimate.
        noise = 4 * (1 - chance) * math.sqrt((1 - known) / n * (1 - chance) ** -models)
        assert noise < 0.05
        found = chance_corrected_oracle(scores.astype(float), chance)
        assert found == pytest.approx(truth, abs=noise)
        assert query_oracle(scores.astype(float)).mean() > truth + 0.05

    @given(SCORES, st.floats(0, 0.99))
    def test_it_lies_between_the_best_single_model_and_1(self, scores, chance):
        found = chance_corrected_oracle(scores, chance)
        assert scores.mean(axis=0).max() <= found <= 1 + 1e-12

    def test_bad_values(self):
        with pytest.raises(
            EvaluationError, match=r"chance goes from 0\.25 to 1; it lies in \[0, 1\)"
        ):
            chance_corrected_oracle(np.ones((2, 2)), [0.25, 1.0])
        with pytest.raises(EvaluationError, match="1 of 2 values of scores are not finite"):
            chance_corrected_oracle(np.array([[1.0, NAN]]), 0.25)


@pytest.mark.parametrize("found", [random, query_oracle])
def test_queries_without_any_score(found):
    with pytest.raises(EvaluationError, match=r"nothing was measured on 1 of 2 queries, .* row 1;"):
        found(np.array([[0.5, NAN], [NAN, NAN]]))


def test_columns_that_the_scores_do_not_have():
    scores = np.array([[0.0, 1.0], [0.5, 0.25]])
    for columns in (-1, 2, [0, 2]):  # -1 would be the last model
        with pytest.raises(EvaluationError, match="columns go from 0 to 1"):
            scored(scores, columns)
    with pytest.raises(EvaluationError, match=r"columns has shape \(3,\) .* each of the 2 queries"):
        scored(scores, [0, 1, 0])


def test_references_that_have_nothing_to_go_by():
    none, scores = np.full((2, 2), NAN), np.array([[0.0, 1.0], [0.5, 0.25]])
    with pytest.raises(EvaluationError, match="no model was measured on any of 2 queries"):
        best_single(none, scores)
    with pytest.raises(EvaluationError, match="there are 1 tasks for 2 queries"):
        task_oracle(scores, ["a"])
    with pytest.raises(EvaluationError, match=r"train_lengths has shape \(0,\)"):
        by_length([], scores[:0], [1, 2], scores)
    with pytest.raises(EvaluationError, match=r"1 lengths of 2 training .* bins is 10; give one"):
        by_length([5], scores, [1, 2], scores)
    with pytest.raises(EvaluationError, match=r"bins is 0; .* 1 bin or more"):
        by_length([5, 6], scores, [1, 2], scores, bins=0)


def test_so_many_guessers_that_none_can_miss():
    assert 0.01**2000 == 0.0
    assert chance_corrected_oracle(np.ones((3, 2000)), 0.99) == 1.0
    assert chance_corrected_oracle(np.zeros((3, 2000)), 0.99) == 0.99
