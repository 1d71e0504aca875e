import re

import numpy as np
import pytest

from knnrouter import estimators
from knnrouter.errors import EstimatorError
from knnrouter.estimators import KNN, Estimator
from knnrouter.records import RecordSet

NAN = float("nan")
COMPASS = np.array([[1, 0], [0.8, 0.6], [0, 1]], np.float32)
FIXED = KNN(k=2, weights="softmax", temperature=0.25, shrinkage=8.0)


def records(**more):
    given = {"ids": ("e", "en", "n"), "models": ("a", "b"), "scores": [[1, 0], [0, NAN], [1, 1]]}
    return RecordSet(**given | more)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"k": 0}, 'k is 0; give a whole number of at least 1, or "auto"'),
        ({"k": 2.0}, "k is 2.0; give a whole number"),
        ({"k": True}, "k is True; give a whole number"),
        ({"k": "many"}, "k is 'many'; give a whole number"),
        (
            {"weights": "gauss"},
            'weights is \'gauss\'; give one of "uniform", "similarity", "softmax", "auto"',
        ),
        ({"temperature": 0}, "temperature is 0; give a number of at least 1e-6"),
        ({"temperature": NAN}, "temperature is nan; give a number of at least 1e-6"),
        ({"temperature": float("inf")}, "temperature is inf"),
        ({"temperature": True}, "temperature is True"),
        ({"shrinkage": -1}, 'shrinkage is -1; give a number >= 0, or "auto"'),
        ({"shrinkage": NAN}, "shrinkage is nan; give a number >= 0"),
        ({"shrinkage": "some"}, "shrinkage is 'some'"),
    ],
)
def test_a_wrong_setting(setting, message):
    with pytest.raises(EstimatorError, match=re.escape(message)):
        KNN(**setting)


def test_all_wrong_settings_at_once():
    with pytest.raises(EstimatorError, match=r"k is 0;.*weights is 'x';.*shrinkage is -1;"):
        KNN(k=0, weights="x", shrinkage=-1)


def test_more_neighbors_than_wanted_do_not_vote(twin):
    evidence = twin.evidence(records(costs=[[1, 1], [2, 2], [9, 9]]), COMPASS)
    fitted = FIXED.fit(evidence)
    query = np.array([[1, 0]], np.float32)
    two, three = evidence.index.search(query, 2), evidence.index.search(query, 3)
    for name in ("scores", "stderr", "support", "costs", "similarity"):
        np.testing.assert_array_equal(
            getattr(fitted.estimate(query, three), name), getattr(fitted.estimate(query, two), name)
        )


def test_no_queries(twin):
    evidence = twin.evidence(records(), COMPASS)
    fitted = FIXED.fit(evidence)
    none = np.zeros((0, 2), np.float32)
    found = fitted.estimate(none, evidence.index.search(none, 2))
    assert found.scores.shape == found.costs.shape == found.support.shape == (0, 2)
    assert found.similarity.shape == (0,)


def test_nothing_to_learn_from(twin):
    with pytest.raises(EstimatorError, match="the records have no row, so there is nothing to"):
        KNN().fit(twin.evidence(records().select([]), COMPASS[:0]))


def test_settings_and_arrays_bring_back_the_same_vote(twin):
    vectors = np.concatenate([COMPASS] * 40)
    rng = np.random.default_rng(1)
    many = twin.random_records(rng, n=120, m=3, tasks=(None,))
    evidence = twin.evidence(many, vectors)
    fitted = KNN().fit(evidence, seed=5)
    assert fitted.settings["kind"] == "knn"
    assert set(fitted.settings) == {"kind", "k", "weights", "temperature", "shrinkage"}
    assert "auto" not in fitted.settings.values()
    assert len(set(fitted.arrays["task_of"].tolist())) == 2  # 120 rows, about 60 a cluster
    again = estimators.from_settings(fitted.settings).restore(evidence, fitted.arrays)
    assert again.settings == fitted.settings
    queries = twin.unit(rng.normal(size=(5, 2)))
    near = evidence.index.search(queries, fitted.neighbors)
    one, other = fitted.estimate(queries, near), again.estimate(queries, near)
    assert (one.models, other.models) == (many.models, many.models)
    for name in ("scores", "stderr", "support", "costs", "similarity"):
        np.testing.assert_array_equal(getattr(other, name), getattr(one, name))


def test_restoring_without_its_arrays(twin):
    evidence = twin.evidence(records(), COMPASS)
    with pytest.raises(EstimatorError, match=r"over 3 rows needs an array `task_of`.*found none"):
        FIXED.restore(evidence, {})
    with pytest.raises(EstimatorError, match=r"found \(2,\)"):
        FIXED.restore(evidence, {"task_of": np.zeros(2, np.int64)})
    with pytest.raises(EstimatorError, match=r"over 2 models needs an array `prior_variance`"):
        FIXED.restore(evidence, {"task_of": np.zeros(3, np.int64)})
    for damaged in (-1, 3, 2**30):  # as a table of sums, the last would fill the memory
        with pytest.raises(EstimatorError, match=r"`task_of`.*outside \[0, 3\)"):
            FIXED.restore(evidence, {"task_of": np.array([0, damaged, 0])})


def test_from_settings():
    assert estimators.from_settings({"kind": "knn"}) == KNN()
    settings = {"kind": "knn", "k": 3, "weights": "uniform", "temperature": 0.5, "shrinkage": 2.0}
    assert estimators.from_settings(settings) == KNN(
        k=3, weights="uniform", temperature=0.5, shrinkage=2.0
    )
    assert isinstance(KNN(), Estimator)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "forest"}, "unknown estimator 'forest'; known: knn"),
        ({}, "an estimator's kind is None; name one of knn"),
        ({"kind": "knn", "depth": 3}, "estimator knn: unknown setting 'depth'; its settings: k,"),
        ({"kind": "knn", "k": -3}, "k is -3; give a whole number"),
    ],
)
def test_from_wrong_settings(settings, message):
    with pytest.raises(EstimatorError, match=message):
        estimators.from_settings(settings)
