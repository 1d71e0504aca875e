import numpy as np
import pytest
import task_twin
from hypothesis import given, settings
from hypothesis import strategies as st

from knnrouter import RecordSet
from knnrouter.errors import EstimatorError
from knnrouter.estimators import Evidence
from knnrouter.estimators.correctness import correctness
from knnrouter.index import ExactIndex, FaissIndex
from knnrouter.task_routing import TaskBenchmark, TaskSettings
from knnrouter.task_routing.nearest import joined, nearest

NAN = float("nan")


def made(rng, *, rows=40, models=3, tasks=4, dim=4, missing=0.2, untasked=True):
    """Evidence with ties in similarity, zero vectors, weights, holes and rows without a task."""
    vectors = rng.integers(-2, 3, (rows, dim)).astype(float)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = (vectors / np.where(norms > 0, norms, 1.0)).astype(np.float32)
    names = [f"t{number}" for number in rng.integers(0, tasks, rows)]
    names[:tasks] = [f"t{number}" for number in range(tasks)]
    if untasked:
        names[-1] = None
    scores = rng.choice([0.0, 0.4, 0.6, 1.0], (rows, models)).astype(np.float32)
    scores[rng.random(scores.shape) < missing] = NAN
    scores[0] = 1.0
    records = RecordSet(
        ids=tuple(map(str, range(rows))),
        models=tuple("abcdef"[:models]),
        scores=scores,
        tasks=tuple(names),
        weights=rng.integers(1, 4, rows).astype(float),
        vectors=vectors,
        embedder="test",
    )
    return evidence_of(records)


def evidence_of(records):
    return Evidence(records=records, vectors=records.vectors, index=FaissIndex(records.vectors))


def assert_pairs(found, wanted):
    np.testing.assert_allclose(found.u, [u for u, _ in wanted], atol=1e-6)
    np.testing.assert_allclose(found.p, [p for _, p in wanted], atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), k=st.integers(1, 7), kappa=st.integers(1, 25))
def test_pairs_as_the_twin_has_them(seed, k, kappa):
    evidence = made(np.random.default_rng(seed))
    records, chosen = evidence.records, TaskSettings(k=k, kappa=kappa)
    right = correctness(records, 0.5)
    found = TaskBenchmark.of(evidence).pairs(right, chosen)
    weights = records.weights.tolist()
    assert_pairs(found, task_twin.pairs(evidence.vectors, records.tasks, right, weights, chosen))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), out=st.integers(0, 3), kappa=st.integers(1, 25))
def test_a_task_that_is_left_out_leaves_no_trace(seed, out, kappa):
    """As if its rows had never been there: for neighbors, pairs and averages."""
    evidence = made(np.random.default_rng(seed))
    kept = [row for row, task in enumerate(evidence.records.tasks) if task != f"t{out}"]
    rest = evidence_of(evidence.records.select(kept))
    whole, part = TaskBenchmark.of(evidence), TaskBenchmark.of(rest)
    chosen = TaskSettings(kappa=kappa)
    right = correctness(evidence.records, 0.5)
    for labelled in (0, 3):
        found = whole.pairs(right, chosen, without=out, labelled=labelled, seed=5)
        wanted = part.pairs(right[kept], chosen, labelled=labelled, seed=5)
        np.testing.assert_array_equal(found.u, wanted.u)
        np.testing.assert_array_equal(found.p, wanted.p)
    np.testing.assert_allclose(whole.averages(without=out), part.averages(), atol=1e-12)


def test_another_task_may_be_left_out_where_it_holds_all_that_is_kept():
    """More rows of the other task are nearest than each row keeps."""
    rng = np.random.default_rng(0)
    names = ["near"] * 90 + ["far"] * 30 + ["own"] * 5
    vectors = np.array([[1, 0, 0]] * 90 + [[0, 1, 0]] * 30 + [[1, 0.1, 0]] * 5)
    vectors = vectors + 0.01 * rng.normal(size=vectors.shape)
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    records = RecordSet(
        ids=tuple(map(str, range(125))),
        models=("a",),
        scores=np.ones((125, 1)),
        tasks=tuple(names),
        vectors=vectors,
        embedder="test",
    )
    benchmark = TaskBenchmark.of(evidence_of(records))
    assert benchmark.tasks == ("far", "near", "own")
    found = benchmark.neighbors(2, 19, without=1)
    assert (found.rows >= 90).all()
    assert (found.rows < 120).all()
    wanted = ExactIndex(vectors[90:120]).search(vectors[120:], 19)
    np.testing.assert_array_equal(found.rows - 90, wanted.rows)
    np.testing.assert_array_equal(found.similarities, wanted.similarities)
    assert benchmark.neighbors(2, 500).k == 120
    assert benchmark.neighbors(2, 500, without=1).k == 30


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(1, 60),
    k=st.integers(1, 20),
    grid=st.booleans(),
)
def test_nearest_as_the_exact_index(seed, n, k, grid):
    rng = np.random.default_rng(seed)
    vectors = rng.integers(-1, 2, (n, 3)).astype(float) if grid else rng.normal(size=(n, 3))
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = (vectors / np.where(norms > 0, norms, 1.0)).astype(np.float32)
    rows = np.flatnonzero(rng.random(n) < 0.8)
    queries = vectors[: min(n, 9)]
    found = nearest(queries, vectors, rows, k)
    if len(rows) == 0:
        assert found.k == 0
        return
    wanted = ExactIndex(vectors[rows]).search(queries, k)
    np.testing.assert_array_equal(found.rows, rows[wanted.rows])
    np.testing.assert_array_equal(found.similarities, wanted.similarities)


def test_many_ties_at_the_last_place_are_settled():
    vectors = np.tile(np.eye(2, dtype=np.float32), (50, 1))
    found = nearest(vectors[:2], vectors, np.arange(100), 7)
    assert found.rows.tolist() == [[0, 2, 4, 6, 8, 10, 12], [1, 3, 5, 7, 9, 11, 13]]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), k=st.integers(1, 12), more=st.integers(1, 8))
def test_labelled_rows_join_as_if_they_had_been_searched(seed, k, more):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(20 + more, 3))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    queries = vectors[:4]
    near = ExactIndex(vectors[:20]).search(queries, k)
    found = joined(near, nearest(queries, vectors, np.arange(20, 20 + more), k), k)
    wanted = ExactIndex(vectors).search(queries, k)
    np.testing.assert_array_equal(found.rows, wanted.rows)
    np.testing.assert_array_equal(found.similarities, wanted.similarities)


def test_labelled_rows_of_each_task_give_pairs_of_their_own():
    evidence = made(np.random.default_rng(3), rows=80, untasked=False)
    benchmark = TaskBenchmark.of(evidence)
    right = correctness(evidence.records, 0.5)
    chosen = TaskSettings()
    plain, pooled = benchmark.pairs(right, chosen), benchmark.pairs(right, chosen, labelled=4)
    np.testing.assert_array_equal(pooled.u[::2], plain.u)
    np.testing.assert_array_equal(pooled.p[::2], plain.p)
    for task in range(4):
        drawn = benchmark.drawn(task, 4, seed=0)
        tested = [row for row in benchmark.rows[task].tolist() if row not in drawn]
        known = [row for row in range(80) if row not in tested]
        seen = task_twin.predicted(
            evidence.vectors, known, tested, right, evidence.records.weights, chosen
        )
        assert pooled.u[2 * task + 1] == pytest.approx(seen.u, abs=1e-6)
        wanted = task_twin.accuracy(seen.g, tested, right, evidence.records.weights, chosen)
        np.testing.assert_allclose(pooled.p[2 * task + 1], wanted)


def test_at_most_half_of_a_task_is_labelled():
    """However many labels the new task has, something of each task is left to predict."""
    evidence = made(np.random.default_rng(4), rows=60, untasked=False)
    benchmark = TaskBenchmark.of(evidence)
    right, chosen = correctness(evidence.records, 0.5), TaskSettings()
    pooled = benchmark.pairs(right, chosen, labelled=10_000)
    assert len(pooled.u) == 8
    for task, rows in enumerate(benchmark.rows):
        half = benchmark.drawn(task, len(rows) // 2, seed=0)
        found, tested = benchmark.predictions(task, right, chosen, labelled=half)
        assert len(tested) == len(rows) - len(rows) // 2
        assert pooled.u[2 * task + 1] == found.u


def test_a_task_of_one_row_gives_one_pair():
    rows = [{"query": f"{task}{i}", "task": task, "m": 1} for task in "ab" for i in range(4)]
    records = RecordSet.from_rows([*rows, {"query": "c", "task": "c", "m": 0}])
    vectors = np.eye(9, dtype=np.float32)
    evidence = Evidence(records=records, vectors=vectors, index=FaissIndex(vectors))
    pooled = TaskBenchmark.of(evidence).pairs(correctness(records, 0.5), TaskSettings(), labelled=2)
    assert len(pooled.u) == 5
    assert pooled.p[:, 0].tolist() == [1.0, 1.0, 1.0, 1.0, 0.0]


def test_a_task_counts_once_in_the_averages_however_many_rows_it_has():
    rows = [{"query": f"a{i}", "task": "a", "m": 1, "o": 0.5} for i in range(8)]
    rows += [{"query": "b", "task": "b", "m": 0, "o": 0.5}, {"query": "c", "task": "c", "m": 0}]
    rows += [{"query": "none", "m": 1, "o": 1}]
    records = RecordSet.from_rows(rows)
    vectors = np.eye(11, dtype=np.float32)
    benchmark = TaskBenchmark.of(
        Evidence(records=records, vectors=vectors, index=FaissIndex(vectors))
    )
    assert benchmark.averages().tolist() == pytest.approx([1 / 3, 0.5])
    assert benchmark.averages(without=0).tolist() == pytest.approx([0.0, 0.5])
    assert np.isnan(benchmark.task_means[2, 1])


def test_fewer_than_three_tasks_are_refused():
    rows = [{"query": f"{task} {i}", "task": task, "m": 1} for task in "ab" for i in range(3)]
    records = RecordSet.from_rows([*rows, {"query": "c", "m": 1}])
    vectors = np.eye(7, dtype=np.float32)
    evidence = Evidence(records=records, vectors=vectors, index=FaissIndex(vectors))
    message = r"the records name 2 tasks \(a, b\), and routing a task needs at least 3, .* `task`"
    with pytest.raises(EstimatorError, match=message):
        TaskBenchmark.of(evidence)


def test_wrong_settings_are_all_named():
    message = (
        "k is 0; give a whole number of at least 1; sigma is nan; give a finite number above 0; "
        "above is 1; give a number of at least 0 and below 1; "
        "certainty is 0; give a number above 0 and at most 1"
    )
    with pytest.raises(EstimatorError, match=message):
        TaskSettings(k=0, sigma=NAN, above=1, certainty=0)
    for wrong in ({"kappa": True}, {"draws": 1.0}, {"sigma": "1"}, {"certainty": 1.1}):
        with pytest.raises(EstimatorError):
            TaskSettings(**wrong)
