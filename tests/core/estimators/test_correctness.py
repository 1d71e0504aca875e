import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knnrouter import RecordSet, estimators
from knnrouter.errors import EstimatorError
from knnrouter.estimators import KNN, CorrectnessKNN, Evidence
from knnrouter.estimators.correctness import correctness, shares_right
from knnrouter.index import ExactIndex
from knnrouter.policies import BestScore, Candidates

NAN = float("nan")


def evidence_of(scores, vectors, weights=None):
    rows = np.asarray(vectors, dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    scores = np.asarray(scores, dtype=np.float32)
    records = RecordSet(
        ids=tuple(map(str, range(len(rows)))),
        models=tuple("abcdef"[: scores.shape[1]]),
        scores=scores,
        weights=None if weights is None else np.asarray(weights, dtype=float),
        vectors=rows,
        embedder="test",
    )
    return Evidence(records=records, vectors=rows, index=ExactIndex(rows))


def asked(evidence, queries, **settings):
    fitted = CorrectnessKNN(**settings).fit(evidence)
    queries = np.asarray(queries, dtype=np.float32)
    return fitted.estimate(queries, evidence.index.search(queries, fitted.neighbors))


LINE = [[1, 0.0], [1, 0.1], [1, 0.2], [1, 0.3], [0, 1]]


def test_by_hand():
    scores = [[1, 0.5], [0.6, 1], [0.4, NAN], [1, NAN], [0, 0.9]]
    found = asked(evidence_of(scores, LINE, [1, 1, 2, 1, 1]), [[1, 0]], k=3)
    # The nearest three are the first three; the third weighs two and the score 0.5 is not above.
    assert found.scores[0] == pytest.approx([2 / 4, 1 / 2])
    assert found.support.tolist() == [[4.0, 2.0]]
    assert found.stderr[0] == pytest.approx([math.sqrt(0.25 / 4), math.sqrt(0.25 / 2)])
    assert found.similarity.tolist() == [1.0]


def test_the_threshold_is_strict_in_the_decimals_that_were_given():
    # 0.6 in single precision is above 0.6.
    evidence = evidence_of([[0.6, 0.61]], [[1, 0]])
    assert asked(evidence, [[1, 0]], threshold=0.6).scores.tolist() == [[0.0, 1.0]]
    assert asked(evidence, [[1, 0]], threshold=0.59).scores.tolist() == [[1.0, 1.0]]


def test_unmeasured_nearby_is_nan_and_not_wrong():
    scores = [[1, NAN], [1, NAN], [1, NAN], [1, 0], [1, 0]]
    evidence = evidence_of(scores, LINE)
    found = asked(evidence, [[1, 0]], k=3)
    assert np.isnan(found.scores[0, 1])
    assert np.isnan(found.stderr[0, 1])
    assert found.support[0].tolist() == [3.0, 0.0]
    assert asked(evidence, [[1, 0]], k=4).scores[0, 1] == 0.0


def test_agreement_of_five_is_no_certainty():
    found = asked(evidence_of([[1], [1], [1], [1], [1]], LINE), [[1, 0]])
    assert found.scores.tolist() == [[1.0]]
    assert found.stderr[0, 0] == pytest.approx(math.sqrt(6 / 7 * 1 / 7 / 5))


def test_a_query_of_unknown_words_has_no_prediction():
    found = asked(evidence_of([[1], [0]], [[1, 0], [0, 1]]), [[0, 0], [1, 0]], k=1)
    assert np.isnan(found.scores[0, 0])
    assert found.support.tolist() == [[0.0], [1.0]]
    assert found.scores[1, 0] == 1.0


cells = st.sampled_from([0.0, 0.3, 0.5, 0.7, 1.0, NAN])


@settings(max_examples=60, deadline=None)
@given(
    data=st.data(),
    k=st.integers(1, 9),
    threshold=st.sampled_from([0.0, 0.3, 0.5, 0.7, 0.95]),
    rows=st.integers(1, 12),
)
def test_the_plain_vote_over_correctness_agrees(data, k, threshold, rows):
    """The same as `KNN` without prior on scores that are 0 or 1; and as a loop over neighbors."""
    rng = np.random.default_rng(data.draw(st.integers(0, 999)))
    scores = np.array([[data.draw(cells) for _ in range(2)] for _ in range(rows)])
    scores[0, 0] = 1.0
    weights = rng.integers(1, 4, rows).astype(float)
    vectors, queries = rng.normal(size=(rows, 3)), rng.normal(size=(4, 3)).astype(np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    evidence = evidence_of(scores, vectors, weights)
    found = asked(evidence, queries, k=k, threshold=threshold)

    right = np.where(np.isnan(scores), NAN, scores > threshold)
    plain = KNN(k=k, weights="uniform", shrinkage=0.0).fit(evidence_of(right, vectors, weights))
    near = evidence.index.search(queries, k)
    voted = plain.estimate(queries, near)
    np.testing.assert_allclose(found.scores, voted.scores, atol=1e-12)
    np.testing.assert_allclose(found.support, voted.support, atol=1e-9)

    for query, chosen in enumerate(near.rows.tolist()):
        for model in range(2):
            told = [(weights[row], right[row, model]) for row in chosen]
            told = [(weight, hit) for weight, hit in told if not math.isnan(hit)]
            total = sum(weight for weight, _ in told)
            share = sum(weight * hit for weight, hit in told) / total if told else NAN
            assert found.scores[query, model] == pytest.approx(share, nan_ok=True)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 9999), k=st.integers(1, 30))
def test_best_score_breaks_ties_as_the_paper(seed, k):
    """argmax g + 0.01 × mean accuracy, where rows weigh alike and scores are right or wrong."""
    rng = np.random.default_rng(seed)
    scores, vectors = rng.integers(0, 2, (40, 4)).astype(float), rng.normal(size=(40, 3))
    scores[:, 0] = 1 - scores[:, 1]  # for ties in g
    evidence = evidence_of(scores, vectors)
    means = scores.mean(axis=0)
    if len(set(means.tolist())) < 4:
        return  # the paper's addend ties as well
    fitted = CorrectnessKNN(k=k).fit(evidence)
    query = evidence.vectors[:1]
    near = evidence.index.search(query, fitted.neighbors)
    g, _ = shares_right(scores, np.ones(40), near.rows[:, :k])
    wanted = evidence.records.models[int(np.argmax(g[0] + 0.01 * means))]
    found = fitted.estimate(query, near)
    candidates = Candidates(
        models=found.models, scores=found.scores[0].tolist(), costs=[NAN] * 4, means=means.tolist()
    )
    assert BestScore()(candidates).ranking[0] == wanted


def test_thresholds_by_task():
    rows = [{"query": name, "task": name, "m": 0.6} for name in ("law", "art", "war")]
    records = RecordSet.from_rows([*rows, {"query": "none", "m": 0.6}])
    found = correctness(records, {"law": 0.7, "art": 0.6})
    assert found[:, 0].tolist() == [0.0, 0.0, 1.0, 1.0]  # those not named: above one half


def test_wrong_settings_are_all_named():
    message = (
        "k is 0; give a whole number of at least 1; threshold is 1.5; give a number of at least 0 "
        "and below 1, for a score above it is right and none is above 1"
    )
    with pytest.raises(EstimatorError, match=message):
        CorrectnessKNN(k=0, threshold=1.5)
    for wrong in ({"k": True}, {"k": 2.0}, {"threshold": NAN}, {"threshold": "0.5"}):
        with pytest.raises(EstimatorError):
            CorrectnessKNN(**wrong)


def test_by_name():
    assert estimators.parse("correctness_knn:k=7") == CorrectnessKNN(k=7)
    assert estimators.spec(CorrectnessKNN()) == "correctness_knn"
