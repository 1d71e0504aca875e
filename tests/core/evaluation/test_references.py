import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from knnrouter.evaluation import (
    best_single,
    by_length,
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
