import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knnrouter.condense import allot
from knnrouter.errors import EmbedderError, EmbedderMismatchError, RecordsError
from knnrouter.records import Preference, Price, RecordSet

NAN = float("nan")


class HashEmbedder:
    """A unit row for each text, told apart by the text's checksum."""

    id = "hash"
    dim = 8

    def embed(self, texts):
        rows = [np.random.default_rng(zlib.crc32(text.encode())).normal(size=8) for text in texts]
        return np.array([row / np.linalg.norm(row) for row in rows], np.float32)


class CompassEmbedder:
    """North and south; the first letter says which way, the rest tilts it a little."""

    id = "compass"
    dim = 2

    def embed(self, texts):
        angles = [(0.0 if text[0] == "n" else np.pi) + 0.01 * len(text) for text in texts]
        return np.array([[np.cos(a), np.sin(a)] for a in angles], np.float32)


def test_a_nameless_task_is_not_the_lack_of_one():
    records = RecordSet(
        ids=("1", "2"), queries=("n", "s"), tasks=("", None), models=("a",), scores=[[0], [1]]
    )
    small = records.condense(CompassEmbedder(), rows=2)
    assert small.ids == ("#1", "#2")
    assert small.tasks == ("", None)


def test_hand_worked():
    records = RecordSet(
        ids=("1", "2", "3", "4", "5"),
        queries=("n", "nn", "s", "ss", "n"),
        tasks=("t", "t", "t", "t", None),
        models=("a", "b"),
        scores=[[0, NAN], [1, NAN], [1, 0.5], [1, NAN], [0, 1]],
        costs=[[1, NAN], [5, NAN], [NAN, NAN], [2, 8], [NAN, NAN]],
        weights=[1, 3, 1, 1, 2],
        groups=("g",) * 5,
        timestamps=("2026",) * 5,
        preferences=(Preference(query="private", model_a="a", model_b="b", winner=None),),
        prices={"a": Price(1, 2)},
        notes=("private",),
    )
    small = records.condense(CompassEmbedder(), rows=3)
    assert small.ids == ("t#1", "t#2", "#1")
    assert small.tasks == ("t", "t", None)
    north, south = (0, 1) if small.vectors[0, 0] > 0 else (1, 0)
    order = [north, south, 2]
    np.testing.assert_array_equal(small.weights[order], [4, 2, 2])
    np.testing.assert_array_equal(small.scores[order], np.float32([[0.75, NAN], [1, 0.5], [0, 1]]))
    np.testing.assert_array_equal(small.costs[order], [[4, NAN], [2, 8], [NAN, NAN]])
    np.testing.assert_allclose(small.vectors[order][:, 0], [1, -1, 1], atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(small.vectors, axis=1), 1, atol=1e-6)
    # Nothing of the source but averages and names.
    assert small.queries == (None, None, None)
    assert small.groups is small.timestamps is None
    assert small.preferences == ()
    assert small.notes == ("condensed from 5 rows to 3, within 2 tasks",)
    assert (small.embedder, small.models, dict(small.prices)) == (
        "compass",
        ("a", "b"),
        {"a": Price(1, 2)},
    )


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 60), st.integers(1, 80), st.integers(0, 3))
def test_the_weighted_mean_stays(n, rows, seed):
    rng = np.random.default_rng(n)
    records = RecordSet(
        ids=[str(row) for row in range(n)],
        queries=[f"query {row % 50}" for row in range(n)],
        tasks=[(None, "s", "t")[row % 3] for row in range(n)],
        models=("a", "b"),
        scores=rng.random((n, 2)),
        weights=rng.integers(1, 5, n),
        output_tokens=rng.integers(1, 500, (n, 2)),
    )
    small = records.condense(HashEmbedder(), rows=rows, seed=seed)
    assert len(small) <= max(rows, 3)
    assert set(small.tasks) == set(records.tasks)
    assert small.weights.sum() == records.weights.sum()
    for name in ("scores", "output_tokens"):
        before = np.average(getattr(records, name), axis=0, weights=records.weights)
        after = np.average(getattr(small, name), axis=0, weights=small.weights)
        np.testing.assert_allclose(after, before, rtol=1e-5)


def test_condensing_again_uses_the_vectors():
    records = RecordSet.from_rows([{"query": f"n{'n' * row}", "m": row % 2} for row in range(10)])
    small = records.condense(CompassEmbedder(), rows=6)
    smaller = small.condense(CompassEmbedder(), rows=2)
    assert len(smaller) == 2
    assert smaller.weights.sum() == 10
    assert np.average(smaller.scores[:, 0], weights=smaller.weights) == pytest.approx(0.5, abs=1e-6)
    with pytest.raises(EmbedderMismatchError, match="come from 'compass', not from 'hash'"):
        small.condense(HashEmbedder())


def test_a_light_cluster_joins_its_nearest_neighbor():
    rows = [{"query": text, "m": score} for text, score in (("n", 1), ("n", 0), ("s", 0.5))]
    small = RecordSet.from_rows(rows).condense(CompassEmbedder(), rows=2, smallest=2)
    assert small.weights.tolist() == [3.0]
    assert small.scores.tolist() == [[0.5]]
    assert len(RecordSet.from_rows(rows).condense(CompassEmbedder(), rows=2)) == 2


def test_more_rows_than_there_are_keeps_every_row():
    records = RecordSet.from_rows([{"query": "n", "m": 1}, {"query": "s", "m": 0}])
    same = records.condense(CompassEmbedder())
    np.testing.assert_array_equal(same.scores, records.scores)
    np.testing.assert_array_equal(same.vectors, CompassEmbedder().embed(["n", "s"]))


def test_refused():
    records = RecordSet.from_rows([{"query": "n", "m": 1}])
    with pytest.raises(RecordsError, match="cannot condense 1 records to 0 rows"):
        records.condense(CompassEmbedder(), rows=0)
    with pytest.raises(RecordsError, match="cannot condense 0 records"):
        records.select([]).condense(CompassEmbedder())


def test_centers_lean_to_heavy_rows():
    light_and_heavy = RecordSet(
        ids=("1", "2"), queries=("n", "n" * 30), models=("m",), scores=[[0], [1]], weights=[1, 999]
    )
    small = light_and_heavy.condense(CompassEmbedder(), rows=1)
    heavy = CompassEmbedder().embed(["n" * 30])
    np.testing.assert_allclose(small.vectors, heavy, atol=1e-3)
    np.testing.assert_allclose(small.scores, [[0.999]], atol=1e-6)


def test_centers_without_members_are_dropped():
    same = RecordSet.from_rows([{"query": "n", "m": row % 2} for row in range(10)])
    small = same.condense(CompassEmbedder(), rows=3)
    assert small.weights.tolist() == [10]
    np.testing.assert_array_equal(small.scores, [[0.5]])


def test_an_embedder_that_breaks_its_word():
    class Long(CompassEmbedder):
        def embed(self, texts):
            return 2 * super().embed(texts)

    with pytest.raises(EmbedderError, match="compass: row 0 has norm 2"):
        RecordSet.from_rows([{"query": "n", "m": 1}]).condense(Long())


def test_seeded():
    records = RecordSet.from_rows([{"query": f"query {row}", "m": 1} for row in range(40)])
    one, two = (records.condense(HashEmbedder(), rows=5, seed=7) for _ in range(2))
    np.testing.assert_array_equal(one.vectors, two.vectors)


@given(st.integers(1, 200), st.lists(st.integers(1, 60), min_size=1, max_size=8))
def test_allot(rows, sizes):
    sizes = np.array(sizes)
    given_rows = allot(rows, sizes)
    assert (given_rows >= 1).all()
    assert (given_rows <= sizes).all()
    assert given_rows.sum() == max(len(sizes), min(rows, sizes.sum()))
    # Nearly proportional: a task is never further from its share than the number of tasks.
    share = rows * sizes / sizes.sum()
    assert (np.abs(given_rows - np.minimum(share, sizes)) <= len(sizes)).all()
