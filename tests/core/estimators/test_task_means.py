"""What is known of a model in a task in which it was hardly measured, by hand."""

import numpy as np
import pytest

from knnrouter.estimators.ballots import TaskMeans
from knnrouter.records import RecordSet

NAN = float("nan")


def means_of(scores, task_of):
    scores = np.array(scores, dtype=float)
    ids = [str(row) for row in range(len(scores))]
    models = [f"m{column}" for column in range(scores.shape[1])]
    return TaskMeans.of(RecordSet(ids=ids, models=models, scores=scores), np.array(task_of))


@pytest.fixture
def two_tasks():
    """Twenty easy rows, which `c` did not answer, and twenty hard ones, on which all fail."""
    return means_of([[1, 1, NAN]] * 20 + [[0, 0, 0]] * 20, [0] * 20 + [1] * 20)


def test_a_task_is_as_hard_as_all_models_together_find_it(two_tasks):
    # Easy: 20 answers of each of two models, half a point above their means: 20 / (40 + 20).
    # Hard: as much below; c, measured nowhere else, tells nothing but counts: -20 / (60 + 20).
    assert two_tasks.effects == pytest.approx([1 / 3, -1 / 4])


def test_a_model_is_not_weak_for_being_measured_on_hard_tasks(two_tasks):
    # Without the effects a has 20 - 20 / 3 + 5 = 55 / 3 points in 40 answers, c 5 in 20, and all
    # have 125 / 3 in 100: 5 / 12, which counts for 20 answers.
    assert two_tasks.overall == pytest.approx([4 / 9, 4 / 9, 1 / 3])


def test_where_it_was_not_measured_it_is_expected_to_do_as_the_task_does_to_others(two_tasks):
    easy, hard = two_tasks.means
    assert easy == pytest.approx([(20 + 20 * 7 / 9) / 40] * 2 + [1 / 3 + 1 / 3])
    assert hard == pytest.approx([20 * (4 / 9 - 1 / 4) / 40] * 2 + [20 * (1 / 3 - 1 / 4) / 40])


def test_one_task_has_no_effect():
    one = means_of([[1, 0], [0, NAN], [1, 1]], [0, 0, 0])
    assert one.effects.tolist() == [0.0]
    assert one.overall == pytest.approx([14 / 23, 13 / 22])


def test_what_is_expected_stays_a_score():
    rows = [[1, 1, NAN]] * 400 + [[0, 0, 1]] * 400
    high = means_of(rows, [0] * 400 + [1] * 400)
    assert (high.effects[0] + high.overall[2]) > 1
    assert high.expected[0, 2] == 1.0
    assert high.means[0, 2] == 1.0


def test_a_model_that_was_never_measured():
    bare = means_of([[1, NAN], [0, NAN]], [0, 1])
    assert np.isnan(bare.overall[1])
    assert np.isnan(bare.means[:, 1]).all()
    assert np.isfinite(bare.means[:, 0]).all()
