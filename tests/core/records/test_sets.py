import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from knnrouter.errors import RecordsError
from knnrouter.records import Preference, Price, RecordSet
from knnrouter.records.sets import group_means

NAN = float("nan")


@pytest.fixture
def records():
    return RecordSet(
        ids=("q1", "q2", "q3", "q4"),
        queries=("a", "b", "a", None),
        tasks=("s", "t", "t", None),
        models=("m", "n"),
        scores=[[0, 1], [0.5, NAN], [1, NAN], [NAN, 0.25]],
        costs=[[1, NAN], [2, NAN], [4, 8], [NAN, NAN]],
        weights=[1, 1, 3, 2],
        output_tokens=[[10, 0], [NAN, 5], [30, 7], [1, 1]],
        groups=("g", None, "h", None),
        timestamps=("2026-01-01", None, None, None),
        prices={"m": Price(1, 2)},
        notes=("made by hand",),
    )


def problems_of(make):
    with pytest.raises(RecordsError) as caught:
        make()
    return caught.value.problems


def test_select_takes_every_field_in_the_order_asked(records):
    taken = records.select([2, 0])
    assert taken.ids == ("q3", "q1")
    assert taken.queries == ("a", "a")
    assert taken.tasks == ("t", "s")
    assert taken.groups == ("h", "g")
    assert taken.timestamps == (None, "2026-01-01")
    np.testing.assert_array_equal(taken.scores, [[1, NAN], [0, 1]])
    np.testing.assert_array_equal(taken.costs, [[4, 8], [1, NAN]])
    np.testing.assert_array_equal(taken.weights, [3, 1])
    np.testing.assert_array_equal(taken.output_tokens, [[30, 7], [10, 0]])
    assert (taken.models, dict(taken.prices), taken.notes) == (
        records.models,
        {"m": Price(1, 2)},
        ("made by hand",),
    )


def test_select_by_mask_and_nothing(records):
    assert records.select([False, True, True, False]).ids == ("q2", "q3")
    assert len(records.select([])) == 0
    assert len(records.select(np.zeros(4, bool))) == 0


def test_select_refuses(records):
    assert problems_of(lambda: records.select([4])) == (
        "row 4 is asked for; rows are numbered from 0 to 3",
    )
    assert "row -1" in problems_of(lambda: records.select([-1]))[0]
    assert "'q2' occur more than once" in problems_of(lambda: records.select([1, 1]))[0]
    assert "type float64" in problems_of(lambda: records.select([0.5]))[0]
    assert "mask of 4 bools" in problems_of(lambda: records.select([True]))[0]


def test_concat_unites_models(records):
    pair = Preference(query="a", model_a="n", model_b="o", winner="o")
    other = RecordSet(
        ids=("q5",),
        queries=("e",),
        models=("o", "n"),
        scores=[[0.75, 0.5]],
        latency_ms=[[9, 8]],
        preferences=(pair,),
        prices={"o": Price(3, 4), "m": Price(1, 2)},
        notes=("made by hand", "also"),
    )
    joined = RecordSet.concat([records, other])
    assert joined.ids == ("q1", "q2", "q3", "q4", "q5")
    assert joined.models == ("m", "n", "o")
    np.testing.assert_array_equal(joined.scores[0], [0, 1, NAN])
    np.testing.assert_array_equal(joined.scores[4], np.float32([NAN, 0.5, 0.75]))
    np.testing.assert_array_equal(joined.costs[2], [4, 8, NAN])
    np.testing.assert_array_equal(joined.weights, [1, 1, 3, 2, 1])
    np.testing.assert_array_equal(joined.latency_ms[[0, 4]], [[NAN, NAN, NAN], [NAN, 8, 9]])
    assert joined.groups == ("g", None, "h", None, None)
    assert joined.prices == {"m": Price(1, 2), "o": Price(3, 4)}
    assert joined.preferences == (pair,)
    assert joined.notes == ("made by hand", "also")


def test_concat_refuses(records):
    assert "at least one" in problems_of(lambda: RecordSet.concat([]))[0]
    assert "ids: 'q1'" in problems_of(lambda: RecordSet.concat([records, records]))[0]
    other = RecordSet(
        ids=("x",), models=("m",), scores=[[1]], vectors=[[1.0]], embedder="e",
        prices={"m": Price(9, 9)},
    )  # fmt: skip
    prices, vectors = problems_of(lambda: RecordSet.concat([records, other]))
    assert prices.startswith("prices of 'm' differ: Price(input=1, output=2")
    assert vectors.startswith("vectors come from different embedders: e, none (text)")


def test_concat_stacks_vectors():
    parts = [
        RecordSet(ids=(i,), models=("m",), scores=[[1]], vectors=[vector], embedder="e")
        for i, vector in (("x", [1.0, 0.0]), ("y", [0.0, 1.0]))
    ]
    joined = RecordSet.concat(parts)
    np.testing.assert_array_equal(joined.vectors, np.eye(2))
    assert joined.embedder == "e"


def test_drop_duplicates_merges_by_weight(records):
    merged = records.drop_duplicates()
    assert merged.ids == ("q1", "q2", "q4")
    assert merged.tasks == ("s", "t", None)
    assert merged.groups == ("g", None, None)
    # a: m is (0 * 1 + 1 * 3) / 4, n was measured once only.
    np.testing.assert_array_equal(merged.scores, np.float32([[0.75, 1], [0.5, NAN], [NAN, 0.25]]))
    np.testing.assert_array_equal(merged.costs, [[3.25, 8], [2, NAN], [NAN, NAN]])
    np.testing.assert_array_equal(merged.output_tokens, [[25, 5.25], [NAN, 5], [1, 1]])
    np.testing.assert_array_equal(merged.weights, [4, 1, 2])
    assert merged.notes == ("made by hand", "1 rows were merged into others with the same text")
    assert merged.drop_duplicates() is merged


cells = st.one_of(st.just(NAN), st.floats(0, 1, width=32))


@given(
    st.integers(1, 30).flatmap(
        lambda n: st.tuples(
            arrays(np.float64, (n, 3), elements=cells),
            arrays(np.float64, n, elements=st.floats(0.125, 100)),
            arrays(np.int64, n, elements=st.integers(0, 4)),
        )
    )
)
def test_group_means_against_a_slow_twin(case):
    values, weights, group = case
    means = group_means(values, weights, group, 5)
    for g in range(5):
        for column in range(3):
            chosen = (group == g) & ~np.isnan(values[:, column])
            if not chosen.any():
                assert np.isnan(means[g, column])
            else:
                twin = np.average(values[chosen, column], weights=weights[chosen])
                assert means[g, column] == pytest.approx(twin, rel=1e-9, abs=1e-12)


@given(st.lists(st.tuples(st.sampled_from("abc"), cells), min_size=1, max_size=20))
def test_merging_keeps_the_weighted_mean(rows):
    queries, scores = zip(*rows, strict=True)
    scores = (*scores, 1.0)  # so that something is measured
    records = RecordSet(
        ids=[str(row) for row in range(len(scores))],
        queries=(*queries, "d"),
        models=("m",),
        scores=np.nan_to_num(scores).reshape(-1, 1),
    )
    merged = records.drop_duplicates()
    assert len(merged) == len(set(queries)) + 1
    assert merged.weights.sum() == len(scores)
    before = np.average(records.scores[:, 0], weights=records.weights)
    assert np.average(merged.scores[:, 0], weights=merged.weights) == pytest.approx(
        before, abs=1e-6
    )
