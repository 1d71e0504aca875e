"""The discriminant of tasks, against its formulas written out."""

import math

import numpy as np
import pytest

from knnrouter.estimators.blend.recognition import Recognition, recognized


def rows(rng, *, tasks=5, each=40, dims=4, apart=3.0):
    centers = apart * rng.normal(size=(tasks, dims))
    task_of = np.repeat(np.arange(tasks), each)
    return centers[task_of] + rng.normal(size=(len(task_of), dims)), task_of, centers


@pytest.fixture(scope="module")
def found():
    inputs, task_of, centers = rows(np.random.default_rng(0))
    return recognized(inputs, task_of, np.arange(len(inputs)) % 5), inputs, task_of, centers


def test_it_knows_its_tasks(found):
    learned, inputs, task_of, _ = found
    posterior, new = learned.recognition.posterior(inputs)
    assert (posterior.argmax(axis=1) == task_of).mean() > 0.93
    np.testing.assert_allclose(posterior.sum(axis=1), 1.0)
    assert np.median(new) < 0.1


def test_what_is_far_from_all_is_new_and_spread_evenly(found):
    learned, _, _, centers = found
    posterior, new = learned.recognition.posterior(centers.mean(axis=0)[None] + 40.0)
    assert new[0] > 0.99
    np.testing.assert_allclose(posterior[0], 0.2, atol=0.01)


def test_rows_are_judged_by_others(found):
    """A row alone in a task by a wrong name is not recognized where it is left out."""
    _, inputs, task_of, _ = found
    wrong = task_of.copy()
    wrong[7] = 3
    left_out = recognized(inputs, wrong, np.arange(len(inputs)) % 5).posterior[7]
    assert left_out[0] > 0.9


def test_equal_to_the_formulas():
    """With an identity as the within-covariance and two dimensions, by hand."""
    means = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0], [2.0, 2.0]])
    part = [0.4, 0.3, 0.2, 0.1]
    center = means.mean(axis=0)
    one = Recognition(
        center=center,
        projection=np.eye(2),
        means=means - center,
        log_parts=np.log(part),
        temperature=0.7,
        offset=0.3,
    )
    query = np.array([0.5, 1.5])
    covariance = np.eye(2) + np.cov(means.T)
    away = query - center
    new = (
        0.7
        * (
            -math.log(5)
            - 0.5 * away @ np.linalg.inv(covariance) @ away
            - 0.5 * math.log(np.linalg.det(covariance))
        )
        + 0.3
    )
    logits = [
        0.7 * (math.log(p) - 0.5 * ((query - m) ** 2).sum())
        for p, m in zip(part, means, strict=True)
    ]
    chances = np.exp([*logits, new])
    chances /= chances.sum()
    posterior, said = one.posterior(query[None])
    np.testing.assert_allclose(said, chances[-1:])
    np.testing.assert_allclose(posterior[0], chances[:-1] + chances[-1] / 4)


def test_few_tasks_know_nothing_of_new_ones():
    inputs, task_of, _ = rows(np.random.default_rng(1), tasks=3)
    learned = recognized(inputs, task_of, np.arange(len(inputs)) % 5)
    assert learned.recognition.offset == -np.inf
    assert (learned.recognition.posterior(inputs + 100)[1] == 0).all()


def test_noise_is_not_recognized():
    rng = np.random.default_rng(2)
    inputs = rng.normal(size=(300, 6))
    task_of = rng.integers(0, 4, 300)
    posterior = recognized(inputs, task_of, np.arange(300) % 5).posterior
    assert np.abs(posterior - 0.25).mean() < 0.08


def test_a_task_of_one_row():
    inputs, task_of, _ = rows(np.random.default_rng(3), tasks=4, each=10)
    inputs, task_of = np.vstack([inputs, [[50.0] * 4]]), np.append(task_of, 4)
    learned = recognized(inputs, task_of, np.arange(41) % 5)
    assert np.isfinite(learned.posterior).all()
    assert learned.recognition.posterior(inputs[-1:])[0].argmax() == 4


def test_the_arrays_bring_it_back(found):
    learned, inputs, _, _ = found
    again = Recognition.restored(learned.recognition.arrays)
    for one, other in zip(
        again.posterior(inputs), learned.recognition.posterior(inputs), strict=True
    ):
        np.testing.assert_array_equal(one, other)
