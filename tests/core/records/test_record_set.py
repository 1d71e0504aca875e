import copy
import pickle  # what worker processes do to records

import numpy as np
import pytest

from knnrouter.errors import RecordsError
from knnrouter.records import Preference, Price, RecordSet

NAN = float("nan")


def records(**changes):
    fields = {"ids": ("q1", "q2"), "models": ("m", "n"), "scores": [[0, 1], [0.5, NAN]]}
    return RecordSet(**fields | changes)


def problems_of(make):
    with pytest.raises(RecordsError) as caught:
        make()
    return caught.value.problems


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda made: pickle.loads(pickle.dumps(made))], ids=["deep", "pickle"]
)
def test_a_copy_is_as_frozen_as_the_original(copied):
    made = records(prices={"m": Price(1.0, 2.0)}, notes=("checked",))
    again = copied(made)
    np.testing.assert_array_equal(again.scores, made.scores)
    assert (again.prices, again.notes, again.ids) == (made.prices, made.notes, made.ids)
    assert not again.scores.flags.writeable
    with pytest.raises(TypeError, match="does not support item assignment"):
        again.prices["n"] = Price(1.0, 2.0)


def test_defaults():
    made = records()
    assert made.queries == made.tasks == (None, None)
    np.testing.assert_array_equal(made.costs, np.full((2, 2), NAN))
    np.testing.assert_array_equal(made.weights, [1, 1])
    assert (made.scores.dtype, made.costs.dtype) == (np.float32, np.float64)
    assert made.vectors is made.embedder is made.input_tokens is made.groups is None
    assert (len(made), made.notes, dict(made.prices)) == (2, (), {})


def test_arrays_are_read_only_and_the_own_copy():
    given = np.array([[0, 1], [0.5, NAN]], np.float32)
    made = records(scores=given)
    given[0, 0] = 1  # the caller's array stays its own
    assert made.scores[0, 0] == 0
    for name in ("scores", "costs", "weights"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(made, name)[0] = 0
    with pytest.raises(TypeError):
        made.prices["m"] = Price(1, 1)


def test_a_read_only_array_is_not_copied():
    given = np.zeros((2, 2), np.float32)
    given.setflags(write=False)
    assert np.shares_memory(records(scores=given).scores, given)


def test_every_fault_of_the_shapes_at_once():
    faults = problems_of(
        lambda: records(
            ids=("q1", "q1"), models=("m", "m"), scores=[[0, 1]], weights=[1], tasks=("t",),
            vectors=[[1.0, 0.0]], embedder="e",
        )
    )  # fmt: skip
    expected = ["models: 'm'", "ids: 'q1'", "tasks: 1 values", "scores: shape (1, 2)"]
    expected += ["weights: shape (1,)", "vectors: shape (1, 2)"]
    assert [fault[: len(start)] for fault, start in zip(faults, expected, strict=True)] == expected


def test_every_fault_of_the_values_at_once():
    faults = problems_of(
        lambda: records(
            scores=[[7, -1], [0.5, NAN]], costs=[[0, -2], [NAN, 1]], weights=[1, 0],
            latency_ms=[[np.inf, 0], [0, 0]], vectors=[[1.0, 1.0], [0.0, 0.0]],
        )
    )  # fmt: skip
    scores, costs, latency, weights, embedder, vectors = faults
    assert scores.startswith(
        "scores: 2 values are (the first is 7.0 for id 'q1', model 'm') outside [0, 1]"
    )
    assert "`scale=" in scores
    assert costs.startswith("costs: 1 value is (the first is -2.0 for id 'q1', model 'n') negative")
    assert latency.startswith("latency_ms: 1 value is (the first is inf")
    assert weights.startswith("weights: 1 are not above zero (the first is 0.0 for id 'q2')")
    assert embedder.startswith("embedder is None and vectors are present")
    assert vectors.startswith("vectors: 1 rows do not have length 1 (the first is id 'q1'")


def test_no_model_and_nan_everywhere():
    (no_model,) = problems_of(lambda: records(models=(), scores=np.empty((2, 0))))
    assert no_model.startswith("there is no model")
    (nothing,) = problems_of(lambda: records(scores=np.full((2, 2), NAN)))
    assert "not one is measured (NaN everywhere)" in nothing


def test_what_is_not_an_array_of_numbers():
    scores, costs = problems_of(lambda: records(scores=[["good", 1], [1, 1]], costs=[[1], [1, 2]]))
    assert scores.startswith("scores: could not convert string to float: 'good'")
    assert costs.startswith("costs: ")


def test_prices_and_preferences_check_themselves():
    low, cached = problems_of(lambda: Price(-1, 1, cached_input=float("inf")))
    assert low.startswith("price `input` is -1; ")
    assert cached.startswith("price `cached_input` is inf; ")
    assert Price(1e-6, 0).input == 1e-6
    (stranger,) = problems_of(
        lambda: Preference(query="a", model_a="m", model_b="n", winner="model_a")
    )
    assert stranger.startswith("winner 'model_a' is neither 'm' nor 'n'")


# from_rows


def test_wide_rows():
    made = RecordSet.from_rows(
        [
            {"query": "a", "m": True, "n": 0.25, "group": "g", "m|input_tokens": 9},
            {"query": "b", "n": None, "id": 7, "m": NAN, "m|latency_ms": 1.5},
            {"query": "c", "n": 1, "task": "t", "timestamp": "2026-01-05T00:00:00Z"},
        ]
    )
    assert made.ids == ("row-1", "7", "row-3")
    assert made.models == ("m", "n")
    np.testing.assert_array_equal(made.scores, np.float32([[1, 0.25], [NAN, NAN], [NAN, 1]]))
    assert made.groups == ("g", None, None)
    assert made.tasks == (None, None, "t")
    assert made.timestamps == (None, None, "2026-01-05T00:00:00Z")
    np.testing.assert_array_equal(made.input_tokens, [[9, NAN], [NAN, NAN], [NAN, NAN]])
    np.testing.assert_array_equal(made.latency_ms, [[NAN, NAN], [1.5, NAN], [NAN, NAN]])
    assert made.output_tokens is None


def test_long_rows_join_on_id_else_on_task_and_text():
    made = RecordSet.from_rows(
        [
            {"id": "1", "query": "a", "model": "m", "score": 1, "cost": 0.5},
            {"id": "1", "query": "a", "model": "n", "score": 0, "task": "t"},
            {"query": "a", "model": "m", "score": 0, "input_tokens": 3, "output_tokens": 4},
            {"query": "a", "model": "n", "score": 1, "latency_ms": 5, "group": "g"},
            {"query": "a", "model": "o", "score": 0, "task": "other"},
        ]
    )
    assert made.ids == ("1", "row-3", "row-5")
    assert made.tasks == ("t", None, "other")
    np.testing.assert_array_equal(made.scores, [[1, 0, NAN], [0, 1, NAN], [NAN, NAN, 0]])
    assert made.costs[0, 0] == 0.5
    assert (made.input_tokens[1, 0], made.output_tokens[1, 0], made.latency_ms[1, 1]) == (3, 4, 5)
    assert made.groups == (None, "g", None)


def test_repeated_long_rows_without_id_are_kept():
    rows = [{"query": "a", "model": "m", "score": score} for score in (1, 0, 1)]
    made = RecordSet.from_rows(rows)
    np.testing.assert_array_equal(made.scores, [[1], [0], [1]])
    assert "2 repeated (query, model) pairs, kept as rows apart" in made.notes


def test_faults_of_rows_name_the_row():
    no_text, negative = problems_of(
        lambda: RecordSet.from_rows(
            [{"query": "a", "m": 1}, {"query": "\n", "m": 1}, {"query": "b", "m": 1, "m|cost": -1}]
        )
    )
    assert no_text.startswith("row 2: query: it is empty")
    assert negative.startswith("row 3: cost of 'm': -1.0 is negative")


def test_rows_that_are_no_rows():
    (nothing,) = problems_of(lambda: RecordSet.from_rows([]))
    assert nothing == "rows: no usable row; give at least one"
    (pair,) = problems_of(lambda: RecordSet.from_rows([{"query": "a", "m": 1}, ("b", 1)]))
    assert pair.startswith("row 2: ('b', 1) is not a mapping")


def test_scale_threshold_and_ignore():
    rows = [{"query": "a", "m": 7, "judge": "gpt"}, {"query": "b", "m": 10, "judge": "gpt"}]
    scaled = RecordSet.from_rows(rows, scale=(4, 10), ignore=["judge"])
    np.testing.assert_array_equal(scaled.scores, [[0.5], [1]])
    passed = RecordSet.from_rows(rows, threshold=7, ignore=["judge"])
    np.testing.assert_array_equal(passed.scores, [[0], [1]])
